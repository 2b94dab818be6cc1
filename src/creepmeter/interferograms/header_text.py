"""Small text headers of processors, read with a limit."""

from __future__ import annotations

import math
from pathlib import Path

from creepmeter.errors import InputError

MAX_BYTES = 8_000_000
_SHOWN = 40


def read_header_text(path: Path, *, max_bytes: int = MAX_BYTES) -> str:
    """Return the text of a small header file.

    Raises
    ------
    InputError
        It is missing, longer than `max_bytes`, or not a text.
    """
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= max_bytes else b""
    except OSError as problem:
        message = f"header {path} cannot be read ({problem.strerror or problem}): give its right name"
        raise InputError(message) from problem
    if size > max_bytes or b"\0" in content.rstrip(b"\0"):
        what = f"has {size} bytes" if size > max_bytes else "holds binary data"
        message = f"{path} {what}, it is no text header: give the header's name"
        raise InputError(message)
    content = content.rstrip(b"\0")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def number_in(text: str | None, label: str) -> float:
    """Return the first number of a value such as ``5.405e9 Hz``.

    Raises
    ------
    InputError
        There is no value, or it does not start with a finite number.
    """
    if text is None:
        message = f"{label} is missing: complete the header"
        raise InputError(message)
    words = text.split()
    try:
        value = float(words[0].replace("D", "e").replace("d", "e")) if words else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        message = f"{label} is {text[:_SHOWN]!r}, not a number: correct the header"
        raise InputError(message)
    return value


def numbers_in(text: str | None, count: int, label: str) -> tuple[float, ...]:
    """Return the first `count` numbers of a value such as ``0.158 15.35 9.77 m m m``.

    Raises
    ------
    InputError
        There are fewer.
    """
    words = (text or "").split()[:count]
    if len(words) < count:
        message = f"{label} holds {len(words)} value(s), {count} are needed: complete the header"
        raise InputError(message)
    return tuple(number_in(word, label) for word in words)
