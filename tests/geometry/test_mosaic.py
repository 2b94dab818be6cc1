"""Mosaics of maps whose offsets and ramps are known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from pydantic import ValidationError
from pyproj import CRS

from creepmeter.errors import GridError, InputError
from creepmeter.geometry.mosaic import join, match, surface, union_grid
from creepmeter.geometry.mosaic_options import MosaicOptions

Floats = npt.NDArray[np.float64]
SHAPE = (40, 90)
WINDOWS = (slice(0, 35), slice(25, 65), slice(55, 90))
ROW, COLUMN = np.meshgrid(np.linspace(-1, 1, SHAPE[0]), np.linspace(-1, 1, SHAPE[1]), indexing="ij")
TRUTH = np.sin(3 * COLUMN) * np.cos(2 * ROW)


def options(**changes: object) -> MosaicOptions:
    return MosaicOptions.model_validate(changes)


def cut(added: list[Floats | float]) -> list[Floats]:
    """Return three overlapping parts of the truth, to each of which something is added."""
    maps = []
    for columns, more in zip(WINDOWS, added, strict=True):
        values = np.full(SHAPE, np.nan)
        values[:, columns] = (TRUTH + more)[:, columns]
        maps.append(values)
    return maps


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("method", ["mean", "median"])
def test_offsets_are_taken_out(*, joint: bool, method: str) -> None:
    maps = cut([0.0, 0.7, -1.3])
    chosen = options(joint=joint, method=method)
    found = match(maps, chosen)
    np.testing.assert_allclose(found[:, 0], [0.0, 0.7, -1.3], atol=1e-12)
    np.testing.assert_allclose(join(maps, found, chosen), TRUTH, atol=1e-12)


@pytest.mark.parametrize("joint", [False, True])
def test_ramps_are_taken_out(*, joint: bool) -> None:
    maps = cut([0.0, 0.5 + 0.2 * ROW - 0.3 * COLUMN, -1.0 + 0.1 * COLUMN])
    chosen = options(joint=joint, ramp=True)
    np.testing.assert_allclose(join(maps, match(maps, chosen), chosen), TRUTH, atol=1e-10)


def test_a_median_is_not_moved_by_a_few_wrong_cells() -> None:
    maps = cut([0.0, 0.7, -1.3])
    maps[1][:4, 25:35] += 100.0
    chosen = options(method="median")
    np.testing.assert_allclose(match(maps, chosen)[1], 0.7, atol=1e-12)
    assert match(maps, options())[1, 0] > 5


def test_together_the_misfit_is_spread_over_a_ring_of_maps() -> None:
    # three maps that overlap pairwise, whose differences do not close by 0.3
    maps = [np.full((3, 30), np.nan) for _ in range(3)]
    maps[0][:, 0:10], maps[0][:, 20:30] = 0.0, 0.0
    maps[1][:, 0:10], maps[1][:, 10:20] = 1.0, 1.0
    maps[2][:, 10:20], maps[2][:, 20:30] = 2.0, 2.3
    found = match(maps, options(joint=True))[:, 0]
    np.testing.assert_allclose(found, [0.0, 1.1, 2.2], atol=1e-12)
    assert match(maps, options())[2, 0] == pytest.approx((2.0 + 2.3) / 2)


def test_which_map_counts_where_several_are_measured() -> None:
    maps = [np.array([[1.0, 1.0, np.nan]]), np.array([[np.nan, 2.0, 2.0]])]
    none = np.zeros((2, 1))
    expected = {"last": [1.0, 2.0, 2.0], "first": [1.0, 1.0, 2.0], "mean": [1.0, 1.5, 2.0]}
    for overlap, values in expected.items():
        assert join(maps, none, options(overlap=overlap)).tolist() == [values]


@pytest.mark.parametrize("joint", [False, True])
def test_a_map_that_overlaps_none_is_named(*, joint: bool) -> None:
    maps = cut([0.0, 0.0, 0.0])
    maps[1][:, 55:] = np.nan
    with pytest.raises(InputError, match="map 3 overlaps none"):
        match(maps, options(joint=joint))
    assert (match(maps, options(offset=False)) == 0).all()


def test_a_surface_is_level_at_the_middle() -> None:
    plane = surface(np.array([2.0, 1.0, -1.0]), (4, 6))
    assert np.mean(plane) == pytest.approx(2.0)
    assert np.ptp(np.asarray(plane)[:, 0]) == pytest.approx(0.75)
    with pytest.raises(ValidationError, match="median"):
        options(ramp=True, method="median")


def grid(west: float, north: float, shape: tuple[int, int], crs: str = "EPSG:4326", step: float = 0.1) -> GeoBox:
    return GeoBox(shape, Affine(step, 0.0, west, 0.0, -step, north), crs)


def test_the_union_has_the_cells_of_the_first_map() -> None:
    found = union_grid([grid(10.0, 50.0, (10, 20)), grid(11.02, 50.31, (10, 20)), grid(9.5, 49.9, (4, 4), step=0.05)])
    assert found.shape == (13, 35)
    np.testing.assert_allclose([found.affine.c, found.affine.f], [9.5, 50.3], atol=1e-9)
    with pytest.raises(GridError, match=r"reference systems.{,99}EPSG:4326.{,99}EPSG:32633.{,99}$"):
        union_grid([grid(10.0, 50.0, (3, 3)), grid(10.0, 50.0, (3, 3), CRS.from_epsg(32633).to_wkt())])
