from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from matplotlib.offsetbox import AnchoredOffsetbox
from matplotlib.quiver import Quiver

from creepmeter.errors import SchemaError
from creepmeter.model.grid import Grid, grid_of, map_position
from creepmeter.model.station import Comparison, Overlay
from creepmeter.products.canvas import png_bytes
from creepmeter.products.station_plots import GROUND_COLOUR, comparison_figure, overlay_figure

Maker = Callable[..., xr.Dataset]


def compared(motion: xr.Dataset, count: int = 3) -> list[Comparison]:
    grid = grid_of(motion)
    found = []
    for k in range(count):
        row, column = 14 + 2 * (k % 9), 12 + 3 * (k // 9)
        x, y = map_position(grid, column + 0.5, row + 0.5)
        on_map = motion["value"].sel(term="rate").values[:, row, column]
        sigma = np.array([0.05, 0.05])
        found.append(
            Comparison(f"P{k}", float(x), float(y), column, row, ("east", "north"), on_map, sigma, on_map + 0.2, sigma)
        )
    return found


def test_each_station_has_an_arrow_of_the_map_and_one_of_the_ground_to_one_scale(make_motion: Maker, utm: Grid) -> None:
    motion = make_motion(utm)
    stations = compared(motion)
    figure = comparison_figure(motion, stations)
    axes = figure.axes[0]
    on_map, on_ground = [item for item in axes.get_children() if isinstance(item, Quiver)]
    np.testing.assert_allclose(np.stack([on_map.U, on_map.V], 1), [each.on_map for each in stations])
    np.testing.assert_allclose(np.stack([on_ground.U, on_ground.V], 1), [each.on_ground for each in stations])
    assert on_map.scale == on_ground.scale
    places = np.array([(each.x, each.y) for each in stations])
    np.testing.assert_allclose(np.asarray(on_ground.get_offsets(), np.float64) * 1000, places)
    texts = {text.get_text() for text in axes.texts}
    assert {"P0", "P1", "P2"} <= texts
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["map", "ground"]
    corners = [box.loc for box in axes.get_children() if isinstance(box, AnchoredOffsetbox)]
    assert len(set(corners)) == len(corners) == 2  # scale bar, arrow key
    assert GROUND_COLOUR == "#ff5a1f"
    assert png_bytes(figure) == png_bytes(comparison_figure(motion, stations))


def test_many_stations_are_drawn_without_names(make_motion: Maker, utm: Grid) -> None:
    motion = make_motion(utm)
    figure = comparison_figure(motion, compared(motion, 60))
    assert not figure.axes[0].texts


def test_the_fastest_arrow_stays_short_among_many_at_rest(make_motion: Maker, utm: Grid) -> None:
    motion = make_motion(utm)
    still = [replace(each, on_map=0.0 * each.on_map, on_ground=0.0 * each.on_ground) for each in compared(motion, 60)]
    fast = replace(still[0], name="FAST", on_ground=np.array([3.0, 0.0]))
    axes = comparison_figure(motion, [*still, fast]).axes[0]
    arrows = [item for item in axes.get_children() if isinstance(item, Quiver)][-1]
    assert arrows.scale is not None
    left, right = axes.get_xlim()
    assert 0.1 < 3.0 / arrows.scale / (right - left) < 0.25


def test_without_stations_there_is_nothing_to_draw(make_motion: Maker, utm: Grid) -> None:
    with pytest.raises(SchemaError, match="no station on the map to draw"):
        comparison_figure(make_motion(utm), [])
    with pytest.raises(SchemaError, match="no station with a series"):
        overlay_figure([])


def overlaid(name: str, count: int = 5) -> Overlay:
    times = np.array(["2018-08-01", "2019-08-01", "2020-08-01"], "datetime64[ns]")
    surveys = times[0] + np.arange(count) * np.timedelta64(700 // count, "D")
    on_map = np.column_stack([np.arange(3.0), -np.arange(3.0)])
    ground = np.column_stack([np.linspace(0, 2, count), -np.linspace(0, 2, count)])
    return Overlay(
        name, ("east", "north"), times, on_map, np.full((3, 2), 0.2), surveys, ground, np.array([0.03, np.nan])
    )


@pytest.mark.parametrize(("count", "panels"), [(1, 1), (2, 2), (3, 4), (30, 12)])
def test_each_station_has_a_panel_up_to_a_dozen(count: int, panels: int) -> None:
    figure = overlay_figure([overlaid(f"P{k}") for k in range(count)])
    assert len(figure.axes) == panels
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert len(shown) == min(count, 12)
    assert shown[0].get_title(loc="left") == "P0: rms of differences east 0.03 m"
    assert len(png_bytes(figure, dpi=60)) > 1000


def test_surveys_are_joined_by_a_line_and_daily_positions_are_dots() -> None:
    figure = overlay_figure([overlaid("P", 5), overlaid("GNSS", 400)])
    styles = [axes.lines[0].get_linestyle() for axes in figure.axes]
    assert styles == ["-", "None"]
