"""creepmeter tropo-opera."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.delays import FOLDER, correction_flags
from creepmeter.cli.group import Verb


@click.command(
    cls=Verb,
    example="creepmeter tropo-opera -f timeseries.h5 -g inputs/geometryRadar.h5 --dir OPERA",
    holds=("target", "series"),
)
@correction_flags
@click.option(
    "--dir", "--opera-dir", "folder", type=FOLDER, default="OPERA", show_default=True, help="Folder of its files."
)
def command(series: Path, geometry: Path, target: Path | None, missing: str, memory_gb: float, folder: Path) -> None:
    """Remove the troposphere by zenith delays of OPERA."""
    from creepmeter.cli.delays import correct
    from creepmeter.cli.flags import build
    from creepmeter.corrections.weather_options import WeatherOptions
    from creepmeter.workflow.sbas.delay_sources import DelaySource

    source = DelaySource("opera", folder, build(WeatherOptions, {"missing": missing}))
    correct(source, series, geometry, "OPERA", target=target, memory_gb=memory_gb)
