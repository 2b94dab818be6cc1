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
    baselines_of_dates,
    invert_pixels,
    needs_full_solution,
)
from creepmeter.inversion.options import NetworkInversionOptions
from creepmeter.io.mintpy.dates import written
from creepmeter.io.mintpy.product import Dataset, ProductWriter, list_datasets, read_map, write_product
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.io.provenance import digest_file, digest_text, provenance
from creepmeter.kernels.phase import lanes_bytes
from creepmeter.kernels.threads import in_threads, limit_threads, thread_count
from creepmeter.workflow.sbas.folder import layer_identity
from creepmeter.workflow.sbas.inversion_plan import PREFIX, InversionPlan, Rooms, plan_inversion

logger = logging.getLogger(__name__)
Values = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]

SERIES, QUALITY, COUNT, RELIABLE = "timeseries.h5", "temporalCoherence.h5", "numInvIfgram.h5", "maskTempCoh.h5"
SIGMA, COHERENCE = "timeseriesSigma.h5", "avgSpatialCoh.h5"
_OFFSET_NAMES = {
    "rangeOffset": ("timeseriesRg.h5", "residualInvRg.h5", "numInvOffRg.h5"),
    "azimuthOffset": ("timeseriesAz.h5", "residualInvAz.h5", "numInvOffAz.h5"),
}
_PROCESS_GB = 0.45  # interpreter, libraries and compiled code
_LEAST_GB, _MOST_GB = 0.05, 0.25  # of a block; larger ones are no faster
_STRIP_GB = 0.024  # read and inverted by one thread at a time: about what the caches hold


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
    plan = plan_inversion(stack, folder, options)
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


def _targets(plan: InversionPlan, folder: Path, names: Sequence[str | Path] | None) -> list[Path]:
    given = list(names) if names is not None else [*_OFFSET_NAMES.get(plan.dataset, (SERIES, QUALITY, COUNT))]
    if len(given) != 3 or len(set(map(str, given))) < len(given):  # noqa: PLR2004
        message = f"three different names are needed (series, quality, number of pairs), got {given}"
        raise ConfigError(message)
    sigma = [Path(given[0]).with_name(Path(given[0]).stem + "Sigma.h5")] if plan.options.sigma else []
    return [folder / name for name in (*given, *sigma)]


def _key(plan: InversionPlan) -> str:
    options = plan.options.model_dump(exclude={"min_temp_coh", "min_num_pixel", "shadow_mask"})
    names = [name for name in (plan.dataset, plan.quality, plan.mask) if name is not None]
    wanted = digest_text(np.packbits(plan.wanted).tobytes().hex())
    layers = [layer_identity(plan.stack, name) for name in names]  # with what a corrected layer was made from
    return digest_text("invert_network", options, plan.dataset, plan.stack.digest(names), layers, wanted)


def _writers(plan: InversionPlan, targets: Sequence[Path], key: str) -> list[ProductWriter]:
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


def _fill(plan: InversionPlan, targets: Sequence[Path], memory_gb: float, progress: Progress) -> int:
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
    size = plan.bytes_per_pixel(full=needs_full_solution(plan.options, is_phase=plan.observations.is_phase))
    strip_gb = min(budget / 2 / threads, _STRIP_GB)
    run_blocks(
        plan_blocks(plan.stack.shape[1:], 8.0 * dates * (1 + plan.options.sigma) + 32, budget / 2, multiple),
        lambda block: _invert(plan, block, block.strips(size, strip_gb, multiple)),
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


def _invert(plan: InversionPlan, block: Block, strips: Sequence[Block]) -> dict[str, Values]:
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


def _room(plan: InversionPlan, shape: tuple[int, int]) -> dict[str, Values]:
    dates = len(plan.observations.network.epochs)
    cubes = ("displacement", "sigma") if plan.options.sigma else ("displacement",)
    found: dict[str, Values] = {name: np.empty((dates, *shape), np.float32) for name in cubes}
    found |= {name: np.empty(shape, np.float32) for name in ("quality", "pairs")}
    return {**found, "bridged": np.empty(shape, bool)}


def _invert_strip(plan: InversionPlan, strip: Block, rooms: Rooms) -> dict[str, Values]:
    wanted = plan.wanted[strip.y, strip.x]
    if not wanted.any():
        return {name: np.zeros((), values.dtype) for name, values in _room(plan, (1, 1)).items()}
    return invert_pixels(plan.read(strip, wanted, rooms), plan.observations, plan.options)


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
        f"{PREFIX}minTempCoh": str(options.min_temp_coh),
        f"{PREFIX}shadowMask": str(shadow),
        "CREEPMETER_KEY": key,
    }
    made = provenance({"min_temp_coh": options.min_temp_coh, "shadow_mask": shadow}, {coherence.name: key})
    write_product(target, {"mask": mask}, {**kept, **said}, provenance=made)
    return count
