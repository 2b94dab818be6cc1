"""A map of a series beside the displacement of points over time: as a file, or in a window that answers clicks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.dates import date2num
from matplotlib.figure import Figure

from creepmeter.errors import ConfigError
from creepmeter.model.grid import Grid, describe_grid, grid_of
from creepmeter.model.schema import TIME_SERIES, check
from creepmeter.model.station import Overlay
from creepmeter.model.table import cell_position
from creepmeter.products.canvas import FONT_PT, INK, PAGE_IN, SMALL_PT, colour_limits, colour_map, new_figure, tidy
from creepmeter.products.figures import date_axis
from creepmeter.products.frame import Frame, label_axes, thinned
from creepmeter.products.options import ViewOptions
from creepmeter.products.scale import factor_between

Floats = npt.NDArray[np.float64]
Cell = tuple[int, int]

_COLOURS = ("#0b5fa5", "#d1600a", "#3b7d4f", "#8a3ffc", "#6b6b6b")
_GROUND = "#e3a27a"
_NO_WINDOW = {"agg", "pdf", "ps", "svg", "cairo", "template"}


@dataclass
class SeriesView:
    """One figure of a series: the map of a date, and the graph of the cells that were chosen.

    Parameters
    ----------
    series : Dataset
        TimeSeries.
    options : ViewOptions
        Component, unit, colours, reference.
    figure : Figure
        Empty.
    cells : list of (row, column)
        Pixels shown.
    date : int
        Index of the date of the map.
    overlays : sequence of Overlay
        Stations whose series are drawn over those of the pixels, on their own scale of time.
    """

    series: xr.Dataset
    options: ViewOptions
    figure: Figure
    cells: list[Cell] = field(default_factory=list)
    date: int = -1
    overlays: Sequence[Overlay] = ()

    def __post_init__(self) -> None:
        check(self.series, TIME_SERIES)
        names = [str(name) for name in self.series["component"].values]
        self.component = self.options.component or names[0]
        if self.component not in names:
            message = f"there is no component {self.component!r}: choose one of {', '.join(names)}"
            raise ConfigError(message)
        self.unit = self.options.unit or "m"
        self.factor = factor_between("m", self.unit, cycle_m=float(self.series.attrs.get("cycle_m", 0.0)))
        self.grid: Grid = grid_of(self.series)
        self.date = self.date % self.series.sizes["time"]
        self.map_axes, self.graph_axes = self.figure.subplots(1, 2, width_ratios=(1.0, 1.25))
        self.draw_map()
        self.draw_graph()

    @property
    def values(self) -> xr.DataArray:
        """Displacement of the component drawn, (time, y, x)."""
        return self.series["displacement"].sel(component=self.component)

    def draw_map(self) -> None:
        """Draw the map of the date."""
        axes, frame = self.map_axes, Frame.of(self.grid)
        axes.clear()
        shown = thinned(np.asarray(self.values.isel(time=self.date).values, np.float64)) * self.factor
        low, high = colour_limits(shown, signed=True, vmin=self.options.vmin, vmax=self.options.vmax)
        image = axes.imshow(
            shown,
            extent=frame.extent,
            cmap=colour_map(self.options.cmap or "vik"),
            norm=Normalize(low, high),
            interpolation="none",
            aspect=frame.aspect,
        )
        axes.set_facecolor("#ececec")
        label_axes(axes, frame)
        tidy(axes)
        axes.set_title(self.date_text, fontsize=FONT_PT, color=INK)
        if not hasattr(self, "bar"):
            self.bar = self.figure.colorbar(image, ax=axes, fraction=0.05, pad=0.02)
            self.bar.set_label(self.quantity, fontsize=FONT_PT, color=INK)
            self.bar.ax.tick_params(labelsize=SMALL_PT, length=2, width=0.5)
        self._mark()

    @property
    def quantity(self) -> str:
        """What is drawn, with the component where there are others."""
        which = f", {self.component}" if self.series.sizes["component"] > 1 else ""
        return f"Displacement{which} ({self.unit})"

    @property
    def date_text(self) -> str:
        """Date of the map."""
        return str(self.series["time"].values[self.date])[:10]

    def _mark(self) -> None:
        x, y = Frame.of(self.grid).centres((self.grid.shape[0], self.grid.shape[1]))
        for (row, column), colour in zip(self.cells, _COLOURS, strict=False):
            self.map_axes.plot(
                x[column], y[row], "^", color=colour, markeredgecolor="white", markersize=6, scalex=False, scaley=False
            )

    def draw_graph(self) -> None:
        """Draw the displacement of the cells over time."""
        axes = self.graph_axes
        axes.clear()
        times = date2num(self.series["time"].values)
        for cell, colour in zip(self.cells, _COLOURS, strict=False):
            self._draw_cell(axes, times, cell, colour)
        for each in self.overlays:
            days, ground = date2num(each.times), each.on_ground[:, 0] * self.factor
            axes.plot(days, ground, ".", markersize=1.8, color=_GROUND, zorder=1, label=f"{each.name}, ground")
        if self.overlays:
            axes.set_xlim(*_widened(times))
        axes.axhline(0, color="#bbbbbb", linewidth=0.6, zorder=0)
        axes.axvline(times[self.date], color="#bbbbbb", linewidth=0.6, linestyle="dotted", zorder=0)
        axes.set_ylabel(self.quantity, fontsize=FONT_PT, color=INK)
        date_axis(axes)
        tidy(axes, grid=True)
        if self.cells:
            axes.legend(fontsize=SMALL_PT, frameon=False, loc="best", handlelength=1.0)

    def _draw_cell(self, axes: Axes, times: Floats, cell: Cell, colour: str) -> None:
        at = {"y": cell[0], "x": cell[1]}
        values = np.asarray(self.values.isel(at).values, np.float64) * self.factor
        error = None
        if "sigma" in self.series:
            sigma = self.series["sigma"].sel(component=self.component).isel(at).values.astype(np.float64)
            error = np.nan_to_num(sigma) * abs(self.factor)
        axes.errorbar(
            times, values, yerr=error, fmt="o", markersize=3, color=colour, elinewidth=0.7, capsize=1.5,
            label=f"row {cell[0]}, column {cell[1]}",
        )  # fmt: skip

    def choose(self, cell: Cell, *, add: bool = False) -> None:
        """Show a cell; with `add` beside those shown."""
        require_cell(self.series, cell)
        self.cells = [*self.cells, cell][-len(_COLOURS) :] if add else [cell]
        self.draw_map()
        self.draw_graph()

    def on_click(self, event: Any) -> None:  # noqa: ANN401 - an event of matplotlib
        """Show the cell under the mouse; with the right button or shift beside those shown."""
        if event.inaxes is not self.map_axes or event.xdata is None:
            return
        frame = Frame.of(self.grid)
        x, y = frame.centres((self.grid.shape[0], self.grid.shape[1]))
        cell = (int(np.argmin(np.abs(y - event.ydata))), int(np.argmin(np.abs(x - event.xdata))))
        self.choose(cell, add=event.button != 1 or event.key == "shift")
        self.figure.canvas.draw_idle()

    def on_key(self, event: Any) -> None:  # noqa: ANN401 - an event of matplotlib
        """Go to the next or previous date with the arrow keys."""
        step = {"right": 1, "left": -1}.get(str(event.key), 0)
        if step:
            self.date = (self.date + step) % self.series.sizes["time"]
            self.draw_map()
            self.draw_graph()
            self.figure.canvas.draw_idle()


def _widened(times: Floats) -> tuple[float, float]:
    """Return the span of the map's dates with a little room: a station may have decades."""
    room = max(0.05 * float(times[-1] - times[0]), 5.0)
    return float(times[0]) - room, float(times[-1]) + room


def require_cell(dataset: xr.Dataset, cell: Cell) -> None:
    """Raise `ConfigError` unless a cell lies on the map."""
    row, column = cell
    if not (0 <= row < dataset.sizes["y"] and 0 <= column < dataset.sizes["x"]):
        message = (
            f"row {row}, column {column} lies outside the map of {dataset.sizes['y']} x {dataset.sizes['x']} pixels"
        )
        raise ConfigError(message)


def cell_at(dataset: xr.Dataset, y: float, x: float) -> Cell:
    """Return the cell that holds a place: map coordinates, or latitude and longitude.

    Raises
    ------
    ConfigError
        It lies outside the map.
    """
    grid = grid_of(dataset)
    row, column = (int(np.floor(position)) for position in cell_position(grid, y, x))
    if not (0 <= row < grid.shape[0] and 0 <= column < grid.shape[1]):
        message = f"y = {y:g}, x = {x:g} lies outside the map: {describe_grid(grid)}"
        raise ConfigError(message)
    return row, column


def series_view(
    series: xr.Dataset,
    cells: Sequence[Cell],
    *,
    options: ViewOptions | None = None,
    date: int = -1,
    overlays: Sequence[Overlay] = (),
) -> Figure:
    """Draw the map of a date and the displacement of cells over time.

    Parameters
    ----------
    series : Dataset
        TimeSeries.
    cells : sequence of (row, column)
        Up to 5.
    options : ViewOptions, optional
        Component, unit, colours.
    date : int
        Index of the date of the map; default the last.
    overlays : sequence of Overlay
        Stations whose series are drawn over those of the cells.

    Raises
    ------
    ConfigError
        A cell lies outside the map; a component or unit that the series has not.
    """
    options = options or ViewOptions()
    for cell in cells:
        require_cell(series, cell)
    figure = new_figure(options.width_in or 1.3 * PAGE_IN, 0.42 * (options.width_in or 1.3 * PAGE_IN))
    return SeriesView(series, options, figure, list(cells), date, overlays).figure


def show_series(
    series: xr.Dataset,
    cells: Sequence[Cell],
    *,
    options: ViewOptions | None = None,
    overlays: Sequence[Overlay] = (),
) -> bool:
    """Open a window with the map and the graph; a click shows a point, arrow keys change the date.

    Returns
    -------
    bool
        False where this machine has no display; nothing is shown then.
    """
    import matplotlib.pyplot as plt  # noqa: PLC0415 - only a window needs its global state

    if mpl.get_backend().lower() in _NO_WINDOW:
        return False
    figure = plt.figure(figsize=(11, 4.6), layout="compressed")
    shown = SeriesView(series, options or ViewOptions(), figure, list(cells), overlays=overlays)
    figure.canvas.mpl_connect("button_press_event", shown.on_click)
    figure.canvas.mpl_connect("key_press_event", shown.on_key)
    plt.show()
    return True
