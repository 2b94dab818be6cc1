"""Air above the nodes of a weather model: heights, vapour, and what lies below the levels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from creepmeter.errors import InputError
from creepmeter.model.gravity import geometric_height, gravity
from creepmeter.model.weather import WeatherFields

Floats = npt.NDArray[np.float64]

R_DRY, R_VAPOUR = 287.05, 461.495  # J/(kg K)
RATIO = R_DRY / R_VAPOUR
LAPSE = 0.0065  # K/m, below the lowest level
LATENT = 2.5e6  # J/kg
_FREEZING, _ICE = 273.16, 250.16  # K; over water above the first, over ice below the second
_WATER = (611.21, 17.502, 32.19)
_FROST = (611.21, 22.587, -0.7)
_PERCENT = 100.0
_LEAST_PA = 1e-12  # of vapour: its logarithm is taken


@dataclass(frozen=True)
class Columns:
    """Air at the levels of a weather model, from the ground up; no value is missing.

    Parameters
    ----------
    height : array, (level, y, x)
        Geometric, metres.
    pressure : array, (level, 1, 1) or (level, y, x)
        Pascal.
    temperature, vapour : array, (level, y, x)
        Kelvin, and partial pressure of water vapour in pascal.
    latitude : array, (y, x)
        Degrees.
    """

    height: Floats
    pressure: Floats
    temperature: Floats
    vapour: Floats
    latitude: Floats

    @property
    def virtual(self) -> Floats:
        """Virtual temperature, (level, y, x), kelvin."""
        return virtual_temperature(self.temperature, self.vapour, self.pressure)


def virtual_temperature(temperature: Floats, vapour: Floats, pressure: Floats) -> Floats:
    """Return the temperature at which dry air would be as dense, kelvin."""
    return temperature / (1 - (1 - RATIO) * vapour / pressure)


def saturation(temperature: npt.ArrayLike) -> Floats:
    """Return the pressure of saturated vapour, pascal: over water, over ice, and between them a mixture.

    Examples
    --------
    >>> saturation([273.16, 293.15]).round(0).tolist()
    [611.0, 2336.0]
    """
    kelvin = np.asarray(temperature, np.float64)
    water, ice = (a * np.exp(b * (kelvin - _FREEZING) / (kelvin - c)) for a, b, c in (_WATER, _FROST))
    share = np.clip((kelvin - _ICE) / (_FREEZING - _ICE), 0, 1) ** 2
    return np.asarray(ice + (water - ice) * share)


def columns_of(fields: WeatherFields) -> Columns:
    """Return the air above the nodes; levels below the ground, which have no values, are filled.

    Raises
    ------
    InputError
        A column has fewer than two levels, or heights that do not rise: the file is damaged.
    """
    given = fields.ordered()
    latitude = given.axes.latitudes()
    pressure = given.pressure[:, None, None]
    if given.kind == "specific":
        humid = np.clip(given.humidity, 0, None)
        vapour = pressure * humid / (RATIO + (1 - RATIO) * humid)
    else:
        vapour = np.clip(given.humidity, 0, None) / _PERCENT * saturation(given.temperature)
    height = geometric_height(given.geopotential, latitude)
    found = Columns(height, pressure, given.temperature.copy(), np.maximum(vapour, _LEAST_PA), latitude)
    _fill_below(found, given.source)
    if not (np.diff(found.height, axis=0) > 0).all() or not (found.temperature > 0).all():
        message = f"{fields.source} is damaged (heights of its levels do not rise, or no temperature): get it again"
        raise InputError(message)
    return found


def _fill_below(columns: Columns, source: str) -> None:
    """Fill levels that lie below the ground, from the level above down."""
    maps = (columns.height, columns.temperature, columns.vapour)
    missing = ~np.isfinite(maps[0]) | ~np.isfinite(maps[1]) | ~np.isfinite(maps[2])
    if missing[-2:].any():
        message = f"{source} has no values at {int(missing[-2:].any(axis=0).sum())} nodes high up: get it again"
        raise InputError(message)
    for level in range(len(missing) - 2, -1, -1):
        at = missing[level]
        if at.any():
            below = _below(columns, level + 1, columns.pressure[level])
            for values, filled in zip(maps, below, strict=True):
                values[level][at] = filled[at]


def _below(columns: Columns, level: int, pressure: Floats) -> tuple[Floats, Floats, Floats]:
    """Return height, temperature and vapour where the pressure below a level is `pressure`."""
    height, temperature, vapour = columns.height[level], columns.temperature[level], columns.vapour[level]
    virtual = virtual_temperature(temperature, vapour, columns.pressure[level])
    power = R_DRY * LAPSE / gravity(columns.latitude, height)
    down = virtual / LAPSE * ((pressure / columns.pressure[level]) ** power - 1)
    return height - down, temperature + LAPSE * down, vapour * vapour_growth(temperature, LAPSE * down)


def vapour_growth(temperature: Floats, warmer: Floats) -> Floats:
    """Return the factor by which vapour of the same relative humidity grows where it is warmer by some kelvin."""
    return np.asarray(np.exp(LATENT / R_VAPOUR * (1 / temperature - 1 / (temperature + warmer))))
