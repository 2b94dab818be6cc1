from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.errors import ConfigError, EpochError, InputError, SchemaError
from creepmeter.inversion.invert import invert
from creepmeter.model.epoch import as_epoch, years_since
from creepmeter.model.schema import MOTION_MODEL, kind_of, make_pair_stack
from creepmeter.model.terms import design_columns, parse_terms
from creepmeter.simulate.networks import all_pairs, nearest_pairs, pair_stack, regular_times
from creepmeter.velocity.fit import Errors, fit_block, fit_velocity
from creepmeter.velocity.options import VelocityOptions

Floats = npt.NDArray[np.float64]
TIMES = regular_times(40, days=24.0)
EVERY = ["rate", "quadratic", "annual", "semiannual", "step:20190110", "exp:20190620:60", "log:20190620:7"]


def design_of(terms: list[str], times: npt.NDArray[np.datetime64] = TIMES) -> Floats:
    return design_columns(parse_terms(terms), times, times.min())[2]


def random_series(seed: int = 0, shape: tuple[int, int] = (2, 3), gaps: float = 0.0) -> Floats:
    random = np.random.default_rng(seed)
    values = random.normal(size=(len(TIMES), *shape)).cumsum(axis=0)
    values[random.random(values.shape) < gaps] = np.nan
    return values


def inverted(**noise: Any) -> xr.Dataset:  # noqa: ANN401 - fields of StackOptions
    network = nearest_pairs(TIMES[:15], 3)
    stack, _ = pair_stack(np.zeros((1, 15, 2, 2)), network, component=("los",), **noise)
    return invert(stack, norm="l2")


# ---------------------------------------------------------------------------------------------------------- values


def test_known_coefficients_come_back_for_all_terms_together() -> None:
    design = design_of(EVERY)
    truth = np.random.default_rng(0).normal(size=(design.shape[1], 3, 2))
    motion = fit_velocity(np.einsum("tk,kyx->tyx", design, truth), EVERY, times=TIMES)
    assert kind_of(motion) == MOTION_MODEL
    assert_allclose(motion.value.values[0], truth, atol=1e-9)
    assert motion.residual_rms.values.max() < 1e-10


@given(st.integers(0, 1000), st.floats(0.0, 0.5))
def test_values_equal_lstsq_with_gaps(seed: int, gaps: float) -> None:
    series = random_series(seed, gaps=gaps)
    terms = ["rate", "annual", "step:20190110"]
    motion = fit_velocity(series, terms, times=TIMES)
    for y, x in np.ndindex(2, 3):
        kept = np.isfinite(series[:, y, x])
        design = design_of(terms)[kept]
        if np.linalg.matrix_rank(design) < design.shape[1]:
            continue
        expected = np.linalg.lstsq(design, series[kept, y, x], rcond=None)[0]
        assert_allclose(motion.value.values[0, :, y, x], expected, rtol=1e-7, atol=1e-8)
        rms = np.sqrt(np.mean((series[kept, y, x] - design @ expected) ** 2))
        assert_allclose(motion.residual_rms.values[0, y, x], rms, rtol=1e-7)


def test_a_rate_is_polyfit_in_metres_per_year_of_365_and_a_quarter_days() -> None:
    series = random_series(1)
    years = (TIMES - TIMES[0]) / np.timedelta64(1, "D") / 365.25
    motion = fit_velocity(series, times=TIMES)
    rate, offset = np.polyfit(years, series.reshape(len(TIMES), -1), 1)
    assert_allclose(motion.value.sel(term="rate").values.ravel(), rate, rtol=1e-9)
    assert_allclose(motion.value.sel(term="offset").values.ravel(), offset, atol=1e-9)
    assert list(motion.unit.values) == ["m", "m/yr"]
    assert motion.attrs["reference_time"] == str(TIMES[0])[:19]


def test_time_counts_from_the_first_date_even_if_it_is_left_out() -> None:
    years = years_since(TIMES, TIMES[0])
    series = (3.0 + 2.0 * years).reshape(-1, 1, 1)
    motion = fit_velocity(series, times=TIMES, start_date="20190101")
    assert_allclose(motion.value.values.ravel(), [3.0, 2.0], atol=1e-10)


def test_the_order_of_dates_makes_no_difference() -> None:
    series = random_series(2)
    order = np.random.default_rng(0).permutation(len(TIMES))
    first = fit_velocity(series, EVERY[:4], times=TIMES)
    second = fit_velocity(series[order], EVERY[:4], times=TIMES[order])
    assert_allclose(second.value.values, first.value.values, atol=1e-9)


def test_a_step_counts_its_day_as_after() -> None:
    times = np.array([as_epoch("20190101") + k * np.timedelta64(1, "D") for k in range(10)])
    series = np.where(np.arange(10) >= 4, 7.0, 0.0).reshape(10, 1, 1)
    motion = fit_velocity(series, ["step:20190105"], times=times)
    assert_allclose(motion.value.sel(term="step_20190105").values, 7.0, atol=1e-10)
    assert motion.residual_rms.values.max() < 1e-10


def test_excluded_dates_and_those_outside_the_limits_do_not_count() -> None:
    series = random_series(3)
    spoilt = series.copy()
    left_out = [0, 1, 7, 38, 39]
    spoilt[left_out] = 1e6
    motion = fit_velocity(
        spoilt,
        times=TIMES,
        start_date=str(TIMES[2])[:10],
        end_date=str(TIMES[37])[:10],
        exclude_dates=(str(TIMES[7])[:10],),
    )
    series[left_out] = np.nan
    expected = fit_velocity(series, times=TIMES)
    assert_array_equal(motion.value.values, expected.value.values)
    assert motion.attrs["dates"] == 35


def test_a_pixel_with_too_few_dates_is_nan() -> None:
    series = random_series(4)
    series[2:, 0, 0] = np.nan
    series[:, 1, 1] = np.nan
    motion = fit_velocity(series, ["rate", "quadratic"], times=TIMES, sigma="residual")
    nothing = np.isnan(motion.value.values[0]).all(axis=0)
    assert_array_equal(nothing, [[True, False, False], [False, True, False]])
    assert np.isnan(motion.sigma.values[0][:, nothing]).all()
    assert np.isnan(motion.residual_rms.values[0][nothing]).all()


def test_a_pixel_that_cannot_tell_terms_apart_is_nan() -> None:
    series = random_series(5)
    series[as_epoch("20190110") <= TIMES, 0, 1] = np.nan  # nothing after the step
    motion = fit_velocity(series, ["rate", "step:20190110"], times=TIMES)
    assert np.isnan(motion.value.values[0, :, 0, 1]).all()
    assert np.isfinite(np.delete(motion.value.values.reshape(3, 6), 1, axis=1)).all()


# ------------------------------------------------------------------------------------------------- standard errors


@pytest.mark.parametrize("noise", [{"noise_m": 0.4}, {"noise_m": 0.2, "scene_noise_m": 0.3}])
def test_the_covariance_is_propagated_as_dense_algebra_says(noise: dict[str, float]) -> None:
    series = inverted(**noise)
    terms = ["rate", "annual"]
    motion = fit_velocity(series, terms)
    gain = np.linalg.pinv(design_of(terms, series.time.values))
    sigma = series.sigma.values[0, :, 0, 0]
    covariance = np.outer(sigma, sigma) * series.date_correlation.values[0]
    assert_allclose(motion.sigma.values[0, :, 0, 0], np.sqrt(np.diagonal(gain @ covariance @ gain.T)), rtol=1e-9)


def test_the_covariance_without_correlation_and_with_gaps() -> None:
    series = inverted(noise_m=0.4).drop_vars("date_correlation")
    series["displacement"][0, 5:8, 0, 0] = np.nan
    series["sigma"][0, 5:8, 0, 0] = np.nan
    motion = fit_velocity(series, ["rate"])
    kept = np.isfinite(series.displacement.values[0, :, 0, 0])
    gain = np.linalg.pinv(design_of(["rate"], series.time.values)[kept])
    expected = np.sqrt((gain**2) @ series.sigma.values[0, kept, 0, 0] ** 2)
    assert_allclose(motion.sigma.values[0, :, 0, 0], expected, rtol=1e-9)


def test_the_residual_sigma_of_a_rate_is_the_textbook_one() -> None:
    series = random_series(6, gaps=0.2)
    motion = fit_velocity(series, times=TIMES, sigma="residual")
    years = years_since(TIMES, TIMES[0])
    for y, x in np.ndindex(2, 3):
        kept = np.isfinite(series[:, y, x])
        t, d = years[kept], series[kept, y, x]
        rate, offset = np.polyfit(t, d, 1)
        misfit = ((d - offset - rate * t) ** 2).sum()
        expected = np.sqrt(misfit / ((len(t) - 2) * ((t - t.mean()) ** 2).sum()))
        assert_allclose(motion.sigma.sel(term="rate").values[0, y, x], expected, rtol=1e-9)


def test_the_residual_sigma_needs_redundancy() -> None:
    series = random_series(7)[:2]
    motion = fit_velocity(series, times=TIMES[:2], sigma="residual")
    assert np.isfinite(motion.value.values).all()
    assert np.isnan(motion.sigma.values).all()


def test_the_bootstrap_agrees_on_white_noise_and_repeats_itself() -> None:
    series = np.random.default_rng(0).normal(size=(len(TIMES), 4, 5))
    first = fit_velocity(series, times=TIMES, sigma="bootstrap")
    residual = fit_velocity(series, times=TIMES, sigma="residual")
    ratio = (first.sigma / residual.sigma).sel(term="rate").values
    assert 0.9 < ratio.mean() < 1.1
    assert ratio.std() < 0.2
    assert_array_equal(first.sigma.values, fit_velocity(series, times=TIMES, sigma="bootstrap").sigma.values)
    other = fit_velocity(series, times=TIMES, sigma="bootstrap", seed=1)
    assert not np.array_equal(first.sigma.values, other.sigma.values)
    assert_array_equal(first.value.values, other.value.values)


def test_an_array_without_errors_takes_them_from_its_residuals() -> None:
    values = random_series()
    plain, residual = fit_velocity(values, times=TIMES), fit_velocity(values, times=TIMES, sigma="residual")
    assert plain.attrs["sigma_from"] == "residual"
    assert_array_equal(plain.sigma.values, residual.sigma.values)
    assert np.isfinite(plain.sigma.values).all()


# -------------------------------------------------------------------------------------------------- blocks, refusals


@pytest.mark.parametrize("sigma", ["covariance", "residual", "bootstrap"])
def test_blocks_give_the_same_bits(sigma: str) -> None:
    options = VelocityOptions.model_validate({"sigma": sigma, "bootstrap_count": 20})
    series = random_series(8, shape=(5, 7), gaps=0.05)[None]
    series[:, 11, 1:3, 2:6] = np.nan  # a date that the block has not measured at all
    spread = np.abs(random_series(9, shape=(5, 7)))[None]
    whole = fit_block(series, TIMES, options, Errors(spread))
    part = fit_block(series[:, :, 1:3, 2:6], TIMES, options, Errors(spread[:, :, 1:3, 2:6]))
    for name, values in part.items():
        assert_array_equal(values, whole[name][..., 1:3, 2:6])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"terms": ["speed"]}, r"velocity option terms: .*'speed' is not known"),
        ({"sigma": "guess"}, r"velocity option sigma: .*\(got 'guess'\)"),
        ({"rate": 1}, r"velocity option rate: Extra inputs are not permitted"),
        ({"bootstrap_count": 1}, r"velocity option bootstrap_count"),
        ({"start_date": "soon"}, r"velocity option start_date: .*is not a date"),
    ],
)
def test_wrong_options_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        fit_velocity(random_series(), times=TIMES, **changes)


def test_fewer_dates_than_terms_are_refused_with_the_way_out() -> None:
    with pytest.raises(ConfigError, match=r"2 dates cannot determine 3 terms \(offset, rate, quadratic\): take fewer"):
        fit_velocity(random_series()[:2], ["rate", "quadratic"], times=TIMES[:2])
    with pytest.raises(ConfigError, match="0 dates cannot determine 2 terms"):
        fit_velocity(random_series(), times=TIMES, start_date="20300101")


def test_arrays_need_their_times() -> None:
    with pytest.raises(SchemaError, match=r"got shape \(40, 2, 3\) and none times"):
        fit_velocity(random_series())
    with pytest.raises(SchemaError, match=r"got shape \(40, 2, 3\) and 39 times"):
        fit_velocity(random_series(), times=TIMES[:-1])
    with pytest.raises(EpochError, match="given twice: keep one"):
        fit_velocity(random_series(), times=[*TIMES[:-1], TIMES[0]])
    with pytest.raises(SchemaError, match="this is no TimeSeries"):
        fit_velocity(xr.Dataset())


def test_dates_as_yaml_reads_them() -> None:
    options = VelocityOptions.model_validate({"start_date": 20190401, "terms": "rate", "exclude_dates": 20190501})
    assert options.start_date == "20190401"
    assert options.exclude_dates == ("20190501",)
    assert options.terms == ("rate",)


def test_all_missing_series_pass_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for sigma in ("covariance", "residual", "bootstrap"):
            motion = fit_velocity(np.full((40, 1, 2), np.nan), times=TIMES, sigma=sigma, bootstrap_count=10)
            assert np.isnan(motion.value.values).all()


def test_a_series_cut_in_time_keeps_its_errors() -> None:
    series = inverted(noise_m=0.4)
    cut = series.isel(time=slice(4, None))
    direct = fit_velocity(series, start_date=str(cut.time.values[0])[:10])
    assert_allclose(fit_velocity(cut).sigma.sel(term="rate").values, direct.sigma.sel(term="rate").values, rtol=1e-9)


def test_the_datum_of_a_pixel_does_not_change_the_error_of_its_rate() -> None:
    # the same pixel, counted from the first date in one stack and from the fifth of a longer one
    times = regular_times(10, days=60.0)
    network = all_pairs(times)
    sigma = np.sqrt(np.array([0.01 + 0.0002 * pair.days for pair in network.pairs]))[None, :, None, None]
    late = np.array([pair.ref >= times[4] for pair in network.pairs])
    values = np.random.default_rng(5).normal(size=(1, len(network.pairs), 1, 2))
    values[:, ~late, :, 1] = np.nan
    stack = make_pair_stack(values, list(network.pairs), sigma=sigma)
    stack["independent_share"] = ("component", [0.01])
    short = stack.isel(pair=np.flatnonzero(late))
    long_series, short_series = invert(stack, norm="l2"), invert(short, norm="l2")
    assert_allclose(long_series.sigma.values[0, 4:, 0, 1], short_series.sigma.values[0, :, 0, 1], rtol=1e-3)
    ours, theirs = (fit_velocity(each).sigma.sel(term="rate").values[0, 0, 1] for each in (long_series, short_series))
    assert_allclose(ours, theirs, rtol=1e-3)
