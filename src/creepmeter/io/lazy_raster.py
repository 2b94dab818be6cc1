"""A GeoTIFF as a Dataset whose pixels are read when they are asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from rasterio.windows import Window
from xarray.backends import BackendArray
from xarray.core import indexing

from creepmeter.io.rasterfile import header_of, is_south_up, local_grid, open_raster
from creepmeter.model.conventions import CONVENTIONS, MAP_DIMS
from creepmeter.model.grid import grid_coords

_FLOAT, _BYTE = np.dtype(np.float32), np.dtype(np.uint8)


@dataclass(frozen=True)
class _Source:
    """One band of one file."""

    path: Path
    band: int
    rows: int
    south_up: bool


class RasterBand(BackendArray):
    """One band, north up, missing as NaN where the file has missing pixels; opened anew at every read."""

    def __init__(self, source: _Source, shape: tuple[int, int], dtype: np.dtype[Any]) -> None:
        self.source = source
        self.shape = shape
        self.dtype = dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> npt.NDArray[Any]:
        """Read part of the band."""
        result: npt.NDArray[Any] = indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.BASIC, self._read
        )
        return result

    def _read(self, key: tuple[int | slice, ...]) -> npt.NDArray[Any]:
        rows, columns = (
            range(size)[item] if isinstance(item, slice) else range(item, item + 1)
            for item, size in zip(key, self.shape, strict=True)
        )
        if len(rows) == 0 or len(columns) == 0:
            values = np.empty((len(rows), len(columns)), self.dtype)
        else:
            values = self._window(rows, columns)
        squeeze = tuple(0 if isinstance(item, int | np.integer) else slice(None) for item in key)
        return np.asarray(values[squeeze])

    def _window(self, rows: range, columns: range) -> npt.NDArray[Any]:
        top, bottom = min(rows), max(rows) + 1
        left, right = min(columns), max(columns) + 1
        source = self.source
        first = source.rows - bottom if source.south_up else top
        with open_raster(source.path) as file:
            window = Window(left, first, right - left, bottom - top)
            values = file.read(source.band, window=window).astype(self.dtype, copy=False)
            if self.dtype.kind == "f":
                values = np.where(file.read_masks(source.band, window=window) > 0, values, self.dtype.type(np.nan))
        if source.south_up:
            values = values[::-1]
        picked: npt.NDArray[Any] = values[np.array(rows) - top][:, np.array(columns) - left]
        return picked


class _Images(BackendArray):
    """Images of one grid, one after the other, each with a mask of what is not used."""

    def __init__(self, files: Sequence[tuple[Path, Path]], shape: tuple[int, int]) -> None:
        self._images = [RasterBand(_Source(image, 1, shape[0], south_up=False), shape, _FLOAT) for image, _ in files]
        self._masks = [RasterBand(_Source(mask, 1, shape[0], south_up=False), shape, _BYTE) for _, mask in files]
        self.shape = (len(files), *shape)
        self.dtype = _FLOAT

    def __getitem__(self, key: indexing.ExplicitIndexer) -> npt.NDArray[Any]:
        """Read part of the images."""
        result: npt.NDArray[Any] = indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.BASIC, self._read
        )
        return result

    def _read(self, key: tuple[int | slice, ...]) -> npt.NDArray[Any]:
        which, *place = key
        if isinstance(which, slice):
            numbers = range(*which.indices(self.shape[0]))
            parts = [self._one(number, tuple(place)) for number in numbers]
            return np.stack(parts) if parts else np.empty((0, *self.shape[1:]), _FLOAT)[:, *place]
        return self._one(int(which), tuple(place))

    def _one(self, number: int, place: tuple[int | slice, ...]) -> npt.NDArray[Any]:
        where = indexing.BasicIndexer(place)
        values, masked = self._images[number][where], self._masks[number][where]
        return np.where(masked != 0, _FLOAT.type(np.nan), values)


def lazy_images(files: Sequence[tuple[Path, Path]], shape: tuple[int, int]) -> indexing.LazilyIndexedArray:
    """Return images that are read when they are asked for, (file, y, x) float32, NaN = missing or masked.

    Parameters
    ----------
    files : sequence of (Path, Path)
        North-up GeoTIFFs of one band: image, and mask of the same shape where nonzero is not used.
    shape : (int, int)
        Rows and columns of each.
    """
    return indexing.LazilyIndexedArray(_Images([(image.resolve(), mask.resolve()) for image, mask in files], shape))


def open_geotiff(path: Path) -> xr.Dataset:
    """Open a GeoTIFF lazily: one variable (y, x) per band, named by the band's description or ``band_1``, ``band_2``...

    Whole numbers become float32 with NaN where the file declares a no-data value.

    Raises
    ------
    ImageError
        The file is damaged, too large, or not a local raster.
    """
    with open_raster(path) as file:
        header = header_of(file)
        south_up = is_south_up(file)
        types = [_type_of(np.dtype(name), header.nodata) for name in file.dtypes]
    grid = local_grid(path, header, 1.0)
    variables = {}
    for band, (name, dtype) in enumerate(zip(_names(header.names), types, strict=True), start=1):
        lazy = RasterBand(_Source(path.resolve(), band, header.shape[0], south_up), header.shape, dtype)
        attributes = {
            "grid_mapping": "spatial_ref",
            **({"long_name": header.names[band - 1]} if header.names[band - 1] else {}),
        }
        variables[name] = xr.Variable(MAP_DIMS, indexing.LazilyIndexedArray(lazy), attributes)
    return xr.Dataset(variables, coords=grid_coords(grid), attrs={"Conventions": CONVENTIONS, **dict(header.tags)})


def _type_of(dtype: np.dtype[Any], nodata: float | None) -> np.dtype[Any]:
    return np.dtype(np.float32) if nodata is not None and dtype.kind in "ui" else dtype


def _names(described: tuple[str, ...]) -> list[str]:
    """Return one name per band, usable as a variable; a name that appears twice or is a coordinate is numbered."""
    names: list[str] = []
    for band, text in enumerate(described, start=1):
        name = re.sub(r"\W+", "_", text).strip("_")
        taken = {*names, *MAP_DIMS, "spatial_ref", ""}
        names.append(f"band_{band}" if name in taken else name)
    return names
