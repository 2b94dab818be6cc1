"""Polygons and masks, burnt into a grid."""

from __future__ import annotations

import logging
from pathlib import Path

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError, FieldError
from pyproj import CRS
from pyproj.exceptions import CRSError
from rasterio.features import rasterize, shapes
from shapely.errors import GEOSException
from shapely.geometry.base import BaseGeometry

from creepmeter.errors import GridError, InputError, StoreError
from creepmeter.io import swap
from creepmeter.io.quiet import georeference_may_lack
from creepmeter.io.raster import read_bands, read_header
from creepmeter.io.rasterfile import LOSSY, is_raster, require_local
from creepmeter.model.grid import (
    Grid,
    centre_positions,
    describe_grid,
    map_position,
    pixel_position,
    same_grid,
)

_LOG = logging.getLogger(__name__)
VECTOR_DRIVERS = ("GeoJSON", "GPKG", "ESRI Shapefile", "KML", "LIBKML", "FlatGeobuf")
Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]


def burn_mask(source: str | Path | BaseGeometry, grid: Grid, *, name: str = "mask", image: Grid | None = None) -> Bools:
    """Return where a mask is set, on a grid.

    Parameters
    ----------
    source : str, Path or shapely geometry
        Polygons (GeoJSON, GeoPackage, Shapefile, KML, FlatGeobuf), a raster, or a geometry in the grid's system.
    grid : Grid
        Where to burn. A cell counts when its centre lies in a polygon.
    name : str
        What the mask is for, for messages (``exclude``, ``within``, ``moving``).
    image : Grid, optional
        Grid of the images, when `grid` is not that one (a grid of chips): a raster without georeference has the shape
        of the images and lies on their grid.

    Returns
    -------
    array of bool, (y, x)
        True inside polygons, or where the raster is not zero. Lossy JPEG masks are cut at half of their maximum,
        because JPEG rings beside edges. Missing values are false.

    Raises
    ------
    InputError
        The file is unreadable, empty, or does not touch the grid.
    GridError
        A raster without georeference has another shape than the images.
    """
    if isinstance(source, BaseGeometry):
        return _burn([source], grid, name)
    if not is_raster(source):
        return _burn(polygons(source, None if grid.crs is None else grid.crs.to_wkt()), grid, f"{name} {source}")
    return _burn_raster(source, grid, name, image or grid)


def polygons(path: str | Path, crs: str | CRS | None) -> list[BaseGeometry]:
    """Read the geometries of a vector file into a reference system.

    Parameters
    ----------
    path : str or Path
        GeoJSON, GeoPackage, Shapefile, KML or FlatGeobuf. A file without reference system is taken to be in `crs`.
    crs : str, CRS or None
        Reference system to bring them to; None leaves coordinates as they are.

    Returns
    -------
    list of shapely geometries
        Valid; self-crossing polygons are repaired.

    Raises
    ------
    InputError
        The file is unreadable, of another format, or holds no polygon.
    """
    frame = read_frame(path)
    if crs is not None and frame.crs is None:
        _LOG.warning("%s has no reference system: taken to be in that of the images", path)
    elif crs is not None:
        try:
            frame = frame.to_crs(CRS.from_user_input(crs))
        except CRSError as problem:
            message = f"{path} cannot be brought to the reference system of the images: {problem}"
            raise InputError(message) from problem
    found = [
        shapely.make_valid(shapely.force_2d(shape))
        for shape in frame.geometry
        if shape is not None and not shape.is_empty
    ]
    found = [shape for shape in found if shape.area > 0]
    if not found:
        message = f"{path} holds no polygon: draw one, or leave the option out"
        raise InputError(message)
    return found


def read_frame(path: str | Path, what: str = "polygons") -> gpd.GeoDataFrame:
    """Read the shapes of a vector file and what it says of each; `what` they should be, for messages.

    Raises
    ------
    InputError
        The file is unreadable or of another format.
    """
    found = require_local(path)
    _require_vector(found, path, what)
    try:
        driver = pyogrio.read_info(found.resolve())["driver"]
        if driver in VECTOR_DRIVERS:
            return gpd.read_file(found.resolve(), engine="pyogrio")
    except (DataSourceError, DataLayerError, FieldError, GEOSException, ValueError, RuntimeError) as problem:
        message = f"{path} cannot be read as {what} ({problem}): save it as GeoJSON or GeoPackage"
        raise InputError(message) from problem
    message = f"{path}: format {driver} is not among {', '.join(VECTOR_DRIVERS)}: save it as GeoJSON or GeoPackage"
    raise InputError(message)


def _require_vector(found: Path, path: str | Path, what: str) -> None:
    """Look at the first bytes first, so that drivers that lead to other files or addresses never see the file."""
    with swap.file_errors(found, "read"), found.open("rb") as file:
        head = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    known = head.startswith((b"SQLite format 3\x00", b"\x00\x00\x27\x0a", b"fgb\x03", b"{"))
    known = known or (head.startswith(b"<") and b"<kml" in head)
    if not known or b"OGRVRT" in head or b"gdal_streamed_alg" in head:
        message = (
            f"{path} cannot be read as {what} (its content is no image and none of {', '.join(VECTOR_DRIVERS)}): "
            "save it as GeoJSON or GeoPackage"
        )
        raise InputError(message)


def _burn(shapes: list[BaseGeometry], grid: Grid, name: str) -> Bools:
    frame = shapely.box(*_bounds(grid))
    if not any(shape.intersects(frame) for shape in shapes):
        theirs = tuple(round(float(value), 3) for value in shapely.total_bounds(np.array(shapes)))
        ours = tuple(round(float(value), 3) for value in _bounds(grid))
        message = (
            f"{name}: the polygons (x {theirs[0]} to {theirs[2]}, y {theirs[1]} to {theirs[3]}) lie outside the images "
            f"(x {ours[0]} to {ours[2]}, y {ours[1]} to {ours[3]}; {describe_grid(grid)}): check the reference system"
        )
        raise InputError(message)
    with georeference_may_lack():
        burnt = rasterize(shapes, out_shape=tuple(grid.shape), transform=grid.affine, dtype="uint8", all_touched=False)
    return np.asarray(burnt > 0)


def trace_polygons(mask: Bools, grid: Grid) -> BaseGeometry:
    """Return the outline of the cells that are set, along their edges, as one (multi-)polygon."""
    traced = shapes(mask.astype(np.uint8), mask=mask, connectivity=4, transform=grid.affine)
    return shapely.union_all([shapely.geometry.shape(outline) for outline, _ in traced])


def write_frame(frame: gpd.GeoDataFrame, path: Path, layer: str) -> None:
    """Write shapes and what is said of each as GeoPackage or GeoJSON, whole or not at all.

    Parameters
    ----------
    frame : GeoDataFrame
        Shapes in their reference system; GeoJSON takes them to longitude and latitude, as its standard asks.
    path : Path
        Ends in ``.gpkg``, ``.geojson`` or ``.json``.
    layer : str
        Name of the layer.

    Raises
    ------
    StoreError
        The disk is full or not writable.
    """
    is_package = path.suffix.lower() == ".gpkg"
    partial = swap.partial_of(path).with_suffix(f".partial{path.suffix}")
    shown = frame if is_package or frame.crs is None else frame.to_crs("EPSG:4326")
    with swap.file_errors(path, "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)
        try:
            shown.to_file(partial, driver="GPKG" if is_package else "GeoJSON", layer=layer, engine="pyogrio")
            partial.replace(path)
        except (DataSourceError, DataLayerError) as problem:
            message = f"cannot write {path}: {problem}; check free space and permission"
            raise StoreError(message) from problem
        finally:
            partial.unlink(missing_ok=True)


def _bounds(grid: Grid) -> tuple[float, float, float, float]:
    rows, columns = grid.shape
    xs, ys = map_position(grid, [0, columns, 0, columns], [0, 0, rows, rows])
    return float(xs.min()), float(ys.min()), float(xs.max()), float(ys.max())


def _burn_raster(source: str | Path, grid: Grid, name: str, image: Grid) -> Bools:
    header = read_header(source)
    values, found, nodata = read_bands(source)
    marked = _marked(values, nodata, lossy=header.driver in LOSSY)
    if header.grid is None:
        if found.shape != image.shape:
            message = (
                f"{name} {source} has {found.shape[0]} x {found.shape[1]} px and no georeference, the images have "
                f"{image.shape[0]} x {image.shape[1]}: make the mask in the shape of the images, or give polygons"
            )
            raise GridError(message)
        found = image
    if same_grid(found, grid):
        return marked
    return _nearest(marked, found, grid, f"{name} {source}")


def _marked(values: npt.NDArray[np.generic], nodata: float | None, *, lossy: bool) -> Bools:
    numbers = np.asarray(values)
    present = ~np.isnan(numbers) if numbers.dtype.kind == "f" else np.ones(numbers.shape, bool)
    if nodata is not None and not np.isnan(nodata):
        present &= numbers != nodata
    threshold = numbers.max() / 2 if lossy else 0
    marked = (numbers > threshold) if lossy else (numbers != 0)
    return np.asarray((marked & present).any(axis=0))


def _nearest(mask: Bools, found: Grid, grid: Grid, name: str) -> Bools:
    if (found.crs is None) != (grid.crs is None):
        message = (
            f"{name} lies on {describe_grid(found)}, the images on {describe_grid(grid)}: give both a reference system"
        )
        raise GridError(message)
    rows, columns = _pixels_under(grid, found)
    inside = (rows >= 0) & (rows < mask.shape[0]) & (columns >= 0) & (columns < mask.shape[1])
    if not inside.any():
        message = f"{name} ({describe_grid(found)}) lies outside the images ({describe_grid(grid)}): check the file"
        raise InputError(message)
    if not inside.all():
        _LOG.warning("%s covers %.0f %% of the images only: taken as not set elsewhere", name, 100 * inside.mean())
    out = np.zeros(tuple(grid.shape), bool)
    out[inside] = mask[rows[inside], columns[inside]]
    return out


def _pixels_under(grid: Grid, found: Grid) -> tuple[Indices, Indices]:
    """Return row and column, in the raster `found`, of the pixel under each cell centre of `grid`."""
    columns, rows = pixel_position(found, *centre_positions(grid), grid.crs)
    far = ~(np.isfinite(rows) & np.isfinite(columns))
    rows[far] = columns[far] = -1
    return np.floor(rows).astype(np.int64), np.floor(columns).astype(np.int64)
