"""creepmeter temporal-filter."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import FILE, memory_flag, options_from, require_other, writable
from creepmeter.cli.group import Verb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.session import say
from creepmeter.filters.options import TemporalFilterOptions


@click.command(
    cls=Verb, example="creepmeter temporal-filter timeseries.h5 -f gaussian -t 1", holds=("target", "series")
)
@click.argument("series", type=FILE)
@options_from(TemporalFilterOptions, rename={"filter_type": ("-f", "--filter"), "time_win": "-t"})
@click.option(
    "-o", "--outfile", "--output", "target", type=click.Path(dir_okay=False, path_type=Path),
    help="Default such as SERIES_tempMedian5.h5.",
)  # fmt: skip
@memory_flag
def command(series: Path, options: TemporalFilterOptions, target: Path | None, memory_gb: float) -> None:
    """Smooth a series in time, pixel by pixel."""
    from creepmeter.workflow.sbas.filters import smooth_file

    name = f"{series.stem}_temp{options.filter_type.capitalize()}{options.time_win:g}{series.suffix}"
    place = writable(target or series.with_name(name))
    require_other(series, place)
    with shown_progress() as progress:
        smooth_file(series, place, options, memory_gb=memory_gb, progress=progress)
    say(f"smoothed: {place}")
