"""Files of ROI_PAC: two bands interleaved by line, or heights, each with a table of attributes beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.io import swap

_KEY_WIDTH = 21
Values = npt.NDArray[Any]


def rsc_text(attributes: Mapping[str, str]) -> str:
    """Return a table of attributes as a ``.rsc`` file has it: a key and a value on each line."""
    lines = (f"{key:<{_KEY_WIDTH}} {' '.join(str(text).split())}\n" for key, text in sorted(attributes.items()))
    return "".join(lines)


def write_roipac(path: Path, rows: Iterator[Values], attributes: Mapping[str, str]) -> list[Path]:
    """Write a file and its ``.rsc``, whole or not at all.

    Parameters
    ----------
    path : Path
        File to make or replace.
    rows : iterator of array
        Values in the order and type of the file, piece by piece.
    attributes : mapping of str to str
        For the ``.rsc`` file.

    Returns
    -------
    list of Path
        Both files.
    """
    table = path.with_name(f"{path.name}.rsc")
    partial = swap.partial_of(path)
    for place in (path, table):
        swap.refuse_folder(place)
    with swap.file_errors(path, "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as file:
                for part in rows:
                    file.write(np.ascontiguousarray(part).tobytes())
            swap.write_text(table, rsc_text(attributes))
            swap.replace(partial, path)
        finally:
            swap.remove(partial)
    return [path, table]
