"""Horizontal and vertical motion from two tracks, as MintPy's program has it: by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from creepmeter.errors import GridError, InputError
from creepmeter.io.mintpy.product import list_datasets, read_attributes, read_map, write_product
from creepmeter.workflow.sbas.asc_desc import horizontal_and_vertical

Floats = npt.NDArray[np.floating]
SHAPE = (50, 60)
GRID = {"X_FIRST": "10.0", "Y_FIRST": "46.0", "X_STEP": "0.001", "Y_STEP": "-0.001", "X_UNIT": "degrees",
        "Y_UNIT": "degrees", "REF_Y": "20", "REF_X": "30", "REF_LAT": "45.9795", "REF_LON": "10.0305"}  # fmt: skip
ASCENDING = {"HEADING": "-12.0", "CENTER_INCIDENCE_ANGLE": "34.0", "ORBIT_DIRECTION": "ASCENDING"}
DESCENDING = {"HEADING": "-168.0", "CENTER_INCIDENCE_ANGLE": "41.0", "ORBIT_DIRECTION": "DESCENDING"}
ROW, COLUMN = np.meshgrid(np.arange(60.0), np.arange(80.0), indexing="ij")
EAST, UP = 0.03 * np.sin(ROW / 9), -0.05 * np.cos(COLUMN / 11)


def write_track(folder: Path, name: str, facts: dict[str, str], corner: tuple[int, int] = (0, 0)) -> Path:
    """Write the motion of a part of the ground along a line of sight, with its geometry."""
    incidence = float(facts["CENTER_INCIDENCE_ANGLE"]) + 0.05 * np.arange(SHAPE[1])[None] * np.ones((SHAPE[0], 1))
    azimuth = np.full(SHAPE, 90.0 - float(facts["HEADING"]))
    rows, columns = (slice(start, start + size) for start, size in zip(corner, SHAPE, strict=True))
    west = {key: str(float(GRID[key]) + 0.001 * sign * k) for key, sign, k in
            (("X_FIRST", 1, corner[1]), ("Y_FIRST", -1, corner[0]))}  # fmt: skip
    pixel = {"REF_Y": str(20 - corner[0]), "REF_X": str(30 - corner[1])}
    held = {**GRID, **west, **pixel, **facts}
    for kind, angles in (("constant", (float(facts["CENTER_INCIDENCE_ANGLE"]), azimuth)), ("", (incidence, azimuth))):
        level, turn = np.radians(angles[0]), np.radians(angles[1])
        along = EAST[rows, columns] * np.sin(level) * -np.sin(turn) + UP[rows, columns] * np.cos(level)
        maps = {"velocity": along.astype(np.float32), "velocityStd": np.full(SHAPE, 0.002, np.float32)}
        maps["velocity"][3, 4] = np.nan
        write_product(folder / f"{name}{kind}.h5", maps, {**held, "FILE_TYPE": "velocity", "UNIT": "m/year"})
    geometry = {"incidenceAngle": incidence.astype(np.float32), "azimuthAngle": azimuth.astype(np.float32)}
    write_product(folder / f"{name}Geometry.h5", geometry, {**held, "FILE_TYPE": "geometry"})
    return folder / f"{name}.h5"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_track(tmp_path, "asc", ASCENDING)
    write_track(tmp_path, "desc", DESCENDING, corner=(5, 8))
    return tmp_path


def test_constant_angles_give_back_motion_seen_under_them(folder: Path) -> None:
    files, targets = [folder / "ascconstant.h5", folder / "descconstant.h5"], (folder / "hz.h5", folder / "up.h5")
    share = horizontal_and_vertical(files, targets)
    shape = (SHAPE[0] - 5, SHAPE[1] - 8)
    for path, truth in zip(targets, (EAST, UP), strict=True):
        found = read_map(path, "velocity")
        assert found.shape == shape
        expected = truth[5 : SHAPE[0], 8 : SHAPE[1]]
        np.testing.assert_allclose(found[np.isfinite(found)], expected[np.isfinite(found)], atol=2e-8)
        assert np.isnan(found[3, 4])
    assert share == pytest.approx(1 - 1 / np.prod(shape))
    attributes = read_attributes(targets[0])
    assert (attributes["REF_Y"], attributes["REF_X"]) == ("15", "22")
    np.testing.assert_allclose([float(attributes[name]) for name in ("Y_FIRST", "X_FIRST")], [45.995, 10.008])


def test_standard_errors_follow_from_those_of_the_tracks(folder: Path) -> None:
    targets = folder / "hz.h5", folder / "up.h5"
    horizontal_and_vertical([folder / "ascconstant.h5", folder / "descconstant.h5"], targets)
    rows = [
        [np.sin(np.radians(level)) * np.cos(np.radians(turn + 90)), np.cos(np.radians(level))]
        for level, turn in ((34.0, 102.0), (41.0, 258.0))
    ]
    expected = 0.002 * np.linalg.norm(np.linalg.inv(rows), axis=1)
    found = [read_map(path, "velocityStd")[0, 0] for path in targets]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_with_geometries_each_window_has_its_median_angles(folder: Path) -> None:
    files, targets = [folder / "asc.h5", folder / "desc.h5"], (folder / "hz.h5", folder / "up.h5")
    geometries = [folder / "ascGeometry.h5", folder / "descGeometry.h5"]
    horizontal_and_vertical(files, targets, geometries=geometries)
    for path, truth in zip(targets, (EAST, UP), strict=True):
        found = read_map(path)
        # angles change by 0.5 degrees from the middle of a window to its edge
        error = np.abs(found - truth[5 : SHAPE[0], 8 : SHAPE[1]])
        assert np.nanmax(error) < np.radians(0.5) * (np.abs(EAST).max() + np.abs(UP).max()) * 2
        assert np.nanmax(error) > 1e-5


def test_the_horizontal_direction_is_as_asked(folder: Path) -> None:
    files, targets = [folder / "ascconstant.h5", folder / "descconstant.h5"], (folder / "hz.h5", folder / "up.h5")
    horizontal_and_vertical(files, targets, azimuth_deg=90.0)
    found = read_map(targets[0])
    np.testing.assert_allclose(found[10:], -EAST[15 : SHAPE[0], 8 : SHAPE[1]], atol=2e-8)
    assert set(list_datasets(targets[0])) == {"velocity", "velocityStd"}


def test_what_does_not_fit_is_refused(folder: Path) -> None:
    targets = folder / "hz.h5", folder / "up.h5"
    first = folder / "asc.h5"
    held = read_attributes(first)
    maps = {"velocity": read_map(first, "velocity")}
    other = folder / "other.h5"
    write_product(other, maps, {**held, "X_STEP": "0.002"})
    with pytest.raises(GridError, match="same steps"):
        horizontal_and_vertical([first, other], targets)
    write_product(other, maps, {**held, "REF_LAT": "45.9"})
    with pytest.raises(InputError, match="pixels apart"):
        horizontal_and_vertical([first, other], targets)
    assert horizontal_and_vertical([first, folder / "desc.h5"], targets, max_reference_px=0) > 0
    write_product(other, maps, {**held, "X_FIRST": "12.0"})
    with pytest.raises(GridError, match="do not overlap"):
        horizontal_and_vertical([first, other], targets)
    radar = {key: text for key, text in held.items() if key not in GRID}
    write_product(other, maps, radar)
    with pytest.raises(InputError, match="radar coordinates"):
        horizontal_and_vertical([first, other], targets)
    write_product(other, {"timeseries": np.zeros((2, *SHAPE), np.float32)}, {**held, "FILE_TYPE": "timeseries"},
                  tables={"date": np.array(["2018-01-05", "2018-02-05"], "datetime64[ns]")})  # fmt: skip
    with pytest.raises(InputError, match="is a timeseries"):
        horizontal_and_vertical([first, other], targets)
    with pytest.raises(InputError, match="one for each"):
        horizontal_and_vertical([first, folder / "desc.h5"], targets, geometries=[first])


def test_a_satellite_that_looks_left_stands_on_the_other_side(folder: Path) -> None:
    targets = folder / "hz.h5", folder / "up.h5"
    for name, facts in (("asc", ASCENDING), ("desc", DESCENDING)):
        held = read_attributes(folder / f"{name}constant.h5")
        # flying the other way and looking to the left, it stands where it stood
        turned = {**held, "HEADING": str(float(facts["HEADING"]) + 180.0), "ANTENNA_SIDE": "1"}
        maps = {"velocity": read_map(folder / f"{name}constant.h5", "velocity")}
        write_product(folder / f"{name}left.h5", maps, turned)
    horizontal_and_vertical([folder / "ascleft.h5", folder / "descleft.h5"], targets)
    found = read_map(targets[0], "velocity")
    np.testing.assert_allclose(found[10:], EAST[15 : SHAPE[0], 8 : SHAPE[1]], atol=2e-8)


def test_a_geometry_of_another_place_is_refused(folder: Path) -> None:
    files = [folder / "asc.h5", folder / "desc.h5"]
    geometries = [folder / "ascGeometry.h5", folder / "ascGeometry.h5"]  # the second file lies 5 rows south of it
    with pytest.raises(GridError, match=r"ascGeometry\.h5 lies on another grid than .*desc\.h5"):
        horizontal_and_vertical(files, (folder / "hz.h5", folder / "up.h5"), geometries=geometries)
    assert not (folder / "hz.h5").exists()


def test_reference_points_in_degrees_of_maps_in_metres(tmp_path: Path) -> None:
    grid = {"X_FIRST": "500000", "Y_FIRST": "5099900", "X_STEP": "80", "Y_STEP": "-80", "X_UNIT": "meters",
            "Y_UNIT": "meters", "EPSG": "32633", "REF_Y": "20", "REF_X": "30"}  # fmt: skip
    files = [tmp_path / "asc.h5", tmp_path / "desc.h5"]
    for path, facts, north in zip(files, (ASCENDING, DESCENDING), (46.0367, 46.0467), strict=True):  # 1100 m apart
        told = {**grid, **facts, "REF_LAT": str(north), "REF_LON": "15.031", "FILE_TYPE": "velocity", "UNIT": "m/year"}
        write_product(path, {"velocity": np.zeros(SHAPE, np.float32)}, told)
    targets = tmp_path / "hz.h5", tmp_path / "up.h5"
    with pytest.raises(InputError, match="14 pixels apart"):
        horizontal_and_vertical(files, targets)
    assert horizontal_and_vertical(files, targets, max_reference_px=14) > 0
