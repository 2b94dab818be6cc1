"""The frame that turns with the Earth: x to Greenwich in the equator, z to the north pole."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_SEMI_MAJOR_M, _FLATTENING = 6_378_137.0, 1 / 298.257222101  # GRS80


def earth_fixed(latitude: Floats, longitude: Floats, height: Floats | float = 0.0) -> Floats:
    """Return positions (..., 3) in metres for geodetic latitude and longitude in degrees, and height in metres.

    Examples
    --------
    >>> [round(float(x), 1) for x in earth_fixed(np.array(0.0), np.array(90.0), 100.0)]
    [0.0, 6378237.0, 0.0]
    """
    phi, lam = np.radians(latitude), np.radians(longitude)
    squared = _FLATTENING * (2 - _FLATTENING)
    radius = _SEMI_MAJOR_M / np.sqrt(1 - squared * np.sin(phi) ** 2)
    across = (radius + height) * np.cos(phi)
    z = (radius * (1 - squared) + height) * np.sin(phi)
    return np.stack([across * np.cos(lam), across * np.sin(lam), z], axis=-1)


def east_north_up(vector: Floats, latitude: Floats, longitude: Floats) -> Floats:
    """Return vectors x, y, z (..., 3) along east, north and the normal of the ellipsoid, (3, ...)."""
    phi, lam = np.radians(latitude), np.radians(longitude)
    x, y, z = np.moveaxis(vector, -1, 0)
    out = np.cos(lam) * x + np.sin(lam) * y
    east = np.cos(lam) * y - np.sin(lam) * x
    return np.stack([east, np.cos(phi) * z - np.sin(phi) * out, np.cos(phi) * out + np.sin(phi) * z])
