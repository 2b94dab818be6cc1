"""Work in threads: every item once, errors are heard, and calls may come from anywhere."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from creepmeter.kernels.threads import in_threads, limit_threads, thread_count, together

FORK = """
import os, sys
from creepmeter.kernels.threads import in_threads, limit_threads
with limit_threads(4):
    in_threads(lambda start, stop: None, 100)
    child = os.fork()
    seen = []
    in_threads(lambda start, stop: seen.extend(range(start, stop)), 100)
    whole = sorted(seen) == list(range(100))
    if child == 0:
        os._exit(0 if whole else 1)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) if whole else 2)
"""


@given(count=st.integers(0, 200), multiple=st.integers(1, 20), threads=st.integers(1, 5))
def test_every_item_is_worked_on_once(count: int, multiple: int, threads: int) -> None:
    seen, starts = np.zeros(count, int), []

    def work(start: int, stop: int) -> None:
        starts.append(start)
        seen[start:stop] += 1

    with limit_threads(threads):
        in_threads(work, count, multiple)
    assert (seen == 1).all()
    assert all(start % multiple == 0 for start in starts)


@pytest.mark.parametrize("kind", [ValueError, IndexError])
@pytest.mark.parametrize("threads", [1, 4])
def test_an_error_in_any_range_is_raised_and_the_next_call_works(kind: type[Exception], threads: int) -> None:
    def work(start: int, stop: int) -> None:
        if start <= 70 < stop:
            message = "seventy"
            raise kind(message)

    with limit_threads(threads):
        with pytest.raises(kind, match="seventy"):
            in_threads(work, 100)
        done: list[int] = []
        in_threads(lambda start, stop: done.extend(range(start, stop)), 100)
    assert sorted(done) == list(range(100))


def test_calls_within_calls_from_many_threads_come_to_an_end() -> None:
    def inner(number: int) -> int:
        total = np.zeros(64, int)

        def count(start: int, stop: int) -> None:
            total[start:stop] += 1

        with limit_threads(3):
            in_threads(count, 64)
        return int(total.sum()) * number

    def outer(number: int) -> tuple[int, int]:
        with limit_threads(3):
            return together(lambda: inner(number), lambda: inner(-number))

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(outer, range(100)))
    assert found == [(64 * number, -64 * number) for number in range(100)]


def test_both_functions_know_the_limit_in_force() -> None:
    with limit_threads(3):
        assert together(thread_count, thread_count) == (3, 3)
    with limit_threads(2), pytest.raises(ZeroDivisionError, match="zero"):
        together(lambda: 1 // 0, lambda: int("one"))


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_a_fork_has_threads_of_its_own() -> None:
    done = subprocess.run([sys.executable, "-c", FORK], timeout=60, check=False)
    assert done.returncode == 0
