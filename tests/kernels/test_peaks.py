from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from tests.kernels.matching import Doubles, Floats, second_peak

from creepmeter.kernels.peaks import PEAK_FIELDS, UNDEFINED, between_samples, describe_peak, highest, second_highest

pytestmark = pytest.mark.kernel


def lanes(surfaces: Doubles, stride: int) -> tuple[Floats, tuple[int, int, int]]:
    """Return surfaces (lanes, down, along) as kernels keep them, rows padded with values that must not be read."""
    count, down, along = surfaces.shape
    out = np.full((down, stride, count), 9.0, np.float32)
    out[:, :along] = np.moveaxis(surfaces, 0, 2)
    return out.reshape(-1, count), (down, along, stride)


def peaks_of(surfaces: Doubles, surplus: int = 0) -> tuple[Floats, Floats, Floats]:
    """Return highest and second highest values, and all fields, of surfaces (lanes, down, along)."""
    count, _, along = surfaces.shape
    flat, sizes = lanes(surfaces, along + surplus)
    best, second = np.empty(count, np.float32), np.empty(count, np.float32)
    place = np.empty(count, np.int32)
    highest(flat, sizes, best, place)
    second_highest(flat, sizes, place, second)
    fields = np.zeros((count, PEAK_FIELDS), np.float32)
    for lane in range(count):
        fields[lane, :2] = divmod(int(place[lane]), sizes[2])
        if place[lane] >= 0:
            describe_peak(flat, sizes, lane, int(place[lane]), fields[lane])
        else:
            fields[lane, :2] = -1
    return best, second, fields


@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    surplus=st.integers(0, 3),
    undefined=st.sampled_from([0.0, 0.2, 1.0]),
)
def test_the_two_highest_peaks_of_many_lanes(
    *, seed: int, shape: tuple[int, int], surplus: int, undefined: float
) -> None:
    rng = np.random.default_rng(seed)
    surfaces = rng.uniform(-1, 1, (5, *shape))
    surfaces[rng.random(surfaces.shape) < undefined] = UNDEFINED
    best, second, fields = peaks_of(surfaces, surplus)
    for lane, surface in enumerate(surfaces):
        if (surface == UNDEFINED).all():
            assert best[lane] == second[lane] == UNDEFINED
            assert_array_equal(fields[lane, :2], -1)
            continue
        u, v = np.unravel_index(surface.argmax(), surface.shape)
        assert_array_equal(fields[lane, :2], [u, v])
        assert best[lane] == np.float32(surface.max())
        assert second[lane] == np.float32(second_peak(surface, int(u), int(v)))
        inside = 0 < u < shape[0] - 1 and 0 < v < shape[1] - 1
        known = inside and min(surface[u - 1, v], surface[u + 1, v], surface[u, v - 1], surface[u, v + 1]) > UNDEFINED
        assert fields[lane, 4] == (0 if known else 1)
        assert abs(fields[lane, 5] - u) <= 0.5
        assert abs(fields[lane, 6] - v) <= 0.5


def test_undefined_values_and_nan_are_never_highest() -> None:
    surface = np.full((1, 5, 5), UNDEFINED, float)
    surface[0, 1, 1] = -0.9
    surface[0, 3, 3] = np.nan
    best, second, fields = peaks_of(surface)
    assert_allclose(best, -0.9)
    assert second[0] == UNDEFINED
    assert_array_equal(fields[0, [0, 1, 4]], [1, 1, 1])
    nothing = peaks_of(np.full((1, 5, 5), np.nan))
    assert nothing[0][0] == UNDEFINED


def test_of_equal_values_the_first_is_the_peak_and_a_far_one_the_second() -> None:
    surface = np.zeros((1, 7, 9))
    surface[0, 1, 2] = surface[0, 1, 3] = surface[0, 5, 6] = 0.5
    best, second, fields = peaks_of(surface)
    assert_array_equal(fields[0, :2], [1, 2])
    assert best[0] == second[0] == np.float32(0.5)


def test_a_neighbour_of_the_peak_is_no_second_peak() -> None:
    surface = np.zeros((1, 7, 7))
    surface[0, 1, 1], surface[0, 1, 2], surface[0, 4, 5] = 0.9, 0.8, 0.6
    best, second, _ = peaks_of(surface)
    assert_allclose([best[0], second[0]], [0.9, 0.6], rtol=1e-6)


@given(place=st.floats(-0.49, 0.49), width=st.floats(0.4, 5), height=st.floats(0.1, 1))
def test_between_samples_is_exact_for_a_gaussian(place: float, width: float, height: float) -> None:
    samples = (height * np.exp(-0.5 * ((x - place) / width) ** 2) for x in (-1.0, 0.0, 1.0))
    assert_allclose(between_samples(*samples), place, atol=1e-9)


@given(place=st.floats(-0.49, 0.49), bend=st.floats(0.2, 10))
def test_between_samples_is_exact_for_a_parabola_below_nought(place: float, bend: float) -> None:
    assert_allclose(between_samples(*(-bend * (x - place) ** 2 for x in (-1.0, 0.0, 1.0))), place, atol=1e-9)


@given(samples=st.tuples(*[st.floats(-1, 1, width=32)] * 3))
def test_between_samples_never_leaves_the_pixel_of_a_peak(samples: tuple[float, float, float]) -> None:
    before, here, after = samples[0], max(samples), samples[2]
    assert abs(between_samples(before, here, after)) <= 0.5


def test_between_samples_of_what_is_no_peak_stays() -> None:
    assert between_samples(1.0, 1.0, 1.0) == 0.0
    assert between_samples(0.0, 0.1, 5.0) == 0.0  # bent upward
