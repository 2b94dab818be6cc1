"""creepmeter load series."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import changed, options_from, store_out
from creepmeter.cli.group import Verb
from creepmeter.cli.run import end_with
from creepmeter.cli.session import say
from creepmeter.interferograms.options import SeriesMapOptions


@click.command(
    cls=Verb, example="creepmeter load series 'maps/displacement_*.tif' --bands los --unit m -o timeseries.zarr"
)
@click.argument("pattern", nargs=-1, required=True)
@store_out
@click.option("--skip-bad", is_flag=True, help="Leave out files that cannot be used, and name them.")
@options_from(SeriesMapOptions, rename={"pixel_size_m": "--pixel-size"}, leave_out=("strict",))
def command(pattern: tuple[str, ...], target: Path, skip_bad: bool, options: SeriesMapOptions) -> None:
    """Load displacement maps, one file per date.

    PATTERN names the files: a pattern in quotes, a folder, or one name after the other.
    With two dates in a name, displacement runs from the first to the second.
    """
    from creepmeter.workflow.description import describe
    from creepmeter.workflow.verbs import load_series

    left_out = load_series(pattern, target, changed(options, strict=not skip_bad))
    found = describe(target, most_bytes=0)
    dates = found.dates
    say(f"{target}: {len(dates)} dates, {dates[0]} to {dates[-1]}; {', '.join(found.components)} on {found.grid}")
    end_with(left_out)
