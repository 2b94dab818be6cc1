"""Numbers for display: speed, robust statistics, and the points worth a graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from creepmeter.errors import SchemaError
from creepmeter.model.schema import MOTION_MODEL, check

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

NMAD_FACTOR = 1.4826  # median absolute deviation of a normal distribution -> its standard deviation
_NEIGHBOURS = 5  # of a point and its 8 neighbours that must be measured too
_CANDIDATES = 25
_MEASURED = 0.7  # share of dates that a point worth a graph has
_SIGMAS = 2.0


@dataclass(frozen=True)
class HorizontalMotion:
    """The rate of motion on the map.

    Parameters
    ----------
    east, north : array, (y, x)
        Components, `unit`.
    speed, sigma : array, (y, x)
        Length of the vector and its standard error, `unit`; sigma is NaN where unknown.
    unit : str
        ``m/yr``.
    """

    east: Floats
    north: Floats
    speed: Floats
    sigma: Floats
    unit: str

    @property
    def has_sigma(self) -> bool:
        """Tell whether any cell has a standard error."""
        return bool(np.isfinite(self.sigma).any())


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


def rate_term(motion: xr.Dataset) -> str:
    """Return ``rate``, or the first term other than the offset where there is no rate.

    Raises
    ------
    SchemaError
        The model has no such term.
    """
    check(motion, MOTION_MODEL)
    terms = [str(term) for term in motion["term"].values]
    if "rate" in terms:
        return "rate"
    others = [term for term in terms if term != "offset"]
    if not others:
        message = f"the motion model has no term to draw but {', '.join(terms)}: fit the term rate"
        raise SchemaError(message)
    return others[0]


def horizontal_motion(motion: xr.Dataset, term: str | None = None) -> HorizontalMotion | None:
    """Return east, north, speed and its standard error, or None where the model lacks one of the two components.

    Parameters
    ----------
    motion : Dataset
        MotionModel.
    term : str, optional
        Default: the rate.

    Notes
    -----
    The standard error of the speed is ``sqrt((ve se)^2 + (vn sn)^2) / speed``: the error along the direction of motion.
    """
    term = term or rate_term(motion)
    names = [str(name) for name in motion["component"].values]
    if not {"east", "north"} <= set(names):
        return None
    value = motion["value"].sel(term=term)
    east, north = (np.asarray(value.sel(component=name).values, dtype=np.float64) for name in ("east", "north"))
    speed = np.hypot(east, north)
    sigma = np.full_like(speed, np.nan)
    if "sigma" in motion:
        spread = motion["sigma"].sel(term=term)
        parts = [np.asarray(spread.sel(component=name).values, dtype=np.float64) for name in ("east", "north")]
        sigma = error_along(east, north, *parts)
    unit = str(motion["unit"].sel(term=term).item()) if "unit" in motion.coords else "m/yr"
    return HorizontalMotion(east, north, speed, sigma, unit)


def error_along(east: Floats, north: Floats, sigma_east: Floats, sigma_north: Floats) -> Floats:
    """Return the standard error along the direction of motion; where nothing moves, that of the mean direction."""
    speed = np.hypot(east, north)
    along = np.where(speed > 0, speed, 1.0)
    slope = [np.where(speed > 0, part / along, np.sqrt(0.5)) for part in (east, north)]
    return np.asarray(np.hypot(slope[0] * sigma_east, slope[1] * sigma_north))


def scalar_motion(motion: xr.Dataset) -> tuple[Floats, Floats]:
    """Return size and standard error of the rate, (y, x): speed, or the size of the only component."""
    movement = horizontal_motion(motion)
    if movement is not None:
        return movement.speed, movement.sigma
    term = rate_term(motion)
    size = np.abs(np.asarray(motion["value"].sel(term=term).values[0], dtype=np.float64))
    if "sigma" not in motion:
        return size, np.full_like(size, np.nan)
    return size, np.asarray(motion["sigma"].sel(term=term).values[0], dtype=np.float64)


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
