from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from tests.kernels.matching import Floats, Images, check_peak, surface_of

from creepmeter.kernels.correlate import search_chips
from creepmeter.kernels.peaks import PEAK_FIELDS, UNDEFINED
from creepmeter.kernels.points import BATCH, search_points
from creepmeter.kernels.threads import limit_threads

pytestmark = pytest.mark.kernel


def noise(seed: int, shape: tuple[int, int], missing: float = 0.0) -> Images:
    rng = np.random.default_rng(seed)
    ref, sec = (rng.normal(5.0, 1.0, shape).astype(np.float32) for _ in range(2))
    sec[1:, :-1] += 2 * ref[:-1, 1:]
    return ref, rng.random(shape) >= missing, sec, rng.random(shape) >= missing


def places(rng: np.random.Generator, count: int, shape: tuple[int, int], reach: int) -> npt.NDArray[np.int64]:
    """Return chips, shifts and radii; up to `reach` pixels outside the image."""
    corners = np.stack([rng.integers(-reach, edge + reach, count) for edge in shape], axis=1)
    return np.hstack([corners, rng.integers(-4, 5, (count, 2)), rng.integers(1, 4, (count, 2))]).astype(np.int64)


def check_all(found: Floats, images: Images, where: npt.NDArray[np.int64], chip: int, least: float) -> None:
    for fields, place in zip(found, where.tolist(), strict=True):
        surface = surface_of(images, tuple(place), chip, least)
        check_peak(fields, surface, (place[2] - place[4], place[3] - place[5]))


@given(
    seed=st.integers(0, 2**32 - 1),
    chip=st.integers(4, 13),
    missing=st.sampled_from([0.0, 0.1]),
    reach=st.sampled_from([0, 9]),
)
def test_each_point_has_its_own_place_shift_and_radius(*, seed: int, chip: int, missing: float, reach: int) -> None:
    images = noise(seed, (24, 27), missing)
    where = places(np.random.default_rng(seed), BATCH + 3, (24 - chip, 27 - chip), reach)
    found = search_points(images, where, chip, 0.4 * chip * chip)
    assert found.shape == (len(where), PEAK_FIELDS)
    check_all(found, images, where, chip, 0.4 * chip * chip)


@pytest.mark.parametrize("missing", [0.0, 0.05])
@pytest.mark.parametrize("shift", [(0, 0), (2, -3)])
def test_points_on_a_grid_are_the_chips_of_the_grid(missing: float, shift: tuple[int, int]) -> None:
    images, chip, step = noise(1, (24, 27), missing), 9, 5
    ny, nx = (24 - chip) // step + 1, (27 - chip) // step + 1
    chips = search_chips(images, np.ones((ny, nx), bool), (chip, step, 2, 1), (0, 0, *shift), 40.0)
    i, j = (part.ravel() for part in np.indices((ny, nx)))
    where = np.stack([i * step, j * step, *(np.full(i.size, k) for k in (*shift, 2, 1))], axis=1).astype(np.int64)
    points = search_points(images, where, chip, 40.0).reshape(ny, nx, PEAK_FIELDS)
    assert_array_equal(points[..., [0, 1, 4]], chips[..., [0, 1, 4]])
    assert_allclose(points, chips, atol=1e-3)


def test_a_point_does_not_depend_on_its_company() -> None:
    images = noise(2, (30, 30), 0.05)
    where = places(np.random.default_rng(2), BATCH + 5, (22, 22), 4)
    together = search_points(images, where, 8, 30.0)
    alone = np.concatenate([search_points(images, where[k : k + 1], 8, 30.0) for k in range(len(where))])
    assert (together[:, 3] > UNDEFINED).any()
    assert_array_equal(together, alone)


@pytest.mark.parametrize("garbage", [np.nan, np.inf, 1e30])
def test_hidden_pixels_are_never_read_into_a_sum(garbage: float) -> None:
    ref, first, sec, second = noise(3, (24, 24), 0.2)
    hidden = [np.where(mask, image, np.float32(garbage)) for mask, image in ((first, ref), (second, sec))]
    where = places(np.random.default_rng(3), 20, (16, 16), 3)
    plain = search_points((ref, first, sec, second), where, 8, 5.0)
    assert_array_equal(search_points((hidden[0], first, hidden[1], second), where, 8, 5.0), plain)


def test_a_point_outside_the_image_or_without_texture_has_no_peak() -> None:
    ref, first, sec, second = noise(4, (24, 24))
    ref[:12, :12] = 3.0
    where = np.array([[-40, 3, 0, 0, 2, 2], [3, 60, 0, 0, 2, 2], [2, 2, 90, 0, 2, 2], [1, 1, 0, 0, 2, 2]], np.int64)
    found = search_points((ref, first, sec, second), where, 8, 1.0)
    assert (found[:, 2] == UNDEFINED).all()
    assert (found[:, 4] == 1).all()


def test_no_points_give_nothing() -> None:
    assert search_points(noise(5, (20, 20)), np.empty((0, 6), np.int64), 8, 1.0).shape == (0, PEAK_FIELDS)


def test_the_number_of_threads_changes_no_bit() -> None:
    images = noise(6, (40, 40), 0.01)
    where = places(np.random.default_rng(6), 4 * BATCH + 1, (34, 34), 2)
    results = []
    for threads in (1, 2, 3):
        with limit_threads(threads):
            results.append(search_points(images, where, 6, 20.0))
    for result in results:
        assert_array_equal(result, results[0])
