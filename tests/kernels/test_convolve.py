from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage
from tests.kernels.matching import Bools, Doubles, Floats

from creepmeter.kernels.convolve import LEAST_ENERGY, ROWS_PER_TASK, filter_image
from creepmeter.kernels.threads import limit_threads

pytestmark = pytest.mark.kernel


def weights_of(rng: np.random.Generator, size: int) -> Floats:
    return rng.normal(size=(size, size)).astype(np.float32)


def by_definition(values: Doubles, valid: Bools, weights: Floats) -> tuple[Doubles, Bools]:
    """Return sum h m a + (sum h - sum h m) mean, and where enough of the energy of h is seen."""
    h = weights.astype(float)
    image, mask = np.where(valid, values, 0.0), valid.astype(float)
    box = np.ones_like(h)
    seen, power, total, count, count_h = (
        ndimage.correlate(part, kernel, mode="constant")
        for part, kernel in ((image, h), (mask, h**2), (image, box), (mask, box), (mask, h))
    )
    mean = total / np.maximum(count, 1)
    return seen + (h.sum() - count_h) * mean, valid & (power >= float(LEAST_ENERGY) * (h**2).sum())


@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.sampled_from([1, 3, 5, 9]),
    shape=st.tuples(st.integers(3, 20), st.integers(3, 20)),
    missing=st.sampled_from([0.0, 0.03, 0.4]),
)
def test_filtered_images_follow_the_definition(*, seed: int, size: int, shape: tuple[int, int], missing: float) -> None:
    rng = np.random.default_rng(seed)
    values, valid, weights = rng.normal(size=shape), rng.random(shape) >= missing, weights_of(rng, size)
    found, kept = filter_image(values.astype(np.float32), valid, weights)
    expected, expected_kept = by_definition(values, valid, weights)
    assert_allclose(found[kept], expected[kept], atol=2e-5 * size**2)
    near = ndimage.correlate(valid.astype(float), weights.astype(float) ** 2, mode="constant")
    clear = abs(near - float(LEAST_ENERGY) * float((weights.astype(float) ** 2).sum())) > 1e-4
    assert_array_equal(kept[clear], expected_kept[clear])


@pytest.mark.parametrize("size", [3, 5, 7, 15])
def test_a_whole_image_is_correlated_as_by_scipy(size: int) -> None:
    rng = np.random.default_rng(size)
    image, weights = rng.normal(size=(40, 44)).astype(np.float32), weights_of(rng, size)
    found, kept = filter_image(image, np.ones(image.shape, bool), weights)
    reach = size // 2
    inner = np.s_[reach:-reach, reach:-reach]
    expected = ndimage.correlate(image.astype(float), weights.astype(float), mode="constant")
    assert kept[inner].all()
    assert_allclose(found[inner], expected[inner], atol=1e-5 * size**2)


@given(seed=st.integers(0, 2**32 - 1), missing=st.floats(0, 0.9))
def test_a_constant_image_stays_constant_under_any_mask(seed: int, missing: float) -> None:
    rng = np.random.default_rng(seed)
    valid, weights = rng.random((18, 21)) >= missing, weights_of(rng, 5)
    found, kept = filter_image(np.full(valid.shape, 7, np.float32), valid, weights)
    assert_allclose(found[kept], 7 * weights.sum(dtype=float), atol=1e-4)


def test_what_is_missing_is_nought() -> None:
    rng = np.random.default_rng(1)
    valid = rng.random((18, 21)) >= 0.3
    found, kept = filter_image(rng.normal(size=valid.shape).astype(np.float32), valid, weights_of(rng, 5))
    assert not kept[~valid].any()
    assert (~kept).any()
    assert_array_equal(found[~kept], 0)


@pytest.mark.parametrize("garbage", [np.nan, np.inf, -1e30])
def test_hidden_values_are_never_read(garbage: float) -> None:
    rng = np.random.default_rng(2)
    image, valid, weights = rng.normal(size=(30, 31)).astype(np.float32), rng.random((30, 31)) > 0.1, weights_of(rng, 5)
    plain = filter_image(image, valid, weights)
    hidden = filter_image(np.where(valid, image, np.float32(garbage)), valid, weights)
    for one, other in zip(plain, hidden, strict=True):
        assert_array_equal(other, one)


@pytest.mark.parametrize("missing", [0.0, 0.001])
def test_the_number_of_threads_changes_no_bit(missing: float) -> None:
    rng = np.random.default_rng(3)
    shape = (3 * ROWS_PER_TASK + 5, 40)
    image, valid, weights = rng.normal(size=shape).astype(np.float32), rng.random(shape) >= missing, weights_of(rng, 7)
    results = []
    for threads in (1, 2, 3):
        with limit_threads(threads):
            results.append(filter_image(image, valid, weights))
    for result in results:
        for one, other in zip(result, results[0], strict=True):
            assert_array_equal(one, other)


def test_a_symmetric_filter_keeps_an_edge_in_place() -> None:
    image = np.repeat(np.repeat([[0.0, 1.0]], 12, axis=1), 24, axis=0).astype(np.float32)
    smooth = np.outer([1, 2, 1], [1, 2, 1]).astype(np.float32) / 16
    found, _ = filter_image(image, np.ones(image.shape, bool), smooth)
    assert_allclose(found[5, 9:15], [0, 0, 0.25, 0.75, 1, 1], atol=1e-6)
