from __future__ import annotations

import logging
from datetime import date
from math import comb
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from creepmeter.errors import NetworkError
from creepmeter.model.epoch import as_epoch
from creepmeter.model.network import Network
from creepmeter.model.scene import Scene
from creepmeter.pairs.options import PairOptions
from creepmeter.pairs.select import describe_network, select_pairs

START = np.datetime64("2017-01-01", "ns")

day_lists = st.lists(st.integers(0, 2000), min_size=2, max_size=15, unique=True)


def dates(*days: float) -> list[np.datetime64]:
    return [START + np.timedelta64(round(day * 86_400), "s") for day in days]


def spans(network: Network) -> list[float]:
    return [pair.days for pair in network.pairs]


@given(day_lists)
def test_all_pairs_of_all_dates_in_order(days: list[int]) -> None:
    network = select_pairs(dates(*days))
    assert len(network.pairs) == comb(len(days), 2)
    assert list(network.pairs) == sorted(network.pairs)
    assert network.is_connected()


@given(day_lists, st.integers(0, 500), st.integers(1, 1500))
def test_limits_keep_just_the_pairs_within_them(days: list[int], low: int, length: int) -> None:
    options = PairOptions(min_days=low, max_days=low + length)
    expected = sum(low <= b - a <= low + length for a in days for b in days if b > a)
    if expected == 0:
        with pytest.raises(NetworkError, match=r"no pair is left .*widen these limits"):
            select_pairs(dates(*days), options)
        return
    network = select_pairs(dates(*days), options)
    assert len(network.pairs) == expected
    assert len(network.epochs) == len(days)  # dates in no pair are not forgotten


@given(day_lists, st.integers(1, 20), st.integers(1, 800))
def test_nearest_joins_each_date_to_its_next_dates_within_the_limits(days: list[int], n: int, low: int) -> None:
    ordered = sorted(days)
    expected = [(a, b) for a in ordered for b in [later for later in ordered if later - a >= low][:n]]
    options = PairOptions(rule="nearest", n_nearest=n, min_days=low)
    if not expected:
        with pytest.raises(NetworkError, match="min_days"):
            select_pairs(dates(*days), options)
        return
    found = select_pairs(dates(*days), options).pairs
    assert [(pair.ref, pair.sec) for pair in found] == [tuple(dates(*ends)) for ends in expected]


def test_next_neighbours_make_a_chain() -> None:
    network = select_pairs(dates(0, 5, 10, 400), PairOptions(rule="nearest", n_nearest=1))
    assert spans(network) == [5, 5, 390]
    assert len(network.loops()) == 0


def test_anniversaries_are_whole_years_and_at_least_one() -> None:
    network = select_pairs(dates(0, 10, 355, 366, 740, 1000), PairOptions(anniversary_days=12))
    assert sorted(spans(network)) == [355, 356, 366, 374, 730, 740]
    assert [str(epoch)[:10] for epoch in network.extra_epochs] == ["2019-09-28"]


def test_one_orbit_only() -> None:
    scenes = [
        Scene(time, f"{k}.tif", orbit=orbit)
        for k, (time, orbit) in enumerate(zip(dates(0, 5, 10), (1, 2, 1), strict=True))
    ]
    assert spans(select_pairs(scenes, PairOptions(same_orbit=True))) == [10]
    unknown = [*scenes, Scene(dates(15)[0], "late.tif")]
    assert len(select_pairs(unknown).pairs) == 6
    with pytest.raises(NetworkError, match=r"1 of 4 scenes is unknown \(first late\.tif\)"):
        select_pairs(unknown, PairOptions(same_orbit=True))


def test_excluded_dates_and_pairs_are_gone(caplog: pytest.LogCaptureFixture) -> None:
    times = dates(0, 1, 1.5, 2, 3)
    assert len(select_pairs(times, PairOptions(exclude_dates=("20170102",))).epochs) == 3  # the whole day
    assert len(select_pairs(times, PairOptions(exclude_dates=("20170102T120000",))).epochs) == 4
    network = select_pairs(times, PairOptions(exclude_pairs=("20170101_20170103", "20170101_20170102")))
    assert len(network.pairs) == 10 - 1 - 2
    assert not caplog.records
    options = PairOptions(exclude_dates=("20300101",), exclude_pairs=("20170101_20300101",))
    with caplog.at_level(logging.WARNING):
        assert len(select_pairs(times, options).pairs) == 10
    assert "no scene of 20300101" in caplog.text
    assert "no pair 20170101_20300101" in caplog.text


def test_two_scenes_of_one_time_are_named() -> None:
    scenes = [Scene(as_epoch("20200101"), name) for name in ("a.tif", "b.tif")]
    with pytest.raises(NetworkError, match=r"a\.tif and b\.tif have the same date 2020-01-01"):
        select_pairs([*scenes, Scene(as_epoch("20200301"), "c.tif")])


@pytest.mark.parametrize("days", [(), (3,)])
def test_fewer_than_two_dates_are_refused(days: tuple[int, ...]) -> None:
    with pytest.raises(NetworkError, match=rf"{len(days)} date\(s\) found: at least two"):
        select_pairs(dates(*days))


def test_exclusion_that_leaves_one_date_is_named() -> None:
    with pytest.raises(NetworkError, match=r"1 date\(s\) found, 1 left out by exclude_dates"):
        select_pairs(["20200101", "20200102"], PairOptions(exclude_dates=("20200101",)))


def test_which_limit_killed_how_many() -> None:
    match = r"no pair is left of 3 possible pairs: min_days 8 alone removes 2, max_days 9 alone removes 1; widen"
    with pytest.raises(NetworkError, match=match):
        select_pairs(dates(0, 5, 10), PairOptions(min_days=8, max_days=9))


def test_a_network_in_words() -> None:
    network = select_pairs(dates(0, 5, 10, 500, 505, 2000), PairOptions(max_days=12))
    assert describe_network(network) == "6 epochs, 4 pairs of 5 to 10 days, 3 islands, 1 loop; in no pair: 2022-06-24"
    assert describe_network(select_pairs(dates(0, 5))) == "2 epochs, 1 pair of 5 days, 1 island, 0 loops"


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"min_days": 30, "max_days": 8}, r"max_days \(8\) is below min_days \(30\)"),
        ({"exclude_dates": ["20190230"]}, "20190230"),
        ({"exclude_pairs": ["20190201"]}, "is not a pair"),
        ({"exclude_pairs": ["20190301_20190201"]}, "forward in time"),
        ({"n_nearest": 0}, "greater than or equal to 1"),
        ({"rule": "some"}, "'all' or 'nearest'"),
        ({"max_day": 8}, "max_day"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ValidationError, match=match):
        PairOptions(**options)


def test_dates_as_yaml_reads_them() -> None:
    options = PairOptions(exclude_dates=[20190401, date(2019, 4, 2), "20190403"])
    assert options.exclude_dates == ("20190401", "20190402", "20190403")
    assert PairOptions(exclude_dates=20190401).exclude_dates == ("20190401",)
