"""Mean and spread of coefficients over resampled dates."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.kernels.fit import fit_series
from creepmeter.kernels.lanes import LANES, times_series
from creepmeter.kernels.resample import draw_counts, fit_resampled

pytestmark = pytest.mark.kernel
DATES = 14


def design() -> np.ndarray:
    """Return offset and rate."""
    return np.column_stack([np.ones(DATES), np.linspace(0, 2, DATES)])


def noise(pixels: int = 9) -> np.ndarray:
    """Return series with different gaps."""
    random = np.random.default_rng(3)
    series = random.normal(2.0, 0.1, (DATES, pixels))
    series[random.random(series.shape) < 0.15] = np.nan
    series[:, 4] = np.nan
    return series


def test_it_is_the_fit_of_every_sample() -> None:
    counts, series = draw_counts(np.ones(DATES, bool), 60, 1), noise()
    found = fit_resampled(series, design(), counts)
    fits = np.array([fit_series(series, design(), weight=weight).value for weight in counts])
    assert_array_equal(found.samples, np.isfinite(fits[:, 0]).sum(axis=0))
    known = found.samples > 0
    assert not known[4]
    assert_allclose(found.mean[:, known], np.nanmean(fits[..., known], axis=0), rtol=1e-10)
    assert_allclose(found.spread[:, known], np.nanstd(fits[..., known], axis=0), rtol=1e-8)
    assert np.isnan(found.spread[:, ~known]).all()


def test_a_sample_has_as_many_dates_as_are_used_and_no_others() -> None:
    used = np.arange(DATES) % 3 != 0
    counts = draw_counts(used, 20, 0)
    assert (counts.sum(axis=1) == used.sum()).all()
    assert (counts[:, ~used] == 0).all()
    assert_array_equal(counts, draw_counts(used, 20, 0))
    assert not np.array_equal(counts, draw_counts(used, 20, 1))


def test_a_pixel_has_the_same_number_wherever_it_is_in_a_block() -> None:
    series = np.random.default_rng(0).normal(size=(DATES, 3 * LANES + 77))
    matrix = np.random.default_rng(1).normal(size=(5, DATES))
    whole = times_series(matrix, series)
    assert_allclose(whole, matrix @ series, rtol=1e-9, atol=1e-12)
    for start, stop in ((0, 1), (5, 60), (LANES - 3, 2 * LANES + 9), (1000, 7000)):
        assert_array_equal(times_series(matrix, series[:, start:stop]), whole[:, start:stop])
