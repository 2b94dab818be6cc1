from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.model.pair import Pair
from creepmeter.stack.ambiguity import (
    CommonRegion,
    closure_cycles,
    common_regions,
    cycles_of_pair,
    solve_regions,
    triplet_design,
)
from creepmeter.stack.regions import find_regions
from creepmeter.stack.sparse_cycles import fewest_cycles, solve_samples, whole_cycles
from creepmeter.stack.unwrap_options import UnwrapOptions

ANY_AREA = UnwrapOptions(conn_comp_min_area=1)
TURN = 2 * np.pi


def network(dates: int = 9, connections: int = 4) -> list[Pair]:
    days = [np.datetime64("2020-01-01", "ns") + np.timedelta64(12 * k, "D") for k in range(dates)]
    return [Pair(days[i], days[j]) for i in range(dates) for j in range(i + 1, min(dates, i + 1 + connections))]


def objective(design: np.ndarray, closure: np.ndarray, u: np.ndarray) -> float:
    return float(((design @ u + closure) ** 2).sum() + 0.01 * abs(u).sum())


@given(seed=st.integers(0, 2**32 - 1))
def test_no_other_cycles_are_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    design, _ = triplet_design(network())
    closure = rng.integers(-2, 3, len(design)).astype(float)
    found = fewest_cycles(design, closure)
    best = objective(design, closure, found)
    for scale in (1e-3, 0.1, 1.0):
        moved = found + scale * rng.standard_normal((50, len(found))) * (rng.random((50, len(found))) < 0.2)
        assert min(objective(design, closure, one) for one in moved) >= best - 1e-6
    # the gradient of the square part is no steeper than the penalty
    gradient = 2 * design.T @ (design @ found + closure)
    assert abs(gradient).max() <= 0.01 * (1 + 1e-3)


@given(seed=st.integers(0, 2**32 - 1))
def test_a_few_wrong_pairs_of_a_redundant_network_are_found(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = network(12, 5)
    design, _ = triplet_design(pairs)
    inner = [k for k, pair in enumerate(pairs) if pair.days < 40]  # pairs in many triplets
    wrong = np.zeros(len(pairs), np.int64)
    wrong[rng.choice(inner, 2, replace=False)] = rng.choice([-2, -1, 1, 2], 2)
    closures = (design @ wrong).astype(np.int64)
    assert_array_equal(solve_samples(design, np.tile(closures, (3, 1))), -wrong)


def test_where_two_pairs_share_the_blame_none_is_changed() -> None:
    # one triplet: any of the three may be wrong
    design, loops = triplet_design(network(3, 2))
    assert loops.shape == (1, 3)
    assert_allclose(np.abs(fewest_cycles(design, np.array([1.0]))), 1 / 3, atol=0.01)
    assert not solve_samples(design, np.array([[1]])).any()


def test_most_samples_decide() -> None:
    design, _ = triplet_design(network(12, 5))
    wrong = np.zeros(design.shape[1], np.int64)
    wrong[7] = 1
    closures = np.array([design @ wrong] * 3 + [np.zeros(len(design))] * 2).astype(np.int64)
    assert_array_equal(solve_samples(design, closures), -wrong)
    assert not solve_samples(design, closures[2:]).any()
    assert not solve_samples(design, closures[:0]).any()


def test_halves_are_rounded_toward_zero() -> None:
    assert_array_equal(whole_cycles(np.array([0.5, -0.5, 0.509, 0.52, -1.52, 0.0])), [0, 0, 0, 1, -2, 0])


def test_closures_of_wrapped_phase_are_zero() -> None:
    rng = np.random.default_rng(0)
    pairs = network()
    _, loops = triplet_design(pairs)
    phase = rng.uniform(-1, 1, (len(pairs), 20))  # closes within half a cycle
    assert not closure_cycles(phase, loops).any()
    phase[3] += 2 * TURN
    phase[5, 4] = np.nan
    expected = 2 * ((loops[:, :2] == 3).any(axis=1).astype(int) - (loops[:, 2] == 3))
    with_nan = (loops == 5).any(axis=1)
    found = closure_cycles(phase, loops)
    assert_array_equal(found[0], expected)
    assert_array_equal(found[4], np.where(with_nan, 0, expected))


def test_common_regions_come_with_samples() -> None:
    common = np.zeros((30, 60), bool)
    common[:, :20], common[:10, 25:40], common[20:28, 45:53] = True, True, True
    options = ANY_AREA.override({"num_sample": 100}, step="unwrap")
    regions = common_regions(common, (5, 30), options=options)
    assert [region.area for region in regions] == [600, 150, 64]
    assert [len(region.samples) for region in regions] == [100, 100, 64]  # a small region gives all its pixels
    assert [region.is_reference for region in regions] == [False, True, False]
    assert all(common.ravel()[region.samples].all() for region in regions)
    again = common_regions(common, (5, 30), options=options)
    assert all((one.samples == other.samples).all() for one, other in zip(regions, again, strict=True))


def region(samples: list[int], area: int, cycles: list[int], *, is_reference: bool = False) -> CommonRegion:
    return CommonRegion(np.array(samples), area, is_reference, np.array(cycles))


def test_solved_regions() -> None:
    pairs = network(12, 5)
    _, loops = triplet_design(pairs)
    lonely = [*pairs, Pair.of("2020-05-12", "2021-01-01")]
    rng = np.random.default_rng(1)
    motion = rng.normal(0, 9, 13)
    ends = [
        (date // 12, sec // 12)
        for date, sec in (
            (int((p.ref - pairs[0].ref) / np.timedelta64(1, "D")), int((p.sec - pairs[0].ref) / np.timedelta64(1, "D")))
            for p in pairs
        )
    ]
    true = np.array([motion[j] - motion[i] for i, j in ends] + [1.0])
    phase = np.repeat(true[:, None], 7, axis=1)
    phase[8, 4:] += 2 * TURN
    regions = [region([0, 1, 2, 3], 9, [], is_reference=True), region([4, 5, 6], 5, [])]
    home, island = solve_regions(regions, phase, lonely)
    assert not home.cycles.any()
    assert_array_equal(np.flatnonzero(island.cycles), [8])
    assert island.cycles[8] == -2
    assert len(island.cycles) == len(lonely)
    assert len(loops) == len(triplet_design(lonely)[1])


def test_a_region_of_a_pair_takes_the_cycles_of_the_largest_common_region_in_it() -> None:
    components = np.zeros((12, 60), np.int16)
    for k, start in enumerate((0, 15, 30, 45)):
        components[:, start : start + 12] = k + 1
    components[:, 42:45] = 3  # joins the third and a part beside the fourth
    regions = find_regions(components, min_area=1)
    assert regions.count == 4
    places = [int(np.ravel_multi_index((5, column), components.shape)) for column in (3, 20, 35, 44, 50)]
    common = [
        region([places[1], places[2]], 90, [5]),  # lies in two regions of this pair
        region([places[2]], 80, [2]),
        region([places[3]], 70, [7]),
        region([places[4]], 60, [-1]),
        region([places[0]], 50, [3]),  # in the region of the reference pixel
    ]
    assert_array_equal(cycles_of_pair(regions, common, 0, (5, 5)), [0, 0, 0, 2, -1])


def test_a_network_of_a_chain_has_no_triplets() -> None:
    days = [np.datetime64("2020-01-01", "ns") + np.timedelta64(12 * k, "D") for k in range(4)]
    design, loops = triplet_design([Pair(ref, sec) for ref, sec in pairwise(days)])
    assert design.shape == (0, 3)
    assert loops.shape == (0, 3)


@pytest.mark.kernel
def test_common_regions_of_an_empty_mask() -> None:
    assert common_regions(np.zeros((4, 5), bool), (0, 0)) == []
