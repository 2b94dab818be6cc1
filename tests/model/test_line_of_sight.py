"""Directions told in two conventions, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from creepmeter.model.line_of_sight import (
    FROM_EAST_DEG,
    flight_vector,
    horizontal_vector,
    look_vector,
    los_azimuth,
    wrap_degrees,
)

HALF, ROOT = 0.5, np.sqrt(3) / 2


@pytest.mark.parametrize(
    ("azimuth", "east", "north"),
    [(0.0, 0.0, HALF), (90.0, -HALF, 0.0), (-90.0, HALF, 0.0), (180.0, 0.0, -HALF), (30.0, -0.25, HALF * ROOT)],
)
def test_an_azimuth_runs_from_north_anticlockwise(azimuth: float, east: float, north: float) -> None:
    np.testing.assert_allclose(look_vector(30.0, azimuth), [east, north, ROOT], atol=1e-15)


def test_counted_from_east_it_is_a_quarter_turn_more() -> None:
    # a satellite in the west: 180 degrees from east, 90 from north
    np.testing.assert_allclose(look_vector(30.0, 180.0 - FROM_EAST_DEG), [-HALF, 0.0, ROOT], atol=1e-15)


@pytest.mark.parametrize(
    ("heading", "right", "azimuth"),
    [(0.0, True, 90.0), (180.0, True, -90.0), (-12.0, True, 102.0), (-168.0, True, -102.0), (0.0, False, -90.0)],
)
def test_a_satellite_looks_to_the_side_of_its_flight(heading: float, *, right: bool, azimuth: float) -> None:
    assert los_azimuth(heading, right_looking=right) == azimuth
    along = flight_vector(azimuth, right_looking=right)
    turn = np.radians(heading)
    np.testing.assert_allclose(along, [np.sin(turn), np.cos(turn), 0.0], atol=1e-15)
    assert abs(along @ look_vector(37.0, azimuth)) < 1e-15


def test_maps_of_angles_give_maps_of_unit_vectors() -> None:
    incidence, azimuth = np.meshgrid(np.linspace(20, 50, 4), np.linspace(-180, 180, 5))
    vectors = look_vector(incidence, azimuth)
    assert vectors.shape == (3, 5, 4)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=0), 1.0)
    # motion along the horizontal direction of an azimuth is sin(incidence) cos(azimuth - direction) of it
    along = np.einsum("i,i...->...", horizontal_vector(25.0), vectors)
    np.testing.assert_allclose(along, np.sin(np.radians(incidence)) * np.cos(np.radians(azimuth - 25.0)), atol=1e-15)


def test_angles_lie_within_half_a_turn() -> None:
    assert [wrap_degrees(angle) for angle in (180.0, 190.0, -190.0, 350.0)] == [180.0, -170.0, 170.0, -10.0]
