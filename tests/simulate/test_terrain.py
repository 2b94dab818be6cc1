from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import fft

from creepmeter.errors import ImageError
from creepmeter.simulate import Ground, Surface, ground, surface
from creepmeter.simulate.terrain import MARGIN_PX

SHAPE = (200, 230)


@pytest.fixture(scope="module")
def scene() -> Surface:
    return surface(SHAPE, seed=3)


@pytest.fixture(scope="module")
def land() -> Ground:
    return ground((256, 256), seed=5)


def fine_samples(scene: Surface) -> npt.NDArray[np.float64]:
    """Return the band-limited scene on its own fine grid: the B-spline sampled at the integers, by its definition."""
    weights = np.array([1.0, 26.0, 66.0, 26.0, 1.0]) / 120.0
    values = scene.coefficients.astype(np.float64)
    for axis in (0, 1):
        values = sum(weight * np.roll(values, shift, axis) for shift, weight in zip(range(-2, 3), weights, strict=True))
    return values


def decimate(fine: npt.NDArray[np.float64], scene: Surface) -> npt.NDArray[np.float64]:
    start = MARGIN_PX * scene.oversample
    return fine[start :: scene.oversample, start :: scene.oversample][: scene.shape[0], : scene.shape[1]]


def test_the_undisplaced_image_is_pure_decimation(scene: Surface) -> None:
    assert_allclose(scene.image(), decimate(fine_samples(scene), scene), atol=2e-3)  # float32 of 2200 DN


@pytest.mark.parametrize(("dx", "dy"), [(0.37, -0.21), (0.5, 0.5), (-0.125, 0.9), (3.3, -2.7)])
def test_a_displaced_image_is_the_fourier_shift_of_the_fine_scene(scene: Surface, dx: float, dy: float) -> None:
    fine = fine_samples(scene)
    row, column = fft.fftfreq(fine.shape[0])[:, None], fft.rfftfreq(fine.shape[1])[None, :]
    turn = np.exp(-2j * np.pi * scene.oversample * (row * dy + column * dx))
    shifted = fft.irfft2(fft.rfft2(fine) * turn, s=fine.shape)
    # the quintic spline against the exact band-limited interpolator: far below one count
    assert_allclose(scene.image(dx, dy), decimate(shifted, scene), atol=0.02)


def test_a_whole_pixel_moves_features_right_and_down(scene: Surface) -> None:
    assert_allclose(scene.image(dx=2, dy=3)[3:, 2:], scene.image()[:-3, :-2], atol=2e-3)


def test_brightness_and_contrast_are_those_of_a_satellite_image() -> None:
    images = [surface((256, 256), seed).image() for seed in range(2)]
    assert np.mean(images) == pytest.approx(2200, rel=0.03)
    assert np.std(images) == pytest.approx(280, rel=0.15)  # a part of the tile that is normalised


def test_the_optics_pass_a_quarter_at_the_nyquist_frequency() -> None:
    # At 4 cells per pixel and at 6 the same optics act; measure them by what they do to white noise of the change.
    scene = ground((256, 256), seed=2)
    fine = Surface(scene.change, scene.shape, scene.oversample)
    power = np.abs(fft.rfft2(fine_samples(fine))) ** 2
    row = fft.fftfreq(power.shape[0])[:, None] * scene.oversample
    column = fft.rfftfreq((power.shape[1] - 1) * 2)[None, :] * scene.oversample
    radius = np.hypot(row, column)

    def level(frequency: float) -> float:
        ring = np.abs(radius - frequency) < 0.01
        return float(np.sqrt(power[ring].mean()) * frequency**0.9)  # the change is fractal with slope 0.9

    assert level(0.5) / level(0.05) == pytest.approx(0.25 / 0.25**0.01, rel=0.05)
    assert level(1.0) / level(0.05) == pytest.approx(0.25**4, rel=0.1)


def test_nothing_is_left_at_the_nyquist_frequency_of_the_fine_grid(scene: Surface) -> None:
    power = np.abs(fft.rfft2(fine_samples(scene) - 2200.0))
    assert power[power.shape[0] // 2].max() < 1e-5 * power.max()


def test_slopes_that_face_the_sun_are_bright(land: Ground) -> None:
    rows, columns = np.indices(land.shape, dtype=float)
    down_to_east = Surface(land.east, land.shape).at(rows, columns)
    level = Surface(land.cover, land.shape).at(rows, columns)
    morning = land.lit(azimuth_deg=90, elevation_deg=30).image() - level
    evening = land.lit(azimuth_deg=270, elevation_deg=30).image() - level
    assert np.corrcoef(morning.ravel(), down_to_east.ravel())[0, 1] > 0.99
    assert_allclose(morning, -evening, atol=0.02)


def test_low_sun_deepens_the_relief(land: Ground) -> None:
    level = land.lit(elevation_deg=90).image()
    low, high = (np.std(land.lit(elevation_deg=angle).image() - level) for angle in (30, 60))
    assert low / high == pytest.approx(np.tan(np.radians(60)) / np.tan(np.radians(30)), rel=1e-3)


def test_changes_are_independent_of_each_other_and_of_the_ground(land: Ground) -> None:
    rng = np.random.default_rng(1)
    first, second = land.changed(rng, 30.0), land.changed(rng, 30.0)
    assert first.std() == pytest.approx(30.0, rel=1e-3)
    for other in (second, land.cover):
        assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 0.2  # red fields: few independent parts


def test_one_seed_gives_one_ground_bit_for_bit() -> None:
    assert_array_equal(surface((40, 50), seed=9).image(0.3, 0.1), surface((40, 50), seed=9).image(0.3, 0.1))
    assert not np.array_equal(surface((40, 50), seed=9).image(), surface((40, 50), seed=10).image())


def test_an_odd_shape_is_what_comes_back() -> None:
    assert surface((1, 77), seed=0).image().shape == (1, 77)


@pytest.mark.parametrize(("shape", "oversample"), [((0, 5), 4), ((5, 5), 2)])
def test_a_ground_that_cannot_be_sampled_is_refused(shape: tuple[int, int], oversample: int) -> None:
    with pytest.raises(ImageError, match="oversample of at least 3"):
        ground(shape, 1, oversample)
