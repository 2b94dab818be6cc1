"""Medians within a footprint of any shape, missing points left out."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from creepmeter.kernels._jit import jit
from creepmeter.kernels.threads import in_threads

Doubles: TypeAlias = npt.NDArray[np.float64]
Offsets: TypeAlias = npt.NDArray[np.int64]


def disk_offsets(radius: int) -> Offsets:
    """Return rows and columns (n, 2) of the pixels within a radius of the middle one."""
    down, across = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return np.argwhere(down**2 + across**2 <= radius**2) - radius


def median_within(values: Doubles, offsets: Offsets) -> Doubles:
    """Return the median of the finite values at some offsets from each pixel; beyond the borders the edge goes on.

    Parameters
    ----------
    values : float64 (ny, nx)
        NaN = missing.
    offsets : int64 (n, 2)
        Rows and columns from the pixel.

    Returns
    -------
    float64 (ny, nx)
        NaN where a footprint is empty; the mean of the two middle values of an even number.
    """
    given = np.require(values, np.float64, ["C", "W"])
    out = np.empty(given.shape)
    in_threads(lambda start, stop: _median_rows(start, stop, given, offsets, out), given.shape[0])
    return out


@jit
def _median_rows(start: int, stop: int, values: Doubles, offsets: Offsets, out: Doubles) -> None:
    rows, columns = values.shape
    found = np.empty(len(offsets))
    for y in range(start, stop):
        for x in range(columns):
            count = 0
            for k in range(len(offsets)):
                value = values[min(max(y + offsets[k, 0], 0), rows - 1), min(max(x + offsets[k, 1], 0), columns - 1)]
                if np.isfinite(value):
                    found[count] = value
                    count += 1
            out[y, x] = np.median(found[:count]) if count else np.nan
