"""The one place where numba is named, so that compiled functions keep their types."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numba

from creepmeter.kernels.cache import KERNELS, digest_sources

P = ParamSpec("P")
R = TypeVar("R")

SOURCES = digest_sources(KERNELS)


def jit(function: Callable[P, R]) -> Callable[P, R]:
    """Compile for one thread; releases the interpreter lock, and is cached on disk."""
    return _of_these_sources(numba.njit(cache=True, nogil=True, error_model="numpy")(function))


def jit_fast(function: Callable[P, R]) -> Callable[P, R]:
    """Compile with reassociated sums, so that reductions vectorise. Never for code that meets NaN on purpose.

    Always inlined: else each caller on disk brings a copy of its own, whose sums may run in another order, and which of
    them is taken depends on what was loaded first. Results of a first run would differ in the last bit from later ones.
    """
    flags = {"reassoc", "contract", "nsz", "arcp"}
    return _of_these_sources(
        numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=flags, forceinline=True)(function)
    )


def _of_these_sources(function: Callable[P, R]) -> Callable[P, R]:
    """Let a compiled function be taken from disk only if no kernel has changed since.

    Numba looks at the function's own file. Compiled code holds functions and constants of other files as well, and old
    and new ones that lay out their memory differently would be linked together.
    """
    cache = getattr(getattr(function, "_cache", None), "_cache_file", None)
    if cache is not None:
        cache._source_stamp = (cache._source_stamp, SOURCES)  # noqa: SLF001 - numba offers no other way
    return function
