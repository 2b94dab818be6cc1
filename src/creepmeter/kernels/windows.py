"""Windows of masked images: copies, sums over boxes by integral images, and what correlation needs of them."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from creepmeter.kernels._jit import jit, jit_fast

Floats: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]

TEXTURE_EPS = 1e-6  # variance below this share of the mean square is rounding, not texture


@jit
def copy_tile(image: Floats, valid: Bools, top: int, left: int, out: Floats, mask: Floats) -> bool:
    """Copy a window into `out` (mean removed, missing = 0) and `mask` (1 or 0); outside the image is missing.

    Returns whether every pixel inside the image is valid.
    """
    rows, columns = image.shape
    height, width = out.shape
    out[:] = 0.0
    mask[:] = 0.0
    total = 0.0
    count = inside = 0
    first, last = max(0, -left), max(0, -left, min(width, columns - left))
    for i in range(max(0, -top), min(height, rows - top)):
        inside += last - first
        line, seen = image[top + i, left + first : left + last], valid[top + i, left + first : left + last]
        to, flags = out[i, first:last], mask[i, first:last]
        for j in range(len(line)):
            flags[j] = 1.0 if seen[j] else 0.0
        for j in range(len(line)):
            to[j] = line[j] if seen[j] else 0.0
        total += _sum(to)
        count += int(_sum(flags))
    mean = np.float32(total / max(count, 1))
    for i in range(height):
        to, flags = out[i], mask[i]
        for j in range(width):
            to[j] -= mean * flags[j]
    return count == inside


@jit_fast
def _sum(line: Floats) -> float:
    total = np.float32(0.0)
    for j in range(len(line)):
        total += line[j]
    return float(total)


@jit
def integrate(values: Floats, sums: Doubles, squares: Doubles) -> None:
    """Write the sums of values and of squares above and left of every corner, shape of `values` + 1."""
    height = len(values)
    sums[0, :] = 0.0
    squares[0, :] = 0.0
    for i in range(0, height - 1, 2):  # two rows at once: their sums do not wait for each other
        _integrate_rows(values, i, sums, squares)
    if height % 2:
        _integrate_row(values[height - 1], sums[height - 1], squares[height - 1], sums[height], squares[height])


@jit
def _integrate_row(line: Floats, above: Doubles, above_square: Doubles, out: Doubles, out_square: Doubles) -> None:
    run = power = 0.0
    out[0] = out_square[0] = 0.0
    for j in range(len(line)):
        value = np.float64(line[j])
        run += value
        power += value * value
        out[j + 1] = above[j + 1] + run
        out_square[j + 1] = above_square[j + 1] + power


@jit
def _integrate_rows(values: Floats, i: int, sums: Doubles, squares: Doubles) -> None:
    first, second = values[i], values[i + 1]
    above, above_square = sums[i], squares[i]
    out, out_square, low, low_square = sums[i + 1], squares[i + 1], sums[i + 2], squares[i + 2]
    run = power = run_low = power_low = 0.0
    out[0] = out_square[0] = low[0] = low_square[0] = 0.0
    for j in range(len(first)):
        one, two = np.float64(first[j]), np.float64(second[j])
        run += one
        power += one * one
        run_low += two
        power_low += two * two
        out[j + 1] = above[j + 1] + run
        out_square[j + 1] = above_square[j + 1] + power
        low[j + 1] = out[j + 1] + run_low
        low_square[j + 1] = out_square[j + 1] + power_low


@jit
def box(integral: Doubles, top: int, low: int, left: int, right: int) -> float:
    """Return the sum over rows top to low and columns left to right, the ends excluded."""
    return float(integral[low, right] - integral[top, right] - integral[low, left] + integral[top, left])


@jit
def moments(total: float, power: float, n: float, least: float) -> tuple[float, float]:
    """Return mean and reciprocal root of the summed squared deviations; the latter NaN without texture or pixels."""
    if n < least or n <= 0.0:
        return 0.0, np.nan
    spread = power - total * total / n
    if spread <= TEXTURE_EPS * power or spread <= 0.0:
        return total / n, np.nan
    return total / n, 1.0 / np.sqrt(spread)


@jit
def _row_of_boxes(low: Doubles, up: Doubles, chip: int, out: Doubles) -> None:
    """Write the sums of all windows of a row from the integral image below and above them."""
    for x in range(len(out)):
        out[x] = low[x + chip] - up[x + chip] - low[x] + up[x]


@jit
def row_moments(
    sums: Doubles, squares: Doubles, top: int, chip: int, inside: tuple[int, int, int, int], least: float,
    mean: Doubles, inverse: Doubles,
) -> None:  # fmt: skip
    """Write `moments` of every window of a row of windows; `inside` = rows and columns of the tile within the image."""
    y0, y1, x0, x1 = inside
    rows = float(max(0, min(y1, top + chip) - max(y0, top)))
    _row_of_boxes(sums[top + chip], sums[top], chip, mean)
    _row_of_boxes(squares[top + chip], squares[top], chip, inverse)
    for x in range(len(mean)):
        n = rows * float(max(0, min(x1, x + chip) - max(x0, x)))
        total, power = mean[x], inverse[x]
        enough = n >= least and n > 0.0
        share = n if enough else 1.0
        spread = power - total * total / share
        textured = enough and spread > TEXTURE_EPS * power and spread > 0.0
        mean[x] = total / share if enough else 0.0
        inverse[x] = 1.0 / np.sqrt(spread if textured else 1.0) if textured else np.nan
