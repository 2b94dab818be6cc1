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
from creepmeter.interferograms.attributes import grid_attributes
from creepmeter.io.mintpy.grid import grid_from
from creepmeter.io.mintpy.product import Dataset, ProductWriter
from creepmeter.io.provenance import digest_text
from creepmeter.model.grid import Grid, centre_positions, map_position, pixel_position
from creepmeter.model.table import cell_position
from creepmeter.workflow.sbas.facts import Facts, facts_of, own_attributes
from creepmeter.workflow.sbas.layers import Change, write_resampled
from creepmeter.workflow.sbas.places import reference_attributes
from creepmeter.workflow.sbas.rewrite import is_linear, is_referred

Array = npt.NDArray[Any]
_PIXEL = ("REF_Y", "REF_X", "REF_LAT", "REF_LON")
_MOST_CELLS = 2**31 - 1
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
    entries = {
        name: Dataset((*first.shapes[name][:-2], *whole.shape), first.types[name], own_attributes(array))
        for name, array in first.arrays.items()
    }
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


def resample_product(
    source: Path,
    target: Path,
    *,
    like: Path | None = None,
    steps: tuple[float, float] | None = None,
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> Path:
    """Write a geocoded product on another grid.

    Parameters
    ----------
    source, target : Path
        Product; where the new one goes.
    like : Path, optional
        Geocoded file whose grid is taken.
    steps : (float, float), optional
        Else steps in y and x, in the unit of the map; the area stays.
    memory_gb : float
        Memory to keep within. A layer is not cut.
    progress : Progress, optional
        Shows how far it has come.

    Raises
    ------
    InputError
        A file is in radar coordinates, or no cell would be left.
    """
    facts = facts_of(source)
    grid = _grid(facts, source)
    whole = _grid(facts_of(like), like) if like is not None else _stepped(grid, steps or (1.0, 1.0))

    def take(name: str, layers: Array) -> Array:
        kind = facts.types[name]
        if len(layers) == 0:
            return np.zeros((0, *whole.shape), kind)
        placed = np.stack([_placed(layer, grid, whole) for layer in layers])
        return (placed if kind.kind == "f" else np.nan_to_num(placed)).astype(kind)

    found = {name: text for name, text in _attributes(facts, grid, whole).items() if name not in _PIXEL}
    attributes: dict[str, str | None] = {**dict.fromkeys((*_PIXEL, *_SUBSET)), **found, **grid_attributes(whole)}
    if {"REF_LAT", "REF_LON"} <= set(facts.attributes):
        row, column = cell_position(whole, *(float(facts.attributes[name]) for name in ("REF_LAT", "REF_LON")))
        pixel = int(np.floor(row)), int(np.floor(column))
        if 0 <= pixel[0] < whole.shape[0] and 0 <= pixel[1] < whole.shape[1]:
            attributes |= {"REF_Y": str(pixel[0]), "REF_X": str(pixel[1])}
            attributes |= {name: facts.attributes[name] for name in ("REF_LAT", "REF_LON")}
    change = Change((whole.shape[0], whole.shape[1]), take, attributes, key=str(whole.affine))
    return write_resampled(facts, target, change, memory_gb=memory_gb, progress=progress)


def _stepped(grid: Grid, steps: tuple[float, float]) -> Grid:
    """Return a grid of the same area with other steps."""
    affine = grid.affine
    tall, wide = np.copysign(abs(steps[0]), affine.e), np.copysign(abs(steps[1]), affine.a)
    if not tall or not wide:
        message = f"steps {steps[0]:g} and {steps[1]:g}: give steps that are not zero (--step)"
        raise InputError(message)
    shape = round(grid.shape[0] * affine.e / tall), round(grid.shape[1] * affine.a / wide)
    if min(shape) < 1 or shape[0] * shape[1] > _MOST_CELLS:
        message = f"steps {steps[0]:g} and {steps[1]:g} give {shape[0]} x {shape[1]} cells: give others (--step)"
        raise InputError(message)
    return Grid(shape, type(affine)(float(wide), 0.0, affine.c, 0.0, float(tall), affine.f), grid.crs)
