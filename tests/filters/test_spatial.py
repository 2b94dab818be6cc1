"""Filters of maps: what any of them keeps, and what each is known to do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.errors import ConfigError
from creepmeter.filters.options import DEFAULTS, SpatialFilterOptions
from creepmeter.filters.spatial import disk_sum, filter_map

LOW = ("lowpass_gaussian", "lowpass_avg", "median")
HIGH = tuple(sorted(set(DEFAULTS) - set(LOW)))
LINEAR = tuple(name for name in DEFAULTS if name not in ("median", "sobel", "roberts"))
ROUNDING = 1e-6  # of float32, values about 1
pytestmark = pytest.mark.kernel


def holed(seed: int, shape: tuple[int, int] = (40, 33)) -> np.ndarray:
    """Return a map of noise with single gaps and a large one."""
    random = np.random.default_rng(seed)
    values = random.normal(size=shape)
    values[random.random(shape) < 0.1] = np.nan
    values[5:14, 8:20] = np.nan
    return values


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_constant_passes_low_and_is_zero_high_gaps_and_borders_included(name: str) -> None:
    values = np.where(np.isnan(holed(1)), np.nan, 7.0)
    found = filter_map(values, filter_type=name)
    expected = 7.0 if name in LOW else 0.0
    known = np.isfinite(found)
    assert known.sum() > 0.3 * known.size
    assert_allclose(found[known], expected, atol=1e-5)  # float32 of 7


@pytest.mark.parametrize("name", DEFAULTS)
def test_missing_stays_missing_and_reaches_no_further_than_the_filter(name: str) -> None:
    values = np.random.default_rng(2).normal(size=(50, 60))
    whole = filter_map(values, filter_type=name)
    gap = values.copy()
    gap[20:23, 30:33] = np.nan
    found = filter_map(gap, filter_type=name)
    assert np.isnan(found[20:23, 30:33]).all()
    reach = SpatialFilterOptions(filter_type=name).reach
    touched = np.zeros(values.shape, bool)
    touched[max(20 - reach, 0) : 23 + reach, max(30 - reach, 0) : 33 + reach] = True
    assert_array_equal(found[~touched], whole[~touched])
    spread = np.isnan(found).sum()
    assert spread <= (9 if name not in ("sobel", "roberts") else 25)


@pytest.mark.parametrize("name", DEFAULTS)
def test_what_is_missing_has_no_influence(name: str) -> None:
    values = holed(3)
    empty = filter_map(np.full(values.shape, np.nan), filter_type=name)
    assert np.isnan(empty).all()
    alone = np.full(values.shape, np.nan)
    alone[20, 20] = 3.0
    found = filter_map(alone, filter_type=name)
    assert np.isfinite(found).sum() <= 1
    if name in LOW:
        assert found[20, 20] == 3.0


@pytest.mark.parametrize("name", LINEAR)
@given(seed=st.integers(0, 1000), factor=st.floats(-4, 4))
def test_linear_filters_are_linear(name: str, seed: int, factor: float) -> None:
    random = np.random.default_rng(seed)
    first, second = random.normal(size=(2, 17, 19))
    first[4:6, 4:9] = second[4:6, 4:9] = np.nan
    options = SpatialFilterOptions(filter_type=name, filter_par=(1, 3) if len(DEFAULTS[name]) == 2 else (3,))
    together = filter_map(first + factor * second, options)
    apart = filter_map(first, options) + factor * filter_map(second, options)
    assert_allclose(together, apart, atol=20 * ROUNDING)


@pytest.mark.parametrize(("sigma", "period"), [(2.0, 16.0), (3.0, 24.0), (1.5, 30.0)])
def test_a_gaussian_damps_a_wave_as_theory_says(sigma: float, period: float) -> None:
    wave = np.broadcast_to(np.sin(2 * np.pi * np.arange(240) / period), (80, 240))
    found = filter_map(wave, filter_type="lowpass_gaussian", filter_par=(sigma,))
    response = np.exp(-2 * (np.pi * sigma / period) ** 2)
    middle = (slice(30, 50), slice(60, 180))
    assert_allclose(found[middle], response * wave[middle], atol=3e-4)  # the Gaussian is cut off at four sigma
    high = filter_map(wave, filter_type="hp_gaussian", filter_par=(sigma,))
    assert_allclose(found + high, wave, atol=ROUNDING)


@pytest.mark.parametrize("name", DEFAULTS)
def test_layers_are_filtered_as_they_are_alone(name: str) -> None:
    layers = np.stack([holed(5), holed(6), holed(6) + 1.0, holed(5)])  # gaps differ, and return
    together = filter_map(layers, filter_type=name)
    assert_array_equal(together, np.stack([filter_map(layer, filter_type=name) for layer in layers]))


def test_an_average_is_the_plain_mean_of_what_is_there() -> None:
    values = holed(4)
    found = filter_map(values, filter_type="lp_avg", filter_par=(3,))
    for y, x in ((20, 10), (4, 9), (30, 30), (14, 20)):
        if np.isfinite(values[y, x]):
            assert_allclose(found[y, x], np.nanmean(values[y - 1 : y + 2, x - 1 : x + 2]), atol=ROUNDING)


def test_a_median_passes_edges_and_drops_single_peaks() -> None:
    step = np.where(np.arange(40) < 20, 0.0, 5.0) * np.ones((40, 1))
    spoilt = step.copy()
    spoilt[10, 30] = 100.0
    assert_array_equal(filter_map(spoilt, filter_type="median", filter_par=(3,)), step)


def test_gradients_of_a_plane_are_its_slope() -> None:
    # over two pixels, root mean square of both directions; along diagonals the differences are 0.1 and 0.7
    rows, columns = np.mgrid[:20, :30]
    plane = 0.3 * rows - 0.4 * columns
    assert_allclose(filter_map(plane, filter_type="sobel")[1:-1, 1:-1], 2 * 0.5 / np.sqrt(2), atol=ROUNDING)
    assert_allclose(filter_map(plane, filter_type="roberts")[2:-2, 2:-2], 0.5, atol=ROUNDING)


def test_the_double_difference_is_ring_minus_disk() -> None:
    values = np.zeros((41, 41))
    values[20, 20] = 5.0
    found = filter_map(values, filter_type="double_difference")
    inner, outer = 5, 317  # pixels within a radius of 1 and of 10
    assert_allclose(found[20, 20], -5.0 / inner, rtol=ROUNDING)
    assert_allclose(found[20, 25], 5.0 / (outer - inner), rtol=ROUNDING)
    assert found[20, 31] == 0.0


def test_a_disk_holds_its_pixels() -> None:
    assert disk_sum(np.ones((30, 30)), 10)[15, 15] == 317
    assert disk_sum(np.ones((3, 4)), 10)[1, 1] == 317  # mirrored as often as it takes


@pytest.mark.parametrize(
    ("given_options", "match"),
    [
        ({"filter_type": "blur"}, "filter_type"),
        ({"filter_type": "median", "filter_par": (2.5,)}, "whole pixels"),
        ({"filter_type": "sobel", "filter_par": (2,)}, r"takes 0 parameter\(s\), got 1"),
        ({"filter_type": "double_difference", "filter_par": (10, 1)}, "smaller parameter first"),
        ({"filter_par": (0,)}, "above 0"),
    ],
)
def test_wrong_parameters_are_named(given_options: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        filter_map(np.zeros((4, 4)), **given_options)
