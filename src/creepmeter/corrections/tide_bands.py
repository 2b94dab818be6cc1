"""Step 2 of the solid Earth tide: corrections for Love numbers that depend on frequency.

Tables 7.3a and 7.3b of the IERS Conventions (2010). Each line: multiples of s, h, p, N', ps of the Doodson argument,
then the amplitudes of the correction in millimetres: radial in phase and out of phase, transverse in phase and out of
phase. Corrections below 0.01 mm are not in the tables.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from creepmeter.corrections.sun_moon import sidereal_degrees

Floats = npt.NDArray[np.float64]
Parts = tuple[Floats, Floats, Floats]

_MM = 1e-3
_DIURNAL = np.array([
    [-3, 0, 2, 0, 0, -0.01, 0, 0, 0], [-3, 2, 0, 0, 0, -0.01, 0, 0, 0], [-2, 0, 1, -1, 0, -0.02, 0, 0, 0],
    [-2, 0, 1, 0, 0, -0.08, 0, -0.01, 0.01], [-2, 2, -1, 0, 0, -0.02, 0, 0, 0], [-1, 0, 0, -1, 0, -0.10, 0, 0, 0],
    [-1, 0, 0, 0, 0, -0.51, 0, -0.02, 0.03], [-1, 2, 0, 0, 0, 0.01, 0, 0, 0], [0, -2, 1, 0, 0, 0.01, 0, 0, 0],
    [0, 0, -1, 0, 0, 0.02, 0, 0, 0], [0, 0, 1, 0, 0, 0.06, 0, 0, 0], [0, 0, 1, 1, 0, 0.01, 0, 0, 0],
    [0, 2, -1, 0, 0, 0.01, 0, 0, 0], [1, -3, 0, 0, 1, -0.06, 0, 0, 0], [1, -2, 0, -1, 0, 0.01, 0, 0, 0],
    [1, -2, 0, 0, 0, -1.23, -0.07, 0.06, 0.01], [1, -1, 0, 0, -1, 0.02, 0, 0, 0], [1, -1, 0, 0, 1, 0.04, 0, 0, 0],
    [1, 0, 0, -1, 0, -0.22, 0.01, 0.01, 0], [1, 0, 0, 0, 0, 12.00, -0.80, -0.67, -0.03],
    [1, 0, 0, 1, 0, 1.73, -0.12, -0.10, 0], [1, 0, 0, 2, 0, -0.04, 0, 0, 0], [1, 1, 0, 0, -1, -0.50, -0.01, 0.03, 0],
    [1, 1, 0, 0, 1, 0.01, 0, 0, 0], [0, 1, 0, 1, -1, -0.01, 0, 0, 0], [1, 2, -2, 0, 0, -0.01, 0, 0, 0],
    [1, 2, 0, 0, 0, -0.11, 0.01, 0.01, 0], [2, -2, 1, 0, 0, -0.01, 0, 0, 0], [2, 0, -1, 0, 0, -0.02, 0, 0, 0],
])  # fmt: skip
_LONG_PERIOD = np.array([
    [0, 0, 0, 1, 0, 0.47, 0.16, 0.23, 0.07], [0, 2, 0, 0, 0, -0.20, -0.11, -0.12, -0.05],
    [1, 0, -1, 0, 0, -0.11, -0.09, -0.08, -0.04], [2, 0, 0, 0, 0, -0.13, -0.15, -0.11, -0.07],
    [2, 0, 0, 1, 0, -0.05, -0.06, -0.05, -0.03],
])  # fmt: skip


def doodson_arguments(t: float) -> Floats:
    """Return s, h, p, N', ps at centuries of terrestrial time, degrees.

    Mean longitudes of Moon, Sun, perigee of the Moon, minus its node, and perigee of the Sun.
    """
    return np.array(
        [
            218.3164477 + 481267.88123421 * t - 0.0015786 * t**2,
            280.46645 + 36000.7697489 * t + 0.00030322222 * t**2,
            83.35324312 + 4069.01363525 * t - 0.01032172222 * t**2,
            234.95544499 + 1934.13626197 * t - 0.00207561111 * t**2,
            282.93734098 + 1.71945766667 * t + 0.00045688889 * t**2,
        ]
    )


def diurnal_band(sine: Floats, cosine: Floats, longitude: Floats, t: float, universal: float) -> Parts:
    """Return the correction of the diurnal band, metres east, north, radial.

    Parameters
    ----------
    sine, cosine : array
        Of the geocentric latitude.
    longitude : array
        Radians.
    t, universal : float
        Centuries of terrestrial and of universal time.
    """
    arguments = doodson_arguments(t)
    lunar = float(sidereal_degrees(np.array([universal]))[0]) + 180.0 - arguments[0]  # hours of the Moon, as an angle
    theta = np.radians(lunar + _DIURNAL[:, :5] @ arguments)
    angle = theta + np.asarray(longitude)[..., None]
    radial_in, radial_out, across_in, across_out = _DIURNAL[:, 5:].T * _MM
    along = np.sin(angle) @ across_in + np.cos(angle) @ across_out
    beside = np.cos(angle) @ across_in - np.sin(angle) @ across_out
    radial = (np.sin(angle) @ radial_in + np.cos(angle) @ radial_out) * 2 * sine * cosine
    return beside * sine, along * (cosine**2 - sine**2), radial


def long_period_band(sine: Floats, cosine: Floats, longitude: Floats, t: float, universal: float) -> Parts:  # noqa: ARG001 - as above
    """Return the correction of the long-period band, metres east, north, radial; see `diurnal_band`."""
    theta = np.radians(_LONG_PERIOD[:, :5] @ doodson_arguments(t))
    radial_in, radial_out, across_in, across_out = _LONG_PERIOD[:, 5:].T * _MM
    radial = float(np.cos(theta) @ radial_in + np.sin(theta) @ radial_out) * (1.5 * sine**2 - 0.5)
    north = float(np.cos(theta) @ across_in + np.sin(theta) @ across_out) * 2 * sine * cosine
    return np.zeros_like(north), north, radial
