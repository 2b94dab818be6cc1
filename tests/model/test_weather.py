"""Areas and nodes of weather models: turns of longitude, windows, coverage."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pyproj import CRS

from creepmeter.errors import GridError, InputError
from creepmeter.model.gravity import effective_radius, geometric_height, geopotential, gravity, surface_gravity
from creepmeter.model.weather import Area, Axes, turned, window_of
from creepmeter.simulate.weather import LEVELS_HPA, Air

NODES = Axes(np.arange(30.0, 34.0), np.arange(128.0, 133.0))
NARR = "+proj=lcc +lat_1=50 +lat_2=50 +lat_0=50 +lon_0=-107 +R=6371200 +units=m"


def test_an_area_may_lie_across_the_antimeridian() -> None:
    area = Area.of([10.0, 12.0, np.nan], [179.0, -178.0, 0.0])
    assert (area.south, area.north) == (10.0, 12.0)
    assert area.east - area.west == pytest.approx(3.0)
    wider = area.with_area(Area.of([11.0], [-177.0]))
    assert wider.east - wider.west == pytest.approx(4.0)


def test_an_area_of_nothing_is_an_error() -> None:
    with pytest.raises(InputError, match=r"no pixel has a latitude and longitude"):
        Area.of([np.nan], [1.0])


def test_longitudes_are_turned_by_whole_turns_only() -> None:
    found = turned([0.1, 359.9, 180.3], 0.0)
    np.testing.assert_allclose(found, [0.1, -0.1, -179.7], atol=1e-12)
    assert found[0] == 0.1


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_a_window_has_a_node_on_every_side(order: slice) -> None:
    axes, rows, columns = window_of(Axes(NODES.y[order], NODES.x), Area(31.2, 31.8, 129.0, 130.5), "file")
    assert axes.y.tolist() == [31.0, 32.0]
    assert axes.x.tolist() == [129.0, 130.0, 131.0]
    assert NODES.y[order][rows].tolist() == [31.0, 32.0]
    assert NODES.x[columns].tolist() == [129.0, 130.0, 131.0]


def test_a_point_on_a_node_gets_a_neighbour_too() -> None:
    axes, _, _ = window_of(NODES, Area(33.0, 33.0, 132.0, 132.0), "file")
    assert axes.y.tolist() == [32.0, 33.0]
    assert axes.x.tolist() == [131.0, 132.0]


def test_a_gap_between_nodes_is_no_cover() -> None:
    gapped = Axes(NODES.y, np.array([128.0, 129.0, 130.0, 136.0, 137.0]))
    with pytest.raises(GridError, match=r"file does not cover the pixels .* get a file of a larger area"):
        window_of(gapped, Area(31.0, 32.0, 129.5, 131.0), "file")


def test_projected_nodes_cover_an_area_in_degrees() -> None:
    system = str(CRS.from_user_input(NARR).to_wkt())
    nodes = np.arange(-20.0, 20.0) * 32_463.0
    axes = Axes(nodes, nodes, system)
    area = Area(49.0, 50.5, -108.0, -106.0)
    cut, _, _ = window_of(axes, area, "file")
    latitude = cut.latitudes()
    assert latitude[0].max() < area.south
    assert latitude[-1].min() > area.north
    y, x = cut.places(np.array([50.0]), np.array([-107.0]))
    np.testing.assert_allclose([y, x], 0.0, atol=20_000)  # its origin, on a sphere


def test_levels_must_reach_from_the_ground_to_the_stratosphere() -> None:
    fields = Air().fields(NODES, "20200101", tuple(p for p in LEVELS_HPA if p <= 800))
    with pytest.raises(InputError, match=r"levels reach from 800 to 1 hPa: get a file of all levels"):
        fields.ordered()


def test_fields_of_other_shapes_are_an_error() -> None:
    fields = Air().fields(NODES, "20200101")
    with pytest.raises(InputError, match=r"do not fit \(37, 4, 5\) levels, rows and columns"):
        replace(fields, humidity=fields.humidity[:, :-1]).ordered()


# -------------------------------------------------------------------------------------------------------------- gravity


def test_height_and_geopotential_undo_each_other() -> None:
    heights, latitude = np.array([-400.0, 0.0, 8000.0, 60_000.0]), 37.0
    np.testing.assert_allclose(geometric_height(geopotential(heights, latitude), latitude), heights, atol=1e-7)


def test_geopotential_is_the_sum_of_gravity() -> None:
    heights = np.linspace(0.0, 20_000.0, 20_001)
    work = np.trapezoid(gravity(52.0, heights), heights)
    assert work == pytest.approx(float(geopotential(20_000.0, 52.0)), rel=1e-9)


def test_gravity_falls_as_the_ellipsoid_has_it() -> None:
    # free-air gradient of the ellipsoid at 45 degrees: 3.086e-6 per second squared
    slope = (float(gravity(45.0, 1000.0)) - float(surface_gravity(45.0))) / 1000
    assert slope == pytest.approx(-3.086e-6, rel=2e-3)
    assert 6.33e6 < float(effective_radius(0.0)) < 6.4e6
