"""Whole runs: what is made, what is kept, what is left out."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Call

import creepmeter as cm
from creepmeter.model.schema import MOTION_MODEL, check
from creepmeter.simulate import SimulatedScenes, Slide, scene_stack

CONFIG = """\
images: {files: "20??????.tif", exclude: "*_cloud.tif"}
track: {chip_px: 16, step_px: 8, search_px: 4}
stable: {moving: slides.geojson, min_stable: 20}
output: {title: "Three summers"}
"""


@pytest.fixture
def folder(scenes: Path, tmp_path: Path) -> Path:
    for file in scenes.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "creepmeter.yaml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def test_run_makes_everything_once_and_keeps_what_is_up_to_date(done: Call, folder: Path) -> None:
    arguments = ("run", folder / "creepmeter.yaml", "-o", folder / "results", "--memory-gb", 1)
    first = done(*arguments)
    assert "made: track, stable, invert, velocity, export, report" in first.stdout
    assert f"report: {folder / 'results' / 'report.html'}" in first.stdout
    assert "track: done in" in first.stderr
    check(cm.open(folder / "results" / "velocity.zarr"), MOTION_MODEL)
    assert "Three summers" in (folder / "results" / "report.html").read_text(encoding="utf-8")
    second = done(*arguments)
    assert "made" not in second.stdout
    assert "up to date: track, stable, invert, velocity, export, report" in second.stdout
    third = done(*arguments, "--set", "invert.norm=l2", "--end", "velocity", "--quiet")
    assert "made: invert, velocity" in third.stdout
    assert "up to date: track, stable" in third.stdout
    assert third.stderr == ""
    forced = done(*arguments, "--set", "invert.norm=l2", "--dostep", "velocity", "--force")
    assert "made: velocity" in forced.stdout


def test_an_image_that_is_left_out_is_named_and_the_status_is_3(call: Call, folder: Path) -> None:
    (folder / "20220801.tif").write_bytes(b"II*\x00 cut")
    flags = ("--set", "images.bad_images=skip", "--end", "velocity")
    result = call("run", folder / "creepmeter.yaml", "-o", folder / "results", *flags)
    assert result.exit_code == 3, result.output
    assert "left out: image" in result.stderr
    assert "20220801.tif" in result.stderr
    assert result.stderr.count("left out") == 1
    assert "made: track, stable, invert, velocity" in result.stdout


@pytest.fixture
def small_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the demo have images of 96 x 96 pixels."""

    def scenes() -> SimulatedScenes:
        slide = Slide(centre=(480.0, -480.0), semi_axes=(280.0, 250.0), speed=3.0, direction_deg=118.0)
        return scene_stack(("2019-08-01", "2020-08-05", "2021-08-03"), (96, 96), motion=[slide], seed=4)

    monkeypatch.setattr("creepmeter.workflow.demo.demo_scenes", scenes)


@pytest.mark.usefixtures("small_demo")
def test_demo_makes_scenes_and_results_and_says_where(
    done: Call, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = done("demo")
    assert f"report: {Path('demo', 'run', 'report.html')}" in result.stdout
    assert (tmp_path / "demo" / "run" / "velocity.zarr").exists()
    assert "up to date" in done("demo", "-o", "demo").stdout
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "creepmeter.yaml").write_text(CONFIG, encoding="utf-8")
    refused = call("demo", "-o", "mine")
    assert refused.exit_code == 1
    assert "is not that of the demo and would be replaced" in refused.stderr
    assert (tmp_path / "mine" / "creepmeter.yaml").read_text(encoding="utf-8") == CONFIG
