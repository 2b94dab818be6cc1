"""creepmeter diff."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import FILE, memory_flag, require_other, writable
from creepmeter.cli.group import Verb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.session import say


@click.command(
    cls=Verb, example="creepmeter diff timeseries.h5 inputs/ERA5.h5 -o timeseries_ERA5.h5", holds=("target", "first")
)
@click.argument("first", metavar="FILE1", type=FILE)
@click.argument("others", metavar="FILE2...", type=FILE, nargs=-1, required=True)
@click.option(
    "-o", "--output", "target", type=click.Path(dir_okay=False, path_type=Path), help="Default FILE1_diff_FILE2.h5."
)
@click.option(
    "--force", "--force-diff", "force", is_flag=True, help="Of series: dates that only the first has stay as they are."
)
@memory_flag
def command(first: Path, others: tuple[Path, ...], target: Path | None, force: bool, memory_gb: float) -> None:
    """Subtract products of one grid from the first.

    Dates of series are matched by name; the others are made relative to date and pixel of the first. From a series a
    velocity can be subtracted as well: its motion at each date.
    """
    from creepmeter.workflow.sbas.combine import subtract_files

    if target is None and len(others) > 1:
        message = "give the name of the result (-o) where several files are subtracted"
        raise click.UsageError(message)
    place = writable(target or first.with_name(f"{first.stem}_diff_{others[0].stem}{first.suffix}"))
    for path in (first, *others):
        require_other(path, place)
    with shown_progress() as progress:
        subtract_files(first, others, place, force=force, memory_gb=memory_gb, progress=progress)
    say(f"difference: {place}")
