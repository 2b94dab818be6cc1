"""Runs that search for their scenes, against servers of others on loopback."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
from tests.imagery.servers import api_served, files_served

import creepmeter as cm
from creepmeter.errors import ConfigError, StoreError
from creepmeter.io.raster import write_geotiff
from creepmeter.simulate.catalogue import SimulatedCatalogue, write_catalogue
from creepmeter.workflow.config import read_config
from creepmeter.workflow.run import run
from creepmeter.workflow.scenes import FOLDER, LIST

pytestmark = [pytest.mark.enable_socket, pytest.mark.timeout(600)]

CHIP = 32
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Archive:
    """Scenes of a slide, and where they are served."""

    made: SimulatedCatalogue
    files: str
    api: str


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    folder = tmp_path_factory.mktemp("archive")
    with files_served(folder) as files:
        made = write_catalogue(folder, lambda *a, **k: write_geotiff(*a, cog=True, **k), base=files)
        with api_served(made.items, tmp_path_factory.mktemp("api")) as api:
            yield Archive(made, files, api)


def write_run_file(folder: Path, archive: Archive, more: str = "") -> Path:
    """Write a run file that knows a box, years and polygons only."""
    moving = (archive.made.folder / "slides.geojson").as_posix()
    place = folder / "creepmeter.yaml"
    host = archive.files.removeprefix("http://")
    place.write_text(
        f"scenes: {{area: {list(archive.made.bbox)}, years: 2016/2023, around: 11-22, catalogue: '{archive.api}', "
        f"allow_host: '{host}'{more}}}\nstable: {{moving: '{moving}'}}\ntrack: {{chip_px: {CHIP}, step_px: 8}}\n",
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
    assert "Motion of polygons" in (done / "report.html").read_text(encoding="utf-8")


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
