"""creepmeter save roipac, gbis, kite; and the same by MintPy's names."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.exports import chosen_mask, default_name, geometry_flag, mask_flag
from creepmeter.cli.flags import FILE, PRODUCT, file_out, writable
from creepmeter.cli.group import Verb
from creepmeter.cli.session import say

_OUT = click.Path(dir_okay=False, path_type=Path)
_PIXEL = (int, int)


@click.command("roipac", cls=Verb, example="creepmeter save roipac geo/geo_timeseries.h5 20180105_20190816")
@click.argument("file", type=PRODUCT)
@click.argument("name", required=False)
@click.option("-o", "--output", "target", type=_OUT, help="File: .unw, .cor, .dem or .hgt; default: the two dates.")
@click.option("-m", "--mask", "mask_file", type=FILE, help="Pixels where it is nonzero are saved.")
@click.option("--ref-yx", "reference", type=_PIXEL, metavar="Y X", help="Row and column where phase is 0.")
def roipac(
    file: Path, name: str | None, target: Path | None, mask_file: Path | None, reference: tuple[int, int] | None
) -> None:
    """Save phase, coherence or heights in the format of ROI_PAC.

    A velocity becomes the phase over all its dates; of a series NAME is a date or two: 20180105, 20180105_20190816.
    """
    from creepmeter.products.roipac import save_roipac

    place = None if target is None else writable(target)
    for path in save_roipac(file, place, name, mask=mask_file, reference_yx=reference):
        say(str(path))


@click.command("gbis", cls=Verb, example="creepmeter save gbis velocity.h5 -g inputs/geometryGeo.h5")
@click.argument("file", type=PRODUCT)
@click.argument("name", required=False)
@geometry_flag
@mask_flag
@file_out((".mat",), "File to make; default: name of the product, beside it.")
def gbis(
    file: Path,
    name: str | None,
    geometry_file: Path | None,
    mask_file: Path | str | None,
    target: Path | None,
) -> None:
    """Save displacement with position and line of sight for GBIS."""
    from creepmeter.products.beside import geometry_beside
    from creepmeter.products.gbis import save_gbis

    place = target or default_name(file, name, ".mat")
    geometry = geometry_beside(file, geometry_file)
    say(str(save_gbis(file, place, name, geometry=geometry, mask=chosen_mask(file, mask_file))))


@click.command("kite", cls=Verb, example="creepmeter save kite geo/geo_velocity.h5 -d step20190704 -o descending")
@click.argument("file", type=PRODUCT)
@click.option("-d", "--dset", "--dataset", "name", help="Map and dates; default: the velocity, or the last date.")
@geometry_flag
@mask_flag
@click.option("-o", "--output", "target", type=_OUT, help="Name of both files; default: that of the product.")
def kite(
    file: Path,
    name: str | None,
    geometry_file: Path | None,
    mask_file: Path | str | None,
    target: Path | None,
) -> None:
    """Save displacement and line of sight as scene of Kite (Pyrocko).

    Two files are made, .npz and .yml; `spool NAME` opens them.
    """
    from creepmeter.products.beside import geometry_beside
    from creepmeter.products.kite import save_kite

    place = writable(target or default_name(file, name, ".npz"))
    geometry = geometry_beside(file, geometry_file)
    for path in save_kite(file, place, name, geometry=geometry, mask=chosen_mask(file, mask_file)):
        say(str(path))
