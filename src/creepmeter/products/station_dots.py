"""Stations as dots on a map, in the colours of the map; and map against ground, one dot for each station."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patheffects import withStroke

from creepmeter.errors import SchemaError
from creepmeter.model.grid import Grid, grid_of
from creepmeter.model.horizontal import rate_term
from creepmeter.model.sampling import bilinear
from creepmeter.model.station import Comparison
from creepmeter.products.canvas import FONT_PT, INK, SMALL_PT, new_figure, tidy
from creepmeter.products.frame import Backdrop, Frame
from creepmeter.products.maps import velocity_figure
from creepmeter.products.options import MapStyle

_MAP_IN, _SCATTER_IN = 5.0, 3.54
_NAMED = 40  # more names hide one another
_LINE = "#8a8a8a"
_PLAIN = "#ffffff"


@dataclass(frozen=True)
class Dot:
    """A station on a map.

    Parameters
    ----------
    name : str
        Of the station.
    x, y : float
        Map coordinates.
    value : float
        In the unit that the map is drawn in; NaN = drawn without a colour.
    """

    name: str
    x: float
    y: float
    value: float = np.nan


def add_dots(figure: Figure, grid: Grid, dots: Sequence[Dot], *, label: bool = False, size_pt: float = 6.0) -> None:
    """Draw stations over a map, those with a value in the colours of the map.

    Parameters
    ----------
    figure : Figure
        As `maps.map_figure` made it.
    grid : Grid
        Of the map.
    dots : sequence of Dot
        Stations.
    label : bool
        Write their names.
    size_pt : float
        Diameter, points.
    """
    axes = figure.axes[0]
    image = axes.images[-1]
    scale = Frame.of(grid).scale
    for known in (False, True):
        shown = [dot for dot in dots if np.isfinite(dot.value) == known]
        if not shown:
            continue
        x, y = np.array([(dot.x, dot.y) for dot in shown]).T * scale
        colours = (
            {"c": [dot.value for dot in shown], "cmap": image.cmap, "norm": image.norm} if known else {"c": _PLAIN}
        )
        marker = "o" if known else "^"
        axes.scatter(x, y, s=size_pt**2, marker=marker, edgecolors="black", linewidths=0.7, zorder=7, **colours)
    if label:
        halo = [withStroke(linewidth=1.6, foreground="white")]
        for dot in dots:
            axes.annotate(
                dot.name, (dot.x * scale, dot.y * scale), xytext=(0.7 * size_pt, 0), textcoords="offset points",
                fontsize=SMALL_PT, color=INK, va="center", path_effects=halo, zorder=8, annotation_clip=True,
            )  # fmt: skip


def _colours_of(image: AxesImage) -> dict[str, Any]:
    return {"cmap": image.cmap, "norm": image.norm}


def los_figure(motion: xr.Dataset, comparisons: Sequence[Comparison], *, backdrop: Backdrop | None = None) -> Figure:
    """Draw a velocity along the line of sight, with the stations in its colours.

    Parameters
    ----------
    motion : Dataset
        MotionModel with one component.
    comparisons : sequence of Comparison
        At least one. Relative to a reference station, they are drawn so that map and ground agree there.
    backdrop : Backdrop, optional
        Image or relief behind, outlines over the map.

    Raises
    ------
    SchemaError
        There is no station to draw.
    """
    _require(comparisons)
    count = len(comparisons)
    title = f"Velocity along the line of sight and {count} station{'' if count == 1 else 's'}"
    figure = velocity_figure(motion, style=MapStyle(width_in=_MAP_IN, title=title), backdrop=backdrop, arrows=False)
    rate = np.asarray(motion["value"].sel(term=rate_term(motion)).values[0], np.float64)
    dots = [
        Dot(each.name, each.x, each.y, float(bilinear(rate, each.column, each.row)) - float(each.difference[0]))
        for each in comparisons
    ]
    add_dots(figure, grid_of(motion), dots, label=count <= _NAMED)
    return figure


def scatter_figure(comparisons: Sequence[Comparison], text: str = "") -> Figure:
    """Draw the velocity of the map against that of the ground, with 1-sigma bars and the line where both agree.

    Parameters
    ----------
    comparisons : sequence of Comparison
        At least one, of one component.
    text : str
        Title.

    Raises
    ------
    SchemaError
        There is no station to draw.
    """
    _require(comparisons)
    ground, on_map, ground_sigma, map_sigma = (
        1e3 * np.array([float(getattr(each, name)[0]) for each in comparisons])
        for name in ("on_ground", "on_map", "on_ground_sigma", "on_map_sigma")
    )
    figure = new_figure(_SCATTER_IN, _SCATTER_IN)
    axes = figure.add_subplot()
    axes.errorbar(
        ground, on_map, xerr=np.nan_to_num(ground_sigma), yerr=np.nan_to_num(map_sigma), fmt="o", markersize=3.5,
        color="#0b5fa5", markeredgecolor="white", markeredgewidth=0.4, elinewidth=0.7, zorder=3,
    )  # fmt: skip
    around = [ground, on_map, *(on_map + side * np.nan_to_num(map_sigma) for side in (-1, 1))]
    ends = np.array([np.min(around), np.max(around)])
    reach = max(0.12 * float(ends[1] - ends[0]), 0.5)
    ends += (-reach, reach)
    axes.plot(ends, ends, color=_LINE, linewidth=0.8, zorder=1)
    axes.set(xlim=ends, ylim=ends, aspect="equal")
    if len(comparisons) <= _NAMED:
        for each, x, y in zip(comparisons, ground, on_map, strict=True):
            axes.annotate(each.name, (x, y), xytext=(4, 3), textcoords="offset points", fontsize=SMALL_PT, color=INK)
    axes.set_xlabel("Stations (mm/yr)", fontsize=FONT_PT, color=INK)
    axes.set_ylabel("Map (mm/yr)", fontsize=FONT_PT, color=INK)
    if text:
        axes.set_title(text, fontsize=SMALL_PT, color=INK, loc="left")
    tidy(axes, grid=True)
    return figure


def _require(comparisons: Sequence[Comparison]) -> None:
    if not comparisons:
        message = "there is no station on the map to draw: see the reasons why they were left out"
        raise SchemaError(message)
