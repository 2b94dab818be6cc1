"""Filters and derivatives of series in time; dates that were not measured are left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.errors import EpochError
from creepmeter.kernels.lanes import times_series

Floats = npt.NDArray[np.float64]
Values = npt.NDArray[Any]

DAYS_PER_MONTH = 365.25 / 12


def smooth_in_time(values: npt.ArrayLike, days: npt.ArrayLike, sigma_days: float) -> Floats:
    """Return a series smoothed by Gaussian weights of the time between dates.

    Parameters
    ----------
    values : array, (time, ...)
        NaN = not measured; stays so, and has no weight.
    days : array, (time,)
        When, days from any day.
    sigma_days : float
        Standard deviation of the Gaussian, days.
    """
    series, when = _checked(values, days)
    measured = np.isfinite(series)
    weights = np.exp(-0.5 * ((when[:, None] - when) / sigma_days) ** 2)
    flat = np.where(measured, series, 0.0).reshape(len(series), -1)
    known = measured.reshape(flat.shape)
    total = times_series(weights, known)
    found = np.divide(times_series(weights, flat), total, out=np.full(flat.shape, np.nan), where=known)
    return np.asarray(found.reshape(series.shape), np.float64)


def median_in_time(values: npt.ArrayLike, dates: int) -> Floats:
    """Return a series in which each date is the median of those around it; beyond the ends they are repeated.

    Parameters
    ----------
    values : array, (time, ...)
        NaN = not measured; stays so, and does not count.
    dates : int
        Dates in the window, odd.
    """
    series = np.asarray(values, np.float64)
    half = dates // 2
    found = np.empty(series.shape)
    for place in range(len(series)):
        around = np.clip(np.arange(place - half, place + half + 1), 0, len(series) - 1)
        ordered = np.sort(series[around], axis=0)  # NaN come last
        count = np.isfinite(ordered).sum(axis=0)
        low, high = (np.maximum(k, 0)[None] for k in ((count - 1) // 2, count // 2))
        high = np.minimum(high, dates - 1)
        pair = np.take_along_axis(ordered, low, 0)[0], np.take_along_axis(ordered, high, 0)[0]
        found[place] = np.where(np.isfinite(series[place]), 0.5 * (pair[0] + pair[1]), np.nan)
    return found


def steps_in_time(values: npt.ArrayLike) -> Floats:
    """Return the change of a series (time, ...) since the date before; zero at the first date."""
    series = np.asarray(values, np.float64)
    return np.concatenate([np.zeros_like(series[:1]), np.diff(series, axis=0)])


def derivative_in_time(values: npt.ArrayLike, years: npt.ArrayLike) -> Floats:
    """Return the rate of a series since the date before, per year; that of the first date is that of the second.

    Parameters
    ----------
    values : array, (time, ...)
        NaN = not measured.
    years : array, (time,)
        When, in order.

    Raises
    ------
    EpochError
        Fewer than two dates, or dates that do not follow one another.

    Examples
    --------
    >>> derivative_in_time([0.0, 1.0, 3.0], [0.0, 0.5, 1.5]).tolist()
    [2.0, 2.0, 2.0]
    """
    series, when = _checked(values, years)
    span = np.diff(when)
    if len(span) == 0 or (span <= 0).any():
        message = f"a derivative needs two dates or more, one after the other; got {len(when)}"
        raise EpochError(message)
    rate = np.diff(series, axis=0) / span.reshape(-1, *(1 for _ in series.shape[1:]))
    return np.concatenate([rate[:1], rate])


def _checked(values: npt.ArrayLike, when: npt.ArrayLike) -> tuple[Floats, Floats]:
    series, times = np.asarray(values, np.float64), np.asarray(when, np.float64)
    if times.shape != series.shape[:1]:
        message = f"a series of {len(series)} dates came with {times.size} times"
        raise EpochError(message)
    return series, times
