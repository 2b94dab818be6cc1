from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.errors import ConfigError
from creepmeter.simulate import pair_images, rigid_pair
from creepmeter.tracking.arrays import track_arrays
from creepmeter.tracking.match import OffsetField

Doubles = npt.NDArray[np.float64]
DX, DY = 0.37, -0.21
CHIP = 32
SETTINGS: dict[str, Any] = {"chip_px": CHIP, "search_px": 4, "prefilter": "none", "outliers": False}


def track(images: tuple[Any, Any], step: int = 16, **options: Any) -> OffsetField:  # noqa: ANN401 - TrackOptions
    return track_arrays(*images, step_px=step, **(SETTINGS | options))


def scores(field: OffsetField, dx: Any = DX, dy: Any = DY) -> tuple[Doubles, Doubles]:  # noqa: ANN401 - numbers or arrays
    """Return errors (2, ny, nx), and these over their standard errors."""
    error = np.stack([field.dx - dx, field.dy - dy]).astype(float)
    return error, error / np.stack([field.sigma_dx, field.sigma_dy])


def patched(seed: int, brighter: float) -> tuple[Any, Any]:
    """Return a shifted pair where 30 % of each chip, of a grid without overlap, shows other ground later."""
    ref, sec = rigid_pair((8 * CHIP, 8 * CHIP), DX, DY, noise_dn=15.0, seed=seed)
    other = rigid_pair((8 * CHIP, 8 * CHIP), 0, 0, noise_dn=15.0, seed=seed + 1000)[0]
    changed = np.tile(np.arange(CHIP) >= CHIP - 10, 8)
    sec[:, changed] = other[:, changed] + brighter
    return ref, sec


@pytest.mark.parametrize("brighter", [0.0, 300.0])
def test_changed_ground_in_a_chip_does_not_draw_the_shift_aside(brighter: float) -> None:
    images = patched(7, brighter)
    plain, robust = (scores(track(images, CHIP, robust=way)) for way in (False, True))
    kept = np.isfinite(robust[0]).all(axis=0)
    assert kept.mean() > 0.7
    assert np.mean(np.abs(robust[1][:, kept]).max(axis=0) < 3) > 0.95
    assert np.median(np.abs(robust[0][:, kept])) < 0.03
    assert np.nanmedian(np.abs(plain[0])) > 0.08


@pytest.mark.parametrize("noise", [15.0, 60.0])
def test_without_changed_ground_little_is_lost(noise: float) -> None:
    images = rigid_pair((256, 256), DX, DY, noise_dn=noise, seed=5)
    plain, other = (scores(track(images, robust=way)) for way in (False, True))
    assert np.isfinite(other[0]).mean() > 0.98
    assert np.nanstd(other[0]) < 1.1 * np.nanstd(plain[0])
    assert 0.75 < np.nanstd(other[1]) < 1.25


@pytest.mark.parametrize("gradient", [0.02, 0.05])
def test_a_strained_chip_gives_the_offset_of_its_middle(gradient: float) -> None:
    def offset(x: Doubles, y: Doubles) -> tuple[Doubles, Doubles]:
        return DX + gradient * (x - 96) - 0.5 * gradient * (y - 96), DY + 0.3 * gradient * (y - 96)

    pair = pair_images((192, 192), offset, noise_dn=15.0, seed=8)
    found = {}
    for model in ("shift", "affine"):
        field = track((pair.ref, pair.sec), model=model, search_px=8)
        found[model] = scores(field, *offset(field.col, field.row))
        assert np.isfinite(found[model][0]).mean() > 0.95
    error, score = found["affine"]
    assert np.nanstd(error) < 0.75 * np.nanstd(found["shift"][0])
    assert 0.75 < np.nanstd(score) < 1.3
    assert_allclose(np.nanmean(error, axis=(1, 2)), 0, atol=0.004)


def test_of_a_pure_shift_the_affine_model_finds_the_same() -> None:
    images = rigid_pair((256, 256), DX, DY, noise_dn=30.0, seed=9)
    shift, affine = (track(images, model=model) for model in ("shift", "affine"))
    both = shift.valid & affine.valid
    assert both.mean() > 0.98
    assert np.median(affine.sigma_dx[both] / shift.sigma_dx[both]) < 1.3
    assert (np.abs(affine.dx - shift.dx)[both] / shift.sigma_dx[both]).max() < 1.3


def test_both_methods_agree_within_their_standard_errors() -> None:
    images = rigid_pair((256, 256), DX, DY, noise_dn=30.0, seed=10)
    first, second = (track(images, method=method) for method in ("correlation", "frequency"))
    both = first.valid & second.valid
    assert both.mean() > 0.9
    for name in ("dx", "dy"):
        apart = (getattr(first, name) - getattr(second, name))[both]
        spread = np.hypot(getattr(first, f"sigma_{name}"), getattr(second, f"sigma_{name}"))[both]
        assert np.mean(np.abs(apart) < 3 * spread) > 0.98
        assert abs(np.median(apart)) < 0.01
    assert np.abs(first.dx - second.dx)[both].max() > 1e-4  # another estimator, not the same one


@pytest.mark.parametrize("options", [{"robust": True}, {"model": "affine"}, {"robust": True, "model": "affine"}])
def test_missing_pixels_never_enter_a_refit(options: dict[str, Any]) -> None:
    ref, sec = rigid_pair((128, 128), DX, DY, noise_dn=10.0, seed=11)
    hidden = np.zeros(ref.shape, bool)
    hidden[40:52, 30:90] = True
    fields = []
    for garbage in (0.0, 1e5):
        dirty = sec.copy()
        dirty[hidden] = garbage
        fields.append(track_arrays(ref, dirty, exclude=(None, hidden), step_px=16, **(SETTINGS | options)))
    assert fields[0].valid.mean() > 0.8
    assert np.nanmax(np.abs(scores(fields[0])[0])) < 0.1
    assert_array_equal(fields[0].valid, fields[1].valid)
    assert_allclose(fields[0].dx, fields[1].dx, atol=1e-3)


def test_unknown_ways_are_named() -> None:
    image = np.random.default_rng(1).normal(size=(64, 64))
    with pytest.raises(ConfigError, match=r"model: .*'affine'"):
        track((image, image), model="projective")
    with pytest.raises(ConfigError, match=r"method: .*'frequency'"):
        track((image, image), method="phase")


@pytest.mark.parametrize("change", [{"model": "affine"}, {"robust": True}])
def test_the_phase_method_refuses_what_it_does_not_know(change: dict[str, Any]) -> None:
    image = np.random.default_rng(0).normal(size=(64, 64))
    with pytest.raises(ConfigError, match=rf"{next(iter(change))}: .*not known to method: frequency"):
        track((image, image), method="frequency", **change)
