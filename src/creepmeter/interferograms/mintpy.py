"""Files in MintPy's layout as a source: ``ifgramStack.h5`` or ``offsetStack.h5``, and ``geometry*.h5``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from creepmeter.errors import InputError
from creepmeter.interferograms.catalogue import (
    OFFSET_LAYERS,
    PHASE_LAYERS,
    Catalogue,
    Interferogram,
    Report,
    assemble,
    matching,
    one_file,
)
from creepmeter.interferograms.load_options import LoadOptions
from creepmeter.io.layers import HdfLayer, Layer
from creepmeter.io.mintpy.grid import grid_from
from creepmeter.io.mintpy.product import list_datasets, read_attributes, read_tables
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.model.epoch import Epoch

STACKS = ("ifgramStack.h5", "offsetStack.h5")
GEO, RADAR = "geometryGeo.h5", "geometryRadar.h5"
_TABLE = ("azimuthCoord", "rangeCoord")
_OWN = ("CREEPMETER_", "Conventions", "FILE_PATH", "FILE_TYPE", "UNIT", "MODIFICATION_TIME")
_MAP = 2


def find(options: LoadOptions, base: Path) -> Catalogue:
    """Return what files of MintPy hold; no pixel is read.

    Parameters
    ----------
    options : LoadOptions
        ``unw_file`` (or ``rg_off_file``) names the stack, ``dem_file`` the geometry; by default those in the folder
        ``inputs``.
    base : Path
        Folder that relative names start from.

    Raises
    ------
    InputError
        There is no stack.
    """
    report = Report()
    path = _stack_file(options, base)
    stack = StackFile.open(path)
    names = [name for name in (*PHASE_LAYERS, *OFFSET_LAYERS) if name in stack.names]
    found = [
        Interferogram(
            pair,
            {name: HdfLayer(path, name, index) for name in names},
            float(stack.bperp[index]),
            f"{path.name} {pair}",
            keep=bool(stack.keep[index]),
        )
        for index, pair in enumerate(stack.pairs)
    ]
    attributes = {name: text for name, text in stack.attributes.items() if not name.startswith(_OWN)}
    grid = grid_from(attributes, stack.shape[1:], path)
    name = RADAR if grid is None else GEO
    place = _geometry_file(options, base, path.with_name(name), report)
    geometry = {} if place is None else _maps(place)
    lookup = _lookup(path.with_name(GEO)) if grid is None else None
    made = assemble(found, geometry, attributes, report, grid=grid, lookup=lookup)
    return made if place is None else replace(made, bperp=_pixel_baselines(place, made.shape))


def _stack_file(options: LoadOptions, base: Path) -> Path:
    pattern = options.unw_file or options.rg_off_file or options.az_off_file
    named = matching(pattern, base)
    for place in named or [base / "inputs", base]:
        for candidate in [place] if place.is_file() else [place / name for name in STACKS]:
            if candidate.is_file():
                return candidate
    message = f"no {STACKS[0]} was found ({pattern or base / 'inputs'}): name it with unw_file"
    raise InputError(message)


def _geometry_file(options: LoadOptions, base: Path, beside: Path, report: Report) -> Path | None:
    path = one_file(options.dem_file, base, report, "dem_file")
    if path is None and beside.is_file():
        path = beside
    if path is None:
        report.note("no geometry file was found beside the stack")
    return path


def _maps(path: Path) -> dict[str, Layer]:
    read_attributes(path)
    maps = [name for name, (shape, _) in list_datasets(path).items() if len(shape) == _MAP]
    return {name: HdfLayer(path, name) for name in maps}


def _pixel_baselines(path: Path, shape: tuple[int, int]) -> dict[Epoch, Layer]:
    """Return the baseline of every pixel by date, where the geometry holds it."""
    held = list_datasets(path)
    dates = read_tables(path).get("date", np.empty(0)) if "bperp" in held else np.empty(0)
    if not dates.size or held["bperp"][0] != (len(dates), *shape):
        return {}
    return {date: HdfLayer(path, "bperp", index) for index, date in enumerate(dates)}


def _lookup(path: Path) -> Catalogue | None:
    """Return the table on a map grid of where each cell lies in radar coordinates; None where there is none."""
    held = list_datasets(path) if path.is_file() else {}
    if not set(_TABLE) <= set(held):
        return None
    layers: dict[str, Layer] = {name: HdfLayer(path, name) for name in _TABLE}
    attributes = {name: text for name, text in read_attributes(path).items() if not name.startswith(_OWN)}
    shape = layers[_TABLE[0]].shape
    return Catalogue((), layers, shape, grid_from(attributes, shape, path), attributes)
