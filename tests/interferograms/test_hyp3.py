from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from tests.interferograms.samples import assert_loaded, load_all, small_stack

from creepmeter.errors import GridError, InputError
from creepmeter.interferograms.hyp3 import product_of
from creepmeter.io.mintpy.product import read_attributes, read_map
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.io.raster import read_bands, write_geotiff
from creepmeter.simulate.layouts.hyp3 import Kind, load_settings, write_hyp3
from creepmeter.simulate.layouts.plain import write_plain

STACK = small_stack()
UTM = GeoBox(STACK.height.shape, Affine(80, 0, 500_000, 0, -80, 4_270_000), "EPSG:32610")


@pytest.mark.parametrize("kind", ["gamma", "burst", "bursts"])
def test_every_family_loads_as_it_was_simulated(tmp_path: Path, kind: Kind) -> None:
    write_hyp3(STACK, tmp_path / "hyp3", write_geotiff, kind=kind)
    loaded = load_all(load_settings(tmp_path / "hyp3"), tmp_path)
    assert_loaded(loaded, STACK, component=kind != "gamma")
    found = read_attributes(loaded.stack)
    assert found["PROCESSOR"] == "hyp3"
    for name in ("HEADING", "HEIGHT", "EARTH_RADIUS", "STARTING_RANGE", "CENTER_LINE_UTC", "ALOOKS", "RLOOKS"):
        assert float(found[name]) == float(STACK.attributes[name])
    assert found["ORBIT_DIRECTION"] == "ASCENDING"
    assert float(found["RANGE_PIXEL_SIZE"]) == pytest.approx(23.2956, abs=1e-3)
    assert float(found["NCORRLOOKS"]) < 50
    assert found.get("relative_orbit") == (None if kind == "gamma" else "1")
    distance = read_map(loaded.geometry[0], "slantRangeDistance")
    np.testing.assert_allclose(distance, STACK.slant_range_m, rtol=1e-5)


def test_a_metric_grid_is_kept_with_its_zone(tmp_path: Path) -> None:
    write_hyp3(replace(STACK, grid=UTM), tmp_path / "hyp3", write_geotiff)
    loaded = load_all(load_settings(tmp_path / "hyp3"), tmp_path)
    for path in (loaded.stack, loaded.geometry[0]):
        found = read_attributes(path)
        assert (found["EPSG"], found["UTM_ZONE"], found["X_UNIT"]) == ("32610", "10N", "meters")
        assert [float(found[name]) for name in ("X_FIRST", "Y_FIRST", "X_STEP", "Y_STEP")] == [
            500_000,
            4_270_000,
            80,
            -80,
        ]
        assert 38 < float(found["LAT_REF1"]) < float(found["LAT_REF3"]) < 39
        assert float(found["LON_REF1"]) == pytest.approx(-123)


def test_products_of_other_outline_are_cut_to_what_they_share_on_request(tmp_path: Path) -> None:
    folder = tmp_path / "hyp3"
    write_hyp3(replace(STACK, grid=UTM), folder, write_geotiff)
    odd = min(folder.iterdir())
    for path in odd.glob("*.tif"):
        values, _, nodata = read_bands(path)
        part = GeoBox((18, 26), Affine(80, 0, 500_000, 0, -80, 4_270_000 - 160), "EPSG:32610")
        write_geotiff(path, values[0, 2:], part, nodata=nodata)
    strict = load_all(load_settings(folder), tmp_path)
    assert strict.pairs == len(STACK.pairs) - 1
    assert "extent common" in strict.left_out[0]
    common = load_all(load_settings(folder), tmp_path / "common", extent="common")
    assert (common.pairs, common.shape) == (len(STACK.pairs), (18, 26))
    np.testing.assert_array_equal(StackFile.open(common.stack).read("unwrapPhase"), STACK.phase[:, 2:])
    np.testing.assert_array_equal(read_map(common.geometry[0], "height"), STACK.height[2:])


def test_a_product_without_metadata_or_dates_is_left_out(tmp_path: Path) -> None:
    folder = write_hyp3(STACK, tmp_path / "hyp3", write_geotiff)
    first, second, third = sorted(folder.iterdir())[:3]
    (first / f"{first.name}.txt").unlink()
    path = second / f"{second.name}_unw_phase.tif"
    path.rename(second / "result_unw_phase.tif")
    (third / f"{third.name}.txt").write_text("Heading: north\nRange looks: 20\n")
    loaded = load_all(load_settings(folder), tmp_path)
    assert loaded.pairs == len(STACK.pairs) - 3
    assert "Azimuth looks is missing" in loaded.left_out[2]
    assert f"its metadata {first.name}.txt do not lie beside it" in loaded.left_out[0]
    assert loaded.left_out[1] == "result_unw_phase.tif: its name holds no two dates: keep the names that HyP3 gives"
    for product in folder.iterdir():
        for text in product.glob("*.txt"):
            text.write_text("no metadata")
    with pytest.raises(InputError, match="holds no line 'name: value'"):
        load_all(load_settings(folder), tmp_path)


def test_mixed_orbits_are_told(tmp_path: Path) -> None:
    folder = write_hyp3(STACK, tmp_path / "hyp3", write_geotiff)
    text = next(next(iter(folder.iterdir())).glob("*.txt"))
    text.write_text(text.read_text().replace("ASCENDING", "DESCENDING"))
    loaded = load_all(load_settings(folder), tmp_path)
    assert "products of ASCENDING and DESCENDING orbits are mixed" in loaded.notes[0]


def test_radar_coordinates_cannot_be_written_as_geotiff(tmp_path: Path) -> None:
    radar = small_stack(geocoded=False)
    for write in (write_hyp3, write_plain):
        with pytest.raises(GridError, match="simulate with geocoded=True"):
            write(radar, tmp_path, write_geotiff)


@pytest.mark.parametrize("ending", ["unw_phase", "corr_clipped", "lv_theta", "water_mask", "inc_map_ell", "conncomp"])
def test_the_product_is_known_from_any_of_its_files(ending: str) -> None:
    name = "S1_044_000000s1n00-093117s2n01-093118s3n01_IW_20250718_20250730_VV_INT80_B4FA"
    assert product_of(Path(f"{name}_{ending}.tif")) == name


@pytest.mark.golden
def test_real_format_samples_load_and_the_wider_mask_is_cut(shared: Path, tmp_path: Path) -> None:
    samples = shared / "data" / "insar_hyp3_format_samples"
    expected = {
        "S1AC": ("20251001_20251007", "ASCENDING", 48.0195, 803591.1723),
        "S1_044": ("20250718_20250730", "DESCENDING", 33.88969537726557, 849199.1730339259),
        "S1_056": ("20220814_20220907", "ASCENDING", 158.57439820410497, 846099.1914484155),
    }
    for text in (samples / "metadata").glob("*.txt"):
        folder = tmp_path / text.stem
        folder.mkdir()
        shutil.copy(text, folder)
        shutil.copy(samples / "test_unw_phase.tif", folder / f"{text.stem}_unw_phase.tif")
        shutil.copy(samples / "test_water_mask.tif", folder / f"{text.stem}_water_mask.tif")
        pair, direction, baseline, near = next(facts for name, facts in expected.items() if text.name.startswith(name))
        settings = {
            "processor": "hyp3",
            "unw_file": str(folder / "*_unw_phase.tif"),
            "water_mask_file": str(folder / "*_water_mask.tif"),
        }
        loaded = load_all(settings, folder)
        stack = StackFile.open(loaded.stack)
        assert str(stack.pairs[0]) == pair
        assert stack.bperp[0] == pytest.approx(baseline, abs=1e-3)
        assert (stack.shape, stack.attributes["ORBIT_DIRECTION"]) == ((1, 718, 2314), direction)
        assert float(stack.attributes["STARTING_RANGE"]) == pytest.approx(near)
        assert stack.attributes["UTM_ZONE"] == "2N"
        assert loaded.notes == (
            f"waterMask: {folder / text.stem}_water_mask.tif has 718 x 2315 px, it is cut to 718 x 2314 by its "
            "georeference",
        )
        phase, _, _ = read_bands(samples / "test_unw_phase.tif")
        np.testing.assert_array_equal(stack.read_pair("unwrapPhase", 0), phase[0])
        land, _, _ = read_bands(samples / "test_water_mask.tif")
        np.testing.assert_array_equal(read_map(loaded.geometry[0], "waterMask"), land[0, :, :2314] == 1)
