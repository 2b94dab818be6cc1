"""What the commands that remove the troposphere share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from creepmeter.cli.flags import FILE, memory_flag, require_other, writable
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.run import end_with
from creepmeter.cli.session import say

if TYPE_CHECKING:  # slow to load
    from creepmeter.workflow.sbas.delay_sources import DelaySource

F = TypeVar("F", bound=Callable[..., Any])
FOLDER = click.Path(file_okay=False, path_type=Path)
TARGET = click.Path(dir_okay=False, path_type=Path)


def missing_flag(function: F) -> F:
    """Add ``--missing``."""
    return click.option(
        "--missing",
        metavar="[uncorrected|drop]",
        default="uncorrected",
        show_default=True,
        help="Dates without a usable file: kept as they are, or left out of the corrected series.",
    )(function)


def correction_flags(function: F) -> F:
    """Add the flags of a command that corrects a series by maps of delay."""
    for add in (
        memory_flag,
        missing_flag,
        click.option("-o", "--output", "target", type=TARGET, help="Corrected series.  [default: beside the series]"),
        click.option(
            "-g",
            "--geom",
            "--geometry",
            "geometry",
            type=FILE,
            required=True,
            help="Geometry: height, incidence, places.",
        ),
        click.option("-f", "--file", "series", type=FILE, required=True, help="Displacement series to correct."),
    ):
        function = add(function)
    return function


def correct(
    source: DelaySource,
    series: Path,
    geometry: Path,
    name: str,
    *,
    target: Path | None,
    delays: Path | None = None,
    hour: int | None = None,
    memory_gb: float,
) -> None:
    """Correct a series, say what was made, and exit with 3 when dates were left out."""
    from creepmeter.workflow.sbas.weather import correct_file

    place = writable(target or series.with_name(f"{series.stem}_{name}.h5"))
    held = writable(delays or geometry.with_name(f"{name}.h5"))
    require_other(series, place)
    with shown_progress() as progress:
        made = correct_file(source, series, geometry, held, place, hour=hour, memory_gb=memory_gb, progress=progress)
    if made.delays is not None:
        say(f"{held}: delays of {len(made.dates)} dates")
        say(f"{place}: the series without them")
    end_with(made.notes)
