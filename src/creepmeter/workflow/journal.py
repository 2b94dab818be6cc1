"""What a run folder remembers between two runs: the steps done, and the warnings they gave."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from creepmeter.io.swap import write_text

JOURNAL_NAME = ".creepmeter.json"


@dataclass(frozen=True)
class Entry:
    """What the journal says of a step; empty for a step that was never done.

    Parameters
    ----------
    key : str
        What its result depends on.
    files : tuple of str
        The files it made, in the run folder.
    notes : tuple of str
        What it had to say.
    left_out : tuple of str
        What it did not do, and why.
    state : mapping of str to str
        What lay on disk when it was done, as digests by name.
    """

    key: str = ""
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    state: Mapping[str, str] = field(default_factory=dict)


class Journal:
    """The journal of a run folder.

    Parameters
    ----------
    folder : Path
        The run folder; a missing or damaged journal is an empty one.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL_NAME

    def entry(self, step: str) -> Entry:
        """Return what is known of a step."""
        found = self._read().get(step, {})
        state = found.get("state", {})
        texts = {name: tuple(map(str, found.get(name, ()))) for name in ("files", "notes", "left_out")}
        # files of a step that is done again are removed: a journal must not name what lies elsewhere
        texts["files"] = tuple(
            name for name in texts["files"] if name not in ("", ".", "..") and Path(name).name == name
        )
        return Entry(key=str(found.get("key", "")), state=dict(state) if isinstance(state, dict) else {}, **texts)

    def note(self, step: str, entry: Entry) -> None:
        """Write down that a step is done."""
        written: dict[str, Any] = {"key": entry.key, "files": list(entry.files), "notes": list(entry.notes)}
        if entry.left_out:
            written["left_out"] = list(entry.left_out)
        if entry.state:
            written["state"] = dict(entry.state)
        write_text(self.path, json.dumps({**self._read(), step: written}, indent=1, sort_keys=True))

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            known = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {name: each for name, each in known.items() if isinstance(each, dict)} if isinstance(known, dict) else {}


class _Notes(logging.Handler):
    """Collects warnings for the report."""

    def __init__(self, notes: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._notes = notes

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message once."""
        text = record.getMessage()
        if text not in self._notes:
            self._notes.append(text)


@contextmanager
def noted() -> Iterator[list[str]]:
    """Yield a list that collects the warnings logged in the block."""
    notes: list[str] = []
    handler = _Notes(notes)
    root = logging.getLogger("creepmeter")
    root.addHandler(handler)
    try:
        yield notes
    finally:
        root.removeHandler(handler)
