"""What the commands share that save maps for other programs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from creepmeter.cli.flags import FILE

_NONE = ("no", "none")


def _mask(ctx: click.Context, parameter: click.Parameter, value: str | None) -> Path | str | None:
    """Return a file that is there, ``no``, or None."""
    if value is None or value.lower() in _NONE:
        return value and "no"
    found: Path = FILE.convert(value, parameter, ctx)
    return found


def mask_flag(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``-m FILE``; the command gets it as ``mask_file``, None where it was not given, ``no`` for none."""
    text = "Pixels where it is nonzero are saved, `no` for all; default: maskTempCoh.h5 beside a series or velocity."
    return click.option("-m", "--mask", "mask_file", callback=_mask, metavar="FILE", help=text)(function)


def chosen_mask(file: Path, given: Path | str | None) -> Path | None:
    """Return the mask of a product: the one given, else the usual one."""
    from creepmeter.products.beside import mask_beside

    if given is not None:
        return None if given == "no" else Path(given)
    return mask_beside(file)


def geometry_flag(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``-g FILE``; the command gets it as ``geometry_file``."""
    text = "Geometry: heights and angles, in radar coordinates latitude and longitude; default: beside, or in inputs."
    return click.option("-g", "--geom", "--geometry", "geometry_file", type=FILE, help=text)(function)


def default_name(file: Path, name: str | None, ending: str) -> Path:
    """Return the name of a file to make beside the product: that of the product, and the map if one was named."""
    stem = file.name.removesuffix(file.suffix)
    return file.with_name(f"{stem}_{name}{ending}" if name else f"{stem}{ending}")
