from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from numpy.testing import assert_allclose, assert_array_equal
from odc.geo.geobox import GeoBox

import creepmeter as cm
from creepmeter.errors import EpochError, GridError
from creepmeter.io.raster import write_geotiff
from creepmeter.model.grid import grid_of
from creepmeter.model.schema import PAIR_STACK, check
from creepmeter.simulate import rigid_pair
from creepmeter.tracking.arrays import track_arrays
from creepmeter.tracking.match import Flag
from creepmeter.tracking.options import TrackOptions
from creepmeter.tracking.track import field_to_pair

SHAPE = (96, 112)
SIZE = 10.0
SHIFT = (0.6, 1.4)  # pixels right and down
OPTIONS = TrackOptions(chip_px=16, step_px=8, search_px=4)
PLACE = Affine(SIZE, 0, 500_000, 0, -SIZE, 4_000_000)


def write_pair(folder: Path, affine: Affine = PLACE, system: str = "EPSG:32633") -> tuple[Path, Path]:
    paths = folder / "B04_20200103.tif", folder / "B04_20210107T101112.tif"
    for path, image in zip(paths, rigid_pair(SHAPE, *SHIFT, noise_dn=5.0, seed=1), strict=True):
        write_geotiff(path, image, GeoBox(SHAPE, affine, system))
    return paths


def test_two_files_give_a_pair_stack_in_metres_north_up(tmp_path: Path) -> None:
    stack = cm.track(*write_pair(tmp_path), options=OPTIONS)
    check(stack, PAIR_STACK)
    assert list(stack["component"].values) == ["east", "north"]
    east, north = stack["displacement"].isel(pair=0)
    assert_allclose(east.mean(), SHIFT[0] * SIZE, atol=0.1)
    assert_allclose(north.mean(), -SHIFT[1] * SIZE, atol=0.1)
    assert str(stack["ref_time"].values[0]).startswith("2020-01-03")
    assert str(stack["sec_time"].values[0]).startswith("2021-01-07T10:11:12")
    assert stack["flag"].attrs["flag_meanings"].split()[Flag.UNSUPPORTED] == "unsupported"
    assert float(stack["quality"].max()) <= 1
    assert (stack.attrs["chip_px"], stack.attrs["step_px"]) == (16, 8)


def test_the_grid_lies_on_the_centres_of_the_chips(tmp_path: Path) -> None:
    stack = cm.track(*write_pair(tmp_path), options=OPTIONS)
    ny, nx = (SHAPE[0] - 16) // 8 + 1, (SHAPE[1] - 16) // 8 + 1
    assert_allclose(stack["x"], 500_000 + SIZE * (8 + 8 * np.arange(nx)))  # centre of 16 pixels: their middle edge
    assert_allclose(stack["y"], 4_000_000 - SIZE * (8 + 8 * np.arange(ny)))
    assert grid_of(stack).crs == "EPSG:32633"


def test_files_and_arrays_agree(tmp_path: Path) -> None:
    stack = cm.track(*write_pair(tmp_path), options=OPTIONS)
    field = track_arrays(*rigid_pair(SHAPE, *SHIFT, noise_dn=5.0, seed=1), options=OPTIONS)
    assert_allclose(stack["displacement"].values[0, 0], SIZE * field.dx, rtol=1e-6)
    assert_allclose(stack["sigma"].values[1, 0], SIZE * field.sigma_dy, rtol=1e-6)
    assert_array_equal(stack["flag"].values[0], field.flag)


def test_a_turned_grid_turns_the_offsets() -> None:
    field = track_arrays(*rigid_pair(SHAPE, *SHIFT, noise_dn=5.0, seed=1), options=OPTIONS)
    turned = GeoBox(SHAPE, Affine(0, SIZE, 0, SIZE, 0, 0), "EPSG:32633")  # columns run north, rows run east
    found = field_to_pair(field, turned)
    assert_allclose(found["displacement"], SIZE * np.stack([field.dy, field.dx]), rtol=1e-6)
    assert_allclose(found["sigma"], SIZE * np.stack([field.sigma_dy, field.sigma_dx]), rtol=1e-6)


def test_south_up_images_give_the_same_ground_motion(tmp_path: Path) -> None:
    paths = write_pair(tmp_path, Affine(SIZE, 0, 500_000, 0, SIZE, 4_000_000))
    north = cm.track(*paths, options=OPTIONS)["displacement"].sel(component="north")
    assert_allclose(north.mean(), SHIFT[1] * SIZE, atol=0.1)


def test_masks_from_files(tmp_path: Path) -> None:
    paths = write_pair(tmp_path)
    grid = GeoBox(SHAPE, PLACE, "EPSG:32633")
    cloud, area = np.zeros((2, *SHAPE), np.uint8)
    cloud[:40, :40] = 1
    area[:, 20:60] = 1
    for name, mask in (("cloud.tif", cloud), ("area.tif", area)):
        write_geotiff(tmp_path / name, mask, grid, nodata=None)
    stack = cm.track(*paths, options=OPTIONS, exclude=tmp_path / "cloud.tif", within=tmp_path / "area.tif")
    field = track_arrays(
        *rigid_pair(SHAPE, *SHIFT, noise_dn=5.0, seed=1), exclude=cloud > 0, within=area > 0, options=OPTIONS
    )
    assert_array_equal(stack["flag"].values[0], field.flag)
    assert {Flag.NOT_WANTED, Flag.MASKED, Flag.VALID} <= set(field.flag.ravel())


def test_degrees_are_refused(tmp_path: Path) -> None:
    paths = write_pair(tmp_path, Affine(1e-4, 0, 11, 0, -1e-4, 47), "EPSG:4326")
    with pytest.raises(GridError, match=r"in degrees.*reproject"):
        cm.track(*paths, options=OPTIONS)


def test_files_on_different_grids_are_named(tmp_path: Path) -> None:
    ref, sec = write_pair(tmp_path)
    moved = tmp_path / "20220101.tif"
    image = rigid_pair(SHAPE, 0, 0, seed=1)[0]
    write_geotiff(moved, image, GeoBox(SHAPE, PLACE @ Affine.translation(0.5, 0), "EPSG:32633"))
    with pytest.raises(GridError, match=r"20200103\.tif.*(?s:.)*20220101\.tif|20220101\.tif(?s:.)*20200103\.tif"):
        cm.track(ref, moved, options=OPTIONS)
    assert sec.exists()


def test_dates_come_from_the_names_or_from_the_caller(tmp_path: Path) -> None:
    ref, sec = write_pair(tmp_path)
    undated = ref.rename(tmp_path / "first.tif")
    with pytest.raises(EpochError, match=r"first\.tif: no date"):
        cm.track(undated, sec, options=OPTIONS)
    stack = cm.track(undated, sec, options=OPTIONS, dates=("2019-05-01", "2019-06-01"))
    assert str(stack["sec_time"].values[0]).startswith("2019-06-01")


def test_images_that_overlap_in_part_are_tracked_there(tmp_path: Path) -> None:
    ref, sec = rigid_pair((120, 140), *SHIFT, noise_dn=5.0, seed=1)
    paths = tmp_path / "20200103.tif", tmp_path / "20210107.tif"
    grids = (GeoBox(SHAPE, PLACE, "EPSG:32633"), GeoBox(SHAPE, PLACE @ Affine.translation(9, 4), "EPSG:32633"))
    for path, image, grid in zip(paths, (ref[:96, :112], sec[4:100, 9:121]), grids, strict=True):
        write_geotiff(path, image, grid)
    stack = cm.track(*paths, options=OPTIONS)
    assert_allclose((stack["x"][0], stack["y"][0]), (500_000 + SIZE * (9 + 8), 4_000_000 - SIZE * (4 + 8)))
    assert_allclose(stack["displacement"].sel(component="east").mean(), SHIFT[0] * SIZE, atol=0.1)


def test_degrees_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    paths = write_pair(tmp_path, Affine(1e-4, 0, 10, 0, -1e-4, 40), "EPSG:4326")
    with pytest.raises(GridError, match="in degrees"):
        cm.track(*paths, options=OPTIONS, memory_gb=1e-6)  # less than any measurement needs, which is said later
