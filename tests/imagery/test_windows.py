from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer
from tests.imagery.fault_proxy import Fault, cut, fault_proxy, status

from creepmeter.errors import GridError, ImageError, InputError, ServiceError
from creepmeter.imagery.access import AccessPolicy
from creepmeter.imagery.area import AreaOfInterest, read_area
from creepmeter.imagery.masks import CLOUD, MISSING, OTHER, SHADOW, SNOW, mask_rule
from creepmeter.imagery.options import ReadOptions
from creepmeter.imagery.radiometry import Radiometry
from creepmeter.imagery.remote import Access
from creepmeter.imagery.sensors import sensor_named
from creepmeter.imagery.windows import (
    grid_of_raster,
    href_of,
    masked_fraction,
    place_on,
    read_image,
    read_mask,
    window_grid,
)
from creepmeter.model.grid import Grid, centre_positions

WEST, NORTH = 500_000.0, 5_100_000.0
ZONE = "EPSG:32633"
PLAIN = Radiometry(1.0, 0.0, (0,), "numbers as they are")
SENTINEL, LANDSAT = sensor_named("sentinel-2"), sensor_named("landsat")


def grid_at(
    shape: tuple[int, int], *, east: float = 0.0, south: float = 0.0, pixel: float = 10.0, crs: str = ZONE
) -> Grid:
    return Grid(shape, Affine(pixel, 0, WEST + east, 0, -pixel, NORTH - south), crs)


def write(
    path: Path, values: npt.NDArray[Any], grid: Grid, *, nodata: float | None = 0, south_up: bool = False
) -> Path:
    turn = grid.affine
    if south_up:
        turn = Affine(turn.a, 0, turn.c, 0, -turn.e, turn.f + turn.e * grid.shape[0])
        values = values[::-1]
    profile = {"driver": "GTiff", "count": 1, "dtype": values.dtype, "nodata": nodata, "tiled": True}
    profile |= {"blockxsize": 64, "blockysize": 64, "compress": "deflate", "crs": grid.crs, "transform": turn}
    with rasterio.open(path, "w", height=values.shape[0], width=values.shape[1], **profile) as target:
        target.write(values, 1)
    return path


def places(grid: Grid) -> npt.NDArray[np.uint16]:
    """Return numbers that tell where on the ground a pixel of 10 m lies."""
    x, y = centre_positions(grid)
    return (1 + (x - WEST + 2000) // 10 % 250 + 256 * ((NORTH + 2000 - y) // 10 % 250)).astype(np.uint16)


@pytest.fixture
def access(tmp_path: Path) -> Access:
    return Access(AccessPolicy(folders=(tmp_path,)))


def box(left: float, bottom: float, right: float, top: float) -> AreaOfInterest:
    """Return an area by metres east and south of the corner."""
    return read_area(f"{WEST + left},{NORTH - bottom},{WEST + right},{NORTH - top}", crs=ZONE)


# ---------------------------------------------------------------------------------------------------------------- grids


def test_the_window_holds_every_pixel_that_the_area_touches() -> None:
    whole = grid_at((300, 200))
    grid = window_grid(box(101, 559, 299, 401), whole, "B08.tif")
    assert grid.shape == (16, 20)
    assert (grid.affine.c, grid.affine.f) == (WEST + 100, NORTH - 400)


def test_an_area_that_reaches_beyond_keeps_its_size() -> None:
    grid = window_grid(box(-95, 105, 55, -45), grid_at((300, 200)), "B08.tif")
    assert (grid.affine.c, grid.affine.f) == (WEST - 100, NORTH + 50)


def test_areas_elsewhere_and_too_large_ones_are_refused() -> None:
    with pytest.raises(InputError, match=r"B08\.tif shows nothing of"):
        window_grid(box(5000, 300, 6000, 100), grid_at((300, 200)), "B08.tif")
    with pytest.raises(InputError, match=r"more than the limit of 100 px.*--memory-gb"):
        window_grid(box(0, 300, 300, 0), grid_at((300, 200)), "B08.tif", max_pixels=100)


@given(
    st.integers(-60, 60),
    st.integers(-60, 60),
    st.integers(1, 80),
    st.integers(1, 80),
)
def test_common_pixels_are_the_same_ground(down: int, along: int, tall: int, wide: int) -> None:
    own, grid = grid_at((50, 40)), grid_at((tall, wide), east=10.0 * along, south=10.0 * down)
    found = place_on(own, grid, "B08.tif")
    expected = np.isin(places(grid), places(own))
    if found is None:
        assert not expected.any()
        return
    theirs, ours = found
    np.testing.assert_array_equal(places(own)[theirs], places(grid)[ours])
    assert expected.sum() == places(grid)[ours].size


@pytest.mark.parametrize(
    ("grid", "what"),
    [
        (grid_at((50, 50), east=5.0), r"shifted by -0.5 columns|shifted by \+0.5 columns"),
        (grid_at((50, 50), south=5.0), r"and [+-]0.5 rows"),
        (grid_at((50, 50), east=0.5), "shifted by"),
        (grid_at((50, 50), pixel=20.0), "pixels of 10 x 10, the other scenes of 20 x 20"),
        (grid_at((50, 50), crs="EPSG:32634"), "lies in EPSG:32633, the other scenes in EPSG:32634"),
    ],
)
def test_scenes_on_other_pixels_are_refused_and_not_resampled_in_silence(grid: Grid, what: str) -> None:
    with pytest.raises(GridError, match=what) as caught:
        place_on(grid_at((50, 50)), grid, "B08.tif")
    assert "--resample" in str(caught.value)


# --------------------------------------------------------------------------------------------------------------- pixels


@pytest.mark.parametrize("south_up", [False, True])
def test_a_window_shows_its_ground_and_is_missing_beyond_the_raster(
    tmp_path: Path, access: Access, *, south_up: bool
) -> None:
    own = grid_at((90, 110))
    file = write(tmp_path / "B08.tif", places(own), own, south_up=south_up)
    grid = grid_at((60, 70), east=-100, south=400)
    found, _ = read_image(access, str(file), grid, PLAIN)
    reached = np.isin(places(grid), places(own))
    np.testing.assert_array_equal(np.isfinite(found), reached)
    np.testing.assert_array_equal(found[reached], places(grid)[reached])


@pytest.mark.parametrize(
    ("dtype", "nodata"), [("uint16", 0), ("int16", -32767), ("float32", np.nan), ("float32", -9999)]
)
def test_what_a_file_declares_missing_is_missing(tmp_path: Path, access: Access, dtype: str, nodata: float) -> None:
    grid = grid_at((70, 70))
    values = np.full((70, 70), 250, dtype)
    values[:20] = nodata
    file = write(tmp_path / "B08.tif", values, grid, nodata=nodata)
    found, _ = read_image(access, str(file), grid, PLAIN)
    assert np.isnan(found[:20]).all()
    assert (found[20:] == 250).all()


def test_a_band_that_lies_elsewhere_is_refused(tmp_path: Path, access: Access) -> None:
    file = write(tmp_path / "B08.tif", places(grid_at((70, 70))), grid_at((70, 70)))
    with pytest.raises(InputError, match=r"B08\.tif shows nothing of the area"):
        read_image(access, str(file), grid_at((20, 20), east=4000), PLAIN)


def test_a_raster_without_place_or_turned_is_refused(tmp_path: Path, access: Access) -> None:
    for name, turn, crs in (
        ("a.tif", Affine(10, 0, WEST, 0, -10, NORTH), None),
        ("b.tif", Affine(9, 4, WEST, 4, -9, NORTH), ZONE),
    ):
        profile = {"driver": "GTiff", "count": 1, "dtype": "uint16", "height": 20, "width": 20}
        with rasterio.open(tmp_path / name, "w", **profile, transform=turn, crs=crs) as target:
            target.write(np.ones((20, 20), np.uint16), 1)
        with pytest.raises(GridError, match=r"no reference system|is turned"):
            read_image(access, str(tmp_path / name), grid_at((20, 20)), PLAIN)


def test_a_tile_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    grid = grid_at((400, 400))
    noise = np.random.default_rng(0).integers(1, 60_000, (400, 400), dtype=np.uint16)
    file = write(tmp_path / "B08.tif", noise, grid)
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "B08.tif").write_bytes(file.read_bytes()[: file.stat().st_size * 2 // 3])
    policy = AccessPolicy(folders=(tmp_path,))
    with Access(policy) as access, pytest.raises(ImageError, match="damaged or cut"):
        read_image(access, str(tmp_path / "cut" / "B08.tif"), grid, PLAIN)
    with fault_proxy(tmp_path / "cut") as proxy, Access(AccessPolicy({proxy.host})) as access:
        with pytest.raises(ImageError, match="damaged or cut"):
            read_image(access, f"{proxy.url}/B08.tif", grid, PLAIN)
        top, _ = read_image(access, f"{proxy.url}/B08.tif", grid_at((60, 60)), PLAIN)
        np.testing.assert_array_equal(top, noise[:60, :60])


# ------------------------------------------------------------------------------------------------------------ resampled


def waves(grid: Grid) -> npt.NDArray[np.float32]:
    """Return a smooth image of the ground, by its map coordinates in ZONE."""
    x, y = centre_positions(grid)
    if grid.crs is not None and grid.crs.to_epsg() != 32633:
        x, y = Transformer.from_crs(grid.crs.to_epsg(), 32633, always_xy=True).transform(x, y)
    return (0.3 + 0.1 * np.sin((x - WEST) / 80) * np.cos((y - NORTH) / 70)).astype(np.float32)


def corner_in_next_zone(grid: Grid) -> tuple[float, float]:
    """Return the least x and the greatest y of a grid in EPSG:32634."""
    x, y = Transformer.from_crs(32633, 32634, always_xy=True).transform(*centre_positions(grid))
    return float(x.min()), float(y.max())


@pytest.mark.parametrize("method", ["bilinear", "cubic"])
@pytest.mark.parametrize("shift", [(5.0, 0.0), (0.0, -5.0), (2.5, 7.5)])
def test_pixels_shifted_by_a_part_are_moved_by_just_that(
    tmp_path: Path, access: Access, method: Literal["bilinear", "cubic"], shift: tuple[float, float]
) -> None:
    own = grid_at((90, 100), east=shift[0], south=shift[1])
    file = write(tmp_path / "B08.tif", waves(own), own, nodata=np.nan)
    grid = grid_at((40, 50), east=200, south=200)
    found, moved = read_image(access, str(file), grid, PLAIN, method)
    assert moved
    error = found - waves(grid)
    assert abs(error.mean()) < 2e-5  # no shift is left: one of 1/20 pixel along the slope would be 6e-4
    assert np.abs(error).max() < {"bilinear": 8e-4, "cubic": 1e-4}[method]  # h^2/8 f'', and less with four pixels
    slopes = np.gradient(waves(grid))
    for slope in slopes:
        assert abs((error * slope).sum() / (slope * slope).sum()) < 0.005  # pixels


def test_another_zone_is_brought_to_the_grid_when_it_is_allowed(tmp_path: Path, access: Access) -> None:
    grid = grid_at((40, 50), east=200, south=200)
    left, top = corner_in_next_zone(grid)
    own = Grid((90, 100), Affine(10, 0, left // 10 * 10 - 200, 0, -10, top // 10 * 10 + 200), "EPSG:32634")
    file = write(tmp_path / "B08.tif", waves(own), own, nodata=np.nan)
    with pytest.raises(GridError, match="EPSG:32634"):
        read_image(access, str(file), grid, PLAIN)
    found, moved = read_image(access, str(file), grid, PLAIN, "cubic")
    assert moved
    np.testing.assert_allclose(found, waves(grid), atol=3e-4)


def test_missing_stays_missing_when_it_is_moved(tmp_path: Path, access: Access) -> None:
    own = grid_at((90, 100), east=5.0)
    values = np.full((90, 100), 250, np.uint16)
    values[:, :40] = 0
    file = write(tmp_path / "B08.tif", values, own)
    found, _ = read_image(access, str(file), grid_at((60, 120), south=100), PLAIN, "cubic")
    assert np.isnan(found[:, :40]).all()
    assert (found[:, 41:100] == 250).all()
    assert np.isnan(found[:, 102:]).all()


def test_scenes_on_the_same_pixels_are_never_moved(tmp_path: Path, access: Access) -> None:
    own = grid_at((90, 100))
    file = write(tmp_path / "B08.tif", places(own), own)
    found, moved = read_image(access, str(file), own, PLAIN, "cubic")
    assert not moved
    np.testing.assert_array_equal(found, places(own))


# ---------------------------------------------------------------------------------------------------------------- masks


def test_a_mask_of_20_m_is_that_of_the_pixel_it_lies_in(tmp_path: Path, access: Access) -> None:
    rng = np.random.default_rng(3)
    classes = rng.integers(0, 12, (40, 50), dtype=np.uint8)
    file = write(tmp_path / "SCL.tif", classes, grid_at((40, 50), pixel=20.0))
    rule = mask_rule(SENTINEL)
    full = rule.masked(classes).repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_array_equal(read_mask(access, str(file), grid_at((80, 100)), rule), full)
    odd = read_mask(access, str(file), grid_at((31, 43), east=70, south=130), rule)  # begins within a pixel of 20 m
    np.testing.assert_array_equal(odd, full[13:44, 7:50])


def test_beyond_the_mask_nothing_is_known(tmp_path: Path, access: Access) -> None:
    file = write(tmp_path / "SCL.tif", np.full((10, 10), 4, np.uint8), grid_at((10, 10), pixel=20.0))
    found = read_mask(access, str(file), grid_at((20, 30), east=100, south=-50), mask_rule(SENTINEL))
    expected = np.full((20, 30), MISSING)
    expected[5:, :10] = 0
    np.testing.assert_array_equal(found, expected)
    far = read_mask(access, str(file), grid_at((4, 4), east=9000), mask_rule(SENTINEL))
    assert (far == MISSING).all()


def test_pixels_that_lie_in_two_of_the_mask_are_masked_by_either(tmp_path: Path, access: Access) -> None:
    """Panchromatic pixels of Landsat: 15 m, shifted by half a pixel against those of 30 m."""
    quality = np.full((4, 4), 1 << 6, np.uint16)
    quality[1, 1] = 1 << 3  # cloud from 30 to 60 m
    file = write(tmp_path / "QA.tif", quality, grid_at((4, 4), pixel=30.0), nodata=1)
    found = read_mask(access, str(file), grid_at((7, 7), east=7.5, south=7.5, pixel=15.0), mask_rule(LANDSAT))
    edges = 7.5 + 15.0 * np.arange(8)
    touches = (edges[1:] > 30) & (edges[:-1] < 60)
    np.testing.assert_array_equal(found == CLOUD, touches[:, None] & touches[None, :])


def test_a_mask_of_another_zone_is_that_of_its_pixel_when_it_is_allowed(tmp_path: Path, access: Access) -> None:
    grid = grid_at((300, 50), east=200, south=200)
    left, top = corner_in_next_zone(grid)
    own = Grid((90, 90), Affine(40, 0, left - 100, 0, -40, top + 100), "EPSG:32634")
    classes = np.random.default_rng(1).choice(np.array([4, 9], np.uint8), (90, 90))
    file = write(tmp_path / "SCL.tif", classes, own)
    found = read_mask(access, str(file), grid, mask_rule(SENTINEL), resample=True)
    x, y = Transformer.from_crs(32633, 32634, always_xy=True).transform(*centre_positions(grid))
    column, row = ((x - own.affine.c) // 40).astype(int), ((own.affine.f - y) // 40).astype(int)
    np.testing.assert_array_equal(found == CLOUD, classes[row, column] == 9)


def test_the_mask_goes_with_its_image(tmp_path: Path, access: Access) -> None:
    finer = write(tmp_path / "a.tif", np.full((40, 40), 4, np.uint8), grid_at((40, 40), pixel=5.0))
    other = write(tmp_path / "b.tif", np.full((40, 40), 4, np.uint8), grid_at((40, 40), pixel=20.0, crs="EPSG:32634"))
    for file in (finer, other):
        with pytest.raises(GridError, match="does not go with its image"):
            read_mask(access, str(file), grid_at((20, 20)), mask_rule(SENTINEL))


def test_the_usual_classes_are_masked_and_snow_and_others_by_choice() -> None:
    classes = np.arange(12, dtype=np.uint8)
    assert np.flatnonzero(mask_rule(SENTINEL).masked(classes)).tolist() == [0, 1, 3, 8, 9, 10]
    assert np.flatnonzero(mask_rule(SENTINEL, snow=True).masked(classes)).tolist() == [0, 1, 3, 8, 9, 10, 11]
    chosen = mask_rule(SENTINEL, [6, 9]).masked(classes)
    assert chosen.tolist() == [MISSING, MISSING, 0, 0, 0, 0, OTHER, 0, 0, CLOUD, 0, 0]
    assert mask_rule(SENTINEL).kinds(classes)[[3, 9, 11]].tolist() == [SHADOW, CLOUD, SNOW]
    with pytest.raises(InputError, match="mask classes 300: classes run from 0 to 255"):
        mask_rule(SENTINEL, [300])
    with pytest.raises(InputError, match="bits run from 0 to 15"):
        mask_rule(LANDSAT, [16])


def test_bits_of_landsat_are_read() -> None:
    numbers = np.array([0, 1, 1 << 1, 1 << 3, 1 << 4, 1 << 5, 1 << 6, (1 << 3) | (1 << 4), 21824, 22280], np.uint16)
    found = mask_rule(LANDSAT).kinds(numbers)
    assert found.tolist() == [MISSING, MISSING, CLOUD, CLOUD, SHADOW, SNOW, 0, CLOUD, 0, CLOUD]


def test_fractions_are_those_of_the_area_not_of_the_scene(tmp_path: Path) -> None:
    classes = np.full((100, 100), 4, np.uint8)
    classes[:50] = 9  # cloud all over the north
    classes[60:, :20], classes[60:, 20:40], classes[60:, 40:50] = 3, 11, 0
    write(tmp_path / "SCL.tif", classes, grid_at((100, 100), pixel=20.0))
    item = {"id": "a", "collection": "sentinel-2-l2a", "assets": {"scl": {"href": "SCL.tif"}}}
    with Access(AccessPolicy(folders=(tmp_path,))) as access:
        found = masked_fraction(item, box(10, 1990, 1990, 1210), access, base=tmp_path / "item.json")
        assert found.cloud == 0
        assert found.shadow == pytest.approx(0.2, abs=0.02)
        assert found.snow == pytest.approx(0.2, abs=0.02)
        assert found.missing == pytest.approx(0.1, abs=0.02)
        assert found.masked == pytest.approx(0.3, abs=0.02)
        with_snow = masked_fraction(item, box(10, 1990, 1990, 1210), access, [3, 11], base=tmp_path / "i.json")
        assert with_snow.masked == pytest.approx(0.5, abs=0.02)
        half_out = masked_fraction(item, box(1000, 1990, 3000, 1210), access, base=tmp_path / "i.json")
        assert half_out.missing == pytest.approx(0.5, abs=0.02)
        tiny = masked_fraction(item, box(501, 509, 503, 507), access, base=tmp_path / "i.json")
        assert tiny.cloud == 1
        with pytest.raises(InputError, match="shows nothing of"):
            masked_fraction(item, box(9000, 9900, 9500, 9000), access, base=tmp_path / "i.json")
        with pytest.raises(InputError, match="has no mask"):
            masked_fraction({**item, "assets": {}}, box(10, 1990, 1990, 1210), access)


def test_a_mask_that_cannot_be_read_is_an_error_and_not_clear_sky(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    write(tmp_path / "SCL.tif", rng.integers(0, 12, (400, 400), dtype=np.uint8), grid_at((400, 400), pixel=20.0))
    once = ReadOptions(tries=1, wait_s=0.0)
    for act in (status(503), cut):
        with fault_proxy(tmp_path, Fault(act)) as proxy, Access(AccessPolicy({proxy.host}), once) as access:
            item = {"id": "a", "collection": "sentinel-2-l2a", "assets": {"scl": {"href": f"{proxy.url}/SCL.tif"}}}
            with pytest.raises(ServiceError, match="given up after 1"):
                masked_fraction(item, box(10, 1990, 1990, 1210), access)


# ---------------------------------------------------------------------------------------------------------------- items


def test_addresses_of_assets_start_at_their_item() -> None:
    item: dict[str, Any] = {"id": "a", "assets": {"nir": {"href": "./B08.tif"}, "bad": {"href": 7}}, "links": []}
    assert href_of(item, "nir", "https://example.com/c/a.json") == "https://example.com/c/B08.tif"
    item["links"] = [{"rel": "self", "href": "https://example.com/d/a.json"}]
    assert href_of(item, "nir", "https://example.com/c/a.json") == "https://example.com/d/B08.tif"
    for key in ("bad", "red"):
        with pytest.raises(InputError, match="has no asset"):
            href_of(item, key)


def test_the_grid_of_a_raster_is_north_up(tmp_path: Path) -> None:
    file = write(tmp_path / "B08.tif", places(grid_at((20, 30))), grid_at((20, 30)), south_up=True)
    with rasterio.open(file) as raster:
        assert raster.transform.e > 0
        assert grid_of_raster(raster, "B08.tif") == grid_at((20, 30))
