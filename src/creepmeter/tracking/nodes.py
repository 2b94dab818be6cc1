"""Places in map coordinates: nodes of a grid, lists of points, and maps that guide the search there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from affine import Affine
from odc.geo.geobox import GeoBox

from creepmeter.errors import GridError, InputError
from creepmeter.io.points import PointTable
from creepmeter.io.raster import read_header, read_maps
from creepmeter.model.epoch import years_since
from creepmeter.model.grid import (
    Grid,
    centre_positions,
    describe_grid,
    map_position,
    metres_per_pixel,
    pixel_position,
    turn_between,
)
from creepmeter.model.pair import Pair
from creepmeter.tracking.options import TrackOptions
from creepmeter.tracking.points import Places

Doubles: TypeAlias = npt.NDArray[np.float64]
GridLike: TypeAlias = str | Path | float | Grid
Unit: TypeAlias = Literal["m", "m/yr"]

MOST_NODES = 100_000_000


@dataclass(frozen=True)
class Guide:
    """Maps that guide the search; each has a grid of its own, the value nearest to a place counts.

    Parameters
    ----------
    prior : path, optional
        Raster of expected motion, bands east and north. Missing: no offset is expected there.
    prior_unit : str
        ``m``, displacement from the earlier to the later image; ``m/yr``, velocity.
    search_map : path, optional
        Raster of search radii, pixels: one band, or two for along x and along y. 0 or missing: do not measure there.
    """

    prior: str | Path | None = None
    prior_unit: Unit = "m"
    search_map: str | Path | None = None

    def offsets(self, x: Doubles, y: Doubles, crs: Any, image: Grid, pair: Pair) -> tuple[Doubles, Doubles]:  # noqa: ANN401
        """Return the expected offset (dy, dx) at map positions, pixels of the image; NaN = none.

        Raises
        ------
        InputError
            The raster has not two bands, or the images no metric reference system.
        """
        if self.prior is None:
            return np.zeros(x.shape), np.zeros(x.shape)
        _require_bands(self.prior, (2,), "prior: east and north")
        (east, north), grid = sample(self.prior, (1, 2), x, y, crs)
        factor = float(years_since(np.array([pair.sec]), pair.ref)[0]) if self.prior_unit == "m/yr" else 1.0
        # where the raster lies in another system than the images, its north is another
        east, north = _turned(east, north, -turn_between(crs, grid.crs, x, y) + turn_between(crs, image.crs, x, y))
        dx, dy = np.einsum("ij,j...->i...", np.linalg.inv(metres_per_pixel(image)), np.stack([east, north]) * factor)
        return dy, dx

    def radii(self, x: Doubles, y: Doubles, crs: Any, options: TrackOptions) -> tuple[Doubles, Doubles]:  # noqa: ANN401
        """Return the search radius (y, x) at map positions, pixels; 0 = do not measure.

        Raises
        ------
        InputError
            The raster has not one or two bands.
        """
        if self.search_map is None:
            down, along = options.search_yx
            return np.full(x.shape, float(down)), np.full(x.shape, float(along))
        bands = _require_bands(self.search_map, (1, 2), "search map: one radius, or those along x and along y")
        found, _ = sample(self.search_map, tuple(range(1, bands + 1)), x, y, crs)
        radii = np.nan_to_num(found)
        return radii[-1], radii[0]


def _require_bands(path: str | Path, allowed: tuple[int, ...], what: str) -> int:
    count = read_header(path).count
    if count not in allowed:
        message = f"{path} has {count} band(s), not {' or '.join(map(str, allowed))} ({what})"
        raise InputError(message)
    return count


def sample(
    path: str | Path,
    bands: tuple[int, ...],
    x: Doubles,
    y: Doubles,
    crs: Any,  # noqa: ANN401 - whatever pyproj takes
) -> tuple[Doubles, Grid]:
    """Return the pixels of a raster under map positions, (band, ...), NaN = missing or outside, and its grid.

    Raises
    ------
    InputError
        The raster has no georeference, or lies elsewhere.
    """
    values, grid = read_maps(path, bands)
    column, row = pixel_position(grid, x, y, crs)
    inside = (column >= 0) & (row >= 0) & (column < grid.shape[1]) & (row < grid.shape[0])
    if not inside.any():
        message = f"{path} ({describe_grid(grid)}) covers no place where offsets are measured: check the file"
        raise InputError(message)
    found = np.full((len(bands), *x.shape), np.nan)
    found[:, inside] = values[:, row[inside].astype(np.int64), column[inside].astype(np.int64)]
    return found, grid


def _turned(east: Doubles, north: Doubles, turn: Doubles) -> tuple[Doubles, Doubles]:
    """Return arrows turned clockwise by an angle, radians."""
    cosine, sine = np.cos(turn), np.sin(turn)
    return east * cosine + north * sine, north * cosine - east * sine


def node_grid(grid: GridLike, image: Grid) -> Grid:
    """Return the grid whose cells are centred on the nodes.

    Parameters
    ----------
    grid : path, float or Grid
        A raster, whose pixel centres are the nodes; a spacing in metres, for a grid north up over the images, whose
        edges lie at whole multiples of the spacing; or a grid.
    image : Grid
        Grid of the images.

    Raises
    ------
    GridError
        The raster has no georeference, the spacing is not positive, or there are too many nodes.
    """
    nodes = _node_grid(grid, image)
    if nodes.shape[0] * nodes.shape[1] > MOST_NODES:
        message = f"grid {describe_grid(nodes)} has more than {MOST_NODES} nodes: take a wider spacing or cut it"
        raise GridError(message)
    if (nodes.crs is None) != (image.crs is None):
        message = f"the grid lies on {describe_grid(nodes)}, the images on {describe_grid(image)}: give both a system"
        raise GridError(message)
    if nodes.affine.b or nodes.affine.d:
        message = f"the grid is rotated ({describe_grid(nodes)}): give one that is north up"
        raise GridError(message)
    return nodes


def _node_grid(grid: GridLike, image: Grid) -> Grid:
    if isinstance(grid, GeoBox):
        return grid
    if isinstance(grid, str | Path):
        header = read_header(grid)
        if header.grid is None:
            message = f"grid {grid} has no georeference: its pixels are to be the nodes"
            raise GridError(message)
        return header.grid
    if not 0 < grid < float("inf"):
        message = f"a spacing of {grid} m makes no grid: give a positive number of metres, or a raster"
        raise GridError(message)
    step = grid * _units_per_metre(image)
    rows, columns = image.shape
    x, y = map_position(image, [0, columns, 0, columns], [0, 0, rows, rows])
    west, east = np.floor(x.min() / step), np.ceil(x.max() / step)
    south, north = np.floor(y.min() / step), np.ceil(y.max() / step)
    shape = (int(north - south), int(east - west))
    return GeoBox(shape, Affine(step, 0.0, west * step, 0.0, -step, north * step), image.crs)


def _units_per_metre(image: Grid) -> float:
    return float(np.hypot(image.affine.a, image.affine.d) / np.hypot(*metres_per_pixel(image)[:, 0]))


def places_on_nodes(nodes: Grid, image: Grid, guide: Guide, options: TrackOptions, pair: Pair) -> Places:
    """Return where the nodes of a grid lie in the images, with what the guide says."""
    x, y = centre_positions(nodes)
    return _places(x, y, nodes.crs, image, guide, options, pair)


def places_of_points(table: PointTable, image: Grid, guide: Guide, options: TrackOptions, pair: Pair) -> Places:
    """Return where points lie in the images; their columns stand before the guide, and the guide before the options.

    Columns are ``chip_px``, ``search_px``, ``search_y_px`` (pixels), ``prior_east`` and ``prior_north`` (metres, in
    the axes of the points). An empty entry leaves it to the guide or the options.
    """
    if image.crs is None and table.crs is not None:
        message = "the points have a reference system, the images have none: give x and y in metres from their corner"
        raise InputError(message)
    plain = _places(table.x, table.y, table.crs or image.crs, image, guide, options, pair)
    east, north = (table.numbers(f"prior_{name}") for name in ("east", "north"))
    if (east is None) != (north is None):
        message = "the points have one of the columns prior_east and prior_north: give both, or neither"
        raise InputError(message)
    dy, dx = plain.prior_dy.astype(np.float64), plain.prior_dx.astype(np.float64)
    if east is not None and north is not None:
        east, north = _turned(east, north, turn_between(table.crs, image.crs, table.x, table.y))
        own = np.einsum("ij,jk->ik", np.linalg.inv(metres_per_pixel(image)), np.stack([east, north]))
        dx, dy = (np.where(np.isnan(mine), other, mine) for mine, other in zip(own, (dx, dy), strict=True))
    along = _filled(table.numbers("search_px"), plain.search_x)
    down = _filled(table.numbers("search_y_px"), _filled(table.numbers("search_px"), plain.search_y))
    chip = _filled(table.numbers("chip_px"), plain.chip_px)
    return Places.of(plain.row, plain.col, chip_px=chip, search_px=(down, along), prior=(dy, dx))


def _filled(own: Doubles | None, other: npt.NDArray[Any]) -> Doubles:
    return other.astype(np.float64) if own is None else np.where(np.isnan(own), other, own)


def _places(
    x: Doubles,
    y: Doubles,
    crs: Any,  # noqa: ANN401 - whatever pyproj takes
    image: Grid,
    guide: Guide,
    options: TrackOptions,
    pair: Pair,
) -> Places:
    column, row = pixel_position(image, x, y, crs)
    inside = (column >= 0) & (row >= 0) & (column <= image.shape[1]) & (row <= image.shape[0])
    if not inside.any():
        message = f"no place lies on the images ({describe_grid(image)}): check coordinates and reference system"
        raise InputError(message)
    search, prior = guide.radii(x, y, crs, options), guide.offsets(x, y, crs, image, pair)
    return Places.of(row - 0.5, column - 0.5, chip_px=options.chip_px, search_px=search, prior=prior)
