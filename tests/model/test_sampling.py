from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.model.sampling import bilinear

ROW, COLUMN = np.mgrid[:7, :9] + 0.5
PLANE = 2.0 + 3.0 * COLUMN - 5.0 * ROW


@given(st.floats(0.5, 8.5), st.floats(0.5, 6.5))
def test_a_plane_is_exact_between_centres(column: float, row: float) -> None:
    assert_allclose(bilinear(PLANE, column, row), 2 + 3 * column - 5 * row, atol=1e-9)


def test_centres_are_the_cells_and_the_border_takes_their_value() -> None:
    assert_array_equal(bilinear(PLANE, COLUMN, ROW), PLANE)
    assert_array_equal(bilinear(PLANE, [0, 0.2, 9.0], [0, 0.5, 7.0]), [PLANE[0, 0], PLANE[0, 0], PLANE[-1, -1]])


def test_beyond_the_edge_there_is_nothing() -> None:
    assert np.isnan(bilinear(PLANE, [-0.01, 9.01, 3, 3, np.nan], [3, 3, -0.01, 7.01, 3])).all()


def test_a_hole_counts_only_where_most_of_the_weight_is_measured() -> None:
    values = np.ones((2, 2))
    values[0, 0] = np.nan
    assert bilinear(values, 1.0, 1.0) == 1.0  # three of four
    assert np.isnan(bilinear(values, 0.6, 0.6))


def test_all_maps_of_a_stack_are_taken_at_once() -> None:
    both = np.stack([PLANE, -PLANE])
    assert_allclose(
        bilinear(both, [1.2, 3.4], [2.0, 5.0]), np.stack([bilinear(PLANE, [1.2, 3.4], [2.0, 5.0])] * 2) * [[1], [-1]]
    )


def test_a_map_of_one_cell_is_that_cell() -> None:
    assert bilinear(np.array([[4.0]]), 0.9, 0.1) == 4.0
