"""Files that appear whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from creepmeter.io import swap


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Yield a name beside `target` to write to; it takes the name `target` when the block ends without error.

    Raises
    ------
    StoreError
        The system refuses to write.
    """
    partial = swap.partial_of(target)
    try:
        with swap.file_errors(target, "write"):
            target.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            swap.replace(partial, target)
    finally:
        swap.remove(partial)
