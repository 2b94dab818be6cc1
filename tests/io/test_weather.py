"""Files of weather models: every layout gives the same fields, and damage names the file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import h5py
import numpy as np
import pytest
import xarray as xr

from creepmeter.corrections.zenith import zenith_delays
from creepmeter.errors import GridError, ImageError
from creepmeter.io.weather import read_weather, read_zenith_cube
from creepmeter.model.weather import Area, Axes, WeatherFields
from creepmeter.simulate.weather import Air, Layout, weather_file

NODES = Axes(np.arange(30.0, 34.01, 0.25), np.arange(128.0, 132.01, 0.25))
TIME = np.datetime64("2020-01-01T06:00", "ns")
AREA = Area(31.1, 32.9, 129.3, 130.8)
AIR = Air(vapour_pa=1200.0, vapour_slope=(0.1, -0.05), pressure_slope=(0.002, 0.001))


def _delays(fields: WeatherFields) -> np.ndarray:
    return np.stack(zenith_delays(fields, [0.0, 800.0]))


def _write(path: Path, layout: Layout = "cds", nodes: Axes = NODES, air: Air = AIR) -> Path:
    engine: Literal["scipy", "h5netcdf"] = "scipy" if layout == "cds-former" else "h5netcdf"
    weather_file(air.fields(nodes, TIME), layout).to_netcdf(path, engine=engine)
    return path


@pytest.mark.parametrize("layout", ["cds", "cds-former", "merra2"])
def test_every_layout_gives_the_same_delay(tmp_path: Path, layout: Layout) -> None:
    found = read_weather(_write(tmp_path / "weather.nc", layout), AREA, TIME)
    assert found.time == TIME
    rows, columns = (
        np.flatnonzero(np.isin(axis, part)) for axis, part in ((NODES.y, found.axes.y), (NODES.x, found.axes.x))
    )
    truth = _delays(AIR.fields(NODES, TIME))[:, :, rows][:, :, :, columns]
    # shorts hold geopotential to 7 m2/s2 (0.4 mm of delay at most) and humidity to 2e-7
    atol = 1e-3 if layout == "cds-former" else 1e-9
    np.testing.assert_allclose(_delays(found), truth, atol=atol)


def test_only_the_window_is_read(tmp_path: Path) -> None:
    found = read_weather(_write(tmp_path / "weather.nc"), AREA, TIME)
    assert (found.axes.y[0], found.axes.y[-1]) == (31.0, 33.0)
    assert (found.axes.x[0], found.axes.x[-1]) == (129.25, 131.0)


def test_longitudes_from_0_to_360_and_rows_from_the_south_are_the_same(tmp_path: Path) -> None:
    west = Axes(NODES.y, NODES.x - 250.0)  # 122 W
    area = Area(AREA.south, AREA.north, AREA.west - 250.0, AREA.east - 250.0)
    file = weather_file(AIR.fields(west, TIME))
    file.to_netcdf(tmp_path / "minus.nc", engine="h5netcdf")
    turned = file.assign_coords(longitude=file.longitude % 360).isel(latitude=slice(None, None, -1))
    turned.to_netcdf(tmp_path / "plus.nc", engine="h5netcdf")
    one, other = (read_weather(tmp_path / f"{name}.nc", area, TIME) for name in ("minus", "plus"))
    np.testing.assert_allclose(other.axes.x, one.axes.x)
    np.testing.assert_array_equal(_delays(other), _delays(one))


@pytest.mark.parametrize("start", [0.0, -180.0])
def test_a_file_of_the_whole_globe_serves_areas_across_its_seam(tmp_path: Path, start: float) -> None:
    globe = Axes(np.arange(30.0, 34.01, 1.0), start + np.arange(0.0, 360.0, 1.0))
    path = _write(tmp_path / "globe.nc", nodes=globe, air=Air(vapour_pa=1000.0))
    for middle in (0.0, 180.0):
        area = Area.of([31.5, 32.5], [middle - 0.6, middle + 0.6 - 360])
        found = read_weather(path, area, TIME)
        assert len(found.axes.x) == 3
        np.testing.assert_allclose(np.diff(found.axes.x), 1.0)


def test_an_area_across_the_antimeridian_in_two_pieces(tmp_path: Path) -> None:
    nodes = Axes(NODES.y, np.arange(178.0, 182.01, 0.25))
    file = weather_file(AIR.fields(nodes, TIME))
    file = file.assign_coords(longitude=(file.longitude + 180) % 360 - 180).sortby("longitude")
    file.to_netcdf(tmp_path / "pieces.nc", engine="h5netcdf")
    found = read_weather(tmp_path / "pieces.nc", Area.of([31.0, 32.0], [179.4, -179.4]), TIME)
    assert (found.axes.x[0], found.axes.x[-1]) == (179.25, 180.75)
    columns = np.isin(nodes.x, found.axes.x)
    rows = np.isin(nodes.y, found.axes.y)
    np.testing.assert_allclose(
        _delays(found), _delays(AIR.fields(nodes, TIME))[:, :, rows][:, :, :, columns], atol=1e-9
    )


def test_of_several_times_the_nearest_is_taken(tmp_path: Path) -> None:
    times = [TIME + np.timedelta64(k, "h") for k in (-6, 0, 6)]
    airs = [Air(vapour_pa=pressure) for pressure in (500.0, 1000.0, 1500.0)]
    files = [weather_file(air.fields(NODES, time)) for air, time in zip(airs, times, strict=True)]
    xr.concat(files, "valid_time").to_netcdf(tmp_path / "day.nc", engine="h5netcdf")
    found = read_weather(tmp_path / "day.nc", AREA, TIME + np.timedelta64(4, "h"))
    assert found.time == times[2]
    assert found.humidity.max() == pytest.approx(airs[2].fields(NODES, TIME).humidity.max(), rel=0.05)


def test_a_file_of_another_day_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "weather.nc")
    with pytest.raises(ImageError, match=r"weather.nc holds 2020-01-01T06:00 UTC, 42 hours from 2020-01-03T00:00"):
        read_weather(path, AREA, np.datetime64("2020-01-03", "ns"))


def test_a_file_that_is_too_small_says_so(tmp_path: Path) -> None:
    path = _write(tmp_path / "weather.nc")
    for area in (Area(33.0, 35.0, 129.0, 130.0), Area(31.0, 32.0, 127.0, 129.0)):
        with pytest.raises(GridError, match=r"weather.nc does not cover the pixels .* get a file of a larger area"):
            read_weather(path, area, TIME)


def test_damaged_files_name_themselves(tmp_path: Path) -> None:
    whole = _write(tmp_path / "weather.nc").read_bytes()
    cut = tmp_path / "cut.nc"
    cut.write_bytes(whole[: len(whole) // 2])
    text = tmp_path / "page.grb"
    text.write_text("<html>no such file</html>")
    grib = tmp_path / "cut.grb"
    grib.write_bytes(b"GRIB" + (1000).to_bytes(3, "big") + b"\x01" + b"\0" * 100)
    for path, reason in (
        (cut, "cannot be read as HDF5"),
        (text, "neither GRIB nor netCDF"),
        (grib, "damaged or cut"),
    ):
        with pytest.raises(ImageError, match=rf"{path.name}.*{reason}|{path.name} is {reason}"):
            read_weather(path, AREA, TIME)


def test_values_in_another_file_are_not_followed(tmp_path: Path) -> None:
    path = _write(tmp_path / "weather.nc")
    with h5py.File(path, "r+") as file:
        del file["q"]
        file["q"] = h5py.ExternalLink("other.nc", "q")
    with pytest.raises(ImageError, match=r"weather.nc: 'q' lies in another file, which is not followed"):
        read_weather(path, AREA, TIME)


def test_missing_fields_are_named(tmp_path: Path) -> None:
    weather_file(AIR.fields(NODES, TIME)).drop_vars("q").to_netcdf(tmp_path / "weather.nc", engine="h5netcdf")
    with pytest.raises(
        ImageError, match=r"weather.nc holds z, t: geopotential .* humidity on pressure levels are needed"
    ):
        read_weather(tmp_path / "weather.nc", AREA, TIME)


def test_zenith_delays_on_heights_are_added_up(tmp_path: Path) -> None:
    heights = np.array([3000.0, 0.0, 1000.0])
    y, x = np.arange(40.0, 28.0, -0.5), np.arange(-10.0, 10.0, 0.5)
    dims = ("time", "height", "latitude", "longitude")
    wet = np.arange(heights.size * y.size * x.size, dtype=np.float64).reshape(1, heights.size, y.size, x.size)
    coords = {"time": [TIME], "height": heights, "latitude": y, "longitude": x}
    xr.Dataset({"wet_delay": (dims, wet), "hydrostatic_delay": (dims, 2 * wet)}, coords).to_netcdf(
        tmp_path / "opera.nc", engine="h5netcdf"
    )
    found, axes, delay = read_zenith_cube(
        tmp_path / "opera.nc", Area(30.1, 31.2, 0.1, 1.2), ("hydrostatic_delay", "wet_delay")
    )
    assert found.tolist() == [0.0, 1000.0, 3000.0]
    np.testing.assert_array_equal(axes.y, [30.0, 30.5, 31.0, 31.5])
    rows, columns = [np.flatnonzero(y == value)[0] for value in axes.y], np.flatnonzero(np.isin(x, axes.x))
    np.testing.assert_array_equal(delay, 3 * wet[0][[1, 2, 0]][:, rows][:, :, columns])
    with pytest.raises(ImageError, match=r"opera.nc has no snow: give a file OPERA_L4_TROPO-ZENITH"):
        read_zenith_cube(tmp_path / "opera.nc", AREA, ("snow",))
