"""creepmeter save geotiff, creepmeter save cog."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from creepmeter.cli.flags import PRODUCT, writable
from creepmeter.cli.group import Verb
from creepmeter.cli.session import say

_file = click.argument("file", type=PRODUCT)


def _out(function: Callable[..., Any]) -> Callable[..., Any]:
    text = "Folder, or FOLDER/STEM.tif for the beginning of the names; default: name of the product, here."
    kind = click.Path(path_type=Path)
    return click.option("-o", "--output", "target", type=kind, metavar="OUT", help=text)(function)


@click.command(cls=Verb, example="creepmeter save geotiff run/velocity.zarr -o maps")
@_file
@_out
def command(file: Path, target: Path | None) -> None:
    """Save maps as GeoTIFF.

    One file per term, component or pair; NaN = not measured.
    """
    _save(file, target, cog=False)


@click.command("cog", cls=Verb, example="creepmeter save cog run/velocity.zarr -o maps")
@_file
@_out
def cog(file: Path, target: Path | None) -> None:
    """Save maps as cloud-optimised GeoTIFF."""
    _save(file, target, cog=True)


def _save(file: Path, target: Path | None, *, cog: bool) -> None:
    from creepmeter.io.store import open as open_product
    from creepmeter.products.export import save_geotiff

    place = writable(target or Path(f"{file.resolve().stem}.tif"))
    for path in save_geotiff(open_product(file), place, cog=cog):
        say(str(path))
