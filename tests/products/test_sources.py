"""Files for programs that model sources of deformation: ROI_PAC, GBIS, Kite."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import yaml
from scipy.io import loadmat
from tests.products import exports
from tests.products.exports import UTM, WGS84

from creepmeter.errors import ConfigError, GridError, InputError
from creepmeter.io.mintpy.product import write_product
from creepmeter.products.gbis import save_gbis
from creepmeter.products.kite import save_kite
from creepmeter.products.roipac import save_roipac

RADIANS = -4 * np.pi / 0.05546576
YEARS = 365 / 365.25


def _rsc(path: Path) -> dict[str, str]:
    return dict(line.split(maxsplit=1) for line in path.read_text().splitlines())


@pytest.mark.parametrize(("grid", "code"), [(WGS84, 4326), (UTM, 32611)])
def test_gdal_reads_the_phase_where_it_lies(tmp_path: Path, grid: dict[str, str], code: int) -> None:
    rates = exports.write_velocity(tmp_path / "velocity.h5", grid)
    path, table = save_roipac(tmp_path / "velocity.h5")
    assert path.name == "20180105_20190105.unw"
    west, north, width, height = (float(grid[name]) for name in ("X_FIRST", "Y_FIRST", "X_STEP", "Y_STEP"))
    with rasterio.open(path, driver="ROI_PAC") as image:
        assert tuple(image.transform)[:6] == pytest.approx((width, 0, west, 0, height, north))
        assert image.crs.to_epsg() == code
        amplitude, phase = image.read()
    known = np.isfinite(rates)
    assert (amplitude == known).all()
    np.testing.assert_allclose(phase, np.where(known, rates * RADIANS * YEARS, 0), rtol=1e-5, atol=1e-6)
    told = _rsc(table)
    assert (told["DATE12"], told["WIDTH"], told["FILE_LENGTH"], told["UNIT"]) == ("180105-190105", "60", "40", "radian")
    assert told["WAVELENGTH"] == "0.05546576"
    assert not [key for key in told if not key.isupper()]


def test_two_dates_of_a_series_relative_to_a_pixel(tmp_path: Path) -> None:
    values = exports.write_series(tmp_path / "timeseries.h5")
    path, table = save_roipac(tmp_path / "timeseries.h5", None, "20180117_20180210", reference_yx=(12, 33))
    assert path.name == "20180117_20180210.unw"
    phase = np.fromfile(path, "<f4").reshape(exports.ROWS, 2, exports.COLUMNS)[:, 1]
    expected = (values[2] - values[1]) * RADIANS
    expected -= expected[12, 33]
    known = np.isfinite(expected)
    np.testing.assert_allclose(phase[known], expected[known], atol=2e-5)
    assert _rsc(table)["REF_Y"] == "12"
    with pytest.raises(InputError, match=r"reference pixel \(row 0, column 0\) has no value"):
        save_roipac(tmp_path / "timeseries.h5", None, "20180117_20180210", reference_yx=(0, 0))


def test_coherence_and_heights(tmp_path: Path) -> None:
    coherence = np.abs(np.nan_to_num(exports.rate_map())) * 10
    exports.write_map(tmp_path / "temporalCoherence.h5", "temporalCoherence", coherence)
    path, _ = save_roipac(tmp_path / "temporalCoherence.h5")
    assert path.name == "temporalCoherence.cor"
    with rasterio.open(path, driver="ROI_PAC") as image:
        np.testing.assert_array_equal(image.read(2), coherence)
    maps = exports.write_geometry(tmp_path / "geometryGeo.h5")
    path, _ = save_roipac(tmp_path / "geometryGeo.h5", tmp_path / "srtm.dem", "height")
    with rasterio.open(path, driver="ROI_PAC") as image:
        assert image.dtypes == ("int16",)
        np.testing.assert_array_equal(image.read(1), maps["height"])


def test_radar_coordinates_have_no_corner(tmp_path: Path) -> None:
    exports.write_velocity(tmp_path / "velocity.h5", {})
    _, table = save_roipac(tmp_path / "velocity.h5")
    assert "X_FIRST" not in _rsc(table)


def test_gbis_has_a_row_for_each_pixel_in_the_mask(tmp_path: Path) -> None:
    rates = exports.write_velocity(tmp_path / "velocity.h5", {**WGS84, "mintpy.plot": "no"})
    maps = exports.write_geometry(tmp_path / "geometry.h5")
    keep = np.zeros(rates.shape, bool)
    keep[3:20, 2:30] = True
    exports.write_map(tmp_path / "mask.h5", "mask", keep)
    path = save_gbis(
        tmp_path / "velocity.h5", tmp_path / "x.mat", geometry=tmp_path / "geometry.h5", mask=tmp_path / "mask.h5"
    )
    found, chosen = loadmat(path), keep & np.isfinite(rates)
    row, column = np.nonzero(chosen)
    np.testing.assert_allclose(found["Lon"][:, 0], -118.5 + (column + 0.5) * 0.001, atol=1e-9)
    np.testing.assert_allclose(found["Lat"][:, 0], 34.2 - (row + 0.5) * 0.0008, atol=1e-9)
    np.testing.assert_allclose(found["Phase"][:, 0], rates[chosen] * RADIANS * YEARS, rtol=1e-5)
    np.testing.assert_array_equal(found["Inc"][:, 0], maps["incidenceAngle"][chosen])
    np.testing.assert_array_equal(found["Height"][:, 0], maps["height"][chosen])
    assert (found["Heading"] == -12).all()
    assert (found["Mask"].astype(bool) == chosen).all()
    assert found["Metadata"]["DATE12"][0, 0][0] == "20180105_20190105"
    assert all("." not in name for name in found["Metadata"].dtype.names)


def test_gbis_heading_from_the_azimuth_angle(tmp_path: Path) -> None:
    exports.write_velocity(tmp_path / "velocity.h5", HEADING="")
    exports.write_geometry(tmp_path / "geometry.h5")
    path = save_gbis(tmp_path / "velocity.h5", tmp_path / "x.mat", geometry=tmp_path / "geometry.h5")
    assert loadmat(path)["Heading"] == pytest.approx(-12)  # azimuth -258 = 102: 90 - 102


def test_kite_scene(tmp_path: Path) -> None:
    values = exports.write_series(tmp_path / "timeseries.h5", PROJECT_NAME='a: "b" #')
    maps = exports.write_geometry(tmp_path / "geometry.h5")
    data, config = save_kite(
        tmp_path / "timeseries.h5", tmp_path / "scene.npz", "20180117_20190105", geometry=tmp_path / "geometry.h5"
    )
    arrays = np.load(data)
    np.testing.assert_allclose(arrays["arr_0"][::-1], values[3] - values[1], rtol=1e-6)
    np.testing.assert_allclose(arrays["arr_1"][::-1], np.pi / 2 - np.radians(maps["incidenceAngle"]), rtol=1e-6)
    # azimuth -258 from north, counterclockwise, is 192 from east: west by south, right of an ascending track
    np.testing.assert_allclose(np.degrees(arrays["arr_2"]) % 360, 192, rtol=1e-6)
    told = yaml.load(config.read_text(), _Loader)  # noqa: S506 - tags become dictionaries
    assert told["meta"]["scene_title"] == 'a: "b" #'
    assert told["frame"]["spacing"] == "degree"
    assert [told["frame"][key] for key in ("llLat", "llLon", "dN", "dE")] == pytest.approx(
        [34.168, -118.5, 0.0008, 0.001]
    )


class _Loader(yaml.SafeLoader):
    pass


_Loader.add_multi_constructor("!kite", lambda loader, _tag, node: loader.construct_mapping(node, deep=True))


def test_kite_in_metres(tmp_path: Path) -> None:
    rates = exports.write_velocity(tmp_path / "velocity.h5", UTM)
    exports.write_geometry(tmp_path / "geometry.h5", UTM)
    data, config = save_kite(tmp_path / "velocity.h5", tmp_path / "scene", geometry=tmp_path / "geometry.h5")
    np.testing.assert_array_equal(np.load(data)["arr_0"][::-1], rates)
    frame = yaml.load(config.read_text(), _Loader)["frame"]  # noqa: S506
    assert (frame["spacing"], frame["dN"], frame["dE"]) == ("meter", 80, 90)
    assert frame["llLon"] == pytest.approx(-117)
    assert frame["llLat"] == pytest.approx(34.3124, abs=1e-3)


def test_what_is_no_displacement_is_refused(tmp_path: Path) -> None:
    exports.write_geometry(tmp_path / "geometry.h5")
    with pytest.raises(InputError, match=r"waterMask \[1\] is no displacement"):
        save_kite(tmp_path / "geometry.h5", tmp_path / "x", "waterMask", geometry=tmp_path / "geometry.h5")
    exports.write_velocity(tmp_path / "radar.h5", {})
    with pytest.raises(GridError, match="radar coordinates"):
        save_kite(tmp_path / "radar.h5", tmp_path / "x", geometry=tmp_path / "geometry.h5")
    exports.write_velocity(tmp_path / "velocity.h5", START_DATE="", END_DATE="")
    with pytest.raises(InputError, match="a rate without START_DATE and END_DATE"):
        save_gbis(tmp_path / "velocity.h5", tmp_path / "x.mat", geometry=tmp_path / "geometry.h5")
    exports.write_velocity(tmp_path / "velocity.h5", WAVELENGTH="0")
    with pytest.raises(InputError, match="WAVELENGTH"):
        save_roipac(tmp_path / "velocity.h5")
    with pytest.raises(ConfigError, match="no map 'step20190101'"):
        save_roipac(tmp_path / "velocity.h5", None, "step20190101")
    write_product(tmp_path / "bare.h5", {"height": np.ones((40, 60), "f4")}, {**WGS84, "FILE_TYPE": "geometry"})
    exports.write_velocity(tmp_path / "velocity.h5")
    with pytest.raises(InputError, match="has no incidenceAngle"):
        save_gbis(tmp_path / "velocity.h5", tmp_path / "x.mat", geometry=tmp_path / "bare.h5")


def test_long_names_of_attributes_stand_apart_from_their_values(tmp_path: Path) -> None:
    exports.write_velocity(tmp_path / "velocity.h5", CENTER_INCIDENCE_ANGLE="34.0")
    _, table = save_roipac(tmp_path / "velocity.h5")
    assert _rsc(table)["CENTER_INCIDENCE_ANGLE"] == "34.0"


def test_gbis_leaves_out_pixels_without_a_place(tmp_path: Path) -> None:
    exports.write_velocity(tmp_path / "velocity.h5", {})
    row, column = np.mgrid[: exports.ROWS, : exports.COLUMNS]
    latitude, longitude = 30 + row / 100, 190 + column / 100
    latitude[10:12], longitude[:, 50:] = np.nan, np.nan
    angles = np.full(latitude.shape, 34.0)
    angles[20, 20] = np.nan
    maps = {"latitude": latitude, "longitude": longitude, "incidenceAngle": angles}
    write_product(tmp_path / "geometry.h5", maps, {**exports.BASE, "FILE_TYPE": "geometry"})
    found = loadmat(save_gbis(tmp_path / "velocity.h5", tmp_path / "x.mat", geometry=tmp_path / "geometry.h5"))
    for name in ("Lon", "Lat", "Phase", "Inc", "Heading"):
        assert np.isfinite(found[name]).all(), name
    known = np.isfinite(exports.rate_map() * latitude * longitude * angles)
    np.testing.assert_array_equal(found["Mask"].astype(bool), known)
    assert (found["Lon"].min(), found["Lon"].max()) == pytest.approx((-170, -169.51))  # not 190
