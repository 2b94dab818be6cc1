from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import ndimage

from creepmeter.kernels.regions import (
    find_boundary,
    find_runs,
    paint_runs,
    renumber,
    run_areas,
)

pytestmark = pytest.mark.kernel
Labels = npt.NDArray[np.int32]
SEEDS = st.integers(0, 2**32 - 1)


def random_map(seed: int, shape: tuple[int, int] = (9, 11)) -> npt.NDArray[np.int16]:
    rng = np.random.default_rng(seed)
    return rng.choice(np.array([0, 1, 1, 2, 7], np.int16), shape)


def painted(values: npt.NDArray[np.int16], keep: npt.NDArray[np.bool_]) -> tuple[Labels, int]:
    runs, count = find_runs(values, keep)
    labels = np.zeros(values.shape, np.int32)
    paint_runs(runs, np.arange(count + 1, dtype=np.int32), labels)
    assert_array_equal(run_areas(runs, count)[1:], np.bincount(labels.ravel(), minlength=count + 1)[1:])
    return labels, count


@given(seed=SEEDS)
def test_regions_are_pixels_of_one_value_joined_by_their_sides(seed: int) -> None:
    values = random_map(seed)
    keep = np.random.default_rng(seed + 1).random(values.shape) < 0.8
    labels, count = painted(values, keep)
    effective = np.where(keep, values, 0)
    assert_array_equal(labels == 0, effective == 0)
    parts = sum(ndimage.label(effective == value)[1] for value in (1, 2, 7))
    assert count == parts
    for label in range(1, count + 1):
        inside = labels == label
        assert len(np.unique(effective[inside])) == 1
        assert ndimage.label(inside)[1] == 1


@given(seed=SEEDS)
def test_regions_are_numbered_in_raster_order(seed: int) -> None:
    labels, count = painted(random_map(seed), np.ones((9, 11), bool))
    _, first = np.unique(labels[labels > 0], return_index=True)
    assert len(first) == count
    assert (np.diff(first) > 0).all()


def test_a_region_that_closes_late_is_one() -> None:
    values = np.array([[1, 0, 1, 0, 1], [1, 0, 1, 0, 1], [1, 1, 1, 1, 1]], np.int16)
    labels, count = painted(values, np.ones(values.shape, bool))
    assert count == 1
    assert_array_equal(labels, values)


def test_a_map_without_regions() -> None:
    labels, count = painted(np.zeros((3, 4), np.int16), np.ones((3, 4), bool))
    assert count == 0
    assert not labels.any()
    assert find_boundary(labels).row.size == 0


SHAPES = st.sampled_from([(9, 11), (3, 4), (1, 7), (6, 1), (2, 2), (20, 19), (7, 16)])


@given(seed=SEEDS, shape=SHAPES, size=st.integers(1, 7))
def test_boundary_pixels_of_a_core_have_another_neighbour(seed: int, shape: tuple[int, int], size: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.kron(rng.choice([0, 1, 1, 1, 2], shape), np.ones((size, size))).astype(np.int32)
    core = ndimage.minimum_filter(labels, 5, mode="nearest")
    around = np.pad(core, 1, mode="edge")
    sides = np.stack([around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:]])
    row, column = np.nonzero((core != 0) & (sides != core).any(axis=0))
    found = find_boundary(labels)
    assert_array_equal(found, [row, column, core[row, column]])


def test_a_long_boundary_fits() -> None:
    stripes = np.repeat(np.arange(1, 41, dtype=np.int32)[:, None], 60, axis=1)
    assert find_boundary(stripes).row.size == 38 * 60  # rows that meet no other lie at the top edge


def test_renumber() -> None:
    labels = np.array([[0, 1], [2, 3]], np.int32)
    renumber(labels, np.array([0, 5, 0, 2], np.int32))
    assert_array_equal(labels, [[0, 5], [0, 2]])
