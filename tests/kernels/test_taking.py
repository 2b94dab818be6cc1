from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from creepmeter.kernels.taking import take_between, take_nearest


@pytest.mark.parametrize("kind", ["bool", "int16", "uint8", "float32", "float64", "complex64"])
def test_values_keep_their_type_and_places_without_a_pixel_are_filled(kind: str) -> None:
    values = np.arange(12).reshape(2, 6).astype(kind)
    fill = np.nan if kind[0] in "fc" else 0
    found = take_nearest(values, np.array([5, -1, 0], np.int32), fill)
    expected = np.stack([values[:, 5], np.full(2, fill).astype(kind), values[:, 0]], axis=1)
    assert found.dtype == np.dtype(kind)
    np.testing.assert_array_equal(found, expected)


def between(
    values: npt.NDArray[np.floating], down: float, across: float, *, zero_missing: bool = False
) -> npt.NDArray[np.floating]:
    share = np.array([[down, across]], np.float32)
    found = take_between(values, 2, np.zeros(1, np.int32), share, zero_missing=zero_missing, fill=-9.0)
    return found[:, 0]


def test_a_plane_is_kept_between_its_pixels() -> None:
    values = np.array([[1.0, 3.0, 5.0, 7.0], [0.0, 1.0, 0.0, 1.0]])
    assert between(values, 0.25, 0.5).tolist() == [3.0, 0.5]


def test_what_is_missing_has_no_part_where_less_than_half_of_the_weight_is() -> None:
    values = np.array([[np.nan, 4.0, 4.0, 4.0], [np.nan, np.nan, np.nan, 4.0]])
    assert between(values, 0.5, 0.5)[0] == 4.0
    assert np.isnan(between(values, 0.5, 0.5)[1])
    assert np.isnan(between(values, 0.1, 0.1)[0])


def test_zero_counts_only_where_it_is_a_value() -> None:
    values = np.array([[0.0, 4.0, 4.0, 4.0], [0.0, 0.0, 0.0, 4.0], [0.0, 0.0, 0.0, 0.0]])
    assert between(values, 0.5, 0.5).tolist() == [3.0, 1.0, 0.0]
    assert between(values, 0.5, 0.5, zero_missing=True).tolist() == [4.0, 0.0, 0.0]


def test_a_pixel_at_the_last_row_needs_no_next_one() -> None:
    values = np.array([[1.0, 2.0]])
    found = take_between(
        values, 2, np.array([1, -1], np.int32), np.zeros((2, 2), np.float32), zero_missing=False, fill=-9.0
    )
    assert found.tolist() == [[2.0, -9.0]]
