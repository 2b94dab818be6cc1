"""creepmeter aria."""

from __future__ import annotations

import click

from creepmeter.cli.group import Entry, LazyGroup

TABLE = {
    "search": Entry(
        "creepmeter.cli.aria_search", "List Sentinel-1 interferograms (GUNW products) of ARIA for an area."
    ),
    "fetch": Entry("creepmeter.cli.aria_fetch", "Download the products of a LIST, or those that a search finds."),
}


@click.group(cls=LazyGroup, table=TABLE)
def command() -> None:
    """Find and download Sentinel-1 interferograms of ARIA."""
