"""Compressed maps in HDF5 files, unpacked outside the library's lock, so that several threads unpack at a time."""

from __future__ import annotations

import threading
import zlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from creepmeter.errors import ImageError
from creepmeter.io.layers import HdfLayer, dataset_in, open_hdf

Values = npt.NDArray[Any]
Place = tuple[int, int]
_KNOWN = {h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE}
_FLAT = 2
_MOST_BYTES = 2**30  # of a chunk that is unpacked here


@dataclass(frozen=True)
class PackedLayer:
    """A map in an HDF5 or netCDF-4 file; chunks that two windows share are unpacked once.

    Parameters
    ----------
    path : Path
        Local file.
    dataset : str
        Name with its groups.
    flipped : bool
        The file counts rows from the south; the layer counts them from the north.

    Raises
    ------
    ImageError
        The file is damaged, or has no such map.
    """

    path: Path
    dataset: str
    flipped: bool = False
    _held: dict[Place, Values] = field(init=False, repr=False, compare=False, default_factory=dict)
    _lock: threading.Lock = field(init=False, repr=False, compare=False, default_factory=threading.Lock)

    @cached_property
    def _plain(self) -> HdfLayer:
        return HdfLayer(self.path, self.dataset)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self._plain.shape

    @property
    def name(self) -> str:
        """File and dataset."""
        return f"{self.path}: {self.dataset}"

    def read(self, rows: slice, columns: slice) -> Values:
        """Return the values of a window, (rows, columns)."""
        tall, wide = self.shape
        top, bottom, _ = rows.indices(tall)
        left, right, _ = columns.indices(wide)
        bottom, right = max(bottom, top), max(right, left)
        if not self.flipped:
            return self._window(top, bottom, left, right)
        return self._window(tall - bottom, tall - top, left, right)[::-1]

    def _window(self, top: int, bottom: int, left: int, right: int) -> Values:
        with open_hdf(self.path) as file:
            source = dataset_in(file, self.dataset, self.path)
            if not _is_packed(source) or top == bottom or left == right:
                return np.asarray(source[top:bottom, left:right])
            tall, wide = source.chunks
            places = [
                (row, column)
                for row in range(top // tall * tall, bottom, tall)
                for column in range(left // wide * wide, right, wide)
            ]
            with self._lock:
                chunks = {place: self._held[place] for place in places if place in self._held}
            packed = {place: _raw(source, place) for place in places if place not in chunks}
            dtype, size, filters = source.dtype, source.chunks, _filters(source)
            fill = source.fillvalue
        for place, (content, skipped) in packed.items():
            chunks[place] = (
                np.full(size, fill, dtype)
                if content is None
                else self._unpacked(content, skipped, filters, dtype, size)
            )
        self._hold(chunks, (top, bottom), tall)
        values = np.empty((bottom - top, right - left), dtype)
        for (row, column), chunk in chunks.items():
            first, last = max(row, top), min(row + tall, bottom)
            begin, end = max(column, left), min(column + wide, right)
            part = chunk[first - row : last - row, begin - column : end - column]
            values[first - top : last - top, begin - left : end - left] = part
        return values

    def _hold(self, chunks: dict[Place, Values], rows: tuple[int, int], tall: int) -> None:
        """Keep the chunks that the next window, further down in the layer, will need as well."""
        edge = rows[0] if self.flipped else rows[1]
        shared = edge // tall * tall if edge % tall and edge < self.shape[0] else None
        with self._lock:
            self._held.clear()
            self._held.update({place: chunk for place, chunk in chunks.items() if place[0] == shared})

    def _unpacked(
        self, content: bytes, skipped: int, filters: list[int], dtype: np.dtype[Any], size: tuple[int, int]
    ) -> Values:
        """Return one chunk; `skipped` has a bit for every filter that was not applied to it."""
        wanted = size[0] * size[1] * dtype.itemsize
        try:
            for number, code in reversed(list(enumerate(filters))):
                if skipped >> number & 1:
                    continue
                if code == h5py.h5z.FILTER_DEFLATE:
                    content = _inflated(content, wanted)
                else:
                    content = np.frombuffer(content, np.uint8).reshape(dtype.itemsize, -1).T.tobytes()
            return np.frombuffer(content, dtype).reshape(size)
        except (zlib.error, ValueError) as problem:
            message = f"{self.name} is damaged ({problem}): get the file again or leave it out"
            raise ImageError(message) from problem


def _inflated(content: bytes, wanted: int) -> bytes:
    unpacker = zlib.decompressobj()
    found = unpacker.decompress(content, wanted)
    if len(found) != wanted:
        message = f"a chunk holds {len(found)} bytes, {wanted} expected"
        raise ValueError(message)
    return found


def _filters(source: h5py.Dataset) -> list[int]:
    properties = source.id.get_create_plist()
    return [int(properties.get_filter(number)[0]) for number in range(properties.get_nfilters())]


def _is_packed(source: h5py.Dataset) -> bool:
    """Tell whether the chunks can be unpacked here: flat, shuffled and deflated at most, in this byte order."""
    if source.chunks is None or source.ndim != _FLAT or not source.dtype.isnative or source.dtype.kind not in "uif":
        return False
    size = int(np.prod(source.chunks)) * source.dtype.itemsize
    return size <= _MOST_BYTES and set(_filters(source)) <= _KNOWN


def _raw(source: h5py.Dataset, place: Place) -> tuple[bytes | None, int]:
    """Return a chunk as stored and its filter mask; None where none was written."""
    if source.id.get_storage_size() == 0 or source.id.get_chunk_info_by_coord(place).byte_offset is None:
        return None, 0
    skipped, content = source.id.read_direct_chunk(place)
    return bytes(content), int(skipped)
