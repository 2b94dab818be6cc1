"""Between pixels and latitude and longitude, in geographic, projected and radar coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pyproj import Transformer

from creepmeter.errors import InputError
from creepmeter.io.mintpy.grid import grid_from
from creepmeter.io.mintpy.product import list_datasets, read_attributes, read_map
from creepmeter.model.grid import Grid, map_position

Floats = npt.NDArray[np.float64]
Pixel = tuple[int, int]
Shape = tuple[int, int]
Box = tuple[int, int, int, int]
_DEGREES = "EPSG:4326"
_RADAR_GEOMETRY = "geometryRadar.h5"


def reference_attributes(attributes: Mapping[str, str], pixel: Pixel) -> dict[str, str | None]:
    """Return the attributes that name a reference pixel: REF_Y, REF_X, and its centre on the map of geocoded stacks."""
    row, column = pixel
    found: dict[str, str | None] = {"REF_Y": str(row), "REF_X": str(column), "REF_LAT": None, "REF_LON": None}
    if "Y_FIRST" in attributes:
        number = {name: float(attributes[name]) for name in ("X_FIRST", "X_STEP", "Y_FIRST", "Y_STEP")}
        found["REF_LAT"] = str(number["Y_FIRST"] + (row + 0.5) * number["Y_STEP"])
        found["REF_LON"] = str(number["X_FIRST"] + (column + 0.5) * number["X_STEP"])
    return found


def pixel_at(
    attributes: Mapping[str, str], shape: Shape, where: Path, geometry: Path | None, lalo: tuple[float, float]
) -> Pixel:
    """Return row and column of the pixel at a latitude and longitude.

    Parameters
    ----------
    attributes : mapping of str to str
        Of the file.
    shape : (int, int)
        Rows and columns.
    where : Path
        The file.
    geometry : Path or None
        Geometry in its coordinates.
    lalo : (float, float)
        Latitude and longitude, degrees.

    Raises
    ------
    InputError
        The point lies outside the map, or a map in radar coordinates comes without latitudes.
    """
    grid = grid_from(attributes, shape, where)
    if grid is not None:
        column, row = _on_grid(grid, np.array([lalo[0]]), np.array([lalo[1]]))
        pixel = int(np.floor(row[0])), int(np.floor(column[0]))
        _require_inside(pixel, shape, where, lalo)
        return pixel
    latitude, longitude = _radar_places(shape, where, geometry)
    if latitude is None or longitude is None:
        return _by_lookup(shape, where, geometry, lalo)
    from creepmeter.stack.reference import nearest_pixel

    return nearest_pixel(latitude, longitude, lalo)


def pixel_of_product(path: Path, lalo: tuple[float, float]) -> Pixel:
    """Return row and column of the pixel of a product at a latitude and longitude; see `pixel_at`.

    Parameters
    ----------
    path : Path
        Series or map; in radar coordinates with its geometry in ``inputs`` beside it, or beside it.
    lalo : (float, float)
        Latitude and longitude, degrees.

    Raises
    ------
    InputError
        As `pixel_at`.
    """
    shapes = [shape for shape, _ in list_datasets(path).values() if len(shape) > 1]
    rows, columns = shapes[0][-2:] if shapes else (0, 0)
    places = [path.parent / folder / _RADAR_GEOMETRY for folder in ("inputs", ".")]
    geometry = next((place for place in places if place.is_file()), None)
    return pixel_at(read_attributes(path), (rows, columns), path, geometry, lalo)


def pixel_box(
    attributes: Mapping[str, str],
    shape: Shape,
    where: Path,
    geometry: Path | None,
    area: tuple[float, float, float, float],
) -> Box:
    """Return first row, end, first column, end of the pixels inside an area.

    Parameters
    ----------
    attributes : mapping of str to str
        Of the file.
    shape : (int, int)
        Rows and columns.
    where : Path
        The file.
    geometry : Path or None
        Geometry in its coordinates.
    area : (float, float, float, float)
        South, north, west, east, degrees.

    Raises
    ------
    InputError
        No pixel lies there, or a map in radar coordinates comes without latitudes.
    """
    south, north, west, east = area
    rows, columns = shape
    grid = grid_from(attributes, shape, where)
    if grid is not None:
        x, y = _on_grid(grid, np.array([south, south, north, north]), np.array([west, east, west, east]))
        box = round(y.min()), round(y.max()), round(x.min()), round(x.max())
    else:
        box = _radar_box(shape, where, geometry, area)
    first, end, start, stop = max(box[0], 0), min(box[1], rows), max(box[2], 0), min(box[3], columns)
    if first >= end or start >= stop:
        message = f"the area {south:g} to {north:g} N, {west:g} to {east:g} E lies outside {where}"
        raise InputError(message)
    return first, end, start, stop


def _radar_box(shape: Shape, where: Path, geometry: Path | None, area: tuple[float, float, float, float]) -> Box:
    south, north, west, east = area
    latitude, longitude = _radar_places(shape, where, geometry)
    if latitude is None or longitude is None:
        ends = np.array([_by_lookup(shape, where, geometry, corner) for corner in ((south, west), (north, east))])
    else:
        within = (latitude >= south) & (latitude <= north) & (longitude >= west) & (longitude <= east)
        ends = np.argwhere(within) if within.any() else np.full((1, 2), -1)
    (top, left), (bottom, right) = ends.min(axis=0), ends.max(axis=0)
    return int(top), int(bottom) + 1, int(left), int(right) + 1


def _on_grid(grid: Grid, latitude: Floats, longitude: Floats) -> tuple[Floats, Floats]:
    """Return column and row, 0 = outer edge of the first pixel."""
    x, y = longitude, latitude
    if grid.crs is not None and not grid.crs.geographic:
        x, y = Transformer.from_crs(_DEGREES, grid.crs.to_wkt(), always_xy=True).transform(longitude, latitude)
    west, north = map_position(grid, 0.0, 0.0)
    step_x, step_y = grid.affine.a, grid.affine.e
    return (np.asarray(x) - west) / step_x, (np.asarray(y) - north) / step_y


def _radar_places(shape: Shape, where: Path, geometry: Path | None) -> tuple[Floats | None, Floats | None]:
    if geometry is None or "latitude" not in list_datasets(geometry):
        return None, None
    latitude, longitude = (read_map(geometry, name).astype(np.float64) for name in ("latitude", "longitude"))
    if latitude.shape != tuple(shape):
        sizes = [" x ".join(map(str, found)) for found in (latitude.shape, shape)]
        message = f"{geometry} has {sizes[0]} pixels and {where} {sizes[1]}: load both again"
        raise InputError(message)
    empty = (latitude == 0) & (longitude == 0)
    return np.where(empty, np.nan, latitude), np.where(empty, np.nan, longitude)


def _by_lookup(shape: Shape, where: Path, geometry: Path | None, lalo: tuple[float, float]) -> Pixel:
    """Return a pixel by a table in map coordinates of where each place lies in radar coordinates."""
    folder = where.parent if geometry is None else geometry.parent
    table = folder / "geometryGeo.h5"
    if not table.is_file() or "azimuthCoord" not in list_datasets(table):
        message = (
            f"{where} is in radar coordinates, and neither latitude and longitude nor a lookup table lie beside "
            "it: give the reference pixel by row and column (reference.yx), or load the lookup files"
        )
        raise InputError(message)
    size = list_datasets(table)["azimuthCoord"][0]
    grid = grid_from(read_attributes(table), (size[-2], size[-1]), table)
    if grid is None:
        message = f"{table} has azimuthCoord but no grid (Y_FIRST): load the lookup files again"
        raise InputError(message)
    column, row = (int(np.floor(value[0])) for value in _on_grid(grid, np.array([lalo[0]]), np.array([lalo[1]])))
    inside = 0 <= row < grid.shape[0] and 0 <= column < grid.shape[1]
    names = ("azimuthCoord", "rangeCoord")
    y, x = (float(read_map(table, name)[row, column]) if inside else 0.0 for name in names)
    if not (np.isfinite(y) and np.isfinite(x) and (y, x) != (0.0, 0.0)):
        y, x = -1.0, -1.0
    pixel = round(y), round(x)
    _require_inside(pixel, shape, where, lalo)
    return pixel


def _require_inside(pixel: Pixel, shape: Shape, where: Path, lalo: tuple[float, float]) -> None:
    rows, columns = shape
    if not (0 <= pixel[0] < rows and 0 <= pixel[1] < columns):
        message = f"the point at latitude {lalo[0]:g}, longitude {lalo[1]:g} lies outside the map of {where}"
        raise InputError(message)
