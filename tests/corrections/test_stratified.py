"""The stratified troposphere by height."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.blocks import Block
from creepmeter.corrections.protocol import subtract
from creepmeter.corrections.series_options import HeightCorrelationOptions
from creepmeter.corrections.stratified import StratifiedDelay, averaged, fit_height, slant_height

SHAPE = (24, 32)
WHOLE = Block(0, slice(0, SHAPE[0]), slice(0, SHAPE[1]))
PIXEL = (3, 4)


def heights(seed: int = 0) -> np.ndarray:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return np.asarray(
        400 + 900 * np.exp(-((y - 12) ** 2 + (x - 18) ** 2) / 60) + np.random.default_rng(seed).normal(size=SHAPE)
    )


@pytest.mark.parametrize("order", [1, 2, 3])
@given(seed=st.integers(0, 2**32 - 1))
def test_a_delay_that_is_a_polynomial_in_height_is_removed(order: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    x = slant_height(heights(), random.uniform(20, 45, SHAPE), PIXEL)
    scale = np.abs(x).max() ** np.arange(1, order + 1)
    delay = np.einsum(
        "tk,kyx->tyx", 0.05 * random.normal(size=(4, order)) / scale, x ** np.arange(1, order + 1)[:, None, None]
    )
    coefficients = fit_height(delay, x, HeightCorrelationOptions(poly_order=order))
    assert_allclose(subtract(delay, StratifiedDelay(coefficients, x).predict(WHOLE)), 0, atol=1e-9)


def test_heights_are_along_the_line_of_sight_from_the_reference() -> None:
    found = slant_height(np.array([[100.0, 300.0]]), 60.0, (0, 0))
    assert_allclose(found, [[0, 400]], rtol=1e-12)


def test_the_reference_zeros_and_gaps_stay() -> None:
    x = slant_height(heights(), 37.0, PIXEL)
    values = 1e-5 * x[None] + 0.01
    values[0, PIXEL[0], PIXEL[1]], values[0, 9, 9], values[0, 1, 2] = 0, 0, np.nan
    left = subtract(values, StratifiedDelay(np.array([[0.01, 1e-5]]), x).predict(WHOLE))
    assert left[0, PIXEL[0], PIXEL[1]] == left[0, 9, 9] == 0
    assert np.isnan(left[0, 1, 2])
    rest = np.isfinite(left[0]) & (left[0] != 0)
    assert rest.sum() == left[0].size - 3
    assert_allclose(left[0][rest], 0.01, atol=1e-8)  # an offset is no stratification


def test_squares_average_what_is_inside_and_finite() -> None:
    values = np.arange(1.0, 31.0).reshape(1, 5, 6)
    values[0, 0, 0] = np.nan
    inside = np.ones((5, 6), bool)
    inside[2:4, 2:4] = False
    inside[0, 1] = False
    found = averaged(values, inside, 2)
    assert found.shape == (1, 2, 3)
    assert_allclose(found[0, 0], [7.5, 6.5, 8.5])  # of 7, 8; of 3, 4, 9, 10; ...
    assert np.isnan(found[0, 1, 1])
    cut = [averaged(values[:, rows], inside[rows], 2) for rows in (slice(0, 2), slice(2, 4))]
    assert_array_equal(np.concatenate(cut, axis=1), found)


def test_dates_that_correlate_too_little_stay() -> None:
    x = slant_height(heights(), 37.0, PIXEL)
    noise = np.random.default_rng(1).normal(size=(2, *SHAPE))
    values = np.stack([1e-4 * x, 1e-4 * x + 0.05 * noise[0], 0.1 * noise[1], np.full(SHAPE, np.nan)])
    found = fit_height(values, x, HeightCorrelationOptions(min_correlation=0.9))
    assert found[0, 1] == pytest.approx(1e-4)
    assert_array_equal(found[2:], 0)
    strength = abs(np.corrcoef(values[1].ravel(), x.ravel())[0, 1])
    assert (found[1] != 0).any() == (strength >= 0.9)
