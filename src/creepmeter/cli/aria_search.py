"""creepmeter aria search."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from creepmeter.cli.flags import build, file_out
from creepmeter.cli.group import Verb
from creepmeter.cli.session import say

F = TypeVar("F", bound=Callable[..., Any])
_LISTS = (".geojson", ".json", ".csv", ".txt")


def search_flags(function: F) -> F:
    """Add the flags that say what is looked for: bbox, track, dates, flight direction."""
    for decorate in reversed(
        (
            click.option("--bbox", metavar="W,S,E,N", help="Box in degrees; W greater than E crosses 180 degrees."),
            click.option("--track", type=click.IntRange(1, 175), help="Relative orbit.  [default: all]"),
            click.option("--dates", metavar="START/END", help="Both dates of a pair lie within.  [default: all]"),
            click.option(
                "--flight-direction",
                type=click.Choice(["ascending", "descending"], case_sensitive=False),
                help="[default: both]",
            ),
        )
    ):
        function = decorate(function)
    return function


@click.command(
    cls=Verb,
    example="creepmeter aria search --bbox -118.6,33.6,-117.6,34.4 --track 71 --dates 20180101/20190630 -o list.csv",
)
@search_flags
@file_out(_LISTS, "List to write: .geojson, .csv, or .txt with addresses only.")
def command(
    bbox: str | None, track: int | None, dates: str | None, flight_direction: str | None, target: Path | None
) -> None:
    """List Sentinel-1 interferograms (GUNW products) of ARIA for an area.

    Needs the internet, but no account.
    """
    from creepmeter.imagery.aria import search_aria
    from creepmeter.imagery.granules import describe_list, write_list
    from creepmeter.imagery.options import AriaSearchOptions

    if bbox is None:
        message = "--bbox W,S,E,N is needed"
        raise click.UsageError(message)
    given = {"bbox": bbox, "track": track, "dates": dates, "flight_direction": flight_direction}
    found = search_aria(build(AriaSearchOptions, given))
    for line in describe_list(found) or ["nothing was found: take a larger box, other dates, or another track"]:
        say(line)
    if target is not None:
        write_list(target, found)
        say(f"{target}: {len(found)} product(s)")
