"""Windowed readers of one band of a file: rasters, flat binary files, HDF5."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import h5py
import numpy as np
import numpy.typing as npt
from rasterio.windows import Window

from creepmeter.errors import ImageError
from creepmeter.io.rasterfile import MAX_PIXELS, Header, header_of, is_south_up, open_raster, require_local
from creepmeter.model.grid import Grid

Values = npt.NDArray[Any]
Interleave = Literal["bil", "bip", "bsq"]
_ADVICE = "it is damaged or cut; get it again or leave it out"
_FLAT, _STACKED = 2, 3  # axes of an HDF5 dataset that can be read as a map


@runtime_checkable
class Layer(Protocol):
    """One band that can be read window by window, from several threads at a time."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""

    @property
    def name(self) -> str:
        """File and band, for messages."""

    def read(self, rows: slice, columns: slice) -> Values:
        """Return the values of a window, (rows, columns)."""


@dataclass(frozen=True)
class RasterLayer:
    """One band of a GeoTIFF or another allowed raster, north up, values as stored.

    Parameters
    ----------
    path : Path
        Local file.
    band : int
        Counted from 1.

    Raises
    ------
    ImageError
        The file cannot be read, or has no such band.
    """

    path: Path
    band: int = 1
    header: Header = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        with open_raster(self.path) as source:
            found = header_of(source)
        if not 1 <= self.band <= found.count:
            message = f"{self.path} has {found.count} band(s), band {self.band} was asked for: count from 1"
            raise ImageError(message)
        object.__setattr__(self, "header", found)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.header.shape

    @property
    def name(self) -> str:
        """File and band."""
        return str(self.path) if self.header.count == 1 else f"{self.path} band {self.band}"

    @property
    def grid(self) -> Grid | None:
        """Grid of the file, north up; None without georeference."""
        return self.header.grid

    @property
    def nodata(self) -> float | None:
        """Declared no-data value."""
        return self.header.nodata

    @property
    def tags(self) -> dict[str, str]:
        """Metadata of the file."""
        return dict(self.header.tags)

    def read(self, rows: slice, columns: slice) -> Values:
        """Return the values of a window, (rows, columns)."""
        top, bottom, left, right = _bounds(self.shape, rows, columns)
        with open_raster(self.path) as source:
            flipped = is_south_up(source)
            first = self.shape[0] - bottom if flipped else top
            values = source.read(self.band, window=Window(left, first, right - left, bottom - top))
        return np.asarray(values[::-1] if flipped else values)


@dataclass(frozen=True)
class FlatLayer:
    """One band of a binary file without header.

    Parameters
    ----------
    path : Path
        Local file.
    shape : (int, int)
        Rows and columns.
    dtype : str
        NumPy type with byte order, such as ``>f4``; may be complex.
    bands, band : int
        How many there are, and which one, counted from 0.
    interleave : {"bil", "bip", "bsq"}
        Bands by line, by pixel, or one after the other.
    offset : int
        Bytes before the first value.

    Raises
    ------
    ImageError
        The file has another size than shape, type and bands make.
    """

    path: Path
    shape: tuple[int, int]
    dtype: str
    bands: int = 1
    band: int = 0
    interleave: Interleave = "bil"
    offset: int = 0

    def __post_init__(self) -> None:
        found = require_local(self.path).stat().st_size
        rows, columns = self.shape
        if min(rows, columns, self.bands) < 1 or rows * columns > MAX_PIXELS or not 0 <= self.band < self.bands:
            message = (
                f"{self.path} is said to hold {rows} x {columns} px in {self.bands} band(s), band {self.band} wanted: "
                "correct its header"
            )
            raise ImageError(message)
        expected = self.offset + rows * columns * self.bands * np.dtype(self.dtype).itemsize
        if found != expected:
            message = (
                f"{self.path} has {found} bytes, {rows} x {columns} px of {np.dtype(self.dtype).name} in {self.bands} "
                f"band(s) make {expected}: it is cut, or its header belongs to another file"
            )
            raise ImageError(message)

    @property
    def name(self) -> str:
        """File and band."""
        return str(self.path) if self.bands == 1 else f"{self.path} band {self.band + 1}"

    def read(self, rows: slice, columns: slice) -> Values:
        """Return the values of a window in this machine's byte order, (rows, columns)."""
        top, bottom, left, right = _bounds(self.shape, rows, columns)
        wide = self.shape[1]
        if self.interleave == "bsq":
            values = self._lines(self.band * self.shape[0] + top, bottom - top, wide)[:, left:right]
        elif self.interleave == "bil":
            lines = self._lines(top, bottom - top, wide * self.bands)
            values = lines[:, self.band * wide + left : self.band * wide + right]
        else:
            values = self._lines(top, bottom - top, wide * self.bands)[:, self.band :: self.bands][:, left:right]
        return np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))

    def _lines(self, first: int, count: int, width: int) -> Values:
        dtype = np.dtype(self.dtype)
        start = self.offset + first * width * dtype.itemsize
        try:
            values = np.fromfile(self.path, dtype, count * width, offset=start)
        except OSError as problem:
            message = f"{self.path} cannot be read ({problem}): {_ADVICE}"
            raise ImageError(message) from problem
        if values.size != count * width:
            message = f"{self.path} ended while it was read: {_ADVICE}"
            raise ImageError(message)
        return values.reshape(count, width)


@dataclass(frozen=True)
class HdfLayer:
    """A map in an HDF5 or netCDF-4 file.

    Parameters
    ----------
    path : Path
        Local file.
    dataset : str
        Name with its groups, such as ``science/grids/data/coherence``.
    index : int, optional
        Which map of a dataset with three axes.

    Raises
    ------
    ImageError
        The file is damaged, or has no such map; a dataset that lies in another file is refused.
    """

    path: Path
    dataset: str
    index: int | None = None
    shape: tuple[int, int] = field(init=False)
    dtype: np.dtype[Any] = field(init=False)

    def __post_init__(self) -> None:
        with open_hdf(self.path) as file:
            found = dataset_in(file, self.dataset, self.path)
            axes = _FLAT if self.index is None else _STACKED
            if found.ndim != axes or found.dtype.kind not in "uifcb":
                message = (
                    f"{self.path}: {self.dataset!r} has shape {found.shape} and type {found.dtype}, not a map of "
                    "numbers: get the file again or leave it out"
                )
                raise ImageError(message)
            if self.index is not None and not 0 <= self.index < found.shape[0]:
                message = f"{self.path}: {self.dataset!r} holds {found.shape[0]} maps, number {self.index} is not there"
                raise ImageError(message)
            rows, columns = map(int, found.shape[-2:])
            if rows * columns > MAX_PIXELS:
                message = f"{self.path}: {self.dataset!r} claims {rows} x {columns} px, more than {MAX_PIXELS}"
                raise ImageError(message)
            object.__setattr__(self, "shape", (rows, columns))
            object.__setattr__(self, "dtype", found.dtype)

    @property
    def name(self) -> str:
        """File and dataset."""
        which = "" if self.index is None else f" number {self.index}"
        return f"{self.path}: {self.dataset}{which}"

    def read(self, rows: slice, columns: slice) -> Values:
        """Return the values of a window, (rows, columns)."""
        top, bottom, left, right = _bounds(self.shape, rows, columns)
        with open_hdf(self.path) as file:
            found = dataset_in(file, self.dataset, self.path)
            window = (slice(top, bottom), slice(left, right))
            return np.asarray(found[window] if self.index is None else found[(self.index, *window)])


@contextmanager
def open_hdf(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading; any error while it is open names the file.

    Raises
    ------
    ImageError
        Not a local file, damaged, cut, or of another kind.
    """
    found = require_local(path)
    try:
        with h5py.File(found, "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError, ValueError) as problem:
        if isinstance(problem, ImageError):
            raise
        message = f"{path} cannot be read as HDF5 ({problem}): {_ADVICE}"
        raise ImageError(message) from problem


def dataset_in(file: h5py.File, name: str, path: Path) -> h5py.Dataset:
    """Return a dataset of an open file, following no link out of it.

    Raises
    ------
    ImageError
        There is none of this name, or its data lie in another file.
    """
    found = item_in(file, name, path)
    if found is None:
        message = f"{path} has no dataset {name!r}: get the file again or leave it out"
        raise ImageError(message)
    if not isinstance(found, h5py.Dataset):
        message = f"{path}: {name!r} is a group, not a dataset"
        raise ImageError(message)
    return found


def item_in(file: h5py.File, name: str, path: Path) -> h5py.Group | h5py.Dataset | None:
    """Return a group or dataset of an open file, following no link out of it; None where there is none.

    Raises
    ------
    ImageError
        It lies in another file, or its data do.
    """
    group: Any = file
    for part in name.strip("/").split("/"):
        link = group.get(part, getlink=True) if isinstance(group, h5py.Group) else None
        if link is None:
            return None
        group = None if isinstance(link, h5py.ExternalLink | h5py.SoftLink) else group.get(part)
        if group is None or (isinstance(group, h5py.Dataset) and (group.external or group.is_virtual)):
            message = f"{path}: {name!r} lies in another file, which is not followed; copy the data into one file"
            raise ImageError(message)
    found: h5py.Group | h5py.Dataset = group
    return found


def _bounds(shape: tuple[int, int], rows: slice, columns: slice) -> tuple[int, int, int, int]:
    top, bottom, _ = rows.indices(shape[0])
    left, right, _ = columns.indices(shape[1])
    return top, max(bottom, top), left, max(right, left)
