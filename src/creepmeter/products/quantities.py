"""Numbers for display: speed, robust statistics, and the points worth a graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from creepmeter.model.horizontal import scalar_motion

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

NMAD_FACTOR = 1.4826  # median absolute deviation of a normal distribution -> its standard deviation
_NEIGHBOURS = 5  # of a point and its 8 neighbours that must be measured too
_CANDIDATES = 25
_MEASURED = 0.7  # share of dates that a point worth a graph has
_SIGMAS = 2.0


@dataclass(frozen=True)
class MapPoint:
    """A cell of a map worth a graph.

    Parameters
    ----------
    name : str
        Such as ``fastest point``.
    row, column : int
        Cell of the map, from 0.
    """

    name: str
    row: int
    column: int


def median(values: npt.ArrayLike) -> float:
    """Return the median of what is measured, NaN where nothing is."""
    finite = _finite(values)
    return float(np.median(finite)) if finite.size else float("nan")


def nmad(values: npt.ArrayLike) -> float:
    """Return the normalised median absolute deviation of what is measured, NaN where nothing is."""
    finite = _finite(values)
    return NMAD_FACTOR * float(np.median(np.abs(finite - np.median(finite)))) if finite.size else float("nan")


def _finite(values: npt.ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    return array[np.isfinite(array)]


def pick_points(
    motion: xr.Dataset, series: xr.Dataset | None = None, stable: Bools | None = None
) -> tuple[MapPoint, ...]:
    """Choose the fastest well-measured point and a typical stable point.

    A point is well measured where its standard error is below twice the median, most of its neighbours are measured
    too, and most of its dates are. Points are ranked by the median speed of a point and its neighbours, so that
    an outlier that stands alone is not chosen.

    Parameters
    ----------
    motion : Dataset
        MotionModel.
    series : Dataset, optional
        TimeSeries on the same grid.
    stable : array of bool, (y, x), optional
        Ground taken as still. Default: where speed is below 2 sigma.

    Returns
    -------
    tuple of MapPoint
        ``fastest point`` and ``stable point``, or fewer where nothing qualifies.
    """
    speed, sigma = scalar_motion(motion)
    smooth, count = _median_of_neighbours(speed)
    good = np.isfinite(speed)
    well = good & (count >= min(_NEIGHBOURS, speed.size))
    if np.isfinite(sigma).any():
        well &= ~(sigma > 2 * np.nanmedian(sigma))
    well = well if well.any() else good
    still = speed < _SIGMAS * sigma if stable is None else np.asarray(stable, dtype=bool)
    points = []
    fastest = _first_measured(np.where(well & ~still if (well & ~still).any() else well, -smooth, np.nan), series)
    if fastest is not None:
        points.append(MapPoint("fastest point", *fastest))
    quiet = well & still
    if quiet.any():
        typical = _first_measured(np.where(quiet, np.abs(speed - np.median(speed[quiet])), np.nan), series)
        if typical is not None and typical != fastest:
            points.append(MapPoint("stable point", *typical))
    return tuple(points)


def majority(mask: Bools) -> Bools:
    """Return where a cell and its neighbours (3 x 3) are mostly true; beyond the border counts as false."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(mask, 1), (3, 3))
    return np.asarray(windows.sum(axis=(-2, -1)) >= _NEIGHBOURS)


def _median_of_neighbours(values: Floats) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return the (lower) median and the count of what is measured in each 3 x 3 window."""
    padded = np.pad(values, 1, constant_values=np.nan)
    windows = np.sort(np.lib.stride_tricks.sliding_window_view(padded, (3, 3)).reshape(*values.shape, 9), axis=-1)
    count = np.isfinite(windows).sum(axis=-1)
    middle = np.maximum(count - 1, 0) // 2
    return np.take_along_axis(windows, middle[..., None], axis=-1)[..., 0], count


def _first_measured(cost: Floats, series: xr.Dataset | None) -> tuple[int, int] | None:
    """Return the cell of least cost whose series is measured at most dates, else the cell of least cost."""
    order = np.argsort(cost, axis=None, kind="stable")[: min(_CANDIDATES, int(np.isfinite(cost).sum()))]
    cells = [(int(row), int(column)) for row, column in zip(*np.unravel_index(order, cost.shape), strict=True)]
    if series is not None:
        for row, column in cells:
            if np.isfinite(series["displacement"].isel(y=row, x=column).values).mean() >= _MEASURED:
                return row, column
    return cells[0] if cells else None


def each_pair(stack: xr.Dataset) -> Iterator[npt.NDArray[np.floating]]:
    """Yield displacement (component, y, x) of one pair after the other, so that a large stack is never in memory."""
    for index in range(stack.sizes["pair"]):
        yield np.asarray(stack["displacement"].isel(pair=index).values)
