"""The grid that a radar image is geocoded to."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from creepmeter.errors import GridError, InputError
from creepmeter.geometry.ground_grid import default_steps, ground_grid, known_places
from creepmeter.geometry.options import GeocodeOptions
from creepmeter.geometry.sphere import EARTH_RADIUS_M, LocalFrame

RADAR = {
    "AZIMUTH_PIXEL_SIZE": "100.0", "RANGE_PIXEL_SIZE": "40.0", "HEADING": "-12.0", "HEIGHT": "700000.0",
    "STARTING_RANGE": "850000.0", "EARTH_RADIUS": "6371000.0", "WIDTH": "5", "LENGTH": "4",
    "CENTER_INCIDENCE_ANGLE": "30.0",
}  # fmt: skip
LATITUDE, LONGITUDE = np.meshgrid(np.linspace(10.3, 10.0, 4), np.linspace(20.0, 20.4, 5), indexing="ij")


def test_a_cell_has_the_area_of_a_pixel_on_the_ground() -> None:
    tall, wide = default_steps(RADAR, (10.0, 10.3, 20.0, 20.4), (4, 5))
    metres = np.radians(tall) * EARTH_RADIUS_M, np.radians(wide) * EARTH_RADIUS_M * np.cos(np.radians(10.15))
    pixel = 100.0 * 6371 / 7071 * 40.0 / np.sin(np.radians(30.0))
    np.testing.assert_allclose(np.prod(metres), pixel, rtol=1e-12)


def test_the_incidence_at_mid_swath_follows_from_the_orbit() -> None:
    # a range equal to the height above ground is a look straight down
    attributes = {**RADAR, "STARTING_RANGE": "800000.0", "RANGE_PIXEL_SIZE": "0.001"}
    del attributes["CENTER_INCIDENCE_ANGLE"]
    cosine = (7071.0**2 - 6371.0**2 - 800.0**2) / (2 * 6371.0 * 800.0)
    stated = {**attributes, "CENTER_INCIDENCE_ANGLE": str(np.degrees(np.arccos(cosine)))}
    area = (10.0, 10.3, 20.0, 20.4)
    np.testing.assert_allclose(default_steps(attributes, area, (4, 5)), default_steps(stated, area, (4, 5)), rtol=1e-8)


def test_without_sizes_the_grid_has_as_many_rows_and_columns() -> None:
    known, longitude = known_places(LATITUDE, LONGITUDE)
    grid = ground_grid(LATITUDE, longitude, known, {}, GeocodeOptions())
    assert grid.shape == (4, 5)
    np.testing.assert_allclose(grid.latitudes(), LATITUDE[:, 0], rtol=1e-7)  # the grid starts in single precision
    np.testing.assert_allclose(grid.longitudes(), LONGITUDE[0], rtol=1e-7)


def test_an_orbit_below_the_ground_is_refused() -> None:
    attributes = {**RADAR, "STARTING_RANGE": "1000.0"}
    del attributes["CENTER_INCIDENCE_ANGLE"]
    with pytest.raises(InputError, match="STARTING_RANGE"):
        default_steps(attributes, (10.0, 10.3, 20.0, 20.4), (4, 5))


def test_area_and_steps_are_as_given() -> None:
    known, longitude = known_places(LATITUDE, LONGITUDE)
    options = GeocodeOptions(snwe=(10.1, 10.2, 20.05, 20.25), lalo_step=(-0.02, 0.05))
    grid = ground_grid(LATITUDE, longitude, known, RADAR, options)
    assert (grid.shape, grid.north, grid.west, grid.steps) == ((5, 4), 10.2, 20.05, (-0.02, 0.05))
    attributes = grid.attributes()
    assert (attributes["Y_FIRST"], attributes["X_STEP"], attributes["LENGTH"]) == ("10.2", "0.05", "5")


def test_a_grid_too_large_is_refused_before_it_is_made() -> None:
    known, longitude = known_places(LATITUDE, LONGITUDE)
    with pytest.raises(GridError, match="correct area or steps"):
        ground_grid(LATITUDE, longitude, known, RADAR, GeocodeOptions(lalo_step=(1e-7, 1e-7)))


def test_zero_missing_and_stray_coordinates_are_no_places() -> None:
    latitude, longitude = LATITUDE.copy(), LONGITUDE.copy()
    latitude[0, 0], longitude[1, 1], latitude[2, 2], longitude[3, 3] = 0.0, np.nan, -45.0, 170.0
    known, _ = known_places(latitude, longitude)
    assert sorted(zip(*np.nonzero(~known), strict=True)) == [(0, 0), (1, 1), (2, 2), (3, 3)]


def test_a_table_without_any_place_is_refused() -> None:
    with pytest.raises(InputError, match="no value anywhere"):
        known_places(np.zeros((2, 2)), np.zeros((2, 2)))


def test_longitudes_run_on_over_the_date_line() -> None:
    longitude = (LONGITUDE - 20.2 + 180.0 + 180.0) % 360.0 - 180.0
    known, turned = known_places(LATITUDE, longitude)
    assert known.all()
    np.testing.assert_allclose(np.diff(turned, axis=1), 0.1, atol=1e-9)
    np.testing.assert_allclose((turned - longitude + 180.0) % 360.0, 180.0, atol=1e-9)


@pytest.mark.parametrize(
    "wrong", [{"snwe": (11, 10, 20, 21)}, {"snwe": (10, 11, 21, 20)}, {"snwe": (10, 91, 20, 21)},
              {"lalo_step": (0, 0.1)}, {"lalo_step": (0.1, 2)}, {"interp_method": "cubic"}]
)  # fmt: skip
def test_wrong_options_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        GeocodeOptions.model_validate(wrong)


def test_distances_are_chords_of_the_sphere_and_no_longer_on_the_plane() -> None:
    random = np.random.default_rng(2)
    latitude, longitude = random.uniform(60, 89, 50), random.uniform(-180, 180, 50)
    points = LocalFrame(80.0, 30.0).points(latitude, longitude)
    up = np.stack(
        [
            np.cos(np.radians(latitude)) * np.cos(np.radians(longitude)),
            np.cos(np.radians(latitude)) * np.sin(np.radians(longitude)),
            np.sin(np.radians(latitude)),
        ],
        axis=1,
    )
    expected = EARTH_RADIUS_M * np.linalg.norm(up[:, None] - up[None], axis=2)
    np.testing.assert_allclose(np.linalg.norm(points[:, None] - points[None], axis=2), expected, atol=1e-6)
    assert (np.linalg.norm(points[:, None, :2] - points[None, :, :2], axis=2) <= expected + 1e-6).all()
