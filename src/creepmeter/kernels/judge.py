"""What is known of a refined chip: standard errors, correlation, and whether all of the chip bears it out."""

from __future__ import annotations

import numpy as np

from creepmeter.kernels._jit import jit, jit_fast
from creepmeter.kernels.chip import (
    FOUND,
    GX,
    GY,
    S_T,
    S_TT,
    S_TX,
    S_TY,
    S_X,
    S_Y,
    STRIP,
    STRIP_SUMS,
    WX,
    WY,
    Chip,
    Doubles,
    E,
    Floats,
    M,
    N,
    Scratch,
    T,
    W,
)
from creepmeter.kernels.spline import SUPPORT, along_columns, along_rows, slope_weights

CLUSTER = 4  # pixels over which errors are summed before squaring; longer cells leave too few to average
PART_PX = 8  # edge of the parts of a chip whose correlation is looked at one by one
LEAST_IN_PART = 16  # fewer common pixels say nothing
NOISE_LIMIT = 2.0  # correlation of a part in standard errors, 1 / sqrt(pixels), of that of unrelated white noise
_STRIP, _2, _3, _4, _5 = (np.uint64(k * STRIP) for k in range(1, 6))
_8 = np.uint64(8)


@jit
def judge(fraction_y: float, fraction_x: float, chip: int, scratch: Scratch, out: Floats) -> None:
    """Write correlation, standard errors and support of a chip into `out`, at the place of the last comparison."""
    values, room, weights, sums = scratch[0], scratch[1], scratch[2], scratch[3]
    stride = chip + SUPPORT - 1
    size = chip * stride
    out[2] = sums[FOUND + 3]
    slope_weights(fraction_y, weights[2])
    slope_weights(fraction_x, weights[3])
    along_rows(room[0], weights[3], stride * stride - SUPPORT + 1, room[2])
    along_columns(room[1], weights[0], stride, size, values[W])
    along_columns(room[1], weights[2], stride, size, values[WY])
    along_columns(room[2], weights[0], stride, size, values[WX])
    _spread(values, sums, chip, scratch[4], out)
    support(values, chip, scratch[4], out)


@jit_fast
def _slope_sums(values: Chip, out: Doubles) -> None:
    """Write sums of w_y, w_x, their products with t, and of gradient times gradient."""
    t, gy, gx, m, wy, wx = values[T], values[GY], values[GX], values[M], values[WY], values[WX]
    sy = sx = ty = tx = yy = yx = xy = xx = np.float32(0.0)
    for q in range(len(t)):
        a, b = wy[q], wx[q]
        sy += a * m[q]
        sx += b * m[q]
        ty += a * t[q]
        tx += b * t[q]
        yy += gy[q] * a
        yx += gy[q] * b
        xy += gx[q] * a
        xx += gx[q] * b
    out[0], out[1], out[2], out[3], out[4], out[5], out[6], out[7] = sy, sx, ty, tx, yy, yx, xy, xx


@jit_fast
def _errors(values: Chip, mean_t: np.float32, mean_w: np.float32, one: np.float32) -> None:
    """Write the difference of secondary and template, each about its mean."""
    t, m, w, error = values[T], values[M], values[W], values[E]
    for q in range(len(t)):
        error[q] = ((w[q] - mean_w) * one - (t[q] - mean_t)) * m[q]


@jit_fast
def _weigh_error(values: Chip, first: int, second: int, one: np.float32, level: np.float32, part: np.float32) -> None:
    """Replace a gradient of the secondary by g e, g the mean of both gradients less `level` and `part` of t."""
    t, error, g, out = values[T], values[E], values[first], values[second]
    half = np.float32(0.5)
    other = half * one
    for q in range(len(t)):
        out[q] = (half * g[q] + other * out[q] - level - part * t[q]) * error[q]


@jit
def _spread(values: Chip, sums: Doubles, chip: int, lines: Floats, out: Floats) -> None:
    """Write the standard errors of dy, dx: J^-1 M J^-T, J = sum g_t g_w^T, M from sums of g e over cells.

    M (yy, yx, xx) and J (yy, yx, xy, xx) are left behind the sums of the last comparison.

    g is the mean of both gradients, which leaves out that the noise of an image agrees with its own gradient. Summing
    over cells before squaring keeps the correlation of neighbouring errors, which a count of independent pixels would
    lose (cluster-robust covariance, Liang and Zeger 1986, doi 10.1093/biomet/73.1.13).
    """
    n, st = sums[N], sums[S_T]
    energy = sums[S_TT] - st * st / n
    one = sums[FOUND + 5]
    found = sums[FOUND + 6 :]
    _slope_sums(values, found)
    sy, sx = found[0], found[1]
    along_w = ((found[2] - st * sy / n) / energy, (found[3] - st * sx / n) / energy)
    along_t = ((sums[S_TY] - st * sums[S_Y] / n) / energy, (sums[S_TX] - st * sums[S_X] / n) / energy)
    a = (found[4] - sums[S_Y] * sy / n - energy * along_t[0] * along_w[0]) * one
    b = (found[5] - sums[S_Y] * sx / n - energy * along_t[0] * along_w[1]) * one
    c = (found[6] - sums[S_X] * sy / n - energy * along_t[1] * along_w[0]) * one
    d = (found[7] - sums[S_X] * sx / n - energy * along_t[1] * along_w[1]) * one
    mean_t, scale = st / n, np.float32(one)
    _errors(values, np.float32(mean_t), np.float32(sums[FOUND + 4] / n), scale)
    part_y, part_x = 0.5 * (along_t[0] + along_w[0] * one), 0.5 * (along_t[1] + along_w[1] * one)
    level_y = 0.5 * (sums[S_Y] + sy * one) / n - part_y * mean_t
    level_x = 0.5 * (sums[S_X] + sx * one) / n - part_x * mean_t
    _weigh_error(values, GY, WY, scale, np.float32(level_y), np.float32(part_y))
    _weigh_error(values, GX, WX, scale, np.float32(level_x), np.float32(part_x))
    clustered(values, chip, lines, found)
    found[3], found[4], found[5], found[6] = a, b, c, d
    yy, yx, xx = found[0], found[1], found[2]
    determinant = a * d - b * c
    if determinant <= 0.0:
        out[3] = out[4] = np.inf
        return
    out[3] = np.sqrt(max(0.0, d * d * yy - 2.0 * d * b * yx + b * b * xx)) / determinant
    out[4] = np.sqrt(max(0.0, c * c * yy - 2.0 * c * a * yx + a * a * xx)) / determinant


@jit_fast
def _add_rows(source: Floats, start: int, stride: int, rows: int, out: Floats) -> None:
    """Write the sum of `rows` (at most CLUSTER = 4) rows of a flat chip."""
    a, s = np.uint64(start), np.uint64(stride)
    b, c, d = a + s, a + s + s, a + s + s + s
    if rows == CLUSTER and len(out) % 8 == 0:
        for k in range(np.uint64(len(out) // 8)):
            for j in range(_8 * k, _8 * k + _8):
                out[j] = (source[a + j] + source[b + j]) + (source[c + j] + source[d + j])
        return
    for j in range(len(out)):
        out[j] = source[start + j]
        for i in range(1, rows):
            out[j] += source[start + i * stride + j]


@jit_fast
def clustered(values: Chip, chip: int, lines: Floats, out: Doubles) -> None:
    """Write sums over cells of the squared sums of g e: yy, yx, xx; `lines` (2 chip,) is room to work in."""
    stride = chip + SUPPORT - 1
    line_y, line_x = lines[:chip], lines[chip : 2 * chip]
    yy = yx = xx = np.float32(0.0)
    for top in range(0, chip, CLUSTER):
        rows = min(chip - top, CLUSTER)
        _add_rows(values[WY], top * stride, stride, rows, line_y)
        _add_rows(values[WX], top * stride, stride, rows, line_x)
        for left in range(0, chip, CLUSTER):
            y = x = np.float32(0.0)
            for j in range(left, min(chip, left + CLUSTER)):
                y += line_y[j]
                x += line_x[j]
            yy += y * y
            yx += y * x
            xx += x * x
    out[0], out[1], out[2] = yy, yx, xx


@jit_fast
def column_sums(values: Chip, start: int, stride: int, rows: int, out: Floats) -> None:
    """Write, for each of STRIP columns over some rows, n, sum t, sum w, sum t t, sum w w, sum t w behind each other."""
    t, w, m = values[T], values[W], values[M]
    out[: STRIP_SUMS * STRIP] = np.float32(0.0)
    for i in range(rows):
        q = np.uint64(start + i * stride)
        for j in range(_STRIP):
            a, c = t[q + j], m[q + j]
            b = w[q + j] * c
            out[j] += c
            out[_STRIP + j] += a
            out[_2 + j] += b
            out[_3 + j] += a * a
            out[_4 + j] += b * b
            out[_5 + j] += a * b


@jit
def part_correlation(columns: Floats, left: int, right: int) -> tuple[float, float]:
    """Return pixels and correlation of some columns of `column_sums`; the latter 0 with too few or without texture."""
    n = first = second = first_square = second_square = product = np.float32(0.0)
    for x in range(left, right):
        n += columns[x]
        first += columns[STRIP + x]
        second += columns[2 * STRIP + x]
        first_square += columns[3 * STRIP + x]
        second_square += columns[4 * STRIP + x]
        product += columns[5 * STRIP + x]
    if n < LEAST_IN_PART:
        return float(n), 0.0
    power = float(first_square - first * first / n) * float(second_square - second * second / n)
    return float(n), (float(product - first * second / n) / np.sqrt(power) if power > 0.0 else 0.0)


def part_count(chip: int) -> int:
    """Return the number of parts of a chip that are looked at one by one."""
    return (chip // PART_PX) ** 2


@jit
def support(values: Chip, chip: int, columns: Floats, out: Floats) -> None:
    """Write the share of the common pixels in parts of the chip that correlate by themselves, and their correlation.

    Parts are squares of PART_PX pixels; what is left over at the end of a chip is not looked at. One strong edge, such
    as a shore, gives a whole chip a high correlation though the rest of it holds only noise. In the mean over parts
    each counts by its pixels, not by its contrast.
    """
    stride = chip + SUPPORT - 1
    agree = total = mean = 0.0
    for top in range(0, chip - PART_PX + 1, PART_PX):
        for left in range(0, chip - PART_PX + 1, STRIP):
            column_sums(values, top * stride + left, stride, PART_PX, columns)
            for x in range(0, min(STRIP, chip - left) - PART_PX + 1, PART_PX):
                n, found = part_correlation(columns, x, x + PART_PX)
                total += n
                mean += n * found
                agree += n if found * found * n > NOISE_LIMIT * NOISE_LIMIT and found > 0.0 else 0.0
    out[6], out[7] = agree / max(total, 1.0), mean / max(total, 1.0)
