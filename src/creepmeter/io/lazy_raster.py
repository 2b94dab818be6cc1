"""A GeoTIFF as a Dataset whose pixels are read when they are asked for."""

from __future__ import annotations

import re
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
