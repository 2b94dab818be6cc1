"""What is known of a refined chip: standard errors, correlation, and whether all of the chip bears it out."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from creepmeter.kernels._jit import jit, jit_fast
from creepmeter.kernels.cells import clustered, part_correlations
from creepmeter.kernels.chip import (
    FOUND,
    GX,
    GY,
    I_XX,
    I_YX,
    I_YY,
    S_T,
    S_TT,
    S_TX,
    S_TY,
    S_X,
    S_Y,
    WX,
    WY,
    Chip,
    Doubles,
    Floats,
    M,
    N,
    Scratch,
    T,
    W,
)
from creepmeter.kernels.spline import SUPPORT, along_columns, along_rows, slope_weights

Both: TypeAlias = tuple[np.float32, np.float32]  # of y and x, or of template and secondary

NOISE_LIMIT = 2.0  # correlation of a part in standard errors, 1 / sqrt(pixels), of that of unrelated white noise


@jit
def judge(fraction_y: float, fraction_x: float, chip: int, scratch: Scratch, out: Floats) -> None:
    """Write correlation, standard errors and support of a chip into `out`.

    The last comparison, at the fractions given, has left behind the secondary there, and its sums; the step from there
    to the result is the last of the moves.
    """
    values, room, weights, sums = scratch[0], scratch[1], scratch[2], scratch[3]
    stride = chip + SUPPORT - 1
    size = chip * stride
    out[2] = _correlation_at_end(sums, scratch[5])
    slope_weights(fraction_y, weights[2])
    slope_weights(fraction_x, weights[3])
    along_rows(room[0], weights[3], stride * stride - SUPPORT + 1, room[2])
    along_columns(room[1], weights[2], stride, size, values[WY])
    along_columns(room[2], weights[0], stride, size, values[WX])
    _spread(values, sums, chip, scratch[5][4:], scratch[4], out)
    support(values, chip, scratch[4], out)


@jit
def _correlation_at_end(sums: Doubles, moves: Doubles) -> float:
    """Return the correlation where the last step leads: the squared error falls by gain^2 move^T (sum g g^T) step."""
    found = sums[FOUND + 3]
    energy = sums[S_TT] - sums[S_T] * sums[S_T] / sums[N]
    determinant = sums[I_YY] * sums[I_XX] - sums[I_YX] * sums[I_YX]
    y = sums[I_XX] * moves[4] - sums[I_YX] * moves[5]
    x = sums[I_YY] * moves[5] - sums[I_YX] * moves[4]
    gained = (moves[0] * y + moves[1] * x) / (determinant * energy)
    return float(min(1.0, found * np.sqrt(max(1.0, 1.0 + gained))))


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
def _weigh_errors(
    values: Chip, means: Both, step: Both, one: np.float32, levels: Both, parts: Both, unit: np.float32
) -> None:
    """Replace the gradients of the secondary by g e over `unit`.

    g is the mean of both gradients less `levels` and `parts` of t; e the difference of secondary, a step further, and
    template, each about its mean.
    """
    t, m, w, gy, gx, wy, wx = values[T], values[M], values[W], values[GY], values[GX], values[WY], values[WX]
    (mean_t, mean_w), (step_y, step_x), (level_y, level_x), (part_y, part_x) = means, step, levels, parts
    half = np.float32(0.5) / unit
    other = half * one
    level_y, level_x, part_y, part_x = level_y / unit, level_x / unit, part_y / unit, part_x / unit
    for q in range(len(t)):
        down, along, here = wy[q], wx[q], t[q]
        error = ((w[q] - step_y * down - step_x * along - mean_w) * one - (here - mean_t)) * m[q]
        wy[q] = (half * gy[q] + other * down - level_y - part_y * here) * error
        wx[q] = (half * gx[q] + other * along - level_x - part_x * here) * error


@jit
def _spread(values: Chip, sums: Doubles, chip: int, step: Doubles, lines: Floats, out: Floats) -> None:
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
    mean_w = (sums[FOUND + 4] - step[0] * sy - step[1] * sx) / n
    part_y, part_x = 0.5 * (along_t[0] + along_w[0] * one), 0.5 * (along_t[1] + along_w[1] * one)
    level_y = 0.5 * (sums[S_Y] + sy * one) / n - part_y * mean_t
    level_x = 0.5 * (sums[S_X] + sx * one) / n - part_x * mean_t
    means, moved = (np.float32(mean_t), np.float32(mean_w)), (np.float32(step[0]), np.float32(step[1]))
    levels, parts = (np.float32(level_y), np.float32(level_x)), (np.float32(part_y), np.float32(part_x))
    unit = np.exp2(np.floor(0.5 * np.log2(energy / n)))  # a power of two loses no digit
    _weigh_errors(values, means, moved, scale, levels, parts, np.float32(unit))
    clustered(values, chip, lines, found)
    yy, yx, xx = found[0] * unit * unit, found[1] * unit * unit, found[2] * unit * unit
    found[0], found[1], found[2] = yy, yx, xx
    found[3], found[4], found[5], found[6] = a, b, c, d
    determinant = a * d - b * c
    if determinant <= 0.0:
        out[3] = out[4] = np.inf
        return
    out[3] = np.sqrt(max(0.0, d * d * yy - 2.0 * d * b * yx + b * b * xx)) / determinant
    out[4] = np.sqrt(max(0.0, c * c * yy - 2.0 * c * a * yx + a * a * xx)) / determinant


@jit
def support(values: Chip, chip: int, columns: Floats, out: Floats) -> None:
    """Write the share of the common pixels in parts of the chip that correlate by themselves, and their correlation.

    One strong edge, such as a shore, gives a whole chip a high correlation though the rest of it holds only noise. In
    the mean over parts each counts by its pixels, not by its contrast.
    """
    pixels, found = part_correlations(values, chip, columns)
    agree = total = mean = 0.0
    for i in range(len(found)):
        for j in range(len(found)):
            n, one = pixels[i, j], found[i, j]
            total += n
            mean += n * one
            agree += n if one * one * n > NOISE_LIMIT * NOISE_LIMIT and one > 0.0 else 0.0
    out[6], out[7] = agree / max(total, 1.0), mean / max(total, 1.0)
