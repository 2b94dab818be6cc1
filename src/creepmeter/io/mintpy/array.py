"""Maps and stacks of maps in an HDF5 file, read by rows from several threads."""

from __future__ import annotations

import hashlib
import itertools
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from creepmeter.errors import InputError, StoreError
from creepmeter.io import swap
from creepmeter.io.mintpy import hdf

Values = npt.NDArray[Any]
Indices = npt.NDArray[np.intp]
_MAP, _STACK = 2, 3
_SAMPLES = 16
_SAMPLE_BYTES = 64 * 1024
_NARROW = 8  # a window of less than this share of the columns is read row by row


@dataclass(frozen=True)
class StoredArray:
    """A dataset of two or three dimensions; the last two are rows and columns.

    Parameters
    ----------
    path : Path
        File.
    name : str
        Dataset.
    shape : tuple of int
        (layers, rows, columns); a map has one layer.
    dtype : numpy.dtype
        As stored.
    offset : int or None
        Where the values begin when they lie in one piece.
    chunks : (int, int, int) or None
        Else how they are cut.
    """

    path: Path
    name: str
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    offset: int | None
    chunks: tuple[int, int, int] | None = None

    @classmethod
    def of(cls, path: Path, item: h5py.Dataset) -> StoredArray:
        """Describe a dataset of an open file; leading axes beyond the first are counted through as layers.

        Raises
        ------
        StoreError
            It holds no maps of numbers, or the file is cut.
        """
        name = item.name.lstrip("/")
        piled = item.ndim > _STACK
        if item.ndim < _MAP or item.dtype.kind not in "biufc" or (piled and item.chunks is not None):
            message = f"{path}: dataset {name!r} is {item.dtype} {item.shape}, not maps of numbers"
            raise StoreError(message)
        layers, rows, columns = math.prod(item.shape[:-_MAP]), *map(int, item.shape[-_MAP:])
        shape = (int(layers), rows, columns)
        chunks = None if item.chunks is None else (1,) * (_STACK - item.ndim) + tuple(int(n) for n in item.chunks)
        offset = item.id.get_offset() if chunks is None else None
        if offset is not None and offset + math.prod(shape) * item.dtype.itemsize > path.stat().st_size:
            message = f"{path} is damaged or cut (dataset {name!r} ends after the file): get the file again"
            raise StoreError(message)
        return cls(path, name, shape, item.dtype, offset, chunks)

    @property
    def nbytes(self) -> int:
        """Bytes of all values."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def read(
        self,
        rows: slice = slice(None),
        columns: slice = slice(None),
        layers: Indices | slice | None = None,
        room: Values | None = None,
    ) -> Values:
        """Return the values of a window, (layers, rows, columns), in the byte order of the machine.

        The result lies in `room`, if that is an array of the type of the dataset with enough values, and the dataset in
        one piece: memory that is used again need not be asked for.

        Raises
        ------
        InputError
            The window has steps, or a layer is not there.
        StoreError
            The file cannot be read.
        """
        picked = self._layers(layers)
        window = self._bounds(rows, 1), self._bounds(columns, 2)
        shape = (len(picked), len(window[0]), len(window[1]))
        if 0 in shape:
            return np.empty(shape, self.dtype.newbyteorder("="))
        if self.offset is None:
            return self._read_chunks(picked, window).astype(self.dtype.newbyteorder("="), copy=False)
        with swap.file_errors(self.path, "read"), self.path.open("rb", buffering=0) as file:
            out = self._out(shape, room)
            self._read_pieces(file.fileno(), out, picked, window)
        return out.astype(self.dtype.newbyteorder("="), copy=False)

    def _out(self, shape: tuple[int, int, int], room: Values | None) -> Values:
        size = math.prod(shape)
        if room is None or room.dtype != self.dtype or room.size < size:
            return np.empty(shape, self.dtype)
        return room.reshape(-1)[:size].reshape(shape)

    def _layers(self, layers: Indices | slice | None) -> Indices:
        count = self.shape[0]
        if layers is None or isinstance(layers, slice):
            return np.arange(count, dtype=np.intp)[slice(None) if layers is None else layers]
        picked = np.asarray(layers)
        if picked.dtype.kind == "b":
            picked = np.flatnonzero(picked)
        if picked.size and not (-count <= picked.min() and picked.max() < count):
            message = f"{self.path}, dataset {self.name!r} has {count} layers, number {picked.max()} was asked for"
            raise InputError(message)
        return np.where(picked < 0, picked + count, picked).astype(np.intp)

    def _bounds(self, cut: slice, axis: int) -> range:
        found = range(*cut.indices(self.shape[axis]))
        if found.step != 1:
            message = f"{self.path}, dataset {self.name!r}: a window has no steps, got {cut}"
            raise InputError(message)
        return found

    def _read_pieces(self, handle: int, out: Values, picked: Indices, window: tuple[range, range]) -> None:
        """Fill `out` from values that lie in one piece."""
        rows, columns = window
        _, tall, wide = self.shape
        item, start = self.dtype.itemsize, self.offset or 0
        whole = len(columns) == wide
        if whole and len(rows) == tall:
            for first, count in _runs(picked):
                place = start + int(picked[first]) * tall * wide * item
                _read_into(handle, out[first : first + count], place, self.path)
            return
        for k, layer in enumerate(picked):
            place = start + (int(layer) * tall + rows.start) * wide * item
            if whole:
                _read_into(handle, out[k], place, self.path)
            elif len(columns) * _NARROW >= wide or len(rows) == 1:
                self._read_wide(handle, out[k], place, columns)
            else:
                for row, line in enumerate(out[k]):
                    _read_into(handle, line, place + (row * wide + columns.start) * item, self.path)

    def _read_wide(self, handle: int, out: Values, place: int, columns: range) -> None:
        """Read from the first to the last value of the window, and keep the columns."""
        wide, item = self.shape[2], self.dtype.itemsize
        count = (len(out) - 1) * wide + len(columns)
        line = np.empty(len(out) * wide, self.dtype)
        _read_into(handle, line[:count], place + columns.start * item, self.path)
        out[...] = line.reshape(len(out), wide)[:, : len(columns)]

    def _read_chunks(self, picked: Indices, window: tuple[range, range]) -> Values:
        rows, columns = (slice(cut.start, cut.stop) for cut in window)
        with hdf.reading(self.path) as file:
            item = file[self.name]
            if item.ndim == _MAP:
                return np.asarray(item[rows, columns])[None][picked]
            parts = [
                np.asarray(item[int(picked[first]) : int(picked[first]) + count, rows, columns])
                for first, count in _runs(picked)
            ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def add_to(self, digest: hashlib._Hash) -> None:
        """Add name, type, shape and samples of the values to a digest."""
        digest.update(f"{self.name}:{self.dtype.str}{self.shape}{self.chunks};".encode())
        if self.offset is None:
            self._add_chunks(digest)
            return
        with swap.file_errors(self.path, "read"), self.path.open("rb") as file:
            count = min(_SAMPLE_BYTES, self.nbytes)
            for k in range(_SAMPLES if self.nbytes > count else 1):
                file.seek(self.offset + k * (self.nbytes - count) // (_SAMPLES - 1))
                digest.update(file.read(count))

    def _add_chunks(self, digest: hashlib._Hash) -> None:
        with hdf.reading(self.path) as file:
            item = file[self.name]
            total = item.id.get_num_chunks()
            for index in sorted({k * max(total - 1, 0) // (_SAMPLES - 1) for k in range(_SAMPLES)}):
                if index < total:
                    where = item.id.get_chunk_info(index).chunk_offset
                    digest.update(item.id.read_direct_chunk(where)[1])


def _runs(picked: Indices) -> Iterator[tuple[int, int]]:
    """Cut a list of layers where the next is not the one after; yield (place in the list, count)."""
    edges = [0, *(np.flatnonzero(np.diff(picked) != 1) + 1).tolist(), len(picked)]
    yield from ((first, last - first) for first, last in itertools.pairwise(edges))


def _read_into(handle: int, out: Values, place: int, path: Path) -> None:
    view = out.view(np.uint8).reshape(-1).data
    done = 0
    while done < len(view):
        count = os.preadv(handle, [view[done:]], place + done)
        if count == 0:
            message = f"{path} is damaged or cut (it ends at byte {place + done}): get the file again"
            raise StoreError(message)
        done += count


def write_at(handle: int, values: Values, place: int) -> None:
    """Write all bytes of an array that lies in one piece at a place of a file."""
    view = values.reshape(-1).view(np.uint8).data
    done = 0
    while done < len(view):
        done += os.pwrite(handle, view[done:], place + done)


def write_window(handle: int, array: StoredArray, window: tuple[range, range, range], values: Values) -> None:
    """Write the values of a window of a dataset that lies in one piece.

    Parameters
    ----------
    handle : int
        Open file.
    array : StoredArray
        The dataset.
    window : (range, range, range)
        Layers, rows, columns.
    values : array
        Of the shape of the window and the type of the dataset.
    """
    layers, rows, columns = window
    _, tall, wide = array.shape
    item, start = array.dtype.itemsize, array.offset or 0
    given = np.ascontiguousarray(values, array.dtype)
    if len(columns) == wide and len(rows) == tall:
        write_at(handle, given, start + layers.start * tall * wide * item)
        return
    for k, layer in enumerate(layers):
        place = start + ((layer * tall + rows.start) * wide + columns.start) * item
        if len(columns) == wide:
            write_at(handle, given[k], place)
        else:
            for row, line in enumerate(given[k]):
                write_at(handle, line, place + row * wide * item)
