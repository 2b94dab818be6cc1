from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage
from scipy.interpolate import BSpline

from creepmeter.kernels.refine import (
    BEFORE,
    CONVERGED_PX,
    DONE,
    FIELDS,
    FLAT,
    LOST,
    ORDER,
    SUPPORT,
    TOO_FEW,
    gradient,
    interpolate,
    refine_chips,
    spline_weights,
    spread,
    support,
)
from creepmeter.kernels.threads import limit_threads

pytestmark = pytest.mark.kernel
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ground = Callable[[Doubles, Doubles], Doubles]

SHAPE = (34, 36)
CHIP = 16
LEAST = CHIP * CHIP / 2


def waves(seed: int) -> Ground:
    """Return a sum of waves no shorter than four pixels: known at every place, and band-limited."""
    rng = np.random.default_rng(seed)
    angle, phase = rng.uniform(0, 2 * np.pi, (2, 12))
    wavenumber = rng.uniform(0.3, np.pi / 2, 12)

    def ground(y: Doubles, x: Doubles) -> Doubles:
        along = np.multiply.outer(y, np.sin(angle)) + np.multiply.outer(x, np.cos(angle))
        total: Doubles = np.cos(along * wavenumber + phase).sum(axis=-1)
        return total

    return ground


def pair(seed: int, dy: float, dx: float) -> tuple[Floats, Floats]:
    y, x = np.indices(SHAPE, dtype=np.float64)
    ground = waves(seed)
    return ground(y, x).astype(np.float32), ground(y - dy, x - dx).astype(np.float32)


def refine(
    ref: Floats, sec: Floats, starts: npt.ArrayLike, *, ref_solid: Bools | None = None, sec_solid: Bools | None = None
) -> Floats:
    """Refine the chip in the middle from each start (dy, dx)."""
    seen = np.ones(ref.shape, bool)
    coefficients = ndimage.spline_filter(sec, ORDER, output=np.float32, mode="mirror")
    start = np.atleast_2d(np.asarray(starts, np.float64))
    places = np.hstack([np.full(start.shape, 9.0), start])
    solids = [seen if solid is None else solid for solid in (ref_solid, sec_solid)]
    return refine_chips(ref, solids[0], coefficients, solids[1], places, CHIP, LEAST, 1.5)


@given(fraction=st.floats(0, 1))
def test_weights_are_the_quintic_basis(fraction: float) -> None:
    weights = np.empty(SUPPORT, np.float32)
    spline_weights(fraction, weights)
    basis = BSpline.basis_element(np.arange(-3, 4), extrapolate=False)
    expected = [np.nan_to_num(basis(k - fraction)) for k in range(-BEFORE, SUPPORT - BEFORE)]
    assert_allclose(weights, expected, atol=1e-7)
    assert_allclose(weights.sum(dtype=float), 1, atol=1e-6)


def interpolated(image: Floats, fraction_y: float, fraction_x: float) -> Floats:
    """Evaluate the spline of an image one fraction of a pixel down and right of its inner pixels."""
    coefficients = ndimage.spline_filter(image, ORDER, output=np.float32, mode="mirror")
    weights = np.empty((2, SUPPORT), np.float32)
    spline_weights(fraction_y, weights[0])
    spline_weights(fraction_x, weights[1])
    rows, columns = (edge - SUPPORT + 1 for edge in image.shape)
    out = np.empty((rows, columns), np.float32)
    interpolate(coefficients, weights[0], weights[1], np.empty((image.shape[0], columns), np.float32), out)
    return out


@given(seed=st.integers(0, 2**32 - 1))
def test_the_spline_returns_its_samples_at_whole_places(seed: int) -> None:
    image = np.random.default_rng(seed).normal(size=(13, 15)).astype(np.float32)
    assert_allclose(interpolated(image, 0, 0), image[2:-3, 2:-3], atol=1e-5)
    assert_allclose(interpolated(image, 1, 1), image[3:-2, 3:-2], atol=1e-5)


@given(seed=st.integers(0, 2**32 - 1), fraction=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_the_spline_follows_a_band_limited_ground(seed: int, fraction: tuple[float, float]) -> None:
    y, x = np.indices(SHAPE, dtype=np.float64)
    rng = np.random.default_rng(seed)
    (ky, kx), phase = rng.uniform(-0.7, 0.7, 2), rng.uniform(0, 6.3)  # waves of nine pixels and longer
    image, truth = (np.cos(ky * (y + q) + kx * (x + p) + phase) for q, p in ((0, 0), fraction))
    found = interpolated(image.astype(np.float32), *fraction)
    assert_allclose(found[6:-6, 6:-6], truth[8:-9, 8:-9], atol=1e-3)


def test_the_gradient_is_exact_for_a_polynomial_of_degree_four() -> None:
    y, x = np.indices((12, 13), dtype=np.float64) / 4
    image = (x**4 - 2 * x * y**3 + y**2).astype(np.float32)
    gy, gx = np.empty((2, 8, 9), np.float32)
    gradient(image, 2, 2, gy, gx)
    inner = np.s_[2:-2, 2:-2]
    assert_allclose(gx, ((4 * x**3 - 2 * y**3) / 4)[inner], atol=2e-5)
    assert_allclose(gy, ((-6 * x * y**2 + 2 * y) / 4)[inner], atol=2e-5)


@given(seed=st.integers(0, 200), shift=st.tuples(st.floats(-1, 1), st.floats(-1, 1)))
def test_a_known_shift_is_found_without_bias(seed: int, shift: tuple[float, float]) -> None:
    ref, sec = pair(seed, *shift)
    dy, dx, correlation, _, _, state, supported = refine(ref, sec, np.round(shift))[0]
    assert state == DONE
    assert_allclose([dy, dx], shift, atol=3e-3)  # the derivative over five points is not the spline's own
    assert correlation > 0.999
    assert supported > 0.9


def test_the_result_does_not_depend_on_the_start() -> None:
    ref, sec = pair(1, 0.45, -0.3)
    found = refine(ref, sec, [(0, 0), (1, -1), (0, -1), (0.4, -0.2)])
    assert_array_equal(found[:, 5], DONE)
    assert_allclose(found[:, :2], np.tile(found[0, :2], (4, 1)), atol=3 * CONVERGED_PX)


@given(gain=st.floats(0.1, 20), level=st.floats(-5, 5))
def test_brightness_and_contrast_change_nothing(gain: float, level: float) -> None:
    ref, sec = pair(2, 0.2, 0.6)
    sec += np.random.default_rng(2).normal(0, 0.2, sec.shape).astype(np.float32)
    plain = refine(ref, sec, (0, 1))[0]
    assert_allclose(refine(ref, (gain * sec + level).astype(np.float32), (0, 1))[0], plain, rtol=2e-3, atol=2e-4)


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


def test_too_few_common_pixels_are_refused() -> None:
    ref, sec = pair(4, 0, 0)
    left, top = np.ones((2, *SHAPE), bool)
    left[:, 9:15] = top[9:14] = False  # 10 x 11 of 16 x 16 pixels stay
    assert refine(ref, sec, (0, 0), ref_solid=left, sec_solid=top)[0, 5] == TOO_FEW
    assert refine(ref, sec, (0, 0), ref_solid=left)[0, 5] == DONE


def test_pixels_that_are_not_solid_never_enter_a_sum() -> None:
    ref, sec = pair(5, 0.3, -0.4)
    ref_solid, sec_solid = np.ones((2, *SHAPE), bool)
    ref_solid[12:15, 10:20] = False
    other = ref.copy()
    other[ref_solid == 0] = 1e6
    # The derivative of a solid pixel looks two pixels aside, so the garbage keeps that distance.
    ref_solid[10:17, 8:22] = False
    sec_solid[20:22] = False
    masked = refine(ref, sec, (0, 0), ref_solid=ref_solid, sec_solid=sec_solid)
    assert_array_equal(refine(other, sec, (0, 0), ref_solid=ref_solid, sec_solid=sec_solid), masked)
    assert_allclose(masked[0, :2], [0.3, -0.4], atol=5e-3)


def test_the_number_of_threads_changes_no_bit() -> None:
    ref, sec = pair(6, 0.3, -0.4)
    sec += np.random.default_rng(6).normal(0, 0.3, sec.shape).astype(np.float32)
    starts = np.random.default_rng(7).uniform(-0.5, 0.5, (130, 2))  # three tasks
    results = []
    for threads in (1, 2, 3):
        with limit_threads(threads):
            results.append(refine(ref, sec, starts))
    for result in results:
        assert_array_equal(result, results[0])


def test_spread_is_the_sandwich_of_cell_sums() -> None:
    rng = np.random.default_rng(8)
    gy, gx, error = rng.normal(size=(3, 8, 8)).astype(np.float32)
    mask = (rng.random((8, 8)) > 0.2).astype(np.float32)
    inverse = np.linalg.inv(np.array([[5.0, 1.0], [1.0, 4.0]]))
    cells = (np.stack([gy, gx]) * error * mask).reshape(2, 2, 4, 2, 4).sum(axis=(2, 4), dtype=float).reshape(2, -1)
    expected = inverse @ (cells @ cells.T) @ inverse
    found = np.empty(2)
    spread(gy, gx, error, mask, 4, inverse[[0, 0, 1], [0, 1, 1]], found)
    assert_allclose(found, np.diag(expected), rtol=1e-5)


def test_support_is_the_share_of_parts_that_correlate_by_themselves() -> None:
    rng = np.random.default_rng(9)
    t, noise = rng.normal(size=(2, 32, 32)).astype(np.float32)
    seen = np.ones(t.shape, np.float32)
    half = t.copy()
    half[:, 16:] = noise[:, 16:]
    assert support(t, t, seen) == 1
    assert support(t, -t, seen) == 0
    assert abs(support(t, half, seen) - 0.5) <= 2 / 16
    t[:, 16:] += 100  # one strong edge lifts the correlation of the whole, not that of its parts
    half[:, 16:] += 100
    assert np.corrcoef(t.ravel(), half.ravel())[0, 1] > 0.99
    assert abs(support(t, half, seen) - 0.5) <= 2 / 16
    seen[:, 16:] = 0
    assert support(t, half, seen) == 1  # what is missing is not asked for support
