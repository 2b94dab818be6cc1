from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from creepmeter.geometry.resample import values_on
from creepmeter.model.grid import centre_positions

SOURCE = GeoBox((40, 50), Affine(10.0, 0.0, 500_000.0, 0.0, -10.0, 4_000_000.0), "EPSG:32633")


def test_on_the_same_cells_values_are_taken_as_they_are() -> None:
    values = np.random.default_rng(0).normal(size=SOURCE.shape)
    part = GeoBox((5, 6), Affine(10.0, 0.0, 499_980.0, 0.0, -10.0, 3_999_900.0), "EPSG:32633")
    found = values_on(values, SOURCE, part)
    assert np.isnan(found[:, :2]).all()
    np.testing.assert_array_equal(found[:, 2:], values[10:15, :4])


@pytest.mark.parametrize("size", [7.0, 10.0, 30.0])
def test_a_plane_stays_a_plane_on_finer_shifted_and_coarser_grids(size: float) -> None:
    x, y = centre_positions(SOURCE)
    grid = GeoBox((5, 6), Affine(size, 0.0, 500_103.0, 0.0, -size, 3_999_896.0), "EPSG:32633")
    found = values_on(1e-3 * (x - 5e5) - 2e-3 * (y - 4e6), SOURCE, grid)
    u, v = centre_positions(grid)
    np.testing.assert_allclose(found, 1e-3 * (u - 5e5) - 2e-3 * (v - 4e6), atol=1e-9)


def test_a_large_cell_averages_what_it_covers() -> None:
    values = np.random.default_rng(1).normal(size=SOURCE.shape)
    coarse = GeoBox((4, 5), Affine(50.0, 0.0, 500_000.0, 0.0, -50.0, 4_000_000.0), "EPSG:32633")
    expected = values[:20, :25].reshape(4, 5, 5, 5).mean(axis=(1, 3))
    np.testing.assert_allclose(values_on(values, SOURCE, coarse), expected, atol=1e-12)


def test_degrees_and_metres_meet() -> None:
    x, _ = centre_positions(SOURCE)
    longitude, latitude = Transformer.from_crs("EPSG:32633", "EPSG:4326", always_xy=True).transform(500_250, 3_999_800)
    grid = GeoBox((20, 20), Affine(1e-4, 0.0, longitude - 1e-3, 0.0, -1e-4, latitude + 1e-3), "EPSG:4326")
    found = values_on(x, SOURCE, grid)
    at = Transformer.from_crs("EPSG:4326", "EPSG:32633", always_xy=True).transform(*centre_positions(grid))[0]
    np.testing.assert_allclose(found, at, atol=1e-6)
