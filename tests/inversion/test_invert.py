from __future__ import annotations

import logging
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import linprog

from creepmeter.errors import ConfigError, DisconnectedNetworkError, NetworkError, SchemaError
from creepmeter.inversion.invert import invert, invert_block
from creepmeter.inversion.options import InvertOptions
from creepmeter.kernels.irls import HUBER_K
from creepmeter.kernels.threads import limit_threads
from creepmeter.model.network import Network
from creepmeter.model.schema import TIME_SERIES, kind_of, make_pair_stack
from creepmeter.simulate.networks import all_pairs, nearest_pairs, pair_stack, random_network, regular_times
from creepmeter.velocity.fit import fit_velocity

Floats = npt.NDArray[np.float64]
NORMS = ("l2", "l1", "huber")
MAPS = ("displacement", "sigma", "residual_rms", "pairs_used", "reason", "datum")


def noisy(network: Network, seed: int = 0, shape: tuple[int, int] = (2, 3), gaps: float = 0.0) -> xr.Dataset:
    """Random motion with errors, and a sigma for each pixel and pair."""
    random = np.random.default_rng(seed)
    truth = random.normal(size=(1, len(network.epochs), *shape)).cumsum(axis=1)
    pairs = truth[:, network.sec_index] - truth[:, network.ref_index]
    sigma = random.uniform(0.2, 3.0, pairs.shape)
    pairs += sigma * random.normal(size=pairs.shape)
    pairs[random.random(pairs.shape) < gaps] = np.nan
    quality = random.uniform(0.1, 1.0, pairs.shape[1:])
    return make_pair_stack(pairs, network.pairs, sigma=sigma, quality=quality)


def same(first: xr.Dataset, second: xr.Dataset, tolerance: float | None = None) -> None:
    for name in MAPS:
        if tolerance is None:
            assert_array_equal(first[name].values, second[name].values, err_msg=name)
        else:
            assert_allclose(first[name].values, second[name].values, rtol=0, atol=tolerance, err_msg=name)


@st.composite
def random_networks(draw: st.DrawFn) -> Network:
    """A connected network in random order."""
    epochs = draw(st.integers(2, 14))
    pairs = draw(st.integers(epochs - 1, min(epochs * (epochs - 1) // 2, 40)))
    return random_network(epochs, pairs, seed=draw(st.integers(0, 1000)))


# ----------------------------------------------------------------------------------------------- against dense algebra


@given(random_networks(), st.integers(0, 1000), st.floats(0.0, 0.4))
def test_l2_equals_dense_least_squares_on_the_measured_dates(network: Network, seed: int, gaps: float) -> None:
    stack = noisy(network, seed, gaps=gaps)
    series = invert(stack, norm="l2")
    for y, x in np.ndindex(2, 3):
        obs, sigma = stack.displacement.values[0, :, y, x], stack.sigma.values[0, :, y, x]
        found, spread = series.displacement.values[0, :, y, x], series.sigma.values[0, :, y, x]
        kept = np.isfinite(obs)
        measured = np.flatnonzero(np.abs(network.incidence()[kept]).sum(axis=0))
        if series.reason.values[0, y, x] != 0:
            assert np.isnan(found).all()
            continue
        assert_array_equal(np.flatnonzero(np.isfinite(found)), measured)
        design = network.incidence()[np.ix_(kept, measured[1:])] / sigma[kept, None]
        expected = np.linalg.lstsq(design, obs[kept] / sigma[kept], rcond=None)[0]
        assert_allclose(found[measured[1:]], expected, atol=1e-8)
        assert_allclose(spread[measured[1:]], np.sqrt(np.diagonal(np.linalg.inv(design.T @ design))), rtol=1e-8)
        assert found[measured[0]] == spread[measured[0]] == 0.0
        assert series.datum.values[0, y, x] == measured[0]
        assert series.pairs_used.values[0, y, x] == kept.sum()


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("weights", ["sigma", "quality", "no"])
def test_a_stack_without_errors_returns_its_motion(norm: str, weights: str) -> None:
    network = random_network(12, 30)
    truth = np.random.default_rng(0).normal(scale=5.0, size=(2, 12, 3, 4))
    stack, expected = pair_stack(truth, network, missing_fraction=0.05)
    stack["quality"] = xr.full_like(stack.displacement[0], 0.7)
    series = invert(stack, norm=norm, weights=weights)
    assert kind_of(series) == TIME_SERIES
    found, since = series.displacement.values, expected.displacement.values
    full = (series.datum.values == 0) & np.isfinite(found).all(axis=1)
    assert full.mean() > 0.8
    assert_allclose(np.moveaxis(found, 1, -1)[full], np.moveaxis(since, 1, -1)[full], atol=1e-9)
    assert series.residual_rms.values[full].max() < 1e-9


def test_float32_comes_in_and_float64_goes_out() -> None:
    stack = noisy(random_network(8, 16))
    single = stack.assign({name: stack[name].astype(np.float32) for name in ("displacement", "sigma")})
    series = invert(single)
    assert series.displacement.dtype == series.sigma.dtype == np.float64
    double = single.assign({name: single[name].astype(np.float64) for name in ("displacement", "sigma")})
    same(series, invert(double))


# ---------------------------------------------------------------------------------------- what must make no difference


@given(random_networks(), st.integers(0, 1000), st.sampled_from(NORMS))
@settings(max_examples=25)
def test_the_order_of_pairs_makes_no_difference(network: Network, seed: int, norm: str) -> None:
    stack = noisy(network, seed, gaps=0.1)
    order = np.random.default_rng(seed).permutation(stack.sizes["pair"])
    settings_: dict[str, Any] = {"norm": norm, "max_iterations": 30}
    same(invert(stack, **settings_), invert(stack.isel(pair=order), **settings_), tolerance=1e-10)


@pytest.mark.parametrize("norm", NORMS)
def test_threads_blocks_and_a_transposed_grid_give_the_same_bits(norm: str) -> None:
    network = random_network(9, 20)
    stack = noisy(network, shape=(41, 37), gaps=0.1)  # several chunks, and a rest
    series = invert(stack, norm=norm)
    for threads in (1, 2):
        with limit_threads(threads):
            same(series, invert(stack, norm=norm))
    obs, sigma = stack.displacement.values, stack.sigma.values
    turned = invert_block(
        np.swapaxes(obs, 2, 3), network, InvertOptions.model_validate({"norm": norm}), sigma=np.swapaxes(sigma, 2, 3)
    )
    for name in MAPS:
        assert_array_equal(np.swapaxes(turned[name], -1, -2), series[name].values)
    for rows, columns in ((slice(0, 1), slice(0, 23)), (slice(1, 4), slice(5, 9)), (slice(3, 7), slice(22, 23))):
        part = invert(stack.isel(y=rows, x=columns), norm=norm)
        same(part, series.isel(y=rows, x=columns))


def test_missing_unused_and_weightless_pairs_are_deleted_pairs() -> None:
    stack = noisy(all_pairs(regular_times(6)))
    gone = [2, 7]
    deleted = stack.isel(pair=[k for k in range(stack.sizes["pair"]) if k not in gone])
    for weights in ("sigma", "quality"):
        expected = invert(deleted, weights=weights)
        pairs = xr.DataArray(np.isin(np.arange(stack.sizes["pair"]), gone), dims="pair")
        same(invert(stack.assign_coords(used=~pairs), weights=weights), expected, tolerance=1e-12)
        same(
            invert(stack.assign(displacement=stack.displacement.where(~pairs)), weights=weights),
            expected,
            tolerance=1e-12,
        )
        same(invert(stack.assign(sigma=stack.sigma.where(~pairs)), weights=weights), expected, tolerance=1e-12)
        if weights == "quality":
            weightless = stack.assign(quality=stack.quality.where(~pairs, 0.0))
            same(invert(weightless, weights=weights), expected, tolerance=1e-12)


@pytest.mark.parametrize("bad", [0.0, -2.0, np.nan, np.inf])
def test_a_sigma_that_is_no_sigma_is_left_out_and_counted(bad: float, caplog: pytest.LogCaptureFixture) -> None:
    stack = noisy(all_pairs(regular_times(5)))
    stack["sigma"][0, 3, 0, :2] = bad
    with caplog.at_level(logging.WARNING):
        series = invert(stack)
    assert "2 measurements have no positive, finite weight" in caplog.text
    assert_array_equal(series.pairs_used.values[0], [[9, 9, 10], [10, 10, 10]])


# -------------------------------------------------------------------------------------------------------- robust norms


def test_one_gross_pair_moves_l2_and_hardly_the_robust_norms() -> None:
    network = nearest_pairs(regular_times(12), 3)
    stack, _ = pair_stack(np.zeros((1, 12, 4, 5)), network, component=("los",), noise_m=1.0, seed=1)
    spoilt = stack.copy(deep=True)
    spoilt["displacement"][0, 13] += 50.0
    moved = {}
    for norm in NORMS:
        clean = invert(stack, norm=norm)
        change = np.abs(invert(spoilt, norm=norm).displacement - clean.displacement)
        moved[norm] = float((change[:, 1:] / clean.sigma[:, 1:]).max())
    assert moved["huber"] < 2
    assert moved["l1"] < 2
    assert moved["l2"] > 5


def test_l1_has_the_least_sum_of_absolute_residuals() -> None:
    network = random_network(7, 18)
    stack = noisy(network, seed=5, shape=(1, 1))
    obs, sigma = stack.displacement.values[0, :, 0, 0], stack.sigma.values[0, :, 0, 0]
    x = invert(stack, norm="l1", tolerance=1e-9, max_iterations=5000).displacement.values[0, 1:, 0, 0]
    design = network.incidence()[:, 1:] / sigma[:, None]
    eye = np.eye(18)  # as a linear programme: minimise sum(u), -u <= r <= u
    upper = np.block([[design, -eye], [-design, -eye]])
    best = linprog(
        np.r_[np.zeros(6), np.ones(18)],
        upper,
        np.r_[obs / sigma, -obs / sigma],
        bounds=[(None, None)] * 6 + [(0, None)] * 18,
    )
    assert np.abs(obs / sigma - design @ x).sum() <= best.fun * (1 + 1e-3)


def test_huber_solves_the_equations_of_its_loss() -> None:
    network = random_network(7, 18)
    stack = noisy(network, seed=5, shape=(1, 1))
    obs, sigma = stack.displacement.values[0, :, 0, 0], stack.sigma.values[0, :, 0, 0]
    obs[4] += 30.0
    x = invert(stack, norm="huber", tolerance=1e-10, max_iterations=5000).displacement.values[0, :, 0, 0]
    design = network.incidence() / sigma[:, None]
    residual = obs / sigma - design @ x

    def pull(scale: float) -> float:
        return float(np.abs(design.T @ np.clip(residual, -HUBER_K * scale, HUBER_K * scale)).max())

    scales = np.linspace(0.2, 5.0, 4000)
    assert min(pull(scale) for scale in scales) < 1e-2  # for the scale it found, whichever that is


# --------------------------------------------------------------------------------------------------------------- sigma


def test_errors_that_come_with_images_do_not_average_out() -> None:
    network = all_pairs(regular_times(7))
    stack, _ = pair_stack(np.zeros((1, 7, 2, 2)), network, component=("los",), scene_noise_m=0.4)
    series = invert(stack, norm="l2")
    assert_allclose(series.sigma.values[0, 1:], np.sqrt(0.4**2 + 0.4**2), rtol=1e-5)
    correlation = series.date_correlation.values[0, 1:, 1:]
    assert_allclose(correlation, 0.5 + 0.5 * np.eye(6), atol=1e-5)


def correlated(network: Network, variance: Floats, share: float) -> xr.Dataset:
    """Return the inversion of a stack with one variance per pair and errors shared through images."""
    sigma = np.sqrt(variance)[:, None, None]
    stack = make_pair_stack(np.zeros((len(variance), 1, 2)), network.pairs, sigma=sigma)
    stack["independent_share"] = ("component", [share])
    return invert(stack, norm="l2")


@pytest.mark.parametrize("share", [1.0, 0.6, 0.1])
def test_errors_of_images_of_unequal_quality(share: float) -> None:
    network = all_pairs(regular_times(6))
    image = np.array([1.0, 0.5, 2.0, 0.3, 1.5, 0.7]) ** 2
    variance = image[network.ref_index] + image[network.sec_index]
    series = correlated(network, variance, share)
    design = network.incidence()[:, 1:]
    expected = share * np.linalg.inv(design.T @ (design / variance[:, None]))
    expected += (1 - share) * (np.diag(image[1:]) + image[0])
    spread = np.sqrt(np.diagonal(expected))
    assert_allclose(series.sigma.values[0, 1:, 0, 0], spread, rtol=1e-9)
    assert_allclose(series.date_correlation.values[0, 1:, 1:], expected / np.outer(spread, spread), rtol=1e-9)


def test_errors_that_grow_with_time_accumulate_as_a_random_walk() -> None:
    network = nearest_pairs(regular_times(10), 3)
    steps = (network.sec_index - network.ref_index).astype(np.float64)
    series = correlated(network, 0.09 * steps, 1e-9)
    walk = np.arange(1.0, 10.0)
    assert_allclose(series.sigma.values[0, 1:, 0, 0], 0.3 * np.sqrt(walk), rtol=1e-6)
    expected = np.sqrt(np.minimum.outer(walk, walk) / np.maximum.outer(walk, walk))
    assert_allclose(series.date_correlation.values[0, 1:, 1:], expected, rtol=1e-5)


ERRORS: dict[str, dict[str, Any]] = {
    "independent": {"noise_m": 0.3},
    "shared": {"scene_noise_m": 0.3},
    "mixed": {"noise_m": 0.3, "scene_noise_m": 0.3},
}


@pytest.mark.parametrize("norm", ["l2", "huber"])
@pytest.mark.parametrize("errors", list(ERRORS))
def test_stated_errors_are_those_of_a_monte_carlo(errors: str, norm: str) -> None:
    network = nearest_pairs(regular_times(20, days=30.0), 3)
    stack, truth = pair_stack(np.zeros((1, 20, 40, 50)), network, component=("los",), seed=3, **ERRORS[errors])
    series = invert(stack, norm=norm)
    scaled = ((series.displacement - truth.displacement) / series.sigma).values[0, 1:]
    assert 0.9 < np.mean(scaled**2) < 1.1
    motion = fit_velocity(series, ["rate"])
    normalised = (motion.value / motion.sigma).sel(term="rate").values
    assert 0.60 < np.mean(np.abs(normalised) < 1) < 0.75


def test_without_sigma_errors_follow_from_the_residuals(caplog: pytest.LogCaptureFixture) -> None:
    network = all_pairs(regular_times(12))
    stack, truth = pair_stack(np.zeros((1, 12, 30, 30)), network, component=("los",), noise_m=0.7, seed=1)
    with caplog.at_level(logging.WARNING):
        series = invert(stack.drop_vars("sigma"), norm="l2")
    assert "the stack has no sigma" in caplog.text
    known = invert(stack, norm="l2")
    assert_allclose(series.displacement.values, known.displacement.values, atol=1e-10)
    assert_allclose(series.sigma.values[0, 1:].mean(), known.sigma.values[0, 1:].mean(), rtol=0.02)
    assert 0.9 < np.mean(((series.displacement - truth.displacement) / series.sigma).values[0, 1:] ** 2) < 1.1


# ----------------------------------------------------------------------------------------------------- broken networks


def test_a_broken_pixel_is_nan_with_a_reason_and_its_neighbours_do_not_notice() -> None:
    network = nearest_pairs(regular_times(8), 2)
    stack = noisy(network, shape=(3, 4))
    whole = invert(stack)
    across = (network.ref_index < 4) & (network.sec_index >= 4)
    broken = stack.copy(deep=True)
    broken["displacement"][0, across, 1, 2] = np.nan
    series = invert(broken)
    assert np.isnan(series.displacement.values[0, :, 1, 2]).all()
    assert np.isnan(series.sigma.values[0, :, 1, 2]).all()
    assert series.reason.attrs["flag_meanings"].split()[int(series.reason.values[0, 1, 2])] == "broken_network"
    assert series.datum.values[0, 1, 2] == -1
    others = np.ones((3, 4), bool)
    others[1, 2] = False
    for name in MAPS:
        assert_array_equal(series[name].values[..., others], whole[name].values[..., others])
    assert (series.reason.values[0, others] == 0).all()


def test_a_date_without_pairs_is_nan_and_the_others_are_solved() -> None:
    network = nearest_pairs(regular_times(8), 3)
    stack = noisy(network)
    touches = (network.ref_index == 4) | (network.sec_index == 4)
    stack["displacement"][0, touches, 0, 0] = np.nan
    series = invert(stack)
    assert_array_equal(np.isnan(series.displacement.values[0, :, 0, 0]), np.arange(8) == 4)
    assert_array_equal(np.isnan(series.sigma.values[0, :, 0, 0]), np.arange(8) == 4)
    assert series.reason.values[0, 0, 0] == 0
    assert series.datum.values[0, 0, 0] == 0


def test_a_pixel_without_the_first_date_counts_from_its_own() -> None:
    network = nearest_pairs(regular_times(8), 3)
    truth = np.arange(8.0).reshape(1, 8, 1, 1) ** 2 * np.ones((1, 8, 1, 2))
    stack, _ = pair_stack(truth, network, component=("los",))
    stack["displacement"][0, network.ref_index < 2, 0, 0] = np.nan
    series = invert(stack)
    assert_array_equal(series.datum.values[0, 0], [2, 0])
    assert np.isnan(series.displacement.values[0, :2, 0, 0]).all()
    assert_allclose(series.displacement.values[0, 2:, 0, 0], truth[0, 2:, 0, 0] - truth[0, 2, 0, 0], atol=1e-9)
    assert series.sigma.values[0, 2, 0, 0] == 0.0


def islands() -> Network:
    times = regular_times(7)
    ends = [(0, 1), (1, 2), (0, 2), (3, 4), (4, 5), (5, 6), (4, 6)]
    return Network.from_pairs((times[i], times[j]) for i, j in ends)


def test_a_network_in_islands_is_refused_by_name() -> None:
    with pytest.raises(DisconnectedNetworkError, match=r"2 islands \(3 \+ 4 epochs, starting 2018-01-05, 2018-02-10\)"):
        invert(noisy(islands()))


@pytest.mark.parametrize("kind", ["velocity", "displacement"])
def test_islands_bridged_by_minimum_norm_equal_the_pseudo_inverse(kind: str) -> None:
    network = islands()
    stack = noisy(network, shape=(1, 2))
    series = invert(stack, norm="l2", island_policy="min_norm", min_norm=kind)
    days = (network.epochs - network.epochs[0]) / np.timedelta64(1, "D")
    incidence = network.incidence()[:, 1:]
    for x in range(2):
        root = 1.0 / stack.sigma.values[0, :, 0, x]
        obs = stack.displacement.values[0, :, 0, x]
        to_dates = np.tril(np.ones((6, 6))) * np.diff(days) if kind == "velocity" else np.eye(6)
        gain = to_dates @ np.linalg.pinv(root[:, None] * (incidence @ to_dates), rcond=1e-5) * root
        assert_allclose(series.displacement.values[0, 1:, 0, x], gain @ obs, atol=1e-9)
        assert_allclose(series.sigma.values[0, 1:, 0, x], np.sqrt((gain**2) @ (1 / root**2)), rtol=1e-8)
    assert (series.reason.values == 4).all()


def test_minimum_norm_leaves_connected_pixels_alone() -> None:
    stack = noisy(random_network(8, 18))
    same(invert(stack), invert(stack, island_policy="min_norm"))


def test_pixels_with_few_pairs_are_left_out() -> None:
    stack = noisy(all_pairs(regular_times(5)))
    stack["displacement"][0, 6:, 0, 1] = np.nan
    series = invert(stack, min_pairs=8)
    assert series.reason.attrs["flag_meanings"].split()[int(series.reason.values[0, 0, 1])] == "too_few_pairs"
    assert np.isnan(series.displacement.values[0, :, 0, 1]).all()
    assert (series.reason.values.ravel() == 0).sum() == 5


# -------------------------------------------------------------------------------------- wide networks, phase, refusals


def yearly() -> Network:
    times = regular_times(40, days=30.0)
    ends = [(i, i + 1) for i in range(39)] + [(i, i + 12) for i in range(28)]
    return Network.from_pairs((times[i], times[j]) for i, j in ends)


@pytest.mark.parametrize("network", [all_pairs(regular_times(25)), yearly()], ids=["all pairs", "yearly pairs"])
def test_wide_networks_equal_dense_least_squares(network: Network) -> None:
    stack = noisy(network, shape=(1, 2), gaps=0.05)
    series = invert(stack, norm="l2")
    for x in range(2):
        kept = np.isfinite(stack.displacement.values[0, :, 0, x])
        root = 1.0 / stack.sigma.values[0, kept, 0, x]
        design = network.incidence()[kept, 1:] * root[:, None]
        expected = np.linalg.lstsq(design, stack.displacement.values[0, kept, 0, x] * root, rcond=None)[0]
        assert_allclose(series.displacement.values[0, 1:, 0, x], expected, atol=1e-8)
        spread = np.sqrt(np.diagonal(np.linalg.inv(design.T @ design)))
        assert_allclose(series.sigma.values[0, 1:, 0, x], spread, rtol=1e-8)


def test_phase_stacks_get_a_temporal_coherence() -> None:
    network = all_pairs(regular_times(6))
    stack = noisy(network)
    assert "temporal_coherence" not in invert(stack)
    stack.attrs["cycle_m"] = 3.0
    series = invert(stack, norm="l2")
    x = series.displacement.values[0]
    residual = stack.displacement.values[0] - np.einsum("pd,dyx->pyx", network.incidence(), x)
    expected = np.abs(np.exp(2j * np.pi * residual / 3.0).mean(axis=0))
    assert_allclose(series.temporal_coherence.values[0], expected, rtol=1e-9)
    assert_allclose(series.residual_rms.values[0], np.sqrt((residual**2).mean(axis=0)), rtol=1e-9)


@pytest.mark.parametrize("weights", ["var", "fim", "coh"])
def test_weights_from_coherence_are_refused_for_offsets(weights: str) -> None:
    with pytest.raises(ConfigError, match=f"weights '{weights}' need the coherence of interferograms"):
        invert(noisy(random_network(4, 4)), weights=weights)


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"norms": "l2"}, r"inversion option norms: Extra inputs are not permitted"),
        ({"norm": "l3"}, r"inversion option norm: .*'l3'"),
        ({"min_pairs": 0}, r"inversion option min_pairs"),
    ],
)
def test_wrong_options_are_refused(settings_: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        invert(noisy(random_network(4, 4)), **settings_)


def test_what_cannot_be_inverted_is_refused() -> None:
    stack = noisy(random_network(4, 4))
    with pytest.raises(ConfigError, match="weights 'quality' need a stack with quality"):
        invert(stack.drop_vars("quality"), weights="quality")
    with pytest.raises(NetworkError, match="no pair of the stack is used"):
        invert(stack.assign_coords(used=("pair", np.zeros(4, bool))))
    with pytest.raises(SchemaError, match="this is no PairStack"):
        invert(xr.Dataset())


def test_the_series_says_what_it_is() -> None:
    stack = noisy(random_network(5, 7))
    stack.attrs["step_px"] = 8
    series = invert(stack)
    assert series.attrs["reference_time"].startswith("2018-01-05")
    assert series.attrs["norm"] == "huber"
    assert series.attrs["step_px"] == 8
    assert series.displacement.attrs["units"] == "m"
    assert_array_equal(series.time2.values, series.time.values)


def test_huber_holds_against_a_tenth_of_gross_pairs() -> None:
    network = nearest_pairs(regular_times(20), 4)
    noise: dict[str, Any] = {"noise_m": 0.5, "outlier_m": 30.0}
    stack, truth = pair_stack(np.zeros((1, 20, 20, 20)), network, component=("los",), outlier_fraction=0.1, **noise)
    error = {}
    for norm in NORMS:
        series = invert(stack, norm=norm)
        error[norm] = float(np.median(np.abs(series.displacement - truth.displacement)[:, 1:]))
    typical = float(np.median(invert(stack, norm="l2").sigma[0, 1:]))
    assert error["l1"] < 1.5 * typical
    assert error["huber"] < 1.5 * typical
    assert error["l2"] > 3 * typical


def test_a_component_without_any_measurement_leaves_the_other_alone() -> None:
    network = all_pairs(regular_times(4))
    values = np.ones((2, len(network.pairs), 2, 2))
    values[1] = np.nan
    sigma = np.where(np.isfinite(values), 0.1, np.nan)
    series = invert(make_pair_stack(values, list(network.pairs), ["east", "north"], sigma=sigma))
    assert np.isfinite(series.displacement.values[0]).all()
    assert (series.reason.values[1] == 1).all()
