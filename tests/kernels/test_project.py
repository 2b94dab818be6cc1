"""One function of time apart from others: the projection gives what a fit per pixel gives."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.kernels.plan import Plan
from creepmeter.kernels.project import LANES
from creepmeter.kernels.project import take_off as kernel
from creepmeter.kernels.threads import limit_threads

pytestmark = pytest.mark.kernel
DATES = 14


def take_off(series: np.ndarray, columns: np.ndarray, plan: Plan) -> tuple[np.ndarray, ...]:
    """Return factors, corrected series and residuals."""
    out = np.empty(series.shape, np.float32), np.empty(series.shape, np.float32)
    wide = np.array(np.broadcast_to(columns, series.shape))
    return kernel(series, wide, plan, *out), *out


def plan_of(used: np.ndarray, datum: int = 0) -> Plan:
    time = np.linspace(0, 2, DATES)
    others = np.stack([np.ones(DATES), time, time**2 / 2], axis=1)
    rows = np.eye(DATES)[used]
    seen = rows @ others
    inverse = np.linalg.pinv(seen)
    return Plan(rows.T @ (np.eye(len(rows)) - seen @ inverse) @ rows, others, inverse @ rows, datum)


@pytest.mark.parametrize("pixels", [1, LANES - 1, LANES + 3, 5 * LANES])
@pytest.mark.parametrize("function", ["of all pixels", "of each pixel"])
def test_it_is_the_least_squares_fit_of_every_pixel(pixels: int, function: str) -> None:
    random, common = np.random.default_rng(pixels), function == "of all pixels"
    used = np.ones(DATES, bool)
    used[[3, 8]] = False
    plan = plan_of(used, datum=2)
    columns = random.normal(size=(DATES, 1 if common else pixels))
    series = random.normal(size=(DATES, pixels)).astype(np.float32)
    factor, corrected, residual = take_off(series, columns, plan)
    for p in range(pixels):
        column = columns[:, 0 if common else p]
        design = np.column_stack([column, plan.others])
        expected = np.linalg.lstsq(design[used], series[used, p].astype(float), rcond=None)[0]
        assert_allclose(factor[p], expected[0], rtol=1e-9, atol=1e-12)
        assert_allclose(corrected[:, p], series[:, p] - (column - column[2]) * expected[0], atol=2e-6)
        assert_allclose(residual[:, p], series[:, p] - design @ expected, atol=2e-6)
    assert_array_equal(corrected[2], series[2])  # the reference date stays


def test_neighbours_and_threads_change_no_bit() -> None:
    random = np.random.default_rng(1)
    series, column = random.normal(size=(DATES, 3000)).astype(np.float32), random.normal(size=(DATES, 1))
    plan = plan_of(np.ones(DATES, bool))
    with limit_threads(1):
        whole = take_off(series, column, plan)
    parts = [take_off(series[:, cut], column, plan) for cut in (slice(0, 7), slice(7, 1500), slice(1500, 3000))]
    for k, values in enumerate(whole):
        assert_array_equal(np.concatenate([part[k] for part in parts], axis=-1), values)


def test_a_function_that_the_others_hold_gets_no_factor() -> None:
    plan = plan_of(np.ones(DATES, bool))
    columns = np.repeat(plan.others[:, 1:2], 4, axis=1)
    series = np.random.default_rng(2).normal(size=(DATES, 4))
    factor, corrected, _ = take_off(series, columns, plan)
    assert_array_equal(factor, 0)
    assert_array_equal(corrected, series.astype(np.float32))


def test_a_gap_spoils_its_pixel_alone() -> None:
    series = np.random.default_rng(3).normal(size=(DATES, 5))
    column = np.random.default_rng(4).normal(size=(DATES, 1))
    plan = plan_of(np.ones(DATES, bool))
    whole = take_off(series, column, plan)[0]
    series[4, 2] = np.nan
    factor, _, residual = take_off(series, column, plan)
    assert np.isnan(factor[2])
    assert np.isnan(residual[:, 2]).all()
    assert_array_equal(np.delete(factor, 2), np.delete(whole, 2))
