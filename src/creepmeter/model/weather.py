"""Fields of a weather model at one time, and the part of them that an area needs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from creepmeter.errors import GridError, InputError
from creepmeter.model.epoch import Epoch

Floats = npt.NDArray[np.float64]
Humidity = Literal["specific", "relative"]
_TURN = 360.0
_LOWEST_PA, _HIGHEST_PA = 85_000.0, 20_000.0  # that levels must reach
_GAP = 1.5  # steps between two nodes that are no neighbours


@dataclass(frozen=True)
class Axes:
    """Where the nodes of a weather model lie.

    Parameters
    ----------
    y, x : array, (y,), (x,)
        Latitude and longitude in degrees, or map coordinates of `system`, metres; they rise.
    system : str, optional
        Reference system of the map as text; None = degrees.
    """

    y: Floats
    x: Floats
    system: str | None = None

    def places(self, latitude: Floats, longitude: Floats) -> tuple[Floats, Floats]:
        """Return y and x of points; longitudes are those of the turn about the middle of the axis."""
        if self.system is not None:
            across, down = _transformer(self.system).transform(longitude, latitude)
            return np.asarray(down, np.float64), np.asarray(across, np.float64)
        return np.asarray(latitude, np.float64), turned(longitude, float(self.x[0] + self.x[-1]) / 2)

    def latitudes(self) -> Floats:
        """Return the latitude of every node, (y, x), degrees."""
        down, across = np.meshgrid(self.y, self.x, indexing="ij")
        if self.system is None:
            return down
        return np.asarray(_transformer(self.system).transform(across, down, direction="INVERSE")[1], np.float64)

    def same(self, other: Axes) -> bool:
        """Tell whether the nodes of another model lie at the same places."""
        return self.system == other.system and np.array_equal(self.y, other.y) and np.array_equal(self.x, other.x)


@dataclass(frozen=True)
class Area:
    """An area in degrees; west of a turn that the area itself lies in the middle of.

    Parameters
    ----------
    south, north, west, east : float
        Degrees; east may be beyond 180.
    """

    south: float
    north: float
    west: float
    east: float

    @classmethod
    def of(cls, latitude: npt.ArrayLike, longitude: npt.ArrayLike) -> Area:
        """Return the area that points lie in, across the antimeridian too; NaN is left out.

        Raises
        ------
        InputError
            No point has a place.
        """
        lat, lon = (np.asarray(values, np.float64).ravel() for values in (latitude, longitude))
        known = np.isfinite(lat) & np.isfinite(lon)
        if not known.any():
            message = "no pixel has a latitude and longitude: load the geometry again"
            raise InputError(message)
        middle = float(np.degrees(np.angle(np.exp(1j * np.radians(lon[known])).mean())))
        lon = turned(lon[known], middle)
        return cls(float(lat[known].min()), float(lat[known].max()), float(lon.min()), float(lon.max()))

    def with_area(self, other: Area) -> Area:
        """Return an area that holds both."""
        shift = _TURN * round((self.west - other.west) / _TURN)
        return Area(
            min(self.south, other.south),
            max(self.north, other.north),
            min(self.west, other.west + shift),
            max(self.east, other.east + shift),
        )

    def corners(self) -> tuple[Floats, Floats]:
        """Return latitude and longitude of points along the edge."""
        part = np.linspace(0, 1, 9)
        down, across = self.south + part * (self.north - self.south), self.west + part * (self.east - self.west)
        lat = np.concatenate([down, down, np.full(9, self.south), np.full(9, self.north)])
        lon = np.concatenate([np.full(9, self.west), np.full(9, self.east), across, across])
        return lat, lon


@lru_cache(maxsize=8)
def _transformer(system: str) -> Any:  # noqa: ANN401 - of pyproj, which is slow to load
    from pyproj import Transformer  # noqa: PLC0415

    return Transformer.from_crs("EPSG:4326", system, always_xy=True)


def turned(longitude: npt.ArrayLike, middle: float) -> Floats:
    """Return longitudes within half a turn of `middle`, degrees.

    Examples
    --------
    >>> turned([179.5, -179.5], 180.0).tolist()
    [179.5, 180.5]
    """
    given = np.asarray(longitude, np.float64)
    half = _TURN / 2
    found = middle + (given - middle + half) % _TURN - half
    return np.where(np.abs(given - middle) <= half, given, found)  # those that lie right keep every digit


def window_of(axes: Axes, area: Area, source: str) -> tuple[Axes, npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the nodes that an area needs: new axes, and the places of their rows and columns among the old ones.

    Rows may lie in any order, longitudes in any turn.

    Parameters
    ----------
    axes : Axes
        As in a file.
    area : Area
        Area of the pixels.
    source : str
        File, for messages.

    Raises
    ------
    GridError
        The nodes do not cover the area.
    """
    if axes.system is None:
        down, across = np.array([area.south, area.north]), np.array([area.west, area.east])
        columns = turned(axes.x, (area.west + area.east) / 2)
    else:
        down, across = axes.places(*area.corners())
        columns = axes.x
    rows, y = _around(axes.y, float(down.min()), float(down.max()))
    places, x = _around(columns, float(across.min()), float(across.max()))
    if rows is None or places is None:
        message = (
            f"{source} does not cover the pixels (latitude {area.south:.3f} to {area.north:.3f}, longitude "
            f"{area.west:.3f} to {area.east:.3f}): get a file of a larger area"
        )
        raise GridError(message)
    return Axes(y, x, axes.system), rows, places


def _around(axis: Floats, first: float, last: float) -> tuple[npt.NDArray[np.intp] | None, Floats]:
    """Return places and values of the nodes from the last before `first` to the first after `last`."""
    order = np.argsort(axis, kind="stable")
    values = axis[order]
    order, values = order[np.append(True, np.diff(values) > 0)], values[np.append(True, np.diff(values) > 0)]
    begin, end = int(np.searchsorted(values, first, "right")) - 1, int(np.searchsorted(values, last, "left"))
    if end == begin:  # one node suffices; a neighbour keeps the axis an axis
        end, begin = min(end + 1, len(values) - 1), begin if end + 1 < len(values) else begin - 1
    if begin < 0 or end >= len(values):
        return None, values
    steps = np.diff(values)
    if (np.diff(values[begin : end + 1]) > _GAP * np.median(steps)).any():
        return None, values
    return order[begin : end + 1].astype(np.intp), values[begin : end + 1]


@dataclass(frozen=True)
class WeatherFields:
    """Fields of a weather model on pressure levels, at one time.

    Parameters
    ----------
    source : str
        File, for messages.
    time : datetime64
        UTC.
    axes : Axes
        Nodes.
    pressure : array, (level,)
        Pascal.
    geopotential : array, (level, y, x)
        m2/s2.
    temperature : array, (level, y, x)
        Kelvin.
    humidity : array, (level, y, x)
        kg/kg, or relative in percent; NaN in any field = below the ground.
    kind : {"specific", "relative"}
        Of the humidity.
    """

    source: str
    time: Epoch
    axes: Axes
    pressure: Floats
    geopotential: Floats
    temperature: Floats
    humidity: Floats
    kind: Humidity = "specific"

    def ordered(self) -> WeatherFields:
        """Return the fields with levels from the ground up.

        Raises
        ------
        InputError
            Fewer than two levels, a shape that does not fit
        """
        shape = (len(self.pressure), len(self.axes.y), len(self.axes.x))
        shapes = {self.geopotential.shape, self.temperature.shape, self.humidity.shape}
        if shapes != {shape} or len(self.pressure) < 2 or not (self.pressure > 0).all():  # noqa: PLR2004
            message = f"{self.source}: fields of {shapes} do not fit {shape} levels, rows and columns: get it again"
            raise InputError(message)
        if self.pressure.max() < _LOWEST_PA or self.pressure.min() > _HIGHEST_PA:
            ends = f"{self.pressure.max() / 100:g} to {self.pressure.min() / 100:g} hPa"
            message = f"{self.source}: its levels reach from {ends}: get a file of all levels, from 1000 to 1 hPa"
            raise InputError(message)
        order = np.argsort(-self.pressure)
        return replace(
            self,
            pressure=self.pressure[order],
            geopotential=self.geopotential[order],
            temperature=self.temperature[order],
            humidity=self.humidity[order],
        )
