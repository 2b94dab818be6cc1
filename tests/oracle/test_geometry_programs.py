"""MintPy's programs of geometry on products of ours, and ours beside them.

Skipped unless CREEPMETER_MINTPY names the folder of MintPy's programs (bin of its own environment).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from tests.cli.conftest import call_main
from tests.oracle.mintpy import MintPy, programs
from tests.workflow.sbas.samples import write_project
from tests.workflow.sbas.test_geocode import centres

from creepmeter.geometry.sphere import LocalFrame
from creepmeter.io.mintpy.product import read_attributes, read_map, write_product
from creepmeter.workflow.sbas.facts import arrays_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
Values = npt.NDArray[Any]
SHAPE = (70, 90)
GRID = {"X_FIRST": "10.0", "Y_FIRST": "46.0", "X_STEP": "0.001", "Y_STEP": "-0.001", "X_UNIT": "degrees",
        "Y_UNIT": "degrees", "REF_Y": "20", "REF_X": "30", "REF_LAT": "45.9795", "REF_LON": "10.0305",
        "FILE_TYPE": "velocity", "UNIT": "m/year", "PROCESSOR": "isce", "WAVELENGTH": "0.0555", "HEIGHT": "705000.0",
        "EARTH_RADIUS": "6371000.0", "STARTING_RANGE": "845000.0", "RANGE_PIXEL_SIZE": "18.6", "ALOOKS": "3",
        "RLOOKS": "8", "AZIMUTH_PIXEL_SIZE": "42.0", "PLATFORM": "Sen", "DATE12": "20180105_20190105",
        "START_DATE": "20180105", "END_DATE": "20190105", "CENTER_LINE_UTC": "7200.0"}  # fmt: skip
GEOMETRY = ("X_FIRST", "Y_FIRST", "X_STEP", "Y_STEP", "LENGTH", "WIDTH", "REF_Y", "REF_X")


@pytest.fixture(scope="module")
def mintpy() -> MintPy:
    return programs()


def call(*words: object) -> None:
    result = call_main(*words)
    assert result.exit_code == 0, result.output


def alike(one: Path, other: Path, names: tuple[str, ...] = GEOMETRY) -> None:
    """Compare numbers among the attributes of two files."""
    ours, theirs = read_attributes(one), read_attributes(other)
    for name in names:
        assert float(ours[name]) == pytest.approx(float(theirs[name]), rel=1e-12, abs=1e-9), name


def write_tracks(work: Path) -> None:
    """Write velocities of two tracks whose grids overlap, and their geometries."""
    random = np.random.default_rng(2)
    row, column = np.meshgrid(np.arange(float(SHAPE[0])), np.arange(float(SHAPE[1])), indexing="ij")
    tracks = {"asc": ("-12.0", "ASCENDING", (0, 0), 33.0), "desc": ("-168.0", "DESCENDING", (7, -12), 38.0)}
    for name, (heading, orbit, (down, across), near) in tracks.items():
        values = (0.03 * np.sin((row + down) / 9 + (column + across) / 17) + 1e-3 * random.normal(size=SHAPE)).astype(
            "f4"
        )
        values[random.random(SHAPE) < 0.05] = np.nan
        place = {"X_FIRST": str(10.0 + across * 0.001), "Y_FIRST": str(46.0 - down * 0.001)}
        pixel = {"REF_Y": str(20 - down), "REF_X": str(30 - across)}
        held = {**GRID, **place, **pixel, "HEADING": heading, "ORBIT_DIRECTION": orbit}
        write_product(work / f"{name}.h5", {"velocity": values, "velocityStd": np.abs(values) + 0.001}, held)
        angles = {
            "incidenceAngle": (near + 0.05 * column).astype(np.float32),
            "azimuthAngle": (90 - float(heading) + 0.01 * row).astype(np.float32),
        }
        write_product(work / f"{name}Geometry.h5", angles, {**held, "FILE_TYPE": "geometry", "UNIT": "degree"})


@pytest.mark.parametrize("angle", ["-90", "16"])
@pytest.mark.parametrize("geometry", [(), ("-g", "ascGeometry.h5", "descGeometry.h5")])
def test_horizontal_and_vertical_are_mintpys(
    tmp_path: Path, mintpy: MintPy, monkeypatch: pytest.MonkeyPatch, geometry: tuple[str, ...], angle: str
) -> None:
    write_tracks(tmp_path)
    monkeypatch.chdir(tmp_path)
    words = ["asc.h5", "desc.h5", *geometry, f"--az={angle}"]
    mintpy(tmp_path, "asc_desc2horz_vert.py", *words, "-o", "hz_theirs.h5", "up_theirs.h5")
    call("asc-desc2horz-vert", *words, "-o", "hz.h5", "up.h5")
    for name in ("hz", "up"):
        ours, theirs = tmp_path / f"{name}.h5", tmp_path / f"{name}_theirs.h5"
        np.testing.assert_allclose(read_map(ours, "velocity"), read_map(theirs, "velocity"), atol=1e-6, rtol=0)
        alike(ours, theirs)


@pytest.fixture
def radar(tmp_path: Path) -> Path:
    """Return the folder of a project in radar coordinates with a velocity."""
    simulated = write_project(tmp_path, geocoded=False, rows=60, columns=64)
    held = {**simulated.attributes, "FILE_TYPE": "velocity", "UNIT": "m/year", "REF_Y": "9", "REF_X": "11"}
    geometry = tmp_path / "inputs" / "geometryRadar.h5"
    maps = {"velocity": read_map(geometry, "latitude"), "velocityStd": read_map(geometry, "longitude")}
    write_product(tmp_path / "velocity.h5", maps, held)
    return tmp_path


@pytest.mark.parametrize(("flags", "share"), [((), 0.99), (("--lalo", "0.0011", "0.0013"), 0.95)])
def test_geocoded_pixels_are_mintpys_or_nearer(
    radar: Path, mintpy: MintPy, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], share: float
) -> None:
    monkeypatch.chdir(radar)
    mintpy(radar, "geocode.py", "velocity.h5", "-l", "inputs/geometryRadar.h5", "-o", "theirs.h5", *flags)
    call("geocode", "velocity.h5", "-o", "ours.h5", *flags)
    alike(radar / "ours.h5", radar / "theirs.h5", GEOMETRY[:6])
    frame, cells = LocalFrame(37.0, -122.0), centres(radar / "theirs.h5")
    apart, places = [], []
    for name in ("ours", "theirs"):
        found = [read_map(radar / f"{name}.h5", dataset) for dataset in ("velocity", "velocityStd")]
        apart.append(np.linalg.norm(frame.points(*found) - frame.points(*cells), axis=1))
        places.append(np.stack(found).reshape(2, -1))
    same = ((places[0] == places[1]) | (np.isnan(places[0]) & np.isnan(places[1]))).all(axis=0)
    assert same.mean() >= share
    assert (np.isnan(apart[1]) | (apart[0] < apart[1]))[~same].all()


def test_back_in_radar_coordinates_pixels_are_mintpys(
    radar: Path, mintpy: MintPy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(radar)
    call("geocode", "velocity.h5", "-o", "geo.h5")
    mintpy(radar, "geocode.py", "geo.h5", "-l", "inputs/geometryRadar.h5", "--geo2radar", "-o", "theirs.h5")
    call("geocode", "geo.h5", "-l", "inputs/geometryRadar.h5", "--geo2radar", "-o", "ours.h5")
    ours, theirs = (read_map(radar / f"{name}.h5") for name in ("ours", "theirs"))
    assert (ours == theirs).mean() >= 0.99


@pytest.mark.parametrize("method", ["mean", "median", "nearest"])
def test_joined_pixels_are_mintpys(
    tmp_path: Path, mintpy: MintPy, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    write_tracks(tmp_path)
    monkeypatch.chdir(tmp_path)
    mintpy(tmp_path, "multilook.py", "asc.h5", "-y", "3", "-x", "4", "-m", method, "-o", "theirs.h5")
    call("multilook", "asc.h5", "-y", "3", "-x", "4", "-m", method, "-o", "ours.h5")
    ours, theirs = (read_map(tmp_path / f"{name}.h5", "velocity") for name in ("ours", "theirs"))
    np.testing.assert_allclose(ours, theirs, atol=1e-8)
    alike(tmp_path / "ours.h5", tmp_path / "theirs.h5", (*GEOMETRY, "ALOOKS", "RLOOKS", "AZIMUTH_PIXEL_SIZE"))


def test_parts_are_mintpys(radar: Path, mintpy: MintPy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(radar)
    words = ["velocity.h5", "inputs/ifgramStack.h5"]
    for word in words:
        mintpy(radar, "subset.py", word, "-y", "5", "33", "-x", "8", "40", "-o", f"theirs_{Path(word).name}")
        call("subset", word, "-y", "5", "33", "-x", "8", "40", "-o", f"ours_{Path(word).name}")
        one, other = (radar / f"{who}_{Path(word).name}" for who in ("ours", "theirs"))
        for name, array in arrays_of(other).items():
            np.testing.assert_array_equal(arrays_of(one)[name].read(), array.read())
        names = ("LENGTH", "WIDTH", "SUBSET_YMIN", "SUBSET_YMAX", "SUBSET_XMIN", "SUBSET_XMAX", "STARTING_RANGE")
        alike(one, other, names)


def test_a_mosaic_is_mintpys(tmp_path: Path, mintpy: MintPy, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tracks(tmp_path)
    monkeypatch.chdir(tmp_path)
    mintpy(tmp_path, "image_stitch.py", "asc.h5", "desc.h5", "-o", "theirs.h5", "--nodisplay")
    call("image_stitch.py", "asc.h5", "desc.h5", "-o", "ours.h5", "--nodisplay")
    ours, theirs = (read_map(tmp_path / f"{name}.h5", "velocity") for name in ("ours", "theirs"))
    rows, columns = ours.shape
    np.testing.assert_allclose(ours, theirs[:rows, :columns], atol=1e-6)
    assert np.isnan(theirs[:, columns:]).all()  # its width may come out one too large, by rounding
    assert theirs.shape[0] == rows
    alike(tmp_path / "ours.h5", tmp_path / "theirs.h5", GEOMETRY[:4])
