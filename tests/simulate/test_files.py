from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.io.raster import read_bands, read_image, write_geotiff
from creepmeter.io.vector import burn_mask
from creepmeter.model.epoch import epochs_in_name
from creepmeter.model.grid import pixel_grid
from creepmeter.simulate import (
    SimulatedScenes,
    Slide,
    all_pairs,
    demo_scenes,
    pair_stack,
    regular_times,
    scene_stack,
    write_offset_maps,
    write_scenes,
)


@pytest.fixture(scope="module")
def scenes() -> SimulatedScenes:
    slide = Slide((400.0, -300.0), (250.0, 180.0), 3.0, 70.0)
    return scene_stack(
        ["2020-08-01", "2021-08-03"], (64, 80), motion=[slide], seed=3, cloud_fraction=0.3, nodata_wedge=0.5
    )


def test_images_come_back_rounded_with_missing_as_missing(scenes: SimulatedScenes, tmp_path: Path) -> None:
    paths = write_scenes(scenes, tmp_path, write_geotiff)
    assert [path.name for path in paths] == ["20200801.tif", "20210803.tif"]
    for path, image in zip(paths, scenes.images, strict=True):
        back, grid = read_image(path)
        assert_array_equal(np.isnan(back), np.isnan(image))
        assert np.nanmax(np.abs(back - image)) <= 0.5
        assert grid.crs is not None
        assert (grid.affine.c, grid.affine.f) == (500_000.0, 5_100_000.0)


def test_masks_are_beside_the_images(scenes: SimulatedScenes, tmp_path: Path) -> None:
    paths = write_scenes(scenes, tmp_path, write_geotiff)
    for path, cloud in zip(paths, scenes.cloud, strict=True):
        mask, _, _ = read_bands(path.with_name(f"{path.stem}_cloud.tif"))
        assert_array_equal(mask[0] != 0, cloud)


def test_the_outlines_burn_to_the_moving_ground(scenes: SimulatedScenes, tmp_path: Path) -> None:
    paths = write_scenes(scenes, tmp_path, write_geotiff)
    _, grid = read_image(paths[0])
    rows, columns = np.indices((64, 80))
    moving = ~scenes.stable(rows, columns)
    assert moving.any()
    assert (burn_mask(tmp_path / "slides.geojson", grid) != moving).mean() < 0.01  # a polygon of 72 corners
    assert_array_equal(burn_mask(tmp_path / "moving.tif", grid), moving)


def test_the_truth_is_kept(scenes: SimulatedScenes, tmp_path: Path) -> None:
    write_scenes(scenes, tmp_path, write_geotiff)
    with np.load(tmp_path / "truth.npz") as truth:
        assert_array_equal(truth["times"], scenes.times)
        assert_array_equal(truth["jitter_px"], scenes.jitter_px)
        assert_allclose(truth["velocity"][:, 30, 40], scenes.truth_velocity(30, 40), rtol=1e-6)


def test_without_reference_system_there_is_none_and_no_outline(scenes: SimulatedScenes, tmp_path: Path) -> None:
    paths = write_scenes(scenes, tmp_path, write_geotiff, crs=None, masks=False)
    _, grid = read_image(paths[0], pixel_size_m=10.0)
    assert grid.crs is None
    assert not (tmp_path / "slides.geojson").exists()
    assert sorted(path.name for path in tmp_path.glob("2*.tif")) == ["20200801.tif", "20210803.tif"]
    assert_array_equal(burn_mask(tmp_path / "moving.tif", grid), ~scenes.stable(*np.indices((64, 80))))


def test_offset_maps_hold_pixels_to_the_east_and_south(tmp_path: Path) -> None:
    network = all_pairs(regular_times(3, "2017-01-12T23:02:21", days=365))
    series = np.zeros((2, 3, 4, 5))
    series[0] = np.arange(3.0)[:, None, None] * 30.0
    series[1] = np.arange(3.0)[:, None, None] * 6.0
    stack, _ = pair_stack(series, network, pixel_grid((4, 5), 120.0), missing_fraction=0.2, seed=1)
    paths = write_offset_maps(stack, tmp_path, write_geotiff, pixel_size_m=15.0)
    assert paths[0].name == "20170112T230221_20180112T230221-F.tif"
    for k, path in enumerate(paths):
        assert epochs_in_name(path.name) == [network.pairs[k].ref, network.pairs[k].sec]
        bands, grid, _ = read_bands(path)
        used = bands[2] != 0
        assert_array_equal(used, np.isfinite(stack["displacement"].values[0, k]))
        steps = network.sec_index[k] - network.ref_index[k]
        assert_allclose(bands[0][used], 2.0 * steps)
        assert_allclose(bands[1][used], -0.4 * steps, rtol=1e-6)
        assert grid.affine.a == 120.0


def test_offsets_count_in_steps_of_the_grid_by_default(tmp_path: Path) -> None:
    stack, _ = pair_stack(
        np.stack([np.zeros((2, 3, 3)), np.full((2, 3, 3), 20.0)], axis=1),
        all_pairs(regular_times(2)),
        pixel_grid((3, 3), 10.0),
    )
    bands, _, _ = read_bands(write_offset_maps(stack, tmp_path, write_geotiff)[0])
    assert_allclose(bands[0], 2.0)
    assert_allclose(bands[1], -2.0)


def test_the_demo_is_what_the_documents_say() -> None:
    demo = demo_scenes()
    assert demo.images.shape == (8, 512, 512)
    assert demo.jitter_px.std() == pytest.approx(0.3, abs=0.05)
    assert 0.03 < demo.cloud.mean() < 0.12
    rows, columns = np.meshgrid(np.arange(15.5, 496, 8), np.arange(15.5, 496, 8), indexing="ij")
    speed = np.hypot(*demo.truth_velocity(rows, columns, 32))
    assert speed.max() == pytest.approx(3.0)
    assert demo.inside(rows, columns, 32).sum() > 200
    assert demo.stable(rows, columns, 32).sum() > 1500
    assert speed[demo.stable(rows, columns, 32)].max() == 0.0
