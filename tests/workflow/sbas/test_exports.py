"""Steps google_earth and hdfeos5 of a small-baseline run."""

from __future__ import annotations

import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from tests.workflow.sbas.samples import QUIET, write_project

from creepmeter.errors import InputError
from creepmeter.io.mintpy.product import read_attributes, read_map, write_product
from creepmeter.workflow.outcome import RunResult
from creepmeter.workflow.sbas.run import run_sbas

ASKED = QUIET.replace("save.kmz = no", "save.kmz = yes")
EOS = "mintpy.save.hdfEos5 = yes\nbeam_mode = IW\nhdfeos5.beam_swath = 2\nfirst_frame = 97\n"


def _run(home: Path, text: str, *, geocoded: bool = True, dostep: str | None = None) -> RunResult:
    if not (home / "work" / "inputs").exists():
        write_project(home / "work", noise=False, geocoded=geocoded)
    template = home / "Project.txt"
    template.write_text(text)
    return run_sbas(template, folder=home / "work", dostep=dostep)


def test_a_run_on_a_map_leaves_kmz_and_hdfeos5(tmp_path: Path) -> None:
    result = _run(tmp_path, ASKED + EOS)
    assert not result.left_out
    assert {"google_earth", "hdfeos5"} <= set(result.made)
    with zipfile.ZipFile(tmp_path / "work" / "velocity.kmz") as archive:
        assert archive.namelist()[0] == "doc.kml"
    (path,) = (tmp_path / "work").glob("*.he5")
    assert path.name.startswith("S1_IW2_001_0097_")
    with h5py.File(path, "r") as file:
        found = file["HDFEOS/GRIDS/timeseries/observation/displacement"][1]
    np.testing.assert_array_equal(found, read_map(tmp_path / "work" / "timeseries.h5", _second(tmp_path)))
    again = _run(tmp_path, ASKED + EOS)
    assert {"google_earth", "hdfeos5"} <= set(again.fresh)


def _second(home: Path) -> str:
    with h5py.File(home / "work" / "timeseries.h5", "r") as file:
        return f"timeseries-{file['date'][1].decode()}"


def test_another_name_replaces_the_file(tmp_path: Path) -> None:
    _run(tmp_path, QUIET + EOS)
    result = _run(tmp_path, QUIET + EOS + "mintpy.save.hdfEos5.update = yes\n")
    assert "hdfeos5" in result.made
    (path,) = (tmp_path / "work").glob("*.he5")
    assert path.name.endswith("_XXXXXXXX.he5")


def test_missing_attributes_are_named_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"lacks the attributes beam_mode.*template .*beam_mode = IW"):
        _run(tmp_path, QUIET + "mintpy.save.hdfEos5 = yes\n")


def test_radar_coordinates_wait_for_the_geocoded_velocity(tmp_path: Path) -> None:
    result = _run(tmp_path, ASKED, geocoded=False)
    assert any("google_earth: geo/geo_velocity.h5 is missing" in text for text in result.left_out)
    work = tmp_path / "work"
    attributes = read_attributes(work / "velocity.h5")
    placed = {"X_FIRST": "-118", "Y_FIRST": "34", "X_STEP": "0.001", "Y_STEP": "-0.001"}
    (work / "geo").mkdir()
    values = read_map(work / "velocity.h5", "velocity")
    write_product(work / "geo" / "geo_velocity.h5", {"velocity": values}, attributes | placed)
    result = _run(tmp_path, ASKED, dostep="google_earth")
    assert not result.left_out
    assert (work / "geo" / "geo_velocity.kmz").is_file()


def test_radar_coordinates_are_geocoded_first(tmp_path: Path) -> None:
    asked = ASKED.replace("mintpy.geocode = no", "mintpy.geocode = yes") + EOS
    result = _run(tmp_path, asked, geocoded=False)
    assert not result.left_out
    work = tmp_path / "work"
    assert (work / "geo" / "geo_velocity.kmz").is_file()
    (path,) = work.glob("*.he5")
    with h5py.File(path, "r") as file:
        found = file["HDFEOS/GRIDS/timeseries"]
        assert float(file.attrs["Y_FIRST"]) == float(read_attributes(work / "geo" / "geo_timeseries.h5")["Y_FIRST"])
        shapes = {name: item.shape[-2:] for name, item in found["geometry"].items()}
        assert set(shapes.values()) == {found["observation/displacement"].shape[1:]}
        assert {"latitude", "longitude", "incidenceAngle", "height"} <= set(shapes)


def test_files_geocoded_from_another_product_are_not_passed_on(tmp_path: Path) -> None:
    asked = ASKED.replace("mintpy.geocode = no", "mintpy.geocode = yes") + EOS
    _run(tmp_path, asked, geocoded=False)
    later = asked.replace("mintpy.geocode = yes", "mintpy.geocode = no")
    result = _run(tmp_path, later)
    assert not result.left_out
    assert {"google_earth", "hdfeos5"} <= set(result.fresh)
    result = _run(tmp_path, later + "mintpy.networkInversion.weightFunc = no\n")  # another series, not geocoded
    found = {text.partition(":")[0]: text for text in result.left_out}
    assert "geo/geo_velocity.h5 was made from another product" in found["google_earth"]
    assert "geo/geo_timeseries.h5" in found["hdfeos5"]
    assert "mintpy.geocode = yes" in found["hdfeos5"]
    again = _run(tmp_path, asked + "mintpy.networkInversion.weightFunc = no\n")
    assert not again.left_out
    assert {"geocode", "google_earth", "hdfeos5"} <= set(again.made)
