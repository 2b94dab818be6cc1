"""Map grids, and where the chips of an image lie on them.

A grid is an `odc.geo.geobox.GeoBox`: shape, affine transform from pixel corners to map, reference system. Images
without a reference system lie on a local grid in metres with the origin at their upper left corner.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from affine import Affine
from odc.geo.crs import CRS as OdcSystem  # noqa: N811 - another CRS than pyproj's
from odc.geo.geobox import GeoBox
from pyproj import CRS, Proj, Transformer

from creepmeter.errors import GridError
from creepmeter.model.conventions import SPATIAL_REF

Grid = GeoBox
DEGREE_M = 111_195.0  # of latitude, on a sphere
_TOLERANCE_PX = 1e-3  # grids closer than a thousandth of a pixel are the same grid


def pixel_grid(shape: tuple[int, int], pixel_size_m: float = 1.0) -> Grid:
    """Return the local grid of an image without georeference: x right, y up, metres from the upper left corner.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns.
    pixel_size_m : float
        Edge of a pixel, metres.
    """
    return GeoBox(shape, Affine(pixel_size_m, 0.0, 0.0, 0.0, -pixel_size_m, 0.0), None)


def chip_grid(image: Grid, shape: tuple[int, int], chip_px: int, step_px: int) -> Grid:
    """Return the grid whose cells are centred on the chips of an image.

    Parameters
    ----------
    image : Grid
        Grid of the image.
    shape : (int, int)
        Rows and columns of chips.
    chip_px, step_px : int
        Edge of a chip and distance between chips, image pixels.
    """
    corner = (chip_px - step_px) / 2
    west, north = map_position(image, corner, corner)
    a, b, _, d, e, _ = image.affine[:6]
    step = step_px
    return GeoBox(shape, Affine(a * step, b * step, float(west), d * step, e * step, float(north)), image.crs)


def map_position(
    grid: Grid, column: npt.ArrayLike, row: npt.ArrayLike
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return map coordinates x and y of positions in pixels, (0, 0) = upper left corner of the first pixel."""
    a, b, west, d, e, north = grid.affine[:6]  # written out: affine 3 wants `@`, affine 2 knows only `*`
    column, row = np.asarray(column, np.float64), np.asarray(row, np.float64)
    return west + a * column + b * row, north + d * column + e * row


def centre_positions(grid: Grid) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return map coordinates x and y of the centres of all cells, (rows, columns) each."""
    column, row = np.meshgrid(np.arange(grid.shape[1]) + 0.5, np.arange(grid.shape[0]) + 0.5)
    return map_position(grid, column, row)


def pixel_position(
    grid: Grid,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    crs: Any,  # noqa: ANN401 - whatever pyproj takes
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return column and row of map positions, pixels, (0, 0) = upper left corner of the first pixel; NaN = nowhere.

    Parameters
    ----------
    grid : Grid
        Where they fall.
    x, y : float
        Map coordinates.
    crs : anything that pyproj takes, or None
        Their reference system; None, and a grid without one, mean that both have the same.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if crs is not None and grid.crs is not None and grid.crs != crs:
        x, y = Transformer.from_crs(_system(crs), _system(grid.crs), always_xy=True).transform(x, y)
        if grid.crs.geographic:
            x = _near_longitude(grid, np.asarray(x))
    known = np.isfinite(x) & np.isfinite(y)
    x, y = np.where(known, x, np.nan), np.where(known, y, np.nan)
    a, b, west, d, e, north = (~grid.affine)[:6]
    return west + a * x + b * y, north + d * x + e * y


def _near_longitude(grid: Grid, x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return longitudes moved by whole turns to within half a turn of the middle of a grid, which may cross 180."""
    middle, _ = map_position(grid, grid.shape[1] / 2, grid.shape[0] / 2)
    with np.errstate(invalid="ignore"):
        return np.asarray(x + 360 * np.round((middle - x) / 360))


def turn_between(
    source: Any,  # noqa: ANN401 - whatever pyproj takes
    target: Any,  # noqa: ANN401
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Return by how many radians, clockwise, an arrow (east, north) of one reference system is turned in another.

    Parameters
    ----------
    source, target : anything that pyproj takes, or None
        Reference systems, projected or geographic. None, or the same: nothing is turned.
    x, y : float64
        Where the arrows are, coordinates in `source`.

    Notes
    -----
    The difference of the convergences of the meridians.
    """
    if source is None or target is None or _system(source) == _system(target):
        return np.zeros(np.shape(x))
    lon, lat = Transformer.from_crs(_system(source), "EPSG:4326", always_xy=True).transform(x, y)
    known = np.isfinite(lon) & np.isfinite(lat)
    turn = np.zeros(np.shape(x))
    for sign, system in ((1, _system(source)), (-1, _system(target))):
        if not system.is_geographic:
            turn[known] += sign * np.radians(Proj(system).get_factors(lon[known], lat[known]).meridian_convergence)
    return turn


def _system(crs: Any) -> CRS:  # noqa: ANN401 - whatever pyproj takes
    return CRS.from_wkt(crs.to_wkt()) if hasattr(crs, "to_wkt") else CRS.from_user_input(crs)


def metres_per_pixel(grid: Grid) -> npt.NDArray[np.float64]:
    """Return the matrix that turns (columns, rows) into metres (east, north), shape (2, 2).

    Raises
    ------
    GridError
        The reference system is geographic.
    """
    affine = grid.affine
    matrix = np.array([[affine.a, affine.b], [affine.d, affine.e]], dtype=np.float64)
    return matrix * _metres_per_unit(grid)


def metres_per_cell(grid: Grid) -> tuple[float, float]:
    """Return width and height of a cell in metres; in degrees, those at the middle of the grid."""
    if grid.crs is not None and grid.crs.geographic:
        middle = np.radians(grid.affine.f + grid.affine.e * grid.shape[0] / 2)
        return float(abs(grid.affine.a) * DEGREE_M * np.cos(middle)), abs(grid.affine.e) * DEGREE_M
    width, height = np.abs(np.diag(metres_per_pixel(grid)))
    return float(width), float(height)


def _metres_per_unit(grid: Grid) -> float:
    if grid.crs is None:
        return 1.0
    crs = CRS.from_user_input(grid.crs.to_wkt())
    if crs.is_geographic:
        message = f"the grid is in degrees ({crs.name}): reproject the images to a metric system such as UTM first"
        raise GridError(message)
    return float(crs.axis_info[0].unit_conversion_factor)


def system_of(grid: Grid) -> OdcSystem:
    """Return the reference system of a grid.

    Raises
    ------
    GridError
        It has none.
    """
    if grid.crs is None:
        message = "the grid has no reference system: give a product on a map"
        raise GridError(message)
    return grid.crs


def same_grid(first: Grid, second: Grid) -> bool:
    """Tell whether two grids have one shape, one reference system and corners within a thousandth of a pixel."""
    if first.shape != second.shape or first.crs != second.crs:
        return False
    columns, rows = [0, first.shape[1], 0], [0, 0, first.shape[0]]
    ours, theirs = (np.stack(map_position(grid, columns, rows)) for grid in (first, second))
    size = max(abs(first.affine.a), abs(first.affine.b))
    return bool(np.abs(ours - theirs).max() <= _TOLERANCE_PX * size)


def require_same_grid(expected: Grid, found: Grid, *, expected_name: str, found_name: str) -> None:
    """Raise `GridError`, naming both, unless two grids are the same."""
    if not same_grid(expected, found):
        message = (
            f"{found_name} lies on another grid than {expected_name}: {describe_grid(found)} against "
            f"{describe_grid(expected)}; bring all images to one grid first (for example with `rio warp --like`)"
        )
        raise GridError(message)


def common_part(first: Grid, second: Grid) -> tuple[tuple[slice, slice], tuple[slice, slice]] | None:
    """Return the part that two grids share, as rows and columns of each.

    None if they lie in other reference systems, have other pixels, are shifted by a part of a pixel, or do not overlap.
    """
    if first.crs != second.crs:
        return None
    column, row = pixel_position(first, *map_position(second, [1, 0, 0], [0, 1, 0]), None)  # pixels of the second
    between = np.concatenate([part - [part[2], part[2], 0] for part in (column, row)])
    across, down = round(between[2]), round(between[5])
    slant = _TOLERANCE_PX / max(*first.shape, *second.shape)  # over the whole image less than the tolerance
    limits = np.array([slant, slant, _TOLERANCE_PX, slant, slant, _TOLERANCE_PX])
    if (np.abs(between - (1.0, 0.0, across, 0.0, 1.0, down)) > limits).any():
        return None
    rows, columns = (
        (max(0, shift), min(size, shift + other))
        for shift, size, other in zip((down, across), first.shape, second.shape, strict=True)
    )
    if rows[0] >= rows[1] or columns[0] >= columns[1]:
        return None
    moved = slice(rows[0] - down, rows[1] - down), slice(columns[0] - across, columns[1] - across)
    return (slice(*rows), slice(*columns)), moved


def part_of_grid(grid: Grid, rows: slice, columns: slice) -> Grid:
    """Return the grid of some rows and columns, slices with both ends."""
    west, north = map_position(grid, columns.start, rows.start)
    a, b, _, d, e, _ = grid.affine[:6]
    shape = (rows.stop - rows.start, columns.stop - columns.start)
    return GeoBox(shape, Affine(a, b, float(west), d, e, float(north)), grid.crs)


def describe_grid(grid: Grid) -> str:
    """Return a grid in words: shape, pixel, upper left corner, reference system."""
    affine = grid.affine
    corner = f"({affine.c:.10g}, {affine.f:.10g})"
    return f"{grid.shape[0]} x {grid.shape[1]} px of {affine.a:g} x {affine.e:g} from {corner}, {describe_system(grid)}"


def describe_system(grid: Grid) -> str:
    """Return the reference system in words: its EPSG number, else its name."""
    if grid.crs is None:
        return "no reference system"
    crs = CRS.from_wkt(grid.crs.to_wkt())
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else str(crs.name)


def grid_coords(grid: Grid) -> dict[str, xr.DataArray]:
    """Return the coordinates y, x and spatial_ref that carry a grid in a Dataset (CF grid mapping).

    Raises
    ------
    GridError
        The grid is rotated or sheared: rows and columns would not be coordinates.
    """
    affine = grid.affine
    if abs(affine.b) > 0 or abs(affine.d) > 0:
        message = f"the grid is rotated ({describe_grid(grid)}): warp the images to a north-up grid first"
        raise GridError(message)
    rows, columns = grid.shape
    attributes: dict[str, Any] = _crs_attributes(grid)
    attributes["GeoTransform"] = " ".join(repr(float(value)) for value in affine.to_gdal())
    return {
        "y": xr.DataArray(affine.f + affine.e * (np.arange(rows) + 0.5), dims="y", attrs=_axis(grid, "y")),
        "x": xr.DataArray(affine.c + affine.a * (np.arange(columns) + 0.5), dims="x", attrs=_axis(grid, "x")),
        SPATIAL_REF: xr.DataArray(np.int64(0), attrs=attributes),
    }


def _axis(grid: Grid, name: str) -> dict[str, str]:
    if grid.crs is None:
        return {"long_name": f"{name} from the upper left corner", "units": "m", "axis": name.upper()}
    if grid.crs.geographic:
        long = {"y": ("latitude", "degrees_north"), "x": ("longitude", "degrees_east")}[name]
        return {"standard_name": long[0], "units": long[1], "axis": name.upper()}
    metre = _metres_per_unit(grid)
    units = "m" if metre == 1.0 else f"{metre!r} m"  # UDUNITS writes a foot so
    return {"standard_name": f"projection_{name}_coordinate", "units": units, "axis": name.upper()}


def _crs_attributes(grid: Grid) -> dict[str, Any]:
    if grid.crs is None:
        return {}
    crs = CRS.from_user_input(grid.crs.to_wkt())
    return {key: value for key, value in crs.to_cf().items() if isinstance(value, str | int | float)}


def grid_of(dataset: xr.Dataset | xr.DataArray) -> Grid:
    """Return the grid that a Dataset carries.

    Raises
    ------
    GridError
        The dataset has no y, x and spatial_ref coordinates of a grid.
    """
    if SPATIAL_REF not in dataset.coords or "GeoTransform" not in dataset[SPATIAL_REF].attrs:
        message = "the dataset carries no grid (coordinate spatial_ref): make it with make_pair_stack(..., grid=...)"
        raise GridError(message)
    attributes = dataset[SPATIAL_REF].attrs
    affine = Affine.from_gdal(*(float(text) for text in attributes["GeoTransform"].split()))
    shape = (dataset.sizes["y"], dataset.sizes["x"])
    return GeoBox(shape, _as_cut(affine, dataset), attributes.get("crs_wkt"))


def _as_cut(affine: Affine, dataset: xr.Dataset | xr.DataArray) -> Affine:
    """Return the transform of a part of the grid: a Dataset cut by `isel` keeps the GeoTransform of the whole."""
    west, width = _origin_and_step(dataset, "x", affine.c, affine.a)
    north, height = _origin_and_step(dataset, "y", affine.f, affine.e)
    return Affine(width, 0.0, west, 0.0, height, north)


def _origin_and_step(dataset: xr.Dataset | xr.DataArray, name: str, origin: float, step: float) -> tuple[float, float]:
    """Return edge and step of the cells along one axis: those given, unless the coordinates say otherwise."""
    centres = dataset[name].values.astype(np.float64) if name in dataset.coords else np.empty(0)
    if len(centres) == 0:
        return origin, step
    size = abs(step)
    if len(centres) > 1:
        apart = float(centres[-1] - centres[0]) / (len(centres) - 1)
        step = step if abs(apart - step) <= _TOLERANCE_PX * size / len(centres) else apart
    corner = float(centres[0] - step / 2)
    return (origin if abs(corner - origin) <= _TOLERANCE_PX * size else corner), step
