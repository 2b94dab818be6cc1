"""A large dataset added to a stack: filled under a temporary name, renamed when it is whole."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from creepmeter.errors import InputError, StoreError
from creepmeter.io import swap
from creepmeter.io.mintpy import edit, hdf, layout
from creepmeter.io.mintpy.array import StoredArray, write_window
from creepmeter.io.mintpy.layout import Dataset
from creepmeter.io.mintpy.partial import take_room

_KEY = "CREEPMETER_KEY"
_TIES = {"DIMENSION_LIST", "grid_mapping", "coordinates"}
_DONE = b"\x01"


class DatasetWriter:
    """A dataset in the making in a file that is in use.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        Dataset to be.
    entry : Dataset
        Its layout.
    key : str
        Digest of options and inputs: what an earlier run with the same key has written stays.
    added : callable
        Called when the dataset is there.

    Raises
    ------
    StoreError
        The file cannot be written.
    """

    def __init__(self, path: Path, name: str, entry: Dataset, key: str, added: Callable[[], None]) -> None:
        self._path = path
        self._name = name
        self._hidden = f"{name}.partial"
        self._entry = entry
        self._added = added
        self._marks = path.with_name(f".{path.name}.{name}.done")
        self._array = self._find(key) or self._make(key)
        with swap.file_errors(path, "write"):
            self._done = bytearray(self._marks.read_bytes().ljust(entry.shape[0], b"\0"))

    def _find(self, key: str) -> StoredArray | None:
        """Return what an earlier run with the same key and layout has left."""
        with hdf.reading(self._path) as file:
            item = hdf.datasets_of(file).get(self._hidden)
            if item is None or not self._marks.is_file():
                return None
            same = item.attrs.get(_KEY) == key and item.shape == self._entry.shape and item.dtype == self._entry.dtype
            return StoredArray.of(self._path, item) if same else None

    def _make(self, key: str) -> StoredArray:
        with swap.file_errors(self._path, "write"):
            self._marks.unlink(missing_ok=True)
            self._marks.touch()
            with edit.editing(self._path) as file:
                self._make_room(file)
                for name in set(file[self._hidden].attrs) - _TIES:
                    del file[self._hidden].attrs[name]
                file[self._hidden].attrs[_KEY] = key
            with hdf.reading(self._path) as file:
                array = StoredArray.of(self._path, file[self._hidden])
            try:
                take_room(self._path, array.offset or 0, array.nbytes)
            except OSError:
                self._give_up()
                raise
        return array

    def _give_up(self) -> None:
        """Leave the file without the hidden dataset."""
        with suppress(StoreError, OSError):
            self._marks.unlink(missing_ok=True)
            with edit.editing(self._path) as file:
                del file[self._hidden]

    def _make_room(self, file: h5py.File) -> None:
        """Make the hidden dataset; one that it will replace gives its room, so that the file does not grow."""
        for name in (self._hidden, self._name):
            if name not in file:
                continue
            item = file[name]
            fits = item.chunks is None and item.shape == self._entry.shape and item.dtype == self._entry.dtype
            if fits and self._hidden not in file:
                file.move(name, self._hidden)
            elif name == self._hidden and not fits:
                del file[name]
        if self._hidden not in file:
            layout.add_room(file, self._hidden, replace(self._entry, attributes={}))
            layout.describe(file, self._hidden)

    def done(self, index: int) -> bool:
        """Tell whether the map of a pair is on disk."""
        return self._done[index : index + 1] == _DONE

    def put(self, index: int, values: npt.ArrayLike) -> None:
        """Write the map of one pair, flush it to disk, then mark it as done.

        Raises
        ------
        InputError
            The shape does not fit.
        StoreError
            The disk is full. What is done stays.
        """
        count, rows, columns = self._array.shape
        given = layout.require_stored(self._name, values, self._entry, self._path)
        if given.shape != (rows, columns) or not 0 <= index < count:
            message = (
                f"{self._name}: map {index} of shape {given.shape} does not fit {count} maps of {rows} x {columns}"
            )
            raise InputError(message)
        with swap.file_errors(self._path, "write"):
            _write(self._path, lambda handle: self._write_map(handle, index, given))
            _write(self._marks, lambda handle: os.pwrite(handle, _DONE, index))
        self._done[index : index + 1] = _DONE

    def _write_map(self, handle: int, index: int, values: npt.NDArray[Any]) -> None:
        _, rows, columns = self._array.shape
        write_window(handle, self._array, (range(index, index + 1), range(rows), range(columns)), values[None])

    def finish(self) -> None:
        """Give the dataset its name; the one that it replaces goes. It keeps its key.

        Raises
        ------
        StoreError
            Some pairs are missing.
        """
        missing = np.flatnonzero(np.frombuffer(bytes(self._done), np.uint8) == 0)
        if len(missing):
            message = f"{self._path}: {self._name!r} lacks {len(missing)} map(s), the first is number {missing[0]}"
            raise StoreError(message)
        attributes: Mapping[str, str] = self._entry.attributes
        with edit.editing(self._path) as file:
            if self._name in file:
                del file[self._name]
            file.move(self._hidden, self._name)
            item = file[self._name]
            for name in sorted(attributes):
                item.attrs[name] = str(attributes[name])
        with swap.file_errors(self._path, "write"):
            self._marks.unlink(missing_ok=True)
        self._added()


def _write(path: Path, write: Callable[[int], object]) -> None:
    handle = os.open(path, os.O_RDWR)
    try:
        write(handle)
        os.fsync(handle)
    finally:
        os.close(handle)
