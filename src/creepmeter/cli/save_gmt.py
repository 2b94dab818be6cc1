"""creepmeter save gmt, creepmeter save explorer; creepmeter save-gmt, creepmeter save-explorer."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.exports import chosen_mask, default_name, mask_flag
from creepmeter.cli.flags import PRODUCT, file_out, writable
from creepmeter.cli.group import Verb
from creepmeter.cli.session import say


@click.command("gmt", cls=Verb, example="creepmeter save gmt geo/geo_velocity.h5")
@click.argument("file", type=PRODUCT)
@click.argument("name", required=False)
@file_out((".grd", ".nc"), "File to make; default: name of the product, beside it.")
@mask_flag
@click.option("-u", "--unit", help="Unit of the values, such as mm; default: that of the product.")
def command(file: Path, name: str | None, target: Path | None, mask_file: Path | str | None, unit: str | None) -> None:
    """Save a map as grid of GMT (netCDF-4).

    NAME is a map, a date or two: velocity, 20180105, 20180105_20180117 (the second minus the first).
    """
    from creepmeter.products.gmt import save_gmt

    place = target or default_name(file, name, ".grd")
    say(str(save_gmt(file, place, name, mask=chosen_mask(file, mask_file), unit=unit)))


@click.command("explorer", cls=Verb, example="creepmeter save explorer geo/geo_timeseries_ERA5_ramp_demErr.h5")
@click.argument("file", type=PRODUCT)
@click.option("-v", "--vel", "velocity", type=PRODUCT, help="Velocity; default: velocity.h5 beside.")
@mask_flag
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("InSAR-Explorer"),
    show_default=True,
    help="Folder.",
)
def explorer(file: Path, velocity: Path | None, mask_file: Path | str | None, folder: Path) -> None:
    """Save a series and its velocity as grids for InSAR Explorer."""
    from creepmeter.products.beside import VELOCITY, beside
    from creepmeter.products.gmt import save_explorer

    usual = beside(file, VELOCITY)
    speeds = velocity or (usual if usual.is_file() else None)
    written = save_explorer(file, writable(folder), velocity=speeds, mask=chosen_mask(file, mask_file))
    say(f"{folder}: {len(written)} grids")
