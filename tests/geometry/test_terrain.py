from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from creepmeter.errors import ConfigError, GridError
from creepmeter.geometry.terrain import Terrain, downslope, heights_on, terrain_of
from creepmeter.io.raster import write_geotiff
from creepmeter.model.grid import Grid, centre_positions
from creepmeter.model.schema import MOTION_MODEL, map_dataset

Floats = npt.NDArray[np.float64]
GRID = GeoBox((20, 24), Affine(40.0, 0, 500_000.0, 0, -40.0, 5_100_000.0), "EPSG:32633")
DIMS = ("component", "term", "y", "x")


def incline(grid: Grid, slope_deg: float, aspect_deg: float) -> Floats:
    """Return heights of a plane that falls towards an azimuth."""
    x, y = centre_positions(grid)
    way = np.sin(np.radians(aspect_deg)) * (x - 500_000) + np.cos(np.radians(aspect_deg)) * (y - 5_100_000)
    return np.asarray(2000 - np.tan(np.radians(slope_deg)) * way, np.float64)


def motion(east: float, north: float, components: tuple[str, ...] = ("east", "north")) -> xr.Dataset:
    value = np.broadcast_to(np.array([east, north]).reshape(2, 1, 1, 1), (2, 1, *GRID.shape))[: len(components)]
    sigma = np.broadcast_to(np.array([0.03, 0.04]).reshape(2, 1, 1, 1), (2, 1, *GRID.shape))[: len(components)]
    coords = {"component": list(components), "term": ["rate"], "unit": ("term", ["m/yr"])}
    return map_dataset({"value": (DIMS, value, {}), "sigma": (DIMS, sigma, {})}, coords, GRID, kind=MOTION_MODEL)


@given(st.floats(0.5, 70), st.floats(0, 359.9))
def test_slope_and_aspect_of_a_plane_come_back_up_to_its_border(slope: float, aspect: float) -> None:
    found = terrain_of(incline(GRID, slope, aspect), GRID)
    assert_allclose(found.slope, slope, rtol=1e-6)
    turn = (found.aspect - aspect + 180) % 360 - 180
    assert_allclose(turn, 0, atol=1e-5)


@pytest.mark.parametrize("mirrored", [(1, -1), (-1, 1), (-1, -1)])
def test_the_order_of_rows_and_columns_changes_no_direction(mirrored: tuple[int, int]) -> None:
    x_step, y_step = mirrored
    west, north = 500_000.0 if x_step > 0 else 500_960.0, 5_100_000.0 if y_step > 0 else 5_099_200.0
    grid = GeoBox(GRID.shape, Affine(40.0 * x_step, 0, west, 0, -40.0 * y_step, north), GRID.crs)
    heights = incline(GRID, 20.0, 160.0)[::y_step, ::x_step]
    assert_allclose(incline(grid, 20.0, 160.0), heights)
    assert_allclose(terrain_of(heights, grid).aspect, 160.0)


@pytest.mark.parametrize("shape", [(1, 6), (6, 1), (2, 6)])
def test_a_map_of_one_row_has_its_slope_up_to_the_ends(shape: tuple[int, int]) -> None:
    grid = GeoBox(shape, GRID.affine, GRID.crs)
    aspect = 90.0 if shape[1] > 1 else 180.0
    found = terrain_of(incline(grid, 15.0, aspect), grid)
    assert_allclose(found.slope, 15.0)
    assert_allclose(found.aspect, aspect)


def test_slope_of_a_cone_is_the_same_all_round() -> None:
    x, y = centre_positions(GRID)
    east, north = x - x.mean(), y - y.mean()
    found = terrain_of(1000 - 0.4 * np.hypot(east, north), GRID)
    far = np.hypot(east, north) > 200
    far[[0, -1]] = far[:, [0, -1]] = False  # beyond the border the ground is taken to go on straight
    assert_allclose(found.slope[far], np.degrees(np.arctan(0.4)), rtol=0.02)
    away = np.degrees(np.arctan2(east, north))
    turn = (found.aspect - away + 180) % 360 - 180
    assert np.abs(turn[far]).max() < 2


def test_level_ground_has_no_aspect_and_unknown_heights_no_slope() -> None:
    height = np.full(GRID.shape, 100.0)
    assert np.isnan(terrain_of(height, GRID).aspect).all()
    height[5, 5] = np.nan
    assert np.isnan(terrain_of(height, GRID).slope[4:7, 4:7]).all()
    assert np.isfinite(terrain_of(height, GRID).slope[8:, 8:]).all()


def test_cells_in_degrees_have_their_size_in_metres() -> None:
    grid = GeoBox((20, 20), Affine(0.001, 0, 10.0, 0, -0.001, 60.0), "EPSG:4326")
    lon, _ = centre_positions(grid)
    metres = (lon - 10.0) * 111_195 * np.cos(np.radians(59.99))
    assert_allclose(terrain_of(-0.5 * metres, grid).slope, np.degrees(np.arctan(0.5)), rtol=1e-3)


@pytest.mark.parametrize("cell", [10.0, 40.0, 100.0])
def test_heights_of_any_cell_size_and_system_are_brought_to_the_map(tmp_path: Path, cell: float) -> None:
    plane = GeoBox((120, 130), Affine(cell, 0, 499_900.0, 0, -cell, 5_100_100.0), "EPSG:32633")
    write_geotiff(tmp_path / "dem.tif", incline(plane, 20, 130).astype(np.float32), plane)
    expected = incline(GRID, 20, 130)
    inside = np.s_[:, :] if cell * 120 > 1500 else np.s_[:15, :15]
    assert_allclose(heights_on(tmp_path / "dem.tif", GRID)[inside], expected[inside], atol=0.01)
    step = cell / 111_195
    lon, lat = Transformer.from_crs(32633, 4326, always_xy=True).transform(499_900.0, 5_100_200.0)
    degrees = GeoBox((200, 250), Affine(1.4 * step, 0, lon, 0, -step, lat), "EPSG:4326")
    x, y = Transformer.from_crs(4326, 32633, always_xy=True).transform(*centre_positions(degrees))
    fall = np.tan(np.radians(20)) * (
        np.sin(np.radians(130)) * (x - 500_000) + np.cos(np.radians(130)) * (y - 5_100_000)
    )
    write_geotiff(tmp_path / "degrees.tif", (2000 - fall).astype(np.float32), degrees)
    assert_allclose(heights_on(tmp_path / "degrees.tif", GRID), expected, atol=0.05)


def test_a_fine_dem_is_averaged_to_the_cells_of_the_map(tmp_path: Path) -> None:
    fine = GeoBox((200, 240), Affine(4.0, 0, 500_000.0, 0, -4.0, 5_100_000.0), "EPSG:32633")
    rough = np.random.default_rng(0).normal(0, 10, fine.shape)
    write_geotiff(tmp_path / "dem.tif", (incline(fine, 20, 130) + rough).astype(np.float32), fine)
    error = heights_on(tmp_path / "dem.tif", GRID) - incline(GRID, 20, 130)
    assert 0.5 < error.std() < 1.5  # 10 m over the root of 100 cells


def test_a_dem_of_another_place_is_refused(tmp_path: Path) -> None:
    far = GeoBox((20, 20), Affine(40.0, 0, 700_000.0, 0, -40.0, 5_100_000.0), "EPSG:32633")
    write_geotiff(tmp_path / "dem.tif", np.ones((20, 20), np.float32), far)
    with pytest.raises(GridError, match=r"dem\.tif .* has no height on the map"):
        heights_on(tmp_path / "dem.tif", GRID)


@given(st.floats(6, 60), st.floats(0, 359.9), st.floats(0.1, 3))
def test_motion_along_the_ground_down_the_slope_is_found_whole(slope: float, aspect: float, speed: float) -> None:
    flat = speed * np.cos(np.radians(slope))
    moving = motion(flat * np.sin(np.radians(aspect)), flat * np.cos(np.radians(aspect)))
    found = downslope(moving, terrain_of(incline(GRID, slope, aspect), GRID))
    assert_allclose(found["downslope"], speed, rtol=1e-5)
    assert_allclose(found["across"], 0, atol=1e-6)


def test_motion_up_the_slope_is_negative_and_to_the_right_is_across() -> None:
    terrain = terrain_of(incline(GRID, 30, 180), GRID)  # falls to the south
    assert_allclose(downslope(motion(0, 1), terrain)["downslope"], -1 / np.cos(np.radians(30)), rtol=1e-6)
    assert_allclose(downslope(motion(-1, 0), terrain)["across"], 1, rtol=1e-6)  # west is right of the way south


def test_sigma_is_that_of_many_draws() -> None:
    terrain = terrain_of(incline(GRID, 25, 60), GRID)
    random = np.random.default_rng(0)
    draws = [
        [float(found[name][5, 5]) for name in ("downslope", "across")]
        for k in range(400)
        for found in [downslope(motion(random.normal(0, 0.03), random.normal(0, 0.04)), terrain)]
    ]
    stated = downslope(motion(0, 0), terrain)
    expected = [float(stated[f"{name}_sigma"][5, 5]) for name in ("downslope", "across")]
    assert_allclose(np.std(draws, axis=0), expected, rtol=0.12)  # 400 draws: 3.5 % at 1 sigma


def test_flat_ground_has_no_way_down() -> None:
    terrain = terrain_of(incline(GRID, 3, 60), GRID)
    assert np.isnan(downslope(motion(1, 1), terrain)["downslope"]).all()
    assert np.isfinite(downslope(motion(1, 1), terrain, min_slope_deg=2)["downslope"]).all()


def test_what_does_not_fit_is_refused() -> None:
    terrain = terrain_of(incline(GRID, 30, 60), GRID)
    with pytest.raises(ConfigError, match=r"component\(s\) los: motion down the slope needs east and north"):
        downslope(motion(1, 1, ("los",)), terrain)
    small = Terrain(*(part[:5] for part in (terrain.height, terrain.slope, terrain.aspect)))
    with pytest.raises(GridError, match="give heights on it"):
        downslope(motion(1, 1), small)
