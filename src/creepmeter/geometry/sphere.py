"""Places on the ground in metres, seen from one of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

EARTH_RADIUS_M = 6_371_008.8  # mean radius


@dataclass(frozen=True)
class LocalFrame:
    """A plane that touches the sphere of the mean radius at a point.

    Parameters
    ----------
    latitude, longitude : float
        The point, degrees.
    """

    latitude: float
    longitude: float

    def points(self, latitude: npt.ArrayLike, longitude: npt.ArrayLike) -> Floats:
        """Return places in metres east, north and up of the middle of the Earth, (n, 3).

        Distances between points are chords of the sphere. Without the third coordinate they are never longer.

        Parameters
        ----------
        latitude, longitude : array
            Degrees, broadcast against each other and read row by row.

        Examples
        --------
        >>> LocalFrame(10.0, 20.0).points(10.0, 20.0).round(1).tolist()
        [[0.0, 0.0, 6371008.8]]
        """
        north = np.radians(np.asarray(latitude, np.float64))
        turn = np.radians(np.asarray(longitude, np.float64) - self.longitude)
        sine, cosine = np.sin(np.radians(self.latitude)), np.cos(np.radians(self.latitude))
        high, wide = EARTH_RADIUS_M * np.sin(north), EARTH_RADIUS_M * np.cos(north)
        along = wide * np.cos(turn)
        found = np.empty((along.size, 3))
        found[:, 0] = (wide * np.sin(turn)).ravel()
        found[:, 1] = (cosine * high - sine * along).ravel()
        found[:, 2] = (sine * high + cosine * along).ravel()
        return found
