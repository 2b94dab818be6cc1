from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import fft

from creepmeter.errors import ImageError, InputError
from creepmeter.simulate import pair_images, rigid_pair, surface

Image = npt.NDArray[np.floating]
Floats = npt.NDArray[np.float64]


def phase_shift(ref: Image, sec: Image) -> tuple[float, float]:
    """Return (dx, dy) from the slope of the phase of the cross spectrum: knows nothing of the simulator."""
    window = np.hanning(ref.shape[0])[:, None] * np.hanning(ref.shape[1])
    row = fft.fftfreq(ref.shape[0])[:, None] * np.ones(ref.shape[1])
    column = fft.fftfreq(ref.shape[1])[None, :] * np.ones((ref.shape[0], 1))
    radius = np.hypot(row, column)
    band = (radius > 0.02) & (radius < 0.25)  # below what is aliased
    cross = np.conj(fft.fft2((ref - ref.mean()) * window)) * fft.fft2((sec - sec.mean()) * window)
    design = -2 * np.pi * np.stack([column[band], row[band]], axis=1)
    shift = np.zeros(2)
    for _ in range(4):
        left = cross[band] * np.exp(-1j * (design @ shift))
        weight = np.sqrt(np.abs(left))[:, None]
        shift += np.linalg.lstsq(design * weight, np.angle(left) * weight[:, 0], rcond=None)[0]
    return float(shift[0]), float(shift[1])


@pytest.mark.parametrize(("dx", "dy"), [(0.0, 0.0), (0.37, -0.21), (-0.5, 0.5), (0.25, 0.75), (1.4, -0.9)])
def test_a_rigid_shift_is_found_by_an_independent_estimator(dx: float, dy: float) -> None:
    ref, sec = rigid_pair((192, 192), dx, dy, noise_dn=5.0, seed=4)
    assert_allclose(phase_shift(ref, sec), (dx, dy), atol=0.02)


def test_a_feature_at_x_y_is_found_at_x_plus_dx_y_plus_dy() -> None:
    ref, sec = rigid_pair((90, 100), dx=3.0, dy=-2.0, seed=1)
    assert_allclose(sec[:-2, 3:], ref[2:, :-3], atol=2e-3)


def test_a_field_moves_each_feature_by_its_own_offset() -> None:
    pair = pair_images((120, 130), lambda x, y: (0.05 * (x - 60), 0.3 - 0.02 * y), seed=2)
    ground = surface((120, 130), 2)
    rows, columns = np.indices((120, 130), dtype=float)
    # x + 0.05 (x - 60) = column and y + 0.3 - 0.02 y = row, solved by hand
    assert_allclose(pair.sec, ground.at((rows - 0.3) / 0.98, (columns + 3.0) / 1.05), atol=5e-3)
    assert_allclose(pair.ref, ground.at(rows, columns), atol=1e-3)
    assert_allclose(pair.dx[0, [0, 60, 100]], [-3.0, 0.0, 2.0])
    assert_allclose(pair.dy[[0, 100], 0], [0.3, -1.7])


def test_a_local_bump_is_found_where_it_was_put() -> None:
    def bump(x: Floats, y: Floats) -> tuple[Floats, Floats]:
        return 2.0 * np.exp(-(((x - 130) / 60) ** 4) - ((y - 120) / 60) ** 4), np.full_like(x, -1.0)

    pair = pair_images((256, 256), bump, seed=2)
    chip = slice(104, 136), slice(114, 146)  # dx is within 0.02 px of 2 all over this chip
    found = phase_shift(pair.ref[chip], np.roll(pair.sec, (1, -2), axis=(0, 1))[chip])
    assert_allclose(found, (0.0, 0.0), atol=0.03)


def test_an_array_of_offsets_is_a_field() -> None:
    offset = np.stack([np.full((80, 90), 0.4), np.full((80, 90), -0.3)])
    from_array, rigid = pair_images((80, 90), offset, seed=3), pair_images((80, 90), (0.4, -0.3), seed=3)
    assert_allclose(from_array.sec, rigid.sec, atol=2e-3)


def test_chip_means_are_means_over_chips() -> None:
    pair = pair_images((64, 64), lambda x, y: (0.01 * x, 0.02 * y), seed=0)
    rows, columns = np.array([[15.5], [31.5]]), np.array([[15.5, 40.5]])
    dx, dy = pair.chip_mean(rows, columns, 32)
    assert_allclose(dx, 0.01 * np.array([[15.5, 40.5], [15.5, 40.5]]))
    assert_allclose(dy, 0.02 * np.array([[15.5, 15.5], [31.5, 31.5]]))


def test_noise_change_and_gradient_are_what_was_asked_for() -> None:
    clean = pair_images((160, 160), (0.0, 0.0), seed=6)
    noisy = pair_images((160, 160), (0.0, 0.0), noise_dn=20.0, seed=6)
    assert np.std(noisy.ref - clean.ref) == pytest.approx(20.0, rel=0.02)
    assert abs(np.corrcoef((noisy.ref - clean.ref).ravel(), (noisy.sec - clean.sec).ravel())[0, 1]) < 0.02
    changed = pair_images((160, 160), (0.0, 0.0), change_dn=40.0, seed=6)
    assert np.std(changed.sec - clean.sec) == pytest.approx(40.0, rel=0.25)
    assert_array_equal(changed.ref, clean.ref)
    tilted = pair_images((160, 160), (0.0, 0.0), gradient=0.02, seed=6)
    assert_allclose(tilted.sec[:, -1] / clean.sec[:, -1], 1.01, rtol=1e-5)


def test_one_seed_gives_one_pair_bit_for_bit() -> None:
    first, again = (rigid_pair((50, 60), 0.2, 0.3, noise_dn=5.0, seed=8) for _ in range(2))
    assert_array_equal(first[1], again[1])


def test_offsets_of_another_shape_are_refused() -> None:
    with pytest.raises(ImageError, match=r"array of shape \(2, 20, 30\)"):
        pair_images((20, 30), np.zeros((2, 30, 20)))


def test_a_field_that_folds_the_ground_is_refused() -> None:
    with pytest.raises(InputError, match="folds the ground"):
        pair_images((40, 40), lambda x, y: (9.0 * np.sin(x), 0.0 * y))
