from __future__ import annotations

from math import gcd

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from tests.kernels.matching import TOLERANCE, Floats, Images, check_peak, surface_of

from creepmeter.kernels.correlate import choose_cell, search_chips
from creepmeter.kernels.peaks import PEAK_FIELDS, UNDEFINED
from creepmeter.kernels.products import LANES
from creepmeter.kernels.threads import limit_threads

pytestmark = pytest.mark.kernel

Geometry = tuple[int, int, int, int]
Place = tuple[int, int, int, int]
HERE: Place = (0, 0, 0, 0)


def chips_in(images: Images, geometry: Geometry, place: Place = HERE) -> tuple[int, int]:
    chip, step = geometry[:2]
    ny, nx = ((edge - first - chip) // step + 1 for edge, first in zip(images[0].shape, place[:2], strict=True))
    return ny, nx


def search(images: Images, geometry: Geometry, least: float = 1.0, place: Place = HERE) -> Floats:
    return search_chips(images, np.ones(chips_in(images, geometry, place), bool), geometry, place, least)


def noise(seed: int, shape: tuple[int, int], missing: float = 0.0, level: float = 0.0) -> Images:
    """Return a secondary that holds the reference one pixel down and left, and masks with holes."""
    rng = np.random.default_rng(seed)
    ref, sec = (rng.normal(level, 1.0, shape).astype(np.float32) for _ in range(2))
    sec[1:, :-1] += 2 * ref[:-1, 1:]
    return ref, rng.random(shape) >= missing, sec, rng.random(shape) >= missing


def check_all(images: Images, geometry: Geometry, least: float, place: Place = HERE) -> None:
    """Check peaks and kept surfaces of all chips by the definition."""
    chip, step, radius_y, radius_x = geometry
    ny, nx = chips_in(images, geometry, place)
    kept = np.full((ny, nx, 2 * radius_y + 1, 2 * radius_x + 1), np.nan, np.float32)
    found = search_chips(images, np.ones((ny, nx), bool), geometry, place, least, kept)
    assert found.shape == (ny, nx, PEAK_FIELDS)
    for i, j in np.ndindex(ny, nx):
        corner = (place[0] + i * step, place[1] + j * step)
        surface = surface_of(images, (*corner, *place[2:], radius_y, radius_x), chip, least)
        expected = np.where(np.isnan(surface), UNDEFINED, surface)
        assert_allclose(kept[i, j], expected, atol=TOLERANCE)
        check_peak(found[i, j], surface, (place[2] - radius_y, place[3] - radius_x))


@given(
    seed=st.integers(0, 2**32 - 1),
    chip=st.integers(4, 9),
    step=st.integers(1, 10),
    radius=st.tuples(st.integers(1, 3), st.integers(1, 4)),
    missing=st.sampled_from([0.0, 0.05, 0.4]),
    level=st.sampled_from([0.0, 50.0]),
)
def test_peaks_are_those_of_the_masked_correlation(
    *, seed: int, chip: int, step: int, radius: tuple[int, int], missing: float, level: float
) -> None:
    rows, columns = np.random.default_rng(seed).integers(chip, 20, 2)
    check_all(noise(seed, (int(rows), int(columns)), missing, level), (chip, step, *radius), 0.5 * chip * chip)


@given(
    seed=st.integers(0, 2**32 - 1),
    origin=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    shift=st.tuples(st.integers(-30, 30), st.integers(-30, 30)),
    missing=st.sampled_from([0.0, 0.1]),
)
def test_a_grid_may_start_anywhere_and_search_about_any_shift(
    *, seed: int, origin: tuple[int, int], shift: tuple[int, int], missing: float
) -> None:
    check_all(noise(seed, (18, 21), missing), (6, 4, 1, 2), 12.0, (*origin, *shift))


def test_a_prior_shift_moves_the_search_and_changes_no_peak() -> None:
    images = noise(1, (30, 30))
    plain = search(images, (8, 4, 3, 3), 40.0)
    moved = search(images, (8, 4, 3, 3), 40.0, (0, 0, 1, -1))
    inner = np.s_[1:-1, 1:-1]
    assert_array_equal(plain[inner][..., :2], np.broadcast_to([1, -1], (*plain[inner].shape[:2], 2)))
    assert_allclose(moved[inner][..., [0, 1, 2, 5, 6]], plain[inner][..., [0, 1, 2, 5, 6]], atol=1e-5)


@pytest.mark.parametrize("missing", [0.0, 0.05])
@pytest.mark.parametrize(
    ("chip", "step", "shape"),
    [
        (7, 5, (17, 23)),  # cells of one pixel
        (9, 3, (18, 24)),
        (16, 8, (24, 32)),
        (24, 12, (24, 36)),
        (16, 16, (32, 32)),
        (32, 8, (32, 40)),
        (6, 15, (21, 36)),  # chips farther apart than wide
        (13, 26, (13, 39)),
    ],
)
def test_cells_of_every_size_give_the_definition(chip: int, step: int, shape: tuple[int, int], missing: float) -> None:
    check_all(noise(chip, shape, missing), (chip, step, 2, 3), 0.5 * chip * chip)


@pytest.mark.parametrize("hole", [False, True])
def test_chips_of_many_tiles_agree_with_the_definition(*, hole: bool) -> None:
    images = noise(2, (54, 58))  # 51 x 55 chips: four tiles, of which a hole spoils some
    if hole:
        images[1][44:46, 20:22] = False
    check_all(images, (4, 1, 1, 1), 8.0)


@pytest.mark.parametrize(("chip", "step"), [(32, 8), (32, 4), (24, 12), (16, 16), (30, 7), (48, 1), (47, 5)])
def test_a_cell_divides_chip_and_step(chip: int, step: int) -> None:
    cell = choose_cell(chip, step, 100)
    assert gcd(chip, step) % cell == 0
    assert chip // cell <= LANES


def test_a_chip_with_too_many_cells_is_refused() -> None:
    assert choose_cell(LANES + 1, 1, 10) == 0
    images = noise(3, (60, 60))
    with pytest.raises(ValueError, match="chips of 49 pixels every 1 pixels have no common cell"):
        search(images, (49, 1, 2, 2))


@pytest.mark.parametrize("sizes", [(8, 3), (9, 4), (16, 8)])
def test_a_whole_shift_is_found_by_every_chip(sizes: tuple[int, int]) -> None:
    ground = np.random.default_rng(2).normal(size=(40, 40)).astype(np.float32)
    seen = np.ones((32, 32), bool)
    images = ground[4:36, 4:36].copy(), seen, ground[2:34, 7:39].copy(), seen  # down by 2, left by 3
    found = search(images, (*sizes, 4, 5), 0.4 * sizes[0] ** 2)
    assert_array_equal(found[..., 0], 2)
    assert_array_equal(found[..., 1], -3)
    assert_allclose(found[..., 2], 1, atol=1e-5)


@pytest.mark.parametrize("missing", [0.0, 0.1])
@pytest.mark.parametrize("power", [-40, 30, 40])
def test_the_unit_of_the_brightness_changes_no_bit(power: int, missing: float) -> None:
    ref, first, sec, second = noise(4, (40, 44), missing)
    unit = np.float32(2.0**power)  # a power of two loses no digit
    plain = search((ref, first, sec, second), (16, 8, 3, 3))
    assert_array_equal(search((unit * ref, first, unit * sec, second), (16, 8, 3, 3)), plain)


@pytest.mark.parametrize("garbage", [np.nan, np.inf, 1e30])
def test_hidden_pixels_are_never_read_into_a_sum(garbage: float) -> None:
    ref, first, sec, second = noise(3, (22, 24), 0.2)
    hidden = [np.where(mask, image, np.float32(garbage)) for mask, image in ((first, ref), (second, sec))]
    plain = search((ref, first, sec, second), (6, 4, 2, 2))
    assert_array_equal(search((hidden[0], first, hidden[1], second), (6, 4, 2, 2)), plain)


def test_the_number_of_threads_changes_no_bit() -> None:
    images = noise(4, (60, 72), 0.001)
    results = []
    for threads in (1, 2, 3):
        with limit_threads(threads):
            results.append(search(images, (8, 8, 1, 1)))
    for result in results:
        assert_array_equal(result, results[0])


@pytest.mark.parametrize("missing", [0.0, 0.02])
def test_other_chips_change_no_bit(missing: float) -> None:
    images, geometry = noise(5, (40, 48), missing), (8, 4, 2, 2)
    wanted = np.random.default_rng(5).random(chips_in(images, geometry)) < 0.3
    some, every = search_chips(images, wanted, geometry, HERE, 32.0), search(images, geometry, 32.0)
    assert_array_equal(some[wanted], every[wanted])
    assert np.isnan(some[~wanted]).all()


@pytest.mark.parametrize("level", [0.0, 7.0, 1e4])
@pytest.mark.parametrize("hole", [False, True])
def test_a_constant_chip_has_no_peak(level: float, *, hole: bool) -> None:
    ref = np.random.default_rng(5).normal(level, 1, (30, 30)).astype(np.float32)
    sec = ref.copy()
    ref[8:22, 8:22] = level
    seen = np.ones(ref.shape, bool)
    seen[25, 25] = not hole
    found = search((ref, seen, sec, seen), (8, 2, 2, 2))
    assert (found[4:8, 4:8, 2] == UNDEFINED).all()
    assert (found[0, :, 2] > UNDEFINED).all()


def test_chips_that_are_not_wanted_stay_nan() -> None:
    images = noise(6, (20, 20))
    kept = np.full((3, 3, 5, 5), np.nan, np.float32)
    found = search_chips(images, np.zeros((3, 3), bool), (8, 6, 2, 2), HERE, 1.0, kept)
    assert np.isnan(found).all()
    assert np.isnan(kept).all()


def test_a_secondary_that_is_all_missing_has_no_peak() -> None:
    ref, first, sec, second = noise(7, (20, 20))
    found = search((ref, first, sec, second & False), (8, 6, 2, 2))
    assert (found[..., 2] == UNDEFINED).all()


def test_a_peak_beyond_the_search_lies_on_its_border() -> None:
    rng = np.random.default_rng(7)
    y, x = np.indices((24, 40)) * 1.0
    waves = [np.cos(0.3 * x * np.cos(t) + 0.3 * y * np.sin(t) + t * t) for t in rng.uniform(0, 6.3, 12)]
    ground = np.sum(waves, axis=0).astype(np.float32)
    seen = np.ones((24, 32), bool)
    images = ground[:, 4:36].copy(), seen, ground[:, :32].copy(), seen  # right by 4, search 2
    inside = search(images, (12, 6, 2, 2), 144.0)[:, 1:-1]
    assert (inside[..., 2] > UNDEFINED).any()
    assert (inside[inside[..., 2] > UNDEFINED][:, 4] == 1).all()
