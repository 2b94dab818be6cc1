from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from tests.validation.samples import RATE, days, flicker, moved, station

from creepmeter.errors import ConfigError, InputError
from creepmeter.model.epoch import years_since
from creepmeter.validation.noise import fitted_covariance, flicker_covariance, time_bins
from creepmeter.validation.options import RateOptions
from creepmeter.validation.rates import find_step, fit_rates

Floats = npt.NDArray[np.float64]
pytestmark = pytest.mark.kernel

TIMES = days(200, step=10)  # five years and a half
YEARS = years_since(TIMES, TIMES[0])
STEP = float(years_since(np.array(["2002-03-15"], "datetime64[ns]"), TIMES[0])[0])
KEEP = RateOptions(undeclared_steps="keep")


def noisy(seed: int, size: float = 0.002) -> Floats:
    return moved(TIMES) + np.random.default_rng(seed).normal(0, size, (len(TIMES), 3))


@given(st.lists(st.floats(-2, 2), min_size=3, max_size=3), st.integers(0, 100))
@settings(max_examples=10)
def test_a_rate_comes_back_from_days_with_gaps(rate: list[float], seed: int) -> None:
    kept = np.sort(np.random.default_rng(seed).choice(len(TIMES), 90, replace=False))
    found = fit_rates(station(TIMES[kept], moved(TIMES, rate)[kept])).rates
    assert_allclose(found.rate, rate, atol=1e-9)
    assert found.dates == 90


def test_a_long_gap_leaves_the_rate_alone() -> None:
    values = noisy(1)
    kept = (YEARS < 1.5) | (YEARS > 3.5)
    found = fit_rates(station(TIMES[kept], values[kept])).rates
    assert (np.abs(found.rate - RATE) < 4 * found.sigma).all()


def test_a_season_is_not_fitted_to_one_day_of_each_year() -> None:
    surveys = np.array([f"{year}-04-10" for year in range(2001, 2008)], "datetime64[ns]")
    places = np.arange(7.0)[:, None] * RATE + np.random.default_rng(0).normal(0, 0.01, (7, 3))
    pegs = station(surveys, places)
    assert (np.abs(fit_rates(pegs).rates.rate - RATE) < 0.02).all()
    with pytest.raises(InputError, match="cannot determine offset, rate, annual_cos, annual_sin"):
        fit_rates(pegs, RateOptions(terms=("rate", "annual"), step=("20040101",)))
    spread = np.array([f"{2001 + k}-{4 + k:02d}-10" for k in range(7)], "datetime64[ns]")
    assert np.isfinite(fit_rates(station(spread, places), RateOptions(terms=("rate", "annual"))).rates.rate).all()


def test_a_gap_that_leaves_no_two_dates_is_said() -> None:
    kept = (YEARS < 1.5) | (YEARS > 3.5)
    options = RateOptions(start_date="20011001", end_date="20020101")
    with pytest.raises(InputError, match=r"0 date\(s\) from 2001-10-01 until 2002-01-01 cannot determine offset, rate"):
        fit_rates(station(TIMES[kept], moved(TIMES)[kept]), options)


def test_season_and_rate_are_told_apart() -> None:
    season = 0.01 * np.cos(2 * np.pi * YEARS + 1.0)[:, None] * np.ones(3)
    values = moved(TIMES) + season
    found = fit_rates(station(TIMES, values), RateOptions(terms=("rate", "annual"))).rates
    assert_allclose(found.rate, RATE, atol=1e-9)
    alone = fit_rates(station(TIMES, values), KEEP).rates
    assert (np.abs(alone.rate - RATE) > 1e-6).all()


def test_weights_follow_the_stated_errors() -> None:
    values = moved(TIMES)
    values[::7] += 0.5  # wrong, and stated to be
    one = station(TIMES, values)
    one.sigma[::7] = 1e4
    assert_allclose(fit_rates(one, KEEP).rates.rate, RATE, atol=1e-6)
    assert np.abs(fit_rates(one, RateOptions(weights="equal", undeclared_steps="keep")).rates.rate - RATE).max() > 1e-4


# ------------------------------------------------------------------------------------------------------------ steps


def stepped(size: float, seed: int = 3) -> Floats:
    values = noisy(seed)
    values[YEARS >= STEP, 0] += size
    return values


def test_a_declared_step_does_not_touch_the_rate() -> None:
    for step in ("20020315", "TEST:20020315"):
        fit = fit_rates(station(TIMES, stepped(0.08)), RateOptions(step=(step, "OTHER:20010101")))
        assert (np.abs(fit.rates.rate - RATE) < 4 * fit.rates.sigma).all()
        assert_allclose(fit.value[-1], (0.08, 0, 0), atol=0.002)
        assert [term.kind for term in fit.terms] == ["offset", "rate", "step"]


def test_a_step_that_nobody_declared_is_said_with_its_date_and_size() -> None:
    with pytest.raises(
        InputError, match=r"step of \+\d\d mm east about 2002-0[234]-\d\d .*--step TEST:20020"
    ) as caught:
        fit_rates(station(TIMES, stepped(0.08)))
    assert "--undeclared-steps keep" in str(caught.value)
    biased = fit_rates(station(TIMES, stepped(0.08)), KEEP).rates
    assert abs(biased.rate[0] - RATE[0]) > 0.01  # this is what is avoided


def test_noise_alone_makes_no_step() -> None:
    random = np.random.default_rng(0)
    for _ in range(25):
        assert find_step(flicker(1000, 1.0, random)) is None
        assert find_step(random.normal(size=1000)) is None


def test_a_season_makes_no_step() -> None:
    years = np.arange(2000) / 365.25
    season = 5 * np.sin(2 * np.pi * years) + np.random.default_rng(0).normal(size=2000)
    assert find_step(season) is None


# ---------------------------------------------------------------------------------------------------- standard errors


def pulls(noises: list[Floats]) -> tuple[float, float]:
    """Return the mean squares of true errors over sigma and over sigma_white."""
    found = [fit_rates(station(TIMES, moved(TIMES) + noise), KEEP).rates for noise in noises]
    errors = np.array([rates.rate - RATE for rates in found])
    sigma, white = (np.array([getattr(rates, name) for rates in found]) for name in ("sigma", "sigma_white"))
    return float(((errors / sigma) ** 2).mean()), float(((errors / white) ** 2).mean())


def test_sigma_holds_under_flicker_noise_where_white_noise_does_not() -> None:
    random = np.random.default_rng(5)
    noises = [
        np.stack([flicker(len(TIMES), 0.002, random) for _ in range(3)], 1) + random.normal(0, 0.002, (len(TIMES), 3))
        for _ in range(20)
    ]
    held, white = pulls(noises)
    assert 0.5 < held < 1.8  # 60 draws: the mean of chi2(1) scatters by 0.18, the estimated spectrum adds to it
    assert white > 4


def test_sigma_holds_under_white_noise() -> None:
    random = np.random.default_rng(6)
    held, white = pulls([random.normal(0, 0.002, (len(TIMES), 3)) for _ in range(20)])
    assert 0.4 < held < 1.6
    assert 0.5 < white < 1.6


def test_flicker_noise_has_the_spectrum_of_its_name() -> None:
    # variance of differences grows with the logarithm of the lag: each doubling adds the same
    covariance = flicker_covariance(np.arange(2049))
    last = covariance[-1]
    lags = 2 ** np.arange(4, 10)
    structure = last[-1] + np.diag(covariance)[-1 - lags] - 2 * last[-1 - lags]
    growth = np.diff(structure)
    assert_allclose(growth, 2 * np.log(2) / np.pi, rtol=0.06)


def test_the_covariance_of_a_part_is_a_part_of_the_covariance() -> None:
    some = np.array([0, 3, 4, 17, 40])
    assert_allclose(flicker_covariance(some), flicker_covariance(np.arange(41))[np.ix_(some, some)])


def test_few_dates_have_no_flicker_noise_and_say_so() -> None:
    times = days(6, step=360)
    found = fit_rates(station(times, moved(times) + np.random.default_rng(0).normal(0, 0.01, (6, 3)))).rates
    assert found.noise == "white"
    assert_allclose(found.sigma, found.sigma_white)
    assert fitted_covariance(np.zeros(30), np.ones((30, 1)), np.ones(30), np.arange(30)) is None


def test_two_surveys_have_the_error_that_is_stated() -> None:
    times = days(2, step=365)
    found = fit_rates(station(times, sigma=0.01)).rates
    assert found.noise == "stated"
    assert_allclose(found.sigma, np.sqrt(2) * 0.01 * 365.25 / 365)
    unknown = fit_rates(station(times, sigma=np.nan)).rates
    assert np.isnan(unknown.sigma).all()
    assert_allclose(unknown.rate, RATE)


def test_few_residuals_that_are_small_by_chance_do_not_undercut_the_stated_error() -> None:
    times = days(3, step=365)
    lucky = fit_rates(station(times, sigma=0.02)).rates  # no residual at all
    assert_allclose(lucky.sigma, 0.02 / np.sqrt(((np.arange(3) - 1) ** 2).sum()) * 365.25 / 365)
    unstated = station(times, sigma=np.nan)
    assert_allclose(fit_rates(unstated, RateOptions(position_sigma_m=0.02)).rates.sigma, lucky.sigma)
    assert_allclose(fit_rates(unstated).rates.sigma, 0, atol=1e-9)


def test_bins_hold_every_date_once() -> None:
    bins = time_bins(np.array([0.0, 0.1, 0.2, 0.3, 9.0, 9.1]), most=20)
    assert len(bins.of_date) == 6
    assert bins.position[0] == 0
    assert bins.position[-1] < 20
    assert (np.diff(bins.of_date) >= 0).all()


# --------------------------------------------------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"terms": ("annual",)}, "terms need rate"),
        ({"terms": ("rate", "wobble")}, "'wobble' is not known"),
        ({"step": ("TEST:soon",)}, "'soon' is not a date"),
        ({"start_date": "20200101", "end_date": "20190101"}, "lies before start_date"),
    ],
)
def test_options_that_make_no_sense_are_refused(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        RateOptions().override(changes, step="rates")
