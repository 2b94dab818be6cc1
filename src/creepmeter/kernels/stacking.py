"""Sums over pairs at each pixel, and over pixels in each pair, in one pass over the data."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from creepmeter.kernels._jit import jit
from creepmeter.kernels.threads import in_threads

Floats = npt.NDArray[np.float64]
Layers = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def mean_over_pairs(values: Layers, datum: Layers, factor: Floats) -> Layers:
    """Return the mean over pairs of ``(value - datum) * factor``, NaN left out.

    Parameters
    ----------
    values : array of float32, (pair, y, x)
        NaN = not measured.
    datum : array of float32, (pair,)
        Of each pair; NaN leaves the pair out.
    factor : array of float64, (pair,)
        Of each pair.

    Returns
    -------
    array of float32, (y, x)
        NaN where no pair has a value. Every difference, product and sum is rounded to float32, in order of the pairs,
        as NumPy does it for float32 arrays: such maps equal those of other programs bit for bit.
    """
    out = np.empty(values.shape[1:], np.float32)
    in_threads(lambda start, stop: _mean_rows(start, stop, values, datum, factor, out), len(out))
    return out


@jit
def _mean_rows(start: int, stop: int, values: Layers, datum: Layers, factor: Floats, out: Layers) -> None:
    pairs, _, columns = values.shape
    total = np.empty(columns, np.float32)
    count = np.empty(columns, np.int64)
    for i in range(start, stop):
        total[:] = np.float32(0)
        count[:] = 0
        for k in range(pairs):
            for j in range(columns):
                value = np.float32(np.float64(values[k, i, j] - datum[k]) * factor[k])
                is_number = value == value  # noqa: PLR0124 - not NaN, without a branch
                total[j] += value if is_number else np.float32(0)
                count[j] += is_number
        for j in range(columns):
            out[i, j] = total[j] / count[j] if count[j] > 0 else np.nan


def sums_in_pairs(values: Layers, mask: Bools, level: float) -> tuple[Floats, Counts, Counts]:
    """Return, for each pair and row, the sum of what is measured inside a mask, its number, and how many lie above.

    Parameters
    ----------
    values : array of float32, (pair, y, x)
        0 and NaN = not measured.
    mask : array of bool, (y, x)
        True = counts.
    level : float
        What lies above it is counted; infinity for none.

    Returns
    -------
    total : array of float64, (pair, y)
    count, above : array of int64, (pair, y)
        Rows are summed by themselves, so that a sum over all rows does not depend on blocks or threads.
    """
    shape = values.shape[:2]
    total, count, above = np.zeros(shape), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    in_threads(lambda start, stop: _sum_rows(start, stop, values, mask, level, total, count, above), shape[1])
    return total, count, above


@jit
def _sum_rows(
    start: int,
    stop: int,
    values: Layers,
    mask: Bools,
    level: float,
    total: Floats,
    count: Counts,
    above: Counts,
) -> None:
    pairs, _, columns = values.shape
    for k in range(pairs):
        for i in range(start, stop):
            part, number, higher = 0.0, 0, 0
            for j in range(columns):
                value = values[k, i, j]
                is_counted = mask[i, j] and value == value and value != 0.0  # noqa: PLR0124 - not NaN
                part += np.float64(value) if is_counted else 0.0
                number += is_counted
                higher += is_counted and value > level
            total[k, i] = part
            count[k, i] = number
            above[k, i] = higher
