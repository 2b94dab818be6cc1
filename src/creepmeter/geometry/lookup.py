"""Where the pixels of one image take their values from in another, by tables of latitude and longitude."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import Block
from creepmeter.geometry.ground_grid import GroundGrid
from creepmeter.geometry.sphere import EARTH_RADIUS_M, LocalFrame
from creepmeter.kernels.buckets import Buckets, cells_around, nearest_points, sort_points
from creepmeter.kernels.taking import take_between, take_nearest

Array = npt.NDArray[Any]
Values = npt.NDArray[np.floating]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int32]
Shares = npt.NDArray[np.float32]

STEPS_AROUND = 3.0  # a pixel counts up to this many steps of the grid away
_BLOCK_BYTES = 120.0  # per cell: coordinates of cells and of the pixels around them, twice
_POINT_BYTES = 24.0
_SHARE, _MOST_GB, _STRIP_GB = 4, 0.15, 0.016  # small arrays are given memory that was in use before
_HALF = 0.5
_RESOLUTION_M = float(np.spacing(np.float32(EARTH_RADIUS_M)))  # of places in single precision
_POLE = 89.9  # degrees: beyond, all longitudes are near one another


@dataclass(frozen=True)
class Sources:
    """Where the pixels of an image take their values from.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the image.
    columns : int
        Columns of the image that the values come from.
    place : array of int32, (pixels,)
        The pixel, or the upper left one of four, counted row by row; -1 = none.
    share : array of float32, (pixels, 2), optional
        Way to the next row and the next column, 0 to 1. None: values are taken as they are.
    """

    shape: tuple[int, int]
    columns: int
    place: Places
    share: Shares | None = None

    def take(self, values: Array, fill: float = np.nan, *, zero_missing: bool = False) -> Array:
        """Return the image of layers.

        Parameters
        ----------
        values : array, (layer, y, x)
            Masks and whole numbers are taken from the nearest pixel, and are False and 0 where there is none.
        fill : float
            Value of other layers where there is no pixel.
        zero_missing : bool
            Zero is not measured; it has no part in values between pixels.

        Returns
        -------
        array, (layer, *shape)
            Of the type of `values`.
        """
        flat = values.reshape(len(values), values.shape[1] * values.shape[2])
        if values.dtype.kind not in "fc":
            found = take_nearest(flat, self.nearest, 0)
        elif self.share is None or values.dtype.kind == "c":
            found = take_nearest(flat, self.nearest, fill)
        else:
            found = take_between(flat, self.columns, self.place, self.share, zero_missing=zero_missing, fill=fill)
        return found.reshape(len(values), *self.shape)

    @cached_property
    def nearest(self) -> Places:
        """The nearest pixel; -1 = none."""
        if self.share is None:
            return self.place
        down, across = np.rint(self.share[:, 0]), np.rint(self.share[:, 1])
        moved = self.place + (down * self.columns + across).astype(np.int32)
        return np.where(self.place < 0, self.place, moved)


def sources_on_grid(
    latitude: Values, longitude: Values, known: Mask, grid: GroundGrid, *, linear: bool = False, memory_gb: float = 4.0
) -> Sources:
    """Return which radar pixels the cells of a grid take their values from.

    Parameters
    ----------
    latitude, longitude : array, (y, x)
        Of the radar pixels, degrees.
    known : array of bool, (y, x)
        Pixels that have a place.
    grid : GroundGrid
        The grid.
    linear : bool
        Between the four pixels around; where no four are, as at the border, the nearest.
    memory_gb : float
        Memory to keep within; one block of cells is worked on at a time.

    Notes
    -----
    The nearest pixel is found exactly, by the chord of the sphere, up to three times the larger step of the grid,
    and half a metre, the resolution of places in single precision, beyond.
    """
    radius = np.radians(STEPS_AROUND * max(abs(step) for step in grid.steps)) * EARTH_RADIUS_M + _RESOLUTION_M
    reach = float(np.degrees(radius / EARTH_RADIUS_M))
    frame = LocalFrame(float(latitude[known].mean()), float(longitude[known].mean()))
    place = np.full(grid.shape, -1, np.int32)
    share = np.zeros((*grid.shape, 2), np.float32) if linear else None
    for block in _tiles(grid.shape, min(memory_gb / _SHARE, _MOST_GB)):
        window = _window(known & _near(latitude, longitude, grid, block, reach))
        if window is None:
            continue
        image = _Image.of(frame.points(latitude[window], longitude[window]), known[window], linear=linear)
        for strip in block.strips(_POINT_BYTES, _STRIP_GB):
            north, east = grid.latitudes(strip.y)[:, None], grid.longitudes(strip.x)[None]
            found = image.find(frame.points(north, east), radius)
            place[strip.y, strip.x] = _of_whole(found[0], window, latitude.shape[1]).reshape(strip.shape)
            if share is not None:
                share[strip.y, strip.x] = found[1].reshape(*strip.shape, 2)
        del image  # before the next one is made
    return Sources(grid.shape, latitude.shape[1], place.ravel(), None if share is None else share.reshape(-1, 2))


def sources_by_table(rows: Values, columns: Values, shape: tuple[int, int], *, linear: bool = False) -> Sources:
    """Return which radar pixels the cells of a map take their values from, by a table of rows and columns.

    Parameters
    ----------
    rows, columns : array, (y, x)
        Pixel of each cell, whole numbers at centres; NaN = not known.
    shape : (int, int)
        Rows and columns of the radar image.
    linear : bool
        Between the four pixels around.
    """
    tall, wide = shape
    known = np.isfinite(rows) & np.isfinite(columns)
    known &= (rows >= -_HALF) & (rows < tall - _HALF) & (columns >= -_HALF) & (columns < wide - _HALF)
    down, across = (np.where(known, values, 0.0).ravel() for values in (rows, columns))
    if not linear:
        place = np.floor(down + _HALF) * wide + np.floor(across + _HALF)
        return Sources(rows.shape, wide, np.where(known.ravel(), place, -1).astype(np.int32))
    first, share = [], np.zeros((down.size, 2), np.float32)
    for axis, (values, size) in enumerate(((down, tall), (across, wide))):
        centre = np.clip(values, 0.0, size - 1.0)
        first.append(np.clip(np.floor(centre), 0, max(size - 2, 0)))
        share[:, axis] = centre - first[-1]
    place = np.where(known.ravel(), first[0] * wide + first[1], -1).astype(np.int32)
    return Sources((rows.shape[0], rows.shape[1]), wide, place, share)


def positions_in_table(rows: Values, columns: Values, shape: tuple[int, int], *, reach: float = 1.5) -> Sources:
    """Return which cells of a table each radar pixel lies between: the table, read backwards.

    Parameters
    ----------
    rows, columns : array, (y, x)
        Pixel of each cell of the table, whole numbers at centres; NaN = not known.
    shape : (int, int)
        Rows and columns of the radar image.
    reach : float
        How far, in pixels, the nearest cell may be where no four cells lie around.
    """
    known = np.isfinite(rows) & np.isfinite(columns)
    points = np.stack([columns.ravel(), rows.ravel(), np.zeros(rows.size)], axis=1).astype(np.float64)
    down, across = np.meshgrid(np.arange(float(shape[0])), np.arange(float(shape[1])), indexing="ij")
    wanted = np.stack([across.ravel(), down.ravel(), np.zeros(down.size)], axis=1)
    nearest = nearest_points(sort_points(points, known.ravel()), wanted, reach)
    corner, share = cells_around(points, (rows.shape[0], rows.shape[1]), wanted, nearest)
    return Sources(shape, rows.shape[1], corner, share)


def _tiles(shape: tuple[int, int], memory_gb: float) -> list[Block]:
    """Cut a grid into squares: a long strip across an image that is turned has most of the image around it."""
    edge = max(int((memory_gb * 1e9 / _BLOCK_BYTES) ** 0.5), 1)
    if edge**2 >= shape[0] * shape[1]:
        return [Block(0, slice(0, shape[0]), slice(0, shape[1]))]
    cuts = [[slice(start, min(start + edge, size)) for start in range(0, size, edge)] for size in shape]
    return [Block(k, y, x) for k, (y, x) in enumerate(itertools.product(*cuts))]


@dataclass(frozen=True)
class _Image:
    """The pixels of a radar image in metres, ready to be searched."""

    points: Floats
    buckets: Buckets
    shape: tuple[int, int]
    linear: bool

    @classmethod
    def of(cls, points: Floats, known: Mask, *, linear: bool) -> _Image:
        """Sort the pixels that have a place."""
        flags = known.ravel()
        if linear:
            points[~flags] = np.nan
        return cls(points, sort_points(points, flags), (known.shape[0], known.shape[1]), linear)

    def find(self, wanted: Floats, radius: float) -> tuple[Places, Shares]:
        """Return the nearest pixels, or upper left ones and the way from there."""
        nearest = nearest_points(self.buckets, wanted, radius)
        if not self.linear:
            return nearest, np.empty((0, 2), np.float32)
        return cells_around(self.points, self.shape, wanted, nearest)


def _near(latitude: Values, longitude: Values, grid: GroundGrid, block: Block, reach: float) -> Mask:
    """Return the pixels that cells of a block may take, and some more."""
    north, east = grid.latitudes(block.y), grid.longitudes(block.x)
    wide = reach / np.cos(np.radians(min(np.abs(north).max() + reach, _POLE)))
    inside = (latitude >= north.min() - reach) & (latitude <= north.max() + reach)
    return np.asarray(inside & (longitude >= east.min() - wide) & (longitude <= east.max() + wide))


def _window(near: Mask) -> tuple[slice, slice] | None:
    """Return rows and columns that hold pixels, None when there are none."""
    ends = []
    for axis in (1, 0):
        used = np.flatnonzero(near.any(axis=axis))
        if len(used) == 0:
            return None
        # one more on each side, so that the cells that meet at a pixel are whole
        ends.append(slice(max(int(used[0]) - 1, 0), int(used[-1]) + 2))
    return ends[0], ends[1]


def _of_whole(place: Places, window: tuple[slice, slice], columns: int) -> Places:
    """Return places of a window as places of the whole image."""
    wide = min(window[1].stop, columns) - window[1].start
    row, column = place // wide + window[0].start, place % wide + window[1].start
    return np.where(place < 0, -1, row * columns + column).astype(np.int32)
