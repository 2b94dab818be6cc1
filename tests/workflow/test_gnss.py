"""Radar products beside GNSS stations: tables, figures and commands, on ground that moves as the stations do."""

from __future__ import annotations

from pathlib import Path

import h5py
import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.figure import Figure
from tests.cli.conftest import call_main
from tests.validation.samples import days, write_pos, write_tenv, write_tenv3
from tests.workflow.test_station_server import Laboratory, address, laboratory  # noqa: F401 - fixtures

from creepmeter.errors import ConfigError, InputError
from creepmeter.io.mintpy.product import update_product, write_product
from creepmeter.model.line_of_sight import look_vector
from creepmeter.products import canvas
from creepmeter.validation.gnss_options import GnssOptions
from creepmeter.workflow.gnss import RadarMap, compare_with_map, find_stations
from creepmeter.workflow.gnss_view import station_layer

Floats = npt.NDArray[np.float64]

ROWS, COLUMNS = 40, 60
GRID = {"X_FIRST": "14.9", "Y_FIRST": "46.1", "X_STEP": "0.005", "Y_STEP": "-0.005", "X_UNIT": "degrees"}
SEEN = {"HEADING": "-12.0", "WAVELENGTH": "0.0555", "START_DATE": "20180105", "END_DATE": "20191230"}
PLACES = {"AAAA": (46.05, 15.0), "BBBB": (45.95, 15.1), "CCCC": (46.0, 15.15)}
FRAME = np.array([0.022, 0.015, 0.0])  # a plate that carries all stations
LOOK = look_vector(38.0, 102.0)


def _rate(latitude: npt.ArrayLike, longitude: npt.ArrayLike) -> Floats:
    """Return how the ground moves, m/yr east, north, up, (..., 3)."""
    lat, lon = np.broadcast_arrays(np.asarray(latitude, np.float64), np.asarray(longitude, np.float64))
    return np.stack([0.1 * (lon - 15), np.zeros_like(lat), -0.15 * (lat - 46)], axis=-1)


def _ground() -> Floats:
    """Return the motion along the line of sight of every pixel, m/yr."""
    latitude = 46.1 - 0.005 * (np.arange(ROWS)[:, None] + 0.5)
    longitude = 14.9 + 0.005 * (np.arange(COLUMNS) + 0.5)
    return np.asarray(_rate(latitude, longitude) @ LOOK)


def _station_file(folder: Path, name: str, *, step: float = 0.0) -> Path:
    times = days(150, start="2017-10-01", step=6)
    years = 6 * np.arange(150)[:, None] / 365.25
    noise = np.random.default_rng(int.from_bytes(name.encode())).normal(0, 2e-4, (150, 3))
    displacement = years * (_rate(*PLACES[name]) + FRAME) + noise
    displacement[80:] += step
    path = write_tenv3(folder / f"{name}.tenv3", times, displacement, name=name)
    latitude, longitude = PLACES[name]
    text = path.read_text(encoding="utf-8").replace("46.0000000", f"{latitude:.7f}")
    path.write_text(text.replace(f"{15.03 - 360.0:.7f}", f"{longitude - 360:.7f}"), encoding="utf-8")
    return path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Write velocity, series and geometry, and station files, one of them damaged."""
    ground = _ground()
    reference = {**GRID, **SEEN, "REF_Y": "20", "REF_X": "30"}
    seen = (ground - ground[20, 30]).astype(np.float32)
    seen[0, 0] = 0  # not measured
    std = np.full(ground.shape, 0.001, np.float32)
    said = {**reference, "FILE_TYPE": "velocity", "UNIT": "m/year"}
    write_product(tmp_path / "velocity.h5", {"velocity": seen, "velocityStd": std}, said)
    dates = np.datetime64("2018-01-05", "ns") + np.arange(0, 720, 24) * np.timedelta64(1, "D")
    years = (dates - dates[0]) / np.timedelta64(1, "D") / 365.25
    cube = (years[:, None, None] * seen).astype(np.float32)
    said = {**reference, "FILE_TYPE": "timeseries", "UNIT": "m", "REF_DATE": "20180105"}
    write_product(tmp_path / "timeseries.h5", {"timeseries": cube}, said, tables={"date": dates})
    angles = {"incidenceAngle": np.full(ground.shape, 38.0), "azimuthAngle": np.full(ground.shape, 102.0)}
    said = {**reference, "FILE_TYPE": "geometry", "UNIT": "m"}
    write_product(tmp_path / "inputs" / "geometryGeo.h5", {"height": ground, **angles}, said)
    stations = tmp_path / "stations"
    stations.mkdir()
    for name in PLACES:
        _station_file(stations, name)
    (stations / "PAGE.tenv3").write_text("<html>404</html>\n", encoding="utf-8")
    return tmp_path


def _map(project: Path, **options: object) -> RadarMap:
    chosen = GnssOptions.model_validate({"folder": project / "stations", **options})
    return RadarMap.open(project / "velocity.h5", None, chosen)


def test_map_and_ground_agree_relative_to_a_station(project: Path) -> None:
    radar = _map(project, reference="AAAA")
    found = find_stations(radar)
    comparisons, left_out = compare_with_map(radar, found.rates)
    assert [each.name for each in comparisons] == ["BBBB", "CCCC"]
    assert left_out == ()
    assert len(found.left_out) == 1
    assert "PAGE.tenv3" in found.left_out[0]
    by_hand = (_rate(*PLACES["BBBB"]) - _rate(*PLACES["AAAA"])) @ LOOK
    assert float(comparisons[0].on_map[0]) == pytest.approx(by_hand, abs=1e-7)
    for each in comparisons:
        assert abs(float(each.on_map[0])) > 2e-3
        assert abs(float(each.difference[0])) < 1e-4  # 120 positions with 0.2 mm of noise in 2 years: 0.03 mm/yr


def test_only_the_period_of_the_map_counts(project: Path) -> None:
    found = find_stations(_map(project))
    assert str(found.rates[0].first)[:10] == "2018-01-05"
    assert str(found.rates[0].last)[:10] == "2019-12-26"
    with pytest.raises(InputError, match="AAAA: 0 date"):
        find_stations(_map(project, start_date="20250101", end_date="20260101"))


def test_a_step_that_nobody_declared_leaves_a_station_out(project: Path) -> None:
    _station_file(project / "stations", "BBBB", step=0.05)
    found = find_stations(_map(project))
    assert [rates.name for rates in found.rates] == ["AAAA", "CCCC"]
    assert any(text.startswith("BBBB: a step of +50 mm") for text in found.left_out)


def test_excluded_stations_are_not_asked_for(project: Path) -> None:
    assert [rates.name for rates in find_stations(_map(project, exclude=("AAAA", "CCCC"))).rates] == ["BBBB"]


def test_every_format_in_one_folder(project: Path) -> None:
    folder = project / "mixed"
    folder.mkdir()
    times = days(150, start="2017-10-01", step=6)
    steady = 6 * np.arange(150)[:, None] / 365.25 * np.array([0.01, 0.0, 0.0])
    write_tenv(folder / "TENV.tenv", times, steady, name="TENV")
    write_pos(folder / "POSI.pos", times, steady, name="POSI")
    line = "TENV 46.02 15.02 0 0 0 0 2017-10-01 2020-03-18 2020-03-18 900\n"
    (folder / "DataHoldings.txt").write_text(line, encoding="utf-8")
    table = "name,lon,lat,velocity_east,velocity_north,velocity_up\nRATE,15.01,46.01,0.01,0.0,0.0\n"
    (folder / "rates.csv").write_text(table, encoding="utf-8")
    radar = _map(project, folder=folder)
    found = find_stations(radar)
    assert {rates.name for rates in found.rates} == {"TENV", "POSI", "RATE"}
    comparisons, left_out = compare_with_map(radar, found.rates)
    assert [each.name for each in comparisons] == ["TENV", "RATE"]
    assert left_out[0].startswith("POSI: lies off the map")
    np.testing.assert_allclose([each.on_ground[0] for each in comparisons], 0.01 * LOOK[0], atol=1e-6)


def test_radar_coordinates(project: Path) -> None:
    """The same ground in radar coordinates, rows upside down, has the same figures."""
    ground = _ground()
    seen = (ground - ground[20, 30]).astype(np.float32)[::-1]
    latitude = np.broadcast_to(46.1 - 0.005 * (np.arange(ROWS)[:, None] + 0.5), ground.shape)[::-1]
    longitude = np.broadcast_to(14.9 + 0.005 * (np.arange(COLUMNS) + 0.5), ground.shape)
    folder = project / "radar"
    said = {**SEEN, "REF_Y": "19", "REF_X": "30"}
    write_product(folder / "velocity.h5", {"velocity": seen}, {**said, "FILE_TYPE": "velocity", "UNIT": "m/year"})
    maps = {"latitude": latitude.copy(), "longitude": longitude.copy(), "incidenceAngle": np.full(ground.shape, 38.0)}
    azimuth = np.full(ground.shape, 102.0)
    said |= {"FILE_TYPE": "geometry"}
    write_product(folder / "inputs" / "geometryRadar.h5", {**maps, "azimuthAngle": azimuth}, said)
    chosen = GnssOptions(folder=project / "stations", reference="AAAA")
    radar = RadarMap.open(folder / "velocity.h5", None, chosen)
    comparisons, _ = compare_with_map(radar, find_stations(radar).rates)
    south, north, west, east = radar.area
    assert (south, north, west, east) == pytest.approx((45.9025, 46.0975, 14.9025, 15.1975), abs=1e-9)
    for each in comparisons:
        assert abs(float(each.difference[0])) < 1.5e-3  # the nearest pixel, half of which is 0.4 mm/yr away


def test_command_writes_tables_and_figures(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    done = call_main(
        "gnss", "velocity.h5", "--gnss-dir", "stations", "--ref-gnss", "AAAA", "--series", "timeseries.h5", "-o", "out"
    )
    assert done.exit_code == 3, done.output  # one file is a web page, and said so
    assert "PAGE.tenv3" in done.output
    assert "los: bias" in done.output
    made = {path.name for path in (project / "out").iterdir()}
    assert made == {"rates.csv", "comparison.csv", "comparison.png", "scatter.png", "series.png", "left_out.txt"}
    header, first, *_ = (project / "out" / "comparison.csv").read_text(encoding="utf-8").splitlines()
    row = dict(zip(header.split(","), first.split(","), strict=True))
    assert row["name"] == "BBBB"
    assert float(row["los_map"]) == pytest.approx(float(row["los_ground"]), abs=1e-4)


def test_validate_takes_a_radar_velocity(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    files = [f"stations/{name}.tenv3" for name in PLACES]
    done = call_main("validate", "velocity.h5", "--stations", *files, "--reference", "AAAA", "-o", "out")
    assert done.exit_code == 0, done.output
    assert "los: bias" in done.output


def test_stations_of_a_server(
    project: Path,
    laboratory: Laboratory,  # noqa: F811 - fixture
    address: str,  # noqa: F811 - fixture
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The list tells which lie on the map in its period; one that is gone does not stop the others."""
    monkeypatch.chdir(project)
    span = "0 0 0 0 2017-10-01 2020-03-18 2020-03-18 900"
    lines = [f"{name} {latitude} {longitude} {span}" for name, (latitude, longitude) in PLACES.items()]
    lines += [f"GONE 46.02 15.02 {span}", f"AWAY 10.0 15.0 {span}"]
    laboratory.listed = "\n".join(lines).encode()
    laboratory.held = {name: (project / "stations" / f"{name}.tenv3").read_bytes() for name in PLACES}
    done = call_main("gnss", "velocity.h5", "--gnss-server", f"http://{address}", "--ref-gnss", "CCCC")
    assert done.exit_code == 3, done.output
    assert "GONE: " in done.output
    assert "2 station(s)" in done.output
    kept = {path.name for path in (project / "GNSS-UNR").iterdir()}
    assert kept == {"DataHoldings.txt", "AAAA.tenv3", "BBBB.tenv3", "CCCC.tenv3"}
    assert not any("AWAY" in path for path in laboratory.asked)


@pytest.mark.parametrize("spelling", ["gnss", "gps"])
def test_view_draws_stations_in_the_colours_of_the_map(
    project: Path, spelling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    flags = [f"--show-{spelling}", f"--ref-{spelling}", "AAAA", f"--{spelling}-comp", "enu2los", f"--{spelling}-label"]
    done = call_main(
        "view", "velocity.h5", "velocity", *flags, "--gnss-dir", "stations", "-u", "mm/year", "-o", "a.png"
    )
    assert done.exit_code == 3, done.output
    image = plt.imread(project / "a.png")
    assert image.shape[0] > 300


def test_dots_have_the_values_of_the_ground(project: Path) -> None:
    options = GnssOptions(folder=project / "stations", reference="AAAA")
    layer = station_layer(project / "velocity.h5", None, options)
    dots = {dot.name: dot.value for dot in layer.dots}
    assert layer.unit == "m/year"
    assert layer.reference == (10, 20)
    assert dots["AAAA"] == 0
    for name in ("BBBB", "CCCC"):
        by_hand = (_rate(*PLACES[name]) - _rate(*PLACES["AAAA"])) @ LOOK
        assert dots[name] == pytest.approx(by_hand, abs=1e-4)
    series = station_layer(project / "timeseries.h5", None, options, dates=["20190604"])
    moved = {dot.name: dot.value for dot in series.dots}
    years = 515 / 365.25
    assert series.unit == "m"
    assert moved["BBBB"] == pytest.approx(years * dots["BBBB"], abs=1e-3)  # two positions with 0.2 mm of noise
    plain = station_layer(project / "velocity.h5", None, GnssOptions(folder=project / "stations"), coloured=False)
    assert all(np.isnan(dot.value) for dot in plain.dots)
    with pytest.raises(ConfigError, match="reference station 'NONE' is not among the stations"):
        station_layer(project / "velocity.h5", None, GnssOptions(folder=project / "stations", reference="NONE"))


def test_tsview_draws_a_station_over_its_pixel(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    flags = ["--gnss", "BBBB", "--ref-gnss", "AAAA", "--gnss-dir", "stations", "-o", "b.png"]
    done = call_main("tsview", "timeseries.h5", *flags)
    assert done.exit_code == 0, done.output
    assert (project / "b.png").stat().st_size > 10_000
    wrong = call_main("tsview", "timeseries.h5", "--gnss", "PAGE", "--gnss-dir", "stations", "-o", "c.png")
    assert wrong.exit_code == 1
    assert "no positions of PAGE" in wrong.output


def test_a_station_that_cannot_be_drawn_does_not_stop_the_others(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    _hide(project, "AAAA")
    done = call_main(
        "tsview", "timeseries.h5", "--gnss", "AAAA,PAGE", "--gnss", "BBBB", "--gnss-dir", "stations", "--save"
    )
    assert done.exit_code == 3, done.output
    assert "left out: AAAA: the series has no measurement there" in done.output
    assert "left out: PAGE: no positions of PAGE: stations/PAGE.tenv3 is a web page" in done.output
    assert (project / "timeseries-ts.png").is_file()


@pytest.mark.parametrize("flags", [[], ["--ref-date", "20190524"], ["--ref-yx", "30", "5"], ["--ref-gnss", "AAAA"]])
def test_a_station_lies_over_its_pixel_whatever_all_counts_from(
    project: Path, flags: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its series is moved as a whole onto that of the pixel as it is drawn."""
    monkeypatch.chdir(project)
    drawn: list[Figure] = []
    save = canvas.save_figure

    def keep(figure: Figure, path: Path, *, dpi: int = 200) -> Path:
        drawn.append(figure)
        return save(figure, path, dpi=dpi)

    monkeypatch.setattr(canvas, "save_figure", keep)
    done = call_main(
        "tsview", "timeseries.h5", "--gnss", "CCCC", "--gnss-dir", "stations", "-u", "mm", *flags, "--save"
    )
    assert done.exit_code == 0, done.output
    lines = {line.get_label(): line for axes in drawn[0].axes for line in axes.lines}
    ground = lines["CCCC, ground"]
    pixel = next(bars for axes in drawn[0].axes for bars in axes.containers if str(bars.get_label()).startswith("row"))[
        0
    ]
    (days, seen), (noons, positions) = (
        (np.asarray(line.get_xdata(), np.float64), np.asarray(line.get_ydata(), np.float64)) for line in (pixel, ground)
    )
    apart = (seen - np.interp(days, noons, positions))[1:]  # the first date of the map is before the station's noon
    assert float(np.mean(apart)) == pytest.approx(0.0, abs=0.5)  # mm: half a pixel away


def test_the_reason_why_a_reference_station_is_none_is_said(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    _hide(project, "AAAA")
    _station_file(project / "stations", "BBBB", step=0.05)
    flags = ["--gnss-dir", "stations", "--ref-gnss"]
    assert "AAAA: the map has no measurement there" in call_main("gnss", "velocity.h5", *flags, "AAAA").output
    assert "BBBB: a step of +50 mm" in call_main("gnss", "velocity.h5", *flags, "BBBB").output
    drawn = call_main("tsview", "timeseries.h5", "--gnss", "CCCC", *flags, "AAAA", "--save")
    assert "reference station AAAA: the series has no measurement there" in drawn.output


def _hide(project: Path, name: str) -> None:
    """Take the measurements around a station off the maps."""
    latitude, longitude = PLACES[name]
    row, column = round((46.1 - latitude) / 0.005), round((longitude - 14.9) / 0.005)
    for kind in ("velocity", "timeseries"):
        with h5py.File(project / f"{kind}.h5", "r+") as file:
            file[kind][..., row - 2 : row + 3, column - 2 : column + 3] = 0


def test_dots_on_a_date_that_is_given_by_its_number(project: Path) -> None:
    options = GnssOptions(folder=project / "stations")
    named = station_layer(project / "timeseries.h5", None, options, dates=["20190524"])
    for number in ("21", "-9"):
        assert station_layer(project / "timeseries.h5", None, options, dates=[number]).dots == named.dots


@pytest.mark.parametrize(
    ("names", "match"),
    [(["timeseries.h5"], "name one of them"), (["inputs/geometryGeo.h5", "height"], "shows geometry, no velocity")],
)
def test_stations_have_no_values_on_other_maps(
    project: Path, names: list[str], match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    done = call_main("view", *names, "--show-gnss", "--gnss-dir", "stations", "--gnss-comp", "U", "-o", "x.png")
    assert done.exit_code == 1
    assert match in done.output


def test_without_angles_an_axis_can_be_compared(project: Path) -> None:
    (project / "inputs" / "geometryGeo.h5").unlink()
    radar = _map(project)
    found = find_stations(radar)
    _, left_out = compare_with_map(radar, found.rates)
    assert len(left_out) == 3
    assert "give the geometry file of the map" in left_out[0]
    comparisons, _ = compare_with_map(_map(project, component="U"), found.rates)
    assert float(comparisons[0].on_ground[0]) == pytest.approx(-0.15 * 0.05, abs=1e-4)


def test_a_damaged_list_of_stations_does_not_stop_those_that_are_placed(project: Path) -> None:
    (project / "stations" / "DataHoldings.txt").write_text("<html>404</html>", encoding="utf-8")
    found = find_stations(_map(project))
    assert [rates.name for rates in found.rates] == ["AAAA", "BBBB", "CCCC"]
    assert any("DataHoldings.txt is no list of stations" in text for text in found.left_out)


def test_view_names_the_first_of_many_that_are_left_out(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    lines = [f"S{k:03d},0.0,46.0,0.01,0.0,0.0" for k in range(100)]  # all of them far away
    table = "\n".join(["name,lon,lat,velocity_east,velocity_north,velocity_up", *lines]) + "\n"
    (project / "stations" / "rates.csv").write_text(table, encoding="utf-8")
    done = call_main("view", "velocity.h5", "--show-gnss", "--gnss-dir", "stations", "-o", "a.png")
    assert done.exit_code == 3
    assert done.output.count("left out: ") == 21
    assert "left out: 81 more" in done.output


def test_a_velocity_in_millimetres_is_not_taken_for_metres(project: Path) -> None:
    update_product(project / "velocity.h5", attributes={"UNIT": "mm/year"})
    radar = _map(project)
    with pytest.raises(InputError, match=r"velocity\.h5 is in mm/year, needed is m/year"):
        compare_with_map(radar, find_stations(radar).rates)
