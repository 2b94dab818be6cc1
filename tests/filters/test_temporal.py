"""Filters and derivatives of series in time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.errors import EpochError
from creepmeter.filters.temporal import derivative_in_time, median_in_time, smooth_in_time, steps_in_time

DAYS = np.array([0.0, 12, 24, 48, 60, 72, 96, 120, 132, 144, 180])


def noise(seed: int = 0, pixels: int = 7) -> np.ndarray:
    """Return a series (time, 1, x) with gaps."""
    random = np.random.default_rng(seed)
    series = random.normal(size=(len(DAYS), 1, pixels))
    series[random.random(series.shape) < 0.15] = np.nan
    return series


def test_constants_stay_and_gaps_stay_gaps() -> None:
    series = np.where(np.isnan(noise()), np.nan, 4.0)
    for found in (smooth_in_time(series, DAYS, 30.0), median_in_time(series, 5)):
        assert_array_equal(np.isnan(found), np.isnan(series))
        assert_allclose(found[np.isfinite(found)], 4.0, rtol=1e-12)


@given(seed=st.integers(0, 500), factor=st.floats(-3, 3))
def test_gaussian_weights_are_linear(seed: int, factor: float) -> None:
    first, second = np.random.default_rng(seed).normal(size=(2, len(DAYS), 1, 5))
    together = smooth_in_time(first + factor * second, DAYS, 20.0)
    assert_allclose(
        together, smooth_in_time(first, DAYS, 20.0) + factor * smooth_in_time(second, DAYS, 20.0), atol=1e-12
    )


def test_a_gaussian_in_days_damps_a_wave_as_theory_says() -> None:
    days, sigma, period = np.arange(0.0, 2000.0, 4.0), 20.0, 240.0
    wave = np.cos(2 * np.pi * days / period).reshape(-1, 1)
    found = smooth_in_time(wave, days, sigma)
    inside = (days > 200) & (days < 1800)
    assert_allclose(found[inside], np.exp(-2 * (np.pi * sigma / period) ** 2) * wave[inside], atol=1e-6)


def test_a_date_of_no_value_has_no_weight() -> None:
    series = noise(3)[:, 0]
    found = smooth_in_time(series, DAYS, 25.0)
    known = np.isfinite(series[:, 2])
    alone = smooth_in_time(series[known][:, [2]], DAYS[known], 25.0)
    assert_allclose(found[known, 2], alone[:, 0], rtol=1e-12)


def test_a_median_is_that_of_the_dates_around() -> None:
    series = noise(5)[:, 0]
    found = median_in_time(series, 5)
    for place in range(2, len(DAYS) - 2):
        here = np.isfinite(series[place])
        assert_allclose(found[place, here], np.nanmedian(series[place - 2 : place + 3], axis=0)[here], rtol=1e-12)
    assert_array_equal(median_in_time(series, 1), series)
    longer = median_in_time(np.arange(3.0).reshape(3, 1), 7)  # the ends go on: 0 0 0 0 1 2 2, and so on
    assert_array_equal(longer.ravel(), [0, 1, 2])


def test_the_derivative_of_a_line_is_its_slope_and_steps_add_up() -> None:
    years = DAYS / 365.25
    line = 0.03 * years[:, None, None] * np.ones((1, 2, 3))
    assert_allclose(derivative_in_time(line, years), 0.03, rtol=1e-9)
    steps = steps_in_time(line)
    assert (steps[0] == 0).all()
    assert_allclose(np.cumsum(steps, axis=0), line, atol=1e-12)


@pytest.mark.parametrize("years", [[0.0], [0.0, 0.0]])
def test_a_derivative_needs_two_dates(years: list[float]) -> None:
    with pytest.raises(EpochError, match="two dates or more"):
        derivative_in_time(np.zeros((len(years), 1)), years)


def test_dates_and_values_go_together() -> None:
    with pytest.raises(EpochError, match="a series of 3 dates came with 2 times"):
        smooth_in_time(np.zeros((3, 1)), [0.0, 1.0], 3.0)
