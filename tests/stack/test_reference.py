from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from creepmeter.errors import InputError
from creepmeter.stack.reference import (
    ReferenceOptions,
    check_reference,
    choose_reference,
    largest_part,
    nearest_pixel,
)

LEVEL = np.array([[0.90, 0.30, 0.95], [0.88, 0.90, 0.20], [0.10, 0.90, 0.86]])
EVERYWHERE = np.ones((3, 3), bool)


def test_the_most_coherent_pixel_is_taken() -> None:
    assert choose_reference(LEVEL, EVERYWHERE, ReferenceOptions()) == (0, 2)


def test_of_several_the_one_nearest_to_the_middle() -> None:
    level = np.full((5, 5), 0.9)
    assert choose_reference(level, np.ones((5, 5), bool), ReferenceOptions()) == (2, 2)


def test_no_island_is_taken_while_the_main_ground_is_coherent() -> None:
    allowed = np.array([[True, False, True], [True, False, False], [True, True, False]])
    assert choose_reference(LEVEL, allowed, ReferenceOptions()) == (0, 0)
    assert choose_reference(LEVEL, allowed, ReferenceOptions(min_coherence=0.94)) == (0, 2)
    assert largest_part(allowed).sum() == 4


def test_pixels_with_gaps_are_passed_over() -> None:
    assert choose_reference(LEVEL, EVERYWHERE, ReferenceOptions(), lambda pixel: pixel != (0, 2)) in {
        (0, 0),
        (1, 1),
        (2, 1),
    }
    with pytest.raises(
        InputError, match=r"none of the 6 pixels with average coherence from 0\.85 has a phase in every"
    ):
        choose_reference(LEVEL, EVERYWHERE, ReferenceOptions(), lambda _: False)


@given(st.integers(0, 1000))
def test_a_drawn_pixel_is_coherent_and_the_same_for_its_seed(seed: int) -> None:
    options = ReferenceOptions(method="random", seed=seed)
    found = choose_reference(LEVEL, EVERYWHERE, options)
    assert LEVEL[found] >= 0.85
    assert found == choose_reference(LEVEL, EVERYWHERE, options)


def test_ground_that_is_not_coherent_enough_is_told() -> None:
    with pytest.raises(InputError, match=r"coherence of 0\.99 .* the highest is 0\.950 at row 0, column 2; lower"):
        choose_reference(LEVEL, EVERYWHERE, ReferenceOptions(min_coherence=0.99))
    with pytest.raises(InputError, match="the mask is empty"):
        choose_reference(LEVEL, np.zeros((3, 3), bool), ReferenceOptions())


def test_a_pixel_that_cannot_be_used_is_named_with_a_better_one() -> None:
    allowed = LEVEL > 0.25
    with pytest.raises(InputError, match=r"\(row 2, column 0\) is masked out: choose another, such as row 0, column 2"):
        check_reference((2, 0), allowed, lambda _: True, lambda: (0, 2))
    with pytest.raises(InputError, match=r"\(row 3, column 0\) lies outside the map of 3 x 3 pixels"):
        check_reference((3, 0), allowed, lambda _: True, lambda: None)
    with pytest.raises(InputError, match=r"\(row 0, column 0\) has no phase in some of the pairs"):
        check_reference((0, 0), allowed, lambda _: False, lambda: None)
    check_reference((0, 0), allowed, lambda _: True, lambda: None)


def test_the_nearest_pixel_on_a_turned_map() -> None:
    row, column = np.mgrid[:20, :30]
    latitude = 37.0 - 0.001 * row + 0.0002 * column
    longitude = -122.0 + 0.0012 * column + 0.0003 * row
    assert nearest_pixel(latitude, longitude, (latitude[7, 11] + 2e-4, longitude[7, 11] - 2e-4)) == (7, 11)
    latitude[7, 11] = np.nan
    assert nearest_pixel(latitude, longitude, (latitude[7, 12], longitude[7, 12])) == (7, 12)
    with pytest.raises(InputError, match=r"latitude 40, longitude -122\) lies outside the map: the nearest pixel"):
        nearest_pixel(latitude, longitude, (40.0, -122.0))


def test_negative_rows_are_refused() -> None:
    with pytest.raises(ValidationError, match="both are counted from 0"):
        ReferenceOptions(yx=(-1, 3))
