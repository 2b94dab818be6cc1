"""Values taken from layers of maps at other places: of one pixel, or between four."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.kernels._jit import jit
from creepmeter.kernels.threads import in_threads

Array = npt.NDArray[Any]
Places = npt.NDArray[np.int32]
Shares = npt.NDArray[np.float32]

_HALF = 0.5


def take_nearest(values: Array, place: Places, fill: float | bool) -> Array:
    """Return the values at some pixels.

    Parameters
    ----------
    values : array, (layers, pixels)
        Of any type.
    place : int32 (m,)
        Pixel; -1 = none.
    fill : number or bool
        What stands where there is none.

    Returns
    -------
    array, (layers, m)
        Of the type of `values`.
    """
    found = np.empty((len(values), len(place)), values.dtype)
    blank = np.asarray(fill).astype(values.dtype)[()]
    given = np.ascontiguousarray(values)
    in_threads(lambda start, stop: _take(start, stop, given, place, blank, found), len(place))
    return found


@jit
def _take(start: int, stop: int, values: Array, place: Places, blank: Any, found: Array) -> None:  # noqa: ANN401
    for layer in range(len(values)):
        source, target = values[layer], found[layer]
        for k in range(start, stop):
            target[k] = source[place[k]] if place[k] >= 0 else blank


def take_between(
    values: Array, columns: int, corner: Places, share: Shares, *, zero_missing: bool, fill: float
) -> Array:
    """Return values between four pixels, by their distances along rows and columns.

    Parameters
    ----------
    values : float array, (layers, pixels)
        NaN = not measured.
    columns : int
        Pixels in a row.
    corner : int32 (m,)
        Upper left of the four; -1 = none.
    share : float32 (m, 2)
        Way from there to the next row and to the next column.
    zero_missing : bool
        Zero is not measured either.
    fill : float
        What stands where there is no pixel.

    Returns
    -------
    float array, (layers, m)
        The mean of what is measured, where that has half of the weight; else what unmeasured pixels hold, 0 or NaN.
    """
    given = np.ascontiguousarray(values)
    found = np.empty((len(values), len(corner)), values.dtype)
    blank = np.asarray(fill).astype(values.dtype)[()]
    in_threads(
        lambda start, stop: _between(start, stop, given, columns, corner, share, zero_missing, blank, found),
        len(corner),
    )
    return found


@jit
def _between(
    start: int,
    stop: int,
    values: Array,
    columns: int,
    corner: Places,
    share: Shares,
    zero_missing: bool,
    blank: Any,  # noqa: ANN401 - of the type of the values
    found: Array,
) -> None:
    for k in range(start, stop):
        first = corner[k]
        if first < 0:
            for layer in range(len(values)):
                found[layer, k] = blank
            continue
        down, across = float(share[k, 0]), float(share[k, 1])
        for layer in range(len(values)):
            total, weight, empty = 0.0, 0.0, np.nan
            for part in range(4):
                own = (down if part >= 2 else 1.0 - down) * (across if part % 2 else 1.0 - across)  # noqa: PLR2004
                if own == 0.0:
                    continue
                value = values[layer, first + (columns if part >= 2 else 0) + part % 2]  # noqa: PLR2004
                if np.isnan(value):
                    continue
                if zero_missing and value == 0:
                    empty = 0.0
                    continue
                total += own * value
                weight += own
            found[layer, k] = total / weight if weight >= _HALF else empty
