from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from numpy.testing import assert_allclose

from creepmeter.errors import SchemaError
from creepmeter.model.grid import Grid
from creepmeter.model.network import Network
from creepmeter.products.canvas import png_bytes
from creepmeter.products.figures import histogram_figure, model_curve, network_figure, pair_medians, series_figure
from creepmeter.products.quantities import MapPoint, pick_points

Maker = Callable[..., xr.Dataset]
Bools = npt.NDArray[np.bool_]


def arcs_of(figure: Figure) -> list[LineCollection]:
    return [artist for artist in figure.axes[0].collections if isinstance(artist, LineCollection)]


def legend_of(axes: Axes) -> list[str]:
    legend = axes.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


def test_each_pair_is_an_arc_as_high_as_its_days(grid: Grid, make_stack: Maker) -> None:
    stack = make_stack(grid)
    figure = network_figure(stack)
    unused, used = arcs_of(figure)
    assert len(unused.get_segments()) == 1
    assert len(used.get_segments()) == 14
    heights = [segment[:, 1].max() for segment in used.get_segments()]
    days = [pair.days for pair in Network.of(stack).pairs]
    assert_allclose(heights, days, rtol=1e-6)
    assert figure.axes[0].get_title() == "6 dates, 14 pairs, 1 not used (dashed)"
    assert figure.axes[1].get_ylabel() == "Median sigma (m)"
    medians = pair_medians(stack)[0]
    assert medians is not None
    assert_allclose(np.asarray(used.get_array(), dtype=np.float64), medians[stack["used"].values])


def test_quality_colours_pairs_without_sigma(grid: Grid, make_stack: Maker) -> None:
    figure = network_figure(make_stack(grid).drop_vars("sigma"))
    assert figure.axes[1].get_ylabel() == "Median quality"


def test_a_large_network_is_drawn() -> None:
    days = np.datetime64("2015-01-01", "ns") + np.arange(100) * np.timedelta64(12, "D")
    pairs = [(days[i], days[j]) for i in range(100) for j in range(i + 1, min(i + 4, 100))]
    network = Network.from_pairs(pairs)
    figure = network_figure(network, np.linspace(0, 1, len(pairs)), label="Coherence")
    assert len(arcs_of(figure)[1].get_segments()) == 294
    assert figure.axes[1].get_ylabel() == "Coherence"
    assert len(png_bytes(figure, dpi=80)) > 5000
    with pytest.raises(SchemaError, match=r"weights has shape \(3,\) for 294 pairs"):
        network_figure(network, [1, 2, 3])


def test_one_pair_without_anything_is_drawn() -> None:
    figure = network_figure(Network.from_pairs([(np.datetime64("2020-01-01"), np.datetime64("2020-02-01"))]))
    assert figure.axes[0].get_title() == "2 dates, 1 pair"
    assert len(png_bytes(figure, dpi=80)) > 2000


def test_series_shows_measurements_errors_and_the_fitted_line(
    grid: Grid, make_series: Maker, make_motion: Maker
) -> None:
    series, motion = make_series(grid), make_motion(grid)
    figure = series_figure(series, motion, [MapPoint("fastest point", 18, 14), (35, 40)])
    first, second = figure.axes
    assert first.get_title(loc="left").startswith("Fastest point: x 1160 m, y -1480 m")
    assert second.get_title(loc="left").startswith("Point:")
    bars = [one for one in first.containers if isinstance(one, ErrorbarContainer)]
    east, north = bars
    assert_allclose(
        np.asarray(east.lines[0].get_ydata(), dtype=np.float64), series["displacement"].isel(y=18, x=14, component=0)
    )
    assert_allclose(np.diff([segment[:, 1] for segment in north.lines[2][0].get_segments()])[-1], 0.3)
    assert legend_of(first) == ["east", "north"]


def test_the_curve_is_the_model(grid: Grid, make_series: Maker, make_motion: Maker) -> None:
    motion, times = make_motion(grid), make_series(grid)["time"].values
    dense, curve = model_curve(motion, "east", MapPoint("point", 18, 14), times)
    rate = float(motion["value"].sel(component="east", term="rate")[18, 14])
    years = (dense - times[0]) / np.timedelta64(1, "D") / 365.25
    assert dense[0] == times[0]
    assert abs(dense[-1] - times[-1]) < np.timedelta64(1, "s")
    assert_allclose(curve, rate * years, atol=1e-9)


def test_curve_with_all_terms(grid: Grid, make_series: Maker, make_motion: Maker) -> None:
    names = ["offset", "rate", "quadratic", "annual_cos", "annual_sin", "step_20190101", "exp_20190101_60"]
    motion = make_motion(grid).isel(term=[0] * len(names)).assign_coords(term=names)
    motion["value"][:] = 0
    motion["value"].loc[{"term": "step_20190101"}] = 2.5
    dense, curve = model_curve(motion, "east", MapPoint("point", 18, 14), make_series(grid)["time"].values)
    after = dense >= np.datetime64("2019-01-01")
    assert_allclose(curve, np.where(after, 2.5, 0.0))


def test_series_needs_a_point(grid: Grid, make_series: Maker) -> None:
    with pytest.raises(SchemaError, match="no point to draw"):
        series_figure(make_series(grid), None, [])


def test_histogram_names_median_and_nmad() -> None:
    rng = np.random.default_rng(0)
    before, after = rng.normal(0.5, 0.3, 20_000), rng.normal(0, 0.1, 20_000)
    after[::100] = np.nan
    after[1] = 500.0  # an outlier does not stretch the axes
    figure = histogram_figure({"east": before}, {"east": after})
    texts = legend_of(figure.axes[0])
    assert texts == ["before: median +0.5 m, NMAD 0.3 m", f"after: median {np.nanmedian(after):+.2g} m, NMAD 0.1 m"]
    assert figure.axes[0].get_xlim()[1] < 3
    assert figure.axes[0].get_xlabel() == "East on stable ground (m)"
    alone = histogram_figure(None, np.full(4, np.nan))
    assert legend_of(alone.axes[0]) == ["measured: nothing"]


def test_points_are_fast_and_still_but_no_outliers(
    grid: Grid, make_motion: Maker, make_series: Maker, moving: Bools
) -> None:
    motion = make_motion(grid)
    motion["value"].loc[{"term": "rate"}][:, 36, 20] = 40.0  # a lone outlier
    motion["value"][..., 17:20, 13:16] = 9.0
    motion["sigma"][..., 17:20, 13:16] = 5.0  # fast, but not well measured
    fastest, stable = pick_points(motion, make_series(grid), ~moving)
    assert moving[fastest.row, fastest.column]
    assert (fastest.row, fastest.column) != (36, 20)
    assert not (17 <= fastest.row < 20 and 13 <= fastest.column < 16)
    assert not moving[stable.row, stable.column]
    assert (fastest.name, stable.name) == ("fastest point", "stable point")


def test_points_without_series_are_passed_over(
    grid: Grid, make_motion: Maker, make_series: Maker, moving: Bools
) -> None:
    motion, series = make_motion(grid), make_series(grid)
    first = pick_points(motion, series, ~moving)[0]
    series["displacement"][:, 2:, first.row, first.column] = np.nan
    second = pick_points(motion, series, ~moving)[0]
    assert (second.row, second.column) != (first.row, first.column)


def test_nothing_measured_gives_no_point(grid: Grid, make_motion: Maker) -> None:
    motion = make_motion(grid)
    motion["value"][:] = np.nan
    assert pick_points(motion) == ()


def test_points_need_no_stable_mask(grid: Grid, make_motion: Maker, moving: Bools) -> None:
    fastest, stable = pick_points(make_motion(grid))
    assert moving[fastest.row, fastest.column]
    assert not moving[stable.row, stable.column]
