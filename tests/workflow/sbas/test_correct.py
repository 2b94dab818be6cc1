"""Corrections of a series in MintPy's layout: files, steps of a run, what is stale."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import h5py
import numpy as np
import numpy.typing as npt
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from tests.workflow.sbas.samples import QUIET, write_project

from creepmeter.corrections.series_options import RampOptions, ResidualOptions, TopographyOptions
from creepmeter.errors import ConfigError, InputError
from creepmeter.io.mintpy.product import (
    list_datasets,
    read_attributes,
    read_map,
    read_tables,
    update_product,
    write_product,
)
from creepmeter.stack.reference import ReferenceOptions
from creepmeter.velocity.options import TimeFunctionOptions
from creepmeter.workflow.journal import Entry, Journal
from creepmeter.workflow.outcome import RunResult
from creepmeter.workflow.sbas import deramp
from creepmeter.workflow.sbas import series as series_module
from creepmeter.workflow.sbas.deramp import remove_ramp, remove_ramp_of_series, write_coefficients
from creepmeter.workflow.sbas.oscillator import correct_oscillator
from creepmeter.workflow.sbas.reference import refer_file
from creepmeter.workflow.sbas.residuals import judge_residuals
from creepmeter.workflow.sbas.run import run_sbas
from creepmeter.workflow.sbas.stratified import correct_by_height
from creepmeter.workflow.sbas.topography import Targets, correct_topography
from creepmeter.workflow.sbas.velocity import Series, fit_velocity_file

Values: TypeAlias = npt.NDArray[Any]
CORRECTED = QUIET.replace("troposphericDelay.method = no", "troposphericDelay.method = height_correlation").replace(
    "mintpy.topographicResidual = no", "mintpy.topographicResidual = yes\nmintpy.deramp = linear"
)
STEPS = ("correct_troposphere", "deramp", "correct_topography", "residual_RMS", "reference_date", "velocity")
CHAIN = ("timeseries.h5", "timeseries_tropHgt.h5", "timeseries_tropHgt_ramp.h5", "timeseries_tropHgt_ramp_demErr.h5")
DATES = np.datetime64("2018-01-05", "ns") + np.arange(18) * np.timedelta64(24, "D")
SHAPE = (26, 33)
PIXEL = (4, 5)


def values_of(path: Path) -> Values:
    return Series.open(path).array.read()


# ------------------------------------------------------------------------------------------------------ files by itself


@dataclass(frozen=True)
class Sample:
    """A series of noise, its geometry and mask."""

    series: Path
    geometry: Path
    mask: Path
    values: Values
    height: Values


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    random = np.random.default_rng(0)
    values = (0.01 * random.normal(size=(len(DATES), *SHAPE))).astype(np.float32)
    values -= values[:, PIXEL[0], PIXEL[1], None, None].copy()
    values -= values[0].copy()
    values[:, :2] = 0
    values[3, 9, 9] = np.nan
    bperp = (60 * random.normal(size=len(DATES))).astype(np.float32)
    bperp[0] = 0
    attributes = {
        "FILE_TYPE": "timeseries", "UNIT": "m", "REF_DATE": "20180105", "REF_Y": "4", "REF_X": "5", "PLATFORM": "Env",
        "CENTER_LINE_UTC": "7200.0", "STARTING_RANGE": "850000", "RANGE_PIXEL_SIZE": "20", "WIDTH": "33",
        "HEIGHT": "700000", "EARTH_RADIUS": "6371000", "CREEPMETER_KEY": "of the inversion",
    }  # fmt: skip
    write_product(
        tmp_path / "timeseries.h5", {"timeseries": values}, attributes, tables={"date": DATES, "bperp": bperp}
    )
    height = (500 + 300 * random.random(SHAPE)).astype(np.float32)
    maps = {
        "height": height,
        "incidenceAngle": random.uniform(30, 40, SHAPE).astype(np.float32),
        "slantRangeDistance": random.uniform(8.4e5, 8.6e5, SHAPE).astype(np.float32),
    }
    write_product(tmp_path / "geometryRadar.h5", maps, {**attributes, "FILE_TYPE": "geometry"})
    mask = random.random(SHAPE) > 0.3
    write_product(tmp_path / "maskTempCoh.h5", {"mask": mask}, {"FILE_TYPE": "mask"})
    return Sample(
        tmp_path / "timeseries.h5", tmp_path / "geometryRadar.h5", tmp_path / "maskTempCoh.h5", values, height
    )


def make_all(sample: Sample, folder: Path) -> list[Path]:
    """Correct a series in all ways, and return what was made."""
    folder.mkdir()
    made = [
        correct_oscillator(sample.series, folder / "lod.h5", sample.geometry),
        correct_by_height(sample.series, folder / "height.h5", sample.geometry, sample.mask),
        folder / "ramp.h5",
    ]
    remove_ramp_of_series(sample.series, made[2], RampOptions(ramp="quadratic"))
    targets = Targets(folder / "demErr_series.h5", folder / "demErr.h5", folder / "residual.h5")
    correct_topography(sample.series, targets, sample.geometry, TopographyOptions(step_date=("20180801",)))
    return [*made, *targets]


def test_blocks_of_any_size_give_the_same_bits(sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = make_all(sample, tmp_path / "whole")
    monkeypatch.setattr(series_module, "_MOST_GB", 4e-5)
    monkeypatch.setattr(deramp, "_BLOCK_GB", 2e-5)
    assert len(Series.open(sample.series).blocks(4.0, 2.5 * len(DATES))) > 3
    for path, other in zip(whole, make_all(sample, tmp_path / "parts"), strict=True):
        for name, (shape, _) in list_datasets(path).items():
            if len(shape) == 2:
                assert_array_equal(read_map(path, name), read_map(other, name), err_msg=path.name)
            elif len(shape) == 3:
                assert_array_equal(values_of(path), values_of(other), err_msg=path.name)


def test_reference_zeros_and_gaps_stay_in_every_correction(sample: Sample, tmp_path: Path) -> None:
    for path in make_all(sample, tmp_path / "made"):
        if path.name == "demErr.h5":
            assert not read_map(path)[:2].any()
            continue
        found = values_of(path)
        assert_array_equal(found[:, PIXEL[0], PIXEL[1]], 0, err_msg=path.name)
        assert_array_equal(found[:, :2], 0, err_msg=path.name)
        if path.name != "residual.h5":
            assert_array_equal(np.isnan(found), np.isnan(sample.values), err_msg=path.name)
            assert_array_equal(found[0], 0, err_msg=path.name)  # the reference date
            assert not np.array_equal(found, sample.values, equal_nan=True)


def test_files_are_those_of_mintpy(sample: Sample, tmp_path: Path) -> None:
    made = {path.name: path for path in make_all(sample, tmp_path / "made")}
    held = read_attributes(made["demErr_series.h5"])
    assert {"FILE_TYPE": "timeseries", "REF_DATE": "20180105", "FILE_PATH": "demErr_series.h5"}.items() <= held.items()
    assert held["mintpy.topographicResidual.polyOrder"] == "2"
    assert held["mintpy.topographicResidual.stepDate"] == "['20180801']"
    assert "CREEPMETER_KEY" not in held
    assert read_attributes(made["ramp.h5"])["mintpy.deramp"] == "quadratic"
    assert read_attributes(made["height.h5"])["mintpy.troposphericDelay.polyOrder"] == "1"
    assert read_attributes(made["demErr.h5"])["FILE_TYPE"] == "dem"
    assert list_datasets(made["demErr.h5"]) == {"dem": (SHAPE, np.dtype("f4"))}
    for name in ("lod.h5", "height.h5", "ramp.h5", "demErr_series.h5", "residual.h5"):
        tables = read_tables(made[name])
        assert_array_equal(tables["date"], DATES)
        assert_array_equal(tables["bperp"], read_tables(sample.series)["bperp"])


def test_geometry_of_the_centre_scales_the_error_of_the_heights(sample: Sample, tmp_path: Path) -> None:
    found = []
    for name, geometry in (("pixels", sample.geometry), ("centre", None)):
        targets = Targets(*(tmp_path / f"{name}{k}.h5" for k in range(3)))
        correct_topography(sample.series, targets, geometry)
        found.append(targets)
    assert_array_equal(values_of(found[0].corrected), values_of(found[1].corrected))
    angle, slant = (read_map(sample.geometry, name).astype(float) for name in ("incidenceAngle", "slantRangeDistance"))
    one, other = (read_map(targets.height_error) for targets in found)
    known = other != 0
    scale = one[known] / (slant * np.sin(np.deg2rad(angle)))[known] / other[known].astype(float)
    assert_allclose(scale, scale[0], rtol=1e-5)


def test_baselines_of_every_pixel_count(sample: Sample, tmp_path: Path) -> None:
    bperp = read_tables(sample.series)["bperp"]
    layers = np.broadcast_to(bperp[:, None, None], (len(DATES), *SHAPE)) * np.linspace(0.9, 1.1, SHAPE[1])
    maps = {name: read_map(sample.geometry, name) for name in ("incidenceAngle", "slantRangeDistance")}
    swapped = np.roll(np.arange(len(DATES)), 1)
    geometry = tmp_path / "geometryWide.h5"
    write_product(
        geometry,
        {**maps, "bperp": layers[swapped].astype(np.float32)},
        {"FILE_TYPE": "geometry"},
        tables={"date": DATES[swapped]},
    )
    found = []
    for name, path in (("plain", sample.geometry), ("wide", geometry)):
        targets = Targets(*(tmp_path / f"{name}{k}.h5" for k in range(3)))
        correct_topography(sample.series, targets, path)
        found.append(read_map(targets.height_error).astype(float))
    assert_allclose(found[1], found[0] / np.linspace(0.9, 1.1, SHAPE[1]), rtol=1e-4, atol=1e-6)


def test_dates_left_out_of_the_fit_are_corrected(sample: Sample, tmp_path: Path) -> None:
    (tmp_path / "exclude_date.txt").write_text("20180318\n")
    targets = Targets(*(tmp_path / f"out{k}.h5" for k in range(3)))
    correct_topography(sample.series, targets, sample.geometry)
    named = Targets(*(tmp_path / f"named{k}.h5" for k in range(3)))
    options = TopographyOptions(exclude_date=("20180318",))
    correct_topography(sample.series, named, sample.geometry, options)
    none = Targets(*(tmp_path / f"none{k}.h5" for k in range(3)))
    correct_topography(sample.series, none, sample.geometry, TopographyOptions(exclude_date=()))
    assert_array_equal(read_map(targets.height_error), read_map(named.height_error))
    assert (read_map(targets.height_error) != read_map(none.height_error)).any()
    assert (values_of(targets.corrected)[3] != sample.values[3]).any()
    with pytest.raises(ConfigError, match=r"lower topographicResidual\.polyOrder"):
        correct_topography(sample.series, none, sample.geometry, TopographyOptions(poly_order=17))


def test_residuals_tell_the_dates(sample: Sample) -> None:
    values = np.where(np.isnan(sample.values), 0, sample.values)
    values[0] = 0.005 * np.random.default_rng(9).normal(size=SHAPE)
    values[7] *= 9
    values[11] *= 0.3
    attributes = read_attributes(sample.series)
    path = sample.series.with_name("timeseriesResidual.h5")
    write_product(path, {"timeseries": values.astype(np.float32)}, attributes, tables=read_tables(sample.series))
    found = judge_residuals(path)
    assert [file.name for file in found.files] == [
        "timeseriesResidual_ramp.h5", "rms_timeseriesResidual_ramp.txt", "reference_date.txt", "exclude_date.txt",
    ]  # fmt: skip
    folder = sample.series.parent
    assert (folder / "reference_date.txt").read_text() == "20180926\n"
    assert (folder / "exclude_date.txt").read_text() == "20180622\n"
    lines = (folder / "rms_timeseriesResidual_ramp.txt").read_text().splitlines()
    assert lines[:4] == [
        "# Root Mean Square in space for each acquisition of time-series",
        "# Timeseries file: timeseriesResidual_ramp.h5",
        "# Mask file: maskTempCoh.h5",
        "# Date\t\tRMS (m)",
    ]
    inside = read_map(sample.mask) != 0
    left = values_of(folder / "timeseriesResidual_ramp.h5")[7][inside].astype(float)
    assert lines[11].split("\t") == ["20180622", str(float(np.sqrt(np.mean(left**2))))]
    plain = judge_residuals(path, ResidualOptions(deramp="no", cutoff=100))
    assert [file.name for file in plain.files] == ["rms_timeseriesResidual.txt", "reference_date.txt"]
    assert not (folder / "exclude_date.txt").exists()


def test_ramps_of_maps_and_their_coefficients(sample: Sample, tmp_path: Path) -> None:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    rate = 1e-3 * y - 2e-3 * x + 0.5
    maps = {"velocity": rate, "velocityStd": np.ones(SHAPE)}
    write_product(tmp_path / "velocity.h5", maps, {"FILE_TYPE": "velocity", "REF_Y": "4", "REF_X": "5"})
    ramps = remove_ramp(tmp_path / "velocity.h5", tmp_path / "flat.h5")
    assert list(ramps) == ["velocity"]
    assert_allclose(read_map(tmp_path / "flat.h5", "velocity"), rate[PIXEL], atol=1e-7)
    assert_array_equal(read_map(tmp_path / "flat.h5", "velocityStd"), 1)
    table = write_coefficients(ramps, tmp_path / "velocity.h5", tmp_path / "flat.h5").read_text().splitlines()
    assert table[:3] == ["# input  file: velocity.h5", "# output file: flat.h5", "# ramp type: linear"]
    assert_allclose([float(word) for word in table[3].split()[1:]], [1e-3, -2e-3, 0.5], rtol=1e-6)
    with pytest.raises(
        InputError, match="has no dataset 'speed' to take a ramp off: choose from velocity, velocityStd"
    ):
        remove_ramp(tmp_path / "velocity.h5", tmp_path / "flat.h5", dataset="speed")
    with pytest.raises(InputError, match=r"mask gone.h5 is not in"):
        remove_ramp(sample.series, tmp_path / "flat.h5", RampOptions(mask_file="gone.h5"))


def test_what_a_correction_lacks_is_named(sample: Sample, tmp_path: Path) -> None:
    out = tmp_path / "out.h5"
    write_product(tmp_path / "bare.h5", {"incidenceAngle": np.full(SHAPE, 30.0)}, {"FILE_TYPE": "geometry"})
    with pytest.raises(InputError, match=r"bare.h5 has no height"):
        correct_by_height(sample.series, out, tmp_path / "bare.h5", sample.mask)
    with pytest.raises(InputError, match=r"bare.h5 holds no slantRangeDistance"):
        correct_oscillator(sample.series, out, tmp_path / "bare.h5")
    write_product(tmp_path / "small.h5", {"incidenceAngle": np.full((3, 4), 30.0)}, {"FILE_TYPE": "geometry"})
    targets = Targets(*(tmp_path / f"out{k}.h5" for k in range(3)))
    with pytest.raises(InputError, match=r"small.h5, incidenceAngle has 3 x 4 pixels and the series 26 x 33"):
        correct_topography(sample.series, targets, tmp_path / "small.h5")
    update_product(sample.series, attributes={"PLATFORM": "Sen", "REF_Y": None, "STARTING_RANGE": None})
    with pytest.raises(InputError, match="is of Sen: only the oscillator of Envisat drifts"):
        correct_oscillator(sample.series, out, sample.geometry)
    with pytest.raises(InputError, match="has no reference pixel"):
        correct_by_height(sample.series, out, sample.geometry, sample.mask)
    with pytest.raises(InputError, match="lacks STARTING_RANGE"):
        correct_topography(sample.series, targets, None)


# ------------------------------------------------------------------------------------------------------- steps of a run


@dataclass(frozen=True)
class Project:
    """A run with all corrections."""

    folder: Path
    template: Path
    result: RunResult


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    home = tmp_path_factory.mktemp("corrected")
    write_project(home / "work", dates=12, connections=3, dem_error_m=8.0, stratified=0.01, turbulence_m=0.002)
    (home / "Project.txt").write_text(CORRECTED)
    return Project(
        home / "work", home / "Project.txt", run_sbas(home / "Project.txt", folder=home / "work", end="velocity")
    )


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Project:
    """Return a copy that may be changed."""
    shutil.copytree(finished.folder, tmp_path / "work")
    shutil.copy(finished.template, tmp_path / "Project.txt")
    return Project(tmp_path / "work", tmp_path / "Project.txt", finished.result)


def again(project: Project, text: str = "", **given: Any) -> RunResult:  # noqa: ANN401 - of run_sbas
    project.template.write_text(CORRECTED + text)
    return run_sbas(project.template, folder=project.folder, **{"end": "velocity", **given})


def test_every_correction_is_made_and_the_last_series_fitted(finished: Project) -> None:
    assert finished.result.made[-6:] == STEPS
    assert finished.result.left_out == ()
    assert all((finished.folder / name).exists() for name in CHAIN)
    assert read_attributes(finished.folder / "velocity.h5")["FILE_PATH"] == CHAIN[-1]
    chosen = (finished.folder / "reference_date.txt").read_text().strip()
    for name in CHAIN:
        assert read_attributes(finished.folder / name)["REF_DATE"] == chosen
        assert not read_map(finished.folder / name, f"timeseries-{chosen}").any()


def test_a_second_run_does_nothing(project: Project) -> None:
    files = sorted(project.folder.glob("*.h5"))
    before = {path.name: path.stat().st_mtime_ns for path in files}
    result = again(project)
    assert result.made == ()
    assert result.fresh[-6:] == STEPS
    assert {path.name: path.stat().st_mtime_ns for path in files} == before


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("mintpy.residualRMS.cutoff = 0.8\n", ("residual_RMS", "velocity")),
        ("mintpy.topographicResidual.polyOrder = 1\n", ("correct_topography", "residual_RMS", "velocity")),
        ("mintpy.deramp = quadratic\n", ("deramp", "correct_topography", "residual_RMS", "velocity")),
        ("mintpy.troposphericDelay.polyOrder = 2\n", ("correct_troposphere", *STEPS[1:4], "velocity")),
        ("mintpy.reference.date = 20180222\n", ("reference_date", "velocity")),
    ],
)
def test_what_follows_a_change_is_made_again(project: Project, text: str, made: tuple[str, ...]) -> None:
    found = [name for name in again(project, text).made if name != "reference_date" or name in made]
    assert tuple(found) == made
    assert again(project, text).made == ()


def test_a_series_that_is_gone_is_made_again_with_its_date(project: Project) -> None:
    before = values_of(project.folder / CHAIN[2])
    (project.folder / CHAIN[2]).unlink()
    result = again(project)
    assert result.made[0] == "deramp"
    assert_allclose(values_of(project.folder / CHAIN[2]), before, atol=2e-9)  # float32, referred twice
    assert again(project).made == ()


def test_a_correction_that_is_no_longer_wanted_is_passed_over(project: Project) -> None:
    text = "mintpy.deramp = no\n"
    result = again(project, text)
    assert "correct_topography" in result.made
    assert read_attributes(project.folder / "velocity.h5")["FILE_PATH"] == "timeseries_tropHgt_demErr.h5"
    assert not (project.folder / CHAIN[-1]).exists()  # it was made by this very step
    assert again(project, text).made == ()


def test_noisy_dates_of_a_run_do_not_change_its_own_fit(project: Project) -> None:
    text = "mintpy.residualRMS.cutoff = 0.8\n"
    first = values_of(project.folder / CHAIN[-1])
    assert (project.folder / "exclude_date.txt").exists() is False
    again(project, text)
    assert len((project.folder / "exclude_date.txt").read_text().split()) > 1
    assert_array_equal(values_of(project.folder / CHAIN[-1]), first)
    assert again(project, text).made == ()
    mine = "mintpy.topographicResidual.excludeDate = mine.txt\n"
    shutil.copy(project.folder / "exclude_date.txt", project.folder / "mine.txt")
    assert "correct_topography" in again(project, text + mine).made
    assert (values_of(project.folder / CHAIN[-1]) != first).any()


@pytest.mark.parametrize("name", ["exclude_date.txt", "reference_date.txt"])
def test_a_list_of_dates_changed_by_hand_counts_and_stays(project: Project, name: str) -> None:
    first, date = values_of(project.folder / CHAIN[-1]), str(read_tables(project.folder / CHAIN[0])["date"][3])[:10]
    date = date.replace("-", "")
    (project.folder / name).write_text(f"{date}\n")
    result = again(project)
    assert f"{name} was changed by hand" in " ".join(result.notes)
    assert (project.folder / name).read_text() == f"{date}\n"
    assert ("correct_topography" in result.made) == (name == "exclude_date.txt")
    assert (values_of(project.folder / CHAIN[-1]) != first).any()
    assert again(project).made == ()
    (project.folder / name).unlink()
    again(project)
    assert_allclose(values_of(project.folder / CHAIN[-1]), first, atol=2e-8)
    assert again(project).made == ()


def test_a_list_of_dates_that_a_stopped_run_left_does_not_count(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, first = "mintpy.residualRMS.cutoff = 0.8\n", values_of(project.folder / CHAIN[-1])
    known = Journal.note

    def note(journal: Journal, step: str, entry: Entry) -> None:
        if step == "residual_RMS" and entry.key:  # the lists are written, and the journal does not know yet
            message = "stopped here"
            raise KeyboardInterrupt(message)
        known(journal, step, entry)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "note", note)
        with pytest.raises(KeyboardInterrupt, match="stopped here"):
            again(project, text)
    assert (project.folder / "exclude_date.txt").exists()
    result = again(project, text)
    assert "correct_topography" not in result.made
    assert_array_equal(values_of(project.folder / CHAIN[-1]), first)
    assert again(project, text).made == ()


def test_lists_of_dates_go_with_the_residuals_they_came_from(project: Project) -> None:
    cutoff, without = "mintpy.residualRMS.cutoff = 0.8\n", "mintpy.topographicResidual = no\n"
    again(project, cutoff)
    noisy = (project.folder / "exclude_date.txt").read_text()
    result = again(project, cutoff + without)
    assert not (project.folder / "exclude_date.txt").exists()
    assert not (project.folder / "reference_date.txt").exists()
    assert any(note.startswith("reference_date.txt, exclude_date.txt: made from") for note in result.notes)
    fitted = project.folder / "all.h5"
    fit_velocity_file(project.folder / CHAIN[2], fitted, TimeFunctionOptions(exclude_date=()))
    assert_array_equal(read_map(project.folder / "velocity.h5"), read_map(fitted))
    assert again(project, cutoff + without).made == ()
    again(project, cutoff)
    assert (project.folder / "exclude_date.txt").read_text() == noisy
    assert again(project, cutoff).made == ()


def test_a_correction_that_lacks_its_maps_is_named_and_passed_over(project: Project) -> None:
    text = "mintpy.troposphericDelay.method = gacos\n"
    result = again(project, text)
    assert [part.partition(":")[0] for part in result.left_out] == ["correct_troposphere"]
    assert read_attributes(project.folder / "velocity.h5")["FILE_PATH"] == "timeseries_ramp_demErr.h5"
    assert again(project, text).left_out == result.left_out


def test_a_series_of_another_program_is_not_used_where_its_step_is_left_out(project: Project) -> None:
    text = "mintpy.troposphericDelay.method = gacos\n"
    make_foreign(project.folder / CHAIN[0], project.folder / "timeseries_GACOS.h5")
    result = again(project, text)
    assert [part.partition(":")[0] for part in result.left_out] == ["correct_troposphere"]
    assert "timeseries_GACOS.h5 was made by another program and is not used" in result.notes
    assert read_attributes(project.folder / "velocity.h5")["FILE_PATH"] == "timeseries_ramp_demErr.h5"
    assert (project.folder / "timeseries_GACOS.h5").exists()
    assert again(project, text).made == ()


def test_a_series_that_is_not_of_the_run_need_not_have_the_reference_date(project: Project) -> None:
    other = project.folder / "timeseries_ERA5.h5"
    make_foreign(project.folder / CHAIN[0], other, first=3)
    before = values_of(other)
    result = again(project, "mintpy.reference.date = 20180129\n")
    assert "reference_date" in result.made
    assert any(note.startswith("timeseries_ERA5.h5 is no series of this run") for note in result.notes)
    assert_array_equal(values_of(other), before)
    assert read_attributes(project.folder / CHAIN[-1])["REF_DATE"] == "20180129"


def make_foreign(source: Path, target: Path, first: int = 0) -> None:
    """Write a series as another program would, without its first dates."""
    attributes = {name: text for name, text in read_attributes(source).items() if not name.startswith("CREEPMETER")}
    tables = {name: values[first:] for name, values in read_tables(source).items()}
    attributes["REF_DATE"] = str(tables["date"][0])[:10].replace("-", "")
    write_product(target, {"timeseries": values_of(source)[first:]}, attributes, tables=tables)
    with h5py.File(target, "a") as file:
        for name in [name for name in file.attrs if name.startswith("CREEPMETER")]:
            del file.attrs[name]


def test_a_series_that_was_changed_after_the_reference_date_is_seen(project: Project) -> None:
    again(project, "mintpy.reference.date = 20180129\n")
    path = project.folder / CHAIN[1]
    measured = np.argwhere((values_of(path) != 0).any(axis=0))
    row, column = (int(place) for place in measured[len(measured) // 2])
    refer_file(path, path, ReferenceOptions(yx=(row, column)))
    made = again(project, "mintpy.reference.date = 20180129\n", start="deramp").made
    assert made[:2] == ("deramp", "correct_topography")


def test_the_oscillator_needs_the_range_of_the_reference_pixel(sample: Sample, tmp_path: Path) -> None:
    slant = read_map(sample.geometry, "slantRangeDistance")
    slant[PIXEL] = np.nan
    with h5py.File(sample.geometry, "a") as file:
        file["slantRangeDistance"][...] = slant
    with pytest.raises(InputError, match="no slantRangeDistance at the reference pixel"):
        correct_oscillator(sample.series, tmp_path / "lod.h5", sample.geometry)


def test_envisat_without_ranges_goes_on(tmp_path: Path) -> None:
    work = tmp_path / "work"
    write_project(work)
    update_product(work / "inputs" / "ifgramStack.h5", attributes={"PLATFORM": "Env"})
    with h5py.File(work / "inputs" / "geometryGeo.h5", "a") as file:
        del file["slantRangeDistance"]
    (tmp_path / "Project.txt").write_text(QUIET)
    result = run_sbas(tmp_path / "Project.txt", folder=work, end="velocity")
    assert len(result.left_out) == 1
    assert result.left_out[0].startswith("correct_LOD: ")
    assert read_attributes(work / "velocity.h5")["FILE_PATH"] == "timeseries.h5"


def test_envisat_gets_its_oscillator_corrected(tmp_path: Path) -> None:
    work = tmp_path / "work"
    write_project(work)
    update_product(work / "inputs" / "ifgramStack.h5", attributes={"PLATFORM": "Env"})
    (tmp_path / "Project.txt").write_text(QUIET)
    result = run_sbas(tmp_path / "Project.txt", folder=work, end="velocity")
    assert "correct_LOD" in result.made
    assert read_attributes(work / "velocity.h5")["FILE_PATH"] == "timeseries_LOD.h5"
    slant = read_map(work / "inputs" / "geometryGeo.h5", "slantRangeDistance").astype(float)
    row, column = (int(read_attributes(work / "timeseries.h5")[name]) for name in ("REF_Y", "REF_X"))
    removed = values_of(work / "timeseries.h5")[-1] - values_of(work / "timeseries_LOD.h5")[-1]
    days = (read_tables(work / "timeseries.h5")["date"][[0, -1]]).astype("datetime64[D]").astype(int)
    measured = values_of(work / "timeseries.h5")[-1] != 0
    expected = 3.87e-7 * (slant - slant[row, column]) * (days[1] - days[0]) / 365.25
    assert_allclose(removed[measured], expected[measured], atol=1e-8)
