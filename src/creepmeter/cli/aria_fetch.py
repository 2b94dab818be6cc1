"""creepmeter aria fetch."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.aria_search import search_flags
from creepmeter.cli.flags import FILE, build, options_from, writable
from creepmeter.cli.group import Verb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.run import end_with
from creepmeter.cli.session import say
from creepmeter.imagery.options import AriaSearchOptions, FetchOptions


@click.command(cls=Verb, example="creepmeter aria fetch list.geojson -o products")
@click.argument("listed", metavar="[LIST]", required=False, type=FILE)
@search_flags
@click.option(
    "-o",
    "--output",
    "folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder of the products.",
)
@click.option("--token-file", type=FILE, help="File that holds a token of Earthdata.")
@options_from(FetchOptions)
def command(
    listed: Path | None,
    bbox: str | None,
    track: int | None,
    dates: str | None,
    flight_direction: str | None,
    folder: Path,
    token_file: Path | None,
    options: FetchOptions,
) -> None:
    """Download the products of a LIST, or those that a search finds.

    Files that are there already are not asked for again, and a download that was cut goes on where it ended. Needs an
    account of NASA Earthdata: a token in --token-file or EARTHDATA_TOKEN, or user and password in ~/.netrc.
    """
    from creepmeter.imagery.earthdata import find_credentials
    from creepmeter.imagery.fetch import fetch
    from creepmeter.imagery.granules import read_list

    if (listed is None) == (bbox is None):
        message = "give either a LIST or --bbox W,S,E,N"
        raise click.UsageError(message)
    credentials = find_credentials(token_file)
    if listed is not None:
        wanted = read_list(listed)
    else:
        from creepmeter.imagery.aria import search_aria

        given = {"bbox": bbox, "track": track, "dates": dates, "flight_direction": flight_direction}
        wanted = search_aria(build(AriaSearchOptions, given))
    with shown_progress() as progress:
        done = fetch(wanted, writable(folder), credentials, options=options, progress=progress)
    say(f"{folder}: {len(done.new)} product(s) downloaded, {len(done.present)} there already")
    end_with(done.failed)
