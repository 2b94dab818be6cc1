"""Delay of radar waves in the zenith, integrated through the levels of a weather model.

After Jolivet et al. 2011 and 2014: the hydrostatic delay follows from pressure and gravity, the wet delay is the
integral of the refractivity of vapour over height.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from creepmeter.corrections.atmosphere import (
    LAPSE,
    R_DRY,
    R_VAPOUR,
    Columns,
    columns_of,
    vapour_growth,
)
from creepmeter.corrections.delay_cube import DelayCube
from creepmeter.model.gravity import gravity
from creepmeter.model.weather import WeatherFields

Floats = npt.NDArray[np.float64]
DelayKind = Literal["comb", "dry", "wet"]

K1, K2, K3 = 0.776, 0.716, 3750.0  # K/Pa, K/Pa, K2/Pa
K2_PRIME = K2 - R_DRY / R_VAPOUR * K1
STEP_M = 50.0  # of the table: a straight line between its heights is wrong by 0.01 mm at most
_MILLIONTH = 1e-6
_EVEN = 1e-4  # logarithm of a ratio, below which a mean is taken as that of a straight line


def zenith_delays(fields: WeatherFields, heights: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Return hydrostatic and wet delay above the nodes of a weather model, metres.

    Parameters
    ----------
    fields : WeatherFields
        The model at one time.
    heights : array, (n,)
        Heights above the sea from which the sky is looked at, metres.

    Returns
    -------
    hydrostatic, wet : array, (n, y, x)
        Extra path, positive.

    Raises
    ------
    InputError
        The fields are damaged.

    Notes
    -----
    Between two levels the logarithm of pressure is the cubic whose slopes at the levels are those of hydrostatic
    balance, and the logarithm of the wet refractivity is a straight line. Below the lowest level it gets warmer by
    6.5 K/km at constant relative humidity. Above the highest level all air weighs on it.

    References
    ----------
    Jolivet et al. 2011, doi:10.1029/2011GL048757; Jolivet et al. 2014, doi:10.1002/2013JB010588.
    """
    columns = columns_of(fields)
    refractivity = _wet_refractivity(columns)
    dry_above, wet_above = _above_levels(columns, refractivity)
    wanted = np.atleast_1d(np.asarray(heights, np.float64))
    hydrostatic, wet = (np.empty((len(wanted), *columns.latitude.shape)) for _ in range(2))
    for k, height in enumerate(wanted):
        level = np.clip((columns.height <= height).sum(axis=0) - 1, -1, len(columns.height) - 2)
        upper = (level + 1)[None]
        pressure, dense = _at_height(columns, refractivity, level, float(height))
        top = {
            "height": _pick(columns.height, upper),
            "pressure": _pick(np.broadcast_to(columns.pressure, columns.height.shape), upper),
            "refractivity": _pick(refractivity, upper),
        }
        thin = (1 / gravity(columns.latitude, height) + 1 / gravity(columns.latitude, top["height"])) / 2
        weight = (pressure - top["pressure"]) * thin
        hydrostatic[k] = _pick(dry_above, upper) + _MILLIONTH * K1 * R_DRY * weight
        path = _log_mean(dense, top["refractivity"]) * (top["height"] - height)
        wet[k] = _pick(wet_above, upper) + _MILLIONTH * path
    return hydrostatic, wet


def zenith_cube(
    fields: WeatherFields, lowest_m: float, highest_m: float, kind: DelayKind = "comb", step_m: float = STEP_M
) -> DelayCube:
    """Return the delay in the zenith on heights between two, at the nodes of a weather model.

    Parameters
    ----------
    fields : WeatherFields
        The model at one time.
    lowest_m, highest_m : float
        Heights that the cube covers, metres.
    kind : {"comb", "dry", "wet"}
        Both delays together, or one.
    step_m : float
        Between heights, metres.
    """
    first, last = int(np.floor(lowest_m / step_m)), int(np.ceil(highest_m / step_m))
    heights = step_m * np.arange(first, max(last, first + 1) + 1, dtype=np.float64)
    hydrostatic, wet = zenith_delays(fields, heights)
    delay = {"dry": hydrostatic, "wet": wet}[kind] if kind != "comb" else hydrostatic + wet
    return DelayCube(heights, fields.axes, delay, fields.source)


def _wet_refractivity(columns: Columns) -> Floats:
    return columns.vapour / columns.temperature * (K2_PRIME + K3 / columns.temperature)


def _above_levels(columns: Columns, refractivity: Floats) -> tuple[Floats, Floats]:
    """Return hydrostatic and wet delay above every level."""
    thin = 1 / gravity(columns.latitude, columns.height)
    weight = -np.diff(columns.pressure, axis=0) * (thin[1:] + thin[:-1]) / 2
    path = _log_mean(refractivity[:-1], refractivity[1:]) * np.diff(columns.height, axis=0)
    dry, wet = (np.zeros_like(columns.height) for _ in range(2))
    dry[:-1] = np.cumsum(weight[::-1], axis=0)[::-1]
    wet[:-1] = np.cumsum(path[::-1], axis=0)[::-1]
    return _MILLIONTH * K1 * R_DRY * (dry + columns.pressure[-1] * thin[-1]), _MILLIONTH * wet


def _log_mean(first: Floats, second: Floats) -> Floats:
    """Return the mean of what falls exponentially from one value to another."""
    ratio = np.log(first / second)
    even = np.abs(ratio) < _EVEN
    with np.errstate(invalid="ignore", divide="ignore"):
        curved = (first - second) / ratio
    return np.asarray(np.where(even, (first + second) / 2, curved))


def _pick(values: Floats, level: npt.NDArray[np.intp]) -> Floats:
    return np.asarray(np.take_along_axis(values, level, axis=0)[0])


def _at_height(
    columns: Columns, refractivity: Floats, level: npt.NDArray[np.intp], height: float
) -> tuple[Floats, Floats]:
    """Return pressure and wet refractivity at a height, which lies above the level `level`; -1 = below the lowest."""
    lower, upper = np.maximum(level, 0)[None], np.maximum(level + 1, 1)[None]
    bottom, top = _pick(columns.height, lower), _pick(columns.height, upper)
    part = (height - bottom) / (top - bottom)
    pressure = np.exp(_log_pressure(columns, lower, upper, part, top - bottom))
    low, high = _pick(refractivity, lower), _pick(refractivity, upper)
    dense = low * (high / low) ** part
    under = level < 0
    if under.any():
        below = _below_lowest(columns, height)
        pressure, dense = np.where(under, below[0], pressure), np.where(under, below[1], dense)
    return pressure, dense


def _log_pressure(
    columns: Columns, lower: npt.NDArray[np.intp], upper: npt.NDArray[np.intp], part: Floats, thick: Floats
) -> Floats:
    """Return the cubic between two levels whose slopes are those of hydrostatic balance."""
    logs, slopes = [], []
    for level in (lower, upper):
        pressure = _pick(np.broadcast_to(columns.pressure, columns.height.shape), level)
        virtual = _pick(columns.virtual, level)
        logs.append(np.log(pressure))
        slopes.append(-gravity(columns.latitude, _pick(columns.height, level)) / (R_DRY * virtual) * thick)
    rise = logs[1] - logs[0]
    bend = part * (1 - part) * ((1 - part) * (slopes[0] - rise) - part * (slopes[1] - rise))
    return np.asarray(logs[0] + part * rise + bend)


def _below_lowest(columns: Columns, height: float) -> tuple[Floats, Floats]:
    """Return pressure and wet refractivity below the lowest level."""
    warmer = LAPSE * np.maximum(columns.height[0] - height, 0)
    virtual = columns.virtual[0]
    power = gravity(columns.latitude, columns.height[0]) / (R_DRY * LAPSE)
    pressure = columns.pressure[0] * (1 + warmer / virtual) ** power
    vapour = columns.vapour[0] * vapour_growth(columns.temperature[0], warmer)
    temperature = columns.temperature[0] + warmer
    return np.asarray(pressure), np.asarray(vapour / temperature * (K2_PRIME + K3 / temperature))
