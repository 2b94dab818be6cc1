"""Kernels in threads: one compiled function over ranges of items, in plain Python threads.

Compiled functions release the interpreter lock, so plain threads use all cores. Compared with numba's own parallel
loops this halves the time of compiling, and may be called from any number of threads and processes at once.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import cache
from typing import TypeVar

import numba

from creepmeter.errors import ConfigError

A = TypeVar("A")
B = TypeVar("B")
_LIMIT: ContextVar[int | None] = ContextVar("threads", default=None)
_MOST_THREADS = 1024  # started as they are needed
_TASKS_PER_THREAD = 4  # ranges per thread, so that a slow one does not leave the others idle


def thread_count() -> int:
    """Return the threads that kernels use: the limit in force, else numba's (all cores of this process)."""
    limit = _LIMIT.get()
    return limit if limit is not None else int(numba.get_num_threads())


@contextmanager
def limit_threads(count: int | None) -> Iterator[None]:
    """Limit the threads of all kernels while the block runs; None = all cores.

    Raises
    ------
    ConfigError
        Fewer than one thread.
    """
    if count is not None and count < 1:
        message = f"threads must be 1 or more, got {count}"
        raise ConfigError(message)
    token = _LIMIT.set(count)
    try:
        yield
    finally:
        _LIMIT.reset(token)


def in_threads(work: Callable[[int, int], None], count: int, multiple: int = 1) -> None:
    """Call ``work(start, stop)`` on ranges that cover 0 to `count`, in threads.

    Parameters
    ----------
    work : callable
        Works on items start to stop; each item writes its own output, so that neither the ranges nor the number of
        threads change a result.
    count : int
        Number of items.
    multiple : int
        Ranges start at multiples of this.
    """
    threads = min(thread_count(), -(-count // multiple))
    if threads <= 1:
        if count > 0:
            work(0, count)
        return
    size = max(-(-count // (threads * _TASKS_PER_THREAD)), 1)
    size = -(-size // multiple) * multiple
    starts = deque(range(0, count, size))

    def some() -> None:
        while starts:
            try:
                start = starts.popleft()
            except IndexError:  # another thread took the last one
                return
            work(start, min(count, start + size))

    helpers = [_pool().submit(some) for _ in range(min(threads, len(starts)) - 1)]
    try:
        some()
    finally:
        starts.clear()  # after an error, the others only end what they are at
        running = [helper for helper in helpers if not helper.cancel()]
        wait(running)
    for helper in running:
        helper.result()


@cache
def _pool() -> ThreadPoolExecutor:
    """Return threads that wait for work: to start new ones for each call costs more than many a call itself.

    Whoever asks for help works as well and takes back what was not begun, so that calls may come from these very
    threads.
    """
    return ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix="kernels")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # a fork has none of the threads


def together(first: Callable[[], A], second: Callable[[], B]) -> tuple[A, B]:
    """Call two functions, at once where more than one thread may be used, and return both results.

    For work in which NumPy does long loops without the interpreter lock.
    """
    if thread_count() == 1:
        return first(), second()
    ahead = _pool().submit(copy_context().run, first)
    try:
        other = second()
    except Exception:
        ahead.result()  # where both fail, the first one's error counts, as without threads
        raise
    finally:
        wait([ahead])
    return ahead.result(), other
