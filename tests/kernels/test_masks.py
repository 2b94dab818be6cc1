from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage
from tests.kernels.matching import Bools

from creepmeter.kernels.masks import ROWS_PER_TASK, fill_border, shrink, take_level_off
from creepmeter.kernels.threads import limit_threads

pytestmark = pytest.mark.kernel


def random_mask(seed: int, shape: tuple[int, int], missing: float) -> Bools:
    return np.asarray(np.random.default_rng(seed).random(shape) >= missing)


@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    before=st.integers(0, 4),
    after=st.integers(0, 4),
    missing=st.sampled_from([0.0, 0.03, 0.3, 1.0]),
)
def test_a_shrunk_mask_is_eroded(*, seed: int, shape: tuple[int, int], before: int, after: int, missing: float) -> None:
    valid, reach = random_mask(seed, shape, missing), max(before, after)
    square = np.zeros((2 * reach + 1, 2 * reach + 1), bool)
    square[reach - before : reach + after + 1, reach - before : reach + after + 1] = True
    assert_array_equal(shrink(valid, before, after), ndimage.binary_erosion(valid, square))


@given(seed=st.integers(0, 2**32 - 1), reach=st.integers(0, 3), missing=st.sampled_from([0.0, 0.05, 0.3]))
def test_arms_are_the_row_and_the_column(*, seed: int, reach: int, missing: float) -> None:
    valid = random_mask(seed, (15, 18), missing)
    cross = np.zeros((2 * reach + 1, 2 * reach + 1), bool)
    cross[reach] = cross[:, reach] = True
    assert_array_equal(shrink(valid, reach, reach, arms_only=True), ndimage.binary_erosion(valid, cross))


def test_the_number_of_threads_changes_no_bit() -> None:
    valid = random_mask(1, (4 * ROWS_PER_TASK + 3, 30), 0.02)
    results = []
    for threads in (1, 2, 3):
        with limit_threads(threads):
            results.append(shrink(valid, 2, 3))
    for result in results:
        assert_array_equal(result, results[0])


@given(seed=st.integers(0, 2**32 - 1), width=st.integers(0, 5), missing=st.sampled_from([0.0, 0.1, 0.5, 0.97, 1.0]))
def test_gaps_are_filled_from_their_border_inwards(*, seed: int, width: int, missing: float) -> None:
    valid = random_mask(seed, (16, 17), missing)
    image = np.where(valid, np.random.default_rng(seed).normal(5, 1, valid.shape), 0).astype(np.float32)
    before = image.copy()
    filled = fill_border(image, valid, width)
    assert_array_equal(image, before)
    assert_array_equal(filled[valid], image[valid])
    if not valid.any():
        return
    distance = ndimage.distance_transform_cdt(~valid, "chessboard") if not valid.all() else np.zeros(valid.shape)
    assert_array_equal(filled[distance > width], 0)
    reached = filled[(distance > 0) & (distance <= width)]
    low, high = image[valid].min(), image[valid].max()
    assert ((reached >= low - 1e-5) & (reached <= high + 1e-5)).all()


def test_a_constant_image_is_continued_as_it_is() -> None:
    valid = np.ones((20, 20), bool)
    valid[6:14, 6:14] = False
    filled = fill_border(np.where(valid, np.float32(3), np.float32(0)), valid, 4)
    assert_array_equal(filled, 3)


def test_the_mean_of_seen_pixels_is_taken_off() -> None:
    rng = np.random.default_rng(8)
    values = rng.normal(2000, 10, (70, 50)).astype(np.float32)
    values[3, 4], values[5, 6], values[7, 8] = np.nan, np.inf, -np.inf
    hidden = rng.random(values.shape) < 0.2
    for mask in (None, hidden):
        centred, seen = take_level_off(values, mask)
        expected = np.isfinite(values) & ~(np.zeros(values.shape, bool) if mask is None else mask)
        assert_array_equal(seen, expected)
        assert_array_equal(centred[~seen], 0)
        assert_allclose(centred[seen], values[seen] - values[seen].mean(dtype=np.float64), atol=2e-4)
    nothing, seen = take_level_off(np.full((4, 5), np.nan, np.float32))
    assert not seen.any()
    assert_array_equal(nothing, 0)
