"""creepmeter lookup-geo2radar."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import FILE
from creepmeter.cli.group import Verb
from creepmeter.cli.session import announce_compilation, say


@click.command(
    cls=Verb,
    example="creepmeter lookup-geo2radar inputs/geometryGeo.h5 -w inputs/geometryRadar.h5",
    holds=("radar", "table"),
)
@click.argument("table", type=FILE)
@click.option(
    "-w",
    "--write",
    "radar",
    type=FILE,
    help="Geometry in radar coordinates that latitude and longitude are added to.  [default: geometryRadar.h5 beside]",
)
def command(table: Path, radar: Path | None) -> None:
    """Turn a lookup table on a map into places of radar pixels (MintPy)."""
    from creepmeter.workflow.sbas.geocoder import add_places

    announce_compilation()
    target, share = add_places(table, radar)
    say(f"{target}: latitude and longitude of {100 * share:.1f} % of the pixels")
