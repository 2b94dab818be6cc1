"""Series beside a map, and profiles along a line."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from numpy.testing import assert_allclose

from creepmeter.errors import ConfigError
from creepmeter.model.grid import Grid, map_position, pixel_grid
from creepmeter.products.canvas import new_figure
from creepmeter.products.options import ViewOptions
from creepmeter.products.transect import transect, transect_figure
from creepmeter.products.tsview import SeriesView, cell_at, series_view

Maker = Callable[..., xr.Dataset]


def graph_of(figure: Figure) -> list[np.ndarray]:
    bars = [box for box in figure.axes[1].containers if isinstance(box, ErrorbarContainer)]
    return [np.asarray(box.lines[0].get_ydata(), np.float64) for box in bars]


def test_graph_holds_the_series_of_the_points_in_the_unit_asked_for(grid: Grid, make_series: Maker) -> None:
    series = make_series(grid)
    figure = series_view(series, [(2, 3), (4, 1)], options=ViewOptions(unit="mm", component="north"))
    wanted = series["displacement"].sel(component="north")
    for drawn, (row, column) in zip(graph_of(figure), [(2, 3), (4, 1)], strict=True):
        assert_allclose(drawn, wanted.isel(y=row, x=column).values * 1000)


def test_the_component_is_named_where_there_are_others(grid: Grid, make_series: Maker) -> None:
    series = make_series(grid)
    one = series.isel(component=[0])
    axes = [series_view(shown, [(2, 3)]).axes[1].get_ylabel() for shown in (series, one)]
    assert axes == [f"Displacement, {one['component'].item()} (m)", "Displacement (m)"]


def test_a_click_shows_the_pixel_under_the_mouse_and_keys_change_the_date(grid: Grid, make_series: Maker) -> None:
    series = make_series(grid)
    shown = SeriesView(series, ViewOptions(), new_figure(8, 4))
    frame_x, frame_y = shown.map_axes.get_xlim(), shown.map_axes.get_ylim()
    rows, columns = grid.shape
    x = frame_x[0] + (frame_x[1] - frame_x[0]) * 3.5 / columns
    y = frame_y[1] + (frame_y[0] - frame_y[1]) * 2.5 / rows
    shown.on_click(SimpleNamespace(inaxes=shown.map_axes, xdata=x, ydata=y, button=1, key=None))
    assert shown.cells == [(2, 3)]
    shown.on_click(SimpleNamespace(inaxes=shown.map_axes, xdata=x, ydata=y, button=3, key=None))
    assert len(shown.cells) == 2
    shown.on_click(SimpleNamespace(inaxes=shown.graph_axes, xdata=x, ydata=y, button=1, key=None))
    assert len(shown.cells) == 2
    last = shown.date
    shown.on_key(SimpleNamespace(key="left"))
    assert shown.date == last - 1
    assert shown.map_axes.get_title() == shown.date_text


def test_points_and_components_that_are_not_there_are_refused(grid: Grid, make_series: Maker) -> None:
    with pytest.raises(ConfigError, match="lies outside the map"):
        series_view(make_series(grid), [(999, 0)])
    with pytest.raises(ConfigError, match="there is no component"):
        series_view(make_series(grid), [(1, 1)], options=ViewOptions(component="up"))


def test_cell_at_finds_the_pixel_of_map_coordinates(grid: Grid, make_series: Maker) -> None:
    x, y = map_position(grid, 3.4, 2.6)
    assert cell_at(make_series(grid), float(y), float(x)) == (2, 3)
    with pytest.raises(ConfigError, match="lies outside the map"):
        cell_at(make_series(grid), 1e9, float(x))


def test_profile_of_a_plane_is_a_straight_line() -> None:
    rows, columns = np.indices((20, 30))
    plane = 2.0 * rows + 0.5 * columns
    found = transect(plane, pixel_grid((20, 30), 10.0), (2.0, 3.0), (14.0, 12.0), method="bilinear")
    assert found.distance[-1] == pytest.approx(10.0 * np.hypot(12, 9))
    assert_allclose(found.values, 2.0 * found.row + 0.5 * found.column, atol=1e-9)
    assert_allclose(np.diff(found.distance), 10.0)  # 15 pixels long: one sample a pixel


def test_profile_keeps_gaps() -> None:
    values = np.ones((5, 9))
    values[2, 4] = np.nan
    found = transect(values, pixel_grid((5, 9)), (2, 0), (2, 8))
    assert np.flatnonzero(np.isnan(found.values)).tolist() == [4]


@pytest.mark.parametrize(
    ("start", "end", "method", "text"),
    [
        ((0, 0), (0, 99), "nearest", "the end .* lies outside"),
        ((1, 1), (1, 1), "nearest", "give two points"),
        ((0, 0), (1, 1), "cubic", "is not known"),
    ],
)
def test_wrong_profiles_are_refused(start: tuple[int, int], end: tuple[int, int], method: str, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        transect(np.ones((5, 9)), pixel_grid((5, 9)), start, end, method=method)


def test_profiles_of_several_maps_share_one_graph() -> None:
    maps = {"one": np.ones((5, 9)), "two": np.full((5, 9), 2.0)}
    figure = transect_figure(maps, pixel_grid((5, 9)), (2, 0), (2, 8))
    lines = figure.axes[1].lines
    assert [line.get_label() for line in lines] == ["one", "two"]
    assert_allclose(np.asarray(lines[1].get_ydata()), 2.0)
