from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.testing import assert_allclose, assert_array_equal
from pydantic import ValidationError

from creepmeter.errors import ConfigError, SchemaError
from creepmeter.model.pair import Pair
from creepmeter.products.canvas import png_bytes
from creepmeter.products.network_options import NetworkPlotOptions
from creepmeter.products.network_plots import (
    NetworkView,
    baseline_history_figure,
    baseline_network_figure,
    level_history_figure,
    matrix_figure,
    pixel_matrix_figure,
)

DATES = np.datetime64("2018-01-05", "ns") + np.arange(5) * np.timedelta64(12, "D")
PAIRS = tuple(Pair(DATES[i], DATES[j]) for i, j in combinations(range(5), 2) if j - i < 3)
BPERP = np.array([0.0, 40.0, -20.0, 10.0, 55.0])
LEVEL = np.array([0.8, 0.5, 0.7, 0.6, 0.9, 0.4, 0.75])


def view(*, left_out: tuple[int, ...] = (1, 5), level: np.ndarray = LEVEL) -> NetworkView:
    keep = np.ones(len(PAIRS), bool)
    keep[list(left_out)] = False
    return NetworkView(PAIRS, keep, level, "Mean coherence", BPERP)


def lines_of(figure: Figure) -> list[LineCollection]:
    return [artist for artist in figure.axes[0].collections if isinstance(artist, LineCollection)]


def heights_of(line: Line2D) -> np.ndarray:
    return np.asarray(line.get_ydata(), dtype=np.float64)


def test_pairs_join_their_dates_at_their_baselines() -> None:
    figure = baseline_network_figure(view())
    gone, used = lines_of(figure)
    assert len(gone.get_segments()) == 2
    ends = {(float(segment[0, 1]), float(segment[1, 1])) for segment in used.get_segments()}
    assert ends == {(0.0, 40.0), (40.0, -20.0), (40.0, 10.0), (-20.0, 10.0), (10.0, 55.0)}
    assert figure.axes[0].get_title() == "5 dates, 5 pairs, 2 pairs left out"
    assert figure.axes[1].get_ylabel() == "Mean coherence"
    assert used.get_clim() == (0.4, 0.9)  # of all pairs, so that figures compare
    assert png_bytes(figure, dpi=40)


def test_only_the_used_pairs_on_demand_and_limits_that_are_given() -> None:
    options = NetworkPlotOptions(show_kept=True, vmin=0.2, vmax=1.0)
    (used,) = lines_of(baseline_network_figure(view(), options))
    assert len(used.get_segments()) == 5
    assert used.get_clim() == (0.2, 1.0)


def test_a_network_without_numbers_is_drawn_in_one_colour() -> None:
    figure = baseline_network_figure(view(level=np.full(7, np.nan)))
    assert len(figure.axes) == 1
    assert png_bytes(figure, dpi=40)


def test_dates_without_a_pair_are_hollow() -> None:
    figure = baseline_history_figure(view(left_out=(0, 1)))
    joined, used, hollow = figure.axes[0].lines
    assert_allclose(heights_of(joined), BPERP)
    assert len(np.asarray(used.get_xdata())) == 4
    assert_allclose(heights_of(hollow), [0.0])
    with pytest.raises(SchemaError, match="baselines are not known"):
        baseline_history_figure(NetworkView(PAIRS, np.ones(7, bool), LEVEL, "x"))


def test_the_history_spans_the_pairs_of_each_date() -> None:
    figure = level_history_figure(view())
    _, used = lines_of(figure)
    spans = [(float(segment[0, 1]), float(segment[1, 1])) for segment in used.get_segments()]
    assert spans == [(0.8, 0.8), (0.6, 0.8), (0.7, 0.9), (0.6, 0.9), (0.75, 0.75)]
    assert_allclose(heights_of(figure.axes[0].lines[0]), [0.8, 0.7, 0.8, 0.75, 0.75])


def test_the_matrix_has_all_pairs_above_and_the_used_ones_below() -> None:
    figure = matrix_figure(view())
    (image,) = figure.axes[0].images
    shown = np.ma.filled(np.ma.asarray(image.get_array(), dtype=np.float64), np.nan)
    upper, lower = np.triu(np.nan_to_num(shown)), np.tril(np.nan_to_num(shown))
    assert_array_equal(np.sort(upper[upper > 0]), np.sort(LEVEL))
    assert_array_equal(np.sort(lower[lower > 0]), np.sort(LEVEL[[0, 2, 3, 4, 6]]))
    assert shown[0, 2] == 0.5
    assert np.isnan(shown[2, 0])


def test_the_matrix_of_a_pixel_lies_beside_its_map() -> None:
    background = np.random.default_rng(0).normal(size=(20, 30))
    figure = pixel_matrix_figure(view(), background, (4, 7), map_label="Velocity (m/year)", title="a pixel")
    assert figure.axes[0].get_title() == "Row 4, column 7"
    assert_allclose(np.asarray(figure.axes[0].lines[0].get_xydata(), dtype=np.float64), [[7, 4]])
    assert figure.axes[1].get_title() == "a pixel"
    assert png_bytes(figure, dpi=40)


def test_what_does_not_belong_together_is_refused() -> None:
    with pytest.raises(SchemaError, match="7 pairs of 5 dates come with 6 flags"):
        NetworkView(PAIRS, np.ones(6, bool), LEVEL, "x")
    with pytest.raises(SchemaError, match="4 baselines"):
        NetworkView(PAIRS, np.ones(7, bool), LEVEL, "x", BPERP[:4])
    with pytest.raises(ValidationError, match="swap the limits"):
        NetworkPlotOptions(vmin=1, vmax=0)
    with pytest.raises(ConfigError, match="unknown colour map 'viridisch'"):
        matrix_figure(view(), NetworkPlotOptions(cmap="viridisch"))
