"""The ionosphere, from pairs of a split-spectrum estimate to a series, and taken from the displacement."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from creepmeter.blocks import Progress
from creepmeter.errors import InputError
from creepmeter.inversion.options import NetworkInversionOptions
from creepmeter.io.mintpy.dates import written
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.workflow.sbas.delay_series import day_of, subtract_delays
from creepmeter.workflow.sbas.invert import invert_network
from creepmeter.workflow.sbas.places import reference_attributes
from creepmeter.workflow.sbas.series import Series

logger = logging.getLogger(__name__)

FILES = ("ion.h5", "temporalCoherenceIon.h5", "numInvIon.h5")
_OPTIONS = NetworkInversionOptions(
    weight_func="no", obs_dataset="unwrapPhase", water_mask_file=None, min_num_pixel=0, shadow_mask=False
)


@dataclass(frozen=True)
class Subtracted:
    """What a correction made.

    Parameters
    ----------
    path : Path
        The corrected series.
    without : tuple of str
        Dates that have no estimate and stay as they were.
    pixels : int
        Measured pixels that have no estimate on any date and stay as they were.
    """

    path: Path
    without: tuple[str, ...]
    pixels: int = 0

    @property
    def notes(self) -> list[str]:
        """What was not corrected, in words."""
        said = [f"dates without an estimate stay as they were: {', '.join(self.without)}"] if self.without else []
        return said + ([f"{self.pixels} pixel(s) without an estimate stay as they were"] if self.pixels else [])


def make_ionosphere_series(
    stack: StackFile,
    folder: Path,
    reference: tuple[int, int],
    *,
    exclude: Collection[str] = (),
    names: tuple[str | Path, str | Path, str | Path] = FILES,
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> Path:
    """Invert ionospheric pairs, all with the same weight, into a series relative to a pixel.

    Parameters
    ----------
    stack : StackFile
        ``ionStack.h5``: phase of the ionosphere per pair. Which pairs are used and its reference pixel are set.
    folder : Path
        Work folder, for masks and products.
    reference : (int, int)
        Row and column.
    exclude : collection of str
        Dates YYYYMMDD, all pairs of which are left out, and pairs YYYYMMDD_YYYYMMDD.
    names : (str, str, str)
        Of the series, its temporal coherence, and the number of pairs.
    memory_gb : float
        Memory to keep within.
    progress : Progress, optional
        Counts pixels.

    Raises
    ------
    InputError
        No pair is left, or the reference pixel has no ionosphere in any of them.
    """
    labels = [(written(pair.ref)[:8], written(pair.sec)[:8]) for pair in stack.pairs]
    keep = np.array([not {first, second, f"{first}_{second}"} & set(exclude) for first, second in labels])
    if not keep.any():
        message = f"{stack.path}: all {len(keep)} ionospheric pairs are excluded; exclude fewer dates or pairs"
        raise InputError(message)
    stack.set_keep(keep)
    stack.set_attributes(reference_attributes(stack.attributes, reference))
    made = invert_network(stack, folder, None, _OPTIONS, memory_gb=memory_gb, progress=progress, names=names)
    made.files[-1].unlink()  # its mask: which pixels count is for the displacement to say
    return made.files[0]


def correct_ionosphere(
    series: Path,
    stack: StackFile,
    target: Path,
    reference: tuple[int, int],
    *,
    exclude: Collection[str] = (),
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> Subtracted:
    """Write a series without the ionosphere; that goes into ``ion.h5`` beside the series.

    Parameters
    ----------
    series, target : Path
        Series to correct; corrected series.
    stack : StackFile
        Ionospheric pairs, see `make_ionosphere_series`.
    reference : (int, int)
        Row and column of the reference pixel.
    exclude : collection of str
        Dates and pairs that are left out of the estimate.
    memory_gb : float
        Memory to keep within.
    progress : Progress, optional
        Counts pixels.

    Returns
    -------
    Subtracted
        With the dates and pixels that have no estimate, and stay as they were.
    """
    folder = series.parent
    ion = make_ionosphere_series(stack, folder, reference, exclude=exclude, memory_gb=memory_gb, progress=progress)
    return subtract_ionosphere(series, ion, target, memory_gb=memory_gb, progress=progress)


def subtract_ionosphere(
    series: Path, ion: Path, target: Path, *, memory_gb: float = 4.0, progress: Progress | None = None
) -> Subtracted:
    """Write a series without that of the ionosphere, both relative to the date and pixel of the series.

    Parameters
    ----------
    series, ion, target : Path
        Series to correct, of the ionosphere, corrected.
    memory_gb : float
        Memory to keep within.
    progress : Progress, optional
        Counts pixels.
    """
    measured, estimate = Series.open(series), Series.open(ion)
    known = {day_of(date) for date in estimate.dates}
    without = tuple(day_of(date) for date in measured.dates if day_of(date) not in known)
    made = subtract_delays(series, ion, target, memory_gb=memory_gb, progress=progress)
    return Subtracted(made, without, _without_estimate(measured, estimate, memory_gb))


def _without_estimate(series: Series, ion: Series, memory_gb: float) -> int:
    """Return how many pixels of a series have no estimate: 0 on all dates, as those that were not inverted."""
    count = 0
    for block in series.blocks(memory_gb, len(series.dates) + len(ion.dates)):
        count += int(((series.read(block) != 0).any(axis=0) & (ion.read(block) == 0).all(axis=0)).sum())
    return count
