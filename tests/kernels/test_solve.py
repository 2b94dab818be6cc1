from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.kernels.elimination import Layout, assemble, factor, invert_envelope, make_layout, substitute
from creepmeter.kernels.irls import HUBER, L1, L2
from creepmeter.kernels.minimum_norm import CUT_OFF, minimum_norm_operator
from creepmeter.kernels.solve import (
    BRIDGED,
    BROKEN,
    BY_DISPLACEMENT,
    BY_VELOCITY,
    MEASURED,
    NO_DATA,
    NOT_A_NUMBER,
    TOO_FEW,
    Rule,
    Solution,
    solve_network,
)

pytestmark = pytest.mark.kernel
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Ends = tuple[Integers, Integers]


def rule(dates: int, **changes: Any) -> Rule:  # noqa: ANN401 - fields of Rule
    plain = Rule(L2, NOT_A_NUMBER, True, 1.0, 1, 0.0, np.array([50.0, 1e-6]), np.cumsum(np.linspace(1.0, 3.0, dates)))  # noqa: FBT003
    return plain._replace(**changes)


def incidence(ends: Ends, dates: int) -> Floats:
    matrix = np.zeros((len(ends[0]), dates))
    rows = np.arange(len(ends[0]))
    matrix[rows, ends[0]], matrix[rows, ends[1]] = -1.0, 1.0
    return matrix


def parts(ends: Ends, dates: int) -> Integers:
    """Label the connected parts of a network, the slow and simple way."""
    label = np.arange(dates)
    for _ in range(dates):
        for i, j in zip(*ends, strict=True):
            label[label == label[j]] = label[i]
    return label


def dense(obs: Floats, sigma: Floats, ends: Ends, dates: int) -> tuple[int, Floats, Floats]:
    """Return reason, displacement and sigma of one pixel by dense algebra."""
    kept = np.isfinite(obs) & np.isfinite(sigma) & (sigma > 0)
    x, spread = np.full(dates, np.nan), np.full(dates, np.nan)
    if not kept.any():
        return NO_DATA, x, spread
    here: Ends = (ends[0][kept], ends[1][kept])
    measured = np.unique(np.concatenate(here))
    if len(set(parts(here, dates)[measured])) > 1:
        return BROKEN, x, spread
    x[measured[0]] = spread[measured[0]] = 0.0
    free = measured[1:]
    design = incidence(here, dates)[:, free] / sigma[kept, None]
    x[free] = np.linalg.lstsq(design, obs[kept] / sigma[kept], rcond=None)[0]
    spread[free] = np.sqrt(np.diagonal(np.linalg.inv(design.T @ design)))
    return MEASURED, x, spread


@st.composite
def networks(draw: st.DrawFn) -> tuple[Ends, int]:
    """Any set of pairs, connected or not, in any order."""
    dates = draw(st.integers(2, 9))
    every = [(i, j) for i in range(dates) for j in range(i + 1, dates)]
    chosen = draw(st.lists(st.sampled_from(every), min_size=1, max_size=25, unique=True))
    return (np.array([i for i, _ in chosen]), np.array([j for _, j in chosen])), dates


def solve(obs: Floats, sigma: Floats | None, ends: Ends, dates: int, **changes: Any) -> Solution:  # noqa: ANN401
    return solve_network(obs, make_layout(*ends, dates), rule(dates, **changes), sigma=sigma)


@given(networks(), st.integers(0, 10_000), st.floats(0.0, 0.5))
def test_every_pixel_equals_dense_least_squares(network: tuple[Ends, int], seed: int, gaps: float) -> None:
    ends, dates = network
    random = np.random.default_rng(seed)
    obs = random.normal(size=(len(ends[0]), 6))
    sigma = 10 ** random.uniform(-2, 2, obs.shape)
    obs[random.random(obs.shape) < gaps] = np.nan
    found = solve(obs, sigma, ends, dates)
    for pixel in range(obs.shape[1]):
        reason, x, spread = dense(obs[:, pixel], sigma[:, pixel], ends, dates)
        assert found.reason[pixel] == reason
        assert_allclose(found.displacement[:, pixel], x, rtol=1e-8, atol=1e-8)
        assert_allclose(found.sigma[:, pixel], spread, rtol=1e-8)


@given(networks(), st.integers(0, 10_000), st.sampled_from([L2, L1, HUBER]))
def test_a_true_motion_comes_back_whatever_the_norm(network: tuple[Ends, int], seed: int, norm: int) -> None:
    ends, dates = network
    random = np.random.default_rng(seed)
    truth = random.normal(size=(dates, 3))
    found = solve(
        incidence(ends, dates) @ truth, 10 ** random.uniform(-1, 1, (len(ends[0]), 3)), ends, dates, norm=norm
    )
    expected = truth - truth[np.minimum(*ends).min()]
    measured = np.isfinite(found.displacement)
    assert_allclose(found.displacement[measured], expected[measured], atol=1e-9)
    assert measured.any() or (found.reason == BROKEN).all()


@given(networks(), st.integers(0, 10_000))
def test_the_inverse_within_the_envelope_is_that_of_the_normal_matrix(network: tuple[Ends, int], seed: int) -> None:
    ends, dates = network
    weight = np.random.default_rng(seed).uniform(0.1, 10, len(ends[0]))
    layout = make_layout(*ends, dates)
    ground = layout.position[:1]
    c, z, reciprocal = (
        np.empty((dates, layout.width + 1, 1)),
        np.empty((dates, layout.width + 1, 1)),
        np.empty((dates, 1)),
    )
    assemble(c, weight[:, None], layout, ground)
    factor(c, reciprocal, layout.reach)
    connected = len(set(parts(ends, dates))) == 1
    assert (reciprocal[layout.position[1:], 0] > 0).all() == connected
    if not connected:
        return
    invert_envelope(c, reciprocal, layout.reach, z)
    normal = incidence(ends, dates)[:, 1:]
    inverse = np.zeros((dates, dates))
    inverse[1:, 1:] = np.linalg.inv(normal.T @ (weight[:, None] * normal))
    inverse = inverse[np.ix_(layout.order, layout.order)]
    for low in range(dates):
        for high in range(low, layout.reach[low] + 1):
            assert_allclose(z[low, high - low, 0], inverse[low, high], rtol=1e-9, atol=1e-12)
    right = np.arange(float(dates))[:, None]
    right[ground] = 0.0
    expected = inverse @ right
    substitute(c, reciprocal, layout.reach, right)
    assert_allclose(right, expected, rtol=1e-9, atol=1e-12)


def test_weights_over_twenty_four_orders_do_not_spoil_the_solution() -> None:
    ends = np.array([0, 1, 2, 0, 1, 3]), np.array([1, 2, 3, 2, 3, 4])
    sigma = np.array([1e-12, 1.0, 1e12, 1e6, 1e-6, 1.0])[:, None]
    truth = np.array([0.0, 1.0, -2.0, 3.0, 4.0])[:, None]
    found = solve(incidence(ends, 5) @ truth, sigma, ends, 5)
    assert_allclose(found.displacement, truth, atol=1e-12)


def layouts() -> Iterator[tuple[Ends, int]]:
    """Networks of every pair, of yearly pairs, and a star: their envelope is wide."""
    dates = 8
    yield (np.triu_indices(dates, 1)[0], np.triu_indices(dates, 1)[1]), dates
    yearly = [(i, i + 1) for i in range(11)] + [(i, i + 6) for i in range(6)]
    yield (np.array([i for i, _ in yearly]), np.array([j for _, j in yearly])), 12
    yield (np.zeros(7, np.int64), np.arange(1, 8)), 8


@pytest.mark.parametrize("network", list(layouts()), ids=["all", "yearly", "star"])
def test_wide_networks_equal_dense_least_squares(network: tuple[Ends, int]) -> None:
    ends, dates = network
    random = np.random.default_rng(3)
    obs, sigma = random.normal(size=(len(ends[0]), 4)), random.uniform(0.5, 2.0, (len(ends[0]), 4))
    found = solve(obs, sigma, ends, dates)
    for pixel in range(4):
        _, x, spread = dense(obs[:, pixel], sigma[:, pixel], ends, dates)
        assert_allclose(found.displacement[:, pixel], x, atol=1e-10)
        assert_allclose(found.sigma[:, pixel], spread, rtol=1e-10)


def test_yearly_pairs_are_eliminated_in_the_cheaper_order() -> None:
    pairs = [(i, i + 1) for i in range(59)] + [(i, i + 30) for i in range(30)]
    ends = np.array([i for i, _ in pairs]), np.array([j for _, j in pairs])
    layout = make_layout(*ends, 60)
    assert layout.width < 10  # 30 in order of time
    assert_array_equal(np.sort(layout.order), np.arange(60))
    assert_array_equal(layout.order[layout.position], np.arange(60))


@given(networks(), st.integers(0, 10_000), st.sampled_from([BY_VELOCITY, BY_DISPLACEMENT]))
@settings(max_examples=20)
def test_minimum_norm_equals_the_pseudo_inverse(network: tuple[Ends, int], seed: int, norm_of: int) -> None:
    by_velocity = norm_of == BY_VELOCITY
    ends, dates = network
    random = np.random.default_rng(seed)
    weight = random.uniform(0.5, 2.0, len(ends[0]))
    weight[1:][random.random(len(weight) - 1) < 0.3] = 0.0
    days = rule(dates).days
    design = incidence(ends, dates)[:, 1:]
    if by_velocity:
        design = design @ np.tril(np.ones((dates - 1, dates - 1))) * np.diff(days)
    root = np.sqrt(weight)
    inverse = np.linalg.pinv(root[:, None] * design, rcond=CUT_OFF) * root
    expected = np.cumsum(inverse * np.diff(days)[:, None], axis=0) if by_velocity else inverse
    operator, rank = minimum_norm_operator(make_layout(*ends, dates), weight, days, by_velocity)
    assert_allclose(operator[1:], expected, atol=1e-9)
    assert_allclose(operator[0], 0.0)
    assert rank == np.linalg.matrix_rank(root[:, None] * design, tol=1e-9)


@pytest.mark.parametrize("broken", [BY_VELOCITY, BY_DISPLACEMENT])
def test_a_broken_pixel_is_bridged_and_its_islands_keep_their_motion(broken: int) -> None:
    ends = np.array([0, 0, 1, 3, 3, 4]), np.array([1, 2, 2, 4, 5, 5])
    truth = np.array([0.0, 1.0, 3.0, 5.0, 5.5, 7.0])
    found = solve((incidence(ends, 6) @ truth)[:, None], np.ones((6, 1)), ends, 6, broken=broken)
    assert found.reason[0] == BRIDGED
    assert_allclose(np.diff(found.displacement[:3, 0]), np.diff(truth[:3]), atol=1e-9)
    assert_allclose(np.diff(found.displacement[3:, 0]), np.diff(truth[3:]), atol=1e-9)
    if broken == BY_VELOCITY:  # nothing is known of the gap: least velocity is none
        assert_allclose(found.displacement[2, 0], found.displacement[3, 0], atol=1e-9)


def test_too_few_pairs_leave_a_pixel_out_with_a_reason() -> None:
    ends = np.array([0, 1, 0]), np.array([1, 2, 2])
    obs = np.array([[1.0, 1.0, np.nan], [1.0, 1.0, np.nan], [2.0, np.nan, np.nan]])
    found = solve(obs, np.ones((3, 3)), ends, 3, min_pairs=3)
    assert_array_equal(found.reason, [MEASURED, TOO_FEW, NO_DATA])
    assert_array_equal(found.pairs_used, [3, 2, 0])
    assert_array_equal(found.datum, [0, -1, -1])
    assert np.isnan(found.displacement[:, 1:]).all()


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf, 1e-200])
def test_a_sigma_that_is_no_sigma_takes_its_pair_out(bad: float) -> None:
    ends = np.array([0, 1, 0]), np.array([1, 2, 2])
    obs, sigma = np.array([[1.0], [1.0], [5.0]]), np.array([[1.0], [1.0], [bad]])
    found = solve(obs, sigma, ends, 3)
    assert found.pairs_rejected[0] == 1
    assert_allclose(found.displacement[:, 0], [0.0, 1.0, 2.0])


def test_any_split_of_the_pixels_gives_the_same_bits() -> None:
    ends = np.array([0, 1, 2, 0, 1]), np.array([1, 2, 3, 2, 3])
    random = np.random.default_rng(1)
    obs, sigma = random.normal(size=(5, 21)), random.uniform(0.5, 2, (5, 21))
    obs[random.random(obs.shape) < 0.2] = np.nan
    for norm in (L2, L1, HUBER):
        whole = solve(obs, sigma, ends, 4, norm=norm)
        for start, stop in ((0, 1), (1, 8), (8, 21)):
            part = solve(obs[:, start:stop], sigma[:, start:stop], ends, 4, norm=norm)
            for name in Solution._fields:
                assert_array_equal(getattr(part, name), getattr(whole, name)[..., start:stop])


def test_without_sigma_the_residuals_set_the_scale() -> None:
    ends = np.array([0, 1, 2, 0, 1, 0]), np.array([1, 2, 3, 2, 3, 3])
    obs = np.random.default_rng(2).normal(size=(6, 1))
    found = solve(obs, None, ends, 4, weigh_by_sigma=False)
    design = incidence(ends, 4)[:, 1:]
    x, misfit, *_ = np.linalg.lstsq(design, obs[:, 0], rcond=None)
    expected = np.sqrt(misfit[0] / 3 * np.diagonal(np.linalg.inv(design.T @ design)))
    assert_allclose(found.displacement[1:, 0], x, atol=1e-12)
    assert_allclose(found.sigma[1:, 0], expected, rtol=1e-10)
    assert_allclose(found.residual_rms, np.sqrt(misfit / 6), rtol=1e-10)


def test_without_sigma_and_redundancy_the_error_is_unknown() -> None:
    ends = np.array([0, 1]), np.array([1, 2])
    found = solve(np.ones((2, 1)), None, ends, 3, weigh_by_sigma=False)
    assert_allclose(found.displacement[:, 0], [0, 1, 2])
    assert np.isnan(found.sigma[1:]).all()


def test_other_weights_propagate_the_stated_sigma() -> None:
    ends = np.array([0, 1, 2, 0, 1, 0]), np.array([1, 2, 3, 2, 3, 3])
    random = np.random.default_rng(4)
    weight, sigma, obs = random.uniform(0.1, 1, (6, 1)), random.uniform(0.5, 2, (6, 1)), random.normal(size=(6, 1))
    found = solve_network(obs, make_layout(*ends, 4), rule(4, weigh_by_sigma=False), sigma=sigma, weight=weight)
    design = incidence(ends, 4)[:, 1:]
    gain = np.linalg.inv(design.T @ (weight * design)) @ (design * weight).T
    assert_allclose(found.displacement[1:, 0], gain @ obs[:, 0], atol=1e-12)
    assert_allclose(found.sigma[1:, 0], np.sqrt(np.diagonal(gain @ np.diag(sigma[:, 0] ** 2) @ gain.T)), rtol=1e-10)


def test_errors_of_images_add_to_those_of_the_network() -> None:
    ends = np.array([0, 1, 2, 0, 1, 0]), np.array([1, 2, 3, 2, 3, 3])
    sigma = np.linspace(1.0, 2.0, 6)
    found = solve(np.zeros((6, 1)), sigma[:, None], ends, 4, share=0.3)
    _, _, alone = dense(np.zeros(6), sigma, ends, 4)
    touches = np.abs(incidence(ends, 4))
    image = 0.5 * (touches.T @ sigma**2) / touches.sum(axis=0)
    assert_allclose(found.sigma[1:, 0] ** 2, 0.3 * alone[1:] ** 2 + 0.7 * (image[1:] + image[0]), rtol=1e-12)


def test_phase_coherence_of_the_residuals() -> None:
    ends = np.array([0, 1, 0]), np.array([1, 2, 2])
    obs = np.array([[0.0], [0.0], [0.3]])
    found = solve(obs, np.ones((3, 1)), ends, 3, cycle=2.0)
    residual = np.array([-0.1, -0.1, 0.1])
    assert_allclose(found.coherence[0], np.abs(np.exp(1j * np.pi * residual).mean()), rtol=1e-12)
    assert np.isnan(solve(obs, np.ones((3, 1)), ends, 3).coherence[0])


def test_a_layout_is_a_tuple_of_arrays() -> None:
    layout = make_layout([0, 1], [1, 2], 3)
    assert isinstance(layout, Layout)
    assert_array_equal(layout.reach, [1, 2, 2])


RULES = st.fixed_dictionaries(
    {"norm": st.sampled_from([L2, L1, HUBER]), "every_date": st.booleans(), "weigh_by_sigma": st.booleans()}
)


@given(networks(), st.integers(0, 10_000), RULES)
def test_the_variance_of_one_date_is_the_square_of_its_sigma(
    network: tuple[Ends, int], seed: int, changes: dict[str, Any]
) -> None:
    ends, dates = network
    random = np.random.default_rng(seed)
    obs = random.normal(size=(len(ends[0]), 6))
    obs[random.random(obs.shape) < 0.2] = np.nan
    sigma = 10 ** random.uniform(-0.5, 0.5, obs.shape)
    chosen = rule(dates, broken=BY_VELOCITY, **changes)
    found = solve_network(obs, make_layout(*ends, dates), chosen, sigma=sigma, combination=np.eye(dates))
    known = np.isfinite(found.sigma)
    measured = found.pairs_used > 0
    assert_array_equal(known.all(axis=0) if changes["every_date"] else known.any(axis=0), measured)
    assert_allclose(found.variance[known], found.sigma[known] ** 2, rtol=1e-8, atol=1e-12)


@given(networks(), st.integers(0, 10_000))
def test_combinations_of_dates_have_the_variance_of_dense_algebra(network: tuple[Ends, int], seed: int) -> None:
    ends, dates = network
    random = np.random.default_rng(seed)
    obs = random.normal(size=(len(ends[0]), 4))
    sigma, weight = 10 ** random.uniform(-0.5, 0.5, (2, *obs.shape))
    wanted = random.normal(size=(3, dates))
    wanted -= wanted.mean(axis=1, keepdims=True)  # no date is special
    chosen = rule(dates, broken=BY_DISPLACEMENT, every_date=True, weigh_by_sigma=False)
    found = solve_network(obs, make_layout(*ends, dates), chosen, sigma=sigma, weight=weight, combination=wanted)
    for pixel in range(obs.shape[1]):
        root = np.sqrt(weight[:, pixel])
        operator = np.zeros((dates, len(root)))  # least displacement where the network is broken
        operator[1:] = np.linalg.pinv(root[:, None] * incidence(ends, dates)[:, 1:], rcond=1e-8) * root
        expected = ((wanted @ operator) ** 2 * sigma[:, pixel] ** 2).sum(axis=1)
        assert_allclose(found.variance[:, pixel], expected, rtol=1e-6)
