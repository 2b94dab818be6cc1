"""A small-baseline run: what it makes, keeps, makes again, and what it says of the rest."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.workflow.sbas.samples import QUIET, write_project, write_template

from creepmeter.errors import ConfigError, InputError, LockedError, StoreError
from creepmeter.io.lock import RunLock
from creepmeter.io.mintpy.product import read_attributes, read_map, update_product, write_product
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.simulate.radar import RadarStack
from creepmeter.workflow.outcome import RunResult
from creepmeter.workflow.sbas.folder import SbasSetting, WorkFolder, identity
from creepmeter.workflow.sbas.run import SbasRunOptions, run_sbas
from creepmeter.workflow.sbas.steps import NAMES, STEPS, chosen_steps
from creepmeter.workflow.sbas.template import read_template
from creepmeter.workflow.sbas.template_file import CONFIG_NAME

MADE = ("modify_network", "reference_point", "quick_overview", "invert_network", "velocity")
PRODUCTS = (
    "waterMask.h5",
    "maskConnComp.h5",
    "avgSpatialCoh.h5",
    "avgPhaseVelocity.h5",
    "numTriNonzeroIntAmbiguity.h5",
    "timeseries.h5",
    "temporalCoherence.h5",
    "numInvIfgram.h5",
    "maskTempCoh.h5",
    "velocity.h5",
)


@dataclass(frozen=True)
class Project:
    """A finished run; do not write into its folder."""

    folder: Path
    template: Path
    simulated: RadarStack
    result: RunResult


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    home = tmp_path_factory.mktemp("project Übung")
    simulated = write_project(home / "work", noise=False)
    template = write_template(home)
    return Project(home / "work", template, simulated, run_sbas(template, folder=home / "work"))


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Project:
    """Return a copy that may be changed."""
    shutil.copytree(finished.folder, tmp_path / "work")
    shutil.copy(finished.template, tmp_path / finished.template.name)
    return Project(tmp_path / "work", tmp_path / finished.template.name, finished.simulated, finished.result)


def _again(project: Project, text: str = "", *, whole: bool = False, **given: Any) -> RunResult:  # noqa: ANN401
    """Run again, up to velocity unless told otherwise: figures take longest."""
    project.template.write_text(QUIET + text, encoding="utf-8")
    if not whole and "dostep" not in given:
        given["end"] = "velocity"
    return run_sbas(project.template, folder=project.folder, **given)


def _require_same_values(first: Path, second: Path) -> None:
    for name in PRODUCTS:
        if name == "timeseries.h5":
            continue
        np.testing.assert_array_equal(read_map(first / name), read_map(second / name), err_msg=name)
    for name in ("timeseries-20180105", "timeseries-20180318"):
        one, other = (read_map(folder / "timeseries.h5", name) for folder in (first, second))
        np.testing.assert_array_equal(one, other)


# --------------------------------------------------------------------------------------------------------- a whole run


def test_the_products_of_mintpy_are_there(finished: Project) -> None:
    assert finished.result.made == MADE
    assert finished.result.fresh == ("load_data",)
    assert finished.result.left_out == ()
    found = {path.name for path in finished.folder.iterdir()}
    assert {*PRODUCTS, "report.html", CONFIG_NAME} <= found
    assert not [name for name in found if "partial" in name or name.endswith(".new")]
    assert (finished.folder / "inputs" / "Project.txt").read_text() == finished.template.read_text()


def test_the_velocity_is_that_of_the_simulation(finished: Project) -> None:
    rate = read_map(finished.folder / "velocity.h5", "velocity")
    mask = read_map(finished.folder / "maskTempCoh.h5") != 0
    assert mask.sum() > 500
    row, column = (int(read_attributes(finished.folder / "velocity.h5")[name]) for name in ("REF_Y", "REF_X"))
    years = (finished.simulated.truth.epochs - finished.simulated.truth.epochs[0]).astype(float) / (365.25 * 86400e9)
    moved = finished.simulated.truth.displacement.astype(float)
    slope = np.polynomial.polynomial.polyfit(years, moved.reshape(len(years), -1), 1)[1].reshape(moved.shape[1:])
    expected = slope - slope[row, column]
    np.testing.assert_allclose(rate[mask], expected[mask], atol=2e-5)  # float32 phase of some 20 rad, without noise


def test_a_second_run_does_nothing(project: Project) -> None:
    before = {name: (project.folder / name).stat().st_mtime_ns for name in (*PRODUCTS, "report.html")}
    again = _again(project, whole=True)
    assert (again.made, again.fresh) == ((), ("load_data", *MADE))
    assert before == {name: (project.folder / name).stat().st_mtime_ns for name in before}


def test_without_a_template_the_one_of_the_folder_counts(project: Project) -> None:
    assert run_sbas(folder=project.folder).made == ()
    text = (project.folder / CONFIG_NAME).read_text()
    assert "mintpy.plot                                    = no" in text
    assert run_sbas(project.folder / CONFIG_NAME, folder=project.folder).made == ()


def test_a_loaded_folder_needs_no_template(project: Project) -> None:
    (project.folder / CONFIG_NAME).unlink()
    assert run_sbas(folder=project.folder, end="load_data").fresh == ("load_data",)


def test_an_empty_folder_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds neither smallbaselineApp.cfg nor a loaded stack"):
        run_sbas(folder=tmp_path)
    template = write_template(tmp_path)
    with pytest.raises(StoreError, match=r"holds no stack .* name the interferograms in the template"):
        run_sbas(template, folder=tmp_path / "work")


def test_a_wrong_template_writes_nothing(tmp_path: Path) -> None:
    template = write_template(tmp_path, "mintpy.deramp = cubic\n")
    with pytest.raises(ConfigError, match=r"mintpy.deramp = cubic"):
        run_sbas(template, folder=tmp_path / "work")
    assert not (tmp_path / "work").exists()


# ------------------------------------------------------------------------------------------------------------ staleness


def test_a_deleted_series_is_made_again_and_nothing_else(project: Project) -> None:
    (project.folder / "timeseries.h5").unlink()
    only = _again(project, dostep="invert_network")
    assert (only.made, only.fresh) == (("invert_network",), ())
    assert _again(project).made == ()


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("mintpy.timeFunc.stepDate = 20180318\n", ("velocity",)),
        ("mintpy.networkInversion.weightFunc = no\n", ("invert_network", "velocity")),
        ("mintpy.network.excludeIfgIndex = 3\n", MADE),
        ("mintpy.networkInversion.minTempCoh = 0.8\n", ("invert_network",)),
    ],
)
def test_only_what_is_stale_is_made_again(project: Project, text: str, made: tuple[str, ...]) -> None:
    changed = _again(project, text)
    assert changed.made == made
    assert _again(project, text).made == ()


def test_a_changed_pixel_makes_everything_again(project: Project) -> None:
    moved = write_project(project.folder, seed=2, noise=False)
    assert moved.pairs == project.simulated.pairs
    assert _again(project).made == MADE


def test_a_network_changed_by_hand_is_seen(project: Project) -> None:
    stack = StackFile.open(project.folder / "inputs" / "ifgramStack.h5")
    keep = np.ones(len(stack.pairs), bool)
    keep[2] = False
    stack.set_keep(keep)
    assert _again(project, dostep="invert_network").made == ("invert_network",)
    assert read_map(project.folder / "numInvIfgram.h5").max() == len(keep) - 1
    assert "modify_network" in _again(project).made  # a whole run goes back to what the template says
    assert read_map(project.folder / "numInvIfgram.h5").max() == len(keep)


def test_a_step_warns_of_stale_ones_before_it(project: Project) -> None:
    result = _again(project, "mintpy.network.excludeIfgIndex = 3\n", dostep="velocity", options=_forced())
    assert result.made == ("velocity",)
    assert [note.partition(" (")[0] for note in result.notes] == ["modify_network is not up to date"]
    assert "start from modify_network" in result.notes[0]


def _forced() -> SbasRunOptions:
    return SbasRunOptions(force=True)


def test_force_does_a_step_again(project: Project) -> None:
    assert _again(project, dostep="velocity", options=_forced()).made == ("velocity",)


# ------------------------------------------------------------------------------------------------------- reference date


def test_the_errors_of_the_velocity_follow_the_stack(project: Project) -> None:
    text = "mintpy.timeFunc.uncertaintyQuantification = covariance\n"
    assert _again(project, text).made == ("velocity",)
    assert np.median(read_map(project.folder / "velocity.h5", "velocityStd")) > 0
    assert _again(project, text).made == ()


def test_a_reference_date_is_applied_and_kept(project: Project) -> None:
    text = "mintpy.reference.date = 20180222\n"
    first = _again(project, text)
    assert first.made == ("reference_date", "velocity")
    assert read_attributes(project.folder / "timeseries.h5")["REF_DATE"] == "20180222"
    assert not np.any(read_map(project.folder / "timeseries.h5", "timeseries-20180222"))
    assert _again(project, text).made == ()


def test_the_text_file_of_the_reference_date_is_read_when_it_is_there(project: Project) -> None:
    (project.folder / "reference_date.txt").write_text("20180318\n")
    assert "reference_date" in _again(project).made
    assert read_attributes(project.folder / "timeseries.h5")["REF_DATE"] == "20180318"
    with pytest.raises(ConfigError, match=r"mintpy.reference.date names .*other.txt, which is not there"):
        _again(project, "mintpy.reference.date = other.txt\n")


# ------------------------------------------------------------------------------------------------------------- left out


def test_a_correction_without_its_files_is_left_out_and_named(project: Project) -> None:
    text = "mintpy.networkInversion.minNumPixel = 20\nmintpy.deramp = linear\nmintpy.plot = no\nmintpy.derampp = no\n"
    project.template.write_text(text)
    result = run_sbas(project.template, folder=project.folder)
    assert [text.partition(":")[0] for text in result.left_out] == ["correct_troposphere"]
    page = (project.folder / "report.html").read_text(encoding="utf-8")
    assert page.count("Left out: ") == 1
    assert "did you mean mintpy.deramp?" in result.notes[0]
    assert "derampp" in page


# ---------------------------------------------------------------------------------------------------------------- steps


def test_steps_by_name() -> None:
    assert NAMES[0] == "load_data"
    assert [step.name for step in chosen_steps(None, None, "stack_interferograms")] == ["quick_overview"]
    assert [step.name for step in chosen_steps("invert_network", "correct_LOD", None)] == [
        "invert_network",
        "correct_LOD",
    ]
    assert chosen_steps(None, None, None) == STEPS
    with pytest.raises(ConfigError, match="no step 'invert': the steps are load_data"):
        chosen_steps("invert", None, None)
    with pytest.raises(ConfigError, match="comes before"):
        chosen_steps("velocity", "load_data", None)
    with pytest.raises(ConfigError, match="give it without"):
        chosen_steps(None, "velocity", "load_data")


def test_a_step_that_lacks_what_earlier_ones_make(tmp_path: Path) -> None:
    write_project(tmp_path / "work")
    template = write_template(tmp_path)
    with pytest.raises(InputError, match="reference"):
        run_sbas(template, folder=tmp_path / "work", dostep="invert_network")
    with pytest.raises(StoreError, match="run invert_network first"):
        run_sbas(template, folder=tmp_path / "work", dostep="velocity")


def test_unwrapping_errors_are_corrected_and_inverted(tmp_path: Path) -> None:
    simulated = write_project(tmp_path / "work", cycle_chance=0.5, rows=60, columns=70, dates=5)
    assert simulated.truth.cycles.any()
    text = "mintpy.unwrapError.method = bridging\nmintpy.unwrapError.connCompMinArea = 10\n"
    template = write_template(tmp_path, text)
    result = run_sbas(template, folder=tmp_path / "work", end="invert_network")
    assert "correct_unwrap_error" in result.made
    assert "unwrapPhase_bridging" in StackFile.open(tmp_path / "work" / "inputs" / "ifgramStack.h5").names
    assert run_sbas(template, folder=tmp_path / "work", end="invert_network").made == ()
    write_template(tmp_path, text.replace("bridging", "no"))
    back = run_sbas(template, folder=tmp_path / "work", end="invert_network")
    assert back.made == ("invert_network",)  # of the phase as it was loaded


def test_two_runs_in_one_folder(project: Project) -> None:
    with RunLock(project.folder), pytest.raises(LockedError, match="is in use by"):
        _again(project)


def test_the_memory_does_not_change_a_bit(finished: Project, tmp_path: Path) -> None:
    write_project(tmp_path / "work", noise=False)
    options = SbasRunOptions(memory_gb=0.001)
    run_sbas(finished.template, folder=tmp_path / "work", end="velocity", options=options)
    _require_same_values(tmp_path / "work", finished.folder)


_CHILD = """
import os, signal, sys
from creepmeter.io.mintpy.partial import PartialFile
from creepmeter.workflow.sbas.folder import SbasSetting, WorkFolder, identity
from creepmeter.workflow.sbas.run import SbasRunOptions, run_sbas
put, left = PartialFile.put, int(sys.argv[3])
def counted(self, *given, **named):
    global left
    put(self, *given, **named)
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
PartialFile.put = counted
run_sbas(sys.argv[1], folder=sys.argv[2], end="velocity", options=SbasRunOptions(memory_gb=0.001))
"""


@pytest.mark.parametrize("puts", [1, 3])
def test_killed_in_a_step_ends_with_the_same_values(finished: Project, tmp_path: Path, puts: int) -> None:
    write_project(tmp_path / "work", noise=False)
    command = [sys.executable, "-c", _CHILD, str(finished.template), str(tmp_path / "work"), str(puts)]
    killed = subprocess.run(command, check=False, env={**os.environ, "PYTHONWARNINGS": "ignore"})
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "work" / "velocity.h5").exists()
    run_sbas(finished.template, folder=tmp_path / "work", end="velocity")
    _require_same_values(tmp_path / "work", finished.folder)
    assert not [path for path in tmp_path.rglob("*") if "partial" in path.name]


# -------------------------------------------------------------------------------------------------- stacks of others


def _as_if_by_mintpy(folder: Path) -> Path:
    """Take away what tells that this program wrote a stack."""
    path = folder / "inputs" / "ifgramStack.h5"
    update_product(path, attributes={"CREEPMETER_VERSION": None})
    return path


def test_a_stack_of_mintpy_is_not_changed_unless_asked(tmp_path: Path) -> None:
    write_project(tmp_path / "work")
    stack = _as_if_by_mintpy(tmp_path / "work")
    before = stack.read_bytes()
    template = write_template(tmp_path)
    run_sbas(template, folder=tmp_path / "work", end="invert_network")
    assert stack.read_bytes() == before
    assert (stack.parent / "ifgramStack.creepmeter.h5").exists()
    assert run_sbas(template, folder=tmp_path / "work", end="invert_network").made == ()


def test_a_stack_of_mintpy_can_be_changed_in_place(tmp_path: Path) -> None:
    write_project(tmp_path / "work")
    stack = _as_if_by_mintpy(tmp_path / "work")
    template = write_template(tmp_path)
    options = SbasRunOptions(in_place=True)
    run_sbas(template, folder=tmp_path / "work", end="invert_network", options=options)
    assert "REF_Y" in read_attributes(stack)
    assert not (stack.parent / "ifgramStack.creepmeter.h5").exists()
    assert run_sbas(template, folder=tmp_path / "work", end="invert_network", options=options).made == ()


def test_products_of_mintpy_are_not_replaced_without_a_word(project: Project) -> None:
    update_product(project.folder / "velocity.h5", attributes={"CREEPMETER_VERSION": None})
    result = _again(project)
    assert result.made == ("velocity",)
    assert result.notes == ("velocity.h5 was made by another program and is replaced",)


def test_a_stack_of_mintpy_is_taken_though_its_files_are_named(tmp_path: Path) -> None:
    write_project(tmp_path / "work")
    _as_if_by_mintpy(tmp_path / "work")
    template = write_template(tmp_path, "mintpy.load.unwFile = ../gone/*.unw\n")
    result = run_sbas(template, folder=tmp_path / "work", end="load_data")
    assert result.fresh == ("load_data",)
    assert "was loaded by another program and is taken as it is" in result.notes[0]


# ----------------------------------------------------------------------------------------------------------- to look at


def test_the_report_shows_what_was_made(finished: Project) -> None:
    page = (finished.folder / "report.html").read_text(encoding="utf-8")
    for name in ("velocity", "velocityStd", "timeseries"):
        assert f'id="{name}"' in page
    assert 'id="network"' not in page  # the template says plot = no
    assert "figures of the network, of quality and of masks are not drawn" in page
    for name in NAMES:
        assert f"<td>{name}</td>" in page
    assert "mintpy.networkInversion.minNumPixel" in page
    assert "Reference pixel" in page
    assert str(finished.folder) not in page


def test_the_report_shows_all_figures_of_a_run_with_plots(project: Project) -> None:
    project.template.write_text(QUIET.replace("mintpy.plot = no", "mintpy.plot = yes"), encoding="utf-8")
    run_sbas(project.template, folder=project.folder)
    page = (project.folder / "report.html").read_text(encoding="utf-8")
    for name in ("velocity", "velocityStd", "temporalCoherence", "avgSpatialCoh", "network", "timeseries"):
        assert f'id="{name}"' in page
    assert "are not drawn" not in page


def test_figures_are_drawn_when_asked(project: Project) -> None:
    result = _again(project, whole=True, options=SbasRunOptions(plot=True))
    assert (result.made, result.fresh) == ((), ())
    found = {path.name for path in (project.folder / "pic").iterdir()}
    assert {
        "velocity.png",
        "velocityStd.png",
        "temporalCoherence.png",
        "avgSpatialCoh.png",
        "maskTempCoh.png",
        "timeseries.png",
        "network.pdf",
        "coherenceMatrix.pdf",
    } <= found
    before = (project.folder / "pic" / "velocity.png").stat().st_mtime_ns
    _again(project, whole=True, options=SbasRunOptions(plot=True))
    assert (project.folder / "pic" / "velocity.png").stat().st_mtime_ns == before


# -------------------------------------------------------------------------------------------- masks beside the inputs


def _mask_in_inputs(project: Project, first: int, name: str = "mine.h5") -> None:
    """Write a mask that leaves the first columns out."""
    mask = project.simulated.water.copy()
    mask[:, :first] = False
    attributes = {"FILE_TYPE": "mask", "UNIT": "1"}
    write_product(project.folder / "inputs" / name, {"mask": mask}, attributes)


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("mintpy.network.coherenceBased = yes\nmintpy.network.maskFile = mine.h5\n", "modify_network"),
        ("mintpy.reference.maskFile = mine.h5\n", "reference_point"),
        ("mintpy.networkInversion.waterMaskFile = mine.h5\n", "invert_network"),
    ],
)
def test_a_changed_mask_in_inputs_makes_again_what_depends_on_it(project: Project, text: str, step: str) -> None:
    _mask_in_inputs(project, 1)
    _again(project, text)
    assert _again(project, text).made == ()
    _mask_in_inputs(project, 2)
    assert step in _again(project, text).made
    assert _again(project, text).made == ()


def test_a_changed_water_mask_in_inputs_counts_where_the_geometry_has_none(tmp_path: Path) -> None:
    simulated = write_project(tmp_path / "work", noise=False)
    geometry = tmp_path / "work" / "inputs" / "geometryGeo.h5"
    layers = {name: read_map(geometry, name) for name in ("height", "incidenceAngle", "azimuthAngle")}
    write_product(geometry, layers, read_attributes(geometry))
    template = write_template(tmp_path)
    project = Project(
        tmp_path / "work", template, simulated, run_sbas(template, folder=tmp_path / "work", end="velocity")
    )
    row, column = (int(read_attributes(project.folder / "timeseries.h5")[name]) for name in ("REF_Y", "REF_X"))
    for first in (5, 9):
        _mask_in_inputs(project, first, "waterMask.h5")
        assert "invert_network" in _again(project).made
        counted = read_map(project.folder / "numInvIfgram.h5")
        counted[row, column] = 0  # the reference pixel stands in any case
        assert not counted[:, :first].any()
        assert counted.any()
        assert _again(project).made == ()


# ------------------------------------------------------------------------------------------ files that stand or change


def test_two_changes_at_one_instant_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "mask.h5"
    write_product(path, {"mask": np.ones((3, 4), np.float32)}, {"FILE_TYPE": "mask", "NOTE": "a"})
    moment = path.stat().st_mtime_ns
    found = []
    for text in ("b", "c", "b"):
        update_product(path, attributes={"NOTE": text})
        os.utime(path, ns=(moment, moment))
        found.append(identity(path))
    assert found[0] == found[2] != found[1]


def test_the_stack_of_a_run_is_as_the_file_says(tmp_path: Path) -> None:
    write_project(tmp_path, noise=False)
    run = SbasSetting(read_template([]), WorkFolder(tmp_path))
    assert run.stack() is run.stack()
    other = StackFile.open(tmp_path / "inputs" / "ifgramStack.h5")
    keep = other.keep.copy()
    keep[1] = False
    other.set_keep(keep)
    other.set_attributes({"REF_Y": "2", "REF_X": "3"})
    assert not run.stack().keep[1]
    assert run.stack().reference == (2, 3)
