"""creepmeter sbas, and creepmeter run with a template."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.cli.conftest import Call
from tests.workflow.sbas.samples import QUIET, write_project, write_template

from creepmeter.workflow.sbas.template_keys import KEYS


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a loaded project; nothing writes into it."""
    home = tmp_path_factory.mktemp("sbas")
    write_project(home / "work")
    write_template(home)
    return home


@pytest.fixture
def loaded(untouched: Path, tmp_path: Path) -> Path:
    """Return a copy that may be run and changed."""
    shutil.copytree(untouched, tmp_path / "home")
    return tmp_path / "home"


def test_every_key_can_be_printed(done: Call) -> None:
    lines = [line for line in done("sbas", "-H").stdout.splitlines() if line.startswith("mintpy.")]
    assert len(lines) == len(KEYS)
    assert any(line.startswith("mintpy.networkInversion.weightFunc") and "auto: var" in line for line in lines)


def test_a_template_is_written_once(done: Call, tmp_path: Path) -> None:
    path = tmp_path / "work" / "smallbaselineApp.cfg"
    assert done("sbas", "-g", "--dir", path.parent).stdout == f"template: {path}\n"
    path.write_text("mintpy.deramp = linear\n")
    assert "is there already: it is kept" in done("sbas", "-g", "--dir", path.parent).stdout
    assert path.read_text() == "mintpy.deramp = linear\n"


def test_a_range_of_steps_and_one_of_them(done: Call, loaded: Path) -> None:
    arguments = ("sbas", loaded / "Project.txt", "--dir", loaded / "work")
    first = done(*arguments, "--end", "reference_point", "--memory-gb", 1)
    assert "made: modify_network, reference_point" in first.stdout
    assert "up to date: load_data" in first.stdout
    assert f"results: {loaded / 'work'}" in first.stdout
    again = done("sbas", "--dir", loaded / "work", "--dostep", "modify_network")
    assert "up to date: modify_network" in again.stdout
    assert "made: modify_network" in done(*arguments, "--dostep", "modify_network", "--force").stdout


def test_what_is_left_out_gives_the_status_3(call: Call, loaded: Path) -> None:
    template = loaded / "Loud.txt"
    template.write_text(QUIET.replace("mintpy.save.kmz = no", "mintpy.save.kmz = yes"))
    result = call("sbas", template, "--dir", loaded / "work", "--dostep", "google_earth")
    assert result.exit_code == 3
    assert "left out: google_earth: " in result.stderr
    assert "velocity.h5 is missing" in result.stderr


def test_a_template_can_be_run_as_a_configuration(done: Call, call: Call, loaded: Path) -> None:
    arguments = ("run", loaded / "Project.txt", "-o", loaded / "work", "--end", "modify_network")
    assert "up to date" in done(*arguments).stdout
    refused = call(*arguments, "--set", "track.chip_px=3")
    assert refused.exit_code == 2
    assert "--set changes a run file in YAML" in refused.stderr


@pytest.mark.parametrize(
    ("text", "flags", "match"),
    [
        ("mintpy.deramp = cubic\n", (), "mintpy.deramp = cubic: allowed are linear / quadratic / no or auto"),
        ("", ("--dostep", "invert"), "no step 'invert'"),
        ("", ("--dostep", "velocity", "--end", "velocity"), "give it without --start and --end"),
    ],
)
def test_mistakes(call: Call, loaded: Path, text: str, flags: tuple[str, ...], match: str) -> None:
    template = write_template(loaded, text, "Wrong.txt")
    result = call("sbas", template, "--dir", loaded / "work", *flags)
    assert result.exit_code == 1
    assert match in result.stderr


def test_unknown_keys_are_warned_of(done: Call, loaded: Path) -> None:
    template = write_template(loaded, "mintpy.netwrk.tempBaseMax = 60\n", "Typo.txt")
    result = done("sbas", template, "--dir", loaded / "work", "--dostep", "load_data")
    assert (
        "unknown key 'mintpy.netwrk.tempBaseMax', not used; did you mean mintpy.network.tempBaseMax?" in result.stderr
    )


def test_a_folder_without_anything(call: Call, tmp_path: Path) -> None:
    result = call("sbas", "--dir", tmp_path)
    assert result.exit_code == 1
    assert "holds neither smallbaselineApp.cfg nor a loaded stack" in result.stderr
