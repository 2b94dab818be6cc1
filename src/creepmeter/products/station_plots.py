"""Stations on the ground over a velocity map, and beside a displacement series."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.dates import date2num
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from creepmeter.errors import SchemaError
from creepmeter.model.grid import grid_of
from creepmeter.model.station import Comparison, Overlay
from creepmeter.products.canvas import (
    COMPONENT_COLOURS,
    FONT_PT,
    INK,
    OTHER_COLOUR,
    PAGE_IN,
    SMALL_PT,
    new_figure,
    tidy,
)
from creepmeter.products.figures import date_axis
from creepmeter.products.frame import Backdrop, Frame
from creepmeter.products.furniture import ArrowKey, add_arrow_key, free_corners, round_below
from creepmeter.products.maps import velocity_figure
from creepmeter.products.options import MapStyle

Floats = npt.NDArray[np.float64]

MAP_COLOUR, GROUND_COLOUR = "#ffffff", "#ff5a1f"
_MAP_IN = 5.0
_REACH = 0.14  # of the longer side of the map: length of a fast arrow
_LONGEST = 1.5  # of the fastest arrow, in lengths of a fast one
_FAST = 90  # percentile of the speeds of the stations
_NAMED = 40  # more names hide one another
_ACROSS = 2
_MOST_PANELS = 12
_PALE = 0.55  # share of white
_MANY = 100  # dates of a station that are drawn as dots without a line


def comparison_figure(
    motion: xr.Dataset,
    comparisons: Sequence[Comparison],
    *,
    backdrop: Backdrop | None = None,
    style: MapStyle | None = None,
) -> Figure:
    """Draw the speed of a map, and at each station the arrow of the map and that of the ground.

    Parameters
    ----------
    motion : Dataset
        MotionModel with east and north.
    comparisons : sequence of Comparison
        At least one.
    backdrop : Backdrop, optional
        Image or relief behind, outlines over the map.
    style : MapStyle, optional
        As in `maps.velocity_figure`.

    Raises
    ------
    SchemaError
        There is no station to draw.
    """
    if not comparisons:
        message = "there is no station on the map to draw: see the reasons why they were left out"
        raise SchemaError(message)
    style = style or MapStyle(width_in=_MAP_IN, title=_title(comparisons))
    figure = velocity_figure(motion, style=style, backdrop=backdrop, arrows=False)
    axes = figure.axes[0]
    frame = Frame.of(grid_of(motion))
    place = np.array([(each.x, each.y) for each in comparisons]) * frame.scale
    on_map, on_ground = (
        np.array([getattr(each, name)[:2] for each in comparisons]) for name in ("on_map", "on_ground")
    )
    speed = np.hypot(*np.concatenate([on_map, on_ground]).T)
    fast = max(float(np.percentile(speed, _FAST)), float(speed.max()) / _LONGEST)
    left, right, bottom, top = frame.extent
    scale = max(fast, 1e-12) / (_REACH * max(abs(right - left), abs(top - bottom)))
    for arrows, colour, width in ((on_map, MAP_COLOUR, 0.05), (on_ground, GROUND_COLOUR, 0.02)):
        _draw_arrows(axes, place, arrows, scale, colour, width)
    axes.plot(*place.T, "o", markersize=2.5, color=INK, markeredgecolor="white", markeredgewidth=0.4, zorder=7)
    if len(comparisons) <= _NAMED:
        _name_stations(axes, comparisons, place, on_ground)
    key = round_below(fast)
    first, second = _quiet_first(free_corners(axes), place, frame)[:2]
    add_arrow_key(axes, ArrowKey(key, key / scale, f"{key:g} m/yr"), first)
    _explain(axes, second)
    return figure


def _title(comparisons: Sequence[Comparison]) -> str:
    count = len(comparisons)
    return f"Velocity of the map and of {count} station{'' if count == 1 else 's'} on the ground"


def _draw_arrows(axes: Axes, place: Floats, arrows: Floats, scale: float, colour: str, width: float) -> None:
    axes.quiver(
        *place.T, *arrows.T,
        angles="xy", scale_units="xy", scale=scale, units="inches", width=width,
        headwidth=0.03 / width + 1.8, headlength=0.04 / width + 1.8, headaxislength=0.04 / width + 1.2, minlength=0.0,
        color=colour, edgecolor="black", linewidth=0.5, zorder=6,
    )  # fmt: skip


def _name_stations(axes: Axes, comparisons: Sequence[Comparison], place: Floats, arrows: Floats) -> None:
    """Write names on the side that the arrows do not go to."""
    halo = [withStroke(linewidth=1.6, foreground="white")]
    for each, (x, y), arrow in zip(comparisons, place, arrows, strict=True):
        size = math.hypot(*arrow) or 1.0
        away = -7 * arrow / size
        axes.annotate(
            each.name, (x, y), xytext=tuple(away), textcoords="offset points", fontsize=SMALL_PT, color=INK,
            ha="right" if away[0] < 0 else "left", va="top" if away[1] < 0 else "bottom",
            path_effects=halo, zorder=8, annotation_clip=True,
        )  # fmt: skip


def _quiet_first(corners: Sequence[str], place: Floats, frame: Frame) -> list[str]:
    """Return corners, those far from all stations first."""
    left, right, bottom, top = frame.extent
    at = {"left": min(left, right), "right": max(left, right), "lower": min(bottom, top), "upper": max(bottom, top)}

    def nearness(corner: str) -> float:
        vertical, horizontal = corner.split()
        return -float(np.hypot(*(place - (at[horizontal], at[vertical])).T).min())

    return sorted(corners, key=nearness)


def _explain(axes: Axes, corner: Any) -> None:  # noqa: ANN401 - one of the words of matplotlib
    handles = [
        Line2D([], [], marker=">", linestyle="none", markersize=6, color=colour, markeredgecolor="black",
               markeredgewidth=0.5, label=label)
        for colour, label in ((MAP_COLOUR, "map"), (GROUND_COLOUR, "ground"))
    ]  # fmt: skip
    legend = axes.legend(
        handles=handles, fontsize=SMALL_PT, loc=corner, framealpha=0.85, edgecolor="none", handletextpad=0.2
    )
    legend.set_zorder(9)


def overlay_figure(overlays: Sequence[Overlay], *, width_in: float = PAGE_IN) -> Figure:
    """Draw the displacement of a map at stations, with 1-sigma bars, beside that of the stations; a panel for each.

    Parameters
    ----------
    overlays : sequence of Overlay
        At least one; twelve are drawn.
    width_in : float
        Width, inches.

    Raises
    ------
    SchemaError
        There is no station to draw.
    """
    if not overlays:
        message = "there is no station with a series to draw: see the reasons why they were left out"
        raise SchemaError(message)
    shown = list(overlays)[:_MOST_PANELS]
    across = min(_ACROSS, len(shown))
    down = math.ceil(len(shown) / across)
    figure = new_figure(width_in, 0.32 * width_in * down * _ACROSS / across + 0.45)
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes, each in zip(panels, shown, strict=False):
        _draw_overlay(axes, each)
    for spare in panels[len(shown) :]:
        spare.set_visible(False)
    figure.legend(handles=_overlay_handles(shown), fontsize=SMALL_PT, frameon=False, ncols=6, loc="outside upper left")
    return figure


def _draw_overlay(axes: Axes, each: Overlay) -> None:
    texts = []
    for k, component in enumerate(each.components):
        colour = COMPONENT_COLOURS.get(component, OTHER_COLOUR)
        _draw_ground(axes, each, k, colour)
        axes.errorbar(
            date2num(each.map_times), each.on_map[:, k], yerr=np.nan_to_num(each.on_map_sigma[:, k]), fmt="o",
            markersize=3.4, color=colour, markeredgecolor="white", markeredgewidth=0.4, elinewidth=0.7, capsize=1.4,
            capthick=0.6, zorder=3,
        )  # fmt: skip
        if np.isfinite(each.rmse[k]):
            texts.append(f"{component} {each.rmse[k]:.2g} m")
    title = each.name + (f": rms of differences {', '.join(texts)}" if texts else "")
    axes.set_title(title, fontsize=SMALL_PT, color=INK, loc="left")
    axes.set_ylabel("Displacement (m)", fontsize=FONT_PT, color=INK)
    axes.axhline(0, color="#bbbbbb", linewidth=0.6, zorder=0)
    date_axis(axes)
    tidy(axes, grid=True)


def _draw_ground(axes: Axes, each: Overlay, component: int, colour: str) -> None:
    """Draw surveys as open squares joined by a line, daily positions as a band of pale dots."""
    times, values = date2num(each.times), each.on_ground[:, component]
    if len(times) > _MANY:
        pale = _PALE + (1 - _PALE) * np.array(to_rgb(colour))
        axes.plot(times, values, ".", markersize=1.5, color=tuple(pale), zorder=2)
        return
    axes.plot(
        times, values, linewidth=0.7, marker="s", markersize=4.5, color=colour, alpha=0.55, markerfacecolor="none",
        zorder=2,
    )  # fmt: skip


def _overlay_handles(shown: Sequence[Overlay]) -> list[Line2D]:
    components = dict.fromkeys(name for each in shown for name in each.components)
    handles = [
        Line2D([], [], marker="o", linestyle="none", markersize=3, color=COMPONENT_COLOURS.get(name, OTHER_COLOUR),
               label=f"{name}, map")
        for name in components
    ]  # fmt: skip
    handles += [
        Line2D([], [], marker="s", linestyle="-", linewidth=0.7, markersize=4, markerfacecolor="none", alpha=0.6,
               color=COMPONENT_COLOURS.get(name, OTHER_COLOUR), label=f"{name}, ground")
        for name in components
    ]  # fmt: skip
    return handles
