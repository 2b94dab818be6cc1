"""Between regions: the closest pixels of two, the median of a map around a pixel, a surface through one region."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from creepmeter.kernels._jit import jit
from creepmeter.kernels.regions import Labels, Points

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]

TERMS = 6  # of a surface: 1, y, x, y^2, yx, x^2
FAR = np.int64(2**62)
TILE = 32  # pixels


class Clusters(NamedTuple):
    """Pixels of one label that lie close together: their box and their places in the list of points.

    ``box`` (cluster, 4): least and greatest row, least and greatest column. ``start`` (cluster + 1,). ``of`` (label +
    2,): the first cluster of each label. The points are those of `make_clusters`, in its order.
    """

    row: Labels
    column: Labels
    box: Labels
    start: Indices
    of: Indices


@jit
def _cluster_boxes(row: Labels, column: Labels, start: Indices) -> Labels:
    box = np.empty((start.size - 1, 4), np.int32)
    for k in range(start.size - 1):
        some = slice(start[k], start[k + 1])
        box[k, 0], box[k, 1] = row[some].min(), row[some].max()
        box[k, 2], box[k, 3] = column[some].min(), column[some].max()
    return box


def make_clusters(points: Points, count: int, shape: tuple[int, int]) -> Clusters:
    """Sort points by label and by tiles of the map.

    Parameters
    ----------
    points : Points
        With labels from 1 to `count`; each has one point at least.
    count : int
        Number of labels.
    shape : (int, int)
        Rows and columns of the map.
    """
    across = -(-shape[1] // TILE)
    tiles = across * -(-shape[0] // TILE)
    tile = points.row // TILE * across + points.column // TILE
    order = _sorted_places(points.label, _sorted_places(tile, np.arange(tile.size), tiles), count + 1)
    label, tile = points.label[order], tile[order]
    is_first = (np.diff(label, prepend=-1) != 0) | (np.diff(tile, prepend=-1) != 0)
    start = np.append(np.flatnonzero(is_first), label.size)
    row, column = points.row[order], points.column[order]
    of = np.searchsorted(label[start[:-1]], np.arange(count + 2))
    return Clusters(row, column, _cluster_boxes(row, column, start), start, of)


@jit
def _sorted_places(key: Labels, order: Indices, count: int) -> Indices:
    # counting sort: places in `order` by key, those of equal key as they were
    start = np.zeros(count + 1, np.int64)
    for k in range(key.size):
        start[key[k] + 1] += 1
    for k in range(count):
        start[k + 1] += start[k]
    out = np.empty_like(order)
    for place in order:
        out[start[key[place]]] = place
        start[key[place]] += 1
    return out


@jit
def _gap(low: int, high: int, other_low: int, other_high: int) -> np.int64:
    return np.int64(max(other_low - high, low - other_high, 0))


@jit
def _box_distance(a: Labels, b: Labels) -> np.int64:
    y, x = _gap(a[0], a[1], b[0], b[1]), _gap(a[2], a[3], b[2], b[3])
    return y * y + x * x


@jit
def label_boxes(clusters: Clusters) -> Labels:
    """Return the box around all points of each label, (label + 1, 4); see `Clusters`."""
    out = np.zeros((clusters.of.size - 1, 4), np.int32)
    for label in range(1, out.shape[0]):
        first, stop = clusters.of[label], clusters.of[label + 1]
        for side in range(4):
            edges = clusters.box[first:stop, side]
            out[label, side] = edges.min() if side % 2 == 0 else edges.max()
    return out


@jit
def box_distances(boxes: Labels) -> Indices:
    """Return the squared distance between the boxes of labels, (label, label), in pixels; boxes that overlap have 0."""
    size = boxes.shape[0]
    out = np.zeros((size, size), np.int64)
    for a in range(1, size):
        for b in range(a + 1, size):
            out[a, b] = _box_distance(boxes[a], boxes[b])
            out[b, a] = out[a, b]
    return out


@jit
def _compare(clusters: Clusters, a: int, b: int, best: Indices) -> None:
    # best: squared distance, point of b, point of a; among equals the first of b in raster order, then of a
    row, column, start, box = clusters.row, clusters.column, clusters.start, clusters.box[a]
    for p in range(start[b], start[b + 1]):
        y, x = _gap(row[p], row[p], box[0], box[1]), _gap(column[p], column[p], box[2], box[3])
        if y * y + x * x > best[0]:
            continue
        for q in range(start[a], start[a + 1]):
            y, x = np.int64(row[p] - row[q]), np.int64(column[p] - column[q])
            distance = y * y + x * x
            if distance < best[0] or (distance == best[0] and _is_before(clusters, p, q, best)):
                best[0], best[1], best[2] = distance, p, q


@jit
def _is_before(clusters: Clusters, p: int, q: int, best: Indices) -> bool:
    row, column = clusters.row, clusters.column
    for mine, other in ((p, best[1]), (q, best[2])):
        if row[mine] != row[other]:
            return bool(row[mine] < row[other])
        if column[mine] != column[other]:
            return bool(column[mine] < column[other])
    return False


@jit
def closest_points(clusters: Clusters, a: int, b: int) -> Indices:
    """Return the closest points of two labels: squared distance, row and column in `a`, row and column in `b`."""
    best = np.array([FAR, 0, 0])
    least, start = FAR, np.zeros(2, np.int64)
    for i in range(clusters.of[a], clusters.of[a + 1]):
        for j in range(clusters.of[b], clusters.of[b + 1]):
            distance = _box_distance(clusters.box[i], clusters.box[j])
            if distance < least:
                least, start[0], start[1] = distance, i, j
    _compare(clusters, start[0], start[1], best)
    for i in range(clusters.of[a], clusters.of[a + 1]):
        for j in range(clusters.of[b], clusters.of[b + 1]):
            if _box_distance(clusters.box[i], clusters.box[j]) <= best[0]:
                _compare(clusters, i, j, best)
    q, p = best[2], best[1]
    row, column = clusters.row, clusters.column
    return np.array([best[0], row[q], column[q], row[p], column[p]])


@jit
def surface_at(surface: Floats, y: float, x: float) -> float:
    """Return the value of a surface from `fit_surface` at a row and column."""
    value = surface[0] + surface[1] * y + surface[2] * x
    return float(value + surface[3] * y * y + surface[4] * y * x + surface[5] * x * x)


@jit
def median_around(
    phase: Singles, labels: npt.NDArray[Any], label: int, centre: tuple[int, int], half: int, surface: Floats
) -> float:
    """Return the median of a label near a pixel, less a surface.

    Parameters
    ----------
    phase : array of float32, (y, x)
        0 and NaN are no data.
    labels : array of int, (y, x)
        Regions.
    label : int
        The region to look at.
    centre : (int, int)
        Row and column.
    half : int
        Rows and columns from ``centre - half`` to ``centre + half - 1`` count.
    surface : array of float64, (6,)
        See `fit_surface`.

    Returns
    -------
    float
        NaN without any data.
    """
    top, left = max(centre[0] - half, 0), max(centre[1] - half, 0)
    bottom, right = min(centre[0] + half, labels.shape[0]), min(centre[1] + half, labels.shape[1])
    found = np.empty(max((bottom - top) * (right - left), 1))
    size = 0
    flat = not np.any(surface[1:])
    for i in range(top, bottom):
        for j in range(left, right):
            value = np.float64(phase[i, j])
            if labels[i, j] == label and value != 0.0 and not np.isnan(value):
                found[size] = value - (surface[0] if flat else surface_at(surface, i, j))
                size += 1
    return float(np.median(found[:size])) if size > 0 else np.nan


@jit
def _moments(phase: Singles, labels: npt.NDArray[Any], label: int, step: int, scale: float) -> tuple[Floats, Floats]:
    # normal equations of all six terms, in coordinates of about unit size
    normal, right = np.zeros((TERMS, TERMS)), np.zeros(TERMS)
    term = np.ones(TERMS)
    for i in range(step // 2, labels.shape[0], step):
        for j in range(step // 2, labels.shape[1], step):
            value = np.float64(phase[i, j])
            if labels[i, j] != label or value == 0.0 or np.isnan(value):
                continue
            y, x = i * scale, j * scale
            term[1], term[2], term[3], term[4], term[5] = y, x, y * y, y * x, x * x
            for p in range(TERMS):
                right[p] += term[p] * value
                for q in range(p + 1):
                    normal[p, q] += term[p] * term[q]
    for p in range(TERMS):
        for q in range(p):
            normal[q, p] = normal[p, q]
    return normal, right


def fit_surface(phase: Singles, labels: npt.NDArray[Any], label: int, terms: Indices, step: int = 1) -> Floats:
    """Fit a polynomial surface to the values of one label, by least squares.

    Parameters
    ----------
    phase : array of float32, (y, x)
        0 and NaN are no data.
    labels : array of int, (y, x)
        Regions.
    label : int
        The region to fit.
    terms : array of int
        Which of the terms 1, y, x, y^2, yx, x^2 (0 to 5; y row, x column) the surface has.
    step : int
        Every so many rows and columns count.

    Returns
    -------
    array of float64, (6,)
        Coefficients of all terms, radians per pixel to their powers. Zero where there is no data.
    """
    scale = 1.0 / max(labels.shape)
    normal, right = _moments(phase, labels, label, step, scale)
    out = np.zeros(TERMS)
    if right[0] != 0.0 or normal[0, 0] > 0.0:
        out[terms] = np.linalg.lstsq(normal[np.ix_(terms, terms)], right[terms], rcond=1e-12)[0]
    return np.asarray(out * scale ** np.array([0, 1, 1, 2, 2, 2]))


@jit
def refer(phase: Singles, datum: float, out: Singles) -> None:
    """Write phase less a datum; zeros, which are no data, stay zero."""
    rows, columns = phase.shape
    least = np.float32(datum)
    zero = np.float32(0.0)
    for i in range(rows):
        for j in range(columns):
            value = phase[i, j]
            out[i, j] = value - least if value != zero else zero


@jit
def add_cycles(phase: Singles, labels: npt.NDArray[Any], cycles: Floats, datum: float, out: Singles) -> None:
    """Write phase less a datum plus ``2 pi cycles[label]``; zeros, which are no data, stay zero."""
    rows, columns = phase.shape
    shift = (cycles * (2.0 * np.pi)).astype(np.float32)
    least = np.float32(datum)
    zero = np.float32(0.0)
    for i in range(rows):
        for j in range(columns):
            value = phase[i, j]
            out[i, j] = (value - least) + shift[labels[i, j]] if value != zero else zero
