"""Commands of geometry: their flags, names and messages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import Call
from tests.workflow.sbas.samples import write_project

import creepmeter as cm
from creepmeter.io.mintpy.product import list_datasets, read_attributes, read_map, write_product

pytestmark = pytest.mark.kernel


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a project in radar coordinates with a velocity, as the working folder."""
    write_project(tmp_path, geocoded=False)
    geometry = tmp_path / "inputs" / "geometryRadar.h5"
    held = {**read_attributes(geometry), "FILE_TYPE": "velocity", "UNIT": "m/year", "REF_Y": "5", "REF_X": "6"}
    latitude, longitude = (read_map(geometry, name).astype(np.float32) for name in ("latitude", "longitude"))
    write_product(tmp_path / "velocity.h5", {"velocity": latitude, "velocityStd": longitude}, held)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_geocode_takes_flags_and_templates(work: Path, call: Call) -> None:
    result = call("geocode.py", "velocity.h5", "inputs/geometryRadar.h5", "--outdir", "geo")
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (work / "geo").iterdir()) == ["geo_geometryRadar.h5", "geo_velocity.h5"]
    (work / "some.txt").write_text("mintpy.geocode.laloStep = -0.001, 0.002\nmintpy.geocode.fillValue = 0\n")
    result = call("geocode", "velocity.h5", "-t", "some.txt", "-i", "linear", "-o", "stepped.h5")
    assert result.exit_code == 0, result.output
    attributes = read_attributes(work / "stepped.h5")
    assert (attributes["Y_STEP"], attributes["X_STEP"]) == ("-0.001", "0.002")
    assert (read_map(work / "stepped.h5", "velocity") == 0).any()
    south, west = float(attributes["Y_FIRST"]) - 0.02, float(attributes["X_FIRST"]) + 0.01
    area = [f"{value:.4f}" for value in (south, south + 0.01, west, west + 0.02)]
    result = call("geocode", "velocity.h5", "-b", *area, "--lalo", "0.001", "0.001", "-o", "part.h5")
    assert result.exit_code == 0, result.output
    assert read_map(work / "part.h5", "velocity").shape == (10, 20)
    result = call("geocode", "part.h5", "--geo2radar", "-l", "inputs/geometryRadar.h5")
    assert result.exit_code == 0, result.output
    assert read_map(work / "rdr_part.h5", "velocity").shape == read_map(work / "velocity.h5", "velocity").shape


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["geocode", "velocity.h5", "-i", "cubic"], "nearest"),
        (["geocode", "velocity.h5", "-b", "3", "2", "0", "1"], "south below north"),
        (["geocode", "velocity.h5", "inputs/geometryRadar.h5", "-o", "one.h5"], "names one file"),
        (["geocode", "velocity.h5", "-o", "velocity.h5"], "is the input itself"),
        (["subset", "velocity.h5"], "say which part"),
        (["subset", "velocity.h5", "-l", "1", "2"], "together with -L"),
        (["multilook", "velocity.h5", "-y", "500"], "take fewer"),
        (["image-stitch", "velocity.h5", "-o", "out.h5"], "two files or more"),
        (["image-stitch", "velocity.h5", "velocity.h5", "-o", "out.h5"], "geocode it first"),
        (["asc-desc2horz-vert", "velocity.h5", "velocity.h5"], "geocode it first"),
        (["decompose", "velocity.h5", "-o", "out.tif"], "must end in"),
        (["lookup-geo2radar", "inputs/geometryRadar.h5"], "has latitude and longitude already"),
    ],
)
def test_what_is_wrong_is_told(work: Path, call: Call, words: list[str], told: str) -> None:
    result = call(*words)
    assert result.exit_code in (1, 2)
    assert told in result.stderr
    assert not list(work.glob("*.partial"))


def test_parts_and_looks(work: Path, call: Call) -> None:
    values = read_map(work / "velocity.h5", "velocity")
    assert call("subset", "velocity.h5", "-y", "4", "20", "-x", "3", "33").exit_code == 0
    np.testing.assert_array_equal(read_map(work / "sub_velocity.h5", "velocity"), values[4:20, 3:33])
    (work / "some.txt").write_text("mintpy.subset.yx = 2:8, 3:9\n")
    assert call("subset.py", "velocity.h5", "-t", "some.txt", "-o", "cut.h5").exit_code == 0
    np.testing.assert_array_equal(read_map(work / "cut.h5", "velocity"), values[2:8, 3:9])
    assert call("geocode", "velocity.h5").exit_code == 0
    assert call("subset", "geo_velocity.h5", "-y", "5", "15", "-x", "6", "20", "-o", "area.h5").exit_code == 0
    assert call("subset", "geo_velocity.h5", "-r", "area.h5", "-o", "same.h5").exit_code == 0
    np.testing.assert_array_equal(read_map(work / "same.h5", "velocity"), read_map(work / "area.h5", "velocity"))
    assert call("multilook", "velocity.h5", "-y", "2", "-x", "3", "-m", "nearest").exit_code == 0
    found = read_map(work / "velocity_2a3r.h5", "velocity")
    rows, columns = values.shape
    np.testing.assert_array_equal(found, values[1::2, 1::3][: rows // 2, : columns // 3])


def test_tracks_are_decomposed(work: Path, call: Call) -> None:
    assert call("geocode", "velocity.h5", "-o", "asc.h5").exit_code == 0
    held, values = read_attributes(work / "asc.h5"), read_map(work / "asc.h5", "velocity")
    more = {"CENTER_INCIDENCE_ANGLE": "40", "HEADING": "-168"}
    maps = {"velocity": values, "velocityStd": np.full(values.shape, 0.1, np.float32)}
    write_product(work / "desc.h5", maps, {**held, **more})
    write_product(work / "asc.h5", maps, {**held, "CENTER_INCIDENCE_ANGLE": "40", "HEADING": "-12"})
    result = call("decompose", "asc.h5", "desc.h5", "--components", "east,up", "-o", "eu.zarr")
    assert result.exit_code == 0, result.output
    motion = cm.open(work / "eu.zarr")
    # the same motion along two lines of sight that mirror each other is vertical
    known = np.isfinite(values)
    east, up = motion["value"].values[:, 0]
    np.testing.assert_allclose(east[known], 0.0, atol=1e-5)
    np.testing.assert_allclose(up[known], values[known] / np.cos(np.radians(40)), rtol=1e-6)
    assert call("asc_desc2horz_vert.py", "asc.h5", "desc.h5").exit_code == 0
    np.testing.assert_allclose(read_map(work / "up.h5", "velocity")[known], up[known], rtol=1e-6)
    assert call("match.py", "asc.h5", "desc.h5", "-o", "mosaic.h5", "--no-offset").exit_code == 0
    np.testing.assert_array_equal(read_map(work / "mosaic.h5", "velocity"), values)


def test_a_table_on_a_map_becomes_latitude_and_longitude(work: Path, call: Call) -> None:
    radar, table = work / "inputs" / "geometryRadar.h5", work / "inputs" / "geometryGeo.h5"
    rows, columns = (part.astype(np.float32) for part in np.indices(read_map(radar, "height").shape))
    held = read_attributes(radar)
    write_product(work / "numbers.h5", {"down": rows + 1, "across": columns + 1}, {**held, "FILE_TYPE": "velocity"})
    assert call("geocode", "numbers.h5", "-i", "linear", "-n", "0", "-o", "table.h5").exit_code == 0
    coordinates = {
        "azimuthCoord": read_map(work / "table.h5", "down"),
        "rangeCoord": read_map(work / "table.h5", "across"),
    }
    for values in coordinates.values():
        values[values != 0] -= 1
    write_product(table, coordinates, {**read_attributes(work / "table.h5"), "FILE_TYPE": "geometry"})
    latitude, longitude = (read_map(radar, name) for name in ("latitude", "longitude"))
    write_product(radar, {"height": read_map(radar, "height")}, held)
    result = call("lookup_geo2radar.py", "inputs/geometryGeo.h5")
    assert result.exit_code == 0, result.output
    assert set(list_datasets(radar)) == {"height", "latitude", "longitude"}
    inner = (slice(2, -2), slice(2, -2))
    for name, expected in (("latitude", latitude), ("longitude", longitude)):
        error = np.abs(read_map(radar, name) - expected)[inner]
        assert np.nanmedian(error) <= 2 * np.spacing(np.float32(122.0))
