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
    k = -1
    for i in range(rows):
        if k + columns + 1 > runs.shape[1]:
            wider = np.empty((4, 2 * runs.shape[1] + columns), np.int32)
            wider[:, : k + 1] = runs[:, : k + 1]
            runs = wider
        line, kept = values[i], keep[i]
        j = 0
        while j < columns:
            value = line[j]
            if value == 0 or not kept[j]:
                j += 1
                continue
            k += 1
            runs[0, k], runs[1, k], runs[3, k] = i, j, value
            j += 1
            while j < columns and line[j] == value and kept[j]:
                j += 1
            runs[2, k] = j
    return runs[:, : k + 1]


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
def erode(labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the least label in the 5 x 5 window around each pixel; what lies outside the map does not count."""
    rows, columns = labels.shape
    along = np.empty_like(labels)
    out = np.empty_like(labels)
    edge = min(HALF, columns)
    for i in range(rows):
        # by offsets from 0: indices that are never negative keep the loop simple enough to be vectorised
        line, least = labels[i], along[i, HALF:]
        one, two, three, four = line[1:], line[2:], line[3:], line[4:]
        for j in range(columns - 2 * HALF):
            least[j] = _least(line[j], one[j], two[j], three[j], four[j])
        for q in range(2 * edge):
            j = q if q < edge else columns - 1 - (q - edge)
            along[i, j] = line[max(j - HALF, 0) : j + HALF + 1].min()
    for i in range(rows):
        a, b, c = along[max(i - 2, 0)], along[max(i - 1, 0)], along[i]
        d, e = along[min(i + 1, rows - 1)], along[min(i + 2, rows - 1)]
        least = out[i]
        for j in range(columns):
            least[j] = _least(a[j], b[j], c[j], d[j], e[j])
    return out


@jit
def find_boundary(labels: npt.NDArray[Any]) -> Points:
    """Return the pixels of labels that have another label (or none) at one of their four sides, in raster order."""
    rows, columns = labels.shape
    found = np.empty((3, 1024), np.int32)
    differs = np.empty(columns, np.bool_)
    size = 0
    for i in range(rows):
        here, above, below = labels[i], labels[max(i - 1, 0)], labels[min(i + 1, rows - 1)]
        right, above_right, below_right, later = here[1:], above[1:], below[1:], differs[1:]
        differs[0] = (here[0] != above[0]) | (here[0] != below[0])
        for j in range(columns - 1):
            later[j] = (right[j] != above_right[j]) | (right[j] != below_right[j]) | (right[j] != here[j])
        for j in range(columns - 1):
            differs[j] |= right[j] != here[j]
        if size + columns > found.shape[1]:
            wider = np.empty((3, 2 * found.shape[1] + columns), np.int32)
            wider[:, :size] = found[:, :size]
            found = wider
        for j in range(columns):
            if differs[j] and here[j] != 0:
                found[0, size], found[1, size], found[2, size] = i, j, here[j]
                size += 1
    return Points(found[0, :size], found[1, :size], found[2, :size])
