"""Asking a server again: when that may help, how long to wait, and what may be said about it."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import requests

AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})  # answers that may be others a little later
_JITTER = 0.25


class PassingError(Exception):
    """An attempt failed in a way that another one may not.

    Parameters
    ----------
    why : str
        For the message at the end.
    wait_s : float or None
        What the server asked for.
    """

    def __init__(self, why: str, wait_s: float | None = None) -> None:
        super().__init__(why)
        self.wait_s = wait_s


@dataclass(frozen=True)
class Clock:
    """Time as a download sees it.

    Parameters
    ----------
    now : callable
        Seconds.
    sleep : callable
        Waits for seconds.
    """

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def pause_s(attempt: int, asked: float | None, name: str, *, first_s: float, longest_s: float) -> float:
    """Return how long to wait: what the server asked for, else longer every time, not all files at once.

    Parameters
    ----------
    attempt : int
        The one that failed, from 1.
    asked : float or None
        What the server asked for, seconds.
    name : str
        Of the file; spreads the waits of several files.
    first_s, longest_s : float
        After the first attempt, and at most.

    Examples
    --------
    >>> pause_s(1, 7.0, "a", first_s=2.0, longest_s=60.0)
    7.0
    >>> pause_s(9, None, "a", first_s=2.0, longest_s=60.0)
    60.0
    """
    if asked is not None:
        return min(max(asked, 0.0), longest_s)
    spread = 1 + _JITTER * (hashlib.md5(f"{name}{attempt}".encode(), usedforsecurity=False).digest()[0] / 255)
    return min(first_s * 2.0 ** (attempt - 1) * spread, longest_s)


def asked_wait(answer: requests.Response) -> float | None:
    """Return the seconds of Retry-After, given as a number or as a date."""
    text = answer.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds() if text else None
    except (TypeError, ValueError):
        return None


def reason_of(problem: Exception) -> str:
    """Return the kind of an error: its text may hold an address with a signature."""
    kind = type(problem).__name__
    return {"ReadTimeout": "the server fell silent", "ConnectTimeout": "no answer"}.get(kind, kind)


@contextmanager
def no_addresses_logged() -> Iterator[None]:
    """Keep addresses out of the log of the library below: links to the storage are signed."""
    logger = logging.getLogger("urllib3.connectionpool")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)
