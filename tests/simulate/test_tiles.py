from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import fft

from creepmeter import track_arrays
from creepmeter.errors import InputError
from creepmeter.io.raster import read_bands, write_geotiff_parts
from creepmeter.io.vector import burn_mask
from creepmeter.kernels.threads import limit_threads
from creepmeter.model.grid import pixel_grid
from creepmeter.simulate import MotionField, Slide, TiledOptions, TiledScene, surface, write_tiled_pair

SEED = 3  # of all scenes, so that textures are made once
LARGE = (10980, 10980)
SHIFT = (0.37, -0.21)
# 2 px to the right and 1 px down in a year at (column 5500, row 5200), pixels of 10 m
SLIDE = Slide.from_velocity((55_000.0, -52_000.0), (1500.0, 1200.0), (20.0, -10.0))
MOVING = MotionField((SLIDE,))


def squares(size: int, *corners: tuple[int, int]) -> list[tuple[slice, slice]]:
    return [(slice(row, row + size), slice(column, column + size)) for row, column in corners]


@pytest.fixture(scope="module")
def scene() -> TiledScene:
    options = TiledOptions(cloud_fraction=0.1, lake_fraction=0.1, change_dn=50, nodata_wedge=0.2)
    return TiledScene(LARGE, seed=SEED, motion=MOVING, shift_px=SHIFT, options=options)


@pytest.fixture(scope="module")
def clear() -> TiledScene:
    return TiledScene(LARGE, seed=SEED, motion=MOVING, shift_px=SHIFT)


@pytest.mark.parametrize("which", ["ref", "sec"])
def test_any_window_is_a_part_of_the_whole_bit_for_bit(scene: TiledScene, which: str) -> None:
    whole = scene.window(slice(4900, 5500), slice(5200, 5900), which)
    for rows, columns in [(slice(4907, 4908), slice(5200, 5900)), (slice(5100, 5400), slice(5333, 5334))]:
        part = scene.window(rows, columns, which)
        top, left = rows.start - 4900, columns.start - 5200
        assert_array_equal(part, whole[top : top + part.shape[0], left : left + part.shape[1]])
    with limit_threads(1):
        assert_array_equal(scene.window(slice(4950, 5300), slice(5600, 5650), which), whole[50:400, 400:450])


def test_a_seed_gives_one_scene_and_another_seed_another(clear: TiledScene) -> None:
    square = squares(64, (3000, 3000))[0]
    again = TiledScene(LARGE, seed=SEED, motion=MOVING, shift_px=SHIFT)
    assert_array_equal(again.window(*square), clear.window(*square))
    other = TiledScene(LARGE, seed=SEED + 1).window(*square)
    assert abs(np.corrcoef(other.ravel(), clear.window(*square).ravel())[0, 1]) < 0.5


def test_brightness_contrast_and_spectrum_are_those_of_a_small_scene() -> None:
    scene = TiledScene(LARGE, seed=SEED, options=TiledOptions(noise_dn=0))
    tiles = [scene.window(*at) for at in squares(512, (0, 500), (3000, 6000), (7000, 500), (10468, 10468))]
    small = [surface((512, 512), seed).image() for seed in range(4)]
    assert np.mean(tiles) == pytest.approx(2200, rel=0.03)
    assert np.std(tiles) == pytest.approx(280, rel=0.15)
    # a mean over four images and hundreds of waves in a ring
    assert_allclose(amplitudes(tiles) / amplitudes(small), 1.0, atol=0.1)


def amplitudes(images: list[npt.NDArray[np.float32]]) -> npt.NDArray[np.float64]:
    size = images[0].shape[0]
    row, column = np.meshgrid(fft.fftfreq(size), fft.fftfreq(size), indexing="ij")
    window = np.outer(np.hanning(size), np.hanning(size))
    power = np.mean([np.abs(fft.fft2((image - image.mean()) * window)) ** 2 for image in images], axis=0)
    radius = np.hypot(row, column)
    return np.array([np.sqrt(power[np.abs(radius - one) < 0.01].mean()) for one in (0.05, 0.1, 0.2, 0.3, 0.4, 0.48)])


def test_no_place_looks_like_another() -> None:
    scene = TiledScene(LARGE, seed=SEED, options=TiledOptions(noise_dn=0))
    # two patches of cover show the same place at a distance that depends on the order, so look everywhere
    wide = scene.window(slice(0, 2560), slice(0, 2560)).reshape(640, 4, 640, 4).mean(axis=(1, 3))
    power = np.abs(fft.rfft2(wide - wide.mean(), s=(1280, 1280))) ** 2
    likeness = fft.irfft2(power)
    likeness /= likeness[0, 0]
    far = np.hypot(*np.meshgrid(*2 * [fft.fftfreq(1280) * 1280], indexing="ij")) > 60
    assert np.abs(likeness[far]).max() < 0.1  # the texture itself repeats with 1 after 1024 px


def test_the_truth_is_found_by_tracking(clear: TiledScene) -> None:
    rows, columns = slice(4944, 5456), slice(5244, 5756)
    ref, sec = (clear.window(rows, columns, which) for which in ("ref", "sec"))
    field = track_arrays(ref, sec, chip_px=32, step_px=32, search_px=6)
    down, right = np.meshgrid(np.arange(16) * 32 + 15.5, np.arange(16) * 32 + 15.5, indexing="ij")
    truth = clear.truth_offset_px(down + rows.start, right + columns.start, 32)
    years = 365 / 365.25
    assert_allclose(truth.max(axis=(1, 2)), (0.37 + 2 * years, -0.21 + years), atol=1e-9)
    assert field.valid.all()
    rim = np.abs(truth[0] - 0.37) % (2 * years) > 1e-9  # a chip that is sheared has no single offset
    assert 0.2 < rim.mean() < 0.7
    for found, expected in zip((field.dx, field.dy), truth, strict=True):
        error = found - expected
        assert np.sqrt(np.mean(error[~rim] ** 2)) < 0.02
        assert np.mean(np.abs(error)) < 0.02
        assert abs(np.mean(error)) < 0.005


def test_ground_at_rest_is_shifted_as_a_whole() -> None:
    still = TiledScene(LARGE, seed=SEED, shift_px=(3.0, -2.0), options=TiledOptions(noise_dn=0))
    ref = still.window(slice(1000, 1300), slice(2000, 2300))
    sec = still.window(slice(998, 1298), slice(2003, 2303), "sec")
    assert_allclose(sec, ref, atol=2e-3)  # float32 of 2200 DN
    assert_allclose(still.truth_offset_px([0, 5000], [0, 7000]), [[3, 3], [-2, -2]])


def test_noise_differs_between_blocks_and_images_and_has_its_size() -> None:
    noisy, bare = (TiledScene((600, 600), seed=SEED, options=TiledOptions(noise_dn=size)) for size in (15, 0))
    whole = slice(0, 600)
    noise = [noisy.window(whole, whole, which) - bare.window(whole, whole, which) for which in ("ref", "sec")]
    assert np.std(noise) == pytest.approx(15, rel=0.01)
    blocks = [
        image[row : row + 256, column : column + 256] for image in noise for row in (0, 256) for column in (0, 256)
    ]
    likeness = np.corrcoef([block.ravel() for block in blocks]) - np.eye(len(blocks))
    assert np.abs(likeness).max() < 5 / 256  # five standard errors of a correlation of 256 x 256 values


def test_lakes_lie_on_the_ground_clouds_do_not_and_the_corner_is_missing() -> None:
    options = TiledOptions(noise_dn=0, lake_fraction=0.2)
    lakes = TiledScene(LARGE, seed=SEED, shift_px=(5.0, 0.0), options=options)
    square = (slice(2000, 3200), slice(2000, 3200))
    ref, sec = lakes.window(*square), lakes.window(square[0], slice(2005, 3205), "sec")
    assert_allclose(sec, ref, atol=2e-3)
    assert 0.05 < (ref == 900).mean() < 0.35
    cloudy = TiledScene(LARGE, seed=SEED, options=TiledOptions(noise_dn=0, cloud_fraction=0.3))
    white = [cloudy.window(*square, which) > 5000 for which in ("ref", "sec")]
    assert min(white[0].mean(), white[1].mean()) > 0.05
    assert (white[0] ^ white[1]).mean() > 0.05
    corner = TiledScene((500, 400), seed=SEED, options=TiledOptions(nodata_wedge=0.25))
    seen = [np.isfinite(corner.window(slice(None), slice(None), which)) for which in ("ref", "sec")]
    assert seen[0].all()
    assert not seen[1][-100:, 0].any()
    assert seen[1][:370].all()


def test_the_pair_on_disk_is_the_scene_in_counts(tmp_path: Path) -> None:
    slide = Slide((2000.0, -3000.0), (800.0, 500.0), 15.0, 90)
    scene = TiledScene((520, 430), seed=SEED, motion=MotionField((slide,)), options=TiledOptions(nodata_wedge=0.3))
    paths = write_tiled_pair(scene, tmp_path, write_geotiff_parts)
    assert [path.name for path in paths] == ["20200801.tif", "20210801.tif"]
    for path, which in zip(paths, ("ref", "sec"), strict=True):
        values, grid, nodata = read_bands(path)
        image = scene.window(slice(None), slice(None), which)
        assert values.dtype == np.uint16
        assert nodata == 0
        assert_array_equal(values[0], np.where(np.isfinite(image), np.rint(np.nan_to_num(image)), 0))
    moving = burn_mask(tmp_path / "slides.geojson", grid)
    assert (moving ^ scene.moving(*np.indices(scene.shape))).mean() < 0.002  # the outline has 72 corners


def test_memory_does_not_grow_with_the_scene(tmp_path: Path) -> None:
    narrow = TiledScene((8192, 256), seed=SEED)
    narrow.window(slice(0, 1), slice(0, 1))  # textures are made once
    tracemalloc.start()
    try:
        write_tiled_pair(narrow, tmp_path, write_geotiff_parts)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16e6  # some blocks of 256 KB for positions and images, against 8 MB per image


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"shape": (0, 5)}, "at least 1 x 1"),
        ({"shape": (50, 60), "grid": pixel_grid((50, 50), 10.0)}, "a grid of it"),
        ({"shape": (50, 60), "times": ("20210101", "20200101")}, "must increase"),
    ],
)
def test_what_cannot_be_a_scene_is_refused(settings: dict[str, object], match: str) -> None:
    with pytest.raises(InputError, match=match):
        TiledScene(**settings)  # type: ignore[arg-type]


def test_what_is_no_window_is_refused(clear: TiledScene) -> None:
    with pytest.raises(InputError, match="no step"):
        clear.window(slice(0, 10, 2), slice(0, 10))
    with pytest.raises(InputError, match="ref or sec"):
        clear.window(slice(0, 10), slice(0, 10), "first")
