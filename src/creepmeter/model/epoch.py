"""Dates: how they are read, and how time runs in years."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from creepmeter.errors import EpochError

Epoch: TypeAlias = np.datetime64
EpochLike: TypeAlias = str | date | datetime | np.datetime64
Epochs: TypeAlias = npt.NDArray[np.datetime64]

DAYS_PER_YEAR = 365.25
_FIRST, _LAST = 1678, 2261  # whole years that datetime64[ns] can hold; beyond, NumPy wraps around without a word
_EARLIEST_IN_NAME = 1900  # eight digits before are a number, not a date
_FIELDS = {
    "%Y": r"\d{4}",
    "%y": r"\d{2}",
    "%m": r"\d{2}",
    "%d": r"\d{2}",
    "%j": r"\d{3}",
    "%b": r"[A-Za-z]{3}",
    "%H": r"\d{2}",
    "%M": r"\d{2}",
    "%S": r"\d{2}",
    "%f": r"\d{1,6}",
}
_IN_NAME = re.compile(r"(?<!\d)(\d{8})(?:T?(\d{6}))?(?!\d)")


def as_epoch(value: EpochLike) -> Epoch:
    """Return `value` as ``datetime64[ns]`` in UTC.

    Parameters
    ----------
    value : str, date, datetime or datetime64
        ``YYYYMMDD``, ``YYYYMMDDTHHMMSS``, ISO 8601 text, or a date object. Times with a zone are turned to UTC.

    Raises
    ------
    EpochError
        The text is not a date, or the date is not in the calendar.

    Examples
    --------
    >>> str(as_epoch("20190401"))[:10]
    '2019-04-01'
    """
    if isinstance(value, np.datetime64):
        if np.isnat(value):
            message = "a date is missing (NaT): give one for every image"
            raise EpochError(message)
        _require_year(int(value.astype("datetime64[Y]").astype(np.int64)) + 1970, value)
        moment: Epoch = value.astype("datetime64[ns]")
        return moment
    try:
        parsed = value if isinstance(value, date) else _parse(str(value))
    except ValueError as problem:
        message = f"{value!r} is not a date ({problem}): write YYYYMMDD, YYYYMMDDTHHMMSS or ISO 8601"
        raise EpochError(message) from problem
    if isinstance(parsed, datetime) and parsed.tzinfo is not None:
        try:
            parsed = parsed.astimezone(UTC).replace(tzinfo=None)
        except OverflowError:  # the first or last day of the calendar, in another zone
            parsed = parsed.replace(tzinfo=None)
    _require_year(parsed.year, value)
    return np.datetime64(parsed, "ns")


def _require_year(year: int, value: object) -> None:
    if not _FIRST <= year <= _LAST:
        message = f"{value!s} lies in the year {year}: dates must be from {_FIRST} to {_LAST}"
        raise EpochError(message)


def as_epochs(values: Sequence[EpochLike] | Epochs) -> Epochs:
    """Return dates as one ``datetime64[ns]`` array, in the order given."""
    return np.array([as_epoch(value) for value in values], dtype="datetime64[ns]")


def _parse(text: str) -> datetime:
    text = text.strip()
    if re.fullmatch(r"\d{8}", text):
        return datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC)
    if re.fullmatch(r"\d{8}T?\d{6}", text):
        return datetime.strptime(text.replace("T", ""), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    if re.fullmatch(r"\d+", text):
        message = f"{len(text)} digits"
        raise ValueError(message)
    return datetime.fromisoformat(text)


def epochs_in_name(name: str) -> list[Epoch]:
    """Return the dates written in a file name as ``YYYYMMDD[[T]HHMMSS]``, in order.

    Eight digits that are no date of the calendar are passed over.

    Examples
    --------
    >>> [str(epoch)[:10] for epoch in epochs_in_name("20170112T230221_20180102T230219-F.tif")]
    ['2017-01-12', '2018-01-02']
    """
    found = []
    for day, clock in _IN_NAME.findall(name):
        if int(day[:4]) < _EARLIEST_IN_NAME:
            continue
        try:
            found.append(as_epoch(day + (f"T{clock}" if clock else "")))
        except EpochError:
            continue
    return found


def epoch_from_pattern(name: str, pattern: str) -> Epoch:
    """Read one date from a file name with a `datetime.strptime` pattern such as ``%Y%m%d`` or ``S2_%Y-%m-%d``.

    Raises
    ------
    EpochError
        The pattern is not found in the name, or has fields that are not known.

    Examples
    --------
    >>> str(epoch_from_pattern("S2_2019-04-01_v20200101.tif", "S2_%Y-%m-%d"))[:10]
    '2019-04-01'
    """
    regex = _pattern_regex(pattern)
    found = [match.group(1) for match in re.finditer(f"(?=({regex}))", name)]
    # a date that stands alone goes before one that is cut out of a longer number
    alone = [match.group(1) for match in re.finditer(rf"(?=(?<!\d)({regex})(?!\d))", name)]
    for text in alone + found:
        try:
            return as_epoch(datetime.strptime(text, pattern).replace(tzinfo=UTC))
        except ValueError:  # EpochError is one too
            continue
    message = f"no date like {pattern!r} in the name {name!r}: rename the file or give another dates_pattern"
    raise EpochError(message)


def epochs_from_pattern(name: str, pattern: str) -> list[Epoch]:
    """Read all dates like a `datetime.strptime` pattern from a file name, in order, none overlapping another.

    Examples
    --------
    >>> [str(epoch)[:10] for epoch in epochs_from_pattern("2019-04-01_to_2019-04-13.tif", "%Y-%m-%d")]
    ['2019-04-01', '2019-04-13']
    """
    regex = _pattern_regex(pattern)
    alone = re.findall(rf"(?<!\d)(?:{regex})(?!\d)", name)
    found = []
    for text in alone or re.findall(regex, name):
        try:
            found.append(as_epoch(datetime.strptime(text, pattern).replace(tzinfo=UTC)))
        except ValueError:  # EpochError is one too
            continue
    return found


def _pattern_regex(pattern: str) -> str:
    parts = re.findall(r"%.?|[^%]+", pattern)
    fields = [part for part in parts if part.startswith("%") and part != "%%"]
    unknown = [field for field in fields if field not in _FIELDS]
    if not fields or unknown or len(set(fields)) < len(fields):
        found = f"{unknown[0]!r} is not one of them" if unknown else "none, or one of them twice"
        message = f"the dates pattern {pattern!r} needs each of some of {' '.join(_FIELDS)} once: {found}"
        raise EpochError(message)
    return "".join("%" if part == "%%" else _FIELDS.get(part, re.escape(part)) for part in parts)


def days_between(first: Epoch, second: Epoch) -> float:
    """Return days from `first` to `second`, with the fraction of the day."""
    return float((second - first) / np.timedelta64(1, "ns")) / 86_400e9


def years_since(times: Epochs, origin: Epoch) -> npt.NDArray[np.float64]:
    """Return Julian years (365.25 days) since `origin`, shape of `times`."""
    return np.asarray((times - origin) / np.timedelta64(1, "ns"), dtype=np.float64) / (86_400e9 * DAYS_PER_YEAR)


def decimal_years(times: Epochs) -> npt.NDArray[np.float64]:
    """Return dates as MintPy writes them in years: the year, plus the days since its first in units of 365.25.

    The clock jumps by up to a day at the end of a year. Use `years_since` unless results are compared with MintPy's.

    Examples
    --------
    >>> decimal_years(as_epochs(["20190101", "20190102T120000"])).round(6).tolist()
    [2019.0, 2019.004107]
    """
    stamps = np.asarray(times, "datetime64[ns]")
    first = stamps.astype("datetime64[Y]")
    year = first.astype(np.int64) + 1970
    return np.asarray(year + years_since(stamps, np.datetime64(0, "ns")) - years_since(first, np.datetime64(0, "ns")))


def decimal_years_since(times: Epochs, origin: Epoch) -> npt.NDArray[np.float64]:
    """Return years on MintPy's clock since `origin`; see `decimal_years`."""
    return decimal_years(times) - float(decimal_years(np.array([origin]))[0])
