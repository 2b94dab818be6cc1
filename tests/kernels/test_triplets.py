from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from creepmeter.kernels.threads import limit_threads
from creepmeter.kernels.triplets import count_nonzero

pytestmark = pytest.mark.kernel
TRIPLETS = np.array([[0, 1, 2], [1, 3, 4]])


@given(seed=st.integers(0, 2**32 - 1))
def test_counts_closures_beyond_half_a_cycle(seed: int) -> None:
    rng = np.random.default_rng(seed)
    phase = rng.uniform(-8, 8, (5, 4, 3)).astype(np.float32)
    phase[rng.random(phase.shape) < 0.05] = 0
    phase[rng.random(phase.shape) < 0.02] = np.nan
    datum = rng.uniform(-1, 1, 5).astype(np.float32)
    referred = np.where(phase != 0, phase - datum[:, None, None], 0)
    expected = np.zeros((4, 3))
    for ij, jk, ik in TRIPLETS:
        closure = referred[ij] + referred[jk] - referred[ik]
        wrapped = (closure + np.pi) % (2 * np.pi) - np.pi
        expected += np.round((closure - wrapped) / (2 * np.pi)) != 0
    expected[np.isnan(phase).any(axis=0)] = np.nan
    found = count_nonzero(phase, datum, TRIPLETS)
    assert_array_equal(found, expected)
    with limit_threads(1):
        assert_array_equal(count_nonzero(phase, datum, TRIPLETS), found)


def test_a_true_field_closes() -> None:
    height = np.random.default_rng(0).normal(0, 20, (3, 5, 6))
    ref, sec = np.array([0, 1, 0]), np.array([1, 2, 2])
    phase = (height[sec] - height[ref]).astype(np.float32)
    assert not count_nonzero(phase, phase[:, 0, 0], np.array([[0, 1, 2]])).any()
