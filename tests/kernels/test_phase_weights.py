from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.kernels.phase_weights import (
    BINS,
    clipped_coherence,
    fisher_information,
    looks_of,
    phase_variance,
    table_index,
    variance_table,
)
from creepmeter.simulate.radar import phase_noise

pytestmark = pytest.mark.kernel


@pytest.mark.parametrize("looks", [1, 2, 7, 80])
def test_without_coherence_the_phase_is_uniform(looks: int) -> None:
    # 200 steps of 2 pi / 200 cover one step more than the circle, and its end weighs most: 1 % above pi^2 / 3
    assert_allclose(phase_variance(0.0, looks), np.pi**2 / 3, rtol=0.011)


@pytest.mark.parametrize(("looks", "coherence"), [(1, 0.3), (1, 0.8), (5, 0.5), (25, 0.3), (25, 0.7), (60, 0.9)])
def test_the_variance_is_that_of_drawn_phases(looks: int, coherence: float) -> None:
    drawn = phase_noise(np.full((400, 500), coherence, np.float32), looks, np.random.default_rng(looks))
    expected = phase_variance(coherence, looks) * 199 / 200  # the sum stands for 199 intervals
    assert_allclose(np.mean(drawn.astype(np.float64) ** 2), expected, rtol=0.02)  # 200 000 draws


@given(st.integers(20, 80), st.floats(0.7, 0.97))
def test_many_coherent_looks_reach_the_fisher_information(looks: int, coherence: float) -> None:
    information = fisher_information(np.array(coherence), looks)
    assert_allclose(1 / phase_variance(coherence, looks), information, rtol=0.1)


@given(st.integers(1, 200))
def test_the_table_falls_with_coherence_and_is_positive(looks: int) -> None:
    table = variance_table(looks)
    assert table.shape == (BINS,)
    assert (table > 0).all()
    assert (np.diff(table[:190]) < 0).all()  # beyond, 200 samples do not resolve the peak of many looks
    assert_array_equal(table, variance_table(min(looks, 80)))


def test_the_bin_below_is_taken_and_low_coherence_is_raised() -> None:
    coherence = np.array([np.nan, -1.0, 0.0, 0.05, 0.0574, 0.0576, 0.9974, 0.9976, 1.0, 2.0])
    assert table_index(coherence).tolist() == [9, 9, 9, 9, 10, 11, 198, 199, 199, 199]


def test_coherence_is_cut_where_weights_would_be_none_or_infinite() -> None:
    assert_array_equal(clipped_coherence(np.array([np.nan, 0.0, 0.4])), [0.05, 0.05, 0.4])
    assert_allclose(fisher_information(np.array([1.0]), 3), 6 * 0.999**2 / (1 - 0.999**2))
    assert np.isfinite(fisher_information(np.array([np.nan]), 3)).all()


@pytest.mark.parametrize(
    ("stated", "azimuth", "range_", "looks"), [(25.4, 1, 1, 25), (None, 5, 20, 52), (None, 1, 1, 1), (0.2, 9, 9, 1)]
)
def test_independent_looks_are_as_stated_or_fewer_than_taken(
    stated: float | None, azimuth: float, range_: float, looks: int
) -> None:
    assert looks_of(stated, azimuth, range_) == looks
