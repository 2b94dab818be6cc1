"""Pairs near whole years, and whether dates can tell a swing in the year from a rate."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from creepmeter.model.epoch import as_epoch
from creepmeter.model.scene import Scene
from creepmeter.pairs.options import PairOptions
from creepmeter.workflow.scenes import near_anniversaries, show_all_seasons


def scenes(*dates: str) -> list[Scene]:
    return [Scene(as_epoch(date), date) for date in dates]


def test_pairs_are_near_whole_years_where_these_join_all_scenes() -> None:
    network = near_anniversaries(scenes("20160710", "20170715", "20180705", "20190712"), PairOptions())
    assert len(network.pairs) == 6
    two_seasons = scenes("20160710", "20161020", "20170715", "20171025", "20180901")
    spans = [pair.days % 365.25 for pair in near_anniversaries(two_seasons, PairOptions()).pairs]
    assert max(min(span, 365.25 - span) for span in spans) <= 60


def test_scenes_that_no_pair_near_a_whole_year_joins_are_all_paired(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="creepmeter"):
        network = near_anniversaries(scenes("20160110", "20160710", "20170115", "20170715"), PairOptions())
    assert len(network.pairs) == 6
    assert "shadows" in caplog.text


def test_one_summer_is_paired_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="creepmeter"):
        assert len(near_anniversaries(scenes("20160701", "20160806", "20160911"), PairOptions()).pairs) == 3
    assert not caplog.text


def test_a_swing_in_the_year_needs_two_years_and_all_seasons() -> None:
    start = np.datetime64("2018-01-05")
    through = start + np.arange(0, 1000, 45)
    assert show_all_seasons(through)
    assert not show_all_seasons(through[:10])  # a little more than one year
    assert not show_all_seasons(start + np.array([365 * k + d for k in range(5) for d in (0, 20, 40)]))  # winters
    assert not show_all_seasons(through[::4])  # few
