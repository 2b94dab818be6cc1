"""Sums over the columns of every row."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.kernels.moments import PLACES, row_moments

pytestmark = pytest.mark.kernel


def test_sums_are_those_of_numpy_over_what_counts() -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=(3, 6, 20)).astype(np.float32)
    values[0, 2, 5], values[1, 3, 7] = 0, np.nan
    inside = random.random((6, 20)) > 0.3
    inside[4] = False
    x = np.linspace(0, 1, 20)
    found = row_moments(values, inside, x)
    counts = inside & (values != 0) & np.isfinite(values)
    held = np.where(counts, values.astype(float), 0)
    for k in range(PLACES):
        assert_allclose(found[:, :, k], (counts * x**k).sum(axis=2), atol=1e-12)
    for k in range(3):
        assert_allclose(found[:, :, PLACES + k], (held * x**k).sum(axis=2), atol=1e-12)
    assert not found[:, 4].any()


def test_other_rows_and_layers_change_no_bit() -> None:
    values = np.random.default_rng(1).normal(size=(4, 9, 33)).astype(np.float32)
    inside, x = np.ones((9, 33), bool), np.arange(33) / 33
    whole = row_moments(values, inside, x)
    assert_array_equal(row_moments(values[2:3, 4:6], inside[4:6], x), whole[2:3, 4:6])
