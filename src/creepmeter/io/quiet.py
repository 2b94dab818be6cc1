"""Warnings that are no news, kept quiet while files are open; in several threads at a time as well."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock

from rasterio.errors import NotGeoreferencedWarning

_LOCK = Lock()
_INSIDE = ExitStack()
_COUNT = [0]


@contextmanager
def georeference_may_lack() -> Iterator[None]:
    """Ignore that a raster has no georeference, until the last of all threads is out.

    `warnings.catch_warnings` alone is not made for threads: one that leaves takes the filters of the others away.
    """
    with _LOCK:
        if _COUNT[0] == 0:
            _INSIDE.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
        _COUNT[0] += 1
    try:
        yield
    finally:
        with _LOCK:
            _COUNT[0] -= 1
            if _COUNT[0] == 0:
                _INSIDE.close()
