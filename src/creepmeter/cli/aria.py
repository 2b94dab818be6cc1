"""creepmeter aria."""

from __future__ import annotations

import click

from creepmeter.cli.group import Entry, LazyGroup

TABLE = {
    "search": Entry("creepmeter.cli.aria_search", "List interferograms of ARIA for an area."),
    "fetch": Entry("creepmeter.cli.aria_fetch", "Download interferograms of ARIA."),
}


@click.group(cls=LazyGroup, table=TABLE)
def command() -> None:
    """Find and download ARIA's Sentinel-1 interferograms; `creepmeter load interferograms` then reads them."""
