"""From scenes to the network of pairs that will be measured."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from creepmeter.errors import NetworkError
from creepmeter.model.epoch import DAYS_PER_YEAR, Epoch, EpochLike, Epochs, as_epoch
from creepmeter.model.network import Network
from creepmeter.model.pair import Pair
from creepmeter.model.scene import Scene
from creepmeter.pairs.options import PairOptions

logger = logging.getLogger(__name__)

Mask = npt.NDArray[np.bool_]
_FEWEST_DATES = 2
_DAY = np.timedelta64(86_400_000_000_000, "ns")
_DAY_LENGTHS = (8, 10)  # YYYYMMDD and YYYY-MM-DD name a whole day, longer text one moment


def select_pairs(scenes: Sequence[Scene | EpochLike], options: PairOptions | None = None) -> Network:
    """Choose the pairs of scenes to measure.

    Parameters
    ----------
    scenes : sequence of Scene, or of dates
        In any order. Dates stand for scenes of which nothing else is known.
    options : PairOptions, optional
        The limits and the rule; by default every pair.

    Returns
    -------
    Network
        Pairs in order of `ref`, then `sec`. Dates that no pair touches are in `Network.extra_epochs`.

    Raises
    ------
    NetworkError
        Fewer than two dates, two scenes of one time, an unknown orbit when `same_orbit` is asked for, or no pair
        within the limits (the message says which limit removed how many).

    Examples
    --------
    >>> network = select_pairs(["20200101", "20200113", "20200125"], PairOptions(max_days=12))
    >>> [str(pair) for pair in network.pairs]
    ['20200101_20200113', '20200113_20200125']
    """
    options = options or PairOptions()
    ordered = sorted((_as_scene(scene) for scene in scenes), key=lambda scene: scene.time)
    _require_distinct(ordered)
    kept = _without_excluded_dates(ordered, options)
    if len(kept) < _FEWEST_DATES:
        dropped = f", {len(ordered) - len(kept)} left out by exclude_dates" if len(kept) < len(ordered) else ""
        message = f"{len(kept)} date(s) found{dropped}: at least two are needed to make a pair"
        raise NetworkError(message)
    first, second = np.triu_indices(len(kept), 1)
    limits = _limits(kept, first, second, options)
    allowed = np.logical_and.reduce([np.ones(len(first), bool), *limits.values()])
    if not allowed.any():
        raise NetworkError(_nothing_left(limits, len(first)))
    if options.rule == "nearest":
        allowed &= _nearest(first, allowed, options.n_nearest)
    return _network([scene.time for scene in kept], first[allowed], second[allowed])


def describe_network(network: Network) -> str:
    """Return a network in words, for the log: epochs, pairs and their spans, islands, loops.

    Examples
    --------
    >>> describe_network(select_pairs(["20200101", "20200113", "20200125"]))
    '3 epochs, 3 pairs of 12 to 24 days, 1 island, 1 loop'
    """
    days = [pair.days for pair in network.pairs]
    low, high = f"{min(days):.4g}", f"{max(days):.4g}"
    span = low if low == high else f"{low} to {high}"
    islands = network.islands()
    words = (
        f"{_count(len(network.epochs), 'epoch')}, {_count(len(days), 'pair')} of {span} days, "
        f"{_count(len(islands), 'island')}, {_count(len(network.loops()), 'loop')}"
    )
    alone = [str(network.epochs[island[0]])[:10] for island in islands if len(island) == 1]
    return f"{words}; in no pair: {', '.join(alone)}" if alone else words


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _as_scene(scene: Scene | EpochLike) -> Scene:
    return scene if isinstance(scene, Scene) else Scene(as_epoch(scene), "")


def _require_distinct(ordered: Sequence[Scene]) -> None:
    for before, after in pairwise(ordered):
        if before.time == after.time:
            names = f"{before.source} and {after.source}" if before.source else "two scenes"
            message = (
                f"{names} have the same date {str(before.time)[:19]}: keep one of the two, "
                "merge them to one image, or write the time of day in the names (YYYYMMDDTHHMMSS)"
            )
            raise NetworkError(message)


def _moments(texts: Sequence[str]) -> list[tuple[Epoch, Epoch]]:
    """Return from and to (exclusive) of each date: a whole day, or a single moment."""
    moments = []
    for text in texts:
        start = as_epoch(text)
        length = _DAY if len(text.strip()) in _DAY_LENGTHS else np.timedelta64(1, "s")
        moments.append((start, start + length))
    return moments


def _without_excluded_dates(ordered: Sequence[Scene], options: PairOptions) -> list[Scene]:
    moments = _moments(options.exclude_dates)
    for text, (start, end) in zip(options.exclude_dates, moments, strict=True):
        if not any(start <= scene.time < end for scene in ordered):
            logger.warning("exclude_dates: no scene of %s", text)
    return [scene for scene in ordered if not any(start <= scene.time < end for start, end in moments)]


def _limits(
    scenes: Sequence[Scene], first: npt.NDArray[np.int64], second: npt.NDArray[np.int64], options: PairOptions
) -> dict[str, Mask]:
    """Return which pairs each limit lets through, by the name of the limit; limits not asked for are absent."""
    times = np.array([scene.time for scene in scenes], dtype="datetime64[ns]")
    days = (times[second] - times[first]) / _DAY
    limits = {}
    if options.min_days > 0:
        limits[f"min_days {options.min_days:g}"] = days >= options.min_days
    if options.max_days is not None:
        limits[f"max_days {options.max_days:g}"] = days <= options.max_days
    if options.anniversary_days is not None:
        years = np.maximum(np.round(days / DAYS_PER_YEAR), 1.0)
        near = np.abs(days - years * DAYS_PER_YEAR) <= options.anniversary_days
        limits[f"anniversary_days {options.anniversary_days:g}"] = near
    if options.same_orbit:
        orbits = _known_orbits(scenes)
        limits["same_orbit"] = orbits[first] == orbits[second]
    if options.exclude_pairs:
        limits["exclude_pairs"] = ~_excluded(times, first, second, options.exclude_pairs)
    return limits


def _known_orbits(scenes: Sequence[Scene]) -> npt.NDArray[np.int64]:
    unknown = [scene for scene in scenes if scene.orbit is None]
    if unknown:
        name = unknown[0].source or str(unknown[0].time)[:10]
        message = (
            f"same_orbit is asked for, but the orbit of {len(unknown)} of {len(scenes)} scenes is unknown "
            f"(first {name}): give the orbits, or set same_orbit to false"
        )
        raise NetworkError(message)
    return np.array([scene.orbit for scene in scenes], dtype=np.int64)


def _excluded(times: Epochs, first: npt.NDArray[np.int64], second: npt.NDArray[np.int64], names: Sequence[str]) -> Mask:
    excluded = np.zeros(len(first), bool)
    for name in names:
        (start, start_end), (end, end_end) = _moments(name.split("_"))
        ref, sec = times[first], times[second]
        hit = (ref >= start) & (ref < start_end) & (sec >= end) & (sec < end_end)
        if not hit.any():
            logger.warning("exclude_pairs: no pair %s", name)
        excluded |= hit
    return excluded


def _nearest(first: npt.NDArray[np.int64], allowed: Mask, n_nearest: int) -> Mask:
    """Return the first `n_nearest` allowed pairs of each ref; pairs come in order of ref, then sec."""
    rank = np.cumsum(allowed, dtype=np.int64)
    start = np.searchsorted(first, first)  # where the pairs of the same ref begin
    return np.asarray(rank - (rank - allowed)[start] <= n_nearest, bool)


def _nothing_left(limits: dict[str, Mask], total: int) -> str:
    killed = ", ".join(f"{name} alone removes {int((~passed).sum())}" for name, passed in limits.items())
    return f"no pair is left of {_count(total, 'possible pair')}: {killed}; widen these limits"


def _network(times: Sequence[Epoch], first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> Network:
    pairs = tuple(Pair(times[i], times[j]) for i, j in zip(first, second, strict=True))
    joined = set(first.tolist()) | set(second.tolist())
    return Network(pairs, tuple(time for index, time in enumerate(times) if index not in joined))
