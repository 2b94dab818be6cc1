from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from creepmeter.imagery.scene_options import SceneSearchOptions, Window


@given(st.integers(1973, 2060), st.integers(0, 20), st.dates(date(2024, 1, 1), date(2024, 12, 31)), st.integers(0, 182))
def test_every_year_has_a_span_about_its_day(first: int, more: int, day: date, within: int) -> None:
    options = SceneSearchOptions(years=f"{first}/{first + more}", around=f"{day:%m-%d}", within_days=within)
    windows = options.windows
    assert [window.middle.year for window in windows if window.middle] == list(range(first, first + more + 1))
    for window in windows:
        assert window.middle is not None
        assert (window.middle.month, window.middle.day) in {(day.month, day.day), (2, 28)}
        assert window.last - window.middle == window.middle - window.first == timedelta(days=within)


def test_a_leap_day_is_the_28th_in_other_years() -> None:
    middles = [window.middle for window in SceneSearchOptions(years="2019/2020", around="02-29").windows]
    assert middles == [date(2019, 2, 28), date(2020, 2, 29)]


def test_a_span_about_new_year_reaches_into_the_years_beside() -> None:
    (window,) = SceneSearchOptions(years="2020", around="01-05", within_days=10).windows
    assert (window.first, window.last) == (date(2019, 12, 26), date(2020, 1, 15))
    assert window.interval == "2019-12-26T00:00:00Z/2020-01-15T23:59:59.999Z"
    assert window.holds(datetime(2020, 1, 15, 23, 59, 59, tzinfo=UTC))
    assert not window.holds(datetime(2020, 1, 16, tzinfo=UTC))


def test_years_and_dates() -> None:
    assert SceneSearchOptions(years=" 2016 / 2023 ").windows == (Window(date(2016, 1, 1), date(2023, 12, 31)),)
    assert SceneSearchOptions(dates="2016-11-22/20171122").windows == (Window(date(2016, 11, 22), date(2017, 11, 22)),)
    (open_end,) = SceneSearchOptions(dates="20200101/").windows
    assert open_end.first == date(2020, 1, 1)
    assert open_end.last >= date(2024, 1, 1)
    assert SceneSearchOptions(dates="/20200101").windows[0].last == date(2020, 1, 1)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "either years .* or dates"),
        ({"years": "2016", "dates": "20160101/"}, "either years .* or dates"),
        ({"years": "2023/2016"}, "must run forward"),
        ({"years": "16/23"}, "2016/2023"),
        ({"years": "1900/2020"}, "within 1972"),
        ({"years": "2016-2023"}, "2016/2023"),
        ({"dates": "20240230/"}, "20240230"),
        ({"dates": "20200101"}, "START/END"),
        ({"dates": "/"}, "START/END"),
        ({"dates": "20210101/20200101"}, "backward"),
        ({"years": "2020", "around": "13-01"}, "MM-DD"),
        ({"years": "2020", "around": "02-30"}, "MM-DD"),
        ({"years": "2020", "around": "22 Nov"}, "MM-DD"),
        ({"dates": "20200101/", "around": "11-22"}, "goes with years"),
        ({"years": "2020", "within_days": 200}, "within_days"),
    ],
)
def test_what_is_no_time_is_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        SceneSearchOptions.model_validate(settings)
