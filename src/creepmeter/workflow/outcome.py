"""What a run did."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunResult:
    """What a run did.

    Parameters
    ----------
    folder : Path
        Where the results are.
    made, fresh : tuple of str
        Steps that were done, and those that were up to date.
    left_out : tuple of str
        Inputs that were not used and steps that were not done, and why.
    notes : tuple of str
        What a reader should know.
    """

    folder: Path
    made: tuple[str, ...]
    fresh: tuple[str, ...]
    left_out: tuple[str, ...]
    notes: tuple[str, ...]
