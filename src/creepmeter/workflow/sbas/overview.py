"""Step quick_overview: average velocity by stacking, and triplets of pairs that do not close."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import Progress
from creepmeter.errors import InputError
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.model.epoch import DAYS_PER_YEAR
from creepmeter.workflow.sbas.folder import STACKED
from creepmeter.workflow.sbas.maps import map_attributes, map_of, used_pairs, write_map

logger = logging.getLogger(__name__)

PHASE = "unwrapPhase"


def quick_overview(
    stack: StackFile, folder: Path, *, memory_gb: float = 4.0, progress: Progress | None = None
) -> tuple[Path, ...]:
    """Write ``avgPhaseVelocity.h5`` and ``numTriNonzeroIntAmbiguity.h5``.

    Parameters
    ----------
    stack : StackFile
        With a reference pixel.
    folder : Path
        Work folder.
    memory_gb : float
        Memory to keep within.
    progress : Progress, optional
        Shows how far it has come.

    Returns
    -------
    tuple of Path
        The files; none for a stack of offsets.

    Raises
    ------
    InputError
        The stack has no reference pixel.
    """
    if PHASE not in stack.names:
        logger.info("overview: a stack of offsets has no phase to look at")
        return ()
    from creepmeter.workflow.sbas.unwrap import count_ambiguities

    velocity = make_stack_velocity(stack, folder / STACKED, memory_gb=memory_gb, progress=progress)
    counted = count_ambiguities(stack, folder, memory_gb=memory_gb, progress=progress)
    return (velocity, counted) if isinstance(counted, Path) else (velocity,)


def make_stack_velocity(
    stack: StackFile,
    target: Path,
    *,
    name: str = PHASE,
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> Path:
    """Write the mean velocity of the used pairs, metres per year toward the satellite.

    Phase 0 counts like any other, so that ground without data shows the motion of the reference pixel; it lies outside
    the masks.

    Raises
    ------
    InputError
        The stack has no reference pixel or no wavelength.
    """
    from creepmeter.stack.statistics import average_rate

    if stack.reference is None:
        message = f"{stack.path} has no reference pixel (REF_Y, REF_X): run reference_point first"
        raise InputError(message)
    pairs = used_pairs(stack)
    reference = stack.pixel(name, *stack.reference)[pairs]
    years = np.array([stack.pairs[place].days for place in pairs]) / DAYS_PER_YEAR
    wavelength = _wavelength(stack)

    def work(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return average_rate(values, reference, years, wavelength)

    velocity = map_of(stack, name, work, np.float32, label="average velocity", memory_gb=memory_gb, progress=progress)
    attributes = map_attributes(stack, "velocity", "m/year")
    return write_map(target, "velocity", velocity, attributes, {"dataset": name, "reference": list(stack.reference)})


def _wavelength(stack: StackFile) -> float:
    text = stack.attributes.get("WAVELENGTH", "")
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        message = f"{stack.path}: attribute WAVELENGTH is {text!r}; set it to the wavelength of the radar in metres"
        raise InputError(message)
    return value
