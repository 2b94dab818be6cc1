"""Water mask, mask of connected components and mean coherence of a work folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from creepmeter.blocks import Progress
from creepmeter.errors import InputError
from creepmeter.io.mintpy.product import list_datasets, read_attributes, read_map
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.stack.mask import MaskOptions
from creepmeter.workflow.sbas.folder import is_ours
from creepmeter.workflow.sbas.maps import map_attributes, map_of, write_map

SNR = "avgSpatialSNR.h5"
_GEOMETRIES = ("geometryGeo.h5", "geometryRadar.h5")


def find_geometry(stack: StackFile, folder: Path) -> Path | None:
    """Return the geometry in the coordinates of a stack, or None where there is none."""
    name = _GEOMETRIES[0] if "Y_FIRST" in stack.attributes else _GEOMETRIES[1]
    places = (stack.path.parent / name, folder / "inputs" / name, folder / name)
    return next((path for path in places if path.is_file()), None)


def make_water_mask(geometry: Path, target: Path) -> Path | None:
    """Write the water mask of a geometry as a file of its own (True = land); None where the geometry has none.

    A file that another program or hand has put in its place is kept.
    """
    if "waterMask" not in list_datasets(geometry):
        return None
    attributes = read_attributes(geometry)
    if target.exists() and not is_ours(target):
        return target
    values = read_map(geometry, "waterMask") != 0
    changes = {"FILE_TYPE": "waterMask", "UNIT": "1", "NO_DATA_VALUE": "none", "FILE_PATH": geometry.name}
    return write_map(target, "waterMask", values, {**_plain(attributes), **changes}, {"inputs": {geometry.name: ""}})


def make_component_mask(
    stack: StackFile, target: Path, *, memory_gb: float = 4.0, progress: Progress | None = None
) -> Path:
    """Write where every used pair lies in a connected component; without components, where every pair has a phase.

    Raises
    ------
    InputError
        The stack has neither.
    """
    from creepmeter.stack.statistics import nonzero_in_all

    name = _first(stack, ("connectComponent", "unwrapPhase"))
    values = map_of(
        stack, name, nonzero_in_all, np.bool_, label="common components", memory_gb=memory_gb, progress=progress
    )
    return write_map(target, "mask", values, _plain(map_attributes(stack, "mask", "1")), {"dataset": name})


def make_average(
    stack: StackFile,
    target: Path,
    *,
    name: str = "coherence",
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> Path:
    """Write the mean of a dataset over the used pairs; zeros count, NaN do not.

    Raises
    ------
    InputError
        The stack has no such dataset.
    """
    from creepmeter.stack.statistics import average_layers

    _first(stack, (name,))
    values = map_of(
        stack, name, average_layers, np.float32, label=f"average {name}", memory_gb=memory_gb, progress=progress
    )
    attributes = _plain(map_attributes(stack, name, stack.attributes.get("UNIT", "1") if "Phase" in name else "1"))
    return write_map(target, name, values, attributes, {"dataset": name})


def _first(stack: StackFile, names: tuple[str, ...]) -> str:
    for name in names:
        if name in stack.names:
            return name
    message = f"{stack.path} has no dataset {' or '.join(names)}: it holds {', '.join(stack.names)}"
    raise InputError(message)


def _plain(attributes: dict[str, str]) -> dict[str, str]:
    """Return attributes without the reference: what does not depend on it stays the same when that changes."""
    return {
        name: text
        for name, text in attributes.items()
        if not name.startswith(("REF_", "CREEPMETER_", "MODIFICATION_")) and name != "Conventions"
    }


def make_mask_file(
    source: Path,
    target: Path,
    options: MaskOptions,
    *,
    name: str | None = None,
    base: tuple[Path, str | None] | None = None,
    nonzero: bool = False,
    above_error: float | None = None,
) -> float:
    """Write a mask made from a map; return the share of the pixels that it keeps.

    Parameters
    ----------
    source, target : Path
        Map; mask to make.
    options : MaskOptions
        The rules.
    name : str, optional
        Dataset or layer of the map.
    base : (Path, str or None), optional
        Another map and its dataset: where it has `base_value`, nothing is kept.
    nonzero : bool
        Leave zeros out.
    above_error : float, optional
        Of a velocity: keep where it is larger than this many standard errors.

    Raises
    ------
    InputError
        The maps do not fit together.
    """
    from creepmeter.stack.mask import make_mask

    values = read_map(source, name)
    other = None if base is None else read_map(*base)
    found = make_mask(values, options, other)
    if nonzero:
        found &= values != 0
    if above_error is not None:
        found &= np.abs(read_map(source, "velocity")) > above_error * read_map(source, "velocityStd")
    changes = {"FILE_TYPE": "mask", "UNIT": "1", "NO_DATA_VALUE": "none", "FILE_PATH": source.name}
    write_map(target, "mask", found, {**_plain(read_attributes(source)), **changes}, {"options": options.model_dump()})
    return float(found.mean())
