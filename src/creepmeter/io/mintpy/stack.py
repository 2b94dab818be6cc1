"""Stacks of interferograms or offsets in MintPy's layout: read by rows or by pair, flagged, added to."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from creepmeter.errors import InputError, StoreError
from creepmeter.io.mintpy import dates, edit, hdf, layout, sidecar
from creepmeter.io.mintpy.adding import DatasetWriter
from creepmeter.io.mintpy.array import Indices, StoredArray, Values
from creepmeter.io.mintpy.grid import number_of
from creepmeter.io.mintpy.layout import Dataset
from creepmeter.io.mintpy.product import set_attributes
from creepmeter.model.pair import Pair

_LOG = logging.getLogger(__name__)
_STACK = 3
_KIND = "ifgramStack"


class StackFile:
    """MintPy's ``ifgramStack.h5`` or ``offsetStack.h5``, with edits on top.

    A stack that creepmeter wrote is edited in place. Edits of any other stack go to a small file beside it,
    ``ifgramStack.creepmeter.h5``, unless it was opened with ``in_place=True``. Reading is safe from several threads.

    Make one with `open`.
    """

    path: Path
    attributes: dict[str, str]
    shape: tuple[int, int, int]
    pairs: tuple[Pair, ...]
    bperp: npt.NDArray[np.float64]
    keep: npt.NDArray[np.bool_]

    def __init__(self, path: Path, *, in_place: bool) -> None:
        self.path = path
        with hdf.reading(path) as file:
            self._read_base(file)
            self._in_place = in_place or layout.is_ours(file)
        self._base_digest: str | None = None
        if sidecar.sidecar_of(path).exists():
            self._overlay()

    @classmethod
    def open(cls, path: str | Path, *, in_place: bool = False) -> StackFile:
        """Open a stack; no map is read.

        Parameters
        ----------
        path : str or Path
            The stack.
        in_place : bool
            Edit it in place even if another program wrote it.

        Raises
        ------
        StoreError
            It is not there, damaged, no stack, or its parts do not fit together.
        """
        return cls(Path(path), in_place=in_place)

    def _read_base(self, file: h5py.File) -> None:
        self.attributes = hdf.text_attributes(file)
        found = hdf.datasets_of(file)
        if self.attributes.get("FILE_TYPE") != _KIND or "date" not in found:
            kind = self.attributes.get("FILE_TYPE", "none")
            message = f"{self.path} is no stack (FILE_TYPE {kind}): give inputs/ifgramStack.h5"
            raise StoreError(message)
        self.pairs = dates.read_pairs(hdf.values_of(self.path, found["date"]), self.path)
        self._arrays = self._maps(found)
        self.shape = next(iter(self._arrays.values())).shape
        count = len(self.pairs)
        self.bperp = self._table(found, "bperp", np.zeros(count)).astype(np.float64)
        self.keep = self._table(found, "dropIfgram", np.ones(count, bool)).astype(bool)
        self._drop_repeated()

    def _maps(self, found: Mapping[str, h5py.Dataset]) -> dict[str, StoredArray]:
        items = {name: item for name, item in found.items() if item.ndim == _STACK and not name.endswith(".partial")}
        if not items:
            message = f"{self.path} holds no maps: load the interferograms again"
            raise StoreError(message)
        shapes = {name: item.shape for name, item in items.items()}
        if len(set(shapes.values())) > 1:
            listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
            message = f"{self.path}: its datasets differ in shape ({listed}); load the interferograms again"
            raise StoreError(message)
        count = next(iter(shapes.values()))[0]
        if count != len(self.pairs):
            message = f"{self.path} has {count} maps for {len(self.pairs)} pairs; load the interferograms again"
            raise StoreError(message)
        return {name: StoredArray.of(self.path, item) for name, item in items.items()}

    def _table(self, found: Mapping[str, h5py.Dataset], name: str, default: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if name not in found:
            return default
        values = hdf.values_of(self.path, found[name])
        if values.shape != default.shape:
            message = f"{self.path}, dataset {name!r} has shape {values.shape}, the stack {len(default)} pairs"
            raise StoreError(message)
        return values

    def _drop_repeated(self) -> None:
        """Keep the first of pairs that come twice."""
        kept = np.flatnonzero(self.keep)
        again = kept[dates.repeated([self.pairs[k] for k in kept])]
        if len(again):
            listed = ", ".join(str(self.pairs[k]) for k in again)
            _LOG.warning("%s: pairs that come twice are left out but for the first: %s", self.path, listed)
            self.keep[again] = False

    def _overlay(self) -> None:
        if self._in_place:
            message = (
                f"{sidecar.sidecar_of(self.path)} holds edits of {self.path.name}: delete it to edit in place, "
                "or leave the stack as it is"
            )
            raise StoreError(message)
        self._base_digest = self._digest_of(None)
        edits = sidecar.read_edits(self.path, self._base_digest)
        for name, value in edits.attributes.items():
            if value is None:
                self.attributes.pop(name, None)
            else:
                self.attributes[name] = value
        if edits.keep is not None:
            self.keep = edits.keep.copy()
        self._arrays |= edits.arrays

    def _edits_file(self) -> Path:
        """Return the file beside the stack that takes its edits; it is bound to the stack as it was found."""
        if self._base_digest is None:
            self._base_digest = self._digest_of(None)
        return sidecar.make(self.path, self._base_digest)

    @property
    def names(self) -> tuple[str, ...]:
        """Datasets of maps."""
        return tuple(sorted(self._arrays))

    @property
    def reference(self) -> tuple[int, int] | None:
        """Row and column of the reference pixel, None when it is not chosen yet."""
        row, column = (number_of(self.attributes, name, self.path) for name in ("REF_Y", "REF_X"))
        return None if row is None or column is None else (int(row), int(column))

    def read(
        self,
        name: str,
        rows: slice = slice(None),
        *,
        pairs: Indices | slice | None = None,
        columns: slice = slice(None),
        room: Values | None = None,
    ) -> Values:
        """Return stored values of a window, (pairs, rows, columns).

        Parameters
        ----------
        name : str
            Dataset.
        rows, columns : slice
            Window; all by default.
        pairs : array of int, or slice, optional
            Which pairs, in which order; all by default.
        room : array, optional
            Memory for the result, see `StoredArray.read`.

        Raises
        ------
        StoreError
            There is no such dataset, or the file cannot be read.
        """
        return self.stored(name).read(rows, columns, pairs, room)

    def read_pair(self, name: str, index: int) -> Values:
        """Return the map of one pair, (rows, columns)."""
        values: Values = self.stored(name).read(layers=np.array([index]))[0]
        return values

    def pixel(self, name: str, row: int, column: int) -> Values:
        """Return the values of one pixel in all pairs, (pairs,)."""
        rows, columns = self.shape[1:]
        if not (0 <= row < rows and 0 <= column < columns):
            message = f"{self.path} has {rows} x {columns} pixels, row {row} and column {column} lie outside"
            raise InputError(message)
        values: Values = self.stored(name).read(slice(row, row + 1), slice(column, column + 1))[:, 0, 0]
        return values

    def chunk_rows(self, name: str) -> int:
        """Return how many rows are stored together: blocks of a multiple of it read fastest."""
        chunks = self.stored(name).chunks
        return 1 if chunks is None else chunks[1]

    def stored(self, name: str) -> StoredArray:
        """Return where and how a dataset of maps is stored.

        Raises
        ------
        StoreError
            There is no such dataset.
        """
        if name not in self._arrays:
            message = f"{self.path} has no dataset {name!r}: it has {', '.join(self.names)}"
            raise StoreError(message)
        return self._arrays[name]

    def set_keep(self, keep: npt.ArrayLike) -> None:
        """Say which pairs are used (MintPy's dropIfgram, True = kept); the file changes whole or not at all.

        Raises
        ------
        InputError
            Not one flag for each pair.
        """
        flags = np.asarray(keep, bool)
        if flags.shape != self.keep.shape:
            message = f"{flags.size} flag(s) for {len(self.pairs)} pairs: give one for each"
            raise InputError(message)
        if np.array_equal(flags, self.keep):
            return
        if self._in_place:
            with edit.editing(self.path) as file:
                _put_flags(file, flags)
        else:
            sidecar.set_keep(self._edits_file(), flags)
        self.keep = flags.copy()

    def set_attributes(self, changes: Mapping[str, str | None]) -> None:
        """Set attributes of the stack, None removes one; the file changes whole or not at all."""
        texts = {str(name): None if value is None else str(value) for name, value in changes.items()}
        if all(self.attributes.get(name) == value for name, value in texts.items()):
            return
        if self._in_place:
            with edit.editing(self.path) as file:
                set_attributes(file, texts)
        else:
            sidecar.set_changes(self._edits_file(), texts)
        merged = {**self.attributes, **texts}
        self.attributes = {name: value for name, value in merged.items() if value is not None}

    def add_dataset(self, name: str, dtype: npt.DTypeLike, attributes: Mapping[str, str], key: str) -> DatasetWriter:
        """Start a dataset of one map for each pair, or go on with the one that an earlier run with the same key left.

        Parameters
        ----------
        name : str
            Such as ``unwrapPhase_bridging``. One of that name is replaced.
        dtype : dtype
            As stored.
        attributes : mapping of str to str
            Of the dataset; MODIFICATION_TIME is added.
        key : str
            Digest of options and inputs.

        Raises
        ------
        InputError
            The name cannot be used.
        StoreError
            The file cannot be written.
        """
        if not name.isidentifier() or name in (*layout.COORDINATES, "date", "bperp", "dropIfgram"):
            message = f"{name!r} cannot be the name of a dataset: use letters, digits and underscores"
            raise InputError(message)
        target = self.path if self._in_place else self._edits_file()
        entry = Dataset(self.shape, np.dtype(dtype), {layout.MODIFIED: f"{time.time():.6f}", **attributes})

        def added() -> None:
            with hdf.reading(target) as file:
                self._arrays[name] = StoredArray.of(target, file[name])

        self._arrays.pop(name, None)
        return DatasetWriter(target, name, entry, key, added)

    def digest(self, names: Sequence[str] | None = None) -> str:
        """Return a digest of the stack with its edits: tables, attributes, samples of the maps.

        Parameters
        ----------
        names : sequence of str, optional
            Datasets that count; all by default.
        """
        return self._digest_of(names)

    def _digest_of(self, names: Sequence[str] | None) -> str:
        digest = hashlib.sha256()
        own = (layout.PROVENANCE, layout.VERSION)
        stable = sorted((key, value) for key, value in self.attributes.items() if key not in own)
        digest.update(json.dumps([self.shape, [str(pair) for pair in self.pairs], stable]).encode())
        digest.update(self.bperp.tobytes() + self.keep.tobytes())
        for name in self.names if names is None else names:
            self.stored(name).add_to(digest)
        return digest.hexdigest()


def _put_flags(file: h5py.File, flags: npt.NDArray[np.bool_]) -> None:
    if "dropIfgram" in file:
        file["dropIfgram"][...] = flags
    else:
        file.create_dataset("dropIfgram", data=flags)
    now = f"{time.time():.6f}"
    for item in hdf.datasets_of(file).values():  # MintPy tells by this time that its averages are out of date
        if layout.MODIFIED in item.attrs:
            item.attrs[layout.MODIFIED] = now
