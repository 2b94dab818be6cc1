from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.kernels.stacking import mean_over_pairs, sums_in_pairs
from creepmeter.kernels.threads import limit_threads

pytestmark = pytest.mark.kernel


def layers(seed: int, gaps: float = 0.3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(7, 11, 13)).astype(np.float32)
    values[rng.random(values.shape) < gaps] = np.nan
    values[:, 0, 0] = np.nan
    return values


@given(st.integers(0, 1000))
def test_means_equal_numpys_in_float32_bit_for_bit(seed: int) -> None:
    values = layers(seed)
    datum = np.random.default_rng(seed).normal(size=7).astype(np.float32)
    factor = np.linspace(-2.0, 3.0, 7)
    scaled = ((values - datum[:, None, None]) * factor[:, None, None]).astype(np.float32)
    count = np.isfinite(scaled).sum(axis=0)
    total = np.zeros(values.shape[1:], np.float32)
    for layer in np.nan_to_num(scaled):
        total += layer
    expected = np.divide(total, count, out=np.full(total.shape, np.nan, np.float32), where=count > 0)
    assert_array_equal(mean_over_pairs(values, datum, factor), expected)


def test_a_pair_whose_datum_is_missing_is_left_out() -> None:
    values = np.ones((2, 1, 1), np.float32)
    datum = np.array([np.nan, 0.25], np.float32)
    assert mean_over_pairs(values, datum, np.ones(2))[0, 0] == 0.75


@given(st.integers(0, 1000))
def test_sums_in_pairs_leave_out_zero_nan_and_what_is_masked(seed: int) -> None:
    values = layers(seed)
    values[:, 3] = 0
    mask = np.random.default_rng(seed).random(values.shape[1:]) < 0.7
    total, count, above = sums_in_pairs(values, mask, 0.5)
    counted = np.isfinite(values) & (values != 0) & mask
    assert_array_equal(count, counted.sum(axis=2))
    assert_array_equal(above, (counted & (values > 0.5)).sum(axis=2))
    assert_allclose(total, np.where(counted, values, 0).astype(np.float64).sum(axis=2), rtol=0, atol=1e-12)


def test_threads_do_not_change_a_bit() -> None:
    values, mask = layers(3), np.ones((11, 13), bool)
    with limit_threads(1):
        one = mean_over_pairs(values, np.zeros(7, np.float32), np.ones(7)), *sums_in_pairs(values, mask, 0.0)
    with limit_threads(5):
        many = mean_over_pairs(values, np.zeros(7, np.float32), np.ones(7)), *sums_in_pairs(values, mask, 0.0)
    for first, second in zip(one, many, strict=True):
        assert_array_equal(first, second)
