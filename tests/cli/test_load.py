"""Loading interferograms: flags, template, exit status."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import Call

from creepmeter.io.lock import RunLock
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.io.raster import write_geotiff
from creepmeter.simulate.layouts.isce2 import load_settings as isce_settings
from creepmeter.simulate.layouts.isce2 import write_isce2
from creepmeter.simulate.layouts.plain import load_settings, write_plain
from creepmeter.simulate.radar import simulate_radar

STACK = simulate_radar(rows=16, columns=20, dates=3, connections=2)


@pytest.fixture
def flags(tmp_path: Path) -> list[str]:
    write_plain(STACK, tmp_path / "tif", write_geotiff)
    settings = load_settings(tmp_path / "tif")
    return [part for name, value in settings.items() for part in (f"--{name.replace('_', '-')}", value)]


def test_interferograms_load_by_flags(done: Call, flags: list[str], tmp_path: Path) -> None:
    result = done(
        "load", "interferograms", *flags, "--subset-yx", "2:14,1:19", "--multilook-x", 2, "-o", tmp_path / "w"
    )
    assert "ifgramStack.h5: 3 pairs of 12 x 9 px, loaded" in result.stdout
    assert "geometryGeo.h5" in result.stdout
    stack = StackFile.open(tmp_path / "w" / "inputs" / "ifgramStack.h5")
    np.testing.assert_array_equal(stack.read("unwrapPhase"), STACK.phase[:, 2:14, 2:19:2])
    again = done("load", "interferograms", *flags, "--subset-yx", "2:14,1:19", "--multilook-x", 2, "-o", tmp_path / "w")
    assert "up to date" in again.stdout


def test_what_is_left_out_is_named_and_the_status_is_3(call: Call, flags: list[str], tmp_path: Path) -> None:
    (tmp_path / "tif" / f"{STACK.pairs[1]}_unw.tif").write_bytes(b"II*\x00cut")
    result = call("load", "interferograms", *flags, "-o", tmp_path / "w")
    assert result.exit_code == 3
    assert "2 pairs of 16 x 20 px, loaded" in result.stdout
    assert f"left out: {STACK.pairs[1]}_unw.tif: " in result.stderr


def test_nothing_to_load_is_an_error(call: Call, tmp_path: Path) -> None:
    result = call("load", "interferograms", "--unw-file", tmp_path / "*.unw", "-o", tmp_path / "w")
    assert result.exit_code == 1
    assert "unw_file: no file matches" in result.stderr
    assert not (tmp_path / "w").exists()


def test_two_loads_do_not_share_a_folder(call: Call, flags: list[str], tmp_path: Path) -> None:
    with RunLock(tmp_path / "w"):
        result = call("load", "interferograms", *flags, "-o", tmp_path / "w")
    assert result.exit_code == 1
    assert "is in use by" in result.stderr


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (("--processor", "doris"), "--processor"),
        (("--subset-yx", "5:2,0:3"), "from the smaller to the larger"),
        (("--multilook-y", 0), "--multilook-y"),
    ],
)
def test_wrong_flags_are_named(call: Call, tmp_path: Path, wrong: tuple[object, ...], why: str) -> None:
    result = call("load", "interferograms", *wrong, "-o", tmp_path)
    assert result.exit_code == 2
    assert why in result.stderr


def test_a_template_loads_from_paths_that_count_from_the_work_folder(done: Call, tmp_path: Path) -> None:
    stack = simulate_radar(rows=16, columns=20, dates=3, connections=2, geocoded=False)
    write_isce2(stack, tmp_path / "isce")
    settings = isce_settings(Path("../isce"))
    keys = {name: name.split("_")[0] + "".join(part.title() for part in name.split("_")[1:]) for name in settings}
    lines = [f"mintpy.load.{keys[name]} = {value}  # {name}\n" for name, value in settings.items()]
    (tmp_path / "Sim.txt").write_text("".join(lines) + "mintpy.multilook.ystep = 2\n")
    result = done("load", "-t", tmp_path / "Sim.txt", "-o", tmp_path / "work")
    assert "made: load_data" in result.stdout
    found = StackFile.open(tmp_path / "work" / "inputs" / "ifgramStack.h5")
    np.testing.assert_array_equal(found.read("unwrapPhase"), stack.phase[:, 1::2])
    assert (tmp_path / "work" / "inputs" / "geometryRadar.h5").exists()
    assert "made" not in done("load", "-t", tmp_path / "Sim.txt", "-o", tmp_path / "work").stdout


def test_the_group_alone_says_what_to_give(call: Call, tmp_path: Path) -> None:
    result = call("load")
    assert result.exit_code == 2
    assert "give a template with -t, or one of interferograms, offsets, series" in result.stderr
    misplaced = call("load", "-o", tmp_path, "series", "x.tif", "-o", tmp_path / "s.zarr")
    assert misplaced.exit_code == 2
    assert "have no meaning" in misplaced.stderr
