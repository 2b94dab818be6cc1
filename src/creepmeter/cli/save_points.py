"""creepmeter save qgis, creepmeter save csv, creepmeter save-qgis."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from creepmeter.cli.exports import chosen_mask, default_name, geometry_flag, mask_flag
from creepmeter.cli.flags import FILE, PRODUCT, file_out
from creepmeter.cli.group import Verb
from creepmeter.cli.session import say

if TYPE_CHECKING:
    from creepmeter.products.pointtable import PointOptions

_STEP = click.IntRange(min=1)


def _window_flags(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add which points are written; the command gets ``box`` and ``step``."""
    box = click.option(
        "-b", "--bbox", "box", type=(int, int, int, int), metavar="Y0 Y1 X0 X1", help="Rows and columns to write."
    )
    step = click.option("--step", type=_STEP, default=1, show_default=True, help="Every so many pixels.")
    return box(step(function))


def _options(
    mask: Path | None, box: tuple[int, int, int, int] | None, step: int, *, zero_first: bool = False
) -> PointOptions:
    from creepmeter.products.mapfile import WHOLE
    from creepmeter.products.pointtable import PointOptions

    rows, columns = (WHOLE, WHOLE) if box is None else (_span(box[:2]), _span(box[2:]))
    return PointOptions(mask, rows, columns, step, zero_first)


def _span(ends: tuple[int, int]) -> slice:
    return slice(min(ends), max(ends))


def _geometry(file: Path, given: Path | None) -> Path | None:
    from creepmeter.errors import InputError
    from creepmeter.products.beside import geometry_beside

    try:
        return geometry_beside(file, given)
    except InputError:  # heights are written where they are known
        return None


@click.command("qgis", cls=Verb, example="creepmeter save qgis timeseries_ERA5_ramp_demErr.h5")
@click.argument("file", type=PRODUCT)
@geometry_flag
@mask_flag
@click.option("--vel", "velocity", type=PRODUCT, help="Velocity; default: velocity.h5 beside.")
@click.option("--tcoh", "coherence", type=FILE, help="Temporal coherence; default: temporalCoherence.h5 beside.")
@file_out((".gpkg",), "File to make; default: name of the series, beside it.", also=("--outshp",))
@_window_flags
@click.option("--zf", "--zero-first", "zero_first", is_flag=True, help="Displacement is relative to the first date.")
def qgis(
    file: Path,
    geometry_file: Path | None,
    mask_file: Path | str | None,
    velocity: Path | None,
    coherence: Path | None,
    target: Path | None,
    **given: Any,  # noqa: ANN401 - box, step, zero_first
) -> None:
    """Save a series as points with a column for each date, as GeoPackage.

    QGIS and its plugin InSAR Explorer show it: fields VEL, COHERENCE, HEIGHT, D20180105 ...
    """
    from creepmeter.products.pointtable import save_geopackage

    options = _options(chosen_mask(file, mask_file), given["box"], given["step"], zero_first=given["zero_first"])
    path = save_geopackage(
        file,
        target or default_name(file, None, ".gpkg"),
        geometry=_geometry(file, geometry_file),
        velocity=velocity,
        coherence=coherence,
        options=options,
    )
    say(str(path))


@click.command("csv", cls=Verb, example="creepmeter save csv velocity.h5 temporalCoherence.h5 -o points.csv")
@click.argument("files", type=PRODUCT, nargs=-1, required=True)
@click.option("-d", "--dset", "names", multiple=True, help="Map to write; default: the main one of each product.")
@geometry_flag
@mask_flag
@file_out((".csv",), "File to make; default: name of the first product, beside it.")
@_window_flags
def table(
    files: tuple[Path, ...],
    names: tuple[str, ...],
    geometry_file: Path | None,
    mask_file: Path | str | None,
    target: Path | None,
    box: tuple[int, int, int, int] | None,
    step: int,
) -> None:
    """Save pixels of products on one grid as CSV, a line each."""
    from creepmeter.products.pointtable import save_csv

    first = files[0]
    path = save_csv(
        files,
        target or default_name(first, None, ".csv"),
        names=names,
        geometry=_geometry(first, geometry_file),
        options=_options(chosen_mask(first, mask_file), box, step),
    )
    say(str(path))
