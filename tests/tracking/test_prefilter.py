from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.simulate import pair_images, rigid_pair
from creepmeter.tracking.options import Prefilter, TrackOptions
from creepmeter.tracking.prefilter import FILTERS, apply_prefilter
from creepmeter.tracking.prepare import prepare_image
from creepmeter.tracking.track import track_arrays

NAMES: tuple[Prefilter, ...] = tuple(FILTERS)
LOCAL: tuple[Prefilter, ...] = ("highpass", "wallis", "log", "orientation")
SHAPE = (160, 160)


def scene(seed: int = 1) -> npt.NDArray[np.float32]:
    return rigid_pair((72, 80), 0.0, 0.0, noise_dn=5.0, seed=seed)[0]


@pytest.mark.parametrize("name", NAMES)
def test_each_filter_keeps_the_shift(name: Prefilter) -> None:
    ref, sec = rigid_pair(SHAPE, 0.62, -0.35, noise_dn=5.0, seed=2)
    field = track_arrays(ref, sec, chip_px=32, step_px=16, search_px=3, prefilter=name)
    assert field.valid.mean() > 0.95
    limit = 0.03 if name == "orientation" else 0.012  # the direction of a gradient is not a linear filter
    assert abs(np.nanmean(field.dx) - 0.62) < limit
    assert abs(np.nanmean(field.dy) + 0.35) < limit


@pytest.mark.parametrize("name", ["highpass", "wallis"])
def test_a_brightness_ramp_does_not_move_the_ground(name: Prefilter) -> None:
    pair = pair_images(SHAPE, (0.62, -0.35), noise_dn=5.0, gradient=1.5, seed=3)
    y, x = np.indices(SHAPE)
    sec = pair.sec + 20 * x + 10 * y
    field = track_arrays(pair.ref, sec, chip_px=32, step_px=16, search_px=3, prefilter=name)
    assert field.valid.mean() > 0.95
    assert_allclose([np.nanmean(field.dx), np.nanmean(field.dy)], [0.62, -0.35], atol=0.015)


@pytest.mark.parametrize("name", NAMES)
def test_hidden_values_are_never_seen(name: Prefilter) -> None:
    image, rng = scene(), np.random.default_rng(4)
    valid = rng.random(image.shape) > 0.01
    valid[20:40, 30:50] = False
    results = []
    for garbage in (0.0, -1e7, 65535.0):
        hidden = np.where(valid, image, np.float32(garbage))
        filtered, seen = apply_prefilter(hidden, valid, name, 5)
        assert not seen[~valid].any()
        results.append((np.where(seen, filtered, 0), seen))
    for filtered, seen in results:
        assert_array_equal(seen, results[0][1])
        assert_array_equal(filtered, results[0][0])


@pytest.mark.parametrize("name", LOCAL)
def test_a_gap_does_not_become_an_edge(name: Prefilter) -> None:
    image = scene() + np.float32(5000)  # far from 0, which missing pixels are filled with
    valid = np.ones(image.shape, bool)
    valid[30:40, 30:50] = False
    whole, _ = apply_prefilter(image, np.ones(image.shape, bool), name, 5)
    gapped, seen = apply_prefilter(image, valid, name, 5)
    near = seen & ~np.pad(valid, 3)[:-6, 3:-3] | seen & ~np.pad(valid, 3)[6:, 3:-3]
    assert near.sum() > 50
    assert abs(gapped[near]).max() < 4 * abs(whole).std() + abs(whole).max()
    far = np.ones(image.shape, bool)
    far[20:50, 20:60] = False
    assert_allclose(gapped[far & seen], whole[far & seen], rtol=1e-3, atol=0.01 * whole.std())


@pytest.mark.parametrize("name", LOCAL)
def test_a_local_filter_ignores_the_level(name: Prefilter) -> None:
    image, valid = scene().astype(np.float32), np.ones((72, 80), bool)
    plain, raised = (apply_prefilter(part, valid, name, 5)[0] for part in (image, image + np.float32(1000)))
    assert_allclose(raised, plain, atol=0.02 * plain.std())


def test_wallis_has_unit_deviation_everywhere() -> None:
    image = scene()
    image[:, 40:] *= 10
    filtered, seen = apply_prefilter(image, np.ones(image.shape, bool), "wallis", 9)
    left, right = (filtered[:, part][seen[:, part]].std() for part in (slice(0, 30), slice(50, 80)))
    assert_allclose([left, right], 1, atol=0.25)


def test_none_changes_nothing() -> None:
    image = scene()
    filtered, _ = apply_prefilter(image, np.ones(image.shape, bool), "none", 5)
    assert_array_equal(filtered, image)


@pytest.mark.parametrize("name", NAMES)
def test_a_prepared_image_is_ready_for_kernels(name: Prefilter) -> None:
    image = scene().T  # another memory order would compile every kernel again
    prepared = prepare_image(image, options=TrackOptions(prefilter=name))
    assert prepared.shape == image.shape
    assert prepared.values.dtype == prepared.coefficients.dtype == np.float32
    for array in vars(prepared).values():
        assert array.flags.c_contiguous
    masks = 3 if name == "none" else 4  # without a filter what is valid is what is seen
    assert prepared.nbytes == image.size * (4 + 4 + masks)
    assert abs(prepared.values[prepared.valid].mean()) < 1e-3 * prepared.values.std()


def test_solid_pixels_keep_clear_of_gaps() -> None:
    image = scene()
    image[30, 40] = np.nan
    prepared = prepare_image(image)
    y, x = np.indices(image.shape)
    cross = ((y == 30) & (abs(x - 40) <= 2)) | ((x == 40) & (abs(y - 30) <= 2))
    inner = np.zeros(image.shape, bool)
    inner[2:-2, 2:-2] = True
    assert_array_equal(prepared.solid, inner & ~cross)
    under = (30 - y >= -2) & (30 - y <= 3) & (40 - x >= -2) & (40 - x <= 3)  # six coefficients per axis
    whole = np.zeros(image.shape, bool)
    whole[2:-3, 2:-3] = True
    assert_array_equal(prepared.spline_solid, whole & ~under)
