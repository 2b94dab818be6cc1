"""creepmeter validate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from creepmeter.cli.flags import FILE, PRODUCT, options_from, writable
from creepmeter.cli.group import Verb
from creepmeter.cli.run import end_with
from creepmeter.cli.session import say
from creepmeter.validation.options import RateOptions

_ANY = click.Path(path_type=Path)  # one that is missing is named, and the others are used


@click.command(
    cls=Verb, example="creepmeter validate velocity.zarr --stations pegs.csv LHAS.tenv3 --crs EPSG:2193 -o validation"
)
@click.argument("velocity", type=PRODUCT)
@click.option("--stations", "first", multiple=True, required=True, type=_ANY, help="Files of stations, one or several.")
@click.argument("more", metavar="[FILE]...", nargs=-1, type=_ANY)
@click.option(
    "-o",
    "--output",
    "folder",
    default="validation",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder of the tables and figures.",
)
@click.option("--series", type=PRODUCT, help="Displacement per date, drawn beside that of the stations.")
@click.option("--crs", help="Reference system of map coordinates in tables, such as EPSG:2193.")
@click.option(
    "--date-order",
    type=click.Choice(["auto", "day-first", "month-first"]),
    default="auto",
    show_default=True,
    help="Of dates such as 03/04/2018; auto: the only order that fits all dates of a file.",
)
@click.option("--positions", type=FILE, help="Table of name, lon, lat for stations whose files do not say it (.tenv).")
@click.option("--reference", metavar="STATION", help="Subtract the rate of this station, on the map and on the ground.")
@click.option("--background", type=FILE, help="Image behind the map.")
@click.option("--dem", type=FILE, help="Heights, metres, drawn as hillshade behind the map.")
@click.option("--outlines", type=FILE, help="Polygons, or a raster, whose borders are drawn over the map.")
@click.option("--geometry", type=FILE, help="Angles of a radar map.  [default: inputs/geometry*.h5 beside it]")
@options_from(RateOptions)
def command(
    velocity: Path,
    first: tuple[Path, ...],
    more: tuple[Path, ...],
    folder: Path,
    reference: str | None,
    options: RateOptions,
    **given: Any,  # noqa: ANN401 - flags
) -> None:
    """Compare a velocity map with survey pegs and GNSS stations.

    Stations are .tenv3, .tenv, .pos, or CSV with the columns name, date, east, north[, up][, crs] (pegs) or lon, lat.
    Their rates are found by regression; a velocity along a line of sight is compared with their motion along it. A file
    or station that cannot be used is named, and the others go on.
    """
    from creepmeter.workflow.comparison import Drawn
    from creepmeter.workflow.validation import StationFiles, validate

    stations = StationFiles((*first, *more), given["crs"], given["date_order"], given["positions"])
    drawn = Drawn(given["series"], given["background"], given["dem"], given["outlines"], given["geometry"])
    done = validate(velocity, stations, writable(folder), options, reference=reference, drawn=drawn)
    for line in done.lines:
        say(line)
    say(f"written: {', '.join(map(str, done.files))}")
    end_with(done.left_out_shown)
