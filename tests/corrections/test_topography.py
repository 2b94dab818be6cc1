"""The error of the heights: put in, it comes out; motion stays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.corrections.series_options import TopographyOptions
from creepmeter.corrections.topography import centre_geometry, correct_height_error, plan_of
from creepmeter.errors import ConfigError
from creepmeter.model.epoch import as_epochs, decimal_years_since

TIMES = np.datetime64("2018-01-05T02:00", "ns") + np.arange(24) * np.timedelta64(24, "D")
SHAPE = (5, 7)
STEP = as_epochs(["20190106"])[0]


def signal(random: np.random.Generator, *, pixelwise: bool) -> tuple[np.ndarray, ...]:
    """Return series, motion, baselines, distance and error of the heights."""
    years = decimal_years_since(TIMES, TIMES[0])
    shares = random.normal(size=(3, *SHAPE)) * np.reshape([0.03, 0.02, 0.05], (3, 1, 1))
    functions = np.stack([years, years**2 / 2, (TIMES >= STEP).astype(float)])
    motion = np.einsum("kt,kyx->tyx", functions, shares)
    bperp = 80 * random.normal(size=(len(TIMES), *SHAPE) if pixelwise else len(TIMES))
    bperp -= bperp[0]
    distance = random.uniform(5.2e5, 6.0e5, SHAPE)
    height = 20 * random.normal(size=SHAPE)
    error = (bperp if pixelwise else bperp[:, None, None]) / distance * height
    return motion + error, motion, bperp, distance, height


@pytest.mark.kernel
@pytest.mark.parametrize("baselines", ["of dates", "of pixels"])
@pytest.mark.parametrize("fitted", ["displacement", "rate"])
@given(seed=st.integers(0, 2**32 - 1))
def test_an_error_of_the_heights_comes_out_and_motion_stays(baselines: str, fitted: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    series, motion, bperp, distance, height = signal(random, pixelwise=baselines == "of pixels")
    used = np.ones(len(TIMES), bool)
    used[random.integers(1, len(TIMES), 2)] = False
    series[~used] += 0.5 * random.normal(size=(int((~used).sum()), *SHAPE))  # what is left out does not count
    options = TopographyOptions(step_date=("20190106",), phase_velocity=fitted == "rate")
    plan = plan_of(TIMES, bperp.reshape(len(TIMES), -1)[:, 0], used, options)
    found = correct_height_error(series, bperp, distance, plan)
    assert_allclose(found.height_m, height, atol=1e-5, rtol=1e-6)
    assert_allclose(found.corrected[used], motion[used], atol=1e-7)
    assert_allclose(found.residual[used], 0, atol=1e-7)


def test_the_reference_date_keeps_its_values() -> None:
    random = np.random.default_rng(1)
    series, _, bperp, distance, height = signal(random, pixelwise=False)
    series -= series[6].copy()
    plan = plan_of(TIMES, bperp, np.ones(len(TIMES), bool), TopographyOptions(step_date=("20190106",)), datum=6)
    found = correct_height_error(series, bperp, distance, plan)
    assert_array_equal(found.corrected[6], 0)
    assert_allclose(found.height_m, height, atol=1e-5, rtol=1e-6)


def test_what_is_not_measured_stays_and_gets_no_error() -> None:
    random = np.random.default_rng(2)
    series, _, bperp, distance, _ = signal(random, pixelwise=False)
    series[:, 0, 0], series[4, 1, 1] = 0, np.nan
    coherence = np.ones(SHAPE)
    coherence[2, 2] = 0
    plan = plan_of(TIMES, bperp, np.ones(len(TIMES), bool), TopographyOptions())
    found = correct_height_error(series, bperp, distance, plan, coherence != 0)
    left = np.zeros(SHAPE, bool)
    left[[0, 1, 2], [0, 1, 2]] = True
    assert_array_equal(found.height_m == 0, left)
    assert_array_equal(found.residual[:, left], 0)
    assert_array_equal(found.corrected[:, left], series[:, left].astype(np.float32))
    alone = correct_height_error(series[:, 3:4, 2:4], bperp, distance[3:4, 2:4], plan)
    assert_array_equal(alone.corrected, found.corrected[:, 3:4, 2:4])
    assert_array_equal(alone.height_m, found.height_m[3:4, 2:4])


def test_functions_that_cannot_be_told_apart_are_named() -> None:
    bperp = np.linspace(0, 100, len(TIMES))
    clock = decimal_years_since(TIMES, TIMES[0])
    with pytest.raises(ConfigError, match="cannot tell bperp, offset, rate, quadratic apart"):
        plan_of(TIMES, clock, np.ones(len(TIMES), bool), TopographyOptions())
    used = np.zeros(len(TIMES), bool)
    used[:3] = True
    with pytest.raises(
        ConfigError, match=r"3 dates or rates between them cannot determine 4 functions.*topographicResidual = no"
    ):
        plan_of(TIMES, bperp, used, TopographyOptions())


def test_the_centre_of_a_scene() -> None:
    incidence, distance = centre_geometry(8.5e5, 10.0, 1001, 7e5, 6.371e6)
    assert distance == 855_000.0
    earth, orbit = 6.371e6, 7.071e6
    nadir = np.arccos((orbit**2 + distance**2 - earth**2) / (2 * orbit * distance))
    assert incidence == pytest.approx(np.degrees(np.arcsin(orbit / earth * np.sin(nadir))), abs=0.02)
