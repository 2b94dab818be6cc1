from __future__ import annotations

import logging
from itertools import combinations
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from pydantic import ValidationError

from creepmeter.errors import ConfigError, NetworkError
from creepmeter.model.network import Network
from creepmeter.model.pair import Pair
from creepmeter.pairs.baselines import baselines_of_dates
from creepmeter.pairs.modify import PairQuality, modify, spanning_tree, warn_of_gaps
from creepmeter.pairs.network_options import NetworkOptions, is_date

Stack = tuple[tuple[Pair, ...], np.ndarray, np.ndarray]

START = np.datetime64("2018-01-05", "ns")
DAY = np.timedelta64(1, "D")


def day(number: int) -> np.datetime64:
    return START + number * DAY


def chain(dates: int, connections: int = 3, step: int = 12) -> tuple[Pair, ...]:
    """Pairs of each date with the next ones."""
    return tuple(
        Pair(day(i * step), day(j * step)) for i, j in combinations(range(dates), 2) if 0 < j - i <= connections
    )


@st.composite
def stacks(draw: st.DrawFn) -> Stack:
    """Pairs in any order, their baselines, their coherence."""
    days = draw(st.lists(st.integers(0, 400), min_size=2, max_size=9, unique=True))
    possible = [Pair(day(min(ends)), day(max(ends))) for ends in combinations(days, 2)]
    pairs = draw(st.lists(st.sampled_from(possible), min_size=1, unique=True))
    numbers = st.floats(-200, 200)
    bperp = draw(st.lists(numbers, min_size=len(pairs), max_size=len(pairs)))
    level = draw(st.lists(st.one_of(st.floats(0, 1), st.just(np.nan)), min_size=len(pairs), max_size=len(pairs)))
    return tuple(pairs), np.array(bperp), np.array(level)


rules = st.fixed_dictionaries(
    {},
    optional={
        "temp_base_max": st.floats(1, 400),
        "perp_base_max": st.floats(1, 200),
        "conn_num_max": st.integers(1, 4),
        "coherence_based": st.just(value=True),
        "area_ratio_based": st.just(value=True),
        "min_coherence": st.floats(0, 1),
        "min_area_ratio": st.floats(0, 1),
        "keep_min_span_tree": st.booleans(),
    },
)


def islands_of(pairs: tuple[Pair, ...], keep: np.ndarray) -> set[frozenset[Any]]:
    """Dates that hang together by the kept pairs; dates of the stack without any stand alone."""
    groups = {epoch: {epoch} for pair in pairs for epoch in (pair.ref, pair.sec)}
    for pair, kept in zip(pairs, keep, strict=True):
        if kept:
            joined = groups[pair.ref] | groups[pair.sec]
            for epoch in joined:
                groups[epoch] = joined
    return {frozenset(group) for group in groups.values()}


@given(stacks(), rules)
def test_no_pair_is_lost_and_what_is_left_out_has_a_reason(stack: Stack, options: dict[str, Any]) -> None:
    pairs, bperp, level = stack
    quality = PairQuality(level, 1 - level)
    try:
        found = modify(pairs, bperp, NetworkOptions(**options), quality=quality)
    except NetworkError as problem:
        assert f"no pair is left of {len(pairs)}" in str(problem)  # noqa: PT017 - both outcomes are lawful
        return
    assert found.pairs == pairs
    assert found.keep.shape == (len(pairs),)
    reasons = np.logical_or.reduce([np.zeros(len(pairs), bool), *found.dropped.values()])
    assert_array_equal(found.keep, ~reasons)


@given(stacks(), rules, st.randoms(use_true_random=False))
def test_the_order_of_the_pairs_plays_no_part(stack: Stack, options: dict[str, Any], random: Random) -> None:
    pairs, bperp, level = stack
    order = list(range(len(pairs)))
    random.shuffle(order)

    def keep(places: list[int]) -> np.ndarray:
        some = PairQuality(level[places], 1 - level[places])
        try:
            return modify([pairs[k] for k in places], bperp[places], NetworkOptions(**options), quality=some).keep
        except NetworkError:
            return np.zeros(len(places), bool)

    assert_array_equal(keep(order), keep(list(range(len(pairs))))[order])


@given(stacks(), st.floats(0, 1), st.floats(1, 400))
def test_the_tree_keeps_together_what_dates_and_baselines_leave_together(
    stack: Stack, least: float, days: float
) -> None:
    pairs, bperp, level = stack
    limits = NetworkOptions(temp_base_max=days)
    if all(pair.days > days for pair in pairs):
        return
    before = modify(pairs, bperp, limits)
    both = limits.override(
        {"coherence_based": True, "min_coherence": least, "area_ratio_based": True, "min_area_ratio": least}, step=""
    )
    after = modify(pairs, bperp, both, quality=PairQuality(level, 1 - level))
    assert islands_of(pairs, after.keep) == islands_of(pairs, before.keep)


@given(stacks())
def test_a_tree_has_one_pair_less_than_dates_and_the_best_pair(stack: Stack) -> None:
    pairs, _, level = stack
    tree = spanning_tree(pairs, level)
    network = Network(pairs)
    assert tree.sum() == len(network.epochs) - len(network.islands())
    best = np.nan_to_num(level).round(4)  # the digits that count
    if (best == best.max()).sum() == 1:
        assert tree[best.argmax()]


def test_without_rules_all_pairs_are_used() -> None:
    found = modify(chain(5), np.zeros(9), NetworkOptions())
    assert found.keep.all()
    assert found.dropped == {}
    assert found.lost_dates == ()
    assert len(found.islands) == 1


def test_neighbours_are_counted_among_all_dates_of_the_stack() -> None:
    pairs = chain(5)
    found = modify(pairs, np.zeros(9), NetworkOptions(conn_num_max=2, exclude_date=("20180117",)))
    # 20180105_20180210 is three dates on, although one of the two between them is left out
    assert [str(pair) for pair, kept in zip(pairs, found.keep, strict=True) if kept] == [
        "20180105_20180129",
        "20180129_20180210",
        "20180129_20180222",
        "20180210_20180222",
    ]


def test_each_rule_on_dates_and_baselines() -> None:
    pairs, bperp = chain(5), np.array([10, -80, 30, 20, 90, -5, 0, 60, -61.0])

    def left_out(**options: object) -> list[int]:
        return np.flatnonzero(~modify(pairs, bperp, NetworkOptions.model_validate(options)).keep).tolist()

    assert left_out(perp_base_max=60) == [1, 4, 8]
    assert left_out(temp_base_max=24) == [2, 5]
    assert left_out(start_date="20180117") == [0, 1, 2]
    assert left_out(end_date="20180210") == [5, 7, 8]
    assert left_out(exclude_pairs=("20180105_20180117", "20180117-20180129")) == [0, 3]
    assert left_out(exclude_index=(2, "4:6", "8")) == [2, 4, 5, 6, 8]
    assert left_out(exclude_index="1:2,7") == [1, 2, 7]


def test_only_the_pairs_of_a_reference() -> None:
    pairs = chain(4)
    found = modify(pairs, np.zeros(6), NetworkOptions(), reference={pairs[0], pairs[3], Pair(day(0), day(999))})
    assert np.flatnonzero(found.keep).tolist() == [0, 3]
    assert "reference_file" in found.dropped


def test_coherence_is_judged_by_its_four_decimals() -> None:
    pairs = chain(3, connections=1)
    options = NetworkOptions(coherence_based=True, min_coherence=0.7, keep_min_span_tree=False)
    found = modify(pairs, np.zeros(2), options, quality=PairQuality(np.array([0.69996, 0.69994])))
    assert found.keep.tolist() == [True, False]


def test_the_most_coherent_way_round_a_loop_is_kept() -> None:
    pairs = chain(3, connections=2)
    options = NetworkOptions(coherence_based=True, min_coherence=0.9)
    for worst in range(3):
        level = np.full(3, 0.5)
        level[worst] = 0.2
        found = modify(pairs, np.zeros(3), options, quality=PairQuality(level))
        assert np.flatnonzero(~found.keep).tolist() == [worst]


def test_a_pair_that_is_there_twice_counts_once() -> None:
    pairs = (*chain(3, connections=1), chain(3)[0])
    found = modify(pairs, np.zeros(3), NetworkOptions())
    assert found.keep.tolist() == [True, True, False]
    assert list(found.dropped) == ["there twice"]


def test_lost_dates_and_islands_are_named(caplog: pytest.LogCaptureFixture) -> None:
    pairs = chain(6, connections=2)
    found = modify(pairs, np.zeros(len(pairs)), NetworkOptions(exclude_date=("20180117", "20180129")))
    assert found.lost_dates == ("20180105", "20180117", "20180129")
    with caplog.at_level(logging.WARNING):
        warn_of_gaps(found)
    assert "no pair is left of 20180105: these dates" in caplog.text  # nobody asked for this one
    caplog.clear()
    apart = chain(5, connections=1)
    with caplog.at_level(logging.WARNING):
        warn_of_gaps(modify(apart, np.zeros(4), NetworkOptions(exclude_index=(1,))))
    assert "2 islands of dates that no pair joins: 20180105 to 20180117 (2); 20180129 to 20180222 (3)" in caplog.text


def test_what_is_not_in_the_stack_is_said(caplog: pytest.LogCaptureFixture) -> None:
    options = NetworkOptions(exclude_date=("20300101",), exclude_pairs=("20300101_20300113",))
    with caplog.at_level(logging.WARNING):
        assert modify(chain(3), np.zeros(3), options).keep.all()
    assert "exclude_date 20300101 is no date of the stack" in caplog.text
    assert "exclude_pairs 20300101_20300113 is no pair of the stack" in caplog.text


def test_a_network_of_nothing_is_refused_with_the_reasons() -> None:
    with pytest.raises(NetworkError, match=r"no pair is left of 3: temp_base_max 3 leaves out 3; loosen"):
        modify(chain(3), np.zeros(3), NetworkOptions(temp_base_max=3))


def test_a_place_beyond_the_end_is_refused() -> None:
    with pytest.raises(ConfigError, match="exclude_index 3 is beyond the last pair: the stack has 3 pairs, 0 to 2"):
        modify(chain(3), np.zeros(3), NetworkOptions(exclude_index=(3,)))


def test_a_rule_on_coherence_needs_coherence() -> None:
    with pytest.raises(ConfigError, match="coherence_based is asked for, but the stack has no coherence"):
        modify(chain(3), np.zeros(3), NetworkOptions(coherence_based=True))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"start_date": "20180230"}, "20180230"),
        ({"exclude_pairs": ["20180101"]}, "is not a pair"),
        ({"exclude_pairs": ["20180230_20180301"]}, "20180230"),
        ({"exclude_index": "a:3"}, "is no place in the file"),
        ({"exclude_index": [-1]}, "counted from 0"),
        ({"aoi_yx": [5, 5, 0, 3]}, "is empty"),
        ({"start_date": "20190101", "end_date": "20180101"}, "before start_date"),
        ({"min_coherence": 1.2}, "less than or equal to 1"),
        ({"temp_base_max": 0}, "greater than 0"),
        ({"tempBaseMax": 3}, "tempBaseMax"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ValidationError, match=match):
        NetworkOptions(**options)


def test_a_date_is_told_from_a_file() -> None:
    assert is_date("20180105")
    assert not is_date("exclude_date.txt")


@given(stacks())
def test_baselines_of_dates_give_back_those_of_the_pairs(stack: Stack) -> None:
    pairs, _, _ = stack
    network = Network(pairs)
    truth = np.random.default_rng(0).normal(0, 60, len(network.epochs))
    between = truth[network.sec_index] - truth[network.ref_index]
    found = baselines_of_dates(network, between)
    assert_allclose(found[network.sec_index] - found[network.ref_index], between, atol=1e-9)
    for island in network.islands():
        assert found[island[0]] == 0
