"""Plates that turn about poles, against figures worked out by hand and published ones."""

from __future__ import annotations

import numpy as np
import pytest

from creepmeter.corrections.plate_motion import ITRF2014, MORVEL, EulerPole
from creepmeter.errors import ConfigError

# Altamimi et al. (2017), table 1: the rates, degrees per million years, which the table states beside the vectors.
RATES = {
    "Antarctica": 0.219, "Arabia": 0.515, "Australia": 0.631, "Eurasia": 0.261, "India": 0.516, "Nazca": 0.629,
    "NorthAmerica": 0.194, "Nubia": 0.267, "Pacific": 0.679, "SouthAmerica": 0.119, "Somalia": 0.332,
}  # fmt: skip


def test_rates_are_those_of_the_table() -> None:
    assert set(RATES) == set(ITRF2014)
    for name, rate in RATES.items():
        assert EulerPole.of_plate(name).rate == pytest.approx(rate, abs=6e-4)  # three digits of the vectors


def test_speed_on_the_equator_by_hand() -> None:
    # 1 mas/yr about z: 4.8481368e-9 rad/yr x 6378137 m = 30.922 mm/yr to the east, at any longitude
    found = EulerPole.of_cartesian(0, 0, 1).velocity(0.0, np.array([0.0, 50.0, -170.0]))
    np.testing.assert_allclose(found, [[0.0309221] * 3, [0.0] * 3, [0.0] * 3], atol=1e-7)


def test_velocity_by_hand() -> None:
    # about x: w (r x) = w (0, -z, y): at 0 N, 90 E the ground goes to the north pole with w a
    found = EulerPole.of_cartesian(1, 0, 0).velocity(0.0, 90.0)
    np.testing.assert_allclose(found, [0, 0.0309221, 0], atol=1e-7)
    # at 45 N, 90 E about z: a cos(lat) / sqrt(1 - e2 sin2(lat)) = 4517590.9 m from the axis
    found = EulerPole.of_cartesian(0, 0, 1).velocity(45.0, 90.0)
    np.testing.assert_allclose(found, [4.8481368e-9 * 4517590.9, 0, 0], atol=1e-8)


def test_a_pole_stands_still_and_both_notations_agree() -> None:
    pole = EulerPole.of_spherical(-4.85, -80.64, 0.209)
    geodetic = np.degrees(np.arctan(np.tan(np.radians(-4.85)) / (1 - 1 / 298.257222101) ** 2))
    np.testing.assert_allclose(pole.velocity(geodetic, -80.64), 0, atol=1e-9)
    phi, lam = np.radians([-4.85, -80.64])
    mas = 0.209 * 3.6  # degrees per million years -> mas/yr
    vector = mas * np.array([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)])
    other = EulerPole.of_cartesian(*vector)
    np.testing.assert_allclose(other.velocity(35.0, -118.0), pole.velocity(35.0, -118.0), atol=1e-12)


def test_north_america_is_the_same_plate_in_both_models() -> None:
    # Ottawa moves 16 to 18 mm/yr to the west and 2 to 5 to the north or south in every frame without net rotation
    for model in ("ITRF2014", "MORVEL"):
        east, north, _ = EulerPole.of_plate("North America", model).velocity(45.4, -75.7)
        assert -0.020 < east < -0.014
        assert abs(north) < 0.005
    assert set(ITRF2014) <= set(MORVEL)


def test_unknown_plate_is_named_with_a_proposal() -> None:
    with pytest.raises(ConfigError, match="no plate 'Eurasa': did you mean Eurasia"):
        EulerPole.of_plate("Eurasa")
    assert EulerPole.of_plate("Antartica") == EulerPole.of_plate("Antarctica")  # as MintPy spells it
