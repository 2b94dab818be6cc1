from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr
from pyproj import Transformer
from tests.products import exports

import creepmeter
from creepmeter.errors import GridError, InputError, StoreError
from creepmeter.products.hdfeos5 import EosInputs, save_hdfeos5
from creepmeter.products.hdfeos5_options import EosOptions

GOLDEN = Path(__file__).parents[3] / "shared" / "golden" / "sbas_radar" / "mintpy_full"
TOLD = {**exports.WGS84, "mission": "S1", "beam_mode": "IW", "beam_swath": "2", "relative_orbit": "64"}


def _contents(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def visit(name: str, item: Any) -> None:  # noqa: ANN401 - groups and datasets
        values = item[()] if isinstance(item, h5py.Dataset) else None
        found[name] = (values, dict(item.attrs))

    with h5py.File(path, "r") as file:
        file.visititems(visit)
        found["/"] = (None, dict(file.attrs))
    return found


def _inputs(folder: Path, grid: Mapping[str, str] = exports.WGS84) -> EosInputs:
    exports.write_series(folder / "timeseries.h5", grid)
    rates = np.nan_to_num(np.abs(exports.rate_map()))
    exports.write_map(folder / "temporalCoherence.h5", "temporalCoherence", rates, grid)
    exports.write_map(folder / "avgSpatialCoh.h5", "coherence", rates / 2, grid)
    exports.write_map(folder / "maskTempCoh.h5", "mask", rates > 0.01, grid)
    exports.write_geometry(folder / "geometryGeo.h5", grid)
    names = ("timeseries", "temporalCoherence", "avgSpatialCoh", "maskTempCoh", "geometryGeo")
    return EosInputs(*(folder / f"{name}.h5" for name in names))


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="no golden results beside the checkout")
def test_the_golden_series_has_the_groups_values_and_attributes_of_mintpy(tmp_path: Path) -> None:
    geo = GOLDEN / "geo"
    inputs = EosInputs(
        geo / "geo_timeseries_tropHgt_ramp_demErr.h5",
        geo / "geo_temporalCoherence.h5",
        geo / "geo_avgSpatialCoh.h5",
        geo / "geo_maskTempCoh.h5",
        geo / "geo_geometryRadar.h5",
    )
    (expected,) = GOLDEN.glob("*.he5")
    path = save_hdfeos5(inputs, tmp_path)
    assert path.name == expected.name
    theirs, ours = _contents(expected), _contents(path)
    assert sorted(ours) == sorted(theirs)
    for name, (values, attributes) in theirs.items():
        found, told = ours[name]
        if values is not None:
            assert found.dtype == values.dtype, name
            np.testing.assert_array_equal(found, values, err_msg=name)
        if name == "/":
            attributes.pop("history"), told.pop("history")
            extra = [key for key in attributes if key.startswith("mintpy.") and key not in told]
            assert not [key for key in extra if key != "mintpy.save.hdfEos5"]  # of the template of their run
        assert set(told) <= set(attributes), name
        for key, value in told.items():
            assert value == attributes[key], (name, key)
            assert type(value) is type(attributes[key]), (name, key)


def test_the_file_opens_as_a_series(tmp_path: Path) -> None:
    path = save_hdfeos5(_inputs(tmp_path, TOLD | {"first_frame": "100", "last_frame": "110"}), tmp_path)
    assert path.name == "S1_IW2_064_0100_0110_20180105_20190105.he5"
    opened = creepmeter.open(path)
    assert opened.attrs["creepmeter_type"] == "TimeSeries"
    found = opened["displacement"].sel(component="los").values
    expected = exports.series_values()
    expected[np.broadcast_to((expected == 0).all(axis=0), expected.shape)] = np.nan
    np.testing.assert_array_equal(found, expected)
    assert [str(time)[:10].replace("-", "") for time in opened["time"].values] == list(exports.DATES)
    assert float(opened["x"][0]) == pytest.approx(-118.4995)
    with xr.open_dataset(path, engine="h5netcdf", group="HDFEOS/GRIDS/timeseries/geometry", phony_dims="sort") as maps:
        assert float(maps["latitude"][0, 0]) == pytest.approx(34.2 - 0.0004, abs=1e-5)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"update": True}, "S1_IW2_064_0000_20180105_XXXXXXXX.he5"),
        ({"suffix": "PS"}, "S1_IW2_064_0000_20180105_20190105_PS.he5"),
        ({"subset": True}, "S1_IW2_064_0000_20180105_20190105_N34168_N34200_W118500_W118440.he5"),
    ],
)
def test_the_name_tells_what_is_asked(tmp_path: Path, options: dict[str, Any], name: str) -> None:
    assert save_hdfeos5(_inputs(tmp_path, TOLD), tmp_path, EosOptions(**options)).name == name


def test_metres_become_degrees_in_the_footprint(tmp_path: Path) -> None:
    path = save_hdfeos5(_inputs(tmp_path, TOLD | exports.UTM), tmp_path, EosOptions(subset=True))
    east, north = Transformer.from_crs(32611, 4326, always_xy=True).transform(500_000 + 60 * 90, 3_800_000)
    _, south = Transformer.from_crs(32611, 4326, always_xy=True).transform(500_000, 3_800_000 - 40 * 80)
    assert f"_N{south * 1e3:.0f}_N{north * 1e3:.0f}_W117000_W{-east * 1e3:.0f}" in path.name
    with h5py.File(path, "r") as file:
        assert str(file.attrs["data_footprint"]).startswith("POLYGON((-117.0")


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    inputs = _inputs(tmp_path)
    with pytest.raises(InputError, match=r"timeseries\.h5 lacks the attributes beam_mode, relative_orbit.*--attribute"):
        save_hdfeos5(inputs, tmp_path)
    assert not list(tmp_path.glob("*.he5"))
    path = save_hdfeos5(inputs, tmp_path, more={"beam_mode": "SM", "relative_orbit": "7"})
    assert path.name == "S1_SM_007_0000_20180105_20190105.he5"
    with pytest.raises(InputError, match=r"beam_swath is 'two', a whole number is needed"):
        save_hdfeos5(inputs, tmp_path, more={**TOLD, "beam_swath": "two"})


def test_files_of_another_grid_are_refused(tmp_path: Path) -> None:
    inputs = _inputs(tmp_path, TOLD)
    exports.write_map(tmp_path / "small.h5", "mask", np.ones((4, 5), bool))
    with pytest.raises(GridError, match=r"small\.h5 has 4 x 5 pixels and .*timeseries\.h5 40 x 60"):
        save_hdfeos5(replace(inputs, mask=tmp_path / "small.h5"), tmp_path)


def test_files_of_another_place_are_refused(tmp_path: Path) -> None:
    inputs = _inputs(tmp_path, TOLD)
    east = {**exports.WGS84, "X_FIRST": "-118.4"}
    exports.write_map(tmp_path / "east.h5", "mask", np.ones((exports.ROWS, exports.COLUMNS), bool), east)
    with pytest.raises(GridError, match=r"east\.h5 lies on another grid than .*timeseries\.h5"):
        save_hdfeos5(replace(inputs, mask=tmp_path / "east.h5"), tmp_path)
    assert not list(tmp_path.glob("*.he5"))


def test_attributes_that_are_none_are_not_known(tmp_path: Path) -> None:
    inputs = _inputs(tmp_path, TOLD)
    with h5py.File(save_hdfeos5(inputs, tmp_path, more={"PRF": "None", "ANTENNA_SIDE": "None"}), "r") as file:
        assert (file.attrs["prf"], file.attrs["look_direction"]) == (0.0, "R")
    with pytest.raises(StoreError, match=r"attribute WAVELENGTH is 'C band', not a number"):
        save_hdfeos5(inputs, tmp_path, more={"WAVELENGTH": "C band"})
