from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from tests.interferograms.processors import GEO, RADAR, assert_comes_back, found_in, values_of

from creepmeter.errors import GridError, InputError
from creepmeter.interferograms.gamma_par import map_grid, read_par, table_bperp
from creepmeter.interferograms.layers import read_all
from creepmeter.interferograms.load import load
from creepmeter.interferograms.load_options import LoadOptions
from creepmeter.io.mintpy.product import read_attributes, read_map
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.io.raster import write_geotiff
from creepmeter.model.grid import same_grid
from creepmeter.simulate.layouts.gamma import lookup_grid, map_text, table_text, to_file, write_gamma
from creepmeter.simulate.radar import RadarStack

FACTS = (
    "ALOOKS", "RLOOKS", "RANGE_PIXEL_SIZE", "AZIMUTH_PIXEL_SIZE", "STARTING_RANGE", "HEIGHT", "EARTH_RADIUS",
    "HEADING", "CENTER_LINE_UTC", "ANTENNA_SIDE", "PRF",
)  # fmt: skip


@pytest.mark.parametrize("stack", [GEO, RADAR], ids=["map", "radar"])
@pytest.mark.parametrize("other", [False, True], ids=["YYYYMMDD, vectors", "YYMMDD, tables"])
def test_a_stack_in_gammas_layout_comes_back(tmp_path: Path, stack: RadarStack, *, other: bool) -> None:
    found = found_in(tmp_path, write_gamma(stack, tmp_path, short_dates=other, tables=other))
    assert_comes_back(found, stack, facts=FACTS if stack.grid is not None else (*FACTS, "LAT_REF1", "LON_REF4"))
    assert not found.left_out
    assert found.attributes["ORBIT_DIRECTION"] == "ASCENDING"
    assert found.attributes["PLATFORM"] == "Sen"
    np.testing.assert_array_equal(read_all(found.geometry["height"]), stack.height)
    np.testing.assert_allclose(read_all(found.geometry["incidenceAngle"]), stack.incidence_deg, atol=1e-4)
    np.testing.assert_allclose(read_all(found.geometry["azimuthAngle"]), stack.azimuth_deg, atol=1e-4)
    wrapped = values_of(found, "wrapPhase")
    np.testing.assert_allclose(np.exp(1j * wrapped), np.exp(1j * stack.phase), atol=1e-5)


def test_pixels_may_be_geotiff_with_gammas_headers(tmp_path: Path) -> None:
    found = found_in(tmp_path, write_gamma(GEO, tmp_path, write=write_geotiff))
    assert_comes_back(found, GEO, facts=FACTS)


def test_a_lookup_table_of_a_geocoded_stack_tells_the_slant_range(tmp_path: Path) -> None:
    found = found_in(tmp_path, write_gamma(GEO, tmp_path))
    assert found.lookup is None
    rows, columns = np.indices(GEO.height.shape)
    np.testing.assert_array_equal(read_all(found.geometry["rangeCoord"]), columns + 1)
    np.testing.assert_array_equal(read_all(found.geometry["azimuthCoord"]), rows + 1)
    near, step = (float(GEO.attributes[key]) for key in ("STARTING_RANGE", "RANGE_PIXEL_SIZE"))
    np.testing.assert_allclose(read_all(found.geometry["slantRangeDistance"]), near + step * (columns + 1), rtol=1e-6)


def test_a_lookup_table_of_a_radar_stack_lies_on_the_map(tmp_path: Path) -> None:
    settings = write_gamma(RADAR, tmp_path)
    found = found_in(tmp_path, settings)
    assert found.lookup is not None
    assert found.lookup.grid is not None
    assert same_grid(found.lookup.grid, lookup_grid(RADAR))
    assert set(found.lookup.geometry) == {"rangeCoord", "azimuthCoord"}
    loaded = load(found, LoadOptions.model_validate(settings), tmp_path / "work")
    names = {path.name for path in loaded.geometry}
    assert names == {"geometryRadar.h5", "geometryGeo.h5"}
    assert read_map(tmp_path / "work/inputs/geometryGeo.h5", "rangeCoord").shape == lookup_grid(RADAR).shape


def test_what_is_loaded_is_what_was_written(tmp_path: Path) -> None:
    settings = write_gamma(GEO, tmp_path / "project")
    options = LoadOptions.model_validate(settings)
    load(found_in(tmp_path / "project", settings), options, tmp_path / "work")
    stack = StackFile.open(tmp_path / "work/inputs/ifgramStack.h5")
    assert stack.pairs == GEO.pairs
    np.testing.assert_array_equal(stack.read("unwrapPhase"), GEO.phase)
    np.testing.assert_array_equal(stack.read("coherence"), GEO.coherence)
    np.testing.assert_array_equal(stack.read("connectComponent"), GEO.component)
    np.testing.assert_allclose(stack.bperp, GEO.bperp, atol=1e-3)
    assert read_attributes(stack.path)["PROCESSOR"] == "gamma"
    np.testing.assert_allclose(
        read_map(tmp_path / "work/inputs/geometryGeo.h5", "incidenceAngle"), GEO.incidence_deg, atol=1e-4
    )


def test_a_table_of_baselines_is_read_at_its_middle(tmp_path: Path) -> None:
    path = tmp_path / "20180105-20180129.base_perp"
    path.write_text(table_text(47.25), encoding="utf-8")
    assert table_bperp(read_par(path)) == pytest.approx(47.25)


def test_a_pair_that_runs_backward_is_turned(tmp_path: Path) -> None:
    settings = write_gamma(GEO, tmp_path)
    place = tmp_path / "interferograms"
    for file in place.glob("*20180105-20180129*"):
        file.rename(place / file.name.replace("20180105-20180129", "20180129-20180105"))
    found = found_in(tmp_path, settings)
    assert [one.pair for one in found.interferograms] == list(GEO.pairs)
    np.testing.assert_array_equal(read_all(found.interferograms[0].layers["unwrapPhase"]), -GEO.phase[0])
    np.testing.assert_array_equal(read_all(found.interferograms[0].layers["coherence"]), GEO.coherence[0])
    assert found.interferograms[0].bperp == pytest.approx(-GEO.bperp[0], abs=1e-3)
    assert any("from the later to the earlier date" in note for note in found.notes)


def test_headers_in_folders_beside_are_found(tmp_path: Path) -> None:
    settings = write_gamma(GEO, tmp_path)
    (tmp_path / "headers").mkdir()
    for file in [*tmp_path.glob("interferograms/*.par"), *tmp_path.glob("interferograms/*.baseline")]:
        file.rename(tmp_path / "headers" / file.name)
    found = found_in(tmp_path, settings)
    assert_comes_back(found, GEO, facts=FACTS)
    assert any("beside the interferograms" in note for note in found.notes)


def test_a_cut_file_is_left_out_by_name(tmp_path: Path) -> None:
    settings = write_gamma(GEO, tmp_path)
    cut = next(tmp_path.glob("interferograms/geo_diff_filt_20180105-20180129*.unw"))
    cut.write_bytes(cut.read_bytes()[:-4])
    found = found_in(tmp_path, settings)
    assert len(found.interferograms) == len(GEO.pairs) - 1
    assert len(found.left_out) == 1
    assert cut.name in found.left_out[0]
    assert "2076 bytes" in found.left_out[0]


CUT = (b"", b"Gamma\n", b"\xff\x00\x9c" * 40, b"1 2 . . . . . . .\n")


@pytest.mark.parametrize("header", ["*.amp.par", "*.off", "*.baseline"])
@pytest.mark.parametrize("content", CUT)
def test_a_header_that_is_cut_costs_no_pair(tmp_path: Path, header: str, content: bytes) -> None:
    settings = write_gamma(GEO, tmp_path)
    max(tmp_path.rglob(header)).write_bytes(content)
    found = found_in(tmp_path, settings)
    assert len(found.interferograms) == len(GEO.pairs)
    assert header != "*.baseline" or any("1 of 7 pairs have no perpendicular" in note for note in found.notes)


@pytest.mark.parametrize("content", CUT)
def test_a_header_of_the_map_that_is_cut_is_named(tmp_path: Path, content: bytes) -> None:
    settings = write_gamma(GEO, tmp_path)
    path = max(tmp_path.rglob("*.utm.dem.par"))
    path.write_bytes(content)
    found = found_in(tmp_path, settings)
    assert found.grid is None  # sizes are those of the interferograms' own headers
    assert any(f"{path} tells no map (DEM_projection)" in note for note in found.notes)


def test_size_that_goes_with_two_headers_follows_the_name(tmp_path: Path) -> None:
    same = replace(RADAR, grid=GEO.grid)
    settings = write_gamma(same, tmp_path)  # image and map have one size
    assert found_in(tmp_path, settings).grid is not None
    for file in tmp_path.glob("interferograms/geo_*"):
        file.rename(file.with_name(file.name.removeprefix("geo_")))
    assert found_in(tmp_path, settings).grid is None


def test_without_image_header_the_wavelength_is_asked_for(tmp_path: Path) -> None:
    settings = write_gamma(GEO, tmp_path)
    for file in tmp_path.glob("interferograms/*.par"):
        file.unlink()
    with pytest.raises(InputError, match="give wavelength_m"):
        found_in(tmp_path, settings)
    found = found_in(tmp_path, settings, wavelength_m=0.0555)
    assert found.attributes["WAVELENGTH"] == "0.0555"
    assert any("1 x 1" in note for note in found.notes)


@pytest.mark.parametrize(
    ("code", "line"), [("EPSG:32633", "projection_zone:    33"), ("EPSG:32733", "false_northing:     10000000")]
)
def test_map_headers_in_utm(tmp_path: Path, code: str, line: str) -> None:
    grid = GeoBox((4, 5), Affine(30.0, 0.0, 5e5, 0.0, -30.0, 4e6), code)
    path = tmp_path / "a.dem.par"
    path.write_text(map_text(grid), encoding="utf-8")
    assert line in path.read_text(encoding="utf-8")
    assert map_grid(read_par(path)).crs == code


def test_other_projections_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.dem.par"
    path.write_text("DEM_projection: PS\nwidth: 3\nnlines: 4\n", encoding="utf-8")
    with pytest.raises(GridError, match="projection PS is not known"):
        map_grid(read_par(path))


def test_a_header_without_numbers_is_named(tmp_path: Path) -> None:
    path = tmp_path / "20180105.mli.par"
    path.write_text("radar_frequency: unknown\nrange_samples: 0\nazimuth_lines: 5\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"radar_frequency is 'unknown', not a number"):
        _ = read_par(path).wavelength_m
    with pytest.raises(InputError, match="no size of an image"):
        _ = read_par(path).shape


# ---------------------------------------------------------------------------------------------------------- real data


@pytest.mark.golden
def test_mexico_city_sinks_away_from_the_satellite(shared: Path) -> None:
    folder = shared / "data" / "insar_gamma_mexico_city"
    settings = {"processor": "gamma", "unw_file": "geotiffs/*_unw.tif", "cor_file": "geotiffs/*_cc.tif"}
    found = found_in(folder, settings, dem_file="geotiffs/*_dem.tif", lookup_y_file="geometry/*.lt")
    assert len(found.interferograms) == 30
    assert not found.left_out
    assert found.attributes["PLATFORM"] == "Sen"
    assert float(found.attributes["CENTER_LINE_UTC"]) == pytest.approx(2421.889852)
    assert found.interferograms[0].bperp == pytest.approx(30.18, abs=0.05)
    wavelength = float(found.attributes["WAVELENGTH"])
    assert wavelength == pytest.approx(0.0554658, abs=1e-7)
    phase = values_of(found, "unwrapPhase").astype(np.float64)
    moved = np.where(phase == 0, np.nan, -wavelength / (4 * np.pi) * phase)
    moved -= np.nanmedian(moved, axis=(1, 2))[:, None, None]
    days = np.array([one.pair.days for one in found.interferograms])
    velocity = np.nansum(moved * days[:, None, None], axis=0) / (days**2).sum() * 365.25
    valid = np.isfinite(moved).all(axis=0)
    height = read_all(found.geometry["height"])
    hill = valid & (height > np.percentile(height[valid], 97))
    fast = np.percentile(velocity[valid], 1) - np.median(velocity[hill])
    assert -0.45 < fast < -0.2  # metres a year, away from the satellite


@pytest.mark.golden
def test_sydney_in_gammas_form(shared: Path) -> None:
    folder = shared / "data" / "insar_roipac_gamma_sydney"
    found = found_in(
        folder,
        {"processor": "gamma", "unw_file": "gamma_obs/*_utm.unw", "cor_file": "coherence/*.cc"},
        dem_file="gamma_obs/*.dem",
        inc_angle_file="gamma_obs/*.lv_theta",
        lookup_y_file="gamma_obs/*.lt",
    )
    assert len(found.interferograms) == 17
    np.testing.assert_allclose(read_all(found.geometry["incidenceAngle"]), 22.967, atol=1e-3)
    assert float(found.attributes["HEADING"]) == pytest.approx(193.1522256 - 360)
    assert found.attributes["ORBIT_DIRECTION"] == "DESCENDING"
    assert any("lookup table is not loaded" in note and "51200 bytes" in note for note in found.notes)


def test_a_file_of_wrong_bytes_does_not_pass_for_components(tmp_path: Path) -> None:
    settings = write_gamma(GEO, tmp_path)
    for file in tmp_path.glob("interferograms/*.conncomp"):
        to_file(file, np.zeros(7), "u1")
    found = found_in(tmp_path, settings)
    assert "connectComponent" not in found.interferograms[0].layers
    assert len(found.interferograms) == len(GEO.pairs)
    assert not found.left_out
    assert any(
        "connectComponent of 7 product(s) cannot be read" in note and "and 5 more" in note for note in found.notes
    )


def test_a_product_whose_coherence_is_damaged_is_left_out(tmp_path: Path) -> None:
    settings = write_gamma(GEO, tmp_path)
    cut = next(tmp_path.glob("interferograms/geo_filt_20180105-20180129*.cor"))
    cut.write_bytes(cut.read_bytes()[:-4])
    found = found_in(tmp_path, settings)
    assert len(found.interferograms) == len(GEO.pairs) - 1
    assert "it has no coherence" in found.left_out[0]
    assert any(cut.name in note for note in found.notes)
