"""Maps brought to other grids."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from creepmeter.model.grid import Grid, centre_positions, common_part, metres_per_cell, pixel_position
from creepmeter.model.sampling import bilinear

Floats = npt.NDArray[np.float64]
Values = npt.NDArray[np.floating]


def values_on(values: Values, source: Grid, grid: Grid) -> Floats:
    """Return a map on another grid, in any reference system; NaN where it has no value.

    Parameters
    ----------
    values : array, (y, x)
        NaN = not known.
    source : Grid
        Grid of the values.
    grid : Grid
        Where to have them.

    Notes
    -----
    Where the cells of both grids coincide, values are taken as they are. A cell larger than those of the source gets
    the mean of the cells around its centre that it covers, between four of them; else the value between four cells.
    """
    shared = common_part(grid, source)
    if shared is not None:
        found = np.full(grid.shape, np.nan)
        found[shared[0]] = values[shared[1]]
        return found
    ours, theirs = metres_per_cell(grid), metres_per_cell(source)
    # an even window would lie half a cell beside its centre
    width = [1 + 2 * max(0, round((size / own - 1) / 2)) for size, own in zip(ours, theirs, strict=True)]
    column, row = pixel_position(source, *centre_positions(grid), grid.crs)
    return bilinear(_mean_around(np.asarray(values, np.float64), (width[1], width[0])), column, row)


def _mean_around(values: Floats, size: tuple[int, int]) -> Floats:
    """Return means over windows of what is known in them."""
    if size == (1, 1):
        return values
    known = np.isfinite(values)
    total = ndimage.uniform_filter(np.where(known, values, 0.0), size, mode="nearest")
    share = ndimage.uniform_filter(known.astype(np.float64), size, mode="nearest")
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known & (share > 0), total / share, np.nan)
