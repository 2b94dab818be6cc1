"""creepmeter save kmz-timeseries, creepmeter save-kmz-timeseries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from creepmeter.cli.exports import chosen_mask, default_name, geometry_flag, mask_flag
from creepmeter.cli.flags import FILE, PRODUCT, changed, file_out, options_from
from creepmeter.cli.group import Verb
from creepmeter.cli.session import say
from creepmeter.products.kmz_options import KmzSeriesOptions

_RENAMED = {"cmap": ("-c", "--colormap"), "min_percentage": ("--min-percentage", "--min-perc")}
_LODS = ("--level-of-details", "--lods")


@click.command(
    "kmz-timeseries", cls=Verb, example="creepmeter save kmz-timeseries geo/geo_timeseries_ERA5_ramp_demErr.h5"
)
@click.argument("file", type=PRODUCT)
@click.option("--vel", "velocity", type=PRODUCT, help="Velocity, for the colours; default: velocity.h5 beside.")
@click.option("--tcoh", "coherence", type=FILE, help="Temporal coherence; default: temporalCoherence.h5 beside.")
@mask_flag
@geometry_flag
@file_out((".kmz",), "File to make; default: name of the series, beside it.")
@click.option("-v", "--vlim", type=(float, float), metavar="MIN MAX", help="Ends of the colours, cm/year.")
@click.option("--steps", type=(int, int, int), help="Pixels from point to point at each level.  [default: 20 5 2]")
@click.option(*_LODS, "lods", type=(float,) * 4, help="Zoom from which levels are shown.  [default: 0 1500 4000 -1]")
@options_from(KmzSeriesOptions, rename=_RENAMED, leave_out=("vmin", "vmax", "steps", "lods", "wrap"))
@click.option("--wrap", is_flag=True, help="Draw velocities in fringes from MIN to MAX.")
def command(
    file: Path,
    velocity: Path | None,
    coherence: Path | None,
    mask_file: Path | str | None,
    geometry_file: Path | None,
    target: Path | None,
    options: KmzSeriesOptions,
    **given: Any,  # noqa: ANN401 - vlim, steps, lods, wrap
) -> None:
    """Save a series for Google Earth: points with a chart each.

    Charts need no network. More points appear from nearby; the finest level is for moving ground.
    """
    from creepmeter.errors import InputError
    from creepmeter.products.beside import geometry_beside
    from creepmeter.products.kmz_series import SeriesFiles, save_kmz_series

    more = {name: value for name, value in given.items() if name != "vlim" and value}
    if given["vlim"] is not None:
        more |= dict(zip(("vmin", "vmax"), given["vlim"], strict=True))
    try:
        geometry: Path | None = geometry_beside(file, geometry_file)
    except InputError:  # heights are told where they are known
        geometry = None
    files = SeriesFiles(file, velocity, coherence, chosen_mask(file, mask_file), geometry)
    say(str(save_kmz_series(files, target or default_name(file, None, ".kmz"), changed(options, **more))))
