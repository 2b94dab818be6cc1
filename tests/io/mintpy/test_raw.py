"""Files of MintPy under MintPy's names and units, for those who look at them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.io.mintpy import samples

from creepmeter.io.mintpy.listing import is_mintpy_file
from creepmeter.io.mintpy.raw import open_raw
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.io.raster import write_geotiff
from creepmeter.model.grid import pixel_grid


@pytest.mark.parametrize("own", [True, False])
def test_a_stack_has_its_datasets_along_pairs(tmp_path: Path, *, own: bool) -> None:
    path = tmp_path / "ifgramStack.h5"
    (samples.own_stack if own else samples.foreign_stack)(path)
    found = open_raw(path)
    assert is_mintpy_file(path)
    assert found["unwrapPhase"].dims == ("pair", "y", "x")
    assert found["unwrapPhase"].attrs["units"] == "radian"
    np.testing.assert_array_equal(found["unwrapPhase"].fillna(0), samples.phase())  # 0 = no data
    assert np.isnan(found["unwrapPhase"][:, 0]).all()
    np.testing.assert_array_equal(found["connectComponent"], samples.maps()["connectComponent"])


@pytest.mark.parametrize(
    "key",
    [
        {"pair": 2},
        {"pair": slice(1, 3), "y": slice(2, 4)},
        {"x": slice(None, None, -1)},
        {"pair": [3, 0], "y": -1},
        {"y": slice(1, None, 2), "x": slice(5, 1, -2)},
    ],
)
def test_a_part_that_is_read_is_the_part_of_the_whole(tmp_path: Path, key: dict[str, object]) -> None:
    samples.own_stack(tmp_path / "ifgramStack.h5")
    lazy = open_raw(tmp_path / "ifgramStack.h5")["coherence"]
    whole = open_raw(tmp_path / "ifgramStack.h5")["coherence"].load()
    np.testing.assert_array_equal(lazy.isel(key), whole.isel(key))


def test_edits_beside_a_stack_of_another_program_are_seen(tmp_path: Path) -> None:
    path = samples.foreign_stack(tmp_path / "ifgramStack.h5")
    stack = StackFile.open(path)
    stack.set_keep([True, False, True, True])
    stack.set_attributes({"REF_Y": "3", "REF_X": "4"})
    writer = stack.add_dataset("unwrapPhase_bridging", "f4", {}, "k")
    for k, values in enumerate(samples.phase()):
        writer.put(k, values + 1)
    writer.finish()
    found = open_raw(path)
    np.testing.assert_array_equal(found["unwrapPhase_bridging"], samples.phase() + 1)
    assert found["used"].values.tolist() == [True, False, True, True]
    assert found.attrs["REF_Y"] == "3"


def test_other_files_are_no_files_of_mintpy(tmp_path: Path) -> None:
    write_geotiff(tmp_path / "map.tif", np.ones((4, 5), np.float32), pixel_grid((4, 5), 10.0))
    (tmp_path / "text.h5").write_text("no", encoding="utf-8")
    assert not any(is_mintpy_file(tmp_path / name) for name in ("map.tif", "text.h5", "nothing.h5"))
