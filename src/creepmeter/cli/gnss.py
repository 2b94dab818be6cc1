"""creepmeter gnss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from creepmeter.cli.flags import FILE, options_from, writable
from creepmeter.cli.gnss_flags import gnss_flags, gnss_options
from creepmeter.cli.group import Verb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.run import end_with
from creepmeter.cli.session import say
from creepmeter.validation.options import RateOptions


@click.command(cls=Verb, example="creepmeter gnss velocity.h5 --ref-gnss P156 -o gnss")
@click.argument("velocity", type=FILE)
@click.option(
    "-o",
    "--output",
    "folder",
    default="gnss",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder of the tables and figures.",
)
@click.option("--series", type=FILE, help="Displacement per date, drawn beside that of the stations.")
@click.option("-d", "--dem", type=FILE, help="Heights, metres, drawn as hillshade behind the map.")
@gnss_flags
@options_from(RateOptions, leave_out=("start_date", "end_date"))
def command(
    velocity: Path,
    folder: Path,
    series: Path | None,
    dem: Path | None,
    geometry: Path | None,
    options: RateOptions,
    **given: Any,  # noqa: ANN401 - flags
) -> None:
    """Compare a radar velocity with the GNSS stations on it.

    The stations are those that the Nevada laboratory has there in the period of the map, or the files of --gnss-dir.
    Their motion is projected onto the line of sight. A station that cannot be used is named, and the others go on.
    """
    from creepmeter.workflow.comparison import Drawn
    from creepmeter.workflow.gnss import RadarMap, find_stations
    from creepmeter.workflow.gnss_report import validate_radar

    chosen = gnss_options(given)
    radar = RadarMap.open(velocity, geometry, chosen)
    with shown_progress() as progress:
        found = find_stations(radar, options, progress=progress)
    done = validate_radar(radar, found, writable(folder), Drawn(series=series, dem=dem))
    for line in done.lines:
        say(line)
    if chosen.reference is None:
        say("the stations are in a global frame, the map is not: name one of them with --ref-gnss")
    say(f"written: {', '.join(map(str, done.files))}")
    end_with(done.left_out_shown)
