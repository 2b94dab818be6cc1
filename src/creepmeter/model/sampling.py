"""Maps between the centres of their cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
_HALF = 0.5


def bilinear(values: npt.NDArray[Any], column: npt.ArrayLike, row: npt.ArrayLike) -> Floats:
    """Return a map between the centres of its cells.

    Parameters
    ----------
    values : array, (..., y, x)
        NaN = not measured.
    column, row : array of float
        Positions in pixels, (0, 0) = upper left corner of the first pixel.

    Returns
    -------
    array, (..., *positions)
        NaN off the map, and where less than half of the weight lies on measured cells. The outermost half of a cell
        takes the value of that cell.

    Examples
    --------
    >>> bilinear(np.array([[1.0, 3.0]]), [1.0, 0.0, 2.5], 0.5).tolist()
    [2.0, 1.0, nan]
    """
    x, y = np.broadcast_arrays(np.asarray(column, np.float64), np.asarray(row, np.float64))
    rows, columns = values.shape[-2:]
    inside = (x >= 0) & (x <= columns) & (y >= 0) & (y <= rows)
    left, right, along = _neighbours(np.where(inside, x, 0.0), columns)
    top, bottom, down = _neighbours(np.where(inside, y, 0.0), rows)
    total = np.zeros(values.shape[:-2] + x.shape)
    weight = np.zeros_like(total)
    for r, c, share in (
        (top, left, (1 - down) * (1 - along)),
        (top, right, (1 - down) * along),
        (bottom, left, down * (1 - along)),
        (bottom, right, down * along),
    ):
        found = np.asarray(values[..., r, c], np.float64)
        known = np.isfinite(found)
        total += np.where(known, found, 0.0) * share
        weight += known * share
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(inside & (weight >= _HALF), total / weight, np.nan), np.float64)


def _neighbours(position: Floats, size: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats]:
    """Return the cells on both sides of positions along one axis, and the share of the second."""
    centre = np.clip(position - _HALF, 0.0, size - 1.0)
    first = np.minimum(np.floor(centre).astype(np.int64), max(size - 2, 0))
    return first, np.minimum(first + 1, size - 1), centre - first
