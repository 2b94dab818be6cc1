"""Map grids, and where the chips of an image lie on them.

A grid is an `odc.geo.geobox.GeoBox`: shape, affine transform from pixel corners to map, reference system. Images
without a reference system lie on a local grid in metres with the origin at their upper left corner.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import CRS

from creepmeter.errors import GridError

Grid = GeoBox
SPATIAL_REF = "spatial_ref"
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
    return GeoBox(shape, image.affine * Affine.translation(corner, corner) * Affine.scale(step_px), image.crs)


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


def _metres_per_unit(grid: Grid) -> float:
    if grid.crs is None:
        return 1.0
    crs = CRS.from_user_input(grid.crs.to_wkt())
    if crs.is_geographic:
        message = f"the grid is in degrees ({crs.name}): reproject the images to a metric system such as UTM first"
        raise GridError(message)
    return float(crs.axis_info[0].unit_conversion_factor)


def same_grid(first: Grid, second: Grid) -> bool:
    """Tell whether two grids have one shape, one reference system and corners within a thousandth of a pixel."""
    if first.shape != second.shape or first.crs != second.crs:
        return False
    corners = np.array([(0, 0), (first.shape[1], 0), (0, first.shape[0])], dtype=float).T
    ours, theirs = (np.stack(grid.affine * corners) for grid in (first, second))
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


def describe_grid(grid: Grid) -> str:
    """Return a grid in words: shape, pixel, upper left corner, reference system."""
    affine = grid.affine
    system = "no reference system" if grid.crs is None else str(grid.crs)
    return (
        f"{grid.shape[0]} x {grid.shape[1]} px of {affine.a:g} x {affine.e:g} from ({affine.c:.10g}, {affine.f:.10g}), {system}"
    )


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
    projected: Mapping[str, str] = {} if grid.crs is None else {"axis_prefix": "projection_"}
    prefix = projected.get("axis_prefix", "")
    axis = {
        name: {"standard_name": f"{prefix}{name}_coordinate" if prefix else "", "units": "m", "axis": name.upper()}
        for name in "yx"
    }
    if not prefix:
        axis = {name: {"long_name": f"{name} from the upper left corner", "units": "m", "axis": name.upper()} for name in "yx"}
    attributes: dict[str, Any] = {} if grid.crs is None else _crs_attributes(grid)
    attributes["GeoTransform"] = " ".join(repr(float(value)) for value in affine.to_gdal())
    return {
        "y": xr.DataArray(affine.f + affine.e * (np.arange(rows) + 0.5), dims="y", attrs=axis["y"]),
        "x": xr.DataArray(affine.c + affine.a * (np.arange(columns) + 0.5), dims="x", attrs=axis["x"]),
        SPATIAL_REF: xr.DataArray(np.int64(0), attrs=attributes),
    }


def _crs_attributes(grid: Grid) -> dict[str, Any]:
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
    numbers = [float(text) for text in attributes["GeoTransform"].split()]
    shape = (dataset.sizes["y"], dataset.sizes["x"])
    return GeoBox(shape, Affine.from_gdal(*numbers), attributes.get("crs_wkt"))
