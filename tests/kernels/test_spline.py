from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage
from scipy.interpolate import BSpline
from tests.kernels.matching import Floats

from creepmeter.kernels.spline import (
    BAND,
    BEFORE,
    SUPPORT,
    along_columns,
    along_rows,
    slope_weights,
    spline_coefficients,
    spline_weights,
)
from creepmeter.kernels.threads import limit_threads

pytestmark = pytest.mark.kernel
ORDER = 5
BASIS = BSpline.basis_element(np.arange(-3, 4), extrapolate=False)
PLACES = np.arange(-BEFORE, SUPPORT - BEFORE)


@given(fraction=st.floats(0, 1))
def test_weights_are_the_quintic_basis(fraction: float) -> None:
    weights = np.empty(SUPPORT, np.float32)
    spline_weights(fraction, weights)
    assert_allclose(weights, np.nan_to_num(BASIS(PLACES - fraction)), atol=1e-7)
    assert_allclose(weights.sum(dtype=float), 1, atol=1e-6)


@given(fraction=st.floats(0, 1))
def test_slope_weights_are_the_derivative_of_the_basis(fraction: float) -> None:
    slopes = np.empty(SUPPORT, np.float32)
    slope_weights(fraction, slopes)
    assert_allclose(slopes, np.nan_to_num(-BASIS.derivative()(PLACES - fraction)), atol=1e-7)
    assert_allclose(slopes.sum(dtype=float), 0, atol=1e-6)


@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(2, 70),
    columns=st.integers(2, 70),
    level=st.sampled_from([0.0, 1000.0]),
)
def test_coefficients_are_those_of_scipy(*, seed: int, rows: int, columns: int, level: float) -> None:
    image = np.random.default_rng(seed).normal(level, 1, (rows, columns)).astype(np.float32)
    expected = ndimage.spline_filter(image.astype(float), ORDER, mode="mirror")
    assert_allclose(spline_coefficients(image), expected, atol=1e-5 * (level + 20))


@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (1, 1)])
def test_an_axis_of_one_sample_is_constant(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    expected = image.astype(float)
    for axis in (0, 1):
        if shape[axis] > 1:
            expected = ndimage.spline_filter1d(expected, ORDER, axis=axis, mode="mirror")
    assert_allclose(spline_coefficients(image), expected, atol=1e-5)


def test_the_image_given_stays_as_it_is() -> None:
    image = np.random.default_rng(2).normal(size=(20, 21)).astype(np.float32)
    before = image.copy()
    image.flags.writeable = False
    spline_coefficients(image)
    assert_array_equal(image, before)


def interpolated(image: Floats, fraction_y: float, fraction_x: float) -> Floats:
    """Evaluate the spline of an image one fraction of a pixel down and right of its inner pixels."""
    rows, columns = image.shape
    weights = np.empty((2, SUPPORT), np.float32)
    spline_weights(fraction_y, weights[0])
    spline_weights(fraction_x, weights[1])
    window = spline_coefficients(image).ravel()
    lines, out = np.empty(window.size - SUPPORT + 1, np.float32), np.zeros(image.size, np.float32)
    along_rows(window, weights[1], len(lines), lines)
    count = (rows - SUPPORT + 1) * columns - SUPPORT + 1
    along_columns(lines, weights[0], columns, count, out)
    return out.reshape(image.shape)[: rows - SUPPORT + 1, : columns - SUPPORT + 1]


@given(seed=st.integers(0, 2**32 - 1))
def test_the_spline_returns_its_samples_at_whole_places(seed: int) -> None:
    image = np.random.default_rng(seed).normal(size=(13, 15)).astype(np.float32)
    assert_allclose(interpolated(image, 0, 0), image[2:-3, 2:-3], atol=1e-5)
    assert_allclose(interpolated(image, 1, 1), image[3:-2, 3:-2], atol=1e-5)


@given(seed=st.integers(0, 2**32 - 1), fraction=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_the_spline_is_that_of_scipy_between_samples(seed: int, fraction: tuple[float, float]) -> None:
    image = np.random.default_rng(seed).normal(size=(17, 14)).astype(np.float32)
    y, x = np.indices((12, 9)) + BEFORE
    expected = ndimage.map_coordinates(image.astype(float), [y + fraction[0], x + fraction[1]], order=5, mode="mirror")
    assert_allclose(interpolated(image, *fraction), expected, atol=2e-5)


@given(seed=st.integers(0, 2**32 - 1), fraction=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_the_spline_follows_a_band_limited_ground(seed: int, fraction: tuple[float, float]) -> None:
    y, x = np.indices((34, 36), dtype=np.float64)
    rng = np.random.default_rng(seed)
    (ky, kx), phase = rng.uniform(-0.7, 0.7, 2), rng.uniform(0, 6.3)  # waves of nine pixels and longer
    image, truth = (np.cos(ky * (y + q) + kx * (x + p) + phase) for q, p in ((0, 0), fraction))
    assert_allclose(interpolated(image.astype(np.float32), *fraction)[6:-6, 6:-6], truth[8:-9, 8:-9], atol=1e-3)


def test_the_number_of_threads_changes_no_bit() -> None:
    image = np.random.default_rng(3).normal(size=(2 * BAND + 9, 3 * BAND + 1)).astype(np.float32)
    results = []
    for threads in (1, 2, 3):
        with limit_threads(threads):
            results.append(spline_coefficients(image))
    for result in results:
        assert_array_equal(result, results[0])
