"""Pixels of places in degrees: on a map grid, and by a table on one that tells pixels in radar coordinates."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pyproj import Transformer

from creepmeter.model.grid import Grid, map_position

Floats = npt.NDArray[np.float64]
Values = npt.NDArray[np.floating]
Area = tuple[float, float, float, float]
_DEGREES = "EPSG:4326"
_EDGE_POINTS = 21
_CIRCLE = 360.0
_MOST_LATITUDE, _MOST_LONGITUDE = 90.0, 360.0


def cell_position(grid: Grid, latitude: npt.ArrayLike, longitude: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Return row and column of places in degrees, 0 = outer edge of the first pixel.

    Parameters
    ----------
    grid : Grid
        On a projected grid numbers that cannot be degrees are taken as its own y and x.
    latitude, longitude : array
        Degrees.
    """
    y, x = np.asarray(latitude, np.float64), np.asarray(longitude, np.float64)
    degrees = bool((np.abs(y) <= _MOST_LATITUDE).all() and (np.abs(x) <= _MOST_LONGITUDE).all())
    if degrees and grid.crs is not None and not grid.crs.geographic:
        x, y = Transformer.from_crs(_DEGREES, grid.crs.to_wkt(), always_xy=True).transform(x, y)
    west, north = map_position(grid, 0.0, 0.0)
    if grid.crs is not None and grid.crs.geographic:  # 237 degrees east is 123 degrees west
        middle = float(west) + grid.affine.a * grid.shape[1] / 2
        x = x + _CIRCLE * np.round((middle - x.mean()) / _CIRCLE)
    return (np.asarray(y) - north) / grid.affine.e, (np.asarray(x) - west) / grid.affine.a


def area_position(grid: Grid, area: Area) -> tuple[float, float, float, float]:
    """Return first row, end, first column, end of an area, 0 = outer edge of the first pixel.

    Parameters
    ----------
    grid : Grid
        Grid of a map.
    area : (float, float, float, float)
        South, north, west, east, degrees. On a projected grid its edges are bent.
    """
    south, north, west, east = area
    along, up = np.linspace(west, east, _EDGE_POINTS), np.linspace(south, north, _EDGE_POINTS)
    longitude = np.concatenate([along, along, np.full(_EDGE_POINTS, west), np.full(_EDGE_POINTS, east)])
    latitude = np.concatenate([np.full(_EDGE_POINTS, south), np.full(_EDGE_POINTS, north), up, up])
    rows, columns = cell_position(grid, latitude, longitude)
    return float(rows.min()), float(rows.max()), float(columns.min()), float(columns.max())


def cells_around(grid: Grid, area: Area) -> tuple[slice, slice]:
    """Return the rows and columns of a table that an area touches, with their neighbours; may be empty."""
    top, bottom, left, right = area_position(grid, area)
    ends = []
    for first, last, size in ((top, bottom, grid.shape[0]), (left, right, grid.shape[1])):
        start = min(max(int(np.floor(first)) - 1, 0), size)
        ends.append(slice(start, max(min(int(np.ceil(last)) + 1, size), start)))
    return ends[0], ends[1]


def pixels_of_table(rows: Values, columns: Values, first: tuple[int, int] = (0, 0)) -> tuple[Floats, Floats]:
    """Return the pixels that a table tells, NaN where it tells none (NaN, or 0 in both).

    Parameters
    ----------
    rows, columns : array
        Values of the table: pixels of the whole radar image, centres are whole numbers.
    first : (int, int)
        Row and column of the whole that is the first of the part in use.
    """
    known = np.isfinite(rows) & np.isfinite(columns) & ((rows != 0) | (columns != 0))
    down, across = (
        np.where(known, values.astype(np.float64), np.nan) - start
        for values, start in zip((rows, columns), first, strict=True)
    )
    return down, across


def box_of_pixels(rows: Floats, columns: Floats, shape: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """Return first row, end, first column, end of the pixels of a map that positions touch; None when none does."""
    ends: list[int] = []
    near = (rows > -1) & (rows < shape[0]) & (columns > -1) & (columns < shape[1])
    if not near.any():
        return None
    for position, size in ((rows[near], shape[0]), (columns[near], shape[1])):
        ends += [max(int(np.floor(position.min())), 0), min(int(np.ceil(position.max())), size - 1) + 1]
    return ends[0], ends[1], ends[2], ends[3]
