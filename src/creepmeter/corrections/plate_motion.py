r"""Motion of rigid plates about Euler poles.

References
----------
Altamimi, Z., Metivier, L., Rebischung, P., Rouby, H., Collilieux, X. (2017). ITRF2014 plate motion model. Geophysical
Journal International 209, 1906-1912, doi:10.1093/gji/ggx136.
Argus, D. F., Gordon, R. G., DeMets, C. (2011). Geologically current motion of 56 plates relative to the
no-net-rotation reference frame. Geochemistry, Geophysics, Geosystems 12, Q11001, doi:10.1029/2011GC003751.
Stephenson, O. L., Liu, Y. K., Yunjun, Z., Simons, M., Rosen, P., Xu, X. (2022). The impact of plate motions on
long-wavelength InSAR-derived velocity fields. Geophysical Research Letters 49, doi:10.1029/2022GL099835.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from creepmeter.corrections.earth_frame import earth_fixed, east_north_up
from creepmeter.errors import ConfigError

Floats = npt.NDArray[np.float64]

_MAS = np.pi / 180 / 3600 / 1000  # a thousandth of an arc second, radians
_DEGREE_PER_MYR = np.pi / 180 / 1e6

# Altamimi et al. (2017), table 1: rotation about x, y, z, mas/yr.
ITRF2014: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        "Antarctica": (-0.248, -0.324, 0.675),
        "Arabia": (1.154, -0.136, 1.444),
        "Australia": (1.510, 1.182, 1.215),
        "Eurasia": (-0.085, -0.531, 0.770),
        "India": (1.154, -0.005, 1.454),
        "Nazca": (-0.333, -1.544, 1.623),
        "NorthAmerica": (0.024, -0.694, -0.063),
        "Nubia": (0.099, -0.614, 0.733),
        "Pacific": (-0.409, 1.047, -2.169),
        "SouthAmerica": (-0.270, -0.301, -0.140),
        "Somalia": (-0.121, -0.794, 0.884),
    }
)
# Argus et al. (2011), table 1, the plates of MORVEL: latitude and longitude of the pole, rate in degrees per Myr.
MORVEL: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        "Amur": (63.17, -122.82, 0.297),
        "Antarctica": (65.42, -118.11, 0.250),
        "Arabia": (48.88, -8.49, 0.559),
        "Australia": (33.86, 37.94, 0.632),
        "Capricorn": (44.44, 23.09, 0.608),
        "Caribbean": (35.20, -92.62, 0.286),
        "Cocos": (26.93, -124.31, 1.198),
        "Eurasia": (48.85, -106.50, 0.223),
        "India": (50.37, -3.29, 0.544),
        "JuandeFuca": (-38.31, 60.04, 0.951),
        "Lwandle": (51.89, -69.52, 0.286),
        "Macquarie": (49.19, 11.05, 1.144),
        "Nazca": (46.23, -101.06, 0.696),
        "NorthAmerica": (-4.85, -80.64, 0.209),
        "Nubia": (47.68, -68.44, 0.292),
        "Pacific": (-63.58, 114.70, 0.651),
        "PhilippineSea": (-46.02, -31.36, 0.910),
        "Rivera": (20.25, -107.29, 4.536),
        "Sandwich": (-29.94, -36.87, 1.362),
        "Scotia": (22.52, -106.15, 0.146),
        "Somalia": (49.95, -84.52, 0.339),
        "SouthAmerica": (-22.62, -112.83, 0.109),
        "Sunda": (50.06, -95.02, 0.337),
        "Sur": (-32.50, -111.32, 0.107),
        "Yangtze": (63.03, -116.62, 0.334),
    }
)
_MODELS: Mapping[str, Mapping[str, tuple[float, float, float]]] = MappingProxyType(
    {"ITRF2014": ITRF2014, "MORVEL": MORVEL}
)


@dataclass(frozen=True)
class EulerPole:
    """A rotation of the frame of the Earth.

    Parameters
    ----------
    x, y, z : float
        Radians per year, to the right about the axes of the frame that turns with the Earth.
    """

    x: float
    y: float
    z: float

    @classmethod
    def of_cartesian(cls, x: float, y: float, z: float) -> EulerPole:
        """Return the pole of a rotation vector in mas/yr."""
        return cls(x * _MAS, y * _MAS, z * _MAS)

    @classmethod
    def of_spherical(cls, latitude: float, longitude: float, rate: float) -> EulerPole:
        """Return the pole at a geocentric latitude and longitude, degrees, with a rate in degrees per million years."""
        phi, lam, speed = np.radians(latitude), np.radians(longitude), rate * _DEGREE_PER_MYR
        return cls(*(float(speed * part) for part in _unit(phi, lam)))

    @classmethod
    def of_plate(cls, name: str, model: str = "ITRF2014") -> EulerPole:
        """Return the pole of a plate of a model, ITRF2014 or MORVEL.

        Raises
        ------
        ConfigError
            The model has no such plate.

        Examples
        --------
        >>> pole = EulerPole.of_plate("Pacific")
        >>> round(pole.rate, 3)  # degrees per million years, as in the table of the paper
        0.679
        """
        plates = _MODELS[model]
        known = {_plain(each): each for each in plates}
        found = known.get(_plain(_SPELLINGS.get(_plain(name), name)))
        if found is None:
            near = difflib.get_close_matches(_plain(name), known, n=1, cutoff=0.5)
            hint = f"did you mean {known[near[0]]}? " if near else ""
            message = f"{model} has no plate {name!r}: {hint}choose one of {', '.join(plates)}"
            raise ConfigError(message)
        return (cls.of_cartesian if model == "ITRF2014" else cls.of_spherical)(*plates[found])

    @property
    def rate(self) -> float:
        """Degrees per million years."""
        return float(np.sqrt(self.x**2 + self.y**2 + self.z**2) / _DEGREE_PER_MYR)

    def velocity(self, latitude: npt.ArrayLike, longitude: npt.ArrayLike) -> Floats:
        r"""Return how fast the plate moves, metres per year east, north and up, (3, ...).

        Parameters
        ----------
        latitude, longitude : array, (...,)
            Degrees, geodetic.

        Notes
        -----
        :math:`v = \omega \times r` at the ellipsoid, along its axes: up is not quite 0 where these differ from those
        of a sphere.

        Examples
        --------
        >>> pole = EulerPole.of_spherical(90.0, 0.0, 1.0)  # a degree in a million years about the axis of the Earth
        >>> pole.velocity(0.0, 77.0).round(4) + 0.0
        array([0.1113, 0.    , 0.    ])
        """
        lat, lon = np.broadcast_arrays(np.asarray(latitude, np.float64), np.asarray(longitude, np.float64))
        moved = np.cross(np.array([self.x, self.y, self.z]), earth_fixed(lat, lon))
        return east_north_up(moved, lat, lon)


_SPELLINGS = {"antartica": "Antarctica", "africa": "Nubia"}


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalpha())


def _unit(phi: float, lam: float) -> tuple[float, float, float]:
    return float(np.cos(phi) * np.cos(lam)), float(np.cos(phi) * np.sin(lam)), float(np.sin(phi))
