"""Directions that satellites measure along, and the conventions that they are told in.

Throughout, the azimuth of the line of sight is that of the way from the ground to the satellite: degrees from north,
anticlockwise positive, as in ISCE and MintPy. ARIA and HyP3 (``lv_phi``) count from east. A heading is the direction of
flight: degrees from north, clockwise positive.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Angles = npt.ArrayLike
Floats = npt.NDArray[np.float64]

FROM_EAST_DEG = 90.0  # an azimuth counted from east is so much larger than the same counted from north
_HALF_TURN = 180.0


def wrap_degrees(angle: float) -> float:
    """Return an angle between -180 and 180 degrees."""
    return angle if abs(angle) <= _HALF_TURN else (angle + _HALF_TURN) % 360.0 - _HALF_TURN


def los_azimuth(heading_deg: float, *, right_looking: bool = True) -> float:
    """Return the direction from the ground to the satellite: degrees from north, anticlockwise positive.

    Examples
    --------
    >>> los_azimuth(-12.0)  # ascending, the satellite stands in the west-south-west
    102.0
    """
    return wrap_degrees(-heading_deg + (90.0 if right_looking else -90.0))


def look_vector(incidence_deg: Angles, azimuth_deg: Angles) -> Floats:
    """Return the unit vector from the ground to the satellite, (3, ...): east, north, up.

    Parameters
    ----------
    incidence_deg : array
        Angle between it and the vertical.
    azimuth_deg : array
        Degrees from north, anticlockwise positive.

    Examples
    --------
    >>> look_vector(30.0, 90.0).round(3).tolist()  # the satellite stands in the west
    [-0.5, 0.0, 0.866]
    """
    incidence, azimuth = (np.radians(np.asarray(angle, np.float64)) for angle in (incidence_deg, azimuth_deg))
    level = np.sin(incidence)
    return _stacked(-level * np.sin(azimuth), level * np.cos(azimuth), np.cos(incidence))


def horizontal_vector(azimuth_deg: Angles) -> Floats:
    """Return a horizontal unit vector, (3, ...): east, north, up; degrees from north, anticlockwise positive.

    Examples
    --------
    >>> horizontal_vector(-90.0).round(3).tolist()
    [1.0, 0.0, 0.0]
    """
    azimuth = np.radians(np.asarray(azimuth_deg, np.float64))
    return _stacked(-np.sin(azimuth), np.cos(azimuth), np.zeros_like(azimuth))


def flight_vector(azimuth_deg: Angles, *, right_looking: bool = True) -> Floats:
    """Return the direction of flight, (3, ...), of a satellite with an azimuth of the line of sight.

    Examples
    --------
    >>> flight_vector(90.0).round(3).tolist()  # looking east, it flies north
    [0.0, 1.0, 0.0]
    """
    side = 90.0 if right_looking else -90.0
    return horizontal_vector(np.asarray(azimuth_deg, np.float64) - side)


def _stacked(*parts: Any) -> Floats:  # noqa: ANN401 - numbers or arrays
    return np.stack(np.broadcast_arrays(*(np.asarray(part, np.float64) for part in parts))) + 0.0
