"""Steps track and stable: images to a corrected pair stack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from creepmeter.blocks import Progress
from creepmeter.io.provenance import digest_arrays, digest_file, digest_text, provenance
from creepmeter.io.store import StoreWriter
from creepmeter.io.store import open as open_product
from creepmeter.model.schema import PAIR_STACK, map_dataset, pair_coords
from creepmeter.stack.options import StableOptions
from creepmeter.stack.stable import plan_correction
from creepmeter.tracking.large import LARGE_PX, require_memory, track_large
from creepmeter.tracking.match import OffsetField, match
from creepmeter.tracking.track import CHIP_ATTRIBUTES, FLAG_ATTRIBUTES, field_to_pair
from creepmeter.workflow.library import ImageLibrary
from creepmeter.workflow.setting import Setting

OFFSETS, STACK = "offsets.zarr", "stack.zarr"
_COMPONENTS = ("east", "north")
_SHARE_FOR_IMAGES = 0.5  # of the memory; the rest is for one pair's surfaces and outputs


def track(run: Setting, key: str) -> Sequence[str]:
    """Measure every pair and write the offsets; a pair that is on disk is not measured again."""
    options = run.config.track
    pairs = run.network.pairs
    writer = StoreWriter.create_or_resume(run.folder / OFFSETS, _template(run, key), {"pair": 1}, key)
    places = [(run.images.index_of(pair.ref), run.images.index_of(pair.sec)) for pair in pairs]
    measure = _measure_of(run, places)
    run.progress.start("track", len(pairs))
    for number in range(len(pairs)):
        if not writer.done(str(number)):  # the number: two images of one day give pairs of one name
            field = measure(*places[number])
            arrays = field_to_pair(field, run.images.grid)
            if options.chip_max_px is not None and field.chip_px is not None:
                arrays["chip"] = field.chip_px
            variables = {name: values[..., None, :, :] for name, values in arrays.items()}
            writer.put(str(number), {"pair": slice(number, number + 1)}, variables)
        run.progress.advance(1)
    run.progress.finish()
    writer.finish(provenance(options.model_dump(mode="json"), run.digests))
    return [OFFSETS]


def _measure_of(run: Setting, places: Sequence[tuple[int, int]]) -> Callable[[int, int], OffsetField]:
    """Return what measures the pair of two images: large ones by blocks, of others each is filtered once for all."""
    options, images, memory_gb = run.config.track, run.images, run.config.compute.memory_gb
    size = images.grid.shape[0], images.grid.shape[1]
    if size[0] * size[1] > LARGE_PX:
        require_memory(size, options, memory_gb)
        return lambda ref, sec: track_large(images.source(ref), images.source(sec), options, within=run.within)
    library = ImageLibrary(images, options, memory_gb * _SHARE_FOR_IMAGES, places)
    return lambda ref, sec: match(library.get(ref), library.get(sec), options, run.within)


def _template(run: Setting, key: str) -> xr.Dataset:
    track_options = run.config.track
    pairs = run.network.pairs
    shape = (len(pairs), *run.chips.shape)
    nothing = np.broadcast_to(np.float32(np.nan), (2, *shape))
    dims = ("component", "pair", "y", "x")
    variables: dict[str, tuple[tuple[str, ...], Any, dict[str, Any]]] = {
        "displacement": (dims, nothing, {"units": "m", "long_name": "displacement from ref to sec"}),
        "sigma": (dims, nothing, {"units": "m", "long_name": "standard error of displacement"}),
        "quality": (dims[1:], nothing[0], {"units": "1", "long_name": "correlation of the chips, 0 to 1"}),
        "flag": (dims[1:], np.broadcast_to(np.uint8(0), shape), dict(FLAG_ATTRIBUTES)),
    }
    if track_options.chip_max_px is not None:
        variables["chip"] = dims[1:], np.broadcast_to(np.int16(0), shape), dict(CHIP_ATTRIBUTES)
    coords = {"component": list(_COMPONENTS), **pair_coords(pairs, np.ones(len(pairs), bool))}
    attributes = {"chip_px": track_options.chip_px, "step_px": track_options.step_px, "key": key}
    return map_dataset(variables, coords, run.chips, kind=PAIR_STACK, attributes=attributes)


def stable(run: Setting, key: str) -> Sequence[str]:
    """Correct every pair by its stable ground."""
    ground = run.stable
    if ground is None:
        run.notes.append("No moving ground was given (stable.moving): pairs are not corrected by stable ground.")
        ground = np.zeros(run.chips.shape, bool)
    stable_store(run.folder / OFFSETS, run.folder / STACK, ground, run.config.stable, progress=run.progress, key=key)
    return [STACK]


def stable_store(
    source: Path,
    target: Path,
    ground: npt.NDArray[np.bool_],
    options: StableOptions,
    *,
    progress: Progress,
    key: str | None = None,
) -> Path:
    """Correct a pair stack on disk by its stable ground into another, one pair in memory at a time.

    Parameters
    ----------
    source, target : Path
        PairStack to read, and to make.
    ground : array of bool, (y, x)
        Stable ground on the grid of the stack.
    options : StableOptions
        How.
    progress : Progress
        Counts pairs.
    key : str, optional
        What the result depends on; by default the digest of source, ground and options.

    Returns
    -------
    Path
        The corrected stack.
    """
    stack = open_product(source)
    plan = plan_correction(stack, ground, options=options)
    key = key or digest_text("stable", digest_file(source), digest_arrays(ground), options.model_dump())
    template = plan.template(stack)
    template.attrs = {name: value for name, value in template.attrs.items() if name != "provenance"} | {"key": key}
    tables = [str(name) for name in template.data_vars if "y" not in template[name].dims]
    maps = [str(name) for name in stack.data_vars if name in template and "y" in template[name].dims]
    writer = StoreWriter.create_or_resume(target, template, {"pair": 1}, key)
    if not writer.done("tables"):
        writer.put("tables", {}, {name: template[name].values for name in tables})
    progress.start("stable", stack.sizes["pair"])
    for pair in range(stack.sizes["pair"]):
        if not writer.done(str(pair)):
            displacement, sigma = plan.apply(stack, pair)
            here = stack.isel(pair=slice(pair, pair + 1))
            variables = {name: here[name].values for name in maps} | {"displacement": displacement[:, None]}
            if "sigma" in template:
                variables["sigma"] = sigma[:, None]
            writer.put(str(pair), {"pair": slice(pair, pair + 1)}, variables)
        progress.advance(1)
    progress.finish()
    return writer.finish(provenance(options.model_dump(mode="json"), {source.name: digest_file(source)}))
