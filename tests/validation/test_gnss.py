from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from tests.validation.samples import days, moved, write_pos, write_tenv, write_tenv3, written

from creepmeter.errors import InputError
from creepmeter.validation.options import RateOptions
from creepmeter.validation.rates import fit_rates
from creepmeter.validation.read import read_stations

TIMES = days(400)
WRITERS: dict[str, Callable[..., Path]] = {"a.tenv3": write_tenv3, "a.tenv": write_tenv, "a.pos": write_pos}


@pytest.mark.parametrize("name", WRITERS)
def test_what_is_written_is_read_back(tmp_path: Path, name: str) -> None:
    truth = moved(TIMES)
    station = read_stations([WRITERS[name](tmp_path / name, TIMES, truth)]).series[0]
    assert station.name == "TEST"
    assert_array_equal(station.times, TIMES)
    assert_allclose(station.displacement, truth, atol=2e-6)
    expected = [0.003, 0.002, 0.006] if name == "a.pos" else [0.002, 0.002, 0.006]
    assert_allclose(station.sigma, np.broadcast_to(expected, truth.shape))


def test_longitudes_of_all_conventions_come_to_one(tmp_path: Path) -> None:
    west = read_stations([write_tenv3(tmp_path / "a.tenv3", TIMES, moved(TIMES))]).series[0]  # written -344.97
    assert_allclose((west.x, west.y), (15.03, 46.0))
    east = read_stations([write_pos(tmp_path / "a.pos", TIMES, moved(TIMES))]).series[0]  # written 344.97
    assert_allclose((east.x, east.y), (-15.03, 46.0))
    assert east.frame == "IGS14"


def test_older_files_say_the_place_by_metres_from_a_meridian(tmp_path: Path) -> None:
    path = write_tenv3(tmp_path / "old.tenv3", TIMES, moved(TIMES), placed=False)
    station = read_stations([path]).series[0]
    # 2323 m east of 15 E, and 5096 km from the equator, which is near 46 N
    assert_allclose((station.x, station.y), (15.03, 46.0), atol=0.02)


def test_a_tenv_file_takes_its_place_from_a_table(tmp_path: Path) -> None:
    path = write_tenv(tmp_path / "a.tenv", TIMES, moved(TIMES))
    assert not read_stations([path]).series[0].is_placed
    places = written(tmp_path / "places.csv", ["name,lon,lat", "OTHER,1,2", "TEST,15.5,46.5"])
    # the system of pegs in another table is not that of lon, lat
    station = read_stations([path], positions=places, crs="EPSG:2193").series[0]
    assert (station.x, station.y) == (15.5, 46.5)
    metres = written(tmp_path / "metres.csv", ["name,x,y", "TEST,500000,5100000"])
    station = read_stations([path], positions=metres, crs="EPSG:32633").series[0]
    assert_allclose((station.x, station.y), (15.0, 46.05), atol=0.01)
    with pytest.raises(InputError, match=r"metres\.csv has x, y in no known reference system"):
        read_stations([path], positions=metres)


def test_days_in_any_order_and_days_without_a_solution_do_no_harm(tmp_path: Path) -> None:
    lines = write_tenv(tmp_path / "a.tenv", TIMES, moved(TIMES)).read_text().splitlines()
    lines[7] = lines[7].replace("0.002 0.002 0.006", "9.99999 9.99999 9.99999")
    station = read_stations([written(tmp_path / "b.tenv", lines[::-1])]).series[0]
    assert_array_equal(station.times, np.delete(TIMES, 7))


def spoilt(lines: list[str], how: str) -> list[str]:
    if how == "cut":
        return [*lines[:-1], lines[-1][:40]]
    if how == "columns":
        return [" ".join(line.split()[:-3]) for line in lines]
    if how == "swapped columns":
        return [" ".join([row[0], row[1], row[3], row[2], *row[4:]]) for row in map(str.split, lines)]
    if how == "text":
        return [line.replace("0.002", "n/a") for line in lines]
    if how == "two stations":
        return [*lines, lines[-1].replace("TEST", "MORE")]
    return {"empty": [""], "web page": ["<!DOCTYPE html>", "<html><title>404 Not Found</title></html>"]}[how]


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("empty", "is empty"),
        ("web page", "is a web page, not data .*404 Not Found"),
        ("cut", "line 400: . columns in place of 16"),
        ("columns", "13 columns, but .tenv has 16"),
        ("swapped columns", "is not the day"),
        ("text", "could not convert string to float: 'n/a"),
        ("two stations", "holds 2 stations"),
    ],
)
def test_a_bad_file_is_left_out_with_a_reason_and_the_others_go_on(tmp_path: Path, how: str, reason: str) -> None:
    good = write_tenv3(tmp_path / "good.tenv3", TIMES, moved(TIMES), name="GOOD")
    lines = write_tenv(tmp_path / "a.tenv", TIMES, moved(TIMES)).read_text().splitlines()
    bad = written(tmp_path / "bad.tenv", spoilt(lines, how))
    found = read_stations([bad, tmp_path / "missing.tenv3", good])
    assert [station.name for station in found.series] == ["GOOD"]
    first, second = found.left_out
    assert "bad.tenv" in first
    with pytest.raises(InputError, match=reason):
        read_stations([bad])
    assert "missing.tenv3 does not exist" in second


def test_a_pos_file_without_its_columns_is_named(tmp_path: Path) -> None:
    text = write_pos(tmp_path / "a.pos", TIMES, moved(TIMES)).read_text()
    (tmp_path / "a.pos").write_text(text.replace("dN dE dU", "dN dX dU"))
    with pytest.raises(InputError, match="lacks the column dE"):
        read_stations([tmp_path / "a.pos"])


def test_a_station_that_comes_twice_is_used_once(tmp_path: Path) -> None:
    first = write_tenv3(tmp_path / "a.tenv3", TIMES, moved(TIMES))
    second = write_tenv(tmp_path / "a.tenv", TIMES, moved(TIMES))
    found = read_stations([first, second])
    assert len(found.series) == 1
    assert "TEST: comes twice" in found.left_out[0]


# ------------------------------------------------------------------------------------------------------- real files


def plain_rate(path: Path, columns: tuple[int, int, int], skip: int) -> list[float]:
    """Return east and north rates by numpy alone: MJD, east, north."""
    table = np.loadtxt(path, usecols=columns, skiprows=skip)
    return [float(rate) for rate in np.polyfit(table[:, 0] / 365.25, table[:, 1:], 1)[0]]


@pytest.mark.golden
@pytest.mark.parametrize("name", ["LHAS.tenv3", "LHAS.tenv"])
def test_lhasa_moves_as_published(shared: Path, name: str) -> None:
    station = read_stations([shared / "data" / "gnss_samples" / name]).series[0]
    rates = fit_rates(station).rates
    assert_allclose(1000 * rates.rate[:2], (45.7, 15.5), atol=0.3)
    assert (rates.dates, str(rates.first)[:10], str(rates.last)[:10]) == (3631, "1995-05-19", "2007-01-29")
    # daily noise of 2 mm makes 0.015 mm/yr if it is white; flicker noise makes ten times as much
    assert (1000 * rates.sigma_white[:2] < 0.03).all()
    assert ((1000 * rates.sigma[:2] > 0.1) & (1000 * rates.sigma[:2] < 0.4)).all()
    if name == "LHAS.tenv3":
        assert_allclose((station.x, station.y), (91.104, 29.657), atol=1e-3)  # written -268.896


@pytest.mark.golden
def test_a_pbo_file_is_read_as_numpy_reads_it(shared: Path) -> None:
    path = shared / "data" / "gnss_samples" / "P156.pbo.final_igs08.pos"
    head = path.read_text().splitlines().index("End Field Description") + 2
    expected = plain_rate(path, (2, 16, 15), head)  # dE stands after dN
    station = read_stations([path]).series[0]
    found = fit_rates(station, RateOptions(weights="equal")).rates
    assert_allclose(found.rate[:2], expected, atol=1e-7)
    assert_allclose((station.x, station.y), (236.0938 - 360, 40.0244), atol=1e-4)
    assert (station.name, station.frame) == ("P156", "ITRF08")


@pytest.mark.golden
def test_rates_of_california_come_right(shared: Path) -> None:
    found = read_stations([shared / "data" / "gnss_samples" / "california-gps.csv.xz"])
    assert len(found.rates) == 2458
    assert not found.left_out
    first = found.rates[0]
    assert_allclose((first.x, first.y), (242.9068041906 - 360, 34.1164090607))
    assert_allclose(first.rate, (-0.01573, 0.01648, 0.00261))
    assert_allclose(first.sigma, (0.00037, 0.0002, 0.00053))
