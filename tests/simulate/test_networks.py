from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.errors import ConfigError, NetworkError, SchemaError
from creepmeter.model.grid import pixel_grid
from creepmeter.model.network import Network
from creepmeter.model.schema import PAIR_STACK, TIME_SERIES, check
from creepmeter.simulate import MotionField, Slide, all_pairs, nearest_pairs, pair_stack, random_network, regular_times

NETWORK = all_pairs(regular_times(6, days=30))
SERIES = np.cumsum(np.random.default_rng(3).standard_normal((2, 6, 20, 25)), axis=1)


def test_times_are_regular() -> None:
    times = regular_times(3, "2020-01-01", days=0.5)
    assert [str(time)[:13] for time in times] == ["2020-01-01T00", "2020-01-01T12", "2020-01-02T00"]


def test_networks_have_the_pairs_asked_for() -> None:
    times = regular_times(7)
    assert len(all_pairs(times).pairs) == 21
    assert len(nearest_pairs(times, 2).pairs) == 6 + 5
    assert all(
        sec - ref <= 2
        for ref, sec in zip(*(getattr(nearest_pairs(times, 2), f"{end}_index") for end in ("ref", "sec")), strict=True)
    )


@given(st.integers(2, 12), st.data())
def test_random_networks_are_connected(epochs: int, data: st.DataObject) -> None:
    pairs = data.draw(st.integers(epochs - 1, epochs * (epochs - 1) // 2))
    network = random_network(epochs, pairs, seed=data.draw(st.integers(0, 1000)))
    assert len(network.pairs) == pairs
    assert len(network.epochs) == epochs
    assert network.is_connected()


@pytest.mark.parametrize("pairs", [3, 11])
def test_an_impossible_network_is_refused(pairs: int) -> None:
    with pytest.raises(NetworkError, match="5 epochs need 4 to 10 pairs"):
        random_network(5, pairs)


def test_without_noise_pairs_are_differences_of_the_truth() -> None:
    stack, truth = pair_stack(SERIES, NETWORK)
    check(stack, PAIR_STACK)
    check(truth, TIME_SERIES)
    assert stack["displacement"].dtype == np.float64
    expected = np.einsum("pt,ctyx->cpyx", NETWORK.incidence(), truth["displacement"].values)
    assert_allclose(stack["displacement"].values, expected, atol=1e-12)
    assert_array_equal(truth["displacement"].values[:, 0], 0.0)
    assert "independent_share" not in stack


def test_a_motion_field_is_evaluated_at_cell_centres() -> None:
    grid = pixel_grid((5, 6), 100.0)
    field = MotionField((Slide((250.0, -250.0), (90.0, 90.0), 3.0, 90.0),))
    _, truth = pair_stack(field, NETWORK, grid)
    years = 5 * 30 / 365.25
    expected = np.zeros((5, 6))
    expected[2, 2] = 3.0 * years  # the cell around (250, -250)
    assert_allclose(truth["displacement"].sel(component="east").values[-1], expected, atol=1e-12)
    assert_allclose(truth["displacement"].sel(component="north").values, 0.0, atol=1e-12)


def test_the_stated_sigma_is_the_spread_of_the_errors() -> None:
    stack, _ = pair_stack(SERIES, NETWORK, noise_m=0.3, scene_noise_m=0.2, seed=1)
    clean, _ = pair_stack(SERIES, NETWORK)
    error = (stack["displacement"] - clean["displacement"]).values
    assert stack["sigma"].values.flat[0] == pytest.approx(np.sqrt(0.09 + 2 * 0.04))
    assert error.std() == pytest.approx(float(stack["sigma"][0, 0, 0, 0]), rel=0.03)


def test_errors_of_an_acquisition_close_in_triangles_and_those_of_a_pair_do_not() -> None:
    stack, _ = pair_stack(SERIES, NETWORK, noise_m=0.3, scene_noise_m=0.7, shift_m=2.0, seed=1)
    values = stack["displacement"].values
    loops = NETWORK.loops()
    closure = values[:, loops[:, 0]] + values[:, loops[:, 1]] - values[:, loops[:, 2]]
    assert closure.std() == pytest.approx(np.sqrt(3) * 0.3, rel=0.03)
    assert_allclose(stack["independent_share"], 0.09 / (0.09 + 2 * 0.49))


def test_a_shift_of_an_acquisition_is_one_number_per_component_and_in_the_truth() -> None:
    stack, truth = pair_stack(SERIES, NETWORK, shift_m=2.0, seed=1)
    clean, _ = pair_stack(SERIES, NETWORK)
    error = (stack["displacement"] - clean["displacement"]).values
    expected = np.einsum("pt,ct->cp", NETWORK.incidence(), truth["shift"].values)
    assert_allclose(error, np.broadcast_to(expected[..., None, None], error.shape), atol=1e-12)


def test_gaps_and_outliers_have_their_shares_and_are_known() -> None:
    stack, truth = pair_stack(SERIES, NETWORK, missing_fraction=0.2, outlier_fraction=0.1, outlier_m=90.0, seed=2)
    clean, _ = pair_stack(SERIES, NETWORK)
    missing = np.isnan(stack["displacement"].values)
    assert_array_equal(missing[0], missing[1])
    assert missing.mean() == pytest.approx(0.2, abs=0.02)
    outlier = truth["outlier"].values
    assert outlier.mean() == pytest.approx(0.1, abs=0.02)
    error = (stack["displacement"] - clean["displacement"]).values
    assert_allclose(np.nan_to_num(error[:, ~outlier]), 0.0, atol=1e-12)
    assert np.nanstd(error[:, outlier]) == pytest.approx(90.0, rel=0.1)


def test_one_seed_gives_the_same_bits() -> None:
    first, again = (pair_stack(SERIES, NETWORK, noise_m=1.0, missing_fraction=0.1, seed=5)[0] for _ in range(2))
    assert first.identical(again)


def test_one_component_may_be_along_the_line_of_sight() -> None:
    stack, _ = pair_stack(SERIES[:1], NETWORK, component=["los"])
    assert list(stack["component"].values) == ["los"]
    assert Network.of(stack) == NETWORK


def test_a_series_of_other_dates_is_refused() -> None:
    with pytest.raises(SchemaError, match="with 6 dates, got shape"):
        pair_stack(SERIES[:, 1:], NETWORK)


def test_a_field_without_grid_is_refused() -> None:
    with pytest.raises(SchemaError, match="needs a grid"):
        pair_stack(MotionField(), NETWORK)


def test_a_wrong_setting_is_named() -> None:
    with pytest.raises(ConfigError, match=r"StackOptions: noise=1\.0"):
        pair_stack(SERIES, NETWORK, noise=1.0)
