"""The nearest of many points, against all of them one by one; and places in the cells of a bent grid."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from creepmeter.kernels.buckets import cells_around, nearest_points, sort_points

Floats = npt.NDArray[np.float64]


def brute(points: Floats, known: npt.NDArray[np.bool_], wanted: Floats, radius: float) -> npt.NDArray[np.intp]:
    apart = ((wanted[:, None] - points[None]) ** 2).sum(axis=2)
    apart[:, ~known] = np.inf
    found = apart.argmin(axis=1)
    return np.where(apart[np.arange(len(wanted)), found] <= radius**2, found, -1)


def search(points: Floats, wanted: Floats, radius: float = 1e9) -> npt.NDArray[np.int32]:
    return nearest_points(sort_points(points, np.ones(len(points), bool)), wanted, radius)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(1, 60),
    stretch=st.tuples(st.sampled_from([0.0, 1e-6, 1.0, 1e4]), st.sampled_from([0.0, 1.0, 3e3])),
    radius=st.sampled_from([0.05, 1.0, 1e9]),
)
def test_the_nearest_is_that_of_a_search_of_all_points(
    seed: int, count: int, stretch: tuple[float, float], radius: float
) -> None:
    random = np.random.default_rng(seed)
    scale = np.array([*stretch, 0.3])
    points = random.normal(size=(count, 3)) * scale + 5.0
    points[random.random(count) < 0.3] += 10 * scale  # two clusters with nothing between
    wanted = np.concatenate([random.normal(size=(30, 3)) * scale * 3 + 5.0, points[:5]])
    known = random.random(count) < 0.8
    found = nearest_points(sort_points(points, known), wanted, radius)
    expected = brute(points, known, wanted, radius)
    apart = [np.where(k < 0, np.inf, ((wanted - points[k]) ** 2).sum(axis=1)) for k in (found, expected)]
    np.testing.assert_allclose(apart[0], apart[1], rtol=1e-12)
    assert ((found < 0) == (expected < 0)).all()


def test_of_points_equally_near_the_first_is_taken() -> None:
    points = np.array([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert search(points, np.zeros((1, 3))).tolist() == [0]
    assert search(points[::-1].copy(), np.zeros((1, 3))).tolist() == [0]


def test_what_is_nowhere_or_too_far_has_none() -> None:
    points = np.zeros((1, 3))
    wanted = np.array([[np.nan, 0.0, 0.0], [3.0, 4.0, 0.0], [3.0, 4.0, 0.1], [0.0, 0.0, 5.0]])
    assert search(points, wanted, 5.0).tolist() == [-1, 0, -1, 0]


def test_without_points_nothing_is_found() -> None:
    buckets = sort_points(np.ones((4, 3)), np.zeros(4, bool))
    assert nearest_points(buckets, np.zeros((2, 3)), 10.0).tolist() == [-1, -1]


def bent(rows: Floats, columns: Floats) -> Floats:
    """Return points of a sheared, turned grid, whose cells are no parallelograms."""
    x = 40.0 * columns + 9.0 * rows + 0.4 * rows * columns
    y = -90.0 * rows + 11.0 * columns + 0.2 * columns**2
    return np.stack([x, y, np.zeros_like(x)], axis=-1).reshape(-1, 3)


@pytest.mark.parametrize("turned", [False, True])
def test_a_place_in_a_bilinear_cell_is_found_again(*, turned: bool) -> None:
    rows, columns = np.meshgrid(np.arange(5.0), np.arange(6.0), indexing="ij")
    points = bent(rows, columns)
    if turned:
        points = points[:, [1, 0, 2]].copy()  # seen from below: the cells run the other way
    random = np.random.default_rng(1)
    row, column = random.integers(0, 4, 40), random.integers(0, 5, 40)
    share = random.random((40, 2))
    grid = points.reshape(5, 6, 3)
    wanted = np.zeros((40, 3))
    for a, b in ((0, 0), (0, 1), (1, 0), (1, 1)):
        down, across = share[:, :1] if a else 1 - share[:, :1], share[:, 1:] if b else 1 - share[:, 1:]
        wanted += grid[row + a, column + b] * down * across
    corner, found = cells_around(points, (5, 6), wanted, search(points, wanted))
    place = np.stack([corner // 6 + found[:, 0], corner % 6 + found[:, 1]], axis=1)
    np.testing.assert_allclose(place, np.stack([row + share[:, 0], column + share[:, 1]], axis=1), atol=1e-6)


def test_beyond_the_edge_and_beside_unknown_points_the_nearest_stands_alone() -> None:
    rows, columns = np.meshgrid(np.arange(3.0), np.arange(3.0), indexing="ij")
    points = np.stack([columns.ravel(), rows.ravel(), np.zeros(9)], axis=1)
    points[4] = np.nan
    wanted = np.array([[-0.3, 0.0, 0.0], [0.6, 0.4, 0.0], [2.2, 2.2, 0.0]])
    nearest = nearest_points(sort_points(points, np.isfinite(points[:, 0])), wanted, 2.0)
    corner, share = cells_around(points, (3, 3), wanted, nearest)
    assert corner.tolist() == nearest.tolist() == [0, 1, 8]
    assert (share == 0).all()
