from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.interferograms.processors import GEO, RADAR, assert_comes_back, found_in, phase_of

from creepmeter.errors import EpochError, InputError
from creepmeter.interferograms.layers import read_all
from creepmeter.interferograms.load import load
from creepmeter.interferograms.load_options import LoadOptions
from creepmeter.interferograms.prm import day_from_zero, folder_dates, read_baseline_table, read_prm
from creepmeter.io.grd import write_grd
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.io.netcdf import write_netcdf_maps
from creepmeter.simulate.layouts.gamma import write_gamma
from creepmeter.simulate.layouts.gmtsar import write_gmtsar
from creepmeter.simulate.layouts.offsets import offset_maps, write_itslive
from creepmeter.simulate.layouts.roipac import write_roipac
from creepmeter.simulate.layouts.snap import write_snap
from creepmeter.simulate.radar import RadarStack

FACTS = (
    "ALOOKS", "RLOOKS", "RANGE_PIXEL_SIZE", "AZIMUTH_PIXEL_SIZE", "STARTING_RANGE", "HEIGHT", "EARTH_RADIUS",
    "HEADING", "CENTER_LINE_UTC", "ANTENNA_SIDE", "PRF",
)  # fmt: skip


@pytest.mark.parametrize("stack", [GEO, RADAR], ids=["map", "radar"])
@pytest.mark.parametrize("classic", [False, True], ids=["netCDF-4", "netCDF-3"])
def test_grids_of_gmtsar_come_back(tmp_path: Path, stack: RadarStack, *, classic: bool) -> None:
    found = found_in(tmp_path, write_gmtsar(stack, tmp_path, write_grd, classic=classic))
    assert_comes_back(found, stack, facts=FACTS)
    assert not found.left_out
    assert found.attributes["PLATFORM"] == "Sen"
    np.testing.assert_array_equal(read_all(found.geometry["height"]), stack.height)
    np.testing.assert_allclose(read_all(found.geometry["incidenceAngle"]), stack.incidence_deg, atol=1e-5)
    np.testing.assert_allclose(read_all(found.geometry["azimuthAngle"]), stack.azimuth_deg, atol=1e-4)


def test_what_is_loaded_is_what_was_written(tmp_path: Path) -> None:
    settings = write_gmtsar(GEO, tmp_path / "project", write_grd)
    load(found_in(tmp_path / "project", settings), LoadOptions.model_validate(settings), tmp_path / "work")
    stack = StackFile.open(tmp_path / "work/inputs/ifgramStack.h5")
    assert stack.pairs == GEO.pairs
    np.testing.assert_array_equal(stack.read("unwrapPhase"), GEO.phase)
    np.testing.assert_array_equal(stack.read("connectComponent"), GEO.component)
    np.testing.assert_allclose(stack.bperp, GEO.bperp, atol=1e-3)


@pytest.mark.parametrize("processor", ["gamma", "roipac", "snap", "gmtsar", "itslive"])
def test_nothing_is_loaded_twice(tmp_path: Path, processor: str) -> None:
    settings = {
        "gamma": lambda: write_gamma(GEO, tmp_path),
        "roipac": lambda: write_roipac(GEO, tmp_path),
        "snap": lambda: write_snap(GEO, tmp_path),
        "gmtsar": lambda: write_gmtsar(GEO, tmp_path, write_grd),
        "itslive": lambda: write_itslive(offset_maps(GEO), tmp_path, write_netcdf_maps),
    }[processor]()
    options = LoadOptions.model_validate(settings)
    made = [load(found_in(tmp_path, settings), options, tmp_path / "work").made for _ in range(2)]
    assert made == [True, False]


def test_heights_on_another_grid_are_resampled(tmp_path: Path) -> None:
    assert GEO.grid is not None
    settings = write_gmtsar(GEO, tmp_path, write_grd)
    affine = GEO.grid.affine
    x = affine.c + affine.a * np.linspace(-1.3, 27.4, 90)
    y = affine.f + affine.e * np.linspace(21.2, -1.1, 80)
    write_grd(tmp_path / "topo/dem.grd", 1000 * (y[:, None] - y[0]) + 0 * x, x, y, axes=("lat", "lon"))
    found = found_in(tmp_path, settings)
    rows = affine.f + affine.e * (np.arange(20) + 0.5)
    expected = np.broadcast_to(1000 * (rows[:, None] - y[0]), GEO.height.shape)
    np.testing.assert_allclose(read_all(found.geometry["height"]), expected, atol=1e-3)
    assert any("is resampled (bilinear)" in note for note in found.notes)


@given(st.dates(min_value=dt.date(1992, 1, 1), max_value=dt.date(2060, 12, 31)))
def test_days_of_the_year_count_from_zero(date: dt.date) -> None:
    start = np.datetime64(str(date)[:4])
    day = int((np.datetime64(str(date)) - start.astype("datetime64[D]")).astype(int))
    found = day_from_zero(int(str(date)[:4]) * 1000 + day + 0.25, "clock")
    assert str(found)[:10] == str(date)


def test_dates_of_folders() -> None:
    found = folder_dates("2018000_2019364")
    assert found is not None
    assert str(found.pair) == "20180101_20191231"
    assert folder_dates("2018004_2018004") is None
    assert folder_dates("20180105_20180129") is None
    with pytest.raises(EpochError, match="no date YYYYDDD"):
        day_from_zero(2018399.0, "clock")


def test_folders_counted_from_one_follow_their_prm_files(tmp_path: Path) -> None:
    settings = write_gmtsar(GEO, tmp_path, write_grd)
    for folder in sorted((tmp_path / "intf").iterdir(), reverse=True):
        first, second = folder.name.split("_")
        folder.rename(folder.with_name(f"{int(first) + 1}_{int(second) + 1}"))
    found = found_in(tmp_path, settings)
    assert [one.pair for one in found.interferograms] == list(GEO.pairs)
    assert any("from 1" in note for note in found.notes)


def test_a_folder_against_its_prm_files_is_left_out(tmp_path: Path) -> None:
    settings = write_gmtsar(GEO, tmp_path, write_grd)
    folder = tmp_path / "intf" / "2018004_2018028"
    folder.rename(folder.with_name("2018004_2018029"))
    found = found_in(tmp_path, settings)
    assert len(found.interferograms) == len(GEO.pairs) - 1
    assert "its PRM files 20180105_20180129" in found.left_out[0]


def test_folders_of_other_names_follow_their_prm_files(tmp_path: Path) -> None:
    settings = write_gmtsar(GEO, tmp_path, write_grd)
    for number, folder in enumerate(sorted((tmp_path / "intf").iterdir())):
        folder.rename(folder.with_name(f"pair{number}"))
    assert [one.pair for one in found_in(tmp_path, settings).interferograms] == list(GEO.pairs)


def test_a_pair_that_runs_backward_is_turned(tmp_path: Path) -> None:
    settings = write_gmtsar(GEO, tmp_path, write_grd)
    folder = tmp_path / "intf" / "2018004_2018028"
    folder.rename(folder.with_name("2018028_2018004"))
    one = found_in(tmp_path, settings).interferograms[0]
    np.testing.assert_array_equal(phase_of(one.layers["unwrapPhase"]), -GEO.phase[0])
    assert one.bperp == pytest.approx(GEO.bperp[0], abs=1e-3)  # the table tells the later against the earlier


def test_without_prm_the_wavelength_is_asked_for(tmp_path: Path) -> None:
    settings = write_gmtsar(GEO, tmp_path, write_grd)
    for path in tmp_path.rglob("*.PRM"):
        path.unlink()
    with pytest.raises(InputError, match="name it by meta_file"):
        found_in(tmp_path, settings)
    assert found_in(tmp_path, settings, wavelength_m=0.05546576).attributes["WAVELENGTH"] == "0.05546576"


def test_a_damaged_grid_is_left_out(tmp_path: Path) -> None:
    settings = write_gmtsar(GEO, tmp_path, write_grd)
    path = tmp_path / "intf/2018004_2018028/unwrap_ll.grd"
    path.write_bytes(path.read_bytes()[:200])
    found = found_in(tmp_path, settings)
    assert len(found.interferograms) == len(GEO.pairs) - 1
    assert "2018004_2018028/unwrap_ll.grd" in found.left_out[0]


def test_baseline_tables_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "baseline_table.dat"
    path.write_text("S1_20180105_ALL_F1 2018004.08 0 1 0\nS1_20180129_ALL_F1 2018028.08 24 1\n", encoding="utf-8")
    with pytest.raises(InputError, match="4 of 5 columns"):
        read_baseline_table(path)
    path.write_text("S1_20180105_ALL_F1 2018104.08 0 1 0\n", encoding="utf-8")
    with pytest.raises(InputError, match="another day"):
        read_baseline_table(path)


def test_a_prm_file_without_lines_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.PRM"
    path.write_text("nothing here\n", encoding="utf-8")
    with pytest.raises(InputError, match="no line of keyword = value"):
        read_prm(path)
