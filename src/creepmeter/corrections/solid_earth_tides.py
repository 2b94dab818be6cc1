r"""How Sun and Moon move the solid Earth: IERS Conventions (2010), section 7.1.1, steps 1 and 2.

References
----------
Petit, G., Luzum, B., eds. (2010). IERS Conventions (2010). IERS Technical Note 36, chapter 7.
Mathews, P. M., Dehant, V., Gipson, J. M. (1997). Tidal station displacements. Journal of Geophysical Research 102,
20469-20477, doi:10.1029/97JB01515.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from creepmeter.corrections.earth_frame import earth_fixed, east_north_up
from creepmeter.corrections.sun_moon import centuries, sun_and_moon, terrestrial
from creepmeter.corrections.tide_bands import diurnal_band, long_period_band
from creepmeter.model.epoch import Epochs

Floats = npt.NDArray[np.float64]

EARTH_RADIUS_M = 6_378_136.6
_MASS_RATIOS = {"sun": 332_946.0482, "moon": 0.0123000371}  # to that of the Earth
_H2, _H2_LATITUDE, _L2, _L2_LATITUDE = 0.6078, -0.0006, 0.0847, 0.0002
_H3, _L3 = 0.292, 0.015
_L1_DIURNAL, _L1_SEMIDIURNAL = 0.0012, 0.0024
_H_LATE_DIURNAL, _L_LATE_DIURNAL = -0.0025, -0.0007  # imaginary parts: the mantle yields late
_H_LATE_SEMIDIURNAL, _L_LATE_SEMIDIURNAL = -0.0022, -0.0007


@dataclass(frozen=True)
class Place:
    """Sites on the ground and the directions there, in the frame that turns with the Earth.

    Parameters
    ----------
    sine, cosine : array, (...,)
        Of the geocentric latitude.
    longitude : array, (...,)
        Radians.
    east, north, radial : array, (..., 3)
        Unit vectors, `north` and `radial` of the geocentric latitude.
    """

    sine: Floats
    cosine: Floats
    longitude: Floats
    east: Floats
    north: Floats
    radial: Floats

    @classmethod
    def at(cls, position: Floats) -> Place:
        """Return the place of positions (..., 3), metres from the centre of the Earth."""
        radial = position / np.linalg.norm(position, axis=-1, keepdims=True)
        sine = radial[..., 2]
        longitude = np.arctan2(radial[..., 1], radial[..., 0])
        cosine = np.sqrt(1 - sine**2)
        zero = np.zeros_like(sine)
        east = np.stack([-np.sin(longitude), np.cos(longitude), zero], axis=-1)
        north = np.stack([-sine * np.cos(longitude), -sine * np.sin(longitude), cosine], axis=-1)
        return cls(sine, cosine, longitude, east, north, radial)

    def turned(self, east: Floats, north: Floats, radial: Floats) -> Floats:
        """Return components along the local directions as x, y, z, (..., 3)."""
        return east[..., None] * self.east + north[..., None] * self.north + radial[..., None] * self.radial


def tide_at(position: Floats, sun: Floats, moon: Floats, time: np.datetime64) -> Floats:
    r"""Return the displacement of sites by the solid Earth tide at one time.

    Parameters
    ----------
    position : array, (..., 3)
        Sites, metres from the centre of the Earth, in the frame that turns with it.
    sun, moon : array, (3,)
        In the same frame, metres.
    time : datetime64
        Universal time, for the terms of step 2.

    Returns
    -------
    array, (..., 3)
        Metres along x, y, z. The permanent tide is part of it ("conventional tide free").

    Notes
    -----
    With :math:`\hat R`, :math:`R` direction and distance of a body of mass :math:`M`, :math:`\hat r` direction of the
    site and :math:`c = \hat R \cdot \hat r`,

    .. math::

        \Delta r = \sum \frac{M}{M_E} \frac{R_E^4}{R^3} \{ h_2 \hat r (\tfrac32 c^2 - \tfrac12)
            + 3 l_2 c (\hat R - c \hat r) \}
            + \frac{M}{M_E} \frac{R_E^5}{R^4} \{ h_3 \hat r (\tfrac52 c^3 - \tfrac32 c)
            + l_3 (\tfrac{15}2 c^2 - \tfrac32) (\hat R - c \hat r) \}

    (equations 7.5 and 7.6), :math:`h_2, l_2` depending on latitude; then the parts out of phase and those of
    :math:`l^{(1)}` (7.8 to 7.11), and the corrections of step 2 for the frequencies of the diurnal and long-period
    bands (7.12, 7.13, tables 7.3a and 7.3b).
    """
    place = Place.at(position)
    moved = np.zeros(position.shape)
    for body, ratio in ((sun, _MASS_RATIOS["sun"]), (moon, _MASS_RATIOS["moon"])):
        moved += _in_phase(place, body, ratio) + _out_of_phase(place, body, ratio)
    universal = centuries(np.array([time], "datetime64[ns]"))
    t = float(terrestrial(universal)[0])
    for band in (diurnal_band, long_period_band):
        east, north, radial = band(place.sine, place.cosine, place.longitude, t, float(universal[0]))
        moved += place.turned(east, north, radial)
    return moved


def _in_phase(place: Place, body: Floats, ratio: float) -> Floats:
    distance = float(np.linalg.norm(body))
    towards = body / distance
    c = place.radial @ towards
    second = ratio * EARTH_RADIUS_M * (EARTH_RADIUS_M / distance) ** 3
    third = second * EARTH_RADIUS_M / distance
    by_latitude = (3 * place.sine**2 - 1) / 2
    h2, l2 = _H2 + _H2_LATITUDE * by_latitude, _L2 + _L2_LATITUDE * by_latitude
    radial = second * h2 * (1.5 * c**2 - 0.5) + third * _H3 * (2.5 * c**3 - 1.5 * c)
    across = second * 3 * l2 * c + third * _L3 * (7.5 * c**2 - 1.5)
    return radial[..., None] * place.radial + across[..., None] * (towards - c[..., None] * place.radial)


def _out_of_phase(place: Place, body: Floats, ratio: float) -> Floats:
    """Return the parts that come late, and those of the Love number l(1)."""
    distance = float(np.linalg.norm(body))
    factor = ratio * EARTH_RADIUS_M * (EARTH_RADIUS_M / distance) ** 3
    sine_body = body[2] / distance
    cosine_body = np.sqrt(1 - sine_body**2)
    angle = place.longitude - np.arctan2(body[1], body[0])
    s, c = place.sine, place.cosine
    double, turned = 2 * s * c, c**2 - s**2  # sine and cosine of twice the latitude
    diurnal, semidiurnal = factor * 2 * sine_body * cosine_body, factor * cosine_body**2
    sin_1, cos_1, sin_2, cos_2 = np.sin(angle), np.cos(angle), np.sin(2 * angle), np.cos(2 * angle)
    radial = -0.75 * (_H_LATE_DIURNAL * diurnal * double * sin_1 + _H_LATE_SEMIDIURNAL * semidiurnal * c**2 * sin_2)
    north = (
        -1.5 * _L_LATE_DIURNAL * diurnal * turned * sin_1 + 0.75 * _L_LATE_SEMIDIURNAL * semidiurnal * double * sin_2
    )
    east = -1.5 * _L_LATE_DIURNAL * diurnal * s * cos_1 - 1.5 * _L_LATE_SEMIDIURNAL * semidiurnal * c * cos_2
    first = 1.5 * _L1_DIURNAL * diurnal * s
    second = 1.5 * _L1_SEMIDIURNAL * semidiurnal * s * c
    north += -first * s * cos_1 - second * cos_2
    east += first * turned * sin_1 - second * s * sin_2
    return place.turned(east, north, radial)


def solid_earth_tide(
    latitude: npt.ArrayLike, longitude: npt.ArrayLike, times: Epochs, *, height: float = 0.0
) -> Floats:
    """Return the displacement of the ground by the tide of the solid Earth.

    Parameters
    ----------
    latitude, longitude : array, (...,)
        Degrees, geodetic.
    times : array of datetime64, (time,)
        UTC.
    height : float
        Metres above the ellipsoid; a kilometre changes the tide by less than 0.1 mm.

    Returns
    -------
    array, (time, 3, ...)
        Metres east, north, up.

    Notes
    -----
    Neither ocean loading nor the pole tide is in it. Within 0.1 mm of the model of the IERS Conventions.

    Examples
    --------
    >>> tide = solid_earth_tide(34.0, -118.0, np.array(["2020-12-25T14:07:44"], "datetime64[ns]"))
    >>> tide.shape, bool(np.abs(tide).max() < 0.4)
    ((1, 3), True)
    """
    lat, lon = np.broadcast_arrays(np.asarray(latitude, np.float64), np.asarray(longitude, np.float64))
    position = earth_fixed(lat, lon, height)
    when = np.atleast_1d(np.asarray(times, "datetime64[ns]"))
    sun, moon = sun_and_moon(when)
    moved = [east_north_up(tide_at(position, sun[k], moon[k], when[k]), lat, lon) for k in range(len(when))]
    return np.stack(moved)
