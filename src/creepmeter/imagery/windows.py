"""The window of an area in the rasters of a scene: numbers on one grid, and the mask brought to it.

Nothing is resampled in silence: a scene whose pixels do not lie on those of the grid is refused. What lies outside a
raster is missing. A block that cannot be read is an error, never zeros.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from creepmeter.errors import GridError, InputError
from creepmeter.imagery.access import resolved
from creepmeter.imagery.area import AreaOfInterest
from creepmeter.imagery.masks import CLOUD, MISSING, SHADOW, SNOW, Codes, MaskRule, mask_rule
from creepmeter.imagery.radiometry import Radiometry, reflectance
from creepmeter.imagery.remote import Access
from creepmeter.imagery.sensors import section, sensor_of
from creepmeter.io.rasterfile import Raster, native_grid, read_part
from creepmeter.io.vector import burn_mask
from creepmeter.io.warp import resample as resampled_onto
from creepmeter.model.grid import (
    Grid,
    centre_positions,
    common_part,
    describe_grid,
    describe_system,
    map_position,
    part_of_grid,
    pixel_position,
)

MAX_PIXELS = 150_000_000  # a tile of Sentinel-2 has 120 million
_EDGE_PX = 1e-3  # a millimetre on pixels of one metre
_MARGIN_PX = 4  # of what is resampled, about the part that is needed
_FINER, _SMALL = 4, 1_000_000  # pixels that may be read for one of the grid, and for a small grid
_STRIP = 256
Bools = npt.NDArray[np.bool_]
Method = Literal["never", "bilinear", "cubic"]


@dataclass(frozen=True)
class Fractions:
    """Shares of an area, 0 to 1.

    Parameters
    ----------
    cloud, shadow, snow, missing : float
        What the mask shows.
    masked : float
        Pixels that are not used: those of the masked classes, and missing ones.
    """

    cloud: float
    shadow: float
    snow: float
    missing: float
    masked: float


def href_of(item: Mapping[str, Any], key: str, base: str | Path | None = None) -> str:
    """Return the address (or path) of an asset.

    Parameters
    ----------
    item : mapping
        STAC item as JSON.
    key : str
        Of the asset.
    base : str or Path, optional
        Where the item lies, for relative references; default its link to itself.

    Raises
    ------
    InputError
        There is no such asset, or its address is none.
    """
    href = section(section(item, "assets"), key).get("href")
    if not isinstance(href, str):
        message = f"item {item.get('id')!r:.90} has no asset {key!r:.40} with an address: search again"
        raise InputError(message)
    links = item.get("links")
    own = [link for link in links if isinstance(link, Mapping)] if isinstance(links, list) else []
    selves = [link["href"] for link in own if link.get("rel") == "self" and isinstance(link.get("href"), str)]
    return resolved(href, selves[0] if selves else base)


# ---------------------------------------------------------------------------------------------------------------- grids


def grid_of_raster(raster: Raster, name: str) -> Grid:
    """Return the grid of an open raster, north up.

    Raises
    ------
    GridError
        It has none, is turned, or is in degrees.
    """
    grid = native_grid(raster)
    if grid is None or grid.crs is None:
        message = f"{name} has no reference system: it cannot be placed on the ground; leave it out"
        raise GridError(message)
    if abs(grid.affine.b) > 0 or abs(grid.affine.d) > 0 or grid.affine.e >= 0:
        message = f"{name} is turned against north ({describe_grid(grid)}): leave it out"
        raise GridError(message)
    return grid


class TooLargeError(InputError):
    """An area has more pixels than fit."""


def window_grid(area: AreaOfInterest, whole: Grid, name: str, *, max_pixels: int = MAX_PIXELS) -> Grid:
    """Return the pixels of a raster that an area touches, also where the raster does not reach.

    Raises
    ------
    InputError
        The raster shows nothing of the area, or the area has more pixels than fit.
    """
    grid = covering_grid(area, whole, max_pixels=max_pixels)
    if common_part(whole, grid) is None:
        message = f"{name} shows nothing of {area.name} ({describe_grid(whole)}): leave it out, or check the area"
        raise InputError(message)
    return grid


def covering_grid(area: AreaOfInterest, whole: Grid, *, max_pixels: int = MAX_PIXELS) -> Grid:
    """Return the pixels that an area touches of the lattice of a raster, wherever the raster ends.

    Raises
    ------
    TooLargeError
        They are more than fit.
    """
    left, bottom, right, top = area.bounds_in(_system(whole))
    columns, rows = pixel_position(whole, [left, right], [top, bottom], None)
    spans = [slice(_floor(first), _ceil(last)) for first, last in (rows, columns)]
    tall, wide = (span.stop - span.start for span in spans)
    if tall * wide > max_pixels:
        message = (
            f"{area.name} has {tall} x {wide} px, more than the limit of {max_pixels} px: give a smaller area, or "
            "raise --memory-gb"
        )
        raise TooLargeError(message)
    return part_of_grid(whole, spans[0], spans[1])


def _system(grid: Grid) -> str:
    assert grid.crs is not None  # noqa: S101 - `grid_of_raster` has seen to it
    return str(grid.crs.to_wkt())


def _floor(value: float) -> int:
    """Return the pixel that a place lies in; a place on an edge, but for rounding, belongs to the next one."""
    return int(np.floor(value + _EDGE_PX))


def _ceil(value: float) -> int:
    return int(np.ceil(value - _EDGE_PX))


def place_on(own: Grid, grid: Grid, name: str) -> tuple[tuple[slice, slice], tuple[slice, slice]] | None:
    """Return the part that a raster shares with a grid, rows and columns of each; None where they do not touch.

    Raises
    ------
    GridError
        Its pixels are not those of the grid: it would have to be resampled.
    """
    found = common_part(own, grid)
    if found is not None:
        return found
    ways = "search for scenes of one tile, or allow it with --resample cubic"
    if own.crs != grid.crs:
        message = (
            f"{name} lies in {describe_system(own)}, the other scenes in {describe_system(grid)}: it would have to be "
            f"resampled; {ways}"
        )
        raise GridError(message)
    column, row = pixel_position(own, *_corners(grid), None)
    across, down = column[1] - column[0], row[1] - row[0]
    if abs(across - grid.shape[1]) > _EDGE_PX or abs(down - grid.shape[0]) > _EDGE_PX:
        message = (
            f"{name} has pixels of {own.affine.a:g} x {-own.affine.e:g}, the other scenes of {grid.affine.a:g} x "
            f"{-grid.affine.e:g}: it would have to be resampled; {ways}"
        )
        raise GridError(message)
    part = np.array([column[0], row[0]]) - np.round([column[0], row[0]])
    if np.abs(part).max() > _EDGE_PX:
        message = (
            f"{name} is shifted by {part[0]:+.3g} columns and {part[1]:+.3g} rows against the pixels of the other "
            f"scenes: it would have to be resampled; {ways}"
        )
        raise GridError(message)
    return None


def _corners(grid: Grid) -> tuple[list[float], list[float]]:
    """Return x and y of the upper left and the lower right corner."""
    rows, columns = grid.shape
    a, _, west, _, e, north = grid.affine[:6]
    return [west, west + a * columns], [north, north + e * rows]


# --------------------------------------------------------------------------------------------------------------- pixels


def read_image(
    access: Access, href: str, grid: Grid, how: Radiometry, method: Method = "never"
) -> tuple[npt.NDArray[np.float32], bool]:
    """Read the window of a band as reflectance.

    Parameters
    ----------
    access : Access
        How files are reached.
    href : str
        Address or path of the raster.
    grid : Grid
        What to read.
    how : Radiometry
        How digital numbers become reflectance.
    method : {"never", "bilinear", "cubic"}
        What is done with a raster whose pixels are not those of the grid.

    Returns
    -------
    image : array, (y, x) float32
        NaN = missing, also where the raster does not reach.
    moved : bool
        Whether it was resampled.

    Raises
    ------
    GridError
        It would have to be resampled.
    InputError
        It shows nothing of the grid.
    ServiceError, ImageError
        It cannot be read, or not all of the window.
    """
    name = _name(href)
    with access.open(href) as raster:
        own = grid_of_raster(raster, name)
        if method != "never" and not _has_pixels_of(own, grid):
            return _resampled(raster, own, grid, how, method), True
        shared = place_on(own, grid, name)
        if shared is None:
            raise InputError(_nothing_of(name))
        theirs, ours = shared
        values, valid = read_part(raster, *theirs)
    image = np.full(tuple(grid.shape), np.nan, np.float32)
    image[ours] = reflectance(values, how, valid)
    return image, False


def _rim(grid: Grid) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return x and y of places along the edge of a grid, which may be bent in another reference system."""
    rows, columns = grid.shape
    along, zero, one = np.linspace(0, 1, 33), np.zeros(33), np.ones(33)
    across, down = np.r_[along, one, along, zero] * columns, np.r_[zero, along, one, along] * rows
    return map_position(grid, across, down)


def _nothing_of(name: str) -> str:
    return f"{name} shows nothing of the area: leave it out"


def _has_pixels_of(own: Grid, grid: Grid) -> bool:
    try:
        place_on(own, grid, "")
    except GridError:
        return False
    return True


def _resampled(
    raster: Raster, own: Grid, grid: Grid, how: Radiometry, method: Literal["bilinear", "cubic"]
) -> npt.NDArray[np.float32]:
    """Return reflectance on a grid whose pixels are others."""
    columns, rows = pixel_position(own, *_rim(grid), grid.crs)
    spans = [
        slice(max(_floor(places.min()) - _MARGIN_PX, 0), min(_ceil(places.max()) + _MARGIN_PX, size))
        for places, size in zip((rows, columns), own.shape, strict=True)
    ]
    if any(span.start >= span.stop for span in spans):
        raise InputError(_nothing_of(str(raster.name)))
    if math.prod(span.stop - span.start for span in spans) > _FINER * math.prod(grid.shape) + _SMALL:
        message = f"its pixels ({describe_grid(own)}) are much finer than those of the other scenes: leave it out"
        raise GridError(message)
    values, valid = read_part(raster, spans[0], spans[1])
    return resampled_onto(reflectance(values, how, valid), part_of_grid(own, spans[0], spans[1]), grid, method)


def read_mask(access: Access, href: str, grid: Grid, rule: MaskRule, *, resample: bool = False) -> Codes:
    """Read the mask of a scene onto a grid of finer or equal pixels.

    A pixel of the grid takes the class of the mask's pixel that it lies in. Where it lies in two (15 m pixels of
    Landsat in those of 30 m), it is masked when either is.

    Parameters
    ----------
    access : Access
        How files are reached.
    href : str
        Address or path of the mask.
    grid : Grid
        Of the image.
    rule : MaskRule
        What is masked.
    resample : bool
        Take the nearest pixel of masks that lie in another reference system or are finer, instead of refusing them.

    Returns
    -------
    array, (y, x) uint8
        0 = kept, else why not, see `creepmeter.imagery.masks`; missing where the mask does not reach.

    Raises
    ------
    GridError
        The mask lies in another reference system, or its pixels are finer than those of the image.
    ServiceError, ImageError
        It cannot be read.
    """
    with access.open(href) as raster:
        own = grid_of_raster(raster, _name(href))
        if own.crs != grid.crs or abs(own.affine.a) < abs(grid.affine.a) - _EDGE_PX:
            if resample:
                return _nearest_mask(raster, own, grid, rule)
            message = (
                f"mask {_name(href)} ({describe_grid(own)}) does not go with its image ({describe_grid(grid)}): leave "
                "the scene out"
            )
            raise GridError(message)
        rows, columns = (_touched(own, grid, axis) for axis in (0, 1))
        part, valid = _read_around(raster, own, (rows, columns))
    codes = np.where(valid, rule.masked(part), MISSING).astype(np.uint8)
    tops, bottoms = rows - rows.min()
    lefts, rights = columns - columns.min()
    across = np.maximum(codes[:, lefts], codes[:, rights])
    return np.asarray(np.maximum(across[tops], across[bottoms]))


def _nearest_mask(raster: Raster, own: Grid, grid: Grid, rule: MaskRule) -> Codes:
    """Return what the pixel of a mask says that each centre of a grid lies in."""
    found = np.full(tuple(grid.shape), MISSING, np.uint8)
    for first in range(0, grid.shape[0], _STRIP):
        part = slice(first, min(first + _STRIP, grid.shape[0]))
        x, y = centre_positions(part_of_grid(grid, part, slice(0, grid.shape[1])))
        column, row = (np.floor(places) for places in pixel_position(own, x, y, grid.crs))
        inside = (row >= 0) & (row < own.shape[0]) & (column >= 0) & (column < own.shape[1])
        if inside.any():
            rows, columns = row[inside].astype(np.int64), column[inside].astype(np.int64)
            numbers, _ = _read_around(raster, own, (rows, columns))
            found[part][inside] = rule.masked(numbers)[rows - rows.min(), columns - columns.min()]
    return found


def _touched(own: Grid, grid: Grid, axis: int) -> npt.NDArray[np.int64]:
    """Return the first and the last pixel of `own` that each row (or column) of `grid` touches, shape (2, n)."""
    column, row = pixel_position(own, *_corners(grid), None)
    start, stop = (row, column)[axis]
    edges = np.linspace(start, stop, grid.shape[axis] + 1)
    first = np.floor(edges[:-1] + _EDGE_PX).astype(np.int64)
    last = np.ceil(edges[1:] - _EDGE_PX).astype(np.int64) - 1
    return np.stack([first, np.maximum(first, last)])


def _read_around(
    raster: Raster, own: Grid, spans: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
) -> tuple[npt.NDArray[Any], Bools]:
    """Return the pixels within some rows and columns that may reach beyond the raster, and where it reaches."""
    firsts, lasts = [int(span.min()) for span in spans], [int(span.max()) + 1 for span in spans]
    shape = tuple(last - first for first, last in zip(firsts, lasts, strict=True))
    inner = tuple(
        slice(min(max(first, 0), size), max(min(last, size), 0))
        for first, last, size in zip(firsts, lasts, own.shape, strict=True)
    )
    values, valid = np.zeros(shape, raster.dtypes[0]), np.zeros(shape, bool)
    if all(part.start < part.stop for part in inner):
        place = tuple(slice(part.start - first, part.stop - first) for part, first in zip(inner, firsts, strict=True))
        values[place], _ = read_part(raster, inner[0], inner[1])  # 0 is a class of its own, whatever the file declares
        valid[place] = True
    return values, valid


def _name(href: str) -> str:
    """Return the end of an address for messages."""
    return Path(href.partition("?")[0]).name or href[:80]


def masked_fraction(
    item: Mapping[str, Any],
    area: AreaOfInterest,
    access: Access,
    classes: Collection[int] | None = None,
    *,
    base: str | Path | None = None,
) -> Fractions:
    """Return how much of an area a scene shows, from its mask; no other band is read.

    Parameters
    ----------
    item : mapping
        STAC item as JSON.
    area : AreaOfInterest
        Where.
    access : Access
        How files are reached.
    classes : collection of int, optional
        Classes (bits) that are masked, see `creepmeter.imagery.masks.mask_rule`.
    base : str or Path, optional
        Where the item lies, for relative references.

    Raises
    ------
    InputError
        The item has no mask, or shows nothing of the area.
    ServiceError, ImageError
        The mask cannot be read.
    """
    sensor = sensor_of(item)
    rule = mask_rule(sensor, classes)
    href = href_of(item, sensor.mask_key(item), base)
    with access.open(href) as raster:
        own = grid_of_raster(raster, _name(href))
        grid = window_grid(area, own, _name(href))
        numbers, reached = _read_around(raster, own, (_touched(own, grid, 0), _touched(own, grid, 1)))
    inside = burn_mask(area.outline_in(_system(grid)), grid, name=area.name)
    if not inside.any():  # an area smaller than a pixel
        inside[:] = True
    kinds = np.where(reached, rule.kinds(numbers), MISSING)[inside]
    masked = np.where(reached, rule.masked(numbers), MISSING)[inside]
    cloud, shadow, snow, missing = (float((kinds == code).mean()) for code in (CLOUD, SHADOW, SNOW, MISSING))
    return Fractions(cloud, shadow, snow, missing, float((masked > 0).mean()))
