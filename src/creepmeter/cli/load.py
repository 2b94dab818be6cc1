"""creepmeter load."""

from __future__ import annotations

import click

from creepmeter.cli.group import Entry, LazyGroup

TABLE = {
    "offsets": Entry("creepmeter.cli.load_offsets", "Load offset maps, one file per pair of dates."),
    "series": Entry("creepmeter.cli.load_series", "Load displacement maps, one file per date."),
}


@click.group(cls=LazyGroup, table=TABLE)
def command() -> None:
    """Load offset or displacement maps of other programs."""
