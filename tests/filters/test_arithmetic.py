"""Sums, differences and other arithmetic of maps."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from creepmeter.errors import ConfigError
from creepmeter.filters.arithmetic import add_maps, calculate, subtract_maps


def test_a_sum_takes_what_is_there() -> None:
    found = add_maps([1.0, np.nan, 3.0, np.nan], [1.0, 2.0, np.nan, np.nan])
    assert_array_equal(found, [2.0, 2.0, 3.0, np.nan])


def test_a_difference_of_masks_is_what_only_the_first_holds() -> None:
    first, second = np.array([True, True, False, False]), np.array([True, False, True, False])
    assert_array_equal(subtract_maps(first, second), [False, True, False, False])
    assert_array_equal(subtract_maps(np.array([3.0, 1.0]), np.array([1.0, np.nan])), [2.0, np.nan])


@pytest.mark.parametrize(
    ("operator", "operand", "expected"),
    [
        ("+", 0.5, [2.5, -3.5]),
        ("-", 1, [1.0, -5.0]),
        ("*", 2, [4.0, -8.0]),
        ("/", 2, [1.0, -2.0]),
        ("^", 2, [4.0, 16.0]),
        ("^", 0.5, [np.sqrt(2.0), np.nan]),
        ("/", [0.0, 2.0], [np.nan, -2.0]),
    ],
)
def test_operators(operator: str, operand: float | list[float], expected: list[float]) -> None:
    assert_array_equal(calculate([2.0, -4.0], operator, operand), expected)


def test_what_cannot_be_calculated_is_refused() -> None:
    with pytest.raises(ConfigError, match="division by 0"):
        calculate([1.0], "/", 0.0)
    with pytest.raises(ConfigError, match=r"operator '%' is not known"):
        calculate([1.0], "%", 2.0)
