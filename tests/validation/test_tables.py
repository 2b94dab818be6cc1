from __future__ import annotations

import gzip
import lzma
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from pyproj import Transformer
from tests.validation.samples import written

from creepmeter.errors import EpochError, InputError
from creepmeter.validation.read import read_stations
from creepmeter.validation.tables import read_station_table

PEGS = [
    "name,date,east,north,up",
    "A,2018-02-01,1800000.00,5500000.00,100.0",
    "B,2018-02-01,1800500.00,5500100.00,120.0",
    "A,2019-02-01,1800001.50,5499999.00,99.5",
    "B,2019-02-01,1800500.25,5500100.00,",
]


def test_pegs_are_told_apart_and_count_from_their_first_survey(tmp_path: Path) -> None:
    a, b = read_station_table(written(tmp_path / "pegs.csv", PEGS), crs="EPSG:2193").series
    assert (a.name, b.name) == ("A", "B")
    assert_allclose(a.displacement, [[0.0, 0.0, 0.0], [1.5, -1.0, -0.5]])
    assert_allclose(b.displacement, [[0.0, 0.0, 0.0], [0.25, 0.0, np.nan]])
    assert_allclose((a.x, a.y), (1800000.75, 5499999.5))


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_spellings_and_decimal_commas_are_read(tmp_path: Path, delimiter: str) -> None:
    lines = [
        "Peg,Date,Easting (m),Northing (m),EPSG",
        "A,25/03/2018,1800000:5,5500000,2193",
        "A,26/03/2019,1800001:5,5500000,2193",
    ]
    text = [line.replace(",", delimiter).replace(":", ",") for line in lines]
    station = read_station_table(written(tmp_path / "pegs.csv", text)).series[0]
    assert_allclose(station.displacement[:, :2], [[0, 0], [1, 0]])
    assert str(station.times[1])[:10] == "2019-03-26"


def test_commas_within_numbers_between_commas_are_refused(tmp_path: Path) -> None:
    lines = ["name,date,east,north,crs", 'A,2018-05-01,"649,776",5100000,32633', 'A,2019-05-01,"649,778",5100000,32633']
    found = read_station_table(written(tmp_path / "pegs.csv", lines))
    assert not found.series
    assert "line 2: '649,776' is no number (east)" in found.left_out[0]


def test_packed_tables_are_the_same(tmp_path: Path) -> None:
    text = "\n".join(PEGS).encode()
    (tmp_path / "pegs.csv.xz").write_bytes(lzma.compress(text))
    (tmp_path / "pegs.csv.gz").write_bytes(gzip.compress(text))
    for name in ("pegs.csv.xz", "pegs.csv.gz"):
        assert_allclose(read_station_table(tmp_path / name, crs="EPSG:2193").series[0].displacement[1], [1.5, -1, -0.5])


def test_degrees_become_metres_on_the_ground(tmp_path: Path) -> None:
    # UTM as the judge: metres near the middle meridian are true but for its scale of 0.9996
    to_degrees = Transformer.from_crs("EPSG:32633", "EPSG:4326", always_xy=True)
    lon, lat = to_degrees.transform([500000.0, 500003.0], [5100000.0, 5099998.0])
    lines = ["name,date,lon,lat", *(f"A,201{8 + k}-05-01,{lon[k]!r},{lat[k]!r}" for k in range(2))]
    station = read_station_table(written(tmp_path / "pegs.csv", lines)).series[0]
    assert_allclose(station.displacement[1, :2], np.array([3.0, -2.0]) / 0.9996, atol=1e-4)


def test_displacement_of_stations_may_be_in_millimetres(tmp_path: Path) -> None:
    lines = ["station,lon,lat,date,east_mm,north_mm,sigma_east_mm,sigma_north_mm"]
    lines += ["S,-345,46,2018.0,10,0,2,2", "S,-345,46,2019.0,15,-5,2,2"]
    station = read_station_table(written(tmp_path / "gnss.csv", lines)).series[0]
    assert_allclose(station.displacement[1, :2], [0.005, -0.005])
    assert_allclose(station.sigma[:, :2], 0.002)
    assert_allclose((station.x, station.y), (15, 46))


def test_coordinates_in_feet_become_metres(tmp_path: Path) -> None:
    lines = ["name,date,east,north", "A,2018-05-01,6000000,2000000", "A,2019-05-01,6000100,2000000"]
    station = read_station_table(written(tmp_path / "pegs.csv", lines), crs="EPSG:2227").series[0]  # US survey feet
    assert_allclose(station.displacement[1, 0], 100 * 1200 / 3937)


@pytest.mark.parametrize(("column", "factor"), [("velocity_east", 1.0), ("ve_mm_yr", 0.001), ("rate_e_m_yr", 1.0)])
def test_rates_are_taken_as_they_stand(tmp_path: Path, column: str, factor: float) -> None:
    lines = [f"name,lon,lat,{column},{column.replace('east', 'north').replace('ve_', 'vn_').replace('e_e', 'e_n')}"]
    rates = read_station_table(written(tmp_path / "rates.csv", [*lines, "S,15,46,12,-3"])).rates
    assert_allclose(rates[0].rate[:2], np.array([12, -3]) * factor)
    assert rates[0].noise == "given"


@pytest.mark.parametrize(
    ("lines", "crs", "reason"),
    [
        (["name,date,a,b", "A,2018-01-01,1,2"], "EPSG:2193", "has the columns name, date: needed are"),
        (["name,date,east,north", "A,2018-01-01,1,2"], None, "no reference system: give --crs"),
        (["name,date,east,north", "A,2018-01-01,1,2"], "EPSG:4326", "is in degrees: name the columns lon and lat"),
        (["name,date,east,north", "A,2018-01-01,1,x"], "EPSG:2193", "line 2: 'x' is no number"),
        (["name,date,east,north", "A,2018-01-01,1"], "EPSG:2193", "point 1 has 3 entries"),
        (["name,date,east,north"], "EPSG:2193", "no line below its column names"),
        (["name,date,lon,lat", "A,2018-01-01,1800000,5500000"], None, "are not in degrees"),
        (["name,date,east,easting,north", "A,2018-01-01,1,1,2"], "EPSG:2193", "two columns for east"),
    ],
)
def test_tables_that_cannot_be_used_say_why(tmp_path: Path, lines: list[str], crs: str | None, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read_stations([written(tmp_path / "pegs.csv", lines)], crs=crs)


def test_a_line_is_named_as_it_stands_in_the_file(tmp_path: Path) -> None:
    lines = ["# survey of the slide", "name,date,east,north", "", "A,2018-01-01,1,2", "# lost", "A,2018-02-30,1,2"]
    with pytest.raises(EpochError, match=r"pegs\.csv, line 6: '2018-02-30'"):
        read_station_table(written(tmp_path / "pegs.csv", lines), crs="EPSG:2193")
    lines[5] = "A,2018-02-20,1,two"
    found = read_station_table(written(tmp_path / "pegs.csv", [*lines, "B,2018-02-20,1,2"]), crs="EPSG:2193")
    assert "A: " in found.left_out[0]
    assert "pegs.csv, line 6: 'two' is no number" in found.left_out[0]
    assert [station.name for station in found.series] == ["B"]


def test_one_bad_peg_does_not_stop_the_others(tmp_path: Path) -> None:
    lines = ["name,date,east,north", "A,2018-01-01,,", "B,2018-01-01,1800000,5500000", "B,2019-01-01,1800001,5500000"]
    found = read_stations([written(tmp_path / "pegs.csv", lines)], crs="EPSG:2193")
    assert [station.name for station in found.series] == ["B"]
    assert "A: no line has both east and north" in found.left_out[0]


def test_a_table_with_dates_of_two_readings_is_an_error_that_shows_both(tmp_path: Path) -> None:
    lines = ["name,date,east,north", "A,03/04/2018,1800000,5500000", "A,03/04/2019,1800001,5500000"]
    path = written(tmp_path / "pegs.csv", lines)
    with pytest.raises(EpochError, match="3 April 2018 if the day comes first and 4 March 2018"):
        read_station_table(path, crs="EPSG:2193")
    station = read_station_table(path, crs="EPSG:2193", date_order="day-first").series[0]
    assert str(station.times[0])[:10] == "2018-04-03"
