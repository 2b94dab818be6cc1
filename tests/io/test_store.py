from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from zarr.storage import LocalStore

import creepmeter as cm
from creepmeter.errors import InputError, StoreError
from creepmeter.io import layout, store, swap
from creepmeter.io.provenance import provenance
from creepmeter.model.grid import grid_of
from creepmeter.model.schema import make_pair_stack


def everything(path: Path) -> dict[str, bytes]:
    """Return every file of a store."""
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def assert_same(found: xr.Dataset, expected: xr.Dataset) -> None:
    xr.testing.assert_identical(found.drop_attrs(deep=False), expected.drop_attrs(deep=False))
    assert found.attrs == expected.attrs
    for name, variable in expected.variables.items():
        assert found[name].dtype == variable.dtype, name
        assert found[name].attrs == variable.attrs, name


def test_what_is_written_is_what_opens(stack: xr.Dataset, odd_folder: Path, utm: GeoBox) -> None:
    store.write(stack, odd_folder / "a b.zarr")
    found = cm.open(odd_folder / "a b.zarr")
    assert_same(found, stack)
    assert grid_of(found) == utm
    assert found.used.dtype == bool
    assert found.ref_time.dtype == np.dtype("datetime64[ns]")
    assert [file.name for file in odd_folder.iterdir()] == ["a b.zarr"]


@settings(max_examples=15)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 9), st.integers(1, 9)),
    moment=st.integers(-(2**61), 2**61),
    kind=st.sampled_from(["f4", "u1", "i2", "i8", "?"]),
)
def test_any_shape_type_and_date_round_trips(
    tmp_path_factory: pytest.TempPathFactory, shape: tuple[int, ...], moment: int, kind: str
) -> None:
    rng = np.random.default_rng(1)
    dims = ("component", "time", "y", "x")
    values = (rng.random(shape) * 100).astype(kind)
    times = np.array([moment + k for k in range(shape[1])], dtype="datetime64[ns]")
    names = np.array(["east", "north", "λ"][: shape[0]])
    table = rng.random((shape[1], 2))
    data = xr.Dataset({"v": (dims, values), "table": (("time", "two"), table)}, {"time": times, "component": names})
    path = tmp_path_factory.mktemp("any") / "a.zarr"
    store.write(data, path)
    assert_same(cm.open(path), data)


def test_map_variables_are_float32_and_tables_keep_their_type(tmp_path: Path) -> None:
    data = xr.Dataset({"map": (("y", "x"), np.full((2, 2), 0.1)), "table": (("a", "b"), np.full((2, 2), 0.1))})
    store.write(data, tmp_path / "a.zarr")
    found = cm.open(tmp_path / "a.zarr")
    assert (found["map"].dtype, found["table"].dtype) == (np.float32, np.float64)


def test_opening_reads_no_chunk(stack: xr.Dataset, tmp_path: Path) -> None:
    store.write(stack, tmp_path / "a.zarr")
    chunk = tmp_path / "a.zarr" / "displacement" / "c" / "0" / "0" / "0" / "0"
    chunk.write_bytes(b"not a chunk")
    found = cm.open(tmp_path / "a.zarr")
    with pytest.raises(Exception, match=r"."):
        found.displacement[0].load()
    np.testing.assert_array_equal(found.displacement[1], stack.displacement[1])


def test_attributes_for_other_programs(stack: xr.Dataset, tmp_path: Path) -> None:
    store.write(stack, tmp_path / "a.zarr")
    group = json.loads((tmp_path / "a.zarr" / "zarr.json").read_text())["attributes"]
    assert group["Conventions"] == "CF-1.8"
    assert group["proj:code"] == "EPSG:32613"
    assert group["spatial:transform"] == [30.0, 0.0, 500_000.0, 0.0, -30.0, 4_000_000.0]
    assert group["spatial:shape"] == [30, 40]
    displacement = json.loads((tmp_path / "a.zarr" / "displacement" / "zarr.json").read_text())
    assert displacement["attributes"]["grid_mapping"] == "spatial_ref"
    assert displacement["attributes"]["coordinates"] == "ref_time sec_time used"
    assert displacement["dimension_names"] == ["component", "pair", "y", "x"]
    assert "crs_wkt" in xr.open_zarr(tmp_path / "a.zarr", chunks=None, consolidated=False).spatial_ref.attrs


def test_provenance_is_kept_and_is_the_only_thing_that_differs(stack: xr.Dataset, tmp_path: Path) -> None:
    for name in "ab":
        store.write(stack, tmp_path / f"{name}.zarr", provenance({"chip_px": 32}, {"/scenes/s2.tif": "00"}))
    kept = json.loads(cm.open(tmp_path / "a.zarr").attrs["provenance"])
    assert kept["options"] == {"chip_px": 32}
    assert kept["inputs"] == {"s2.tif": "00"}
    first, second = everything(tmp_path / "a.zarr"), everything(tmp_path / "b.zarr")
    assert {name for name in first if first[name] != second[name]} <= {"zarr.json"}


def test_rewriting_a_product_from_itself(stack: xr.Dataset, tmp_path: Path) -> None:
    store.write(stack, tmp_path / "a.zarr")
    lazy = cm.open(tmp_path / "a.zarr")
    store.write(lazy.assign(displacement=lazy.displacement * 2), tmp_path / "a.zarr")
    np.testing.assert_array_equal(cm.open(tmp_path / "a.zarr").displacement, stack.displacement * 2)
    assert [file.name for file in tmp_path.iterdir()] == ["a.zarr"]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (np.array([{1}, {2}], dtype=object), "Python objects"),
        (np.array([1, 2], "m8[s]"), "timedelta64"),
        (np.array(["2020", "NaT"], "M8[ns]"), "NaT"),
        (np.zeros(2, [("a", "f4")]), "its type is"),
    ],
)
def test_what_cannot_be_stored_leaves_the_old_product(
    stack: xr.Dataset, tmp_path: Path, bad: np.ndarray, why: str
) -> None:
    store.write(stack, tmp_path / "a.zarr")
    with pytest.raises(StoreError, match=why):
        store.write(xr.Dataset({"bad": ("n", bad)}), tmp_path / "a.zarr")
    assert_same(cm.open(tmp_path / "a.zarr"), stack)
    assert [file.name for file in tmp_path.iterdir()] == ["a.zarr"]


@pytest.mark.parametrize("value", [object(), float("nan"), {"a": [float("inf")]}])
def test_attributes_must_be_json(value: object, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"attribute the dataset\.x"):
        store.write(xr.Dataset(attrs={"x": value}), tmp_path / "a.zarr")


def test_numpy_attributes_become_plain(tmp_path: Path) -> None:
    attributes = {"n": np.int16(3), "f": np.float64(0.5), "values": np.array([1, 2]), "t": np.datetime64("2020-01-01")}
    store.write(xr.Dataset(attrs=attributes), tmp_path / "a.zarr")
    assert cm.open(tmp_path / "a.zarr").attrs == {"n": 3, "f": 0.5, "values": [1, 2], "t": "2020-01-01"}


def test_a_folder_of_something_else_is_not_replaced(stack: xr.Dataset, tmp_path: Path) -> None:
    (tmp_path / "photos.zarr").mkdir()
    (tmp_path / "photos.zarr" / "a.jpg").touch()
    with pytest.raises(StoreError, match="no Zarr store: it is not replaced"):
        store.write(stack, tmp_path / "photos.zarr")
    with pytest.raises(InputError, match=r"ending in \.zarr"):
        store.write(stack, tmp_path / "a.h5")


def test_a_folder_that_cannot_be_written_is_named(stack: xr.Dataset, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot write .*a\.zarr: Not a directory"):
        store.write(stack, tmp_path / "file" / "a.zarr")
    with pytest.raises(StoreError, match="File name too long"):
        store.write(stack, tmp_path / f"{'n' * 300}.zarr")


def test_disk_full_keeps_the_old_product(stack: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write(stack, tmp_path / "a.zarr")
    monkeypatch.setattr(swap, "sync_file", _disk_full)
    with pytest.raises(StoreError, match=r"cannot write .*a\.zarr: No space left on device; check free space"):
        store.write(stack * 2, tmp_path / "a.zarr")
    monkeypatch.undo()
    assert_same(cm.open(tmp_path / "a.zarr"), stack)
    assert [file.name for file in tmp_path.iterdir()] == ["a.zarr"]


def _disk_full(path: Path) -> None:
    raise OSError(28, "No space left on device", str(path))


# --- block by block -------------------------------------------------------------------------------------------------


def template_of(stack: xr.Dataset) -> xr.Dataset:
    empty = {
        name: (variable.dims, np.broadcast_to(np.zeros((), variable.dtype), variable.shape), variable.attrs)
        for name, variable in stack.data_vars.items()
    }
    return stack.assign(empty)


def fill(stack: xr.Dataset, path: Path, *, until: int = 99, key: str = "k") -> store.StoreWriter:
    writer = store.StoreWriter.create_or_resume(path, template_of(stack), {"pair": 2, "y": 16, "x": 16}, key)
    for k, rows in enumerate(slice(start, start + 8) for start in range(0, 30, 8)):
        if k >= until:
            message = "killed"
            raise KeyboardInterrupt(message)
        if not writer.done(f"block {k}"):
            part = stack.isel(y=rows)
            writer.put(f"block {k}", {"y": rows}, {str(name): part[name].values for name in part.data_vars})
    return writer


@settings(max_examples=10)
@given(stops=st.lists(st.integers(0, 3), max_size=3))
def test_a_store_does_not_depend_on_how_often_it_was_interrupted(
    tmp_path_factory: pytest.TempPathFactory, stops: list[int]
) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2, 3, 30, 40)).astype(np.float32)
    pairs = [("20200101", f"202002{day}") for day in (10, 11, 12)]
    stack = make_pair_stack(values, pairs, ["east", "north"], quality=0.2)
    folder = tmp_path_factory.mktemp("resume")
    fill(stack, folder / "calm.zarr").finish({"options": 1})
    for stop in stops:
        with pytest.raises(KeyboardInterrupt, match="killed"):
            fill(stack, folder / "wild.zarr", until=stop)
        _leave_stray_files(folder / ".wild.zarr.partial" / "store")
    fill(stack, folder / "wild.zarr").finish({"options": 1})
    assert everything(folder / "calm.zarr") == everything(folder / "wild.zarr")
    assert_same(cm.open(folder / "wild.zarr"), stack.assign_attrs(provenance='{"options": 1}'))
    assert sorted(file.name for file in folder.iterdir()) == ["calm.zarr", "wild.zarr"]


def _leave_stray_files(folder: Path) -> None:
    """Leave what zarr leaves when it is killed between writing and renaming a chunk."""
    chunk = folder / "displacement" / "c" / "0" / "0" / "0" / ("0." + "a1" * 16 + ".partial")
    chunk.parent.mkdir(parents=True, exist_ok=True)
    chunk.write_bytes(b"half")


def test_done_blocks_are_not_worked_again(stack: xr.Dataset, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt, match="killed"):
        fill(stack, tmp_path / "a.zarr", until=2)
    again = store.StoreWriter.create_or_resume(
        tmp_path / "a.zarr", template_of(stack), {"pair": 2, "y": 16, "x": 16}, "k"
    )
    assert [again.done(f"block {k}") for k in range(4)] == [True, True, False, False]


@pytest.mark.parametrize("change", ["key", "chunks", "template"])
def test_a_partial_store_of_other_options_is_made_anew(stack: xr.Dataset, tmp_path: Path, change: str) -> None:
    with pytest.raises(KeyboardInterrupt, match="killed"):
        fill(stack, tmp_path / "a.zarr", until=2)
    template = template_of(stack)
    if change == "template":
        template = template.assign_coords(x=template.x + 1)
    chunks = {"pair": 1} if change == "chunks" else {"pair": 2, "y": 16, "x": 16}
    again = store.StoreWriter.create_or_resume(tmp_path / "a.zarr", template, chunks, "K" if change == "key" else "k")
    assert not again.done("block 0")


def test_an_unfinished_store_is_not_opened(stack: xr.Dataset, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt, match="killed"):
        fill(stack, tmp_path / "a.zarr", until=2)
    with pytest.raises(StoreError, match=r"a\.zarr was not finished: run the same command again"):
        cm.open(tmp_path / "a.zarr")
    with pytest.raises(StoreError, match="store in the making"):
        cm.open(tmp_path / ".a.zarr.partial")


def test_blocks_must_fit(stack: xr.Dataset, tmp_path: Path) -> None:
    writer = store.StoreWriter.create_or_resume(tmp_path / "a.zarr", template_of(stack), {}, "k")
    with pytest.raises(StoreError, match=r"shape \(2, 3, 1, 1\) does not fit its region of shape \(2, 3, 30, 40\)"):
        writer.put("b", {}, {"displacement": np.zeros((2, 3, 1, 1))})
    with pytest.raises(StoreError, match="no variable 'other'"):
        writer.put("b", {}, {"other": np.zeros(3)})
    assert not writer.done("b")


def test_disk_full_in_a_block_does_not_mark_it(
    stack: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = store.StoreWriter.create_or_resume(tmp_path / "a.zarr", template_of(stack), {}, "k")
    monkeypatch.setattr(swap, "sync_file", _disk_full)
    with pytest.raises(StoreError, match="No space left"):
        writer.put("b", {"pair": slice(0, 1)}, {"quality": np.ones((1, 30, 40))})
    monkeypatch.undo()
    assert not store.StoreWriter.create_or_resume(tmp_path / "a.zarr", template_of(stack), {}, "k").done("b")


@pytest.mark.parametrize("when", ["old aside", "both there"])
def test_a_crash_between_the_two_renames_loses_nothing(stack: xr.Dataset, tmp_path: Path, when: str) -> None:
    path = tmp_path / "a.zarr"
    store.write(stack, path)
    if when == "old aside":
        path.rename(swap.old_of(path))
    else:
        shutil.copytree(path, swap.old_of(path))
    assert_same(cm.open(path).load(), stack)
    store.write(stack * 2, path)
    np.testing.assert_array_equal(cm.open(path).displacement, stack.displacement * 2)
    assert [file.name for file in tmp_path.iterdir()] == ["a.zarr"]


def test_a_crash_in_finish_is_taken_up(stack: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.zarr"
    store.write(stack * 3, path)
    with monkeypatch.context() as patch:
        patch.setattr(swap, "remove_stray", _disk_full)
        with pytest.raises(StoreError, match=r"cannot finish .*a\.zarr"):
            fill(stack, path).finish({"a": 1})
    np.testing.assert_array_equal(cm.open(path).displacement, stack.displacement * 3)
    fill(stack, path).finish({"a": 1})
    np.testing.assert_array_equal(cm.open(path).displacement, stack.displacement)


_VICTIM = """
import sys, time
import numpy as np
from creepmeter.io.store import StoreWriter
from creepmeter.model.schema import make_pair_stack
path, pause = sys.argv[1], float(sys.argv[2])
values = np.random.default_rng(0).normal(size=(1, 6, 128, 128)).astype(np.float32)
stack = make_pair_stack(values, [("20200101", f"202002{d}") for d in range(10, 16)], used=[True] * 6)
writer = StoreWriter.create_or_resume(path, stack, {"pair": 2, "y": 32, "x": 32}, "key")
for k in range(6):
    if not writer.done(str(k)):
        writer.put(str(k), {"pair": slice(k, k + 1)}, {"displacement": values[:, k : k + 1]})
        print(k, flush=True)
        time.sleep(pause)
writer.finish({"options": {}})
"""


def test_kill_9_twice_and_again_gives_the_same_bytes(tmp_path: Path) -> None:
    def start(path: Path, pause: float) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", _VICTIM, str(path), str(pause)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONWARNINGS": ""})

    with start(tmp_path / "calm.zarr", 0.0) as calm:
        assert calm.wait(60) == 0
    for turn in range(2):
        with start(tmp_path / "wild.zarr", 0.05) as wild:
            assert wild.stdout is not None
            wild.stdout.readline()
            time.sleep(0.02 * turn)
            os.kill(wild.pid, signal.SIGKILL)
            assert wild.wait(60) == -signal.SIGKILL
        assert not (tmp_path / "wild.zarr").exists()
    with start(tmp_path / "wild.zarr", 0.0) as last:
        assert last.wait(60) == 0
    assert everything(tmp_path / "calm.zarr") == everything(tmp_path / "wild.zarr")


# --- what is not ours -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["http://x.org/a.zarr", "/vsicurl/http://x.org/a.tif", "s3://bucket/a.zarr"])
def test_addresses_are_refused(name: str) -> None:
    with pytest.raises(StoreError, match="only local files"):
        cm.open(name)


def test_what_is_not_there_or_no_product_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"nothing\.zarr does not exist"):
        cm.open(tmp_path / "nothing.zarr")
    with pytest.raises(StoreError, match=r"zarr\.json is missing"):
        cm.open(tmp_path)
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(StoreError, match="no product"):
        cm.open(tmp_path / "a.txt")


def test_zarr_2_is_refused(tmp_path: Path) -> None:
    zarr.create_group(LocalStore(tmp_path / "old.zarr"), zarr_format=2)
    with pytest.raises(StoreError, match="only format 3 is read"):
        cm.open(tmp_path / "old.zarr")


@pytest.mark.parametrize("codec", ["numcodecs.pickle", "numcodecs.json2", "my.module.Codec"])
def test_python_codecs_are_refused(stack: xr.Dataset, tmp_path: Path, codec: str) -> None:
    store.write(stack, tmp_path / "a.zarr")
    file = tmp_path / "a.zarr" / "quality" / "zarr.json"
    metadata = json.loads(file.read_text())
    metadata["codecs"][1]["name"] = codec
    file.write_text(json.dumps(metadata))
    with pytest.raises(StoreError, match="not among those that are read safely"):
        cm.open(tmp_path / "a.zarr")


@pytest.mark.parametrize("damage", ['{"zarr_format": 3', "[]", '{"zarr_format": 3, "node_type": "group"}'])
def test_damaged_metadata_is_named(stack: xr.Dataset, tmp_path: Path, damage: str) -> None:
    store.write(stack, tmp_path / "a.zarr")
    (tmp_path / "a.zarr" / "quality" / "zarr.json").write_text(damage)
    with pytest.raises(StoreError, match=r"quality.zarr\.json is"):
        cm.open(tmp_path / "a.zarr")


def test_netcdf_opens_whatever_its_name(tmp_path: Path) -> None:
    data = xr.Dataset({"v": ("x", np.arange(3.0))}, {"x": [1.0, 2.0, 3.0]})
    data.to_netcdf(tmp_path / "a.bin", engine="h5netcdf")
    data.to_netcdf(tmp_path / "b.bin", engine="scipy")
    for name in ("a.bin", "b.bin"):
        with cm.open(tmp_path / name) as found:
            np.testing.assert_array_equal(found.v, data.v)


def test_hdf5_that_is_cut_or_points_elsewhere_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "whole.h5", "w") as file:
        file["v"] = np.arange(1000.0)
    (tmp_path / "cut.h5").write_bytes((tmp_path / "whole.h5").read_bytes()[:96])
    with pytest.raises(StoreError, match=r"cut\.h5 is damaged or cut"):
        cm.open(tmp_path / "cut.h5")
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file.create_group("g")["v"] = h5py.ExternalLink("whole.h5", "/v")
    with pytest.raises(StoreError, match="'g/v' lies in another file"):
        cm.open(tmp_path / "link.h5")
    with h5py.File(tmp_path / "outside.h5", "w") as file:
        file.create_dataset("w", (4,), "f4", external=[("/etc/hostname", 0, 16)])
    with pytest.raises(StoreError, match="'w' lies in another file"):
        cm.open(tmp_path / "outside.h5")


def test_mintpy_files_without_maps_say_so(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "timeseries.h5", "w") as file:
        file.attrs["FILE_TYPE"] = "timeseries"
    with pytest.raises(StoreError, match=r"timeseries\.h5 holds no maps"):
        cm.open(tmp_path / "timeseries.h5")


# --- layout ---------------------------------------------------------------------------------------------------------


@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 400), st.integers(1, 3000), st.integers(1, 3000)),
    chunks=st.dictionaries(st.sampled_from(["time", "y", "x"]), st.integers(1, 500)),
)
def test_chunks_fit_the_array_and_stay_small(shape: tuple[int, ...], chunks: dict[str, int]) -> None:
    variable = xr.Variable(("component", "time", "y", "x"), np.broadcast_to(np.float32(0), shape))
    found = layout.chunk_shape(variable, variable.dtype, chunks)
    assert all(1 <= c <= s for c, s in zip(found, shape, strict=True))
    for dim, size in chunks.items():
        axis = variable.dims.index(dim)
        assert found[axis] == min(size, shape[axis])
    if not chunks:
        assert np.prod(found) * 4 <= layout.CHUNK_BYTES


@given(
    shape=st.lists(st.integers(0, 50), max_size=3).map(tuple),
    data=st.data(),
)
def test_copy_regions_cover_every_cell_once_on_chunk_edges(shape: tuple[int, ...], data: st.DataObject) -> None:
    chunk = tuple(data.draw(st.integers(1, max(size, 1))) for size in shape)
    count = np.zeros(shape, int)
    for region in layout.regions(shape, chunk, itemsize=2**22):
        count[region] += 1
        assert all(cut.start % size == 0 for cut, size in zip(region, chunk, strict=True))
    assert (count == 1).all()
