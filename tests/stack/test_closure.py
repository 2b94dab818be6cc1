from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.errors import InputError
from creepmeter.model.network import Network
from creepmeter.model.schema import make_pair_stack
from creepmeter.stack.closure import (
    SHARE_FLOOR,
    closure_statistics,
    closures,
    draw_pixels,
    independent_share,
    sample_stack,
    used_loops,
)

START = np.datetime64("2020-01-01", "ns")
ENDS = [
    (START + np.timedelta64(20 * i, "D"), START + np.timedelta64(20 * j, "D")) for i, j in combinations(range(7), 2)
]
NETWORK = Network.from_pairs(ENDS)
LOOPS = NETWORK.loops()


def errors_of(share: float, sigma: np.ndarray, pixels: int, seed: int = 0) -> np.ndarray:
    """Errors (1, pair, pixel) of standard deviation `sigma`, of whose variance a share is the pair's own."""
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(len(NETWORK.epochs), pixels))
    common = np.einsum("pd,dx->px", NETWORK.incidence(), images) / np.sqrt(2)
    own = rng.normal(size=common.shape)
    return np.asarray((np.sqrt(share) * own + np.sqrt(1 - share) * common)[None] * sigma)


@given(st.integers(0, 10_000))
def test_a_true_field_closes(seed: int) -> None:
    field = np.random.default_rng(seed).normal(size=(2, len(NETWORK.epochs), 3, 4))
    pairs = np.einsum("pd,cdyx->cpyx", NETWORK.incidence(), field)
    assert_allclose(closures(pairs, LOOPS), 0.0, atol=1e-12)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.8, 1.0])
def test_the_share_of_independent_errors_is_found(share: float) -> None:
    found = independent_share(errors_of(share, np.ones(1), 4000), np.full((1, 1, 1), 1.0), LOOPS)
    assert found.share[0] == pytest.approx(max(share, SHARE_FLOOR), abs=0.03)  # 4000 pixels, 35 dependent loops
    assert found.factor[0] == pytest.approx(1.0, abs=0.02)


def test_the_share_is_found_with_outliers_gaps_and_own_sigmas() -> None:
    rng = np.random.default_rng(5)
    pixel_sigma = rng.uniform(0.5, 3.0, 4000)  # as texture varies from place to place
    errors = errors_of(0.4, pixel_sigma, 4000)
    errors[rng.random(errors.shape) < 0.01] += 50.0
    errors[rng.random(errors.shape) < 0.2] = np.nan
    sigma = np.broadcast_to(pixel_sigma, errors.shape)
    assert independent_share(errors, sigma, LOOPS).share[0] == pytest.approx(0.4, abs=0.06)  # outliers widen a little


def test_sigma_that_is_too_small_is_told() -> None:
    found = independent_share(errors_of(1.0, np.full(1, 3.0), 4000), np.ones((1, 1, 1)), LOOPS)
    assert found.factor[0] == pytest.approx(3.0, rel=0.03)
    assert found.share[0] == 1.0


def test_components_are_told_apart() -> None:
    errors = np.concatenate([errors_of(0.1, np.ones(1), 4000), errors_of(0.9, np.ones(1), 4000)])
    assert_allclose(independent_share(errors, np.ones(errors.shape), LOOPS).share, [0.1, 0.9], atol=0.03)


def test_without_triangles_nothing_is_known() -> None:
    chain = Network.from_pairs([ENDS[0]])
    found = independent_share(np.ones((2, 1, 5)), np.ones((2, 1, 5)), chain.loops())
    assert_array_equal(found.share, 1.0)
    assert_array_equal(found.factor, 1.0)
    empty = independent_share(np.full((1, 21, 5), np.nan), np.ones((1, 21, 5)), LOOPS)
    assert_array_equal(empty.share, 1.0)


def test_statistics_of_each_triangle() -> None:
    field = np.zeros((1, 21, 40, 50))
    field[0, 3] = 0.5
    field[0, 7, :, :25] = np.nan
    noise = np.random.default_rng(0).normal(0, 0.1, field.shape)
    found = closure_statistics(field + noise, NETWORK)
    touched = (LOOPS == 3).any(axis=1)
    sign = np.where(LOOPS[:, 2] == 3, -1, 1)
    assert_allclose(found.median[0], np.where(touched, 0.5 * sign, 0.0), atol=0.03)
    assert_allclose(found.nmad, 0.1 * np.sqrt(3), rtol=0.1)
    assert_array_equal(found.count[0], np.where((LOOPS == 7).any(axis=1), 1000, 2000))


def test_statistics_of_a_stack_leave_unused_pairs_out() -> None:
    used = np.ones(21, bool)
    used[4] = False
    stack = make_pair_stack(np.zeros((21, 3, 4), np.float32), ENDS, used=used)
    found = closure_statistics(stack)
    assert not (found.loops == 4).any()
    assert len(found.loops) == 35 - 5
    assert_array_equal(found.median, 0.0)
    assert len(used_loops(stack.assign_coords(used=("pair", np.zeros(21, bool))))) == 0


def test_an_array_needs_its_network() -> None:
    with pytest.raises(InputError, match="got none"):
        closure_statistics(np.zeros((1, 21, 2)))
    with pytest.raises(InputError, match="got one of 21 pairs"):
        closure_statistics(np.zeros((1, 3, 2)), NETWORK)


@settings(max_examples=30)
@given(st.integers(1, 500), st.integers(0, 1000))
def test_drawn_pixels_are_candidates_and_always_the_same(number: int, seed: int) -> None:
    candidates = np.random.default_rng(seed).random((20, 30)) < 0.5
    drawn = draw_pixels(candidates, number)
    assert len(drawn) == min(number, candidates.sum())
    assert (np.diff(drawn) > 0).all()
    assert candidates.ravel()[drawn].all()
    assert_array_equal(drawn, draw_pixels(candidates, number))


def test_a_sample_is_bounded() -> None:
    stack = make_pair_stack(np.random.default_rng(0).normal(size=(21, 30, 30)), ENDS, sigma=0.5)
    stack["displacement"][:, :, :10] = np.nan
    displacement, sigma = sample_stack(stack, max_pixels=100)
    assert displacement.shape == (1, 21, 100)
    assert np.isfinite(displacement).all()
    assert sigma is not None
    assert_array_equal(sigma, 0.5)
    assert sample_stack(stack.drop_vars("sigma"))[1] is None
