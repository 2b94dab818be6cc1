from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

import creepmeter as cm
from creepmeter.errors import GridError, InputError
from creepmeter.interferograms.aria_geometry import at_height
from creepmeter.interferograms.aria_products import Box, Lattice
from creepmeter.interferograms.aria_stitch import OnLattice
from creepmeter.interferograms.attributes import sentinel1_looks
from creepmeter.interferograms.catalogue import Catalogue
from creepmeter.interferograms.layers import read_all
from creepmeter.interferograms.load import Loaded, load
from creepmeter.interferograms.load_options import LoadOptions
from creepmeter.interferograms.producers import find
from creepmeter.io.gunw import Cube, write_gunw
from creepmeter.io.layers import RasterLayer
from creepmeter.io.mintpy.product import read_attributes, read_map
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.io.raster import write_geotiff
from creepmeter.simulate.layouts.aria import HEIGHTS_M, INCIDENCE_PER_M, AriaLayout, write_aria
from creepmeter.simulate.radar import PIXEL_DEG, RadarStack, simulate_radar

FIRST = "20180105_20180129"
QUIET: dict[str, Any] = {"noise": False, "constants": False, "rows": 60, "columns": 50, "dates": 3, "connections": 2}
Values = npt.NDArray[Any]


@pytest.fixture(scope="module")
def stack() -> RadarStack:
    """Return three pairs of three dates without noise: islands, a river, and a sea."""
    return simulate_radar(seed=3, **QUIET)


def written(stack: RadarStack, folder: Path, layout: AriaLayout | None = None) -> dict[str, str]:
    return write_aria(stack, folder, write=write_gunw, write_raster=write_geotiff, layout=layout)


def found(given: Mapping[str, Any], **changes: Any) -> Catalogue:  # noqa: ANN401 - options of any kind
    return find(LoadOptions(**{**given, **changes}), Path())


def loaded(given: Mapping[str, Any], folder: Path, **changes: Any) -> Loaded:  # noqa: ANN401 - options of any kind
    options = LoadOptions(**{**given, **changes})
    return load(find(options, Path()), options, folder)


def products(folder: Path, part: str = "") -> list[Path]:
    return sorted(path for path in (folder / "products").iterdir() if part in path.name)


def edited(path: Path, change: Callable[[h5py.File], None]) -> Path:
    with h5py.File(path, "r+") as file:
        change(file)
    return path


# -------------------------------------------------------------------------------------------------------- end to end


def test_frames_are_stitched_cropped_loaded_and_inverted_to_the_truth(
    stack: RadarStack, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given = written(stack, tmp_path, AriaLayout(frames=2, slant_px=4, without_components=(1,), seed=1))
    assert len(products(tmp_path)) == 6
    south, north = 38.6 - 50 * PIXEL_DEG, 38.6 - 7 * PIXEL_DEG
    west, east = -122.9 + 5 * PIXEL_DEG, -122.9 + 45 * PIXEL_DEG
    done = loaded(given, tmp_path / "work", subset_lalo=(south, north, west, east))
    assert done.shape == (43, 40)
    assert any("connectComponent is missing in 1 of 3 products" in note for note in done.notes)
    assert done.left_out == ()
    with caplog.at_level(logging.WARNING):
        opened = cm.open(done.stack)
    series = cm.invert(opened, weights="no", norm="l2")
    truth = stack.truth.displacement[:, 7:50, 5:45]
    error = series.displacement.sel(component="los").values - truth
    measured = (stack.phase[:, 7:50, 5:45] != 0).all(axis=0)
    assert measured.mean() > 0.9
    assert np.abs(error[:, measured]).max() < 2e-7  # float32 phase of some radians
    np.testing.assert_allclose(opened.bperp.values, stack.bperp, atol=1e-4)
    assert set(opened.data_vars) == {"displacement", "quality"}


def test_what_is_loaded_is_what_was_cut_into_frames(stack: RadarStack, tmp_path: Path) -> None:
    given = written(stack, tmp_path, AriaLayout(frames=3, overlap_px=10, slant_px=6, seed=2))
    file = StackFile.open(loaded(given, tmp_path / "work").stack)
    phase, imaged = file.read("unwrapPhase"), file.read("coherence") > 0
    assert imaged.mean() > 0.7
    np.testing.assert_allclose(phase[imaged], stack.phase[imaged], atol=4e-6)
    assert not phase[~imaged].any()
    np.testing.assert_array_equal(file.read("coherence")[imaged], stack.coherence[imaged])
    component = file.read("connectComponent")
    for k in range(3):
        pairs = np.unique(np.stack([component[k][imaged[k]], stack.component[k][imaged[k]]]), axis=1).T
        assert len({int(ours) for ours, _ in pairs}) == len(pairs)  # no number stands for two regions
        mainland = pairs[pairs[:, 1] == np.bincount(stack.component[k].ravel()).argmax()]
        assert len(mainland) == 1  # and a region in several frames has one


def test_products_are_geocoded(tmp_path: Path) -> None:
    radar = simulate_radar(seed=3, geocoded=False, **QUIET)
    with pytest.raises(GridError, match="holds geocoded products"):
        written(radar, tmp_path)


def test_windows_and_strips_give_the_same(stack: RadarStack, tmp_path: Path) -> None:
    given = written(stack, tmp_path, AriaLayout(frames=3, overlap_px=10, slant_px=6))
    one = found(given).interferograms[2]
    for name, layer in one.layers.items():
        whole = read_all(layer)
        parts = [layer.read(slice(top, top + 7), slice(None)) for top in range(0, 60, 7)]
        np.testing.assert_array_equal(np.vstack(parts), whole, name)
        np.testing.assert_array_equal(layer.read(slice(20, 33), slice(3, 30)), whole[20:33, 3:30], name)


def test_a_second_load_does_nothing_and_a_new_pair_is_noticed(stack: RadarStack, tmp_path: Path) -> None:
    given = written(stack, tmp_path)
    moved = products(tmp_path, "20180222_20180105")
    for path in moved:
        path.rename(tmp_path / path.name)
    assert loaded(given, tmp_path / "work").made
    again = loaded(given, tmp_path / "work")
    assert not again.made
    for path in moved:
        (tmp_path / path.name).rename(path)
    third = loaded(given, tmp_path / "work")
    assert third.made
    assert third.pairs == 3


# ---------------------------------------------------------------------------------------------------------- geometry


def test_geometry_is_cut_out_of_the_cubes_at_the_height_of_the_ground(stack: RadarStack, tmp_path: Path) -> None:
    done = loaded(written(stack, tmp_path), tmp_path / "work")
    (geometry,) = done.geometry
    expected = {
        "height": stack.height,
        "incidenceAngle": stack.incidence_deg + INCIDENCE_PER_M * stack.height,
        "azimuthAngle": stack.azimuth_deg,
        "waterMask": stack.water,
        "slantRangeDistance": np.full(stack.height.shape, float(stack.attributes["STARTING_RANGE"])),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(read_map(geometry, name).astype(float), values, atol=2e-5, rtol=1e-6, err_msg=name)


def test_without_heights_angles_are_those_at_sea_level(stack: RadarStack, tmp_path: Path) -> None:
    catalogue = found(written(stack, tmp_path), dem_file=None)
    assert any("dem_file is not given" in note for note in catalogue.notes)
    assert "height" not in catalogue.geometry
    np.testing.assert_allclose(read_all(catalogue.geometry["incidenceAngle"]), stack.incidence_deg, atol=2e-5)


def test_heights_and_mask_on_another_grid_are_resampled(stack: RadarStack, tmp_path: Path) -> None:
    given = written(stack, tmp_path)
    grid = GeoBox((80, 80), Affine(2 * PIXEL_DEG, 0, -122.95, 0, -2 * PIXEL_DEG, 38.65), "EPSG:4326")
    y = 38.65 - 2 * PIXEL_DEG * (np.arange(80) + 0.5)
    heights = np.repeat(((y - 38.0) * 1000)[:, None], 80, axis=1).astype(np.float32)
    write_geotiff(tmp_path / "dem.tif", heights, grid)
    write_geotiff(tmp_path / "water.tif", (heights > 580).astype(np.uint8), grid)
    catalogue = found(given)
    ours = 38.6 - PIXEL_DEG * (np.arange(60) + 0.5)
    plane = np.repeat(((ours - 38.0) * 1000)[:, None], 50, axis=1)
    np.testing.assert_allclose(read_all(catalogue.geometry["height"]), plane, atol=1e-3)
    mask = read_all(catalogue.geometry["waterMask"])
    assert mask[plane > 582].all()
    assert not mask[plane < 578].any()


def test_the_water_mask_is_cleared_where_no_angle_is_known(stack: RadarStack, tmp_path: Path) -> None:
    given = written(stack, tmp_path, AriaLayout(frames=1))
    for path in products(tmp_path):
        edited(path, lambda file: file["science/grids/imagingGeometry/incidenceAngle"].__setitem__(np.s_[:, :, -2:], 0))
        edited(path, lambda file: file["science/grids/imagingGeometry/incidenceAngle"].attrs.update(_FillValue=0.0))
    catalogue = found(given)
    unknown = np.isnan(read_all(catalogue.geometry["incidenceAngle"]))
    assert 0 < unknown.sum() < unknown.size
    mask = read_all(catalogue.geometry["waterMask"])
    np.testing.assert_array_equal(mask, stack.water & ~unknown)


def test_damaged_or_missing_cubes_are_noted(stack: RadarStack, tmp_path: Path) -> None:
    given = written(stack, tmp_path, AriaLayout(frames=1))
    cubes = "science/grids/imagingGeometry"
    first, second, third = products(tmp_path)
    edited(first, lambda file: file.__delitem__(f"{cubes}/perpendicularBaseline"))
    edited(first, lambda file: file[f"{cubes}/heightsMeta"].__setitem__(np.s_[...], 5.0))
    edited(second, lambda file: file.__delitem__(f"{cubes}/incidenceAngle"))
    catalogue = found(given)
    text = "; ".join(catalogue.notes)
    assert f"{first.name}: the perpendicular baseline is in none of the products" in text
    assert f"incidenceAngle is taken from another pair: {first}" in text
    expected = stack.incidence_deg + INCIDENCE_PER_M * stack.height
    np.testing.assert_allclose(read_all(catalogue.geometry["incidenceAngle"]), expected, atol=2e-5)
    edited(third, lambda file: file.__delitem__(f"{cubes}/incidenceAngle"))
    assert "incidenceAngle is in neither the products nor inc_angle_file" in "; ".join(found(given).notes)


def test_a_cube_that_is_linear_is_found_again_at_any_height() -> None:
    heights, latitude, longitude = np.array(HEIGHTS_M), np.linspace(10, 12, 5), np.linspace(20, 23, 4)
    values = heights[:, None, None] * 0.01 + latitude[:, None] * 3 - longitude
    cube = Cube(heights, latitude, longitude, values)
    rng = np.random.default_rng(0)
    y, x, h = rng.uniform(10, 12, 30), rng.uniform(20, 23, 40), rng.uniform(-1500, 9000, (30, 40))
    np.testing.assert_allclose(at_height(cube, y, x, h), 0.01 * h + 3 * y[:, None] - x, atol=1e-9)
    beyond = at_height(cube, np.array([9.9, 11.0]), np.array([21.0]), np.zeros((2, 1)))
    assert np.isnan(beyond[0, 0])
    assert np.isfinite(beyond[1, 0])


def test_angles_on_both_sides_of_360_degrees_are_neighbours(stack: RadarStack, tmp_path: Path) -> None:
    given = written(stack, tmp_path, AriaLayout(frames=1))

    def turn(file: h5py.File) -> None:
        cube = file["science/grids/imagingGeometry/azimuthAngle"]
        cube[:, :, ::2], cube[:, :, 1::2] = 359.9, 0.1

    for path in products(tmp_path):
        edited(path, turn)
    azimuth = read_all(found(given).geometry["azimuthAngle"]) + 90
    assert np.abs((azimuth + 180) % 360 - 180).max() <= 0.11


def test_attributes_are_those_of_mintpy(stack: RadarStack, tmp_path: Path) -> None:
    told = read_attributes(loaded(written(stack, tmp_path), tmp_path / "work").stack)
    expected = {
        "PROCESSOR": "isce",
        "PLATFORM": "Sen",
        "ALOOKS": "7",
        "RLOOKS": "19",
        "HEADING": "-12.0",
        "HEIGHT": "693000.0",
        "ORBIT_DIRECTION": "ASCENDING",
        "ANTENNA_SIDE": "-1",
        "WAVELENGTH": stack.attributes["WAVELENGTH"],
        "STARTING_RANGE": stack.attributes["STARTING_RANGE"],
        "X_UNIT": "degrees",
        "trackNumber": "1",
    }
    assert {key: told[key] for key in expected} == expected
    assert float(told["NCORRLOOKS"]) == pytest.approx(133 / ((3.1 / 2.3) * (22.7 / 14.1)))
    assert float(told["NCORRLOOKS"]) == sentinel1_looks(19, 7)
    assert float(told["RANGE_PIXEL_SIZE"]) == pytest.approx(19 * 2.329562187194824)
    assert float(told["CENTER_LINE_UTC"]) == 7212  # both frames: middle of 7200 and 7225, whole seconds
    assert (float(told["X_FIRST"]), float(told["Y_FIRST"])) == (-122.9, 38.6)


def test_a_descending_orbit_sees_the_north_east_first(stack: RadarStack, tmp_path: Path) -> None:
    down = replace(stack, attributes={**stack.attributes, "ORBIT_DIRECTION": "DESCENDING"})
    told = found(written(down, tmp_path)).attributes
    assert told["HEADING"] == "-168.0"
    assert (told["LAT_REF1"], told["LON_REF1"]) == (str(38.6), str(round(-122.9 + 50 * PIXEL_DEG, 12)))
    assert float(told["LAT_REF4"]) < float(told["LAT_REF1"])


# --------------------------------------------------------------------------------------------- grids and extents


@pytest.mark.parametrize("shift_px", [0.0, 1 / 3, -1 / 3, 0.49])
def test_pixels_off_the_lattice_are_taken_from_the_nearest(shift_px: float, tmp_path: Path) -> None:
    lattice = Lattice(1200)
    values = np.arange(12 * 9, dtype=np.float32).reshape(12, 9)
    grid = GeoBox((12, 9), Affine(PIXEL_DEG, 0, 10 + shift_px * PIXEL_DEG, 0, -PIXEL_DEG, 50.0), "EPSG:4326")
    write_geotiff(tmp_path / "map.tif", values, grid)
    seen = OnLattice(RasterLayer(tmp_path / "map.tif"), grid, lattice, lattice.box_of(grid))
    np.testing.assert_array_equal(read_all(seen), values)
    np.testing.assert_array_equal(seen.read(slice(3, 7), slice(2, 5)), values[3:7, 2:5])


def test_a_grid_of_slightly_larger_pixels_is_resampled(tmp_path: Path) -> None:
    lattice, step = Lattice(1200), 1.01 / 1200
    grid = GeoBox((200, 200), Affine(step, 0, 10.0, 0, -step, 50.0), "EPSG:4326")
    values = np.add.outer(np.arange(200) * 1000.0, np.arange(200)).astype(np.float32)
    write_geotiff(tmp_path / "map.tif", values, grid)
    seen = OnLattice(RasterLayer(tmp_path / "map.tif"), grid, lattice, lattice.box_of(grid))
    assert seen.shape == (202, 202)
    row, column = (np.floor((np.arange(202) + 0.5) / 1.01).astype(int) for _ in range(2))
    np.testing.assert_array_equal(read_all(seen), values[np.ix_(row, column)])


def test_a_file_that_counts_rows_from_the_south_is_the_same(stack: RadarStack, tmp_path: Path) -> None:
    given = written(stack, tmp_path)
    expected = read_all(found(given).interferograms[0].layers["unwrapPhase"])

    def flip(file: h5py.File) -> None:
        data = file["science/grids/data"]
        for name in data:
            if name != "longitude":
                data[name][...] = data[name][...][::-1]

    for path in products(tmp_path):
        edited(path, flip)
    np.testing.assert_array_equal(read_all(found(given).interferograms[0].layers["unwrapPhase"]), expected)


def test_a_pair_that_lacks_a_frame_is_left_out_by_name(stack: RadarStack, tmp_path: Path) -> None:
    given = written(stack, tmp_path)
    products(tmp_path, "20180129_20180105")[1].unlink()
    catalogue = found(given)
    assert [str(one.pair) for one in catalogue.interferograms] == ["20180105_20180222", "20180129_20180222"]
    assert catalogue.shape == (60, 50)
    assert any("20180129_20180105" in text and "of what most pairs cover" in text for text in catalogue.left_out)


def test_all_pairs_can_be_cut_to_what_they_have_in_common(stack: RadarStack, tmp_path: Path) -> None:
    given = written(stack, tmp_path)
    products(tmp_path, "20180129_20180105")[1].unlink()
    catalogue = found(given, extent="common")
    assert len(catalogue.interferograms) == 3
    assert catalogue.shape == (38, 50)
    for k, one in enumerate(catalogue.interferograms):
        np.testing.assert_allclose(read_all(one.layers["unwrapPhase"]), stack.phase[k, :38], atol=4e-6)


def test_the_union_has_gaps_where_a_pair_has_no_frame(stack: RadarStack, tmp_path: Path) -> None:
    given = written(stack, tmp_path)
    products(tmp_path, "20180129_20180105")[1].unlink()
    catalogue = found(given, union=True)
    assert catalogue.shape == (60, 50)
    first = read_all(catalogue.interferograms[0].layers["unwrapPhase"])
    np.testing.assert_allclose(first[:38], stack.phase[0, :38], atol=4e-6)
    assert not first[38:].any()


def test_a_crop_needs_only_the_frames_it_touches(stack: RadarStack, tmp_path: Path) -> None:
    given = written(stack, tmp_path)
    products(tmp_path, "20180129_20180105")[1].unlink()
    catalogue = found(given, subset_lalo=(38.6 - 20 * PIXEL_DEG, 38.6, -123.0, -122.0))
    assert len(catalogue.interferograms) == 3
    assert catalogue.shape == (20, 50)
    with pytest.raises(InputError, match="lies in the area: correct the subset"):
        found(given, subset_lalo=(10.0, 11.0, 20.0, 21.0))


def test_frames_with_a_gap_between_them_do_not_cover_it(stack: RadarStack, tmp_path: Path) -> None:
    given = written(stack, tmp_path, AriaLayout(frames=3, overlap_px=4))
    products(tmp_path, "20180129_20180105")[1].unlink()
    catalogue = found(given)
    assert len(catalogue.interferograms) == 2
    assert "20180105_20180129 (2 frames)" in catalogue.left_out[0]


def test_boxes() -> None:
    first, second = Box(0, 10, 0, 10), Box(8, 20, 5, 15)
    assert first.cut(second) == Box(8, 10, 5, 10)
    assert first.around(second) == Box(0, 20, 0, 15)
    assert first.cut(Box(30, 40, 0, 5)).area == 0
    assert Lattice(1200).grid(Box(-12, 0, 6, 18)).shape == (12, 12)


# ------------------------------------------------------------------------------------------------- odd products


def test_the_newest_version_of_a_frame_counts(stack: RadarStack, tmp_path: Path) -> None:
    given = written(stack, tmp_path)
    old = products(tmp_path, "20180129_20180105")[0]
    new = old.with_name(old.name.replace("v2_0_4", "v2_0_10"))
    shutil.copy(old, new)
    edited(old, lambda file: file["science/grids/data/unwrappedPhase"].__setitem__(np.s_[...], 99.0))
    catalogue = found(given)
    assert any(old.name in note and "v2_0_10" in note and "is newer" in note for note in catalogue.notes)
    phase = read_all(catalogue.interferograms[0].layers["unwrapPhase"])
    np.testing.assert_allclose(phase, stack.phase[0], atol=4e-6)


def test_another_track_is_left_out_by_name(stack: RadarStack, tmp_path: Path) -> None:
    given = written(stack, tmp_path)
    other = products(tmp_path)[0]
    shutil.copy(other, other.with_name(other.name.replace("-A-R-001", "-D-R-071")))
    catalogue = found(given)
    assert len(catalogue.interferograms) == 3
    assert "it is of track 71 descending, most are of track 1 ascending" in catalogue.left_out[0]


@pytest.mark.parametrize("layer", ["unwrappedPhase", "coherence"])
def test_a_product_without_a_required_layer_is_left_out_by_name(stack: RadarStack, tmp_path: Path, layer: str) -> None:
    given = written(stack, tmp_path, AriaLayout(frames=1))
    first = products(tmp_path)[0]
    edited(first, lambda file: file.__delitem__(f"science/grids/data/{layer}"))
    catalogue = found(given)
    assert len(catalogue.interferograms) == 2
    assert catalogue.left_out == (f"{first.name}: it has no {layer}, get the product again",)


@pytest.mark.parametrize("size", [0, 96, 20_000])
def test_a_cut_file_is_left_out_by_name(stack: RadarStack, tmp_path: Path, size: int) -> None:
    given = written(stack, tmp_path, AriaLayout(frames=1))
    first = products(tmp_path)[0]
    first.write_bytes(first.read_bytes()[:size])
    catalogue = found(given)
    assert len(catalogue.interferograms) == 2
    assert first.name in catalogue.left_out[0]


def test_a_file_that_is_no_product_is_left_out_by_name(stack: RadarStack, tmp_path: Path) -> None:
    given = written(stack, tmp_path, AriaLayout(frames=1))
    first = products(tmp_path)[0]
    with h5py.File(first, "w") as file:
        file["science/grids/data/latitude"] = [1.0, 2.0, 4.0]
        file["science/grids/data/longitude"] = [1.0, 2.0]
    assert "is no even coordinate" in found(given).left_out[0]


def test_nothing_left_says_why(stack: RadarStack, tmp_path: Path) -> None:
    given = written(stack, tmp_path, AriaLayout(frames=1))
    for path in products(tmp_path):
        path.write_bytes(b"<html>")
    with pytest.raises(InputError, match=r"no product can be used of 3: S1-GUNW.*cannot be read as HDF5"):
        found(given)
    with pytest.raises(InputError, match="no file matches"):
        found(given, unw_file=str(tmp_path / "none*.nc"))


def test_a_renamed_product_is_known_by_its_input_images(stack: RadarStack, tmp_path: Path) -> None:
    given = written(stack, tmp_path, AriaLayout(frames=1))

    def name_images(file: h5py.File, days: tuple[str, str]) -> None:
        for role, day in zip(("reference", "secondary"), days, strict=True):
            file[f"science/radarMetaData/inputSLC/{role}/L1InputGranules"] = f"S1A_IW_SLC__1SDV_{day}T135145_X"

    for k, path in enumerate(products(tmp_path)):
        later, earlier = path.name.split("-")[6].split("_")
        edited(path, lambda file, days=(later, earlier): name_images(file, days))  # type: ignore[misc]
        path.rename(path.with_name(f"mine{k}.nc"))
    catalogue = found(given, unw_file=str(tmp_path / "products"))
    assert [str(one.pair) for one in catalogue.interferograms] == [str(pair) for pair in stack.pairs]
    np.testing.assert_allclose(read_all(catalogue.interferograms[0].layers["unwrapPhase"]), stack.phase[0], atol=4e-6)


def test_amplitude_is_loaded_only_when_it_is_asked_for(stack: RadarStack, tmp_path: Path) -> None:
    given = written(stack, tmp_path, AriaLayout(amplitude=True))
    assert "magnitude" not in found(given).interferograms[0].layers
    layer = found(given, mag_file=given["unw_file"]).interferograms[0].layers["magnitude"]
    assert read_all(layer).max() == 1000


def test_nan_is_no_phase(stack: RadarStack, tmp_path: Path) -> None:
    given = written(stack, tmp_path, AriaLayout(frames=1))
    for path in products(tmp_path):
        edited(path, lambda file: file["science/grids/data/unwrappedPhase"].__setitem__(np.s_[5:9, 5:9], np.nan))
    phase = read_all(found(given).interferograms[0].layers["unwrapPhase"])
    assert not phase[5:9, 5:9].any()
    assert np.isfinite(phase).all()


def test_a_file_that_is_damaged_inside_is_left_out_while_it_is_read(stack: RadarStack, tmp_path: Path) -> None:
    given = written(stack, tmp_path, AriaLayout(frames=1))
    bad = products(tmp_path)[1]
    with h5py.File(bad) as file:
        data = file["science/grids/data/unwrappedPhase"]
        place = data.id.get_chunk_info_by_coord((0, 0))
    content = bytearray(bad.read_bytes())
    content[place.byte_offset + 2 : place.byte_offset + place.size] = bytes(place.size - 2)
    bad.write_bytes(bytes(content))
    done = loaded(given, tmp_path / "work")
    assert done.pairs == 2
    assert bad.name in done.left_out[0]
    assert "is damaged" in done.left_out[0]
