from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from creepmeter.errors import GridError
from creepmeter.model.grid import (
    centre_positions,
    chip_grid,
    common_part,
    describe_grid,
    grid_coords,
    grid_of,
    map_position,
    metres_per_pixel,
    part_of_grid,
    pixel_grid,
    pixel_position,
    require_same_grid,
    same_grid,
    turn_between,
)

UTM = GeoBox((30, 40), Affine(10.0, 0.0, 500_000.0, 0.0, -10.0, 5_000_000.0), "EPSG:32633")

shapes = st.tuples(st.integers(1, 50), st.integers(1, 50))
edges = st.floats(0.1, 1000.0)
corners = st.floats(-1e7, 1e7)


@st.composite
def grids(draw: st.DrawFn) -> GeoBox:
    affine = Affine(draw(edges), 0.0, draw(corners), 0.0, -draw(edges), draw(corners))
    return GeoBox(draw(shapes), affine, draw(st.sampled_from([None, "EPSG:32633", "EPSG:3031", "EPSG:2263"])))


def moved(grid: GeoBox, column: float, row: float, shape: tuple[int, int] | None = None) -> GeoBox:
    """Return the grid that begins at a place of another."""
    west, north = map_position(grid, column, row)
    affine = Affine(grid.affine.a, grid.affine.b, float(west), grid.affine.d, grid.affine.e, float(north))
    return GeoBox(shape or grid.shape, affine, grid.crs)


def dataset_on(grid: GeoBox) -> xr.Dataset:
    return xr.Dataset({"value": (("y", "x"), np.zeros(grid.shape))}, coords=grid_coords(grid))


@given(grids())
def test_a_dataset_gives_back_its_grid(grid: GeoBox) -> None:
    assert grid_of(dataset_on(grid)) == grid


@pytest.mark.parametrize("turn", [-360, 0, 360])
def test_places_fall_on_a_grid_in_degrees_on_either_side_of_the_180th_meridian(turn: int) -> None:
    grid = GeoBox((10, 20), Affine(0.1, 0.0, 179.0 + turn, 0.0, -0.1, -16.0), "EPSG:4326")
    to_map = Transformer.from_crs(4326, 32701, always_xy=True)
    x, y = to_map.transform([179.5, -179.5, 181.0], [-16.5, -16.5, -17.0])
    column, row = pixel_position(grid, x, y, "EPSG:32701")
    assert_allclose(column, [5, 15, 20], atol=1e-6)
    assert_allclose(row, [5, 5, 10], atol=1e-6)


@given(grids(), st.data())
def test_a_part_of_a_dataset_lies_where_it_was(grid: GeoBox, data: st.DataObject) -> None:
    row = data.draw(st.integers(0, grid.shape[0] - 1))
    column = data.draw(st.integers(0, grid.shape[1] - 1))
    part = dataset_on(grid).isel(y=slice(row, None), x=slice(column, None))
    assert same_grid(grid_of(part), moved(grid, column, row, (grid.shape[0] - row, grid.shape[1] - column)))


def test_every_second_cell_makes_a_coarser_grid() -> None:
    coarse = grid_of(dataset_on(UTM).isel(y=slice(None, None, 2), x=slice(None, None, 2)))
    assert_allclose([coarse.affine.a, coarse.affine.e], [20.0, -20.0])
    assert_allclose(map_position(coarse, 0.5, 0.5), map_position(UTM, 0.5, 0.5))


def test_coordinates_are_centres_of_cells() -> None:
    coords = grid_coords(UTM)
    assert_array_equal(coords["x"][:2], [500_005.0, 500_015.0])
    assert_array_equal(coords["y"][:2], [4_999_995.0, 4_999_985.0])
    assert coords["x"].attrs["standard_name"] == "projection_x_coordinate"
    assert "crs_wkt" in coords["spatial_ref"].attrs


@given(st.integers(4, 128), st.integers(1, 64), shapes)
def test_the_first_chip_is_centred_half_a_chip_in(chip_px: int, step_px: int, shape: tuple[int, int]) -> None:
    chips = chip_grid(UTM, shape, chip_px, step_px)
    row, column = shape[0] - 1, shape[1] - 1
    for index, (j, i) in {(0, 0): (0, 0), (row, column): (row, column)}.items():
        centre = np.array(index[::-1]) * step_px + (chip_px - 1) / 2  # pixels, 0 = centre of the first pixel
        assert_allclose(map_position(chips, i + 0.5, j + 0.5), map_position(UTM, *(centre + 0.5)), rtol=1e-12)


def test_chips_as_wide_as_their_step_tile_the_image() -> None:
    chips = chip_grid(UTM, (3, 4), 10, 10)
    assert_allclose(map_position(chips, [0, 4], [0, 3]), map_position(UTM, [0, 40], [0, 30]))


def test_metres_of_a_pixel() -> None:
    assert_array_equal(metres_per_pixel(UTM), [[10.0, 0.0], [0.0, -10.0]])
    assert_array_equal(metres_per_pixel(pixel_grid((2, 2), 2.5)), [[2.5, 0.0], [0.0, -2.5]])


def test_feet_become_metres() -> None:
    feet = GeoBox((5, 5), Affine(10.0, 0.0, 0.0, 0.0, -10.0, 0.0), "EPSG:2263")  # US survey feet
    assert_allclose(metres_per_pixel(feet), np.array([[10.0, 0.0], [0.0, -10.0]]) * 1200 / 3937, rtol=1e-12)
    assert grid_coords(feet)["x"].attrs["units"].startswith("0.3048006")


def test_degrees_are_refused_as_metres_and_named_in_files() -> None:
    degrees = GeoBox((5, 5), Affine(0.1, 0.0, 10.0, 0.0, -0.1, 50.0), "EPSG:4326")
    with pytest.raises(GridError, match=r"in degrees .*reproject"):
        metres_per_pixel(degrees)
    assert grid_coords(degrees)["y"].attrs["units"] == "degrees_north"


def test_a_rotated_grid_has_no_coordinates() -> None:
    rotated = GeoBox((5, 5), Affine(8.0, 6.0, 0.0, 6.0, -8.0, 0.0), "EPSG:32633")
    with pytest.raises(GridError, match="rotated"):
        grid_coords(rotated)


def test_a_dataset_without_grid_is_refused() -> None:
    with pytest.raises(GridError, match="carries no grid"):
        grid_of(xr.Dataset())


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (moved(UTM, 1e-4, 0.0), True),
        (moved(UTM, 0.0, 0.01), False),
        (GeoBox(UTM.shape, Affine(10.01, 0.0, 500_000.0, 0.0, -10.01, 5_000_000.0), UTM.crs), False),
        (GeoBox((30, 41), UTM.affine, UTM.crs), False),
        (GeoBox(UTM.shape, UTM.affine, "EPSG:32634"), False),
        (GeoBox(UTM.shape, UTM.affine, None), False),
    ],
)
def test_grids_are_the_same_within_a_thousandth_of_a_pixel(other: GeoBox, same: bool) -> None:  # noqa: FBT001
    assert same_grid(UTM, other) is same
    assert same_grid(other, UTM) is same


def test_different_grids_are_named() -> None:
    with pytest.raises(GridError, match=r"b\.tif lies on another grid than a\.tif: 2 x 2 px"):
        require_same_grid(UTM, pixel_grid((2, 2)), expected_name="a.tif", found_name="b.tif")
    assert "EPSG:32633" in describe_grid(UTM)
    assert "no reference system" in describe_grid(pixel_grid((2, 2)))


def test_positions_in_pixels_and_on_the_map_are_inverse() -> None:
    grid = GeoBox((30, 40), Affine(9, 2, 500_000, 1, -11, 4_000_000), "EPSG:32633")
    column, row = pixel_position(grid, *map_position(grid, [0.5, 40.0, -3.0], [0.5, 7.25, 30.0]), grid.crs)
    assert_allclose(column, [0.5, 40, -3], atol=1e-6)
    assert_allclose(row, [0.5, 7.25, 30], atol=1e-6)
    x, y = centre_positions(grid)
    assert x.shape == (30, 40)
    assert_allclose(pixel_position(grid, x, y, None)[0], np.arange(40) + 0.5 + 0 * x, atol=1e-6)


def test_positions_of_another_system_are_brought_over_and_those_nowhere_are_nan() -> None:
    grid = GeoBox((30, 40), Affine(10, 0, 500_000, 0, -10, 4_000_000), "EPSG:32633")
    lon, lat = Transformer.from_crs("EPSG:32633", "EPSG:4326", always_xy=True).transform(500_105.0, 3_999_895.0)
    column, row = pixel_position(grid, [lon, np.nan, np.inf], [lat, lat, lat], "EPSG:4326")
    assert_allclose((column[0], row[0]), (10.5, 10.5), atol=1e-6)
    assert np.isnan([column[1:], row[1:]]).all()


@pytest.mark.parametrize(("source", "target"), [("EPSG:32633", "EPSG:3035"), ("EPSG:32632", "EPSG:32633")])
def test_arrows_turn_as_short_steps_do(source: str, target: str) -> None:
    transform = Transformer.from_crs(source, target, always_xy=True).transform
    x, y = np.array([420_000.0, 650_000.0]), np.array([5_200_000.0, 6_100_000.0])
    before, after = np.stack(transform(x, y)), np.stack(transform(x, y + 100.0))
    bearing = np.arctan2(*(after - before))
    assert_allclose(turn_between(source, target, x, y), bearing, atol=1e-4)
    there = turn_between(target, source, *before)
    assert_allclose(there, -bearing, atol=1e-4)
    assert not turn_between(source, source, x, y).any()
    assert not turn_between(None, target, x, y).any()


def test_images_that_overlap_share_whole_pixels() -> None:
    first = GeoBox((30, 40), Affine(10, 0, 500_000, 0, -10, 4_000_000), "EPSG:32633")
    second = GeoBox((30, 40), Affine(10, 0, 500_070, 0, -10, 4_000_040), "EPSG:32633")
    shared = common_part(first, second)
    assert shared is not None
    assert same_grid(part_of_grid(first, *shared[0]), part_of_grid(second, *shared[1]))
    assert shared[0] == (slice(0, 26), slice(7, 40))
    for moved in (Affine(10, 0, 500_075, 0, -10, 4_000_040), Affine(10.01, 0, 500_070, 0, -10, 4_000_040)):
        assert common_part(first, GeoBox((30, 40), moved, "EPSG:32633")) is None
