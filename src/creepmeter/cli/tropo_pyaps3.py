"""creepmeter tropo-pyaps3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from creepmeter.cli.delays import FOLDER, TARGET, correct, missing_flag
from creepmeter.cli.flags import FILE, build, memory_flag, writable
from creepmeter.cli.listing import ListVerb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.run import end_with
from creepmeter.cli.session import say


@click.command(
    cls=ListVerb,
    example="creepmeter tropo-pyaps3 -f timeseries.h5 -g inputs/geometryRadar.h5 -w weather",
    holds=("target", "series", "delays", "geometry"),
)
@click.option("-f", "--file", "series", type=FILE, help="Displacement series to correct.")
@click.option("-d", "--date-list", "dates", multiple=True, help="Dates YYYYMMDD, or text files of them: delays only.")
@click.option("--hour", type=click.IntRange(0, 23), help="Hour, UTC.  [default: that of the files]")
@click.option("-o", "--output", "target", type=TARGET, help="Corrected series.  [default: NAME_ERA5.h5]")
@click.option(
    "-m", "--model", "-s", "model", metavar="[ERA5|ERA5T|MERRA|NARR]", default="ERA5", show_default=True, help="Model."
)
@click.option("--delay", metavar="[comb|dry|wet]", default="comb", show_default=True, help="Both delays, or one.")
@click.option("--time", metavar="[nearest|linear]", default="nearest", show_default=True, help="Hour of the model.")
@click.option(
    "-w", "--dir", "--weather-dir", "folder", type=FOLDER, envvar="WEATHER_DIR", help="Folder of ERA5/ and its like."
)
@click.option("-g", "--geom", "--geomtry", "--geometry", "geometry", type=FILE, required=True, help="Geometry.")
@click.option("--tropo-file", "delays", type=TARGET, help="Series of delays.  [default: ERA5.h5 beside the geometry]")
@missing_flag
@memory_flag
def command(
    series: Path | None,
    dates: tuple[str, ...],
    hour: int | None,
    target: Path | None,
    folder: Path | None,
    geometry: Path,
    delays: Path | None,
    memory_gb: float,
    **chosen: Any,  # noqa: ANN401 - options of the model
) -> None:
    """Remove the troposphere by a weather model, or write its delays.

    Files of the model are taken from the folder; those of ERA5 that are missing are downloaded where there is an
    account of the Climate Data Store.
    """
    from creepmeter.corrections.weather_options import WeatherOptions
    from creepmeter.workflow.sbas.delay_sources import DelaySource

    source = DelaySource("pyaps", folder or Path(), build(WeatherOptions, chosen))
    if (series is None) == (not dates):
        message = "give either a series to correct (-f), or dates (-d)"
        raise click.UsageError(message)
    if series is not None:
        name = source.options.model
        correct(source, series, geometry, name, target=target, delays=delays, hour=hour, memory_gb=memory_gb)
        return
    from creepmeter.workflow.sbas.weather import make_delays
    from creepmeter.workflow.sbas.weather_dates import dates_given

    days, times = dates_given(dates, hour, geometry)
    place = writable(delays or target or geometry.with_name(f"{source.options.model}.h5"))
    with shown_progress() as progress:
        made = make_delays(source, geometry, place, days, times, memory_gb=memory_gb, progress=progress)
    if made.delays is not None:
        say(f"{place}: delays of {len(made.dates)} dates, absolute")
    end_with(made.notes)
