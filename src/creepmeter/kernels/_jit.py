"""The one place where numba is named, so that compiled functions keep their types."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numba

P = ParamSpec("P")
R = TypeVar("R")


def jit(function: Callable[P, R]) -> Callable[P, R]:
    """Compile for one thread; releases the interpreter lock, and is cached on disk."""
    return numba.njit(cache=True, nogil=True, error_model="numpy")(function)


def jit_fast(function: Callable[P, R]) -> Callable[P, R]:
    """Compile with reassociated sums, so that reductions vectorise. Never for code that meets NaN on purpose."""
    flags = {"reassoc", "contract", "nsz", "arcp"}
    return numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=flags)(function)
