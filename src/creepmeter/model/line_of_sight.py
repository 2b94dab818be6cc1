"""Motion on the ground as a radar sees it: east, north, up onto a line of sight."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def line_of_sight(incidence_deg: npt.ArrayLike, azimuth_deg: npt.ArrayLike) -> Floats:
    r"""Return the unit vector from the ground to the satellite, (3, ...): east, north, up.

    Parameters
    ----------
    incidence_deg : array, (...,)
        Angle between the vertical and the line of sight, degrees.
    azimuth_deg : array, (...,)
        Azimuth of the line from the ground to the satellite, degrees from north, positive to the west
        (``azimuthAngle`` of MintPy and ISCE).

    Notes
    -----
    .. math:: (-\sin\theta \sin\alpha, \; \sin\theta \cos\alpha, \; \cos\theta)

    Examples
    --------
    >>> line_of_sight(30.0, 90.0).round(3)  # the satellite stands in the west
    array([-0.5  ,  0.   ,  0.866])
    """
    theta = np.radians(np.asarray(incidence_deg, np.float64))
    alpha = np.radians(np.asarray(azimuth_deg, np.float64))
    return np.stack([-np.sin(theta) * np.sin(alpha), np.sin(theta) * np.cos(alpha), np.cos(theta)])


def azimuth_of_heading(heading_deg: float, *, look_right: bool = True) -> float:
    """Return the azimuth of the line of sight of a satellite that flies along a heading, clockwise from north.

    Examples
    --------
    >>> azimuth_of_heading(-12.0), azimuth_of_heading(-168.0), azimuth_of_heading(-168.0, look_right=False)
    (102.0, -102.0, 78.0)
    """
    azimuth = (90.0 if look_right else -90.0) - heading_deg
    return (azimuth + 180.0) % 360.0 - 180.0


def along_track(azimuth_deg: npt.ArrayLike) -> Floats:
    """Return the unit vector of the flight of a satellite that looks to its right, (3, ...); see `line_of_sight`.

    Examples
    --------
    >>> along_track(90.0).round(3) + 0.0  # seen from the west: it flies north
    array([0., 1., 0.])
    """
    heading = np.radians(90.0 - np.asarray(azimuth_deg, np.float64))
    return np.stack([np.sin(heading), np.cos(heading), np.zeros_like(heading)])
