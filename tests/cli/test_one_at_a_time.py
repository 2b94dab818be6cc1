"""Commands that write into a work folder: one at a time."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.cli.conftest import Call
from tests.workflow.sbas.samples import write_project, write_template

from creepmeter.io.lock import LOCK_NAME, RunLock
from creepmeter.workflow.sbas.run import run_sbas

STACK = "inputs/ifgramStack.h5"
WRITING = {
    "modify-network": (STACK, "--exclude-ifg-index", "1"),
    "reference-point": (STACK, "--force"),
    "reference-date": ("timeseries.h5", "-r", "20180222"),
    "generate-mask": ("temporalCoherence.h5", "-m", "0.8", "-o", "mask.h5"),
    "mask": ("velocity.h5", "-m", "maskTempCoh.h5"),
    "ifgram-inversion": (STACK, "--min-num-pixel", "1"),
    "timeseries2velocity": ("timeseries.h5",),
    "temporal-average": (STACK,),
    "spatial-average": (STACK,),
    "unwrap-error-bridging": (STACK,),
    "unwrap-error-phase-closure": (STACK,),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished run; nothing writes into it."""
    home = tmp_path_factory.mktemp("finished")
    write_project(home / "work", seed=5)
    run_sbas(write_template(home), folder=home / "work", end="velocity")
    return home / "work"


@pytest.fixture
def work(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy that is the working folder."""
    shutil.copytree(finished, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def state(work: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in work.rglob("*") if path.is_file()}


@pytest.mark.parametrize("verb", WRITING)
def test_a_second_writer_is_refused_and_writes_nothing(work: Path, call: Call, verb: str) -> None:
    with RunLock(work):
        before = state(work)
        refused = call(verb, *WRITING[verb])
        assert refused.exit_code == 1
        assert "is in use by process" in refused.stderr
        assert "wait for it" in refused.stderr
        assert state(work) == before
    done = call(verb, *WRITING[verb])
    assert done.exit_code == 0, done.output
    assert not (work / LOCK_NAME).exists()
    assert state(work) != before


def test_the_folder_written_into_counts_not_the_one_read_from(work: Path, done: Call, tmp_path: Path) -> None:
    with RunLock(work):
        done("timeseries2velocity", "timeseries.h5", "-o", tmp_path / "other" / "v.h5")
        done("mask", "velocity.h5", "-m", "maskTempCoh.h5", "-o", tmp_path / "other" / "masked.h5")
        done("info", "velocity.h5")
    with RunLock(tmp_path / "other"):
        done("timeseries2velocity", "timeseries.h5")


def test_a_lock_of_a_dead_process_is_taken_over_and_one_of_another_machine_named(work: Path, call: Call) -> None:
    with RunLock(work):
        mark = json.loads((work / LOCK_NAME).read_text())
    (work / LOCK_NAME).write_text(json.dumps({**mark, "pid": 2**22 + 1}))  # above the largest of Linux
    assert call("reference-point", STACK, "--force").exit_code == 0
    (work / LOCK_NAME).write_text(json.dumps({**mark, "host": "elsewhere"}))
    refused = call("reference-point", STACK, "--force")
    assert refused.exit_code == 1
    assert f"on elsewhere (if that is gone, delete {LOCK_NAME} there)" in refused.stderr


def test_a_run_does_not_wait_for_itself(work: Path, call: Call) -> None:
    result = call("sbas", "--dir", work, "--end", "velocity")
    assert result.exit_code == 0, result.output
