"""creepmeter downslope."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import FILE, PRODUCT, file_out
from creepmeter.cli.group import Verb
from creepmeter.cli.session import say


@click.command(cls=Verb, example="creepmeter downslope velocity.zarr --dem dem.tif -o downslope.tif")
@click.argument("velocity", type=PRODUCT)
@click.option("--dem", required=True, type=FILE, help="Heights, metres, in any reference system.")
@click.option(
    "--min-slope",
    type=click.FloatRange(0, 90),
    default=5.0,
    show_default=True,
    help="Flatter ground has no way down, degrees.",
)
@file_out((".tif",), "Map with the bands downslope, its sigma, across, its sigma, slope, aspect.")
@click.option("--figure", type=click.Path(dir_okay=False, path_type=Path), help="Draw the part down the slope.")
def command(velocity: Path, dem: Path, min_slope: float, target: Path | None, figure: Path | None) -> None:
    """Turn a horizontal velocity into motion down the slope."""
    from creepmeter.workflow.slopes import write_downslope

    place = target or Path("downslope.tif")
    for line in write_downslope(velocity, dem, place, min_slope_deg=min_slope, figure=figure):
        say(line)
