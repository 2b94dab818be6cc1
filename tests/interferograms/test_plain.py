from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.interferograms.samples import assert_loaded, load_all, small_stack

from creepmeter.errors import InputError
from creepmeter.io.mintpy.product import read_attributes, read_map
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.io.raster import read_bands, read_header, write_geotiff
from creepmeter.simulate.layouts.plain import load_settings, write_plain

STACK = small_stack()


def rewrite(path: Path, target: Path, **tags: str) -> None:
    """Write a raster again with other tags."""
    values, grid, nodata = read_bands(path)
    kept = dict(read_header(path).tags) | tags
    write_geotiff(target, values[0], grid, nodata=nodata, tags={key: text for key, text in kept.items() if text})


@pytest.mark.parametrize("toward", [False, True])
def test_plain_geotiff_loads_as_it_was_simulated(tmp_path: Path, toward: bool) -> None:  # noqa: FBT001
    write_plain(STACK, tmp_path / "tif", write_geotiff, toward_positive=toward)
    loaded = load_all(load_settings(tmp_path / "tif"), tmp_path, toward_positive=toward)
    assert_loaded(loaded, STACK)
    assert (loaded.left_out, loaded.notes) == ((), ())


def test_dates_come_from_tags_where_names_have_none(tmp_path: Path) -> None:
    write_plain(STACK, tmp_path / "tif", write_geotiff)
    place = tmp_path / "named"
    for k, pair in enumerate(STACK.pairs):
        first, second = (str(date)[:10] for date in (pair.ref, pair.sec))
        rewrite(tmp_path / "tif" / f"{pair}_unw.tif", place / f"map_{k}.tif", FIRST_DATE=first, SECOND_DATE=second)
    settings = {"processor": "geotiff", "unw_file": str(place / "*.tif")}
    stack = StackFile.open(load_all(settings, tmp_path).stack)
    assert stack.pairs == STACK.pairs
    np.testing.assert_array_equal(stack.read("unwrapPhase"), STACK.phase)
    rewrite(tmp_path / "tif" / f"{STACK.pairs[0]}_unw.tif", place / "map_0.tif")
    assert "neither its name nor its tags tell two dates" in load_all(settings, tmp_path).left_out[0]


def test_a_later_first_date_turns_the_sign(tmp_path: Path) -> None:
    write_plain(STACK, tmp_path / "tif", write_geotiff)
    ref, sec = str(STACK.pairs[0]).split("_")
    rewrite(tmp_path / "tif" / f"{ref}_{sec}_unw.tif", tmp_path / "back" / f"{sec}_{ref}_unw.tif")
    stack = StackFile.open(load_all({"processor": "geotiff", "unw_file": str(tmp_path / "back/*.tif")}, tmp_path).stack)
    np.testing.assert_array_equal(stack.read_pair("unwrapPhase", 0), -STACK.phase[0])
    assert stack.bperp[0] == pytest.approx(-STACK.bperp[0], abs=1e-4)


def test_dates_by_pattern_and_the_wavelength_by_option(tmp_path: Path) -> None:
    write_plain(STACK, tmp_path / "tif", write_geotiff)
    rewrite(
        tmp_path / "tif" / f"{STACK.pairs[0]}_unw.tif",
        tmp_path / "p" / "2018-01-05_2018-01-29.tif",
        WAVELENGTH_METRES="",
    )
    settings = {"processor": "geotiff", "unw_file": str(tmp_path / "p/*.tif"), "dates_pattern": "%Y-%m-%d"}
    with pytest.raises(
        InputError, match="the wavelength is not known: give wavelength_m, or the tag WAVELENGTH_METRES"
    ):
        load_all(settings, tmp_path)
    loaded = load_all(settings, tmp_path, wavelength_m=0.24)
    assert read_attributes(loaded.stack)["WAVELENGTH"] == "0.24"
    assert str(StackFile.open(loaded.stack).pairs[0]) == "20180105_20180129"


def test_phase_in_another_unit_is_left_out(tmp_path: Path) -> None:
    write_plain(STACK, tmp_path / "tif", write_geotiff)
    path = tmp_path / "tif" / f"{STACK.pairs[0]}_unw.tif"
    rewrite(path, path, DATA_UNITS="MILLIMETRES")
    assert "its tag DATA_UNITS says MILLIMETRES" in load_all(load_settings(tmp_path / "tif"), tmp_path).left_out[0]


def test_a_raster_without_reference_system_is_in_radar_coordinates(tmp_path: Path) -> None:
    from creepmeter.model.grid import pixel_grid  # noqa: PLC0415 - one test of this file only

    grid = pixel_grid((20, 26))
    with pytest.warns(Warning, match="identity"):
        write_geotiff(tmp_path / "20200101_20200113.tif", STACK.phase[0], grid, tags={"WAVELENGTH_METRES": "0.05"})
    loaded = load_all({"processor": "geotiff", "unw_file": str(tmp_path / "*.tif")}, tmp_path)
    assert "Y_FIRST" not in read_attributes(loaded.stack)


def test_optional_layers_may_be_damaged(tmp_path: Path) -> None:
    write_plain(STACK, tmp_path / "tif", write_geotiff)
    for name in (f"{STACK.pairs[0]}_cc.tif", "incidence.tif"):
        (tmp_path / "tif" / name).write_bytes(b"II*\x00nothing")
    loaded = load_all(load_settings(tmp_path / "tif"), tmp_path)
    assert loaded.pairs == len(STACK.pairs)
    assert "connectComponent" not in StackFile.open(loaded.stack).names
    assert any(note.startswith("incidenceAngle is not loaded") for note in loaded.notes)


@pytest.mark.golden
def test_a_real_stack_with_tags(shared: Path, tmp_path: Path) -> None:
    folder = shared / "data" / "insar_gamma_mexico_city" / "geotiffs"
    names = {"unw_file": "*_unw.tif", "cor_file": "*_cc.tif", "dem_file": "*_dem.tif"}
    settings = {"processor": "geotiff", **{key: str(folder / name) for key, name in names.items()}}
    loaded = load_all(settings, tmp_path)
    stack = StackFile.open(loaded.stack)
    assert stack.shape == (30, 60, 100)
    assert float(stack.attributes["WAVELENGTH"]) == pytest.approx(0.055504, abs=1e-6)
    assert 2200 < np.nanmedian(read_map(loaded.geometry[0], "height")) < 2300
    assert read_map(loaded.geometry[0], "incidenceAngle")[0, 0] == pytest.approx(39.70, abs=0.01)
    assert 0.005 < np.mean(stack.read("unwrapPhase") == 0) < 0.05
