"""Where the pixels of a geometry file lie: latitude, longitude, height and incidence, block by block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import Block, plan_blocks
from creepmeter.corrections.delay_cube import Pixels
from creepmeter.errors import InputError
from creepmeter.io.mintpy import hdf
from creepmeter.io.mintpy.array import StoredArray
from creepmeter.io.mintpy.grid import grid_from
from creepmeter.io.mintpy.product import list_datasets, read_attributes
from creepmeter.model.grid import Grid, map_position
from creepmeter.model.weather import Area

Floats = npt.NDArray[np.float64]
_NEEDED = ("height", "incidenceAngle")
_PLACES = ("latitude", "longitude")
_CORNERS = tuple(f"{name}{k}" for name in ("LAT_REF", "LON_REF") for k in (1, 2, 3, 4))
_LOWEST, _HIGHEST = -500.0, 9000.0  # of ground, metres; other heights are none
_SCAN_GB, _NUMBERS = 0.8, 12
_SHARE, _MOST_GB = 8, 0.25


@dataclass(frozen=True)
class PixelGeometry:
    """Geometry of the pixels of a series.

    Parameters
    ----------
    path : Path
        ``geometryRadar.h5`` or ``geometryGeo.h5``.
    shape : (int, int)
        Rows and columns.
    arrays : mapping of str to StoredArray
        Height, incidence, and latitude and longitude where they are stored.
    grid : Grid or None
        Of geocoded pixels.
    corners : array, (2, 2, 2), optional
        Latitude and longitude of the corners, where nothing else tells them.
    """

    path: Path
    shape: tuple[int, int]
    arrays: Mapping[str, StoredArray]
    grid: Grid | None
    corners: Floats | None = None

    @classmethod
    def open(cls, path: Path) -> PixelGeometry:
        """Open a geometry; no map is read.

        Raises
        ------
        InputError
            Heights, incidence or places are missing.
        """
        held, attributes = list_datasets(path), read_attributes(path)
        lacking = [name for name in _NEEDED if name not in held]
        if lacking:
            message = f"{path} has no {' and no '.join(lacking)}: load the data again with demFile and incAngleFile"
            raise InputError(message)
        with hdf.reading(path) as file:
            arrays = {name: StoredArray.of(path, file[name]) for name in (*_NEEDED, *_PLACES) if name in held}
        shape = arrays["height"].shape[1:]
        grid = grid_from(attributes, shape, path)
        stored = all(name in arrays for name in _PLACES)
        corners = None if stored or grid is not None else _corners(attributes)
        if not stored and grid is None and corners is None:
            message = (
                f"{path} tells no latitude and longitude (neither maps, nor a grid, nor LAT_REF1 to LON_REF4): load "
                "the lookup files"
            )
            raise InputError(message)
        return cls(path, shape, arrays, grid, corners)

    def pixels(self, block: Block) -> Pixels:
        """Return the pixels of a block; those without height or place are NaN."""
        height = self._read("height", block)
        with np.errstate(invalid="ignore"):
            height[(height < _LOWEST) | (height > _HIGHEST)] = np.nan
        latitude, longitude = self._places(block)
        return Pixels(latitude, longitude, height)

    def incidence(self, block: Block) -> Floats:
        """Return the incidence of a block, degrees."""
        return self._read("incidenceAngle", block)

    def blocks(self, memory_gb: float, numbers: float) -> list[Block]:
        """Cut the map into blocks that need `numbers` of eight bytes per pixel."""
        return plan_blocks(self.shape, 8 * numbers, min(memory_gb / _SHARE, _MOST_GB))

    def extent(self) -> tuple[Area, float, float]:
        """Return the area of the pixels, and their lowest and highest height.

        Raises
        ------
        InputError
            No pixel has both.
        """
        area, low, high = None, np.inf, -np.inf
        for block in self.blocks(_SCAN_GB, _NUMBERS):
            pixels = self.pixels(block)
            known = np.isfinite(pixels.height) & np.isfinite(pixels.latitude) & np.isfinite(pixels.longitude)
            if not known.any():
                continue
            here = Area.of(pixels.latitude[known], pixels.longitude[known])
            area = here if area is None else area.with_area(here)
            low, high = min(low, float(pixels.height[known].min())), max(high, float(pixels.height[known].max()))
        if area is None:
            message = (
                f"{self.path}: no pixel has a height between {_LOWEST:g} and {_HIGHEST:g} m and a place: load it again"
            )
            raise InputError(message)
        return area, low, high

    def _read(self, name: str, block: Block) -> Floats:
        return np.asarray(self.arrays[name].read(block.y, block.x)[0], np.float64)

    def _places(self, block: Block) -> tuple[Floats, Floats]:
        if all(name in self.arrays for name in _PLACES):
            latitude, longitude = (self._read(name, block) for name in _PLACES)
            empty = (latitude == 0) & (longitude == 0)
            return np.where(empty, np.nan, latitude), np.where(empty, np.nan, longitude)
        rows, columns = np.mgrid[block.y, block.x].astype(np.float64)
        if self.corners is not None:
            down, across = rows / max(self.shape[0] - 1, 1), columns / max(self.shape[1] - 1, 1)
            return _between(self.corners[0], down, across), _between(self.corners[1], down, across)
        assert self.grid is not None  # noqa: S101 - see open
        x, y = map_position(self.grid, columns + 0.5, rows + 0.5)
        return _degrees(self.grid, np.asarray(x), np.asarray(y))


def _between(corner: Floats, down: Floats, across: Floats) -> Floats:
    first = corner[0, 0] * (1 - across) + corner[0, 1] * across
    last = corner[1, 0] * (1 - across) + corner[1, 1] * across
    return np.asarray(first * (1 - down) + last * down)


def _corners(attributes: Mapping[str, str]) -> Floats | None:
    """Return latitude and longitude of first and last line, first and last column, (2, 2, 2)."""
    try:
        return np.array([float(attributes[name]) for name in _CORNERS]).reshape(2, 2, 2)
    except (KeyError, ValueError):
        return None


def _degrees(grid: Grid, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    if grid.crs is None or grid.crs.geographic:
        return y, x
    from pyproj import Transformer

    longitude, latitude = Transformer.from_crs(str(grid.crs.to_wkt()), "EPSG:4326", always_xy=True).transform(x, y)
    return np.asarray(latitude), np.asarray(longitude)
