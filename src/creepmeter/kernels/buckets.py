"""Points in buckets: the nearest of many scattered points, exactly, and the cell of a bent grid around a point.

Buckets are squares in the plane of the first two coordinates. A distance in this plane is never longer than that in
space, so that rings of buckets around a point may be left unseen once something nearer than they can be is found.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from creepmeter.kernels._jit import jit
from creepmeter.kernels.threads import in_threads

Floats = npt.NDArray[np.float64]
Shares = npt.NDArray[np.float32]
Places = npt.NDArray[np.int32]

_PER_BUCKET = 2.0
_MOST_BUCKETS = 2.0  # per point: where points lie along a line, most buckets of their box are empty
_STEPS = 12  # of Newton's method; a cell that is no fold needs three
_SLACK = 1e-9  # of a cell: a point on the edge of two lies in one of them


class Buckets(NamedTuple):
    """Points sorted into buckets.

    Parameters
    ----------
    points : float64 (n, 3)
        In order of their buckets.
    own : int32 (n,)
        Places of the points as they were given.
    starts : int32 (rows * columns + 1,)
        First point of each bucket.
    shape : (int, int)
        Rows and columns of buckets.
    corner : (float, float)
        Least first and second coordinate.
    size : float
        Edge of a bucket.
    """

    points: Floats
    own: Places
    starts: Places
    shape: tuple[int, int]
    corner: tuple[float, float]
    size: float


def sort_points(points: Floats, known: npt.NDArray[np.bool_]) -> Buckets:
    """Sort points into buckets.

    Parameters
    ----------
    points : float64 (n, 3)
        Coordinates, in one unit.
    known : bool (n,)
        Points that count.
    """
    places = np.flatnonzero(known).astype(np.int32)
    if len(places) == 0:
        return Buckets(np.empty((0, 3)), places, np.zeros(2, np.int32), (1, 1), (0.0, 0.0), 1.0)
    low, high = np.array([np.inf, np.inf]), np.array([-np.inf, -np.inf])
    _extent(points, places, low, high)
    across, down = (float(end - start) for start, end in zip(low, high, strict=True))
    count = len(places)
    # a square of the mean area that a few points have; not so small that the box has many more buckets than points
    area = max(across * down, (max(across, down) / count) ** 2, np.finfo(np.float64).tiny)
    size = max(np.sqrt(area * _PER_BUCKET / count), max(across, down) / (_MOST_BUCKETS * count), 1e-300)
    shape = int(down / size) + 1, int(across / size) + 1
    starts = np.zeros(shape[0] * shape[1] + 1, np.int32)
    ordered, own = np.empty((count, 3)), np.empty(count, np.int32)
    _sort(points, places, (float(low[0]), float(low[1])), size, shape, starts, ordered, own)
    return Buckets(ordered, own, starts, shape, (float(low[0]), float(low[1])), size)


@jit
def _extent(points: Floats, places: Places, low: Floats, high: Floats) -> None:
    for place in places:
        for axis in range(2):
            low[axis] = min(low[axis], points[place, axis])
            high[axis] = max(high[axis], points[place, axis])


@jit
def _bucket(x: float, y: float, corner: tuple[float, float], size: float, shape: tuple[int, int]) -> tuple[int, int]:
    across = min(max((x - corner[0]) / size, 0.0), shape[1] - 1.0)
    down = min(max((y - corner[1]) / size, 0.0), shape[0] - 1.0)
    return int(down), int(across)


@jit
def _sort(
    points: Floats,
    places: Places,
    corner: tuple[float, float],
    size: float,
    shape: tuple[int, int],
    starts: Places,
    ordered: Floats,
    own: Places,
) -> None:
    for place in places:
        row, column = _bucket(points[place, 0], points[place, 1], corner, size, shape)
        starts[row * shape[1] + column + 1] += 1
    for k in range(1, len(starts)):
        starts[k] += starts[k - 1]
    filled = starts[:-1].copy()
    for place in places:
        row, column = _bucket(points[place, 0], points[place, 1], corner, size, shape)
        k = filled[row * shape[1] + column]
        filled[row * shape[1] + column] += 1
        own[k] = place
        ordered[k] = points[place]


def nearest_points(buckets: Buckets, wanted: Floats, radius: float) -> Places:
    """Return the place of the nearest point to each of some others; -1 where none is within a radius.

    Parameters
    ----------
    buckets : Buckets
        The points.
    wanted : float64 (m, 3)
        Others, in the same unit; NaN = nowhere.
    radius : float
        Largest distance, in space.

    Returns
    -------
    int32 (m,)
        Of points equally near, the first as they were given.
    """
    found = np.full(len(wanted), -1, np.int32)
    if len(buckets.own):
        in_threads(lambda start, stop: _nearest(start, stop, buckets, wanted, radius, found), len(wanted))
    return found


@jit
def _nearest(start: int, stop: int, buckets: Buckets, wanted: Floats, radius: float, found: Places) -> None:
    for k in range(start, stop):
        x, y, z = wanted[k, 0], wanted[k, 1], wanted[k, 2]
        if np.isfinite(x) and np.isfinite(y) and np.isfinite(z):
            found[k] = _nearest_to(buckets, x, y, z, radius)


@jit
def _nearest_to(buckets: Buckets, x: float, y: float, z: float, radius: float) -> int:
    row, column = _bucket(x, y, buckets.corner, buckets.size, buckets.shape)
    best, place, ring = radius * radius, -1, 0
    while True:
        for i in range(max(row - ring, 0), min(row + ring + 1, buckets.shape[0])):
            step = 1 if abs(i - row) == ring else 2 * ring  # of the rows between, the two ends
            for j in range(column - ring, column + ring + 1, step):
                if 0 <= j < buckets.shape[1]:
                    best, place = _nearer(buckets, i * buckets.shape[1] + j, x, y, z, best, place)
        unseen = _unseen(buckets, x, y, row, column, ring)
        if unseen < 0.0 or (unseen > 0.0 and unseen * unseen > best):
            return place
        ring += 1


@jit
def _nearer(buckets: Buckets, bucket: int, x: float, y: float, z: float, best: float, place: int) -> tuple[float, int]:
    for k in range(buckets.starts[bucket], buckets.starts[bucket + 1]):
        dx, dy, dz = buckets.points[k, 0] - x, buckets.points[k, 1] - y, buckets.points[k, 2] - z
        distance = dx * dx + dy * dy + dz * dz
        own = buckets.own[k]
        if distance < best or (distance == best and (place < 0 or own < place)):
            best, place = distance, own
    return best, place


@jit
def _unseen(buckets: Buckets, x: float, y: float, row: int, column: int, ring: int) -> float:
    """Return how near a point may be in buckets that were not looked at; -1 when there are none, 0 when outside."""
    rows, columns = buckets.shape
    left, bottom = buckets.corner
    size, nearest = buckets.size, np.inf
    if column - ring > 0:
        nearest = min(nearest, x - (left + (column - ring) * size))
    if column + ring + 1 < columns:
        nearest = min(nearest, left + (column + ring + 1) * size - x)
    if row - ring > 0:
        nearest = min(nearest, y - (bottom + (row - ring) * size))
    if row + ring + 1 < rows:
        nearest = min(nearest, bottom + (row + ring + 1) * size - y)
    if nearest == np.inf:
        return -1.0
    # a point may lie a rounding error beyond the edge of its bucket
    return max(nearest - 1e-9 * size, 0.0)


def cells_around(points: Floats, shape: tuple[int, int], wanted: Floats, nearest: Places) -> tuple[Places, Shares]:
    """Return the cell of a bent grid of points that each of some others lies in, and where in it.

    Parameters
    ----------
    points : float64 (n, 3)
        The grid, row by row; NaN = not known. The plane of the first two coordinates counts.
    shape : (int, int)
        Its rows and columns.
    wanted : float64 (m, 3)
        Others.
    nearest : int32 (m,)
        Point of the grid that is nearest to each, -1 for none; the cells that meet there are looked at.

    Returns
    -------
    corner : int32 (m,)
        Upper left corner of the cell; the nearest point where none of the cells holds it, as beyond the edge.
    share : float32 (m, 2)
        Way from there to the next row and to the next column, 0 to 1.
    """
    corner, share = nearest.copy(), np.zeros((len(nearest), 2), np.float32)
    rows, columns = shape
    in_threads(
        lambda start, stop: _cells(start, stop, points, rows, columns, wanted, nearest, corner, share), len(nearest)
    )
    return corner, share


@jit
def _cells(
    start: int,
    stop: int,
    points: Floats,
    rows: int,
    columns: int,
    wanted: Floats,
    nearest: Places,
    corner: Places,
    share: Shares,
) -> None:
    for k in range(start, stop):
        if nearest[k] < 0:
            continue
        row, column = nearest[k] // columns, nearest[k] % columns
        for part in range(4):
            i, j = row - 1 + part // 2, column - 1 + part % 2
            if i < 0 or j < 0 or i + 1 >= rows or j + 1 >= columns:
                continue
            down, across = _within(points, i * columns + j, columns, wanted[k, 0], wanted[k, 1])
            if down >= 0.0:
                corner[k] = i * columns + j
                share[k, 0], share[k, 1] = down, across
                break


@jit
def _within(points: Floats, first: int, columns: int, x: float, y: float) -> tuple[float, float]:
    """Return where a point lies in a cell, by Newton's method on the bilinear map; -1 when it lies outside."""
    below, right, last = first + columns, first + 1, first + columns + 1
    x0, y0 = points[first, 0], points[first, 1]
    xd, yd = points[below, 0] - x0, points[below, 1] - y0
    xa, ya = points[right, 0] - x0, points[right, 1] - y0
    xt, yt = points[last, 0] - x0 - xd - xa, points[last, 1] - y0 - yd - ya
    down, across = 0.5, 0.5
    for _ in range(_STEPS):
        fx = x0 + down * xd + across * xa + down * across * xt - x
        fy = y0 + down * yd + across * ya + down * across * yt - y
        a, b = xd + across * xt, xa + down * xt
        c, d = yd + across * yt, ya + down * yt
        area = a * d - b * c
        if not abs(area) > 0.0:
            return -1.0, -1.0
        step_down, step_across = (d * fx - b * fy) / area, (a * fy - c * fx) / area
        down, across = down - step_down, across - step_across
        if abs(step_down) + abs(step_across) < _SLACK:
            break
    if not (-_SLACK <= down <= 1 + _SLACK and -_SLACK <= across <= 1 + _SLACK):
        return -1.0, -1.0
    return min(max(down, 0.0), 1.0), min(max(across, 0.0), 1.0)
