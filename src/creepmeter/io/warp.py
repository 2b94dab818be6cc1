"""Images brought to another grid, on demand only."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import CRS, Transformer
from rasterio.enums import Resampling
from rasterio.warp import reproject

from creepmeter.model.grid import Grid, map_position, pixel_position, system_of

Floats32 = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
_POINTS = 33  # along each edge


def resample(values: Floats32, source: Grid, target: Grid, method: Literal["nearest", "bilinear", "cubic"]) -> Floats32:
    """Return an image on another grid, places computed exactly.

    Parameters
    ----------
    values : array, (y, x) float32
        On `source`; NaN = missing.
    source, target : Grid
        With reference systems, which may differ.
    method : {"nearest", "bilinear", "cubic"}
        How values between pixels are taken.

    Returns
    -------
    array, (y, x) float32
        On `target`; NaN beyond `source`, and where the pixel of `source` that a centre lies in is missing.
    """
    found = np.full(tuple(target.shape), np.nan, np.float32)
    systems = [None if grid.crs is None else grid.crs.to_wkt() for grid in (source, target)]
    reproject(
        values,
        found,
        src_transform=source.affine,
        src_crs=systems[0],
        src_nodata=np.nan,
        dst_transform=target.affine,
        dst_crs=systems[1],
        dst_nodata=np.nan,
        resampling=Resampling[method],
        tolerance=0.0,
    )
    return found


def geographic_grid(grid: Grid) -> Grid:
    """Return the grid of longitude and latitude (WGS 84) that takes a map in, with pixels of about its size.

    A map in degrees that is north up keeps its own.
    """
    system = CRS.from_wkt(system_of(grid).to_wkt())
    if system.is_geographic and grid.affine.a > 0 > grid.affine.e and grid.affine.b == grid.affine.d == 0:
        return grid
    middle = np.array(grid.shape) / 2
    column = middle[1] + np.array([0.0, 1.0, 0.0])
    row = middle[0] + np.array([0.0, 0.0, 1.0])
    bring = Transformer.from_crs(system, "EPSG:4326", always_xy=True)
    longitude, latitude = bring.transform(*map_position(grid, column, row))
    step = abs(longitude[1] - longitude[0]), abs(latitude[2] - latitude[0])
    east, north = bring.transform(*map_position(grid, *_outline(grid)))
    east = (east - longitude[0] + 180) % 360 - 180 + longitude[0]  # all on one side, also across 180 degrees
    line = date_line(float(east.min()))
    west = line - np.ceil((line - east.min()) / step[0]) * step[0]  # 180 degrees are an edge of pixels
    east = np.append(east, west)
    rows, columns = (int(np.ceil(np.ptp(values) / size)) for values, size in ((north, step[1]), (east, step[0])))
    return GeoBox((rows, columns), Affine(step[0], 0.0, east.min(), 0.0, -step[1], north.max()), "EPSG:4326")


def date_line(west: float) -> float:
    """Return the first longitude of 180 degrees, in any count of turns, east of a longitude."""
    return float(180.0 + 360.0 * np.floor((west + 180.0) / 360.0))


def _outline(grid: Grid) -> tuple[Floats, Floats]:
    """Return columns and rows of points along the edges of a grid, pixels."""
    rows, columns = grid.shape
    along, down = np.linspace(0, columns, _POINTS), np.linspace(0, rows, _POINTS)
    column = np.concatenate([along, along, np.zeros(_POINTS), np.full(_POINTS, columns)])
    return column, np.concatenate([np.zeros(_POINTS), np.full(_POINTS, rows), down, down])


def window_below(target: Grid, source: Grid, margin: int = 2) -> tuple[slice, slice]:
    """Return rows and columns of `source` that lie below `target`, and a few more; empty slices where none do."""
    x, y = map_position(target, *_outline(target))
    column, row = pixel_position(source, x, y, target.crs)
    spans = []
    for values, size in zip((row, column), source.shape, strict=True):
        first, last = int(np.floor(values.min())) - margin, int(np.ceil(values.max())) + margin
        spans.append(slice(min(max(first, 0), size), max(min(last, size), 0)))
    return spans[0], spans[1]
