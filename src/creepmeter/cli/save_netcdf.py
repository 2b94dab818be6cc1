"""creepmeter save netcdf."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import PRODUCT, file_out, require_other
from creepmeter.cli.group import Verb
from creepmeter.cli.session import say


@click.command(cls=Verb, example="creepmeter save netcdf run/timeseries.zarr -o timeseries.nc")
@click.argument("file", type=PRODUCT)
@file_out((".nc", ".nc4", ".cdf"), "File to make; default: name of the product, in the working folder.")
def command(file: Path, target: Path | None) -> None:
    """Save a product as NetCDF."""
    from creepmeter.io.store import open as open_product
    from creepmeter.products.export import save_netcdf

    place = target or Path(f"{file.resolve().stem}.nc")
    require_other(file, place)
    say(str(save_netcdf(open_product(file), place)))
