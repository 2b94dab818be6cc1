from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.interferograms.samples import assert_loaded, load_all, small_stack

from creepmeter.errors import InputError
from creepmeter.io.mintpy.product import read_attributes, read_map
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.io.raster import write_geotiff
from creepmeter.simulate.layouts.isce2 import load_settings as isce_settings
from creepmeter.simulate.layouts.isce2 import write_isce2
from creepmeter.simulate.layouts.plain import load_settings, write_plain

STACK = small_stack()


def test_a_loaded_stack_loads_again_the_same_with_its_flags(tmp_path: Path) -> None:
    write_plain(STACK, tmp_path / "tif", write_geotiff)
    first = load_all(load_settings(tmp_path / "tif"), tmp_path / "first")
    keep = np.arange(first.pairs) != 1
    source = StackFile.open(first.stack)
    source.set_keep(keep)
    source.set_attributes({"REF_Y": "4", "REF_X": "9"})
    settings = {"processor": "mintpy", "unw_file": str(first.stack)}
    again = load_all(settings, tmp_path / "again")
    assert_loaded(again, STACK)
    np.testing.assert_array_equal(StackFile.open(again.stack).keep, keep)
    assert StackFile.open(again.stack).reference == (4, 9)
    assert not load_all(settings, tmp_path / "again").made
    part = load_all({**settings, "subset_yx": "2:18,5:25", "multilook_y": "2"}, tmp_path / "part")
    assert StackFile.open(part.stack).reference == (1, 4)
    np.testing.assert_array_equal(StackFile.open(part.stack).read("unwrapPhase"), STACK.phase[:, 3:18:2, 5:25])
    np.testing.assert_array_equal(read_map(part.geometry[0], "waterMask"), STACK.water[3:18:2, 5:25])


def test_a_work_folder_may_stand_for_its_files(tmp_path: Path) -> None:
    radar = small_stack(geocoded=False)
    write_isce2(radar, tmp_path / "isce")
    first = load_all(isce_settings(tmp_path / "isce"), tmp_path)
    again = load_all({"processor": "mintpy", "unw_file": str(first.stack.parent)}, tmp_path / "again")
    assert_loaded(again, radar)
    assert read_attributes(again.stack)["LAT_REF1"] == read_attributes(first.stack)["LAT_REF1"]
    first.geometry[0].unlink()
    alone = load_all({"processor": "mintpy", "unw_file": str(first.stack)}, tmp_path / "alone")
    assert "no geometry file was found beside the stack" in alone.notes[0]


def test_without_a_stack_it_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no ifgramStack\.h5 was found .* name it with unw_file"):
        load_all({"processor": "mintpy"}, tmp_path)


@pytest.mark.golden
@pytest.mark.parametrize("name", ["sbas_geo", "sbas_radar"])
def test_a_stack_that_mintpy_wrote(shared: Path, tmp_path: Path, name: str) -> None:
    source = shared / "golden" / name / "inputs" / "ifgramStack.h5"
    loaded = load_all({"processor": "mintpy", "unw_file": str(source)}, tmp_path)
    ours, theirs = StackFile.open(loaded.stack), StackFile.open(source)
    assert ours.pairs == theirs.pairs
    np.testing.assert_array_equal(ours.bperp, theirs.bperp)
    for dataset in theirs.names:
        expected = theirs.read(dataset)
        if dataset == "unwrapPhase":
            expected = np.nan_to_num(expected)
        np.testing.assert_array_equal(ours.read(dataset), expected)
    assert {key: text for key, text in theirs.attributes.items() if ours.attributes[key] != text} == {}
