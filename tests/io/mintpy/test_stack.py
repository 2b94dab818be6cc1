from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.io.mintpy import samples

from creepmeter.errors import InputError, StoreError
from creepmeter.io import swap
from creepmeter.io.mintpy.sidecar import sidecar_of
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.io.mintpy.writestack import create_stack

COUNT, ROWS, COLUMNS = len(samples.PAIRS), samples.ROWS, samples.COLUMNS


@pytest.fixture(params=["foreign", "own", "gzip", "lzf"])
def any_stack(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "inputs" / "ifgramStack.h5"
    if request.param == "foreign":
        return samples.foreign_stack(path)
    return samples.own_stack(path, compression=None if request.param == "own" else request.param)


def test_tables_and_attributes(any_stack: Path) -> None:
    stack = StackFile.open(any_stack)
    assert stack.shape == (COUNT, ROWS, COLUMNS)
    assert list(stack.pairs) == samples.pairs()
    assert stack.names == ("coherence", "connectComponent", "unwrapPhase")
    np.testing.assert_array_equal(stack.bperp, samples.BPERP)
    assert stack.keep.all()
    assert stack.reference is None
    assert stack.attributes["WAVELENGTH"] == "0.056"


def test_every_window_is_read_as_it_was_written(any_stack: Path) -> None:
    stack = StackFile.open(any_stack)
    for name, expected in samples.maps().items():
        np.testing.assert_array_equal(stack.read(name), expected)
        assert stack.read(name).dtype == expected.dtype
        np.testing.assert_array_equal(stack.read_pair(name, 2), expected[2])
        np.testing.assert_array_equal(stack.pixel(name, 4, 7), expected[:, 4, 7])
        np.testing.assert_array_equal(stack.read(name, slice(1, 3), pairs=np.array([3, 0])), expected[[3, 0], 1:3])
        np.testing.assert_array_equal(stack.read(name, slice(2, 2)), expected[:, 2:2])


@given(
    rows=st.tuples(st.integers(0, ROWS), st.integers(0, ROWS)).map(lambda cut: slice(*sorted(cut))),
    columns=st.tuples(st.integers(0, COLUMNS), st.integers(0, COLUMNS)).map(lambda cut: slice(*sorted(cut))),
    picked=st.lists(st.integers(-COUNT, COUNT - 1), max_size=6),
    kind=st.sampled_from(["own", "foreign"]),
)
def test_any_window_equals_the_slice(
    tmp_path_factory: pytest.TempPathFactory, rows: slice, columns: slice, picked: list[int], kind: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"window-{kind}.h5"
    if not path.exists():
        (samples.own_stack if kind == "own" else samples.foreign_stack)(path)
    found = StackFile.open(path).read("unwrapPhase", rows, pairs=np.array(picked, np.intp), columns=columns)
    np.testing.assert_array_equal(found, samples.phase()[picked][:, rows, columns])


def test_a_window_may_lie_in_memory_that_is_there(any_stack: Path) -> None:
    stack = StackFile.open(any_stack)
    room = np.full((COUNT, 3, COLUMNS), -1, np.float32)
    for rows in (slice(0, 3), slice(1, 3), slice(0, ROWS)):  # the last does not fit
        found = stack.read("unwrapPhase", rows, room=room)
        np.testing.assert_array_equal(found, samples.phase()[:, rows])
        in_one_piece = stack.stored("unwrapPhase").chunks is None
        assert np.shares_memory(found, room) == (in_one_piece and rows.stop == 3)
    np.testing.assert_array_equal(stack.read("connectComponent", room=room), samples.maps()["connectComponent"])


def test_many_threads_read_the_same(any_stack: Path) -> None:
    stack = StackFile.open(any_stack)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda row: stack.read("unwrapPhase", slice(row, row + 1)), list(range(ROWS)) * 5))
    np.testing.assert_array_equal(np.concatenate(found[:ROWS], axis=1), samples.phase())
    assert all((found[k] == found[k % ROWS]).all() for k in range(len(found)))


def test_foreign_byte_order_becomes_that_of_the_machine(tmp_path: Path) -> None:
    path = samples.foreign_stack(tmp_path / "a.h5", unwrapPhase=samples.phase().astype(">f4"))
    found = StackFile.open(path).read("unwrapPhase")
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, samples.phase())


def test_what_is_not_there_is_named(any_stack: Path) -> None:
    stack = StackFile.open(any_stack)
    with pytest.raises(StoreError, match=r"ifgramStack\.h5 has no dataset 'phase': it has coherence, connectComponent"):
        stack.read("phase")
    with pytest.raises(InputError, match="6 x 9 pixels, row 6 and column 0 lie outside"):
        stack.pixel("coherence", 6, 0)
    with pytest.raises(InputError, match="has 4 layers, number 9 was asked for"):
        stack.read("coherence", pairs=np.array([9]))
    with pytest.raises(InputError, match="a window has no steps"):
        stack.read("coherence", slice(0, 6, 2))


# --- edits ----------------------------------------------------------------------------------------------------------


def add(stack: StackFile, name: str = "unwrapPhase_bridging", key: str = "k", until: int = 99, plus: float = 1) -> None:
    writer = stack.add_dataset(name, "f4", {"mintpy.unwrapError.ramp": "no"}, key)
    for k, values in enumerate(samples.phase()):
        if k >= until:
            message = "killed"
            raise KeyboardInterrupt(message)
        if not writer.done(k):
            writer.put(k, values + plus)
    writer.finish()


def test_edits_are_there_at_the_next_opening(any_stack: Path) -> None:
    before = any_stack.read_bytes()
    stack = StackFile.open(any_stack)
    stack.set_keep([True, False, True, True])
    stack.set_attributes({"REF_Y": "3", "REF_X": "4", "PROCESSOR": None})
    add(stack)
    for found in (stack, StackFile.open(any_stack)):
        assert found.keep.tolist() == [True, False, True, True]
        assert found.reference == (3, 4)
        assert "PROCESSOR" not in found.attributes
        assert "unwrapPhase_bridging" in found.names
        np.testing.assert_array_equal(found.read("unwrapPhase_bridging", slice(1, 4)), samples.phase()[:, 1:4] + 1)
        np.testing.assert_array_equal(found.read("unwrapPhase"), samples.phase())
    if sidecar_of(any_stack).exists():
        assert any_stack.read_bytes() == before
        assert sorted(file.name for file in any_stack.parent.iterdir()) == ["ifgramStack.creepmeter.h5", any_stack.name]
    else:
        assert [file.name for file in any_stack.parent.iterdir()] == [any_stack.name]
        with h5py.File(any_stack) as file:
            assert file["dropIfgram"][()].tolist() == [True, False, True, True]
            assert file.attrs["REF_Y"] == "3"
            assert file["unwrapPhase_bridging"].attrs["mintpy.unwrapError.ramp"] == "no"
            assert "MODIFICATION_TIME" in file["unwrapPhase_bridging"].attrs


def test_a_foreign_stack_is_changed_only_when_asked(tmp_path: Path) -> None:
    path = samples.foreign_stack(tmp_path / "ifgramStack.h5")
    stack = StackFile.open(path, in_place=True)
    stack.set_keep([False, True, True, True])
    add(stack)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert StackFile.open(path).keep.tolist() == [False, True, True, True]
    np.testing.assert_array_equal(StackFile.open(path).read("unwrapPhase_bridging"), samples.phase() + 1)


def test_edits_of_another_stack_are_refused(tmp_path: Path) -> None:
    path = samples.foreign_stack(tmp_path / "ifgramStack.h5")
    StackFile.open(path).set_keep([False, True, True, True])
    with pytest.raises(StoreError, match=r"ifgramStack\.creepmeter\.h5 holds edits of ifgramStack\.h5: delete it"):
        StackFile.open(path, in_place=True)
    samples.foreign_stack(path, unwrapPhase=samples.phase() + 1)
    with pytest.raises(StoreError, match=r"holds edits of another ifgramStack\.h5, or ifgramStack\.h5 has changed"):
        StackFile.open(path)


def test_a_dataset_appears_only_when_it_is_whole(any_stack: Path) -> None:
    stack = StackFile.open(any_stack)
    writer = stack.add_dataset("unwrapPhase_bridging", "f4", {}, "k")
    writer.put(0, samples.phase()[0])
    assert "unwrapPhase_bridging" not in StackFile.open(any_stack).names
    with pytest.raises(StoreError, match=r"'unwrapPhase_bridging' lacks 3 map\(s\), the first is number 1"):
        writer.finish()
    with pytest.raises(InputError, match=r"map 9 of shape \(6, 9\) does not fit 4 maps of 6 x 9"):
        writer.put(9, samples.phase()[0])
    with pytest.raises(InputError, match="cannot be the name of a dataset"):
        stack.add_dataset("date", "f4", {}, "k")


def test_an_added_dataset_is_taken_up_or_made_anew(any_stack: Path) -> None:
    with pytest.raises(KeyboardInterrupt, match="killed"):
        add(StackFile.open(any_stack), until=2)
    again = StackFile.open(any_stack).add_dataset("unwrapPhase_bridging", "f4", {}, "k")
    assert [again.done(k) for k in range(COUNT)] == [True, True, False, False]
    other = StackFile.open(any_stack).add_dataset("unwrapPhase_bridging", "f4", {}, "other")
    assert not other.done(0)
    add(StackFile.open(any_stack), key="other", plus=2)
    np.testing.assert_array_equal(StackFile.open(any_stack).read("unwrapPhase_bridging"), samples.phase() + 2)


def test_a_replaced_dataset_takes_no_more_room(tmp_path: Path) -> None:
    path = samples.own_stack(tmp_path / "a.h5")
    add(StackFile.open(path))
    place = StackFile.open(path).stored("unwrapPhase_bridging").offset
    for turn in range(3):
        add(StackFile.open(path), key=str(turn), plus=turn)
    assert StackFile.open(path).stored("unwrapPhase_bridging").offset == place
    np.testing.assert_array_equal(StackFile.open(path).read("unwrapPhase_bridging"), samples.phase() + 2)


def test_nothing_is_written_when_nothing_changes(any_stack: Path) -> None:
    stack = StackFile.open(any_stack)
    before = any_stack.stat().st_mtime_ns
    stack.set_keep(stack.keep)
    stack.set_attributes({"PROCESSOR": "isce", "REF_Y": None})
    assert any_stack.stat().st_mtime_ns == before
    assert not sidecar_of(any_stack).exists()
    with pytest.raises(InputError, match=r"3 flag\(s\) for 4 pairs"):
        stack.set_keep([True] * 3)


def test_the_digest_follows_what_counts(any_stack: Path) -> None:
    stack = StackFile.open(any_stack)
    first = stack.digest()
    assert first == StackFile.open(any_stack).digest()
    stack.set_keep([True, True, True, False])
    second = stack.digest()
    stack.set_attributes({"REF_Y": "1", "REF_X": "1"})
    third = stack.digest()
    part = stack.digest(["coherence"])
    add(stack)
    assert len({first, second, third, part, stack.digest()}) == 5
    assert stack.digest(["coherence"]) == part
    assert stack.digest() == StackFile.open(any_stack).digest()


# --- written pair by pair -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_a_stack_does_not_depend_on_how_often_it_was_interrupted(tmp_path: Path, compression: str | None) -> None:
    samples.own_stack(tmp_path / "calm.h5", compression=compression)
    for until in (0, 2, 2, 3):
        with pytest.raises(KeyboardInterrupt, match="killed"):
            samples.own_stack(tmp_path / "wild.h5", compression=compression, until=until)
        assert not (tmp_path / "wild.h5").exists()
    samples.own_stack(tmp_path / "wild.h5", compression=compression)
    assert samples.contents(tmp_path / "calm.h5") == samples.contents(tmp_path / "wild.h5")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["calm.h5", "wild.h5"]


def test_a_partial_stack_of_another_key_is_made_anew(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt, match="killed"):
        samples.own_stack(tmp_path / "a.h5", until=2)
    kinds = {name: item.dtype for name, item in samples.maps().items()}
    given: dict[str, Any] = {
        "pairs": samples.pairs(),
        "bperp": samples.BPERP,
        "shape": (ROWS, COLUMNS),
        "datasets": kinds,
    }
    again = create_stack(tmp_path / "a.h5", attributes=samples.ATTRIBUTES, key="k", **given)
    assert [again.done(k) for k in range(COUNT)] == [True, True, False, False]
    other = create_stack(tmp_path / "a.h5", attributes=samples.ATTRIBUTES, key="K", **given)
    assert not other.done(0)


def test_lists_must_agree(tmp_path: Path) -> None:
    given: dict[str, Any] = {"shape": (2, 2), "datasets": {"unwrapPhase": "f4"}, "attributes": {}, "key": "k"}
    with pytest.raises(InputError, match=r"4 pair\(s\) with 2 baseline\(s\)"):
        create_stack(tmp_path / "a.h5", pairs=samples.pairs(), bperp=[0, 1], **given)
    with pytest.raises(InputError, match="pair 20200101_20200113 comes twice"):
        create_stack(tmp_path / "a.h5", pairs=[samples.pairs()[0]] * 2, bperp=[0, 1], **given)
    with pytest.raises(InputError, match="compression 'zip' is not known"):
        create_stack(tmp_path / "a.h5", pairs=samples.pairs(), bperp=samples.BPERP, compression="zip", **given)


def test_numbers_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    writer = create_stack(
        tmp_path / "a.h5",
        pairs=samples.pairs(),
        bperp=samples.BPERP,
        shape=(1, 2),
        datasets={"connectComponent": "i2", "unwrapPhase": "f4"},
        attributes={},
        key="k",
    )
    with pytest.raises(StoreError, match="'connectComponent' is stored as int16, the values int64 do not fit"):
        writer.put(0, {"connectComponent": np.array([[70_000, 1]])})
    with pytest.raises(StoreError, match="'connectComponent' is stored as int16, the values float64 do not fit"):
        writer.put(0, {"connectComponent": np.array([[np.nan, 1]])})
    with pytest.raises(StoreError, match=r"a block of shape \(2, 1\) does not fit its region"):
        writer.put(0, {"unwrapPhase": np.zeros((2, 1))})
    with pytest.raises(StoreError, match="has no dataset 'other'"):
        writer.put(0, {"other": np.zeros((1, 2))})
    assert not writer.done(0)


def test_a_full_disk_leaves_the_old_stack_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = samples.own_stack(tmp_path / "a.h5")
    before = path.stat().st_size

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        with pytest.raises(StoreError, match=r"cannot write .*a\.h5: No space left on device; check free space"):
            samples.own_stack(path, key="other")
        with pytest.raises(StoreError, match=r"cannot write .*a\.h5: No space left on device"):
            add(StackFile.open(path))
    assert [file.name for file in tmp_path.iterdir()] == ["a.h5"]
    assert StackFile.open(path).names == ("coherence", "connectComponent", "unwrapPhase")
    np.testing.assert_array_equal(StackFile.open(path).read("unwrapPhase"), samples.phase())
    assert path.stat().st_size < before + 20_000
    monkeypatch.setattr(os, "fsync", full)
    monkeypatch.setattr(swap, "sync_file", full)
    with pytest.raises(StoreError, match=r"cannot change .*a\.h5: No space left on device"):
        StackFile.open(path).set_attributes({"REF_Y": "1"})
    monkeypatch.undo()
    assert StackFile.open(path).reference is None


_VICTIM = """
import sys
from pathlib import Path
import numpy as np
from tests.io.mintpy import samples
from creepmeter.io.mintpy.stack import StackFile
path = Path(sys.argv[1])
print("go", flush=True)
for turn in range(int(sys.argv[2])):
    stack = StackFile.open(path)
    stack.set_keep([turn % 2 == 0, True, True, True])
    many = {f"A{k}": "x" * 50 * (turn % 5) for k in range(30)}
    stack.set_attributes({"REF_Y": str(turn % 3), "REF_X": str(turn % 3), **many})
    writer = stack.add_dataset("unwrapPhase_bridging", "f4", {}, str(turn))
    for k, values in enumerate(samples.phase()):
        if not writer.done(k):
            writer.put(k, values + turn)
    writer.finish()
"""


@pytest.mark.parametrize("kind", ["own", "foreign"])
def test_kill_9_at_any_moment_leaves_a_stack_that_opens(tmp_path: Path, root: Path, kind: str) -> None:
    path = (samples.own_stack if kind == "own" else samples.foreign_stack)(tmp_path / "ifgramStack.h5")
    env = {**os.environ, "PYTHONWARNINGS": "", "PYTHONPATH": str(root)}

    def start(turns: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", _VICTIM, str(path), str(turns)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)

    for delay in (0.01, 0.05, 0.2):
        with start(1000) as victim:
            assert victim.stdout is not None
            victim.stdout.readline()
            time.sleep(delay)
            os.kill(victim.pid, signal.SIGKILL)
            assert victim.wait(60) == -signal.SIGKILL
        stack = StackFile.open(path)
        row, column = stack.reference or (0, 0)
        assert row == column
        np.testing.assert_array_equal(stack.read("unwrapPhase"), samples.phase())
    with start(4) as last:
        assert last.wait(60) == 0
    stack = StackFile.open(path)
    np.testing.assert_array_equal(stack.read("unwrapPhase_bridging"), samples.phase() + 3)
    assert (stack.keep.tolist(), stack.reference) == ([False, True, True, True], (0, 0))


# --- faults ---------------------------------------------------------------------------------------------------------


def test_a_stack_that_is_cut_is_named(any_stack: Path) -> None:
    whole = any_stack.read_bytes()
    for size in (0, 96, len(whole) // 2, len(whole) - 1):
        any_stack.write_bytes(whole[:size])
        with pytest.raises(StoreError, match=r"ifgramStack\.h5 is damaged or cut"):
            StackFile.open(any_stack)
    with pytest.raises(StoreError, match=r"none\.h5 does not exist"):
        StackFile.open(any_stack.with_name("none.h5"))


def test_random_damage_is_an_error_of_ours_or_none(tmp_path: Path) -> None:
    path = samples.foreign_stack(tmp_path / "a.h5")
    whole = path.read_bytes()
    rng = np.random.default_rng(1)
    for _ in range(60):
        hurt = bytearray(whole)
        for place in rng.integers(0, 4000, 8):
            hurt[place] = int(rng.integers(0, 256))
        path.write_bytes(bytes(hurt))
        with suppress(StoreError, InputError):
            StackFile.open(path).read("unwrapPhase")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"coherence": np.zeros((COUNT, 3, 3), "f4")}, r"differ in shape \(coherence \(4, 3, 3\)"),
        ({"date": samples.dates_of(samples.PAIRS[:3])}, "has 4 maps for 3 pairs"),
        ({"date": samples.dates_of(samples.DATES)}, "a stack has two dates for each pair"),
        ({"date": np.zeros((4, 3), "S8")}, r"has shape \(4, 3\)"),
        ({"date": samples.dates_of([("20240230", "20240301")] * 4)}, "'20240230' is not a date"),
        ({"date": samples.dates_of([("240101", "240301")] * 4)}, "'240101' is not a date"),
        ({"date": samples.dates_of([("20240301", "20240301")] * 4)}, "pair 0 runs from 20240301 to 20240301"),
        ({"date": samples.dates_of([("20240301", "20240201")] * 4)}, "not forward in time"),
        ({"date": None}, "is no stack"),
        ({"bperp": np.zeros(3, "f4")}, r"dataset 'bperp' has shape \(3,\), the stack 4 pairs"),
        ({"dropIfgram": np.zeros(5, bool)}, "dataset 'dropIfgram'"),
        (dict.fromkeys(samples.maps()), "holds no maps"),
    ],
)
def test_parts_that_do_not_fit_are_named(tmp_path: Path, changed: dict[str, Any], why: str) -> None:
    path = samples.foreign_stack(tmp_path / "ifgramStack.h5", **changed)
    with pytest.raises(StoreError, match=rf"ifgramStack\.h5.*{why}"):
        StackFile.open(path)


def test_a_pair_that_comes_twice_is_kept_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    twice = [samples.PAIRS[k] for k in (0, 1, 0, 3)]
    path = samples.foreign_stack(tmp_path / "a.h5", date=samples.dates_of(twice))
    assert StackFile.open(path).keep.tolist() == [True, True, False, True]
    assert "20200101_20200113" in caplog.text
    path = samples.foreign_stack(path, date=samples.dates_of(twice), dropIfgram=np.array([False, True, True, True]))
    assert StackFile.open(path).keep.tolist() == [False, True, True, True]


def test_a_file_that_is_no_stack_is_named(tmp_path: Path) -> None:
    path = samples.foreign_file(tmp_path / "v.h5", "velocity", {"velocity": np.zeros((2, 2), "f4")})
    with pytest.raises(StoreError, match=r"v\.h5 is no stack \(FILE_TYPE velocity\)"):
        StackFile.open(path)
