from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from tests.products import exports
from tests.products.exports import UTM, WGS84

from creepmeter.errors import ConfigError, GridError, InputError
from creepmeter.io.store import write
from creepmeter.model.grid import Grid
from creepmeter.products.gmt import save_explorer, save_gmt


@pytest.mark.parametrize(("grid", "code"), [(WGS84, 4326), (UTM, 32611)])
def test_rasterio_and_xarray_read_the_map_where_it_lies(tmp_path: Path, grid: dict[str, str], code: int) -> None:
    rates = exports.write_velocity(tmp_path / "velocity.h5", grid)
    path = save_gmt(tmp_path / "velocity.h5", tmp_path / "v.grd")
    west, north, width, height = (float(grid[name]) for name in ("X_FIRST", "Y_FIRST", "X_STEP", "Y_STEP"))
    with rasterio.open(f'netcdf:"{path}":z') as image:
        assert image.crs.to_epsg() == code
        assert tuple(image.transform)[:6] == pytest.approx((width, 0, west, 0, height, north))
        assert np.isnan(image.nodata)
        np.testing.assert_array_equal(image.read(1), rates)
    with xr.open_dataset(path, engine="h5netcdf") as found:
        names = ("lon", "lat") if code == 4326 else ("x", "y")
        assert float(found[names[0]][0]) == pytest.approx(west + width / 2)
        assert float(found[names[1]][-1]) == pytest.approx(north + height / 2)
        assert float(found[names[1]][0]) < float(found[names[1]][-1])
        np.testing.assert_array_equal(found["z"].values[::-1], rates)
        assert found["z"].attrs["units"] == "m/yr"
        assert found["z"].attrs["actual_range"] == pytest.approx([np.nanmin(rates), np.nanmax(rates)])
        assert found[names[0]].attrs["actual_range"] == pytest.approx([west, west + width * rates.shape[1]])
        assert int(found.attrs["node_offset"]) == 1


def test_dates_and_masks(tmp_path: Path) -> None:
    values = exports.write_series(tmp_path / "timeseries.h5")
    keep = np.zeros(values.shape[1:], bool)
    keep[20:, 10:] = True
    exports.write_map(tmp_path / "mask.h5", "mask", keep)
    path = save_gmt(tmp_path / "timeseries.h5", tmp_path / "v.grd", "20180210", mask=tmp_path / "mask.h5", unit="mm")
    with xr.open_dataset(path, engine="h5netcdf") as found:
        np.testing.assert_allclose(found["z"].values[::-1], np.where(keep, values[2] * 1000, np.nan), rtol=1e-6)
        assert found["z"].attrs["units"] == "mm"


def test_insar_explorer_finds_velocity_and_dates(tmp_path: Path) -> None:
    values = exports.write_series(tmp_path / "geo_timeseries.h5")
    rates = exports.write_velocity(tmp_path / "geo_velocity.h5")
    written = save_explorer(tmp_path / "geo_timeseries.h5", tmp_path / "grids", velocity=tmp_path / "geo_velocity.h5")
    names = ["velocity_mm.grd", *(f"timeseries-{date}_mm.grd" for date in exports.DATES)]
    assert [path.name for path in written] == names
    with rasterio.open(f'netcdf:"{written[0]}":z') as image:
        np.testing.assert_allclose(image.read(1), rates * 1000, rtol=1e-6)
    with rasterio.open(f'netcdf:"{written[3]}":z') as image:
        np.testing.assert_allclose(image.read(1), np.where(rates == 0, np.nan, values[2] * 1000), rtol=1e-6)


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    exports.write_velocity(tmp_path / "radar.h5", {})
    with pytest.raises(GridError, match="radar coordinates"):
        save_gmt(tmp_path / "radar.h5", tmp_path / "v.grd")
    exports.write_series(tmp_path / "timeseries.h5")
    with pytest.raises(ConfigError, match=r"no date 20180106: it has 4 from 20180105 to 20190105"):
        save_gmt(tmp_path / "timeseries.h5", tmp_path / "v.grd", "20180106")
    assert not list(tmp_path.glob("*.grd"))


def test_the_main_map_of_image_displacement_is_a_displacement(
    tmp_path: Path, utm: Grid, make_series: Callable[..., xr.Dataset]
) -> None:
    series = make_series(utm)
    datum = xr.zeros_like(series["displacement"].isel(time=0, drop=True))
    write(series.assign(datum=datum), tmp_path / "series.zarr", {})  # comes before displacement in the alphabet
    path = save_gmt(tmp_path / "series.zarr", tmp_path / "x.grd")
    with rasterio.open(path) as image:
        np.testing.assert_allclose(image.read(1), series["displacement"].sel(component="east")[-1], rtol=1e-6)
    with pytest.raises(InputError, match=r"displacement_east, displacement_north.*creepmeter save csv"):
        save_explorer(tmp_path / "series.zarr", tmp_path / "grids")
