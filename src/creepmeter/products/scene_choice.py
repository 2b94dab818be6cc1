"""Which scenes were kept, which dropped, and why: a table and a figure."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize, to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from creepmeter.io import swap
from creepmeter.model.verdict import Cause, Verdict
from creepmeter.products.canvas import FONT_PT, INK, NORTH_COLOUR, PAGE_IN, SMALL_PT, colour_map, new_figure, tidy

_COLUMNS = (
    "item",
    "time",
    "orbit",
    "tile",
    "platform",
    "baseline",
    "cover_percent",
    "catalogue_cloud_percent",
    "cloud_percent",
    "shadow_percent",
    "snow_percent",
    "missing_percent",
    "not_seen_percent",
    "kept",
    "reason",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_LABELS: dict[Cause, str] = {
    "kept": "kept",
    "cloud": "too little of the area seen",
    "further": "another scene is nearer or clearer",
    "cover": "reaches too little of the area",
    "group": "other orbit or tile",
    "duplicate": "the same image again",
    "unreadable": "cannot be judged",
}
_MARKERS: dict[Cause, str] = {
    "kept": "o",
    "cloud": "o",
    "further": "v",
    "cover": "s",
    "group": "D",
    "duplicate": "P",
    "unreadable": "X",
}
_UNKNOWN = "#c8c8c8"
_PALE = 0.9  # of the colours: what follows cannot be told from paper
_DAYS_OF_YEAR = 365.25
_MANY_ROWS = 24
_BESIDE = 0.26  # of a row
_ACROSS = 120  # scenes that fit beside each other
_EPOCH_YEAR = 1970  # of numpy's dates
Days = npt.NDArray[np.datetime64]
Whole = npt.NDArray[np.int64]


def scene_table(verdicts: Iterable[Verdict]) -> str:
    """Return the table as CSV, a row for each scene; what was not measured is empty.

    Text that a spreadsheet would take for a formula gets a quote first.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for one in verdicts:
        scene = one.scene
        unseen = one.unseen if one.measured else math.nan
        shares = (one.cover, scene.cloud_fraction, one.cloud, one.shadow, one.snow, one.missing, unseen)
        row = [
            scene.source,
            f"{scene.time.astype('datetime64[s]')}Z",
            "" if scene.orbit is None else str(scene.orbit),
            scene.tile or "",
            one.platform,
            one.baseline,
            *(_per_cent(share) for share in shares),
            "yes" if one.kept else "no",
            one.reason,
        ]
        writer.writerow([_harmless(cell) for cell in row])
    return text.getvalue()


def save_scene_table(verdicts: Iterable[Verdict], path: Path) -> Path:
    """Write the table, whole or not at all.

    Raises
    ------
    StoreError
        The file cannot be written.
    """
    swap.write_text(path, scene_table(verdicts))
    return path


def _per_cent(share: float | None) -> str:
    return "" if share is None or math.isnan(share) else f"{100 * share:.2f}"


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def dropped_in_words(verdicts: Iterable[Verdict]) -> str:
    """Return how many scenes were dropped for what.

    Examples
    --------
    >>> dropped_in_words([])
    'none dropped'
    """
    counts = Counter(one.cause for one in verdicts if not one.kept)
    return (
        ", ".join(f"{counts[cause]} dropped: {_LABELS[cause]}" for cause in _LABELS if counts[cause]) or "none dropped"
    )


# -------------------------------------------------------------------------------------------------------------- figure


def scene_figure(verdicts: Sequence[Verdict], *, around: str | None = None, title: str | None = None) -> Figure:
    """Draw scenes by year and day: kept ones ringed, colours tell what of the area is not seen.

    Parameters
    ----------
    verdicts : sequence of Verdict
        At least one.
    around : str, optional
        Day of the year, ``MM-DD``, in the middle of the figure; default the turn of the year is its edge.
    title : str, optional
        Above.
    """
    times = np.array([one.scene.time for one in verdicts], "datetime64[D]")
    years, days = _years_and_days(times, around)
    heights = years + _beside(years, days, [one.kept for one in verdicts])
    rows = int(years.max() - years.min()) + 1
    figure = new_figure(PAGE_IN, 1.5 + min(rows, _MANY_ROWS) * 0.24)
    axes = figure.add_subplot()
    colours = ListedColormap(colour_map("batlow")(np.linspace(0, _PALE, 256)))
    shade = ScalarMappable(Normalize(0, 100), colours)
    present = [cause for cause in _LABELS if any(one.cause == cause for one in verdicts)]
    for cause in reversed(present):  # kept ones last, over the others
        chosen = np.array([one.cause == cause for one in verdicts])
        unseen = np.array([100 * one.unseen for one in verdicts if one.cause == cause])
        face = np.where(np.isnan(unseen)[:, None], to_rgba(_UNKNOWN), shade.to_rgba(np.nan_to_num(unseen)))
        edge, width = (NORTH_COLOUR, 1.6) if cause == "kept" else (INK, 0.4)
        size = 46 if cause == "kept" else 22
        axes.scatter(
            days[chosen], heights[chosen], size, face, marker=_MARKERS[cause], edgecolors=edge, linewidths=width
        )
    _finish(axes, years, around)
    bar = figure.colorbar(shade, ax=axes, fraction=0.04, pad=0.015, aspect=20)
    bar.set_label(_bar_label(verdicts), fontsize=SMALL_PT, color=INK)
    bar.ax.tick_params(labelsize=SMALL_PT, length=2, width=0.5)
    handles = [_handle(cause, sum(one.cause == cause for one in verdicts)) for cause in present]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=SMALL_PT, frameon=False)
    axes.set_title(title or _summary(verdicts), fontsize=FONT_PT, color=INK)
    return figure


def _years_and_days(times: Days, around: str | None) -> tuple[Whole, Whole]:
    """Return the row of each date, and days from the middle of its row."""
    years = times.astype("datetime64[Y]").astype(np.int64) + _EPOCH_YEAR
    if around is None:
        return years, (times - times.astype("datetime64[Y]")).astype(np.int64)
    candidates = np.stack([_middles(years + shift, around) for shift in (-1, 0, 1)])
    away = (times - candidates).astype(np.int64)
    best = np.abs(away).argmin(axis=0)
    return years + best - 1, np.take_along_axis(away, best[None], axis=0)[0]


def _beside(years: Whole, days: Whole, kept: Sequence[bool]) -> npt.NDArray[np.float64]:
    """Return how far to move scenes down that would lie under another one of the same day; kept ones stay."""
    taken: dict[tuple[int, int], int] = {}
    near = max(1, int(np.ptp(days)) // _ACROSS)
    shift = np.zeros(years.size)
    for index in sorted(range(years.size), key=lambda index: not kept[index]):
        place = (int(years[index]), int(days[index]) // near)
        shift[index] = _BESIDE * min(taken.get(place, 0), 3)
        taken[place] = taken.get(place, 0) + 1
    return shift


def _middles(years: Whole, around: str) -> Days:
    month, day = (int(part) for part in around.split("-"))
    first = np.array([f"{year:04d}-{month:02d}-01" for year in years], "datetime64[D]")
    last = (first.astype("datetime64[M]") + 1).astype("datetime64[D]") - 1
    return np.asarray(np.minimum(first + (day - 1), last))


def _finish(axes: Axes, years: Whole, around: str | None) -> None:
    axes.set_ylim(years.max() + 0.8, years.min() - 0.6)
    every = max(1, math.ceil((years.max() - years.min() + 1) / _MANY_ROWS))
    axes.set_yticks(np.arange(years.min(), years.max() + 1, every))
    axes.set_ylabel("Year", fontsize=FONT_PT, color=INK)
    tidy(axes, grid=True)
    if around is not None:
        axes.axvline(0, color=INK, linewidth=0.6, linestyle="dashed", zorder=0)
        axes.set_xlabel(f"Days from {_day_name(around)}", fontsize=FONT_PT, color=INK)
        return
    starts = np.arange("2023-01", "2024-01", dtype="datetime64[M]").astype("datetime64[D]")
    first = (starts - starts[0]).astype(int)
    axes.set_xticks(first, [""] * first.size)
    axes.set_xticks(first + 15, [str(start.item().strftime("%b")) for start in starts], minor=True)
    axes.tick_params(axis="x", which="minor", length=0, labelsize=FONT_PT)
    axes.set_xlim(-5, _DAYS_OF_YEAR + 5)


def _day_name(around: str) -> str:
    month, day = (int(part) for part in around.split("-"))
    return f"{day} {np.datetime64(f'2024-{month:02d}-01').item():%B}"


def _bar_label(verdicts: Sequence[Verdict]) -> str:
    measured = sum(one.measured for one in verdicts)
    if measured == 0:
        return "Cloud, as the catalogue says (%)"
    return "Not seen of the area (%)" if measured == len(verdicts) else "Not seen (%); unread masks: catalogue's cloud"


def _handle(cause: Cause, count: int) -> Line2D:
    kept = cause == "kept"
    return Line2D(
        [],
        [],
        linestyle="none",
        marker=_MARKERS[cause],
        markersize=6.5 if kept else 4.5,
        markerfacecolor="white",
        markeredgecolor=NORTH_COLOUR if kept else INK,
        markeredgewidth=1.6 if kept else 0.5,
        label=f"{_LABELS[cause]} ({count})",
    )


def _summary(verdicts: Sequence[Verdict]) -> str:
    kept = [one for one in verdicts if one.kept]
    groups = sorted({(one.scene.orbit or 0, one.scene.tile or "") for one in kept})
    where = "; ".join(f"orbit {orbit or 'not known'}, tile {tile or 'not known'}" for orbit, tile in groups)
    return f"{len(kept)} of {len(verdicts)} scenes kept{': ' if where else ''}{where}"
