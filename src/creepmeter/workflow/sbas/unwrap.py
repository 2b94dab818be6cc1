"""Step correct_unwrap_error: whole cycles put right by bridges, by the closure of triplets, or both."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import NullProgress, Progress
from creepmeter.errors import ConfigError, InputError
from creepmeter.io.mintpy.product import read_map
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.io.provenance import digest_arrays, digest_text
from creepmeter.kernels.threads import in_threads, limit_threads, thread_count
from creepmeter.kernels.triplets import count_nonzero
from creepmeter.stack.ambiguity import (
    CommonRegion,
    common_regions,
    cycles_of_pair,
    solve_regions,
    triplet_design,
)
from creepmeter.stack.bridging import bridge, write_corrected
from creepmeter.stack.regions import Regions, find_regions
from creepmeter.stack.unwrap_options import UnwrapOptions
from creepmeter.workflow.sbas.folder import COHERENCE, TRIPLETS, WATER
from creepmeter.workflow.sbas.folder import COMPONENTS as COMMON
from creepmeter.workflow.sbas.maps import find, map_attributes, map_of, read_mask, used_pairs, write_map
from creepmeter.workflow.sbas.masks import make_component_mask

logger = logging.getLogger(__name__)

Phase = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Values = npt.NDArray[Any]
Work = Callable[[Phase, Values, int], tuple[Phase, bool, str]]  # phase, components, pair -> phase, changed, problem

PHASE, COMPONENTS = "unwrapPhase", "connectComponent"
_SUFFIX = {"bridging": "_bridging", "phase_closure": "_phaseClosure"}
_BYTES = 28  # per pixel while one pair is corrected
_SHARE = 0.5  # of the memory, for the pairs that are worked on at once
_MOST_AT_ONCE = 8  # pairs read together where a chunk of the file holds several
_SHOWN = 8


@dataclass(frozen=True)
class Corrected:
    """What the correction of unwrapping errors made.

    Parameters
    ----------
    dataset : str
        Layer of the stack to go on with.
    made : tuple of str
        Layers made, in order.
    changed : dict of str to int
        Number of pairs in which a region got other cycles, by layer.
    problems : dict of str to str
        Pairs that could not be corrected, by name, and why.
    """

    dataset: str
    made: tuple[str, ...]
    changed: Mapping[str, int]
    problems: Mapping[str, str]


def correct_unwrap_error(
    stack: StackFile,
    folder: Path,
    options: UnwrapOptions,
    *,
    dataset: str = PHASE,
    target: str | None = None,
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> Corrected:
    """Add corrected phase to a stack: ``unwrapPhase_bridging``, ``_phaseClosure`` or ``_bridging_phaseClosure``.

    Parameters
    ----------
    stack : StackFile
        With a reference pixel and connected components.
    folder : Path
        Work folder with the water mask and the mask of common components.
    options : UnwrapOptions
        Method and how.
    dataset : str
        Layer to correct.
    target : str, optional
        Name of the last layer made; by default as MintPy has it.
    memory_gb : float
        Memory to keep within; it does not change the result.
    progress : Progress, optional
        Counts pairs.

    Returns
    -------
    Corrected
        Pairs that could not be corrected are copied and named. Pairs that are not used are copied.

    Raises
    ------
    InputError
        No reference pixel, no such layer, no connected components.
    ConfigError
        A mask that was asked for is not there.
    """
    if options.method == "no":
        return Corrected(dataset, (), {}, {})
    task = _Task.of(stack, folder, options, memory_gb, progress)
    task.require(dataset)
    methods = options.method.split("+")
    name, made = dataset, list[str]()
    changed, problems = dict[str, int](), dict[str, str]()
    for method in methods:
        is_last = method == methods[-1]
        new = target if target is not None and is_last else name + _SUFFIX[method]
        found = _bridge(task, name, new) if method == "bridging" else _close(task, name, new)
        if found is None:
            continue
        changed[new], here = found
        problems |= here
        made.append(new)
        name = new
    _tell(stack, problems)
    return Corrected(name, tuple(made), changed, problems)


@dataclass(frozen=True)
class _Task:
    stack: StackFile
    folder: Path
    options: UnwrapOptions
    land: Mask | None
    reference: tuple[int, int]
    memory_gb: float
    progress: Progress

    @classmethod
    def of(
        cls, stack: StackFile, folder: Path, options: UnwrapOptions, memory_gb: float, progress: Progress | None
    ) -> _Task:
        reference = _reference(stack)
        land = _land(folder, options.water_mask_file, _grid(stack))
        return cls(stack, folder, options, land, reference, memory_gb, progress or NullProgress())

    def require(self, dataset: str) -> None:
        for name, advice in (
            (dataset, "name the layer to correct"),
            (COMPONENTS, "load connCompFile, or set unwrapError.method to no"),
        ):
            if name not in self.stack.names:
                message = f"{self.stack.path} has no dataset {name!r} but {', '.join(self.stack.names)}: {advice}"
                raise InputError(message)

    def key(self, name: str, *parts: object) -> str:
        """Return what tells this result from others."""
        inputs = self.stack.digest([name, COMPONENTS])
        land = "" if self.land is None else digest_arrays(self.land)
        return digest_text(self.options.model_dump(exclude={"method"}), inputs, land, *parts)


def _grid(stack: StackFile) -> tuple[int, int]:
    return stack.shape[1], stack.shape[2]


def _reference(stack: StackFile) -> tuple[int, int]:
    if stack.reference is None:
        message = f"{stack.path} has no reference pixel (REF_Y, REF_X): run reference_point first"
        raise InputError(message)
    inside = all(0 <= place < size for place, size in zip(stack.reference, _grid(stack), strict=True))
    if not inside:
        message = f"{stack.path}: reference pixel {stack.reference} lies outside {_grid(stack)}: run reference_point"
        raise InputError(message)
    return stack.reference


def _land(folder: Path, name: str | None, shape: tuple[int, int]) -> Mask | None:
    if name is None:
        return None
    path = find(folder, name)
    if path is None and name != WATER:
        message = f"water mask {folder / name} is not there: correct unwrapError.waterMaskFile, or set it to no"
        raise ConfigError(message)
    return None if path is None else read_mask(path, shape)


def _tell(stack: StackFile, problems: Mapping[str, str]) -> None:
    for reason in sorted(set(problems.values())):
        names = [name for name, why in problems.items() if why == reason]
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        listed = ", ".join(names[:_SHOWN])
        logger.warning("%s: %d pair(s) not corrected, %s: %s%s", stack.path, len(names), reason, listed, more)


# ---------------------------------------------------------------------------------------------------------- all pairs


def _each_pair(task: _Task, name: str, target: str, key: str, work: Work) -> tuple[int, dict[str, str]]:
    """Correct each used pair of a layer into a new one; return pairs changed, and pairs with a problem."""
    stack = task.stack
    writer = stack.add_dataset(target, np.float32, {}, key)
    lock = threading.Lock()
    changed = np.zeros(len(stack.pairs), bool)
    problems: dict[int, str] = {}
    at_once = _pairs_at_once(task, name)

    def one(pair: int, phase: Phase, components: Values) -> None:
        if not stack.keep[pair]:
            corrected = phase
        else:
            corrected, changed[pair], problem = work(phase, components, pair)
            if problem:
                problems[pair] = problem
        if not writer.done(pair):
            writer.put(pair, corrected)
        with lock:
            task.progress.advance(1)

    def several(start: int, stop: int) -> None:
        for first in range(start, stop, at_once):
            some = np.arange(first, min(first + at_once, stop))
            phase, components = (stack.read(layer, pairs=some) for layer in (name, COMPONENTS))
            for k, pair in enumerate(some):
                one(int(pair), np.asarray(phase[k], np.float32), components[k])

    task.progress.start(target, len(stack.pairs))
    try:
        with limit_threads(_threads(task, at_once)):
            in_threads(several, len(stack.pairs), at_once)
    finally:
        task.progress.finish()
    writer.finish()
    return int(changed.sum()), {str(stack.pairs[k]): problems[k] for k in sorted(problems)}


def _pairs_at_once(task: _Task, name: str) -> int:
    """Return how many pairs to read together: a chunk of the file may hold several."""
    if max(task.stack.chunk_rows(layer) for layer in (name, COMPONENTS)) == 1:
        return 1
    room = task.memory_gb * _SHARE * 1e9 / np.prod(_grid(task.stack)) - _BYTES
    return int(np.clip(room // _LAYERS, 1, _MOST_AT_ONCE))


_LAYERS = 6  # bytes per pixel of phase and components


def _threads(task: _Task, at_once: int) -> int:
    need = float(np.prod(_grid(task.stack))) * (_BYTES + _LAYERS * at_once)
    return int(np.clip(task.memory_gb * _SHARE * 1e9 // need, 1, thread_count()))


# -------------------------------------------------------------------------------------------------- bridges, triplets


def _bridge(task: _Task, name: str, target: str) -> tuple[int, dict[str, str]]:
    def work(phase: Phase, components: Values, _pair: int) -> tuple[Phase, bool, str]:
        found = bridge(phase, components, task.reference, land=task.land, options=task.options)
        return found.phase, bool(found.cycles.any()), found.problem

    return _each_pair(task, name, target, task.key(name, "bridging"), work)


def _close(task: _Task, name: str, target: str) -> tuple[int, dict[str, str]] | None:
    """Correct by triplets; None where there is nothing to go by."""
    stack = task.stack
    pairs = used_pairs(stack)
    _, loops = triplet_design([stack.pairs[k] for k in pairs])
    if len(loops) == 0:
        logger.warning(
            "%s: no three of the %d pairs form a triplet, phase closure does nothing: use more connections per date",
            stack.path,
            len(pairs),
        )
        return None
    regions = common_regions(_common_mask(task), task.reference, land=task.land, options=task.options)
    if all(region.is_reference for region in regions):
        logger.info("%s: no common region but that of the reference pixel, triplets add nothing", stack.path)
    solved = solve_regions(regions, _samples(task, name, pairs, regions), [stack.pairs[k] for k in pairs])
    place = {int(pair): k for k, pair in enumerate(pairs)}

    def work(phase: Phase, components: Values, pair: int) -> tuple[Phase, bool, str]:
        return _closed(task, phase, components, solved, place[pair])

    key = task.key(name, "phase_closure", [region.cycles.tolist() for region in solved])
    return _each_pair(task, name, target, key, work)


def _closed(
    task: _Task, phase: Phase, components: Values, solved: Sequence[CommonRegion], pair: int
) -> tuple[Phase, bool, str]:
    datum = float(phase[task.reference])
    if not np.isfinite(datum):
        return phase, False, "no phase at the reference pixel"
    out = np.empty_like(phase)
    cycles, regions = np.zeros(1), _NOWHERE
    if any(region.cycles[pair] for region in solved):
        regions = find_regions(components, task.land, min_area=task.options.conn_comp_min_area)
        cycles = cycles_of_pair(regions, solved, pair, task.reference)
    write_corrected(phase, regions, cycles, datum, out)
    return out, bool(cycles.any()), ""


_NOWHERE = Regions(np.zeros((0, 0), np.int16), 0)


def _common_mask(task: _Task) -> Mask:
    name = task.options.common_mask_file
    path = find(task.folder, name)
    if path is None and name != COMMON:
        message = f"mask of common components {task.folder / name} is not there: correct its name, or leave it out"
        raise ConfigError(message)
    if path is None:
        path = make_component_mask(task.stack, task.folder / name, memory_gb=task.memory_gb, progress=task.progress)
    return read_mask(path, _grid(task.stack))


def _samples(
    task: _Task, name: str, pairs: npt.NDArray[np.intp], regions: Sequence[CommonRegion]
) -> npt.NDArray[np.float64]:
    """Return the phase of all samples relative to the reference pixel, (pair, sample)."""
    places = np.concatenate([np.zeros(0, np.int64), *(region.samples for region in regions)])
    found = np.zeros((len(pairs), len(places)))
    if len(places) == 0:
        return found
    datum = task.stack.pixel(name, *task.reference)[pairs]
    at_once = _pairs_at_once(task, name)
    for first in range(0, len(pairs), at_once):
        some = slice(first, first + at_once)
        layers = task.stack.read(name, pairs=pairs[some])
        found[some] = layers.reshape(len(layers), -1)[:, places] - datum[some, None]
    return found


# -------------------------------------------------------------------------------------------------------------- count


def count_ambiguities(
    stack: StackFile,
    folder: Path,
    *,
    dataset: str = PHASE,
    target: Path | None = None,
    water_mask_file: str | None = WATER,
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> Path | None:
    """Write the number of triplets whose integer ambiguity is not zero, ``numTriNonzeroIntAmbiguity.h5``.

    Parameters
    ----------
    stack : StackFile
        With a reference pixel.
    folder : Path
        Work folder with ``waterMask.h5`` and ``avgSpatialCoh.h5``, where there are any.
    dataset : str
        Layer to look at.
    target : Path, optional
        File to make.
    water_mask_file : str, optional
        Mask of land (nonzero).
    memory_gb : float
        Memory to keep within.
    progress : Progress, optional
        Counts pixels.

    Returns
    -------
    Path or None
        None where no three of the used pairs form a triplet. NaN in water, where the average coherence is 0, where a
        pair is NaN, and where every triplet has an ambiguity.

    Raises
    ------
    InputError
        No reference pixel, or no such layer.
    """
    reference, pairs = _reference(stack), used_pairs(stack)
    _, loops = triplet_design([stack.pairs[k] for k in pairs])
    if len(loops) == 0:
        logger.warning("%s: no three of the %d used pairs form a triplet, none is counted", stack.path, len(pairs))
        return None
    datum = stack.pixel(dataset, *reference)[pairs].astype(np.float32)

    def work(values: Values) -> Phase:
        return count_nonzero(np.ascontiguousarray(values, np.float32), datum, loops)

    label = "triplets"
    count = map_of(stack, dataset, work, np.float32, label=label, memory_gb=memory_gb, progress=progress)
    count[count == len(loops)] = np.nan
    land = _land(folder, water_mask_file, _grid(stack))
    if land is not None:
        count[~land] = np.nan
    coherence = find(folder, COHERENCE)
    if coherence is not None:
        count[read_map(coherence) == 0] = np.nan
    attributes = map_attributes(stack, "mask", "1")
    return write_map(target or folder / TRIPLETS, "mask", count, attributes, {"dataset": dataset})
