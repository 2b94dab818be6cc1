from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from numpy.testing import assert_array_equal

from creepmeter.errors import ImageError
from creepmeter.tracking.outliers import OutlierOptions, reject_outliers
from creepmeter.tracking.scattered import reject_scattered

Doubles = npt.NDArray[np.float64]
FLOOR = OutlierOptions(floor=0.1)


def cloud(count: int, seed: int) -> tuple[Doubles, Doubles]:
    y, x = np.random.default_rng(seed).uniform(0, 1000, (2, count))
    return y, x


def judge(places: tuple[Doubles, Doubles], dx: Doubles, dy: Doubles, reach: float = 200.0) -> npt.NDArray[np.bool_]:
    nothing = np.zeros(dx.shape)
    return reject_scattered(places, dx, dy, sigma=(nothing, nothing), reach=reach, options=FLOOR)


def test_wrong_points_go_and_a_smooth_field_stays() -> None:
    rng = np.random.default_rng(1)
    y, x = cloud(600, 1)
    dx, dy = (0.01 * x - 0.02 * y + rng.normal(0, 0.05, 600), 0.005 * y + rng.normal(0, 0.05, 600))
    assert judge((y, x), dx, dy).mean() < 0.01
    bad = rng.choice(600, 30, replace=False)
    angle = rng.uniform(0, 2 * np.pi, 30)
    dx[bad] += 15 * np.cos(angle)
    dy[bad] += 15 * np.sin(angle)
    found = judge((y, x), dx, dy)
    assert found[bad].mean() > 0.95
    assert np.delete(found, bad).mean() < 0.02


def test_a_slide_stays() -> None:
    y, x = cloud(600, 2)
    inside = np.hypot(x - 500, y - 500) < 180
    dx = np.where(inside, 3.0, 0.0) + np.random.default_rng(2).normal(0, 0.05, 600)
    found = judge((y, x), dx, 0 * dx)
    assert found[inside].mean() < 0.05
    assert found[~inside].mean() < 0.05


def test_on_a_grid_it_finds_what_the_filter_of_maps_finds() -> None:
    rng = np.random.default_rng(3)
    row, col = np.indices((20, 20)).astype(float)
    dx, dy = rng.normal(0, 0.03, (2, 20, 20))
    dx[rng.random((20, 20)) < 0.05] += 4
    mapped = reject_outliers(dx, dy, floor=0.1, min_island=1)
    alone = judge((row.ravel(), col.ravel()), dx.ravel(), dy.ravel(), reach=3.0)
    assert_array_equal(alone.reshape(20, 20), mapped)


def test_order_and_missing_points_do_not_matter() -> None:
    rng = np.random.default_rng(4)
    y, x = cloud(200, 4)
    dx, dy = rng.normal(0, 1, (2, 200))
    dx[::17] = np.nan
    plain = judge((y, x), dx, dy)
    order = rng.permutation(200)
    assert_array_equal(judge((y[order], x[order]), dx[order], dy[order]), plain[order])
    assert not plain[::17].any()
    known = np.isfinite(dx)
    assert_array_equal(judge((y[known], x[known]), dx[known], dy[known]), plain[known])


@pytest.mark.parametrize("count", [0, 1, 3])
def test_few_points_are_kept(count: int) -> None:
    y, x = cloud(count, 5)
    assert not judge((y, x), 100 * x, y).any()


def test_points_at_one_place_are_no_trouble() -> None:
    dx = np.zeros(60)
    dx[7] = 5
    assert_array_equal(np.flatnonzero(judge((np.zeros(60), np.zeros(60)), dx, 0 * dx)), [7])


def test_shapes_must_fit() -> None:
    with pytest.raises(ImageError, match="one shape"):
        judge((np.zeros(3), np.zeros(3)), np.zeros(4), np.zeros(4))
