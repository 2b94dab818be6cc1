"""creepmeter tropo-phase-elevation."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import FILE, build, memory_flag, require_other, writable
from creepmeter.cli.group import Verb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.session import say
from creepmeter.corrections.series_options import HeightCorrelationOptions

_FLAGS = {"poly_order": ("--poly-order",), "looks": ("--looks",), "min_correlation": ("--threshold",)}


@click.command(
    cls=Verb,
    example="creepmeter tropo-phase-elevation timeseries.h5 -g inputs/geometryRadar.h5 -m maskTempCoh.h5",
    holds=("target", "series"),
)
@click.argument("series", type=FILE)
@click.option("-g", "--geometry", type=FILE, required=True, help="Height and incidence of every pixel.")
@click.option("-m", "--mask", "mask_file", type=FILE, required=True, help="Pixels that the correlation is taken from.")
@click.option("-t", "--threshold", "min_correlation", type=float, default=0.0, help="Dates that correlate less stay.")
@click.option("-l", "--looks", type=int, default=8, show_default=True, help="Rows and columns averaged before the fit.")
@click.option("-p", "--poly-order", type=int, default=1, show_default=True, help="Degree in height, 1 to 3.")
@click.option(
    "-o", "--outfile", "target", type=click.Path(dir_okay=False, path_type=Path), help="Default NAME_tropHgt.h5."
)
@memory_flag
def command(
    series: Path,
    geometry: Path,
    mask_file: Path,
    min_correlation: float,
    looks: int,
    poly_order: int,
    target: Path | None,
    memory_gb: float,
) -> None:
    """Take off a series what correlates with height (MintPy)."""
    from creepmeter.workflow.sbas.stratified import correct_by_height

    values = {"poly_order": poly_order, "looks": looks, "min_correlation": min_correlation}
    options = build(HeightCorrelationOptions, values, _FLAGS)
    place = writable(target or series.with_name(f"{series.stem}_tropHgt.h5"))
    require_other(series, place)
    with shown_progress() as progress:
        correct_by_height(series, place, geometry, mask_file, options, memory_gb=memory_gb, progress=progress)
    say(f"{place}: without what correlates with height")
