from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import fft, ndimage

from creepmeter.errors import ConfigError, ImageError
from creepmeter.kernels.peaks import UNDEFINED
from creepmeter.kernels.together import find_peaks
from creepmeter.simulate import rigid_pair
from creepmeter.tracking import ensemble
from creepmeter.tracking.arrays import track_arrays
from creepmeter.tracking.ensemble import track_ensemble
from creepmeter.tracking.match import Flag, OffsetField
from creepmeter.tracking.options import TrackOptions

Doubles = npt.NDArray[np.float64]
Pair = tuple[Doubles, Doubles]

DX, DY = 1.3, -0.7
UNGATED: dict[str, Any] = {
    "min_correlation": 0, "min_distinct": 1, "min_support": 0, "min_local": 0, "max_sigma_px": 99, "outliers": False,
}  # fmt: skip


def ground(rng: np.random.Generator, edge: int) -> Doubles:
    """Return blurred noise of variance 1, periodic, so that it can be moved exactly."""
    noise = ndimage.gaussian_filter(rng.normal(size=(edge, edge)), 1.0, mode="wrap")
    return np.asarray(noise / noise.std())


def moved(image: Doubles) -> Doubles:
    y, x = fft.fftfreq(len(image))[:, None], fft.fftfreq(len(image))[None]
    return np.asarray(fft.ifft2(fft.fft2(image) * np.exp(-2j * np.pi * (y * DY + x * DX))).real)


def weak_images(seed: int, correlation: float, count: int, edge: int = 192) -> tuple[list[Doubles], list[Doubles]]:
    """Return images before and after a shift; any two of them correlate only so much, by common ground."""
    rng = np.random.default_rng(seed)
    common, change = ground(rng, edge), np.sqrt(1 / correlation - 1)
    later = moved(common)
    before = [common + change * ground(rng, edge) for _ in range(count)]
    return before, [later + change * ground(rng, edge) for _ in range(count)]


def weak_pairs(seed: int, correlation: float, count: int) -> list[Pair]:
    return list(zip(*weak_images(seed, correlation, count), strict=True))


def options(**changes: Any) -> TrackOptions:  # noqa: ANN401 - fields of TrackOptions
    return TrackOptions(chip_px=32, step_px=32, search_px=6, prefilter="none").override(changes, step="tracking")


def arrays(field: OffsetField) -> list[tuple[str, npt.NDArray[Any]]]:
    return [(name, values) for name, values in vars(field).items() if values is not None]


def errors(field: OffsetField) -> tuple[Doubles, Doubles]:
    """Return errors and standard errors (2, points) of valid points."""
    kept = field.valid
    error = np.stack([field.dx[kept] - DX, field.dy[kept] - DY]).astype(float)
    return error, np.stack([field.sigma_dx[kept], field.sigma_dy[kept]]).astype(float)


@pytest.mark.parametrize("prefilter", ["auto", "highpass"])
def test_of_one_pair_it_is_the_tracker(prefilter: str) -> None:
    ref, sec = rigid_pair((160, 176), 0.37, -0.21, noise_dn=40.0, seed=3)
    ref[50:80, 60:100] = np.nan
    sec[100:140, :70] = np.nan
    within = np.ones(ref.shape, bool)
    within[:, 150:] = False
    settings = TrackOptions().override(
        {"chip_px": 32, "step_px": 16, "search_px": 4, "prefilter": prefilter}, step="tracking"
    )
    expected = track_arrays(ref, sec, options=settings, within=within)
    found = track_ensemble([(ref, sec)], options=settings, within=within)
    assert 0.5 < expected.valid.mean() < 1
    for name, values in arrays(expected):  # a chip is judged after its last step instead of before
        assert_allclose(getattr(found, name), values, atol=1e-6 if name in ("dx", "dy") else 1e-3, err_msg=name)


def test_ten_weak_pairs_find_what_a_single_one_does_not() -> None:
    shares = []
    for count in (1, 10):
        good: list[Any] = []
        for seed in range(3):
            field = track_ensemble(weak_pairs(seed, 0.12, 10)[:count], options=options(**UNGATED))
            near = np.hypot(field.dx - DX, field.dy - DY) < 1.5
            good.append((near & field.valid)[1:-1, 1:-1])
        shares.append(np.mean(good))
    assert shares[0] < 0.5
    assert shares[1] > 0.95


def test_limits_are_those_of_one_pair() -> None:
    field = track_ensemble(weak_pairs(5, 0.15, 10), options=options(chip_px=64, search_px=4, outliers=False))
    assert field.valid.mean() > 0.9
    assert np.median(field.correlation) < 0.2
    assert np.abs(errors(field)[0]).max() < 0.5


def test_unrelated_pairs_are_not_valid() -> None:
    rng = np.random.default_rng(6)
    pairs = [(ground(rng, 192), ground(rng, 192)) for _ in range(10)]
    assert track_ensemble(pairs, options=options()).valid.mean() < 0.05


@pytest.mark.parametrize("correlation", [0.6, 0.35])
def test_standard_errors_are_those_of_the_combination(correlation: float) -> None:
    found = [
        errors(track_ensemble(weak_pairs(seed, correlation, 6), options=options(**UNGATED))) for seed in range(10, 14)
    ]
    error, sigma = (np.concatenate([part[k] for part in found], axis=1) for k in (0, 1))
    assert 0.85 < (error / sigma).std() < 1.25  # of single pairs: 1.12
    assert_allclose(error.mean(axis=1), 0, atol=4 * error.std() / np.sqrt(error.shape[1]))
    alone = errors(track_ensemble(weak_pairs(10, correlation, 1), options=options(**UNGATED)))[0]
    assert error.std() < 1.3 / np.sqrt(6) * np.median(np.abs(alone)) * 1.4826


def test_pairs_that_share_images_share_errors() -> None:
    error, sigma, naive = [], [], []
    for seed in range(20, 24):
        before, after = weak_images(seed, 0.6, 3)
        field = track_ensemble([(a, b) for a in before for b in after], options=options(**UNGATED))
        error.append(errors(field)[0])
        sigma.append(errors(field)[1])
        alone = track_ensemble([(a.copy(), b.copy()) for a in before for b in after], options=options(**UNGATED))
        naive.append(errors(alone)[1])
    z = np.concatenate(error, axis=1) / np.concatenate(sigma, axis=1)
    assert 0.8 < z.std() < 1.25
    assert (np.concatenate(error, axis=1) / np.concatenate(naive, axis=1)).std() > 1.4


def test_a_pair_without_common_ground_does_little_harm() -> None:
    pairs = weak_pairs(30, 0.8, 4)
    rng = np.random.default_rng(31)
    spoilt = [*pairs, (ground(rng, 192), ground(rng, 192))]
    good, bad = (errors(track_ensemble(some, options=options(**UNGATED)))[0] for some in (pairs, spoilt))
    assert good.shape == bad.shape
    assert bad.std() < 1.15 * good.std()


def test_pixels_missing_in_one_pair_are_measured_by_the_others() -> None:
    pairs = weak_pairs(40, 0.7, 3)
    pairs[0][0][:100] = np.nan
    pairs[1][1][60:] = np.nan
    field = track_ensemble(pairs, options=options())
    assert field.valid.mean() > 0.95
    assert np.abs(errors(field)[0]).max() < 0.6


def test_blocks_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs, settings = weak_pairs(50, 0.5, 2), options(chip_px=16, step_px=4)
    whole = track_ensemble(pairs, options=settings)
    monkeypatch.setattr(ensemble, "BLOCK_BYTES", 1)
    monkeypatch.setattr(ensemble, "BLOCK_CHIPS", 7)
    parts = track_ensemble(pairs, options=settings)
    for name, values in arrays(whole):
        assert_array_equal(getattr(parts, name), values, err_msg=name)


def test_what_cannot_be_an_ensemble_is_named() -> None:
    image = np.random.default_rng(1).normal(size=(80, 80))
    with pytest.raises(ImageError, match="no pairs"):
        track_ensemble([])
    with pytest.raises(ImageError, match=r"differ in shape: \(80, 80\) and \(80, 79\)"):
        track_ensemble([(image, image), (image, image[:, 1:])])
    with pytest.raises(ConfigError, match=r"chip_px = 50 and step_px = 7 .* such as 56"):
        track_ensemble([(image, image)], options=options(chip_px=50, step_px=7))


@pytest.mark.kernel
def test_the_peak_of_a_given_surface_is_found() -> None:
    v, u = np.meshgrid(np.arange(9.0), np.arange(7.0))
    bump = 0.8 * np.exp(-((u - 4.3) ** 2 + (v - 2.2) ** 2) / 4)
    surfaces = np.stack([bump, np.full_like(bump, UNDEFINED), bump[::-1]] * 7).astype(np.float32)
    found = find_peaks(surfaces)
    assert_allclose(found[0, [0, 1, 4]], [1, -2, 0])
    assert_allclose(found[0, 5:], [1.3, -1.8], atol=1e-3)
    assert_array_equal(found[1, [2, 4]], [UNDEFINED, 1])
    assert_allclose(found[2, 5:], [-1.3, -1.8], atol=1e-3)
    assert_array_equal(found[18], found[0])
    assert found[0, 3] == UNDEFINED


def test_flags_say_why() -> None:
    before, after = weak_images(60, 0.8, 2)
    before[0][:64] = before[1][:64] = np.nan
    field = track_ensemble(list(zip(before, after, strict=True)), options=options())
    assert_array_equal(field.flag[:2], Flag.MASKED)
    assert field.valid[3:].mean() > 0.9


@pytest.mark.parametrize(
    "change", [{"method": "frequency"}, {"model": "affine"}, {"robust": True}, {"chip_max_px": 64}]
)
def test_ways_of_single_pairs_are_refused(change: dict[str, Any]) -> None:
    image = np.random.default_rng(0).normal(size=(64, 64))
    with pytest.raises(ConfigError, match=f"{next(iter(change))} = .* ensemble"):
        track_ensemble([(image, image)], options=TrackOptions().override(change, step="tracking"))
