"""Short filters over images with missing pixels.

A missing pixel counts as the mean of the valid pixels around it, so that neither its value nor the border of a gap
shows in the filtered image: out = sum h m a + (sum h - sum h m) mean, with weights h, mask m and image a.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from creepmeter.kernels._jit import jit, jit_fast
from creepmeter.kernels.threads import in_threads

Floats: TypeAlias = npt.NDArray[np.float32]
Bools: TypeAlias = npt.NDArray[np.bool_]

Planes: TypeAlias = tuple[Floats, Floats]  # image (missing = 0) and mask (1 or 0), with a margin of missing pixels

TAPS = 8  # weights applied in one pass over a line
ROWS_PER_TASK = 32
LEAST_ENERGY = np.float32(0.75)  # share of the filter's energy on valid pixels below which a pixel counts as missing


@jit_fast
def add_taps(line: Floats, source: Floats, start: int, weights: Floats) -> None:
    """Add TAPS weighted copies of a row, each one pixel on, to `line`."""
    w0, w1, w2, w3 = weights[0], weights[1], weights[2], weights[3]
    w4, w5, w6, w7 = weights[4], weights[5], weights[6], weights[7]
    s = np.uint64(start)
    for x in range(np.uint64(len(line))):
        p = s + x
        line[x] += (
            w0 * source[p] + w1 * source[p + np.uint64(1)] + w2 * source[p + np.uint64(2)]
            + w3 * source[p + np.uint64(3)] + w4 * source[p + np.uint64(4)] + w5 * source[p + np.uint64(5)]
            + w6 * source[p + np.uint64(6)] + w7 * source[p + np.uint64(7)]
        )  # fmt: skip


@jit
def _weigh_rows(padded: Floats, first: int, left: int, weights: Floats, line: Floats) -> None:
    """Write the weighted sums over windows of `padded` whose corners lie in row `first`, from column `left` on."""
    line[:] = 0.0
    for k in range(len(weights)):
        source = padded[first + k]
        for p in range(0, weights.shape[1], TAPS):
            add_taps(line, source, left + p, weights[k, p : p + TAPS])


@jit
def _window_sums(padded: Floats, first: int, size: int, left: int, line: Floats) -> None:
    """Write the plain sum over a square window."""
    columns = np.zeros(len(line) + size - 1, np.float32)
    for k in range(size):
        source = padded[first + k, left : left + len(columns)]
        for x in range(len(columns)):
            columns[x] += source[x]
    line[:] = 0.0
    for p in range(size):
        part = columns[p : p + len(line)]
        for x in range(len(line)):
            line[x] += part[x]


@jit
def _mend(
    planes: Planes, first: int, weights: Floats, size: int, span: tuple[int, int], line: Floats, kept: Bools
) -> None:
    """Put the mean of the pixels around in place of missing ones, in columns `span` of one filtered row."""
    padded, mask = planes
    left, right = span
    if left >= right:
        return
    power = weights * weights
    total, energy = weights.sum(), power.sum()
    sums = np.empty((4, right - left), np.float32)
    _weigh_rows(mask, first, left, weights, sums[0])
    _weigh_rows(mask, first, left, power, sums[1])
    _window_sums(padded, first, size, left, sums[2])
    _window_sums(mask, first, size, left, sums[3])
    middle = mask[first + size // 2]
    for k in range(right - left):
        mean = sums[2, k] / max(sums[3, k], np.float32(1.0))
        line[left + k] += (total - sums[0, k]) * mean
        kept[left + k] = middle[left + k + size // 2] > 0.0 and sums[1, k] >= LEAST_ENERGY * energy
        if not kept[left + k]:
            line[left + k] = 0.0


@jit
def _filter_rows(
    start: int, stop: int, values: Floats, valid: Bools, weights: Floats, size: int, out: Floats, kept: Bools
) -> None:
    """Filter rows `start` to `stop`; `weights` holds `size` columns, then zeros to a multiple of TAPS."""
    rows, columns = values.shape
    reach = size // 2
    shape = (stop - start + size - 1, columns + weights.shape[1] - 1)
    padded, mask = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    whole = np.zeros(shape[0], np.bool_)
    for i in range(shape[0]):
        y = start - reach + i
        if 0 <= y < rows:
            whole[i] = valid[y].all()
            for x in range(columns):
                seen = valid[y, x]
                padded[i, reach + x] = values[y, x] if seen else 0.0
                mask[i, reach + x] = 1.0 if seen else 0.0
    for i in range(stop - start):
        line, here = out[start + i], kept[start + i]
        _weigh_rows(padded, i, 0, weights, line)
        if whole[i : i + size].all() and columns > size:
            here[:] = True
            _mend((padded, mask), i, weights, size, (0, reach), line, here)
            _mend((padded, mask), i, weights, size, (columns - reach, columns), line, here)
        else:
            _mend((padded, mask), i, weights, size, (0, columns), line, here)


def filter_image(values: Floats, valid: Bools, weights: Floats) -> tuple[Floats, Bools]:
    """Filter an image with a short, odd, square set of weights; see the module for missing pixels.

    Parameters
    ----------
    values : float32 (rows, columns)
        Image; values where `valid` is false are ignored. Best without its mean, for the digits of float32.
    valid : bool (rows, columns)
        False = missing.
    weights : float32 (n, n)
        Weight of the pixel at (y + k - n // 2, x + p - n // 2) is ``weights[k, p]``.

    Returns
    -------
    float32 (rows, columns), bool (rows, columns)
        Filtered image, 0 where missing; and where it is valid: the pixel is, and most of the filter's energy lies on
        valid pixels.
    """
    size = len(weights)
    wide = np.zeros((size, -(-size // TAPS) * TAPS), np.float32)
    wide[:, :size] = weights
    out, kept = np.empty_like(values), np.empty(values.shape, np.bool_)
    in_threads(
        lambda start, stop: _filter_rows(start, stop, values, valid, wide, size, out, kept),
        len(values),
        multiple=ROWS_PER_TASK,
    )
    return out, kept
