from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.io.mintpy import samples

from creepmeter.errors import CreepmeterError, InputError, StoreError
from creepmeter.io import swap
from creepmeter.io.mintpy import edit, product
from creepmeter.io.mintpy.product import Dataset, ProductWriter
from creepmeter.io.provenance import digest_file, provenance

ROWS, COLUMNS = samples.ROWS, samples.COLUMNS
SERIES = {**samples.ATTRIBUTES, "FILE_TYPE": "timeseries", "UNIT": "m", "REF_DATE": "20200101"}
TABLES = {"date": samples.dates_of(samples.DATES), "bperp": np.arange(4.0)}
BLOCKS = [(slice(y, y + 2), slice(x, x + 5)) for y in range(0, ROWS, 2) for x in range(0, COLUMNS, 5)]


def layout(dtype: str = "f4") -> dict[str, Dataset]:
    return {
        "timeseries": Dataset((len(samples.DATES), ROWS, COLUMNS), np.dtype(dtype)),
        "mask": Dataset((ROWS, COLUMNS), np.dtype(bool), {"UNIT": "1"}),
    }


def fill(path: Path, *, until: int = 99, key: str = "k", made: dict[str, Any] | None = None) -> Path:
    writer = ProductWriter.create_or_resume(path, layout(), SERIES, key, TABLES)
    values = samples.series()
    for k, (rows, columns) in enumerate(BLOCKS):
        if k >= until:
            message = "killed"
            raise KeyboardInterrupt(message)
        if not writer.done(str(k)):
            block = values[:, rows, columns]
            writer.put(str(k), {"y": rows, "x": columns}, {"timeseries": block, "mask": (block != 0).any(0)})
    return writer.finish(made)


def test_what_is_written_by_blocks_is_what_is_read(tmp_path: Path) -> None:
    path = fill(tmp_path / "a b" / "timeseries.h5")
    attributes = product.read_attributes(path)
    assert {name: attributes[name] for name in SERIES} == SERIES
    assert (attributes["LENGTH"], attributes["WIDTH"]) == (str(ROWS), str(COLUMNS))
    np.testing.assert_array_equal(product.read_map(path, "timeseries-20200125"), samples.series()[2])
    np.testing.assert_array_equal(product.read_map(path, "mask"), (samples.series() != 0).any(0))
    cut = product.read_map(path, "timeseries-20200125", {"y": slice(3, 5), "x": slice(1, 4)})
    np.testing.assert_array_equal(cut, samples.series()[2, 3:5, 1:4])
    tables = product.read_tables(path)
    assert tables["date"].astype(str).tolist()[1] == "2020-01-13T00:00:00.000000000"
    assert tables["bperp"].tolist() == [0, 1, 2, 3]
    assert product.list_datasets(path)["timeseries"] == ((4, ROWS, COLUMNS), np.dtype("f4"))
    assert set(product.list_datasets(path)) == {"timeseries", "mask", "date", "bperp"}


@settings(max_examples=10)
@given(stops=st.lists(st.integers(0, len(BLOCKS)), max_size=3))
def test_a_file_does_not_depend_on_how_often_it_was_interrupted(
    tmp_path_factory: pytest.TempPathFactory, stops: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("resume")
    fill(folder / "calm.h5", made={"options": 1})
    for stop in stops:
        if stop == len(BLOCKS):
            continue
        with pytest.raises(KeyboardInterrupt, match="killed"):
            fill(folder / "wild.h5", until=stop)
    fill(folder / "wild.h5", made={"options": 1})
    assert (folder / "calm.h5").read_bytes() == (folder / "wild.h5").read_bytes()
    assert sorted(file.name for file in folder.iterdir()) == ["calm.h5", "wild.h5"]


@pytest.mark.parametrize("change", ["key", "type", "attributes", "tables"])
def test_a_partial_file_of_other_options_is_made_anew(tmp_path: Path, change: str) -> None:
    with pytest.raises(KeyboardInterrupt, match="killed"):
        fill(tmp_path / "a.h5", until=2)
    again = ProductWriter.create_or_resume(tmp_path / "a.h5", layout(), SERIES, "k", TABLES)
    assert [again.done(str(k)) for k in range(3)] == [True, True, False]
    other = ProductWriter.create_or_resume(
        tmp_path / "a.h5",
        layout("f8" if change == "type" else "f4"),
        SERIES | ({"UNIT": "mm"} if change == "attributes" else {}),
        "K" if change == "key" else "k",
        TABLES | ({"bperp": np.zeros(4)} if change == "tables" else {}),
    )
    assert not other.done("0")


_VICTIM = """
import sys, time
from pathlib import Path
from tests.io.mintpy import test_product as test
from creepmeter.io.mintpy.partial import PartialFile
put = PartialFile.put
def slow(self, *given):
    put(self, *given)
    print("put", flush=True)
    time.sleep(float(sys.argv[2]))
PartialFile.put = slow
test.fill(Path(sys.argv[1]), made={"options": 1})
"""


def test_kill_9_twice_and_again_gives_the_same_bytes(tmp_path: Path, root: Path) -> None:
    def start(path: Path, pause: float) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", _VICTIM, str(path), str(pause)]
        env = {**os.environ, "PYTHONWARNINGS": "", "PYTHONPATH": str(root)}
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)

    fill(tmp_path / "calm.h5", made={"options": 1})
    for turn in range(2):
        with start(tmp_path / "wild.h5", 0.05) as wild:
            assert wild.stdout is not None
            wild.stdout.readline()
            time.sleep(0.02 * turn)
            os.kill(wild.pid, signal.SIGKILL)
            assert wild.wait(60) == -signal.SIGKILL
        assert not (tmp_path / "wild.h5").exists()
    with start(tmp_path / "wild.h5", 0.0) as last:
        assert last.wait(60) == 0
    assert (tmp_path / "calm.h5").read_bytes() == (tmp_path / "wild.h5").read_bytes()


def test_blocks_must_fit(tmp_path: Path) -> None:
    writer = ProductWriter.create_or_resume(tmp_path / "a.h5", layout(), SERIES, "k", TABLES)
    with pytest.raises(StoreError, match=r"a block of shape \(4, 1, 1\) does not fit its region of shape \(4, 6, 9\)"):
        writer.put("b", {}, {"timeseries": np.zeros((4, 1, 1))})
    with pytest.raises(StoreError, match=r"a\.h5 has no dataset 'other'"):
        writer.put("b", {}, {"other": np.zeros(3)})
    assert not writer.done("b")
    with pytest.raises(InputError, match="datasets of one file need the same rows and columns"):
        ProductWriter.create_or_resume(
            tmp_path / "b.h5", {**layout(), "x2": Dataset((2, 2), np.dtype("f4"))}, SERIES, ""
        )
    with pytest.raises(InputError, match="the attributes lack FILE_TYPE"):
        ProductWriter.create_or_resume(tmp_path / "b.h5", layout(), {}, "k")
    with pytest.raises(InputError, match="'x' is there already, or is the name of a coordinate"):
        ProductWriter.create_or_resume(tmp_path / "b.h5", {"x": Dataset((2, 2), np.dtype("f4"))}, SERIES, "k")
    assert not (tmp_path / "b.h5").exists()
    assert not swap.partial_of(tmp_path / "b.h5").exists()


def test_many_leading_axes(tmp_path: Path) -> None:
    values = np.arange(2 * 2 * ROWS * COLUMNS, dtype=np.float32).reshape(2, 2, ROWS, COLUMNS)
    entry = {"timeseries": Dataset(values.shape, values.dtype)}
    writer = ProductWriter.create_or_resume(tmp_path / "cov.h5", entry, SERIES, "k")
    for y in range(ROWS):
        writer.put(str(y), {"y": slice(y, y + 1)}, {"timeseries": values[:, :, y : y + 1]})
    with h5py.File(writer.finish()) as file:
        np.testing.assert_array_equal(file["timeseries"][()], values)


@pytest.mark.parametrize("compression", [None, "gzip", "lzf"])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i2", "u1", "?"])
def test_maps_written_at_once(tmp_path: Path, compression: str | None, dtype: str) -> None:
    values = (np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS) % 7).astype(dtype)
    attributes = {**samples.ATTRIBUTES, "FILE_TYPE": "mask"}
    path = tmp_path / "mask.h5"
    product.write_product(path, {"mask": values}, attributes, compression=compression, units={"mask": "m"})
    found = product.read_map(path)
    np.testing.assert_array_equal(found, values)
    assert found.dtype == values.dtype
    with h5py.File(path) as file:
        assert file["mask"].compression == compression
        assert file["mask"].attrs["UNIT"] == "m"
    assert [file.name for file in tmp_path.iterdir()] == ["mask.h5"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attributes = {**samples.ATTRIBUTES, "FILE_TYPE": "mask"}
    path = product.write_product(tmp_path / "mask.h5", {"mask": np.ones((2, 2), bool)}, attributes)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(swap, "sync_file", full)
    with pytest.raises(StoreError, match=r"cannot write .*mask\.h5: No space left on device"):
        product.write_product(path, {"mask": np.zeros((2, 2), bool)}, attributes)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["mask.h5"]
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"Not a directory|File exists"):
        product.write_product(tmp_path / "file" / "a.h5", {"mask": np.zeros((2, 2))}, attributes)
    with pytest.raises(StoreError, match="is a folder"):
        product.write_product(tmp_path, {"mask": np.zeros((2, 2))}, attributes)


def test_attributes_change_in_place(tmp_path: Path) -> None:
    path = fill(tmp_path / "timeseries.h5")
    product.update_product(path, attributes={"REF_DATE": "20200125", "EPSG": None, "NEW": "λ"})
    found = product.read_attributes(path)
    assert (found["REF_DATE"], found["NEW"], "EPSG" in found) == ("20200125", "λ", False)
    np.testing.assert_array_equal(product.read_map(path, "timeseries-20200206"), samples.series()[3])


def test_what_is_not_in_the_file_is_named(tmp_path: Path) -> None:
    path = fill(tmp_path / "timeseries.h5")
    with pytest.raises(StoreError, match=r"has no map 'height': choose from mask, timeseries"):
        product.read_map(path, "height")
    with pytest.raises(StoreError, match="has no date 20250101: it has 4 from 20200101 to 20200206"):
        product.read_map(path, "timeseries-20250101")
    with pytest.raises(StoreError, match="'timeseries' has 4 layers; name one, such as timeseries-YYYYMMDD"):
        product.read_map(path)
    stack = samples.foreign_stack(tmp_path / "ifgramStack.h5")
    np.testing.assert_array_equal(product.read_map(stack, "unwrapPhase-20200101_20200125"), samples.phase()[1])


# --- what other programs see ----------------------------------------------------------------------------------------


def test_xarray_sees_coordinates_times_and_the_reference_system(tmp_path: Path) -> None:
    path = fill(tmp_path / "timeseries.h5")
    with xr.open_dataset(path, engine="h5netcdf") as found:
        assert found.timeseries.dims == ("time", "y", "x")
        assert str(found.time.values[1])[:19] == "2020-01-13T01:00:00"
        np.testing.assert_array_equal(found.x, 500_015.0 + 30 * np.arange(COLUMNS))
        np.testing.assert_array_equal(found.y, 3_999_985.0 - 30 * np.arange(ROWS))
        assert "WGS 84 / UTM zone 13N" in found.spatial_ref.attrs["crs_wkt"]
        assert found.timeseries.attrs["grid_mapping"] == "spatial_ref"
        np.testing.assert_array_equal(found.timeseries, samples.series())


def test_radar_coordinates_count_pixels(tmp_path: Path) -> None:
    path = tmp_path / "geometryRadar.h5"
    attributes = {**samples.RADAR, "FILE_TYPE": "geometry"}
    product.write_product(path, {"height": np.ones((3, 4), "f4")}, attributes)
    with xr.open_dataset(path, engine="h5netcdf") as found:
        assert (found.y.values.tolist(), found.x.values.tolist()) == ([0, 1, 2], [0, 1, 2, 3])


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_a_stack_has_times_of_both_ends(tmp_path: Path, compression: str | None) -> None:
    path = samples.own_stack(tmp_path / "ifgramStack.h5", compression=compression)
    with xr.open_dataset(path, engine="h5netcdf") as found:
        assert found.unwrapPhase.dims == ("pair", "y", "x")
        assert str(found.sec_time.values[3])[:10] == "2020-02-06"
        assert found.coherence.ref_time.dims == ("pair",)
        np.testing.assert_array_equal(found.connectComponent, samples.maps()["connectComponent"])


# --- digests --------------------------------------------------------------------------------------------------------


def test_a_file_made_again_has_the_same_digest(tmp_path: Path) -> None:
    made = [provenance({"a": k}, {}) | {"created": f"2020-01-01T00:00:0{k}Z", "options": {}} for k in (1, 2)]
    first, second = (fill(tmp_path / f"{k}.h5", made=made[k]) for k in (0, 1))
    assert first.read_bytes() != second.read_bytes()
    assert digest_file(first) == digest_file(second)
    product.update_product(second, attributes={"REF_DATE": "20200113"})
    assert digest_file(first) != digest_file(second)
    third = fill(tmp_path / "3.h5", made=made[0])
    with h5py.File(third, "r+") as file:
        file["timeseries"][3, 5, 8] += 1
    assert digest_file(third) != digest_file(first)
    stacks = [samples.own_stack(tmp_path / f"s{k}.h5") for k in range(2)]
    assert digest_file(stacks[0]) == digest_file(stacks[1])


# --- changes in place -----------------------------------------------------------------------------------------------


def test_a_journal_that_is_whole_is_applied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fill(tmp_path / "timeseries.h5")
    old = path.read_bytes()

    def killed(*_: object) -> None:
        message = "killed"
        raise KeyboardInterrupt(message)

    with monkeypatch.context() as patch:
        patch.setattr(edit, "_apply", killed)
        with pytest.raises(KeyboardInterrupt, match="killed"):
            product.update_product(path, attributes={"REF_DATE": "20200125"})
    assert path.read_bytes() == old
    journal = edit.journal_of(path).read_bytes()
    assert product.read_attributes(path)["REF_DATE"] == "20200125"
    assert not edit.journal_of(path).exists()
    new = path.read_bytes()
    torn = bytearray(new)
    torn[:2048] = old[:2048]  # half of the first page is as it was
    path.write_bytes(torn)
    edit.journal_of(path).write_bytes(journal)
    assert product.read_attributes(path)["REF_DATE"] == "20200125"
    assert path.read_bytes() == new


def test_a_journal_of_another_file_or_a_damaged_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fill(tmp_path / "timeseries.h5")
    with monkeypatch.context() as patch:
        patch.setattr(edit, "_apply", lambda *_: None)
        product.update_product(path, attributes={"REF_DATE": "20200125"})
    journal = edit.journal_of(path).read_bytes()
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(StoreError, match=r"\.timeseries\.h5\.journal belongs to another timeseries\.h5"):
        product.read_attributes(path)
    edit.journal_of(path).write_bytes(journal[:-1])
    with pytest.raises(StoreError, match=r"\.timeseries\.h5\.journal is damaged"):
        product.read_attributes(path)
    fill(path)  # a new file has no use for it
    assert not edit.journal_of(path).exists()
    assert product.read_attributes(path)["REF_DATE"] == "20200101"


def test_a_file_open_elsewhere_is_not_changed(tmp_path: Path) -> None:
    path = fill(tmp_path / "timeseries.h5")
    with h5py.File(path, "r"), pytest.raises(StoreError, match=r"timeseries\.h5 is open in another program"):
        product.update_product(path, attributes={"A": "1"})


def test_a_body_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = fill(tmp_path / "timeseries.h5")
    before = path.read_bytes()

    def stop() -> None:
        with edit.editing(path) as file:
            file.attrs["A"] = "1"
            message = "stop"
            raise ValueError(message)

    with pytest.raises(ValueError, match="stop"):
        stop()
    assert path.read_bytes() == before


@settings(max_examples=25)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["set", "remove", "table", "drop"]), st.integers(0, 5), st.integers(0, 300)),
        max_size=12,
    )
)
def test_edits_in_memory_equal_edits_by_the_library(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("edit")
    for name in ("ours.h5", "theirs.h5"):
        with h5py.File(folder / name, "w") as file:
            file["base"] = np.arange(3000.0)

    def step(file: h5py.File, what: str, which: int, size: int) -> None:
        if what == "set":
            file.attrs[f"a{which}"] = "x" * size
        elif what == "remove" and f"a{which}" in file.attrs:
            del file.attrs[f"a{which}"]
        elif what == "table" and f"t{which}" not in file:
            file[f"t{which}"] = np.arange(size)
        elif what == "drop" and f"t{which}" in file:
            del file[f"t{which}"]

    for each in steps:
        with edit.editing(folder / "ours.h5") as file:
            step(file, *each)
        with h5py.File(folder / "theirs.h5", "r+") as file:
            step(file, *each)
    assert samples.contents(folder / "ours.h5") == samples.contents(folder / "theirs.h5")


def test_bad_files_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "there.h5", "w") as file:
        file["velocity"] = np.ones((2, 2))
    cases: dict[str, str] = {
        "link.h5": "'velocity' lies in another file",
        "outside.h5": "'velocity' lies in another file",
        "virtual.h5": "'velocity' lies in another file",
        "reference.h5": "'velocity' holds references to objects",
        "huge.h5": r"'velocity' claims 4000\.0 GB in a file of",
    }
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["velocity"] = h5py.ExternalLink("there.h5", "/velocity")
    with h5py.File(tmp_path / "outside.h5", "w") as file:
        file.create_dataset("velocity", (2, 2), "f4", external=[("/etc/hostname", 0, 16)])
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        virtual = h5py.VirtualLayout((2, 2), "f8")
        virtual[...] = h5py.VirtualSource(tmp_path / "there.h5", "velocity", (2, 2))
        file.create_virtual_dataset("velocity", virtual)
    with h5py.File(tmp_path / "reference.h5", "w") as file:
        file.create_dataset("velocity", (2, 2), h5py.ref_dtype)
    with h5py.File(tmp_path / "huge.h5", "w") as file:
        file.create_dataset("velocity", (10**6, 10**6), "f4", chunks=(100, 100))
    for name, why in cases.items():
        with h5py.File(tmp_path / name, "r+") as file:
            file.attrs["FILE_TYPE"] = "velocity"
        with pytest.raises(CreepmeterError, match=rf"{name}: {why}"):
            product.read_map(tmp_path / name, "velocity")


def test_attributes_of_any_type_become_text(tmp_path: Path) -> None:
    path = samples.foreign_file(tmp_path / "a.h5", "mask", {"mask": np.ones((2, 2), bool)})
    with h5py.File(path, "r+") as file:
        file.attrs["bytes"] = np.bytes_("abc")
        file.attrs["number"] = 3
        file.attrs["list"] = [1, 2]
        file.attrs["reference"] = file["mask"].ref
    found = product.read_attributes(path)
    assert (found["bytes"], found["number"], found["list"]) == ("abc", "3", "[1, 2]")
    assert "reference" not in found
    assert json.dumps(found)
