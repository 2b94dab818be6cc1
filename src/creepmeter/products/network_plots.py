"""Figures of the network of a stack: pairs in time and baseline, histories of dates, and all pairs as a matrix."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.dates import date2num
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from creepmeter.errors import SchemaError
from creepmeter.model.network import Network
from creepmeter.model.pair import Pair
from creepmeter.products.canvas import (
    COLUMN_IN,
    EAST_COLOUR,
    FONT_PT,
    INK,
    NORTH_COLOUR,
    PAGE_IN,
    SMALL_PT,
    colour_limits,
    colour_map,
    extend_of,
    new_figure,
    tidy,
)
from creepmeter.products.figures import date_axis
from creepmeter.products.network_options import NetworkPlotOptions

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_LEFT_OUT = "#9a9a9a"
_EMPTY = "#efefef"
_NOTHING = "#d9e4ee"  # where a map has no value
_PALE = 0.85  # of the colour map: what follows is too pale for a line on white
_COLOURS = 256
_MANY = 60  # dates or pairs beyond which marks get smaller
_TICKS = 6


@dataclass(frozen=True)
class NetworkView:
    """A network, and one number for each of its pairs.

    Parameters
    ----------
    pairs : tuple of Pair
        All pairs.
    keep : array of bool, (pair,)
        True = used.
    level : array, (pair,)
        What colours mean; NaN = not known.
    label : str
        What the numbers are, with their unit.
    bperp : array, (date,), optional
        Perpendicular baseline of each date, metres.
    """

    pairs: tuple[Pair, ...]
    keep: Mask
    level: Floats
    label: str
    bperp: Floats | None = None

    def __post_init__(self) -> None:
        sizes = {len(self.pairs), len(self.keep), len(self.level)}
        dates = None if self.bperp is None else len(self.bperp)
        if len(sizes) > 1 or dates not in (None, len(self.network.epochs)):
            message = (
                f"{len(self.pairs)} pairs of {len(self.network.epochs)} dates come with {len(self.keep)} flags, "
                f"{len(self.level)} numbers and {dates} baselines: give one flag and number per pair"
            )
            raise SchemaError(message)

    @cached_property
    def network(self) -> Network:
        """Pairs and dates."""
        return Network(self.pairs)

    @property
    def used_dates(self) -> Mask:
        """Which dates a used pair touches, (date,)."""
        found = np.zeros(len(self.network.epochs), bool)
        found[self.network.ref_index[self.keep]] = True
        found[self.network.sec_index[self.keep]] = True
        return found

    @property
    def title(self) -> str:
        """Numbers of dates and pairs in words."""
        used = int(self.keep.sum())
        out = "" if self.keep.all() else f", {self.keep.size - used} pairs left out"
        return f"{int(self.used_dates.sum())} dates, {used} pairs{out}"


def baseline_network_figure(
    view: NetworkView, options: NetworkPlotOptions | None = None, *, width_in: float = PAGE_IN
) -> Figure:
    """Draw dates by perpendicular baseline, and pairs as lines between them, coloured by their numbers.

    Parameters
    ----------
    view : NetworkView
        With `bperp`; without it, all dates lie on one line and pairs are arcs' chords, so give it where it is known.
    options : NetworkPlotOptions, optional
        Colours, and whether pairs that are left out are drawn (dashed grey).
    width_in : float
        Width, inches.
    """
    options = options or NetworkPlotOptions()
    figure = new_figure(width_in, 0.5 * width_in)
    axes = figure.add_subplot()
    network, times = view.network, date2num(view.network.epochs)
    height = np.zeros(times.size) if view.bperp is None else view.bperp
    ends = np.stack([np.stack([times, height], axis=-1)[k] for k in (network.ref_index, network.sec_index)], axis=1)
    if not options.show_kept:
        gone = LineCollection(list(ends[~view.keep]), colors=_LEFT_OUT, linewidths=0.6, linestyles="dashed", zorder=1)
        axes.add_collection(gone)
    order = np.argsort(np.nan_to_num(view.level[view.keep], nan=-np.inf))  # the most coherent ones on top
    lines = LineCollection(list(ends[view.keep][order]), linewidths=1.2 if times.size <= _MANY else 0.7, zorder=2)
    shown = view.keep if options.show_kept else np.ones(len(view.pairs), bool)
    limits = colour_limits(view.level[shown], vmin=options.vmin, vmax=options.vmax, tail=0.0)
    lines.set_array(view.level[view.keep][order])
    _colour_lines(figure, axes, lines, limits, (view.label, options.cmap))
    axes.add_collection(lines)
    used = view.used_dates
    size = 4.5 if times.size <= _MANY else 3.0
    axes.plot(times[used], height[used], "o", color=INK, markersize=size, zorder=4)
    if not options.show_kept:
        axes.plot(times[~used], height[~used], "o", color="white", markeredgecolor=INK, markersize=size, zorder=3)
    _frame(axes, times, height)
    axes.set_ylabel("Perpendicular baseline (m)", fontsize=FONT_PT, color=INK)
    axes.set_title(view.title, fontsize=FONT_PT, color=INK)
    return figure


def _colour_lines(
    figure: Figure, axes: Axes, lines: LineCollection, limits: tuple[float, float], look: tuple[str, str]
) -> None:
    label, colours = look
    level = np.ma.filled(np.ma.asarray(lines.get_array(), dtype=np.float64), np.nan)
    if not np.isfinite(level).any():
        lines.set_array(None)
        lines.set_color(EAST_COLOUR)
        return
    lines.set_cmap(_line_colours(colours))
    lines.set_norm(Normalize(*limits))
    bar = figure.colorbar(lines, ax=axes, fraction=0.04, pad=0.015, aspect=25, extend=extend_of(level, *limits))
    bar.set_label(label, fontsize=FONT_PT, color=INK)
    bar.ax.tick_params(labelsize=SMALL_PT, length=2, width=0.5)


def _line_colours(name: str) -> Colormap:
    found = colour_map(name)
    return ListedColormap(found(np.linspace(0, _PALE, _COLOURS))) if name == "batlow" else found


def _frame(axes: Axes, times: Floats, height: Floats) -> None:
    margin = 0.03 * max(times[-1] - times[0], 1.0)
    axes.set_xlim(times[0] - margin, times[-1] + margin)
    room = max(0.08 * (height.max() - height.min()), 1.0)
    axes.set_ylim(height.min() - room, height.max() + room)
    date_axis(axes)
    tidy(axes, grid=True)


def baseline_history_figure(view: NetworkView, *, width_in: float = PAGE_IN) -> Figure:
    """Draw the perpendicular baseline of each date; dates that no used pair touches are hollow.

    Raises
    ------
    SchemaError
        The view has no baselines.
    """
    if view.bperp is None:
        message = "the perpendicular baselines are not known: give those of the dates"
        raise SchemaError(message)
    figure = new_figure(width_in, 0.36 * width_in)
    axes = figure.add_subplot()
    times, used = date2num(view.network.epochs), view.used_dates
    axes.plot(times, view.bperp, color="#bbbbbb", linewidth=0.7, zorder=1)
    axes.plot(times[used], view.bperp[used], "o", color=EAST_COLOUR, markersize=4, zorder=3, label="used")
    if not used.all():
        axes.plot(
            times[~used], view.bperp[~used], "o", color="white", markeredgecolor=INK, markersize=4, label="left out"
        )
        axes.legend(fontsize=SMALL_PT, frameon=False, ncols=2, loc="best", handlelength=1.0)
    _frame(axes, times, view.bperp)
    axes.set_ylabel("Perpendicular baseline (m)", fontsize=FONT_PT, color=INK)
    return figure


def level_history_figure(view: NetworkView, *, width_in: float = PAGE_IN) -> Figure:
    """Draw for each date the range and the mean of the numbers of its pairs: a bad image stands out at once."""
    figure = new_figure(width_in, 0.36 * width_in)
    axes = figure.add_subplot()
    times = date2num(view.network.epochs)
    every = _ranges(view, np.ones(len(view.pairs), bool))
    used = _ranges(view, view.keep)
    wide = 2.2 if times.size <= _MANY else 1.2
    if not view.keep.all():
        axes.vlines(times, every[0], every[2], color="#cfcfcf", linewidth=wide, zorder=1, label="all pairs")
    axes.vlines(times, used[0], used[2], color=EAST_COLOUR, linewidth=wide, alpha=0.55, zorder=2, label="used pairs")
    axes.plot(times, used[1], "o", color=NORTH_COLOUR, markersize=2 * wide, zorder=3, label="mean of the used pairs")
    known = np.concatenate([part[np.isfinite(part)] for part in every]) if np.isfinite(every).any() else np.zeros(1)
    _frame(axes, times, known)
    room = max(0.08 * (known.max() - known.min()), 0.02)
    axes.set_ylim(known.min() - room, known.max() + 3 * room)
    axes.legend(fontsize=SMALL_PT, frameon=False, ncols=3, loc="upper right", handlelength=1.0, borderaxespad=0.2)
    axes.set_ylabel(f"{view.label} of the pairs of a date", fontsize=FONT_PT, color=INK)
    return figure


def _ranges(view: NetworkView, among: Mask) -> Floats:
    """Return smallest, mean and largest number of the pairs of each date, (3, date); NaN where there is none."""
    found = np.full((3, len(view.network.epochs)), np.nan)
    for date in range(found.shape[1]):
        touching = among & ((view.network.ref_index == date) | (view.network.sec_index == date))
        values = view.level[touching]
        values = values[np.isfinite(values)]
        if values.size:
            found[:, date] = values.min(), values.mean(), values.max()
    return found


def matrix_figure(
    view: NetworkView,
    options: NetworkPlotOptions | None = None,
    *,
    title: str | None = None,
    width_in: float = 1.35 * COLUMN_IN,
) -> Figure:
    """Draw the numbers of all pairs as a matrix of dates: above the diagonal all pairs, below it the used ones."""
    figure = new_figure(width_in, 0.88 * width_in)
    axes = figure.add_subplot()
    image = _draw_matrix(axes, view, options or NetworkPlotOptions())
    _bar(figure, axes, image, view.label)
    axes.set_title(view.title if title is None else title, fontsize=FONT_PT, color=INK)
    return figure


def pixel_matrix_figure(
    view: NetworkView,
    background: npt.NDArray[np.floating],
    pixel: tuple[int, int],
    options: NetworkPlotOptions | None = None,
    *,
    map_label: str = "",
    title: str | None = None,
) -> Figure:
    """Draw the matrix of one pixel beside a map that shows where it lies.

    Parameters
    ----------
    view : NetworkView
        Numbers of the pixel.
    background : array, (y, x)
        Map, NaN = nothing.
    pixel : (int, int)
        Row and column.
    options : NetworkPlotOptions, optional
        Colours of the matrix.
    map_label : str
        What the map shows.
    title : str, optional
        Heading of the matrix.
    """
    figure = new_figure(PAGE_IN, 0.44 * PAGE_IN)
    left, right = figure.subplots(1, 2)
    low, high = colour_limits(background)
    left.set_facecolor(_NOTHING)
    shown = left.imshow(background, cmap=colour_map("grayC" if low >= 0 else "vik"), vmin=low, vmax=high)
    _bar(figure, left, shown, map_label)
    row, column = pixel
    left.plot(column, row, "s", markersize=5, markerfacecolor="white", markeredgecolor=INK)
    left.set_xlabel("Column", fontsize=FONT_PT, color=INK)
    left.set_ylabel("Row", fontsize=FONT_PT, color=INK)
    left.set_title(f"Row {row}, column {column}", fontsize=FONT_PT, color=INK)
    tidy(left)
    image = _draw_matrix(right, view, options or NetworkPlotOptions())
    _bar(figure, right, image, view.label)
    right.set_title(view.title if title is None else title, fontsize=FONT_PT, color=INK)
    return figure


def _draw_matrix(axes: Axes, view: NetworkView, options: NetworkPlotOptions) -> AxesImage:
    network = view.network
    size = len(network.epochs)
    values = np.full((size, size), np.nan)
    shown = view.keep if options.show_kept else np.ones(len(view.pairs), bool)
    values[network.ref_index[shown], network.sec_index[shown]] = view.level[shown]
    values[network.sec_index[view.keep], network.ref_index[view.keep]] = view.level[view.keep]
    known = view.level[np.isfinite(view.level)]
    low, high = colour_limits(known, vmin=options.vmin, vmax=options.vmax, tail=0.0)
    axes.set_facecolor(_EMPTY)
    image = axes.imshow(values, cmap=colour_map(options.cmap), vmin=low, vmax=high, interpolation="nearest")
    axes.plot([-0.5, size - 0.5], [-0.5, size - 0.5], color="white", linewidth=1.0)
    ticks = np.unique(np.linspace(0, size - 1, min(_TICKS, size)).round().astype(int))
    names = [str(network.epochs[k])[:10] for k in ticks]
    axes.set_xticks(ticks, names, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(ticks, names)
    tidy(axes)
    return image


def _bar(figure: Figure, axes: Axes, image: AxesImage, label: str) -> None:
    array = image.get_array()
    values = np.ma.filled(np.ma.asarray(array, dtype=np.float64), np.nan)
    low, high = image.get_clim()
    bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.02, aspect=25, extend=extend_of(values, low, high))
    bar.set_label(label, fontsize=FONT_PT, color=INK)
    bar.ax.tick_params(labelsize=SMALL_PT, length=2, width=0.5)
