"""creepmeter temporal-derivative."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import FILE, memory_flag, require_other, writable
from creepmeter.cli.group import Verb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.session import say


@click.command(cls=Verb, example="creepmeter temporal-derivative timeseries.h5", holds=("target", "series"))
@click.argument("series", type=FILE)
@click.option(
    "-o", "--output", "target", type=click.Path(dir_okay=False, path_type=Path), help="Default SERIES_1stDiff.h5."
)
@click.option("--per-year", is_flag=True, help="Rate in metres per year, in place of metres since the date before.")
@memory_flag
def command(series: Path, target: Path | None, per_year: bool, memory_gb: float) -> None:
    """Write how much a series changed since the date before."""
    from creepmeter.workflow.sbas.filters import differentiate_file

    place = writable(target or series.with_name(f"{series.stem}_1stDiff{series.suffix}"))
    require_other(series, place)
    with shown_progress() as progress:
        differentiate_file(series, place, per_year=per_year, memory_gb=memory_gb, progress=progress)
    say(f"derivative: {place}")
