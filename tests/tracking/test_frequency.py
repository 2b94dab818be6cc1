from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import fft

from creepmeter.errors import ImageError
from creepmeter.tracking.frequency import FrequencyOffsets, frequency_offsets

Doubles = npt.NDArray[np.float64]
seeds = st.integers(0, 2**32 - 1)
EDGE = 96


def scene(seed: int, shift: tuple[float, float] = (0, 0), edge: int = EDGE) -> Doubles:
    """Return a red image without aliases, moved by (dy, dx) pixels exactly: its spectrum is known."""
    noise = fft.fft2(np.random.default_rng(seed).normal(size=(edge, edge)))
    y, x = fft.fftfreq(edge)[:, None], fft.fftfreq(edge)[None, :]
    shape = np.exp(-((np.hypot(y, x) / 0.2) ** 2)) / (0.02 + np.hypot(y, x))
    move = np.exp(-2j * np.pi * (y * shift[0] + x * shift[1]))
    return np.asarray(fft.ifft2(noise * shape * move).real)


def chips(chip: int = 32, edge: int = EDGE, margin: int = 6, step: int = 13) -> tuple[Any, Any]:
    places = np.arange(margin, edge - chip - margin, step)
    rows, cols = np.meshgrid(places, places, indexing="ij")
    return rows, cols


def measure(
    ref: npt.NDArray[Any], sec: npt.NDArray[Any], chip: int = 32, start: tuple[int, int] = (0, 0)
) -> FrequencyOffsets:
    rows, cols = chips(chip, len(ref))
    return frequency_offsets(ref, sec, rows, cols, chip, np.full(rows.shape, start[0]), np.full(rows.shape, start[1]))


@given(seed=seeds, dy=st.floats(-0.7, 0.7), dx=st.floats(-0.7, 0.7))
def test_a_shift_without_noise_is_found(seed: int, dy: float, dx: float) -> None:
    found = measure(scene(seed), scene(seed, (dy, dx)))
    assert found.converged.all()
    for offset, true in ((found.dy, dy), (found.dx, dx)):
        assert_allclose(offset, true, atol=0.01)  # the ends of the window have aliases: 0.005 measured
        assert abs(offset.mean() - true) < 0.004
    assert found.coherence.min() > 0.99


def test_starts_are_whole_offsets_and_a_start_a_pixel_off_is_found_back() -> None:
    ref, sec = scene(1), scene(1, (2.3, -3.6))
    for start in ((2, -4), (3, -3)):
        found = measure(ref, sec, start=start)
        assert found.converged.all()
        assert_allclose(found.dy, 2.3, atol=0.01)
        assert_allclose(found.dx, -3.6, atol=0.01)


@given(seed=seeds, chip=st.sampled_from([15, 32]))
def test_identical_images_have_moved_by_exactly_nothing(seed: int, chip: int) -> None:
    image = scene(seed)
    found = measure(image, image, chip)
    for name in ("dy", "dx", "sigma_dy", "sigma_dx"):
        assert_array_equal(getattr(found, name), 0)
    assert found.converged.all()


@given(seed=seeds)
def test_brightness_and_contrast_do_not_matter(seed: int) -> None:
    ref, sec = scene(seed), scene(seed, (0.3, -0.2))
    plain, changed = measure(ref, sec), measure(ref, 500 + 3 * sec)
    assert_allclose(changed.dx, plain.dx, atol=1e-6)
    assert_allclose(changed.sigma_dx, plain.sigma_dx, rtol=1e-3)


def test_swapped_images_move_back() -> None:
    ref, sec = scene(5), scene(5, (0.3, -0.2))
    there, back = measure(ref, sec), measure(sec, ref)
    assert_allclose(back.dy, -there.dy, atol=0.01)
    assert_allclose(back.dx, -there.dx, atol=0.01)


@pytest.mark.parametrize("noise", [0.1, 0.3])
def test_standard_errors_hold_the_errors(noise: float) -> None:
    scaled = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        ref, sec = scene(seed), scene(seed, (0.3, -0.4))
        found = measure(*(image + noise * image.std() * rng.normal(size=image.shape) for image in (ref, sec)))
        use = found.converged
        assert use.mean() > 0.9
        scaled += [((found.dy - 0.3) / found.sigma_dy)[use], ((found.dx + 0.4) / found.sigma_dx)[use]]
    assert 0.8 < np.concatenate(scaled).std() < 1.2


def test_chips_with_missing_pixels_or_outside_are_not_measured_and_change_no_other() -> None:
    ref, sec = scene(2), scene(2, (0.2, 0.1))
    whole = measure(ref, sec)
    holed = ref.copy()
    holed[10, 10] = np.nan
    found = measure(holed, sec)
    rows, cols = chips()
    hit = (rows <= 10) & (cols <= 10)
    assert 0 < hit.sum() < hit.size
    assert not found.converged[hit].any()
    assert np.isnan([found.dx[hit], found.sigma_dy[hit], found.coherence[hit]]).all()
    assert_allclose(found.dx[~hit], whole.dx[~hit], atol=1e-6)
    outside = frequency_offsets(
        ref, sec, np.array([-1, 70, 20]), np.array([5, 5, 60]), 32, np.zeros(3), np.array([0, 0, 5])
    )
    assert not outside.converged.any()
    assert np.isnan(outside.dy).all()


def test_a_chip_without_a_start_is_not_measured() -> None:
    ref, sec = scene(2), scene(2, (0.2, 0.1))
    start = np.array([0, np.nan, 0])
    found = frequency_offsets(ref, sec, np.full(3, 10), np.array([10, 20, 30]), 32, start, np.zeros(3))
    assert found.converged.tolist() == [True, False, True]
    assert np.isfinite(found.dy).tolist() == [True, False, True]


def test_flat_ground_is_not_measured() -> None:
    found = measure(np.full((EDGE, EDGE), 2200.0), scene(3))
    assert not found.converged.any()
    assert np.isnan(found.dx).all()


def test_unrelated_images_are_told_by_their_coherence() -> None:
    found = measure(scene(1), scene(2))
    assert not (found.converged & (found.coherence > 0.5)).any()


def test_whole_numbers_are_images_too() -> None:
    ref, sec = (np.rint(1000 + 100 * scene(4, shift)).astype(np.uint16) for shift in ((0, 0), (0.4, 0.1)))
    found = measure(ref, sec)
    assert_allclose(found.dy, 0.4, atol=0.02)
    assert_allclose(found.dx, 0.1, atol=0.02)


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(ImageError, match=r"of one size, got \(9, 9\) and \(9, 8\) pixels"):
        frequency_offsets(np.zeros((9, 9)), np.zeros((9, 8)), np.zeros(1), np.zeros(1), 8, np.zeros(1), np.zeros(1))
    with pytest.raises(ImageError, match="chips of 4 pixels are too small"):
        frequency_offsets(np.zeros((9, 9)), np.zeros((9, 9)), np.zeros(1), np.zeros(1), 4, np.zeros(1), np.zeros(1))


def grid(edge: int, chip: int, step: int) -> tuple[Any, Any]:
    places = np.arange(40, edge - 44 - chip, step)
    rows, cols = np.meshgrid(places, places, indexing="ij")
    return rows, cols


@pytest.mark.golden
@pytest.mark.parametrize("chip", [32, 64])
def test_rigid_shifts_are_not_drawn_to_whole_pixels(shared: Path, chip: int) -> None:
    with np.load(shared / "golden" / "offset_pairs" / "rigid_shifts.npz") as images:
        ref, moved, shifts = images["ref"], images["sec"], images["shift_xy"]
    rows, cols = grid(len(ref), chip, 32)
    for sec, shift in zip(moved, shifts, strict=True):
        start = [np.full(rows.shape, round(value)) for value in shift]
        found = frequency_offsets(ref, sec, rows, cols, chip, start[1], start[0])
        assert found.converged.all()
        assert abs(found.dx.mean() - shift[0]) <= 0.004  # autoRIFT's locking: 0.032
        assert abs(found.dy.mean() - shift[1]) <= 0.004
        assert max(found.dx.std(), found.dy.std()) <= 0.01


@pytest.mark.golden
@pytest.mark.parametrize(("name", "converged", "rmse"), [("clean", 0.99, 0.025), ("hard", 0.9, 0.13)])
def test_known_motion(shared: Path, name: str, converged: float, rmse: float) -> None:
    folder = shared / "golden" / "offset_pairs" / name
    with np.load(folder / "pair.npz") as images, np.load(folder / "truth.npz") as known:
        ref, sec, truth = images["ref"], images["sec"], dict(known)
    rows, cols = grid(len(ref), 32, 60)
    motion = []
    for key in ("dy_every4", "dx_every4"):
        total = np.pad(truth[key].astype(float).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
        top, left = rows // 4, cols // 4
        motion.append(total[top + 8, left + 8] - total[top, left + 8] - total[top + 8, left] + total[top, left])
    expected = [values / 64 for values in motion]
    bad = np.zeros(ref.shape, bool)
    for key in {"lake", "nodata"} & set(truth):
        bad |= truth[key].astype(bool)
    corners = zip(rows.flat, cols.flat, strict=True)
    whole = np.reshape([not bad[row : row + 32, col : col + 32].any() for row, col in corners], rows.shape)
    found = frequency_offsets(ref, sec, rows, cols, 32, *(np.rint(values) for values in expected))
    assert found.converged[whole].mean() >= converged
    use = whole & found.converged
    for offset, sigma, true in zip((found.dy, found.dx), (found.sigma_dy, found.sigma_dx), expected, strict=True):
        error = (offset - true)[use]
        assert abs(error.mean()) <= 0.01
        assert np.sqrt((error**2).mean()) <= rmse
        assert 0.85 < (error / sigma[use]).std() < 1.15
