"""Radar runs that are killed, repeated, started twice, short of memory, or find that something has changed."""

from __future__ import annotations

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
from tests.cli.radar_samples import GIVEN, Isce, content, require_same, small_stack

from creepmeter.io.mintpy.product import read_map
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.kernels.threads import limit_threads

BRIDGING = f"""\
{GIVEN}mintpy.unwrapError.method = bridging
mintpy.unwrapError.connCompMinArea = 10
"""
STACK = small_stack(cycle_chance=0.5)
# A run that kills itself, without a warning, at the n-th time that the system is asked to open, make, rename or remove
# a file whose path holds a word.
DIES = """
import os, signal, sys
word, left = sys.argv[1], int(sys.argv[2])
def watch(event, given):
    global left
    if event in ("open", "os.rename", "os.remove", "os.mkdir", "os.truncate") and "work" in str(given[0]):
        if any(word in str(part) for part in given[:2]) and not str(given[0]).endswith((".py", ".pyc")):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
from creepmeter.cli import main
sys.addaudithook(watch)
main(sys.argv[3:])
"""


def start(isce: Isce, code: str, *before: object) -> subprocess.Popen[bytes]:
    """Start a run in a process of its own, up to velocity."""
    command = [sys.executable, "-W", "ignore", "-c", code, *map(str, before)]
    command += ["sbas", str(isce.home / "Project.txt"), "--dir", str(isce.work), "--end", "velocity"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Isce:
    """Return a run that nothing interrupted; nothing writes into it."""
    found = Isce(tmp_path_factory.mktemp("whole"), STACK)
    result = found.run(BRIDGING)
    assert result.exit_code == 0, result.output
    assert "correct_unwrap_error" in result.stdout
    assert STACK.truth.cycles.any()
    return found


@pytest.fixture
def isce(whole: Isce, tmp_path: Path) -> Isce:
    """Return sources and template of that run, in a folder where nothing was run yet."""
    found = Isce(tmp_path, STACK)
    shutil.copy(whole.home / "Project.txt", tmp_path)
    return found


# ---------------------------------------------------------------------------------------------------------- killed (31)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("word", "count"),
    [
        ("smallbaselineApp", 2),
        ("ifgramStack", 3),
        ("ifgramStack", 9),
        ("geometryRadar", 4),
        ("waterMask", 2),
        ("maskConnComp", 3),
        ("avgSpatialCoh", 4),
        ("numTriNonzero", 3),
        ("unwrapPhase_bridging", 2),
        ("unwrapPhase_bridging", 7),
        ("timeseries", 4),
        ("numInvIfgram", 5),
        ("maskTempCoh", 2),
        ("velocity.h5", 3),
        (".creepmeter.json", 9),
    ],
)
def test_killed_anywhere_a_run_ends_with_the_same_bits(whole: Isce, isce: Isce, word: str, count: int) -> None:
    process = start(isce, DIES, word, count)
    out, _ = process.communicate()
    assert process.returncode == -signal.SIGKILL, out.decode()
    assert not (isce.work / "velocity.h5").exists() or word == ".creepmeter.json"
    again = isce.run(BRIDGING)
    assert again.exit_code == 0, again.output
    require_same(whole.work, isce.work)
    assert [path.name for path in isce.work.rglob("*") if "partial" in path.name or path.suffix == ".done"] == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_killed_again_and_again_at_random_moments(whole: Isce, isce: Isce) -> None:
    rng = np.random.default_rng(4)
    for _ in range(6):
        process = start(isce, "import sys; from creepmeter.cli import main; main(sys.argv[1:])")
        time.sleep(float(rng.uniform(0.3, 3.0)))
        process.kill()
        process.communicate()
    again = isce.run(BRIDGING)
    assert again.exit_code == 0, again.output
    require_same(whole.work, isce.work)


# ---------------------------------------------------------------------------------------- twice (32), not writable (34)


def test_a_second_run_in_a_folder_is_refused_while_one_works(isce: Isce) -> None:
    hold = "import sys, time; from creepmeter.io.lock import RunLock\n"
    hold += "with RunLock(__import__('pathlib').Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    isce.work.mkdir()
    holder = subprocess.Popen([sys.executable, "-c", hold, str(isce.work)], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        refused = isce.run(BRIDGING)
        assert refused.exit_code == 1
        assert f"{isce.work} is in use by process {holder.pid}" in refused.stderr
        assert "wait for it, or choose another output folder" in refused.stderr
    finally:
        holder.kill()
        holder.communicate()
    assert isce.run(BRIDGING, end="load_data").exit_code == 0  # the lock of a killed run holds nobody up


def test_a_folder_that_cannot_be_written_is_told_before_any_work(isce: Isce) -> None:
    isce.work.write_text("a file, not a folder", encoding="utf-8")
    result = isce.run(BRIDGING)
    assert result.exit_code == 2
    assert "work" in result.stderr
    assert isce.work.read_text(encoding="utf-8") == "a file, not a folder"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_told_before_any_work(isce: Isce) -> None:
    isce.work.mkdir()
    isce.work.chmod(0o555)
    try:
        result = isce.run(BRIDGING)
    finally:
        isce.work.chmod(0o755)
    assert result.exit_code in (1, 2)
    assert str(isce.work) in result.stderr.replace("\n", "")
    assert list(isce.work.iterdir()) == []


# --------------------------------------------------------------------------------- memory (35), threads and blocks (37)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("memory", [0.001, 0.5, 8])
def test_threads_and_memory_change_no_bit(whole: Isce, isce: Isce, threads: int, memory: float) -> None:
    with limit_threads(threads):
        result = isce.run(BRIDGING, "--memory-gb", memory)
    assert result.exit_code == 0, result.output
    require_same(whole.work, isce.work)


# ----------------------------------------------------------------------------------------------------------- stale (39)


def made_by(output: str) -> list[str]:
    lines = [line.removeprefix("made: ") for line in output.splitlines() if line.startswith("made: ")]
    return lines[0].split(", ") if lines else []


@pytest.mark.parametrize("pair", range(0, 7, 2))
def test_one_changed_pixel_of_one_pair_is_never_overlooked(whole: Isce, isce: Isce, pair: int) -> None:
    shutil.copytree(whole.work, isce.work)
    path = isce.folder(pair) / "filt_fine.unw"
    before = path.stat()
    isce.spoil(pair, (17, 4), float(STACK.phase[pair, 17, 4]) + 1.0)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 10**9))
    assert STACK.component[pair, 17, 4] == STACK.component[pair, 5, 5]
    result = isce.run(BRIDGING)
    assert made_by(result.stdout)[0] == "load_data"
    assert {"invert_network", "velocity"} <= set(made_by(result.stdout))
    fresh = Isce(isce.home / "fresh", STACK)
    fresh.spoil(pair, (17, 4), float(STACK.phase[pair, 17, 4]) + 1.0)
    assert fresh.run(BRIDGING).exit_code == 0
    require_same(fresh.work, isce.work)
    one, other = (read_map(work / "velocity.h5", "velocity") for work in (whole.work, isce.work))
    assert one[17, 4] != other[17, 4]


def test_a_stack_that_another_program_changed_is_never_inverted_with_old_edits(whole: Isce, isce: Isce) -> None:
    shutil.copytree(whole.work, isce.work)
    path = isce.work / "inputs" / "ifgramStack.h5"
    with h5py.File(path, "r+") as file:
        for name in [name for name in file.attrs if name.startswith("CREEPMETER")]:
            del file.attrs[name]
    first = isce.run(BRIDGING)
    assert "was loaded by another program and is taken as it is" in first.stderr
    with h5py.File(path, "r+") as file:
        file["unwrapPhase"][2, 17, 4] += np.float32(1)
    before = path.read_bytes()
    refused = isce.run(BRIDGING)
    assert refused.exit_code == 1
    edits = path.with_name("ifgramStack.creepmeter.h5")
    assert f"{edits} holds edits of another ifgramStack.h5" in refused.stderr
    assert f"delete {edits.name} and run again" in refused.stderr
    edits.unlink()
    result = isce.run(BRIDGING)
    assert {"correct_unwrap_error", "invert_network", "velocity"} <= set(made_by(result.stdout)), result.output
    assert path.read_bytes() == before
    assert (
        read_map(isce.work / "velocity.h5", "velocity")[17, 4]
        != read_map(whole.work / "velocity.h5", "velocity")[17, 4]
    )


def test_a_mask_drawn_by_hand_is_taken_in(whole: Isce, isce: Isce) -> None:
    shutil.copytree(whole.work, isce.work)
    text = f"{BRIDGING}mintpy.networkInversion.waterMaskFile = mine.h5\n"
    shutil.copy(isce.work / "waterMask.h5", isce.work / "mine.h5")
    assert "invert_network" in made_by(isce.run(text).stdout)
    with h5py.File(isce.work / "mine.h5", "r+") as file:
        file["waterMask"][17, 4] = False
    result = isce.run(text)
    assert {"invert_network", "velocity"} <= set(made_by(result.stdout))
    assert read_map(isce.work / "numInvIfgram.h5")[17, 4] == 0
    assert made_by(isce.run(text).stdout) == []


def test_nothing_is_made_twice(isce: Isce) -> None:
    assert isce.run(BRIDGING).exit_code == 0
    before = content(isce.work)
    times = {path: path.stat().st_mtime_ns for path in isce.work.rglob("*.h5")}
    result = isce.run(BRIDGING)
    assert made_by(result.stdout) == []
    assert content(isce.work) == before
    assert times == {path: path.stat().st_mtime_ns for path in isce.work.rglob("*.h5")}


def test_a_pair_added_or_taken_away_is_taken_in(whole: Isce, isce: Isce) -> None:
    away = isce.home / "away"
    shutil.move(isce.folder(3), away)
    assert isce.run(BRIDGING).exit_code == 0
    assert len(StackFile.open(isce.work / "inputs" / "ifgramStack.h5").pairs) == len(isce.pairs) - 1
    shutil.move(away, isce.folder(3))
    assert "1 pair(s) new" in isce.run(BRIDGING).stderr
    require_same(whole.work, isce.work)
