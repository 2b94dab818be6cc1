"""One run per folder."""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from creepmeter.errors import LockedError
from creepmeter.io import swap

LOCK_NAME = ".creepmeter.lock"


class RunLock:
    """Hold a folder while a run writes into it; a lock left by a process that is gone is taken over.

    A process is known by host, id and start time, so that another process with a reused id does not count. A lock made
    on another host is never taken over, because nothing tells from here whether its run lives.

    Parameters
    ----------
    folder : str or Path
        Made when it does not exist.

    Raises
    ------
    LockedError
        Another run holds the folder (on entry).
    StoreError
        The folder cannot be written (on entry).

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, RunLock(folder) as lock:
    ...     lock.path.exists()
    True
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.path = self.folder / LOCK_NAME

    def __enter__(self) -> Self:
        """Take the lock."""
        with swap.file_errors(self.folder, "write into"):
            self.folder.mkdir(parents=True, exist_ok=True)
            if not self._take():
                self._clear_if_stale()
                if not self._take():
                    raise LockedError(self.folder, _describe(_read(self.path)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the lock."""
        if _read(self.path) == _own_mark():
            self.path.unlink(missing_ok=True)

    def _take(self) -> bool:
        # The mark is written to a file of its own and linked: a lock is never seen half written.
        mine = self.path.with_name(f"{LOCK_NAME}.{socket.gethostname()}.{os.getpid()}")
        try:
            mine.write_text(json.dumps(_own_mark()), encoding="utf-8")
            try:
                os.link(mine, self.path)
            except FileExistsError:
                return False
            except OSError:  # no hard links here (FAT, some network disks)
                return self._take_exclusive()
        finally:
            mine.unlink(missing_ok=True)
        return True

    def _take_exclusive(self) -> bool:
        try:
            handle = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(_own_mark(), file)
        return True

    def _clear_if_stale(self) -> None:
        holder = _read(self.path)
        if holder is None or not _is_alive(holder):
            # Renamed before it goes: of two processes that see the same stale lock, one wins the rename.
            aside = self.path.with_name(f"{LOCK_NAME}.stale.{os.getpid()}")
            with suppress(FileNotFoundError):
                self.path.rename(aside)
                if _read(aside) != holder:  # another process was faster: this is its lock
                    with suppress(OSError):
                        os.link(aside, self.path)
                aside.unlink()


def _own_mark() -> dict[str, Any]:
    pid = os.getpid()
    return {"pid": pid, "host": socket.gethostname(), "started": _start_time(pid)}


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _is_alive(holder: dict[str, Any]) -> bool:
    if holder.get("host") != socket.gethostname():
        return True
    pid = holder.get("pid")
    if not isinstance(pid, int) or not is_running(pid):
        return False
    started = _start_time(pid)
    return started is None or holder.get("started") is None or started == holder["started"]


def is_running(pid: int) -> bool:
    """Tell whether there is a process of a number on this machine."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # it lives, and belongs to somebody else
    return True


def _start_time(pid: int) -> str | None:
    """Return when a process started, in clock ticks since boot, where the system tells (Linux)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]


def _describe(holder: dict[str, Any] | None) -> str:
    if holder is None:
        return "an unknown process"
    host = holder.get("host")
    gone = "" if host == socket.gethostname() else f" (if that is gone, delete {LOCK_NAME} there)"
    return f"process {holder.get('pid')} on {host}{gone}"
