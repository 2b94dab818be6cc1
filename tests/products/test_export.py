from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.errors import SchemaError, StoreError
from creepmeter.io import store
from creepmeter.model.epoch import epochs_in_name
from creepmeter.model.grid import Grid, grid_of, same_grid
from creepmeter.model.schema import kind_of, make_image_cube
from creepmeter.products.export import save_geotiff, save_netcdf

Maker = Callable[..., xr.Dataset]
HALF_FLOAT32 = 1e-6


def test_motion_model_becomes_a_file_for_each_term_and_the_speed(tmp_path: Path, utm: Grid, make_motion: Maker) -> None:
    motion = make_motion(utm)
    files = {file.name: file for file in save_geotiff(motion, tmp_path)}
    expected = {
        f"velocity_{term}_{name}{end}.tif"
        for term in ("offset", "rate")
        for name in ("east", "north")
        for end in ("", "_sigma")
    }
    assert set(files) == expected | {"velocity_speed.tif", "velocity_speed_sigma.tif"}
    with rasterio.open(files["velocity_rate_east.tif"]) as file:
        assert_allclose(file.read(1), motion["value"].sel(term="rate", component="east"), rtol=HALF_FLOAT32)
        assert file.crs.to_epsg() == 32611
        assert file.transform == utm.affine
        assert np.isnan(file.nodata)
        assert file.descriptions == ("rate east [m/yr]",)
        assert file.tags()["units"] == "m/yr"
    with rasterio.open(files["velocity_speed.tif"]) as file:
        rate = motion["value"].sel(term="rate").values
        assert_allclose(file.read(1), np.hypot(*rate), rtol=HALF_FLOAT32)


def test_series_becomes_a_band_for_each_date(tmp_path: Path, utm: Grid, make_series: Maker) -> None:
    series = make_series(utm)
    files = save_geotiff(series, tmp_path / "slides.tif")
    assert [file.name for file in files] == [
        f"slides_{name}{end}.tif" for name in ("east", "north") for end in ("", "_sigma")
    ]
    with rasterio.open(files[2]) as file:
        assert file.descriptions[:2] == ("20160803", "20170811")
        assert_allclose(file.read(), series["displacement"].sel(component="north"), rtol=HALF_FLOAT32, atol=1e-12)


def test_stack_becomes_a_file_for_each_pair_that_names_its_dates(tmp_path: Path, utm: Grid, make_stack: Maker) -> None:
    stack = make_stack(utm)
    files = save_geotiff(stack, tmp_path)
    assert len(files) == 15
    for index, file in enumerate(files):
        ref, sec = epochs_in_name(file.name)
        assert (ref, sec) == (stack["ref_time"].values[index], stack["sec_time"].values[index])
    with rasterio.open(files[3]) as file:
        assert file.descriptions == ("east", "north", "sigma_east", "sigma_north", "quality")
        assert_array_equal(file.read([1, 2]), stack["displacement"].isel(pair=3))
        assert file.tags()["used"] == "no"


def test_two_images_of_one_day_do_not_overwrite_each_other(tmp_path: Path, utm: Grid) -> None:
    times = ["2020-01-01T10:00:00", "2020-01-01T22:30:00"]
    cube = make_image_cube(np.zeros((2, *utm.shape), np.float32), times, utm)
    names = [file.name for file in save_geotiff(cube, tmp_path)]
    assert names == ["image_20200101T100000.tif", "image_20200101T223000.tif"]


def test_cloud_optimised_file_has_the_same_values(tmp_path: Path, utm: Grid, make_motion: Maker) -> None:
    motion = make_motion(utm)
    plain, cloud = (save_geotiff(motion, tmp_path / str(cog), cog=cog)[-1] for cog in (False, True))
    with rasterio.open(plain) as first, rasterio.open(cloud) as second:
        assert_array_equal(first.read(), second.read())
        assert second.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"


def test_map_without_reference_system_is_saved(tmp_path: Path, grid: Grid, make_motion: Maker) -> None:
    file = save_geotiff(make_motion(grid), tmp_path)[0]
    reopened = store.open(file)
    assert same_grid(grid_of(reopened), grid)


def test_what_is_no_product_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"only maps \(y, x\) of numbers are saved.* this has depth"):
        save_geotiff(xr.Dataset({"depth": ("y", [1.0])}), tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot make the folder"):
        save_geotiff(
            make_image_cube(np.zeros((1, 2, 2)), ["20200101"], Grid((2, 2), rasterio.Affine(1, 0, 0, 0, -1, 0), None)),
            tmp_path / "file" / "in",
        )


@pytest.mark.parametrize("kind", ["MotionModel", "TimeSeries", "PairStack"])
def test_netcdf_comes_back_the_same(
    tmp_path: Path, utm: Grid, kind: str, make_motion: Maker, make_series: Maker, make_stack: Maker
) -> None:
    dataset = {"MotionModel": make_motion, "TimeSeries": make_series, "PairStack": make_stack}[kind](utm)
    dataset.attrs["flags"] = {"nested": True}
    dataset.attrs["nothing"] = None
    path = save_netcdf(dataset, tmp_path / "new" / "product.nc")
    with xr.open_dataset(path, engine="h5netcdf") as found:
        assert kind_of(found) == kind
        for name in dataset.variables:
            assert_array_equal(found[name].values, dataset[name].values)
        main = dataset[next(iter(dataset.data_vars))]
        assert (
            found[main.name].attrs.get("grid_mapping", found[main.name].encoding.get("grid_mapping")) == "spatial_ref"
        )
        assert found.attrs["Conventions"] == "CF-1.8"
        assert found.attrs["flags"] == '{"nested": true}'
        assert found["spatial_ref"].attrs["grid_mapping_name"] == "transverse_mercator"
        assert found["x"].attrs["standard_name"] == "projection_x_coordinate"
        assert same_grid(grid_of(found), utm)
    assert [file.name for file in path.parent.iterdir()] == ["product.nc"]


def test_a_store_is_saved_as_netcdf_and_opened_as_the_same_product(
    tmp_path: Path, utm: Grid, make_series: Maker
) -> None:
    store.write(make_series(utm), tmp_path / "series.zarr")
    opened = store.open(tmp_path / "series.zarr")
    found = store.open(save_netcdf(opened, tmp_path / "series.nc"))
    assert kind_of(found) == "TimeSeries"
    assert_array_equal(found["displacement"].values, opened["displacement"].values)
    assert_array_equal(found["time"].values, opened["time"].values)


def test_saving_does_not_touch_the_dataset(tmp_path: Path, utm: Grid, make_series: Maker) -> None:
    series = make_series(utm)
    series.attrs["nothing"] = None
    before = series.copy(deep=True)
    save_netcdf(series, tmp_path / "a.nc")
    assert series.identical(before)
    assert series["displacement"].attrs == before["displacement"].attrs


def test_a_failed_save_leaves_the_old_file(
    tmp_path: Path, utm: Grid, make_series: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_netcdf(make_series(utm), tmp_path / "a.nc")
    old = path.read_bytes()

    def full_disk(_: xr.Dataset, partial: Path, **_options: object) -> None:
        partial.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(xr.Dataset, "to_netcdf", full_disk)
    with pytest.raises(StoreError, match="No space left on device"):
        save_netcdf(make_series(utm), path)
    assert path.read_bytes() == old
    assert [file.name for file in tmp_path.iterdir()] == ["a.nc"]


def test_netcdf_needs_its_ending(tmp_path: Path, utm: Grid, make_series: Maker) -> None:
    with pytest.raises(StoreError, match=r"ends in \.nc, not '\.h5'"):
        save_netcdf(make_series(utm), tmp_path / "a.h5")
