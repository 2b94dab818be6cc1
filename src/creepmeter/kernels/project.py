"""One function of time apart from others: a projection, the same for all pixels, in place of a fit per pixel.

With d = b z + M c + e, what M leaves of b is u = Q b, and z = (u.d) / (u.b) (Frisch, Waugh and Lovell). Q is the
projection off the columns of M, over the dates that are used or the differences between them.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from creepmeter.kernels._jit import jit
from creepmeter.kernels.plan import LEAST, Plan
from creepmeter.kernels.threads import in_threads

Values: TypeAlias = npt.NDArray[Any]
Doubles: TypeAlias = npt.NDArray[np.float64]
Singles: TypeAlias = npt.NDArray[np.float32]

LANES = 16  # pixels side by side; all that is known of them stays in the first cache
CHUNK = 1024


@jit
def _combine(weights: Doubles, series: Doubles, out: Doubles) -> None:
    """Write ``weights @ series`` of lanes, (k, n) and (n, LANES)."""
    count = weights.shape[1]
    for k in range(weights.shape[0]):
        w, total = weights[k], out[k]
        total[:] = 0.0
        for i in range(0, count - 3, 4):  # four at a time: sums are loaded and stored once for all of them
            for q in range(LANES):
                two = w[i] * series[i, q] + w[i + 1] * series[i + 1, q]
                total[q] += two + (w[i + 2] * series[i + 2, q] + w[i + 3] * series[i + 3, q])
        for i in range(count // 4 * 4, count):
            for q in range(LANES):
                total[q] += w[i] * series[i, q]


@jit
def _take_away(functions: Doubles, factors: Doubles, series: Doubles) -> None:
    """Subtract ``functions @ factors``, (n, k) and (k, LANES), from lanes."""
    count = functions.shape[1]
    for i in range(functions.shape[0]):
        f, line = functions[i], series[i]
        for k in range(0, count - 1, 2):
            for q in range(LANES):
                line[q] -= f[k] * factors[k, q] + f[k + 1] * factors[k + 1, q]
        for k in range(count // 2 * 2, count):
            for q in range(LANES):
                line[q] -= f[k] * factors[k, q]


@jit
def _weigh(column: Doubles, projection: Doubles, weight: Doubles) -> None:
    """Write u / (u.b) of each lane; column and weight (n, LANES)."""
    _combine(projection, column, weight)
    size, whole = np.zeros(LANES), np.zeros(LANES)
    for i in range(column.shape[0]):
        for q in range(LANES):
            size[q] += weight[i, q] * column[i, q]
            whole[q] += column[i, q] * column[i, q]
    for i in range(column.shape[0]):
        for q in range(LANES):
            weight[i, q] = weight[i, q] / size[q] if size[q] > LEAST * whole[q] else 0.0


@jit
def _take_column(series: Doubles, column: Doubles, weight: Doubles, factor: Doubles) -> None:
    """Take the column off lanes and write its factor."""
    factor[:] = 0.0
    for i in range(series.shape[0]):
        for q in range(LANES):
            factor[q] += weight[i, q] * series[i, q]
    for i in range(series.shape[0]):
        for q in range(LANES):
            series[i, q] -= column[i, q] * factor[q]


@jit
def _gather(values: Values, first: int, lanes: Doubles) -> None:
    for i in range(values.shape[0]):
        for q in range(min(LANES, values.shape[1] - first)):
            lanes[i, q] = values[i, first + q]


@jit
def _scatter(lanes: Doubles, column: Doubles, factor: Doubles, datum: int, first: int, out: Singles) -> None:
    """Write lanes; with a factor of the column at one date, so that the map of that date stays as it was."""
    for i in range(out.shape[0]):
        for q in range(min(LANES, out.shape[1] - first)):
            out[i, first + q] = lanes[i, q] + column[datum, q] * factor[q]


@jit
def _correct_range(
    start: int,
    stop: int,
    values: Values,
    columns: Doubles,
    plan: Plan,
    factor: Doubles,
    corrected: Singles,
    residual: Singles,
) -> None:
    dates = values.shape[0]
    series, column, weight = np.zeros((dates, LANES)), np.zeros((dates, LANES)), np.zeros((dates, LANES))
    shares, found, none = np.zeros((plan.others.shape[1], LANES)), np.zeros(LANES), np.zeros(LANES)
    for first in range(start, stop, LANES):
        _gather(values, first, series)
        _gather(columns, first, column)
        _weigh(column, plan.projection, weight)
        _take_column(series, column, weight, found)
        _scatter(series, column, found, plan.datum, first, corrected)
        _combine(plan.inverse, series, shares)
        _take_away(plan.others, shares, series)
        _scatter(series, column, none, plan.datum, first, residual)
        width = min(LANES, stop - first)
        factor[first : first + width] = found[:width]


def take_off(values: Values, columns: Doubles, plan: Plan, corrected: Singles, residual: Singles) -> Doubles:
    """Estimate the factor of one function of time, another at every pixel, beside others; and take it off.

    Parameters
    ----------
    values : array, (n, P)
        Series without gaps; one with NaN gives NaN.
    columns : array, (n, P)
        The function b of every pixel.
    plan : Plan
        The other functions.
    corrected, residual : arrays of float32, (n, P)
        Get ``d - (b - b_datum) z``, and what neither function explains.

    Returns
    -------
    array, (P,)
        z; 0 where the others leave nothing of the function.
    """
    count = values.shape[1]
    factor = np.zeros(count)
    series, functions = np.ascontiguousarray(values), np.require(columns, np.float64, ["C", "W"])
    projection, others, inverse = (np.require(part, np.float64, ["C", "W"]) for part in plan[:3])
    made = Plan(projection, others, inverse, plan.datum)
    in_threads(
        lambda start, stop: _correct_range(start, stop, series, functions, made, factor, corrected, residual),
        count,
        multiple=CHUNK,
    )
    return factor
