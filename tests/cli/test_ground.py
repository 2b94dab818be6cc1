"""Results beside the ground: validate, statistics, detect, downslope, and shaded heights behind maps."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from numpy.testing import assert_allclose
from odc.geo.geobox import GeoBox
from PIL import Image
from pyproj import Transformer
from tests.cli.conftest import GRID, MOTION, Call, Products
from tests.validation.samples import days, moved, write_tenv3

from creepmeter.io.points import write_table
from creepmeter.io.raster import read_bands, write_geotiff
from creepmeter.model.grid import centre_positions
from creepmeter.simulate.campaign import survey_columns

PEGS = {"P1": (500_300.0, 3_999_700.0), "P2": (500_360.0, 3_999_740.0), "STILL": (500_780.0, 3_999_340.0)}
SURVEYS = ("2017-03-14", "2018-02-20", "2019-03-03", "2019-12-30")


def pegs(folder: Path, name: str = "pegs.csv", sigma_m: float = 0.02) -> Path:
    write_table(folder / name, survey_columns(MOTION, PEGS, SURVEYS, sigma_m=sigma_m, seed=4))
    return folder / name


def table(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def is_picture(path: Path) -> bool:
    with Image.open(path) as picture:
        return min(picture.size) > 300 and np.unique(np.asarray(picture.convert("L"))).size > 20


def dem(folder: Path, crs: str = "EPSG:32613") -> Path:
    """Write heights that fall towards 120 degrees with 20 degrees, as the slide of the sample moves."""
    if crs == "EPSG:32613":
        grid = GeoBox((100, 110), Affine(10.0, 0, 499_950.0, 0, -10.0, 4_000_100.0), crs)
        x, y = centre_positions(grid)
    else:
        lon, lat = Transformer.from_crs(32613, crs, always_xy=True).transform(499_900.0, 4_000_150.0)
        grid = GeoBox((150, 160), Affine(1e-4, 0, lon, 0, -1e-4, lat), crs)
        x, y = Transformer.from_crs(crs, 32613, always_xy=True).transform(*centre_positions(grid))
    way = np.sin(np.radians(120)) * (x - 500_000) + np.cos(np.radians(120)) * (y - 4_000_000)
    path = folder / f"dem-{crs[5:]}.tif"
    write_geotiff(path, (3000 - np.tan(np.radians(20)) * way).astype(np.float32), grid)
    return path


# -------------------------------------------------------------------------------------------------------- validate


def test_a_survey_campaign_comes_out_right(done: Call, products: Products, tmp_path: Path) -> None:
    result = done(
        "validate", products.velocity, "--stations", pegs(tmp_path), "--crs", "EPSG:32613",
        "--series", products.series, "--dem", dem(tmp_path), "-o", tmp_path / "out",
    )  # fmt: skip
    rates = table(tmp_path / "out" / "rates.csv")
    for name, place in PEGS.items():
        truth = MOTION.velocity(*place)
        found = np.array([float(rates[name]["rate_east"]), float(rates[name]["rate_north"])])
        sigma = np.array([float(rates[name]["sigma_east"]), float(rates[name]["sigma_north"])])
        # 0.02 m over 2.8 years make 0.01 m/yr, and sigma comes from two residuals only
        assert_allclose(found, truth.ravel(), atol=0.04)
        assert (sigma < 0.06).all()
    compared = table(tmp_path / "out" / "comparison.csv")
    for name in PEGS:
        for axis in ("east", "north"):
            assert_allclose(float(compared[name][f"{axis}_ground"]), float(rates[name][f"rate_{axis}"]))
            difference = float(compared[name][f"{axis}_map"]) - float(compared[name][f"{axis}_ground"])
            assert_allclose(float(compared[name][f"{axis}_difference"]), difference, atol=1e-6)
    assert "from 3 station(s)" in result.stdout
    assert "horizontal: bias" in result.stdout
    assert is_picture(tmp_path / "out" / "comparison.png")
    assert is_picture(tmp_path / "out" / "series.png")


def test_stations_that_cannot_be_used_are_named_and_the_others_go_on(
    call: Call, products: Products, tmp_path: Path
) -> None:
    times = days(500, "2017-02-01", 2)
    far = write_tenv3(tmp_path / "far.tenv3", times, moved(times), name="FAR")
    page = tmp_path / "page.tenv3"
    page.write_text("<html><body>404 Not Found</body></html>")
    (tmp_path / "empty.pos").write_text("")
    jump = moved(times)
    jump[times > times[250], 1] += 0.5
    jumping = write_tenv3(
        tmp_path / "jump.tenv3", times, jump + np.random.default_rng(0).normal(0, 2e-3, jump.shape), name="JUMP"
    )
    files = (pegs(tmp_path), far, page, tmp_path / "empty.pos", tmp_path / "nowhere.csv", jumping)
    result = call("validate", products.velocity, "--stations", *files, "--crs", "EPSG:32613", "-o", tmp_path / "out")
    assert result.exit_code == 3, result.output
    for text in (
        "page.tenv3 is a web page",
        "empty.pos is empty",
        "nowhere.csv does not exist",
        "FAR: lies off the map",
        "JUMP: a step of +",
    ):
        assert text in result.stderr
    assert set(table(tmp_path / "out" / "comparison.csv")) == set(PEGS)
    rates = table(tmp_path / "out" / "rates.csv")
    assert set(rates) == {*PEGS, "FAR"}
    assert (rates["P1"]["crs"], rates["FAR"]["crs"]) == ("EPSG:32613", "EPSG:4326")


def test_a_table_of_a_continent_does_not_fill_the_screen(call: Call, products: Products, tmp_path: Path) -> None:
    lines = ["name,lon,lat,velocity_east,velocity_north", *(f"S{k},{10 + k / 100},46,0.02,0.01" for k in range(200))]
    (tmp_path / "rates.csv").write_text("\n".join(lines))
    named = ("--stations", pegs(tmp_path), tmp_path / "rates.csv", "--crs", "EPSG:32613")
    result = call("validate", products.velocity, *named, "-o", tmp_path / "out")
    assert result.exit_code == 3
    assert len(result.stderr.splitlines()) < 40
    assert "170 more, see left_out.txt" in result.stderr
    assert (tmp_path / "out" / "left_out.txt").read_text().count("lies off the map") == 200


def test_columns_that_clash_are_renamed(done: Call, products: Products, tmp_path: Path) -> None:
    inside = gpd.read_file(products.outline)
    inside["fid"], inside["Cells"] = ["a"], ["mine"]
    inside.to_file(tmp_path / "a.geojson", driver="GeoJSON")
    done("statistics", products.velocity, "--polygons", tmp_path / "a.geojson", "-o", tmp_path / "out.gpkg")
    found = gpd.read_file(tmp_path / "out.gpkg")
    assert found["fid_of_file"][0] == "a"
    assert found["cells"][0] > 0


@pytest.mark.parametrize("names", [("Polygon", "geom"), ("Kind", "kind"), ("POLYGON", "Geom")])
def test_columns_that_differ_by_capitals_are_kept(
    done: Call, products: Products, tmp_path: Path, names: tuple[str, str]
) -> None:
    inside = gpd.read_file(products.outline)
    features = json.loads(inside.to_json(to_wgs84=True))
    features["features"][0]["properties"] = dict(zip(names, ("one", "two"), strict=True))
    (tmp_path / "in.geojson").write_text(json.dumps(features))
    done("statistics", products.velocity, "--polygons", tmp_path / "in.geojson", "-o", tmp_path / "out.gpkg")
    found = gpd.read_file(tmp_path / "out.gpkg").drop(columns="geometry")
    assert {"one", "two"} <= set(map(str, found.iloc[0]))


def test_dates_of_two_readings_stop_the_comparison(call: Call, done: Call, products: Products, tmp_path: Path) -> None:
    columns = survey_columns(MOTION, PEGS, ("2017-03-04", "2018-02-11", "2019-03-05"))
    columns["date"] = [f"{day[8:]}/{day[5:7]}/{day[:4]}" for day in columns["date"]]
    write_table(tmp_path / "pegs.csv", columns)
    base = (
        "validate",
        products.velocity,
        "--stations",
        tmp_path / "pegs.csv",
        "--crs",
        "EPSG:32613",
        "-o",
        tmp_path / "o",
    )
    result = call(*base)
    assert result.exit_code == 1
    assert "is 4 March 2017 if the day comes first and 3 April 2017 if the month does" in result.stderr
    done(*base, "--date-order", "day-first")


def test_no_station_on_the_map_is_an_error_with_all_reasons(call: Call, products: Products, tmp_path: Path) -> None:
    write_table(tmp_path / "far.csv", survey_columns(MOTION, PEGS, SURVEYS, corner=(50_000, 0)))
    result = call(
        "validate", products.velocity, "--stations", tmp_path / "far.csv", "--crs", "EPSG:32613", "-o", tmp_path / "out"
    )
    assert result.exit_code == 1
    assert "no station can be compared with the map: P1: lies off the map" in result.stderr


# ---------------------------------------------------------------------------------------- statistics and detection


@pytest.mark.parametrize("ending", ["gpkg", "geojson"])
def test_statistics_keep_the_columns_of_the_polygons(
    done: Call, products: Products, tmp_path: Path, ending: str
) -> None:
    heart = shapely.box(500_160, 3_999_600, 500_400, 3_999_840)
    slides = gpd.GeoDataFrame({"name": ["=slide"]}, geometry=[heart], crs="EPSG:32613")
    slides.to_file(tmp_path / "slides.gpkg")
    target = tmp_path / f"motion.{ending}"
    files = ("--polygons", tmp_path / "slides.gpkg", "--dem", dem(tmp_path))
    result = done("statistics", products.velocity, *files, "-o", target)
    made = gpd.read_file(target)
    assert made.crs is not None
    assert made.crs.to_epsg() == (32613 if ending == "gpkg" else 4326)
    row = made.iloc[0]
    assert row["name"] == "=slide"
    assert_allclose(row["area_m2"], 240 * 240)
    assert_allclose(row["direction_deg"], 120, atol=3)
    assert_allclose(row["slope_deg"], 20, atol=0.1)
    assert_allclose(row["downslope"] * np.cos(np.radians(20)), row["speed_median"], rtol=0.05)
    assert "1 polygon(s)" in result.stdout
    assert "'=slide" in target.with_suffix(".csv").read_text()  # no formula in a spreadsheet


def test_polygons_off_the_map_are_named(call: Call, products: Products, tmp_path: Path) -> None:
    inside = gpd.read_file(products.outline)
    away = inside.set_geometry(inside.geometry.translate(5000, 0))
    both = gpd.GeoDataFrame({"id": [7, 8]}, geometry=[inside.geometry[0], away.geometry[0]], crs=inside.crs)
    both.to_file(tmp_path / "both.gpkg")
    result = call("statistics", products.velocity, "--polygons", tmp_path / "both.gpkg", "-o", tmp_path / "out.gpkg")
    assert result.exit_code == 3
    assert "left out: 8: no measured cell in it" in result.stderr
    away.to_file(tmp_path / "away.gpkg")
    result = call("statistics", products.velocity, "--polygons", tmp_path / "away.gpkg", "-o", tmp_path / "out.gpkg")
    assert result.exit_code == 1
    assert "none of the 1 polygon(s)" in result.stderr


def test_a_buffer_widens_polygons_by_metres(done: Call, products: Products, tmp_path: Path) -> None:
    done("statistics", products.velocity, "--polygons", products.outline, "--buffer", 50, "-o", tmp_path / "wide.gpkg")
    area = gpd.read_file(tmp_path / "wide.gpkg").iloc[0]["area_m2"]
    assert_allclose(area, 440 * 400 + 2 * 50 * 840 + np.pi * 50**2, rtol=1e-3)


def test_the_slide_is_detected_with_its_motion(done: Call, products: Products, tmp_path: Path) -> None:
    result = done("detect", products.velocity, "--sigmas", 4, "--dem", dem(tmp_path), "-o", tmp_path / "found.gpkg")
    found = gpd.read_file(tmp_path / "found.gpkg")
    assert len(found) == 1
    assert "1 area(s)" in result.stdout
    outline = gpd.read_file(products.outline).to_crs(found.crs)
    shared = found.geometry[0].intersection(outline.geometry[0]).area
    assert shared / found.geometry[0].area > 0.8
    assert_allclose(found.iloc[0]["direction_deg"], 120, atol=8)


def test_nothing_that_moves_is_an_empty_inventory(done: Call, products: Products, tmp_path: Path) -> None:
    result = done("detect", products.velocity, "--sigmas", 1000, "-o", tmp_path / "none.gpkg")
    assert "0 area(s) (fewer --sigmas" in result.stdout
    assert len(gpd.read_file(tmp_path / "none.gpkg")) == 0


# ------------------------------------------------------------------------------------------------------- terrain


@pytest.mark.parametrize("crs", ["EPSG:32613", "EPSG:4326"])
def test_motion_down_the_slope_is_written_and_drawn(done: Call, products: Products, tmp_path: Path, crs: str) -> None:
    done(
        "downslope", products.velocity, "--dem", dem(tmp_path, crs), "-o", tmp_path / "down.tif",
        "--figure", tmp_path / "down.png",
    )  # fmt: skip
    bands, grid, _ = read_bands(tmp_path / "down.tif")
    assert tuple(grid.shape) == tuple(GRID.shape)
    speed = float(np.hypot(*MOTION.velocity(500_300.0, 3_999_700.0)))
    row, column = 3, 3  # the core of the slide
    assert_allclose(bands[0][row, column], speed / np.cos(np.radians(20)), rtol=0.1)
    assert_allclose(bands[4][2:-2, 2:-2], 20, atol=0.3)
    assert is_picture(tmp_path / "down.png")


def test_ground_that_is_too_flat_is_said(call: Call, products: Products, tmp_path: Path) -> None:
    result = call(
        "downslope", products.velocity, "--dem", dem(tmp_path), "--min-slope", 60, "-o", tmp_path / "down.tif"
    )
    assert result.exit_code == 1
    assert "no measured ground is steeper than 60 degrees: give a smaller --min-slope" in result.stderr


def test_heights_in_degrees_are_shaded_behind_a_map_in_metres(done: Call, products: Products, tmp_path: Path) -> None:
    done("view", products.velocity, "--dem", dem(tmp_path, "EPSG:4326"), "-o", tmp_path / "map.png")
    assert is_picture(tmp_path / "map.png")
