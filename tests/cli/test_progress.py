from __future__ import annotations

from collections.abc import Callable

import click
import pytest
from click.testing import CliRunner, Result

from creepmeter.cli import progress
from creepmeter.cli.progress import Lines, shown_progress
from creepmeter.cli.session import Session, session

Work = Callable[..., Result]


def work(*, quiet: bool = False, units: int = 4, broken: bool = False) -> Result:
    """Run a command of two tasks, with a warning in the first."""

    @click.command()
    def command() -> None:
        session().quiet = quiet
        with shown_progress() as shown:
            for name in ("weigh", "measure"):
                shown.start(name, units)
                for number in range(units):
                    shown.advance(1)
                    if name == "weigh" and number == 1:
                        session().warn("light as a feather")
                    if broken and number == 1:
                        message = "broken"
                        raise ValueError(message)
                shown.finish()
        assert session().write is None
        session().tell("end")

    return CliRunner().invoke(command)


def test_without_a_terminal_there_is_a_line_at_the_end_of_a_task() -> None:
    said = work().stderr.splitlines()
    assert said[0] == "warning: light as a feather"
    assert [line.partition(" in ")[0] for line in said[1:3]] == ["weigh: done", "measure: done"]


def test_quiet_shows_nothing() -> None:
    assert work(quiet=True).stderr == "end\n"


def test_on_a_terminal_there_is_a_bar_and_warnings_stand_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "is_terminal", lambda: True)
    said = work().stderr
    assert "warning: light as a feather" in said
    assert "weigh" in said
    assert "measure" in said
    assert "100%" in said
    assert said.rstrip().endswith("end")


def test_a_broken_task_leaves_the_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "is_terminal", lambda: True)
    assert isinstance(work(broken=True).exception, ValueError)
    assert work().exit_code == 0


def test_lines_come_only_every_few_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    now = [0.0]
    monkeypatch.setattr("creepmeter.cli.progress.time.monotonic", lambda: now[0])
    lines = Lines(Session(write=said.append), every_s=5.0)
    lines.start("track", 100)
    for _ in range(100):
        now[0] += 0.25
        lines.advance(1)
    lines.finish()
    assert said == [
        "track: 20 %, 5 s",
        "track: 40 %, 10 s",
        "track: 60 %, 15 s",
        "track: 80 %, 20 s",
        "track: done in 25.0 s",
    ]


def test_an_unfinished_task_is_not_called_done() -> None:
    said: list[str] = []
    lines = Lines(Session(write=said.append))
    lines.start("track", 2)
    lines.advance(1)
    lines.finish()
    assert said == []
