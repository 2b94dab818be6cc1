"""`creepmeter scenes fetch`: what it says, its exit status, and what is left of it when it is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import rasterio
from tests.cli.conftest import Call
from tests.imagery.fault_proxy import Fault, FaultProxy, fault_proxy, hang, status
from tests.imagery.servers import files_served

from creepmeter.imagery.area import read_area
from creepmeter.imagery.item_list import write_items
from creepmeter.imagery.scene_folder import scenes_in
from creepmeter.io.raster import write_geotiff
from creepmeter.simulate import Pass, SimulatedCatalogue, write_catalogue
from creepmeter.workflow.config import ImagesSection
from creepmeter.workflow.inputs import find_images

PASSES = tuple(
    Pass(time=f"{year}-11-20T10:14:31Z", baseline="02.04" if year < 2020 else "05.00") for year in range(2017, 2023)
)
FEW = ("--wait-s", "0", "--tries", "2", "--timeout-s", "1")
# A fetch that kills itself, without a warning, at the n-th time that it opens, makes, renames or removes a file in a
# folder `dying`.
DIES = """
import os, signal, sys
left = int(sys.argv[1])
def watch(event, given):
    global left
    if event in ("open", "os.rename", "os.remove", "os.mkdir") and any("/dying/" in str(part) for part in given[:2]):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
from creepmeter.cli import main
sys.addaudithook(watch)
main(sys.argv[2:])
"""


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> SimulatedCatalogue:
    folder = tmp_path_factory.mktemp("catalogue")
    return write_catalogue(folder, partial(write_geotiff, cog=True), passes=PASSES, shape=(120, 140))


def list_of(catalogue: SimulatedCatalogue, proxy: FaultProxy, path: Path, *, area: bool = True) -> Path:
    """Write the list of scenes as a server gives them, with signatures."""
    text = json.dumps(list(catalogue.items)).replace(str(catalogue.folder.resolve()), proxy.url)
    items = json.loads(text.replace(".tif", ".tif?sig=secret"))
    write_items(path, items, read_area(",".join(map(str, catalogue.bbox))) if area else None)
    return path


def pixels(folder: Path) -> dict[str, bytes]:
    """Return the images and masks of a folder, and what is said of them but for the time."""
    found = {path.name: path.read_bytes() for path in folder.glob("*.tif")}
    for path in folder.glob("*.json"):
        said = json.loads(path.read_text(encoding="utf-8"))
        said.pop("created", None)
        found[path.name] = json.dumps(said).encode()
    return found


def test_a_list_becomes_a_folder_and_exit_status_is_0(
    catalogue: SimulatedCatalogue, tmp_path: Path, call: Call
) -> None:
    with fault_proxy(catalogue.folder) as proxy:
        listed = list_of(catalogue, proxy, tmp_path / "scenes.json")
        done = call("scenes", "fetch", listed, "-o", tmp_path / "out", "--allow-host", proxy.host)
        assert done.exit_code == 0, done.output
        assert "6 image(s) made, 0 there already" in done.stdout
        assert "EPSG:32633" in done.stdout
        asked = len(proxy.asked)
        again = call("scenes", "fetch", listed, "-o", tmp_path / "out", "--allow-host", proxy.host)
        assert "0 image(s) made, 6 there already" in again.stdout
        assert len(proxy.asked) == asked


def test_a_search_and_a_fetch_make_what_a_run_reads(catalogue: SimulatedCatalogue, tmp_path: Path, call: Call) -> None:
    with files_served(catalogue.folder) as server:
        host = server.removeprefix("http://")
        search = ("--catalogue", f"{server}/catalog.json", "--years", "2017/2022", "--allow-host", host)
        found = call("scenes", "search", catalogue.folder / "aoi.geojson", *search, "-o", tmp_path / "scenes.json")
        assert found.exit_code == 0, found.output
        done = call("scenes", "fetch", tmp_path / "scenes.json", "-o", tmp_path / "scenes", "--allow-host", host)
    assert done.exit_code == 0, done.output
    images = find_images(ImagesSection(files=("scenes/*.tif",), exclude=("scenes/*_mask.tif",)), tmp_path)
    assert len(images.scenes) == len(PASSES)
    for number in range(len(PASSES)):
        values, mask = images.read(number)
        assert mask is not None
        assert np.isfinite(values).all()
        assert not mask.any()


def test_scenes_left_out_are_named_and_exit_status_is_3(
    catalogue: SimulatedCatalogue, tmp_path: Path, call: Call
) -> None:
    name = catalogue.items[2]["id"]
    with fault_proxy(catalogue.folder, Fault(status(503), match=name)) as proxy:
        listed = list_of(catalogue, proxy, tmp_path / "scenes.json")
        flags = ("-o", tmp_path / "out", "--allow-host", proxy.host, *FEW)
        done = call("scenes", "fetch", listed, *flags)
        assert done.exit_code == 3
        assert f"left out: {name}: " in done.stderr
        assert "given up after 2 attempt(s): the server answered 503" in done.stderr
        assert "secret" not in done.output
        proxy.faults.clear()
        proxy.asked.clear()
        assert call("scenes", "fetch", listed, *flags).exit_code == 0
        assert all(name in path for path in proxy.paths())


def test_hosts_of_ones_own_must_be_allowed(catalogue: SimulatedCatalogue, tmp_path: Path, call: Call) -> None:
    with fault_proxy(catalogue.folder) as proxy:
        listed = list_of(catalogue, proxy, tmp_path / "scenes.json")
        done = call("scenes", "fetch", listed, "-o", tmp_path / "out", *FEW)
        assert done.exit_code == 1
        assert f"--allow-host {proxy.host}" in done.stderr
        assert proxy.asked == []


def test_files_beside_the_list_are_read_and_others_when_allowed(
    catalogue: SimulatedCatalogue, tmp_path: Path, call: Call
) -> None:
    write_items(tmp_path / "scenes.json", catalogue.items)
    flags = ("--aoi", ",".join(map(str, catalogue.bbox)), "-o", tmp_path / "out")
    refused = call("scenes", "fetch", tmp_path / "scenes.json", *flags)
    assert refused.exit_code == 1
    assert "--allow-folder" in refused.stderr
    done = call("scenes", "fetch", tmp_path / "scenes.json", *flags, "--allow-folder", catalogue.folder)
    assert done.exit_code == 0, done.output
    write_items(catalogue.folder / "beside.json", catalogue.items)
    beside = ("--aoi", catalogue.folder / "aoi.geojson", "-o", tmp_path / "beside")
    assert call("scenes", "fetch", catalogue.folder / "beside.json", *beside).exit_code == 0
    assert pixels(tmp_path / "beside").keys() == pixels(tmp_path / "out").keys()


@pytest.mark.parametrize(
    ("flags", "what"),
    [
        ((), "does not tell an area: give --aoi"),
        (("--buffer-m", "100"), "go with --aoi"),
        (("--aoi", "1,2,3,4", "--mask-classes", "cloud"), "--mask-classes: mask_classes: 'cloud' is no number"),
        (("--aoi", "1,2,3,4", "--jobs", "0"), "0 is not in the range"),
        (("--aoi", "1,2,3,4", "--resample", "nearest"), "'never', 'bilinear' or 'cubic'"),
    ],
)
def test_wrong_flags_are_named(
    catalogue: SimulatedCatalogue, tmp_path: Path, call: Call, flags: tuple[str, ...], what: str
) -> None:
    write_items(tmp_path / "scenes.json", catalogue.items)
    done = call("scenes", "fetch", tmp_path / "scenes.json", "-o", tmp_path / "out", *flags)
    assert done.exit_code == 2
    assert what in done.stderr


# --------------------------------------------------------------------------------------------------------------- killed


def start(listed: Path, work: Path, host: str, count: int) -> subprocess.Popen[bytes]:
    """Start a fetch that dies at the n-th touch of its folder."""
    command = [sys.executable, "-W", "ignore", "-c", DIES, str(count), "scenes", "fetch", str(listed), "-o", str(work)]
    command += ["--allow-host", host, "--jobs", "1", *FEW]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.mark.parametrize("count", [12, 35, 51])
def test_a_killed_fetch_goes_on_and_reads_only_what_is_missing(
    catalogue: SimulatedCatalogue, tmp_path: Path, call: Call, count: int
) -> None:
    work = tmp_path / "dying" / "scenes"
    with fault_proxy(catalogue.folder) as proxy:
        listed = list_of(catalogue, proxy, tmp_path / "scenes.json")
        process = start(listed, work, proxy.host, count)
        process.communicate(timeout=100)
        assert process.returncode == -signal.SIGKILL
        there = [files.stem for files in scenes_in(work)] if (work / "scenes.json").exists() else []
        assert len(there) < len(PASSES)
        proxy.asked.clear()
        flags = ("--allow-host", proxy.host, *FEW)
        done = call("scenes", "fetch", listed, "-o", work, *flags)
        assert done.exit_code == 0, done.output
        assert f"{len(PASSES) - len(there)} image(s) made, {len(there)} there already" in done.stdout
        kept = {stem.partition("_B08_")[2] for stem in there}
        assert kept.isdisjoint({path.split("/")[2] for path in proxy.paths()})
        assert call("scenes", "fetch", listed, "-o", tmp_path / "calm", *flags).exit_code == 0
    assert pixels(work) == pixels(tmp_path / "calm")


def test_a_fetch_that_is_killed_while_a_server_hangs_leaves_whole_scenes_only(
    catalogue: SimulatedCatalogue, tmp_path: Path, call: Call
) -> None:
    work, name = tmp_path / "dying" / "scenes", catalogue.items[3]["id"]
    with fault_proxy(catalogue.folder, Fault(hang, match=name)) as proxy:
        listed = list_of(catalogue, proxy, tmp_path / "scenes.json")
        command = [sys.executable, "-m", "creepmeter", "scenes", "fetch", str(listed), "-o", str(work)]
        command += ["--allow-host", proxy.host, "--jobs", "1"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        end = time.monotonic() + 100
        while not proxy.paths(name) and time.monotonic() < end and process.poll() is None:
            time.sleep(0.05)
        process.kill()
        process.communicate(timeout=100)
        assert len(scenes_in(work)) == 3
        proxy.faults.clear()
        proxy.asked.clear()
        done = call("scenes", "fetch", listed, "-o", work, "--allow-host", proxy.host)
        assert done.exit_code == 0, done.output
        assert "3 image(s) made, 3 there already" in done.stdout
        assert {path.split("/")[2] for path in proxy.paths()} == {item["id"] for item in catalogue.items[3:]}


# --------------------------------------------------------------------------------------------------------------- memory

LIMITED = """
import re, sys
from pathlib import Path
from creepmeter.cli import main
import creepmeter.imagery.scenes_fetch
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1000
before = peak()
try:
    main(sys.argv[1:], standalone_mode=False)
finally:
    print("grown", peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="its peak memory is told by Linux only")
def test_memory_is_kept_whatever_the_number_of_jobs(tmp_path: Path) -> None:
    """Scenes of 9 million pixels: one at a time needs 0.35 GB, so 0.5 GB allow one, not four."""
    size, scenes = 3000, 4
    noise = np.random.default_rng(0).integers(1000, 9000, (size, size), dtype=np.uint16)
    place = {"crs": "EPSG:32633", "count": 1, "nodata": 0, "driver": "COG", "compress": "deflate", "level": 1}
    turns = {
        "B08": rasterio.Affine(10, 0, 500_000, 0, -10, 5_100_000),
        "SCL": rasterio.Affine(20, 0, 500_000, 0, -20, 5_100_000),
    }
    for name, values in (("B08", noise), ("SCL", np.full((size // 2, size // 2), 4, np.uint8))):
        with rasterio.open(
            tmp_path / f"{name}.tif",
            "w",
            **place,
            height=len(values),
            width=len(values),
            dtype=values.dtype,
            transform=turns[name],
        ) as target:
            target.write(values, 1)
    items = [
        {
            "type": "Feature",
            "id": f"scene{k}",
            "collection": "sentinel-2-l2a",
            "bbox": [15.0, 45.7, 15.5, 46.1],
            "properties": {"datetime": f"2020-01-{k + 1:02d}T10:00:00Z", "s2:processing_baseline": "05.00"},
            "assets": {"nir": {"href": "B08.tif"}, "scl": {"href": "SCL.tif"}},
        }
        for k in range(scenes)
    ]
    write_items(tmp_path / "scenes.json", items)
    box = "500000,5070000,530000,5100000"
    command = [sys.executable, "-W", "ignore", "-c", LIMITED, "scenes", "fetch", str(tmp_path / "scenes.json")]
    command += ["-o", str(tmp_path / "out"), "--aoi", box, "--crs", "EPSG:32633", "--jobs", "8", "--memory-gb", "0.5"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110, env=dict(os.environ))
    assert f"{scenes} image(s) made" in done.stdout, done.stdout + done.stderr
    assert float(done.stdout.split("grown")[1]) < 352  # megabytes, of one scene; four at a time take 500
