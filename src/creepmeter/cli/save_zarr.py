"""creepmeter save zarr."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import PRODUCT, require_other, store_out
from creepmeter.cli.group import Verb
from creepmeter.cli.session import say


@click.command(cls=Verb, example="creepmeter save zarr timeseries.h5 -o timeseries.zarr")
@click.argument("file", type=PRODUCT)
@store_out
def command(file: Path, target: Path) -> None:
    """Save a product as Zarr store with CF and GeoZarr attributes."""
    from creepmeter.io import store

    require_other(file, target)
    store.write(store.open(file), target)
    say(str(target))
