"""Graphs: the network of pairs, displacement series, stable ground before and after. Maps are in `products.maps`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure

from creepmeter.errors import SchemaError
from creepmeter.model.epoch import Epochs, as_epoch
from creepmeter.model.network import Network
from creepmeter.model.schema import TIME_SERIES, check
from creepmeter.model.terms import design_columns, parse_terms
from creepmeter.products.canvas import (
    COLUMN_IN,
    COMPONENT_COLOURS,
    FONT_PT,
    INK,
    OTHER_COLOUR,
    SMALL_PT,
    colour_limits,
    colour_map,
    new_figure,
    tidy,
)
from creepmeter.products.maps import map_figure, panel_figure, sigma_figure, velocity_figure
from creepmeter.products.quantities import MapPoint, median, nmad

__all__ = [
    "date_axis",
    "histogram_figure",
    "map_figure",
    "network_figure",
    "panel_figure",
    "series_figure",
    "sigma_figure",
    "velocity_figure",
]

Floats = npt.NDArray[np.float64]

_ARC = np.linspace(0, np.pi, 31)
_CURVE_DATES = 200
_BINS = 61
_REACH_NMAD = 4.5
_UNUSED = "#9a9a9a"
_BEFORE, _AFTER = "#d1600a", "#0b5fa5"
_PALE = 0.82  # of batlow: what follows is too pale for a line on white
_COLOURS = 256
_FEW_DATES = 30
_LEGEND_ROOM = 1.4  # height of the axes over that of the histogram


def network_figure(
    network: xr.Dataset | Network,
    weights: npt.ArrayLike | None = None,
    *,
    label: str | None = None,
    width_in: float = COLUMN_IN,
) -> Figure:
    """Draw a network: dates on a line, each pair an arc as high as its dates are apart.

    Parameters
    ----------
    network : Dataset or Network
        PairStack (pairs that are not used are dashed grey) or network.
    weights : array, (pair,), optional
        Colours of the arcs. Default: median sigma, else median quality, of each pair of a stack.
    label : str, optional
        What the colours mean.
    width_in : float
        Width, inches.

    Returns
    -------
    Figure

    Raises
    ------
    SchemaError
        `weights` has another length than there are pairs.
    """
    everything = network if isinstance(network, Network) else Network.of(network, only_used=False)
    used = np.ones(len(everything.pairs), bool) if isinstance(network, Network) else network["used"].values.astype(bool)
    if weights is None and not isinstance(network, Network):
        weights, label = pair_medians(network)
    level = None if weights is None else np.asarray(weights, dtype=np.float64)
    if level is not None and level.shape != used.shape:
        message = f"weights has shape {level.shape} for {used.size} pairs: give one number for each pair"
        raise SchemaError(message)
    figure = new_figure(width_in, 0.62 * width_in)
    axes = figure.add_subplot()
    _draw_arcs(figure, axes, everything, used, level, label)
    _draw_dates(axes, everything, used)
    axes.set_ylabel("Days between the dates of a pair", fontsize=FONT_PT, color=INK)
    axes.set_title(_network_title(everything, used), fontsize=FONT_PT, color=INK)
    return figure


def _network_title(network: Network, used: npt.NDArray[np.bool_]) -> str:
    count = int(used.sum())
    left_out = "" if used.all() else f", {used.size - count} not used (dashed)"
    return f"{len(network.epochs)} dates, {count} pair{'' if count == 1 else 's'}{left_out}"


def pair_medians(stack: xr.Dataset) -> tuple[Floats | None, str | None]:
    """Return the median sigma of each pair (else its median quality), and what it is called; None where neither is."""
    for name, label in (("sigma", "Median sigma (m)"), ("quality", "Median quality")):
        if name in stack:
            each = [median(stack[name].isel(pair=index).values) for index in range(stack.sizes["pair"])]
            if np.isfinite(each).any():
                return np.array(each), label
    return None, None


def _draw_arcs(
    figure: Figure,
    axes: Axes,
    network: Network,
    used: npt.NDArray[np.bool_],
    level: Floats | None,
    label: str | None,
) -> None:
    times = date2num(network.epochs)
    start, end = times[network.ref_index], times[network.sec_index]
    x = (start + end)[:, None] / 2 - (end - start)[:, None] / 2 * np.cos(_ARC)
    y = (end - start)[:, None] * np.sin(_ARC)
    arcs = np.stack([x, y], axis=-1)
    width = 1.1 if used.size <= _FEW_DATES * 2 else 0.6
    axes.add_collection(
        LineCollection(list(arcs[~used]), colors=_UNUSED, linewidths=0.7, linestyles="dashed", zorder=1)
    )
    lines = LineCollection(list(arcs[used]), linewidths=width, zorder=2)
    if level is None or not np.isfinite(level[used]).any():
        lines.set_color(COMPONENT_COLOURS["east"])
    else:
        lines.set_array(level[used])
        lines.set_cmap(ListedColormap(colour_map("batlow")(np.linspace(0, _PALE, _COLOURS))))
        lines.set_norm(Normalize(*colour_limits(level[used])))
        bar = figure.colorbar(lines, ax=axes, fraction=0.05, pad=0.02, aspect=25)
        bar.set_label(label or "", fontsize=FONT_PT, color=INK)
        bar.ax.tick_params(labelsize=SMALL_PT, length=2, width=0.5)
    axes.add_collection(lines)
    axes.set_ylim(-0.06 * float((end - start).max()), 1.06 * float((end - start).max()))


def _draw_dates(axes: Axes, network: Network, used: npt.NDArray[np.bool_]) -> None:
    times = date2num(network.epochs)
    size = 4.0 if times.size <= _FEW_DATES else 2.2
    axes.plot(times, np.zeros_like(times), "o", markersize=size, color=INK, zorder=3)
    touched = np.unique(np.concatenate([network.ref_index[used], network.sec_index[used]]))
    left_out = np.setdiff1d(np.arange(times.size), touched)
    axes.plot(
        times[left_out], np.zeros(left_out.size), "o", markersize=size, color="white", markeredgecolor=INK, zorder=4
    )
    margin = 0.03 * (times[-1] - times[0])
    axes.set_xlim(times[0] - margin, times[-1] + margin)
    date_axis(axes)
    tidy(axes, grid=True)


def date_axis(axes: Axes) -> None:
    """Give axes a horizontal axis of dates that says no more than it must."""
    locator = AutoDateLocator(minticks=3, maxticks=7)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.xaxis.get_offset_text().set_fontsize(SMALL_PT)


def series_figure(
    series: xr.Dataset,
    motion: xr.Dataset | None,
    points: Sequence[MapPoint | tuple[int, int]],
    *,
    width_in: float = COLUMN_IN,
) -> Figure:
    """Draw displacement with 1-sigma error bars, and the fitted model, at points of the map; one graph for each.

    Parameters
    ----------
    series : Dataset
        TimeSeries.
    motion : Dataset or None
        MotionModel fitted to it; its curve is drawn as a line.
    points : sequence of MapPoint or (row, column)
        At least one cell of the map; see `quantities.pick_points`.
    width_in : float
        Width, inches.

    Raises
    ------
    SchemaError
        This is no time series, or there is no point.
    """
    check(series, TIME_SERIES)
    if not points:
        message = "there is no point to draw a series of: give (row, column) of a measured cell"
        raise SchemaError(message)
    cells = [point if isinstance(point, MapPoint) else MapPoint("point", *point) for point in points]
    figure = new_figure(width_in, (0.5 * width_in) * len(cells) + 0.3)
    all_axes = figure.subplots(len(cells), 1, sharex=True, squeeze=False).ravel()
    for axes, cell in zip(all_axes, cells, strict=True):
        for component in [str(name) for name in series["component"].values]:
            _draw_series(axes, series, motion, cell, component)
        axes.axhline(0, color="#bbbbbb", linewidth=0.6, zorder=0)
        axes.set_ylabel("Displacement (m)", fontsize=FONT_PT, color=INK)
        axes.set_title(_point_title(series, cell), fontsize=FONT_PT, color=INK, loc="left")
        date_axis(axes)
        tidy(axes, grid=True)
    all_axes[0].legend(fontsize=SMALL_PT, frameon=False, ncols=2, loc="best", handlelength=1.4, borderaxespad=0.2)
    return figure


def _point_title(series: xr.Dataset, cell: MapPoint) -> str:
    x, y = (float(series[name].values[index]) for name, index in (("x", cell.column), ("y", cell.row)))
    return f"{cell.name.capitalize()}: x {x:.0f} m, y {y:.0f} m (row {cell.row}, column {cell.column})"


def _draw_series(axes: Axes, series: xr.Dataset, motion: xr.Dataset | None, cell: MapPoint, component: str) -> None:
    at = {"y": cell.row, "x": cell.column}
    colour = COMPONENT_COLOURS.get(component, OTHER_COLOUR)
    values = series["displacement"].sel(component=component).isel(at).values.astype(np.float64)
    error = (
        np.nan_to_num(series["sigma"].sel(component=component).isel(at).values.astype(np.float64))
        if "sigma" in series
        else None
    )
    axes.errorbar(
        date2num(series["time"].values), values, yerr=error, fmt="o", markersize=2.6, color=colour,
        elinewidth=0.7, capsize=1.4, capthick=0.6, label=component, zorder=3,
    )  # fmt: skip
    if motion is not None and component in motion["component"].values:
        times, curve = model_curve(motion, component, cell, series["time"].values)
        axes.plot(date2num(times), curve, color=colour, linewidth=1.0, alpha=0.8, zorder=2)


def model_curve(motion: xr.Dataset, component: str, cell: MapPoint, times: Epochs) -> tuple[Epochs, Floats]:
    """Return dates from the first to the last of `times`, and the fitted motion of a cell at them in metres."""
    names = [str(term) for term in motion["term"].values]
    start, end = times.min().astype("datetime64[ns]"), times.max().astype("datetime64[ns]")
    dense = start + (end - start) // (_CURVE_DATES - 1) * np.arange(_CURVE_DATES)
    origin = as_epoch(str(motion.attrs.get("reference_time", str(start))))
    columns, _, matrix = design_columns(parse_terms(_specifications(names)), dense, origin)
    by_name = {"offset": np.ones(dense.size), **dict(zip(columns, matrix.T, strict=True))}
    values = motion["value"].sel(component=component).isel(y=cell.row, x=cell.column).values.astype(np.float64)
    return dense, np.asarray(np.stack([by_name[name] for name in names], axis=-1) @ values)


def _specifications(names: Sequence[str]) -> list[str]:
    """Return the terms as a user writes them from the names of their columns: step_20190401 -> step:20190401."""
    written = [name.removesuffix("_cos").removesuffix("_sin").replace("_", ":") for name in names if name != "offset"]
    return list(dict.fromkeys(written))


def histogram_figure(
    before: Mapping[str, npt.ArrayLike] | npt.ArrayLike | None,
    after: Mapping[str, npt.ArrayLike] | npt.ArrayLike,
    *,
    unit: str = "m",
    width_in: float = COLUMN_IN,
) -> Figure:
    """Draw what was measured on stable ground, where nothing moves, before and after its correction.

    Parameters
    ----------
    before, after : array, or mapping of component to array
        Displacement on stable ground; NaN is left out. Without `before` only one histogram is drawn.
    unit : str
        Unit of both.
    width_in : float
        Width, inches.
    """
    late = _named(after)
    early = {} if before is None else _named(before)
    figure = new_figure(width_in, 0.5 * width_in * len(late) + 0.2)
    for axes, (name, values) in zip(figure.subplots(len(late), 1, squeeze=False).ravel(), late.items(), strict=True):
        first = early.get(name)
        edges = _edges([values] if first is None else [first, values])
        if first is not None:
            _draw_histogram(axes, first, edges, ("before", _BEFORE, unit))
        _draw_histogram(axes, values, edges, ("after" if early else "measured", _AFTER, unit))
        axes.axvline(0, ymax=1 / _LEGEND_ROOM, color=INK, linewidth=0.6)
        axes.set_xlabel(f"{name.capitalize()} on stable ground ({unit})".lstrip(), fontsize=FONT_PT, color=INK)
        axes.set_ylabel("Share of cells (%)", fontsize=FONT_PT, color=INK)
        axes.set_xlim(edges[0], edges[-1])
        axes.set_ylim(0, _LEGEND_ROOM * axes.get_ylim()[1])
        tidy(axes, grid=True)
        axes.legend(fontsize=SMALL_PT, frameon=False, loc="upper left", handlelength=1.2, borderaxespad=0.2)
    return figure


def _named(values: Mapping[str, Any] | npt.ArrayLike) -> dict[str, Floats]:
    named = dict(values) if isinstance(values, Mapping) else {"displacement": values}
    return {name: np.asarray(array, dtype=np.float64).ravel() for name, array in named.items()}


def _edges(samples: Sequence[Floats]) -> Floats:
    """Return bins about zero that hold nearly all of the samples, but are not stretched by their outliers."""
    reach = [abs(median(sample)) + _REACH_NMAD * nmad(sample) for sample in samples if np.isfinite(sample).any()]
    widest = max([*reach, 1e-6])
    return np.linspace(-widest, widest, _BINS)


def _draw_histogram(axes: Axes, values: Floats, edges: Floats, look: tuple[str, str, str]) -> None:
    name, colour, unit = look
    finite = values[np.isfinite(values)]
    text = (
        f"{name}: median {median(finite):+.2g} {unit}, NMAD {nmad(finite):.2g} {unit}"
        if finite.size
        else f"{name}: nothing"
    )
    share = np.histogram(finite, edges)[0] * (100.0 / max(finite.size, 1))
    axes.stairs(share, edges, fill=True, color=colour, alpha=0.3)
    axes.stairs(share, edges, color=colour, linewidth=0.9, label=text)
