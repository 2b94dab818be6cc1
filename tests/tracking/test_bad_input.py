"""Whatever comes in: an error of this package, or no valid vector where there is nothing to measure."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal

from creepmeter.errors import ConfigError, ImageError
from creepmeter.simulate import rigid_pair
from creepmeter.tracking.match import Flag, OffsetField
from creepmeter.tracking.track import track_arrays

SMALL: dict[str, Any] = {"chip_px": 16, "step_px": 8, "search_px": 4}
SHAPE = (72, 88)
SHIFT = (0.6, -0.4)


def pair(seed: int = 1) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    ref, sec = rigid_pair(SHAPE, *SHIFT, noise_dn=5.0, seed=seed)
    return ref.astype(np.float32), sec.astype(np.float32)


def check_sane(field: OffsetField) -> None:
    for values in (field.dx, field.dy, field.sigma_dx, field.sigma_dy):
        assert_array_equal(np.isfinite(values), field.valid)
    assert_array_equal(field.flag == Flag.VALID, field.valid)
    assert np.isfinite(field.correlation[field.valid]).all()


def check_right(field: OffsetField) -> None:
    check_sane(field)
    assert field.valid.mean() > 0.9
    assert abs(np.nanmedian(field.dx) - SHIFT[0]) < 0.05
    assert abs(np.nanmedian(field.dy) - SHIFT[1]) < 0.05


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int16, np.int32, np.float16, np.float64, np.complex64, ">f4"])
def test_numbers_of_every_kind(kind: npt.DTypeLike) -> None:
    ref, sec = pair()
    low, high = ref.min(), ref.max()
    scaled = [np.clip((image - low) / (high - low) * 250, 0, 255).astype(kind) for image in (ref, sec)]
    check_right(track_arrays(*scaled, **SMALL))


@pytest.mark.parametrize("kind", ["U4", object, "M8[D]"])
def test_what_is_no_number_is_named(kind: str) -> None:
    image = np.zeros(SHAPE, kind)
    with pytest.raises(ImageError, match="the reference image holds values of type"):
        track_arrays(image, pair()[1], **SMALL)


def test_read_only_and_strided_arrays_are_left_as_they_are() -> None:
    ref, sec = pair()
    plain = track_arrays(ref, sec, **SMALL)
    wide = np.full((2 * SHAPE[0], 3 * SHAPE[1]), np.nan, np.float32)
    wide[::2, ::3] = ref
    views = wide[::2, ::3], np.asfortranarray(sec)
    for view in views:
        view.flags.writeable = False
    before = [view.copy() for view in views]
    field = track_arrays(*views, **SMALL)
    for view, copy in zip(views, before, strict=True):
        assert_array_equal(view, copy)
    assert_array_equal(field.dx, plain.dx)
    assert_array_equal(track_arrays(ref[::-1, ::-1][::-1, ::-1], sec, **SMALL).dx, plain.dx)


def test_negative_zero_is_zero() -> None:
    ref, sec = (np.maximum(image - np.median(image), 0) for image in pair())
    negative = [np.where(image == 0, np.float32(-0.0), image) for image in (ref, sec)]
    assert_array_equal(track_arrays(*negative, **SMALL).dx, track_arrays(ref, sec, **SMALL).dx)


@pytest.mark.parametrize("shape", [(1, 88), (72, 1), (0, 0), (0, 88), (15, 88)])
def test_images_smaller_than_a_chip_are_named(shape: tuple[int, int]) -> None:
    with pytest.raises(ImageError, match=r"smaller than a chip of 16.*chip_px"):
        track_arrays(np.ones(shape), np.ones(shape), **SMALL)


@pytest.mark.parametrize("image", [3.0, [1.0, 2.0], np.zeros((2, 2, 2))])
def test_what_has_not_two_dimensions_is_named(image: npt.ArrayLike) -> None:
    with pytest.raises(ImageError, match="two-dimensional"):
        track_arrays(image, image, **SMALL)


def test_sizes_that_differ_are_named() -> None:
    ref, sec = pair()
    with pytest.raises(ImageError, match="differ in size"):
        track_arrays(ref, sec[1:], **SMALL)


@pytest.mark.parametrize("value", [0.0, -0.0, 7.0, 65535.0, np.nan, np.inf, -np.inf, 1e39])
def test_constant_and_empty_images_are_named(value: float) -> None:
    ref, _ = pair()
    with pytest.raises(ImageError, match="the secondary image"):
        track_arrays(ref, np.full(SHAPE, value), **SMALL)


def test_all_masked_is_named() -> None:
    ref, sec = pair()
    with pytest.raises(ImageError, match="the reference image has no valid pixel"):
        track_arrays(ref, sec, exclude=np.ones(SHAPE, bool), **SMALL)


@pytest.mark.parametrize("prefilter", ["auto", "none", "highpass", "wallis", "log", "orientation"])
@pytest.mark.parametrize("period", [1, 2, 3])
def test_a_checkerboard_is_ambiguous(prefilter: str, period: int) -> None:
    y, x = np.indices(SHAPE) // period
    board = ((y + x) % 2).astype(float)
    valid = track_arrays(board, board, prefilter=prefilter, **SMALL).valid
    assert not valid[1:-1, 1:-1].any()  # at the rim the border of a filtered image tells places apart
    if prefilter == "none":
        assert not valid.any()


@pytest.mark.parametrize("prefilter", ["auto", "none", "highpass"])
def test_a_saturated_patch_gives_no_vector(prefilter: str) -> None:
    ref, sec = pair()
    for image in (ref, sec):
        image[10:60, 20:70] = 65535
    field = track_arrays(ref, sec, prefilter=prefilter, **SMALL)
    check_sane(field)
    inside = abs(field.row - 35) < 10  # chips that end seven pixels, the reach of the filter, before the edge
    inside &= abs(field.col - 45) < 10
    assert inside.any()
    assert not field.valid[inside].any()


@pytest.mark.parametrize("spike", [1e6, -1e6, 1e12])
def test_one_wild_pixel_spoils_only_its_surroundings(spike: float) -> None:
    ref, sec = pair()
    ref[30, 40] = spike
    field = track_arrays(ref, sec, prefilter="none", **SMALL)
    check_sane(field)
    away = np.maximum(abs(field.row - 30), abs(field.col - 40)) > 16
    error = np.hypot(field.dx - SHIFT[0], field.dy - SHIFT[1])[away & field.valid]
    assert not (error > 0.5).any()


@pytest.mark.parametrize("search", [1, 2, 64, 128])
def test_searches_small_and_larger_than_the_image(search: int) -> None:
    ref, sec = pair()
    field = track_arrays(ref[:40, :40], sec[:40, :40], chip_px=16, step_px=8, search_px=search)
    check_right(field)


@pytest.mark.parametrize(("chip", "step"), [(17, 1), (9, 1), (16, 1), (33, 5), (65, 1), (16, 50)])
def test_any_chip_and_step(chip: int, step: int) -> None:
    ref, sec = pair()
    field = track_arrays(ref, sec, chip_px=chip, step_px=step, search_px=3)
    check_sane(field)
    assert field.valid.mean() > 0.8
    assert abs(np.nanmedian(field.dx) - SHIFT[0]) < 0.05


def test_options_out_of_bounds_are_named() -> None:
    ref, sec = pair()
    for options in ({"search_px": 0}, {"search_px": 1000}, {"step_px": 0}, {"chip_px": 7}, {"chip_px": "many"}):
        with pytest.raises(ConfigError, match=next(iter(options))):
            track_arrays(ref, sec, **options)


@settings(max_examples=25)
@given(
    coarse=arrays(bool, (9, 11)),
    fine=st.floats(0, 0.5),
    seed=st.integers(0, 2**32 - 1),
    prefilter=st.sampled_from(["auto", "none", "highpass", "wallis"]),
)
def test_any_mask_leaves_only_true_vectors(
    coarse: npt.NDArray[np.bool_], fine: float, seed: int, prefilter: str
) -> None:
    ref, sec = pair()
    hidden = np.kron(coarse, np.ones((8, 8), bool)) | (np.random.default_rng(seed).random(SHAPE) < fine)
    if hidden.all():
        with pytest.raises(ImageError, match="no valid pixel"):
            track_arrays(ref, sec, exclude=(hidden, None), prefilter=prefilter, **SMALL)
        return
    field = track_arrays(ref, sec, exclude=(hidden, None), prefilter=prefilter, **SMALL)
    check_sane(field)
    error = np.hypot(field.dx - SHIFT[0], field.dy - SHIFT[1])
    assert not (error[field.valid] > 0.5).any()
    rows, columns = np.floor(field.row).astype(int), np.floor(field.col).astype(int)
    assert not field.valid[hidden[rows, columns]].any()
