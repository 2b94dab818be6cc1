"""Correction of unwrapping errors against MintPy 1.6.4 and the truth, on the same stacks."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.io.mintpy.product import read_map
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.stack.unwrap_options import UnwrapOptions
from creepmeter.workflow.sbas.unwrap import correct_unwrap_error, count_ambiguities

pytestmark = pytest.mark.golden

# pixels times pairs that are whole cycles off after MintPy 1.6.4, which draws its samples at random (three runs gave
# the same); radar with 50 samples, because one of its regions has 81 pixels, and MintPy wants as many as samples
MINTPY = {
    ("sbas_geo", "phase_closure"): 1792,
    ("sbas_geo", "bridging+phase_closure"): 1813,
    ("sbas_radar", "phase_closure"): 21337,
    ("sbas_radar", "bridging+phase_closure"): 585,
}


def prepare(shared: Path, folder: Path, scene: str, run: str) -> StackFile:
    golden = shared / "golden" / scene / f"mintpy_{run}"
    shutil.copytree(shared / "golden" / scene / "inputs", folder / "inputs")
    for name in ("waterMask", "maskConnComp", "avgSpatialCoh"):
        shutil.copyfile(golden / f"{name}.h5", folder / f"{name}.h5")
    after = np.load(golden / "ifgramStack_after.npz")
    stack = StackFile.open(folder / "inputs" / "ifgramStack.h5")
    stack.set_keep(after["dropIfgram"])
    stack.set_attributes({name: str(k) for name, k in zip(("REF_Y", "REF_X"), after["ref_yx"], strict=True)})
    return stack


def added(stack: StackFile, name: str) -> npt.NDArray[np.float64]:
    """Return cycles between a layer and the phase as given, (pair, y, x), without rounding."""
    difference = stack.read(name).astype(np.float64) - stack.read("unwrapPhase")
    return np.asarray(np.nan_to_num(difference / (2 * np.pi)))


@pytest.mark.parametrize(("scene", "method"), [("sbas_geo", "bridging+phase_closure"), ("sbas_radar", "bridging")])
def test_the_same_whole_cycles_as_mintpy(shared: Path, tmp_path: Path, scene: str, method: str) -> None:
    stack = prepare(shared, tmp_path, scene, "full")
    after = np.load(shared / "golden" / scene / "mintpy_full" / "ifgramStack_after.npz")
    found = correct_unwrap_error(stack, tmp_path, UnwrapOptions.model_validate({"method": method}))
    assert not found.problems
    for name in found.made:
        cycles = np.rint(added(stack, name))
        # the issue asks for 99.9 % after bridging; closure is drawn at random there
        assert (cycles == after[name.replace("unwrapPhase", "cycles")]).mean() == 1.0, name


def count_wrong(shared: Path, folder: Path, scene: str, options: UnwrapOptions) -> int:
    """Return pixels times pairs that are whole cycles off after a correction, against the truth."""
    stack = prepare(shared, folder, scene, "full")
    found = correct_unwrap_error(stack, folder, options)
    truth = np.load(shared / "golden" / scene / "truth" / "truth_maps.npz")
    assert stack.reference is not None
    row, column = stack.reference
    jumps = truth["jumps"][:, truth["cc"]].astype(int)
    phase = stack.read("unwrapPhase")
    offset = phase[:, row, column, None, None] / (2 * np.pi)
    cycles = added(stack, found.dataset) + np.where(phase != 0, offset, 0)
    measured = (truth["cc"] > 0) & (phase != 0) & np.isfinite(phase)
    assert_allclose(cycles[measured], np.rint(cycles[measured]), atol=1e-4)
    wrong = measured & (np.rint(cycles) + jumps - jumps[:, row, column, None, None] != 0)
    return int(wrong.sum())


@pytest.mark.parametrize(("scene", "method"), list(MINTPY))
def test_no_more_wrong_cycles_than_mintpy_leaves(shared: Path, tmp_path: Path, scene: str, method: str) -> None:
    options = UnwrapOptions.model_validate({"method": method})
    # 950, 1813, 17580 and 585 measured
    assert count_wrong(shared, tmp_path, scene, options) <= MINTPY[scene, method]


@pytest.mark.parametrize("scene", ["sbas_geo", "sbas_radar"])
def test_doubtful_bridges_left_to_triplets_leave_no_more_errors(shared: Path, tmp_path: Path, scene: str) -> None:
    # 1813 (no gain) and 3 measured. Smaller limits do better on one scene and worse on the other; 2 was also better
    # than pi on 21 and worse on 2 of 36 simulated stacks that had no part in the choice, and equal on the others
    options = UnwrapOptions(method="bridging+phase_closure", bridge_max_rad=2.0)
    assert count_wrong(shared, tmp_path, scene, options) <= MINTPY[scene, options.method]


@pytest.mark.parametrize(
    ("scene", "run"),
    [
        ("sbas_geo", "full"),
        ("sbas_geo", "options"),
        ("sbas_geo", "tutorial"),
        ("sbas_radar", "full"),
        ("sbas_radar", "tutorial"),
    ],
)
def test_counts_of_triplets_equal_mintpys(shared: Path, tmp_path: Path, scene: str, run: str) -> None:
    stack = prepare(shared, tmp_path, scene, run)
    made = count_ambiguities(stack, tmp_path)
    assert made is not None
    theirs = shared / "golden" / scene / f"mintpy_{run}" / "numTriNonzeroIntAmbiguity.h5"
    assert_array_equal(read_map(made), read_map(theirs))
