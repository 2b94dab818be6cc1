from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from creepmeter.kernels.medians import local_middle, median_network
from creepmeter.kernels.threads import limit_threads

pytestmark = pytest.mark.kernel
Floats = npt.NDArray[np.float32]


def holed(rng: np.random.Generator, shape: tuple[int, int], missing: float) -> Floats:
    values: Floats = (rng.normal(size=shape) if rng.random() < 0.5 else rng.integers(-2, 3, shape)).astype(np.float32)
    values[rng.random(shape) < missing] = np.nan
    return values


@given(seed=st.integers(0, 2**32 - 1), half=st.integers(1, 3), missing=st.sampled_from([0, 0.3, 0.9]))
def test_equals_numpy_in_every_window(seed: int, half: int, missing: float) -> None:
    values = holed(np.random.default_rng(seed), (7, 9), missing)
    near = local_middle(values, half)
    for i, j in np.ndindex(values.shape):
        part = values[max(0, i - half) : i + half + 1, max(0, j - half) : j + half + 1]
        part = part[np.isfinite(part)]
        assert near.points[i, j] == part.size
        if part.size == 0:
            assert np.isnan([near.median[i, j], near.deviation[i, j]]).all()
            continue
        middle = np.median(part)
        assert near.median[i, j] == middle
        assert near.deviation[i, j] == np.median(np.abs(part - middle))


@pytest.mark.parametrize("count", [9, 25, 81, 289])
def test_a_network_finds_the_middle_of_any_order(count: int) -> None:
    items = np.random.default_rng(count).permuted(np.tile(np.arange(count), (50, 1)), axis=1)
    for a, b in median_network(count):
        items[:, [a, b]] = np.sort(items[:, [a, b]], axis=1)
    assert_array_equal(items[:, count // 2], count // 2)
    assert_array_equal(items[:, count // 2 - 1], count // 2 - 1)


def test_rows_longer_than_a_block_and_any_number_of_threads_give_the_same_bits() -> None:
    values = holed(np.random.default_rng(7), (9, 300), 0.2)
    with limit_threads(1):
        alone = local_middle(values, 1)
    with limit_threads(3):
        together = local_middle(values, 1)
    for a, b in zip(alone, together, strict=True):
        assert_array_equal(a, b)
    for left in (100, 200):
        apart = local_middle(values[:, left : left + 60], 1)
        for a, b in zip(alone, apart, strict=True):
            assert_array_equal(a[:, left + 1 : left + 59], b[:, 1:-1])
