"""Stations on the ground: what was measured there, how fast they move, and how a map compares.

Columns of all arrays are east, north and up, along the axes of the station's own reference system.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from creepmeter.model.epoch import Epoch, Epochs
from creepmeter.model.grid import Grid, pixel_position, turn_between

Floats = npt.NDArray[np.float64]
AXES = ("east", "north", "up")
GEOGRAPHIC = "EPSG:4326"


@dataclass(frozen=True)
class Place:
    """A named place.

    Parameters
    ----------
    name : str
        Of the station.
    x, y : float
        Map coordinates, or longitude and latitude in degrees; NaN = not known.
    crs : str or None
        Their reference system; None = that of the map.
    """

    name: str
    x: float
    y: float
    crs: str | None

    @property
    def is_placed(self) -> bool:
        """Tell whether it is known where the station is."""
        return bool(np.isfinite(self.x) and np.isfinite(self.y))

    def pixel(self, grid: Grid) -> tuple[float, float]:
        """Return column and row on a grid, (0, 0) = upper left corner of the first pixel; NaN = nowhere."""
        column, row = (float(at) for at in pixel_position(grid, self.x, self.y, self.crs))
        if grid.crs is not None and grid.crs.geographic:
            turned = column % (360.0 / abs(grid.affine.a))  # longitudes of the map may run from 0 to 360
            column = turned if turned <= grid.shape[1] else column
        return column, row

    def turned(self, values: Floats, grid: Grid) -> Floats:
        """Return arrows (..., 3) of the station's reference system along the axes of a grid."""
        cosine, sine = self._turn(grid)
        east, north, up = np.moveaxis(values, -1, 0)
        return np.stack([cosine * east + sine * north, cosine * north - sine * east, up], axis=-1)

    def turned_sigma(self, sigma: Floats, grid: Grid) -> Floats:
        """Return standard errors (..., 3) along the axes of a grid, as if east and north were independent."""
        cosine, sine = self._turn(grid)
        east, north, up = np.moveaxis(sigma, -1, 0)
        along = np.hypot(cosine * east, sine * north), np.hypot(cosine * north, sine * east)
        return np.stack([*along, up], axis=-1)

    def _turn(self, grid: Grid) -> tuple[float, float]:
        """Return cosine and sine of the angle, clockwise, by which arrows are turned on a grid."""
        turn = float(turn_between(self.crs, grid.crs, np.array([self.x]), np.array([self.y]))[0])
        return (1.0, 0.0) if turn == 0.0 else (float(np.cos(turn)), float(np.sin(turn)))


@dataclass(frozen=True)
class Station(Place):
    """Displacement of a station over time.

    Parameters
    ----------
    times : array of datetime64, (n,)
        In order.
    displacement : array, (n, 3)
        Metres since the first date; NaN = not measured.
    sigma : array, (n, 3)
        Standard errors, metres; NaN = not known.
    frame : str
        Reference frame of the positions, such as ``IGS14``; empty = not known.
    """

    times: Epochs
    displacement: Floats
    sigma: Floats
    frame: str = ""

    def between(self, start: Epoch | None, end: Epoch | None) -> Station:
        """Return the dates from `start` to `end`, both included."""
        keep = np.ones(len(self.times), bool)
        if start is not None:
            keep &= self.times >= start
        if end is not None:
            keep &= self.times < end + np.timedelta64(1, "D")
        return replace(self, times=self.times[keep], displacement=self.displacement[keep], sigma=self.sigma[keep])


@dataclass(frozen=True)
class StationRates(Place):
    """How fast a station moves.

    Parameters
    ----------
    rate, sigma : array, (3,)
        Metres per year; NaN = not known.
    sigma_white : array, (3,)
        Standard errors if the noise of one date were independent of that of the others.
    noise : str
        What `sigma` takes the noise to be: ``given``, ``stated``, ``white`` or ``flicker``.
    dates : int
        How many were used; 0 = not known.
    first, last : datetime64 or None
        First and last of them.
    """

    rate: Floats
    sigma: Floats
    sigma_white: Floats
    noise: str
    dates: int = 0
    first: Epoch | None = None
    last: Epoch | None = None


@dataclass(frozen=True)
class Comparison:
    """A velocity map at a station.

    Parameters
    ----------
    name : str
        Of the station.
    x, y : float
        Where, coordinates of the map.
    column, row : float
        Where, pixels.
    components : tuple of str
        What is compared.
    on_map, on_map_sigma, on_ground, on_ground_sigma : array, (component,)
        Metres per year.
    """

    name: str
    x: float
    y: float
    column: float
    row: float
    components: tuple[str, ...]
    on_map: Floats
    on_map_sigma: Floats
    on_ground: Floats
    on_ground_sigma: Floats

    @property
    def difference(self) -> Floats:
        """Map minus ground, m/yr."""
        return self.on_map - self.on_ground

    @property
    def sigma(self) -> Floats:
        """Standard error of the difference, m/yr."""
        return np.hypot(self.on_map_sigma, self.on_ground_sigma)


@dataclass(frozen=True)
class Overlay:
    """A displacement series of a map beside that of a station, both along the axes of the map.

    Parameters
    ----------
    name : str
        Of the station.
    components : tuple of str
        What is shown.
    map_times : array of datetime64, (m,)
        Dates of the map.
    on_map, on_map_sigma : array, (m, component)
        Metres.
    times : array of datetime64, (n,)
        Dates of the station.
    on_ground : array, (n, component)
        Metres, moved as a whole onto the map's series: each counts from a date of its own.
    rmse : array, (component,)
        Of the differences at dates of the map within those of the station, metres; NaN without such dates.
    """

    name: str
    components: tuple[str, ...]
    map_times: Epochs
    on_map: Floats
    on_map_sigma: Floats
    times: Epochs
    on_ground: Floats
    rmse: Floats
