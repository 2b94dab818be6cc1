"""Maps from a stack, block by block within the memory; and maps of a work folder as arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import Block, Progress, plan_blocks, run_blocks
from creepmeter.errors import ConfigError, InputError
from creepmeter.io.mintpy.product import list_datasets, read_attributes, read_map, write_product
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.io.text import read_page
from creepmeter.workflow.sbas.folder import is_damaged

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Places = npt.NDArray[np.intp]
_SHARE = 4  # of the memory: the layers read, and what the system and other arrays need
_MAX_BYTES = 50_000_000  # of a text file
_MOST_GB = 0.25  # larger blocks are read no faster


def used_pairs(stack: StackFile) -> Places:
    """Return the places of the pairs that are used, in order of the file.

    Raises
    ------
    InputError
        None is.
    """
    places = np.flatnonzero(stack.keep)
    if len(places) == 0:
        message = f"{stack.path}: dropIfgram marks every pair as left out; run modify_network again"
        raise InputError(message)
    return places


def blocks_of(stack: StackFile, name: str, pairs: int, memory_gb: float) -> list[Block]:
    """Cut a stack into blocks of whole rows, so that a dataset of that many pairs stays well below the memory."""
    size = stack.read(name, slice(0, 1), pairs=slice(0, 1)).itemsize
    _, rows, columns = stack.shape
    room = min(memory_gb / _SHARE, _MOST_GB)
    fit = int(room * 1e9 / (pairs * size * columns))
    multiple = stack.chunk_rows(name) if fit >= stack.chunk_rows(name) else 1
    # a row is never cut: a mean over its pixels does not depend on the memory
    return plan_blocks((rows, columns), pairs * size, max(room, 1.01e-9 * pairs * size * columns), multiple)


def map_of(
    stack: StackFile,
    name: str,
    work: Callable[[Array], Array],
    dtype: npt.DTypeLike,
    *,
    label: str = "",
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> Array:
    """Return a map from all used pairs of one dataset.

    Parameters
    ----------
    stack : StackFile
        The stack.
    name : str
        Dataset, such as ``coherence``.
    work : callable
        (pair, rows, columns) -> (rows, columns).
    dtype : dtype
        Of the map.
    label : str
        What the progress bar says; the dataset by default.
    memory_gb : float
        Memory to keep within.
    progress : Progress, optional
        Shows how far it has come.
    """
    pairs = used_pairs(stack)
    found = np.empty(stack.shape[1:], dtype)

    def compute(block: Block) -> Array:
        return work(stack.read(name, block.y, pairs=pairs, columns=block.x))

    def put(block: Block, values: Array) -> None:
        found[block.y, block.x] = values

    run_blocks(blocks_of(stack, name, len(pairs), memory_gb), compute, put, progress=progress, name=label or name)
    return found


def map_attributes(stack: StackFile, kind: str, unit: str) -> dict[str, str]:
    """Return the attributes of a map made from a stack."""
    return {**stack.attributes, "FILE_TYPE": kind, "UNIT": unit, "NO_DATA_VALUE": "none", "FILE_PATH": stack.path.name}


def write_map(
    target: Path, name: str, values: Array, attributes: Mapping[str, str], provenance: Mapping[str, object]
) -> Path:
    """Write a map; a file that holds the same already is left as it is, with its time and its digest."""
    if target.exists() and not is_damaged(target) and _same(target, name, values, attributes):
        return target
    return write_product(target, {name: values}, attributes, provenance=provenance)


def _same(target: Path, name: str, values: Array, attributes: Mapping[str, str]) -> bool:
    known = read_attributes(target)
    if any(known.get(key) != value for key, value in attributes.items() if key not in ("LENGTH", "WIDTH")):
        return False
    held = list_datasets(target)
    if name not in held or held[name][0] != values.shape or held[name][1] != values.dtype:
        return False
    return np.array_equal(read_map(target, name), values, equal_nan=values.dtype.kind == "f")


def find(folder: Path, name: str) -> Path | None:
    """Return a file of a work folder, by its name or path; None where there is none."""
    for path in (folder / name, folder / "inputs" / name):
        if path.is_file():
            return path
    return None


def read_mask(path: Path, shape: tuple[int, int]) -> Mask:
    """Return where a map is nonzero and a number.

    Raises
    ------
    InputError
        It lies on another grid.
    """
    values = read_map(path)
    if values.shape != shape:
        sizes = [" x ".join(map(str, found)) for found in (values.shape, shape)]
        message = f"{path} has {sizes[0]} pixels and the stack {sizes[1]}: make the mask from the same stack"
        raise InputError(message)
    return np.asarray((values != 0) & ~np.isnan(values) if values.dtype.kind == "f" else values != 0)


def existing(folder: Path, name: str, option: str) -> Path:
    """Return a file that an option names.

    Raises
    ------
    ConfigError
        It is not there.
    """
    path = find(folder, name)
    if path is None:
        message = f"network option {option}: {folder / name} is not there; correct the name, or leave the option out"
        raise ConfigError(message)
    return path


def read_text(path: Path) -> str:
    """Return a text file of dates or pairs."""
    return read_page(path, "a list of dates or pairs is shorter", _MAX_BYTES)
