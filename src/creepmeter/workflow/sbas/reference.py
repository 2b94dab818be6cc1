"""Step reference_point: masks, mean coherence, and the pixel that all displacement is relative to."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import Progress
from creepmeter.errors import ConfigError, InputError
from creepmeter.io.mintpy.product import read_attributes, read_map
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.stack.reference import Pixel, ReferenceOptions, check_reference, choose_reference
from creepmeter.workflow.sbas.folder import COHERENCE, COMPONENTS, WATER
from creepmeter.workflow.sbas.maps import find, read_mask, used_pairs
from creepmeter.workflow.sbas.masks import SNR, make_average, make_component_mask, make_water_mask
from creepmeter.workflow.sbas.places import pixel_at, reference_attributes

logger = logging.getLogger(__name__)

Mask = npt.NDArray[np.bool_]
PHASE = "unwrapPhase"
_SHOWN = 5
_CHOSEN = "CREEPMETER_REFERENCE"  # attribute of a stack: the pixel that was chosen, not given


@dataclass(frozen=True)
class ReferencePoint:
    """The reference pixel of a stack.

    Parameters
    ----------
    row, column : int
        Counted from 0.
    coherence : float
        Average coherence there, NaN where it is not known.
    how : str
        How it was found, in words.
    chosen : bool
        Whether this program chose it, now or earlier; else it was given.
    """

    row: int
    column: int
    coherence: float
    how: str
    chosen: bool = False


def reference_point(
    stack: StackFile,
    folder: Path,
    geometry: Path | None,
    options: ReferenceOptions,
    *,
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> ReferencePoint | None:
    """Make ``waterMask.h5``, ``maskConnComp.h5`` and ``avgSpatialCoh.h5``, and set the reference pixel of the stack.

    Parameters
    ----------
    stack : StackFile
        Gets REF_Y, REF_X and, on a map, REF_LAT, REF_LON.
    folder : Path
        Work folder, where the maps are written.
    geometry : Path or None
        Geometry in the coordinates of the stack.
    options : ReferenceOptions
        Where the pixel is, or how it is chosen.
    memory_gb : float
        Memory to keep within.
    progress : Progress, optional
        Shows how far it has come.

    Returns
    -------
    ReferencePoint or None
        None for a stack of offsets, which needs none.

    Raises
    ------
    InputError
        The pixel given is masked, has no phase or lies outside (the message proposes another), or no pixel is
        coherent enough.
    """
    if geometry is not None:
        make_water_mask(geometry, folder / WATER)
    make_maps(stack, folder, memory_gb=memory_gb, progress=progress)
    given = options.yx is not None or options.lalo is not None
    if PHASE not in stack.names and not given:
        logger.info("reference: offsets are not relative to a pixel; none is set")
        return None
    point = find_reference(stack, folder, geometry, options)
    changes = reference_attributes(stack.attributes, (point.row, point.column))
    changes[_CHOSEN] = f"{point.row} {point.column}" if point.chosen else None
    known = {name: stack.attributes.get(name) for name in changes}
    if changes != known:
        stack.set_attributes(changes)
    logger.info("reference: row %d, column %d, %s", point.row, point.column, point.how)
    return point


def make_maps(
    stack: StackFile, folder: Path, *, memory_gb: float = 4.0, progress: Progress | None = None
) -> tuple[Path, ...]:
    """Write the maps that depend on the choice of pairs: mask of components and mean coherence (or SNR of offsets)."""
    made = []
    if "connectComponent" in stack.names or PHASE in stack.names:
        made.append(make_component_mask(stack, folder / COMPONENTS, memory_gb=memory_gb, progress=progress))
    for name, target in (("coherence", COHERENCE), ("offsetSNR", SNR)):
        if name in stack.names:
            made.append(make_average(stack, folder / target, name=name, memory_gb=memory_gb, progress=progress))
    return tuple(made)


def find_reference(stack: StackFile, folder: Path, geometry: Path | None, options: ReferenceOptions) -> ReferencePoint:
    """Return the reference pixel that the options ask for, checked; the stack is not changed.

    Raises
    ------
    InputError
        It cannot be used, or none can be chosen.
    """
    shape = (stack.shape[1], stack.shape[2])
    allowed = _allowed(folder, options, shape)
    level = _coherence(folder, options, shape)

    def usable(pixel: Pixel) -> bool:
        return _has_phase(stack, pixel, level)

    def choose() -> Pixel:
        return choose_reference(level, allowed, options, usable)

    given, how = _given(stack, geometry, options)
    chosen = given is None or (given == stack.reference and _was_chosen(stack, options))
    if given is not None and chosen and not (allowed[given] and usable(given)):
        logger.warning(
            "%s: the reference pixel chosen before (row %d, column %d) is masked out or lacks phase in the pairs that "
            "are used now: another is chosen",
            stack.path,
            *given,
        )
        given = None
    if given is None:
        row, column = choose()
        how = "the most coherent pixel" if options.method == "max_coherence" else f"drawn with seed {options.seed}"
    else:
        relaxed = options.model_copy(update={"min_coherence": 0.0})
        known = np.where(np.isfinite(level), level, 0.0)  # a proposal needs no coherence
        try:
            check_reference(given, allowed, usable, lambda: choose_reference(known, allowed, relaxed, usable))
        except InputError as problem:
            message = f"{stack.path}: {problem}{_without_phase(stack, given)}"
            raise InputError(message) from problem
        row, column = given
    return ReferencePoint(row, column, float(level[row, column]), how, chosen)


def _given(stack: StackFile, geometry: Path | None, options: ReferenceOptions) -> tuple[Pixel | None, str]:
    """Return the pixel that options or an earlier run name; None where it must be chosen."""
    if options.lalo is not None:
        return pixel_at(
            stack.attributes, stack.shape[1:], stack.path, geometry, options.lalo
        ), "given by latitude and longitude"
    if options.yx is not None:
        return options.yx, "given"
    if stack.reference is not None and not options.force:
        return stack.reference, "as set before in the stack"
    return None, ""


def _was_chosen(stack: StackFile, options: ReferenceOptions) -> bool:
    """Tell whether the pixel of the stack was chosen by an earlier run: nobody has given one, or set another since."""
    if stack.reference is None or options.yx is not None or options.lalo is not None:
        return False
    row, column = stack.reference
    return stack.attributes.get(_CHOSEN) == f"{row} {column}"


def _allowed(folder: Path, options: ReferenceOptions, shape: tuple[int, int]) -> Mask:
    path = None if options.mask_file is None else find(folder, options.mask_file)
    if path is None:
        if options.mask_file not in (None, COMPONENTS):
            message = f"reference option mask_file: {folder / str(options.mask_file)} is not there; correct the name"
            raise ConfigError(message)
        return np.ones(shape, bool)
    return read_mask(path, shape)


def _coherence(folder: Path, options: ReferenceOptions, shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    path = None if options.coherence_file is None else find(folder, options.coherence_file)
    if path is None:
        if options.coherence_file not in (None, COHERENCE):
            message = f"reference option coherence_file: {folder / str(options.coherence_file)} is not there"
            raise ConfigError(message)
        return np.full(shape, np.nan)
    values = read_map(path).astype(np.float64)
    if values.shape != shape:
        sizes = [" x ".join(map(str, found)) for found in (values.shape, shape)]
        message = f"{path} has {sizes[0]} pixels and the stack {sizes[1]}: make it from the same stack"
        raise ConfigError(message)
    return values


def _has_phase(stack: StackFile, pixel: Pixel, level: npt.NDArray[np.float64]) -> bool:
    """Tell whether all used pairs have a value at a pixel.

    Phase 0 is no data, unless it is 0 in every pair on coherent ground: then the phase was referred to this pixel.
    """
    name = PHASE if PHASE in stack.names else stack.names[0]
    values = stack.pixel(name, *pixel)[used_pairs(stack)]
    zero = values == 0
    referred = bool(zero.all()) and bool(level[pixel] != 0)
    return bool(np.isfinite(values).all()) and (referred or not zero.any())


def _without_phase(stack: StackFile, pixel: Pixel) -> str:
    """Return in words which of the used pairs have no phase at a pixel, where it is they that hinder it."""
    rows, columns = stack.shape[1:]
    if not (0 <= pixel[0] < rows and 0 <= pixel[1] < columns) or PHASE not in stack.names:
        return ""
    used = used_pairs(stack)
    values = stack.pixel(PHASE, *pixel)[used]
    missing = used[(values == 0) | ~np.isfinite(values)]
    if len(missing) == 0:
        return ""
    listed = ", ".join(str(stack.pairs[k]) for k in missing[:_SHOWN]) + (", ..." if len(missing) > _SHOWN else "")
    return f"; {PHASE} is missing there in {len(missing)} of {len(used)} pairs ({listed}), which can be left out"


def _nearest(allowed: Mask, pixel: Pixel) -> Pixel | None:
    places = np.argwhere(allowed)
    if len(places) == 0:
        return None
    row, column = places[((places - pixel) ** 2).sum(axis=1).argmin()]
    return int(row), int(column)


def refer_file(
    source: Path,
    target: Path,
    options: ReferenceOptions,
    *,
    geometry: Path | None = None,
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> Pixel:
    """Write a series or velocity relative to the pixel that the options name; return its row and column.

    Parameters
    ----------
    source, target : Path
        Product; where the new one goes, may be the same.
    options : ReferenceOptions
        `yx` or `lalo`, and `mask_file` where it is an absolute path or lies beside the product.
    geometry : Path, optional
        For a point in radar coordinates.
    memory_gb : float
        Memory to keep within.
    progress : Progress, optional
        Shows how far it has come.

    Raises
    ------
    InputError
        No pixel is named, or it is masked or has no value.
    """
    from creepmeter.workflow.sbas.facts import arrays_of
    from creepmeter.workflow.sbas.rewrite import refer_product

    attributes = read_attributes(source)
    arrays = arrays_of(source)
    shape = next(iter(arrays.values())).shape[1:] if arrays else (0, 0)
    if options.lalo is not None:
        pixel = pixel_at(attributes, shape, source, geometry, options.lalo)
    elif options.yx is not None:
        pixel = options.yx
    else:
        message = f"{source}: name the pixel, by row and column or by latitude and longitude"
        raise InputError(message)
    allowed = _allowed(source.parent, options, shape)
    check_reference(pixel, allowed, lambda _: True, lambda: _nearest(allowed, pixel))
    changes = reference_attributes(attributes, pixel)
    refer_product(source, target, pixel, changes, memory_gb=memory_gb, progress=progress)
    return pixel
