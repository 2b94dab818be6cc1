"""Asking a server again: when that may help, how long to wait, and what may be said about it."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Event
from typing import TypeVar

import requests
from urllib3.exceptions import HTTPError

from creepmeter.errors import ServiceError

T = TypeVar("T")
_LOG = logging.getLogger(__name__)
AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})  # answers that may be others a little later
_JITTER = 0.25
_BLOCK = 1 << 18


class UnreachableError(ServiceError):
    """A server does not answer, or not as it should, however often it is asked."""


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


@dataclass(frozen=True)
class Patience:
    """How often and how long something is tried.

    Parameters
    ----------
    tries : int
        Attempts.
    first_s, longest_s : float
        Wait after the first attempt, and at most, seconds.
    until : float
        Time of the clock when it is over.
    clock : Clock
        Time.
    stop : Event
        Set when nothing more is wanted.
    """

    tries: int
    first_s: float
    longest_s: float
    until: float
    clock: Clock = field(default_factory=Clock)
    stop: Event = field(default_factory=Event)

    def is_over(self) -> bool:
        """Tell whether to stop now."""
        return self.stop.is_set() or self.clock.now() > self.until

    def pause(self, seconds: float) -> None:
        """Wait, but not on when nothing more is wanted."""
        if self.clock.sleep is time.sleep:
            self.stop.wait(seconds)
        else:
            self.clock.sleep(seconds)

    def require_time(self) -> None:
        """Raise `PassingError` when it is over."""
        if self.is_over():
            raise PassingError("stopped" if self.stop.is_set() else "the time for it is over")


def persist(
    attempt: Callable[[], T], patience: Patience, name: str, advice: str = "run again, what was got is kept"
) -> T:
    """Try until it works, and say in the end why it did not.

    Parameters
    ----------
    attempt : callable
        Raises `PassingError` when another try may help.
    patience : Patience
        How often.
    name : str
        Of the file, for the log.
    advice : str
        What to do when no attempt worked.

    Raises
    ------
    UnreachableError
        No attempt worked.
    """
    for number in range(1, patience.tries + 1):
        try:
            return attempt()
        except PassingError as problem:
            why, asked = str(problem), problem.wait_s
        wait = pause_s(number, asked, name, first_s=patience.first_s, longest_s=patience.longest_s)
        late = patience.stop.is_set() or patience.clock.now() + wait > patience.until
        if number == patience.tries or late:
            break
        _LOG.info("%s: %s; attempt %d in %.0f s", name, why, number + 1, wait)
        patience.pause(wait)
    message = f"given up after {number} attempt(s): {why}; {advice}"
    raise UnreachableError(message)


def blocks_of(answer: requests.Response) -> Iterator[bytes]:
    """Yield the content as it comes in; errors of the connection are no errors of the disk.

    Raises
    ------
    PassingError
        The connection failed.
    """
    while True:
        try:
            block = answer.raw.read1(_BLOCK, decode_content=True)
        except (HTTPError, OSError) as problem:
            message = f"the connection failed ({reason_of(problem)})"
            raise PassingError(message) from None
        if not block:
            return
        yield block


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
