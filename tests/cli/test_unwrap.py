"""Commands that correct unwrapping errors."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from tests.cli.conftest import Call
from tests.workflow.sbas.samples import write_project

from creepmeter.io.mintpy.product import read_map, write_product
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.stack.unwrap_options import UnwrapOptions
from creepmeter.workflow.sbas.unwrap import correct_unwrap_error

STACK = Path("inputs/ifgramStack.h5")
BRIDGED, CLOSED = "unwrapPhase_bridging", "unwrapPhase_bridging_phaseClosure"


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loaded")
    made = write_project(folder, seed=3, islands=2, connections=3, cycle_chance=0.15, river=False)
    inside = np.argwhere((made.component == 1).all(axis=0))
    row, column = inside[len(inside) // 2]
    stack = StackFile.open(folder / STACK)
    stack.set_attributes({"REF_Y": str(row), "REF_X": str(column)})
    mask = {"FILE_TYPE": "waterMask", "UNIT": "1"}
    write_product(folder / "waterMask.h5", {"waterMask": made.water}, mask)
    return folder


@pytest.fixture
def work(loaded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A loaded project that is the working folder."""
    folder = tmp_path / "work"
    shutil.copytree(loaded, folder)
    monkeypatch.chdir(folder)
    return folder


def test_bridging_and_phase_closure_are_the_step(work: Path, done: Call) -> None:
    told = done("unwrap-error-bridging", STACK, "-m", 10).stdout
    assert f"{BRIDGED}: " in told
    assert "pairs got other cycles" in told
    told = done("unwrap-error-phase-closure", STACK, "-i", BRIDGED, "-m", 10, "-n", 50).stdout
    assert f"{CLOSED}: " in told
    options = UnwrapOptions(method="bridging+phase_closure", conn_comp_min_area=10, num_sample=50)
    found = {name: StackFile.open(STACK).read(name) for name in (BRIDGED, CLOSED)}
    correct_unwrap_error(StackFile.open(STACK), work, options)
    for name, values in found.items():
        assert_array_equal(StackFile.open(STACK).read(name), values)


def test_flags_win_over_a_template(work: Path, done: Call) -> None:
    (work / "t.txt").write_text(
        "mintpy.unwrapError.ramp = linear\nmintpy.unwrapError.connCompMinArea = 10\n", encoding="utf-8"
    )
    done("unwrap-error-bridging", STACK, "-t", "t.txt", "--ramp", "no", "-r", 20, "-o", "mine")
    options = UnwrapOptions(method="bridging", conn_comp_min_area=10, bridge_points_radius=20)
    correct_unwrap_error(StackFile.open(STACK), work, options)
    stack = StackFile.open(STACK)
    assert_array_equal(stack.read("mine"), stack.read(BRIDGED))


def test_update_leaves_what_is_there(work: Path, done: Call) -> None:
    done("unwrap-error-bridging", STACK)
    assert BRIDGED in StackFile.open(work / STACK).names
    assert "is there, nothing to do" in done("unwrap-error-bridging", STACK, "--update").stdout


def test_count(work: Path, done: Call) -> None:
    assert "numTriNonzeroIntAmbiguity.h5" in done("unwrap-error-phase-closure", STACK, "-a", "calculate").stdout
    land = read_map(work / "waterMask.h5")
    assert_array_equal(np.isfinite(read_map(work / "numTriNonzeroIntAmbiguity.h5")), land)
    done("unwrap-error-bridging", STACK, "-m", 10)
    done("unwrap-error-phase-closure", STACK, "-a", "calculate", "-i", BRIDGED, "--wm", "no")
    after = read_map(work / "numTriNonzeroIntAmbiguity4unwrapPhase_bridging.h5")
    assert np.isfinite(after).sum() >= land.sum()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("unwrap-error-bridging", STACK, "-i", "nothing"), "no dataset 'nothing'"),
        (("unwrap-error-bridging", STACK, "--wm", "lake.h5"), "lake.h5 is not there"),
        (("unwrap-error-phase-closure", STACK, "-c", "lake.h5"), "lake.h5 is not there"),
    ],
)
def test_what_is_missing_is_named(work: Path, call: Call, arguments: tuple[object, ...], text: str) -> None:
    result = call(*arguments)
    assert result.exit_code == 1
    assert text in result.stderr
    assert StackFile.open(work / STACK).names == ("coherence", "connectComponent", "unwrapPhase")
