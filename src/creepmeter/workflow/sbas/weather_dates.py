"""Dates given by hand for delays: one by one, in text files, in names of scenes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from creepmeter.errors import EpochError, InputError
from creepmeter.io.mintpy.grid import number_of
from creepmeter.io.mintpy.product import read_attributes
from creepmeter.io.text import read_page
from creepmeter.model.epoch import Epochs, as_epoch

_STAMP = re.compile(r"(?<!\d)((?:19|20)\d{6})(?:T(\d{2})(\d{2})(\d{2}))?(?!\d)")
_SHORT = re.compile(r"\d{6}")
_CENTURY = 70  # years below it are after 2000


def dates_given(given: Iterable[str], hour: int | None, geometry: Path) -> tuple[Epochs, Epochs]:
    """Return days in order, and the same with their time of day.

    Parameters
    ----------
    given : iterable of str
        YYYYMMDD or YYMMDD, or text files whose lines start with a date or with the name of a scene.
    hour : int or None
        UTC; by default that in the name of the scene, else of the geometry (CENTER_LINE_UTC).
    geometry : Path
        Geometry.

    Raises
    ------
    InputError
        A text is no date, or the time of day is not known.
    """
    stamps = dict(sorted(stamp for item in given for stamp in _stamps(item)))
    seconds = number_of(read_attributes(geometry), "CENTER_LINE_UTC", geometry)
    clocks = []
    for day, clock in stamps.items():
        known = hour * 3600.0 if hour is not None else clock if clock is not None else seconds
        if known is None:
            message = f"the hour of {day} is not known: give --hour ({geometry} has no CENTER_LINE_UTC)"
            raise InputError(message)
        clocks.append(np.timedelta64(round(known * 1e9), "ns"))
    days = np.array([as_epoch(day) for day in stamps], "datetime64[ns]")
    return days, days + np.array(clocks, "timedelta64[ns]")


def _stamps(item: str) -> Iterator[tuple[str, float | None]]:
    """Yield days and seconds of the day."""
    if not Path(item).is_file():
        yield _stamp(item, item)
        return
    for line in read_page(Path(item), "a list of dates is a page of text").splitlines():
        words = line.split("#")[0].replace(",", " ").split()
        if words:
            yield _stamp(words[0], item)


def _stamp(text: str, where: str) -> tuple[str, float | None]:
    match = _STAMP.search(text)
    if match is None and _SHORT.fullmatch(text):
        match = _STAMP.search(("20" if int(text[:2]) < _CENTURY else "19") + text)
    if match is None or not _is_day(match[1]):
        message = f"{where}: {text!r} is neither a date YYYYMMDD nor a file of dates"
        raise InputError(message)
    clock = None if match[2] is None else 3600.0 * int(match[2]) + 60.0 * int(match[3]) + float(match[4])
    return match[1], clock


def _is_day(text: str) -> bool:
    try:
        as_epoch(text)
    except EpochError:
        return False
    return True
