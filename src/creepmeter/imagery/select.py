"""Choice among the scenes that were found: one orbit and tile, and those that show the area."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import TypeVar

from creepmeter.blocks import NullProgress, Progress
from creepmeter.errors import InputError
from creepmeter.imagery.found import FoundScene, plain_tile, split_duplicates
from creepmeter.imagery.meter import Measure, Meter
from creepmeter.imagery.scene_options import SelectOptions, Window
from creepmeter.imagery.search import Found
from creepmeter.model.verdict import Cause, Verdict

_SAME = 1e-9
Key = TypeVar("Key")


@dataclass(frozen=True)
class Selection:
    """What was chosen.

    Parameters
    ----------
    kept : tuple of FoundScene
        In order of time.
    verdicts : tuple of Verdict
        One for each scene that was found, in order of time and name.
    group : (int, str) or None
        Orbit and tile of what is kept; 0 and '' = not known.
    left_out : tuple of str
        Scenes that could not be judged, and why.
    empty : tuple of Window
        Years without a clear scene near the day that was asked for.
    """

    kept: tuple[FoundScene, ...]
    verdicts: tuple[Verdict, ...]
    group: tuple[int, str] | None
    left_out: tuple[str, ...]
    empty: tuple[Window, ...]


def select_scenes(
    found: Found,
    windows: Sequence[Window],
    options: SelectOptions,
    *,
    measure: Measure | None = None,
    progress: Progress | None = None,
) -> Selection:
    """Choose scenes of one orbit and tile that show the area.

    Parameters
    ----------
    found : Found
        What a search found.
    windows : sequence of Window
        Spans of days that were searched; their middles are what `yearly` goes by.
    options : SelectOptions
        How to choose.
    measure : callable, optional
        Returns what the mask of a scene says of the area, from several threads at a time; without it the cloud that
        the catalogue says of the whole scene is believed.
    progress : Progress, optional
        Counts scenes.

    Notes
    -----
    Duplicates of a pass go first, then scenes of another orbit or tile than was asked for, that reach too little of
    the area, or that the catalogue calls too cloudy. Of the orbits and tiles that remain the one is kept that has a
    scene in most years (with a day of the year to be near to), and of those the one with most dates. Only its scenes
    are measured, and of a year only as many as it takes to find a clear one, from the nearest on.

    Raises
    ------
    ServiceError
        No mask can be read.
    """
    book = _Book(found)
    meter = Meter(measure)
    remaining = _without_unfit(found, options, book)
    group = _best_group(remaining, windows)
    for one in remaining:
        if one.group != group:
            book.drop(one, "group", f"orbit and tile {_called(group)} show the area in more years or on more dates")
    ours = [one for one in remaining if one.group == group]
    rules = _Rules(windows, options, meter, book)
    meter.over(rules.tasks(ours), progress if progress is not None else NullProgress())
    rules.settle()
    return Selection(
        kept=tuple(filter(book.has_kept, found.scenes)),
        verdicts=tuple(_verdict(one, book, meter) for one in found.scenes),
        group=group,
        left_out=tuple(f"{name}: {why}" for name, why in sorted(meter.failed.items())),
        empty=rules.empty(),
    )


@dataclass
class _Book:
    """What is decided of each scene so far; the first reason to drop one stands."""

    found: Found
    reasons: dict[str, tuple[Cause, str]] = field(default_factory=dict)

    def drop(self, one: FoundScene, cause: Cause, reason: str) -> None:
        self.reasons.setdefault(one.name, (cause, reason))

    def keep(self, one: FoundScene, reason: str) -> None:
        self.reasons[one.name] = ("kept", reason)

    def has_kept(self, one: FoundScene) -> bool:
        return self.reasons[one.name][0] == "kept"


def _verdict(one: FoundScene, book: _Book, meter: Meter) -> Verdict:
    shares = meter.shares.get(one.name)
    cause, reason = book.reasons[one.name]
    bare = Verdict(
        scene=one.scene,
        cause=cause,
        reason=reason,
        platform=one.platform,
        baseline=_version(one),
        cover=book.found.cover[one.name],
        unseen=math.nan if one.cloud is None else one.cloud,
    )
    if shares is None:
        return bare
    return replace(
        bare,
        unseen=shares.masked,
        cloud=shares.cloud,
        shadow=shares.shadow,
        snow=shares.snow,
        missing=shares.missing,
    )


# --------------------------------------------------------------------------------------------------------------- rules


def _without_unfit(found: Found, options: SelectOptions, book: _Book) -> list[FoundScene]:
    """Return scenes that may be kept as far as the catalogue tells, and note why the others may not."""
    whole = []
    for one in found.scenes:
        lack = _lacks(one, mask=options.measure)
        if lack is None:
            whole.append(one)
        else:
            book.drop(one, "unreadable", lack)
    unique, instead = split_duplicates(whole, found.cover)
    for one in whole:
        if one.name in instead:
            other = instead[one.name]
            version = f" (baseline {_version(other)})" if other.baseline else ""
            book.drop(one, "duplicate", f"the same image again: {other.name}{version} is used")
    remaining = []
    for one in unique:
        unfit = _unfit(one, found.cover[one.name], options)
        if unfit is None:
            remaining.append(one)
        else:
            book.drop(one, *unfit)
    return remaining


def _lacks(one: FoundScene, *, mask: bool) -> str | None:
    """Return what an item does not have of that it takes to read it."""
    try:
        one.sensor.band_key(one.item)
        if mask:
            one.sensor.mask_key(one.item)
    except InputError as problem:
        return str(problem)
    return None


def _unfit(one: FoundScene, cover: float, options: SelectOptions) -> tuple[Cause, str] | None:
    if options.orbit is not None and one.orbit != options.orbit:
        return "group", f"orbit {one.orbit or 'not known'}, {options.orbit} was asked for"
    if options.tile is not None and one.tile != plain_tile(options.tile):
        return "group", f"tile {one.tile or 'not known'}, {options.tile} was asked for"
    if 100 * cover < options.min_cover - _SAME:
        return "cover", f"reaches {_down(cover)} % of the area, {options.min_cover:g} % are needed"
    most = options.max_scene_cloud
    if most is not None and one.cloud is not None and 100 * one.cloud > most + _SAME:
        return "cloud", f"the catalogue says {100 * one.cloud:.1f} % cloud, {most:g} % are allowed"
    return None


def _best_group(scenes: Sequence[FoundScene], windows: Sequence[Window]) -> tuple[int, str] | None:
    """Return orbit and tile with a scene in most spans of days, then most dates, then least cloud by the catalogue."""
    groups: dict[tuple[int, str], list[FoundScene]] = {}
    for one in scenes:
        groups.setdefault(one.group, []).append(one)

    def rank(group: tuple[int, str]) -> tuple[int, int, float, tuple[int, str]]:
        inside = groups[group]
        spans = {_window_of(one, windows) for one in inside}
        days = {one.moment.date() for one in inside}
        cloud = sum(1.0 if one.cloud is None else one.cloud for one in inside) / len(inside)
        return len(spans), len(days), -cloud, (-group[0], group[1])

    return max(groups, key=rank, default=None)


def _window_of(one: FoundScene, windows: Sequence[Window]) -> Window:
    """Return the span of days that a scene belongs to: where several hold it, the one with the nearer middle."""
    held = [window for window in windows if window.holds(one.moment)] or list(windows)
    return min(held, key=lambda window: (_distance(one, window), window.first))


def _distance(one: FoundScene, window: Window) -> int:
    return 0 if window.middle is None else abs((one.moment.date() - window.middle).days)


class _Rules:
    """Yearly, monthly or all: which scenes to look at, and which of the clear ones to keep."""

    def __init__(self, windows: Sequence[Window], options: SelectOptions, meter: Meter, book: _Book) -> None:
        self._windows, self._options, self._meter, self._book = windows, options, meter, book
        has_middle = any(window.middle is not None for window in windows)
        self._how = options.choose or ("yearly" if has_middle else "all")
        self._by_day = self._how == "yearly" and has_middle
        self._clear: list[tuple[FoundScene, float]] = []

    def tasks(self, scenes: Sequence[FoundScene]) -> list[Callable[[], None]]:
        """Return what is to be done, in any order or side by side."""
        if self._by_day:
            years = _gathered(scenes, lambda one: _window_of(one, self._windows))
            return [partial(self._nearest_clear, part, window) for window, part in years.items()]
        return [partial(self._judge, one, self._clear) for one in scenes]

    def settle(self) -> None:
        """Keep of the clear scenes all, or the clearest of each span."""
        spans = {"yearly": "%Y", "monthly": "%Y-%m"}.get(self._how)
        if spans is None:
            for one, unseen in self._clear:
                self._book.keep(one, f"clear ({self._said(unseen)})")
            return
        amount = {one.name: unseen for one, unseen in self._clear}
        for span, part in _gathered([one for one, _ in self._clear], lambda one: one.moment.strftime(spans)).items():
            best = min(part, key=lambda one: (amount[one.name], one.moment))
            self._book.keep(best, f"the clearest of {span} ({self._said(amount[best.name])})")
            for one in part:
                self._book.drop(one, "further", f"{best.moment:%Y-%m-%d} is the clearest of {span}")

    def empty(self) -> tuple[Window, ...]:
        """Return the years of which nothing is kept."""
        full = {_window_of(one, self._windows) for one in self._book.found.scenes if self._book.has_kept(one)}
        return tuple(window for window in self._windows if window not in full) if self._by_day else ()

    def _said(self, unseen: float) -> str:
        return f"{_up(unseen)} % {self._meter.what}"

    def _judge(self, one: FoundScene, clear: list[tuple[FoundScene, float]]) -> None:
        unseen, why = self._meter.unseen(one)
        most = self._options.max_cloud
        if unseen is None:
            self._book.drop(one, "unreadable", why)
        elif 100 * unseen > most + _SAME:
            self._book.drop(one, "cloud", f"{self._said(unseen)}, {most:g} % are allowed")
        else:
            clear.append((one, unseen))

    def _nearest_clear(self, scenes: Sequence[FoundScene], window: Window) -> None:
        """Keep the clear scene that is nearest to the middle of a span of days; those further off are not looked at."""
        middle = window.middle or date.min
        clear: list[tuple[FoundScene, float]] = []
        for one in sorted(scenes, key=lambda one: (_distance(one, window), one.cloud or 0.0, one.moment)):
            if clear:
                self._book.drop(
                    one, "further", f"{clear[0][0].moment:%Y-%m-%d} is clear and nearer to {middle:%d %b %Y}"
                )
            else:
                self._judge(one, clear)
        for one, unseen in clear:
            away = (one.moment.date() - middle).days
            when = "on the day" if away == 0 else f"{abs(away)} days {'after' if away > 0 else 'before'}"
            self._book.keep(one, f"nearest clear scene to {middle:%d %b %Y}: {when} ({self._said(unseen)})")


def _gathered(scenes: Iterable[FoundScene], key: Callable[[FoundScene], Key]) -> Mapping[Key, list[FoundScene]]:
    parts: dict[Key, list[FoundScene]] = {}
    for one in scenes:
        parts.setdefault(key(one), []).append(one)
    return parts


def _version(one: FoundScene) -> str:
    return ".".join(f"{number:02d}" for number in one.baseline)


def _called(group: tuple[int, str] | None) -> str:
    orbit, tile = group or (0, "")
    return f"{orbit or 'not known'} / {tile or 'not known'}"


def _down(share: float) -> str:
    """Return a share in per cent, rounded down: 98.96 is not 99."""
    return f"{math.floor(share * 1000 + _SAME) / 10:.1f}"


def _up(share: float) -> str:
    """Return a share in per cent, rounded up: 20.04 is not 20."""
    return f"{math.ceil(share * 1000 - _SAME) / 10:.1f}"


def require_some(selection: Selection, found: Found, options: SelectOptions) -> None:
    """Raise when nothing is kept, with what would help most.

    Raises
    ------
    InputError
        Nothing was found, or nothing was kept.
    """
    if selection.kept:
        return
    if not found.scenes:
        message = (
            f"{found.source} has no scene of the area in these dates: check the area, take more days (--within-days) "
            "or years, or another catalogue"
        )
        raise InputError(message)
    cover = max(found.cover.values())
    if 100 * cover < options.min_cover:
        message = (
            f"no scene reaches {options.min_cover:g} % of the area, the best {_down(cover)} %: take a smaller area, or "
            f"lower --min-cover to {math.floor(100 * cover)}"
        )
        raise InputError(message)
    message = (
        f"none of {len(found.scenes)} scenes is kept (the table says why of each): raise --max-cloud above "
        f"{options.max_cloud:g}, or take more days (--within-days)"
    )
    raise InputError(message)
