from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from numpy.testing import assert_allclose, assert_array_equal
from tests.kernels.matching import cut

from creepmeter.kernels.windows import box, copy_tile, integrate, moments, row_moments

pytestmark = pytest.mark.kernel
seeds = st.integers(0, 2**32 - 1)


@given(
    seed=seeds,
    corner=st.tuples(st.integers(-25, 25), st.integers(-25, 25)),
    shape=st.tuples(st.integers(1, 14), st.integers(1, 14)),
    missing=st.sampled_from([0.0, 0.1, 1.0]),
)
def test_a_tile_has_no_mean_and_nothing_outside(
    *, seed: int, corner: tuple[int, int], shape: tuple[int, int], missing: float
) -> None:
    rng = np.random.default_rng(seed)
    image, valid = rng.normal(50, 1, (12, 15)).astype(np.float32), rng.random((12, 15)) >= missing
    hidden = np.where(valid, image, np.float32(np.nan))
    out, mask = np.empty(shape, np.float32), np.empty(shape, np.float32)
    whole = copy_tile(hidden, valid, *corner, out, mask)
    seen = cut(valid, *corner, shape) > 0
    values = cut(np.where(valid, image, 0), *corner, shape)
    assert_array_equal(mask, seen)
    assert_array_equal(out[~seen], 0)
    if seen.any():
        assert_allclose(out[seen], values[seen] - values[seen].mean(), atol=2e-5)
    inside = cut(np.ones_like(valid), *corner, shape) > 0
    assert whole == (seen.sum() == inside.sum())


@given(seed=seeds, height=st.integers(1, 9), width=st.integers(1, 8))
def test_boxes_of_an_integral_are_sums(seed: int, height: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(3, 1, (height, width)).astype(np.float32)
    sums, squares = np.full((2, height + 1, width + 1), np.nan)
    integrate(values, sums, squares)
    top, low = sorted(rng.integers(0, height + 1, 2).tolist())
    left, right = sorted(rng.integers(0, width + 1, 2).tolist())
    part = values[top:low, left:right].astype(float)
    assert_allclose(box(sums, top, low, left, right), part.sum(), atol=1e-10)
    assert_allclose(box(squares, top, low, left, right), (part**2).sum(), atol=1e-9)


@given(values=st.lists(st.floats(-100, 100), min_size=1, max_size=30))
def test_moments_are_mean_and_spread(values: list[float]) -> None:
    n, spread = len(values), float(np.square(np.subtract(values, np.mean(values))).sum())
    mean, inverse = moments(float(np.sum(values)), float(np.square(values).sum()), float(n), 1.0)
    assert_allclose(mean, np.mean(values), atol=1e-9)
    if spread > 1e-4 * np.square(values).sum():
        assert_allclose(inverse, 1 / np.sqrt(spread), rtol=1e-6)
    if spread == 0:
        assert np.isnan(inverse)
    assert np.isnan(moments(1.0, 5.0, float(n), n + 1.0)[1])
    assert np.isnan(moments(0.0, 0.0, 0.0, 0.0)[1])


@example(seed=551, top=0, chip=2, margin=(0, 0, 0, 0))  # little texture: squares must be double
@given(seed=seeds, top=st.integers(0, 5), chip=st.integers(2, 6), margin=st.tuples(*[st.integers(0, 4)] * 4))
def test_windows_count_only_what_lies_in_the_image(
    *, seed: int, top: int, chip: int, margin: tuple[int, int, int, int]
) -> None:
    height, width, least = 12, 14, 4.0
    inside = (margin[0], height - margin[1], margin[2], width - margin[3])
    tile = np.zeros((height, width), np.float32)
    part = np.s_[inside[0] : inside[1], inside[2] : inside[3]]
    tile[part] = np.random.default_rng(seed).normal(2, 1, tile[part].shape)
    within = np.zeros(tile.shape, bool)
    within[part] = True
    sums, squares = np.empty((2, height + 1, width + 1))
    integrate(tile, sums, squares)
    mean, inverse = np.empty((2, width - chip + 1))
    row_moments(sums, squares, top, chip, inside, least, mean, inverse)
    windows, seen = (sliding_window_view(a, (chip, chip))[top] for a in (tile.astype(float), within))
    for x in range(len(mean)):
        values = windows[x][seen[x]]
        if len(values) < least:
            assert np.isnan(inverse[x])
        else:
            assert_allclose(mean[x], values.mean(), rtol=1e-9)
            assert_allclose(inverse[x], 1 / np.sqrt(np.square(values - values.mean()).sum()), rtol=1e-6)
