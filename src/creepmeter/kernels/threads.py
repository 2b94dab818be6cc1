"""How many threads the kernels use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numba

from creepmeter.errors import ConfigError


@contextmanager
def limit_threads(count: int | None) -> Iterator[None]:
    """Limit the threads of all kernels while the block runs; None = all cores.

    Raises
    ------
    ConfigError
        More threads than this machine gives.
    """
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(before if count is None else count)
    except ValueError as problem:
        message = f"compute.threads is {count}: this machine gives {numba.get_num_threads()}"
        raise ConfigError(message) from problem
    try:
        yield
    finally:
        numba.set_num_threads(before)
