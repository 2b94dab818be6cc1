from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr
from affine import Affine
from numpy.testing import assert_allclose
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from tests.validation.samples import days, moved, station

from creepmeter.errors import ConfigError, InputError
from creepmeter.model.grid import Grid, centre_positions, pixel_grid
from creepmeter.model.schema import MOTION_MODEL, TIME_SERIES, map_dataset
from creepmeter.model.station import Station, StationRates
from creepmeter.validation.compare import agreement, compare_rates, comparison_columns, overlay

Floats = npt.NDArray[np.float64]
UTM = GeoBox((30, 40), Affine(80.0, 0, 300_000.0, 0, -80.0, 5_100_000.0), "EPSG:32633")  # three degrees off its middle
DIMS = ("component", "term", "y", "x")


def plane(grid: Grid, east: float = 1.0) -> Floats:
    """Return rates that are planes over the map, (component, y, x)."""
    x, y = centre_positions(grid)
    x0, y0 = x[0, 0], y[0, 0]
    return np.stack([east + 1e-3 * (x - x0), -0.5 + 5e-4 * (y - y0)])


def motion(grid: Grid = UTM, rate: Floats | None = None, components: tuple[str, ...] = ("east", "north")) -> xr.Dataset:
    value = np.stack([np.zeros((len(components), *grid.shape)), plane(grid) if rate is None else rate], axis=1)
    sigma = np.broadcast_to(np.array([0.03, 0.04]).reshape(2, 1, 1, 1)[: len(components)], value.shape)
    coords = {"component": list(components), "term": ["offset", "rate"], "unit": ("term", ["m", "m/yr"])}
    return map_dataset({"value": (DIMS, value, {}), "sigma": (DIMS, sigma, {})}, coords, grid, kind=MOTION_MODEL)


def rates(name: str, x: float, y: float, rate: tuple[float, float], crs: str | None = "EPSG:32633") -> StationRates:
    sigma = np.array([0.004, 0.003, np.nan])
    return StationRates(name, x, y, crs, np.array([*rate, np.nan]), sigma, sigma, "white", 5)


def test_the_map_is_taken_between_its_cells_with_its_own_error() -> None:
    x, y = 300_000.0 + 80 * 7.3, 5_100_000.0 - 80 * 11.9
    (one,), left_out = compare_rates(motion(), [rates("A", x, y, (1.5, -0.9))])
    assert not left_out
    assert_allclose(one.on_map, [1.0 + 1e-3 * 80 * 6.8, -0.5 - 5e-4 * 80 * 11.4], atol=1e-9)
    assert_allclose(one.on_map_sigma, [0.03, 0.04])
    assert_allclose(one.difference, one.on_map - [1.5, -0.9])
    assert_allclose(one.sigma, [np.hypot(0.03, 0.004), np.hypot(0.04, 0.003)])
    assert_allclose((one.x, one.y, one.column, one.row), (x, y, 7.3, 11.9))


def test_stations_that_cannot_be_compared_are_named_with_the_reason() -> None:
    field = plane(UTM)
    field[:, 10:14, 10:14] = np.nan
    away = rates("AWAY", 310_000.0, 5_099_000.0, (0, 0))
    hole = rates("HOLE", 300_000.0 + 80 * 12, 5_100_000.0 - 80 * 12, (0, 0))
    lost = rates("LOST", np.nan, np.nan, (0, 0))
    found, left_out = compare_rates(motion(rate=field), [away, hole, lost, rates("A", 302_000, 5_099_000, (0, 0))])
    assert [each.name for each in found] == ["A"]
    assert left_out[0].startswith("AWAY: lies off the map (column 125.0")
    assert left_out[1].startswith("HOLE: the map has no measurement there")
    assert "LOST: its file does not say where it is: give --positions" in left_out[2]


def test_rates_of_true_east_are_turned_onto_the_grid() -> None:
    # the law: move a station by its true rate and look where it comes out on the map
    to_map = Transformer.from_crs("EPSG:4326", "EPSG:32633", always_xy=True)
    lon, lat = Transformer.from_crs("EPSG:32633", "EPSG:4326", always_xy=True).transform(301_000.0, 5_099_000.0)
    per_degree = (
        111_132.95 - 559.85 * np.cos(2 * np.radians(lat)),
        111_412.84 * np.cos(np.radians(lat)) - 93.5 * np.cos(3 * np.radians(lat)),
    )
    east, north = 0.8, 0.3
    far = to_map.transform(lon + 1e3 * east / per_degree[1], lat + 1e3 * north / per_degree[0])
    expected = (np.array(far) - to_map.transform(lon, lat)) / 1e3
    (one,), _ = compare_rates(motion(), [rates("A", lon, lat, (east, north), "EPSG:4326")])
    assert_allclose(one.on_ground, expected, rtol=2e-3)
    assert abs(one.on_ground[1] - north) > 0.02  # two degrees of turn are seen


@pytest.mark.parametrize("west", [-118.0, 242.0, 602.0])
def test_longitudes_of_map_and_station_may_run_differently(west: float) -> None:
    grid = GeoBox((30, 40), Affine(0.01, 0, west, 0, -0.01, 34.2), "EPSG:4326")
    (one,), _ = compare_rates(motion(grid), [rates("A", -117.9, 34.1, (1, 1), "EPSG:4326")])
    assert_allclose((one.column, one.row), (10, 10), atol=1e-6)
    _, left_out = compare_rates(motion(grid), [rates("B", -118.1, 34.1, (1, 1), "EPSG:4326")])
    assert "B: lies off the map" in left_out[0]


def test_relative_to_a_station_the_motion_of_the_frame_goes_away() -> None:
    field = plane(UTM)
    places = [(301_000.0, 5_099_000.0), (302_000.0, 5_099_500.0), (302_500.0, 5_098_200.0)]
    truth = compare_rates(motion(rate=field), [rates(str(k), *place, (0, 0)) for k, place in enumerate(places)])[0]
    plate = np.array([0.02, 0.015])
    moving = [
        rates(str(k), *place, tuple(each.on_map + plate))
        for k, (place, each) in enumerate(zip(places, truth, strict=True))
    ]
    found, _ = compare_rates(motion(rate=field), moving, reference="1")
    assert [each.name for each in found] == ["0", "2"]
    for each in found:
        assert_allclose(each.difference, 0, atol=1e-12)
        assert_allclose(each.on_map_sigma, np.sqrt(2) * np.array([0.03, 0.04]))
    with pytest.raises(ConfigError, match="'X' is not among the stations on the map: 0, 1, 2"):
        compare_rates(motion(rate=field), moving, reference="X")


def test_agreement_is_bias_and_rmse_by_hand() -> None:
    zero = np.zeros((2, *UTM.shape))
    stations = [rates("A", 301_000, 5_099_000, (-0.3, 0.0)), rates("B", 302_000, 5_099_000, (0.1, 0.4))]
    found, _ = compare_rates(motion(rate=zero), stations)
    east, north, both = agreement(found)
    assert_allclose((east.bias, east.rmse, east.spread), (0.1, np.sqrt(0.05), np.sqrt(0.08)))
    assert_allclose((north.bias, north.rmse), (-0.2, np.sqrt(0.08)))
    assert_allclose((both.bias, both.rmse), (np.hypot(0.1, 0.2), np.sqrt(0.13)))
    assert_allclose(east.normalised, np.sqrt(0.05) / np.hypot(0.03, 0.004))
    assert agreement([]) == ()


def test_errors_that_are_not_known_or_zero_make_no_pull() -> None:
    one = rates("A", 301_000, 5_099_000, (1, 1))
    field = motion()
    found, _ = compare_rates(field.drop_vars("sigma"), [one])
    assert np.isnan(agreement(found)[0].normalised)
    exact = StationRates("B", 301_000, 5_099_000, "EPSG:32633", one.rate, np.zeros(3), np.zeros(3), "given")
    found, _ = compare_rates(field.assign(sigma=0 * field["sigma"]), [exact])
    assert np.isnan(agreement(found)[0].normalised)


def test_the_table_has_a_line_for_each_station() -> None:
    found, _ = compare_rates(motion(), [rates("A", 301_000, 5_099_000, (1, 1)), rates("B", 302_000, 5_099_000, (1, 1))])
    columns = comparison_columns(found)
    assert columns["name"] == ["A", "B"]
    assert_allclose(columns["north_difference"], [each.difference[1] for each in found])  # type: ignore[arg-type]
    assert {len(column) for column in columns.values()} == {2}


def test_a_map_of_one_line_of_sight_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"component\(s\) los: stations are compared with east and north"):
        compare_rates(motion(rate=plane(UTM)[:1], components=("los",)), [])


def test_a_map_without_a_system_takes_stations_without_one_only() -> None:
    grid = pixel_grid((30, 40), 80.0)
    near = rates("A", 400.0, -400.0, (1, 1), None)
    found, left_out = compare_rates(motion(grid), [near, rates("B", 15.0, 46.0, (1, 1), "EPSG:4326")])
    assert_allclose((found[0].column, found[0].row), (5, 5))
    assert "B: the map has no reference system" in left_out[0]


# ---------------------------------------------------------------------------------------------------------- series

MAP_TIMES = days(7, "2000-06-01", 120)


def series() -> xr.Dataset:
    values = np.broadcast_to(moved(MAP_TIMES)[:, :2].T[..., None, None], (2, 7, *UTM.shape)).copy()
    dims = ("component", "time", "y", "x")
    variables = {"displacement": (dims, values, {"units": "m"}), "sigma": (dims, np.full(values.shape, 0.1), {})}
    return map_dataset(variables, {"component": ["east", "north"], "time": MAP_TIMES}, UTM, kind=TIME_SERIES)  # type: ignore[arg-type]


def peg(times: npt.NDArray[np.datetime64]) -> Station:
    one = station(times)
    return Station("P", 301_000.0, 5_099_000.0, "EPSG:32633", times, one.displacement + 17.0, one.sigma)


def test_the_same_motion_lies_on_top_of_each_other_whatever_each_counts_from() -> None:
    found = overlay(series(), peg(days(1000)))
    assert_allclose(found.rmse, 0, atol=1e-9)
    at = np.searchsorted(found.times, MAP_TIMES)
    assert_allclose(found.on_ground[at], found.on_map, atol=1e-6)
    assert_allclose(found.on_map_sigma, 0.1)


def test_dates_outside_those_of_the_station_are_not_compared() -> None:
    surveys = days(3, "2000-12-01", 100)
    assert overlay(series(), peg(surveys)).rmse.max() < 1e-9
    with pytest.raises(InputError, match=r"its dates \(2010-01-01 to 2010-04-11\) hold none of the map's"):
        overlay(series(), peg(days(2, "2010-01-01", 100)))
