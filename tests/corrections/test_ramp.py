"""Ramps: what is a ramp is removed, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.blocks import Block
from creepmeter.corrections.protocol import subtract
from creepmeter.corrections.ramp import POWERS, Ramp, Sampling, fit_ramp, moments

SHAPE = (23, 31)
WHOLE = Block(0, slice(0, SHAPE[0]), slice(0, SHAPE[1]))
PIXEL = (5, 9)


def surface(kind: str, coefficients: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]] / np.reshape(SHAPE, (2, 1, 1))
    terms = np.array([y**i * x**j for i, j in POWERS[kind]])
    return np.asarray(
        np.einsum("ltyx,lt->lyx", np.broadcast_to(terms, (len(coefficients), *terms.shape)), coefficients)
    )


def fitted(
    values: np.ndarray, kind: str, inside: np.ndarray | None = None, pixel: tuple[int, int] | None = PIXEL
) -> Ramp:
    sampling = Sampling(values.shape[1:])
    mask = np.ones(values.shape[1:], bool) if inside is None else inside
    return fit_ramp(moments(values, mask, sampling), kind, sampling, pixel)


@pytest.mark.kernel
@pytest.mark.parametrize("kind", POWERS)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_pure_ramp_is_removed_to_rounding(kind: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    values = surface(kind, random.normal(size=(2, len(POWERS[kind]))))
    inside = random.random(SHAPE) > 0.4
    left = subtract(values, fitted(values, kind, inside).predict(WHOLE))
    assert_allclose(left, np.broadcast_to(values[:, PIXEL[0], PIXEL[1], None, None], left.shape), atol=1e-6)


@pytest.mark.parametrize("kind", POWERS)
def test_a_second_ramp_changes_nothing_and_the_reference_stays(kind: str) -> None:
    values = 0.01 * np.random.default_rng(3).normal(size=(3, *SHAPE))
    values -= values[:, PIXEL[0], PIXEL[1], None, None]
    once = subtract(values, fitted(values, kind).predict(WHOLE))
    assert_array_equal(once[:, PIXEL[0], PIXEL[1]], 0)
    assert_allclose(subtract(once, fitted(once, kind).predict(WHOLE)), once, atol=1e-8)


def test_it_is_the_least_squares_surface_of_the_mask() -> None:
    random = np.random.default_rng(4)
    values, inside = random.normal(size=(1, *SHAPE)), random.random(SHAPE) > 0.5
    values[0, 3, 4], values[0, 6, 7] = 0, np.nan
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    counts = inside & (values[0] != 0) & np.isfinite(values[0])
    design = np.stack([y**2, x**2, x * y, y, x, np.ones(SHAPE)], axis=-1)[counts].astype(float)
    expected = np.linalg.lstsq(design, values[0][counts], rcond=None)[0]
    assert_allclose(fitted(values, "quadratic", inside).in_pixels[0], expected, rtol=1e-8, atol=1e-12)


def test_zeros_and_gaps_stay() -> None:
    values = surface("linear", np.array([[1.0, 2.0, 3.0]]))
    values[0, 2, 3], values[0, 4, 5] = 0, np.nan
    left = subtract(values, fitted(values, "linear").predict(WHOLE))
    assert left[0, 2, 3] == 0
    assert np.isnan(left[0, 4, 5])
    assert np.isfinite(left).sum() == left.size - 1


def test_a_layer_of_zeros_and_pixels_in_a_row_give_no_nonsense() -> None:
    values = surface("linear", np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]]))
    row = np.zeros(SHAPE, bool)
    row[7] = True
    ramp = fitted(values, "linear", row, None)
    assert_array_equal(ramp.coefficients[1], 0)
    assert_allclose(ramp.predict(WHOLE)[0, 7], values[0, 7], atol=1e-9)  # of the pixels that were given


def test_large_maps_are_sampled() -> None:
    assert Sampling((1000, 1000)).step == 1
    sampling = Sampling((1500, 2000))
    assert sampling.step == 2
    assert (sampling.rows[:2].tolist(), len(sampling.columns)) == ([1, 3], 1000)
    assert Sampling((4000, 3000)).step == 4


@pytest.mark.kernel
def test_rows_in_any_pieces_give_the_same_bits() -> None:
    values = np.random.default_rng(5).normal(size=(3, 1200, 1000)).astype(np.float32)
    inside = np.random.default_rng(6).random((1200, 1000)) > 0.2
    sampling = Sampling((1200, 1000))
    assert sampling.step == 2
    whole = fit_ramp(moments(values, inside, sampling), "quadratic", sampling)
    cuts = [(0, 333), (333, 334), (334, 1200)]
    parts = [moments(values[:, a:b], inside[a:b], sampling, a) for a, b in cuts]
    again = fit_ramp(np.concatenate(parts, axis=1), "quadratic", sampling)
    assert_array_equal(again.coefficients, whole.coefficients)
    part = Block(3, slice(100, 140), slice(50, 90))
    entire = whole.predict(Block(0, slice(0, 1200), slice(0, 1000)))
    assert_array_equal(whole.predict(part), entire[:, 100:140, 50:90])
