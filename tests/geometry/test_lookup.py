"""Where cells take their values from, by tables of latitude and longitude or of rows and columns."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from creepmeter.geometry.ground_grid import GroundGrid
from creepmeter.geometry.lookup import positions_in_table, sources_by_table, sources_on_grid
from creepmeter.geometry.sphere import LocalFrame

Floats = npt.NDArray[np.float64]
ROWS, COLUMNS = np.meshgrid(np.arange(40.0), np.arange(50.0), indexing="ij")
LATITUDE = 37.0 - 0.0009 * ROWS + 0.0002 * COLUMNS
LONGITUDE = -122.0 + 0.0011 * COLUMNS + 0.00025 * ROWS
KNOWN = np.ones(ROWS.shape, bool)
GRID = GroundGrid(37.012, -122.002, (-0.0009, 0.0011), (56, 62))


def centres(grid: GroundGrid) -> tuple[Floats, Floats]:
    latitude, longitude = np.meshgrid(grid.latitudes(), grid.longitudes(), indexing="ij")
    return latitude, longitude


def test_every_cell_takes_the_pixel_that_is_nearest_on_the_sphere() -> None:
    found = sources_on_grid(LATITUDE, LONGITUDE, KNOWN, GRID)
    frame = LocalFrame(37.0, -122.0)
    apart = np.linalg.norm(frame.points(*centres(GRID))[:, None] - frame.points(LATITUDE, LONGITUDE)[None], axis=2)
    radius = np.radians(3 * 0.0011) * 6_371_008.8 + 0.5
    expected = np.where(apart.min(axis=1) <= radius, apart.argmin(axis=1), -1)
    np.testing.assert_array_equal(found.place, expected)
    assert 0.2 < (expected >= 0).mean() < 1


@pytest.mark.parametrize("linear", [False, True])
def test_the_result_does_not_depend_on_the_memory(*, linear: bool) -> None:
    known = KNOWN & (np.random.default_rng(0).random(KNOWN.shape) > 0.1)
    whole = sources_on_grid(LATITUDE, LONGITUDE, known, GRID, linear=linear)
    parts = sources_on_grid(LATITUDE, LONGITUDE, known, GRID, linear=linear, memory_gb=1e-4)
    np.testing.assert_array_equal(parts.place, whole.place)
    if linear:
        assert parts.share is not None
        assert whole.share is not None
        np.testing.assert_allclose(parts.share, whole.share, atol=1e-6)


def test_linear_gives_back_a_field_that_is_linear_on_the_ground() -> None:
    found = sources_on_grid(LATITUDE, LONGITUDE, KNOWN, GRID, linear=True)
    values = 3.0 * (LATITUDE - 37.0) - 2.0 * (LONGITUDE + 122.0)
    north, east = centres(GRID)
    expected = 3.0 * (north - 37.0) - 2.0 * (east + 122.0)
    error = np.abs(found.take(values[None])[0] - expected)
    share = found.share
    assert share is not None
    inside = share.any(axis=1).reshape(GRID.shape)
    assert inside.mean() > 0.5
    bend = np.degrees(100.0**2 / 8 / 6_371_008.8**2)  # of a straight line of 100 m, the size of a cell
    assert error[inside].max() < (3.0 + 2.0) * bend
    nearest = sources_on_grid(LATITUDE, LONGITUDE, KNOWN, GRID).take(values[None])[0]
    assert np.nanmax(np.abs(nearest - expected)[inside]) > 1e-4


def test_linear_reaches_as_far_as_the_nearest_does() -> None:
    linear = sources_on_grid(LATITUDE, LONGITUDE, KNOWN, GRID, linear=True)
    nearest = sources_on_grid(LATITUDE, LONGITUDE, KNOWN, GRID)
    np.testing.assert_array_equal(linear.place < 0, nearest.place < 0)
    mask = (ROWS + COLUMNS) % 2 == 0
    ours = linear.take(mask[None])[0]
    assert ours.dtype == np.bool_
    assert (ours == nearest.take(mask[None])[0]).mean() > 0.95  # in a skew cell the nearest by share is another one


def test_pixels_without_a_place_are_passed_over() -> None:
    known = KNOWN.copy()
    known[10:20, 10:20] = False
    found = sources_on_grid(LATITUDE, LONGITUDE, known, GRID)
    taken = np.zeros(KNOWN.size, bool)
    taken[found.place[found.place >= 0]] = True
    assert not (taken.reshape(KNOWN.shape) & ~known).any()


def test_at_the_pole_too() -> None:
    angle = np.radians(np.arange(0.0, 360.0, 15.0))
    latitude, longitude = np.meshgrid(np.linspace(88.0, 89.5, 6), np.degrees(angle) - 180.0, indexing="ij")
    grid = GroundGrid(89.0, -180.0, (-0.1, 1.0), (8, 360))
    found = sources_on_grid(latitude, longitude, np.ones(latitude.shape, bool), grid)
    frame = LocalFrame(90.0, 0.0)
    apart = np.linalg.norm(frame.points(*centres(grid))[:, None] - frame.points(latitude, longitude)[None], axis=2)
    chosen = np.take_along_axis(apart, found.place[:, None].astype(np.intp), axis=1)[:, 0]
    assert (found.place >= 0).all()
    np.testing.assert_allclose(chosen, apart.min(axis=1), atol=1e-6)


def table() -> tuple[Floats, Floats]:
    """Return row and column of the radar pixel at each cell of a map."""
    down, across = np.meshgrid(np.arange(60.0), np.arange(70.0), indexing="ij")
    return 0.7 * down - 0.2 * across + 5.0, 0.6 * across + 0.15 * down - 4.0


def test_a_table_tells_pixels_whose_centres_are_whole_numbers() -> None:
    rows = np.array([[0.4, 0.6, -0.4, -0.6, np.nan, 2.4, 2.6]])
    columns = np.ones_like(rows)
    found = sources_by_table(rows, columns, (3, 4))
    assert found.place.tolist() == [1, 5, 1, -1, -1, 9, -1]


def test_between_pixels_of_a_table() -> None:
    rows, columns = table()
    values = 2.0 * np.arange(30.0)[:, None] - np.arange(35.0)[None]
    found = sources_by_table(rows, columns, (30, 35), linear=True).take(values[None])[0]
    inside = (rows >= 0) & (rows <= 29) & (columns >= 0) & (columns <= 34)
    np.testing.assert_allclose(found[inside], (2 * rows - columns)[inside], atol=1e-5)
    assert np.isnan(found[(rows < -0.5) | (columns < -0.5)]).all()


def test_a_table_read_backwards_leads_back() -> None:
    rows, columns = table()
    sources = positions_in_table(rows, columns, (30, 35))
    down, across = (sources.take(values[None])[0] for values in (rows, columns))
    expected = np.meshgrid(np.arange(30.0), np.arange(35.0), indexing="ij")
    assert sources.share is not None
    inside = sources.share.any(axis=1).reshape(30, 35)
    assert inside.mean() > 0.7
    np.testing.assert_allclose(down[inside], expected[0][inside], atol=1e-5)
    np.testing.assert_allclose(across[inside], expected[1][inside], atol=1e-5)
