"""Parts of products, and products of fewer, larger pixels: any file in MintPy's layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import Progress
from creepmeter.errors import InputError
from creepmeter.interferograms.looks import Looks, attributes_after
from creepmeter.io.mintpy.grid import grid_from
from creepmeter.io.mintpy.product import read_attributes
from creepmeter.workflow.sbas.facts import facts_of
from creepmeter.workflow.sbas.layers import Change, write_resampled
from creepmeter.workflow.sbas.places import Area, Box, pixel_box, product_shape

Array = npt.NDArray[Any]


def box_of_area(path: Path, area: Area, lookup: Path | None = None) -> Box:
    """Return first row, end, first column, end of the pixels of a product inside south, north, west, east, degrees."""
    return pixel_box(read_attributes(path), product_shape(path), path, lookup, area)


def box_of_reference(path: Path, reference: Path, lookup: Path | None = None) -> Box:
    """Return the pixels of a product that lie where another one does.

    Raises
    ------
    InputError
        The other one is not geocoded.
    """
    shape = product_shape(reference)
    grid = grid_from(read_attributes(reference), shape, reference)
    if grid is None:
        message = f"{reference} is in radar coordinates and covers no area in degrees: name a geocoded file (-r)"
        raise InputError(message)
    affine = grid.affine
    edges = affine.f, affine.f + affine.e * shape[0], affine.c, affine.c + affine.a * shape[1]
    return box_of_area(path, (min(edges[:2]), max(edges[:2]), min(edges[2:]), max(edges[2:])), lookup)


def subset_product(
    source: Path, target: Path, box: Box, *, memory_gb: float = 4.0, progress: Progress | None = None
) -> Path:
    """Write a part of a product.

    Parameters
    ----------
    source, target : Path
        Product; where the part goes.
    box : (int, int, int, int)
        First row, end, first column, end; what lies beyond the edge is left out.
    memory_gb : float
        Memory to keep within.
    progress : Progress, optional
        Shows how far it has come.

    Raises
    ------
    InputError
        It holds no pixel.
    """
    rows, columns = product_shape(source)
    top, bottom, left, right = max(box[0], 0), min(box[1], rows), max(box[2], 0), min(box[3], columns)
    if top >= bottom or left >= right:
        message = (
            f"rows {box[0]} to {box[1]}, columns {box[2]} to {box[3]} hold no pixel of {source} ({rows} x {columns}): "
            "correct the subset"
        )
        raise InputError(message)
    looks = Looks(slice(top, bottom), slice(left, right), rule="mintpy")
    return _write(source, target, looks, memory_gb, progress)


def multilook_product(
    source: Path,
    target: Path,
    looks: tuple[int, int],
    *,
    method: str = "mean",
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> Path:
    """Write a product with several pixels joined to one.

    Parameters
    ----------
    source, target : Path
        Product; where the smaller one goes.
    looks : (int, int)
        Rows and columns that become one; what is left over at the end is not used.
    method : {"nearest", "mean", "median"}
        The middle pixel, or mean or median of those that are measured. Masks, components and wrapped phase are always
        taken from the middle pixel.
    memory_gb : float
        Memory to keep within.
    progress : Progress, optional
        Shows how far it has come.

    Raises
    ------
    InputError
        Less than one pixel is left.
    """
    rows, columns = product_shape(source)
    joined = Looks(slice(0, rows), slice(0, columns), *looks, method, "mintpy")
    if min(joined.shape) < 1 or min(looks) < 1:
        message = f"{looks[0]} x {looks[1]} looks leave no pixel of {source} ({rows} x {columns}): take fewer"
        raise InputError(message)
    return _write(source, target, joined, memory_gb, progress)


def _write(source: Path, target: Path, looks: Looks, memory_gb: float, progress: Progress | None) -> Path:
    facts = facts_of(source)
    grid = grid_from(facts.attributes, facts.shape, source)
    after = attributes_after(dict(facts.attributes), looks, grid)
    dropped: dict[str, str | None] = {name: None for name in facts.attributes if name not in after}

    def take(name: str, values: Array) -> Array:
        if len(values) == 0:
            return np.zeros((0, *looks.shape), looks.join(np.zeros(values.shape[1:], values.dtype), name).dtype)
        return np.stack([looks.join(layer, name) for layer in values])

    tall, wide = looks.shape
    rows = slice(looks.rows.start, looks.rows.start + tall * looks.tall)
    columns = slice(looks.columns.start, looks.columns.start + wide * looks.wide)
    change = Change(looks.shape, take, {**after, **dropped}, (rows, columns), key=looks)
    return write_resampled(facts, target, change, memory_gb=memory_gb, progress=progress)
