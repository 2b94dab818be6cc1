r"""Where Sun and Moon are: series good to about 10 arc seconds, which move the ground by less than 0.1 mm.

The series are those of Meeus, with the larger of the terms that he has from Chapront's ELP 2000-82 for the Moon, and
the equation of the centre for the Sun, both for the mean ecliptic and equinox of date. Nutation (17 arc seconds) turns
Moon and Earth alike and is left out; so is light time.

References
----------
Meeus, J. (1998). Astronomical Algorithms, 2nd edition, chapters 12, 22, 25, 47. Willmann-Bell.
Montenbruck, O., Gill, E. (2000). Satellite Orbits, section 3.3.2. Springer, doi:10.1007/978-3-642-58351-3.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from creepmeter.model.epoch import Epochs

Floats = npt.NDArray[np.float64]

ASTRONOMICAL_UNIT_M = 149_597_870_700.0
_J2000 = np.datetime64("2000-01-01T12:00:00", "ns")
_DAYS_OF_CENTURY = 36525.0
_MEAN_DISTANCE_KM = 385_000.56

# Terrestrial minus universal time: what leap seconds and a slower Earth have made of it, seconds.
_YEARS = (1970, 1975, 1980, 1985, 1990, 1995, 2000, 2005, 2010, 2015, 2020, 2030)
_DELAYS_S = (40.2, 45.5, 50.5, 54.3, 56.9, 60.8, 63.8, 64.7, 66.1, 67.6, 69.4, 69.4)

# Meeus, table 47.A: multiples of D, M, M', F; sine of longitude, 1e-6 degrees; cosine of distance, metres.
_LONGITUDE = np.array([
    [0, 0, 1, 0, 6288774, -20905355], [2, 0, -1, 0, 1274027, -3699111], [2, 0, 0, 0, 658314, -2955968],
    [0, 0, 2, 0, 213618, -569925], [0, 1, 0, 0, -185116, 48888], [0, 0, 0, 2, -114332, -3149],
    [2, 0, -2, 0, 58793, 246158], [2, -1, -1, 0, 57066, -152138], [2, 0, 1, 0, 53322, -170733],
    [2, -1, 0, 0, 45758, -204586], [0, 1, -1, 0, -40923, -129620], [1, 0, 0, 0, -34720, 108743],
    [0, 1, 1, 0, -30383, 104755], [2, 0, 0, -2, 15327, 10321], [0, 0, 1, 2, -12528, 0],
    [0, 0, 1, -2, 10980, 79661], [4, 0, -1, 0, 10675, -34782], [0, 0, 3, 0, 10034, -23210],
    [4, 0, -2, 0, 8548, -21636], [2, 1, -1, 0, -7888, 24208], [2, 1, 0, 0, -6766, 30824],
    [1, 0, -1, 0, -5163, -8379], [1, 1, 0, 0, 4987, -16675], [2, -1, 1, 0, 4036, -12831],
    [2, 0, 2, 0, 3994, -10445], [4, 0, 0, 0, 3861, -11650], [2, 0, -3, 0, 3665, 14403],
    [0, 1, -2, 0, -2689, -7003], [2, 0, -1, 2, -2602, 0], [2, -1, -2, 0, 2390, 10056],
    [1, 0, 1, 0, -2348, 6322], [2, -2, 0, 0, 2236, -9884], [0, 1, 2, 0, -2120, 5751],
    [0, 2, 0, 0, -2069, 0], [2, -2, -1, 0, 2048, -4950], [2, 0, 1, -2, -1773, 4130],
    [2, 0, 0, 2, -1595, 0], [4, -1, -1, 0, 1215, -3958], [0, 0, 2, 2, -1110, 0],
    [0, 0, 2, -2, -381, -4421], [3, 0, -1, 0, -892, 3258],
], np.float64)  # fmt: skip
# Meeus, table 47.B: sine of latitude, 1e-6 degrees.
_LATITUDE = np.array([
    [0, 0, 0, 1, 5128122], [0, 0, 1, 1, 280602], [0, 0, 1, -1, 277693], [2, 0, 0, -1, 173237],
    [2, 0, -1, 1, 55413], [2, 0, -1, -1, 46271], [2, 0, 0, 1, 32573], [0, 0, 2, 1, 17198],
    [2, 0, 1, -1, 9266], [0, 0, 2, -1, 8822], [2, -1, 0, -1, 8216], [2, 0, -2, -1, 4324],
    [2, 0, 1, 1, 4200], [2, 1, 0, -1, -3359], [2, -1, -1, 1, 2463], [2, -1, 0, 1, 2211],
    [2, -1, -1, -1, 2065], [0, 1, -1, -1, -1870], [4, 0, -1, -1, 1828], [0, 1, 0, 1, -1794],
    [0, 0, 0, 3, -1749], [0, 1, -1, 1, -1565], [1, 0, 0, 1, -1491], [0, 1, 1, 1, -1475],
    [0, 1, 1, -1, -1410], [0, 1, 0, -1, -1344], [1, 0, 0, -1, -1335], [0, 0, 3, 1, 1107],
    [4, 0, 0, -1, 1021],
], np.float64)  # fmt: skip


class Ecliptic(NamedTuple):
    """A place in the sky, (time,) each: longitude and latitude in degrees of the ecliptic of date, distance in m."""

    longitude: Floats
    latitude: Floats
    distance: Floats


def centuries(times: Epochs) -> Floats:
    """Return Julian centuries of universal time since noon of 2000-01-01, (time,)."""
    days = (np.asarray(times, "datetime64[ns]") - _J2000) / np.timedelta64(1, "D")
    return np.asarray(days, np.float64) / _DAYS_OF_CENTURY


def terrestrial(universal: Floats) -> Floats:
    """Return centuries of terrestrial time for those of universal time."""
    delay = np.interp(2000.0 + 100.0 * universal, _YEARS, _DELAYS_S)
    return np.asarray(universal + delay / (86400.0 * _DAYS_OF_CENTURY))


def sun_ecliptic(t: Floats) -> Ecliptic:
    """Return the geometric place of the Sun at centuries `t` of terrestrial time.

    Examples
    --------
    >>> sun = sun_ecliptic(np.array([-0.072183436]))  # Meeus, example 25.a, 1992-10-13: 199.90988 degrees
    >>> round(float(sun.longitude[0]), 4), round(float(sun.distance[0] / ASTRONOMICAL_UNIT_M), 5)
    (199.9099, 0.99766)
    """
    mean = 280.46646 + 36000.76983 * t + 0.0003032 * t**2
    anomaly = 357.52911 + 35999.05029 * t - 0.0001537 * t**2
    eccentricity = 0.016708634 - 0.000042037 * t
    m = np.radians(anomaly)
    centre = (
        (1.914602 - 0.004817 * t) * np.sin(m) + (0.019993 - 0.000101 * t) * np.sin(2 * m) + 0.000289 * np.sin(3 * m)
    )
    true = np.radians(anomaly + centre)
    distance = 1.000001018 * (1 - eccentricity**2) / (1 + eccentricity * np.cos(true))
    return Ecliptic((mean + centre) % 360.0, np.zeros_like(t), distance * ASTRONOMICAL_UNIT_M)


def moon_ecliptic(t: Floats) -> Ecliptic:
    """Return the place of the Moon at centuries `t` of terrestrial time.

    Examples
    --------
    >>> moon = moon_ecliptic(np.array([-0.077221081451]))  # Meeus, example 47.a, 1992-04-12: 133.162655, -3.229126
    >>> round(float(moon.longitude[0]), 2), round(float(moon.latitude[0]), 2), round(float(moon.distance[0] / 1e7))
    (133.16, -3.23, 37)
    """
    mean = 218.3164477 + 481267.88123421 * t - 0.0015786 * t**2
    elongation = 297.8501921 + 445267.1114034 * t - 0.0018819 * t**2
    sun_anomaly = 357.5291092 + 35999.0502909 * t - 0.0001536 * t**2
    anomaly = 134.9633964 + 477198.8675055 * t + 0.0087414 * t**2
    node_distance = 93.2720950 + 483202.0175233 * t - 0.0036539 * t**2
    arguments = np.stack([elongation, sun_anomaly, anomaly, node_distance])
    rounder = 1 - 0.002516 * t - 0.0000074 * t**2  # the Earth's orbit, against that of the tables

    def waves(table: Floats) -> tuple[Floats, Floats]:
        angle = np.radians(table[:, :4] @ arguments)
        scale = rounder ** np.abs(table[:, 1:2])
        return scale * np.sin(angle), scale * np.cos(angle)

    sines, cosines = waves(_LONGITUDE)
    venus, jupiter = np.radians(119.75 + 131.849 * t), np.radians(53.09 + 479264.290 * t)
    flat = np.radians(mean - node_distance)
    longitude = _LONGITUDE[:, 4] @ sines + 3958 * np.sin(venus) + 1962 * np.sin(flat) + 318 * np.sin(jupiter)
    latitude = _LATITUDE[:, 4] @ waves(_LATITUDE)[0] - 2235 * np.sin(np.radians(mean))
    distance = _MEAN_DISTANCE_KM * 1e3 + _LONGITUDE[:, 5] @ cosines
    return Ecliptic((mean + longitude * 1e-6) % 360.0, latitude * 1e-6, distance)


def sidereal_degrees(universal: Floats) -> Floats:
    """Return the mean sidereal time at Greenwich, degrees, at centuries of universal time.

    Examples
    --------
    >>> at = centuries(np.array(["1987-04-10T19:21:00"], "datetime64[ns]"))  # Meeus, example 12.b: 128.7378734
    >>> round(float(sidereal_degrees(at)[0]), 5)
    128.73787
    """
    days = universal * _DAYS_OF_CENTURY
    return np.asarray((280.46061837 + 360.98564736629 * days + 0.000387933 * universal**2) % 360.0)


def sun_and_moon(times: Epochs) -> tuple[Floats, Floats]:
    """Return Sun and Moon in the frame that turns with the Earth.

    Parameters
    ----------
    times : array of datetime64, (time,)
        Universal time; UTC is near enough.

    Returns
    -------
    sun, moon : array, (time, 3)
        Metres from the centre of the Earth: x to the meridian of Greenwich in the equator, z to the north pole.
    """
    universal = centuries(np.atleast_1d(times))
    t = terrestrial(universal)
    tilt = np.radians(23.4392911 - 0.0130042 * t)
    turn = np.radians(sidereal_degrees(universal))
    return _turned(sun_ecliptic(t), tilt, turn), _turned(moon_ecliptic(t), tilt, turn)


def _turned(body: Ecliptic, tilt: Floats, turn: Floats) -> Floats:
    longitude, latitude = np.radians(body.longitude), np.radians(body.latitude)
    x = np.cos(latitude) * np.cos(longitude)
    across, out = np.cos(latitude) * np.sin(longitude), np.sin(latitude)
    y = np.cos(tilt) * across - np.sin(tilt) * out
    z = np.sin(tilt) * across + np.cos(tilt) * out
    turned = np.stack([np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x, z], axis=-1)
    return np.asarray(turned * body.distance[:, None])
