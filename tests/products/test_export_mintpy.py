"""Files in MintPy's layout saved as GeoTIFF, NetCDF and Zarr, read again by others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
import zarr
from tests.products import exports
from tests.products.exports import UTM, WGS84

from creepmeter.io import netcdfwriter, store
from creepmeter.io.mintpy.product import write_product
from creepmeter.products.export import save_geotiff, save_netcdf


def _transform(grid: dict[str, str]) -> tuple[float, ...]:
    west, north, width, height = (float(grid[name]) for name in ("X_FIRST", "Y_FIRST", "X_STEP", "Y_STEP"))
    return width, 0, west, 0, height, north


@pytest.mark.parametrize("cog", [False, True])
@pytest.mark.parametrize(("grid", "code"), [(WGS84, 4326), (UTM, 32611)])
def test_a_mask_stays_a_mask(tmp_path: Path, grid: dict[str, str], code: int, *, cog: bool) -> None:
    keep = exports.rate_map() > 0.01
    exports.write_map(tmp_path / "maskTempCoh.h5", "mask", keep, grid)
    (path,) = save_geotiff(store.open(tmp_path / "maskTempCoh.h5"), tmp_path / "mask.tif", cog=cog)
    with rasterio.open(path) as image:
        assert path.name == "mask.tif"
        assert image.crs.to_epsg() == code
        assert tuple(image.transform)[:6] == pytest.approx(_transform(grid))
        assert (image.dtypes, image.nodata) == (("uint8",), None)
        np.testing.assert_array_equal(image.read(1), keep)


def test_geometry_becomes_a_file_for_each_map(tmp_path: Path) -> None:
    maps = exports.write_geometry(tmp_path / "geometry.h5")
    files = save_geotiff(store.open(tmp_path / "geometry.h5"), tmp_path / "geo.tif")
    assert {path.name for path in files} == {f"geo_{name}.tif" for name in maps}
    units = {"height": "m", "incidenceAngle": "degree", "shadowMask": "1"}
    for name, unit in units.items():
        with rasterio.open(tmp_path / f"geo_{name}.tif") as image:
            np.testing.assert_array_equal(image.read(1), maps[name])
            assert (image.units, image.descriptions) == ((unit,), (name,))


def test_whole_numbers_stay_whole(tmp_path: Path) -> None:
    values = np.arange(2400, dtype=np.int16).reshape(40, 60)
    exports.write_map(tmp_path / "count.h5", "mask", values)
    (path,) = save_geotiff(store.open(tmp_path / "count.h5"), tmp_path)
    with rasterio.open(path) as image:
        assert (path.name, image.dtypes) == ("map.tif", ("int16",))
        np.testing.assert_array_equal(image.read(1), values)


@pytest.mark.parametrize("cog", [False, True])
def test_a_series_has_a_band_for_each_date(tmp_path: Path, *, cog: bool) -> None:
    values = exports.write_series(tmp_path / "timeseries.h5")
    (path,) = save_geotiff(store.open(tmp_path / "timeseries.h5"), tmp_path, cog=cog)
    with rasterio.open(path) as image:
        assert image.descriptions == exports.DATES
        assert image.units == ("m",) * len(exports.DATES)
        np.testing.assert_array_equal(image.read([2, 3, 4]), values[1:])
        assert np.isnan(image.nodata)
        assert image.tags()["units"] == "m"


def test_a_large_cog_has_overviews(tmp_path: Path) -> None:
    values = np.tile(np.arange(1, 601, dtype=np.float32), (700, 1))
    told = {**exports.BASE, **WGS84, "FILE_TYPE": "coherence", "UNIT": "1"}
    write_product(tmp_path / "large.h5", {"coherence": values}, told)
    (path,) = save_geotiff(store.open(tmp_path / "large.h5"), tmp_path / "x.tif", cog=True)
    with rasterio.open(path) as image:
        assert image.overviews(1) == [2, 4]
        assert image.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert image.block_shapes == [(256, 256)]
        np.testing.assert_allclose(image.read(1, out_shape=(350, 300))[0, :3], [1.5, 3.5, 5.5])


def test_seasonal_terms_of_a_velocity_are_saved(tmp_path: Path) -> None:
    rates = exports.rate_map()
    told = {**exports.BASE, **WGS84, "FILE_TYPE": "velocity", "UNIT": "m/year"}
    maps = {"velocity": rates, "velocityStd": rates, "annualAmplitude": rates * 2, "step20180301": rates * 3}
    write_product(tmp_path / "velocity.h5", maps, told, units={"annualAmplitude": "m", "step20180301": "m"})
    names = [path.name for path in save_geotiff(store.open(tmp_path / "velocity.h5"), tmp_path)]
    assert names[:2] == ["velocity_rate_los.tif", "velocity_step_20180301_los.tif"]
    with rasterio.open(tmp_path / "velocity_annualAmplitude.tif") as image:
        np.testing.assert_array_equal(image.read(1), rates * 2)
        assert image.units == ("m",)


def _every_product(folder: Path, grid: dict[str, str]) -> list[Path]:
    exports.write_series(folder / "timeseries.h5", grid)
    exports.write_velocity(folder / "velocity.h5", grid)
    exports.write_geometry(folder / "geometry.h5", grid)
    exports.write_map(folder / "maskTempCoh.h5", "mask", exports.rate_map() > 0, grid)
    return sorted(folder.glob("*.h5"))


@pytest.mark.parametrize(("grid", "code"), [(WGS84, 4326), (UTM, 32611)])
def test_netcdf_of_every_product_follows_cf(tmp_path: Path, grid: dict[str, str], code: int) -> None:
    for path in _every_product(tmp_path, grid):
        target = save_netcdf(store.open(path), tmp_path / f"{path.stem}.nc")
        with xr.open_dataset(target, engine="h5netcdf", decode_coords="all") as found:
            assert found.attrs["Conventions"] == "CF-1.8"
            assert found.attrs["title"]
            assert found.attrs["history"]
            assert found["spatial_ref"].dtype == np.int32  # CF 2.2 has no integers of 64 bits
            assert not any("_FillValue" in found[axis].encoding for axis in ("x", "y"))  # CF 2.5.1
            if "time" in found.coords:
                assert found["time"].attrs["standard_name"] == "time"
                assert found["time"].encoding["dtype"] == np.float64
                np.testing.assert_array_equal(found["time"].values, store.open(path)["time"].values)
            mapping = found["spatial_ref"].attrs
            assert mapping["grid_mapping_name"] in ("latitude_longitude", "transverse_mercator")
            names = (
                ("longitude", "latitude") if code == 4326 else ("projection_x_coordinate", "projection_y_coordinate")
            )
            assert tuple(found[axis].attrs["standard_name"] for axis in ("x", "y")) == names
            width, _, west, *_ = _transform(grid)
            assert float(found["x"][0]) == pytest.approx(west + width / 2)
            for name, array in found.data_vars.items():
                assert array.dims[-2:] == ("y", "x"), name
                assert array.attrs.get("long_name") or array.attrs.get("standard_name"), name
                assert array.encoding["grid_mapping"] == "spatial_ref", name
                assert "units" in array.attrs or name in ("value", "sigma"), name
        with rasterio.open(f'netcdf:"{target}":{_first(target)}') as image:
            assert image.crs.to_epsg() == code
            assert tuple(image.transform)[:6] == pytest.approx(_transform(grid))


def test_large_variables_are_written_part_by_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = exports.write_series(tmp_path / "timeseries.h5")
    whole = save_netcdf(store.open(tmp_path / "timeseries.h5"), tmp_path / "whole.nc")
    monkeypatch.setattr(netcdfwriter, "_LARGE_BYTES", 0)
    monkeypatch.setattr(netcdfwriter, "_STRIP_BYTES", 0)
    monkeypatch.setattr(netcdfwriter, "_TILE", 16)
    parts = save_netcdf(store.open(tmp_path / "timeseries.h5"), tmp_path / "parts.nc")
    with xr.open_dataset(whole, engine="h5netcdf") as one, xr.open_dataset(parts, engine="h5netcdf") as other:
        xr.testing.assert_identical(one, other)
        np.testing.assert_array_equal(other["displacement"].values[0, 1:], values[1:])
        assert other["displacement"].attrs["grid_mapping"] == "spatial_ref"


def _first(path: Path) -> str:
    with xr.open_dataset(path, engine="h5netcdf") as found:
        return str(next(iter(found.data_vars)))


@pytest.mark.parametrize(("grid", "code"), [(WGS84, "EPSG:4326"), (UTM, "EPSG:32611")])
def test_zarr_of_every_product_says_where_it_lies(tmp_path: Path, grid: dict[str, str], code: str) -> None:
    for path in _every_product(tmp_path, grid):
        opened = store.open(path)
        target = tmp_path / f"{path.stem}.zarr"
        store.write(opened, target)
        attributes = dict(zarr.open_group(target, mode="r").attrs)
        assert attributes["proj:code"] == code
        assert attributes["spatial:transform"] == pytest.approx(_transform(grid))
        with xr.open_zarr(target, consolidated=False) as found:
            for name in opened.data_vars:
                np.testing.assert_array_equal(found[name].values, opened[name].values)
            if "time" in opened.coords:
                np.testing.assert_array_equal(found["time"].values, opened["time"].values)
