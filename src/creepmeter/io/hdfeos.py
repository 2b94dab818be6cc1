"""Series in HDF-EOS5: one grid of observation, quality and geometry, in the layout of MintPy's ``.he5`` files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from creepmeter.io import swap
from creepmeter.io.mintpy.array import StoredArray

GRID = "HDFEOS/GRIDS/timeseries"
OBSERVATION, QUALITY, GEOMETRY = (f"{GRID}/{part}" for part in ("observation", "quality", "geometry"))
_DEGREES = ("incidenceAngle", "azimuthAngle", "latitude", "longitude")
_METRES = ("displacement", "height", "slantRangeDistance", "bperp")
_CHUNK = (8, 64, 64)
_STRIP_BYTES = 2**25
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class EosMap:
    """A map, or a series of maps, of the file.

    Parameters
    ----------
    group, name : str
        Where it goes.
    source : StoredArray
        Where its values lie; they are copied as they are.
    layered : bool
        It has a first axis of dates.
    """

    group: str
    name: str
    source: StoredArray
    layered: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Dates, rows and columns; a map has no dates."""
        return self.source.shape if self.layered else self.source.shape[1:]


def units_of(name: str) -> str:
    """Return the unit of a dataset, as the layout spells it."""
    if name in _METRES:
        return "meters"
    return "degrees" if name in _DEGREES else "1"


def write_eos(
    target: Path,
    maps: Sequence[EosMap],
    tables: Mapping[str, Array],
    attributes: Mapping[str, Any],
    made: Mapping[str, Array],
) -> Path:
    """Write a series in HDF-EOS5, whole or not at all, strip by strip.

    Parameters
    ----------
    target : Path
        File to make or replace.
    maps : sequence of EosMap
        What is copied.
    tables : mapping of str to array
        ``date`` and ``bperp``.
    attributes : mapping
        Of the file.
    made : mapping of str to array
        More maps of the geometry, by name.
    """
    partial = swap.partial_of(target)
    with swap.file_errors(target, "write"):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with _new(partial) as file:
                for group in (OBSERVATION, QUALITY, GEOMETRY):
                    file.create_group(group)
                for item in maps:
                    _copy(file, item)
                for name, values in tables.items():
                    file[OBSERVATION].create_dataset(name, data=values)
                for name, values in made.items():
                    _lay_out(file, GEOMETRY, name, values.shape, values.dtype)[...] = values
                for name, value in attributes.items():
                    file.attrs[name] = value
            swap.replace(partial, target)
        finally:
            swap.remove(partial)
    return target


@contextmanager
def _new(path: Path) -> Iterator[h5py.File]:
    with h5py.File(path, "w", libver=("earliest", "v110")) as file:
        yield file


def _lay_out(
    file: h5py.File, group: str, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike, *, grows: bool = False
) -> h5py.Dataset:
    chunks = tuple(min(size, most) for size, most in zip(shape, _CHUNK[-len(shape) :], strict=True))
    made = file[group].create_dataset(
        name,
        shape,
        dtype,
        chunks=chunks,
        maxshape=(None, *shape[1:]) if grows else None,
        compression="lzf",
    )
    zero = np.dtype(dtype).type(0)
    made.attrs.update({"Title": name, "MissingValue": zero, "_FillValue": zero, "Units": units_of(name)})
    return made


def _copy(file: h5py.File, item: EosMap) -> None:
    source = item.source
    made = _lay_out(file, item.group, item.name, item.shape, source.dtype.newbyteorder("="), grows=item.layered)
    layers, rows, columns = source.shape
    tall = _CHUNK[1] * max(_STRIP_BYTES // (layers * columns * source.dtype.itemsize * _CHUNK[1]), 1)
    for top in range(0, rows, tall):
        strip = slice(top, min(top + tall, rows))
        values = source.read(strip)
        if item.layered:
            made[:, strip] = values
        else:
            made[strip] = values[0]
