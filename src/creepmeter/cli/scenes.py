"""creepmeter scenes."""

from __future__ import annotations

import click

from creepmeter.cli.group import Entry, LazyGroup

TABLE = {
    "search": Entry("creepmeter.cli.scenes_search", "Find the optical scenes of an area, and choose among them."),
    "fetch": Entry("creepmeter.cli.scenes_fetch", "Make a folder of images of one area from the scenes of a LIST."),
    "dem": Entry("creepmeter.cli.scenes_dem", "Make a file of heights (DEM) of an area from a catalogue."),
}


@click.group(cls=LazyGroup, table=TABLE)
def command() -> None:
    """Find and read optical scenes of Sentinel-2 and Landsat, and heights."""
