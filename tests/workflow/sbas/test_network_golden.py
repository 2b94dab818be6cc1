"""Network, masks, reference and overview against MintPy 1.6.4 on the same stacks."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from creepmeter.io.mintpy.product import read_attributes, read_map
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.pairs.network_options import NetworkOptions
from creepmeter.stack.reference import ReferenceOptions
from creepmeter.workflow.sbas.network import modify_network
from creepmeter.workflow.sbas.overview import make_stack_velocity
from creepmeter.workflow.sbas.reference import reference_point

pytestmark = pytest.mark.golden

RUNS = [
    ("sbas_geo", "options", {"coherence_based": True, "min_coherence": 0.6, "temp_base_max": 60}),
    ("sbas_geo", "full", {}),
    ("sbas_geo", "tutorial", {}),
    ("sbas_radar", "full", {}),
]


@pytest.mark.parametrize(("scene", "run", "options"), RUNS)
def test_pairs_masks_and_maps_equal_mintpys(
    shared: Path, tmp_path: Path, scene: str, run: str, options: dict[str, object]
) -> None:
    shutil.copytree(shared / "golden" / scene / "inputs", tmp_path / "inputs")
    golden = shared / "golden" / scene / f"mintpy_{run}"
    after = np.load(golden / "ifgramStack_after.npz")
    row, column = (int(k) for k in after["ref_yx"])
    stack = StackFile.open(tmp_path / "inputs" / "ifgramStack.h5")
    geometry = next((tmp_path / "inputs").glob("geometry*.h5"))

    assert_array_equal(
        modify_network(stack, tmp_path, NetworkOptions.model_validate(options)).keep, after["dropIfgram"]
    )
    reference_point(stack, tmp_path, geometry, ReferenceOptions(yx=(row, column)))
    make_stack_velocity(stack, tmp_path / "avgPhaseVelocity.h5")
    for name in ("waterMask", "maskConnComp", "avgSpatialCoh", "avgPhaseVelocity"):
        # to the bit: sums are rounded to float32 in the same order
        assert_array_equal(read_map(tmp_path / f"{name}.h5"), read_map(golden / f"{name}.h5"), err_msg=name)
    ours, theirs = (read_attributes(folder / "avgPhaseVelocity.h5") for folder in (tmp_path, golden))
    places = ("REF_Y", "REF_X", "REF_LAT", "REF_LON", "UNIT", "FILE_TYPE")
    assert [ours.get(name) for name in places] == [theirs.get(name) for name in places]
    table = golden / "coherenceSpatialAvg.txt"
    if table.exists():
        assert (tmp_path / table.name).read_text(encoding="utf-8") == table.read_text(encoding="utf-8")
