"""Gravity of the Earth: on the ellipsoid, above it, and the height that a geopotential belongs to."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

G0 = 9.80665  # m/s2, of geopotential metres


def surface_gravity(latitude: npt.ArrayLike) -> Floats:
    """Return gravity on the ellipsoid (Somigliana, WGS 84), m/s2.

    Examples
    --------
    >>> surface_gravity([0.0, 45.0, 90.0]).round(4).tolist()
    [9.7803, 9.8062, 9.8322]
    """
    square = np.sin(np.radians(np.asarray(latitude, np.float64))) ** 2
    return np.asarray(9.7803253359 * (1 + 0.00193185265241 * square) / np.sqrt(1 - 0.00669437999013 * square))


def effective_radius(latitude: npt.ArrayLike) -> Floats:
    """Return the radius with which gravity falls with the square of the distance, metres."""
    square = np.sin(np.radians(np.asarray(latitude, np.float64))) ** 2
    return np.asarray(6378137.0 / (1.006803 - 0.006706 * square))


def gravity(latitude: npt.ArrayLike, height: npt.ArrayLike) -> Floats:
    """Return gravity at a geometric height, m/s2."""
    radius = effective_radius(latitude)
    return np.asarray(surface_gravity(latitude) * (radius / (radius + np.asarray(height, np.float64))) ** 2)


def geometric_height(geopotential: npt.ArrayLike, latitude: npt.ArrayLike) -> Floats:
    """Return the height at which lifting took so much work, metres.

    Parameters
    ----------
    geopotential : array
        m2/s2.
    latitude : array
        Degrees.

    Examples
    --------
    >>> float(geometric_height(9.80665 * 10_000, 45.0).round(1))
    10016.2
    """
    work, radius = np.asarray(geopotential, np.float64), effective_radius(latitude)
    return np.asarray(radius * work / (radius * surface_gravity(latitude) - work))


def geopotential(height: npt.ArrayLike, latitude: npt.ArrayLike) -> Floats:
    """Return the work that lifting to a geometric height takes, m2/s2; see `geometric_height`."""
    radius, metres = effective_radius(latitude), np.asarray(height, np.float64)
    return np.asarray(surface_gravity(latitude) * radius * metres / (radius + metres))
