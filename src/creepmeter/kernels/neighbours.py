"""Points judged by their neighbours: coherence of displacement, distance from the local median, cut-off islands."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from creepmeter.kernels._jit import jit
from creepmeter.kernels.medians import Middle, local_middle, padded
from creepmeter.kernels.robust import NMAD_FACTOR
from creepmeter.kernels.threads import in_threads

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int32]

BAND = 32  # rows whose points are linked in one go
FEWEST = 3  # neighbours below which a point cannot be judged, and an isolated point is not trusted


def agreement(dy: Floats, dx: Floats, half: int, tolerance: Floats | float) -> tuple[Counts, Counts]:
    """Count the valid neighbours of each point, and those of them within `tolerance` of it in y and in x.

    Parameters
    ----------
    dy, dx : float32 (ny, nx)
        Offsets, NaN = missing.
    half : int
        Half width of the neighbourhood, points.
    tolerance : float or float32 (ny, nx)
        Largest difference of an agreeing neighbour.

    Returns
    -------
    tuple of int32 (ny, nx)
        Agreeing and valid neighbours, the point itself not counted. None agrees with a missing point.
    """
    limit = np.ascontiguousarray(np.broadcast_to(np.asarray(tolerance, np.float32), dy.shape))
    agree, total = np.zeros(dy.shape, np.int32), np.zeros(dy.shape, np.int32)
    y, x = padded(dy, half), padded(dx, half)
    in_threads(lambda start, stop: _agreement_rows(start, stop, y, x, half, limit, agree, total), len(dy))
    return agree, total


@jit
def _agreement_rows(
    start: int, stop: int, y: Floats, x: Floats, half: int, limit: Floats, agree: Counts, total: Counts
) -> None:
    columns = limit.shape[1]
    for i in range(start, stop):
        own_y, own_x, most = y[i + half, half:], x[i + half, half:], limit[i]
        agreeing, valid = agree[i], total[i]
        for p in range(2 * half + 1):
            for q in range(2 * half + 1):
                if p == half and q == half:
                    continue
                near_y, near_x = y[i + p, q:], x[i + p, q:]
                for j in range(columns):
                    close = (abs(near_y[j] - own_y[j]) <= most[j]) & (abs(near_x[j] - own_x[j]) <= most[j])
                    agreeing[j] += 1 if close else 0
                    valid[j] += 0 if np.isnan(near_y[j]) else 1


def incoherent(dy: Floats, dx: Floats, half: int, tolerance: Floats | float, share: float) -> Bools:
    """Mark points that too few of their valid neighbours agree with.

    Parameters
    ----------
    dy, dx : float32 (ny, nx)
        Offsets, NaN = not valid.
    half : int
        Half width of the neighbourhood, points.
    tolerance : float or float32 (ny, nx)
        Largest difference of an agreeing neighbour, in the unit of the offsets.
    share : float
        Share of the valid neighbours that must agree. Only neighbours that exist count, so that borders lose nothing.

    Returns
    -------
    bool (ny, nx)
        True = fails, or has fewer than three valid neighbours; in a map of one row, less than half of them.
    """
    agree, total = agreement(dy, dx, half, tolerance)
    fewest = FEWEST if min(dy.shape) > 1 else _fewest_in_a_row(max(dy.shape), half).reshape(dy.shape)
    return np.isfinite(dy) & ((agree < fewest) | (agree < share * total))


def _fewest_in_a_row(size: int, half: int) -> Counts:
    """Return how many neighbours must agree with each point of a map of one row, which has few places: half of them."""
    place = np.arange(size, dtype=np.int32)
    around = np.minimum(place + half, size - 1) - np.maximum(place - half, 0)
    return np.asarray(np.minimum(FEWEST, (around + 1) // 2), np.int32)


def beyond(values: Floats, near: Middle, scale: float, least: Floats | float) -> Bools:
    """Mark points farther from the median around them than `scale` robust deviations, of which none is below `least`.

    A point with three neighbours or fewer, itself counted, is not judged.
    """
    deviation = np.fmax(np.float32(NMAD_FACTOR) * near.deviation, least)
    far = np.abs(values - near.median) > np.float32(scale) * deviation
    return np.asarray(far & (near.points > FEWEST))


def far_from_median(
    dy: Floats, dx: Floats, sigma_y: Floats, sigma_x: Floats, half: int, scale: float, floor: float
) -> Bools:
    """Mark points farther from the median of their neighbourhood than `scale` robust deviations.

    The deviation is 1.4826 times the median absolute deviation, but never less than the point's own standard error
    or `floor` (pixels), so that quiet surroundings do not delete a small slide.
    """
    far_y, far_x = (
        beyond(values, local_middle(values, half), scale, np.fmax(sigma, np.float32(floor)))
        for values, sigma in ((dy, sigma_y), (dx, sigma_x))
    )
    return far_y | far_x


@jit
def _root(parent: Counts, k: int) -> int:
    while parent[k] != k:
        parent[k] = parent[parent[k]]
        k = parent[k]
    return k


@jit
def _unite(parent: Counts, a: int, b: int) -> None:
    if parent[a] == parent[b]:
        return
    a, b = _root(parent, a), _root(parent, b)
    if a < b:
        parent[b] = a
    else:
        parent[a] = b


@jit
def _next_valid(values: Floats, i: int, j: int, down: int, right: int, reach: int) -> tuple[int, int]:
    # the nearest valid point in a direction, or the point itself
    for lag in range(1, reach + 1):
        p, q = i + lag * down, j + lag * right
        if p >= values.shape[0] or q < 0 or q >= values.shape[1]:
            break
        if not np.isnan(values[p, q]):
            return p, q
    return i, j


@jit
def _link_point(
    y: Floats, x: Floats, least: Floats, share: float, reach: int, place: tuple[int, int], rows: tuple[int, int],
    parent: Counts,
) -> None:  # fmt: skip
    """Link a point with its neighbours right of and below it, as far as they lie in the rows given."""
    i, j = place
    nx = y.shape[1]
    if np.isnan(y[i, j]):
        return
    own = y[i, j] ** 2 + x[i, j] ** 2
    for down, right in ((0, 1), (1, -1), (1, 0), (1, 1)):
        p, q = _next_valid(y, i, j, down, right, reach)
        if not rows[0] <= p < rows[1]:
            continue
        other = y[p, q] ** 2 + x[p, q] ** 2
        jump = (y[p, q] - y[i, j]) ** 2 + (x[p, q] - x[i, j]) ** 2
        if jump <= max(max(least[i, j], least[p, q]) ** 2, share**2 * max(own, other)):
            _unite(parent, i * nx + j, p * nx + q)


@jit
def _link_bands(
    start: int, stop: int, y: Floats, x: Floats, least: Floats, share: float, reach: int, parent: Counts
) -> None:
    """Link points within each of the bands `start` to `stop` of BAND rows."""
    for band in range(start, stop):
        top, low = band * BAND, min(y.shape[0], (band + 1) * BAND)
        for i in range(top, low):
            for j in range(y.shape[1]):
                _link_point(y, x, least, share, reach, (i, j), (top, low), parent)


@jit
def _link_across(y: Floats, x: Floats, least: Floats, share: float, reach: int, parent: Counts) -> None:
    """Link the last points of each band with those of the next ones."""
    for end in range(BAND, y.shape[0], BAND):
        for i in range(max(end - reach, end - BAND), end):
            for j in range(y.shape[1]):
                _link_point(y, x, least, share, reach, (i, j), (end, y.shape[0]), parent)


@jit
def _name_patches(start: int, stop: int, parent: Counts, out: Counts) -> None:
    """Write the first point of the patch that each of the points `start` to `stop` belongs to."""
    for k in range(start, stop):
        first = k
        while parent[first] != first:
            first = parent[first]
        out[k] = first


def _link(y: Floats, x: Floats, least: Floats, share: float, reach: int) -> Counts:
    """Return the first point of the patch that each point belongs to; bands of rows change nothing in it."""
    parent = np.arange(y.size, dtype=np.int32)
    in_threads(lambda start, stop: _link_bands(start, stop, y, x, least, share, reach, parent), -(-len(y) // BAND))
    _link_across(y, x, least, share, reach, parent)
    out = np.empty_like(parent)
    in_threads(lambda start, stop: _name_patches(start, stop, parent, out), len(parent))
    return out


def islands(dy: Floats, dx: Floats, land: Counts, least: Floats, share: float, reach: int, size: int) -> Bools:
    """Mark small patches that jumps on all sides cut off from what they touch.

    Two neighbours are linked when the jump between them is at most `least`, or at most `share` of the larger of the
    two motions: so a slide that fades out into its surroundings stays linked with them, however small it is.

    Parameters
    ----------
    dy, dx : float32 (ny, nx)
        Motion relative to what does not move, NaN = not valid.
    land : int32 (ny, nx)
        Number, from 1, of the coherent area of measurements, valid or not; 0 = nothing measured. The largest patch of
        each area is not judged, so that a patch that gaps alone enclose stays.
    least : float32 (ny, nx)
        Jump that is always bridged, for each point; between two, the larger counts.
    share : float
        Share of the motion, 0 to 1.
    reach : int
        Farthest point that counts as the neighbour in a direction when all between are missing.
    size : int
        Patches of fewer points are marked.
    """
    patch = _link(dy, dx, least, share, reach)
    valid = np.isfinite(dy)
    points = np.bincount(patch[valid.ravel()], minlength=patch.size)
    first = np.flatnonzero(points)  # a patch bears the number of its first point
    largest = np.zeros(int(land.max(initial=0)) + 1, np.int64)
    np.maximum.at(largest, land.ravel()[first], points[first])
    points = points[patch].reshape(dy.shape)
    return np.asarray(valid & (points < size) & (points < largest[land]))
