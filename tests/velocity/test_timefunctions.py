from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.errors import ConfigError
from creepmeter.model.epoch import Epochs, as_epochs, decimal_years, decimal_years_since
from creepmeter.velocity.options import TimeFunctionOptions
from creepmeter.velocity.timefunctions import (
    TimeFunctions,
    dates_in_fit,
    fit_time_functions,
    make_time_functions,
)

Values: TypeAlias = npt.NDArray[Any]
Floats: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]
TIMES: Epochs = np.datetime64("2018-01-05T02:00", "ns") + np.arange(30) * np.timedelta64(24, "D")
ALL: dict[str, Any] = {
    "polynomial": 3,
    "periodic": (1.0, 0.5, 2.0),
    "step_date": ("20190401",),
    "exp": ("20180601:60",),
    "log": ("20190801:30",),
}


def options(**changes: Any) -> TimeFunctionOptions:  # noqa: ANN401 - fields of the options
    return TimeFunctionOptions.model_validate(changes)


def fit(series: Values, chosen: TimeFunctionOptions, **given: Any) -> tuple[TimeFunctions, dict[str, Values]]:  # noqa: ANN401
    functions = make_time_functions(TIMES, chosen)
    return functions, fit_time_functions(series, functions, chosen, **given)


@given(st.integers(0, 1000))
@settings(max_examples=10)
def test_a_motion_of_all_terms_comes_back(seed: int) -> None:
    chosen = options(**ALL)
    functions = make_time_functions(TIMES, chosen)
    truth = np.random.default_rng(seed).normal(size=(functions.design.shape[1], 2, 3))
    found = fit_time_functions(np.einsum("tc,cyx->tyx", functions.design, truth), functions, chosen)
    for k, name in enumerate(functions.names):
        if name not in functions.seasons:
            assert_allclose(found[name], truth[k], atol=1e-4)  # float32, and terms that are much alike
        elif functions.names[k - 1] != name:
            assert_allclose(found[f"{name}Amplitude"], np.hypot(truth[k], truth[k + 1]), atol=1e-4)
            turned = found[f"{name}Phase"] - np.arctan2(truth[k], truth[k + 1])
            assert np.abs(np.angle(np.exp(1j * turned)) * found[f"{name}Amplitude"]).max() < 1e-3
    assert np.abs(found["residue"]).max() < 1e-5
    assert {found[name].dtype for name in found} == {np.dtype(np.float32)}


def test_names_and_units_are_those_of_mintpy() -> None:
    more = {**ALL, "polynomial": 4, "periodic": (1.0, 0.5, 2.0, 0.3333), "polyline": ("20190101",)}
    found = make_time_functions(TIMES, options(**more, uncertainty_quantification="residue")).datasets
    assert found == {
        "intercept": "m", "interceptStd": "m", "velocity": "m/year", "velocityStd": "m/year",
        "acceleration": "m/year^2", "accelerationStd": "m/year^2", "poly3": "m/year^3", "poly3Std": "m/year^3",
        "poly4": "m/year^4", "poly4Std": "m/year^4", "annualAmplitude": "m", "annualPhase": "radian",
        "semiAnnualAmplitude": "m", "semiAnnualPhase": "radian", "period2.0YAmplitude": "m",
        "period2.0YPhase": "radian", "period0.3333YAmplitude": "m", "period0.3333YPhase": "radian",
        "step20190401": "m", "step20190401Std": "m", "velocityPost20190101": "m/yr", "velocityPost20190101Std": "m/yr",
        "exp20180601Tau60D": "m", "exp20180601Tau60DStd": "m", "log20190801Tau30D": "m", "log20190801Tau30DStd": "m",
        "residue": "m",
    }  # fmt: skip


def test_standard_errors_follow_from_the_residuals() -> None:
    random = np.random.default_rng(2)
    series = 0.01 * random.normal(size=(30, 30, 40))
    functions, found = fit(series, options())
    years = functions.design[:, 1]
    residual = series.reshape(30, -1) - functions.design @ np.linalg.pinv(functions.design) @ series.reshape(30, -1)
    squares = (residual**2).sum(axis=0).reshape(30, 40)
    assert_allclose(found["residue"], np.sqrt(squares), rtol=1e-5)
    assert_allclose(found["velocityStd"], np.sqrt(squares / (28 * ((years - years.mean()) ** 2).sum())), rtol=1e-5)
    assert_allclose(np.mean((found["velocity"] / found["velocityStd"]) ** 2), 28 / 26, rtol=0.1)  # Student, 28 dates


def test_years_are_mintpys_and_count_from_the_first_date_used() -> None:
    assert_allclose(decimal_years(as_epochs(["20181231", "20190101"])), [2018 + 364 / 365.25, 2019.0])
    first = as_epochs(["20180105"])[0]
    later = decimal_years_since(as_epochs(["20190105"]), first)
    assert_allclose(later, 1.0, atol=1e-12)  # a year of 365 days
    functions = make_time_functions(TIMES, options(start_date="20180201", end_date="20191116"), TIMES[5:6])
    assert_array_equal(np.flatnonzero(~functions.used), [0, 1, 5, 29])
    assert functions.design[2, 1] == 0.0
    assert functions.design[0, 1] < 0.0


def test_the_last_day_counts_and_a_day_is_left_out_at_any_hour() -> None:
    used = dates_in_fit(TIMES, options(end_date=str(TIMES[3])[:10]), as_epochs([str(TIMES[1])[:10]]))
    assert_array_equal(np.flatnonzero(used), [0, 2, 3])


def test_a_polyline_is_the_rate_before_and_after() -> None:
    chosen = options(polyline=("20190801", "20190101"), polynomial=1)
    functions, _ = fit(np.zeros((30, 1, 1)), chosen)
    years = functions.design[:, 1:].sum(axis=1)
    plain = make_time_functions(TIMES, options()).design[:, 1]
    assert_allclose(years, plain, atol=1e-12)  # the same rate in all parts is that rate
    bends = [decimal_years_since(as_epochs([date]), TIMES[0])[0] for date in ("20190101", "20190801")]
    rates = (3.0, -1.0, 2.0)
    motion = rates[0] * np.minimum(plain, bends[0]) + rates[1] * np.clip(plain - bends[0], 0, bends[1] - bends[0])
    motion += rates[2] * np.maximum(plain - bends[1], 0)
    _, found = fit(motion[:, None, None], chosen)
    names = ("velocity", "velocityPost20190101", "velocityPost20190801")
    assert_allclose([found[name].item() for name in names], rates, atol=1e-5)


def test_a_polyline_bears_the_error_of_its_own_rate() -> None:
    noise = np.random.default_rng(5).normal(size=(30, 30, 30))
    _, found = fit(noise, options(polyline=("20190101",)))
    assert_allclose(np.mean((found["velocityPost20190101"] / found["velocityPost20190101Std"]) ** 2), 1.08, rtol=0.15)


def test_gaps_are_passed_over_and_empty_pixels_stay_zero() -> None:
    random = np.random.default_rng(3)
    series = random.normal(size=(30, 1, 4)).astype(np.float32)
    series[[3, 9], 0, 1] = np.nan
    series[:, 0, 2] = 0.0
    series[:, 0, 3] = np.nan
    functions, found = fit(series, options())
    kept = np.isfinite(series[:, 0, 1])
    design, values = functions.design[kept], series[kept, 0, 1].astype(np.float64)
    expected, squares = np.linalg.lstsq(design, values, rcond=None)[:2]
    spread = np.sqrt(np.diagonal(np.linalg.inv(design.T @ design)) * squares / (kept.sum() - 2))
    assert_allclose([found["velocity"][0, 1], found["velocityStd"][0, 1]], [expected[1], spread[1]], rtol=1e-5)
    assert all(values[0, 2] == 0 for values in found.values())
    assert all(np.isnan(values[0, 3]) for values in found.values())


def test_errors_of_the_series_are_propagated() -> None:
    factors = np.random.default_rng(1).normal(size=(4, 30, 40))
    covariance = factors @ factors.transpose(0, 2, 1)  # of four pixels
    series = np.ones((30, 1, 4))
    series[7, 0, 2] = np.nan  # a date is missing
    series[:, 0, 3] = 0.0  # nothing was inverted

    def variance_of(combinations: Floats, pixels: Bools) -> Floats:
        return np.asarray(np.einsum("ki,pij,kj->kp", combinations, covariance[pixels], combinations))

    chosen = options(uncertainty_quantification="covariance")
    functions, found = fit(series, chosen, variance_of=variance_of)
    for pixel in range(3):
        kept = np.isfinite(series[:, 0, pixel])
        inverse = np.linalg.pinv(functions.design[kept])
        spread = np.sqrt(np.diagonal(inverse @ covariance[pixel][np.ix_(kept, kept)] @ inverse.T))
        assert_allclose([found["interceptStd"][0, pixel], found["velocityStd"][0, pixel]], spread, rtol=1e-5)
    assert found["velocityStd"][0, 3] == 0
    with pytest.raises(ConfigError, match="covariance needs the covariance of the series"):
        fit(series, chosen)


def test_resampled_dates_spread_as_the_residuals_say() -> None:
    series = 0.01 * np.random.default_rng(4).normal(size=(30, 4, 5))
    _, plain = fit(series, options())
    chosen = options(uncertainty_quantification="bootstrap", bootstrap_count=200)
    _, drawn = fit(series, chosen)
    assert_allclose(drawn["velocityStd"].mean(), plain["velocityStd"].mean(), rtol=0.15)
    assert_allclose(drawn["velocity"], plain["velocity"], atol=0.5 * float(plain["velocityStd"].max()))
    for name, values in fit(series[:, 1:3], chosen)[1].items():
        assert_array_equal(values, drawn[name][1:3])  # every block draws alike


def test_too_few_dates_to_resample_are_refused_and_not_left_empty() -> None:
    """Of two dates both are drawn in half of all cases; of three, two different ones in eight of nine."""
    line = np.linspace(0, 0.1, 30)[:, None, None] * np.ones((1, 2, 3))
    chosen = options(uncertainty_quantification="bootstrap", bootstrap_count=401, end_date=str(TIMES[1])[:10])
    with pytest.raises(ConfigError, match="2 dates are too few to be resampled for 2 terms"):
        fit(line, chosen)
    _, drawn = fit(line, chosen.model_copy(update={"end_date": str(TIMES[2])[:10]}))
    _, plain = fit(line, options(end_date=str(TIMES[2])[:10]))
    assert_allclose(drawn["velocity"], plain["velocity"], rtol=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"polynomial": 40}, "less than or equal to 20"),
        ({"step_date": "2019"}, "is not a date"),
        ({"exp": "20190101"}, "exp:YYYYMMDD:DAYS"),
        ({"periodic": -1.0}, "the period must be a positive number"),
        ({"start_date": "20191301"}, "is not a date"),
        ({"step": ("20190101",)}, "Extra inputs are not permitted"),
    ],
)
def test_wrong_options_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        options(**changes)


def test_too_few_or_unhelpful_dates_are_refused() -> None:
    with pytest.raises(ConfigError, match="none of the 30 dates is left"):
        make_time_functions(TIMES, options(start_date="20250101"))
    with pytest.raises(ConfigError, match="2 dates cannot determine 4 terms"):
        make_time_functions(TIMES, options(periodic=1.0, end_date=str(TIMES[1])[:10]))
    late = options(step_date="20250101")
    with pytest.raises(ConfigError, match="cannot tell the terms intercept, velocity, step20250101 apart"):
        fit(np.zeros((30, 1, 1)), late)


def test_time_counts_from_the_reference_date_where_one_is_given() -> None:
    series = (0.05 * decimal_years_since(TIMES, TIMES[0])).reshape(-1, 1, 1)
    day = str(TIMES[10])[:10].replace("-", "")
    _, found = fit(series - series[10], options(ref_date=day))
    assert_allclose(found["intercept"], 0, atol=1e-12)  # the line passes through zero there
    assert_allclose(found["velocity"], 0.05)


def test_time_constants_of_fractions_of_days_keep_their_names() -> None:
    functions = make_time_functions(TIMES, options(exp=("20180601:60.2", "20180601:90.9")))
    assert {"exp20180601Tau60.2D", "exp20180601Tau90.9D"} <= set(functions.datasets)
