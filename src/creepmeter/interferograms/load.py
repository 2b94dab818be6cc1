"""A catalogue of interferograms into MintPy's files: ``inputs/ifgramStack.h5`` and ``inputs/geometry*.h5``."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import NullProgress, Progress
from creepmeter.errors import ImageError, InputError, StoreError
from creepmeter.interferograms.catalogue import OFFSET_LAYERS, PHASE_LAYERS, Catalogue, Interferogram
from creepmeter.interferograms.geometry import corners_of, write_geometry
from creepmeter.interferograms.load_options import KEY, LoadOptions
from creepmeter.interferograms.looks import Looks, attributes_after, plan_looks
from creepmeter.interferograms.sources import digest_layers, key_in, loaded_from, settings_of
from creepmeter.io.layers import Layer
from creepmeter.io.mintpy.product import read_tables
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.io.mintpy.writestack import create_stack
from creepmeter.io.provenance import digest_text, provenance
from creepmeter.kernels.threads import thread_count
from creepmeter.model.pair import Pair

_LOG = logging.getLogger(__name__)
Values = npt.NDArray[Any]
Lost = dict[Pair, str]
STACK, OFFSETS = "ifgramStack.h5", "offsetStack.h5"
TYPES: Mapping[str, np.dtype[Any]] = {
    **dict.fromkeys((*PHASE_LAYERS, *OFFSET_LAYERS), np.dtype(np.float32)),
    "connectComponent": np.dtype(np.int16),
}
_COPIES = 4  # arrays of one layer's size that are held at once while a pair is read
_SHOWN = 5
_MOST_COHERENT = 1.001  # above 1 by rounding


@dataclass(frozen=True)
class Loaded:
    """What a load did.

    Parameters
    ----------
    stack : Path
        Stack of interferograms or offsets.
    geometry : tuple of Path
        Geometry files.
    pairs : int
        Pairs in the stack.
    shape : (int, int)
        Rows and columns.
    made : bool
        False when all was up to date.
    left_out, notes : tuple of str
        Products that were not used and why; what else the user should know.
    """

    stack: Path
    geometry: tuple[Path, ...]
    pairs: int
    shape: tuple[int, int]
    made: bool
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def load(
    catalogue: Catalogue,
    options: LoadOptions,
    folder: Path,
    *,
    memory_gb: float = 4.0,
    progress: Progress | None = None,
    name: str | None = None,
) -> Loaded:
    """Load what a reader found into MintPy's files of a work folder, pair by pair; a killed load resumes.

    Parameters
    ----------
    catalogue : Catalogue
        From `creepmeter.interferograms.producers.find`.
    options : LoadOptions
        Subset, looks, compression, update.
    folder : Path
        Work folder; the files come into its ``inputs``.
    memory_gb : float
        Memory to keep within, gigabytes.
    progress : Progress, optional
        Counts pairs.
    name : str, optional
        Name of a further stack of the same project, such as ``ionStack.h5``; the geometry is not written again.

    Returns
    -------
    Loaded
        Files made, and what was left out: files that turn out damaged while they are read are named there.

    Raises
    ------
    InputError
        No pair is left, or none holds any phase in the area.
    StoreError
        A stack that creepmeter did not make is in the way.
    """
    looks = plan_looks(catalogue, options)
    catalogue = replace(catalogue, attributes={**catalogue.attributes, **corners_of(catalogue)})
    usual = STACK if "unwrapPhase" in catalogue.interferograms[0].layers else OFFSETS
    target = folder / "inputs" / (name or usual)
    shown: Progress = progress if progress is not None else NullProgress()
    if options.update and _is_current(target, catalogue, options):
        result = Loaded(target, (), len(_pairs_in(target)), looks.shape, made=False)
        lost: Lost = {}
    else:
        _make_way(target, catalogue, options)
        kept, lost = _write_stack(target, catalogue, looks, options, memory_gb, shown)
        result = Loaded(target, (), len(kept), looks.shape, made=True)
    inputs = folder / "inputs"
    written = [] if name else write_geometry(catalogue, looks, options, inputs, memory_gb=memory_gb)
    left_out = (*catalogue.left_out, *lost.values())
    made = result.made or any(fresh for _, fresh in written)
    return replace(
        result, geometry=tuple(path for path, _ in written), made=made, left_out=left_out, notes=catalogue.notes
    )


# ------------------------------------------------------------------------------------------------- is it up to date?


def _key(catalogue: Catalogue, options: LoadOptions) -> str:
    """Return what a stack depends on: part and looks, and every file by name, size and time."""
    chosen = options.model_dump(
        include={"subset_yx", "subset_lalo", "multilook_method", "multilook_y", "multilook_x", "looks_rule"}
    )
    pairs = [
        [str(one.pair), one.name, one.bperp, one.keep, digest_layers(one.layers)] for one in catalogue.interferograms
    ]
    return digest_text("load", chosen, options.compression, dict(catalogue.attributes), catalogue.shape, pairs)


def _is_current(target: Path, catalogue: Catalogue, options: LoadOptions) -> bool:
    return key_in(target) == _key(catalogue, options)


def _pairs_in(target: Path) -> tuple[Pair, ...]:
    return tuple(Pair.of(ref, sec) for ref, sec in read_tables(target)["date"])


def _make_way(target: Path, catalogue: Catalogue, options: LoadOptions) -> None:
    """Say why a stack is made anew; refuse to replace one that is not ours."""
    if not target.exists():
        return
    if key_in(target) is None:
        message = f"{target} was not loaded by creepmeter and is not replaced: move it away, or choose another folder"
        raise StoreError(message)
    if not options.update:
        return
    before, now = set(_pairs_in(target)), {one.pair for one in catalogue.interferograms}
    new, gone = sorted(now - before), sorted(before - now)
    if new or gone:
        what = [
            f"{len(pairs)} pair(s) {word} ({_some(pairs)})" for pairs, word in ((new, "new"), (gone, "gone")) if pairs
        ]
        reason = " and ".join(what)
    else:
        reason = "the files or the options have changed"
    _LOG.warning(
        "%s is loaded anew: %s; choices made on it (pairs kept, reference) are to be made again", target, reason
    )


def _some(pairs: Sequence[Pair]) -> str:
    return ", ".join(map(str, pairs[:_SHOWN])) + (", ..." if len(pairs) > _SHOWN else "")


# ----------------------------------------------------------------------------------------------------------- the stack


def _write_stack(
    target: Path, catalogue: Catalogue, looks: Looks, options: LoadOptions, memory_gb: float, shown: Progress
) -> tuple[tuple[Interferogram, ...], Lost]:
    """Write the stack; when files turn out damaged, write it again without their pairs."""
    key = _key(catalogue, options)
    kept, lost = catalogue.interferograms, _damaged(catalogue.interferograms)
    while True:
        kept = tuple(one for one in kept if one.pair not in lost)
        if not kept:
            message = f"no interferogram can be used of {len(lost)}: {'; '.join(list(lost.values())[:_SHOWN])}"
            raise InputError(message)
        found = _fill(target, replace(catalogue, interferograms=kept), looks, options, memory_gb, shown, key)
        if not found:
            return kept, lost
        lost |= found


def _damaged(found: Sequence[Interferogram]) -> Lost:
    """Return products of which the last pixel cannot be read: most damaged files are cut."""

    def look(one: Interferogram) -> str | None:
        try:
            for layer in one.layers.values():
                layer.read(*(slice(size - 1, size) for size in layer.shape))
        except ImageError as problem:
            return _reason(one, problem)
        return None

    with ThreadPoolExecutor(thread_count()) as pool:
        return {one.pair: why for one, why in zip(found, pool.map(look, found), strict=True) if why is not None}


def _fill(
    target: Path,
    catalogue: Catalogue,
    looks: Looks,
    options: LoadOptions,
    memory_gb: float,
    shown: Progress,
    key: str,
) -> Lost:
    """Read and write every pair that is not written yet; return products that cannot be read."""
    pairs = catalogue.interferograms
    names = tuple(pairs[0].layers)
    keep = np.array([one.keep for one in pairs])
    settings = _attributes(catalogue, looks) | {KEY: key if keep.all() else f"{key} without flags"}
    writer = create_stack(
        target,
        pairs=[one.pair for one in pairs],
        bperp=np.array([one.bperp if np.isfinite(one.bperp) else 0.0 for one in pairs]),
        shape=looks.shape,
        datasets={name: TYPES[name] for name in names},
        attributes=settings,
        compression=None if options.compression in ("default", "none") else options.compression,
        key=digest_text(key, [one.name for one in pairs]),
    )
    todo = [index for index in range(len(pairs)) if not writer.done(index)]
    shown.start("load interferograms", len(pairs))
    shown.advance(len(pairs) - len(todo))
    empty: list[str] = []
    bad: Lost = {}
    try:
        for index, found in _in_order(todo, lambda k: _read(pairs[k], looks), _threads(catalogue, looks, memory_gb)):
            if isinstance(found, ImageError):
                bad[pairs[index].pair] = _reason(pairs[index], found)
            elif not bad:
                writer.put(index, found)
                empty += [] if any(found[name].any() for name in _measured(found)) else [pairs[index].name]
            shown.advance(1)
    finally:
        shown.finish()
    if bad:
        return bad
    _warn_of_empty(empty, len(pairs))
    layers = {name: [one.layers[name] for one in pairs] for name in names}
    writer.finish(provenance(settings_of(options), loaded_from(layers)))
    if not keep.all():
        made = StackFile.open(target)
        made.set_keep(keep)
        made.set_attributes({KEY: key})  # last: a load killed before is done again
    return {}


def _reason(one: Interferogram, problem: ImageError) -> str:
    return f"{one.name}: {problem}"


def _measured(found: Mapping[str, Values]) -> list[str]:
    return [name for name in ("unwrapPhase", "rangeOffset", "azimuthOffset") if name in found]


def _warn_of_empty(empty: Sequence[str], total: int) -> None:
    if len(empty) == total:
        message = (
            f"none of the {total} products holds a value in the area that is loaded: check the subset, and that the "
            "files are not empty"
        )
        raise InputError(message)
    if empty:
        _LOG.warning(
            "%d product(s) hold no value in the area that is loaded: %s", len(empty), ", ".join(empty[:_SHOWN])
        )


def _attributes(catalogue: Catalogue, looks: Looks) -> dict[str, str]:
    dates = sorted({date for one in catalogue.interferograms for date in (one.pair.ref, one.pair.sec)})
    first, last = (str(date)[:10].replace("-", "") for date in (dates[0], dates[-1]))
    own = {"FILE_TYPE": "ifgramStack", "UNIT": "radian", "DATA_TYPE": "float32", "START_DATE": first, "END_DATE": last}
    if "unwrapPhase" not in catalogue.interferograms[0].layers:
        own["UNIT"] = catalogue.attributes.get("UNIT", "pixel")
    return attributes_after(catalogue.attributes, looks, catalogue.grid) | own


def _threads(catalogue: Catalogue, looks: Looks, memory_gb: float) -> int:
    """Return how many pairs are read at a time within the memory."""
    layers = len(catalogue.interferograms[0].layers)
    pixels = looks.shape[0] * looks.shape[1] * (layers + _COPIES)
    return max(min(thread_count(), int(memory_gb * 1e9 / (4 * max(pixels, 1))) - 1), 1)


def _in_order(
    items: Sequence[int], work: Callable[[int], dict[str, Values]], threads: int
) -> Iterator[tuple[int, dict[str, Values] | ImageError]]:
    """Yield results in order; no more than one beside those that are worked on is held."""
    waiting: deque[tuple[int, Future[dict[str, Values]]]] = deque()
    rest = iter(items)
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in rest:
                waiting.append((item, pool.submit(work, item)))
                if len(waiting) > threads:
                    yield _outcome(*waiting.popleft())
            while waiting:
                yield _outcome(*waiting.popleft())
        finally:
            for _, future in waiting:
                future.cancel()


def _outcome(item: int, future: Future[dict[str, Values]]) -> tuple[int, dict[str, Values] | ImageError]:
    try:
        return item, future.result()
    except ImageError as problem:
        return item, problem


def _read(one: Interferogram, looks: Looks) -> dict[str, Values]:
    return {name: _settled(looks.read(layer, name), name, layer) for name, layer in one.layers.items()}


def _settled(values: Values, name: str, layer: Layer) -> Values:
    """Return values as MintPy stores them: no phase is 0, components are whole numbers."""
    if name == "connectComponent":
        return _components(values, layer)
    if np.iscomplexobj(values):
        values = np.angle(values) if name == "wrapPhase" else np.abs(values)
    values = np.asarray(values, np.float32)
    if name in ("unwrapPhase", "wrapPhase"):
        missing = ~np.isfinite(values)
        return np.where(missing, np.float32(0), values) if missing.any() else values
    return _coherence(values, layer) if name == "coherence" else values


def _coherence(values: Values, layer: Layer) -> Values:
    """Return coherence from 0 to 1, NaN stays: what lies outside is clipped, and counted in a warning.

    Raises
    ------
    ImageError
        Most of it lies above 1.
    """
    if not values.size or (values.min() >= 0 and values.max() <= 1):  # neither holds where there is NaN
        return values
    settled = np.clip(np.where(np.isinf(values), np.float32(0), values), 0, 1)
    wild = np.isinf(values) | (values < 0) | (values > _MOST_COHERENT)
    if (values > _MOST_COHERENT).sum() > np.count_nonzero(settled) / 2:
        message = f"{layer.name} holds coherence up to {np.nanmax(values):g}, not 0 to 1: bring it to that scale"
        raise ImageError(message)
    if wild.any():
        _LOG.warning(
            "%s: %d values of coherence lie outside 0 to 1 (%g to %g): they are clipped, infinite ones are no data",
            layer.name, int(wild.sum()), np.nanmin(values), np.nanmax(values),
        )  # fmt: skip
    return settled


def _components(values: Values, layer: Layer) -> Values:
    if values.dtype.kind == "f":
        values = np.where(np.isfinite(values), values, 0)
    limits = np.iinfo(np.int16)
    if values.size and (values.min() < limits.min or values.max() > limits.max):
        message = f"{layer.name} holds component {values.max():g}, more than {limits.max}: it is no map of components"
        raise ImageError(message)
    return values.astype(np.int16)
