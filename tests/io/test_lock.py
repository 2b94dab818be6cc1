from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from creepmeter.errors import LockedError, StoreError
from creepmeter.io.lock import LOCK_NAME, RunLock


def holder(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / LOCK_NAME).read_text())
    return found


def test_a_second_run_is_refused_and_the_lock_goes_with_the_run(odd_folder: Path) -> None:
    with RunLock(odd_folder / "run"):
        with pytest.raises(LockedError, match=rf"in use by process {os.getpid()} on"), RunLock(odd_folder / "run"):
            pass
        assert holder(odd_folder / "run")["pid"] == os.getpid()
    assert list((odd_folder / "run").iterdir()) == []
    with RunLock(odd_folder / "run"):
        pass


def test_the_lock_goes_when_the_run_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError, match="division"), RunLock(tmp_path):
        _ = 1 / 0
    assert list(tmp_path.iterdir()) == []


def test_a_lock_of_a_killed_run_is_taken_over(tmp_path: Path) -> None:
    code = "import os, sys; from creepmeter.io.lock import RunLock; RunLock(sys.argv[1]).__enter__(); os._exit(9)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert (tmp_path / LOCK_NAME).exists()
    with RunLock(tmp_path):
        assert holder(tmp_path)["pid"] == os.getpid()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the start time of a process is known on Linux only")
def test_a_reused_process_id_does_not_count(tmp_path: Path) -> None:
    with RunLock(tmp_path):
        mark = holder(tmp_path)
    (tmp_path / LOCK_NAME).write_text(json.dumps({**mark, "started": "1"}))
    with RunLock(tmp_path):
        assert holder(tmp_path)["started"] != "1"


def test_a_lock_of_another_host_stays(tmp_path: Path) -> None:
    (tmp_path / LOCK_NAME).write_text(json.dumps({"pid": 1, "host": "elsewhere", "started": "1"}))
    with pytest.raises(LockedError, match="process 1 on elsewhere"), RunLock(tmp_path):
        pass
    assert (tmp_path / LOCK_NAME).exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x"}'])
def test_a_lock_that_cannot_be_read_is_stale_unless_of_a_host(tmp_path: Path, content: str) -> None:
    (tmp_path / LOCK_NAME).write_text(content)
    if "pid" in content:
        with pytest.raises(LockedError, match="process x on None"), RunLock(tmp_path):
            pass
    else:
        with RunLock(tmp_path):
            assert holder(tmp_path)["pid"] == os.getpid()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot write into"), RunLock(tmp_path / "file" / "run"):
        pass


def test_a_stale_lock_is_taken_over_by_one_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with RunLock(tmp_path):
        mark = holder(tmp_path)
    path = tmp_path / LOCK_NAME
    path.write_text(json.dumps({**mark, "started": "1"}))
    alive = json.dumps({**mark, "host": "elsewhere"})
    rename = Path.rename

    def late(self: Path, target: Path) -> Path:
        self.write_text(alive)  # another process has just taken the stale lock over
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", late)
    with pytest.raises(LockedError, match="on elsewhere"), RunLock(tmp_path):
        pass
    assert path.read_text() == alive
    assert list(tmp_path.iterdir()) == [path]
