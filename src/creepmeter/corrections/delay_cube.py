"""Delay in the zenith on heights above the nodes of a grid, and its value at pixels."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.interpolate import PchipInterpolator

from creepmeter.model.weather import Axes

Floats = npt.NDArray[np.float64]
_LEVELS = 3  # needed for a curve
_HORIZON = 90.0


@dataclass(frozen=True)
class DelayCube:
    """Delay in the zenith.

    Parameters
    ----------
    heights : array, (z,)
        They rise, metres; one height = the same delay for all.
    axes : Axes
        Nodes.
    delay : array, (z, y, x)
        Metres, positive; NaN = not known.
    source : str
        Where it comes from, for messages.
    """

    heights: Floats
    axes: Axes
    delay: Floats
    source: str

    def refined(self, lowest_m: float, highest_m: float, step_m: float) -> DelayCube:
        """Return the cube on even heights, by a curve through those it has that rises and falls as they do.

        Beyond its first and last height the curve goes on straight.
        """
        if len(self.heights) < _LEVELS:
            return self
        first, last = int(np.floor(lowest_m / step_m)), int(np.ceil(highest_m / step_m))
        wanted = step_m * np.arange(first, max(last, first + 1) + 1, dtype=np.float64)
        near = np.clip(wanted, self.heights[0], self.heights[-1])
        curve = PchipInterpolator(self.heights, self.delay, axis=0)
        ends = self.heights[[0, -1]]
        slope = curve.derivative()(ends)
        beyond = (wanted - near)[:, None, None] * np.where(wanted < ends[0], 0, 1)[:, None, None] * slope[1]
        beyond += (wanted - near)[:, None, None] * np.where(wanted < ends[0], 1, 0)[:, None, None] * slope[0]
        return DelayCube(wanted, self.axes, np.asarray(curve(near) + beyond), self.source)


@dataclass
class Pixels:
    """Pixels at which cubes are looked at; their places among the nodes are found once for cubes that share them.

    Parameters
    ----------
    latitude, longitude, height : array, (y, x)
        Degrees and metres; NaN = nowhere.
    """

    latitude: Floats
    longitude: Floats
    height: Floats
    _known: list[tuple[Axes, Floats, Floats]] = field(default_factory=list, repr=False)

    def delay(self, cube: DelayCube) -> Floats:
        """Return the delay in the zenith of every pixel, (y, x), metres: straight lines between nodes and heights.

        NaN beyond the nodes, or where a node nearby is NaN; below and above all heights that of the nearest.
        """
        rows, columns = self._places(cube.axes)
        levels = position(cube.heights, self.height, beyond=True)
        found = np.full(self.height.shape, np.nan)
        known = np.isfinite(rows) & np.isfinite(columns) & np.isfinite(levels)
        where = [levels[known], rows[known], columns[known]]
        found[known] = ndimage.map_coordinates(cube.delay, where, order=1, mode="nearest")
        return found

    def _places(self, axes: Axes) -> tuple[Floats, Floats]:
        for known, rows, columns in self._known:
            if known.same(axes):
                return rows, columns
        y, x = axes.places(self.latitude, self.longitude)
        places = axes, position(axes.y, y), position(axes.x, x)
        self._known.append(places)
        return places[1], places[2]


def position(axis: Floats, values: Floats, *, beyond: bool = False) -> Floats:
    """Return the places of values on an axis that rises, 0 = the first node; NaN beyond it, unless the end counts.

    Examples
    --------
    >>> position(np.array([10.0, 20.0, 40.0]), np.array([10.0, 30.0, 50.0])).tolist()
    [0.0, 1.5, nan]
    """
    found = np.interp(values, axis, np.arange(len(axis), dtype=np.float64))
    if beyond:
        return found
    return np.where((values >= axis[0]) & (values <= axis[-1]), found, np.nan)


def slant_delay(zenith: Floats, incidence_deg: Floats) -> Floats:
    """Return the delay along the line of sight, metres: zenith delay / cos(incidence).

    Parameters
    ----------
    zenith : array
        Metres.
    incidence_deg : array
        Between the line of sight and the vertical, degrees from 0 to 90; others, and NaN, are not known.
    """
    incidence = np.asarray(incidence_deg, np.float64)
    known = (incidence >= 0) & (incidence < _HORIZON)
    return np.asarray(zenith / np.cos(np.radians(np.where(known, incidence, np.nan))))
