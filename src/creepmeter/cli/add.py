"""creepmeter add."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import FILE, memory_flag, require_other, writable
from creepmeter.cli.group import Verb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.session import say


@click.command(
    cls=Verb, example="creepmeter add timeseries_ERA5.h5 inputs/ERA5.h5 -o timeseries.h5", holds=("target", "files")
)
@click.argument("files", type=FILE, nargs=-1, required=True)
@click.option(
    "-o", "--output", "target", type=click.Path(dir_okay=False, path_type=Path), help="Default FILE1_plus_FILE2.h5."
)
@click.option("--force", is_flag=True, help="Of series: dates that only the first has stay as they are.")
@memory_flag
def command(files: tuple[Path, ...], target: Path | None, force: bool, memory_gb: float) -> None:
    """Add products of one grid: series, velocities or masks.

    Dates of series are matched by name; the others are made relative to date and pixel of the first.
    """
    from creepmeter.workflow.sbas.combine import add_files

    name = "_plus_".join(path.stem for path in files)
    place = writable(target or files[0].with_name(f"{name}{files[0].suffix}"))
    for path in files:
        require_other(path, place)
    with shown_progress() as progress:
        add_files(files, place, force=force, memory_gb=memory_gb, progress=progress)
    say(f"sum: {place}")
