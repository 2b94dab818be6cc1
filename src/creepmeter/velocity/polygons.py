"""How fast the ground moves within polygons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
import numpy.typing as npt
import xarray as xr
from pyproj import Geod, Transformer
from shapely import transform
from shapely.geometry.base import BaseGeometry

from creepmeter.errors import InputError
from creepmeter.io.vector import burn_mask
from creepmeter.model.grid import Grid, grid_of, metres_per_pixel, part_of_grid, pixel_position
from creepmeter.model.horizontal import annual_amplitude, horizontal_motion, rate_term

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Region = tuple[slice, slice]

_FAST = 95  # percentile of speed


@dataclass(frozen=True)
class Motion:
    """The rate of a map, ready for statistics.

    Parameters
    ----------
    grid : Grid
        Of the arrays.
    east, north : array, (y, x)
        Components, m/yr; of a map with one component, `east` is that one and `north` is 0.
    speed, sigma : array, (y, x)
        Size and standard error, m/yr.
    annual : array, (y, x)
        Amplitude of the annual motion, m; NaN where none is fitted.
    has_direction : bool
        There are two components.
    """

    grid: Grid
    east: Floats
    north: Floats
    speed: Floats
    sigma: Floats
    annual: Floats
    has_direction: bool

    @classmethod
    def of(cls, motion: xr.Dataset) -> Motion:
        """Return the rate of a MotionModel."""
        grid = grid_of(motion)
        movement, swing = horizontal_motion(motion), annual_amplitude(motion)
        annual = np.full(tuple(grid.shape), np.nan) if swing is None else swing
        if movement is not None:
            return cls(grid, movement.east, movement.north, movement.speed, movement.sigma, annual, has_direction=True)
        first = motion.sel(term=rate_term(motion)).isel(component=0)
        value = np.asarray(first["value"].values, np.float64)
        sigma = np.asarray(first["sigma"].values, np.float64) if "sigma" in first else np.full_like(value, np.nan)
        return cls(grid, value, np.zeros_like(value), np.abs(value), sigma, annual, has_direction=False)


@dataclass(frozen=True)
class PolygonStatistics:
    """Motion within one polygon; NaN where nothing is measured.

    Parameters
    ----------
    area_m2 : float
        Of the polygon: on the map, or on the ellipsoid where the map is in degrees.
    cells : int
        Cells of the map whose centres lie in it.
    measured : float
        Share of these cells that are measured, 0 to 1; 0 off the map.
    speed_median, speed_p95 : float
        Of the measured cells, m/yr. Speed is never negative: on still ground it shows the noise.
    east, north : float
        Median components, m/yr; with one component, `east` is its median and `north` is NaN.
    direction_deg : float
        Of the median vector, degrees clockwise from north (of the map); NaN with one component.
    coherence : float
        Length of the mean unit vector, weighted by speed: 1 = all the same way, near 0 = all ways.
    sigma : float
        Median standard error of the speed of one cell, m/yr.
    annual_m : float
        Median amplitude of the annual motion, m; NaN where none is fitted.
    """

    area_m2: float
    cells: int
    measured: float
    speed_median: float
    speed_p95: float
    east: float
    north: float
    direction_deg: float
    coherence: float
    sigma: float
    annual_m: float


def polygon_statistics(motion: xr.Dataset | Motion, shapes: Sequence[BaseGeometry]) -> tuple[PolygonStatistics, ...]:
    """Return how fast the ground moves within each polygon.

    Parameters
    ----------
    motion : Dataset
        MotionModel.
    shapes : sequence of shapely geometries
        In the reference system of the map.

    Notes
    -----
    A polygon in which no cell of the map has its centre gets the cell under a point inside it.
    """
    rate = motion if isinstance(motion, Motion) else Motion.of(motion)
    return tuple(_within(rate, shape) for shape in shapes)


def _within(rate: Motion, shape: BaseGeometry) -> PolygonStatistics:
    region, inside = cells_of(shape, rate.grid)
    known = inside & np.isfinite(rate.speed[region])
    area = area_of(shape, rate.grid)
    count = int(inside.sum())
    measured = float(known.sum() / count) if count else 0.0
    if not known.any():
        return PolygonStatistics(area, count, measured, *([float("nan")] * 8))
    east, north, speed, sigma, annual = (
        part[region][known] for part in (rate.east, rate.north, rate.speed, rate.sigma, rate.annual)
    )
    middle = float(np.median(east)), float(np.median(north))
    direction = coherence = float("nan")
    if rate.has_direction:
        direction = float(np.degrees(np.arctan2(*middle)) % 360.0)
        coherence = float(np.hypot(east.sum(), north.sum()) / speed.sum()) if speed.sum() > 0 else float("nan")
    return PolygonStatistics(
        area,
        count,
        measured,
        float(np.median(speed)),
        float(np.percentile(speed, _FAST)),
        middle[0],
        middle[1] if rate.has_direction else float("nan"),
        direction,
        coherence,
        _median(sigma),
        _median(annual),
    )


def _median(values: Floats) -> float:
    return float(np.nanmedian(values)) if np.isfinite(values).any() else float("nan")


def cells_of(shape: BaseGeometry, grid: Grid) -> tuple[Region, Bools]:
    """Return the part of a grid around a polygon, and which of its cells have their centre in it.

    Where none has, the cell under a point inside the polygon counts; off the grid the part is empty.
    """
    west, south, east, north = shape.bounds
    xs, ys = pixel_position(grid, [west, west, east, east], [south, north, south, north], None)
    columns, rows = (
        slice(max(int(np.floor(at.min())), 0), min(int(np.ceil(at.max())), size))
        for at, size in ((xs, grid.shape[1]), (ys, grid.shape[0]))
    )
    if columns.start >= columns.stop or rows.start >= rows.stop:
        return (slice(0, 0), slice(0, 0)), np.zeros((0, 0), bool)
    part = part_of_grid(grid, rows, columns)
    try:
        inside = burn_mask(shape, part, name="polygon")
    except InputError:  # its bounds touch the map, it does not
        return (rows, columns), np.zeros(tuple(part.shape), bool)
    if not inside.any():
        point = shape.representative_point()
        column, row = pixel_position(part, point.x, point.y, None)
        if 0 <= row < part.shape[0] and 0 <= column < part.shape[1]:
            inside[int(row), int(column)] = True
    return (rows, columns), inside


def area_of(shape: BaseGeometry, grid: Grid) -> float:
    """Return the area of a polygon in the reference system of a grid, m2."""
    if grid.crs is None or not grid.crs.geographic:
        unit_m = float(metres_per_pixel(grid)[0, 0] / grid.affine.a)
        return float(shape.area) * unit_m**2
    to_degrees = Transformer.from_crs(grid.crs.to_wkt(), "EPSG:4326", always_xy=True)
    places = transform(shape, lambda xy: np.column_stack(to_degrees.transform(*xy.T)))
    return abs(float(Geod(ellps="WGS84").geometry_area_perimeter(places)[0]))


def statistics_columns(found: Sequence[PolygonStatistics]) -> dict[str, list[float]]:
    """Return statistics as columns of a table."""
    rows = [asdict(each) for each in found]
    return {field.name: [row[field.name] for row in rows] for field in fields(PolygonStatistics)}
