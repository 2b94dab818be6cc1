from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.interferograms.processors import GEO, RADAR, assert_comes_back, found_in, values_of

from creepmeter.errors import InputError
from creepmeter.interferograms.layers import read_all
from creepmeter.interferograms.load import load
from creepmeter.interferograms.load_options import LoadOptions
from creepmeter.interferograms.rsc import read_rsc, rsc_shape
from creepmeter.io.layers import RasterLayer
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.simulate.layouts.roipac import write_roipac, write_rsc
from creepmeter.simulate.radar import RadarStack

FACTS = (
    "ALOOKS", "RLOOKS", "RANGE_PIXEL_SIZE", "AZIMUTH_PIXEL_SIZE", "STARTING_RANGE", "HEIGHT", "EARTH_RADIUS",
    "HEADING", "CENTER_LINE_UTC", "ANTENNA_SIDE", "PRF",
)  # fmt: skip


@pytest.mark.parametrize("stack", [GEO, RADAR], ids=["map", "radar"])
def test_a_stack_in_roi_pacs_layout_comes_back(tmp_path: Path, stack: RadarStack) -> None:
    found = found_in(tmp_path, write_roipac(stack, tmp_path))
    assert_comes_back(found, stack, facts=FACTS)
    assert not found.left_out
    assert found.attributes["PLATFORM"] == "Sen"
    expected = stack.height if stack.grid is None else np.rint(stack.height)
    np.testing.assert_array_equal(read_all(found.geometry["height"]), expected)
    wrapped = values_of(found, "wrapPhase")
    np.testing.assert_allclose(np.exp(1j * wrapped), np.exp(1j * stack.phase), atol=1e-5)


def test_a_lookup_table_holds_columns_then_rows(tmp_path: Path) -> None:
    found = found_in(tmp_path, write_roipac(GEO, tmp_path))
    rows, columns = np.indices(GEO.height.shape)
    np.testing.assert_array_equal(read_all(found.geometry["rangeCoord"]), columns + 1)
    np.testing.assert_array_equal(read_all(found.geometry["azimuthCoord"]), rows + 1)


def test_short_headers_leave_looks_open_and_say_so(tmp_path: Path) -> None:
    found = found_in(tmp_path, write_roipac(GEO, tmp_path, short_headers=True))
    assert_comes_back(found, GEO)
    assert found.attributes["ALOOKS"] == "1"
    assert any("it lacks ALOOKS, RLOOKS, HEIGHT, STARTING_RANGE, HEADING" in note for note in found.notes)


def test_what_is_loaded_is_what_was_written(tmp_path: Path) -> None:
    settings = write_roipac(RADAR, tmp_path / "project")
    load(found_in(tmp_path / "project", settings), LoadOptions.model_validate(settings), tmp_path / "work")
    stack = StackFile.open(tmp_path / "work/inputs/ifgramStack.h5")
    assert stack.pairs == RADAR.pairs
    np.testing.assert_array_equal(stack.read("unwrapPhase"), RADAR.phase)
    np.testing.assert_allclose(stack.bperp, RADAR.bperp, atol=1e-3)


def test_a_missing_header_is_that_of_a_file_as_long_and_is_named(tmp_path: Path) -> None:
    settings = write_roipac(GEO, tmp_path)
    next(tmp_path.glob("IFG_180105-180129/*.unw.rsc")).unlink()
    found = found_in(tmp_path, settings)
    assert_comes_back(found, GEO, facts=FACTS)
    assert any("has no header filt_180105-180129" in note for note in found.notes)


def test_a_missing_header_of_a_file_of_another_length_is_not_guessed(tmp_path: Path) -> None:
    settings = write_roipac(GEO, tmp_path)
    header = next(tmp_path.glob("IFG_180105-180129/*.unw.rsc"))
    header.unlink()
    data = header.with_suffix("")
    data.write_bytes(data.read_bytes() + b"\0" * 80)
    found = found_in(tmp_path, settings)
    assert len(found.interferograms) == len(GEO.pairs) - 1
    assert "no other file of 4240 bytes" in found.left_out[0]


@pytest.mark.parametrize("ending", ["unw", "cor"])
def test_a_file_cut_in_half_does_not_pass_for_one_of_one_band(tmp_path: Path, ending: str) -> None:
    settings = write_roipac(GEO, tmp_path)
    path = next(tmp_path.glob(f"IFG_180105-180129/*.{ending}"))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found = found_in(tmp_path, settings)
    assert len(found.interferograms) == len(GEO.pairs) - 1
    told = " ".join((*found.left_out, *found.notes))
    assert f"{path.name} has {path.stat().st_size} bytes, half of the" in told


def test_a_baseline_that_is_missing_is_named(tmp_path: Path) -> None:
    settings = write_roipac(GEO, tmp_path)
    next(tmp_path.glob("IFG_180105-180129/*_baseline.rsc")).unlink()
    header = next(tmp_path.glob("IFG_180105-180129/*.unw.rsc"))
    lines = header.read_text(encoding="utf-8").splitlines()
    header.write_text("\n".join(line for line in lines if not line.startswith("P_BASELINE")), encoding="utf-8")
    found = found_in(tmp_path, settings)
    count = len(GEO.pairs)
    assert any(f"1 of {count} pairs have no perpendicular baseline, 0 m is written: filt_" in n for n in found.notes)


def test_a_name_against_its_header_is_left_out(tmp_path: Path) -> None:
    settings = write_roipac(GEO, tmp_path)
    header = next(tmp_path.glob("IFG_180105-180129/*.unw.rsc"))
    header.write_text(header.read_text(encoding="utf-8").replace("180105-180129", "180105-180222"), encoding="utf-8")
    found = found_in(tmp_path, settings)
    assert len(found.interferograms) == len(GEO.pairs) - 1
    assert "DATE12" in found.left_out[0]


def test_a_pair_that_runs_backward_is_turned(tmp_path: Path) -> None:
    settings = write_roipac(GEO, tmp_path)
    place = tmp_path / "IFG_180105-180129"
    for file in place.iterdir():
        if file.suffix == ".rsc":
            text = file.read_text(encoding="utf-8").replace("180105-180129", "180129-180105")
            file.write_text(text, encoding="utf-8")
        name = file.name.replace("180105-180129", "180129-180105").replace("180105_180129", "180129_180105")
        file.rename(place / name)
    found = found_in(tmp_path, settings)
    np.testing.assert_array_equal(read_all(found.interferograms[0].layers["unwrapPhase"]), -GEO.phase[0])
    assert found.interferograms[0].bperp == pytest.approx(-GEO.bperp[0], abs=1e-3)


def test_headers_keep_upper_and_lower_case_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.rsc"
    path.write_text("width   2956\nWIDTH   300\nFILE_LENGTH  200  # lines\n\nEMPTY\n", encoding="utf-8")
    found = read_rsc(path)
    assert found == {"width": "2956", "WIDTH": "300", "FILE_LENGTH": "200"}
    assert rsc_shape(found, path) == (200, 300)


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"WIDTH": 20}, "LENGTH is missing"),
        ({"WIDTH": 20, "FILE_LENGTH": 2.5}, "no size of an image"),
        ({"WIDTH": "wide", "FILE_LENGTH": 3}, "WIDTH is 'wide', not a number"),
        ({}, "no line of keyword and value"),
    ],
)
def test_headers_without_a_size_are_refused(tmp_path: Path, facts: dict[str, object], why: str) -> None:
    path = tmp_path / "a.rsc"
    write_rsc(path, facts)
    with pytest.raises(InputError, match=why):
        rsc_shape(read_rsc(path), path)


def test_binary_data_is_no_header(tmp_path: Path) -> None:
    path = tmp_path / "a.rsc"
    path.write_bytes(b"WIDTH 3\0\0\1")
    with pytest.raises(InputError, match="binary data"):
        read_rsc(path)


def test_projected_headers_need_a_zone(tmp_path: Path) -> None:
    settings = write_roipac(GEO, tmp_path)
    for header in tmp_path.glob("IFG_*/*.rsc"):
        header.write_text(header.read_text(encoding="utf-8").replace("degrees", "meters"), encoding="utf-8")
    with pytest.raises(InputError, match="add EPSG"):
        found_in(tmp_path, settings)
    for header in tmp_path.glob("IFG_*/*.rsc"):
        header.write_text(header.read_text(encoding="utf-8") + "UTM_ZONE 11N\n", encoding="utf-8")
    grid = found_in(tmp_path, settings).grid
    assert grid is not None
    assert grid.crs == "EPSG:32611"


# ---------------------------------------------------------------------------------------------------------- real data


@pytest.mark.golden
def test_sydney_has_one_phase_in_three_forms(shared: Path) -> None:
    folder = shared / "data" / "insar_roipac_gamma_sydney"
    roipac = found_in(folder, {"processor": "roipac", "unw_file": "roipac_obs/*.unw", "dem_file": "roipac_obs/*.dem"})
    gamma = found_in(folder, {"processor": "gamma", "unw_file": "gamma_obs/*_utm.unw", "dem_file": "gamma_obs/*.dem"})
    assert len(roipac.interferograms) == 17
    assert [one.pair for one in roipac.interferograms] == [one.pair for one in gamma.interferograms]
    assert roipac.grid == gamma.grid
    tiffs = np.stack(
        [RasterLayer(path).read(slice(None), slice(None)) for path in sorted(folder.glob("geotiff/*.tif"))]
    )
    phase = values_of(roipac, "unwrapPhase")
    np.testing.assert_array_equal(phase, values_of(gamma, "unwrapPhase"))
    np.testing.assert_array_equal(phase, tiffs)
    np.testing.assert_array_equal(read_all(roipac.geometry["height"]), read_all(gamma.geometry["height"]))
    assert float(roipac.attributes["WAVELENGTH"]) == 0.0562356424


@pytest.mark.golden
def test_sydneys_reference_series_counts_away_from_the_satellite(shared: Path) -> None:
    folder = shared / "data" / "insar_roipac_gamma_sydney"
    found = found_in(folder, {"processor": "roipac", "unw_file": "roipac_obs/*.unw"})
    phase = values_of(found, "unwrapPhase").astype(np.float64)
    series = np.load(folder / "linear_rate" / "tscuml_0.npy").transpose(2, 0, 1)  # mm after the first date
    dates = sorted({date for one in found.interferograms for date in (one.pair.ref, one.pair.sec)})
    design = np.zeros((len(found.interferograms), len(dates)))
    for row, one in enumerate(found.interferograms):
        design[row, dates.index(one.pair.ref)], design[row, dates.index(one.pair.sec)] = -1, 1
    moved = np.where(phase == 0, np.nan, -float(found.attributes["WAVELENGTH"]) / (4 * np.pi) * phase)
    moved -= np.nanmedian(moved, axis=(1, 2))[:, None, None]
    valid = np.isfinite(moved).all(axis=0) & np.isfinite(series).all(axis=0)
    ours = np.linalg.lstsq(design[:, 1:], moved[:, valid], rcond=None)[0]
    theirs = series[:, valid] - np.median(series[:, valid], axis=1)[:, None]
    ours -= np.median(ours, axis=1)[:, None]
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] <= -0.95
