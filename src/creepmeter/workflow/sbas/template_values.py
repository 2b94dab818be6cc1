"""How the text behind a template key is read: one small reader for each kind of value."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from creepmeter.errors import EpochError
from creepmeter.model.epoch import as_epoch

ON = ("yes", "on", "true", "y")
OFF = ("no", "off", "false", "none", "n")
_SEPARATORS = re.compile(r"[\s,]+")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value.

    Parameters
    ----------
    allowed : str
        What may stand there, for messages and for the template that ``-g`` writes.
    read : callable
        Text -> value; raises ValueError for text that is not of this kind.
    """

    allowed: str
    read: Callable[[str], object]


def is_off(text: str) -> bool:
    """Tell whether a value means that something is switched off or not given."""
    return text.strip().lower() in OFF


def _flag(text: str) -> bool:
    word = text.lower()
    if word not in ON + OFF:
        message = "neither yes nor no"
        raise ValueError(message)
    return word in ON


FLAG = Kind("yes / no", _flag)


def number(
    low: float = -math.inf, high: float = math.inf, *, above: bool = False, whole: bool = False, optional: bool = False
) -> Kind:
    """Return the kind of a number within bounds.

    Parameters
    ----------
    low, high : float
        Smallest and largest value.
    above : bool
        The smallest value itself is not allowed.
    whole : bool
        Whole numbers only.
    optional : bool
        ``no`` is allowed, and read as None.
    """

    def read(text: str) -> float | int | None:
        if optional and is_off(text):
            return None
        value = float(text)
        if not math.isfinite(value) or value < low or value > high or (above and value == low):
            message = "out of bounds"
            raise ValueError(message)
        if not whole:
            return value
        if not value.is_integer():
            message = "not a whole number"
            raise ValueError(message)
        return int(value)

    return Kind(_bounds_text(low, high, above=above, whole=whole) + (" / no" if optional else ""), read)


def _bounds_text(low: float, high: float, *, above: bool, whole: bool) -> str:
    name = "whole number" if whole else "number"
    if math.isfinite(low) and math.isfinite(high):
        return f"{name} from {low:g} to {high:g}"
    if math.isfinite(low):
        return f"{name} above {low:g}" if above else f"{name} from {low:g}"
    return name


def choice(*words: str, optional: bool = False) -> Kind:
    """Return the kind of one word of several; with `optional`, ``no`` is read as None."""
    known = {word.lower(): word for word in words}

    def read(text: str) -> str | None:
        if text.lower() in known:
            return known[text.lower()]
        if optional and is_off(text):
            return None
        if "no" in known and is_off(text):
            return "no"
        message = "not one of them"
        raise ValueError(message)

    return Kind(" / ".join((*words, "no") if optional else words), read)


def _cluster(text: str) -> str | None:
    """Return the kind of cluster; ``yes`` of older templates is a local one."""
    word = "local" if text.lower() in ON else text.lower()
    if word in {"local", "slurm", "pbs", "lsf"}:
        return word
    if is_off(text):
        return None
    message = "not one of them"
    raise ValueError(message)


CLUSTER = Kind("local / slurm / pbs / lsf / no", _cluster)


def text_kind(allowed: str) -> Kind:
    """Return the kind of free text, where ``no`` is read as None."""
    return Kind(allowed, lambda text: None if is_off(text) else text)


FILE = text_kind("file / no")
PATTERN = text_kind("path or pattern")
FOLDER = text_kind("folder")


def _items(text: str) -> list[str]:
    return [item for item in _SEPARATORS.split(text.strip("[]() ")) if item]


def _require_date(text: str) -> str:
    digits = text.replace("-", "")
    if not re.fullmatch(r"\d{8}(T?\d{4}(\d{2})?)?", digits):
        message = f"{text!r} is no date"
        raise ValueError(message)
    day, clock = digits[:8], digits[8:].lstrip("T")
    try:
        as_epoch(day + (f"T{clock:0<6}" if clock else ""))
    except EpochError as problem:
        message = f"{text!r} is no date of the calendar"
        raise ValueError(message) from problem
    return day + (f"T{clock}" if clock else "")


def _date(text: str) -> str | None:
    return None if is_off(text) else _require_date(text)


DATE = Kind("YYYYMMDD / no", _date)


def _dates(text: str) -> tuple[str, ...]:
    return () if is_off(text) else tuple(_require_date(item) for item in _items(text))


DATES = Kind("YYYYMMDD,YYYYMMDD,... / no", _dates)


def _dates_or_file(text: str) -> tuple[str, ...] | str:
    """Return dates, or the name of a text file with one date a line."""
    if is_off(text):
        return ()
    items = _items(text)
    if len(items) == 1 and re.search(r"[A-Za-z]", items[0]) and not re.match(r"\d{8}T\d", items[0]):
        return text
    return tuple(_require_date(item) for item in items)


DATES_OR_FILE = Kind("YYYYMMDD,YYYYMMDD,... / text file with one date a line / no", _dates_or_file)


def _date_or_file(text: str) -> str | None:
    """Return a date, the name of a text file that starts with one, or None."""
    if is_off(text):
        return None
    return text if re.search(r"[A-Za-z]", text) and not re.match(r"\d{8}T\d", text) else _require_date(text)


DATE_OR_FILE = Kind("YYYYMMDD / text file with the date / no", _date_or_file)


def _pairs(text: str) -> tuple[str, ...]:
    if is_off(text):
        return ()
    found = []
    for item in _items(text):
        ref, joint, sec = item.replace("-", "_").partition("_")
        if not joint:
            message = f"{item!r} is no pair"
            raise ValueError(message)
        found.append("_".join(sorted((_require_date(ref), _require_date(sec)))))
    return tuple(found)


PAIRS = Kind("YYYYMMDD_YYYYMMDD,... / no", _pairs)


def _indices(text: str) -> tuple[int, ...]:
    """Return numbers; ``2:5`` is 2, 3, 4, 5."""
    found: set[int] = set()
    for item in [] if is_off(text) else _items(text):
        first, joint, last = item.partition(":")
        ends = sorted((int(first), int(last if joint else first)))
        if ends[0] < 0:
            message = f"{item!r} is below 0"
            raise ValueError(message)
        found.update(range(ends[0], ends[1] + 1))
    return tuple(sorted(found))


INDICES = Kind("1:5,25 (counted from 0, both ends included) / no", _indices)


def _box(text: str) -> tuple[float, float, float, float] | None:
    """Return both ends of the first axis and of the second, ascending."""
    if is_off(text):
        return None
    parts = [part.split(":") for part in text.strip("[]() ").split(",")]
    if [len(part) for part in parts] != [2, 2]:
        message = "not two ranges"
        raise ValueError(message)
    first, second = (sorted(float(end) for end in part) for part in parts)
    if first[0] == first[1] or second[0] == second[1]:
        message = "a range is empty"
        raise ValueError(message)
    return first[0], first[1], second[0], second[1]


def _pixel_box(text: str) -> tuple[int, int, int, int] | None:
    found = _box(text)
    if found is None:
        return None
    ends = [int(end) for end in found]
    if any(end != given for end, given in zip(ends, found, strict=True)) or min(ends) < 0:
        message = "rows and columns are whole numbers from 0"
        raise ValueError(message)
    return ends[0], ends[1], ends[2], ends[3]


PIXEL_BOX = Kind("y0:y1,x0:x1 / no", _pixel_box)
DEGREE_BOX = Kind("S:N,W:E / no", _box)


def _point(text: str) -> tuple[float, float] | None:
    if is_off(text):
        return None
    values = tuple(float(item) for item in _items(text))
    if len(values) != 2:  # noqa: PLR2004 - two coordinates
        message = "not two numbers"
        raise ValueError(message)
    return values[0], values[1]


def _pixel(text: str) -> tuple[int, int] | None:
    found = _point(text)
    if found is None:
        return None
    if min(found) < 0 or not all(value.is_integer() for value in found):
        message = "row and column are whole numbers from 0"
        raise ValueError(message)
    return int(found[0]), int(found[1])


PIXEL = Kind("row,column", _pixel)
DEGREES = Kind("latitude,longitude", _point)


def numbers(allowed: str, *, count: int | None = None) -> Kind:
    """Return the kind of a list of numbers, ``count`` of them where it is given; ``no`` is read as an empty list."""

    def read(text: str) -> tuple[float, ...]:
        values = () if is_off(text) else tuple(float(item) for item in _items(text))
        if values and count is not None and len(values) != count:
            message = f"{count} numbers are needed"
            raise ValueError(message)
        return values

    return Kind(allowed, read)


def _onsets(text: str) -> tuple[str, ...]:
    """Return ``DATE:DAYS`` for each characteristic time; MintPy writes 20110311,60,120;20170908,25."""
    found = []
    for group in [] if is_off(text) else text.strip("[] ").split(";"):
        day, *scales = _items(group)
        if not scales:
            message = f"{group.strip()!r} has no characteristic time in days"
            raise ValueError(message)
        found += [f"{_require_date(day)}:{float(scale):g}" for scale in scales]
    return tuple(found)


ONSETS = Kind("YYYYMMDD,DAYS[,DAYS...][;YYYYMMDD,DAYS...] / no", _onsets)


def _workers(text: str) -> str:
    if text.lower() != "all" and not text.endswith("%") and int(text) < 1:
        message = "below 1"
        raise ValueError(message)
    if text.endswith("%"):
        float(text[:-1])
    return text.lower()


WORKERS = Kind("whole number from 1 / all / NUMBER%", _workers)
