from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from affine import Affine
from numpy.testing import assert_allclose, assert_array_equal
from odc.geo.geobox import GeoBox
from PIL import Image
from pyproj import Transformer

import creepmeter as cm
from creepmeter.errors import ConfigError, GridError, InputError
from creepmeter.io.points import PointTable
from creepmeter.io.raster import write_geotiff
from creepmeter.model.grid import centre_positions, grid_of
from creepmeter.model.schema import PAIR_STACK, check
from creepmeter.simulate import pair_images, rigid_pair
from creepmeter.simulate.images import Offset
from creepmeter.tracking.arrays import track_arrays
from creepmeter.tracking.match import Flag
from creepmeter.tracking.nodes import Guide
from creepmeter.tracking.options import TrackOptions

Doubles = npt.NDArray[np.float64]

SHAPE = (150, 170)
SIZE = 10.0
SHIFT = (0.6, 1.4)  # pixels right and down
OPTIONS = TrackOptions(chip_px=16, step_px=8, search_px=4)
NARROW = TrackOptions(chip_px=24, step_px=16, search_px=2)
SYSTEM = "EPSG:32633"
IMAGE = GeoBox(SHAPE, Affine(SIZE, 0, 500_000, 0, -SIZE, 4_000_000), SYSTEM)


def write_pair(folder: Path, shift: Offset = SHIFT, grid: GeoBox = IMAGE) -> tuple[Path, Path]:
    paths = folder / "B04_20200103.tif", folder / "B04_20210103.tif"
    pair = pair_images((grid.shape[0], grid.shape[1]), shift, noise_dn=5.0, seed=1)
    for path, image in zip(paths, (pair.ref, pair.sec), strict=True):
        write_geotiff(path, image, grid)
    return paths


def slide(x: Doubles, y: Doubles) -> tuple[Doubles, Doubles]:
    return 1.8 * np.exp(-(((x - 90) / 25) ** 2 + ((y - 70) / 25) ** 2) / 2), 0 * x


def write_guide(path: Path, *bands: float | npt.NDArray[Any], grid: GeoBox = IMAGE) -> Path:
    values = np.stack([np.broadcast_to(np.float32(band), grid.shape) for band in bands])
    write_geotiff(path, values, grid)
    return path


# ----------------------------------------------------------------------------------------------------- where nodes lie


def test_the_grid_of_the_chips_given_as_a_file_gives_the_same(tmp_path: Path) -> None:
    images = write_pair(tmp_path)
    regular = cm.track(*images, options=OPTIONS)
    dem = write_guide(tmp_path / "dem.tif", 100.0, grid=grid_of(regular))
    stack = cm.track(*images, options=OPTIONS, grid=dem)
    check(stack, PAIR_STACK)
    assert grid_of(stack) == grid_of(regular)
    assert_array_equal(stack["flag"], regular["flag"])
    assert_allclose(stack["displacement"], regular["displacement"], atol=0.02)
    assert (stack.attrs["chip_px"], stack.attrs["step_px"]) == (16, 8)


@pytest.mark.parametrize("spacing", [37.0, 80.0])
def test_a_spacing_makes_a_grid_of_whole_multiples_over_the_images(tmp_path: Path, spacing: float) -> None:
    stack = cm.track(*write_pair(tmp_path), options=OPTIONS, grid=spacing)
    edges = stack["x"].values - spacing / 2, stack["y"].values - spacing / 2
    for values in edges:
        assert_allclose(values / spacing, np.round(values / spacing), atol=1e-6)
    assert stack["x"].min() < 500_000 + spacing
    assert stack["x"].max() > 500_000 + SIZE * SHAPE[1] - spacing
    assert stack["y"].min() < 4_000_000 - SIZE * SHAPE[0] + spacing
    east, north = stack["displacement"].isel(pair=0)
    assert_allclose(east.median(), SHIFT[0] * SIZE, atol=0.1)
    assert_allclose(north.median(), -SHIFT[1] * SIZE, atol=0.1)
    assert float(np.isfinite(east).mean()) > 0.85
    assert stack.attrs["step_px"] == round(spacing / SIZE)


def test_a_slide_lies_where_it_is_on_a_grid_of_another_resolution(tmp_path: Path) -> None:
    images = write_pair(tmp_path, slide)
    nodes = GeoBox((40, 50), Affine(27.0, 0, 500_211, 0, -33.0, 3_999_880), SYSTEM)
    stack = cm.track(*images, options=OPTIONS, grid=nodes)
    east = stack["displacement"].isel(pair=0).sel(component="east")
    weight = east.where(east > 3, 0)
    x, y = (float((weight * stack[name]).sum() / weight.sum()) for name in ("x", "y"))
    assert_allclose((x, y), (500_000 + SIZE * 90.5, 4_000_000 - SIZE * 70.5), atol=SIZE)  # 0 = centre of first pixel


@pytest.mark.parametrize("system", ["EPSG:32632", "EPSG:4326", "EPSG:3035"])
def test_nodes_in_another_system_lie_on_the_same_ground(tmp_path: Path, system: str) -> None:
    images = write_pair(tmp_path, slide)
    to_nodes = Transformer.from_crs(SYSTEM, system, always_xy=True)
    x0, y0 = to_nodes.transform(500_750.0, 3_999_250.0)
    size = 3e-4 if system == "EPSG:4326" else 30.0
    nodes = GeoBox((40, 40), Affine(size, 0, x0 - 20 * size, 0, -size, y0 + 20 * size), system)
    stack = cm.track(*images, options=OPTIONS, grid=nodes)
    x, y = Transformer.from_crs(system, SYSTEM, always_xy=True).transform(*centre_positions(nodes))
    moved = np.hypot(*stack["displacement"].isel(pair=0).values)
    truth = SIZE * np.hypot(*slide((x - 500_000) / SIZE - 0.5, (4_000_000 - y) / SIZE - 0.5))
    valid = np.isfinite(moved)
    assert valid.mean() > 0.5
    assert np.sqrt(np.mean((moved - truth)[valid] ** 2)) < 1.5  # half a pixel off the node, mean over the chip
    assert_array_equal(stack["flag"].values[0][(x < 500_000) | (y > 4_000_000)], Flag.MASKED)  # nodes off the image


@pytest.mark.parametrize(
    ("image_system", "system"), [("EPSG:32633", "EPSG:32632"), ("EPSG:32633", "EPSG:4326"), ("EPSG:3035", "EPSG:32633")]
)
def test_arrows_turn_with_the_axes_of_the_grid(tmp_path: Path, image_system: str, system: str) -> None:
    lon, lat = 11.2, 47.1
    x, y = Transformer.from_crs("EPSG:4326", image_system, always_xy=True).transform(lon, lat)
    image = GeoBox(SHAPE, Affine(SIZE, 0, x - 850, 0, -SIZE, y + 750), image_system)
    images = write_pair(tmp_path, (2.0, -1.0), image)
    transform = Transformer.from_crs(image_system, system, always_xy=True).transform
    x0, y0 = transform(x, y)
    size = 1e-4 if system == "EPSG:4326" else 10.0
    nodes = GeoBox((8, 8), Affine(size, 0, x0 - 4 * size, 0, -size, y0 + 4 * size), system)
    east, north = cm.track(*images, options=OPTIONS, grid=nodes)["displacement"].isel(pair=0).median(("y", "x")).values
    x1, y1 = transform(x + 2000.0, y + 1000.0)  # along the motion
    step = np.array([x1 - x0, y1 - y0])
    if system == "EPSG:4326":
        step *= 111_195 * np.array([np.cos(np.radians(lat)), 1.0])
    bearing = np.degrees(np.arctan2(east, north) - np.arctan2(*step))
    assert abs(bearing) < 0.35  # degrees; the systems are turned by several against each other
    assert_allclose(np.hypot(east, north), SIZE * np.hypot(2, 1), atol=0.1)


def test_masks_hold_on_nodes(tmp_path: Path) -> None:
    images = write_pair(tmp_path)
    cloud, area = np.zeros((2, *SHAPE), np.uint8)
    cloud[:60, :60] = 1
    area[:, 20:100] = 1
    for name, mask in (("cloud.tif", cloud), ("area.tif", area)):
        write_geotiff(tmp_path / name, mask, IMAGE, nodata=None)
    stack = cm.track(*images, options=OPTIONS, grid=50.0, exclude=tmp_path / "cloud.tif", within=tmp_path / "area.tif")
    x, y = np.meshgrid(stack["x"], stack["y"])
    column, row = (x - 500_000) / SIZE, (4_000_000 - y) / SIZE
    flag = stack["flag"].values[0]
    assert_array_equal(flag[(column < 19) | (column > 102)], Flag.NOT_WANTED)
    assert_array_equal(flag[(row < 59) & (column > 22) & (column < 58)], Flag.MASKED)
    assert (flag[(row > 70) & (column > 22) & (column < 98) & (row < 145)] == Flag.VALID).mean() > 0.95


def test_images_without_georeference_have_nodes_in_metres(tmp_path: Path) -> None:
    paths = []
    for name, image in zip(("20200101.png", "20210101.png"), rigid_pair(SHAPE, *SHIFT, seed=1), strict=True):
        Image.fromarray((image - image.min()).astype(np.uint16)).save(tmp_path / name)
        paths.append(tmp_path / name)
    stack = cm.track(*paths, options=OPTIONS, grid=40.0, pixel_size_m=5.0)
    assert_allclose(stack["displacement"].sel(component="east").median(), SHIFT[0] * 5, atol=0.05)


# ---------------------------------------------------------------------------------------------------------- guides


@pytest.mark.parametrize("grid", [None, 160.0])
def test_far_motion_is_found_about_a_map_of_expected_motion(tmp_path: Path, grid: float | None) -> None:
    images = write_pair(tmp_path, (40.3, -20.4))
    coarse = GeoBox((4, 4), Affine(500, 0, 499_900, 0, -500, 4_000_100), SYSTEM)
    prior = write_guide(tmp_path / "prior.tif", 400.0, 208.0, grid=coarse)
    stack = cm.track(*images, options=NARROW, grid=grid, guide=Guide(prior))
    east, north = stack["displacement"].isel(pair=0)
    assert_allclose(east.median(), 403, atol=1)
    assert_allclose(north.median(), 204, atol=1)
    blind = cm.track(*images, options=NARROW, grid=grid)
    assert not np.isfinite(blind["displacement"]).any()
    years = 366 / 365.25
    rate = write_guide(tmp_path / "rate.tif", 400.0 / years, 208.0 / years, grid=coarse)
    same = cm.track(*images, options=NARROW, grid=grid, guide=Guide(rate, "m/yr"))
    assert_array_equal(same["displacement"], stack["displacement"])


def test_expected_motion_turns_with_its_axes(tmp_path: Path) -> None:
    lon, lat = 11.0, 60.0
    x, y = Transformer.from_crs("EPSG:4326", SYSTEM, always_xy=True).transform(lon, lat)
    image = GeoBox(SHAPE, Affine(SIZE, 0, x - 850, 0, -SIZE, y + 750), SYSTEM)
    images = write_pair(tmp_path, (60.0, 0.0), image)
    angle = np.radians(-3.46)  # grid north at 11 degrees east of a zone about 15: -4 sin(60)
    true = 600 * np.cos(angle), -600 * np.sin(angle)
    around = GeoBox((2, 2), Affine(0.1, 0, lon - 0.1, 0, -0.1, lat + 0.1), "EPSG:4326")
    prior = write_guide(tmp_path / "prior.tif", *true, grid=around)
    stack = cm.track(*images, options=NARROW, guide=Guide(prior))  # unturned it would lie 3.6 pixels off
    assert float(np.isfinite(stack["displacement"].sel(component="east")).mean()) > 0.3
    assert_allclose(stack["displacement"].sel(component="east").median(), 600, atol=1)


def test_a_map_of_searches_chooses_nodes_and_radii(tmp_path: Path) -> None:
    images = write_pair(tmp_path, (3.0, 0.2))
    radius = np.full(SHAPE, 5.0, np.float32)
    radius[:, :60] = 0
    radius[:, 120:] = np.nan
    radius[100:, 60:120] = 2
    table = write_guide(tmp_path / "search.tif", radius)
    stack = cm.track(*images, options=OPTIONS, grid=60.0, guide=Guide(search_map=table))
    x, y = np.meshgrid(stack["x"], stack["y"])
    column, row, flag = (x - 500_000) / SIZE, (4_000_000 - y) / SIZE, stack["flag"].values[0]
    assert_array_equal(flag[(column < 60) | (column > 120)], Flag.NOT_WANTED)
    inside = (column > 60) & (column < 120) & (row > 8)
    assert (flag[inside & (row < 100)] == Flag.VALID).mean() > 0.95
    assert not (flag[inside & (row > 100)] == Flag.VALID).any()
    both = write_guide(tmp_path / "both.tif", 5.0, 1.0)  # along x, along y
    stack = cm.track(*images, options=OPTIONS, grid=60.0, guide=Guide(search_map=both))
    assert float((stack["flag"] == Flag.VALID).mean()) > 0.8


# ---------------------------------------------------------------------------------------------------------- points


def test_listed_points_are_what_the_arrays_give(tmp_path: Path) -> None:
    images = write_pair(tmp_path)
    field = track_arrays(*rigid_pair(SHAPE, *SHIFT, noise_dn=5.0, seed=1), options=OPTIONS)
    chosen = np.s_[2:12:3, 3:14:4]
    table = PointTable(
        500_000 + SIZE * (field.col[chosen].ravel() + 0.5), 4_000_000 - SIZE * (field.row[chosen].ravel() + 0.5), SYSTEM
    )
    found = cm.track_listed(*images, table, options=OPTIONS)
    assert_array_equal(found["row"], field.row[chosen].ravel())
    assert_allclose(found["dx"], field.dx[chosen].ravel(), atol=2e-3)
    assert_allclose(found["displacement"].sel(component="north"), -SIZE * field.dy[chosen].ravel(), atol=0.02)


def test_columns_of_a_table_hold_for_single_points(tmp_path: Path) -> None:
    images = write_pair(tmp_path, (40.0, 0.0))
    (tmp_path / "points.csv").write_text(
        "name,x,y,search_px,chip_px,prior_east,prior_north\n"
        "far,500600,3999300,2,24,400,0\n"
        "none,500600,3999300,2,24,,\n"
        "skipped,500600,3999300,0,,400,0\n"
        "default,500640,3999300,,,400,0\n"
    )
    found = cm.track_listed(*images, tmp_path / "points.csv", options=OPTIONS)
    assert found["flag"].values[[0, 2, 3]].tolist() == [Flag.VALID, Flag.NOT_WANTED, Flag.VALID]
    assert found["flag"].values[1] != Flag.VALID
    assert_array_equal(found["chip_px"], [24, 24, 16, 16])
    assert_allclose(found["displacement"].sel(component="east")[[0, 3]], 400, atol=0.5)


# ---------------------------------------------------------------------------------------------------------- faults


def test_what_cannot_be_a_grid_is_named(tmp_path: Path) -> None:
    images = write_pair(tmp_path)
    plain = tmp_path / "plain.png"
    Image.fromarray(np.ones((5, 5), np.uint8)).save(plain)
    turned = GeoBox((5, 5), Affine(10, 3, 500_100, 3, -10, 3_999_900), SYSTEM)
    far = GeoBox((5, 5), Affine(10, 0, 700_000, 0, -10, 3_000_000), SYSTEM)
    cases: list[tuple[Any, type[Exception], str]] = [
        (plain, GridError, r"plain\.png has no georeference"),
        (0.0, GridError, "spacing of 0.0 m"),
        (0.001, GridError, "more than 100000000 nodes"),
        (turned, GridError, "rotated"),
        (far, InputError, "no place lies on the images"),
        (GeoBox((5, 5), Affine(10, 0, 0, 0, -10, 0), None), GridError, "give both a system"),
    ]
    for grid, error, message in cases:
        with pytest.raises(error, match=message):
            cm.track(*images, options=OPTIONS, grid=grid)


def test_guides_that_do_not_fit_are_named(tmp_path: Path) -> None:
    images = write_pair(tmp_path)
    one = write_guide(tmp_path / "one.tif", 1.0)
    three = write_guide(tmp_path / "three.tif", 1.0, 2.0, 3.0)
    far = GeoBox((5, 5), Affine(10, 0, 700_000, 0, -10, 3_000_000), SYSTEM)
    elsewhere = write_guide(tmp_path / "far.tif", 1.0, 1.0, grid=far)
    negative = write_guide(tmp_path / "negative.tif", -3.0)
    for guide, error, message in (
        (Guide(one), InputError, r"one\.tif has 1 band\(s\), not 2"),
        (Guide(search_map=three), InputError, r"three\.tif has 3 band\(s\), not 1 or 2"),
        (Guide(elsewhere), InputError, r"far\.tif.*covers no place"),
        (Guide(search_map=negative), ConfigError, "search_px must be 0 to 512"),
    ):
        with pytest.raises(error, match=message):
            cm.track(*images, options=OPTIONS, guide=guide)


@pytest.mark.parametrize("column", ["prior_east", "prior_north"])
def test_half_an_expected_motion_is_refused(tmp_path: Path, column: str) -> None:
    images = write_pair(tmp_path)
    (tmp_path / "points.csv").write_text(f"x,y,{column}\n500600,3999300,400\n")
    with pytest.raises(InputError, match="one of the columns prior_east and prior_north"):
        cm.track_listed(*images, tmp_path / "points.csv", options=OPTIONS)


def test_images_in_degrees_are_refused_before_anything_is_measured(tmp_path: Path) -> None:
    images = write_pair(tmp_path, grid=GeoBox(SHAPE, Affine(1e-4, 0, 11, 0, -1e-4, 47), "EPSG:4326"))
    with pytest.raises(GridError, match="in degrees"):
        cm.track(*images, options=OPTIONS, grid=50.0)
