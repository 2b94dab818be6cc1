"""Median and median absolute deviation around every point of a map, missing points left out.

A sorting network compares the same places of all windows of a row in turn, so that a step of it is one vector
instruction for many windows. It is cut down to the exchanges that the middle needs.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from creepmeter.kernels._jit import jit
from creepmeter.kernels.threads import in_threads

Floats = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int32]

BLOCK = 128  # windows side by side: what a network works on stays in the nearest cache
INF = np.float32(np.inf)


class Middle(NamedTuple):
    """Of the window around each point: median, median absolute deviation (NaN in empty windows), valid points."""

    median: Floats
    deviation: Floats
    points: Counts


def _exchanges(count: int) -> Iterator[tuple[int, int]]:
    """Yield the comparisons of Batcher's merge exchange (Knuth, vol. 3, 5.2.2 M), which sorts any `count` items."""
    top = 1 << max((count - 1).bit_length() - 1, 0)
    p = top
    while p > 0:
        q, r, d = top, 0, p
        while True:
            yield from ((i, i + d) for i in range(count - d) if i & p == r)
            if q == p:
                break
            q, r, d = q // 2, p, q - p
        p //= 2


@functools.lru_cache(maxsize=16)
def median_network(count: int) -> Counts:
    """Return pairs of places whose ordered exchange brings the middle, and the value before it, to their places.

    Parameters
    ----------
    count : int
        Number of items, odd.

    Returns
    -------
    int32 (n, 2)
        To be done in this order: the smaller to the first place.
    """
    middle = count // 2
    needed = {middle - 1, middle}
    kept = []
    for pair in reversed(list(_exchanges(count))):
        if not needed.isdisjoint(pair):
            kept.append(pair)
            needed.update(pair)
    return np.array(kept[::-1], np.int32).reshape(-1, 2)


def padded(values: Floats, half: int) -> Floats:
    """Return the map with a border of missing points."""
    ny, nx = values.shape
    result = np.full((ny + 2 * half, nx + 2 * half), np.nan, np.float32)
    result[half : half + ny, half : half + nx] = values
    return result


def local_middle(values: Floats, half: int) -> Middle:
    """Return median, median absolute deviation and number of the valid points around each point.

    Parameters
    ----------
    values : float32 (ny, nx)
        NaN = missing; finite otherwise.
    half : int
        Half width of the window, points, 1 or more; the window includes its centre and ends at the borders.
    """
    shape = values.shape
    result = Middle(np.empty(shape, np.float32), np.empty(shape, np.float32), np.empty(shape, np.int32))
    network, around = median_network((2 * half + 1) ** 2), padded(values, half)
    in_threads(lambda start, stop: _middle_rows(start, stop, around, half, network, result), shape[0])
    return result


@jit
def _gather(around: Floats, i: int, left: int, width: int, scratch: Floats, pad: Floats, count: Counts) -> None:
    # Missing points become +inf and -inf in turn, which leaves the middle in the middle. `pad` is the next of them:
    # at the end -inf says that an odd number is missing, so that two points share the middle.
    edge = int(np.sqrt(scratch.shape[0]))
    pad[:] = INF
    count[:] = 0
    for slot in range(scratch.shape[0]):
        source = around[i + slot // edge, left + slot % edge :]
        target = scratch[slot]
        for j in range(width):
            value = source[j]
            missing = np.isnan(value)
            target[j] = pad[j] if missing else value
            pad[j] = -pad[j] if missing else pad[j]
            count[j] += 0 if missing else 1


@jit
def _exchange(scratch: Floats, network: Counts, width: int) -> None:
    for step in range(network.shape[0]):
        low, high = scratch[network[step, 0]], scratch[network[step, 1]]
        for j in range(width):
            a, b = low[j], high[j]
            low[j] = min(a, b)
            high[j] = max(a, b)


@jit
def _read_middle(scratch: Floats, pad: Floats, width: int, out: Floats) -> None:
    middle = scratch.shape[0] // 2
    for j in range(width):
        before, value = scratch[middle - 1, j], scratch[middle, j]
        out[j] = np.float32(0.5) * (before + value) if (pad[j] < 0) & (before > -INF) else value


@jit
def _deviate(scratch: Floats, median: Floats, width: int) -> None:
    for slot in range(scratch.shape[0]):
        line = scratch[slot]
        for j in range(width):
            value = line[j]
            line[j] = value if abs(value) == INF else abs(value - median[j])


@jit
def _middle_rows(start: int, stop: int, around: Floats, half: int, network: Counts, result: Middle) -> None:
    columns = result.median.shape[1]
    scratch = np.empty(((2 * half + 1) ** 2, BLOCK), np.float32)
    pad, count = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.int32)
    for i in range(start, stop):
        for left in range(0, columns, BLOCK):
            width = min(BLOCK, columns - left)
            median, deviation = result.median[i, left:], result.deviation[i, left:]
            _gather(around, i, left, width, scratch, pad, count)
            _exchange(scratch, network, width)
            _read_middle(scratch, pad, width, median)
            _deviate(scratch, median, width)
            _exchange(scratch, network, width)
            _read_middle(scratch, pad, width, deviation)
            for j in range(width):
                result.points[i, left + j] = count[j]
                if count[j] == 0:
                    median[j] = deviation[j] = np.nan
