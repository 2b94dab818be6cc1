"""Tides and plate motion in work folders: series, velocity, and the step of a run."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import pytest
from tests.workflow.sbas.samples import write_project, write_template

from creepmeter.blocks import Block
from creepmeter.corrections.plate_motion import EulerPole
from creepmeter.corrections.solid_earth_tides import solid_earth_tide
from creepmeter.errors import InputError
from creepmeter.io.mintpy.product import read_attributes, read_map, read_tables, update_product, write_product
from creepmeter.model.line_of_sight import look_vector
from creepmeter.workflow.sbas.ground import Ground
from creepmeter.workflow.sbas.plate_motion import PlateMotion, remove_plate_motion, write_plate_motion
from creepmeter.workflow.sbas.run import run_sbas
from creepmeter.workflow.sbas.solid_earth_tides import correct_tides, make_tide_series
from creepmeter.workflow.sbas.velocity import Series

Floats = npt.NDArray[np.float64]
ROWS, COLUMNS = 40, 50
DAYS = ("2018-01-05", "2018-01-17", "2018-02-10")
GRID = {"X_FIRST": "10.0", "Y_FIRST": "45.0", "X_STEP": "0.01", "Y_STEP": "-0.01", "X_UNIT": "degrees"}
SEEN = {"CENTER_LINE_UTC": "19800.0", "HEADING": "-12.0", "REF_Y": "5", "REF_X": "7", "REF_DATE": "20180105"}


def _geometry(folder: Path, attributes: dict[str, str], **layers: Floats) -> Path:
    incidence = np.broadcast_to(np.linspace(33, 44, COLUMNS), (ROWS, COLUMNS)).astype(np.float32)
    azimuth = np.full((ROWS, COLUMNS), 102.0, np.float32)
    held = {"height": np.zeros((ROWS, COLUMNS), np.float32), "incidenceAngle": incidence, "azimuthAngle": azimuth}
    path = folder / "geometry.h5"
    write_product(path, {**held, **layers}, {**attributes, **SEEN, "FILE_TYPE": "geometry", "UNIT": "m"})
    return path


def _series(folder: Path, values: Floats, name: str = "timeseries.h5", **attributes: str) -> Path:
    said = {**GRID, **SEEN, "FILE_TYPE": "timeseries", "UNIT": "m", **attributes}
    dates = np.array(DAYS, "datetime64[ns]")
    write_product(folder / name, {"timeseries": values.astype(np.float32)}, said, tables={"date": dates})
    return folder / name


def _tides_by_pixel() -> Floats:
    """Return the tide at every pixel by itself, without interpolation, (time, rows, columns)."""
    latitude = 45.0 - 0.01 * (np.arange(ROWS) + 0.5)
    longitude = 10.0 + 0.01 * (np.arange(COLUMNS) + 0.5)
    times = np.array([f"{day}T05:30:00" for day in DAYS], "datetime64[ns]")
    down, across = np.meshgrid(latitude, longitude, indexing="ij")
    moved = solid_earth_tide(down, across, times)
    look = look_vector(np.linspace(33, 44, COLUMNS), 102.0)[:, None, :]
    return np.asarray((moved * look).sum(axis=1))


def test_tide_of_every_pixel_at_the_hour_of_the_acquisition(tmp_path: Path) -> None:
    series = _series(tmp_path, np.ones((3, ROWS, COLUMNS)))
    made = make_tide_series(series, _geometry(tmp_path, GRID), tmp_path / "SET.h5")
    np.testing.assert_allclose(Series.open(made).array.read(), _tides_by_pixel(), atol=2e-6)  # linear between nodes
    held = read_attributes(made)
    assert (held["FILE_TYPE"], held["UNIT"]) == ("timeseries", "m")
    assert "REF_Y" not in held
    assert "REF_DATE" not in held


def test_a_series_of_nothing_but_tide_becomes_zero(tmp_path: Path) -> None:
    tides = _tides_by_pixel()
    seen = tides - tides[0] - (tides - tides[0])[:, 5:6, 7:8]
    seen[:, 20, 20] = 0  # not measured
    done = correct_tides(_series(tmp_path, seen), _geometry(tmp_path, GRID), tmp_path / "timeseries_SET.h5")
    left = Series.open(done).array.read()
    assert np.abs(left).max() < 2e-6
    assert (left[:, 20, 20] == 0).all()
    assert np.abs(seen).max() > 1e-3


def test_radar_and_map_geometry_agree(tmp_path: Path) -> None:
    """Pixels whose places come from maps of latitude and longitude, some of them empty, have the same tide."""
    latitude = np.broadcast_to(45.0 - 0.01 * (np.arange(ROWS) + 0.5)[:, None], (ROWS, COLUMNS)).copy()
    longitude = np.broadcast_to(10.0 + 0.01 * (np.arange(COLUMNS) + 0.5), (ROWS, COLUMNS)).copy()
    latitude[:4, :4] = longitude[:4, :4] = 0
    radar = _geometry(tmp_path, {}, latitude=latitude, longitude=longitude)
    ground = Ground.open(radar)
    found = ground.places(np.array([0.0, 39.0]), np.array([0.0, 49.0]))
    np.testing.assert_allclose(found, [[44.995, 44.605], [10.005, 10.495]], atol=1e-9)


def test_projected_map_is_brought_to_degrees(tmp_path: Path) -> None:
    grid = {"X_FIRST": "500000", "Y_FIRST": "5000000", "X_STEP": "100", "Y_STEP": "-100", "X_UNIT": "meters"}
    ground = Ground.open(_geometry(tmp_path, {**grid, "EPSG": "32632"}))
    latitude, longitude = ground.places(np.array(-0.5), np.array(-0.5))
    assert float(longitude) == pytest.approx(9.0, abs=1e-9)  # the central meridian of zone 32
    assert float(latitude) == pytest.approx(45.153, abs=1e-3)  # 5000 km on the scale 0.9996


def test_angles_that_are_missing_are_named(tmp_path: Path) -> None:
    path = tmp_path / "geometry.h5"
    write_product(path, {"height": np.zeros((ROWS, COLUMNS))}, {**GRID, **SEEN, "FILE_TYPE": "geometry"})
    with pytest.raises(InputError, match="has no incidenceAngle"):
        make_tide_series(_series(tmp_path, np.ones((3, ROWS, COLUMNS))), path, tmp_path / "SET.h5")
    write_product(path, {"height": np.zeros((ROWS, COLUMNS))}, {"FILE_TYPE": "geometry"})
    with pytest.raises(InputError, match="does not say where its pixels lie"):
        Ground.open(path).nodes()


def test_another_grid_is_refused(tmp_path: Path) -> None:
    series = _series(tmp_path, np.ones((3, ROWS, COLUMNS - 1)))
    with pytest.raises(InputError, match=r"40 x 50 pixels and .* 40 x 49"):
        make_tide_series(series, _geometry(tmp_path, GRID), tmp_path / "SET.h5")


def test_plate_motion_is_projected_and_removed(tmp_path: Path) -> None:
    pole = EulerPole.of_plate("Eurasia")
    geometry = _geometry(tmp_path, GRID)
    motion = PlateMotion.of(geometry, pole.velocity)
    seen, axes = write_plate_motion(motion, tmp_path / "ITRF14.h5", tmp_path / "ITRF14enu.h5", key="Eurasia")
    east, north, up = pole.velocity(45.0 - 0.01 * 30.5, 10.0 + 0.01 * 40.5)
    assert read_map(axes, "east")[30, 40] == pytest.approx(east, abs=1e-8)
    theta = np.radians(33 + 11 * 40 / 49)
    by_hand = np.cos(theta) * up + np.sin(theta) * (-np.sin(np.radians(102)) * east + np.cos(np.radians(102)) * north)
    assert read_map(seen)[30, 40] == pytest.approx(by_hand, abs=1e-8)
    values = read_map(seen) - read_map(seen)[5, 7]
    values[0, 0] = 0  # not measured
    std = np.full((ROWS, COLUMNS), 0.001, np.float32)
    velocity = tmp_path / "velocity.h5"
    write_product(velocity, {"velocity": values, "velocityStd": std}, {**GRID, **SEEN, "FILE_TYPE": "velocity"})
    done = remove_plate_motion(velocity, motion, tmp_path / "velocity_ITRF14.h5", key="Eurasia")
    assert np.abs(read_map(done, "velocity")).max() < 1e-8
    np.testing.assert_array_equal(read_map(done, "velocityStd"), std)
    update_product(velocity, attributes={"UNIT": "mm/year"})
    with pytest.raises(InputError, match="is in mm/year, needed is m/year"):
        remove_plate_motion(velocity, motion, tmp_path / "other.h5", key="Eurasia")


def test_along_track_of_a_satellite_that_flies_north(tmp_path: Path) -> None:
    azimuth = np.full((ROWS, COLUMNS), 90.0)
    ground = Ground.open(_geometry(tmp_path, GRID, azimuthAngle=azimuth))
    block = Block(0, slice(0, 2), slice(0, 3))
    np.testing.assert_allclose(ground.look(block, "azimuth")[1], 1.0)
    np.testing.assert_allclose(ground.look(block)[1], 0.0, atol=1e-12)


def test_step_of_a_run(tmp_path: Path) -> None:
    write_project(tmp_path)
    template = write_template(tmp_path, "mintpy.solidEarthTides = yes\nmintpy.deramp = no\n")
    done = run_sbas(template, folder=tmp_path, end="velocity")
    assert "correct_SET" in done.made
    before, after = (Series.open(tmp_path / name) for name in ("timeseries.h5", "timeseries_SET.h5"))
    tides = Series.open(tmp_path / "inputs" / "SET.h5").array.read().astype(np.float64)
    row, column = int(before.attributes["REF_Y"]), int(before.attributes["REF_X"])
    tides -= tides[:, row, column][:, None, None]
    tides -= tides[before.place_of(before.attributes["REF_DATE"])].copy()
    measured = before.array.read() != 0
    difference = before.array.read().astype(np.float64) - after.array.read()
    np.testing.assert_allclose(difference, np.where(measured, tides, 0), atol=1e-7)
    assert read_attributes(tmp_path / "velocity.h5")["FILE_PATH"] == "timeseries_SET.h5"
    np.testing.assert_array_equal(read_tables(tmp_path / "timeseries_SET.h5")["date"], before.dates)
    again = run_sbas(folder=tmp_path, dostep="correct_SET")
    assert "correct_SET" in again.fresh


def test_tide_of_an_unknown_hour_is_not_made_up(tmp_path: Path) -> None:
    """The tide changes by decimetres within hours: without CENTER_LINE_UTC only dates with a time have one."""
    series, geometry = _series(tmp_path, np.ones((3, ROWS, COLUMNS))), _geometry(tmp_path, GRID)
    update_product(series, attributes={"CENTER_LINE_UTC": None})
    with pytest.raises(InputError, match="does not tell the hour of its acquisitions"):
        make_tide_series(series, geometry, tmp_path / "SET.h5")
    times = np.array([f"{day}T05:30:00" for day in DAYS], "datetime64[ns]")
    with h5py.File(series, "r+") as file:
        del file["date"]
        file["date"] = [str(time)[:19].replace("-", "").replace(":", "").encode() for time in times]
    made = make_tide_series(series, geometry, tmp_path / "SET.h5")
    np.testing.assert_allclose(Series.open(made).array.read(), _tides_by_pixel(), atol=2e-6)


def test_step_of_an_unknown_hour_is_left_out(tmp_path: Path) -> None:
    write_project(tmp_path)
    for path in (tmp_path / "inputs").glob("*.h5"):
        update_product(path, attributes={"CENTER_LINE_UTC": None})
    template = write_template(tmp_path, "mintpy.solidEarthTides = yes\nmintpy.deramp = no\n")
    done = run_sbas(template, folder=tmp_path, end="velocity")
    assert [text for text in done.left_out if text.startswith("correct_SET:") and "the hour" in text]
    assert read_attributes(tmp_path / "velocity.h5")["FILE_PATH"] == "timeseries.h5"
