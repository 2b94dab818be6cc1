"""How far the work has come: a bar on a terminal, else a line every few seconds."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from creepmeter.blocks import NullProgress, Progress
from creepmeter.cli.session import Session, session

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

EVERY_S = 5.0


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """Yield what shows the progress of a command, and clear it away at the end, whatever that is."""
    here = session()
    if here.quiet:
        yield NullProgress()
    elif is_terminal():
        bar = Bar(here)
        try:
            yield bar
        finally:
            bar.close()
    else:
        yield Lines(here)


def is_terminal() -> bool:
    """Tell whether stderr is a terminal that can draw a bar."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


class Lines:
    """Plain lines, at most one every few seconds and one at the end of a task.

    Parameters
    ----------
    of : Session
        Where they go.
    every_s : float
        Seconds between two lines.
    """

    def __init__(self, of: Session, every_s: float = EVERY_S) -> None:
        self._session = of
        self._every = every_s
        self._name = ""
        self._total = self._done = 0
        self._begin = self._last = 0.0

    def start(self, name: str, total: int) -> None:
        """Begin a task of `total` units."""
        self._name, self._total, self._done = name, total, 0
        self._begin = self._last = time.monotonic()

    def advance(self, n: int) -> None:
        """Count `n` units as done."""
        self._done += n
        now = time.monotonic()
        if now - self._last >= self._every and self._done < self._total:
            self._last = now
            self._session.tell(f"{self._name}: {100 * self._done // self._total} %, {now - self._begin:.0f} s")

    def finish(self) -> None:
        """End the task."""
        if self._done >= self._total:
            self._session.tell(f"{self._name}: done in {time.monotonic() - self._begin:.1f} s")


class Bar:
    """A bar for each task, on a terminal.

    Parameters
    ----------
    of : Session
        Its lines are written above the bar while there is one.
    """

    def __init__(self, of: Session) -> None:
        self._session = of
        self._bars: Bars | None = None
        self._task: TaskID | None = None

    def start(self, name: str, total: int) -> None:
        """Begin a task of `total` units."""
        if self._bars is None:
            self._bars = self._open()
        self._task = self._bars.add_task(name, total=total)

    def advance(self, n: int) -> None:
        """Count `n` units as done."""
        if self._bars is not None and self._task is not None:
            self._bars.advance(self._task, n)

    def finish(self) -> None:
        """End the task; its bar stays on the screen."""
        self._task = None

    def close(self) -> None:
        """Leave the screen to others."""
        if self._bars is not None:
            self._bars.stop()
            self._session.write = None
            self._bars = None

    def _open(self) -> Bars:
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        console = Console(stderr=True)
        columns = (TextColumn("{task.description:<18}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        bars = Bars(*columns, TimeRemainingColumn(), console=console)
        bars.start()
        self._session.write = lambda text: console.print(text, markup=False, highlight=False, soft_wrap=True)
        return bars
