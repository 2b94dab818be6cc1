from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from pydantic import ValidationError

from creepmeter.errors import InputError
from creepmeter.stack.mask import MaskOptions, apply_mask, disc, drop_small, inside, make_mask

MAP = np.array([[0.1, 0.7, 0.9], [np.nan, 0.8, 0.0]])


def test_limits_are_included_and_nan_is_left_out() -> None:
    assert_array_equal(make_mask(MAP, MaskOptions(minimum=0.7)), [[False, True, True], [False, True, False]])
    assert_array_equal(make_mask(MAP, MaskOptions(maximum=0.7)), [[True, True, False], [False, False, True]])
    assert make_mask(MAP, MaskOptions()).sum() == 5
    assert make_mask(MAP, MaskOptions(keep_nan=True)).all()


def test_limits_count_only_in_their_part_of_the_map() -> None:
    found = make_mask(MAP, MaskOptions(minimum=0.75, threshold_x=(1, 2)))
    assert_array_equal(found, [[True, False, True], [False, True, True]])


def test_rows_columns_circles_and_the_rest_reverted() -> None:
    ones = np.ones((5, 6))
    part = make_mask(ones, MaskOptions(y=(1, 3), x=(2, 6)))
    assert part.sum() == 8
    assert part[1:3, 2:].all()
    circle = disc((5, 6), (2, 2, 1))
    assert circle.sum() == 5
    assert_array_equal(make_mask(ones, MaskOptions(exclude_circles=((2, 2, 1),))), ~circle)
    assert_array_equal(make_mask(ones, MaskOptions(include_circles=((2, 2, 1),))), circle)
    assert_array_equal(make_mask(ones, MaskOptions(include_circles=((2, 2, 1),), revert=True)), ~circle)


def test_a_base_map_leaves_out_its_value() -> None:
    base = np.array([[0, 1, 1], [1, 1, 0]])
    assert_array_equal(make_mask(np.ones((2, 3)), MaskOptions(), base), base == 1)
    assert_array_equal(make_mask(np.ones((2, 3)), MaskOptions(base_value=1), base), base == 0)
    with pytest.raises(InputError, match="the base map has 2 x 2 pixels and the mask 2 x 3"):
        make_mask(np.ones((2, 3)), MaskOptions(), np.ones((2, 2)))


def test_small_clusters_are_joined_by_sides_not_corners() -> None:
    mask = np.array([[1, 0, 0], [0, 1, 1], [0, 1, 0]], bool)
    assert_array_equal(drop_small(mask, 2), [[0, 0, 0], [0, 1, 1], [0, 1, 0]])
    assert_array_equal(make_mask(mask, MaskOptions(minimum=1, min_pixels=4)), np.zeros((3, 3)))


@given(st.integers(0, 1000), st.integers(1, 30))
def test_small_clusters_once_gone_change_nothing_more(seed: int, pixels: int) -> None:
    mask = np.random.default_rng(seed).random((12, 14)) < 0.6
    once = drop_small(mask, pixels)
    assert not (once & ~mask).any()
    assert_array_equal(drop_small(once, pixels), once)


def test_where_a_mask_is_on() -> None:
    assert_array_equal(inside(MAP), [[True, True, True], [False, True, False]])
    assert_array_equal(inside(MAP, minimum=0.0, maximum=0.7), [[True, True, False], [False, False, True]])


def test_values_outside_become_the_fill() -> None:
    keep = np.array([[True, False]])
    counts = np.array([[[3, 4]], [[5, 6]]], np.int16)
    assert apply_mask(counts, keep).dtype == np.float32
    assert_array_equal(apply_mask(counts, keep), [[[3, np.nan]], [[5, np.nan]]])
    assert apply_mask(counts, keep, 0).dtype == np.int16
    assert_array_equal(apply_mask(counts, keep, 0), [[[3, 0]], [[5, 0]]])
    with pytest.raises(InputError, match=r"fill 0\.5 cannot be stored as int16"):
        apply_mask(counts, keep, 0.5)
    with pytest.raises(InputError, match="the map has 1 x 2 pixels and the mask 2 x 2"):
        apply_mask(counts, np.ones((2, 2), bool))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"minimum": 2, "maximum": 1}, "no pixel could be kept"),
        ({"x": (3, 3)}, "x 3 3 is no range"),
        ({"exclude_circles": [(1, 1, 0)]}, "radius above 0"),
        ({"min_pixels": 0}, "greater than or equal to 1"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ValidationError, match=match):
        MaskOptions(**options)
