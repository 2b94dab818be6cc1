from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.kernels.fit import fit_series, fit_whole, pseudo_inverse
from creepmeter.kernels.threads import limit_threads

pytestmark = pytest.mark.kernel
TIME = np.linspace(0.0, 2.0, 12)
DESIGN = np.stack([np.ones(12), TIME, np.cos(2 * np.pi * TIME)], axis=1)


@given(st.integers(0, 10_000), st.integers(3, 12), st.integers(1, 3))
def test_the_pseudo_inverse_is_numpys(seed: int, rows: int, columns: int) -> None:
    random = np.random.default_rng(seed)
    design = random.normal(size=(rows, columns)) * 10 ** random.uniform(-3, 3, columns)
    out = np.full((columns, rows), 9.0)
    assert pseudo_inverse(design, np.ones(rows), out)
    expected = np.linalg.pinv(design, rcond=1e-15)
    assert_allclose(out, expected, rtol=1e-7, atol=1e-9 * np.abs(expected).max())


def test_a_weight_counts_as_equal_rows() -> None:
    weight = np.array([0, 1, 2, 3, 0, 1, 1, 0, 2, 1, 1, 1], np.float64)
    out = np.empty((3, 12))
    assert pseudo_inverse(DESIGN, weight, out)
    repeats = weight.astype(int)
    values = np.random.default_rng(0).normal(size=12)
    expected = np.linalg.lstsq(np.repeat(DESIGN, repeats, axis=0), np.repeat(values, repeats), rcond=None)[0]
    assert_allclose(out @ values, expected, atol=1e-12)
    fit = fit_series(values[:, None], DESIGN, weight=weight)
    assert_allclose(fit.value[:, 0], expected, atol=1e-12)
    assert fit.freedom[0] == weight.sum() - 3


@pytest.mark.parametrize(
    ("design", "weight"),
    [
        (DESIGN[:, [0, 1, 1]], np.ones(12)),
        (DESIGN, np.r_[np.ones(2), np.zeros(10)]),
        (np.c_[DESIGN[:, :2], np.zeros(12)], np.ones(12)),
        (DESIGN[:2], np.ones(2)),
    ],
    ids=["same column twice", "two dates", "empty column", "fewer rows"],
)
def test_terms_that_the_dates_cannot_tell_apart(design: np.ndarray, weight: np.ndarray) -> None:
    assert not pseudo_inverse(np.ascontiguousarray(design), weight, np.empty((3, len(design))))
    fit = fit_series(np.ones((len(design), 2)), design, weight=weight)
    assert np.isnan(fit.value).all()
    assert np.isnan(fit.misfit).all()


@given(st.integers(0, 10_000), st.floats(0.0, 0.5))
def test_series_with_gaps_equal_lstsq_and_the_dense_covariance(seed: int, gaps: float) -> None:
    random = np.random.default_rng(seed)
    values = random.normal(size=(12, 5))
    values[random.random(values.shape) < gaps] = np.nan
    sigma = random.uniform(0.5, 2.0, values.shape)
    root = random.normal(size=(12, 12)) + 3 * np.eye(12)
    covariance = root @ root.T
    scale = np.sqrt(np.diagonal(covariance))
    correlation = covariance / np.outer(scale, scale)
    fit = fit_series(values, DESIGN, sigma=sigma, correlation=correlation)
    for pixel in range(5):
        kept = np.isfinite(values[:, pixel])
        if kept.sum() < 3:
            assert np.isnan(fit.value[:, pixel]).all()
            continue
        gain = np.linalg.pinv(DESIGN[kept])
        spread = np.diag(sigma[kept, pixel])
        residual = values[kept, pixel] - DESIGN[kept] @ gain @ values[kept, pixel]
        assert_allclose(fit.value[:, pixel], gain @ values[kept, pixel], rtol=1e-7, atol=1e-9)
        expected = np.diagonal(gain @ spread @ correlation[np.ix_(kept, kept)] @ spread @ gain.T)
        assert_allclose(fit.variance[:, pixel], expected, rtol=1e-7)
        assert_allclose(fit.misfit[pixel], (residual**2).sum(), rtol=1e-7, atol=1e-14)
        assert fit.freedom[pixel] == kept.sum() - 3


def test_any_split_of_the_series_gives_the_same_bits() -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=(12, 40))
    values[random.random(values.shape) < 0.2] = np.nan
    whole = fit_series(values, DESIGN)
    assert_array_equal(whole.value[:, 7:23], fit_series(values[:, 7:23], DESIGN).value)


def test_sigma_is_nan_where_it_is_unknown() -> None:
    assert np.isnan(fit_series(TIME[:, None], DESIGN).variance).all()


# ----------------------------------------------------------------------------------------------------- without any gap


@given(st.integers(1, 4), st.integers(0, 1000))
@settings(max_examples=15)
def test_series_without_gaps_share_one_pseudo_inverse(columns: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    design = random.normal(size=(9, columns))
    values = random.normal(size=(9, 70)).astype(np.float32)
    values[4, 7] = np.nan
    found = fit_whole(values, design)
    assert found is not None
    known = np.arange(70) != 7
    expected, squares = np.linalg.lstsq(design, values[:, known].astype(np.float64), rcond=None)[:2]
    assert_allclose(found.value[:, known], expected, atol=1e-10)
    assert_allclose(found.misfit[known], squares, atol=1e-10)
    assert_allclose(found.covariance, np.linalg.inv(design.T @ design), atol=1e-8)
    assert np.isnan(found.value[:, 7]).all()
    assert np.isnan(found.misfit[7])


def test_whole_series_give_the_same_bits_in_any_block() -> None:
    random = np.random.default_rng(1)
    design, values = random.normal(size=(6, 2)), random.normal(size=(6, 600))
    whole = fit_whole(values, design)
    part = fit_whole(values[:, 130:531], design)
    with limit_threads(2):
        threads = fit_whole(values, design)
    assert whole is not None
    assert part is not None
    assert threads is not None
    assert_array_equal(part.value, whole.value[:, 130:531])
    assert_array_equal(part.misfit, whole.misfit[130:531])
    assert_array_equal(threads.value, whole.value)


def test_terms_that_cannot_be_told_apart_have_no_pseudo_inverse() -> None:
    assert fit_whole(np.zeros((4, 3)), np.ones((4, 2))) is None
