"""Dates as people write them in tables: which number is the day is found out, never guessed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, TypeAlias

import numpy as np

from creepmeter.errors import EpochError
from creepmeter.model.epoch import Epoch, EpochLike, Epochs, as_epoch

DateOrder: TypeAlias = Literal["auto", "day-first", "month-first"]

_YEAR_FIRST = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T ].*)?")
_YEAR_LAST = re.compile(r"(\d{1,2})[-/. ](\d{1,2})[-/. ](\d{4})(?:[T ].*)?")
_SHORT_YEAR = re.compile(r"\d{1,2}[-/. ]\d{1,2}[-/. ]\d{2}")
_DECIMAL = re.compile(r"[12]\d{3}\.\d+")
_NAMED = ("%d %B %Y", "%d %b %Y", "%B %d %Y", "%b %d %Y")
_ORDERS = ("day-first", "month-first")


@dataclass(frozen=True)
class _Entry:
    """One date as it stands in a table."""

    line: int
    text: str
    parts: tuple[int, int, int] | None  # first, second number and the year, where the order is not certain

    def read(self, order: str) -> date | None:
        """Return the date if the day comes first or the month does; None if there is no such day."""
        assert self.parts is not None  # noqa: S101 - only such entries are asked
        first, second, year = self.parts
        day, month = (first, second) if order == "day-first" else (second, first)
        try:
            return date(year, month, day)
        except ValueError:
            return None


def read_dates(
    texts: Sequence[str], order: DateOrder = "auto", *, name: str, lines: Sequence[int] | None = None
) -> Epochs:
    """Read a column of dates.

    Parameters
    ----------
    texts : sequence of str
        ISO 8601, ``YYYYMMDD``, ``25/03/2018`` or ``03/25/2018`` with ``/``, ``-``, ``.`` or blanks, ``25 March 2018``,
        or decimal years such as 2018.2288.
    order : {"auto", "day-first", "month-first"}
        Of dates that end with the year. ``auto``: the one order in which all dates of the column are in the calendar.
    name : str
        File, for messages.
    lines : sequence of int, optional
        Line of each date in the file; by default from the second on.

    Raises
    ------
    EpochError
        A date cannot be read; both orders fit all dates, or neither does.

    Examples
    --------
    >>> [str(time)[:10] for time in read_dates(["03/04/2018", "25/03/2018"], name="pegs.csv")]
    ['2018-04-03', '2018-03-25']
    """
    places = range(2, len(texts) + 2) if lines is None else lines
    entries = [_Entry(line, text.strip(), _parts(text.strip())) for line, text in zip(places, texts, strict=True)]
    open_ones = [entry for entry in entries if entry.parts is not None]
    chosen = _order_of(open_ones, order, name) if open_ones else "day-first"
    return np.array([_read(entry, chosen, name) for entry in entries], "datetime64[ns]")


def _parts(text: str) -> tuple[int, int, int] | None:
    found = _YEAR_LAST.fullmatch(text)
    return None if found is None else (int(found[1]), int(found[2]), int(found[3]))


def _read(entry: _Entry, order: str, name: str) -> Epoch:
    if entry.parts is not None:
        day = entry.read(order)
        if day is None:
            message = f"{name}, line {entry.line}: {entry.text!r} is no day of the calendar, {order.replace('-', ' ')}"
            raise EpochError(message)
        return as_epoch(day)
    try:
        return as_epoch(_plain(entry.text))
    except ValueError as problem:
        shown = "" if repr(entry.text) in str(problem) else f"{entry.text!r} is no date: "
        message = f"{name}, line {entry.line}: {shown}{problem}"
        raise EpochError(message) from problem


def _plain(text: str) -> EpochLike:
    """Read a date whose order is certain."""
    swapped = _YEAR_FIRST.fullmatch(text)
    if swapped is not None:
        year, month, day = (int(part) for part in swapped.groups())
        if month > 12 >= day:  # noqa: PLR2004 - months
            message = f"{text!r} has {month} for the month: day and month are swapped, write YYYY-MM-DD"
            raise ValueError(message)
        return text if "T" in text or ":" in text else date(year, month, day)
    if _SHORT_YEAR.fullmatch(text):
        message = f"{text!r} has a year of two digits: write all four"
        raise ValueError(message)
    if _DECIMAL.fullmatch(text):
        return from_decimal_year(float(text))
    words = " ".join(re.split(r"[-/., ]+", text))
    for pattern in _NAMED:
        try:
            return datetime.strptime(words, pattern).date()
        except ValueError:
            continue
    if not re.fullmatch(r"\d{8}(T?\d{6})?", text):
        message = f"{text!r} is not a date: write YYYY-MM-DD"
        raise ValueError(message)
    return text


def from_decimal_year(value: float) -> datetime:
    """Return the moment of a decimal year, to the second: the fraction is of the days of that year.

    Examples
    --------
    >>> from_decimal_year(2019.5).isoformat()
    '2019-07-02T12:00:00'
    """
    year = int(value)
    start, end = datetime(year, 1, 1), datetime(year + 1, 1, 1)
    return start + timedelta(seconds=round((value - year) * (end - start).total_seconds()))


def _order_of(entries: Sequence[_Entry], order: DateOrder, name: str) -> str:
    wrong = {each: next((entry for entry in entries if entry.read(each) is None), None) for each in _ORDERS}
    fitting = [each for each in _ORDERS if wrong[each] is None]
    if order != "auto":
        _require_fit(wrong, order, name)
        return order
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        _refuse(wrong, name)
    unsure = [entry for entry in entries if entry.read("day-first") != entry.read("month-first")]
    if unsure:
        message = f"{name}: {_both_readings(unsure)}; give --date-order day-first or --date-order month-first"
        raise EpochError(message)
    return fitting[0]


def _require_fit(wrong: dict[str, _Entry | None], order: str, name: str) -> None:
    entry = wrong[order]
    if entry is None:
        return
    other = next(each for each in _ORDERS if each != order)
    hint = f"all dates fit {other}" if wrong[other] is None else f"others do not fit {other} either"
    message = f"{name}, line {entry.line}: {entry.text!r} is no day of the calendar {order}, and {hint}"
    raise EpochError(message)


def _refuse(wrong: dict[str, _Entry | None], name: str) -> None:
    """Say that no order fits, with a date against each."""
    day, month = wrong["day-first"], wrong["month-first"]
    assert day is not None  # noqa: S101 - neither order fits
    assert month is not None  # noqa: S101
    if day.line == month.line:
        message = f"{name}, line {day.line}: {day.text!r} is no day of the calendar, whichever number is the day"
        raise EpochError(message)
    message = (
        f"{name}: day and month are swapped in some lines: {month.text!r} (line {month.line}) has the day first, "
        f"{day.text!r} (line {day.line}) the month; write all dates as YYYY-MM-DD"
    )
    raise EpochError(message)


def _both_readings(unsure: Sequence[_Entry]) -> str:
    first = unsure[0]
    shown: Callable[[str], str] = lambda order: f"{first.read(order):%d %B %Y}".lstrip("0")  # noqa: E731
    more = f" (and {len(unsure) - 1} more)" if len(unsure) > 1 else ""
    return (
        f"{first.text!r} in line {first.line}{more} is {shown('day-first')} if the day comes first and "
        f"{shown('month-first')} if the month does, and no date of the file decides"
    )
