from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.kernels.bridges import (
    TERMS,
    add_cycles,
    box_distances,
    closest_points,
    fit_surface,
    label_boxes,
    make_clusters,
    median_around,
    refer,
    surface_at,
)
from creepmeter.kernels.regions import Points

pytestmark = pytest.mark.kernel
FLAT = np.zeros(TERMS)


def random_points(seed: int, shape: tuple[int, int], count: int) -> Points:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 8, shape)
    labels[labels > count] = 0
    labels.flat[rng.choice(labels.size, count, replace=False)] = np.arange(1, count + 1)
    row, column = np.nonzero(labels)
    return Points(*(part.astype(np.int32) for part in (row, column, labels[row, column])))


@given(seed=st.integers(0, 2**32 - 1), shape=st.sampled_from([(5, 7), (3, 90), (70, 40)]))
def test_closest_points_are_the_first_of_the_closest(seed: int, shape: tuple[int, int]) -> None:
    points = random_points(seed, shape, 3)
    some = np.random.default_rng(seed).permutation(points.row.size)[:60]
    some = np.union1d(np.sort(some), [np.flatnonzero(points.label == k)[0] for k in (1, 2, 3)])
    points = Points(*(part[some] for part in points))
    clusters = make_clusters(points, 3, shape)
    least = box_distances(label_boxes(clusters))
    for a, b in ((1, 2), (1, 3), (2, 3), (3, 1)):
        ours, theirs = (np.argwhere(points.label == k).ravel() for k in (a, b))
        candidates = [
            (
                int(points.row[p] - points.row[q]) ** 2 + int(points.column[p] - points.column[q]) ** 2,
                (points.row[p], points.column[p]),
                (points.row[q], points.column[q]),
            )
            for p in theirs
            for q in ours
        ]
        distance, end_b, end_a = min(candidates)
        assert_array_equal(closest_points(clusters, a, b), [distance, *end_a, *end_b])
        assert least[a, b] <= distance


def test_median_around_counts_only_data_of_the_label() -> None:
    phase = np.arange(36, dtype=np.float32).reshape(6, 6)
    labels = np.ones((6, 6), np.int32)
    labels[:, 4:] = 2
    phase[2, 2], phase[2, 3] = 0, np.nan
    # rows 1 to 4, columns 1 to 4: the end is left out
    expected = np.median([7, 8, 9, 13, 19, 20, 21, 25, 26, 27])
    assert median_around(phase, labels, 1, (3, 3), 2, FLAT) == expected
    assert median_around(phase, labels, 2, (3, 3), 2, FLAT) == np.median([10, 16, 22, 28])
    assert np.isnan(median_around(phase, labels, 3, (3, 3), 2, FLAT))


@given(
    coefficients=st.lists(st.floats(-1, 1), min_size=6, max_size=6),
    terms=st.sampled_from([(0, 1, 2), (0, 1, 2, 3, 4, 5), (0, 2), (0, 1, 3)]),
)
def test_a_surface_is_found_again(coefficients: list[float], terms: tuple[int, ...]) -> None:
    wanted = np.zeros(TERMS)
    wanted[list(terms)] = np.array(coefficients)[list(terms)] / np.array([0.1, 1, 1, 10, 10, 10])[list(terms)]
    wanted[0] += 50
    y, x = np.indices((12, 14))
    values = wanted[0] + wanted[1] * y + wanted[2] * x + wanted[3] * y * y + wanted[4] * y * x + wanted[5] * x * x
    phase = values.astype(np.float32)
    labels = np.ones(phase.shape, np.int32)
    labels[3:5, 2:9] = 2
    phase[labels == 2] = 99
    phase[7, 7], phase[8, 1] = 0, np.nan
    found = fit_surface(phase, labels, 1, np.array(terms))
    assert_array_equal(found[np.setdiff1d(np.arange(TERMS), terms)], 0)
    # float32 data
    assert_allclose(
        [surface_at(found, i, j) for i, j in ((0, 0), (11, 13), (4, 4))], values[[0, 11, 4], [0, 13, 4]], atol=1e-4
    )


def test_a_surface_through_nothing_is_zero() -> None:
    assert not fit_surface(np.ones((4, 4), np.float32), np.ones((4, 4), np.int32), 2, np.arange(3)).any()


def test_cycles_are_added_and_no_data_stays() -> None:
    phase: npt.NDArray[np.float32] = np.array([[0.0, 1.0, 2.0], [np.nan, 3.0, 4.0]], np.float32)
    labels = np.array([[1, 1, 0], [1, 2, 2]], np.int32)
    out = np.empty_like(phase)
    add_cycles(phase, labels, np.array([0.0, 1.0, -2.0]), 0.5, out)
    turn = 2 * np.pi
    assert_allclose(out, [[0, 0.5 + turn, 1.5], [np.nan, 2.5 - 2 * turn, 3.5 - 2 * turn]], rtol=1e-6)
    refer(phase, 0.5, out)
    assert_array_equal(out, np.array([[0, 0.5, 1.5], [np.nan, 2.5, 3.5]], np.float32))
