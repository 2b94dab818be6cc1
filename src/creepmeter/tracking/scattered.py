"""Outliers among scattered points: each is judged by the points nearest to it."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from creepmeter.errors import ImageError
from creepmeter.kernels.medians import Middle
from creepmeter.kernels.neighbours import FEWEST, beyond
from creepmeter.kernels.robust import NMAD_FACTOR
from creepmeter.tracking.outliers import STEEP, OutlierOptions, noise_level

Floats: TypeAlias = npt.NDArray[np.float32]
Bools: TypeAlias = npt.NDArray[np.bool_]
Reals: TypeAlias = npt.NDArray[Any]
Table: TypeAlias = npt.NDArray[np.intp]  # (points, neighbours), nearest first; the number of points = none

BESIDE = 8  # nearest points: what stands side by side on a grid


def reject_scattered(
    places: tuple[Reals, Reals],
    dx: Reals,
    dy: Reals,
    *,
    sigma: tuple[Reals, Reals],
    reach: float,
    options: OutlierOptions | None = None,
) -> Bools:
    """Mark the points that their neighbours contradict, where points lie anywhere.

    As `creepmeter.tracking.outliers.reject_outliers`, with the nearest points, at most as many as the neighbourhood
    holds, in place of those of a grid. Patches are not looked at. A point with fewer than three neighbours within reach
    is kept, for nothing contradicts it.

    Parameters
    ----------
    places : tuple of float (points,)
        Positions along two axes, in one unit.
    dx, dy : float (points,)
        The two components, in any unit. Not finite = missing.
    sigma : tuple of float (points,)
        Standard errors of `dx` and `dy`, in their unit.
    reach : float
        Farthest neighbour, in the unit of the positions.
    options : OutlierOptions, optional
        By default ``OutlierOptions()``.

    Returns
    -------
    bool (points,)
        True = outlier. Missing points are not.

    Raises
    ------
    ImageError
        The arrays differ in shape.

    Examples
    --------
    >>> places = np.arange(6.0), np.zeros(6)
    >>> dx = np.array([0.0, 0.0, 3.0, 0.0, 0.0, 0.0])
    >>> reject_scattered(places, dx, 0 * dx, sigma=(0 * dx, 0 * dx), reach=4).tolist()
    [False, False, True, False, False, False]
    """
    if len({np.shape(values) for values in (*places, dx, dy, *sigma)}) > 1:
        message = "positions, dx, dy and sigma of scattered points must have one shape"
        raise ImageError(message)
    options = options or OutlierOptions()
    known = np.isfinite(dx) & np.isfinite(dy)
    wrong = np.zeros(known.shape, bool)
    if np.count_nonzero(known) <= FEWEST:
        return wrong
    maps = [(values[known] - np.median(values[known])).astype(np.float32) for values in (dy, dx)]
    errors = [np.nan_to_num(values[known]).astype(np.float32) for values in reversed(sigma)]
    table = _nearest(np.stack([axis[known] for axis in places], axis=1), options.neighbourhood**2 - 1, reach)
    near = [_middle(values, table) for values in maps]
    noise = [max(noise_level(values, middle), options.floor) for values, middle in zip(maps, near, strict=True)]
    least = [np.fmax(error, np.float32(level)) for error, level in zip(errors, noise, strict=True)]
    for _ in range(options.rounds):
        before = np.isnan(maps[0])
        _judge(maps, table, least, options)
        if np.array_equal(before, np.isnan(maps[0])):
            break
    wrong[known] = np.isnan(maps[0])
    return wrong


def _nearest(places: Reals, count: int, reach: float) -> Table:
    count = min(count, len(places) - 1)
    _, table = cKDTree(places).query(places, k=count + 1, distance_upper_bound=reach)
    own = table == np.arange(len(table))[:, None]
    own[~own.any(axis=1), -1] = True  # of many points at one place, the point itself need not be among the nearest
    others = table[~own].reshape(len(table), count)
    return np.asarray(others, np.intp)


def _values(values: Floats, table: Table) -> Floats:
    """Return the values of the neighbours, NaN where there is none."""
    return np.append(values, np.float32(np.nan))[table]


def _median(rows: Floats) -> Floats:
    """Return the median of each row without NaN; NaN where there is nothing."""
    ordered = np.sort(rows, axis=1)  # NaN comes last
    count = np.isfinite(rows).sum(axis=1)
    low, high = (np.maximum(count - 1, 0) // 2)[:, None], (count // 2).clip(0, rows.shape[1] - 1)[:, None]
    middle = np.take_along_axis(ordered, low, axis=1) + np.take_along_axis(ordered, high, axis=1)
    return np.asarray(middle[:, 0] / 2, np.float32)


def _middle(values: Floats, table: Table) -> Middle:
    """Return median and median deviation of each point with its neighbours, and how many points these are."""
    around = np.concatenate([values[:, None], _values(values, table)], axis=1)
    median = _median(around)
    return Middle(median, _median(np.abs(around - median[:, None])), np.isfinite(around).sum(axis=1).astype(np.int32))


def _agreement(maps: list[Floats], table: Table, limit: Floats) -> tuple[Reals, Reals]:
    """Return how many neighbours agree with each point in both components, and how many there are."""
    around = [_values(values, table) for values in maps]
    close = [np.abs(near - own[:, None]) <= limit[:, None] for near, own in zip(around, maps, strict=True)]
    return (close[0] & close[1]).sum(axis=1), np.isfinite(around[0]).sum(axis=1)


def _judge(maps: list[Floats], table: Table, least: list[Floats], options: OutlierOptions) -> None:
    """Do one round, in place: coherence, then distance from the median."""
    share = options.min_agree
    near = [_middle(values, table) for values in maps]
    close = np.float32(options.scale) * np.maximum(*least)
    motion = np.maximum(*(np.abs(middle.median) + 2 * np.float32(NMAD_FACTOR) * middle.deviation for middle in near))
    slope = np.fmax(*(_slope(middle.median, table) for middle in near))
    loose = np.fmax(close, np.fmax(np.float32(options.agree) * motion, np.float32(STEEP) * slope))
    alone = np.isfinite(maps[0])
    for part in (table, table[:, :BESIDE]):
        agree, total = _agreement(maps, part, loose)
        alone &= (total >= FEWEST) & (agree < share * total)
    _drop(maps, alone)
    near = [_middle(values, table) for values in maps]
    far = beyond(maps[0], near[0], options.scale, least[0]) | beyond(maps[1], near[1], options.scale, least[1])
    agree, total = _agreement(maps, table, close)
    _drop(maps, far & (total >= FEWEST) & (agree < share * total))


def _slope(median: Floats, table: Table) -> Floats:
    """Return the largest difference of medians to the nearest points."""
    difference = np.abs(_values(median, table[:, : BESIDE // 2]) - median[:, None])
    return np.asarray(np.nan_to_num(difference).max(axis=1), np.float32)


def _drop(maps: list[Floats], wrong: Bools) -> None:
    for values in maps:
        values[wrong] = np.nan
