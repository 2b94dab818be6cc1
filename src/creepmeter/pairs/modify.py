"""Which pairs of a stack are used: rules on dates, baselines and coherence. Nothing is deleted."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import minimum_spanning_tree

from creepmeter.errors import ConfigError, NetworkError
from creepmeter.model.epoch import Epoch, Epochs, as_epoch
from creepmeter.model.network import Network
from creepmeter.model.pair import Pair
from creepmeter.pairs.network_options import NetworkOptions

logger = logging.getLogger(__name__)

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
_DAY = np.timedelta64(86_400_000_000_000, "ns")
_DAY_LENGTHS = (8, 10)  # YYYYMMDD and YYYY-MM-DD name a whole day, longer text one moment
_DIGITS = 4  # of mean coherence, as coherenceSpatialAvg.txt has it: the figures that people see decide
_LEAST = 1e-4  # coherence of a pair without any, so that it is the last that a tree takes


@dataclass(frozen=True)
class PairQuality:
    """What the rules on coherence look at; NaN = nothing was measured.

    Parameters
    ----------
    coherence : array, (pair,), optional
        Mean coherence inside mask and area.
    area_ratio : array, (pair,), optional
        Part of the pixels inside mask and area that are more coherent than the ground outside the mask.
    """

    coherence: Floats | None = None
    area_ratio: Floats | None = None


@dataclass(frozen=True)
class Selection:
    """Which pairs are used, and why others are not.

    Parameters
    ----------
    pairs : tuple of Pair
        All pairs of the stack, in order of the file.
    keep : array of bool, (pair,)
        True = used.
    dropped : dict of str to array of bool, (pair,)
        Pairs that each rule leaves out, by the rule in words.
    unwanted_dates : tuple of str
        Dates that the options leave out, YYYYMMDD.
    """

    pairs: tuple[Pair, ...]
    keep: Mask
    dropped: dict[str, Mask] = field(default_factory=dict)
    unwanted_dates: tuple[str, ...] = ()

    @property
    def network(self) -> Network:
        """The network of the pairs that are used."""
        return Network(tuple(pair for pair, kept in zip(self.pairs, self.keep, strict=True) if kept))

    @property
    def lost_dates(self) -> tuple[str, ...]:
        """Dates of the stack that no used pair touches, YYYYMMDD."""
        lost = np.setdiff1d(np.concatenate(_ends(self.pairs)), self.network.epochs)
        return tuple(_day(epoch) for epoch in lost)

    @property
    def islands(self) -> tuple[tuple[str, ...], ...]:
        """Dates of each part of the network that hangs together, YYYYMMDD."""
        network = self.network
        return tuple(tuple(_day(network.epochs[i]) for i in island) for island in network.islands())


def modify(
    pairs: Sequence[Pair],
    bperp: npt.ArrayLike,
    options: NetworkOptions,
    *,
    reference: Collection[Pair] | None = None,
    quality: PairQuality | None = None,
) -> Selection:
    """Choose the pairs of a stack that are used, from scratch: an earlier choice plays no part.

    Parameters
    ----------
    pairs : sequence of Pair
        All pairs of the stack, in order of the file.
    bperp : array, (pair,)
        Perpendicular baselines, metres.
    options : NetworkOptions
        The rules; without any, all pairs are used.
    reference : collection of Pair, optional
        The only pairs that may be used.
    quality : PairQuality, optional
        What the rules on coherence need.

    Raises
    ------
    NetworkError
        No pair is left; the message says how many each rule leaves out.
    ConfigError
        A place in the file is beyond its end, or a rule on coherence has no coherence.

    Notes
    -----
    Coherence is rounded to four decimals, the figures that are written and shown. The tree of the most coherent pairs
    is the minimum spanning tree of their inverse among the pairs that the rules on dates and baselines leave.

    Examples
    --------
    >>> pairs = [Pair.of("20200101", "20200113"), Pair.of("20200101", "20200212"), Pair.of("20200113", "20200212")]
    >>> modify(pairs, [0, 0, 0], NetworkOptions(temp_base_max=35)).keep.tolist()
    [True, False, True]
    """
    ordered = tuple(pairs)
    dropped = _rules(ordered, np.asarray(bperp, np.float64), options)
    if reference is not None:
        dropped["reference_file"] = np.array([pair not in reference for pair in ordered])
    keep = ~np.logical_or.reduce([np.zeros(len(ordered), bool), *dropped.values()])
    for name, values, least in _levels(options, quality or PairQuality()):
        low = keep & ~(values >= least)
        if options.keep_min_span_tree:
            low &= ~spanning_tree(ordered, values, keep)
        dropped[name] = low
        keep = keep & ~low
    if not keep.any():
        raise NetworkError(_nothing_left(dropped))
    because = {name: out for name, out in dropped.items() if out.any()}
    return Selection(ordered, keep, because, _unwanted(ordered, options))


def spanning_tree(pairs: Sequence[Pair], quality: npt.ArrayLike, among: Mask | None = None) -> Mask:
    """Return the pairs of highest quality that join all dates, (pair,): as few as possible.

    Parameters
    ----------
    pairs : sequence of Pair
        All pairs.
    quality : array, (pair,)
        Coherence of each pair; NaN counts as none.
    among : array of bool, (pair,), optional
        Pairs to take from, none twice. Dates that these leave in several islands get a tree for each island.

    Examples
    --------
    >>> pairs = [Pair.of("20200101", "20200113"), Pair.of("20200101", "20200212"), Pair.of("20200113", "20200212")]
    >>> spanning_tree(pairs, [0.5, 0.9, 0.7]).tolist()
    [False, True, True]
    """
    chosen = np.flatnonzero(np.ones(len(pairs), bool) if among is None else among)
    cost = 1.0 / np.maximum(np.nan_to_num(np.asarray(quality, np.float64)), _LEAST)
    first, second, size = _places(pairs)
    graph = csr_array((cost[chosen], (first[chosen], second[chosen])), shape=(size, size))
    tree = minimum_spanning_tree(graph).tocoo()
    joined = set(zip(tree.row.tolist(), tree.col.tolist(), strict=True))
    found = np.zeros(len(pairs), bool)
    found[chosen] = [(int(first[k]), int(second[k])) in joined for k in chosen]
    return found


def _ends(pairs: Sequence[Pair]) -> tuple[Epochs, Epochs]:
    ref, sec = (np.array([getattr(pair, end) for pair in pairs], "datetime64[ns]") for end in ("ref", "sec"))
    return ref, sec


def _places(pairs: Sequence[Pair]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], int]:
    """Return the places of both ends of each pair among all dates, and the number of these."""
    ref, sec = _ends(pairs)
    epochs = np.unique(np.concatenate([ref, sec]))
    return np.searchsorted(epochs, ref), np.searchsorted(epochs, sec), len(epochs)


def warn_of_gaps(selection: Selection) -> None:
    """Log the dates that were lost although nobody asked for it, and the islands that are left."""
    lost = [name for name in selection.lost_dates if name not in selection.unwanted_dates]
    if lost:
        logger.warning("network: no pair is left of %s: these dates get no displacement", ", ".join(lost))
    islands = selection.islands
    if len(islands) > 1:
        parts = "; ".join(f"{island[0]} to {island[-1]} ({len(island)})" for island in islands)
        logger.warning("network: %d islands of dates that no pair joins: %s", len(islands), parts)


def _rules(pairs: tuple[Pair, ...], bperp: Floats, options: NetworkOptions) -> dict[str, Mask]:
    """Return the pairs that each rule on dates and baselines leaves out; rules not asked for are absent."""
    ref, sec = _ends(pairs)
    found: dict[str, Mask] = {}
    if len(set(pairs)) < len(pairs):
        found["there twice"] = np.array([pair in pairs[:place] for place, pair in enumerate(pairs)])
    if options.temp_base_max is not None:
        found[f"temp_base_max {options.temp_base_max:g}"] = (sec - ref) / _DAY > options.temp_base_max
    if options.perp_base_max is not None:
        found[f"perp_base_max {options.perp_base_max:g}"] = np.abs(bperp) > options.perp_base_max
    if options.conn_num_max is not None:
        first, second, _ = _places(pairs)
        found[f"conn_num_max {options.conn_num_max}"] = second - first > options.conn_num_max
    if options.start_date is not None:
        found[f"start_date {options.start_date}"] = ref < as_epoch(options.start_date)
    if options.end_date is not None:
        found[f"end_date {options.end_date}"] = sec >= _moment(options.end_date)[1]
    if options.exclude_date:
        found["exclude_date"] = _touched(ref, sec, options.exclude_date)
    if options.exclude_pairs:
        found["exclude_pairs"] = _named(ref, sec, options.exclude_pairs)
    if options.exclude_index:
        found["exclude_index"] = _placed(len(pairs), options.exclude_index)
    return found


def _unwanted(pairs: tuple[Pair, ...], options: NetworkOptions) -> tuple[str, ...]:
    """Return the dates of a stack that the options leave out, YYYYMMDD."""
    epochs = np.unique(np.concatenate(_ends(pairs)))
    out = np.zeros(len(epochs), bool)
    for start, end in map(_moment, options.exclude_date):
        out |= (epochs >= start) & (epochs < end)
    if options.start_date is not None:
        out |= epochs < as_epoch(options.start_date)
    if options.end_date is not None:
        out |= epochs >= _moment(options.end_date)[1]
    return tuple(_day(epoch) for epoch in epochs[out])


def _levels(options: NetworkOptions, quality: PairQuality) -> list[tuple[str, Floats, float]]:
    wanted = (
        ("coherence_based", "min_coherence", quality.coherence),
        ("area_ratio_based", "min_area_ratio", quality.area_ratio),
    )
    found = []
    for rule, level, values in wanted:
        if not getattr(options, rule):
            continue
        if values is None:
            message = f"{rule} is asked for, but the stack has no coherence: switch it off, or load the coherence"
            raise ConfigError(message)
        least = float(getattr(options, level))
        found.append((f"{level} {least:g}", np.asarray(np.round(np.nan_to_num(values), _DIGITS), np.float64), least))
    return found


def _touched(ref: Epochs, sec: Epochs, names: Sequence[str]) -> Mask:
    out = np.zeros(len(ref), bool)
    for name in names:
        start, end = _moment(name)
        hit = ((ref >= start) & (ref < end)) | ((sec >= start) & (sec < end))
        if not hit.any():
            logger.warning("network: exclude_date %s is no date of the stack", name)
        out |= hit
    return out


def _named(ref: Epochs, sec: Epochs, names: Sequence[str]) -> Mask:
    out = np.zeros(len(ref), bool)
    for name in names:
        (start, start_end), (end, end_end) = sorted(_moment(text) for text in name.replace("-", "_").split("_"))
        hit = (ref >= start) & (ref < start_end) & (sec >= end) & (sec < end_end)
        if not hit.any():
            logger.warning("network: exclude_pairs %s is no pair of the stack", name)
        out |= hit
    return out


def _placed(size: int, places: Sequence[int]) -> Mask:
    if max(places) >= size:
        message = f"exclude_index {max(places)} is beyond the last pair: the stack has {size} pairs, 0 to {size - 1}"
        raise ConfigError(message)
    out = np.zeros(size, bool)
    out[list(places)] = True
    return out


def _moment(text: str) -> tuple[Epoch, Epoch]:
    """Return from and to (exclusive) of a date: a whole day, or one minute."""
    start = as_epoch(text)
    return start, start + (_DAY if len(text.strip()) in _DAY_LENGTHS else np.timedelta64(60, "s"))


def _nothing_left(dropped: dict[str, Mask]) -> str:
    each = ", ".join(f"{name} leaves out {int(out.sum())}" for name, out in dropped.items())
    total = len(next(iter(dropped.values()), ()))
    return f"no pair is left of {total}: {each}; loosen these rules"


def _day(epoch: Epoch) -> str:
    return str(epoch)[:10].replace("-", "")
