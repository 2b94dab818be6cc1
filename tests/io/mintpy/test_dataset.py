from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr
from tests.io.mintpy import samples

import creepmeter as cm
from creepmeter.errors import StoreError
from creepmeter.io import store
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.model.grid import describe_grid, grid_of
from creepmeter.model.network import Network
from creepmeter.model.schema import MOTION_MODEL, PAIR_STACK, TIME_SERIES, kind_of

ROWS, COLUMNS = samples.ROWS, samples.COLUMNS
CYCLE = 0.056 / 2


def series_file(path: Path, **changed: Any) -> Path:  # noqa: ANN401 - datasets and attributes
    attributes = {name: changed.pop(name) for name in list(changed) if name.isupper()}
    datasets = {"date": samples.dates_of(samples.DATES), "bperp": np.zeros(4, "f4"), "timeseries": samples.series()}
    datasets |= changed
    return samples.foreign_file(path, "timeseries", datasets, **{"UNIT": "m", "REF_DATE": "20200113", **attributes})


@pytest.mark.parametrize("own", [True, False])
def test_a_stack_is_displacement_toward_the_satellite(tmp_path: Path, *, own: bool) -> None:
    path = (samples.own_stack if own else samples.foreign_stack)(tmp_path / "ifgramStack.h5")
    found = cm.open(path)
    assert kind_of(found) == PAIR_STACK
    phase = samples.phase().astype(np.float64)
    expected = np.where(phase == 0, np.nan, -0.056 / (4 * np.pi) * phase)
    np.testing.assert_allclose(found.displacement[0], expected, rtol=1e-6)
    assert found.displacement.dtype == np.float32
    np.testing.assert_array_equal(found.quality, samples.maps()["coherence"])
    np.testing.assert_array_equal(found.region, samples.maps()["connectComponent"])
    np.testing.assert_array_equal(found.bperp, samples.BPERP)
    assert str(found.sec_time.values[0])[:21] == "2020-01-13T01:00:00.5"
    assert found.attrs["cycle_m"] == pytest.approx(CYCLE)
    assert found.attrs["looks"] == pytest.approx(50 / 1.94)
    assert found.attrs["wavelength_m"] == 0.056
    assert json.loads(found.attrs["mintpy"])["PROCESSOR"] == "isce"
    assert describe_grid(grid_of(found)) == "6 x 9 px of 30 x -30 from (500000, 4000000), EPSG:32613"
    assert len(Network.of(found).pairs) == 4


def test_a_stack_follows_its_edits(tmp_path: Path) -> None:
    path = samples.foreign_stack(tmp_path / "ifgramStack.h5")
    stack = StackFile.open(path)
    stack.set_keep([True, False, True, True])
    stack.set_attributes({"REF_Y": "3", "REF_X": "4"})
    writer = stack.add_dataset("unwrapPhase_bridging", "f4", {}, "k")
    for k, values in enumerate(samples.phase()):
        writer.put(k, values + 1)
    writer.finish()
    found = cm.open(path)
    assert found.used.values.tolist() == [True, False, True, True]
    assert found.attrs["reference_pixel"] == [3, 4]
    assert found.attrs["dataset"] == "unwrapPhase_bridging"
    np.testing.assert_allclose(
        found.displacement[0, :, 3, 4], -CYCLE / (2 * np.pi) * (samples.phase()[:, 3, 4] + 1), rtol=1e-6
    )
    with pytest.raises(StoreError, match=r"holds edits of ifgramStack\.h5: open ifgramStack\.h5"):
        cm.open(tmp_path / "ifgramStack.creepmeter.h5")


def test_opening_reads_no_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = samples.own_stack(tmp_path / "ifgramStack.h5")
    asked: list[tuple[int, ...]] = []
    read = StackFile.open(path).stored("unwrapPhase").__class__.read

    def counted(*given: Any) -> np.ndarray:  # noqa: ANN401 - as the method has it
        values = read(*given)
        asked.append(values.shape)
        return values

    monkeypatch.setattr("creepmeter.io.mintpy.array.StoredArray.read", counted)
    found = cm.open(path)
    assert asked == []
    part = found.displacement[0, [3, 1], 2:4].isel(x=slice(None, None, -2))
    np.testing.assert_allclose(part, -CYCLE / (2 * np.pi) * samples.phase()[[3, 1], 2:4, ::-2], rtol=1e-6)
    assert asked == [(3, 2, COLUMNS)]  # from the second pair to the fourth
    assert float(found.displacement[0, 1, 2, 3]) == pytest.approx(-CYCLE / (2 * np.pi) * samples.phase()[1, 2, 3])
    assert found.displacement[0, 1, 2:2].shape == (0, COLUMNS)


def test_offsets_in_pixels_become_metres(tmp_path: Path) -> None:
    values = np.full((4, ROWS, COLUMNS), 2, "f4")
    values[:, 0] = 0
    offsets = {"rangeOffset": values, "azimuthOffset": values, "rangeOffsetStd": values, "azimuthOffsetStd": values}
    none: dict[str, Any] = dict.fromkeys(samples.maps())
    path = samples.foreign_stack(tmp_path / "offsetStack.h5", **none, **offsets)
    found = cm.open(path)
    assert found.component.values.tolist() == ["los", "azimuth"]
    # pixels of the image before its 10 x 5 looks: 2.5 / 10 and 14 / 5 metres
    np.testing.assert_allclose(found.displacement[:, 0, 1, 1], [-0.5, 5.6], rtol=1e-6)
    np.testing.assert_allclose(found.sigma[:, 0, 1, 1], [0.5, 5.6], rtol=1e-6)
    assert np.isnan(found.displacement[:, :, 0]).all()
    assert "cycle_m" not in found.attrs
    with h5py.File(path, "r+") as file:
        file.attrs["PROCESSOR"] = "cosicorr"
    planar = cm.open(path)
    assert planar.component.values.tolist() == ["east", "north"]
    assert planar.displacement[:, 0, 1, 1].values.tolist() == [2.0, 2.0]
    with h5py.File(path, "r+") as file:
        file.attrs["PROCESSOR"] = "isce"
        del file.attrs["RANGE_PIXEL_SIZE"]
    with pytest.raises(StoreError, match=r"offsetStack\.h5: RANGE_PIXEL_SIZE is missing"):
        cm.open(path)


def test_a_series_of_zeros_is_not_measured(tmp_path: Path) -> None:
    path = series_file(tmp_path / "timeseries.h5", REF_Y="1", REF_X="2")
    found = cm.open(path)
    assert kind_of(found) == TIME_SERIES
    assert found.attrs["reference_time"] == "2020-01-13T01:00:00"
    expected = samples.series().copy()
    expected[:, :3] = np.nan
    expected[:, 1, 2] = 0
    np.testing.assert_array_equal(found.displacement[0], expected)
    np.testing.assert_array_equal(found.displacement[0, 0], expected[0])


def test_the_count_of_pairs_tells_what_is_measured(tmp_path: Path) -> None:
    count = np.full((ROWS, COLUMNS), 4, "f4")
    count[:2] = 0
    samples.foreign_file(tmp_path / "numInvIfgram.h5", "mask", {"mask": count})
    coherence = np.full((ROWS, COLUMNS), 0.5, "f4")
    samples.foreign_file(tmp_path / "temporalCoherence.h5", "temporalCoherence", {"temporalCoherence": coherence})
    found = cm.open(series_file(tmp_path / "timeseries_ramp.h5"))
    expected = samples.series().copy()
    expected[:, :2] = np.nan
    np.testing.assert_array_equal(found.displacement[0], expected)
    np.testing.assert_array_equal(found.pairs_used[0], count)
    np.testing.assert_array_equal(found.temporal_coherence[0], coherence)
    other = cm.open(series_file(tmp_path / "geo_timeseries.h5"))  # its count would be geo_numInvIfgram.h5
    assert "pairs_used" not in other
    assert np.isnan(other.displacement[0, :, :3]).all()


@pytest.mark.parametrize(("unit", "factor"), [("m", 1.0), ("mm", 1e-3), ("cm", 1e-2), ("radian", -CYCLE / (2 * np.pi))])
def test_a_series_is_in_metres(tmp_path: Path, unit: str, factor: float) -> None:
    found = cm.open(series_file(tmp_path / "timeseries.h5", UNIT=unit))
    np.testing.assert_allclose(found.displacement[0, :, 3:], factor * samples.series()[:, 3:], rtol=1e-6)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"date": samples.dates_of(samples.DATES[:3])}, "timeseries has 4 maps and 3 dates"),
        ({"date": samples.dates_of([samples.DATES[k] for k in (0, 2, 1, 3)])}, r"20200125\S* is followed by 20200113"),
        ({"date": samples.dates_of([samples.DATES[k] for k in (0, 1, 1, 3)])}, r"20200113\S* is followed by 20200113"),
        ({"date": samples.dates_of(["20200101", "20200113", "20201325", "20200206"])}, "'20201325' is not a date"),
        ({"UNIT": "pixel"}, "displacement in 'pixel'"),
        ({"UNIT": "radian", "WAVELENGTH": "0"}, r"with WAVELENGTH 0\.0 cannot be turned into metres"),
        ({"WAVELENGTH": "long"}, "attribute WAVELENGTH is 'long', not a number"),
        ({"REF_DATE": "2020"}, "attribute REF_DATE: '2020' is not a date"),
        ({"Y_STEP": "0"}, "Y_STEP missing or zero"),
        ({"EPSG": "99999999"}, "EPSG '99999999' is no reference system"),
        ({"EPSG": "", "UTM_ZONE": "north"}, "UTM_ZONE is 'NORTH'; write it like 13N"),
        ({"other": np.zeros((3, 3), "f4")}, "its datasets differ in rows and columns"),
    ],
)
def test_what_is_wrong_with_a_series_is_named(tmp_path: Path, changed: dict[str, Any], why: str) -> None:
    path = series_file(tmp_path / "timeseries.h5", **changed)
    with pytest.raises(StoreError, match=rf"timeseries\.h5.*{why}"):
        cm.open(path)


@pytest.mark.parametrize(
    ("attributes", "system"),
    [
        ({"EPSG": "32613"}, "EPSG:32613"),
        ({"EPSG": "", "UTM_ZONE": "13N"}, "EPSG:32613"),
        ({"EPSG": "", "UTM_ZONE": "7S"}, "EPSG:32707"),
        ({"EPSG": "", "X_UNIT": "degrees"}, "EPSG:4326"),
        ({"EPSG": ""}, "no reference system"),
    ],
)
def test_the_reference_system_follows_from_the_attributes(
    tmp_path: Path, attributes: dict[str, str], system: str
) -> None:
    path = samples.foreign_file(tmp_path / "a.h5", "mask", {"mask": np.ones((2, 2), bool)}, **attributes)
    assert describe_grid(grid_of(cm.open(path))).endswith(system)


def test_a_velocity_is_a_motion_model(tmp_path: Path) -> None:
    shape = (ROWS, COLUMNS)
    rng = np.random.default_rng(1)
    names = ("velocity", "intercept", "acceleration", "step20200115", "exp20200115tau30D", "log20200115tau5.5D")
    given = {name: rng.normal(size=shape).astype("f4") for name in (*names, *(f"{name}Std" for name in names))}
    given |= {"annualAmplitude": np.ones(shape, "f4"), "residue": np.ones(shape, "f4")}
    for name in names:
        given[name][:2] = 0
    path = samples.foreign_file(tmp_path / "velocity.h5", "velocity", given, START_DATE="20200101", UNIT="m/year")
    found = cm.open(path)
    assert kind_of(found) == MOTION_MODEL
    expected = ["offset", "rate", "quadratic", "exp_20200115_30", "log_20200115_5.5", "step_20200115"]
    assert found.term.values.tolist() == expected
    assert found.unit.values.tolist() == ["m", "m/yr", "m/yr2", "m", "m", "m"]
    np.testing.assert_array_equal(found.value.sel(term="rate")[0, 2:], given["velocity"][2:])
    np.testing.assert_array_equal(found.sigma[0, 4, 2:], given["log20200115tau5.5DStd"][2:])
    assert np.isnan(found.value[0, :, :2]).all()
    assert set(found.data_vars) == {"value", "sigma", "annualAmplitude", "residue"}
    assert found.attrs["reference_time"] == "2020-01-01T01:00:00"


def test_other_files_are_maps_under_their_names(tmp_path: Path) -> None:
    given = {"height": np.ones((2, 3), "f4"), "waterMask": np.eye(2, 3, dtype=bool), "bperp": np.ones((4, 2, 3), "f4")}
    given["date"] = samples.dates_of(samples.DATES)
    path = samples.foreign_file(tmp_path / "g.h5", "geometry", given)
    found = cm.open(path)
    assert (found.height.attrs["units"], found.waterMask.dtype) == ("m", bool)
    np.testing.assert_array_equal(found.waterMask, given["waterMask"])
    assert found.bperp.dims == ("time", "y", "x")  # baselines of every pixel, by date
    assert found.bperp.attrs["units"] == "m"
    np.testing.assert_array_equal(found.bperp, given["bperp"])
    radar = samples.foreign_file(tmp_path / "r.h5", "coherence", {"coherence": np.array([[0, 0.5]], "f4")})
    with h5py.File(radar, "r+") as file:
        for name in samples.GRID_NAMES:
            del file.attrs[name]
    map_ = cm.open(radar)
    assert (map_.x.values.tolist(), map_.y.values.tolist()) == ([0.5, 1.5], [-0.5])
    assert np.isnan(map_.coherence[0, 0])


def test_what_opens_can_be_stored_as_zarr(tmp_path: Path) -> None:
    stack = cm.open(samples.own_stack(tmp_path / "ifgramStack.h5"))
    store.write(stack, tmp_path / "stack.zarr")
    again = cm.open(tmp_path / "stack.zarr")
    xr.testing.assert_allclose(again, stack)
    assert again.attrs["mintpy"] == stack.attrs["mintpy"]
    assert kind_of(again) == PAIR_STACK


# --- real files of MintPy 1.6.4 -------------------------------------------------------------------------------------


@pytest.mark.golden
@pytest.mark.parametrize("case", ["sbas_geo", "sbas_radar"])
def test_every_golden_file_opens_as_what_it_is(shared: Path, case: str) -> None:
    kinds = {"ifgramStack": PAIR_STACK, "timeseries": TIME_SERIES, "velocity": MOTION_MODEL, "HDFEOS": TIME_SERIES}
    files = sorted((shared / "golden" / case).rglob("*.h*5"))
    assert len(files) > 30
    for path in files:
        with h5py.File(path) as file:
            kind = str(file.attrs["FILE_TYPE"])
        found = cm.open(path)
        assert kind_of(found) == kinds.get(kind), path.name
        assert found.load().sizes["y"] in (100, 120, 131)


@pytest.mark.golden
@pytest.mark.parametrize("case", ["sbas_geo", "sbas_radar"])
def test_golden_values_are_kept(shared: Path, case: str) -> None:
    folder = shared / "golden" / case
    stack = cm.open(folder / "inputs" / "ifgramStack.h5")
    with h5py.File(folder / "inputs" / "ifgramStack.h5") as file:
        phase = file["unwrapPhase"][()].astype(np.float64)
    expected = np.where(phase == 0, np.nan, -0.05546576 / (4 * np.pi) * phase)
    np.testing.assert_allclose(stack.displacement[0], expected, rtol=1e-6)
    assert stack.attrs["looks"] == 25
    run = folder / "mintpy_full"
    series = cm.open(run / "timeseries_tropHgt_ramp_demErr.h5")
    with h5py.File(run / "timeseries_tropHgt_ramp_demErr.h5") as file, h5py.File(run / "numInvIfgram.h5") as number:
        values, count = file["timeseries"][()], number["mask"][()]
        reference = np.array([int(file.attrs["REF_Y"]), int(file.attrs["REF_X"])])
    np.testing.assert_array_equal(series.displacement[0], np.where(count == 0, np.nan, values))
    assert (series.displacement[0, :, reference[0], reference[1]] == 0).all()
    motion = cm.open(run / "velocity.h5")
    with h5py.File(run / "velocity.h5") as file:
        rate = file["velocity"][()]
    np.testing.assert_array_equal(motion.value.sel(term="rate")[0], np.where(count == 0, np.nan, rate))
