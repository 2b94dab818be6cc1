"""creepmeter solid-earth-tides."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import FILE, memory_flag, require_other, writable
from creepmeter.cli.group import Verb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.session import say

_OUT = click.Path(dir_okay=False, path_type=Path)


@click.command(
    cls=Verb,
    example="creepmeter solid-earth-tides timeseries.h5 -g inputs/geometryGeo.h5",
    holds=("target", "series"),
)
@click.argument("series", type=FILE)
@click.option(
    "-g", "--geometry", "--geomtry", "geometry", type=FILE, required=True, help="Geometry with the angles of the view."
)
@click.option(
    "--comp",
    type=click.Choice(["enu2los", "en2az"]),
    default="enu2los",
    show_default=True,
    help="Towards the satellite, or along its flight.",
)
@click.option("--set-file", "tides", type=_OUT, help="Where the tide goes; default SET.h5 beside the geometry.")
@click.option("-o", "--output", "target", type=_OUT, help="Corrected series; default with _SET in its name.")
@memory_flag
def command(series: Path, geometry: Path, comp: str, tides: Path | None, target: Path | None, memory_gb: float) -> None:
    """Take the tide of the solid Earth from a series.

    The tide, by the IERS Conventions (2010), is written as a series too.
    """
    from creepmeter.workflow.sbas.delay_series import subtract_delays
    from creepmeter.workflow.sbas.solid_earth_tides import make_tide_series

    component, name = ("azimuth", "SETaz.h5") if comp == "en2az" else ("los", "SET.h5")
    target = writable(target or series.with_name(f"{series.stem}_SET.h5"))
    tides = writable(tides or geometry.with_name(name))
    require_other(series, target)
    require_other(series, tides)
    with shown_progress() as progress:
        make_tide_series(series, geometry, tides, component=component, memory_gb=memory_gb, progress=progress)
        subtract_delays(series, tides, target, memory_gb=memory_gb, progress=progress)
    say(f"{target}: without the tide of the solid Earth, which is in {tides}")
