"""creepmeter detect."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import FILE, PRODUCT, file_out, options_from
from creepmeter.cli.group import Verb
from creepmeter.cli.session import say
from creepmeter.cli.statistics import VECTOR_OUT
from creepmeter.velocity.options import DetectOptions


@click.command(cls=Verb, example="creepmeter detect velocity.zarr --sigmas 4 --min-area-m2 10000 -o inventory.gpkg")
@click.argument("velocity", type=PRODUCT)
@click.option("--dem", type=FILE, help="Heights, metres: adds slope, and motion down it.")
@file_out(VECTOR_OUT, "Areas found (.gpkg, .geojson); a table .csv is written beside it.  [default: inventory.gpkg]")
@options_from(DetectOptions)
def command(velocity: Path, dem: Path | None, target: Path | None, options: DetectOptions) -> None:
    """Find areas that move faster than their errors allow.

    Connected cells become polygons, with area, speed, direction and standard error of each.
    """
    from creepmeter.workflow.inventory import detect_to_file, statistics_lines

    place = target or Path("inventory.gpkg")
    columns = detect_to_file(velocity, place, options, dem=dem)
    for line in statistics_lines(columns):
        say(line)
    count = len(columns["area"])
    hint = "" if count else " (fewer --sigmas or --min-cells find more)"
    say(f"{place} and {place.with_suffix('.csv')}: {count} area(s){hint}")
