"""creepmeter statistics."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import FILE, PRODUCT, file_out
from creepmeter.cli.group import Verb
from creepmeter.cli.run import end_with
from creepmeter.cli.session import say

VECTOR_OUT = (".gpkg", ".geojson")


@click.command(cls=Verb, example="creepmeter statistics velocity.zarr --polygons slides.gpkg -o slides-motion.gpkg")
@click.argument("velocity", type=PRODUCT)
@click.option("--polygons", required=True, type=FILE, help="Polygons: GeoPackage, GeoJSON, Shapefile, KML.")
@click.option("--buffer", "buffer_m", type=float, default=0.0, show_default=True, help="Widen polygons, metres.")
@click.option("--dem", type=FILE, help="Heights, metres: adds slope, and motion down it.")
@file_out(VECTOR_OUT, "Polygons with their motion (.gpkg, .geojson); a table .csv is written beside it.")
def command(velocity: Path, polygons: Path, buffer_m: float, dem: Path | None, target: Path | None) -> None:
    """Say how fast the ground moves within polygons.

    For each polygon: area, share that is measured, median and 95 % speed, direction, standard error.
    """
    from creepmeter.workflow.inventory import statistics_lines, statistics_of_file

    place = target or Path(f"{polygons.stem}-motion.gpkg")
    columns, left_out = statistics_of_file(velocity, polygons, place, buffer_m=buffer_m, dem=dem)
    for line in statistics_lines(columns):
        say(line)
    say(f"{place} and {place.with_suffix('.csv')}: {len(columns['polygon'])} polygon(s)")
    end_with(left_out)
