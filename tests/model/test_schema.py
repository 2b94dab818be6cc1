from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_array_equal

from creepmeter.errors import EpochError, NetworkError, SchemaError
from creepmeter.model.grid import pixel_grid
from creepmeter.model.schema import (
    IMAGE_CUBE,
    PAIR_STACK,
    TIME_SERIES,
    check,
    kind_of,
    make_image_cube,
    make_pair_stack,
)

PAIRS = [("20200101", "20200201"), ("2020-02-01", "2020-03-01")]


def test_a_pair_stack_keeps_its_promise() -> None:
    stack = make_pair_stack(
        np.zeros((2, 2, 3, 4)), PAIRS, ["east", "north"], sigma=0.1, quality=1.0, used=[True, False]
    )
    check(stack, PAIR_STACK)
    assert kind_of(stack) == PAIR_STACK
    assert stack["sigma"].shape == stack["displacement"].shape
    assert stack["quality"].dims == ("pair", "y", "x")
    assert_array_equal(stack["used"], [True, False])
    assert str(stack["sec_time"].values[1])[:10] == "2020-03-01"
    assert stack.attrs["Conventions"].startswith("CF")
    assert stack["displacement"].attrs["grid_mapping"] == "spatial_ref"


def test_integers_become_floats_and_single_precision_stays() -> None:
    assert make_pair_stack(np.zeros((2, 3, 4), int), PAIRS)["displacement"].dtype == np.float64
    assert make_pair_stack(np.zeros((2, 3, 4), np.float32), PAIRS)["displacement"].dtype == np.float32


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"displacement": np.zeros((3, 3, 4))}, r"2 pair\(s\), got shape \(1, 3, 3, 4\)"),
        ({"displacement": np.zeros(3)}, "displacement must be"),
        ({"component": ["east", "north"]}, r"2 component\(s\)"),
        ({"component": ["west"]}, "unknown component 'west': use east"),
        ({"displacement": np.zeros((2, 2, 3, 4)), "component": ["east", "east"]}, "each may come once"),
        ({"sigma": np.zeros((3, 5))}, r"sigma has shape \(3, 5\)"),
        ({"quality": np.zeros((7, 3, 4))}, "quality has shape"),
        ({"used": [True]}, r"used has shape \(1,\), the stack 2 pair"),
        ({"grid": pixel_grid((9, 9))}, r"3.* rows and columns, the grid"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(options: dict[str, Any], match: str) -> None:
    with pytest.raises(SchemaError, match=match):
        make_pair_stack(**{"displacement": np.zeros((2, 3, 4)), "pairs": PAIRS, **options})


def test_dates_that_do_not_fit_are_refused() -> None:
    with pytest.raises(NetworkError, match="forward in time"):
        make_pair_stack(np.zeros((1, 3, 4)), [("20200201", "20200101")])
    with pytest.raises(EpochError, match="20200230"):
        make_pair_stack(np.zeros((1, 3, 4)), [("20200230", "20200401")])


def test_an_image_cube_keeps_its_promise() -> None:
    cube = make_image_cube(np.zeros((2, 3, 4), np.float32), ["20200101", "20200201"], pixel_grid((3, 4)))
    assert kind_of(cube) == IMAGE_CUBE
    with pytest.raises(SchemaError, match=r"with 1 time\(s\), got shape \(2, 3, 4\)"):
        make_image_cube(np.zeros((2, 3, 4)), ["20200101"], pixel_grid((3, 4)))
    with pytest.raises(SchemaError, match="give the grid of the data"):
        make_image_cube(np.zeros((1, 3, 4)), ["20200101"], pixel_grid((4, 4)))


def test_what_is_missing_is_named() -> None:
    stack = make_pair_stack(np.zeros((2, 3, 4)), PAIRS)
    with pytest.raises(SchemaError, match=r"no PairStack: it has no variable 'displacement' \(found none\)"):
        check(xr.Dataset(), PAIR_STACK)
    with pytest.raises(SchemaError, match="TimeSeries needs displacement with dimensions"):
        check(stack, TIME_SERIES)
    with pytest.raises(SchemaError, match="lacks the coordinates used"):
        check(stack.drop_vars("used"), PAIR_STACK)
    assert kind_of(stack.drop_vars("used")) is None
    assert kind_of(xr.Dataset()) is None
