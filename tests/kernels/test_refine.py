from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage
from tests.kernels.matching import Bools, Doubles, Floats, waves

from creepmeter.kernels.chip import CLUSTER, DONE, FLAT, GRADIENT_REACH, LOST, TOO_FEW
from creepmeter.kernels.refine import CONVERGED_PX, FIELDS, refine_chips
from creepmeter.kernels.spline import BEFORE, SUPPORT, spline_coefficients
from creepmeter.kernels.threads import limit_threads

pytestmark = pytest.mark.kernel

SHAPE = (34, 36)
CHIP = 16
LEAST = CHIP * CHIP / 2
Starts = npt.ArrayLike


def pair(
    seed: int, dy: float, dx: float, shape: tuple[int, int] = SHAPE, shortest: float = 4.0
) -> tuple[Floats, Floats]:
    y, x = np.indices(shape, dtype=np.float64)
    ground = waves(seed, shortest)
    return ground(y, x).astype(np.float32), ground(y - dy, x - dx).astype(np.float32)


def refine_at(
    ref: Floats, sec: Floats, places: Starts, solids: tuple[Bools | None, Bools | None] = (None, None), chip: int = CHIP
) -> Floats:
    """Refine chips at places (top, left, start dy, start dx)."""
    seen = [np.ones(ref.shape, bool) if solid is None else solid for solid in solids]
    images = (ref, seen[0].view(np.uint8), spline_coefficients(sec), seen[1].view(np.uint8))
    return refine_chips(images, np.atleast_2d(np.asarray(places, np.float64)), chip, chip * chip / 2, 1.5)


def refine(
    ref: Floats, sec: Floats, starts: Starts, solids: tuple[Bools | None, Bools | None] = (None, None)
) -> Floats:
    """Refine the chip in the middle from each start (dy, dx)."""
    start = np.atleast_2d(np.asarray(starts, np.float64))
    return refine_at(ref, sec, np.hstack([np.full(start.shape, 9.0), start]), solids)


# --------------------------------------------------------------------------------------------------- known shifts


@example(seed=195, shift=(0.625, 0.625))  # its last step is long
@given(seed=st.integers(0, 200), shift=st.tuples(st.floats(-1, 1), st.floats(-1, 1)))
def test_a_known_shift_of_a_band_limited_ground_is_found(seed: int, shift: tuple[float, float]) -> None:
    ref, sec = pair(seed, *shift, shortest=6.0)
    dy, dx, correlation, sigma_y, sigma_x, state, supported, parts = refine(ref, sec, np.round(shift))[0]
    assert state == DONE
    assert_allclose([dy, dx], shift, atol=1e-3)
    assert correlation > 0.9999
    assert max(sigma_y, sigma_x) < 0.01
    assert supported == 1
    assert parts > 0.999


@given(seed=st.integers(0, 200), shift=st.tuples(st.floats(-1, 1), st.floats(-1, 1)))
def test_waves_of_four_pixels_bias_little(seed: int, shift: tuple[float, float]) -> None:
    found = refine(*pair(seed, *shift), np.round(shift))[0]
    assert found[5] == DONE
    assert_allclose(found[:2], shift, atol=4e-3)  # the derivative over five points is not the spline's own


@pytest.mark.parametrize("chip", [8, 9, 15, 31, 33])
def test_chips_of_any_size_find_the_shift(chip: int) -> None:
    ref, sec = pair(1, 0.3, -0.7, (60, 60), shortest=6.0)
    found = refine_at(ref, sec, [[11, 13, 0, -1]], chip=chip)[0]
    assert found[5] == DONE
    assert_allclose(found[:2], [0.3, -0.7], atol=2e-3)


def test_the_result_does_not_depend_on_the_start() -> None:
    ref, sec = pair(1, 0.45, -0.3)
    found = refine(ref, sec, [(0, 0), (1, -1), (0, -1), (0.4, -0.2)])
    assert_array_equal(found[:, 5], DONE)
    assert_allclose(found[:, :2], np.tile(found[0, :2], (4, 1)), atol=3 * CONVERGED_PX)


@given(seed=st.integers(0, 200), whole=st.tuples(st.integers(-3, 3), st.integers(-3, 3)))
def test_a_chip_that_moved_by_whole_pixels_is_found_exactly(seed: int, whole: tuple[int, int]) -> None:
    ref, sec = pair(seed, *whole)
    dy, dx, correlation, sigma_y, sigma_x = refine(ref, sec, whole)[0, :5]
    assert_allclose([dy, dx], whole, atol=2e-6)
    assert_allclose(correlation, 1, atol=1e-6)
    assert max(sigma_y, sigma_x) < 1e-5


@given(gain=st.floats(0.1, 20), level=st.floats(-5, 5))
def test_brightness_and_contrast_of_the_secondary_change_nothing(gain: float, level: float) -> None:
    ref, sec = pair(2, 0.2, 0.6)
    sec += np.random.default_rng(2).normal(0, 0.2, sec.shape).astype(np.float32)
    plain = refine(ref, sec, (0, 1))[0]
    assert_allclose(refine(ref, (gain * sec + level).astype(np.float32), (0, 1))[0], plain, rtol=2e-3, atol=2e-4)


@given(gain=st.floats(0.1, 20), level=st.floats(-5, 5))
def test_brightness_and_contrast_of_the_reference_change_nothing(gain: float, level: float) -> None:
    ref, sec = pair(2, 0.2, 0.6)
    ref += np.random.default_rng(2).normal(0, 0.2, sec.shape).astype(np.float32)
    plain = refine(ref, sec, (0, 1))[0]
    assert_allclose(refine((gain * ref + level).astype(np.float32), sec, (0, 1))[0], plain, rtol=2e-3, atol=2e-4)


def test_transposed_images_transpose_the_result() -> None:
    ref, sec = pair(3, 0.2, 0.6, (34, 34))
    sec += np.random.default_rng(3).normal(0, 0.3, sec.shape).astype(np.float32)
    plain = refine(ref, sec, (0, 1))[0]
    turned = refine(np.ascontiguousarray(ref.T), np.ascontiguousarray(sec.T), (1, 0))[0]
    assert_allclose(turned[[1, 0, 2, 4, 3, 5, 6, 7]], plain, rtol=1e-3, atol=1e-5)


# ------------------------------------------------------------------------------------------ what cannot be refined


@pytest.mark.parametrize(
    ("ref", "sec", "state"),
    [
        (np.ones(SHAPE), pair(3, 0, 0)[1], FLAT),
        (np.tile(np.sin(np.arange(SHAPE[1])), (SHAPE[0], 1)), pair(3, 0, 0)[1], FLAT),
        (pair(3, 0, 0)[0], -pair(3, 0, 0)[0], LOST),
        (pair(3, 0, 0)[0], np.zeros(SHAPE), LOST),
    ],
    ids=["constant", "stripes", "negative", "empty secondary"],
)
def test_what_cannot_be_refined_says_why(ref: Doubles, sec: Doubles, state: int) -> None:
    found = refine(ref.astype(np.float32), sec.astype(np.float32), (0, 0))[0]
    assert found[5] == state
    assert len(found) == FIELDS


def test_no_chips_give_nothing() -> None:
    assert refine_at(*pair(3, 0, 0), np.empty((0, 4))).shape == (0, FIELDS)


def test_too_few_common_pixels_are_refused() -> None:
    ref, sec = pair(4, 0, 0)
    left, top = np.ones((2, *SHAPE), bool)
    left[:, 9:15] = top[9:14] = False  # 10 x 11 of 16 x 16 pixels stay
    assert refine(ref, sec, (0, 0), (left, top))[0, 5] == TOO_FEW
    assert refine(ref, sec, (0, 0), (left, None))[0, 5] == DONE


# -------------------------------------------------------------------------------------------- missing and borders


@pytest.mark.parametrize("garbage", [0.0, 1e6, -3e5])
def test_missing_pixels_of_the_reference_never_enter_a_sum(garbage: float) -> None:
    ref, sec = pair(5, 0.3, -0.4)
    valid = np.random.default_rng(5).random(SHAPE) > 0.004
    valid[12:15, 10:16] = False
    cross = np.zeros((2 * GRADIENT_REACH + 1,) * 2, bool)
    cross[GRADIENT_REACH] = cross[:, GRADIENT_REACH] = True
    solid = ndimage.binary_erosion(valid, cross, border_value=1)
    plain = refine(np.where(valid, ref, np.float32(0)), sec, (0, 0), (solid, None))
    hidden = refine(np.where(valid, ref, np.float32(garbage)), sec, (0, 0), (solid, None))
    assert plain[0, 5] == DONE
    assert_allclose(plain[0, :2], [0.3, -0.4], atol=5e-3)
    assert_array_equal(hidden, plain)


def test_missing_coefficients_of_the_secondary_never_enter_a_sum() -> None:
    ref, sec = pair(5, 0.3, -0.4)
    valid = np.ones(SHAPE, bool)
    valid[12:15, 10:20] = False
    window = np.zeros((2 * SUPPORT - 1, 2 * SUPPORT - 1), bool)
    window[SUPPORT - 1 - BEFORE : 2 * SUPPORT - 1 - BEFORE, SUPPORT - 1 - BEFORE : 2 * SUPPORT - 1 - BEFORE] = True
    solid = ndimage.binary_erosion(valid, window, border_value=1)
    coefficients, seen = spline_coefficients(sec), np.ones(SHAPE, np.uint8)
    places = np.array([[9.0, 9.0, 0.0, 0.0]])
    results = []
    for garbage in (0.0, 1e6, -3e5):
        hidden = np.where(valid, coefficients, np.float32(garbage))
        results.append(refine_chips((ref, seen, hidden, solid.view(np.uint8)), places, CHIP, 60.0, 1.5))
    assert results[0][0, 5] == DONE
    assert_allclose(results[0][0, :2], [0.3, -0.4], atol=5e-3)
    for result in results:
        assert_array_equal(result, results[0])


@pytest.mark.parametrize("corner", [(0, 0), (0, 20), (18, 0), (18, 20), (18, 10)])
def test_chips_at_the_border_use_what_lies_inside(corner: tuple[int, int]) -> None:
    ref, sec = pair(6, 0.4, 0.3)
    first, second = np.zeros((2, *SHAPE), bool)
    first[2:-2, 2:-2] = second[2:-3, 2:-3] = True  # as gradient and spline leave them
    found = refine_at(ref, sec, [[*corner, 0, 0]], (first, second))[0]
    assert found[5] == DONE
    assert_allclose(found[:2], [0.4, 0.3], atol=0.01)  # near its border the spline does not know what follows


def test_chips_that_leave_the_secondary_have_too_few_pixels() -> None:
    ref, sec = pair(6, 0, 0)
    found = refine_at(
        ref, sec, [[9, 9, start_y, start_x] for start_y, start_x in ((-60, 0), (0, 60), (20.5, 0), (0, -20.2))]
    )
    assert_array_equal(found[:, 5], TOO_FEW)


def test_company_and_masks_far_away_change_no_bit() -> None:
    ref, sec = pair(7, 0.3, -0.4, (60, 60))
    places = [[top, left, 0, 0] for top in (2, 20, 40) for left in (2, 20, 40)]
    together = refine_at(ref, sec, places)
    assert_array_equal(together, np.concatenate([refine_at(ref, sec, [place]) for place in places]))
    far = np.ones(ref.shape, bool)
    far[-1, -1] = False
    assert_array_equal(refine_at(ref, sec, places, (far, far)), together)


def test_the_number_of_threads_changes_no_bit() -> None:
    ref, sec = pair(6, 0.3, -0.4, (300, 40))
    sec += np.random.default_rng(6).normal(0, 0.3, sec.shape).astype(np.float32)
    places = [[top, left, 0, 0] for top in range(4, 280, 20) for left in (4, 16)]
    results = []
    for threads in (1, 2, 3):
        with limit_threads(threads):
            results.append(refine_at(ref, sec, places))
    for result in results:
        assert_array_equal(result, results[0])


# ------------------------------------------------------------------------------------------------ standard errors


@pytest.mark.slow
@pytest.mark.parametrize("noise", [(0.0, 0.4), (0.3, 0.3), (0.4, 0.0)], ids=["secondary", "both", "reference"])
def test_errors_of_white_noise_are_those_of_many_trials(noise: tuple[float, float]) -> None:
    chip, rng = 32, np.random.default_rng(8)
    y, x = np.indices((336, 336), dtype=np.float64)
    scaled, spread = [], []
    for seed in range(4):
        ground = waves(seed, 8.0)
        ref, sec = (
            (image + rng.normal(0, level, image.shape)).astype(np.float32)
            for image, level in ((ground(y, x), noise[0]), (ground(y - 0.3, x + 0.4), noise[1]))
        )
        places = [[top, left, 0, 0] for top in range(4, 300, 33) for left in range(4, 300, 33)]
        found = refine_at(ref, sec, places, chip=chip)
        found = found[found[:, 5] == DONE]
        assert len(found) == len(places)
        scaled.append((found[:, :2] - [0.3, -0.4]) / found[:, 3:5])
        spread.append(found[:, 3:5].mean())
    z = np.concatenate(scaled)
    assert 0.9 < np.sqrt((z**2).mean()) < 1.1
    assert 0.62 < (abs(z) < 1).mean() < 0.74
    assert 0.93 < (abs(z) < 2).mean() < 0.98


@pytest.mark.parametrize("power", [-40, 40])
def test_the_unit_of_the_brightness_changes_no_standard_error(power: int) -> None:
    ref, sec = pair(7, 0.3, -0.4)
    sec += np.random.default_rng(7).normal(0, 0.1, sec.shape).astype(np.float32)
    unit = np.float32(2.0**power)  # a power of two loses no digit
    plain, scaled = (refine(one * ref, one * sec, (0, 0)) for one in (np.float32(1.0), unit))
    assert (plain[0, 3:5] > 0).all()
    assert_array_equal(scaled, plain)


def test_sigma_grows_as_the_noise() -> None:
    ref, sec = pair(9, 0.3, -0.4)
    noise = np.random.default_rng(9).normal(0, 1, sec.shape)
    spread = [refine(ref, (sec + level * noise).astype(np.float32), (0, 0))[0, 3:5] for level in (0.05, 0.1, 0.2)]
    assert_allclose(np.divide(spread[1:], spread[:-1]), 2, rtol=0.15)


def test_sigma_is_the_sandwich_of_cell_sums() -> None:
    ref, _ = pair(10, 0, 0)
    sec = ref + np.random.default_rng(10).normal(0, 0.05, SHAPE).astype(np.float32)
    dy, dx, _, sigma_y, sigma_x = refine(ref, sec, (0, 0))[0, :5]
    moved, inner = (
        ndimage.shift(sec.astype(float), (-dy, -dx), order=5, mode="mirror"),
        np.s_[9 : 9 + CHIP, 9 : 9 + CHIP],
    )
    slopes = [
        (ndimage.shift(sec.astype(float), (-dy - h, -dx - w), order=5, mode="mirror")[inner]
        - ndimage.shift(sec.astype(float), (-dy + h, -dx + w), order=5, mode="mirror")[inner]) / 2e-3
        for h, w in ((1e-3, 0), (0, 1e-3))
    ]  # fmt: skip
    kernel = np.array([1, -8, 0, 8, -1]) / 12
    gradient = [ndimage.correlate1d(ref.astype(float), kernel, axis=axis)[inner] for axis in (0, 1)]
    t, w = (part[inner] - part[inner].mean() for part in (ref.astype(float), moved))
    scale = np.sqrt((t**2).sum() / (w**2).sum())
    rows = np.stack([np.ones(t.size), t.ravel()], axis=1)

    def freed(values: Doubles) -> Doubles:
        flat = values.ravel()
        return np.asarray(flat - rows @ np.linalg.lstsq(rows, flat, rcond=None)[0])

    g_t, g_w = (np.stack([freed(part) for part in parts]) for parts in (gradient, [scale * s for s in slopes]))
    error = (scale * w - t).ravel()
    cells = ((g_t + g_w) / 2 * error).reshape(2, CHIP // CLUSTER, CLUSTER, CHIP // CLUSTER, CLUSTER).sum(axis=(2, 4))
    cells = cells.reshape(2, -1)
    inverse = np.linalg.inv(g_t @ g_w.T)
    covariance = inverse @ (cells @ cells.T) @ inverse.T
    assert_allclose([sigma_y, sigma_x], np.sqrt(np.diag(covariance)), rtol=0.01)


# ---------------------------------------------------------------------------------------- support and local correlation


def test_support_is_the_share_of_parts_that_correlate_by_themselves() -> None:
    ref, _ = pair(11, 0, 0, (60, 60))
    half = ref.copy()
    half[:, 30:] = np.random.default_rng(11).normal(0, 2.5, (60, 30))
    found = refine_at(ref, half, [[14, 14, 0, 0]], chip=32)[0]
    assert found[5] == DONE
    assert abs(found[6] - 0.5) <= 2 / 16
    assert 0.35 < found[7] < 0.65
    assert refine_at(ref, ref, [[14, 14, 0, 0]], chip=32)[0, 6] == 1


def test_one_strong_edge_lifts_the_correlation_of_the_whole_not_of_its_parts() -> None:
    rng = np.random.default_rng(12)
    step = np.where(np.hypot(*(np.indices((60, 60)) - 12)) > 26, 200.0, 0.0)  # a curved shore, so both axes are known
    step = ndimage.gaussian_filter(step, 0.8)
    ref, sec = ((step + rng.normal(0, 1, step.shape)).astype(np.float32) for _ in range(2))
    whole = refine_at(ref, sec, [[14, 14, 0, 0]], chip=32)[0]
    assert whole[5] == DONE
    assert whole[2] > 0.99
    assert whole[6] <= 0.5
    assert whole[7] < 0.7 * whole[2]


def test_what_is_missing_is_not_asked_for_support() -> None:
    ref, _ = pair(13, 0, 0, (60, 60))
    half = ref.copy()
    half[:, 30:] = np.random.default_rng(13).normal(0, 2.5, (60, 30))
    seen = np.ones(ref.shape, bool)
    seen[:, 30:] = False
    found = refine_at(ref, half, [[14, 14, 0, 0]], (None, seen), chip=32)[0]
    assert found[5] == DONE
    assert found[6] == 1
    assert found[7] > 0.99
