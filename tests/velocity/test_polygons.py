from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import shapely
import xarray as xr
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from odc.geo.geobox import GeoBox
from scipy import ndimage

from creepmeter.errors import SchemaError
from creepmeter.io.vector import burn_mask
from creepmeter.model.grid import Grid, part_of_grid
from creepmeter.model.schema import MOTION_MODEL, map_dataset
from creepmeter.velocity.detect import detect_moving
from creepmeter.velocity.options import DetectOptions
from creepmeter.velocity.polygons import cells_of, polygon_statistics, statistics_columns

Floats = npt.NDArray[np.float64]
GRID = GeoBox((50, 60), Affine(20.0, 0, 500_000.0, 0, -20.0, 5_100_000.0), "EPSG:32633")
DIMS = ("component", "term", "y", "x")


def motion(east: Floats, north: Floats | None = None, sigma: float | None = 0.05, grid: Grid = GRID) -> xr.Dataset:
    parts = [east] if north is None else [east, north]
    value = np.stack(parts)[:, None]
    variables: dict[str, Any] = {"value": (DIMS, value, {})}
    if sigma is not None:
        variables["sigma"] = (DIMS, np.where(np.isfinite(value), sigma, np.nan), {})
    coords = {
        "component": ["los"] if north is None else ["east", "north"],
        "term": ["rate"],
        "unit": ("term", ["m/yr"]),
    }
    return map_dataset(variables, coords, grid, kind=MOTION_MODEL)


def box(left: int, top: int, right: int, bottom: int) -> shapely.Polygon:
    """Return the outline of some columns and rows."""
    return shapely.box(500_000 + 20 * left, 5_100_000 - 20 * bottom, 500_000 + 20 * right, 5_100_000 - 20 * top)


def everywhere(value: float) -> Floats:
    return np.full(tuple(GRID.shape), value)


# ------------------------------------------------------------------------------------------------------ statistics


def test_statistics_are_those_of_the_cells_inside() -> None:
    random = np.random.default_rng(0)
    east, north = random.normal(1, 0.1, GRID.shape), random.normal(-1, 0.1, GRID.shape)
    east[10:12, 5:9] = np.nan
    (found,) = polygon_statistics(motion(east, north), [box(5, 10, 15, 30)])
    speed = np.hypot(east, north)[10:30, 5:15]
    known = speed[np.isfinite(speed)]
    assert (found.cells, found.area_m2) == (200, 200 * 400)
    assert_allclose(found.measured, 192 / 200)
    assert_allclose(found.speed_median, np.median(known))
    assert_allclose(found.speed_p95, np.percentile(known, 95))
    assert_allclose((found.east, found.north), (np.nanmedian(east[10:30, 5:15]), np.nanmedian(north[10:30, 5:15])))
    assert_allclose(found.direction_deg, 135, atol=2)
    assert 0.99 < found.coherence < 1
    assert_allclose(found.sigma, 0.05)


@pytest.mark.parametrize(
    ("east", "north", "degrees"), [(0, 1, 0), (1, 0, 90), (0, -1, 180), (-1, 0, 270), (-1, 1, 315)]
)
def test_direction_counts_clockwise_from_north(east: float, north: float, degrees: float) -> None:
    (found,) = polygon_statistics(motion(everywhere(east), everywhere(north)), [box(5, 5, 15, 15)])
    assert_allclose(found.direction_deg, degrees)


def test_motion_all_ways_has_no_coherence() -> None:
    angle = np.random.default_rng(1).uniform(0, 2 * np.pi, GRID.shape)
    (found,) = polygon_statistics(motion(np.sin(angle), np.cos(angle)), [box(5, 5, 45, 45)])
    assert found.coherence < 0.1
    assert_allclose(found.speed_median, 1)


def test_polygons_off_the_map_and_where_nothing_is_measured_have_no_speed() -> None:
    east = everywhere(1.0)
    east[:20] = np.nan
    off, empty, half = polygon_statistics(
        motion(east, east), [box(100, 5, 110, 15), box(5, 5, 15, 15), box(55, 30, 65, 40)]
    )
    assert (off.cells, off.measured, empty.cells, empty.measured) == (0, 0, 100, 0)
    assert np.isnan([off.speed_median, empty.speed_median, empty.direction_deg]).all()
    assert (half.cells, half.measured) == (50, 1)  # the part on the map


def test_a_polygon_smaller_than_a_cell_takes_the_cell_under_it() -> None:
    east = np.arange(3000.0).reshape(GRID.shape)
    tiny = shapely.box(500_000 + 20 * 7 + 1, 5_100_000 - 20 * 9 - 4, 500_000 + 20 * 7 + 3, 5_100_000 - 20 * 9 - 2)
    (found,) = polygon_statistics(motion(east, 0 * east), [tiny])
    assert (found.cells, found.east, found.area_m2) == (1, 9 * 60 + 7, 4)


def test_one_component_has_size_but_no_direction() -> None:
    (found,) = polygon_statistics(motion(everywhere(-0.2)), [box(5, 5, 15, 15)])
    assert (found.speed_median, found.east) == (0.2, -0.2)
    assert np.isnan([found.north, found.direction_deg, found.coherence]).all()


def test_areas_in_degrees_are_those_on_the_ellipsoid() -> None:
    grid = GeoBox((10, 10), Affine(0.001, 0, 10.0, 0, -0.001, 46.0), "EPSG:4326")
    east = np.ones((10, 10))
    (found,) = polygon_statistics(motion(east, east, grid=grid), [shapely.box(10.0, 45.99, 10.01, 46.0)])
    assert_allclose(found.area_m2, 774.8 * 1111.4, rtol=1e-3)  # lengths of 0.01 degrees at 45.995 N
    assert found.cells == 100


@given(st.floats(-100, 1300), st.floats(-100, 1100), st.floats(1, 400), st.floats(1, 400))
def test_cells_of_a_part_are_those_of_the_whole(left: float, top: float, width: float, height: float) -> None:
    shape = shapely.box(500_000 + left, 5_100_000 - top - height, 500_000 + left + width, 5_100_000 - top)
    (rows, columns), inside = cells_of(shape, GRID)
    whole = np.zeros(tuple(GRID.shape), bool)
    whole[rows, columns] = inside
    if shape.intersects(box(0, 0, 60, 50)):
        expected = burn_mask(shape, GRID)
        assert_array_equal(whole, expected if expected.any() else whole)
        assert expected.any() or whole.sum() <= 1
    else:
        assert not whole.any()


def test_statistics_become_columns() -> None:
    found = polygon_statistics(motion(everywhere(1.0), everywhere(0.0)), [box(0, 0, 10, 10), box(5, 5, 15, 15)])
    columns = statistics_columns(found)
    assert columns["cells"] == [100, 100]
    assert list(columns)[:3] == ["area_m2", "cells", "measured"]


# ------------------------------------------------------------------------------------------------------- detection


def slides(noise: float, seed: int, smooth: float = 1.5) -> tuple[xr.Dataset, npt.NDArray[np.bool_]]:
    """Return two slides of 0.5 and 1 m/yr on still ground, with noise that neighbours share, and where they are."""
    random = np.random.default_rng(seed)
    field = np.stack([ndimage.gaussian_filter(random.standard_normal(GRID.shape), smooth) for _ in range(2)])
    field *= noise / field.std()
    where = np.zeros(tuple(GRID.shape), bool)
    where[10:22, 8:24] = where[30:42, 35:50] = True
    field[0, 10:22, 8:24] += 0.5
    field[1, 30:42, 35:50] -= 1.0
    return motion(field[0], field[1], sigma=noise), where


def test_what_moves_is_found_and_nothing_else() -> None:
    for seed in range(5):
        moving, where = slides(0.05, seed)
        found = detect_moving(moving, DetectOptions(sigmas=4))
        assert len(found) == 2
        traced = np.logical_or.reduce([burn_mask(each.outline, GRID) for each in found])
        agreed = (traced & where).sum() / (traced | where).sum()
        assert agreed > 0.9
        directions = [each.statistics.direction_deg for each in found]
        assert_allclose(sorted(directions), [90, 180], atol=6)
        assert found[0].statistics.area_m2 >= found[1].statistics.area_m2


def test_the_outline_holds_exactly_the_cells_it_was_made_of() -> None:
    east = everywhere(0.0)
    east[5:20, 5:20] = 1.0
    east[10:14, 10:14] = 0.0  # a hole is filled: the ground around it moves
    (found,) = detect_moving(motion(east, 0 * east))
    assert found.statistics.cells == 225 - 4  # the corners have too few neighbours
    assert_allclose(found.outline.area, found.statistics.area_m2)
    assert_allclose(found.outline.area, 221 * 400)


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({"sigmas": 30.0}, 0),
        ({"min_speed": 0.8}, 1),
        ({"min_cells": 185}, 1),
        ({"min_area_m2": 1e6}, 0),
        ({"min_area_m2": 74_000.0}, 1),
        ({"min_coherence": 1.0}, 0),
    ],
)
def test_limits_leave_out_what_lies_below_them(options: dict[str, Any], count: int) -> None:
    moving, _ = slides(0.05, 0)
    assert len(detect_moving(moving, DetectOptions(**{"sigmas": 4.0, **options}))) == count


def test_still_ground_that_a_ring_encloses_is_not_taken_for_moving() -> None:
    east = everywhere(0.0)
    east[4:44, 4:54] = 1.0
    east[8:40, 8:50] = 0.0
    east[20:26, 20:30] = 2.0  # a slide of its own within
    ring, inner = detect_moving(motion(east, everywhere(0.0)))
    assert ring.statistics.speed_median == 1.0
    assert inner.statistics.speed_median == 2.0


def test_motion_all_ways_is_no_slide() -> None:
    angle = np.random.default_rng(2).uniform(0, 2 * np.pi, GRID.shape)
    turning = motion(np.sin(angle), np.cos(angle))
    assert detect_moving(turning) == ()
    assert len(detect_moving(turning, DetectOptions(min_coherence=0.0))) == 1


def test_a_map_of_one_component_is_searched_too() -> None:
    east = everywhere(0.0)
    east[5:20, 5:20] = -0.4
    (found,) = detect_moving(motion(east))
    assert_allclose(found.statistics.east, -0.4)


def test_without_sigma_nothing_can_be_told() -> None:
    with pytest.raises(SchemaError, match="has no sigma to detect motion by"):
        detect_moving(motion(everywhere(1.0), everywhere(1.0), sigma=None))


def test_the_part_of_a_grid_keeps_its_place() -> None:
    part = part_of_grid(GRID, slice(10, 20), slice(5, 9))
    assert (part.affine.c, part.affine.f) == (500_100, 5_099_800)
