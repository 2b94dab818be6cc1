"""The pages name commands, flags and keys that exist, and tell users of MintPy where everything of it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from creepmeter.cli import main
from creepmeter.cli.group import general_flags, plain_name
from creepmeter.workflow.sbas.steps import NAMES, STEPS
from creepmeter.workflow.sbas.template_keys import FORMER, KEYS

MAPPING = Path("docs") / "how-to" / "coming-from-mintpy.md"
_NAMES = """
add asc_desc2horz_vert closure_phase_bias dem_error dem_gsi diff generate_mask geocode ifgram_inversion image_math
image_stitch info iono_split_spectrum iono_tec load_data load_gbis local_oscilator_drift lookup_geo2radar mask
modify_network multi_transect multilook plate_motion plot_coherence_matrix plot_network plot_transection prep_aria
prep_cosicorr prep_fringe prep_gamma prep_gmtsar prep_hyp3 prep_isce prep_nisar prep_roipac prep_snap reference_date
reference_point remove_hdf5_dset remove_ramp s1ab_range_bias save_explorer save_gbis save_gdal save_gmt save_hdfeos5
save_kite save_kmz save_kmz_timeseries save_qgis save_roipac smallbaselineApp solid_earth_tides spatial_average
spatial_filter subset temporal_average temporal_derivative temporal_filter timeseries2velocity timeseries_rms
tropo_gacos tropo_opera tropo_phase_elevation tropo_pyaps3 tsview unwrap_error_bridging unwrap_error_phase_closure view
"""
SCRIPTS = _NAMES.split()
CODE = re.compile(r"`([^`\n]+)`")
FENCED = re.compile(r"```(?:text|bash|console)?\n(.*?)```", re.DOTALL)
FLAG = re.compile(r"--?[A-Za-z][\w-]*")
GENERAL = {"--help", "-h", "--version", *(flag.opts[0] for flag in general_flags())}


def pages(root: Path) -> list[Path]:
    """Return the pages written by hand; those of the reference are made from the code."""
    made = {"commands.md", "options.md", "python.md"}
    return [root / "README.md", *(page for page in sorted((root / "docs").rglob("*.md")) if page.name not in made)]


def find_command(words: list[str]) -> tuple[click.Command, list[str]]:
    """Return the command that words after ``creepmeter`` call, and the words after its name."""
    command: click.Command = main
    rest = list(words)
    with click.Context(main) as context:
        while rest and isinstance(command, click.Group) and not rest[0].startswith("-"):
            found = command.get_command(context, rest[0])
            if found is None:
                break
            command, rest = found, rest[1:]
    return command, rest


def flags_of(command: click.Command) -> set[str]:
    return {name for item in command.params for name in (*item.opts, *item.secondary_opts)} | GENERAL


def calls_in(text: str) -> Iterator[list[str]]:
    """Yield the words after ``creepmeter`` wherever a page shows a call."""
    shown = [line for block in FENCED.findall(text) for line in block.splitlines()]
    shown += CODE.findall(FENCED.sub("", text))
    for piece in shown:
        for call in re.split(r"&&|\|(?!\|)|;", piece):
            words = call.split("#")[0].split()
            if words[:1] == ["creepmeter"]:
                yield words[1:]


def faults_of(words: list[str]) -> list[str]:
    """Return what is wrong with a call."""
    if not words or words[0].isupper():  # a call as such: creepmeter SUB
        return []
    command, rest = find_command(words)
    call = " ".join(["creepmeter", *words])
    if command is main and not words[0].startswith("-"):
        return [f"no such command: {call}"]
    if isinstance(command, click.Group) and rest and command is not main and not rest[0].startswith("-"):
        return [f"no such command: {call}"]
    known = flags_of(command)
    asked = [word.split("=")[0] for word in rest if FLAG.fullmatch(word.split("=")[0])]
    return [f"no {flag} in: {call}" for flag in asked if flag not in known]


def rows_of(text: str) -> Iterator[list[str]]:
    """Yield the cells of rows of tables."""
    for line in text.splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def test_every_call_in_the_pages_can_be_made(root: Path) -> None:
    faults = [
        f"{page.relative_to(root)}: {fault}"
        for page in pages(root)
        for words in calls_in(page.read_text(encoding="utf-8"))
        for fault in faults_of(words)
    ]
    assert faults == []


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        ("view FILE --nonsense", "no --nonsense in: creepmeter view FILE --nonsense"),
        ("nosuch FILE", "no such command: creepmeter nosuch FILE"),
        ("save geotif FILE", "no such command: creepmeter save geotif FILE"),
    ],
)
def test_a_wrong_call_would_be_found(call: str, fault: str) -> None:
    assert faults_of(call.split()) == [fault]


@pytest.mark.parametrize("call", ["plot_network.py inputs/ifgramStack.h5 -t a.cfg", "smallbaselineApp.py -g", "SUB"])
def test_a_right_call_is_not_found(call: str) -> None:
    assert faults_of(call.split()) == []


def test_flags_beside_a_command_are_flags_of_it(root: Path) -> None:
    seen = 0
    for cells in rows_of((root / MAPPING).read_text(encoding="utf-8")):
        names = [code.split()[1:] for code in CODE.findall(cells[1]) if code.startswith("creepmeter ")]
        if len(cells) < 3 or not names or not cells[0].endswith(".py`"):
            continue
        known = {flag for words in names for flag in flags_of(find_command(words)[0])}
        shown = re.sub(r"(?:`-\w`, )?`--?[\w-]+` →", "", cells[2])  # what stands before an arrow is MintPy's
        asked = {code for code in CODE.findall(shown) if FLAG.fullmatch(code)}
        seen += len(asked)
        assert asked <= known, cells[0]
    assert seen > 150


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_of_mintpy_has_its_place(root: Path, script: str) -> None:
    assert f"`{script}.py`" in (root / MAPPING).read_text(encoding="utf-8")


def test_scripts_said_to_be_missing_are_missing(root: Path) -> None:
    text = (root / MAPPING).read_text(encoding="utf-8")
    for cells in rows_of(text):
        if cells[1] == "not yet":
            for script in CODE.findall(cells[0]):
                assert plain_name(script) not in main.table, f"{script} is there now: say where"


def test_scripts_of_the_same_name_are_said_to_be_there(root: Path) -> None:
    rows = {
        code: cells[1]
        for cells in rows_of((root / MAPPING).read_text(encoding="utf-8"))
        for code in CODE.findall(cells[0])
    }
    for script in SCRIPTS:
        name = plain_name(f"{script}.py")
        if name in main.table:
            assert f"creepmeter {name}" in rows[f"{script}.py"], script


def test_keys_of_the_template_in_the_pages_exist(root: Path) -> None:
    known = {*KEYS, *FORMER}
    for page in pages(root):
        for name in re.findall(
            r"(?<![\w./-])mintpy\.([A-Za-z][A-Za-z0-9.]*[A-Za-z0-9])(?!\.?\*)\b", page.read_text(encoding="utf-8")
        ):
            grouped = any(key.startswith(f"{name}.") for key in known)
            assert name in known or grouped, f"{page.name}: mintpy.{name}"


def test_keys_without_effect_are_named(root: Path) -> None:
    text = (root / MAPPING).read_text(encoding="utf-8")
    assert [key.name for key in KEYS.values() if key.unused and f"`{key.name}`" not in text] == []


def test_steps_are_named_in_the_how_to(root: Path) -> None:
    text = (root / "docs" / "how-to" / "run-sbas.md").read_text(encoding="utf-8")
    assert [name for name in NAMES if name not in text] == []
    aliases = [step.alias for step in STEPS if step.alias]
    assert [name for name in aliases if name not in text] == []
