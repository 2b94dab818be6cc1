from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.errors import ConfigError, ImageError
from creepmeter.kernels.threads import limit_threads
from creepmeter.simulate import pair_images, rigid_pair
from creepmeter.tracking.arrays import track_arrays
from creepmeter.tracking.match import Flag, OffsetField
from creepmeter.tracking.options import TrackOptions
from creepmeter.tracking.points import track_points

Doubles = npt.NDArray[np.float64]

SHAPE = (160, 176)
SMALL: dict[str, Any] = {"chip_px": 16, "search_px": 4}


def same(first: OffsetField, second: OffsetField) -> None:
    for name, values in vars(first).items():
        assert_array_equal(getattr(second, name), values, err_msg=name)


def scattered(count: int, seed: int, margin: float = 20.0) -> tuple[Doubles, Doubles]:
    rng = np.random.default_rng(seed)
    return rng.uniform(margin, SHAPE[0] - margin, count), rng.uniform(margin, SHAPE[1] - margin, count)


# ------------------------------------------------------------------------------------------- the same as on the grid


@pytest.mark.parametrize("judged", [{"outliers": True}, {"outliers": False}])
def test_points_on_the_regular_grid_are_the_regular_grid(judged: dict[str, Any]) -> None:
    pair = pair_images(SHAPE, (0.7, -1.3), noise_dn=40.0, change_dn=200.0, seed=1)
    pair.ref[40:70, 50:90] = np.nan
    regular = track_arrays(pair.ref, pair.sec, step_px=8, **judged, **SMALL)
    found = track_points(pair.ref, pair.sec, regular.row, regular.col, **judged, **SMALL)
    assert_array_equal(found.row, regular.row)
    assert_array_equal(found.col, regular.col)
    assert_array_equal(found.flag, regular.flag)
    assert_allclose(found.dx, regular.dx, atol=2e-3)  # the end of the refinement: another order of sums in the search
    assert_allclose(found.sigma_dy, regular.sigma_dy, rtol=0.02)
    assert len(np.unique(regular.flag)) > 2


@settings(max_examples=6)
@given(dx=st.floats(-2.5, 2.5), dy=st.floats(-2.5, 2.5), seed=st.integers(0, 100))
def test_any_shift_is_found_at_any_place(dx: float, dy: float, seed: int) -> None:
    ref, sec = rigid_pair(SHAPE, dx, dy, noise_dn=5.0, seed=seed)
    field = track_points(ref, sec, *scattered(40, seed), chip_px=32, search_px=4)
    assert field.valid.mean() > 0.9
    for found, truth in ((field.dx, dx), (field.dy, dy)):
        assert_allclose(np.median(found[field.valid]), truth, atol=0.01)


def test_the_order_of_points_changes_no_bit() -> None:
    ref, sec = rigid_pair(SHAPE, 0.6, -0.4, noise_dn=40.0, seed=2)
    rows, cols = scattered(60, 2, margin=-5.0)
    order = np.random.default_rng(2).permutation(60)
    plain = track_points(ref, sec, rows, cols, **SMALL)
    mixed = track_points(ref, sec, rows[order], cols[order], **SMALL)
    for name, values in vars(plain).items():
        assert_array_equal(getattr(mixed, name), values[order], err_msg=name)


def test_the_number_of_threads_changes_no_bit() -> None:
    ref, sec = rigid_pair(SHAPE, 0.6, -0.4, noise_dn=40.0, seed=2)
    places = scattered(60, 2)
    with limit_threads(1):
        alone = track_points(ref, sec, *places, **SMALL)
    with limit_threads(3):
        same(alone, track_points(ref, sec, *places, **SMALL))


@pytest.mark.parametrize("shape", [(), (1,), (7,), (4, 5), (2, 3, 4), (0,)])
def test_all_arrays_have_the_shape_of_the_places(shape: tuple[int, ...]) -> None:
    ref, sec = rigid_pair(SHAPE, 0.6, -0.4, noise_dn=5.0, seed=3)
    rows = np.linspace(30, 120, int(np.prod(shape, dtype=int))).reshape(shape)
    field = track_points(ref, sec, rows, 80.0, **SMALL)
    for values in vars(field).values():
        assert values.shape == shape
    assert field.valid.all()
    assert_array_equal(field.chip_px, 16)


# --------------------------------------------------------------------------------------------------- where chips lie


@pytest.mark.parametrize(
    ("chip", "asked", "centre"),
    [(16, 50.0, 50.5), (16, 50.49, 50.5), (16, 50.51, 50.5), (16, 51.0, 51.5), (15, 50.4, 50), (15, 50.5, 51)],
)
def test_a_chip_lies_nearest_to_its_place(chip: int, asked: float, centre: float) -> None:
    ref, sec = rigid_pair(SHAPE, 0.0, 0.0, seed=4)
    field = track_points(ref, sec, [asked, 80.0], [80.0, asked], chip_px=chip, search_px=2)
    assert field.row[0] == field.col[1] == centre


def test_a_slide_is_found_at_the_place_of_its_chip() -> None:
    def slide(x: Doubles, y: Doubles) -> tuple[Doubles, Doubles]:
        return 1.5 * np.exp(-(((x - 90) / 30) ** 2 + ((y - 70) / 30) ** 2) / 2), 0 * x

    pair = pair_images(SHAPE, slide, noise_dn=5.0, seed=4)
    field = track_points(pair.ref, pair.sec, *scattered(200, 4), **SMALL)
    truth = pair.chip_mean(field.row, field.col, 16)[0]
    assert field.valid.mean() > 0.95
    assert np.sqrt(np.mean((field.dx - truth)[field.valid] ** 2)) < 0.03


# ---------------------------------------------------------------------------------------------- what is not measured


def test_places_off_the_image_or_nowhere_are_masked() -> None:
    ref, sec = rigid_pair(SHAPE, 0.2, 0.1, noise_dn=5.0, seed=5)
    rows = [-1.5, -400.0, 80.0, SHAPE[0] + 0.5, np.nan, 80.0, 1e12, 80.0]
    cols = [80.0, 80.0, SHAPE[1] + 0.5, 80.0, 80.0, np.inf, 80.0, 80.0]
    field = track_points(ref, sec, rows, cols, **SMALL)
    assert_array_equal(field.flag[:-1], Flag.MASKED)
    assert field.valid[-1]


def test_at_the_border_half_a_chip_is_enough() -> None:
    ref, sec = rigid_pair(SHAPE, 0.2, 0.1, noise_dn=5.0, seed=5)
    field = track_points(ref, sec, [80.0, 80.0, 4.0], [3.0, 172.5, 80.0], chip_px=32, search_px=3)
    assert field.valid.all()
    assert_allclose(field.dx, 0.2, atol=0.05)


@pytest.mark.parametrize("zero", [0, np.nan])
def test_a_search_of_zero_is_not_wanted(zero: float) -> None:
    ref, sec = rigid_pair(SHAPE, 0.2, 0.1, noise_dn=5.0, seed=5)
    rows, cols = scattered(30, 5)
    radius = np.where(np.arange(30) % 3 == 0, zero, 4.0)
    field = track_points(ref, sec, rows, cols, chip_px=16, search_px=radius)
    assert_array_equal(field.flag == Flag.NOT_WANTED, np.arange(30) % 3 == 0)
    along_only = track_points(ref, sec, rows, cols, chip_px=16, search_px=(radius, 4))
    assert_array_equal(along_only.flag, field.flag)


def test_pixels_under_a_mask_never_influence_a_point() -> None:
    ref, sec = rigid_pair(SHAPE, 0.4, 0.3, noise_dn=5.0, seed=6)
    cloud = np.zeros(SHAPE, bool)
    cloud[50:90, 60:120] = True
    places = scattered(80, 6)
    plain = track_points(ref, sec, *places, exclude=cloud, **SMALL)
    hidden = [np.where(cloud, 3e4, image) for image in (ref, sec)]
    same(plain, track_points(hidden[0], hidden[1], *places, exclude=cloud, **SMALL))
    inside = cloud[np.rint(places[0]).astype(int), np.rint(places[1]).astype(int)]
    assert (plain.flag[inside] == Flag.MASKED).mean() > 0.9
    assert 0.4 < plain.valid.mean() < 1


# ------------------------------------------------------------------------------------ own chips, searches and offsets


@pytest.mark.parametrize(("dy", "dx"), [(0, 40), (-40, 0), (31, -28)])
def test_far_motion_is_found_about_a_prior_with_a_narrow_search(dy: int, dx: int) -> None:
    ref, sec = rigid_pair((220, 240), dx + 0.3, dy - 0.4, noise_dn=5.0, seed=7)
    rows, cols = np.meshgrid(np.linspace(60, 160, 6), np.linspace(60, 180, 6), indexing="ij")
    field = track_points(ref, sec, rows, cols, chip_px=24, search_px=2, prior_dy=dy + 0.4, prior_dx=dx - 0.3)
    assert field.valid.all()
    assert_allclose(field.dx, dx + 0.3, atol=0.1)
    assert_allclose(field.dy, dy - 0.4, atol=0.1)
    blind = track_points(ref, sec, rows, cols, chip_px=24, search_px=2)
    assert not blind.valid.any()


def test_the_search_is_counted_from_the_prior() -> None:
    ref, sec = rigid_pair(SHAPE, 6.0, 0.0, noise_dn=5.0, seed=8)
    rows, cols = np.meshgrid(np.arange(40, 120, 16), np.arange(40, 120, 16), indexing="ij")
    prior = np.where(np.arange(5) < 3, 4, 1)[None, :] * np.ones((5, 1))
    field = track_points(ref, sec, rows, cols, chip_px=24, search_px=4, prior_dx=prior, outliers=False)
    assert field.valid[:, :3].all()
    assert_allclose(field.dx[:, :3], 6, atol=0.1)
    assert not field.valid[:, 3:].any()


def test_a_missing_prior_expects_no_motion() -> None:
    ref, sec = rigid_pair(SHAPE, 1.0, 0.0, noise_dn=5.0, seed=8)
    places = scattered(20, 8)
    same(
        track_points(ref, sec, *places, prior_dx=np.nan, **SMALL),
        track_points(ref, sec, *places, prior_dx=0, **SMALL),
    )


def test_each_point_has_its_own_search() -> None:
    ref, sec = rigid_pair(SHAPE, 3.0, -1.0, noise_dn=5.0, seed=9)
    rows, cols = scattered(40, 9)
    across = np.where(np.arange(40) % 2, 2, 5)
    field = track_points(ref, sec, rows, cols, chip_px=24, search_px=(2, across), outliers=False)
    assert_array_equal(field.valid, across == 5)
    assert_array_equal(field.flag[~field.valid], Flag.EDGE_PEAK)
    turned = track_points(ref.T, sec.T, cols, rows, chip_px=24, search_px=(across, 2), outliers=False)
    assert_array_equal(turned.valid, field.valid)


def test_each_point_has_its_own_chip() -> None:
    ref, sec = rigid_pair(SHAPE, 0.4, -0.3, noise_dn=30.0, seed=10)
    rows, cols = scattered(60, 10, margin=40.0)
    chips = np.where(np.arange(60) < 30, 16, 48)
    field = track_points(ref, sec, rows, cols, chip_px=chips, search_px=3, outliers=False)
    assert_array_equal(field.chip_px, chips)
    spread = [float(np.nanmedian(field.sigma_dx[chips == chip])) for chip in (16, 48)]
    assert_allclose(spread[0] / spread[1], 3, rtol=0.25)  # as one over the edge
    alone = track_points(ref, sec, rows[:30], cols[:30], chip_px=16, search_px=3, outliers=False)
    assert_allclose(alone.dx, field.dx[:30], atol=1e-6)


def test_the_radius_along_y_is_an_option_of_the_regular_grid_too() -> None:
    ref, sec = rigid_pair(SHAPE, 0.5, 3.0, noise_dn=5.0, seed=11)
    options: dict[str, Any] = {"chip_px": 16, "step_px": 16, "search_px": 2}
    assert not track_arrays(ref, sec, **options).valid.any()
    field = track_arrays(ref, sec, search_y_px=5, **options)
    assert field.valid.mean() > 0.95
    assert_allclose(np.nanmedian(field.dy), 3, atol=0.02)
    assert not track_arrays(ref.T, sec.T, search_y_px=5, **options).valid.any()


# ----------------------------------------------------------------------------------------------------- growing chips


def faint_pair(seed: int) -> tuple[Any, ...]:
    """Return a pair whose right half shows hardly more than noise."""
    ref, sec = (image.copy() for image in rigid_pair(SHAPE, 0.6, -0.4, noise_dn=0.0, seed=seed))
    rng = np.random.default_rng(seed)
    for image in (ref, sec):
        image[:, 90:] = image[:, 90:].mean() + 0.25 * (image[:, 90:] - image[:, 90:].mean())
    return tuple(image + rng.normal(0, 30, SHAPE).astype(np.float32) for image in (ref, sec))


@pytest.mark.parametrize("chip", [8, 9])
def test_growing_chips_recover_points_of_low_texture(chip: int) -> None:
    ref, sec = faint_pair(12)
    rows, cols = np.meshgrid(np.arange(30, 130, 10.0), np.arange(30, 150, 10.0), indexing="ij")
    settings: dict[str, Any] = {"chip_px": chip, "search_px": 6, "prefilter": "none"}
    small = track_points(ref, sec, rows, cols, **settings)
    grown = track_points(ref, sec, rows, cols, chip_max_px=64, **settings)
    faint = cols > 110
    assert small.valid[faint].mean() < 0.7
    assert grown.valid[faint].mean() > 0.9
    assert grown.chip_px is not None
    edges = {8: [8, 16, 32, 64], 9: [9, 17, 33]}[chip]
    assert set(np.unique(grown.chip_px)) <= set(edges)
    assert grown.chip_px[faint].mean() > grown.chip_px[~faint].mean()
    assert_array_equal(grown.row, small.row)  # about the same centre
    found = grown.valid & faint
    assert_allclose(
        np.median(grown.dx[found]), 0.6, atol=3 * 1.25 * np.median(grown.sigma_dx[found]) / np.sqrt(found.sum())
    )  # three standard errors of a median
    first = small.valid & grown.valid & (grown.chip_px == chip)
    assert_array_equal(grown.dx[first], small.dx[first])  # what a small chip measures stays
    assert first.sum() > 0.9 * small.valid.sum()


def test_masked_and_unwanted_points_do_not_grow() -> None:
    ref, sec = faint_pair(13)
    ref[60:100, 40:80] = np.nan
    rows, cols = np.meshgrid(np.arange(64, 96, 8.0), np.arange(44, 76, 8.0), indexing="ij")
    field = track_points(ref, sec, rows, cols, chip_px=16, search_px=np.where(cols < 50, 0, 3), chip_max_px=64)
    assert set(np.unique(field.flag)) == {Flag.NOT_WANTED, Flag.MASKED}
    assert_array_equal(field.chip_px, 16)


# ------------------------------------------------------------------------------------------------------ outliers


def test_a_single_wrong_vector_among_scattered_points_is_removed() -> None:
    ref, sec = rigid_pair(SHAPE, 0.0, 0.0, noise_dn=5.0, seed=16)
    sec[60:84, 83:107] = ref[60:84, 80:104]
    rows, cols = scattered(150, 16)
    away = (np.abs(rows - 71.5) > 22) | (np.abs(cols - 93) > 24)  # chips of ground that stays
    rows, cols = np.append(rows[away], 71.5), np.append(cols[away], 91.5)
    every = track_points(ref, sec, rows, cols, outliers=False, **SMALL)
    kept = track_points(ref, sec, rows, cols, **SMALL)
    assert_allclose(every.dx[-1], 3, atol=0.1)
    assert kept.flag[-1] == Flag.OUTLIER
    assert kept.valid[:-1].mean() > 0.95


def test_points_far_from_each_other_are_not_judged_by_each_other() -> None:
    ref, sec = rigid_pair((200, 900), 0.0, 0.0, noise_dn=5.0, seed=17)
    sec[60:140, 423:503] = ref[60:140, 420:500]
    field = track_points(ref, sec, 100.0, [20.0, 240.0, 460.0, 680.0, 880.0], **SMALL)
    assert field.valid.all()
    assert_allclose(field.dx, [0, 0, 3, 0, 0], atol=0.1)


# --------------------------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"chip_px": [16, 4]}, r"chip_px.*(8|4)"),
        ({"chip_px": [16, 1000]}, r"chip_px must be 8 to 512 pixels, found 16 to 1000"),
        ({"search_px": [3, -1]}, r"search_px must be 0 to 512 pixels, found -1 to 3"),
        ({"search_px": [3, np.inf]}, r"search_px must be 0 to 512"),
        ({"search_px": [3, 3, 3]}, r"search_px has shape \(3,\), the places \(2,\)"),
        ({"prior_dy": 1e9}, r"prior_dy must be"),
        ({"min_valid": 3}, r"min_valid"),
        ({"serch_px": 3}, r"serch_px"),
    ],
)
def test_what_does_not_fit_is_named(given: dict[str, Any], message: str) -> None:
    ref, sec = rigid_pair(SHAPE, 0.0, 0.0, seed=1)
    with pytest.raises(ConfigError, match=message):
        track_points(ref, sec, [60.0, 80.0], [60.0, 80.0], **{**SMALL, **given})


def test_rows_and_columns_must_fit() -> None:
    ref, sec = rigid_pair(SHAPE, 0.0, 0.0, seed=1)
    with pytest.raises(ConfigError, match=r"rows and cols must have one shape, got \(3,\) and \(2,\)"):
        track_points(ref, sec, [1, 2, 3], [1, 2], **SMALL)
    with pytest.raises(ImageError, match="differ in size"):
        track_points(ref, sec[:-1], [50.0], [50.0], **SMALL)


@pytest.mark.parametrize("change", [{"method": "frequency"}, {"model": "affine"}, {"robust": True}])
def test_ways_that_only_the_regular_grid_knows_are_refused(change: dict[str, object]) -> None:
    image = np.random.default_rng(0).normal(size=(64, 64))
    options = TrackOptions().override(change, step="tracking")
    with pytest.raises(ConfigError, match="is for the regular grid of chips"):
        track_points(image, image, [32], [32], options=options)
