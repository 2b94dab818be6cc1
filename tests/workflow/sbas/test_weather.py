"""Troposphere from weather models and maps of delay: in runs, by commands, with files missing."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr
from affine import Affine
from click.testing import CliRunner
from odc.geo.geobox import GeoBox
from tests.workflow.sbas.samples import write_project, write_template
from tests.workflow.sbas.weather_samples import DATES, HOUR, NODES, REFERENCE, air_of, write_series, write_weather

from creepmeter.cli import main
from creepmeter.corrections.delay_cube import Pixels
from creepmeter.corrections.era5 import Bounds, Era5Request, fetch_era5, why_no_download
from creepmeter.corrections.weather_options import WeatherOptions
from creepmeter.corrections.zenith import zenith_cube
from creepmeter.errors import InputError
from creepmeter.interferograms.isce2 import image_layer
from creepmeter.io.mintpy.product import (
    list_datasets,
    read_attributes,
    read_map,
    read_tables,
    update_product,
    write_product,
)
from creepmeter.io.raster import write_geotiff
from creepmeter.model.epoch import as_epochs
from creepmeter.model.weather import Area, Axes
from creepmeter.simulate.weather import Air, weather_file
from creepmeter.workflow.sbas.delay_files import dated_files, files_of_day, hours_around, nearest_hour
from creepmeter.workflow.sbas.delay_sources import DelaySource, Extent, read_gacos
from creepmeter.workflow.sbas.pixel_geometry import PixelGeometry
from creepmeter.workflow.sbas.run import run_sbas
from creepmeter.workflow.sbas.velocity import Series
from creepmeter.workflow.sbas.weather import correct_file
from creepmeter.workflow.sbas.weather_dates import dates_given
from creepmeter.workflow.sbas.weather_fetch import fetch_missing, missing_requests


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("CDSAPI_URL", "CDSAPI_KEY", "WEATHER_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CDSAPI_RC", str(tmp_path / "no.cdsapirc"))


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weather")
    write_series(folder)
    return folder


@pytest.fixture
def project(loaded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(loaded, tmp_path / "work"))


def _values(path: Path) -> np.ndarray:
    return Series.open(path).array.read().astype(np.float64)


def _correct(project: Path, folder: Path, **options: Any) -> Any:  # noqa: ANN401 - of the model
    source = DelaySource("pyaps", folder, WeatherOptions(**options))
    geometry = project / "inputs" / "geometryGeo.h5"
    delays, target = project / "inputs" / "ERA5.h5", project / "timeseries_ERA5.h5"
    return correct_file(source, project / "timeseries.h5", geometry, delays, target)


def _expected_delays(project: Path) -> np.ndarray:
    """Return the delay along the line of sight of every date, straight from the air, (date, y, x)."""
    geometry = project / "inputs" / "geometryGeo.h5"
    facts = read_attributes(geometry)
    height, incidence = (read_map(geometry, name).astype(np.float64) for name in ("height", "incidenceAngle"))
    rows, columns = np.indices(height.shape)
    latitude = np.asarray(float(facts["Y_FIRST"]) + (rows + 0.5) * float(facts["Y_STEP"]))
    longitude = np.asarray(float(facts["X_FIRST"]) + (columns + 0.5) * float(facts["X_STEP"]))
    pixels = Pixels(latitude, longitude, height)
    cubes = [zenith_cube(air_of(date).fields(NODES, date), 0.0, height.max()) for date in DATES]
    return np.array([pixels.delay(cube) for cube in cubes]) / np.cos(np.radians(incidence))


# ------------------------------------------------------------------------------------------------ delays and the series


def test_delays_are_absolute_and_toward_the_satellite(project: Path) -> None:
    made = _correct(project, write_weather(project / "weather" / "ERA5").parent)
    assert made.notes == ()
    delays = project / "inputs" / "ERA5.h5"
    np.testing.assert_allclose(_values(delays), -_expected_delays(project), atol=1e-6)  # float32 of 3 m
    facts = read_attributes(delays)
    assert (facts["FILE_TYPE"], facts["UNIT"]) == ("timeseries", "m")
    assert not {"REF_DATE", "REF_Y", "REF_X"} & set(facts)
    assert facts["CENTER_LINE_UTC"] == "7200.0"


def test_the_series_is_corrected_relative_to_its_reference(project: Path) -> None:
    _correct(project, write_weather(project / "weather"))
    delay = -_expected_delays(project)
    delay -= delay[0].copy()
    delay -= delay[:, REFERENCE[0], REFERENCE[1], None, None]
    before, after = _values(project / "timeseries.h5"), _values(project / "timeseries_ERA5.h5")
    measured = (before != 0).any(axis=0)
    np.testing.assert_allclose(after[:, measured], (before - delay)[:, measured], atol=1e-6)
    assert not after[:, :3, :3].any()
    assert not after[:, *REFERENCE].any()
    assert not after[0].any()
    facts = read_attributes(project / "timeseries_ERA5.h5")
    assert (facts["REF_DATE"], facts["REF_Y"], facts["FILE_PATH"]) == (DATES[0], "5", "timeseries_ERA5.h5")
    np.testing.assert_array_equal(read_tables(project / "timeseries_ERA5.h5")["bperp"], np.arange(5))


def test_delays_put_into_a_series_come_out_again(project: Path) -> None:
    path, folder = project / "timeseries.h5", write_weather(project / "weather")
    before = _values(path)
    delay = -_expected_delays(project)
    delay -= delay[0].copy()
    delay -= delay[:, REFERENCE[0], REFERENCE[1], None, None]
    disturbed = np.where(before == 0, 0, before + delay).astype(np.float32)
    tables = read_tables(path)
    write_product(path, {"timeseries": disturbed}, read_attributes(path), tables=tables)
    _correct(project, folder)
    np.testing.assert_allclose(_values(project / "timeseries_ERA5.h5"), before, atol=1e-6)


@pytest.mark.parametrize("memory_gb", [0.0001, 8.0])
def test_blocks_do_not_matter(project: Path, memory_gb: float) -> None:
    folder = write_weather(project / "weather")
    _correct(project, folder)
    other = project / "other.h5"
    correct_file(
        DelaySource("pyaps", folder),
        project / "timeseries.h5",
        project / "inputs" / "geometryGeo.h5",
        project / "delays.h5",
        other,
        memory_gb=memory_gb,
    )
    np.testing.assert_array_equal(_values(other), _values(project / "timeseries_ERA5.h5"))
    np.testing.assert_array_equal(_values(project / "delays.h5"), _values(project / "inputs" / "ERA5.h5"))


# ------------------------------------------------------------------------------------------------------- missing files


def test_a_date_without_file_stays_as_it_was_and_is_named(project: Path) -> None:
    folder = write_weather(project / "weather", tuple(date for date in DATES if date != "20180222"))
    made = _correct(project, folder)
    (note,) = made.notes
    assert "1 of 5 dates are not corrected: 20180222 (no file)" in note
    geometry = project / "inputs" / "geometryGeo.h5"
    assert f"creepmeter tropo-pyaps3 -d 20180222 --hour 2 -g {geometry} -w {folder}" in note
    before, after = _values(project / "timeseries.h5"), _values(project / "timeseries_ERA5.h5")
    np.testing.assert_array_equal(after[2], before[2])
    full = -_expected_delays(project)
    relative = full - full[0] - (full - full[0])[:, REFERENCE[0], REFERENCE[1], None, None]
    measured = (before != 0).any(axis=0)
    np.testing.assert_allclose(after[[1, 3, 4]][:, measured], (before - relative)[[1, 3, 4]][:, measured], atol=1e-6)
    assert [str(date)[:10] for date in Series.open(project / "inputs" / "ERA5.h5").dates if "02-22" in str(date)] == []


def test_a_date_without_file_is_dropped_by_option(project: Path) -> None:
    folder = write_weather(project / "weather", DATES[1:4])
    made = _correct(project, folder, missing="drop")
    assert "2 of 5 dates are left out: 20180105, 20180411 (no file)" in made.notes[0]
    series = Series.open(project / "timeseries_ERA5.h5")
    assert [str(date)[:10].replace("-", "") for date in series.dates] == list(DATES[1:4])
    facts = read_attributes(project / "timeseries_ERA5.h5")
    assert (facts["REF_DATE"], facts["START_DATE"], facts["END_DATE"]) == ("20180129", "20180129", "20180318")
    np.testing.assert_array_equal(read_tables(series.path)["bperp"], [1, 2, 3])
    full, before = -_expected_delays(project), _values(project / "timeseries.h5")
    corrected = before - full
    corrected -= corrected[1].copy()
    corrected -= corrected[:, REFERENCE[0], REFERENCE[1], None, None]
    measured = (before != 0).any(axis=0)
    np.testing.assert_allclose(_values(series.path)[:, measured], corrected[1:4][:, measured], atol=2e-6)


def test_without_the_reference_date_corrected_dates_agree_among_themselves(project: Path) -> None:
    folder = write_weather(project / "weather", DATES[1:])
    _correct(project, folder)
    full, before = -_expected_delays(project), _values(project / "timeseries.h5")
    after = _values(project / "timeseries_ERA5.h5")
    assert not after[0].any()
    wanted = before - full
    wanted -= wanted[:, REFERENCE[0], REFERENCE[1], None, None]
    measured = (before != 0).any(axis=0)
    for k in (2, 3, 4):
        np.testing.assert_allclose((after[k] - after[1])[measured], (wanted[k] - wanted[1])[measured], atol=2e-6)


def test_a_damaged_file_names_itself_and_the_rest_goes_on(project: Path) -> None:
    folder = write_weather(project / "weather")
    bad = next(folder.glob("*20180318*"))
    bad.write_bytes(bad.read_bytes()[:3000])
    made = _correct(project, folder)
    assert bad.name in made.notes[0]
    assert "20180318" in made.notes[0]
    assert len(made.dates) == 4


def test_without_any_file_nothing_is_made(project: Path) -> None:
    made = _correct(project, project / "nowhere")
    assert made.delays is None
    assert "5 of 5 dates are not corrected" in made.notes[0]
    assert "there is no account of the Climate Data Store" in made.notes[0]
    assert not (project / "timeseries_ERA5.h5").exists()
    assert not (project / "inputs" / "ERA5.h5").exists()


def test_a_file_that_is_too_small_is_passed_over_for_a_larger_one(project: Path) -> None:
    folder = write_weather(project / "weather")
    small = Axes(NODES.y[:3], NODES.x[:3])
    path = folder / f"AERA5_small_{DATES[1]}_{HOUR:02d}.nc"  # the first by name
    weather_file(air_of(DATES[1]).fields(small, f"{DATES[1]}T020000")).to_netcdf(path, engine="h5netcdf")
    assert _correct(project, folder).notes == ()


def test_a_reference_pixel_without_height_is_an_error(project: Path) -> None:
    folder = write_weather(project / "weather")
    geometry = project / "inputs" / "geometryGeo.h5"
    maps = {name: read_map(geometry, name) for name in ("height", "incidenceAngle")}
    maps["height"][REFERENCE] = np.nan
    write_product(geometry, maps, read_attributes(geometry))
    with pytest.raises(InputError, match=r"ERA5.h5 has no delay at the reference pixel \(row 5, column 7\)"):
        _correct(project, folder)


# ---------------------------------------------------------------------------------------------------------------- time


def test_between_two_hours_the_delay_is_linear(project: Path) -> None:
    update_product(project / "timeseries.h5", attributes={"CENTER_LINE_UTC": str(2.25 * 3600)})
    folder = project / "weather"
    folder.mkdir()
    for hour, pressure in ((2, 500.0), (3, 900.0)):
        for date in DATES:
            fields = Air(vapour_pa=pressure + 100 * DATES.index(date)).fields(NODES, f"{date}T{hour:02d}0000")
            weather_file(fields).to_netcdf(folder / f"era_{date}_{hour:02d}.nc", engine="h5netcdf")
    _correct(project, folder)
    nearest = _values(project / "inputs" / "ERA5.h5")
    _correct(project, folder, time="linear")
    linear = _values(project / "inputs" / "ERA5.h5")
    later = _values_at(project, folder)
    np.testing.assert_allclose(linear, 0.75 * nearest + 0.25 * later, atol=2e-6)


def _values_at(project: Path, folder: Path) -> np.ndarray:
    update_product(project / "timeseries.h5", attributes={"CENTER_LINE_UTC": str(3.0 * 3600)})
    _correct(project, folder)
    return _values(project / "inputs" / "ERA5.h5")


def test_an_hour_that_is_not_known_must_be_given(project: Path) -> None:
    folder, series = write_weather(project / "weather"), project / "timeseries.h5"
    _correct(project, folder)
    known = _values(project / "timeseries_ERA5.h5")
    (project / "timeseries_ERA5.h5").unlink()
    update_product(series, attributes={"CENTER_LINE_UTC": None})
    made = _correct(project, folder)
    assert made.delays is None
    assert "does not tell the hour of its acquisitions (CENTER_LINE_UTC): give tropo-pyaps3 --hour" in made.notes[0]
    geometry = project / "inputs" / "geometryGeo.h5"
    call = ["tropo-pyaps3", "-f", str(series), "-g", str(geometry), "-w", str(folder), "--hour", "2"]
    result = CliRunner().invoke(main, call)
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(_values(project / "timeseries_ERA5.h5"), known)


def test_the_hour_is_that_of_pyaps() -> None:
    time = np.datetime64("2018-01-05T23:50", "ns")
    assert [nearest_hour(time, model) for model in ("ERA5", "MERRA", "NARR")] == [23, 18, 21]
    before, after = hours_around(time, "ERA5")
    assert (str(before)[:13], str(after)[:13]) == ("2018-01-05T23", "2018-01-06T00")


def test_dates_in_names_are_found_whatever_stands_around_them(tmp_path: Path) -> None:
    names = (
        "ERA5_N38.26050518740136_N39.48557856973074_W123.5_W121.6_20120419_16.grb",
        "merra-20120419-18.nc4",
        "narr-a_221_20120419_1500_000.grb",
        "MERRA2_400.inst3_3d_asm_Np.20120419.nc4",
        "nothing_2012041.grb",
        "odd_20121341.grb",
        ".hidden_20120419.grb",
    )
    for name in names:
        (tmp_path / name).touch()
    found = dated_files([tmp_path, tmp_path / "none"], (".grb", ".nc4"))
    assert {file.path.name for file in found} == set(names[:4])
    hours = {file.path.name: (str(file.time)[11:13] if file.has_hour else "") for file in found}
    assert [hours[name] for name in names[:4]] == ["16", "18", "15", ""]
    best = files_of_day(found, np.datetime64("2012-04-19T17:20", "ns"))
    assert best[0].name == names[1]
    assert best[-1].name == names[3]


# ----------------------------------------------------------------------------------------------------- GACOS and OPERA


def _gacos_map(date: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    y, x = 38.7 - 0.002 * np.arange(100), -123.0 + 0.002 * np.arange(120)
    k = DATES.index(date)
    return y, x, (2.3 + 0.01 * k + 0.05 * (y[:, None] - 38.5) * k - 0.03 * (x[None] + 122.9)).astype(np.float32)


def _write_gacos(folder: Path, date: str, kind: str) -> Path:

    folder.mkdir(exist_ok=True)
    y, x, values = _gacos_map(date)
    if kind == "tif":
        grid = GeoBox(values.shape, Affine(0.002, 0.0, x[0] - 0.001, 0.0, -0.002, y[0] + 0.001), "EPSG:4326")
        path = folder / f"{date}.ztd.tif"
        write_geotiff(path, values, grid)
        return path
    path = folder / f"{date}.ztd"
    values.astype("<f4").tofile(path)
    facts = {"WIDTH": 120, "FILE_LENGTH": 100, "X_FIRST": x[0], "Y_FIRST": y[0], "X_STEP": 0.002, "Y_STEP": -0.002}
    path.with_name(f"{date}.ztd.rsc").write_text("".join(f"{key} {value}\n" for key, value in facts.items()))
    return path


@pytest.mark.parametrize("kind", ["ztd", "tif"])
def test_gacos_maps_are_taken_at_the_pixels(project: Path, kind: str) -> None:
    folder = project / "GACOS"
    for date in DATES[:4]:
        _write_gacos(folder, date, kind)
    geometry = project / "inputs" / "geometryGeo.h5"
    arguments = ["tropo-gacos", "-f", str(project / "timeseries.h5"), "-g", str(geometry), "--dir", str(folder)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 3, result.output
    assert "20180411 (no file)" in result.output
    delays = project / "inputs" / "GACOS.h5"
    facts, incidence = read_attributes(geometry), read_map(geometry, "incidenceAngle").astype(np.float64)
    rows, columns = np.indices(incidence.shape)
    latitude = float(facts["Y_FIRST"]) + (rows + 0.5) * float(facts["Y_STEP"])
    longitude = float(facts["X_FIRST"]) + (columns + 0.5) * float(facts["X_STEP"])
    for k in range(4):
        zenith = 2.3 + 0.01 * k + 0.05 * (latitude - 38.5) * k - 0.03 * (longitude + 122.9)
        np.testing.assert_allclose(_values(delays)[k], -zenith / np.cos(np.radians(incidence)), atol=2e-6)
    assert (project / "timeseries_GACOS.h5").exists()


def test_a_gacos_map_that_is_cut_or_small_or_without_header_is_named(project: Path) -> None:
    folder = project / "GACOS"
    paths = [_write_gacos(folder, date, "ztd") for date in DATES]
    paths[0].write_bytes(paths[0].read_bytes()[:-8])
    paths[1].with_name(f"{paths[1].name}.rsc").unlink()
    header = paths[2].with_name(f"{paths[2].name}.rsc")
    header.write_text(header.read_text().replace("X_FIRST -123.0", "X_FIRST -120.0"))
    source = DelaySource("gacos", folder)
    geometry = PixelGeometry.open(project / "inputs" / "geometryGeo.h5")

    dates = as_epochs(list(DATES))
    found = source.delays(dates, dates, Extent(*geometry.extent()))
    assert sorted(found.missing) == list(DATES[:3])
    for date, reason in zip(DATES, (r"bytes", r"\.rsc", r"does not cover the pixels"), strict=False):
        with pytest.raises(AssertionError, match=reason):
            raise AssertionError(found.missing[date])


def test_zeros_of_a_gacos_map_are_no_delay(project: Path) -> None:
    path = _write_gacos(project / "GACOS", DATES[0], "ztd")
    values = np.fromfile(path, "<f4").reshape(100, 120)
    values[:50] = 0
    values.tofile(path)
    y, x, _ = _gacos_map(DATES[0])
    pixels = Pixels(np.array([[y[10], y[80]]]), np.array([[x[5], x[5]]]), np.zeros((1, 2)))
    assert np.isnan(read_gacos(path).delay(pixels)).tolist() == [[True, False]]


def test_opera_delays_are_taken_at_heights(project: Path) -> None:
    folder = project / "OPERA"
    folder.mkdir()
    heights = np.array([-500.0, 0.0, 100.0, 300.0, 600.0, 1000.0, 1500.0, 2500.0])
    y, x = np.arange(39.5, 37.49, -0.1), np.arange(-124.0, -121.9, 0.1)
    dims = ("time", "height", "latitude", "longitude")
    for k, date in enumerate(DATES):
        shape = (1, heights.size, y.size, x.size)
        wet = np.broadcast_to(0.2 * (1 + k) * np.exp(-heights / 2000)[None, :, None, None], shape)
        dry = np.broadcast_to(2.3 * np.exp(-heights / 8000)[None, :, None, None], shape)
        time = np.datetime64(f"{date[:4]}-{date[4:6]}-{date[6:]}T00", "ns")
        coords = {"time": [time], "height": heights, "latitude": y, "longitude": x}
        name = f"OPERA_L4_TROPO-ZENITH_{date}T000000Z_20250101T000000Z_HRES_v1.0.nc"
        xr.Dataset({"wet_delay": (dims, wet), "hydrostatic_delay": (dims, dry)}, coords).to_netcdf(
            folder / name, engine="h5netcdf"
        )
    geometry = project / "inputs" / "geometryGeo.h5"
    arguments = ["tropo-opera", "-f", str(project / "timeseries.h5"), "-g", str(geometry), "--dir", str(folder)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    height, incidence = (read_map(geometry, name).astype(np.float64) for name in ("height", "incidenceAngle"))
    for k, values in enumerate(_values(project / "inputs" / "OPERA.h5")):
        zenith = 2.3 * np.exp(-height / 8000) + 0.2 * (1 + k) * np.exp(-height / 2000)
        # a curve through heights 100 to 500 m apart, of vapour that falls over 2000 m
        np.testing.assert_allclose(-values * np.cos(np.radians(incidence)), zenith, atol=3e-3)
    assert (project / "timeseries_OPERA.h5").exists()


# ------------------------------------------------------------------------------------------------------------ geometry


def test_latitude_and_longitude_maps_corners_and_map_grids_are_the_same_place(project: Path) -> None:
    geometry = project / "inputs" / "geometryGeo.h5"
    on_grid = PixelGeometry.open(geometry)
    facts, maps = read_attributes(geometry), {n: read_map(geometry, n) for n in ("height", "incidenceAngle")}
    block = on_grid.blocks(1.0, 12)[0]
    places = on_grid.pixels(block)
    radar = {key: text for key, text in facts.items() if key[1:] not in ("_FIRST", "_STEP", "_UNIT")}
    stored = {**maps, "latitude": places.latitude, "longitude": places.longitude}
    write_product(project / "maps.h5", stored, radar)
    write_product(project / "corners.h5", maps, radar)
    for name in ("maps.h5", "corners.h5"):
        other = PixelGeometry.open(project / name).pixels(block)
        np.testing.assert_allclose(other.latitude, places.latitude, atol=1e-9)
        np.testing.assert_allclose(other.longitude, places.longitude, atol=1e-9)


def test_a_geometry_without_what_is_needed_says_what(project: Path) -> None:
    geometry = project / "inputs" / "geometryGeo.h5"
    height = read_map(geometry, "height")
    write_product(project / "bare.h5", {"height": height}, read_attributes(geometry))
    with pytest.raises(InputError, match=r"bare.h5 has no incidenceAngle: load the data again"):
        PixelGeometry.open(project / "bare.h5")
    write_product(project / "lost.h5", {"height": height, "incidenceAngle": height}, {"FILE_TYPE": "geometry"})
    with pytest.raises(InputError, match=r"lost.h5 tells no latitude and longitude"):
        PixelGeometry.open(project / "lost.h5")


# ------------------------------------------------------------------------------------------------------ the whole step


def test_a_run_corrects_by_era5_and_fits_the_delays_too(tmp_path: Path) -> None:
    work = tmp_path / "work"
    write_project(work, dates=len(DATES), noise=False)
    text = "mintpy.troposphericDelay.method = pyaps\nmintpy.troposphericDelay.weatherDir = ./weather\n"
    template = write_template(tmp_path, text)
    first = run_sbas(template, folder=work, end="velocity")
    assert len(first.left_out) == 1
    assert first.left_out[0].startswith("correct_troposphere: 5 of 5 dates are not corrected")
    assert read_attributes(work / "velocity.h5")["FILE_PATH"] == "timeseries.h5"
    write_weather(work / "weather" / "ERA5")
    second = run_sbas(template, folder=work, end="velocity")
    assert second.left_out == ()
    assert "correct_troposphere" in second.made
    assert read_attributes(work / "velocity.h5")["FILE_PATH"] == "timeseries_ERA5.h5"
    delays = read_map(work / "velocityERA5.h5", "velocity").astype(np.float64)
    apart = [read_map(work / name, "velocity").astype(np.float64) for name in ("velocity.h5", "velocityERA5.h5")]
    whole = tmp_path / "whole.h5"
    assert (
        CliRunner().invoke(main, ["timeseries2velocity", str(work / "timeseries.h5"), "-o", str(whole)]).exit_code == 0
    )
    measured = read_map(work / "maskTempCoh.h5") != 0
    # a line fitted to a sum is the sum of the lines
    np.testing.assert_allclose((apart[0] + apart[1])[measured], read_map(whole, "velocity")[measured], atol=2e-5)
    facts = read_attributes(work / "velocity.h5")
    assert delays[int(facts["REF_Y"]), int(facts["REF_X"])] == pytest.approx(0.0, abs=1e-9)
    third = run_sbas(template, folder=work, end="velocity")
    assert third.made == ()


def test_too_few_delays_for_a_velocity_stop_nothing(tmp_path: Path) -> None:
    work = tmp_path / "work"
    write_project(work, dates=len(DATES), noise=False)
    write_weather(work / "weather", DATES[:1])
    text = "mintpy.troposphericDelay.method = pyaps\nmintpy.troposphericDelay.weatherDir = ./weather\n"
    result = run_sbas(write_template(tmp_path, text), folder=work, end="velocity")
    assert "velocity" in result.made
    assert any("velocityERA5.h5 is not made" in note for note in result.notes)
    assert not (work / "velocityERA5.h5").exists()


def test_a_run_without_the_files_any_more_goes_back(tmp_path: Path) -> None:
    work = tmp_path / "work"
    write_project(work, dates=len(DATES), noise=False)
    write_weather(work / "weather")
    text = "mintpy.troposphericDelay.method = pyaps\nmintpy.troposphericDelay.weatherDir = ./weather\n"
    template = write_template(tmp_path, text)
    run_sbas(template, folder=work, end="velocity")
    shutil.rmtree(work / "weather")
    again = run_sbas(template, folder=work, end="velocity")
    assert len(again.left_out) == 1
    assert not (work / "timeseries_ERA5.h5").exists()
    assert not (work / "inputs" / "ERA5.h5").exists()
    assert not (work / "velocityERA5.h5").exists()
    assert read_attributes(work / "velocity.h5")["FILE_PATH"] == "timeseries.h5"


def test_a_run_goes_on_without_a_file_that_is_cut(tmp_path: Path) -> None:
    work = tmp_path / "work"
    write_project(work, dates=len(DATES), noise=False)
    folder = write_weather(work / "weather")
    text = "mintpy.troposphericDelay.method = pyaps\nmintpy.troposphericDelay.weatherDir = ./weather\n"
    template = write_template(tmp_path, text)
    whole = next(folder.glob("*20180318*"))
    content = whole.read_bytes()
    whole.write_bytes(content[: len(content) // 2])
    result = run_sbas(template, folder=work, end="velocity")
    assert len(result.left_out) == 1
    assert f"1 of 5 dates are not corrected: 20180318 ({whole}" in result.left_out[0]
    assert run_sbas(template, folder=work, end="velocity").made == ()
    whole.write_bytes(content)
    result = run_sbas(template, folder=work, end="velocity")
    assert "correct_troposphere" in result.made
    assert result.left_out == ()


def test_delays_of_another_program_are_taken(tmp_path: Path) -> None:
    work = tmp_path / "work"
    write_project(work, dates=len(DATES), noise=False)
    text = "mintpy.troposphericDelay.method = pyaps\nmintpy.troposphericDelay.weatherDir = ./weather\n"
    template = write_template(tmp_path, text)
    run_sbas(template, folder=work, end="invert_network")
    before = _values(work / "timeseries.h5")
    delays = np.random.default_rng(1).normal(0, 0.02, before.shape).astype(np.float32)[1:]
    with h5py.File(work / "inputs" / "ERA5.h5", "w") as file:
        file["timeseries"] = delays
        file["date"] = np.array(DATES[1:], "S")
        file.attrs.update({"FILE_TYPE": "timeseries", "LENGTH": before.shape[1], "WIDTH": before.shape[2]})
    result = run_sbas(template, folder=work, end="velocity")
    assert len(result.left_out) == 1
    assert "1 of 5 dates are not corrected: 20180105 (not in ERA5.h5)" in result.left_out[0]
    after = _values(work / "timeseries_ERA5.h5")
    row, column = (int(read_attributes(work / "timeseries.h5")[name]) for name in ("REF_Y", "REF_X"))
    relative = delays - delays[:, row, column, None, None]
    measured = (before != 0).any(axis=0)
    change = (after[3] - after[1]) - (before[3] - before[1])
    np.testing.assert_allclose(-change[measured], (relative[2] - relative[0])[measured], atol=1e-6)
    assert run_sbas(template, folder=work, end="velocity").made == ()


# ------------------------------------------------------------------------------------------------------------ commands


def test_dates_give_absolute_delays(project: Path) -> None:
    folder, geometry = write_weather(project / "weather"), project / "inputs" / "geometryGeo.h5"
    (project / "dates.txt").write_text("20180105, 1\n20180222\n180318 second\n")
    arguments = ["tropo_pyaps3.py", "-d", str(project / "dates.txt"), "--hour", "2", "-g", str(geometry)]
    out = project / "delays.h5"
    result = CliRunner().invoke(main, [*arguments, "-w", str(folder), "-o", str(out)])
    assert result.exit_code == 0, result.output
    np.testing.assert_allclose(_values(out), -_expected_delays(project)[[0, 2, 3]], atol=1e-6)
    assert list_datasets(out)["timeseries"][0][0] == 3


def test_dates_or_a_series_must_be_given(project: Path) -> None:
    geometry = str(project / "inputs" / "geometryGeo.h5")
    result = CliRunner().invoke(main, ["tropo-pyaps3", "-g", geometry])
    assert result.exit_code == 2
    assert "give either a series to correct (-f), or dates (-d)" in result.output


def test_names_of_scenes_tell_date_and_hour(project: Path, tmp_path: Path) -> None:
    geometry = project / "inputs" / "geometryGeo.h5"
    listed = tmp_path / "SAFE_files.txt"
    listed.write_text("/data/S1B_IW_SLC__1SDV_20191117T140737_20191117T140804_018968_023C8C_82DC.zip\n# none\n")
    days, times = dates_given([str(listed), "20200101"], None, geometry)
    assert [str(day)[:10] for day in days] == ["2019-11-17", "2020-01-01"]
    assert [str(time)[11:19] for time in times] == ["14:07:37", "02:00:00"]
    with pytest.raises(InputError, match=r"'2019' is neither a date YYYYMMDD nor a file of dates"):
        dates_given(["2019"], None, geometry)
    update_product(geometry, attributes={"CENTER_LINE_UTC": None})
    with pytest.raises(InputError, match=r"the hour of 20200101 is not known: give --hour"):
        dates_given(["20200101"], None, geometry)


# ------------------------------------------------------------------------------------------------------------ download


class _Client:
    """Answers as the Climate Data Store does, from memory."""

    def __init__(self, content: bytes | None) -> None:
        self.content = content
        self.asked: list[Mapping[str, Any]] = []

    def retrieve(self, name: str, request: Mapping[str, Any], target: str) -> None:
        self.asked.append({"name": name, **request})
        if self.content is None:
            message = "the licence was not accepted"
            raise RuntimeError(message)
        Path(target).write_bytes(self.content)


def test_only_what_is_needed_is_asked_for(tmp_path: Path) -> None:
    times = as_epochs(list(DATES[:2])) + np.timedelta64(2 * 3600 + 1200, "s")
    write_weather(tmp_path / "ERA5", DATES[:1])
    source, area = DelaySource("pyaps", tmp_path), Area(38.2, 38.6, -122.9, -122.6)
    (wanted,) = missing_requests(source, times, area)
    assert wanted.name == "ERA5_N37_N40_W124_W122_20180129_02.grb"
    asked = wanted.parameters()
    assert asked["area"] == [40, -124, 37, -122]
    assert (asked["time"], asked["day"]) == (["02:00"], ["29"])
    assert len(asked["pressure_level"]) == 37
    linear = DelaySource("pyaps", tmp_path, WeatherOptions(time="linear"))
    assert [(one.day, one.hour) for one in missing_requests(linear, times, area)] == [
        ("20180105", 3),
        ("20180129", 2),
        ("20180129", 3),
    ]


def test_names_of_areas_know_south_west_and_the_antimeridian() -> None:
    assert Bounds.around(Area(-1.2, 0.7, -78.3, -77.8)).text == "S2_N2_W79_W77"
    assert Bounds.around(Area(51.2, 52.7, 179.3, 181.1)).text == "N50_N54_E178_W178"


def test_an_answer_that_is_no_grib_is_not_kept(tmp_path: Path) -> None:
    request = Era5Request("20180129", 2, Bounds(37, 40, -124, -122))
    for content, reason in ((b"<html>queue</html>", "is no GRIB file"), (None, "the licence was not accepted")):
        files, failed = fetch_era5([request], tmp_path / "new", _Client(content))
        assert files == []
        assert reason in failed[0]
        assert request.name in failed[0]
        assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.golden
def test_an_answer_is_kept_whole_and_asked_for_once(tmp_path: Path, shared: Path) -> None:
    content = next((shared / "data" / "tropo_era5_clear_lake" / "aps_weather_model").glob("*20120419*")).read_bytes()
    client, source = _Client(content), DelaySource("pyaps", tmp_path)
    times, area = np.array(["2012-04-19T16:37:23"], "datetime64[ns]"), Area(38.5, 39.0, -123.0, -122.5)
    assert fetch_missing(source, times, area, client) == []
    assert fetch_missing(source, times, area, client) == []
    assert len(client.asked) == 1
    assert [path.name for path in (tmp_path / "ERA5").iterdir()] == ["ERA5_N38_N40_W124_W122_20120419_17.grb"]


def test_an_account_is_looked_for_where_cdsapi_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "there is no account of the Climate Data Store" in why_no_download()
    (tmp_path / "no.cdsapirc").write_text("url: x\n")
    assert "account" not in why_no_download()
    (tmp_path / "no.cdsapirc").unlink()
    monkeypatch.setenv("CDSAPI_URL", "x")
    monkeypatch.setenv("CDSAPI_KEY", "y")
    assert "account" not in why_no_download()


@pytest.mark.golden
def test_kyushu_runs_in_radar_geometry(shared: Path, tmp_path: Path) -> None:

    folder = shared / "data" / "tropo_era5_kyushu"
    bands = {"height": ("hgt", -1), "latitude": ("lat", -1), "longitude": ("lon", -1), "incidenceAngle": ("los", 0)}
    maps = {
        name: image_layer(folder / f"{file}.rdr", band).read(slice(None), slice(None))
        for name, (file, band) in bands.items()
    }
    geometry = tmp_path / "geometryRadar.h5"
    write_product(geometry, maps, {"FILE_TYPE": "geometry"})
    arguments = ["tropo-pyaps3", "-d", "20101017", "20110117", "--hour", "14", "-w", str(folder), "-g", str(geometry)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    first, second = _values(tmp_path / "ERA5.h5")
    difference = second - first
    assert np.isfinite(difference).all()
    assert 0.02 < np.ptp(difference) < 0.15
    # a smooth surface of place and height tells nearly all of it: nothing of the pixels' own is left
    height, y, x = (np.ravel(maps[name]) for name in ("height", "latitude", "longitude"))
    y, x, h = y - y.mean(), x - x.mean(), height / 1000
    terms = [x**a * y**b * h**c for a in range(4) for b in range(4) for c in range(4) if a + b + c <= 4]
    design = np.stack(terms, axis=1)
    rest = difference.ravel() - design @ np.linalg.lstsq(design, difference.ravel(), rcond=None)[0]
    assert rest.std() < 0.15 * difference.std()
