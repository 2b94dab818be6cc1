from __future__ import annotations

import logging
from itertools import combinations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.errors import GridError, SchemaError
from creepmeter.kernels.robust import huber_weight, nmad, robust_fit, tukey_weight
from creepmeter.model.network import Network
from creepmeter.model.pair import Pair
from creepmeter.model.schema import PAIR_STACK, check, make_pair_stack
from creepmeter.stack.correction import complete_corrections, stable_correction
from creepmeter.stack.options import StableOptions
from creepmeter.stack.stable import correct_stable_ground, stable_mask

START = np.datetime64("2020-01-01", "ns")
DATES = 5
ENDS = [
    (START + np.timedelta64(100 * i, "D"), START + np.timedelta64(100 * j, "D"))
    for i, j in combinations(range(DATES), 2)
]
SHAPE = (24, 30)
MOVING = np.zeros(SHAPE, bool)
MOVING[8:14, 10:20] = True


def noisy_stack(*, seed: int = 0, tracker: float | None = 0.05, dtype: type = np.float32) -> xr.Dataset:
    """Pairs with shifts of decimetres, moving ground of metres, noise of 0.1 m and sigma as the tracker states it."""
    rng = np.random.default_rng(seed)
    dates = rng.normal(0, 0.5, (2, DATES))
    network = Network.from_pairs(ENDS)
    shift = dates @ network.incidence().T
    spread: np.ndarray = rng.uniform(0.5, 2.0, (2, len(ENDS), *SHAPE))
    values = shift[..., None, None] + 0.1 * spread * rng.normal(size=spread.shape)
    days = np.array([pair.days for pair in network.pairs])
    values[..., MOVING] += 0.03 * days[:, None]  # steady: it closes
    values[rng.random(values.shape) < 0.05] = np.nan
    sigma: np.ndarray | None = None if tracker is None else (tracker * spread).astype(dtype)
    return make_pair_stack(values.astype(dtype), ENDS, ["east", "north"], sigma=sigma)


def same(first: xr.Dataset, second: xr.Dataset, *, atol: float) -> None:
    assert set(first.variables) == set(second.variables)
    for name in first.data_vars:
        assert_allclose(second[name], first[name], atol=atol, rtol=1e-4, err_msg=str(name))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_shift_is_the_median_of_the_valid_stable_pixels(dtype: type) -> None:
    stack = noisy_stack(dtype=dtype)
    corrected = correct_stable_ground(stack, ~MOVING)
    expected = np.nanmedian(stack["displacement"].values[..., ~MOVING].astype(np.float64), axis=-1)
    assert_array_equal(corrected["shift"], expected)
    moved = stack["displacement"] - corrected["shift"]
    assert_allclose(corrected["displacement"], moved.transpose(*stack["displacement"].dims), atol=1e-6)
    assert corrected["displacement"].dtype == dtype
    check(corrected, PAIR_STACK)


@pytest.mark.parametrize("model", ["shift", "plane"])
@pytest.mark.parametrize("tracker", [None, 0.05, 0.4])
@pytest.mark.parametrize("per_date", [True, False])
def test_a_second_correction_changes_nothing(model: str, tracker: float | None, per_date: bool) -> None:  # noqa: FBT001
    stack = noisy_stack(tracker=tracker)
    stack["displacement"].values[:, 3, ~MOVING] = np.nan  # a pair without stable ground
    options = StableOptions.model_validate({"model": model, "per_date": per_date})
    once = correct_stable_ground(stack, ~MOVING, options=options, overlap=4.0)
    twice = correct_stable_ground(once, ~MOVING, options=options, overlap=4.0)
    same(once, twice, atol=1e-5)  # single precision


def test_the_input_is_left_alone() -> None:
    stack = noisy_stack()
    copy = stack.copy(deep=True)
    correct_stable_ground(stack, ~MOVING)
    xr.testing.assert_identical(stack, copy)


@pytest.mark.parametrize("stated", [0.02, 0.1, 0.7])
def test_sigma_of_the_tracker_is_made_to_agree_with_stable_ground(stated: float) -> None:
    corrected = correct_stable_ground(noisy_stack(tracker=stated), ~MOVING)
    ratio = (corrected["displacement"] / corrected["sigma"]).values[..., ~MOVING]
    within = np.mean(np.abs(ratio[np.isfinite(ratio)]) < 1)
    assert within == pytest.approx(0.683, abs=0.015)
    assert_array_equal(np.isnan(corrected["sigma"]), np.isnan(corrected["displacement"]))


def test_without_sigma_of_the_tracker_the_spread_on_stable_ground_stands() -> None:
    options = StableOptions(closure_inflation=False)
    corrected = correct_stable_ground(noisy_stack(tracker=None), ~MOVING, options=options)
    residual = corrected["displacement"].values[..., ~MOVING].astype(np.float64)
    centre = np.nanmedian(residual, axis=-1, keepdims=True)
    assert_allclose(corrected["pair_sigma"], 1.4826 * np.nanmedian(np.abs(residual - centre), axis=-1), rtol=1e-4)
    # the uncertainty of the shift adds a thousandth
    assert_allclose(corrected["sigma"].max(("y", "x")), corrected["pair_sigma"], rtol=0.01)


def test_the_uncertainty_of_the_shift_is_honest() -> None:
    rng = np.random.default_rng(4)
    options = StableOptions()
    errors, stated = [], []
    for _ in range(400):
        found = stable_correction(rng.normal(0.0, 0.2, (1, 10, 10)), None, np.ones((10, 10), bool), options=options)
        errors.append(found.coefficients[0, 0])
        stated.append(found.covariance[0, 0, 0])
    assert np.mean(np.square(errors)) == pytest.approx(np.mean(stated), rel=0.2)
    values = rng.normal(0.0, 0.2, (1, 20, 20))
    single, double = (stable_correction(values, None, np.ones((20, 20), bool), overlap=k) for k in (1.0, 16.0))
    assert double.covariance[0, 0, 0] == pytest.approx(16 * single.covariance[0, 0, 0])


def test_overlap_of_chips_is_read_from_the_stack() -> None:
    stack = noisy_stack()
    plain = correct_stable_ground(stack, ~MOVING)
    chips = correct_stable_ground(stack.assign_attrs(chip_px=32, step_px=8), ~MOVING)
    assert_allclose(chips["correction_covariance"], 16 * plain["correction_covariance"])


def test_a_plane_is_found_beside_outliers() -> None:
    rng = np.random.default_rng(0)
    row, column = np.indices(SHAPE)
    plane = 0.3 + 0.02 * (row - 11.5) - 0.01 * (column - 14.5)
    values = plane + rng.normal(0, 0.05, SHAPE)
    values[:8, :12] += 4.0  # ground that moves but was taken for stable
    stack = make_pair_stack(values[None], ENDS[:1])
    corrected = correct_stable_ground(stack, np.ones(SHAPE, bool), options=StableOptions(model="plane"))
    assert_allclose(corrected["plane_slope"].values[0, :, 0], [0.02, -0.01], atol=0.0015)
    assert corrected["shift"].item() == pytest.approx(0.3, abs=0.01)
    assert_allclose(corrected["displacement"].values[0, 0, 8:], (values - plane)[8:], atol=0.03)
    sigma = corrected["sigma"].values[0, 0]
    assert sigma[-1, -1] > sigma[12, 15]  # a plane is less certain away from the middle


def test_the_uncertainty_of_a_plane_is_honest() -> None:
    rng = np.random.default_rng(4)
    stable = np.zeros((16, 16), bool)
    stable[:, :6] = True
    ratio = []
    for _ in range(200):
        found = stable_correction(rng.normal(size=(1, 16, 16)), None, stable, options=StableOptions(model="plane"))
        ratio.append(found.surface((16, 16))[0, 15, 15] / np.sqrt(found.variance((16, 16))[0, 15, 15]))
    assert np.std(ratio) == pytest.approx(1.0, abs=0.15)


def test_stable_ground_on_a_line_gives_a_shift(caplog: pytest.LogCaptureFixture) -> None:
    stable = np.zeros((60, 10), bool)
    stable[:, 3] = True
    with caplog.at_level(logging.WARNING):
        found = stable_correction(np.full((1, 60, 10), 2.0), None, stable, options=StableOptions(model="plane"))
    assert_allclose(found.coefficients, [[2.0, 0.0, 0.0]])
    assert "on one line" in caplog.text


@given(st.integers(0, 49))
def test_too_few_stable_pixels_correct_nothing(count: int) -> None:
    values = np.random.default_rng(count).normal(1.0, 0.1, (2, 10, 10))
    stable = np.zeros((10, 10), bool)
    stable.ravel()[:count] = True
    found = stable_correction(values, np.full(values.shape, 0.2), stable)
    assert not found.measured
    assert found.stable_count == count
    corrected, sigma = found.apply(values, np.full(values.shape, 0.2))
    assert_array_equal(corrected, values)
    assert_allclose(sigma, 0.2)


def test_pairs_without_stable_ground_are_named_and_keep_the_tracker(caplog: pytest.LogCaptureFixture) -> None:
    stack = noisy_stack()
    stack["displacement"].values[:, 2, ~MOVING] = np.nan
    with caplog.at_level(logging.WARNING):
        corrected = correct_stable_ground(stack, ~MOVING, options=StableOptions(closure_inflation=False))
    assert "1 of 10 pairs have fewer than 50 valid stable pixels" in caplog.text
    assert str(Pair.of(*ENDS[2])) in caplog.text
    assert_array_equal(corrected["displacement"][:, 2], stack["displacement"][:, 2])
    measured = np.isfinite(stack["displacement"].values[:, 2])
    assert_allclose(corrected["sigma"].values[:, 2][measured], stack["sigma"].values[:, 2][measured], rtol=1e-6)
    assert np.isnan(corrected["pair_sigma"][:, 2]).all()
    assert corrected["stable_count"][2] == 0
    assert bool(corrected["used"].all())


def test_no_stable_ground_at_all_changes_nothing_but_sigma() -> None:
    stack = noisy_stack(tracker=0.1)
    corrected = correct_stable_ground(stack, np.zeros(SHAPE, bool))
    assert_array_equal(corrected["displacement"], stack["displacement"])
    # the errors are the pairs' own and sigma is right: closures have nothing to add
    assert_allclose(corrected["independent_share"], 1.0, atol=0.12)  # 720 pixels, 10 triangles
    assert_allclose(corrected["sigma_inflation"], 1.0, atol=0.05)
    assert "sigma" not in correct_stable_ground(stack.drop_vars("sigma"), np.zeros(SHAPE, bool))


def test_closures_widen_a_sigma_that_no_stable_ground_could_check() -> None:
    stack = noisy_stack(tracker=0.05)
    corrected = correct_stable_ground(stack, np.zeros(SHAPE, bool))
    assert_allclose(corrected["sigma_inflation"], 2.0, rtol=0.05)
    assert_allclose(corrected["sigma"], stack["sigma"].where(np.isfinite(stack["displacement"])) * 2, rtol=0.05)


def test_errors_of_images_are_told_from_errors_of_pairs() -> None:
    rng = np.random.default_rng(7)
    images = rng.normal(0, 0.1, (DATES, 60, 60))
    values = np.einsum("pd,dyx->pyx", Network.from_pairs(ENDS).incidence(), images)
    stack = make_pair_stack(values, ENDS)
    assert correct_stable_ground(stack, np.ones((60, 60), bool))["independent_share"] == pytest.approx(0.01)
    own = make_pair_stack(rng.normal(0, 0.1, values.shape), ENDS)
    assert_allclose(correct_stable_ground(own, np.ones((60, 60), bool))["independent_share"], 1.0, atol=0.05)


def test_a_pair_takes_its_shift_from_its_dates() -> None:
    stack = noisy_stack()
    truth = correct_stable_ground(stack, ~MOVING)
    stack["displacement"].values[:, 2, ~MOVING] = np.nan
    corrected = correct_stable_ground(stack, ~MOVING, options=StableOptions(per_date=True))
    assert_allclose(corrected["shift"][:, 2], truth["shift"][:, 2], atol=0.02)  # noise 0.1 / sqrt(600)
    others = [k for k in range(10) if k != 2]
    assert_array_equal(corrected["shift"][:, others], truth["shift"][:, others])
    assert np.isnan(corrected["pair_sigma"][:, 2]).all()
    assert (corrected["correction_covariance"][:, 2, 0, 0] > 0).all()


def test_dates_that_no_measured_pair_joins_give_no_shift() -> None:
    pairs = [Pair.of(*ends) for ends in (ENDS[0], ENDS[9])]
    values = np.random.default_rng(0).normal(size=(1, 10, 10))
    full = stable_correction(values, None, np.ones((10, 10), bool))
    bare = stable_correction(values, None, np.zeros((10, 10), bool))
    completed = complete_corrections([full, bare], pairs, options=StableOptions(per_date=True))
    assert_array_equal(completed[1].coefficients, 0.0)
    assert_array_equal(completed[1].assumed_sigma, full.pair_sigma)


def test_a_pair_without_any_pixel_is_not_used(caplog: pytest.LogCaptureFixture) -> None:
    stack = noisy_stack()
    stack["displacement"][:, 4] = np.nan
    with caplog.at_level(logging.WARNING):
        corrected = correct_stable_ground(stack, ~MOVING)
    assert_array_equal(np.flatnonzero(~corrected["used"].values), [4])
    assert "1 of 10 pairs have no measured pixel" in caplog.text
    stack["displacement"][:] = np.nan
    assert not correct_stable_ground(stack, ~MOVING)["used"].any()


def test_values_that_are_all_equal_give_no_endless_weight() -> None:
    stack = make_pair_stack(np.full((1, 20, 20), 0.25), ENDS[:1], sigma=0.0)
    sigma = correct_stable_ground(stack, np.ones((20, 20), bool))["sigma"]
    assert_array_equal(sigma, StableOptions().floor_m)
    rounded = make_pair_stack(np.full((1, 20, 20), 0.25), ENDS[:1], sigma=0.1)  # whole pixels of another program
    assert_allclose(correct_stable_ground(rounded, np.ones((20, 20), bool))["sigma"], 0.1)


def test_bad_input_is_refused() -> None:
    with pytest.raises(GridError, match=r"stable mask has \(3, 3\) cells, the pair \(24, 30\)"):
        correct_stable_ground(noisy_stack(), np.ones((3, 3), bool))
    with pytest.raises(SchemaError, match="no PairStack"):
        correct_stable_ground(xr.Dataset(), np.ones((3, 3), bool))


@given(st.integers(0, 1000), st.floats(0.0, 50.0), st.floats(1.0, 10.0))
def test_a_wider_buffer_leaves_less_stable_ground(seed: int, buffer_m: float, more: float) -> None:
    moving = np.random.default_rng(seed).random((12, 15)) < 0.05
    narrow, wide = (stable_mask(moving, buffer_m=b, cell_m=(10.0, 5.0)) for b in (buffer_m, buffer_m + more))
    assert not (narrow & moving).any()
    assert (wide <= narrow).all()


def test_the_buffer_is_in_metres() -> None:
    moving = np.zeros((9, 9), bool)
    moving[4, 4] = True
    stable = stable_mask(moving, buffer_m=20.0, cell_m=(10.0, 20.0))
    assert_array_equal(np.flatnonzero(~stable[:, 4]), [2, 3, 4, 5, 6])
    assert_array_equal(np.flatnonzero(~stable[4]), [3, 4, 5])
    assert_array_equal(stable_mask(moving), ~moving)
    assert stable_mask(np.zeros((2, 2), bool), buffer_m=5.0).all()


def test_robust_statistics() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(3.0, 2.0, 20_000)
    values[:1000] = 1e6
    assert nmad(values) == pytest.approx(2.0, rel=0.1)
    assert np.isnan(nmad(np.full(3, np.nan)))
    assert_allclose(huber_weight(np.array([0.0, 1.345, -2.69])), [1.0, 1.0, 0.5])
    assert_allclose(tukey_weight(np.array([0.0, 5.0])), [1.0, 0.0])


@settings(deadline=None)
@given(st.integers(0, 1000), st.floats(-10, 10), st.floats(0.1, 10))
def test_a_robust_fit_moves_and_scales_with_the_values(seed: int, shift: float, scale: float) -> None:
    rng = np.random.default_rng(seed)
    design = np.column_stack([np.ones(80), rng.uniform(-1, 1, (80, 2))])
    values = rng.standard_t(2, 80)
    change = np.array([shift, 1.0, -2.0])
    plain, _ = robust_fit(design, values)
    moved, _ = robust_fit(design, scale * values + design @ change)
    assert_allclose(moved, scale * plain + change, atol=1e-6)
