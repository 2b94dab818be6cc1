"""Mosaics of geocoded products in MintPy's layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import NullProgress, Progress
from creepmeter.errors import InputError
from creepmeter.geometry.mosaic import join, match, union_grid
from creepmeter.geometry.mosaic_options import MosaicOptions
from creepmeter.geometry.resample import values_on
from creepmeter.io.mintpy.grid import grid_from
from creepmeter.io.mintpy.product import Dataset, ProductWriter
from creepmeter.io.provenance import digest_text
from creepmeter.model.grid import Grid, centre_positions, map_position, pixel_position
from creepmeter.workflow.sbas.facts import Facts, facts_of
from creepmeter.workflow.sbas.places import reference_attributes
from creepmeter.workflow.sbas.rewrite import is_linear, is_referred

Array = npt.NDArray[Any]
_SUBSET = ("SUBSET_YMIN", "SUBSET_YMAX", "SUBSET_XMIN", "SUBSET_XMAX")


def stitch_products(
    files: Sequence[Path], target: Path, options: MosaicOptions, *, progress: Progress | None = None
) -> dict[str, list[float]]:
    """Write a mosaic of all datasets of geocoded files.

    Parameters
    ----------
    files : sequence of Path
        Products of one kind; series have the same dates. Maps with other steps are brought to the cells of the first.
    target : Path
        Mosaic.
    options : MosaicOptions
        Offsets and ramps of velocity and displacement; other maps keep their values.
    progress : Progress, optional
        Shows how far it has come.

    Returns
    -------
    dict of str to list of float
        Level that was taken off each file, in the first layer of each dataset.

    Raises
    ------
    InputError
        Files differ in kind or dates, are not geocoded, or do not overlap.
    """
    facts = [facts_of(path) for path in files]
    grids = [_grid(fact, path) for fact, path in zip(facts, files, strict=True)]
    first = facts[0]
    for fact, path in zip(facts[1:], files[1:], strict=True):
        _require_alike(first, fact, path)
    whole = union_grid(grids)
    entries = {name: Dataset((*first.shapes[name][:-2], *whole.shape), first.types[name]) for name in first.arrays}
    attributes = _attributes(first, grids[0], whole)
    digest = digest_text([fact.content for fact in facts], options.model_dump_json())
    writer = ProductWriter.create_or_resume(target, entries, attributes, digest, first.tables)
    shown, told = progress or NullProgress(), dict[str, list[float]]()
    shown.start(target.name, sum(array.shape[0] for array in first.arrays.values()))
    for name, array in first.arrays.items():
        for layer in range(array.shape[0]):
            maps = [
                _placed(fact.arrays[name].read(layers=slice(layer, layer + 1))[0], grid, whole)
                for fact, grid in zip(facts, grids, strict=True)
            ]
            joined, levels = _joined(maps, first, name, options)
            told.setdefault(name, levels)
            writer.put(f"{name}-{layer}", {"layer": slice(layer, layer + 1)}, {name: joined[None]})
            shown.advance(1)
    shown.finish()
    writer.finish({"inputs": {path.name: fact.content for path, fact in zip(files, facts, strict=True)}})
    return told


def _grid(facts: Facts, path: Path) -> Grid:
    grid = grid_from(facts.attributes, facts.shape, path)
    if grid is None:
        message = f"{path} is in radar coordinates: geocode it first (`creepmeter geocode`)"
        raise InputError(message)
    return grid


def _require_alike(first: Facts, other: Facts, path: Path) -> None:
    names = set(first.arrays) ^ set(other.arrays)
    if names:
        message = f"{path} and the first file do not both have {', '.join(sorted(names))}: give files of one kind"
        raise InputError(message)
    layers = [name for name in first.arrays if first.arrays[name].shape[0] != other.arrays[name].shape[0]]
    ours, theirs = (facts.tables.get("date", np.empty(0)) for facts in (first, other))
    if layers or not np.array_equal(ours, theirs):
        message = f"{path} has other dates than the first file: only series of the same dates can be joined"
        raise InputError(message)


def _placed(values: Array, source: Grid, whole: Grid) -> Array:
    """Return a map on the grid of the mosaic; masks and whole numbers by the nearest cell, with what covers them."""
    if values.dtype.kind == "f":
        return values_on(values, source, whole)
    column, row = pixel_position(source, *centre_positions(whole), whole.crs)
    inside = (row >= 0) & (row < source.shape[0]) & (column >= 0) & (column < source.shape[1])
    down, across = (np.where(inside, np.floor(place), 0).astype(np.intp) for place in (row, column))
    return np.where(inside, values[down, across], np.nan).astype(np.float64)


def _joined(maps: list[Array], facts: Facts, name: str, options: MosaicOptions) -> tuple[Array, list[float]]:
    kind = facts.types[name]
    linear = is_referred(facts.attributes) and is_linear(name, facts.arrays[name])
    chosen = options if linear else options.model_copy(update={"offset": False})
    if kind.kind != "f" and chosen.overlap == "mean":
        chosen = chosen.model_copy(update={"overlap": "last"})
    coefficients = match(maps, chosen)
    joined = join(maps, coefficients, chosen)
    if kind.kind != "f":
        joined = np.nan_to_num(joined)
    return joined.astype(kind), [float(level) for level in coefficients[:, 0]]


def _attributes(facts: Facts, grid: Grid, whole: Grid) -> dict[str, str]:
    """Return the attributes of the mosaic: those of the first file, on the larger grid."""
    affine = whole.affine
    kept = {name: text for name, text in facts.attributes.items() if name not in _SUBSET}
    found = {**kept, "X_FIRST": str(float(affine.c)), "Y_FIRST": str(float(affine.f))}
    if {"REF_Y", "REF_X"} <= set(found):
        column, row = pixel_position(whole, *map_position(grid, 0, 0), None)
        pixel = int(found["REF_Y"]) + round(float(row)), int(found["REF_X"]) + round(float(column))
        found |= {name: text for name, text in reference_attributes(found, pixel).items() if text is not None}
    return found
