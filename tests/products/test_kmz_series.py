from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from tests.products import exports
from tests.products.exports import COLUMNS, KML, ROWS, UTM, every, text_at

from creepmeter.errors import InputError
from creepmeter.io.mintpy.product import write_product
from creepmeter.products.kmz_options import KmzSeriesOptions
from creepmeter.products.kmz_series import SeriesFiles, save_kmz_series

STEPS = KmzSeriesOptions(steps=(20, 5, 2), min_percentage=0.0)


def _files(folder: Path, grid: dict[str, str] = exports.WGS84) -> SeriesFiles:
    exports.write_series(folder / "timeseries.h5", grid)
    exports.write_velocity(folder / "velocity.h5", grid)
    exports.write_map(folder / "temporalCoherence.h5", "temporalCoherence", np.full((ROWS, COLUMNS), 0.9, "f4"), grid)
    exports.write_geometry(folder / "geometryGeo.h5", grid)
    return SeriesFiles(folder / "timeseries.h5", geometry=folder / "geometryGeo.h5")


def _points(path: Path) -> dict[tuple[int, int], dict[str, str]]:
    """Return what is said of each point, by its pixel."""
    found: dict[tuple[int, int], dict[str, str]] = {}
    for name, root in exports.documents(path):
        for mark in every(root, "Placemark"):
            told = {str(item.get("name")): text_at(item, "value") for item in every(mark, "Data")}
            row, column = map(int, re.findall(r"\d+", told["pixel"]))
            assert (row, column) not in found
            found[row, column] = told | {"at": text_at(mark, "Point/coordinates"), "file": name}
    return found


def _documents(path: Path) -> dict[str, ET.Element]:
    return dict(exports.documents(path))


def test_points_tell_position_height_and_series(tmp_path: Path) -> None:
    points = _points(save_kmz_series(_files(tmp_path), tmp_path / "series.kmz", STEPS))
    told = points[22, 37]
    longitude, latitude, _ = map(float, told["at"].split(","))
    assert (longitude, latitude) == pytest.approx((-118.5 + 37.5 * 0.001, 34.2 - 22.5 * 0.0008), abs=1e-8)
    rate = float(exports.rate_map()[22, 37])
    assert told["velocity"] == f"{100 * rate:.2f} cm/year"
    assert told["height"] == "203 m"
    assert told["coherence"] == "0.90"
    expected = exports.series_values()[:, 22, 37] * 1000
    np.testing.assert_allclose([float(text) for text in told["millimetres"].split()], expected, atol=0.051)


def test_the_line_of_a_chart_is_to_scale(tmp_path: Path) -> None:
    told = _points(save_kmz_series(_files(tmp_path), tmp_path / "series.kmz", STEPS))[22, 37]
    x, y = np.array([pair.split(",") for pair in told["points"].split()], float).T
    days = np.array([0, 12, 36, 365])
    np.testing.assert_allclose(x, days / 365 * 1000, atol=0.5)
    low, high = float(told["y0"]), float(told["y4"])
    expected = exports.series_values()[:, 22, 37] * 1000
    np.testing.assert_allclose(high - y / 400 * (high - low), expected, atol=0.1 + (high - low) / 400)
    assert low < expected.min() < expected.max() < high


def test_levels_have_each_point_once_and_leave_out_what_is_masked(tmp_path: Path) -> None:
    keep = np.ones((ROWS, COLUMNS), bool)
    keep[:, 40:] = False
    files = _files(tmp_path)
    exports.write_map(tmp_path / "mask.h5", "mask", keep)
    files = SeriesFiles(files.series, mask=tmp_path / "mask.h5")
    points = _points(save_kmz_series(files, tmp_path / "series.kmz", STEPS))
    shown = keep & np.isfinite(exports.rate_map())
    row, column = np.mgrid[:ROWS, :COLUMNS]
    expected = {
        name: shown & ((row % step) == step // 2) & ((column % step) == step // 2)
        for name, step in (("level1", 20), ("level2", 5), ("level3", 2))
    }
    for name, chosen in expected.items():
        for row_column in zip(*np.nonzero(chosen), strict=True):
            assert points[row_column]["file"][:6] <= name
    assert len(points) == np.logical_or.reduce(list(expected.values())).sum()


def test_finer_levels_appear_at_closer_view(tmp_path: Path) -> None:
    options = STEPS.model_copy(update={"lods": (0, 600, 1200, -1)})
    root = _documents(save_kmz_series(_files(tmp_path), tmp_path / "series.kmz", options))["doc.kml"]
    least = {}
    for link in every(root, "NetworkLink"):
        box = {side: float(text_at(link, f"Region/LatLonAltBox/{side}")) for side in ("north", "south", "east", "west")}
        assert box["north"] > box["south"]
        assert box["east"] > box["west"]
        assert text_at(link, "Link/viewRefreshMode") == "onRegion"
        least[text_at(link, "name")[:6]] = float(text_at(link, "Region/Lod/minLodPixels"))
        assert text_at(link, "Region/Lod/maxLodPixels") == "-1"
    assert least["level1"] == 0
    assert least["level2"] == pytest.approx(600)  # one part holds the whole map
    assert least["level3"] == pytest.approx(1200 * 48 / 60, rel=0.5)


def test_only_moving_ground_has_the_finest_level(tmp_path: Path) -> None:
    files = _files(tmp_path)
    rates = np.full((96, 48), 0.001, np.float32)
    rates[::2] = -0.001
    rates[60:90, 10:40] = 0.05
    told = {**exports.BASE, **exports.WGS84, "FILE_TYPE": "velocity", "UNIT": "m/year"}
    write_product(tmp_path / "velocity.h5", {"velocity": rates}, told)
    series = np.stack([rates * k for k in range(4)])
    write_product(
        files.series, {"timeseries": series}, told | {"FILE_TYPE": "timeseries", "UNIT": "m"},
        tables={"date": np.array(exports.DATES, "S8")},
    )  # fmt: skip
    (tmp_path / "temporalCoherence.h5").unlink()
    options = KmzSeriesOptions(steps=(20, 5, 2), min_percentage=0.2)
    names = _documents(save_kmz_series(SeriesFiles(files.series), tmp_path / "s.kmz", options))
    assert [name for name in names if name.startswith("level3")] == ["level3_1_0.kml"]


def test_charts_need_no_network_and_no_script(tmp_path: Path) -> None:
    for name, root in _documents(save_kmz_series(_files(tmp_path), tmp_path / "series.kmz", STEPS)).items():
        text = ET.tostring(root, encoding="unicode").replace(KML[1:-1], "").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"(<|&lt;)script|javascript:|onload", text), name
        assert "http" not in text, name


def test_radar_coordinates_take_positions_from_the_geometry(tmp_path: Path) -> None:
    files = _files(tmp_path, {})
    with pytest.raises(InputError, match="give -g, a geometry with latitude and longitude"):
        save_kmz_series(files, tmp_path / "series.kmz", STEPS)
    row, column = np.mgrid[:ROWS, :COLUMNS]
    maps = {"latitude": 30 + row / 100 + column / 1000, "longitude": 10 + column / 100}
    write_product(tmp_path / "geometryRadar.h5", maps, {**exports.BASE, "FILE_TYPE": "geometry", "UNIT": "m"})
    files = SeriesFiles(files.series, geometry=tmp_path / "geometryRadar.h5")
    points = _points(save_kmz_series(files, tmp_path / "series.kmz", STEPS))
    longitude, latitude, _ = map(float, points[22, 37]["at"].split(","))
    assert (longitude, latitude) == pytest.approx((10.37, 30.257))


def test_a_map_in_metres(tmp_path: Path) -> None:
    points = _points(save_kmz_series(_files(tmp_path, UTM), tmp_path / "series.kmz", STEPS))
    longitude, latitude, _ = map(float, points[22, 37]["at"].split(","))
    assert longitude == pytest.approx(-117 + 37.5 * 90 / 92_000, abs=3e-4)
    assert 34.32 < latitude < 34.33


def test_a_series_without_velocity_is_refused(tmp_path: Path) -> None:
    files = _files(tmp_path)
    (tmp_path / "velocity.h5").unlink()
    with pytest.raises(InputError, match=r"velocity\.h5 is missing.*--vel"):
        save_kmz_series(files, tmp_path / "series.kmz")
    with pytest.raises(InputError, match="no displacement series"):
        save_kmz_series(SeriesFiles(tmp_path / "temporalCoherence.h5"), tmp_path / "series.kmz")


def test_parts_at_the_meridian_of_180_degrees_are_no_belts_around_the_earth(tmp_path: Path) -> None:
    files = _files(tmp_path, {**exports.WGS84, "X_FIRST": "179.975"})
    document = _documents(save_kmz_series(files, tmp_path / "series.kmz", STEPS))["doc.kml"]
    boxes = every(document, "LatLonAltBox")
    assert boxes
    for box in boxes:
        west, east = (float(text_at(box, side)) for side in ("west", "east"))
        assert -180 <= west < east <= 180
        assert east - west < 0.061
