"""creepmeter save kmz, creepmeter save-kmz."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from creepmeter.cli.exports import chosen_mask, default_name, mask_flag
from creepmeter.cli.flags import PRODUCT, changed, file_out, options_from
from creepmeter.cli.group import Verb
from creepmeter.cli.session import say
from creepmeter.products.kmz_options import KmzOptions

_RENAMED = {
    "unit": "-u",
    "cmap": ("-c", "--cm", "--colormap"),
    "label": "--cbar-label",
}
_NOT_FLAGS = ("vmin", "vmax", "wrap_range", "mark_reference")


@click.command(cls=Verb, example="creepmeter save kmz geo/geo_velocity.h5")
@click.argument("file", type=PRODUCT)
@click.argument("name", required=False)
@file_out((".kmz",), "File to make; default: name of the product, beside it.")
@mask_flag
@click.option("-v", "--vlim", type=(float, float), metavar="MIN MAX", help="Ends of the colours, in the unit shown.")
@click.option("--wrap-range", type=(float, float), metavar="MIN MAX", help="Ends of one fringe, in the unit shown.")
@click.option("--noreference", is_flag=True, help="Do not mark the reference point.")
@options_from(KmzOptions, rename=_RENAMED, leave_out=_NOT_FLAGS)
def command(
    file: Path,
    name: str | None,
    target: Path | None,
    mask_file: Path | str | None,
    vlim: tuple[float, float] | None,
    wrap_range: tuple[float, float] | None,
    noreference: bool,
    options: KmzOptions,
) -> None:
    """Save a map for Google Earth.

    NAME is a map, a date or two: velocity, step20190704, 20180105, 20180105_20180117 (the second minus the first).
    """
    from creepmeter.products.kmz import save_kmz

    more: dict[str, Any] = {"mark_reference": not noreference}
    if vlim is not None:
        more |= dict(zip(("vmin", "vmax"), vlim, strict=True))
    if wrap_range is not None:
        more["wrap_range"] = wrap_range
    place = target or default_name(file, name, ".kmz")
    say(str(save_kmz(file, place, name, options=changed(options, **more), mask=chosen_mask(file, mask_file))))
