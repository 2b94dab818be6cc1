"""Sums over small squares of a flat chip: clusters of errors, and parts that are correlated one by one.

Columns are summed first, for a fixed number of them at once, so that all loops are vectors; sums of neighbouring
columns follow by adding pairs, pairs of pairs, and so on.
"""

from __future__ import annotations

import numpy as np

from creepmeter.kernels._jit import jit, jit_fast
from creepmeter.kernels.chip import CLUSTER, PART_FIELDS, PART_PX, STRIP, WX, WY, Chip, Doubles, Floats, M, T, W
from creepmeter.kernels.spline import SUPPORT

LEAST_IN_PART = 16  # fewer common pixels say nothing
_1, _2, _3, _4, _5 = (np.uint64(k) for k in range(1, 6))
_STRIP = np.uint64(STRIP)


@jit_fast
def _add_pairs(source: Floats, out: Floats) -> None:
    """Write the sum of every two neighbours."""
    for k in range(np.uint64(len(out))):
        out[k] = source[_2 * k] + source[_2 * k + _1]


# ----------------------------------------------------------------------------------------------------------- clusters


@jit_fast
def _sum_cluster_rows(source: Floats, stride: int, down: int, left: int, across: int, out: Floats) -> None:
    """Write sums of CLUSTER = 4 rows, for STRIP columns from `left` on, of each whole row of clusters."""
    s, width = np.uint64(stride), np.uint64(across)
    for i in range(np.uint64(down)):
        first, to = _4 * s * i + np.uint64(left), width * i + np.uint64(left)
        second = first + s + s
        for j in range(_STRIP):
            out[to + j] = (source[first + j] + source[first + s + j]) + (source[second + j] + source[second + s + j])


@jit
def _sum_last_rows(source: Floats, stride: int, chip: int, place: int, out: Floats) -> None:
    """Write the sums of the rows that make no whole cluster, 0 behind the chip."""
    for j in range((chip + CLUSTER - 1) // CLUSTER * CLUSTER):
        out[place + j] = np.float32(0.0)
        for i in range(chip - chip % CLUSTER, chip):
            out[place + j] += source[i * stride + j] if j < chip else np.float32(0.0)


@jit_fast
def _square_sums(y: Floats, x: Floats, shape: tuple[int, int, int], out: Doubles) -> None:
    """Write the sums of y y, y x, x x over `shape` = rows, places from row to row, and values of each."""
    rows, apart, count = shape
    yy = yx = xx = np.float32(0.0)
    for i in range(rows):
        start = np.uint64(i * apart)
        for j in range(np.uint64(count)):
            a, b = y[start + j], x[start + j]
            yy += a * a
            yx += a * b
            xx += b * b
    out[0], out[1], out[2] = yy, yx, xx


@jit
def clustered(values: Chip, chip: int, room: Floats, out: Doubles) -> None:
    """Write sums over clusters of the squared sums of WY and WX, which are 0 behind each row: yy, yx, xx."""
    stride, down = chip + SUPPORT - 1, (chip + CLUSTER - 1) // CLUSTER
    across = (chip + STRIP - 1) // STRIP * STRIP
    size, cells = down * across, down * across // CLUSTER
    lines = room[: 2 * size]
    for k, source in enumerate((values[WY], values[WX])):
        part = lines[k * size : (k + 1) * size]
        for left in range(0, across, STRIP):
            _sum_cluster_rows(source, stride, chip // CLUSTER, left, across, part)
        if chip % CLUSTER:
            _sum_last_rows(source, stride, chip, (down - 1) * across, part)
    half = room[2 * size : 3 * size]
    _add_pairs(lines, half)
    _add_pairs(half, room[: 2 * cells])
    apart = across // CLUSTER
    rows, count = (1, cells) if down == apart else (down, down)
    _square_sums(room[:cells], room[cells : 2 * cells], (rows, apart, count), out)


# -------------------------------------------------------------------------------------------------------------- parts


@jit_fast
def _column_sums(values: Chip, start: int, stride: int, place: int, apart: int, out: Floats) -> None:
    """Write, for each of STRIP columns over PART_PX rows, n, sum t, sum w, t t, w w, t w; `apart` from sum to sum."""
    t, w, m = values[T], values[W], values[M]
    s, p = np.uint64(stride), np.uint64(apart)
    for j in range(_STRIP):
        q, to = np.uint64(start) + j, np.uint64(place) + j
        n = first = second = first_square = second_square = product = np.float32(0.0)
        for _ in range(PART_PX):
            a, c = t[q], m[q]
            b = w[q] * c
            n += c
            first += a
            second += b
            first_square += a * a
            second_square += b * b
            product += a * b
            q += s
        out[to], out[to + p], out[to + _2 * p] = n, first, second
        out[to + _3 * p], out[to + _4 * p], out[to + _5 * p] = first_square, second_square, product


@jit_fast
def _correlate_parts(sums: Floats, apart: int, out: Floats) -> None:
    """Write correlations from six sums, `apart` from each other; 0 with too few pixels or without texture."""
    p, one, none = np.uint64(apart), np.float32(1.0), np.float32(0.0)
    fewest = np.float32(LEAST_IN_PART)
    for k in range(np.uint64(len(out))):
        n, first, second = sums[k], sums[k + p], sums[k + _2 * p]
        share = one / max(n, one)
        power_t = sums[k + _3 * p] - first * first * share
        power_w = sums[k + _4 * p] - second * second * share
        known = n >= fewest and power_t > none and power_w > none
        root = np.sqrt(power_t if known else one) * np.sqrt(power_w if known else one)
        out[k] = (sums[k + _5 * p] - first * second * share) / root if known else none


@jit
def part_correlations(values: Chip, chip: int, room: Floats) -> tuple[Floats, Floats]:
    """Return pixels and correlation of square parts of a chip, (parts down, at least as many along), in `room`.

    Parts are squares of PART_PX pixels; what is left over at the end of a chip is not looked at, and columns of parts
    beyond the chip hold nothing of use.
    """
    stride, down = chip + SUPPORT - 1, chip // PART_PX
    across = (down * PART_PX + STRIP - 1) // STRIP * STRIP
    size, half = down * across, PART_FIELDS * down * across
    for top in range(down):
        for left in range(0, across, STRIP):
            _column_sums(values, top * PART_PX * stride + left, stride, top * across + left, size, room)
    _add_pairs(room[:half], room[half : half + half // 2])
    _add_pairs(room[half : half + half // 2], room[: half // 4])
    _add_pairs(room[: half // 4], room[half : half + half // 8])
    count = size // PART_PX
    pixels, found = room[half : half + count], room[:count]
    _correlate_parts(room[half:], count, found)
    shape = (down, across // PART_PX)
    return pixels.reshape(shape), found.reshape(shape)


def part_count(chip: int) -> int:
    """Return the number of parts of a chip that are looked at one by one."""
    return (chip // PART_PX) ** 2
