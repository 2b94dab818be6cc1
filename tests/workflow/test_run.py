"""A run: what it makes, what it keeps, and that being killed changes nothing."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from tests.workflow.conftest import SLIDE

from creepmeter.errors import ConfigError, CreepmeterError, ImageError, InputError, LockedError, StoreError
from creepmeter.io.lock import RunLock
from creepmeter.io.raster import read_image, write_geotiff
from creepmeter.io.store import open as open_product
from creepmeter.workflow.config import ImagesSection, read_config
from creepmeter.workflow.inputs import find_images
from creepmeter.workflow.outcome import RunResult
from creepmeter.workflow.run import run
from creepmeter.workflow.steps import STEPS

PRODUCTS = ("offsets.zarr", "stack.zarr", "timeseries.zarr", "velocity.zarr")
NAMES = tuple(step.name for step in STEPS)


@pytest.fixture(scope="session")
def finished(valley: Path, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """Return a finished run; do not write into its folder."""
    return run(valley / "creepmeter.yaml", folder=tmp_path_factory.mktemp("finished") / "run")


def _load(folder: Path, name: str) -> xr.Dataset:
    return open_product(folder / name).load()


def _require_same_bits(first: Path, second: Path) -> None:
    for name in PRODUCTS:
        ours, theirs = _load(first, name), _load(second, name)
        for dataset in (ours, theirs):
            dataset.attrs["provenance"] = dataset.attrs["provenance"].split('"created"')[0]
        xr.testing.assert_identical(ours, theirs)
        for variable in ours.variables:
            assert ours[variable].values.tobytes() == theirs[variable].values.tobytes()


def test_the_slide_is_found(finished: RunResult) -> None:
    motion = _load(finished.folder, "velocity.zarr")
    rate = motion["value"].sel(term="rate")
    inside = SLIDE.contains(*np.meshgrid(rate.x - rate.x[0] + 80.0, rate.y - rate.y[0] - 80.0), core=True)
    assert inside.sum() > 10
    # 4 m/yr to the east; 0.3 m/yr is the noise of 16 px chips over three years
    np.testing.assert_allclose(np.nanmedian(rate.sel(component="east").values[inside]), 4.0, atol=0.3)
    np.testing.assert_allclose(np.nanmedian(rate.sel(component="north").values[inside]), 0.0, atol=0.3)


def test_everything_is_there(finished: RunResult) -> None:
    assert finished.made == NAMES
    found = {path.name for path in finished.folder.iterdir()}
    assert {*PRODUCTS, "report.html", "velocity_rate_east.tif", "velocity_speed.tif", "creepmeter.yaml"} <= found
    assert not [name for name in found if "partial" in name]


def test_nothing_under_cloud_is_valid(finished: RunResult, valley: Path) -> None:
    offsets = _load(finished.folder, "offsets.zarr")
    centre = 7 + 8 * np.arange(offsets.sizes["y"])
    hidden = 0
    for pair in range(offsets.sizes["pair"]):
        valid = np.isfinite(offsets["displacement"].values[:, pair]).any(axis=0)
        for time_of in ("ref_time", "sec_time"):
            day = str(offsets[time_of].values[pair])[:10].replace("-", "")
            cloud, _ = read_image(valley / "scenes" / f"{day}_cloud.tif")
            under = (cloud > 0)[np.ix_(centre, centre)]
            hidden += int(under.sum())
            assert not (valid & under).any()
    assert hidden > 0


def test_a_second_run_does_nothing(finished: RunResult, valley: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished.folder, folder)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("zarr.json")}
    again = run(valley / "creepmeter.yaml", folder=folder)
    assert (again.made, again.fresh) == ((), NAMES)
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("zarr.json")}


def test_only_what_is_stale_is_made_again(finished: RunResult, valley: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished.folder, folder)
    changed = run(valley / "creepmeter.yaml", folder=folder, overrides=["invert.norm=l2"])
    assert changed.fresh == ("track", "stable")
    assert changed.made == ("invert", "velocity", "export", "report")
    assert _load(folder, "timeseries.zarr").attrs["norm"] == "l2"


def test_a_changed_image_makes_all_stale(finished: RunResult, valley: Path, tmp_path: Path) -> None:
    shutil.copytree(valley, tmp_path / "valley")
    shutil.copytree(finished.folder, tmp_path / "run")
    path = next((tmp_path / "valley" / "scenes").glob("2018*01.tif"))
    image, grid = read_image(path)
    write_geotiff(path, image + 1, grid)
    assert run(tmp_path / "valley" / "creepmeter.yaml", folder=tmp_path / "run", end="stable").made == NAMES[:2]


def test_steps_by_name(finished: RunResult, valley: Path, tmp_path: Path) -> None:
    config = valley / "creepmeter.yaml"
    shutil.copytree(finished.folder, tmp_path / "run")
    assert run(config, folder=tmp_path / "run", dostep="velocity", force=True).made == ("velocity",)
    with pytest.raises(ConfigError, match="no step 'geocode': the steps are track"):
        run(config, folder=tmp_path / "run", dostep="geocode")
    with pytest.raises(ConfigError, match="comes before"):
        run(config, folder=tmp_path / "run", start="velocity", end="track")
    with pytest.raises(StoreError, match=r"step track was not done yet .* start from track"):
        run(config, folder=tmp_path / "fresh", start="invert")


def test_threads_and_memory_do_not_change_a_bit(finished: RunResult, valley: Path, tmp_path: Path) -> None:
    tight = ["compute.threads=1", "compute.memory_gb=0.001"]
    _require_same_bits(
        run(valley / "creepmeter.yaml", folder=tmp_path / "run", overrides=tight).folder, finished.folder
    )


_CHILD = """
import os, signal, sys
from creepmeter.io.store import StoreWriter
from creepmeter.workflow.run import run
put, left = StoreWriter.put, int(sys.argv[3])
def counted(self, *given):
    global left
    put(self, *given)
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
StoreWriter.put = counted
run(sys.argv[1], folder=sys.argv[2])
"""


def _killed_run(valley: Path, folder: Path, puts: int) -> int:
    command = [sys.executable, "-c", _CHILD, str(valley / "creepmeter.yaml"), str(folder), str(puts)]
    return subprocess.run(command, check=False, env={**os.environ, "PYTHONWARNINGS": "ignore"}).returncode


def test_killed_twice_ends_with_the_same_bits(finished: RunResult, valley: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert _killed_run(valley, folder, 3) == -signal.SIGKILL  # in the middle of track
    assert (folder / ".offsets.zarr.partial").exists()
    assert _killed_run(valley, folder, 8) == -signal.SIGKILL  # in the middle of stable
    assert not (folder / "velocity.zarr").exists()
    result = run(valley / "creepmeter.yaml", folder=folder)
    assert "track" not in result.made
    _require_same_bits(folder, finished.folder)
    assert not [path for path in folder.rglob("*") if "partial" in path.name]


def test_killed_at_any_moment_ends_with_the_same_bits(finished: RunResult, valley: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    code = "import sys; from creepmeter.workflow.run import run; run(sys.argv[1], folder=sys.argv[2])"
    for seconds in (3.0, 4.5):
        command = [sys.executable, "-c", code, str(valley / "creepmeter.yaml"), str(folder)]
        child = subprocess.Popen(command, env={**os.environ, "PYTHONWARNINGS": "ignore"})
        time.sleep(seconds)
        child.kill()
        child.wait()
    run(valley / "creepmeter.yaml", folder=folder)
    _require_same_bits(folder, finished.folder)


def test_two_runs_in_one_folder(valley: Path, tmp_path: Path) -> None:
    with RunLock(tmp_path / "run"), pytest.raises(LockedError, match="is in use by"):
        run(valley / "creepmeter.yaml", folder=tmp_path / "run")


def _copy(valley: Path, tmp_path: Path) -> Path:
    shutil.copytree(valley, tmp_path / "valley")
    return tmp_path / "valley"


def _damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _constant(path: Path) -> None:
    image, grid = read_image(path)
    write_geotiff(path, np.full_like(image, 7), grid)


def _missing(path: Path) -> None:
    image, grid = read_image(path)
    write_geotiff(path, np.full_like(image, np.nan), grid)


@pytest.mark.parametrize(
    ("spoil", "match"), [(_damage, "20190803"), (_constant, "is constant"), (_missing, "no valid pixel")]
)
def test_a_bad_image_stops_the_run_or_is_left_out_by_name(
    valley: Path, tmp_path: Path, spoil: Callable[[Path], None], match: str
) -> None:
    home = _copy(valley, tmp_path)
    spoil(home / "scenes" / "20190803.tif")
    config = home / "creepmeter.yaml"
    with pytest.raises(ImageError, match=match):
        run(config, folder=tmp_path / "run")
    result = run(config, folder=tmp_path / "run", overrides=["images.bad_images=skip"], end="track")
    assert len(result.left_out) == 1
    assert "20190803" in result.left_out[0]
    assert open_product(tmp_path / "run" / "offsets.zarr").sizes["pair"] == 3


def _other_size(home: Path) -> None:
    image, grid = read_image(home / "scenes" / "20190803.tif")
    write_geotiff(
        home / "scenes" / "20190803.tif", image[:-1], GeoBox((grid.shape[0] - 1, grid.shape[1]), grid.affine, grid.crs)
    )


def _no_date(home: Path) -> None:
    (home / "scenes" / "20190803.tif").rename(home / "scenes" / "20rainy.tif")


def _one_date(home: Path) -> None:
    for path in (home / "scenes").glob("20*.tif"):
        if not path.name.startswith("2018"):
            path.unlink()


def _date_twice(home: Path) -> None:
    shutil.copy(home / "scenes" / "20190803.tif", home / "scenes" / "20190803_b.tif")


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (_other_size, "20190803.tif lies on another grid than .*20180801.tif"),
        (_no_date, r"20rainy.tif: no date \(YYYYMMDD\)"),
        (_one_date, "at least two dates, found 1"),
        (_date_twice, "have one date"),
    ],
)
def test_images_that_do_not_fit(valley: Path, tmp_path: Path, spoil: Callable[[Path], None], match: str) -> None:
    home = _copy(valley, tmp_path)
    spoil(home)
    with pytest.raises(InputError, match=match):
        run(home / "creepmeter.yaml", folder=tmp_path / "run")


@pytest.mark.parametrize(
    ("override", "match"),
    [
        ("track.chip_px=256", r"chip_px is 256, but the images have 128 x 128"),
        ("images.files=nothing/*.tif", "no file 'nothing/"),
        ("pairs.min_days=9000", "no pair"),
        ("pairs.max_days=369", "network has .* islands"),
        ("stable.moving=none.gpkg", "no file 'none.gpkg'"),
    ],
)
def test_options_that_leave_nothing(valley: Path, tmp_path: Path, override: str, match: str) -> None:
    with pytest.raises(CreepmeterError, match=match):
        run(valley / "creepmeter.yaml", folder=tmp_path / "run", overrides=[override])


def test_the_run_keeps_its_settings(finished: RunResult, valley: Path) -> None:
    kept = read_config(finished.folder / "creepmeter.yaml")
    assert kept == read_config(valley / "creepmeter.yaml")


def test_names_are_found_from_the_run_file_and_from_the_working_folder(
    valley: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "elsewhere.yaml"
    shutil.copy(valley / "creepmeter.yaml", config)
    monkeypatch.chdir(valley)
    assert run(config, folder=tmp_path / "run", end="track").made == ("track",)


def _with_clock(home: Path, clock: str) -> None:
    for path in (home / "scenes").glob("20??????.tif"):
        path.rename(path.with_name(f"T33_{path.stem}T{clock}.tif"))


def test_masks_are_matched_by_day_where_they_give_no_time(valley: Path, tmp_path: Path) -> None:
    home = _copy(valley, tmp_path)
    _with_clock(home, "103421")
    images = find_images(ImagesSection(files=("scenes/T33*.tif",), exclude=("scenes/*_cloud.tif",)), home)
    assert [[mask.name[:8] for mask in masks] for masks in images.masks] == [
        [str(scene.time)[:10].replace("-", "")] for scene in images.scenes
    ]
    pattern = ImagesSection(files=("scenes/T33*.tif",), exclude=("scenes/*_cloud.tif",), dates_pattern="T33_%Y%m%d")
    assert find_images(pattern, home).masks == images.masks


def test_a_mask_of_another_date_is_named(valley: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    home = _copy(valley, tmp_path)
    (home / "scenes" / "20180801_cloud.tif").rename(home / "scenes" / "20180802_cloud.tif")
    files = ("scenes/20*01.tif", "scenes/20*03.tif")
    with caplog.at_level("WARNING"):
        find_images(ImagesSection(files=files, exclude=("scenes/*_cloud.tif",)), home)
    assert "20180802_cloud.tif has the date of no image" in caplog.text
    with pytest.raises(InputError, match="no mask has the date of an image"):
        find_images(ImagesSection(files=files, exclude=("scenes/20180802*",)), home)


def test_two_images_of_one_day_are_both_tracked(valley: Path, tmp_path: Path) -> None:
    home = _copy(valley, tmp_path)
    for clock, source in (("103000", "20180801"), ("110000", "20190803")):
        shutil.copy(home / "scenes" / f"{source}.tif", home / "scenes" / f"20170801T{clock}.tif")
    options = ["images.files=scenes/20*1T*.tif", "images.exclude=[]", "pairs.min_days=0"]
    shutil.copy(home / "scenes" / "20200730.tif", home / "scenes" / "20200731T110000.tif")
    run(home / "creepmeter.yaml", folder=tmp_path / "run", overrides=[*options, "images.files=scenes/20*T*.tif"])
    valid = np.isfinite(open_product(tmp_path / "run" / "offsets.zarr")["displacement"].values).any(axis=(0, 2, 3))
    assert len(valid) == 3
    assert valid.all()


def test_another_product_in_the_place_is_made_again(finished: RunResult, valley: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished.folder, folder)
    journal = (folder / ".creepmeter.json").read_text()
    run(valley / "creepmeter.yaml", folder=folder, overrides=["velocity.terms=[rate, quadratic]"], end="velocity")
    (folder / ".creepmeter.json").write_text(journal)  # as if killed between the product and its note
    again = run(valley / "creepmeter.yaml", folder=folder)
    assert again.made == ("velocity",)
    assert list(_load(folder, "velocity.zarr")["term"].values) == ["offset", "rate"]


def test_deleted_and_former_files(finished: RunResult, valley: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished.folder, folder)
    (folder / "velocity_speed.tif").unlink()
    assert run(valley / "creepmeter.yaml", folder=folder).made == ("export",)
    assert (folder / "velocity_speed.tif").exists()
    run(valley / "creepmeter.yaml", folder=folder, overrides=["output.geotiff=false"])
    assert not list(folder.glob("*.tif"))


def test_warnings_stay_with_the_report(valley: Path, tmp_path: Path) -> None:
    folder, options = tmp_path / "run", ["stable.moving=null"]
    first = run(valley / "creepmeter.yaml", folder=folder, overrides=options)
    (folder / "report.html").unlink()
    again = run(valley / "creepmeter.yaml", folder=folder, overrides=options)
    assert again.made == ("report",)
    assert "not corrected by stable ground" in (folder / "report.html").read_text()
    assert set(first.notes) <= set(again.notes)


def test_moving_ground_does_not_make_tracking_stale(finished: RunResult, valley: Path, tmp_path: Path) -> None:
    shutil.copytree(finished.folder, tmp_path / "run")
    changed = run(valley / "creepmeter.yaml", folder=tmp_path / "run", overrides=["stable.moving=null"], end="stable")
    assert (changed.fresh, changed.made) == (("track",), ("stable",))


def test_the_working_folder_does_not_matter(
    finished: RunResult, valley: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(finished.folder, tmp_path / "run")
    monkeypatch.chdir(valley)
    assert run("creepmeter.yaml", folder=tmp_path / "run").made == ()


def test_heights_lie_shaded_behind_the_maps_of_the_report(valley: Path, tmp_path: Path) -> None:
    dem = tmp_path / "dem.tif"
    y, x = np.mgrid[:60, :60]
    ground = GeoBox((60, 60), Affine(30.0, 0, 499_900.0, 0, -30.0, 5_100_100.0), "EPSG:32633")
    write_geotiff(dem, (1000 + 300 * np.sin(x / 6) * np.cos(y / 7)).astype(np.float32), ground)
    folder = tmp_path / "run"
    run(valley / "creepmeter.yaml", folder=folder)
    plain = (folder / "report.html").read_text()
    again = run(valley / "creepmeter.yaml", overrides=[f"output.dem={dem}"], folder=folder)
    assert again.made == ("export", "report")
    shaded = (folder / "report.html").read_text()
    first, second = (re.findall(r"data:image/png;base64,([^\"]+)", page)[0] for page in (plain, shaded))
    assert first != second
    assert run(valley / "creepmeter.yaml", overrides=[f"output.dem={dem}"], folder=folder).made == ()
    write_geotiff(dem, np.full((60, 60), 5.0, np.float32) + x.astype(np.float32), ground)
    assert run(valley / "creepmeter.yaml", overrides=[f"output.dem={dem}"], folder=folder).made == ("report",)
