"""Motion of stations along a line of sight: figures worked out by hand, and laws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.validation.samples import RATE, days, moved, station

from creepmeter.errors import ConfigError, InputError
from creepmeter.model.line_of_sight import flight_vector, look_vector, los_azimuth
from creepmeter.model.station import GEOGRAPHIC, Place, StationRates
from creepmeter.validation.compare import agreement
from creepmeter.validation.gnss_options import GnssOptions
from creepmeter.validation.holdings import read_holdings, within
from creepmeter.validation.los import Sight, compare_los, direction_of, overlay_los, projected, projected_sigma


def test_line_of_sight_by_hand() -> None:
    # ascending, looking right, 34 degrees: heading -12 = 348, the satellite stands at 258 degrees (west by south)
    look = look_vector(34.0, los_azimuth(-12.0))
    assert look == pytest.approx([-0.559193 * 0.978148, -0.559193 * 0.207912, 0.829038], abs=1e-6)
    # descending, looking right: heading -168 = 192, the satellite stands at 102 degrees (east by south)
    assert look_vector(34.0, -102.0) == pytest.approx([0.546973, -0.116263, 0.829038], abs=1e-6)
    # ground that rises 10 mm and moves 20 mm to the east comes nearer by 8.29 - 10.94 mm to the first
    assert projected(np.array([0.02, 0.0, 0.01]), look) == pytest.approx(0.0082904 - 0.0109395, abs=1e-6)


def test_units_and_right_angles() -> None:
    incidence, azimuth = np.meshgrid(np.linspace(20, 50, 4), np.linspace(-180, 180, 9))
    look = look_vector(incidence, azimuth)
    np.testing.assert_allclose((look**2).sum(axis=0), 1.0)
    np.testing.assert_allclose((look * flight_vector(azimuth)).sum(axis=0), 0.0, atol=1e-12)


def test_components_add_up() -> None:
    look, motion = look_vector(38.0, 100.0), np.array([0.03, -0.01, 0.005])
    parts = [projected(motion, direction_of(name, look)) for name in ("hz2los", "up2los")]
    assert sum(parts) == pytest.approx(projected(motion, direction_of("enu2los", look)))
    axes = [projected(motion, direction_of(name, None)) for name in ("E", "N", "U", "vert")]
    assert axes == pytest.approx([0.03, -0.01, 0.005, 0.005])
    assert projected(motion, direction_of("horz", None)) == pytest.approx(0.03)  # east by default
    assert projected(motion, direction_of("horz", None, 0.0)) == pytest.approx(-0.01)
    with pytest.raises(InputError, match="line of sight is not known"):
        direction_of("enu2los", None)


def test_a_component_that_is_not_needed_may_be_missing() -> None:
    motion, sigma = np.array([0.03, -0.01, np.nan]), np.array([0.001, 0.002, np.nan])
    look = look_vector(30.0, 90.0)
    assert projected(motion, direction_of("hz2los", look)) == pytest.approx(-0.015)
    assert np.isnan(projected(motion, look))
    assert projected_sigma(sigma, np.array([0.6, 0.8, 0.0])) == pytest.approx(np.hypot(0.0006, 0.0016))


def _rates(name: str, rate: tuple[float, float, float], x: float) -> StationRates:
    sigma = np.array([0.001, 0.001, 0.002])
    return StationRates(name, x, 46.0, GEOGRAPHIC, np.array(rate), sigma, sigma, "given")


def _sight(place: Place) -> Sight:
    if place.x > 20:
        message = "lies off the map"
        raise InputError(message)
    return Sight(place.x, place.y, place.x, 0.5, np.array([-0.6, 0.0, 0.8]))


def test_comparison_along_the_line_of_sight() -> None:
    value = np.array([[0.001, -0.002, 0.004, np.nan]])
    rates = [
        _rates("A", (0.010, 9.0, 0.010), 0.5),  # 0.8 x 10 - 0.6 x 10 = 2 mm/yr; north does not matter
        _rates("B", (0.0, 0.0, -0.005), 1.5),  # -4 mm/yr
        _rates("OFF", (0.0, 0.0, 0.0), 30.0),
        _rates("HOLE", (0.0, 0.0, 0.0), 3.5),
    ]
    found, left_out = compare_los(value, np.full(value.shape, 0.001), rates, _sight)
    assert [each.name for each in found] == ["A", "B"]
    assert [float(each.on_ground[0]) for each in found] == pytest.approx([0.002, -0.004])
    assert [float(each.difference[0]) for each in found] == pytest.approx([-0.001, 0.002])
    assert float(found[0].on_ground_sigma[0]) == pytest.approx(np.hypot(0.0006, 0.0016))
    assert [text.split(":")[0] for text in left_out] == ["OFF", "HOLE"]
    (row,) = agreement(found)
    assert (row.component, row.stations) == ("los", 2)
    assert row.bias == pytest.approx(0.0005)
    assert row.rmse == pytest.approx(np.sqrt((0.001**2 + 0.002**2) / 2))


def test_a_global_frame_cancels_with_a_reference_station() -> None:
    value = np.array([[0.001, -0.002, 0.004]])
    frame = np.array([0.02, 0.02, 0.001])
    plain = [_rates(name, (0.0, 0.0, up), x) for name, up, x in (("A", 0.001, 0.5), ("B", 0.002, 1.5))]
    shifted = [_rates(each.name, tuple(each.rate + frame), each.x) for each in plain]
    first, second = (compare_los(value, value * 0, each, _sight, reference="A")[0] for each in (plain, shifted))
    assert [each.name for each in first] == ["B"]
    np.testing.assert_allclose(first[0].on_ground, second[0].on_ground)
    assert float(first[0].on_map[0]) == pytest.approx(-0.003)
    with pytest.raises(ConfigError, match="reference station 'Z' is not among the stations on the map: A, B"):
        compare_los(value, value * 0, plain, _sight, reference="Z")


def test_series_of_pixel_and_station_agree() -> None:
    times = days(400)
    direction = look_vector(35.0, 100.0)
    seen = times[10::24]
    on_map = projected(moved(times), direction)[10::24] - 0.5  # counts from another date
    beside = overlay_los("TEST", seen, on_map, station(times), direction)
    assert beside.rmse[0] < 1e-12
    np.testing.assert_allclose(beside.on_ground[10::24, 0], on_map, atol=1e-12)
    still = overlay_los("TEST", seen, on_map * 0, station(times), direction, station(times[3:], name="BASE"))
    assert len(still.times) == 397
    assert still.rmse[0] < 1e-12
    with pytest.raises(InputError, match="no day in common"):
        overlay_los("TEST", seen, on_map, station(times), direction, station(days(9, start="2020-01-01"), name="BASE"))
    assert RATE[0] > 0


LIST = """\
Sta  Lat(deg) Long(deg) Hgt(m)    X(m)         Y(m)         Z(m)      Dtbeg      Dtend      Dtmod    NumSol StaOrigName
00NA  -12.467  130.844  104.850  -4073662.342  4712064.668 -1367874.472 2008-03-30 2020-07-16 2021-06-15   3014
P156   40.024  236.094  488.999  -2728552.768 -4059578.578  4080378.743 2006-06-08 2015-03-14 2015-04-02   3196
EAST   -5.000 -179.950   10.000  -6353866.263    -5544.806  -552183.959 2010-01-01 2022-01-01 2022-01-02   4000
CUT1   40.1
"""


def test_list_of_stations_by_area_and_period() -> None:
    held = read_holdings(LIST)
    assert [each.name for each in held] == ["00NA", "P156", "EAST"]
    assert held[1].longitude == pytest.approx(-123.906)
    early, late = np.datetime64("2005-01-01", "ns"), np.datetime64("2010-01-01", "ns")
    assert [each.name for each in within(held, (39, 41, -124, -123), early, late)] == ["P156"]
    assert [each.name for each in within(held, (39, 41, 236, 237), early, late)] == ["P156"]
    assert (
        within(held, (39, 41, -124, -123), np.datetime64("2016-01-01", "ns"), np.datetime64("2020-01-01", "ns")) == ()
    )
    assert [each.name for each in within(held, (-6, -4, 179, 181), early, late)] == ["EAST"]  # over the date line
    with pytest.raises(InputError, match=r"list.txt is no list of stations \(it begins '<!DOCTYPE html>"):
        read_holdings("<!DOCTYPE html><html>404</html>", "list.txt")


def test_folder_means_local_files() -> None:
    assert not GnssOptions().is_local
    assert GnssOptions(folder=Path("here")).is_local
    assert not GnssOptions(folder=Path("here"), source="UNR").is_local
