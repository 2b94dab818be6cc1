from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creepmeter.errors import EpochError
from creepmeter.validation.dates import DateOrder, from_decimal_year, read_dates


def days(texts: list[str], order: DateOrder = "auto") -> list[str]:
    return [str(time)[:10] for time in read_dates(texts, order, name="pegs.csv")]


@pytest.mark.parametrize("mark", ["/", "-", ".", " "])
def test_one_date_that_fits_one_order_only_decides_for_all(mark: str) -> None:
    day_first = [text.replace("/", mark) for text in ("03/04/2018", "25/03/2019")]
    month_first = [text.replace("/", mark) for text in ("03/04/2018", "03/25/2019")]
    assert days(day_first) == ["2018-04-03", "2019-03-25"]
    assert days(month_first) == ["2018-03-04", "2019-03-25"]


def test_ambiguous_dates_are_an_error_that_shows_both_readings() -> None:
    with pytest.raises(EpochError, match=r"'03/04/2018' in line 3 .*3 April 2018 .* 4 March 2018 .*--date-order"):
        days(["05/05/2018", "03/04/2018", "2018-06-30"])


def test_an_order_that_is_given_settles_ambiguous_dates() -> None:
    assert days(["03/04/2018"], "day-first") == ["2018-04-03"]
    assert days(["03/04/2018"], "month-first") == ["2018-03-04"]


def test_days_that_read_the_same_both_ways_are_not_ambiguous() -> None:
    assert days(["05/05/2018", "11/11/2019"]) == ["2018-05-05", "2019-11-11"]


def test_day_and_month_swapped_within_a_file_are_caught() -> None:
    with pytest.raises(EpochError, match=r"swapped in some lines: '25/03/2018' \(line 2\).*'03/26/2018' \(line 4\)"):
        days(["25/03/2018", "03/04/2018", "03/26/2018"])


@pytest.mark.parametrize(("order", "text"), [("day-first", "03/25/2018"), ("month-first", "25/03/2018")])
def test_an_order_against_the_dates_is_caught(order: DateOrder, text: str) -> None:
    with pytest.raises(EpochError, match=rf"{text}' is no day of the calendar {order}, and all dates fit"):
        days([text], order)


def test_a_swapped_iso_date_is_caught() -> None:
    with pytest.raises(EpochError, match=r"pegs\.csv, line 2: '2018-25-03' has 25 for the month: day and month are"):
        days(["2018-25-03"])


@pytest.mark.parametrize("text", ["31/31/2018", "30/02/2018", "2018-02-30", "20180230", "soon", "", "03/04/18"])
def test_what_is_no_date_is_named_with_its_line(text: str) -> None:
    with pytest.raises(EpochError, match=r"pegs\.csv, line 2: "):
        days([text])


@pytest.mark.parametrize(
    "text", ["2018-03-25", "20180325", "25/03/2018", "25 March 2018", "25-Mar-2018", "Mar 25, 2018", "2018.22877"]
)
def test_all_ways_to_write_a_day_are_read(text: str) -> None:
    assert days([text]) == ["2018-03-25"]


@given(st.dates(date(1970, 1, 1), date(2100, 12, 31)), st.booleans())
def test_what_is_written_with_a_telling_date_is_read_back(day: date, month_first: bool) -> None:  # noqa: FBT001
    pattern = "%m/%d/%Y" if month_first else "%d/%m/%Y"
    telling = date(2001, 3, 31)
    assert days([f"{day:{pattern}}", f"{telling:{pattern}}"]) == [str(day), str(telling)]


@given(st.dates(date(1900, 1, 1), date(2100, 12, 31)))
def test_decimal_years_of_noons_are_their_days(day: date) -> None:
    length = (date(day.year + 1, 1, 1) - date(day.year, 1, 1)).days
    value = day.year + ((day - date(day.year, 1, 1)).days + 0.5) / length
    assert abs(
        from_decimal_year(value)
        - (from_decimal_year(float(day.year)) + timedelta(days=(day - date(day.year, 1, 1)).days, hours=12))
    ) <= timedelta(seconds=1)
