"""creepmeter reference-date."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import FILE, memory_flag
from creepmeter.cli.group import Verb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.session import say


@click.command(
    cls=Verb,
    example="creepmeter reference-date timeseries.h5 timeseries_ramp.h5 -r 20190313",
    holds=("files",),
)
@click.argument("files", type=FILE, nargs=-1, required=True)
@click.option(
    "-r",
    "--ref-date",
    "date",
    default="reference_date.txt",
    show_default=True,
    help="Date YYYYMMDD, a text file with it, or a series that is relative to it.",
)
@memory_flag
def command(files: tuple[Path, ...], date: str, memory_gb: float) -> None:
    """Refer series in MintPy's layout to another date, in place."""
    from creepmeter.workflow.sbas.velocity import date_from, reference_date

    wanted = date_from(date)
    with shown_progress() as progress:
        changed = reference_date(files, wanted, memory_gb=memory_gb, progress=progress)
    for path in files:
        say(f"{path}: relative to {wanted}{'' if path in changed else ' already'}")
