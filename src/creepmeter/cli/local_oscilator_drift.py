"""creepmeter local-oscilator-drift."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import FILE, memory_flag, require_other, writable
from creepmeter.cli.group import Verb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.session import say


@click.command(
    cls=Verb,
    example="creepmeter local-oscilator-drift timeseries.h5 inputs/geometryRadar.h5",
    holds=("target", "series"),
)
@click.argument("series", type=FILE)
@click.argument("geometry", type=FILE)
@click.option("-o", "--output", "target", type=click.Path(dir_okay=False, path_type=Path), help="Default NAME_LOD.h5.")
@memory_flag
def command(series: Path, geometry: Path, target: Path | None, memory_gb: float) -> None:
    """Take the drift of the oscillator off a series of Envisat (MintPy)."""
    from creepmeter.workflow.sbas.oscillator import correct_oscillator

    place = writable(target or series.with_name(f"{series.stem}_LOD.h5"))
    require_other(series, place)
    with shown_progress() as progress:
        correct_oscillator(series, place, geometry, memory_gb=memory_gb, progress=progress)
    say(f"{place}: without the drift of the oscillator")
