"""Runs that begin with the files of a processor: where they are looked for, what is loaded again, what is left out."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.workflow.sbas.samples import QUIET, SMALL

from creepmeter.errors import InputError
from creepmeter.io.mintpy.product import read_map
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.io.raster import write_geotiff
from creepmeter.simulate.layouts.hyp3 import write_hyp3
from creepmeter.simulate.radar import RadarStack, simulate_radar
from creepmeter.workflow.sbas.run import run_sbas

LAYERS = {
    "unwFile": "unw_phase",
    "corFile": "corr",
    "connCompFile": "conncomp",
    "demFile": "dem",
    "incAngleFile": "lv_theta",
    "azAngleFile": "lv_phi",
    "waterMaskFile": "water_mask",
}


def _template(path: Path, home: str, text: str = "") -> Path:
    """Write a template that loads HyP3 products from a folder."""
    lines = [f"mintpy.load.{key} = {home}/*/*_{layer}.tif" for key, layer in LAYERS.items()]
    path.write_text(f"{QUIET}mintpy.load.processor = hyp3\n" + "\n".join(lines) + f"\n{text}", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def products(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RadarStack]:
    home = tmp_path_factory.mktemp("hyp3")
    stack = simulate_radar(**SMALL, seed=4)
    write_hyp3(stack, home, write_geotiff)
    return home, stack


@pytest.fixture
def project(products: tuple[Path, RadarStack], tmp_path: Path) -> Path:
    """Return a folder with products in ``hyp3``, which may be changed."""
    shutil.copytree(products[0], tmp_path / "hyp3")
    return tmp_path


@pytest.mark.parametrize("home", ["../hyp3", "hyp3", "$TEST_HYP3"])
def test_paths_start_from_the_work_folder_or_from_that_of_the_template(
    project: Path, products: tuple[Path, RadarStack], monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    monkeypatch.setenv("TEST_HYP3", str(project / "hyp3"))
    template = _template(project / "Project.txt", home)
    work = project / "mintpy"
    result = run_sbas(template, folder=work, end="reference_point")
    assert result.made == ("load_data", "modify_network", "reference_point")
    stack = StackFile.open(work / "inputs" / "ifgramStack.h5")
    assert stack.pairs == products[1].pairs
    np.testing.assert_allclose(stack.read("unwrapPhase"), products[1].phase, atol=1e-5)
    assert run_sbas(template, folder=work, end="reference_point").made == ()
    secret = str(project / "hyp3")
    if home.startswith("$"):
        for name in ("smallbaselineApp.cfg", ".creepmeter.json"):
            assert secret not in (work / name).read_text()


def test_a_new_pair_is_loaded_and_what_follows_is_made_again(project: Path) -> None:
    template, work = _template(project / "Project.txt", "../hyp3"), project / "mintpy"
    away = next((project / "hyp3").iterdir())
    shutil.move(away, project / away.name)
    run_sbas(template, folder=work, end="invert_network")
    count = read_map(work / "numInvIfgram.h5").max()
    shutil.move(project / away.name, away)
    again = run_sbas(template, folder=work, end="invert_network")
    assert again.made[0] == "load_data"
    assert "invert_network" in again.made
    assert read_map(work / "numInvIfgram.h5").max() == count + 1


def test_a_damaged_product_is_left_out_by_name(project: Path) -> None:
    template, work = _template(project / "Project.txt", "../hyp3"), project / "mintpy"
    spoiled = sorted((project / "hyp3").glob("*/*_unw_phase.tif"))[3]
    spoiled.write_bytes(spoiled.read_bytes()[:200])
    result = run_sbas(template, folder=work, end="reference_point")
    assert len(result.left_out) == 1
    assert spoiled.parent.name[:20] in result.left_out[0]
    again = run_sbas(template, folder=work, end="reference_point")
    assert again.left_out == result.left_out


def test_no_file_is_found(project: Path) -> None:
    template = _template(project / "Project.txt", "../elsewhere")
    with pytest.raises(InputError, match=r"no file matches ../elsewhere/\*/\*_unw_phase.tif"):
        run_sbas(template, folder=project / "mintpy")


def test_looks_and_subset_while_loading(project: Path) -> None:
    text = "mintpy.subset.yx = 4:32,0:40\nmintpy.multilook.ystep = 2\nmintpy.multilook.xstep = 2\n"
    template, work = _template(project / "Project.txt", "../hyp3", text), project / "mintpy"
    run_sbas(template, folder=work, end="load_data")
    assert StackFile.open(work / "inputs" / "ifgramStack.h5").shape[1:] == (14, 20)
