from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from tests.interferograms.samples import InMemory

from creepmeter.errors import GridError
from creepmeter.interferograms.layers import (
    Constant,
    Cropped,
    Derived,
    Mosaic,
    Resampled,
    Scaled,
    cut_to,
    lattice_offset,
    part_of_grid,
    read_all,
)

GRID = GeoBox((8, 10), Affine(0.5, 0, 10, 0, -0.5, 50), "EPSG:4326")
RNG = np.random.default_rng(7)
VALUES = RNG.normal(size=(8, 10)).astype(np.float32)


def test_no_data_becomes_fill_before_scaling() -> None:
    values = VALUES.copy()
    values[1, 2], values[3, 4] = -99, np.nan
    found = read_all(Scaled(InMemory(values), 2.0, 1.0, nodata=-99, fill=7))
    assert found[1, 2] == 7
    assert np.isnan(found[3, 4])
    assert found[0, 0] == np.float32(2) * values[0, 0] + 1
    assert read_all(Scaled(InMemory(values), nodata=float("nan")))[3, 4] == 0


@given(
    window=st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 6), st.integers(0, 6)),
    cut=st.tuples(st.integers(0, 3), st.integers(5, 8), st.integers(0, 3), st.integers(5, 10)),
)
def test_a_window_of_a_cut_is_the_cut_of_a_window(
    window: tuple[int, int, int, int], cut: tuple[int, int, int, int]
) -> None:
    rows, columns = slice(*sorted(window[:2])), slice(*sorted(window[2:]))
    layer = Cropped(InMemory(VALUES), slice(*cut[:2]), slice(*cut[2:]))
    np.testing.assert_array_equal(layer.read(rows, columns), VALUES[cut[0] : cut[1], cut[2] : cut[3]][rows, columns])


def test_a_mosaic_takes_the_first_that_has_a_value() -> None:
    first, second = np.ones((4, 4), np.float32), np.full((4, 4), 2, np.float32)
    first[3, 3], second[0, 0] = 0, np.nan
    mosaic = Mosaic((InMemory(first), InMemory(second)), ((0, 0), (2, 2)), (6, 6))
    found = read_all(mosaic)
    assert found[2, 2] == 1
    assert found[3, 3] == 2
    assert found[5, 5] == 2
    assert found[0, 5] == 0
    np.testing.assert_array_equal(mosaic.read(slice(2, 5), slice(1, 6)), found[2:5, 1:6])
    assert not mosaic.read(slice(0, 2), slice(4, 6)).any()


def test_resampling_to_its_own_grid_changes_nothing() -> None:
    for method in ("nearest", "bilinear"):
        found = read_all(Resampled(InMemory(VALUES), GRID, GRID, method))
        np.testing.assert_allclose(found, VALUES, atol=1e-6)


def test_a_plane_stays_a_plane_and_outside_is_fill() -> None:
    rows, columns = np.mgrid[:8, :10]
    plane = (3.0 * rows + columns).astype(np.float32)
    fine = GeoBox((10, 8), Affine(0.25, 0, 11, 0, -0.25, 49), "EPSG:4326")
    layer = Resampled(InMemory(plane), GRID, fine, "bilinear")
    found = read_all(layer)
    y, x = np.mgrid[:10, :8]
    expected = 3 * ((y + 0.5) * 0.5 + 2 - 0.5) + (x + 0.5) * 0.5 + 2 - 0.5
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_array_equal(layer.read(slice(3, 7), slice(2, 5)), found[3:7, 2:5])
    beyond = GeoBox((2, 30), Affine(0.5, 0, 10, 0, -0.5, 50), "EPSG:4326")
    assert np.isnan(read_all(Resampled(InMemory(plane), GRID, beyond))[:, 10:]).all()


def test_resampling_between_reference_systems_finds_the_place() -> None:
    lon = np.broadcast_to(10 + 0.5 * (np.arange(10) + 0.5), (8, 10)).astype(np.float32)
    utm = GeoBox((4, 4), Affine(20000, 0, 600000, 0, -20000, 5440000), "EPSG:32632")
    x, y = np.meshgrid(600000 + 20000 * (np.arange(4) + 0.5), 5440000 - 20000 * (np.arange(4) + 0.5))
    expected, _ = Transformer.from_crs("EPSG:32632", "EPSG:4326", always_xy=True).transform(x, y)
    np.testing.assert_allclose(read_all(Resampled(InMemory(lon), GRID, utm, "bilinear")), expected, atol=1e-5)
    with pytest.raises(GridError, match="grid is not known"):
        Resampled(InMemory(lon), GRID, GeoBox((4, 4), Affine(1, 0, 0, 0, -1, 0), None))


def test_missing_neighbours_do_not_spread() -> None:
    values = VALUES.copy()
    values[4, 4] = np.nan
    half = GeoBox((8, 10), Affine(0.5, 0, 10.1, 0, -0.5, 50), "EPSG:4326")
    assert np.isnan(read_all(Resampled(InMemory(values), GRID, half, "bilinear"))).sum() == 1


def test_lattices_are_told_apart() -> None:
    shifted = part_of_grid(GRID, slice(2, 6), slice(3, 9))
    assert lattice_offset(GRID, shifted) == (2, 3)
    assert lattice_offset(shifted, GRID) == (-2, -3)
    assert lattice_offset(GRID, GeoBox((8, 10), Affine(0.5, 0, 10.25, 0, -0.5, 50), "EPSG:4326")) is None
    assert lattice_offset(GRID, GeoBox((8, 10), Affine(0.4, 0, 10, 0, -0.5, 50), "EPSG:4326")) is None
    cut = cut_to(InMemory(VALUES), GRID, shifted)
    assert cut is not None
    np.testing.assert_array_equal(read_all(cut), VALUES[2:6, 3:9])
    assert cut_to(InMemory(VALUES[2:6, 3:9]), shifted, GRID) is None


def test_derived_and_constant() -> None:
    layer = Derived((InMemory(VALUES), Constant(2.0, (8, 10))), lambda a, b: a * b, "double")
    np.testing.assert_array_equal(layer.read(slice(1, 3), slice(2, 4)), 2 * VALUES[1:3, 2:4])
    assert layer.name == "double from memory"
    assert layer.shape == (8, 10)
