"""Products in MintPy's layout brought to other pixels, some layers at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import NullProgress, Progress
from creepmeter.errors import InputError
from creepmeter.io.mintpy.array import StoredArray
from creepmeter.io.mintpy.product import Dataset, ProductWriter
from creepmeter.io.provenance import digest_text
from creepmeter.workflow.sbas.facts import Facts, own_attributes

Array = npt.NDArray[Any]
Shape = tuple[int, int]
Take = Callable[[str, Array], Array]
_SHARE = 8  # of the memory: layers before and after, and what is taken them by
_MOST_GB = 0.25  # more layers at a time are no quicker
ZERO_MISSING = frozenset({"ifgramStack", "timeseries", "velocity"})  # kinds of files where 0 is not measured


@dataclass(frozen=True)
class Change:
    """How the maps of a file are brought to other pixels.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the result.
    take : callable
        (dataset, layers (layer, rows, columns) of the window) -> (layer, *shape), of a type that may be another one.
    attributes : mapping of str to str or None
        Attributes that differ; None leaves one out.
    window : (slice, slice)
        Rows and columns that are read.
    key : object
        What else the result depends on, for taking up a run that was stopped.
    """

    shape: Shape
    take: Take
    attributes: Mapping[str, str | None]
    window: tuple[slice, slice] = (slice(None), slice(None))
    key: object = ""


def write_resampled(
    facts: Facts, target: Path, change: Change, *, memory_gb: float = 4.0, progress: Progress | None = None
) -> Path:
    """Write all maps of a file in other pixels, whole or not at all.

    Parameters
    ----------
    facts : Facts
        The file.
    target : Path
        Where it goes.
    change : Change
        To which pixels, and how.
    memory_gb : float
        Memory to keep within. A layer is not cut.
    progress : Progress, optional
        Shows how far it has come.
    """
    entries = {name: _entry(facts, name, change) for name in facts.arrays}
    kept = {name: text for name, text in {**facts.attributes, **change.attributes}.items() if text is not None}
    digest = digest_text(facts.content, sorted(kept.items()), str(change.key))
    writer = ProductWriter.create_or_resume(target, entries, kept, digest, facts.tables)
    shown = progress or NullProgress()
    shown.start(target.name, sum(array.shape[0] for array in facts.arrays.values()))
    try:
        for name, array in facts.arrays.items():
            for layers in _batches(array, change.shape, memory_gb):
                _write_batch(writer, name, array, layers, change)
                shown.advance(layers.stop - layers.start)
    finally:
        shown.finish()
    return writer.finish({"inputs": {next(iter(facts.arrays.values())).path.name: facts.content}})


def _write_batch(writer: ProductWriter, name: str, array: StoredArray, layers: slice, change: Change) -> None:
    """Read some layers, and write them one by one: memory that was in use before need not be asked for."""
    parts = {k: f"{name}-{k}" for k in range(layers.start, layers.stop)}
    if all(writer.done(part) for part in parts.values()):
        return
    values = array.read(*change.window, layers)
    for k, part in parts.items():
        if not writer.done(part):
            taken = change.take(name, values[k - layers.start : k - layers.start + 1])
            writer.put(part, {"layer": slice(k, k + 1)}, {name: taken})


def _entry(facts: Facts, name: str, change: Change) -> Dataset:
    shape = (*facts.shapes[name][:-2], *change.shape)
    return Dataset(shape, _type_after(facts, name, change), own_attributes(facts.arrays[name]))


def _type_after(facts: Facts, name: str, change: Change) -> np.dtype[Any]:
    """Return the type of a dataset after it was taken: that of a few layers of nothing."""
    rows, columns = (len(range(*cut.indices(size))) for cut, size in zip(change.window, facts.shape, strict=True))
    return np.dtype(change.take(name, np.zeros((0, rows, columns), facts.types[name])).dtype)


def _batches(array: StoredArray, shape: Shape, memory_gb: float) -> Iterator[slice]:
    """Cut the layers into batches that are read together: whole chunks, so that each is unpacked once."""
    pixels = array.shape[1] * array.shape[2] + shape[0] * shape[1]
    most = int(min(memory_gb / _SHARE, _MOST_GB) * 1e9 / (pixels * array.dtype.itemsize))
    deep = 1 if array.chunks is None else array.chunks[0]
    count = deep if deep <= most else max(most, 1)
    for first in range(0, array.shape[0], count):
        yield slice(first, min(first + count, array.shape[0]))


def named_target(
    source: Path, prefix: str, *, outdir: Path | None = None, output: Path | None = None, files: Sequence[Path] = ()
) -> Path:
    """Return where a product goes: a name that is given, else the source's with a prefix.

    Raises
    ------
    InputError
        One name is given for several files.
    """
    if output is not None:
        if len(files) > 1:
            message = f"-o {output} names one file, and {len(files)} are asked for: give --outdir instead"
            raise InputError(message)
        return output
    folder = source.parent if outdir is None else outdir
    return folder / f"{prefix}{source.name}"
