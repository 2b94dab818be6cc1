"""Regions of a map of numbers: pixels of one value that touch by their sides, their eroded cores and boundaries.

A region is found as runs of equal pixels in rows, joined by union-find: areas and small regions cost nothing per pixel.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from creepmeter.kernels._jit import jit

Bools = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int32]
Indices = npt.NDArray[np.int64]

HALF = 2  # pixels that erosion takes from each side: windows of 5 x 5
WORD = 8  # flags that are looked at together


class Runs(NamedTuple):
    """Runs of equal pixels in raster order: row, first column, column after the last, and number of its region."""

    row: Labels
    first: Labels
    stop: Labels
    label: Labels


class Points(NamedTuple):
    """Pixels: row, column and label; labels have the type of their map."""

    row: Labels
    column: Labels
    label: Labels


@jit
def _scan_runs(values: npt.NDArray[Any], keep: Bools) -> Labels:
    # row, first, stop and value of each run
    rows, columns = values.shape
    runs = np.empty((4, 4096), np.int32)
    line = np.zeros(columns + 1, values.dtype)  # ends with no region
    changes = np.zeros(-(-(columns + 1) // WORD) * WORD, np.bool_)
    k = -1
    for i in range(rows):
        if k + columns + 1 > runs.shape[1]:
            wider = np.empty((4, 2 * runs.shape[1] + columns), np.int32)
            wider[:, : k + 1] = runs[:, : k + 1]
            runs = wider
        _find_changes(values[i], keep[i], line, changes)
        k = _add_runs(i, line, changes, runs, k)
    return runs[:, : k + 1]


@jit
def _find_changes(values: npt.NDArray[Any], keep: Bools, line: npt.NDArray[Any], changes: Bools) -> None:
    # where a row differs from the pixel before; first and last pixel from no region
    columns = values.size
    for j in range(columns):
        line[j] = values[j] if keep[j] else 0
    right, later = line[1:], changes[1:]
    changes[0] = line[0] != 0
    for j in range(columns):
        later[j] = right[j] != line[j]


@jit
def _add_runs(row: int, line: npt.NDArray[Any], changes: Bools, runs: Labels, k: int) -> int:
    # most pixels are like their neighbours: eight at a time are passed over
    words = changes.view(np.int64)
    inside = False
    for w in range(words.size):
        if words[w] == 0:
            continue
        for j in range(w * WORD, w * WORD + WORD):
            if not changes[j]:
                continue
            if inside:
                runs[2, k] = j
            inside = line[j] != 0
            if inside:
                k += 1
                runs[0, k], runs[1, k], runs[3, k] = row, j, line[j]
    return k


@jit
def _root(parent: Labels, k: int) -> int:
    while parent[k] != k:
        parent[k] = parent[parent[k]]
        k = parent[k]
    return k


@jit
def _join(runs: Runs, parent: Labels) -> None:
    # `above` walks along the runs of the row above, in step with those of this row
    above = 0
    for k in range(runs.row.size):
        row = runs.row[k]
        while runs.row[above] < row - 1 or (runs.row[above] == row - 1 and runs.stop[above] <= runs.first[k]):
            above += 1
        other = above
        while runs.row[other] == row - 1 and runs.first[other] < runs.stop[k]:
            if runs.label[other] == runs.label[k]:
                a, b = _root(parent, other), _root(parent, k)
                parent[max(a, b)] = min(a, b)
            other += 1


@jit
def find_runs(values: npt.NDArray[Any], keep: Bools) -> tuple[Runs, int]:
    """Find the runs of all regions.

    Parameters
    ----------
    values : array of int, (y, x)
        0 = no region. Pixels of one value that touch by their sides are one region.
    keep : array of bool, (y, x)
        False = no region.

    Returns
    -------
    runs : Runs
        With regions numbered from 1 in raster order of their first pixels.
    count : int
        Number of regions.
    """
    fields = _scan_runs(values, keep)
    runs = Runs(fields[0], fields[1], fields[2], fields[3])
    size = fields.shape[1]
    parent = np.arange(size).astype(np.int32)
    _join(runs, parent)
    count = 0
    for k in range(size):  # a root is the first run of its region
        if parent[k] == k:
            count += 1
            runs.label[k] = count
        else:
            runs.label[k] = runs.label[_root(parent, k)]
    return runs, count


@jit
def run_areas(runs: Runs, count: int) -> Indices:
    """Return the pixels in each region, (count + 1,); number 0 is no region."""
    areas = np.zeros(count + 1, np.int64)
    for k in range(runs.row.size):
        areas[runs.label[k]] += runs.stop[k] - runs.first[k]
    return areas


@jit
def paint_runs(runs: Runs, number: Labels, labels: npt.NDArray[Any]) -> None:
    """Write regions into a map of zeros: region k becomes ``number[k]``."""
    for k in range(runs.row.size):
        value = number[runs.label[k]]
        if value != 0:
            i = runs.row[k]
            for j in range(runs.first[k], runs.stop[k]):
                labels[i, j] = value


@jit
def renumber(labels: npt.NDArray[Any], number: Labels) -> None:
    """Replace each label k of a map by ``number[k]``."""
    rows, columns = labels.shape
    for i in range(rows):
        for j in range(columns):
            labels[i, j] = number[labels[i, j]]


@jit
def _lesser(a: int, b: int) -> int:
    return min(a, b)


@jit
def _least(a: int, b: int, c: int, d: int, e: int) -> int:
    # two at a time: the least of five at once is not vectorised
    return _lesser(_lesser(_lesser(a, b), _lesser(c, d)), e)


@jit
def _erode_along(line: npt.NDArray[Any], least: npt.NDArray[Any]) -> None:
    columns = line.size
    # by offsets from 0: indices that are never negative keep the loop simple enough to be vectorised
    one, two, three, four, inner = line[1:], line[2:], line[3:], line[4:], least[HALF:]
    for j in range(columns - 2 * HALF):
        inner[j] = _least(line[j], one[j], two[j], three[j], four[j])
    edge = min(HALF, columns)
    for q in range(2 * edge):
        j = q if q < edge else columns - 1 - (q - edge)
        least[j] = line[max(j - HALF, 0) : j + HALF + 1].min()


@jit
def _erode_across(along: npt.NDArray[Any], row: int, rows: int, core: npt.NDArray[Any]) -> None:
    # `along` holds each row at its number modulo 5
    tall = 2 * HALF + 1
    a, b, c = along[max(row - 2, 0) % tall], along[max(row - 1, 0) % tall], along[row % tall]
    d, e = along[min(row + 1, rows - 1) % tall], along[min(row + 2, rows - 1) % tall]
    for j in range(core.size):
        core[j] = _least(a[j], b[j], c[j], d[j], e[j])


@jit
def _find_edges(here: npt.NDArray[Any], above: npt.NDArray[Any], below: npt.NDArray[Any], edges: Bools) -> None:
    right, above_right, below_right, later = here[1:], above[1:], below[1:], edges[1:]
    edges[0] = (here[0] != 0) & ((here[0] != above[0]) | (here[0] != below[0]))
    for j in range(here.size - 1):
        differs = (right[j] != above_right[j]) | (right[j] != below_right[j]) | (right[j] != here[j])
        later[j] = (right[j] != 0) & differs
    for j in range(here.size - 1):
        edges[j] |= (here[j] != 0) & (right[j] != here[j])


@jit
def _add_edges(row: int, here: npt.NDArray[Any], edges: Bools, found: Labels, size: int) -> int:
    words = edges.view(np.int64)
    for w in range(words.size):
        if words[w] == 0:
            continue
        for j in range(w * WORD, w * WORD + WORD):
            if edges[j]:
                found[0, size], found[1, size], found[2, size] = row, j, here[j]
                size += 1
    return size


@jit
def find_boundary(labels: npt.NDArray[Any]) -> Points:
    """Find the boundaries of the cores of regions.

    Parameters
    ----------
    labels : array of int, (y, x)
        Labels from 0, which is no region.

    Returns
    -------
    Points
        In raster order. The core of a map is the least label in the 5 x 5 window around each pixel; what lies outside
        the map does not count. Its boundary are the pixels that have another label (or none) at one of their sides.
    """
    rows, columns = labels.shape
    # of the core only the rows at work are kept, in the fastest memory
    along = np.empty((2 * HALF + 1, columns), labels.dtype)
    core = np.empty((3, columns), labels.dtype)
    edges = np.zeros(-(-columns // WORD) * WORD, np.bool_)
    found = np.empty((3, 1024), np.int32)
    size = 0
    for step in range(rows + HALF + 1):
        if step < rows:
            _erode_along(labels[step], along[step % (2 * HALF + 1)])
        if HALF <= step < rows + HALF:
            _erode_across(along, step - HALF, rows, core[(step - HALF) % 3])
        row = step - HALF - 1
        if row < 0:
            continue
        if size + columns > found.shape[1]:
            wider = np.empty((3, 2 * found.shape[1] + columns), np.int32)
            wider[:, :size] = found[:, :size]
            found = wider
        here = core[row % 3]
        _find_edges(here, core[max(row - 1, 0) % 3], core[min(row + 1, rows - 1) % 3], edges)
        size = _add_edges(row, here, edges, found, size)
    return Points(found[0, :size], found[1, :size], found[2, :size])
