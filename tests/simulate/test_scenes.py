from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from affine import Affine
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.errors import ConfigError, EpochError
from creepmeter.model.grid import Grid, grid_of, same_grid
from creepmeter.model.schema import IMAGE_CUBE, check
from creepmeter.simulate import MotionField, SceneOptions, SimulatedScenes, Slide, scene_stack, surface
from creepmeter.simulate.sky import clouds, missing_corner, sun_position

TIMES = ["2018-08-01", "2019-08-01", "2021-08-01"]
SHAPE = (160, 180)
# centre at column 89.5, row 79.5 of pixels of 10 m
SLIDE = Slide((900.0, -800.0), (600.0, 500.0), speed=4.0, direction_deg=120.0)
QUIET = SceneOptions(jitter_px=0.0, noise_dn=0.0)


@pytest.fixture(scope="module")
def moving() -> SimulatedScenes:
    return scene_stack(TIMES, SHAPE, motion=[SLIDE], seed=4, options=QUIET, jitter_px=0.4)


def test_without_motion_or_spoiling_all_images_are_the_ground() -> None:
    scenes = scene_stack(TIMES, (60, 70), seed=5, options=QUIET)
    for image in scenes.images:
        assert_allclose(image, surface((60, 70), 5).image(), atol=2e-3)


def test_jitter_moves_features_right_and_down(moving: SimulatedScenes) -> None:
    still = moving.stable(*np.indices(SHAPE))
    ground = surface(SHAPE, 4)
    for image, (dx, dy) in zip(moving.images, moving.jitter_px, strict=True):
        away = still & moving.stable(np.indices(SHAPE)[0] - dy, np.indices(SHAPE)[1] - dx)
        assert_allclose(image[away], ground.image(dx, dy)[away], atol=2e-3)


def test_the_core_moves_by_speed_times_time(moving: SimulatedScenes) -> None:
    ground = surface(SHAPE, 4)
    years = (np.datetime64(TIMES[2]) - np.datetime64(TIMES[0])) / np.timedelta64(1, "D") / 365.25
    east, north = SLIDE.velocity * years
    jitter = moving.jitter_px[2]
    expected = ground.image(east / 10 + jitter[0], -north / 10 + jitter[1])  # north is up, rows run down
    core = (slice(65, 95), slice(75, 105))
    assert_allclose(moving.images[2][core], expected[core], atol=5e-3)


def test_every_pixel_shows_the_ground_that_came_there(moving: SimulatedScenes) -> None:
    rows, columns = (index.astype(float) for index in np.indices(SHAPE))
    x, y = moving.ground_at(2, rows, columns)
    east, north = moving.motion.displacement(x, y, [TIMES[2]], since=TIMES[0])[:, 0]
    assert_allclose((x + east) / 10 - 0.5 + moving.jitter_px[2, 0], columns, atol=1e-4)
    assert_allclose(-(y + north) / 10 - 0.5 + moving.jitter_px[2, 1], rows, atol=1e-4)
    assert_allclose(moving.images[2], surface(SHAPE, 4).at(-y / 10 - 0.5, x / 10 - 0.5), atol=2e-3)


def test_the_truth_of_a_chip_is_the_mean_over_its_pixels(moving: SimulatedScenes) -> None:
    row, column = np.array([35.5, 79.5]), np.array([61.5, 89.5])
    truth = moving.truth_displacement(0, 2, row, column, chip_px=32)
    window = np.arange(32) - 15.5
    rows, columns = np.meshgrid(window, window, indexing="ij")
    every = moving.truth_displacement(
        TIMES[0], TIMES[2], row[:, None] + rows.ravel(), column[:, None] + columns.ravel()
    )
    assert_allclose(truth, every.mean(axis=-1), atol=0.02)
    velocity = moving.truth_velocity(row, column, 32)
    assert_allclose(velocity[:, 1], SLIDE.velocity, atol=1e-9)
    assert 0 < np.hypot(*velocity[:, 0]) < 4.0


def test_offsets_in_pixels_hold_motion_and_jitter(moving: SimulatedScenes) -> None:
    dx, dy = moving.truth_offset_px(1, 2, 79.5, 89.5, 32)
    east, north = moving.truth_displacement(1, 2, 79.5, 89.5, 32)
    jitter = moving.jitter_px[2] - moving.jitter_px[1]
    assert (dx, dy) == pytest.approx((east / 10 + jitter[0], -north / 10 + jitter[1]))
    assert east > 0 > north


def test_a_displacement_there_and_back_is_nothing(moving: SimulatedScenes) -> None:
    there = moving.truth_displacement(0, 2, 79.5, 89.5)
    assert_allclose(moving.truth_displacement(2, 0, 79.5, 89.5), -there, rtol=1e-9)


def test_chips_are_inside_outside_or_on_the_rim(moving: SimulatedScenes) -> None:
    rows, columns = np.array([79.5, 79.5, 15.5]), np.array([89.5, 30.5, 15.5])
    assert_array_equal(moving.inside(rows, columns, 32), [True, False, False])
    assert_array_equal(moving.stable(rows, columns, 32), [False, False, True])
    assert_array_equal(moving.inside(rows, columns, 32, core=True), [True, False, False])


def test_jitter_has_the_spread_asked_for() -> None:
    many = np.datetime64("2000-01-01") + np.arange(400)
    jitter = scene_stack(list(many), (1, 1), options=QUIET, jitter_px=0.3).jitter_px
    assert_allclose(jitter.std(axis=0), 0.3, rtol=0.12)  # 3.4 standard errors
    assert_allclose(jitter.mean(axis=0), 0.0, atol=0.05)


def test_noise_has_the_spread_asked_for_and_is_new_on_each_date() -> None:
    scenes = scene_stack(TIMES[:2], (128, 128), seed=1, jitter_px=0, noise_dn=25.0)
    noise = scenes.images - surface((128, 128), 1).image()
    assert_allclose(noise.std(axis=(1, 2)), 25.0, rtol=0.03)
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.03


def test_the_ground_changes_with_the_root_of_time() -> None:
    scenes = scene_stack(["2010-01-01", "2011-01-01", "2014-01-01"], (224, 224), options=QUIET, change_dn=30.0)
    year = np.std(scenes.images[1] - scenes.images[0])
    four = np.std(scenes.images[2] - scenes.images[0])
    assert year == pytest.approx(30.0, rel=0.25)
    assert four / year == pytest.approx(2.0, rel=0.25)


def test_change_moves_with_the_ground() -> None:
    scenes = scene_stack(TIMES, SHAPE, motion=[SLIDE], seed=4, options=QUIET, change_dn=60.0)
    calm = scene_stack(TIMES, SHAPE, motion=[SLIDE], seed=4, options=QUIET)
    first = (scenes.images - calm.images)[1, 70:90, 80:100]
    later = (scenes.images - calm.images)[2, 70:90, 80:100]
    assert np.corrcoef(first.ravel(), later.ravel())[0, 1] > 0.3  # the later image holds the earlier change


def test_seasonal_light_changes_the_shading_and_not_the_cover() -> None:
    summer_and_autumn = ["2020-07-01", "2020-10-20"]
    fixed = scene_stack(summer_and_autumn, (128, 128), options=QUIET)
    lit = scene_stack(summer_and_autumn, (128, 128), options=QUIET, seasonal_light=1.0)
    assert_allclose(fixed.images[0], fixed.images[1], atol=2e-3)
    correlation = np.corrcoef(lit.images[0].ravel(), lit.images[1].ravel())[0, 1]
    assert 0.6 < correlation < 0.99
    assert lit.images[1].std() > lit.images[0].std()  # low sun, long shadows
    assert lit.images[1].mean() == pytest.approx(lit.images[0].mean(), rel=0.03)


def test_the_sun_stands_where_the_almanac_puts_it() -> None:
    # equinox at noon minus 1.5 h, 46 degrees north: sin(e) = cos(46) cos(22.5)
    azimuth, elevation = sun_position(np.datetime64("2021-03-22T00:00:00", "ns"), 46.0)
    assert elevation == pytest.approx(39.9, abs=0.6)
    assert azimuth == pytest.approx(150.0, abs=1.0)  # tan(180 - a) = tan(22.5) / sin(46)
    assert sun_position(np.datetime64("2021-06-21", "ns"), 46.0)[1] > 57
    assert sun_position(np.datetime64("2021-12-21", "ns"), -46.0)[0] == pytest.approx(
        51.0, abs=8
    )  # north-east, down under


def test_illumination_is_a_plane_over_the_image() -> None:
    plain = scene_stack(TIMES[:2], (64, 64), options=QUIET)
    tilted = scene_stack(TIMES[:2], (64, 64), options=QUIET, illumination=0.05)
    ratio = (tilted.images / plain.images)[1]
    assert_allclose(np.diff(ratio, 2, axis=0), 0.0, atol=1e-5)
    assert_allclose(np.diff(ratio, 2, axis=1), 0.0, atol=1e-5)
    assert 0 < np.ptp(ratio) < 0.4


def test_the_cloud_mask_covers_all_cloud_and_only_cloud() -> None:
    clear = scene_stack(TIMES, SHAPE, seed=2, options=QUIET)
    cloudy = scene_stack(TIMES, SHAPE, seed=2, options=QUIET, cloud_fraction=0.3)
    assert 0.1 < cloudy.cloud.mean() < 0.6
    assert_array_equal(cloudy.images[~cloudy.cloud], clear.images[~cloudy.cloud])
    gain = (cloudy.images - clear.images)[cloudy.cloud]
    assert (gain > 0).mean() > 0.98  # its thinnest edge adds less than float32 can tell
    assert np.median(gain) > 500
    assert np.isfinite(cloudy.images).all()
    assert not clear.cloud.any()


def test_clouds_cover_the_share_asked_for() -> None:
    opacity, brightness = clouds((200, 210), 0.25, np.random.default_rng(0))
    assert (opacity > 0).mean() == pytest.approx(0.25, abs=0.002)
    assert opacity.max() == 1.0
    assert brightness.min() > 4000


def test_a_corner_is_missing_in_every_third_image() -> None:
    scenes = scene_stack(["2020-01-01", "2020-02-01", "2020-03-01", "2020-04-01"], (60, 60), nodata_wedge=0.4)
    missing = np.isnan(scenes.images)
    assert_array_equal(missing.any(axis=(1, 2)), [False, True, False, False])
    assert 0.05 < missing[1].mean() < 0.2


def test_the_missing_corner_is_the_one_asked_for() -> None:
    for corner, (row, column) in enumerate([(0, 0), (0, -1), (-1, -1), (-1, 0)]):
        missing = missing_corner((50, 60), 0.3, corner)
        assert missing[row, column]
        assert missing.mean() == pytest.approx(0.3 * 0.3 / 0.7 / 2, abs=0.01)


def test_the_clear_share_of_a_chip_counts_cloud_and_missing() -> None:
    scenes = scene_stack(TIMES, (64, 64), seed=3, cloud_fraction=0.3, nodata_wedge=0.5)
    shown = np.isfinite(scenes.images[1]) & ~scenes.cloud[1]
    rows, columns = np.array([15.5, 40.5]), np.array([20.5, 47.5])
    expected = [shown[0:32, 5:37].mean(), shown[25:57, 32:64].mean()]
    assert_allclose(scenes.clear(1, rows, columns, 32), expected)


def test_the_cube_masks_clouds_and_lies_on_the_grid() -> None:
    scenes = scene_stack(TIMES, (64, 70), seed=3, cloud_fraction=0.3)
    cube = scenes.image_cube()
    check(cube, IMAGE_CUBE)
    assert same_grid(grid_of(cube), scenes.grid)
    assert_array_equal(np.isnan(cube["image"].values), scenes.cloud)
    assert not np.isnan(scenes.image_cube(mask_cloud=False)["image"].values).any()


def test_a_map_grid_gives_the_same_images() -> None:
    grid = Grid((64, 70), Affine(10.0, 0.0, 400_000.0, 0.0, -10.0, 5_000_000.0), "EPSG:32633")
    slide = Slide((350.0, -320.0), (250.0, 250.0), 3.0, 70.0)
    there = Slide((400_350.0, 4_999_680.0), (250.0, 250.0), 3.0, 70.0)
    local = scene_stack(TIMES, (64, 70), motion=[slide], seed=1)
    on_map = scene_stack(TIMES, (64, 70), motion=MotionField((there,), origin=TIMES[0]), seed=1, grid=grid)
    assert_allclose(on_map.images, local.images, atol=5e-3)


def test_one_seed_gives_the_same_bits() -> None:
    options = SceneOptions(change_dn=20, seasonal_light=1, illumination=0.02, cloud_fraction=0.2, nodata_wedge=0.2)
    first, again, other = (
        scene_stack(TIMES, (40, 50), motion=[SLIDE], seed=seed, options=options) for seed in (1, 1, 2)
    )
    assert_array_equal(first.images, again.images)
    assert_array_equal(first.cloud, again.cloud)
    assert_array_equal(first.jitter_px, again.jitter_px)
    assert not np.array_equal(first.images, other.images)


def test_dates_must_increase() -> None:
    with pytest.raises(EpochError, match="must increase"):
        scene_stack(["2020-01-02", "2020-01-01"], (8, 8))


def test_an_unknown_date_is_named(moving: SimulatedScenes) -> None:
    with pytest.raises(EpochError, match="2018-08-02 is not a date of these scenes: 2018-08-01"):
        moving.truth_displacement("2018-08-02", 1, 0, 0)


@pytest.mark.parametrize("wrong", [{"clouds": 0.3}, {"cloud_fraction": 2.0}])
def test_a_wrong_setting_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"SceneOptions: {next(iter(wrong))}="):
        scene_stack(TIMES, (8, 8), **wrong)
