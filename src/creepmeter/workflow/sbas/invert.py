"""Step invert_network: phase or offset per pair to displacement per date, in MintPy's files."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import Block, NullProgress, Progress, plan_blocks, run_blocks
from creepmeter.errors import ConfigError, InputError
from creepmeter.inversion.interferograms import (
    Observations,
    PhaseBlock,
    baselines_of_dates,
    certain_median,
    independent_looks,
    invert_pixels,
    needs_full_solution,
    require_solvable,
)
from creepmeter.inversion.options import NetworkInversionOptions
from creepmeter.io.mintpy.dates import written
from creepmeter.io.mintpy.grid import number_of
from creepmeter.io.mintpy.product import Dataset, ProductWriter, list_datasets, read_map, write_product
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.io.provenance import digest_file, digest_text, provenance
from creepmeter.kernels.phase import lanes_bytes
from creepmeter.kernels.threads import in_threads, limit_threads, thread_count
from creepmeter.model.network import Network
from creepmeter.workflow.sbas.folder import layer_identity
from creepmeter.workflow.sbas.maps import find, read_mask, used_pairs

logger = logging.getLogger(__name__)
Values = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]
Rooms = dict[str, Values]  # memory of a thread, by dataset

SERIES, QUALITY, COUNT, RELIABLE = "timeseries.h5", "temporalCoherence.h5", "numInvIfgram.h5", "maskTempCoh.h5"
SIGMA, COHERENCE = "timeseriesSigma.h5", "avgSpatialCoh.h5"
_OFFSET_NAMES = {
    "rangeOffset": ("timeseriesRg.h5", "residualInvRg.h5", "numInvOffRg.h5"),
    "azimuthOffset": ("timeseriesAz.h5", "residualInvAz.h5", "numInvOffAz.h5"),
}
_PHASE = "unwrapPhase"
_PREFIX = "mintpy.networkInversion."
_OWN = ("CREEPMETER_", "MODIFICATION_", "Conventions", "FILE_PATH")
_PROCESS_GB = 0.45  # interpreter, libraries and compiled code
_LEAST_GB, _MOST_GB = 0.05, 0.25  # of a block; larger ones are no faster
_STRIP_GB = 0.024  # read and inverted by one thread at a time: about what the caches hold
_FULL_COPIES = 8  # double-precision numbers per pair and pixel of the solver with robust norms


@dataclass(frozen=True)
class Inverted:
    """What an inversion made.

    Parameters
    ----------
    files : tuple of Path
        Series, quality, number of pairs, and what else there is.
    dataset : str
        The layer that was inverted.
    pixels : int
        Pixels that are inverted.
    bridged : int
        Those of them whose islands were bridged; without those that an earlier, interrupted run has done.
    reliable : int or None
        Pixels of maskTempCoh.h5.
    """

    files: tuple[Path, ...]
    dataset: str
    pixels: int
    bridged: int
    reliable: int | None


@dataclass(frozen=True)
class _Plan:
    """What an inversion reads and writes."""

    stack: StackFile
    dataset: str
    quality: str | None
    pairs: npt.NDArray[np.intp]
    observations: Observations
    options: NetworkInversionOptions
    wanted: Bools
    reference: tuple[int, int] | None

    @property
    def mask(self) -> str | None:
        return self.options.mask_dataset

    @property
    def bytes_per_pixel(self) -> float:
        names = [name for name in (self.dataset, self.quality, self.mask) if name is not None]
        sizes = [self.stack.read(name, slice(0, 1), pairs=slice(0, 1)).itemsize for name in names]
        dates = len(self.observations.network.epochs)
        full = needs_full_solution(self.options, is_phase=self.observations.is_phase)
        return len(self.pairs) * (sum(sizes) + 8 * _FULL_COPIES * full) + 8.0 * dates * (1 + full)

    def attributes(self, kind: str, unit: str) -> dict[str, str]:
        kept = {key: value for key, value in self.stack.attributes.items() if not key.startswith(_OWN)}
        return {**kept, **_said(self), "FILE_TYPE": kind, "UNIT": unit}


def invert_network(
    stack: StackFile,
    folder: Path,
    geometry: Path | None,
    options: NetworkInversionOptions | None = None,
    *,
    memory_gb: float = 4.0,
    progress: Progress | None = None,
    names: Sequence[str | Path] | None = None,
) -> Inverted:
    """Invert a stack into displacement per date, with temporal coherence, number of pairs and a mask.

    Parameters
    ----------
    stack : StackFile
        Interferograms with a reference pixel, or offsets.
    folder : Path
        Work folder: masks are looked for and products made there.
    geometry : Path or None
        Geometry of the stack, for its shadow mask.
    options : NetworkInversionOptions, optional
        How.
    memory_gb : float
        Memory to keep within, the whole process counted; the result does not depend on it.
    progress : Progress, optional
        Counts pixels.
    names : sequence of str, optional
        Names of series, quality and number of pairs, in place of MintPy's; the mask goes beside the series, under a
        name of its own where the series has one (`reliable_name`).

    Raises
    ------
    InputError
        No reference pixel, or none with data; no such dataset; too few reliable pixels.
    ConfigError
        Weights or masks that the stack cannot give.
    """
    options = options or NetworkInversionOptions()
    shown: Progress = progress if progress is not None else NullProgress()
    plan = _plan(stack, folder, options)
    targets = _targets(plan, folder, names)
    bridged = _fill(plan, targets, memory_gb, shown)
    pixels = int(np.count_nonzero(read_map(targets[2])))
    files, reliable = list(targets), None
    if plan.observations.is_phase:
        mask = targets[0].with_name(reliable_name(targets[0].name))
        reliable = make_reliable_mask(targets[1], mask, geometry, options)
        files.insert(3, mask)
    return Inverted(tuple(files), plan.dataset, pixels, bridged, reliable)


def reliable_name(series: str) -> str:
    """Return the name of the mask of a series.

    Examples
    --------
    >>> reliable_name("timeseries.h5"), reliable_name("timeseries_L1.h5"), reliable_name("mine.h5")
    ('maskTempCoh.h5', 'maskTempCoh_L1.h5', 'maskTempCoh_mine.h5')
    """
    own = Path(series).stem.removeprefix(Path(SERIES).stem).lstrip("_")
    stem = Path(RELIABLE).stem
    return f"{stem}_{own}.h5" if own else RELIABLE


def chosen_dataset(stack: StackFile, asked: str | None) -> str:
    """Return the layer to invert: as asked, else the phase with most corrections, else the phase as loaded.

    Raises
    ------
    InputError
        The stack has none of that name.
    """
    if asked is not None:
        if asked not in stack.names:
            message = f"{stack.path} has no dataset {asked!r}: choose from {', '.join(stack.names)}"
            raise InputError(message)
        return asked
    phases = [name for name in stack.names if name == _PHASE or name.startswith(f"{_PHASE}_")]
    if not phases:
        found = ", ".join(stack.names)
        message = f"{stack.path} has no dataset {_PHASE!r} but {found}: name the one to invert (-i rangeOffset)"
        raise InputError(message)
    return max(phases, key=lambda name: (name.count("_"), len(name)))


def _plan(stack: StackFile, folder: Path, options: NetworkInversionOptions) -> _Plan:
    dataset = chosen_dataset(stack, options.obs_dataset)
    is_phase = dataset.startswith(_PHASE)
    pairs = used_pairs(stack)
    network = Network(tuple(stack.pairs[k] for k in pairs))
    islands = len(network.islands())
    if islands > 1:
        logger.warning("%s: the network has %d islands, bridged by a minimum norm", stack.path, islands)
    if options.mask_dataset is not None and options.mask_dataset not in stack.names:
        message = f"{stack.path} has no dataset {options.mask_dataset!r} to mask with: it has {', '.join(stack.names)}"
        raise ConfigError(message)
    reference, pixel = _reference(stack, dataset, pairs) if is_phase else (np.zeros(len(pairs), np.float32), None)
    looks = independent_looks(stack.attributes) if is_phase else 1
    middle = _middle(stack, dataset, pairs, options)
    observations = Observations(network, reference, _scale(stack, dataset), looks, is_phase=is_phase, middle=middle)
    require_solvable(options, observations)
    quality = _quality_of(stack, dataset, options, is_phase=is_phase)
    wanted = _wanted(stack, folder, options, is_phase=is_phase)
    return _Plan(stack, dataset, quality, pairs, observations, options, wanted, pixel)


def _scale(stack: StackFile, dataset: str) -> float:
    """Return metres per unit: of phase toward the satellite, of offsets as MintPy counts them."""
    if dataset.startswith(_PHASE):
        return -_number(stack, "WAVELENGTH") / (4 * np.pi)
    if stack.attributes.get("PROCESSOR") == "cosicorr":
        return 1.0  # metres
    if dataset.startswith("range"):
        return -_number(stack, "RANGE_PIXEL_SIZE") / _number(stack, "RLOOKS", 1.0)
    size = _number(stack, "AZIMUTH_PIXEL_SIZE") / _number(stack, "ALOOKS", 1.0)
    radius, height = _number(stack, "EARTH_RADIUS", 6_371_000.0), _number(stack, "HEIGHT", 0.0)
    return size * radius / (radius + height)  # from the orbit to the ground


def _number(stack: StackFile, name: str, default: float | None = None) -> float:
    found = number_of(stack.attributes, name, stack.path)
    value = default if found is None else found
    if value is None:
        message = f"{stack.path} has no attribute {name}: load the stack again"
        raise InputError(message)
    return value


def _reference(stack: StackFile, dataset: str, pairs: npt.NDArray[np.intp]) -> tuple[Values, tuple[int, int]]:
    """Return the phase of the reference pixel, NaN in pairs where it has none."""
    pixel = stack.reference
    if pixel is None:
        message = f"{stack.path} has no reference pixel (REF_Y, REF_X): run reference_point first"
        raise InputError(message)
    values = stack.pixel(dataset, *pixel)[pairs].astype(np.float32)
    given = (
        values
        if dataset == "unwrapPhase" or "unwrapPhase" not in stack.names
        else stack.pixel("unwrapPhase", *pixel)[pairs]
    )
    missing = (given == 0) | ~np.isfinite(given) | ~np.isfinite(values)  # corrected phase is 0 there: it is referred
    where = f"reference pixel (row {pixel[0]}, column {pixel[1]})"
    if missing.all():
        message = f"{stack.path}: the {where} has no {dataset} in any pair: choose another with reference_point"
        raise InputError(message)
    if missing.any():
        listed = ", ".join(str(stack.pairs[k]) for k in pairs[missing])
        logger.warning(
            "%s: the %s has no %s in %d pair(s), left out: %s", stack.path, where, dataset, missing.sum(), listed
        )
    return np.where(missing, np.float32(np.nan), values), pixel


def _middle(
    stack: StackFile, dataset: str, pairs: npt.NDArray[np.intp], options: NetworkInversionOptions
) -> Values | None:
    """Return the median of the certain offsets of each pair, where a mask needs it."""
    name = options.mask_dataset
    if name is None or not name.endswith("Std"):
        return None
    each = [(stack.read_pair(dataset, k), stack.read_pair(name, k)) for k in pairs.tolist()]
    return np.array([certain_median(obs, spread, options.mask_threshold) for obs, spread in each])


def _quality_of(stack: StackFile, dataset: str, options: NetworkInversionOptions, *, is_phase: bool) -> str | None:
    name = "coherence" if is_phase else f"{dataset}Std"
    if name in stack.names:
        return name if options.weight_func != "no" or options.sigma else None
    if options.weight_func == "no":
        return None
    message = f"{stack.path} has no dataset {name!r} for weights {options.weight_func!r}: use weights no"
    raise ConfigError(message)


def _wanted(stack: StackFile, folder: Path, options: NetworkInversionOptions, *, is_phase: bool) -> Bools:
    """Return the pixels to invert: land, with some coherence."""
    wanted = np.ones(stack.shape[1:], bool)
    name = options.water_mask_file
    if name is not None:
        path = find(folder, name)
        if path is not None:
            wanted &= read_mask(path, stack.shape[1:])
        elif name != NetworkInversionOptions().water_mask_file:
            message = f"water mask {name} is not in {folder}: give another, or none"
            raise InputError(message)
    coherence = find(folder, COHERENCE) if is_phase else None
    if coherence is not None:
        values = read_map(coherence)
        if values.shape == wanted.shape:
            wanted &= values != 0
    return wanted


def _said(plan: _Plan) -> dict[str, str]:
    """Return the options as MintPy writes them into attributes."""
    options = plan.options
    values = {
        "obsDatasetName": plan.dataset,
        "numIfgram": len(plan.pairs),
        "weightFunc": options.weight_func,
        "maskDataset": options.mask_dataset or False,
        "maskThreshold": options.mask_threshold,
        "minRedundancy": options.min_redundancy,
        "minNormVelocity": options.min_norm_velocity,
    }
    return {f"{_PREFIX}{name}": str(value) for name, value in values.items()}


def _targets(plan: _Plan, folder: Path, names: Sequence[str | Path] | None) -> list[Path]:
    given = list(names) if names is not None else [*_OFFSET_NAMES.get(plan.dataset, (SERIES, QUALITY, COUNT))]
    if len(given) != 3 or len(set(map(str, given))) < len(given):  # noqa: PLR2004
        message = f"three different names are needed (series, quality, number of pairs), got {given}"
        raise ConfigError(message)
    sigma = [Path(given[0]).with_name(Path(given[0]).stem + "Sigma.h5")] if plan.options.sigma else []
    return [folder / name for name in (*given, *sigma)]


def _key(plan: _Plan) -> str:
    options = plan.options.model_dump(exclude={"min_temp_coh", "min_num_pixel", "shadow_mask"})
    names = [name for name in (plan.dataset, plan.quality, plan.mask) if name is not None]
    wanted = digest_text(np.packbits(plan.wanted).tobytes().hex())
    layers = [layer_identity(plan.stack, name) for name in names]  # with what a corrected layer was made from
    return digest_text("invert_network", options, plan.dataset, plan.stack.digest(names), layers, wanted)


def _writers(plan: _Plan, targets: Sequence[Path], key: str) -> list[ProductWriter]:
    epochs = plan.observations.network.epochs
    shape = plan.stack.shape[1:]
    tables = {
        "date": epochs,
        "bperp": baselines_of_dates(plan.observations.network, plan.stack.bperp[plan.pairs]).astype(np.float32),
    }
    series = {**plan.attributes("timeseries", "m"), "REF_DATE": written(epochs[0]), "CREEPMETER_KEY": key}
    cube, flat = Dataset((len(epochs), *shape), np.dtype(np.float32)), Dataset(shape, np.dtype(np.float32))
    kind = ("temporalCoherence", "1") if plan.observations.is_phase else ("residual", "pixel")
    makers: list[Callable[[], ProductWriter]] = [
        lambda: ProductWriter.create_or_resume(targets[0], {"timeseries": cube}, series, key, tables),
        lambda: ProductWriter.create_or_resume(
            targets[1], {kind[0]: flat}, {**plan.attributes(*kind), "CREEPMETER_KEY": key}, key
        ),
        lambda: ProductWriter.create_or_resume(
            targets[2], {"mask": flat}, {**plan.attributes("mask", "1"), "CREEPMETER_KEY": key}, key
        ),
        lambda: ProductWriter.create_or_resume(
            targets[3], {"timeseries": cube}, {**series, "STANDARD_ERROR_OF": targets[0].name}, key, tables
        ),
    ]
    return [make() for make in makers[: len(targets)]]


def _fill(plan: _Plan, targets: Sequence[Path], memory_gb: float, progress: Progress) -> int:
    """Invert block by block; return how many pixels were bridged."""
    key = _key(plan)
    writers = _writers(plan, targets, key)
    dataset = {"temporalCoherence" if plan.observations.is_phase else "residual": "quality"}
    columns = [{"timeseries": "displacement"}, dataset, {"mask": "pairs"}, {"timeseries": "sigma"}][: len(targets)]
    bridged: list[int] = []

    def put(block: Block, found: dict[str, Values]) -> None:
        for writer, names in zip(writers, columns, strict=True):
            writer.put(block.id, block.region, {name: found[source] for name, source in names.items()})
        bridged.append(int(found["bridged"].sum()))

    threads = thread_count()
    working = threads * lanes_bytes(plan.observations.layout, with_sigma=plan.options.sigma) / 1e9
    budget = min(max(memory_gb - _PROCESS_GB - working, _LEAST_GB), _MOST_GB)
    multiple = plan.stack.chunk_rows(plan.dataset)
    dates = len(plan.observations.network.epochs)
    strip_gb = min(budget / 2 / threads, _STRIP_GB)
    run_blocks(
        plan_blocks(plan.stack.shape[1:], 8.0 * dates * (1 + plan.options.sigma) + 32, budget / 2, multiple),
        lambda block: _invert(plan, block, block.strips(plan.bytes_per_pixel, strip_gb, multiple)),
        put,
        done=lambda block: all(writer.done(block.id) for writer in writers),
        progress=progress,
        name="invert_network",
        overlap=True,
    )
    made = provenance(plan.options.model_dump(mode="json"), {plan.stack.path.name: plan.stack.digest([plan.dataset])})
    for writer in writers:
        writer.finish(made)
    return sum(bridged)


def _invert(plan: _Plan, block: Block, strips: Sequence[Block]) -> dict[str, Values]:
    """Invert a block strip by strip, each in a thread of its own from reading on: its data stay in the cache."""
    found = _room(plan, block.shape)

    def work(first: int, last: int) -> None:
        rooms: Rooms = {}
        with limit_threads(1):
            for strip in strips[first:last]:
                here = (..., slice(strip.y.start - block.y.start, strip.y.stop - block.y.start), slice(None))
                for name, values in _invert_strip(plan, strip, rooms).items():
                    found[name][here] = values

    in_threads(work, len(strips))
    if plan.reference is not None:
        _settle_reference(found, block, plan.reference, len(plan.pairs), coherent=plan.observations.is_phase)
    return found


def _room(plan: _Plan, shape: tuple[int, int]) -> dict[str, Values]:
    dates = len(plan.observations.network.epochs)
    cubes = ("displacement", "sigma") if plan.options.sigma else ("displacement",)
    found: dict[str, Values] = {name: np.empty((dates, *shape), np.float32) for name in cubes}
    found |= {name: np.empty(shape, np.float32) for name in ("quality", "pairs")}
    return {**found, "bridged": np.empty(shape, bool)}


def _invert_strip(plan: _Plan, strip: Block, rooms: Rooms) -> dict[str, Values]:
    def read(name: str | None) -> Values | None:
        if name is None:
            return None
        found = plan.stack.read(name, strip.y, pairs=plan.pairs, columns=strip.x, room=rooms.get(name))
        rooms.setdefault(name, found)  # of the first strip, which is the tallest
        return found

    wanted = plan.wanted[strip.y, strip.x]
    if not wanted.any():
        return {name: np.zeros((), values.dtype) for name, values in _room(plan, (1, 1)).items()}
    obs = read(plan.dataset)
    assert obs is not None  # noqa: S101 - it has a name
    pixels = PhaseBlock(obs, wanted, read(plan.quality), read(plan.mask))
    return invert_pixels(pixels, plan.observations, plan.options)


def _settle_reference(
    found: Mapping[str, Values], block: Block, pixel: tuple[int, int], pairs: int, *, coherent: bool
) -> None:
    """Let the reference pixel stand still, by all pairs."""
    row, column = pixel[0] - block.y.start, pixel[1] - block.x.start
    if 0 <= row < block.shape[0] and 0 <= column < block.shape[1]:
        found["displacement"][:, row, column] = 0
        found["quality"][row, column] = 1 if coherent else 0
        found["pairs"][row, column] = pairs


def make_reliable_mask(coherence: Path, target: Path, geometry: Path | None, options: NetworkInversionOptions) -> int:
    """Write the mask of pixels whose temporal coherence is high enough, without radar shadow; return their number.

    Parameters
    ----------
    coherence : Path
        ``temporalCoherence.h5``.
    target : Path
        Mask to make.
    geometry : Path or None
        With a shadow mask, or not.
    options : NetworkInversionOptions
        Lowest coherence, whether shadow is left out, and how many pixels must be kept.

    Raises
    ------
    InputError
        Fewer pixels are left than asked for.
    """
    from creepmeter.io.mintpy.product import read_attributes

    values = read_map(coherence)
    mask = values >= np.float32(options.min_temp_coh)
    shadow = geometry is not None and options.shadow_mask and "shadowMask" in list_datasets(geometry)
    if shadow and geometry is not None:
        mask &= read_map(geometry, "shadowMask") != 1
    count = int(mask.sum())
    if count < options.min_num_pixel:
        message = (
            f"{coherence}: only {count} pixels have a temporal coherence of {options.min_temp_coh:g} or more, "
            f"{options.min_num_pixel} are needed: check the reference pixel, correct unwrapping errors, "
            "or lower min_temp_coh or min_num_pixel"
        )
        raise InputError(message)
    kept = {key: value for key, value in read_attributes(coherence).items() if key != "CREEPMETER_PROVENANCE"}
    key = digest_text(digest_file(coherence), options.min_temp_coh, shadow)
    said = {
        "FILE_TYPE": "mask",
        "UNIT": "1",
        "FILE_PATH": coherence.name,
        "NO_DATA_VALUE": "none",
        f"{_PREFIX}minTempCoh": str(options.min_temp_coh),
        f"{_PREFIX}shadowMask": str(shadow),
        "CREEPMETER_KEY": key,
    }
    made = provenance({"min_temp_coh": options.min_temp_coh, "shadow_mask": shadow}, {coherence.name: key})
    write_product(target, {"mask": mask}, {**kept, **said}, provenance=made)
    return count
