"""Sums over the columns of every row, from which a surface is fitted.

Sums of a row do not depend on which rows are read with it: a fit has the same bits however the map is cut.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from creepmeter.kernels._jit import jit
from creepmeter.kernels.threads import in_threads

Values: TypeAlias = npt.NDArray[Any]
Doubles: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]

PLACES, WEIGHTED = 5, 3  # sums of x^0 to x^4, of value times x^0 to x^2


@jit
def _moments_of_layers(start: int, stop: int, values: Values, inside: Bools, places: Doubles, out: Doubles) -> None:
    for layer in range(start, stop):
        for row in range(values.shape[1]):
            zeroth, first, second, third, fourth = 0.0, 0.0, 0.0, 0.0, 0.0
            plain, tilt, bend = 0.0, 0.0, 0.0
            for column in range(values.shape[2]):
                value = float(values[layer, row, column])
                if not inside[row, column] or value == 0.0 or not np.isfinite(value):
                    continue
                x = places[column]
                square = x * x
                zeroth += 1.0
                first += x
                second += square
                third += square * x
                fourth += square * square
                plain += value
                tilt += value * x
                bend += value * square
            sums = out[layer, row]
            sums[0], sums[1], sums[2], sums[3], sums[4] = zeroth, first, second, third, fourth
            sums[5], sums[6], sums[7] = plain, tilt, bend


def row_moments(values: Values, inside: Bools, places: Doubles) -> Doubles:
    """Return sums over the columns where a value is inside, finite and not 0.

    Parameters
    ----------
    values : array, (layer, row, column)
        Values.
    inside : array of bool, (row, column)
        Pixels that count.
    places : array, (column,)
        Position x of every column.

    Returns
    -------
    array, (layer, row, 8)
        Sums of ``1, x, x^2, x^3, x^4`` and of ``value, value x, value x^2``.
    """
    layers, rows, _ = values.shape
    out = np.zeros((layers, rows, PLACES + WEIGHTED))
    series, mask, at = np.ascontiguousarray(values), np.ascontiguousarray(inside), np.require(places, np.float64)
    in_threads(lambda start, stop: _moments_of_layers(start, stop, series, mask, at, out), layers)
    return out
