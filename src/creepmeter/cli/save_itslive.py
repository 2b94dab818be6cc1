"""creepmeter save itslive."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import PRODUCT, writable
from creepmeter.cli.group import Verb
from creepmeter.cli.session import say

_OUT = "Folder; default: name of the product and -itslive, in the working folder."
_INTEGER = "Whole metres per year in 16 bits, as ITS_LIVE has them, instead of float32."
_SCENES = "Images that the pairs were tracked from, such as 'scenes/*.tif': their names become those of the files."


@click.command(cls=Verb, example="creepmeter save itslive run/stack.zarr -o pairs")
@click.argument("file", type=PRODUCT)
@click.option("-o", "--output", "target", type=click.Path(path_type=Path), metavar="FOLDER", help=_OUT)
@click.option("--integer", is_flag=True, help=_INTEGER)
@click.option("--scenes", metavar="PATTERN", help=_SCENES)
def command(file: Path, target: Path | None, integer: bool, scenes: str | None) -> None:
    """Save pairs of image offsets in the layout of ITS_LIVE.

    One NetCDF file per pair: vx, vy, v and v_error in metres per year of 365 days.
    """
    from creepmeter.interferograms.mapfiles import find_files
    from creepmeter.io.store import open as open_product
    from creepmeter.products.itslive import save_itslive

    place = writable(target or Path(f"{file.resolve().stem}-itslive"))
    images = find_files(scenes) if scenes else []
    for path in save_itslive(open_product(file), place, integer=integer, scenes=images):
        say(str(path))
