from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from creepmeter.errors import EpochError
from creepmeter.model.epoch import (
    as_epoch,
    as_epochs,
    days_between,
    decimal_years,
    decimal_years_since,
    epoch_from_pattern,
    epochs_in_name,
    years_since,
)

moments = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)).map(lambda when: when.replace(microsecond=0))


def day(text: str) -> np.datetime64:
    return np.datetime64(text, "ns")


@pytest.mark.parametrize(
    "value",
    [
        "20240229",
        " 20240229 ",
        "2024-02-29",
        "20240229T000000",
        "2024-02-29T00:00:00Z",
        "2024-02-29T05:30:00+05:30",
        "2024-02-28T23:00:00-01:00",
        date(2024, 2, 29),
        datetime(2024, 2, 29),
        datetime(2024, 2, 29, 1, tzinfo=timezone(timedelta(hours=1))),
        np.datetime64("2024-02-29"),
    ],
)
def test_every_way_to_write_a_leap_day_is_the_same_moment(value: object) -> None:
    epoch = as_epoch(value)  # type: ignore[arg-type]
    assert epoch == day("2024-02-29")
    assert epoch.dtype == np.dtype("datetime64[ns]")


@pytest.mark.parametrize("text", ["20240230", "20230229", "20241301", "2024-02-30", "20240229T246060"])
def test_a_day_that_is_not_in_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(EpochError, match=f"'{text}' is not a date"):
        as_epoch(text)


@pytest.mark.parametrize("text", ["240229", "202402", "2024022", "", "scene"])
def test_text_that_is_no_date_is_refused_with_the_way_to_write_one(text: str) -> None:
    with pytest.raises(EpochError, match="write YYYYMMDD"):
        as_epoch(text)


def test_a_missing_date_is_refused() -> None:
    with pytest.raises(EpochError, match="NaT"):
        as_epoch(np.datetime64("NaT"))


@pytest.mark.parametrize("value", ["11111111", "99991231", "0001-01-01", np.datetime64("1500-01-01"), date(2300, 1, 1)])
def test_years_that_nanoseconds_cannot_hold_are_refused_and_do_not_wrap(value: object) -> None:
    with pytest.raises(EpochError, match="from 1678 to 2261"):
        as_epoch(value)  # type: ignore[arg-type]


@given(moments)
def test_a_moment_written_in_a_name_is_read_back(moment: datetime) -> None:
    for text in (f"{moment:%Y%m%dT%H%M%S}", f"{moment:%Y%m%d%H%M%S}"):
        assert epochs_in_name(f"S2A_{text}_x.tif") == [np.datetime64(moment, "ns")]
        assert as_epoch(text) == np.datetime64(moment, "ns")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("20170112T230221_20180102T230219-F.tif", ["2017-01-12T23:02:21", "2018-01-02T23:02:19"]),
        ("20170112_20180102.tif", ["2017-01-12", "2018-01-02"]),
        ("scene_20240230.jpg", []),
        ("id12345678_20240229.jpg", ["2024-02-29"]),
        ("orbit_11111111_20240229.jpg", ["2024-02-29"]),
        ("run_2024022912_3.jpg", []),
        ("240229.jpg", []),
    ],
)
def test_dates_in_names(name: str, expected: list[str]) -> None:
    assert epochs_in_name(name) == [day(text) for text in expected]


@pytest.mark.parametrize(
    ("name", "pattern", "expected"),
    [
        ("S2_2019-04-01_v20200101.tif", "S2_%Y-%m-%d", "2019-04-01"),
        ("LC8_2016366.tif", "%Y%j", "2016-12-31"),
        ("01Apr2019.png", "%d%b%Y", "2019-04-01"),
        ("T190401.png", "T%y%m%d", "2019-04-01"),
        ("3211102019040112_20190402.png", "%Y%m%d", "2019-04-02"),
        ("a+b(20190401).png", "(%Y%m%d)", "2019-04-01"),
        ("100%20190401.png", "100%%%Y%m%d", "2019-04-01"),
        ("20190230_20190401.png", "%Y%m%d", "2019-04-01"),
    ],
)
def test_dates_by_pattern(name: str, pattern: str, expected: str) -> None:
    assert epoch_from_pattern(name, pattern) == day(expected)


@pytest.mark.parametrize(
    ("pattern", "match"),
    [
        ("%Y-%m-%d", "no date like '%Y-%m-%d' in the name 'a_20190401.tif'"),
        ("%Q%m", "'%Q' is not one of them"),
        ("%Y%Y", "one of them twice"),
        ("scene", "needs each of some"),
        ("%Y%", "'%' is not one of them"),
    ],
)
def test_a_pattern_that_does_not_fit_is_refused(pattern: str, match: str) -> None:
    with pytest.raises(EpochError, match=match):
        epoch_from_pattern("a_20190401.tif", pattern)


def test_days_and_years() -> None:
    first, second = as_epochs(["20200101", "20210101T120000"])
    assert days_between(first, second) == 366.5
    assert years_since(np.array([second]), first)[0] == pytest.approx(366.5 / 365.25, rel=1e-15)


@given(moments, moments)
def test_years_are_days_by_365_25(first: datetime, second: datetime) -> None:
    origin, times = as_epoch(first), as_epochs([second])
    assert years_since(times, origin)[0] * 365.25 == pytest.approx(days_between(origin, times[0]), abs=1e-6)


def test_mintpys_years_start_anew_each_january() -> None:
    times = as_epochs(["20181231T235959", "20190101", "20190401", "20200229", "20201231"])
    expected = [
        2018 + (364 + 86399 / 86400) / 365.25,
        2019.0,
        2019 + 90 / 365.25,
        2020 + 59 / 365.25,
        2020 + 365 / 365.25,
    ]
    assert decimal_years(times).tolist() == pytest.approx(expected, abs=1e-12)
    assert decimal_years_since(times, times[1]).tolist() == pytest.approx([year - 2019 for year in expected], abs=1e-12)
    assert decimal_years(as_epochs(["19690701"]))[0] == pytest.approx(1969 + 181 / 365.25, abs=1e-12)
