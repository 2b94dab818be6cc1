"""Delay in the zenith: closed forms, and what must not matter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from pyproj import CRS, Transformer

from creepmeter.corrections.atmosphere import columns_of, saturation
from creepmeter.corrections.delay_cube import DelayCube, Pixels, slant_delay
from creepmeter.corrections.zenith import K1, K2_PRIME, K3, zenith_cube, zenith_delays
from creepmeter.errors import InputError
from creepmeter.model.gravity import geopotential
from creepmeter.model.weather import Axes
from creepmeter.simulate.weather import LEVELS_HPA, Air

NODES = Axes(np.arange(30.0, 32.01, 0.25), np.arange(130.0, 131.51, 0.25))
TIME = "20200101T060000"


def _saastamoinen(pressure_pa: float) -> npt.NDArray[np.float64]:
    """Hydrostatic delay of Saastamoinen (1972) at height 0, with gravity at the centre of mass of the air."""
    latitude = NODES.latitudes()
    return np.asarray(0.0022768 * pressure_pa / 100 / (1 - 0.00266 * np.cos(2 * np.radians(latitude))))


@pytest.mark.parametrize(("pressure_pa", "temperature"), [(101_325.0, 280.0), (103_000.0, 250.0), (98_000.0, 300.0)])
def test_dry_air_in_balance_has_the_delay_of_saastamoinen(pressure_pa: float, temperature: float) -> None:
    fields = Air(pressure_pa=pressure_pa, temperature=temperature).fields(NODES, TIME)
    hydrostatic, wet = zenith_delays(fields, [0.0])
    # his centre of mass lies at one height for all temperatures; the bar is the tenth of a percent of his constants
    np.testing.assert_allclose(hydrostatic[0], _saastamoinen(pressure_pa), rtol=1e-3)
    assert np.abs(wet).max() < 1e-9


def test_vapour_that_falls_exponentially_has_its_closed_form() -> None:
    air = Air(vapour_pa=1500.0, scale_m=1800.0, temperature=285.0)
    heights = np.array([300.0, 777.0, 1500.0, 4000.0])  # above the lowest level
    _, wet = zenith_delays(air.fields(NODES, TIME), heights)
    path = air.vapour_pa * air.scale_m * np.exp(-heights / air.scale_m)
    expected = 1e-6 * (K2_PRIME / air.temperature + K3 / air.temperature**2) * path
    np.testing.assert_allclose(wet, np.broadcast_to(expected[:, None, None], wet.shape), rtol=1e-9)


def test_the_hydrostatic_delay_is_that_of_the_air_above() -> None:
    air = Air(temperature=270.0)
    heights = np.array([50.0, 400.0, 1235.0, 3000.0, 8000.0])
    hydrostatic, _ = zenith_delays(air.fields(NODES, TIME), heights)
    # the weight of the air: integral of density over height, by small steps
    fine = np.arange(0.0, 120_000.0, 5.0)
    work = geopotential(fine[:, None], NODES.y[None])
    pressure = air.pressure_pa * np.exp(-work / (287.05 * air.temperature))
    density = pressure / air.temperature * 1e-6 * K1
    for height, found in zip(heights, hydrostatic, strict=True):
        above = fine >= height
        expected = np.trapezoid(density[above], fine[above], axis=0)
        # above the highest level its pressure weighs with one gravity: 0.002 of the 2 mm there
        np.testing.assert_allclose(found, np.broadcast_to(expected[:, None], found.shape), atol=1e-5)


def test_the_delay_falls_with_height() -> None:
    fields = Air(vapour_pa=2000.0).fields(NODES, TIME)
    for delay in zenith_delays(fields, np.arange(-400.0, 9000.0, 130.0)):
        assert (np.diff(delay, axis=0) < 0).all()


def test_below_the_lowest_level_the_delay_goes_on() -> None:
    # levels up to 900 hPa are taken away: what was between them is found again by the lapse rate, to its quality
    air = Air(vapour_pa=1000.0)
    full = zenith_delays(air.fields(NODES, TIME), [200.0])
    cut = zenith_delays(air.fields(NODES, TIME, tuple(p for p in LEVELS_HPA if p <= 900)), [200.0])
    np.testing.assert_allclose(cut[0], full[0], atol=4e-3)  # 800 m of air that is 5 K warmer than it should be
    np.testing.assert_allclose(cut[1], full[1], atol=6e-3)
    assert (cut[0] > 2).all()


def test_levels_under_the_ground_without_values_are_filled() -> None:
    fields = Air(vapour_pa=1000.0).fields(NODES, TIME).ordered()
    holed = replace(
        fields, **{name: getattr(fields, name).copy() for name in ("geopotential", "temperature", "humidity")}
    )
    for values in (holed.geopotential, holed.temperature, holed.humidity):
        values[:4, 2, 3] = np.nan  # 1000 to 925 hPa, up to about 750 m
    found, truth = zenith_delays(holed, [1000.0, 300.0]), zenith_delays(fields, [1000.0, 300.0])
    for one, other in zip(found, truth, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        assert np.isfinite(one).all()
        assert abs(one[1, 2, 3] - other[1, 2, 3]) < 4e-3


def test_a_column_without_values_is_an_error() -> None:
    fields = Air().fields(NODES, TIME).ordered()
    fields.temperature[:, 1, 1] = np.nan
    with pytest.raises(InputError, match=r"simulated has no values at 1 nodes high up"):
        zenith_delays(fields, [0.0])


def test_heights_that_do_not_rise_are_an_error() -> None:
    fields = Air().fields(NODES, TIME)
    damaged = replace(fields, geopotential=fields.geopotential[::-1].copy())
    with pytest.raises(InputError, match=r"is damaged \(heights of its levels do not rise"):
        columns_of(damaged)


def test_relative_and_specific_humidity_are_the_same_air() -> None:
    fields = Air(vapour_pa=900.0).fields(NODES, TIME)
    columns = columns_of(fields)
    relative = 100 * columns.vapour / saturation(columns.temperature)
    other = replace(fields.ordered(), humidity=relative, kind="relative")
    np.testing.assert_allclose(zenith_delays(other, [500.0])[1], zenith_delays(fields, [500.0])[1], rtol=1e-9)


# ------------------------------------------------------------------------------------------------------------ at pixels


def _pixels(latitude: npt.ArrayLike, longitude: npt.ArrayLike, height: npt.ArrayLike) -> Pixels:
    values = (np.atleast_2d(np.asarray(value, np.float64)) for value in (latitude, longitude, height))
    lat, lon, metres = np.broadcast_arrays(*values)
    return Pixels(lat, lon, metres)


def test_at_nodes_and_heights_of_the_table_the_delay_is_exact() -> None:
    fields = Air(vapour_pa=1000.0, vapour_slope=(0.2, -0.1), pressure_slope=(0.01, 0.005)).fields(NODES, TIME)
    cube = zenith_cube(fields, 0.0, 500.0)
    hydrostatic, wet = zenith_delays(fields, [250.0])
    down, across = np.meshgrid(NODES.y, NODES.x, indexing="ij")
    found = _pixels(down, across, 250.0).delay(cube)
    np.testing.assert_allclose(found, hydrostatic[0] + wet[0], rtol=0, atol=1e-14)


def test_between_the_heights_of_the_table_little_is_lost() -> None:
    fields = Air(vapour_pa=2000.0).fields(NODES, TIME)
    heights = np.array([0.0, 13.0, 333.0, 1024.5, 2975.0])
    hydrostatic, wet = zenith_delays(fields, heights)
    cube = zenith_cube(fields, 0.0, 3000.0)
    found = _pixels(NODES.y[2], NODES.x[1], heights).delay(cube)
    np.testing.assert_allclose(found[0], (hydrostatic + wet)[:, 2, 1], atol=5e-5)  # 0.05 mm: steps of 50 m


def test_order_of_rows_and_turn_of_longitudes_do_not_matter() -> None:
    fields = Air(vapour_pa=1000.0, vapour_slope=(0.2, -0.1)).fields(NODES, TIME)
    cube = zenith_cube(fields, 0.0, 1000.0)
    pixels = ([30.3, 31.1], [130.2, 131.2], [100.0, 800.0])
    shifted = DelayCube(cube.heights, Axes(NODES.y, NODES.x + 360.0), cube.delay, "")
    np.testing.assert_allclose(_pixels(*pixels).delay(shifted), _pixels(*pixels).delay(cube), rtol=1e-12)


def test_pixels_across_the_antimeridian_find_their_nodes() -> None:
    east = Axes(NODES.y, np.arange(178.0, 182.01, 0.25))
    cube = zenith_cube(Air(vapour_pa=1000.0, vapour_slope=(0.0, 0.1)).fields(east, TIME), 0.0, 100.0)
    found = _pixels(30.5, [179.75, -180.0, -179.75], 50.0).delay(cube)[0]
    assert np.isfinite(found).all()
    np.testing.assert_allclose(np.diff(found), np.diff(found)[0], rtol=1e-6)  # a slope goes on across 180


def test_beyond_the_nodes_nothing_is_known() -> None:
    cube = zenith_cube(Air().fields(NODES, TIME), 0.0, 100.0)
    found = _pixels([29.9, 30.0, np.nan], 130.5, 50.0).delay(cube)[0]
    assert np.isnan(found).tolist() == [True, False, True]


def test_nodes_on_a_map_serve_pixels_in_degrees() -> None:
    # the grid of NARR: a Lambert cone on a sphere, 32 km apart
    system = str(CRS.from_user_input("+proj=lcc +lat_1=50 +lat_2=50 +lat_0=50 +lon_0=-107 +R=6371200").to_wkt())
    edge = np.arange(-4.0, 5.0) * 32_463.0
    air = Air(vapour_pa=1000.0, pressure_slope=(1e-8, 2e-8), vapour_slope=(1e-7, 2e-7))  # per metre
    axes = Axes(edge, edge, system)
    cube = zenith_cube(air.fields(axes, TIME), 0.0, 200.0)
    latitude = axes.latitudes()
    transformer = Transformer.from_crs(system, "EPSG:4326", always_xy=True)
    down, across = np.meshgrid(edge, edge, indexing="ij")
    longitude, _ = transformer.transform(across, down)
    inner = slice(1, -1), slice(1, -1)  # the last digits may push the outermost over the edge
    found = _pixels(latitude[inner], longitude[inner], 100.0).delay(cube)
    np.testing.assert_allclose(found, cube.delay[2][inner], atol=1e-9)


def test_one_set_of_pixels_serves_cubes_of_several_grids() -> None:
    air = Air(vapour_pa=1000.0, vapour_slope=(0.2, -0.1))
    coarse = Axes(NODES.y[::2], NODES.x[::2])
    pixels = _pixels(31.0, 130.5, 100.0)  # a node of both
    both = [pixels.delay(zenith_cube(air.fields(axes, TIME), 0.0, 200.0)) for axes in (NODES, coarse, NODES)]
    np.testing.assert_allclose(both[1], both[0], rtol=1e-12)
    np.testing.assert_array_equal(both[2], both[0])


def test_a_refined_cube_goes_through_its_heights() -> None:
    heights = np.array([0.0, 100.0, 300.0, 700.0, 1500.0])
    delay = 2.4 * np.exp(-heights / 8000)[:, None, None] * np.ones((1, 2, 2))
    cube = DelayCube(heights, Axes(np.array([0.0, 1.0]), np.array([0.0, 1.0])), delay, "")
    fine = cube.refined(-100.0, 1600.0, 50.0)
    assert (np.diff(fine.delay, axis=0) < 0).all()
    for k, height in enumerate(heights):
        np.testing.assert_allclose(fine.delay[fine.heights == height][0], delay[k], rtol=1e-12)
    expected = 2.4 * np.exp(-fine.heights / 8000)
    np.testing.assert_allclose(fine.delay[:, 0, 0], expected, atol=2e-3)


def test_the_slant_delay_is_longer_by_the_cosine() -> None:
    found = slant_delay(np.full(5, 2.0), np.array([60.0, 0.0, np.nan, 90.0, -9999.0]))
    np.testing.assert_allclose(found[:2], [4.0, 2.0])
    assert np.isnan(found[2:]).all()
