"""Profiles along a line across a map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.ndimage import map_coordinates

from creepmeter.errors import ConfigError
from creepmeter.model.grid import DEGREE_M, Grid, metres_per_pixel
from creepmeter.products.canvas import FONT_PT, INK, PAGE_IN, SMALL_PT, colour_limits, colour_map, new_figure, tidy
from creepmeter.products.frame import Frame, label_axes, thinned
from creepmeter.products.options import MapStyle

Floats = npt.NDArray[np.float64]
_COLOURS = ("#0b5fa5", "#d1600a", "#3b7d4f", "#8a3ffc", "#6b6b6b")


@dataclass(frozen=True)
class Transect:
    """Values along a line.

    Parameters
    ----------
    distance : array, (k,)
        Metres from the start.
    row, column : array, (k,)
        Positions, pixels.
    values : array, (k,)
        NaN = not measured.
    """

    distance: Floats
    row: Floats
    column: Floats
    values: Floats


def transect(
    values: npt.NDArray[np.floating],
    grid: Grid,
    start: tuple[float, float],
    end: tuple[float, float],
    *,
    method: str = "nearest",
) -> Transect:
    """Sample a map along a straight line, about one sample for each pixel.

    Parameters
    ----------
    values : array, (y, x)
        The map; NaN = not measured.
    grid : Grid
        Its grid.
    start, end : (float, float)
        Row and column, pixels; 0 is the centre of the first pixel.
    method : str
        ``nearest`` or ``bilinear``.

    Raises
    ------
    ConfigError
        The line leaves the map, has no length, or the method is unknown.
    """
    shape = np.array(values.shape)
    for name, point in (("start", start), ("end", end)):
        if not ((np.array(point) >= 0).all() and (np.array(point) <= shape - 1).all()):
            message = f"the {name} {point} of the profile lies outside the map of {shape[0]} x {shape[1]} pixels"
            raise ConfigError(message)
    length = float(np.hypot(end[0] - start[0], end[1] - start[1]))
    if length == 0:
        message = f"the profile starts and ends at {start}: give two points"
        raise ConfigError(message)
    if method not in ("nearest", "bilinear"):
        message = f"interpolation {method!r} is not known: use nearest or bilinear"
        raise ConfigError(message)
    share = np.linspace(0, 1, round(length) + 1)
    rows, columns = (a + (b - a) * share for a, b in zip(start, end, strict=True))
    found = map_coordinates(
        np.asarray(values, np.float64), [rows, columns], order=0 if method == "nearest" else 1, mode="nearest"
    )
    return Transect(_distance(grid, rows, columns), rows, columns, found)


def _distance(grid: Grid, rows: Floats, columns: Floats) -> Floats:
    down, across = rows - rows[0], columns - columns[0]
    if grid.crs is not None and grid.crs.geographic:
        middle = np.radians(grid.affine.f + grid.affine.e * rows.mean())
        east, north = grid.affine.a * across * np.cos(middle) * DEGREE_M, grid.affine.e * down * DEGREE_M
    else:
        east, north = metres_per_pixel(grid) @ np.stack([across, down])
    return np.asarray(np.hypot(east, north), np.float64)


def transect_figure(
    maps: Mapping[str, npt.NDArray[np.floating]],
    grid: Grid,
    start: tuple[float, float],
    end: tuple[float, float],
    *,
    style: MapStyle | None = None,
    method: str = "nearest",
) -> Figure:
    """Draw the first of some maps with the line, and the profiles of all of them.

    Parameters
    ----------
    maps : mapping of str to array, (y, x)
        At least one.
    grid : Grid
        Grid of all.
    start, end : (float, float)
        Row and column, pixels.
    style : MapStyle, optional
        Title, unit, colours.
    method : str
        ``nearest`` or ``bilinear``.

    Raises
    ------
    ConfigError
        See `transect`.
    """
    style = style or MapStyle()
    lines = {name: transect(values, grid, start, end, method=method) for name, values in maps.items()}
    figure = new_figure(1.3 * PAGE_IN, 0.42 * 1.3 * PAGE_IN)
    left, right = figure.subplots(1, 2, width_ratios=(1.0, 1.25))
    frame = Frame.of(grid)
    first = thinned(np.asarray(next(iter(maps.values())), np.float64))
    low, high = colour_limits(first, signed=style.signed, vmin=style.vmin, vmax=style.vmax)
    cmap = colour_map(style.cmap or ("vik" if style.signed else "batlow"))
    image = left.imshow(
        first, extent=frame.extent, cmap=cmap, vmin=low, vmax=high, interpolation="none", aspect=frame.aspect
    )
    _draw_line(left, grid, [start, end])
    bar = figure.colorbar(image, ax=left, fraction=0.05, pad=0.02)
    bar.set_label(_label(style), fontsize=FONT_PT, color=INK)
    bar.ax.tick_params(labelsize=SMALL_PT, length=2, width=0.5)
    label_axes(left, frame)
    tidy(left)
    for (name, line), colour in zip(lines.items(), _COLOURS * len(lines), strict=False):
        right.plot(line.distance / 1000, line.values, ".-", color=colour, linewidth=0.7, markersize=3, label=name)
    right.set_xlabel("Distance from A (km)", fontsize=FONT_PT, color=INK)
    right.set_ylabel(_label(style), fontsize=FONT_PT, color=INK)
    tidy(right, grid=True)
    if len(lines) > 1:
        right.legend(fontsize=SMALL_PT, frameon=False)
    if style.title:
        figure.suptitle(style.title, fontsize=FONT_PT + 1, color=INK)
    return figure


def _label(style: MapStyle) -> str:
    return f"{style.label or 'Value'} ({style.unit})" if style.unit else style.label or "Value"


def _draw_line(axes: Axes, grid: Grid, points: Sequence[tuple[float, float]]) -> None:
    frame = Frame.of(grid)
    x, y = frame.centres((grid.shape[0], grid.shape[1]))
    places = [(np.interp(column, np.arange(x.size), x), np.interp(row, np.arange(y.size), y)) for row, column in points]
    axes.plot(*zip(*places, strict=True), "k-", linewidth=1.2)
    for name, place in zip("AB", places, strict=False):
        axes.annotate(name, place, fontsize=FONT_PT, color="white", bbox={"fc": "black", "ec": "none", "pad": 1})
