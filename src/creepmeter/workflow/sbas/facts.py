"""What a file in MintPy's layout holds, as far as it is needed to write it anew."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.errors import InputError
from creepmeter.io.mintpy import hdf
from creepmeter.io.mintpy.array import StoredArray
from creepmeter.io.mintpy.layout import COORDINATES
from creepmeter.io.mintpy.product import list_datasets, read_attributes, read_tables
from creepmeter.io.mintpy.sidecar import sidecar_of
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.io.provenance import digest_file

Array = npt.NDArray[Any]

_TABLES = ("date", "bperp", "dropIfgram")  # bperp of a geometry file may be maps, one for each date
_MAP_RANK = 2


def arrays_of(path: Path) -> dict[str, StoredArray]:
    """Return the maps and stacks of maps of a file, by name."""
    stack = edited_stack(path)
    if stack is not None:
        return {name: stack.stored(name) for name in stack.names}
    with hdf.reading(path) as file:
        return {
            name: StoredArray.of(path, item)
            for name, item in hdf.datasets_of(file).items()
            if name not in COORDINATES and item.ndim > (_MAP_RANK if name in _TABLES else 1)
        }


def edited_stack(path: Path) -> StackFile | None:
    """Return a stack whose edits lie in a file beside it; None for any other file."""
    return StackFile.open(path) if sidecar_of(path).exists() else None


@dataclass(frozen=True)
class Facts:
    """What is needed of a file to write it anew.

    Parameters
    ----------
    arrays : mapping of str to StoredArray
        Its maps and stacks of maps.
    shapes, types : mapping
        Of the datasets, as they are stored.
    attributes : mapping of str to str
        Of the file; of a stack with its edits.
    tables : mapping of str to array
        Dates and the like.
    content : str
        Digest of the file.
    """

    arrays: Mapping[str, StoredArray]
    shapes: Mapping[str, tuple[int, ...]]
    types: Mapping[str, np.dtype[Any]]
    attributes: Mapping[str, str]
    tables: Mapping[str, Array]
    content: str

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = next(iter(self.arrays.values())).shape[1:]
        return rows, columns


def facts_of(source: Path, names: Container[str] | None = None) -> Facts:
    """Look at a file; no map is read.

    Parameters
    ----------
    source : Path
        The file.
    names : container of str, optional
        Datasets that count; default all.

    Raises
    ------
    InputError
        It holds no maps, or maps of several sizes.
    """
    arrays = {name: array for name, array in arrays_of(source).items() if names is None or name in names}
    if not arrays:
        message = f"{source} holds no maps"
        raise InputError(message)
    shapes = {array.shape[1:] for array in arrays.values()}
    if len(shapes) > 1:
        message = f"{source}: its maps differ in size ({shapes}); only files of one grid can be written anew"
        raise InputError(message)
    stack, held, tables = edited_stack(source), list_datasets(source), read_tables(source)
    if stack is not None:
        tables = {**tables, "dropIfgram": stack.keep}
    return Facts(
        arrays,
        {name: held[name][0] if name in held else array.shape for name, array in arrays.items()},
        {name: held[name][1] if name in held else array.dtype for name, array in arrays.items()},
        read_attributes(source) if stack is None else stack.attributes,
        tables,
        digest_file(source) if stack is None else stack.digest(),
    )


def own_attributes(array: StoredArray) -> dict[str, str]:
    """Return the attributes of a dataset that go along with its values."""
    with hdf.reading(array.path) as file:
        found = hdf.text_attributes(file[array.name])
    return {key: text for key, text in found.items() if key in ("UNIT", "MODIFICATION_TIME")}
