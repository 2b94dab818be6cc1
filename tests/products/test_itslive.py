from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from numpy.testing import assert_allclose, assert_array_equal
from pyproj import CRS

from creepmeter.errors import GridError, InputError, SchemaError
from creepmeter.interferograms.itslive import pair_of_netcdf
from creepmeter.io.layers import Layer
from creepmeter.model.grid import Grid, same_grid
from creepmeter.model.schema import make_pair_stack
from creepmeter.products.itslive import save_itslive
from creepmeter.stack.stable import correct_stable_ground

Maker = Callable[..., xr.Dataset]
FLOAT32 = 3e-7
S2 = "S2A_MSIL1C_20160803T182922_N0204_R027_T11TPF_20160803T183432"
L8 = "LC08_L1TP_041032_20170811_20200903_02_T1"


def read_all(layer: Layer) -> np.ndarray:
    return layer.read(slice(0, layer.shape[0]), slice(0, layer.shape[1]))


def reopened(path: Path) -> xr.Dataset:
    with xr.open_dataset(path, engine="h5netcdf", decode_coords="all") as found:
        return found.load()


@pytest.mark.parametrize("integer", [False, True])
def test_our_own_reader_finds_the_same_displacement(
    tmp_path: Path, utm: Grid, make_stack: Maker, *, integer: bool
) -> None:
    stack = make_stack(utm).isel(pair=[0, 3, 9])
    paths = save_itslive(stack, tmp_path, integer=integer)
    assert len(paths) == stack.sizes["pair"]
    for index, path in enumerate(paths):
        found = pair_of_netcdf(path)
        ends = stack["ref_time"].values[index], stack["sec_time"].values[index]
        assert (found.pair.ref, found.pair.sec) == ends
        assert found.grid is not None
        assert same_grid(found.grid, utm)
        years = float((ends[1] - ends[0]) / np.timedelta64(1, "D")) / 365
        for name, component in (("rangeOffset", "east"), ("azimuthOffset", "north")):
            expected = stack["displacement"].sel(component=component).values[index]
            # half a metre per year, or two roundings to float32 of some 15 m
            assert_allclose(read_all(found.layers[name]), expected, atol=0.501 * years if integer else 3e-6)
        sigma = stack["sigma"].values[0, index]
        mean = np.sqrt(np.nanmean(sigma.astype(float) ** 2))
        assert_allclose(read_all(found.layers["rangeOffsetStd"])[0, 0], mean, rtol=1e-6)


@pytest.mark.parametrize("integer", [False, True])
def test_xarray_opens_the_file_under_cf(tmp_path: Path, utm: Grid, make_stack: Maker, *, integer: bool) -> None:
    stack = make_stack(utm).isel(pair=[0])
    found = reopened(save_itslive(stack, tmp_path, integer=integer)[0])
    assert found.attrs["Conventions"] == "CF-1.8"
    assert found["vx"].dims == ("y", "x")
    assert found["vx"].encoding["dtype"] == (np.dtype(np.int16) if integer else np.dtype(np.float32))
    assert found["vx"].encoding["_FillValue"] == -32767
    assert found["vx"].encoding["grid_mapping"] == "mapping"
    assert found["vx"].attrs["units"] == "meter/year"
    years = 373 / 365
    for name, values in zip(("vx", "vy"), stack["displacement"].values[:, 0].astype(float), strict=True):
        expected = np.rint(values / years) if integer else values / years
        assert_allclose(found[name], expected, rtol=FLOAT32, atol=1e-6)
    assert_array_equal(np.isnan(found["v"]), np.isnan(stack["displacement"].values[0, 0]))
    mapping = found["mapping"].attrs
    assert CRS.from_wkt(mapping["crs_wkt"]) == CRS.from_cf(mapping) == CRS.from_epsg(32611)
    assert mapping["spatial_epsg"] == 32611
    assert Affine.from_gdal(*map(float, mapping["GeoTransform"].split())) == utm.affine
    assert_allclose(found["x"], 612_040 + 80 * np.arange(48))
    assert_allclose(found["y"], 4_506_960 - 80 * np.arange(40))
    assert found["x"].attrs["standard_name"] == "projection_x_coordinate"


def test_the_error_of_the_speed_lies_along_the_motion(tmp_path: Path, utm: Grid) -> None:
    motion = np.zeros((2, 1, *utm.shape))
    motion[:, 0, 0, 0], motion[:, 0, 0, 1] = (3.0, 4.0), (0.0, 2.0)
    sigma = np.broadcast_to(np.array([0.3, 0.1])[:, None, None, None], motion.shape)
    pairs = [("20200101", "20201231")]  # 365 days
    stack = make_pair_stack(motion, pairs, ["east", "north"], sigma=sigma, grid=utm)
    found = reopened(save_itslive(stack, tmp_path)[0])
    assert_allclose(found["v"][0, :2], [5.0, 2.0], rtol=FLOAT32)
    expected = [np.hypot(0.6 * 0.3, 0.8 * 0.1), 0.1, np.sqrt((0.3**2 + 0.1**2) / 2)]
    assert_allclose(found["v_error"][0, :3], expected, rtol=FLOAT32)
    assert found["vx"].attrs["error"] == pytest.approx(0.3, rel=1e-6)
    assert found["vy"].attrs["error"] == pytest.approx(0.1, rel=1e-6)


def test_dates_place_and_chips_are_told(tmp_path: Path, utm: Grid, make_stack: Maker) -> None:
    whole = make_stack(utm)
    stack = whole.isel(pair=[0])
    found = reopened(save_itslive(stack, tmp_path)[0])
    info = found["img_pair_info"].attrs
    assert info["acquisition_date_img1"] == "20160803T00:00:00"
    assert info["acquisition_date_img2"] == "20170811T00:00:00"
    assert info["date_dt"] == 373
    assert info["date_center"] == "20170205T12:00:00"
    assert (info["latitude"], info["longitude"]) == pytest.approx((40.69, -115.65), abs=0.011)
    assert info["roi_valid_percentage"] == pytest.approx(100 * (1 - 24 / 1920), abs=0.051)
    measured = np.isfinite(stack["displacement"].values[0, 0])
    for name, axis in (("width", "x"), ("height", "y")):
        # steps of 8 pixels are 80 m apart, so that 32 pixels are 320 m
        assert_array_equal(found[f"chip_size_{name}"].values[measured], 320)
        assert found[f"chip_size_{name}"].attrs[f"{axis}_pixel_size"] == 10.0
        assert np.isnan(found[f"chip_size_{name}"].values[~measured]).all()
    assert not found["interp_mask"].any()
    del stack.attrs["chip_px"]
    assert "chip_size_width" not in reopened(save_itslive(stack, tmp_path)[0])
    written = save_itslive(whole.isel(pair=[2, 3]), tmp_path)
    assert [reopened(path)["img_pair_info"].attrs["used"] for path in written] == ["yes", "no"]


def test_the_correction_by_stable_ground_is_told(
    tmp_path: Path, utm: Grid, make_stack: Maker, moving: np.ndarray
) -> None:
    stack = make_stack(utm, shift=2.0).isel(pair=[0])
    bare = reopened(save_itslive(stack, tmp_path / "bare")[0])
    assert (bare["vx"].attrs["stable_shift"], bare["vx"].attrs["stable_shift_flag"]) == (0, 0)
    corrected = reopened(save_itslive(correct_stable_ground(stack, ~moving), tmp_path / "stable")[0])
    for name in ("vx", "vy"):
        attributes = corrected[name].attrs
        assert attributes["stable_shift_flag"] == 1
        difference = (bare[name] - corrected[name]).values
        assert_allclose(difference[np.isfinite(difference)], attributes["stable_shift"], atol=2e-6)
        at_rest = corrected[name].values[~moving & np.isfinite(corrected[name].values)]
        assert attributes["error_stationary"] == pytest.approx(at_rest.std(), rel=0.2)
        assert attributes["stable_count_stationary"] == len(at_rest)


def test_files_bear_the_names_of_scenes_that_are_known(tmp_path: Path, utm: Grid, make_stack: Maker) -> None:
    stack = make_stack(utm).isel(pair=[0, 1])
    plain = ["20160803_20170811.nc", "20160803_20180820.nc"]
    assert [path.name for path in save_itslive(stack, tmp_path)] == plain
    named = f"{S2}_X_{L8}_G0080V02_P098.nc"
    given = save_itslive(stack, tmp_path, scenes=[Path("images") / f"{S2}.SAFE", f"{L8}.tif", "20180820.tif"])
    assert [path.name for path in given] == [named, plain[1]]
    info = reopened(given[0])["img_pair_info"].attrs
    assert (info["id_img1"], info["id_img2"]) == (S2, L8)
    assert (info["mission_img1"], info["satellite_img1"]) == ("S", "2A")
    assert (info["mission_img2"], info["satellite_img2"], info["sensor_img2"]) == ("L", "8", "C")
    told = stack.assign_attrs(provenance=json.dumps({"inputs": {f"{S2}.jp2": "a", f"{L8}.tif": "b"}}))
    assert save_itslive(told, tmp_path)[0].name == named
    del told.attrs["chip_px"]  # maps of another program, whose names are not those of images
    assert save_itslive(told, tmp_path)[0].name == plain[0]
    twice = save_itslive(stack, tmp_path, scenes=[S2, S2.replace("T11TPF", "T11TQF"), L8])
    assert twice[0].name == plain[0]


def test_whole_numbers_never_wrap_around(tmp_path: Path, utm: Grid) -> None:
    motion = np.zeros((2, 1, *utm.shape))
    motion[0, 0, 3, 4] = -32766.4
    pairs = [("20200101", "20201231")]
    stack = make_pair_stack(motion, pairs, ["east", "north"], grid=utm)
    assert reopened(save_itslive(stack, tmp_path, integer=True)[0])["vx"].values[3, 4] == -32766
    motion[0, 0, 3, 4] = -32767.0
    stack = make_pair_stack(motion, pairs, ["east", "north"], grid=utm)
    with pytest.raises(InputError, match=r"vx of pair 20200101_20201231 reaches 32767 m per year.*--integer"):
        save_itslive(stack, tmp_path / "new", integer=True)
    assert not list((tmp_path / "new").glob("*"))
    assert reopened(save_itslive(stack, tmp_path)[0])["v"].values[3, 4] == 32767.0


def test_what_does_not_fit_is_refused(tmp_path: Path, utm: Grid, grid: Grid, make_stack: Maker) -> None:
    with pytest.raises(GridError, match="no reference system"):
        save_itslive(make_stack(grid), tmp_path)
    degrees = Grid(utm.shape, Affine(0.001, 0, -115.0, 0, -0.001, 40.0), "EPSG:4326")
    with pytest.raises(GridError, match="in degrees"):
        save_itslive(make_stack(degrees), tmp_path)
    sight = make_pair_stack(np.zeros((1, *utm.shape)), [("20200101", "20200113")], grid=utm)
    with pytest.raises(SchemaError, match="this stack has los"):
        save_itslive(sight, tmp_path)
    coarse = make_stack(utm).assign_attrs(chip_px=8000)
    with pytest.raises(InputError, match="a chip of 80000 m does not fit"):
        save_itslive(coarse, tmp_path)


@pytest.mark.golden
def test_names_are_those_of_a_real_file(tmp_path: Path, utm: Grid, make_stack: Maker, shared: Path) -> None:
    real = reopened(next((shared / "data" / "velocity_itslive_format").glob("LT05*.nc")))
    ours = reopened(save_itslive(make_stack(utm).isel(pair=[0]), tmp_path)[0])
    assert set(ours.data_vars) == set(real.data_vars)
    assert set(ours.coords) == set(real.coords)
    for name in ("vx", "vy", "v", "v_error", "chip_size_width", "chip_size_height", "interp_mask"):
        assert ours[name].attrs["standard_name"] == real[name].attrs["standard_name"]
        assert ours[name].attrs.get("units") == real[name].attrs.get("units")
