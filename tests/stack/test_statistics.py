from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.stack.statistics import PairSums, average_layers, average_rate, nonzero_in_all


def test_zeros_count_in_an_average_and_nan_does_not() -> None:
    values = np.array([[[0.0, np.nan, np.nan]], [[0.5, 0.25, np.nan]]], np.float32)
    assert_array_equal(average_layers(values), [[0.25, 0.25, np.nan]])


@given(st.integers(0, 1000), st.floats(-0.2, 0.2))
def test_a_steady_motion_is_found_whatever_the_constants_of_the_pairs(seed: int, velocity: float) -> None:
    rng = np.random.default_rng(seed)
    years = rng.uniform(0.03, 0.5, 6)
    wavelength = 0.055
    phase = -4 * np.pi / wavelength * velocity * years[:, None, None] * np.array([[0.0, 1.0]])
    phase = (phase + rng.uniform(-20, 20, (6, 1, 1))).astype(np.float32)
    found = average_rate(phase, phase[:, 0, 0], years, wavelength)
    assert found[0, 0] == 0
    # float32 holds phase up to 50 rad to 4e-6 rad; the shortest pair turns that into 6e-7 m/yr
    assert found[0, 1] == pytest.approx(velocity, abs=1e-6)


def test_common_ground_is_where_every_pair_has_a_value() -> None:
    assert_array_equal(nonzero_in_all(np.array([[[1, 2, 0]], [[3, 0, 0]]], np.int16)), [[True, False, False]])
    assert_array_equal(nonzero_in_all(np.array([[[1.0, np.nan]], [[-1.0, 2.0]]])), [[True, False]])


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(0, 100))
def test_sums_of_blocks_are_those_of_the_whole(heights: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = sum(heights)
    values = rng.random((3, rows, 4)).astype(np.float32)
    values[rng.random(values.shape) < 0.3] = 0
    mask = rng.random((rows, 4)) < 0.8
    whole, parts = PairSums.empty(3, rows), PairSums.empty(3, rows)
    whole.add(slice(0, rows), values, mask, 0.5)
    start = 0
    for height in heights:
        some = slice(start, start + height)
        parts.add(some, values[:, some], mask[some], 0.5)
        start += height
    assert_array_equal(whole.mean, parts.mean)  # to the bit: rows are summed by themselves
    assert_array_equal(whole.share_above, parts.share_above)


def test_a_pair_without_data_has_no_mean() -> None:
    sums = PairSums.empty(2, 1)
    sums.add(slice(0, 1), np.array([[[0.0, np.nan]], [[0.5, 0.7]]], np.float32), np.ones((1, 2), bool), 0.6)
    assert_allclose(sums.mean, [np.nan, 0.6], rtol=1e-7)
    assert_allclose(sums.share_above, [np.nan, 0.5])
