from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.kernels.elimination import make_layout
from creepmeter.kernels.minimum_norm import minimum_norm_operator
from creepmeter.kernels.phase import (
    ALIKE,
    BRIDGED,
    BY_COHERENCE,
    BY_INFORMATION,
    BY_SPREAD,
    BY_VARIANCE,
    LANES,
    LEFT_OUT,
    MEASURED,
    PhaseMask,
    PhaseRule,
    PhaseSolution,
    solve_phase,
    weight_table,
)
from creepmeter.kernels.phase_weights import clipped_coherence, fisher_information, table_index, variance_table
from creepmeter.kernels.threads import limit_threads

pytestmark = pytest.mark.kernel
Floats: TypeAlias = npt.NDArray[np.float64]
Values: TypeAlias = npt.NDArray[Any]
Ends: TypeAlias = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]

LOOKS = 12
SINGLE = 1e-5  # results are float32, of motions of a few units


def nearest(dates: int, connections: int = 3) -> Ends:
    pairs = [(i, j) for i in range(dates) for j in range(i + 1, min(i + connections + 1, dates))]
    return np.array([i for i, _ in pairs]), np.array([j for _, j in pairs])


def rule(ends: Ends, dates: int, **changes: Any) -> PhaseRule:  # noqa: ANN401 - fields of PhaseRule
    plain = PhaseRule(
        kind=ALIKE,
        table=weight_table(variance_table(LOOKS)),
        looks=float(LOOKS),
        reference=np.zeros(len(ends[0]), np.float32),
        is_phase=True,
        scale=1.0,
        least_pairs=1.0,
        by_velocity=True,
        days=np.cumsum(np.linspace(6.0, 18.0, dates)),
        with_sigma=False,
    )
    return plain._replace(**changes)


def solve(
    obs: Values,
    ends: Ends,
    dates: int,
    quality: Values | None = None,
    mask: PhaseMask | None = None,
    **changes: Any,  # noqa: ANN401 - fields of PhaseRule
) -> PhaseSolution:
    return solve_phase(
        obs,
        quality,
        np.ones(obs.shape[1], bool),
        make_layout(*ends, dates),
        rule(ends, dates, **changes),
        mask,
    )


def incidence(ends: Ends, dates: int) -> Floats:
    matrix = np.zeros((len(ends[0]), dates))
    rows = np.arange(len(ends[0]))
    matrix[rows, ends[0]], matrix[rows, ends[1]] = -1.0, 1.0
    return matrix


def noisy(ends: Ends, dates: int, pixels: int, seed: int, gaps: float = 0.0) -> tuple[Values, Values]:
    """Phases that close to about half a radian, and coherences."""
    random = np.random.default_rng(seed)
    truth = random.normal(size=(dates, pixels)).cumsum(axis=0)
    obs = (truth[ends[1]] - truth[ends[0]] + 0.4 * random.normal(size=(len(ends[0]), pixels))).astype(np.float32)
    obs[random.random(obs.shape) < gaps] = random.choice([0.0, np.nan])
    return obs, random.uniform(0.0, 1.0, obs.shape).astype(np.float32)


def weights(kind: int, quality: Values) -> Floats:
    if kind == BY_VARIANCE:
        return np.asarray(1 / variance_table(LOOKS)[table_index(quality)], np.float64)
    if kind == BY_INFORMATION:
        return fisher_information(quality, LOOKS)
    return clipped_coherence(quality) if kind == BY_COHERENCE else np.ones(quality.shape)


def dense(obs: Floats, weight: Floats, ends: Ends, dates: int, days: Floats, *, by_velocity: bool) -> Floats:
    """Return the minimum-norm least-squares motion of one pixel, by singular values."""
    kept = np.isfinite(obs) & (obs != 0)
    design = incidence(ends, dates)[kept, 1:]
    steps = np.diff(days)
    if by_velocity:
        design = design @ (np.tril(np.ones((dates - 1, dates - 1))) * steps)
    root = np.sqrt(weight[kept])
    found = np.linalg.lstsq(design * root[:, None], obs[kept] * root, rcond=1e-5)[0]
    return np.concatenate([[0.0], np.cumsum(found * steps) if by_velocity else found])


# ----------------------------------------------------------------------------------------------- against dense algebra


@pytest.mark.parametrize("kind", [ALIKE, BY_COHERENCE, BY_INFORMATION, BY_VARIANCE])
@given(st.integers(0, 1000), st.floats(0.0, 0.15))
@settings(max_examples=8)
def test_every_weight_gives_its_least_squares(kind: int, seed: int, gaps: float) -> None:
    dates = 7
    ends = nearest(dates)
    obs, quality = noisy(ends, dates, 5, seed, gaps)
    found = solve(obs, ends, dates, quality, kind=kind, least_pairs=0.0)
    weight, days = weights(kind, quality), rule(ends, dates).days
    for pixel in np.flatnonzero(found.state == MEASURED):
        values = obs[:, pixel].astype(np.float64)
        expected = dense(values, weight[:, pixel], ends, dates, days, by_velocity=True)
        assert_allclose(found.displacement[:, pixel], expected, atol=SINGLE)
        kept = np.isfinite(values) & (values != 0)
        residual = (values - incidence(ends, dates) @ expected)[kept]
        assert_allclose(found.quality[pixel], np.abs(np.exp(1j * residual).mean()), atol=SINGLE)
        assert found.pairs[pixel] == kept.sum()


@given(st.integers(0, 10_000), st.booleans())
@settings(max_examples=30)
def test_broken_networks_get_the_minimum_norm_solution(seed: int, by_velocity: bool) -> None:  # noqa: FBT001
    dates = 8
    ends = nearest(dates, 2)
    obs, quality = noisy(ends, dates, 6, seed)
    obs[np.random.default_rng(seed).random(obs.shape) < 0.4] = np.nan
    found = solve(obs, ends, dates, quality, kind=BY_VARIANCE, least_pairs=0.0, by_velocity=by_velocity)
    weight, days = weights(BY_VARIANCE, quality), rule(ends, dates).days
    for pixel in np.flatnonzero(found.state != LEFT_OUT):
        values = obs[:, pixel].astype(np.float64)
        expected = dense(values, weight[:, pixel], ends, dates, days, by_velocity=by_velocity)
        assert_allclose(found.displacement[:, pixel], expected, atol=5 * SINGLE)


def test_a_pixel_without_its_first_date_hangs_on_the_least_velocity() -> None:
    dates = 6
    ends = nearest(dates)
    truth = np.array([0.0, 1.0, 1.5, 1.5, 2.0, 4.0])
    obs = (incidence(ends, dates) @ truth).astype(np.float32)[:, None]
    obs[ends[0] == 0] = 0.0
    found = solve(obs, ends, dates)
    assert found.state[0] == BRIDGED
    assert_allclose(np.diff(found.displacement[:, 0]), [0.0, *np.diff(truth[1:])], atol=SINGLE)


def test_the_bridge_is_that_of_the_operator_from_singular_values() -> None:
    dates = 9
    ends = nearest(dates, 2)
    random = np.random.default_rng(4)
    obs = random.normal(size=(len(ends[0]), 1)).astype(np.float32)
    obs[(ends[0] < 5) & (ends[1] >= 5)] = np.nan
    layout, days = make_layout(*ends, dates), rule(ends, dates).days
    weight = np.where(np.isfinite(obs[:, 0]), 1.0, 0.0)
    for by_velocity in (True, False):
        operator, _ = minimum_norm_operator(layout, weight, days, by_velocity)
        found = solve(obs, ends, dates, by_velocity=by_velocity)
        assert_allclose(found.displacement[:, 0], operator @ np.nan_to_num(obs[:, 0]), atol=SINGLE)


def test_sigma_is_the_spread_of_the_normal_matrix() -> None:
    dates, scale = 7, -0.25
    ends = nearest(dates)
    obs, quality = noisy(ends, dates, 4, 1)
    obs[(ends[0] < 4) & (ends[1] >= 4), 3] = np.nan
    found = solve(obs, ends, dates, quality, kind=BY_VARIANCE, with_sigma=True, scale=scale)
    weight = weights(BY_VARIANCE, quality)
    for pixel in range(3):
        design = incidence(ends, dates)[:, 1:]
        covariance = np.linalg.inv(design.T @ (design * weight[:, pixel, None]))
        assert_allclose(found.sigma[1:, pixel], abs(scale) * np.sqrt(np.diagonal(covariance)), rtol=1e-5)
    kept = np.where(np.isfinite(obs[:, 3]), weight[:, 3], 0.0)
    operator, _ = minimum_norm_operator(make_layout(*ends, dates), kept, rule(ends, dates).days, True)  # noqa: FBT003
    variance = (operator[:, kept > 0] ** 2 / kept[kept > 0]).sum(axis=1)
    assert_allclose(found.sigma[:, 3], abs(scale) * np.sqrt(variance), rtol=1e-4, atol=1e-7)
    assert found.state.tolist() == [MEASURED, MEASURED, MEASURED, BRIDGED]


def test_offsets_weigh_by_their_errors_and_give_the_sum_of_squares() -> None:
    dates = 6
    ends = nearest(dates)
    obs, quality = noisy(ends, dates, 3, 2)
    obs[4, 0] = 0.0  # an offset of nothing is an offset
    quality[2, 1], quality[3, 1] = np.nan, 1e-9
    found = solve(obs, ends, dates, quality, kind=BY_SPREAD, is_phase=False)
    spread = np.maximum(np.where(np.isfinite(quality), quality, 100.0), 0.005)
    for pixel in range(3):
        values = obs[:, pixel].astype(np.float64)
        design = incidence(ends, dates)[:, 1:] / spread[:, pixel, None]
        expected = np.linalg.lstsq(design, values / spread[:, pixel], rcond=None)[0]
        assert_allclose(found.displacement[1:, pixel], expected, atol=SINGLE)
        residual = values - incidence(ends, dates)[:, 1:] @ expected
        assert_allclose(found.quality[pixel], np.sqrt((residual**2).sum()), rtol=1e-5)
        assert found.pairs[pixel] == len(ends[0])


# --------------------------------------------------------------------------------------------- reference, masks, counts


def test_zero_is_no_phase_before_and_after_the_reference() -> None:
    dates = 4
    ends = nearest(dates)
    reference = np.linspace(1.0, 2.0, len(ends[0])).astype(np.float32)
    moved = (incidence(ends, dates) @ np.array([0.0, 1.0, 2.0, 4.0])).astype(np.float32)
    obs = np.stack([reference + moved, reference, moved * 0, reference + moved], axis=1)
    obs[1, 3] = 0.0
    found = solve(obs, ends, dates, reference=reference, scale=-2.0)
    assert found.state.tolist() == [MEASURED, LEFT_OUT, LEFT_OUT, MEASURED]
    assert found.pairs.tolist() == [6, 0, 0, 5]
    for pixel in (0, 3):
        assert_allclose(found.displacement[:, pixel], [0.0, -2.0, -4.0, -8.0], atol=SINGLE)
    assert not found.displacement[:, 1:3].any()
    assert not found.quality[1:3].any()
    assert not np.signbit(found.displacement[0]).any()


def test_a_pair_without_reference_is_left_out_everywhere() -> None:
    dates = 5
    ends = nearest(dates)
    obs, _ = noisy(ends, dates, 3, 3)
    reference = np.zeros(len(ends[0]), np.float32)
    reference[2] = np.nan
    assert solve(obs, ends, dates, reference=reference).pairs.tolist() == [len(ends[0]) - 1] * 3


@pytest.mark.parametrize(("least", "state"), [(0.0, MEASURED), (1.0, MEASURED), (2.0, MEASURED), (3.0, LEFT_OUT)])
def test_every_date_but_the_first_needs_its_pairs(least: float, state: int) -> None:
    dates = 6
    ends = nearest(dates)  # 3 pairs at the last date
    obs, _ = noisy(ends, dates, 1, 4)
    obs[np.flatnonzero(ends[1] == dates - 1)[0]] = np.nan
    assert solve(obs, ends, dates, least_pairs=least).state[0] == state


def test_a_date_without_a_pair_leaves_a_pixel_out_unless_none_is_asked_for() -> None:
    dates = 5
    ends = nearest(dates)
    obs, _ = noisy(ends, dates, 1, 5)
    obs[(ends[0] == 2) | (ends[1] == 2)] = np.nan
    assert solve(obs, ends, dates).state[0] == LEFT_OUT
    assert solve(obs, ends, dates, least_pairs=0.0).state[0] == BRIDGED


def test_masks_leave_measurements_out() -> None:
    dates = 5
    ends = nearest(dates)
    obs, quality = noisy(ends, dates, 4, 6)
    quality[3, 2] = np.nan
    by_value = solve(obs, ends, dates, mask=PhaseMask(quality, 0.2, whole=False), least_pairs=0.0)
    assert_array_equal(by_value.pairs, (quality >= np.float32(0.2)).sum(axis=0))
    component = (quality > 0.3).astype(np.int16)
    by_component = solve(obs, ends, dates, mask=PhaseMask(component, 0.0, whole=True), least_pairs=0.0)
    deleted = np.where(component > 0, obs, np.nan).astype(np.float32)
    for one, other in zip(by_component, solve(deleted, ends, dates, least_pairs=0.0), strict=True):
        assert_array_equal(one, other)


def test_pixels_that_are_not_wanted_stay_zero() -> None:
    dates = 4
    ends = nearest(dates)
    obs, _ = noisy(ends, dates, 3, 7)
    layout = make_layout(*ends, dates)
    found = solve_phase(obs, None, np.array([True, False, True]), layout, rule(ends, dates))
    assert found.state.tolist() == [MEASURED, LEFT_OUT, MEASURED]
    assert not found.displacement[:, 1].any()


# ---------------------------------------------------------------------------------------- what must make no difference


def test_blocks_threads_and_types_give_the_same_bits() -> None:
    dates, pixels = 5, 700  # two chunks, and a rest of a group
    ends = nearest(dates, 2)
    obs, quality = noisy(ends, dates, pixels, 8, gaps=0.05)
    whole = solve(obs, ends, dates, quality, kind=BY_VARIANCE, with_sigma=True)
    with limit_threads(2):
        threads = solve(obs, ends, dates, quality, kind=BY_VARIANCE, with_sigma=True)
    double = solve(obs.astype(np.float64), ends, dates, quality.astype(np.float64), kind=BY_VARIANCE, with_sigma=True)
    for start, stop in ((0, 1), (3, LANES + 10), (500, 700)):
        part = solve(obs[:, start:stop], ends, dates, quality[:, start:stop], kind=BY_VARIANCE, with_sigma=True)
        for one, other in zip(part, whole, strict=True):
            assert_array_equal(one, np.asarray(other)[..., start:stop])
    for found in (threads, double):
        for one, other in zip(found, whole, strict=True):
            assert_array_equal(one, other)


@given(st.integers(0, 1000))
@settings(max_examples=10)
def test_the_order_of_pairs_and_whole_turns_make_no_difference_to_coherence(seed: int) -> None:
    dates = 6
    ends = nearest(dates)
    obs, quality = noisy(ends, dates, 3, seed)
    random = np.random.default_rng(seed)
    order = random.permutation(len(ends[0]))
    plain = solve(obs, ends, dates, quality, kind=BY_COHERENCE)
    turned = solve(obs[order], (ends[0][order], ends[1][order]), dates, quality[order], kind=BY_COHERENCE)
    assert_allclose(turned.displacement, plain.displacement, atol=SINGLE)
    assert_allclose(turned.quality, plain.quality, atol=SINGLE)


def test_residuals_of_many_turns_are_turned_back() -> None:
    ends = (np.array([0, 0, 0]), np.array([1, 1, 1]))
    obs = np.array([[2.0], [2.0 + 600 * np.pi], [2.0 - 600 * np.pi]], np.float32)
    found = solve(obs, ends, 2)
    assert_allclose(found.displacement[1], 2.0, atol=1e-4)
    assert_allclose(found.quality, 1.0, atol=1e-5)
