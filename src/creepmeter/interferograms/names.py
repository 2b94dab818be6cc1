"""Dates of pairs as processors write them in names of files and folders."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from creepmeter.errors import EpochError
from creepmeter.model.epoch import Epoch, as_epoch, epochs_from_pattern, epochs_in_name
from creepmeter.model.pair import Pair

_SIX = re.compile(r"(?<!\d)(\d{6})[-_](\d{6})(?!\d)")
_DAY_MONTH = re.compile(r"(?<![\dA-Za-z])(\d{1,2}[A-Z][A-Za-z]{2}\d{4})(?![\dA-Za-z])")
_LEVELS = 3  # the name of the file, its folder, and the folder of that
_CENTURY = 70  # two-digit years before are of this century: no radar flew in space before 1978
_TWO = 2


@dataclass(frozen=True)
class DatePair:
    """Two dates in the order in which a processor names them.

    Parameters
    ----------
    first, second : datetime64
        Days; the phase is that of the second relative to the first.
    """

    first: Epoch
    second: Epoch

    @property
    def pair(self) -> Pair:
        """The pair, running forward."""
        return Pair(min(self.first, self.second), max(self.first, self.second))

    @property
    def backward(self) -> bool:
        """The processor's pair runs backward in time, so that signs turn."""
        return bool(self.first > self.second)

    @property
    def sign(self) -> float:
        """Factor that turns what the processor measured into later relative to earlier."""
        return -1.0 if self.backward else 1.0


def day(epoch: Epoch) -> Epoch:
    """Return the day of an epoch."""
    found: Epoch = epoch.astype("datetime64[D]").astype("datetime64[ns]")
    return found


def short_day(text: str) -> Epoch:
    """Return the day of ``YYMMDD``: years 70 to 99 are 1970 to 1999.

    Raises
    ------
    EpochError
        The text is no such date.

    Examples
    --------
    >>> [str(short_day(text))[:10] for text in ("991231", "060619")]
    ['1999-12-31', '2006-06-19']
    """
    if not re.fullmatch(r"\d{6}", text):
        message = f"{text!r} is no date YYMMDD"
        raise EpochError(message)
    return as_epoch(("19" if int(text[:2]) >= _CENTURY else "20") + text)


def spoken_day(text: str) -> Epoch:
    """Return the day of ``03Jan2018``.

    Raises
    ------
    EpochError
        The text is no such date.
    """
    try:
        found = datetime.strptime(text[-9:].title(), "%d%b%Y")
    except ValueError as problem:
        message = f"{text!r} is no date like 03Jan2018"
        raise EpochError(message) from problem
    return day(np.datetime64(found, "ns"))


def dates_in(text: str, pattern: str | None = None) -> DatePair | None:
    """Return the first two dates in a name: YYYYMMDD, YYMMDD-YYMMDD, or 03Jan2018; None when there are not two.

    Parameters
    ----------
    text : str
        Name of a file or folder.
    pattern : str, optional
        How a date is written, as in strptime.
    """
    found = epochs_from_pattern(text, pattern) if pattern else epochs_in_name(text) or _others(text)
    days = [day(epoch) for epoch in found[:_TWO]]
    if len(days) < _TWO or days[0] == days[1]:
        return None
    return DatePair(days[0], days[1])


def _others(text: str) -> list[Epoch]:
    short = [(short_day, part) for match in _SIX.finditer(text) for part in match.groups()]
    spoken = [(spoken_day, part) for part in re.split(r"[-_.]", text) if _DAY_MONTH.fullmatch(part)]
    for candidates in (short, spoken):
        found = []
        for read, part in candidates:
            try:
                found.append(read(part))
            except EpochError:
                continue
        if len(found) >= _TWO:
            return found
    return []


def dates_of(path: Path, pattern: str | None = None) -> DatePair | None:
    """Return the two dates in the name of a file, else in that of its folder or of the folder above."""
    for part in [path.name, *(folder.name for folder in path.parents)][:_LEVELS]:
        found = dates_in(part, pattern)
        if found is not None:
            return found
    return None


def unreadable_dates(path: Path) -> str:
    """Return in words which digits in the name of a file or its folder look like a date and are none, or empty.

    Examples
    --------
    >>> unreadable_dates(Path("20240230_20240311/filt.unw"))
    " ('20240230' is no date of the calendar)"
    """
    for part in (path.name, path.parent.name):
        digits = re.findall(r"(?<!\d)(\d{8})(?!\d)", part)
        wrong = [text for text in digits if not epochs_in_name(text)]
        if wrong:
            return f" ({wrong[0]!r} is no date of the calendar)"
        if len(digits) >= _TWO and digits[0] == digits[1]:
            return f" (both are {digits[0]})"
    return ""


def date_in(text: str) -> Epoch | None:
    """Return the first single date in a name: YYYYMMDD, 03Jan2018, or YYMMDD."""
    found = epochs_in_name(text)
    if found:
        return day(found[0])
    for read, parts in (
        (spoken_day, [part for part in re.split(r"[-_.]", text) if _DAY_MONTH.fullmatch(part)]),
        (short_day, re.findall(r"(?<!\d)\d{6}(?!\d)", text)),
    ):
        for part in parts:
            try:
                return read(part)
            except EpochError:
                continue
    return None


def by_pair(files: Iterable[Path], pattern: str | None = None) -> Mapping[Pair, tuple[Path, DatePair]]:
    """Return files by the pair of dates in their names, the last in order of name of each; others are passed over."""
    found: dict[Pair, tuple[Path, DatePair]] = {}
    for path in sorted(files):
        dates = dates_of(path, pattern)
        if dates is not None:
            found[dates.pair] = (path, dates)
    return found
