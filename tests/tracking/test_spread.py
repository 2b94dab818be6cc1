from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from numpy.testing import assert_allclose, assert_array_equal
from odc.geo.geobox import GeoBox

from creepmeter.io.raster import open_image, write_geotiff
from creepmeter.simulate import pair_images
from creepmeter.tracking.match import Flag
from creepmeter.tracking.options import TrackOptions
from creepmeter.tracking.points import Places, track_places
from creepmeter.tracking.prepare import see_image
from creepmeter.tracking.spread import track_spread

SHAPE = (1200, 150)  # three bands


@pytest.mark.parametrize("prefilter", ["auto", "wallis", "none"])
def test_bands_give_what_the_whole_image_gives(tmp_path: Path, prefilter: str) -> None:
    pair = pair_images(SHAPE, (0.6, 30.4), noise_dn=60.0, change_dn=150.0, seed=1)
    pair.ref[300:360, 40:90] = np.nan
    grid = GeoBox(SHAPE, Affine(10, 0, 500_000, 0, -10, 4_000_000), "EPSG:32633")
    files = tmp_path / "ref.tif", tmp_path / "sec.tif"
    for path, image in zip(files, (pair.ref, pair.sec), strict=True):
        write_geotiff(path, image, grid)
    cloud, area = np.zeros((2, *SHAPE), bool)
    cloud[500:530, 60:100] = True
    area[:, :130] = True
    options = TrackOptions.model_validate({"chip_px": 12, "chip_max_px": 32, "search_px": 3, "prefilter": prefilter})
    rng = np.random.default_rng(1)
    rows, cols = rng.uniform(-30, SHAPE[0] + 30, 900), rng.uniform(-20, SHAPE[1] + 20, 900)
    search = np.where(np.arange(900) % 7 == 0, 0, 3)
    places = Places.of(rows, cols, chip_px=12, search_px=search, prior=(30, 0))
    ref, sec = (see_image(image, cloud, options) for image in (pair.ref, pair.sec))
    whole = track_places(ref, sec, places, options, area)
    sources = [open_image(path)[0] for path in files]
    banded = track_spread(sources[0], sources[1], places, options, exclude=cloud, within=area)
    assert {Flag.VALID, Flag.MASKED, Flag.NOT_WANTED} <= set(whole.flag)
    assert (banded.flag == whole.flag).mean() > 0.995  # the mean of a band is another: other rounding at the thresholds
    assert_array_equal(banded.row, whole.row)
    assert_array_equal(banded.col, whole.col)
    both = banded.valid & whole.valid & (banded.chip_px == whole.chip_px)
    assert both.sum() > 0.5 * (search > 0).sum()
    assert_allclose(banded.dx[both], whole.dx[both], atol=5e-3)
    assert_allclose(np.median(banded.dy[both]), 30.4, atol=0.02)


def test_nowhere_is_masked_in_bands_too(tmp_path: Path) -> None:
    pair = pair_images((600, 64), (0.0, 0.0), noise_dn=5.0, seed=2)
    grid = GeoBox((600, 64), Affine(10, 0, 0, 0, -10, 0), "EPSG:32633")
    write_geotiff(tmp_path / "ref.tif", pair.ref, grid)
    source = open_image(tmp_path / "ref.tif")[0]
    options = TrackOptions(chip_px=16, search_px=2)
    places = Places.of([np.nan, 1e9, 30.0, 580.0], 30.0, chip_px=16, search_px=2)
    assert track_spread(source, source, places, options).flag.tolist() == [Flag.MASKED, Flag.MASKED, 0, 0]


def test_a_place_half_above_the_image_draws_no_other_into_its_band(tmp_path: Path) -> None:
    pair = pair_images((600, 64), (0.0, 0.0), noise_dn=5.0, seed=2)
    grid = GeoBox((600, 64), Affine(10, 0, 0, 0, -10, 0), "EPSG:32633")
    write_geotiff(tmp_path / "ref.tif", pair.ref, grid)
    source = open_image(tmp_path / "ref.tif")[0]
    options = TrackOptions(chip_px=16, search_px=2, min_valid=0.4)
    places = Places.of([-0.4, np.nan, np.inf, 580.0], 30.0, chip_px=16, search_px=2)
    flags = track_spread(source, source, places, options).flag
    assert flags.tolist() == [Flag.MASKED, Flag.MASKED, Flag.MASKED, Flag.VALID]
