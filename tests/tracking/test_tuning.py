from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import fft

from creepmeter.simulate import pair_images, rigid_pair
from creepmeter.tracking.options import TrackOptions
from creepmeter.tracking.prepare import see_image
from creepmeter.tracking.track import track_arrays
from creepmeter.tracking.tuning import Spectra, mean_spectra, measure_spectra, tune, tuned_filter

Image = npt.NDArray[np.floating]
Floats = npt.NDArray[np.float32]
SHAPE = (320, 320)
OPTIONS = TrackOptions(chip_px=32, step_px=16, search_px=4)


def spectra_of(ref: Image, sec: Image, search: int = 4) -> Spectra | None:
    small = TrackOptions(chip_px=16)
    return measure_spectra(see_image(ref, None, small), see_image(sec, None, small), (search, search))


def filter_of(ref: Image, sec: Image) -> Floats | None:
    return tune(see_image(ref), see_image(sec), OPTIONS)


def response(weights: Floats | None) -> npt.NDArray[np.float64]:
    """Return the power response along the axes, at frequencies 0 to 0.5 per pixel; without a filter it is flat."""
    if weights is None:
        return np.ones(17)
    power = np.abs(fft.fft2(weights.astype(float), (32, 32))) ** 2
    flat: npt.NDArray[np.float64] = (power[0, :17] + power[:17, 0]) / 2
    return flat / flat.max()


def red_change(seed: int, deviation: float, shape: tuple[int, int] = SHAPE) -> Image:
    """Return noise whose amplitude falls as one over frequency."""
    noise = np.random.default_rng(seed).normal(size=shape)
    wave = np.hypot(fft.fftfreq(shape[0])[:, None], fft.rfftfreq(shape[1])[None, :])
    wave[0, 0] = np.inf
    red = fft.irfft2(fft.rfft2(noise) / wave, shape)
    return np.asarray(deviation * red / red.std())


def rms(ref: Image, sec: Image, prefilter: str, shift: tuple[float, float]) -> float:
    field = track_arrays(ref, sec, options=OPTIONS, prefilter=prefilter)
    assert field.valid.mean() > 0.5
    error = np.stack([field.dx - shift[0], field.dy - shift[1]])[:, field.valid]
    return float(np.sqrt(np.mean(error**2)))


@pytest.mark.parametrize("noise", [10.0, 40.0])
def test_where_only_white_noise_differs_a_filter_costs_nothing(noise: float) -> None:
    ref, sec = rigid_pair(SHAPE, 0.4, -0.3, noise_dn=noise, seed=1)
    plain, tuned = (rms(ref, sec, name, (0.4, -0.3)) for name in ("none", "auto"))
    assert tuned <= 1.1 * plain


def test_red_change_of_the_ground_gives_a_high_pass_that_pays() -> None:
    ref, sec = rigid_pair(SHAPE, 0.4, -0.3, noise_dn=10.0, seed=2)
    sec = sec + red_change(2, 0.5 * float(ref.std()))
    power = response(filter_of(ref, sec))
    assert power[0] < 0.1
    assert power[1] < 0.2
    assert rms(ref, sec, "auto", (0.4, -0.3)) < 0.6 * rms(ref, sec, "none", (0.4, -0.3))


def test_weights_are_symmetric_and_have_unit_energy() -> None:
    ref, sec = rigid_pair(SHAPE, 0.4, -0.3, noise_dn=10.0, seed=2)
    weights = filter_of(ref, sec + red_change(2, 100.0))
    assert weights is not None
    assert weights.shape[0] == weights.shape[1]
    assert weights.shape[0] % 2 == 1
    assert_allclose(weights, weights[::-1, ::-1], atol=1e-6)
    assert_allclose((weights**2).sum(), 1, rtol=1e-5)


@pytest.mark.parametrize("what", ["lake", "cloud"])
def test_windows_without_common_ground_do_not_change_the_filter(what: str) -> None:
    ref, sec = rigid_pair(SHAPE, 0.4, -0.3, noise_dn=10.0, seed=3)
    sec = sec + red_change(3, 0.5 * float(ref.std()))
    clear = spectra_of(ref, sec)
    assert clear is not None
    rng = np.random.default_rng(3)
    part = np.s_[40:200, 100:240]
    spoilt_ref, spoilt_sec = ref.copy(), sec.copy()
    spoilt_sec[part] = sec.max() + rng.normal(0, 300, sec[part].shape)
    if what == "lake":
        spoilt_ref[part] = ref.min() + rng.normal(0, 30, ref[part].shape)
        spoilt_sec[part] = sec.min() + rng.normal(0, 30, ref[part].shape)
    weights = filter_of(spoilt_ref, spoilt_sec)
    assert weights is not None
    size = len(clear.common)
    cost = clear.variance(np.abs(fft.rfft2(weights.astype(float), (size, size))) ** 2)
    assert cost < 1.1 * clear.variance(clear.weight())
    assert cost < 0.5 * clear.variance(np.ones_like(clear.common))


def test_gain_and_level_of_the_images_do_not_matter() -> None:
    ref, sec = rigid_pair(SHAPE, 0.4, -0.3, noise_dn=10.0, seed=4)
    sec = sec + red_change(4, 100.0)
    plain, other = filter_of(ref, sec), filter_of(ref * 0.01, sec * 7 - 1000)
    assert plain is not None
    assert other is not None
    assert_allclose(other, plain, atol=2e-3)


def test_swapped_images_give_the_same_filter() -> None:
    ref, sec = rigid_pair(SHAPE, 0.4, -0.3, noise_dn=10.0, seed=5)
    sec = sec + red_change(5, 100.0)
    assert_allclose(response(filter_of(sec, ref)), response(filter_of(ref, sec)), atol=0.1)


def test_the_same_images_give_the_same_filter() -> None:
    ref, sec = rigid_pair(SHAPE, 0.4, -0.3, noise_dn=10.0, seed=6)
    sec = sec + red_change(6, 100.0)
    first, second = filter_of(ref, sec), filter_of(ref, sec)
    assert first is not None
    assert second is not None
    assert_array_equal(first, second)


def test_too_few_windows_tell_nothing() -> None:
    ref, sec = rigid_pair((28, 28), 0.0, 0.0, noise_dn=5.0, seed=7)
    assert spectra_of(ref, sec) is None
    ref, sec = rigid_pair((128, 128), 0.0, 0.0, noise_dn=5.0, seed=7)
    ref[:, 40:] = np.nan
    ref[50:] = np.nan
    ref[::7, ::7] = np.nan
    assert spectra_of(ref, sec) is None
    assert tuned_filter(None) is None
    assert mean_spectra([]) is None


def test_other_prefilters_ask_for_no_tuning() -> None:
    ref, sec = (see_image(image) for image in rigid_pair(SHAPE, 0.4, -0.3, noise_dn=10.0, seed=6))
    assert tune(ref, sec, OPTIONS.override({"prefilter": "none"}, step="tracking")) is None


@pytest.mark.parametrize("size", [160, 300])
@pytest.mark.parametrize("shift", [(6.0, 0.0), (5.5, 5.5), (8.0, -3.0), (20.0, 20.0)])
def test_ground_that_moved_beyond_the_search_does_not_tune(size: int, shift: tuple[float, float]) -> None:
    """Windows aligned at a common wrong place agree in some frequencies; a filter of these would make it look right."""
    for seed in (1, 3, 10):
        ref, sec = rigid_pair((size, size + 16), *shift, noise_dn=5.0, seed=seed)
        assert spectra_of(ref, sec) is None
        assert track_arrays(ref, sec, chip_px=16, step_px=8, search_px=4).valid.mean() < 0.01


@pytest.mark.parametrize("noise", [5.0, 40.0, 150.0])
@pytest.mark.parametrize("size", [100, 160, 300])
def test_ground_within_the_search_tunes_in_any_noise(size: int, noise: float) -> None:
    for seed in range(3):
        assert spectra_of(*rigid_pair((size, size + 16), 1.3, -0.6, noise_dn=noise, seed=seed)) is not None


def test_a_slide_within_the_scene_tunes_as_the_ground_at_rest() -> None:
    def slide(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], ...]:
        return 2.0 * np.exp(-(((x - 160) / 50) ** 2 + ((y - 160) / 50) ** 2) / 2), 0 * x

    change = red_change(8, 100.0)
    moving = pair_images(SHAPE, slide, noise_dn=10.0, seed=8)
    at_rest = pair_images(SHAPE, (0.0, 0.0), noise_dn=10.0, seed=8)
    found, expected = (response(filter_of(pair.ref, pair.sec + change)) for pair in (moving, at_rest))
    assert_allclose(found, expected, atol=0.2)


def test_mean_spectra_are_weighed_by_their_windows() -> None:
    one, two = (Spectra(np.full((4, 3), k), np.full((4, 3), k), np.full((4, 3), k), n) for k, n in ((1.0, 1), (4.0, 2)))
    mean = mean_spectra([one, two])
    assert mean is not None
    assert mean.windows == 3
    assert_allclose(mean.common, 3)
