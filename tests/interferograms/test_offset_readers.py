from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest
from scipy.io import savemat
from tests.interferograms.processors import GEO, found_in, values_of

from creepmeter.errors import ImageError, InputError
from creepmeter.interferograms.catalogue import Catalogue
from creepmeter.interferograms.load import load
from creepmeter.interferograms.load_options import LoadOptions
from creepmeter.io.mintpy.product import read_attributes, read_map
from creepmeter.io.netcdf import read_netcdf_maps, write_netcdf_maps
from creepmeter.io.raster import write_geotiff
from creepmeter.io.store import open as open_product
from creepmeter.model.grid import same_grid
from creepmeter.simulate.layouts.offsets import (
    OffsetMaps,
    offset_maps,
    write_autorift,
    write_cosicorr,
    write_itslive,
)

OFFSETS = offset_maps(GEO)


def assert_offsets_come_back(found: Catalogue, offsets: OffsetMaps, *, atol: float = 1e-5) -> None:
    assert [one.pair for one in found.interferograms] == list(offsets.pairs)
    np.testing.assert_allclose(values_of(found, "rangeOffset"), offsets.east, atol=atol, rtol=1e-6)
    np.testing.assert_allclose(values_of(found, "azimuthOffset"), offsets.north, atol=atol, rtol=1e-6)
    assert found.grid is not None
    assert same_grid(found.grid, offsets.grid)
    assert found.attributes["PROCESSOR"] == "cosicorr"
    assert found.attributes["UNIT"] == "m"
    assert found.attributes["UTM_ZONE"] == "10N"


@pytest.mark.parametrize("split", [False, True], ids=["three bands", "three files"])
def test_offsets_of_cosi_corr_come_back(tmp_path: Path, *, split: bool) -> None:
    found = found_in(tmp_path, write_cosicorr(OFFSETS, tmp_path, write_geotiff, split=split))
    assert_offsets_come_back(found, OFFSETS)
    np.testing.assert_array_equal(values_of(found, "offsetSNR"), OFFSETS.snr)
    assert not found.left_out


def test_offsets_are_loaded_in_metres(tmp_path: Path) -> None:
    settings = write_cosicorr(OFFSETS, tmp_path / "offsets", write_geotiff)
    options = LoadOptions.model_validate(settings)
    loaded = load(found_in(tmp_path / "offsets", settings), options, tmp_path / "work")
    assert loaded.stack.name == "offsetStack.h5"
    assert read_attributes(loaded.stack)["UNIT"] == "m"
    first = str(OFFSETS.pairs[0])
    np.testing.assert_allclose(read_map(loaded.stack, f"rangeOffset-{first}"), OFFSETS.east[0], rtol=1e-6)


def test_the_table_of_dates_counts_before_the_name(tmp_path: Path) -> None:
    settings = write_cosicorr(OFFSETS, tmp_path, write_geotiff)
    path = tmp_path / "metadata.txt"
    lines = path.read_text(encoding="utf-8").splitlines()
    turned = lines[0].split()
    path.write_text("\n".join([f"folder/{turned[0]} {turned[2]} {turned[1]}", *lines[1:]]), encoding="utf-8")
    found = found_in(tmp_path, settings)
    first = found.interferograms[0]
    assert first.pair == OFFSETS.pairs[0]
    np.testing.assert_allclose(values_of(found, "rangeOffset")[0], -OFFSETS.east[0], rtol=1e-6)


def test_files_without_dates_are_left_out_by_name(tmp_path: Path) -> None:
    settings = write_cosicorr(OFFSETS, tmp_path, write_geotiff)
    path = tmp_path / "metadata.txt"
    path.write_text("\n".join(path.read_text(encoding="utf-8").splitlines()[1:]), encoding="utf-8")
    found = found_in(tmp_path, settings)
    assert len(found.interferograms) == len(OFFSETS.pairs) - 1
    assert "offset0.tif is not in the table of dates" in found.left_out[0]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("offset0.tif 20180105", "neither file, first and second date"),
        ("offset0.tif 20180105 20180199", "has no dates YYYYMMDD"),
        ("offset0.tif 20180105 20180105", "one date twice"),
    ],
)
def test_a_bad_table_of_dates_is_refused(tmp_path: Path, line: str, why: str) -> None:
    settings = write_cosicorr(OFFSETS, tmp_path, write_geotiff)
    (tmp_path / "metadata.txt").write_text(line, encoding="utf-8")
    with pytest.raises(InputError, match=why):
        found_in(tmp_path, settings)


def test_offsets_of_autorift_are_pixels_to_the_east_and_north(tmp_path: Path) -> None:
    found = found_in(tmp_path, write_autorift(OFFSETS, tmp_path, write_geotiff, pixel_m=15.0))
    measured = values_of(found, "rangeOffset")
    assert np.isnan(measured[:, :, ::10]).all()  # interpolated
    for name, expected in (("rangeOffset", OFFSETS.east), ("azimuthOffset", OFFSETS.north)):
        np.testing.assert_allclose(values_of(found, name)[:, :, 1:10], expected[:, :, 1:10], rtol=1e-5)
    assert any("interpolated" in note for note in found.notes)


RADAR_FACTS = "WAVELENGTH = 0.0555\nRANGE_PIXEL_SIZE = 2.3\nAZIMUTH_PIXEL_SIZE = 14.1\nHEADING = -168\n"


def write_mat(folder: Path, pair: str) -> dict[str, npt.NDArray[Any]]:
    """Write ``offset.mat`` as autoRIFT does for images of a radar without a map grid."""
    drawn = np.random.default_rng(len(pair))
    shape = (7, 9)
    values: dict[str, npt.NDArray[Any]] = {
        "Dx": drawn.normal(size=shape).astype(np.float32),
        "Dy": drawn.normal(size=shape).astype(np.float32),
        "InterpMask": np.zeros(shape, np.float32),
        "ChipSizeX": np.full(shape, 64, np.uint16),
    }
    values["InterpMask"][2, 3], values["ChipSizeX"][4, 5], values["Dx"][0, 0] = 1, 0, np.nan
    (folder / pair).mkdir(parents=True)
    savemat(folder / pair / "offset.mat", values)
    return values


def test_offsets_of_a_radar_are_pixels_of_range_and_azimuth(tmp_path: Path) -> None:
    forward, backward = write_mat(tmp_path, "20200101_20200113"), write_mat(tmp_path, "20200125_20200113")
    (tmp_path / "facts.txt").write_text(RADAR_FACTS, encoding="utf-8")
    settings = {"processor": "autorift", "rg_off_file": "*/offset.mat", "meta_file": "facts.txt"}
    found = found_in(tmp_path, settings)
    assert [str(one.pair) for one in found.interferograms] == ["20200101_20200113", "20200113_20200125"]
    assert found.grid is None
    valid = np.ones((7, 9), bool)
    valid[2, 3] = valid[4, 5] = False
    for name, source, sign in (("rangeOffset", "Dx", 1), ("azimuthOffset", "Dy", -1)):
        expected = np.stack([sign * forward[source], -sign * backward[source]])
        np.testing.assert_array_equal(values_of(found, name), np.where(valid, expected, np.nan))
    loaded = load(found, LoadOptions.model_validate(settings), tmp_path / "work")
    facts = read_attributes(loaded.stack)
    assert (facts["PROCESSOR"], facts["UNIT"], facts["HEADING"]) == ("autorift", "pixel", "-168")
    series = open_product(loaded.stack)
    assert list(series["component"].values) == ["los", "azimuth"]
    toward = -2.3 * forward["Dx"]  # range grows away from the satellite
    np.testing.assert_allclose(series["displacement"].values[0, 0], np.where(valid, toward, np.nan), rtol=1e-5)


def test_offsets_of_a_radar_on_a_map_are_pixels_too(tmp_path: Path) -> None:
    settings = write_autorift(OFFSETS, tmp_path, write_geotiff, pixel_m=1.0)
    (tmp_path / "pixel.txt").write_text(RADAR_FACTS, encoding="utf-8")
    found = found_in(tmp_path, settings)
    assert (found.attributes["PROCESSOR"], found.attributes["UNIT"]) == ("autorift", "pixel")
    for name, expected in (("rangeOffset", OFFSETS.east), ("azimuthOffset", -OFFSETS.north)):
        np.testing.assert_array_equal(values_of(found, name)[:, :, 1:10], expected[:, :, 1:10])


def test_a_mat_file_without_radar_or_damaged_is_refused(tmp_path: Path) -> None:
    write_mat(tmp_path, "20200101_20200113")
    settings = {"processor": "autorift", "rg_off_file": "*/offset.mat"}
    with pytest.raises(InputError, match="has no georeference, so that it can only be of a radar"):
        found_in(tmp_path, settings)
    with pytest.raises(InputError, match="need RANGE_PIXEL_SIZE and AZIMUTH_PIXEL_SIZE"):
        found_in(tmp_path, settings, wavelength_m=0.05)
    (tmp_path / "facts.txt").write_text(RADAR_FACTS, encoding="utf-8")
    path = tmp_path / "20200101_20200113" / "offset.mat"
    savemat(path, {"Dx": np.zeros((3, 4)), "Dy": np.array(["a", "b"])})
    with pytest.raises(InputError, match=r"offset\.mat: Dy has shape .* it is no map of numbers"):
        found_in(tmp_path, settings, meta_file="facts.txt")
    path.write_bytes(path.read_bytes()[:150])
    with pytest.raises(InputError, match=r"offset\.mat cannot be read as a file of MATLAB"):
        found_in(tmp_path, settings, meta_file="facts.txt")


def test_a_pixel_is_the_step_of_the_grid_unless_told(tmp_path: Path) -> None:
    settings = write_autorift(OFFSETS, tmp_path, write_geotiff, pixel_m=15.0)
    found = found_in(tmp_path, settings, meta_file=None)
    ratio = values_of(found, "rangeOffset")[:, :, 1:10] / OFFSETS.east[:, :, 1:10]
    np.testing.assert_allclose(ratio[np.isfinite(ratio)], 8, rtol=1e-5)
    assert any("taken as 120 x 120 m" in note for note in found.notes)


@pytest.mark.parametrize("processor", ["itslive", "autorift"])
def test_velocities_of_its_live_become_offsets(tmp_path: Path, processor: str) -> None:
    settings = write_itslive(OFFSETS, tmp_path, write_netcdf_maps) | {"processor": processor}
    found = found_in(tmp_path, settings)
    assert_offsets_come_back(found, OFFSETS, atol=0.51 * 48 / 365)  # whole metres per year over up to 48 days
    years = np.array([pair.days for pair in OFFSETS.pairs]) / 365
    np.testing.assert_allclose(values_of(found, "rangeOffsetStd")[:, 0, 0], 3.5 * years, rtol=1e-6)


def test_the_clock_counts_in_the_days_between(tmp_path: Path) -> None:
    settings = write_itslive(OFFSETS, tmp_path, write_netcdf_maps, times=("06:00:00", "18:00:00"))
    found = found_in(tmp_path, settings)
    years = (np.array([pair.days for pair in OFFSETS.pairs]) + 0.5) / 365
    np.testing.assert_allclose(values_of(found, "rangeOffsetStd")[:, 0, 0], 3.5 * years, rtol=1e-6)
    assert [one.pair for one in found.interferograms] == list(OFFSETS.pairs)


def _spoil(path: Path, *, drop: str = "", attributes: dict[str, str] | None = None) -> None:
    with h5py.File(path, "r+") as file:
        if drop:
            del file[drop]
        file["img_pair_info"].attrs.update(attributes or {})


@pytest.mark.parametrize(
    ("drop", "attributes", "why"),
    [
        ("vy", {}, r"has no vy \(maps: interp_mask, vx\)"),
        ("x", {}, "has no map grid"),
        ("", {"acquisition_date_img1": "noon"}, "is 'noon', no time"),
        ("", {"acquisition_date_img1": "20991231T00:00:00"}, "is not after the first"),
    ],
)
def test_an_incomplete_product_is_left_out(tmp_path: Path, drop: str, attributes: dict[str, str], why: str) -> None:
    settings = write_itslive(OFFSETS, tmp_path, write_netcdf_maps)
    _spoil(min(tmp_path.glob("*.nc")), drop=drop, attributes=attributes)
    found = found_in(tmp_path, settings)
    assert len(found.interferograms) == len(OFFSETS.pairs) - 1
    assert len(found.left_out) == 1
    with pytest.raises(AssertionError, match=why):
        raise AssertionError(found.left_out[0])


def test_no_files_are_named() -> None:
    for processor in ("cosicorr", "autorift", "itslive"):
        with pytest.raises(InputError, match="rg_off_file"):
            found_in(Path(), {"processor": processor})


def test_maps_with_uneven_coordinates_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    values: npt.NDArray[np.int16] = np.zeros(OFFSETS.grid.shape, np.int16)
    write_netcdf_maps(path, {"vx": values}, OFFSETS.grid)
    with h5py.File(path, "r+") as file:
        file["x"][3] += 50.0
    with pytest.raises(ImageError, match="coordinate x is not regular"):
        read_netcdf_maps(path)


@pytest.mark.golden
def test_a_real_product_of_its_live(shared: Path) -> None:
    found = found_in(shared / "data" / "velocity_itslive_format", {"processor": "itslive", "rg_off_file": "*.nc"})
    assert [str(one.pair) for one in found.interferograms] == ["19841206_19850124"]
    assert found.shape == (1879, 2016)
    assert found.grid is not None
    assert found.grid.crs == "EPSG:3031"
    sigma = found.interferograms[0].layers["rangeOffsetStd"].read(slice(0, 1), slice(0, 1))
    assert float(sigma[0, 0]) == pytest.approx(189.8 * 49.03003619 / 365, rel=1e-6)
    assert len(found.left_out) == 2
    assert all("has no vx and vy (maps: v)" in text for text in found.left_out)
