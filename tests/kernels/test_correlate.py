from __future__ import annotations

from math import gcd

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.kernels.correlate import PEAK_FIELDS, UNDEFINED, box_sums, find_peak, parabola, search_chips
from creepmeter.kernels.threads import limit_threads

pytestmark = pytest.mark.kernel
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

TOLERANCE = 2e-4  # products are summed in float32
CLEAR = 5e-3  # peaks that differ by less may change places in float32


def search(
    ref: Floats, sec: Floats, ref_valid: Bools, sec_valid: Bools, sizes: tuple[int, int, int], least: float = 1.0
) -> Floats:
    """Search all chips; `sizes` = chip, step, search radius."""
    chip, step, radius = sizes
    ny, nx = ((edge - chip) // step + 1 for edge in ref.shape)
    geometry = np.array([chip, step, gcd(chip, step), radius])
    return search_chips(ref, ref_valid, sec, sec_valid, np.ones((ny, nx), bool), geometry, least)


def brute_force(
    ref: Floats, sec: Floats, ref_valid: Bools, sec_valid: Bools, sizes: tuple[int, int, int], least: float = 1.0
) -> Doubles:
    """Return the masked correlation (ny, nx, shifts, shifts) by its definition, NaN where undefined."""
    chip, step, radius = sizes
    a, ma = (sliding_window_view(part, (chip, chip))[::step, ::step].astype(float) for part in (ref, ref_valid))
    wide = [np.pad(part, radius) for part in (np.where(sec_valid, sec, 0), sec_valid)]
    out = np.full((*a.shape[:2], 2 * radius + 1, 2 * radius + 1), np.nan)
    for u in range(2 * radius + 1):
        for v in range(2 * radius + 1):
            b, mb = (
                sliding_window_view(part[u : u + ref.shape[0], v : v + ref.shape[1]], (chip, chip))[::step, ::step]
                for part in wide
            )
            m = ma * mb
            n = np.maximum(m.sum((2, 3)), 1e-9)
            first = (a - ((a * m).sum((2, 3)) / n)[..., None, None]) * m
            second = (b - ((b * m).sum((2, 3)) / n)[..., None, None]) * m
            power = (first**2).sum((2, 3)) * (second**2).sum((2, 3))
            seen = (n >= least) & (power > 1e-8)
            out[..., u, v] = np.where(seen, (first * second).sum((2, 3)) / np.sqrt(np.where(seen, power, 1)), np.nan)
    return out


def second_peak(surface: Doubles, top: int, left: int) -> float:
    """Return the highest local maximum that is not within one shift of the peak, -2 without any."""
    known = np.where(np.isnan(surface), float(UNDEFINED), surface)
    best = float(UNDEFINED)
    for u in range(1, len(known) - 1):
        for v in range(1, len(known) - 1):
            if max(abs(u - top), abs(v - left)) > 1 and known[u, v] >= known[u - 1 : u + 2, v - 1 : v + 2].max():
                best = max(best, known[u, v])
    return best


def check_peaks(found: Floats, surfaces: Doubles, radius: int) -> None:
    for place in np.ndindex(found.shape[:2]):
        dy, dx, peak, second, edge, start_y, start_x = found[place]
        surface = surfaces[place]
        if np.isnan(surface).all():
            assert peak == UNDEFINED
            continue
        u, v = int(dy) + radius, int(dx) + radius
        assert_allclose(peak, surface[u, v], atol=TOLERANCE)
        assert_allclose(peak, np.nanmax(surface), atol=TOLERANCE)
        near = surface[max(u - 1, 0) : u + 2, max(v - 1, 0) : v + 2]
        on_border = near.shape != (3, 3) or bool(np.isnan(near[[0, 1, 1, 2], [1, 0, 2, 1]]).any())
        assert bool(edge) == on_border
        if np.sort(surface[np.isfinite(surface)])[-2:].min() < peak - CLEAR and np.isfinite(surface).all():
            assert_allclose(second, second_peak(surface, u, v), atol=TOLERANCE)
        if on_border:
            assert (start_y, start_x) == (dy, dx)
        else:
            assert_allclose(start_y - dy, parabola(*near[:, 1]), atol=0.05)
            assert_allclose(start_x - dx, parabola(*near[1, :]), atol=0.05)


@given(
    seed=st.integers(0, 2**32 - 1),
    chip=st.integers(4, 9),
    step=st.integers(1, 10),
    radius=st.integers(1, 3),
    missing=st.sampled_from([0.0, 0.05, 0.4]),
    level=st.sampled_from([0.0, 50.0]),
)
def test_peaks_are_those_of_the_masked_correlation(
    *, seed: int, chip: int, step: int, radius: int, missing: float, level: float
) -> None:
    rng = np.random.default_rng(seed)
    rows, columns = rng.integers(chip, 20, 2)
    ref, sec = (rng.normal(level, 1.0, (rows, columns)).astype(np.float32) for _ in range(2))
    sec[1:, :-1] += 2 * ref[:-1, 1:]
    first, second = (rng.random((rows, columns)) >= missing for _ in range(2))
    sizes, least = (chip, step, radius), 0.5 * chip * chip
    found = search(ref, sec, first, second, sizes, least)
    check_peaks(found, brute_force(ref, sec, first, second, sizes, least), radius)


@pytest.mark.parametrize("hole", [False, True])
def test_tiles_inside_the_image_and_at_its_border_agree_with_the_definition(*, hole: bool) -> None:
    rng = np.random.default_rng(1)
    ref = rng.normal(size=(54, 40)).astype(np.float32)  # 51 x 37 chips: more than three tiles, two of them whole
    sec = np.roll(ref, (1, -1), (0, 1)) + rng.normal(0, 0.3, ref.shape).astype(np.float32)
    first, second = np.ones((2, *ref.shape), bool)
    first[30:33, 20:22] = not hole
    found = search(ref, sec, first, second, (4, 1, 1), 8.0)
    check_peaks(found, brute_force(ref, sec, first, second, (4, 1, 1), 8.0), 1)


@pytest.mark.parametrize("sizes", [(8, 3, 4), (9, 4, 4), (16, 8, 4)])
def test_a_whole_shift_is_found_by_every_chip(sizes: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(2)
    ground = rng.normal(size=(40, 40)).astype(np.float32)
    ref, sec = ground[4:36, 4:36].copy(), ground[2:34, 7:39].copy()  # down by 2, left by 3
    seen = np.ones(ref.shape, bool)
    found = search(ref, sec, seen, seen, sizes, 0.4 * sizes[0] ** 2)
    assert_array_equal(found[..., 0], 2)
    assert_array_equal(found[..., 1], -3)
    assert_allclose(found[..., 2], 1, atol=1e-5)


@pytest.mark.parametrize("garbage", [np.nan, np.inf, 1e30])
def test_hidden_pixels_are_never_read_into_a_sum(garbage: float) -> None:
    rng = np.random.default_rng(3)
    ref, sec = (rng.normal(size=(22, 24)).astype(np.float32) for _ in range(2))
    first, second = rng.random((2, *ref.shape)) > 0.2
    hidden = [np.where(mask, image, np.float32(garbage)) for mask, image in ((first, ref), (second, sec))]
    plain = search(ref, sec, first, second, (6, 4, 2))
    assert_array_equal(search(hidden[0], hidden[1], first, second, (6, 4, 2)), plain)


def test_the_number_of_threads_changes_no_bit() -> None:
    rng = np.random.default_rng(4)
    ref, sec = (rng.normal(size=(56, 30)).astype(np.float32) for _ in range(2))
    seen = rng.random(ref.shape) > 0.02
    results = []
    for threads in (1, 2, 3):
        with limit_threads(threads):
            results.append(search(ref, sec, seen, seen, (6, 2, 1)))
    for result in results:
        assert_array_equal(result, results[0])


@pytest.mark.parametrize("level", [0.0, 7.0, 1e4])
def test_a_constant_chip_has_no_peak(level: float) -> None:
    rng = np.random.default_rng(5)
    ref = rng.normal(level, 1, (30, 30)).astype(np.float32)
    sec = ref.copy()
    ref[8:22, 8:22] = level
    seen = np.ones(ref.shape, bool)
    found = search(ref, sec, seen, seen, (8, 2, 2))
    assert (found[4:8, 4:8, 2] == UNDEFINED).all()
    assert (found[0, :, 2] > UNDEFINED).all()


def test_chips_that_are_not_wanted_stay_nan() -> None:
    rng = np.random.default_rng(6)
    image = rng.normal(size=(20, 20)).astype(np.float32)
    seen = np.ones(image.shape, bool)
    wanted = np.zeros((3, 3), bool)
    assert np.isnan(search_chips(image, seen, image, seen, wanted, np.array([8, 6, 2, 2]), 1.0)).all()


def test_a_peak_beyond_the_search_lies_on_its_border() -> None:
    rng = np.random.default_rng(7)
    y, x = np.indices((24, 40)) * 1.0
    waves = [np.cos(0.3 * x * np.cos(t) + 0.3 * y * np.sin(t) + t * t) for t in rng.uniform(0, 6.3, 12)]
    ground = np.sum(waves, axis=0).astype(np.float32)
    ref, sec = ground[:, 4:36].copy(), ground[:, :32].copy()  # right by 4, search 2
    seen = np.ones(ref.shape, bool)
    found = search(ref, sec, seen, seen, (12, 6, 2), 144.0)
    inside = found[:, 1:-1]
    assert (inside[..., 2] > UNDEFINED).any()
    assert (inside[inside[..., 2] > UNDEFINED][:, 4] == 1).all()


@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 6), squared=st.booleans())
def test_box_sums_are_window_sums(*, seed: int, size: int, squared: bool) -> None:
    values = np.random.default_rng(seed).normal(3, 1, (9, 7)).astype(np.float32)
    power = values.astype(float) ** (2 if squared else 1)
    assert_allclose(box_sums(values, size, squared), sliding_window_view(power, (size, size)).sum((2, 3)), rtol=1e-10)


@given(place=st.floats(-0.49, 0.49), bend=st.floats(0.1, 10))
def test_parabola_is_exact_for_a_parabola(place: float, bend: float) -> None:
    assert_allclose(parabola(*(-bend * (x - place) ** 2 for x in (-1.0, 0.0, 1.0))), place, atol=1e-9)


def test_parabola_never_leaves_the_pixel() -> None:
    assert parabola(1.0, 1.0, 1.0) == 0.0
    assert parabola(0.0, 0.1, 5.0) == 0.0  # bent upward: no peak
    assert parabola(0.0, 1.0, 0.999) <= 0.5


def test_find_peak_names_the_second_peak() -> None:
    surface = np.zeros((7, 7), np.float32)
    surface[1, 1], surface[1, 2], surface[4, 5] = 0.9, 0.8, 0.6
    found = np.empty(4)
    find_peak(surface, found)
    assert_allclose(found, [1, 1, 0.9, 0.6], rtol=1e-6)
    find_peak(np.full((7, 7), UNDEFINED), found)
    assert found[2] == UNDEFINED
    assert PEAK_FIELDS == 7
