"""Step modify_network: which pairs of the stack are used."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import Progress
from creepmeter.errors import ConfigError, InputError
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.model.pair import Pair
from creepmeter.pairs.modify import PairQuality, Selection, modify, warn_of_gaps
from creepmeter.pairs.network_options import NetworkOptions, is_date
from creepmeter.workflow.sbas.folder import PAIR_TABLE, WATER
from creepmeter.workflow.sbas.maps import existing, read_text
from creepmeter.workflow.sbas.masks import find_geometry, make_water_mask
from creepmeter.workflow.sbas.pair_table import coherence_area, pair_means, write_pair_table

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
RATIOS, AVERAGES_OUTSIDE = "coherenceAreaRatio.txt", "coherenceSpatialAvgRevMsk.txt"
_PAIR = re.compile(r"(?<!\d)(\d{8}(?:T\d{4,6})?)[_-](\d{8}(?:T\d{4,6})?)(?!\d)")


@dataclass(frozen=True)
class ModifiedNetwork:
    """What became of a network.

    Parameters
    ----------
    selection : Selection
        Which pairs are used, and why others are not.
    coherence : array, (pair,), or None
        Mean coherence inside mask and area, where a rule needed it.
    changed : bool
        Whether other pairs are used than before.
    """

    selection: Selection
    coherence: Floats | None
    changed: bool

    @property
    def keep(self) -> Mask:
        """True = used, (pair,)."""
        return self.selection.keep


def modify_network(
    stack: StackFile,
    folder: Path,
    options: NetworkOptions,
    *,
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> ModifiedNetwork:
    """Choose the pairs that are used, and mark them in the stack; ``waterMask.h5`` is made where it is missing.

    Parameters
    ----------
    stack : StackFile
        Its `keep` is set; an earlier choice plays no part, and without any rule all pairs are used.
    folder : Path
        Work folder: names of files in the options lie in it, and ``coherenceSpatialAvg.txt`` is written there when
        a rule looks at coherence.
    options : NetworkOptions
        The rules.
    memory_gb : float
        Memory to keep within.
    progress : Progress, optional
        Shows how far it has come.

    Raises
    ------
    NetworkError
        No pair is left.
    ConfigError
        A file that the options name is missing, or a rule needs coherence that the stack does not have.
    """
    options = _with_dates_read(options, folder)
    geometry = find_geometry(stack, folder)
    if geometry is not None and not (folder / WATER).exists():
        make_water_mask(geometry, folder / WATER)  # all later steps of MintPy look for it
    reference = None if options.reference_file is None else _reference_pairs(folder, options.reference_file)
    quality = PairQuality()
    if options.needs_coherence and "coherence" in stack.names:
        quality = _measure(stack, folder, options, memory_gb, progress)
    selection = modify(stack.pairs, stack.bperp, options, reference=reference, quality=quality)
    _report(selection)
    changed = not np.array_equal(selection.keep, stack.keep)
    if changed:
        stack.set_keep(selection.keep)
    return ModifiedNetwork(selection, quality.coherence, changed)


def _report(selection: Selection) -> None:
    for name, out in selection.dropped.items():
        names = ", ".join(str(pair) for pair, gone in zip(selection.pairs, out, strict=True) if gone)
        logger.info("network: %s leaves out %d pairs: %s", name, int(out.sum()), names)
    logger.info("network: %d of %d pairs are used", int(selection.keep.sum()), len(selection.pairs))
    warn_of_gaps(selection)


def _with_dates_read(options: NetworkOptions, folder: Path) -> NetworkOptions:
    """Return options with files of dates replaced by what they hold."""
    dates: list[str] = []
    for item in options.exclude_date:
        dates += [item] if is_date(item) else _dates_in(existing(folder, item, "exclude_date"))
    if tuple(dates) == options.exclude_date:
        return options
    return options.override({"exclude_date": tuple(dates)}, step="network")


def _dates_in(path: Path) -> list[str]:
    words = [line.split("#")[0].split() for line in read_text(path).splitlines()]
    found = [row[0] for row in words if row]
    wrong = [word for word in found if not is_date(word)]
    if wrong:
        message = f"{path}: {wrong[0]!r} is no date; write one date YYYYMMDD a line"
        raise ConfigError(message)
    return found


def _reference_pairs(folder: Path, name: str) -> set[Pair]:
    """Return the pairs that a text file lists, or that another stack uses."""
    path = existing(folder, name, "reference_file")
    if path.suffix == ".h5":
        other = StackFile.open(path)
        return {pair for pair, kept in zip(other.pairs, other.keep, strict=True) if kept}
    lines = [line.split("#")[0] for line in read_text(path).splitlines()]
    found = {Pair.of(*sorted(match.groups())) for line in lines if (match := _PAIR.search(line))}
    if not found:
        message = f"{path} lists no pair: write one pair YYYYMMDD_YYYYMMDD a line"
        raise ConfigError(message)
    return found


def _measure(
    stack: StackFile, folder: Path, options: NetworkOptions, memory_gb: float, progress: Progress | None
) -> PairQuality:
    area = coherence_area(stack, folder, options)
    if not area.inside.any():
        message = f"{area.mask_name}: the mask is empty inside the area of interest, no coherence can be taken there"
        raise InputError(message)
    coherence = ratio = None
    if options.coherence_based:
        coherence, _ = pair_means(stack, "coherence", area.inside, memory_gb=memory_gb, progress=progress)
        write_pair_table(folder / PAIR_TABLE, stack, coherence, area)
    if options.area_ratio_based:
        outside, _ = pair_means(stack, "coherence", area.outside, memory_gb=memory_gb, progress=progress)
        write_pair_table(folder / AVERAGES_OUTSIDE, stack, outside, area)
        level = float(np.nanmean(np.round(outside, 4))) if np.isfinite(outside).any() else 0.0
        means, ratio = pair_means(stack, "coherence", area.inside, level=level, memory_gb=memory_gb, progress=progress)
        coherence = means if coherence is None else coherence
        write_pair_table(folder / RATIOS, stack, ratio, area, level=level)
    return PairQuality(coherence, ratio)
