"""Between pixels and latitude and longitude, in geographic, projected and radar coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pyproj import Transformer

from creepmeter.errors import InputError
from creepmeter.io.mintpy.grid import grid_from
from creepmeter.io.mintpy.product import list_datasets, read_attributes, read_map
from creepmeter.model.grid import Grid, centre_positions
from creepmeter.model.table import area_position, box_of_pixels, cell_position, cells_around, pixels_of_table
from creepmeter.stack.reference import nearest_pixel

Floats = npt.NDArray[np.float64]
Values = npt.NDArray[np.floating]
Pixel = tuple[int, int]
Shape = tuple[int, int]
Box = tuple[int, int, int, int]
Area = tuple[float, float, float, float]
_GEOMETRIES = ("geometryRadar.h5", "geometryGeo.h5")
_MAPS, _TABLE = ("latitude", "longitude"), ("azimuthCoord", "rangeCoord")


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

    In radar coordinates it is found by maps of latitude and longitude (``geometryRadar.h5``), else by a table on a map
    grid of where each cell lies in radar coordinates (``geometryGeo.h5`` of GAMMA and ROI_PAC).

    Parameters
    ----------
    attributes : mapping of str to str
        Of the file.
    shape : (int, int)
        Rows and columns.
    where : Path
        The file.
    geometry : Path or None
        Geometry with maps or table; by default the one in ``inputs`` beside the file, or beside it.
    lalo : (float, float)
        Latitude and longitude, degrees; on a projected map also its own y and x.

    Raises
    ------
    InputError
        The point lies outside the map, or a map in radar coordinates comes without maps or table.
    """
    grid = grid_from(attributes, shape, where)
    if grid is not None:
        row, column = cell_position(grid, *lalo)
        pixel = int(np.floor(row)), int(np.floor(column))
    else:
        pixel = _radar_pixel(attributes, shape, where, geometry, lalo)
    if not (0 <= pixel[0] < shape[0] and 0 <= pixel[1] < shape[1]):
        message = f"the point at latitude {lalo[0]:g}, longitude {lalo[1]:g} lies outside the map of {where}"
        raise InputError(message)
    return pixel


def pixel_of_product(path: Path, lalo: tuple[float, float]) -> Pixel:
    """Return row and column of the pixel of a product at a latitude and longitude; see `pixel_at`."""
    return pixel_at(read_attributes(path), product_shape(path), path, None, lalo)


def pixel_box(attributes: Mapping[str, str], shape: Shape, where: Path, geometry: Path | None, area: Area) -> Box:
    """Return first row, end, first column, end of the pixels inside an area; see `pixel_at`.

    Parameters
    ----------
    attributes : mapping of str to str
        Of the file.
    shape : (int, int)
        Rows and columns.
    where : Path
        The file.
    geometry : Path or None
        Geometry with maps or table.
    area : (float, float, float, float)
        South, north, west, east, degrees.

    Raises
    ------
    InputError
        No pixel lies there, or a map in radar coordinates comes without maps or table.
    """
    south, north, west, east = area
    grid = grid_from(attributes, shape, where)
    if grid is not None:
        top, bottom, left, right = (round(end) for end in area_position(grid, area))
        box: Box | None = max(top, 0), min(bottom, shape[0]), max(left, 0), min(right, shape[1])
    else:
        box = _radar_box(attributes, shape, where, geometry, area)
    if box is None or box[0] >= box[1] or box[2] >= box[3]:
        message = f"the area {south:g} to {north:g} N, {west:g} to {east:g} E lies outside {where}"
        raise InputError(message)
    return box


def box_of_product(path: Path, area: Area) -> Box:
    """Return first row, end, first column, end of the pixels of a product inside an area; see `pixel_box`."""
    return pixel_box(read_attributes(path), product_shape(path), path, None, area)


def product_shape(path: Path) -> Shape:
    """Return rows and columns of a product."""
    shapes = [shape for shape, _ in list_datasets(path).values() if len(shape) > 1]
    rows, columns = shapes[0][-2:] if shapes else (0, 0)
    return rows, columns


# -------------------------------------------------------------------------------------------- in radar coordinates


@dataclass(frozen=True)
class LookupTable:
    """A table on a map grid that tells rows and columns of the whole radar image; `first` is the first in use."""

    path: Path
    grid: Grid
    first: Pixel

    @classmethod
    def of(cls, path: Path, attributes: Mapping[str, str]) -> LookupTable:
        """Return the table of a file for the part of the image that `attributes` describe."""
        shape = list_datasets(path)[_TABLE[0]][0]
        grid = grid_from(read_attributes(path), (shape[-2], shape[-1]), path)
        if grid is None:
            message = f"{path} has {_TABLE[0]} but no grid (Y_FIRST): load the lookup files again"
            raise InputError(message)
        row, column = (round(float(attributes.get(name, 0))) for name in ("SUBSET_YMIN", "SUBSET_XMIN"))
        return cls(path, grid, (row, column))

    def attributes(self, part: Grid) -> dict[str, str]:
        """Return the attributes of a file on a part of the map grid."""
        held, affine = read_attributes(self.path), part.affine
        numbers = {"Y_FIRST": affine.f, "X_FIRST": affine.c, "Y_STEP": affine.e, "X_STEP": affine.a}
        units: dict[str, str] = {name: held.get(name, "degrees") for name in ("Y_UNIT", "X_UNIT")}
        texts: dict[str, str] = {name: str(float(value)) for name, value in numbers.items()} | units
        return texts | {name: held[name] for name in ("EPSG", "UTM_ZONE") if name in held}

    def pixels(self, rows: slice, columns: slice) -> tuple[Floats, Floats]:
        """Return row and column in use of the cells of a window, NaN where they are not known."""
        down, across = (read_map(self.path, name, {"y": rows, "x": columns}) for name in _TABLE)
        return pixels_of_table(down, across, self.first)


def _radar_pixel(
    attributes: Mapping[str, str], shape: Shape, where: Path, geometry: Path | None, lalo: tuple[float, float]
) -> Pixel:
    found = radar_places(attributes, shape, where, geometry)
    if not isinstance(found, LookupTable):
        return nearest_pixel(*found, lalo)
    row, column = (int(np.floor(value)) for value in cell_position(found.grid, *lalo))
    if not (0 <= row < found.grid.shape[0] and 0 <= column < found.grid.shape[1]):
        return -1, -1
    down, across = (float(value[0, 0]) for value in found.pixels(slice(row, row + 1), slice(column, column + 1)))
    return (round(down), round(across)) if np.isfinite(down) else (-1, -1)


def _radar_box(
    attributes: Mapping[str, str], shape: Shape, where: Path, geometry: Path | None, area: Area
) -> Box | None:
    south, north, west, east = area
    found = radar_places(attributes, shape, where, geometry)
    if isinstance(found, LookupTable):
        return box_of_pixels(*found.pixels(*cells_around(found.grid, area)), shape)
    latitude, longitude = found
    rows, columns = np.nonzero((latitude >= south) & (latitude <= north) & (longitude >= west) & (longitude <= east))
    return box_of_pixels(rows.astype(np.float64), columns.astype(np.float64), shape)


def radar_places(
    attributes: Mapping[str, str], shape: Shape, where: Path, geometry: Path | None
) -> tuple[Values, Values] | LookupTable:
    """Return latitude and longitude of every pixel of a radar image, or else the table.

    Parameters
    ----------
    attributes : mapping of str to str
        Of the file.
    shape : (int, int)
        Rows and columns.
    where : Path
        The file.
    geometry : Path or None
        Geometry with maps or table; by default the one in ``inputs`` beside the file, or beside it.

    Raises
    ------
    InputError
        There is neither.
    """
    maps, table = _lookups(where, geometry)
    if maps is not None:
        return _latitude_longitude(maps, shape, where)
    if table is not None:
        return LookupTable.of(table, attributes)
    message = (
        f"{where} is in radar coordinates, and neither latitude and longitude nor a lookup table lie beside it "
        f"({' or '.join(_GEOMETRIES)}): give the place by row and column, or load the lookup files"
    )
    raise InputError(message)


def has_lookup(where: Path) -> bool:
    """Tell whether latitude and longitude of the pixels, or a lookup table, lie with a file in radar coordinates."""
    return any(path is not None for path in _lookups(where, None))


def _lookups(where: Path, geometry: Path | None) -> tuple[Path | None, Path | None]:
    """Return the file with maps of latitude and longitude, and that with a table on a map."""
    folders = (where.parent / "inputs", where.parent)
    beside = () if geometry is None else (geometry, *(geometry.with_name(name) for name in _GEOMETRIES))
    places = dict.fromkeys([*beside, *(folder / name for folder in folders for name in _GEOMETRIES)])
    held = {path: set(list_datasets(path)) for path in places if path.is_file()}
    named = held.get(geometry, set()) if geometry is not None else set()
    if geometry is not None and (named.issuperset(_TABLE) or (named.issuperset(_MAPS) and _in_radar(geometry))):
        held = {geometry: named}  # a file that is named and suffices counts alone
    maps = next((path for path, names in held.items() if names.issuperset(_MAPS) and _in_radar(path)), None)
    table = next((path for path, names in held.items() if names.issuperset(_TABLE)), None)
    return maps, table


def _in_radar(path: Path) -> bool:
    return "Y_FIRST" not in read_attributes(path)


def _latitude_longitude(path: Path, shape: Shape, where: Path) -> tuple[Values, Values]:
    latitude, longitude = (read_map(path, name) for name in _MAPS)
    if latitude.shape != tuple(shape):
        sizes = [" x ".join(map(str, found)) for found in (latitude.shape, shape)]
        message = f"{path} has {sizes[0]} pixels and {where} {sizes[1]}: load both again"
        raise InputError(message)
    empty = (latitude == 0) & (longitude == 0)
    return np.where(empty, np.nan, latitude), np.where(empty, np.nan, longitude)


def places_of_pixels(path: Path) -> tuple[Values, Values]:
    """Return latitude and longitude of every radar pixel by the geometry of a radar image, or by a table beside it.

    Parameters
    ----------
    path : Path
        Geometry with latitude and longitude; or a table of rows and columns on a map, beside which lies the geometry
        or the stack in radar coordinates.

    Raises
    ------
    InputError
        It is neither; or the size of the radar image is not known.
    """
    held = list_datasets(path)
    if set(_MAPS) <= set(held) and _in_radar(path):
        shape = held[_MAPS[0]][0]
        return _latitude_longitude(path, (shape[-2], shape[-1]), path)
    if not set(_TABLE) <= set(held):
        message = f"{path} has neither {' and '.join(_MAPS)} in radar coordinates nor {' and '.join(_TABLE)}"
        raise InputError(message)
    beside = (path.with_name(name) for name in (_GEOMETRIES[0], "ifgramStack.h5", "offsetStack.h5"))
    image = next((file for file in beside if file.is_file() and _in_radar(file)), None)
    if image is None:
        message = (
            f"{path} does not tell how large the radar image is, and neither {_GEOMETRIES[0]} nor ifgramStack.h5 lies "
            "beside it: put one there"
        )
        raise InputError(message)
    return backward(LookupTable.of(path, read_attributes(image)), product_shape(image))


def backward(table: LookupTable, shape: Shape) -> tuple[Values, Values]:
    """Return latitude and longitude of every pixel of a radar image, NaN where the table has none."""
    from creepmeter.geometry.lookup import positions_in_table

    rows, columns = (slice(0, size) for size in table.grid.shape)
    sources = positions_in_table(*table.pixels(rows, columns), shape)
    x, y = (values[None] for values in centre_positions(table.grid))
    latitude, longitude = sources.take(y)[0], sources.take(x)[0]
    if table.grid.crs is not None and not table.grid.crs.geographic:
        to_degrees = Transformer.from_crs(table.grid.crs.to_wkt(), "EPSG:4326", always_xy=True)
        longitude, latitude = to_degrees.transform(longitude, latitude)
        latitude, longitude = (np.where(np.isfinite(part), part, np.nan) for part in (latitude, longitude))
    return latitude, longitude
