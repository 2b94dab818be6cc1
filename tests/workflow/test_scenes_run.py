"""Runs that search for their scenes, against servers of others on loopback."""

from __future__ import annotations

import base64
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
import shapely
from pyproj import Transformer
from tests.imagery.servers import api_served, files_served

import creepmeter as cm
from creepmeter.errors import ConfigError, StoreError
from creepmeter.geometry.terrain import downslope, heights_on, terrain_of
from creepmeter.imagery.area import read_area
from creepmeter.imagery.item_list import read_items
from creepmeter.io.raster import write_geotiff
from creepmeter.io.vector import read_frame
from creepmeter.model.grid import centre_positions, grid_of
from creepmeter.simulate import SimulatedCatalogue, SimulatedHeights, write_catalogue, write_heights
from creepmeter.workflow.config import read_config
from creepmeter.workflow.run import run
from creepmeter.workflow.scenes import FOLDER, HEIGHTS, LIST

pytestmark = [pytest.mark.enable_socket, pytest.mark.timeout(600)]

CHIP = 32
COG = partial(write_geotiff, cog=True)
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Archive:
    """Scenes of a slide, and where they are served."""

    made: SimulatedCatalogue
    heights: SimulatedHeights
    files: str
    api: str


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    folder = tmp_path_factory.mktemp("archive")
    with files_served(folder) as files:
        made = write_catalogue(folder, COG, base=files)
        heights = write_heights(folder, COG, made.bbox, base=files)
        with api_served((*made.items, *heights.items), tmp_path_factory.mktemp("api")) as api:
            yield Archive(made, heights, files, api)


def write_run_file(folder: Path, archive: Archive, more: str = "", *, output: str = "", around: bool = False) -> Path:
    """Write a run file that knows a box (or not even that: around polygons), years and polygons only."""
    area = "buffer_m: 300" if around else f"area: {list(archive.made.bbox)}"
    moving = (archive.made.folder / "slides.geojson").as_posix()
    place = folder / "creepmeter.yaml"
    host = archive.files.removeprefix("http://")
    place.write_text(
        f"scenes: {{{area}, years: 2016/2023, around: 11-22, catalogue: '{archive.api}', "
        f"allow_host: '{host}'{more}}}\nstable: {{moving: '{moving}'}}\ntrack: {{chip_px: {CHIP}, step_px: 8}}\n"
        f"output: {{{output}}}\n",
        encoding="utf-8",
    )
    return place


def rate_inside(folder: Path, made: SimulatedCatalogue) -> tuple[Floats, Floats, Floats]:
    """Return rate, standard error and truth (component, cell) of the cells that lie inside the slide."""
    with cm.open(folder / "velocity.zarr") as motion:
        rate, sigma = (motion[name].sel(term="rate").values for name in ("value", "sigma"))
        x, y = np.meshgrid(motion["x"].values, motion["y"].values)
    place = made.scenes.grid.affine
    rows, columns = (y - place.f) / place.e - 0.5, (x - place.c) / place.a - 0.5
    inside = made.scenes.inside(rows, columns, CHIP)
    return rate[:, inside], sigma[:, inside], made.scenes.truth_velocity(rows, columns, CHIP)[:, inside]


def statistics(path: Path) -> dict[str, str]:
    with path.open(encoding="utf-8", newline="") as file:
        return next(csv.DictReader(file))


@pytest.fixture(scope="module")
def done(archive: Archive, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    result = run(write_run_file(folder, archive), folder=folder / "run")
    assert result.made[:3] == ("search", "fetch", "track")
    assert result.left_out == ()
    return folder / "run"


def test_box_years_and_polygon_give_the_rate_of_the_slide(archive: Archive, done: Path) -> None:
    rate, sigma, truth = rate_inside(done, archive.made)
    assert rate.shape[1] > 50
    assert np.isfinite(rate).mean() > 0.95
    error = np.nanmedian(rate - truth, axis=1)
    assert (np.abs(error) <= 0.10 * np.abs(truth).mean(axis=1)).all()
    assert (np.abs(error) <= 2 * np.nanmedian(sigma, axis=1)).all()


def test_the_motion_of_each_polygon_is_written(done: Path) -> None:
    row = statistics(done / "polygons.csv")
    assert abs(float(row["direction_deg"]) - 135) < 3
    assert float(row["measured"]) > 0.9
    assert 0 < float(row["sigma"]) < 0.2
    assert (done / "polygons.gpkg").exists()
    page = (done / "report.html").read_text(encoding="utf-8")
    assert "Motion of polygons" in page
    assert base64.b64encode((done / "scene-list.png").read_bytes()).decode() in page


def test_what_is_up_to_date_is_not_asked_for_again(archive: Archive, done: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (done / FOLDER).iterdir()}
    result = run(write_run_file(done.parent, archive), folder=done)
    assert result.made == ()
    assert {path: path.stat().st_mtime_ns for path in (done / FOLDER).iterdir()} == before


def test_steps_are_done_one_by_one(archive: Archive, tmp_path: Path) -> None:
    place = write_run_file(tmp_path, archive)
    with pytest.raises(StoreError, match="search"):
        run(place, folder=tmp_path / "run", dostep="fetch")
    assert run(place, folder=tmp_path / "run", dostep="search").made == ("search",)
    assert len(json.loads((tmp_path / "run" / LIST).read_text(encoding="utf-8"))["features"]) == 8
    with pytest.raises(StoreError, match="fetch"):
        run(place, folder=tmp_path / "run", start="track")
    assert run(place, folder=tmp_path / "run", dostep="fetch").made == ("fetch",)
    assert len(list((tmp_path / "run" / FOLDER).glob("*_mask.tif"))) == 8


def test_a_run_killed_while_it_fetches_fetches_only_what_is_missing(
    archive: Archive, done: Path, tmp_path: Path
) -> None:
    place, folder = write_run_file(tmp_path, archive, ", read: {jobs: 1}"), tmp_path / "run"
    command = [sys.executable, "-m", "creepmeter", "run", str(place), "-o", str(folder), "--end", "fetch"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + 120
        while len(list((folder / FOLDER).glob("*_mask.tif"))) < 2 and time.monotonic() < until:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    whole = [path.with_suffix(".tif") for path in (folder / FOLDER).glob("2*.json")]
    before = {path: path.stat().st_mtime_ns for path in whole}
    assert 1 <= len(before) < 8
    run(place, folder=folder)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    with cm.open(folder / "velocity.zarr") as again, cm.open(done / "velocity.zarr") as first:
        np.testing.assert_array_equal(again["value"].values, first["value"].values)


def test_a_scene_that_cannot_be_read_is_named_and_the_run_goes_on(archive: Archive, tmp_path: Path) -> None:
    place, folder = write_run_file(tmp_path, archive), tmp_path / "run"
    run(place, folder=folder, dostep="search")
    listed = json.loads((folder / LIST).read_text(encoding="utf-8"))
    gone = listed["features"][3]
    gone["assets"] = {key: {**asset, "href": f"{asset['href']}.gone"} for key, asset in gone["assets"].items()}
    (folder / LIST).write_text(json.dumps(listed), encoding="utf-8")
    command = [sys.executable, "-m", "creepmeter", "run", str(place), "-o", str(folder)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 3, process.stderr
    assert gone["id"] in process.stderr + process.stdout
    assert len(cm.open(folder / "timeseries.zarr")["time"]) == 7


def test_pixels_of_all_baselines_are_alike(done: Path) -> None:
    levels = []
    for path in sorted((done / FOLDER).glob("2*.tif")):
        if not path.stem.endswith("_mask"):
            with rasterio.open(path) as raster:
                levels.append(float(np.nanmedian(raster.read(1))))
    assert len(levels) == 8
    assert np.ptp(levels) < 0.02  # an offset of 1000 would be 0.1


@pytest.fixture(scope="module")
def around(archive: Archive, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run that knows years and polygons only, takes its heights from the catalogue, and looks for motion."""
    folder = tmp_path_factory.mktemp("around")
    place = write_run_file(folder, archive, ", dem: true", output="detect: true", around=True)
    result = run(place, folder=folder / "run")
    assert result.left_out == ()
    return folder / "run"


def test_polygons_are_area_enough(archive: Archive, around: Path) -> None:
    slides = read_area(archive.made.folder / "slides.geojson", buffer_m=300)
    with cm.open_scenes(around / FOLDER) as cube:
        grid = grid_of(cube)
    left, bottom, right, top = slides.bounds_in(str(grid.crs))
    box = grid.boundingbox
    assert np.abs(np.subtract((box.left, box.bottom, box.right, box.top), (left, bottom, right, top))).max() <= 10
    rate, sigma, truth = rate_inside(around, archive.made)
    error = np.nanmedian(rate - truth, axis=1)
    assert (np.abs(error) <= 0.10 * np.abs(truth).mean(axis=1)).all()
    assert (np.abs(error) <= 2 * np.nanmedian(sigma, axis=1)).all()


def test_without_a_buffer_ground_about_the_polygons_is_taken_in(archive: Archive, tmp_path: Path) -> None:
    place = write_run_file(tmp_path, archive, ", select: {min_cover: 20, max_cloud: 99}", around=True)
    place.write_text(place.read_text(encoding="utf-8").replace("buffer_m: 300, ", ""), encoding="utf-8")
    run(place, folder=tmp_path / "run", dostep="search")
    searched = read_items(tmp_path / "run" / LIST).area
    assert searched is not None
    wide = read_area(archive.made.folder / "slides.geojson", buffer_m=2000)
    assert searched.shape.symmetric_difference(wide.shape).area < 1e-6 * wide.shape.area


def test_areas_that_move_are_written_and_reported(archive: Archive, around: Path) -> None:
    found = read_frame(around / "inventory.gpkg").to_crs(4326)
    slide = read_area(archive.made.folder / "slides.geojson").shape
    largest = found.geometry.iloc[int(np.argmax(found.area_m2))]
    assert largest.intersection(slide).area > 0.6 * largest.union(slide).area
    assert float(statistics(around / "inventory.csv")["area_m2"]) == pytest.approx(found.area_m2.iloc[0], rel=1e-6)
    assert "Areas that move" in (around / "report.html").read_text(encoding="utf-8")


def test_heights_of_the_catalogue_give_slope_and_motion_down_it(archive: Archive, around: Path) -> None:
    row = statistics(around / "polygons.csv")
    with cm.open(around / "velocity.zarr") as motion:
        grid = grid_of(motion)
        x, y = centre_positions(grid)
        lonlat = Transformer.from_crs(str(grid.crs), 4326, always_xy=True).transform(x, y)
        truth = downslope(motion, terrain_of(archive.heights.height(*lonlat), grid))
    with cm.open_scenes(around / FOLDER) as cube:
        assert np.isfinite(heights_on(around / HEIGHTS, grid_of(cube))).all()
    slide = read_area(archive.made.folder / "slides.geojson").outline_in(str(grid.crs))
    inside = shapely.contains_xy(slide, x, y)
    for column, name, bar in (("slope_deg", "slope", 0.1), ("downslope", "downslope", 0.05)):
        assert float(row[column]) == pytest.approx(np.nanmedian(truth[name].values[inside]), abs=bar)


def with_heights(done: Path, archive: Archive, tmp_path: Path, dem: str) -> tuple[Path, Path]:
    """Return a copy of a run that is done, and a run file that wants heights as well."""
    shutil.copytree(done, tmp_path / "run")
    return write_run_file(tmp_path, archive, f", dem: {dem}"), tmp_path / "run"


def test_heights_are_added_to_a_run_without_searching_or_tracking_again(
    archive: Archive, done: Path, tmp_path: Path
) -> None:
    place, folder = with_heights(done, archive, tmp_path, "cop-dem-glo-30")
    result = run(place, folder=folder)
    assert result.made == ("fetch", "export", "report")
    assert result.left_out == ()
    assert float(statistics(folder / "polygons.csv")["slope_deg"]) > 0
    assert run(place, folder=folder).made == ()
    (folder / HEIGHTS).unlink()
    assert run(place, folder=folder).made == ("fetch",)  # the same heights are the same file


def test_a_tile_that_is_gone_is_named_until_it_is_back(archive: Archive, done: Path, tmp_path: Path) -> None:
    place, folder = with_heights(done, archive, tmp_path, "true, read: {tries: 1}")
    name = archive.heights.items[1]["id"]
    (tile,) = archive.made.folder.rglob(f"{name}.tif")
    tile.rename(tile.with_suffix(".gone"))
    try:
        result = run(place, folder=folder)
        assert [text for text in result.left_out if name in text and "404" in text] == list(result.left_out)
        assert result.made == ("fetch", "export", "report")
        assert run(place, folder=folder).made == ()
        assert run(place, folder=folder, start="track").left_out == result.left_out
    finally:
        tile.with_suffix(".gone").rename(tile)
    again = run(place, folder=folder)
    assert again.made == ("fetch", "export", "report")
    assert again.left_out == ()


def test_a_run_goes_on_without_heights_and_names_them(archive: Archive, done: Path, tmp_path: Path) -> None:
    place, folder = with_heights(done, archive, tmp_path, "no-such-collection")
    command = [sys.executable, "-m", "creepmeter", "run", str(place), "-o", str(folder)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 3, process.stderr
    assert "no-such-collection" in process.stdout + process.stderr
    assert not (folder / HEIGHTS).exists()
    assert "no-such-collection" in (folder / "report.html").read_text(encoding="utf-8")
    assert "slope_deg" not in statistics(folder / "polygons.csv")


def test_heights_of_ones_own_come_first(archive: Archive, done: Path, tmp_path: Path) -> None:
    shutil.copytree(done, tmp_path / "run")
    with cm.open(done / "velocity.zarr") as motion:
        grid = grid_of(motion)
    x, _ = centre_positions(grid)
    write_geotiff(tmp_path / "own.tif", x - x.min(), grid)  # a slope of 45 degrees
    place = write_run_file(tmp_path, archive, ", dem: true", output="dem: own.tif")
    run(place, folder=tmp_path / "run")
    assert float(statistics(tmp_path / "run" / "polygons.csv")["slope_deg"]) == pytest.approx(45, abs=0.01)
    assert not (tmp_path / "run" / HEIGHTS).exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pairs: {min_days: 8}", "images"),
        ("images: {files: a.tif}\nscenes: {area: '1,2,3,4', years: 2020}", "either images"),
        ("scenes: {years: 2020}", "stable.moving"),
        ("scenes: {area: '1,2,3,4'}", "years"),
        ("scenes: {area: '1,2,3,4', years: 2020, select: {clouds: 3}}", "clouds"),
    ],
)
def test_a_run_file_without_one_source_of_images_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "run.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        read_config(tmp_path / "run.yaml")
