from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from creepmeter.kernels.neighbours import FEWEST, agreement, far_from_median, incoherent, islands
from creepmeter.kernels.threads import limit_threads

pytestmark = pytest.mark.kernel
Floats = npt.NDArray[np.float32]
NAN = np.float32(np.nan)


def window(values: Floats, i: int, j: int, half: int) -> Floats:
    part = values[max(0, i - half) : i + half + 1, max(0, j - half) : j + half + 1]
    return part[np.isfinite(part)]


@given(seed=st.integers(0, 2**32 - 1), half=st.integers(1, 3), share=st.sampled_from([0.2, 0.32, 0.7]))
def test_incoherent_counts_only_neighbours_that_exist(seed: int, half: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    dy, dx = rng.choice(np.array([0, 0, 0.5, 3], np.float32), (2, 6, 8))
    missing = rng.random(dy.shape) < 0.3
    dy[missing] = dx[missing] = NAN
    found = incoherent(dy, dx, half, 1.0, share)
    for i, j in np.ndindex(dy.shape):
        if missing[i, j]:
            assert not found[i, j]
            continue
        y, x = window(dy, i, j, half), window(dx, i, j, half)
        agree = int(((abs(y - dy[i, j]) <= 1) & (abs(x - dx[i, j]) <= 1)).sum()) - 1
        total = len(y) - 1
        assert found[i, j] == (total < FEWEST or agree < FEWEST or agree < share * total)


@given(seed=st.integers(0, 2**32 - 1), half=st.integers(1, 2), floor=st.sampled_from([0.01, 0.5]))
def test_far_from_median_is_the_robust_rule(seed: int, half: int, floor: float) -> None:
    rng = np.random.default_rng(seed)
    dy, dx = rng.standard_t(2, (2, 6, 7)).astype(np.float32)
    dy[rng.random(dy.shape) < 0.2] = NAN
    dx[np.isnan(dy)] = NAN
    sigma = rng.uniform(0.01, 0.3, (2, *dy.shape)).astype(np.float32)
    found = far_from_median(dy, dx, sigma[0], sigma[1], half, 4.0, floor)
    for i, j in np.ndindex(dy.shape):
        far = False
        for values, spread in ((dy, sigma[0]), (dx, sigma[1])):
            near = window(values, i, j, half)
            if np.isfinite(values[i, j]) and len(near) > FEWEST:
                middle = np.median(near)
                deviation = 1.4826 * np.median(abs(near - middle))
                far |= bool(abs(values[i, j] - middle) > 4.0 * max(deviation, spread[i, j], floor))
        assert found[i, j] == far


def test_smooth_motion_loses_nothing_at_borders() -> None:
    y, x = np.indices((9, 11), np.float32)
    dy, dx = 0.2 * y, 0.1 * x
    sigma = np.full(dy.shape, 0.02, np.float32)
    assert not incoherent(dy, dx, 2, 1.0, 0.32).any()
    assert not far_from_median(dy, dx, sigma, sigma, 2, 4.0, 0.1).any()


def test_one_wrong_vector_is_found_and_no_other() -> None:
    dy, dx = np.zeros((2, 7, 7), np.float32)
    dx[3, 4] = 2.5
    expected = dx > 0
    sigma = np.full(dy.shape, 0.02, np.float32)
    assert_array_equal(incoherent(dy, dx, 2, 1.0, 0.32), expected)
    assert_array_equal(far_from_median(dy, dx, sigma, sigma, 2, 4.0, 0.1), expected)


def test_an_isolated_point_is_not_trusted() -> None:
    dy, dx = np.full((2, 5, 5), NAN)
    dy[2, 2] = dx[2, 2] = 0
    assert incoherent(dy, dx, 2, 1.0, 0.32)[2, 2]


def test_an_uncertain_point_may_lie_farther_from_the_median() -> None:
    dy, dx = np.zeros((2, 5, 5), np.float32)
    dx[2, 2] = 1.0
    sure, unsure = np.full((2, 5, 5), 0.05, np.float32)
    unsure[2, 2] = 0.3
    assert far_from_median(dy, dx, sure, sure, 2, 4.0, 0.1)[2, 2]
    assert not far_from_median(dy, dx, sure, unsure, 2, 4.0, 0.1)[2, 2]


def test_a_tolerance_of_its_own_for_each_point() -> None:
    dy, dx = np.zeros((2, 3, 3), np.float32)
    dx[1, 1] = 1.0
    tolerance = np.full(dy.shape, 0.5, np.float32)
    tolerance[1, 1] = 1.5
    agree, total = agreement(dy, dx, 1, tolerance)
    assert agree[1, 1] == total[1, 1] == 8
    assert (agree[0, 0], total[0, 0]) == (2, 3)


def test_the_number_of_threads_changes_no_bit() -> None:
    dy, dx = np.random.default_rng(2).normal(size=(2, 20, 15)).astype(np.float32)
    with limit_threads(1):
        alone = agreement(dy, dx, 2, 0.7)
    with limit_threads(3):
        assert_array_equal(agreement(dy, dx, 2, 0.7), alone)


def cone(height: float, slope: float, shape: tuple[int, int] = (15, 15)) -> Floats:
    i, j = np.indices(shape)
    return np.maximum(0, height - slope * np.hypot(i - 7, j - 7)).astype(np.float32)


def patches(dx: Floats, size: int, land: npt.NDArray[np.int32] | None = None) -> npt.NDArray[np.bool_]:
    dy = np.where(np.isnan(dx), NAN, np.float32(0))
    return islands(
        dy, dx, np.isfinite(dx).astype(np.int32) if land is None else land, np.full_like(dx, 0.2), 0.5, 2, size
    )


def test_a_patch_that_jumps_on_all_sides_is_an_island() -> None:
    dx = np.zeros((15, 15), np.float32)
    dx[3:7, 4:9] = 3.0
    assert_array_equal(patches(dx, 21), dx > 0)
    assert not patches(dx, 20).any()


def test_a_patch_that_fades_out_is_none() -> None:
    assert not patches(cone(2.0, 0.2), 1000).any()


def test_a_patch_enclosed_by_gaps_is_not_judged_and_one_enclosed_by_wrong_points_is() -> None:
    dx = np.zeros((15, 15), np.float32)
    dx[3:9, 3:9] = NAN
    dx[5:7, 5:7] = 3.0
    land = np.isfinite(dx).astype(np.int32)
    land[5:7, 5:7] = 2
    assert not patches(dx, 100, land).any()
    assert_array_equal(patches(dx, 100, np.ones_like(land)), dx == 3.0)


def test_a_line_of_gaps_cuts_nothing_off() -> None:
    dx = np.zeros((15, 15), np.float32)
    dx[:, 6] = NAN
    assert not patches(dx, 1000, np.ones(dx.shape, np.int32)).any()
