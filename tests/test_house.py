"""The house itself: floor plan, budgets, a light import, documented names, and no traces of one machine."""

from __future__ import annotations

import ast
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from pytest_socket import SocketConnectBlockedError

import check_structure
import creepmeter
import make_reference

HEAVY = {"numba", "matplotlib", "rasterio", "xarray", "pandas", "geopandas", "zarr", "h5py", "scipy", "pyproj"}
MACHINE_PATH = re.compile(r"(?<![\w.:/~>)])/(?:home|root|work|Users|opt|private)/\w")
INDEX_HOST = re.compile(
    r"pypi\.(?:org|python)|pythonhosted\.org|anaconda\.(?:org|com)|--(?:extra-)?index-url|--find-links"
)
TEXT_SUFFIXES = {".py", ".md", ".toml", ".txt", ".yml", ".yaml", ".cfg", ".html", ".j2", ".csv", ".json", ""}


def tracked_files(root: Path) -> list[Path]:
    """Return the text files that git keeps or would keep."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("not a git checkout")
    paths = [root / name for name in done.stdout.splitlines()]
    return [path for path in paths if path.suffix in TEXT_SUFFIXES and path.is_file()]


def lines_with(pattern: re.Pattern[str], paths: Iterable[Path]) -> list[str]:
    """Return ``path:line`` wherever a pattern is found."""
    return [
        f"{path}:{number}"
        for path in paths
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]


def loaded_by(statement: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter holds after a statement."""
    program = f"{statement}\nimport sys, json\nprint(json.dumps(sorted({{m.split('.')[0] for m in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def make_tree(folder: Path, files: dict[str, str]) -> Path:
    """Write a small source tree; every file gets a module docstring."""
    for name, text in files.items():
        path = folder / "src" / "creepmeter" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'"""A module."""\n{text}', encoding="utf-8")
    (folder / "tests").mkdir(exist_ok=True)
    return folder


def found_in(folder: Path, files: dict[str, str]) -> list[str]:
    """Return the texts of the findings on a small source tree."""
    findings, _ = check_structure.check_tree(make_tree(folder, files))
    return [finding.text for finding in findings]


# ----------------------------------------------------------------------------------------------------- this repository


def test_the_source_keeps_the_floor_plan_and_the_budgets(root: Path) -> None:
    findings, measures = check_structure.check_tree(root)
    assert measures.bodies
    assert not findings, "\n".join(map(str, findings))


def test_import_is_light() -> None:
    assert not loaded_by("import creepmeter") & HEAVY


@pytest.mark.parametrize("step", ["unwrap", "invert", "overview", "velocity"])
def test_radar_steps_load_no_map_library(step: str) -> None:
    found = loaded_by(f"import creepmeter.workflow.sbas.run, creepmeter.workflow.sbas.{step}")
    assert not found & {"xarray", "pandas", "odc", "pyproj", "rasterio"}


def test_help_needs_no_heavy_library() -> None:
    statement = "import creepmeter.cli\ntry: creepmeter.cli.main(['--help'])\nexcept SystemExit: pass"
    assert not loaded_by(statement) & HEAVY


@pytest.mark.parametrize("name", creepmeter.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(creepmeter, name) is not None


def test_public_names_are_listed_by_dir() -> None:
    assert set(creepmeter.__all__) <= set(dir(creepmeter))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'invrt'"):
        _ = creepmeter.invrt


def test_version_is_that_of_the_project(root: Path) -> None:
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    assert f'\nversion = "{creepmeter.__version__}"\n' in text


@pytest.mark.parametrize("page", make_reference.PAGES)
def test_reference_pages_say_what_the_code_says(page: str) -> None:
    assert make_reference.is_current(page), "run `make reference`"


def test_sections_within_sections_have_their_own_table_of_options() -> None:
    page = make_reference.options_page()
    for section, option in (("stable", "moving"), ("scenes.select", "max_cloud"), ("scenes.read", "max_masked")):
        _, _, rest = page.partition(f"\n## {section}\n")
        assert f"| `{option}` |" in rest.partition("\n## ")[0]


def test_every_page_is_in_the_table_of_contents(root: Path) -> None:
    contents = (root / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [path.relative_to(root / "docs").as_posix() for path in (root / "docs").rglob("*.md")]
    assert [page for page in pages if page not in contents] == []


def test_python_in_the_pages_is_python(root: Path) -> None:
    for page in (root / "docs").rglob("*.md"):
        for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            ast.parse(block, str(page))


def test_names_used_in_the_pages_exist(root: Path) -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in [root / "README.md", *(root / "docs").rglob("*.md")])
    assert set(re.findall(r"\bcm\.([a-z_]+)\(", text)) <= set(creepmeter.__all__)


def test_no_path_of_one_machine_in_the_files(root: Path) -> None:
    assert lines_with(MACHINE_PATH, tracked_files(root)) == []


def test_no_address_of_a_package_index_in_the_files(root: Path) -> None:
    ours = Path(__file__).name
    assert lines_with(INDEX_HOST, (path for path in tracked_files(root) if path.name != ours)) == []


def test_constraints_pin_versions_and_nothing_else(root: Path) -> None:
    lines = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert [line for line in pins if not re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9.+!]+(?: ; .+)?", line)] == []


def test_every_dependency_is_pinned(root: Path) -> None:
    project = (root / "pyproject.toml").read_text(encoding="utf-8").split("[tool.")[0]
    asked = {name.lower().replace("_", "-") for name in re.findall(r'"([A-Za-z0-9_.-]+)>=', project)}
    lines = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines}
    assert asked - pinned == set()


def test_tests_reach_no_network() -> None:
    blocked = pytest.raises(SocketConnectBlockedError, match="allowed")
    with socket.socket() as plug, pytest.warns(UserWarning, match="tried to use socket"), blocked:
        plug.connect(("192.0.2.1", 80))  # an address that is kept for documentation


def test_tests_reach_this_machine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getpeername() == server.getsockname()


# ----------------------------------------------------------------------------------------- the checker, on small trees


def test_a_tidy_tree_has_no_finding(tmp_path: Path) -> None:
    files = {
        "__init__.py": "__version__ = '0'\n",
        "errors.py": "",
        "model/grid.py": "from creepmeter.errors import GridError\n",
        "kernels/solve.py": "import numba\nimport numpy as np\n",
        "io/store.py": "import zarr\nfrom creepmeter import __version__\nfrom creepmeter.model.grid import Grid\n",
        "tracking/track.py": "from creepmeter.kernels import solve\nfrom creepmeter.io.store import write\n",
        "workflow/run.py": "def run():\n    '''Run.'''\n    from creepmeter.tracking import track\n",
        "cli/track.py": "import click\nfrom creepmeter.workflow.run import run\nprint(run)\n",
        "__main__.py": "from creepmeter.cli import main\n",
    }
    assert found_in(tmp_path, files) == []


@pytest.mark.parametrize(
    "line",
    [
        "import creepmeter.workflow.run",
        "from creepmeter.workflow.run import run",
        "from creepmeter.workflow import run",
        "from creepmeter import workflow",
        "def _late():\n    from creepmeter.workflow.run import run\n    return run",
        "def _late():\n    import creepmeter.workflow as w\n    return w",
        "class _Late:\n    def run(self):\n        import creepmeter.workflow.run",
        "from importlib import import_module\nRUN = import_module('creepmeter.workflow.run')",
    ],
)
def test_an_upward_import_is_found(tmp_path: Path, line: str) -> None:
    texts = found_in(tmp_path, {"workflow/run.py": "", "model/grid.py": line + "\n"})
    assert texts == ["model may not import from workflow"]


@pytest.mark.parametrize(
    ("room", "target"),
    [
        ("tracking", "stack"),
        ("inversion", "velocity"),
        ("io", "blocks"),
        ("simulate", "io"),
        ("products", "tracking"),
        ("products", "kernels"),
        ("viewer", "products"),
        ("workflow", "cli"),
        ("errors", "model"),
    ],
)
def test_rooms_of_one_floor_do_not_meet(tmp_path: Path, room: str, target: str) -> None:
    texts = found_in(tmp_path, {f"{target}/a.py": "", f"{room}/b.py": f"from creepmeter.{target} import a\n"})
    assert texts == [f"{room} may not import from {target}"]


@pytest.mark.parametrize(
    ("name", "line", "text"),
    [
        ("model/a.py", "from . import b", "relative import"),
        ("stack/a.py", "import creepmeter as cm", "takes names from the package itself"),
        ("stack/a.py", "from creepmeter import invert", "takes names from the package itself"),
        ("stack/a.py", "import rasterio", "rasterio belongs to io"),
        ("tracking/a.py", "from numba import njit", "numba belongs to kernels"),
        ("velocity/a.py", "def _draw():\n    import matplotlib.pyplot as plt", "matplotlib belongs to products"),
        ("kernels/a.py", "import xarray", "kernels know arrays only, not xarray"),
        ("kernels/core.py", "", "a name with 'core' says nothing"),
        ("stack/io_utils.py", "", "a name with 'utils' says nothing"),
        ("attic/a.py", "", "room 'attic' is not on the floor plan"),
        ("stack/a.py", "print(1)", "only cli prints"),
        ("stack/a.py", "def run():\n    return 1", "run has no docstring"),
        ("stack/a.py", "class A:\n    '''A.'''\n    def run(self):\n        return 1", "run has no docstring"),
        ("stack/a.py", "\n" * 499, "module of 501 lines, at most 500"),
    ],
)
def test_a_broken_rule_is_found(tmp_path: Path, name: str, line: str, text: str) -> None:
    (found,) = found_in(tmp_path, {name: line + "\n"})
    assert found.startswith(text)


def test_an_import_cycle_is_found(tmp_path: Path) -> None:
    files = {"model/a.py": "import creepmeter.model.b\n", "model/b.py": "from creepmeter.model import a\n"}
    (found,) = found_in(tmp_path, files)
    assert found.startswith("import cycle: creepmeter.model.")


def function_of(text: str) -> check_structure.FunctionNode:
    node = ast.parse(text).body[0]
    assert isinstance(node, ast.FunctionDef)
    return node


def test_a_body_is_counted_without_its_docstring() -> None:
    assert (
        check_structure.body_lines(function_of("def f():\n    '''One.\n\n    Two.\n    '''\n    a = 1\n\n    b = 2\n"))
        == 3
    )
    assert check_structure.body_lines(function_of("def f():\n    '''One.'''\n")) == 0
    assert (
        check_structure.body_lines(function_of("def f(\n    a,\n):\n    def g():\n        pass\n    return g\n")) == 3
    )


@pytest.mark.parametrize("length", [80, 81])
def test_a_long_body_is_found(tmp_path: Path, length: int) -> None:
    short = "".join(f"def _f{k}():\n    pass\n" for k in range(200))  # so that the percentiles stay low
    texts = found_in(tmp_path, {"stack/a.py": short + "def _g():\n" + "    a = 1\n" * length})
    assert texts == (["_g: body of 81 lines, at most 80"] if length == 81 else [])


def test_a_wide_spread_of_bodies_is_found(tmp_path: Path) -> None:
    texts = found_in(tmp_path, {"stack/a.py": "def _f():\n" + "    a = 1\n" * 13})
    assert texts == ["p50 of function bodies is 13 lines, at most 12"]


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        ("def f():\n return 1", 0),
        ("def f():\n for a in b:\n  if a:\n   pass\n  elif c:\n   pass\n  elif d:\n   pass\n  else:\n   pass", 2),
        ("def f():\n if a:\n  pass\n else:\n  if b:\n   pass\n  e = 1", 2),
        ("def f():\n with a:\n  while b:\n   try:\n    pass\n   finally:\n    if c:\n     pass", 4),
        ("def f():\n for a in b:\n  def g():\n   for c in d:\n    pass", 1),
    ],
)
def test_nesting_counts_blocks_within_blocks(text: str, depth: int) -> None:
    assert check_structure.nesting(function_of(text)) == depth


@pytest.mark.parametrize(
    ("head", "count"),
    [("self, a, *, b", 2), ("a, /, b, *c, d=1, **e", 5), ("cls", 0), ("a, b, c, d, e, f, g, h, i", 9)],
)
def test_arguments_are_counted_without_self(head: str, count: int) -> None:
    assert check_structure.count_arguments(function_of(f"def f({head}):\n pass")) == count


def test_many_arguments_are_found_where_they_are_public(tmp_path: Path) -> None:
    nine = "(a, b, c, d, e, f, g, h, i):\n    '''Do.'''\n"
    files = {"kernels/a.py": f"def _f{nine}\ndef g{nine}", "cli/a.py": f"def f{nine}"}
    assert found_in(tmp_path, files) == ["g: 9 arguments, at most 8: use an options model"]


def test_a_raises_without_match_is_found(tmp_path: Path) -> None:
    make_tree(tmp_path, {"errors.py": ""})
    call = "with pytest." + "raises"
    (tmp_path / "tests" / "test_a.py").write_text(
        f"{call}(ValueError):\n  f()\n{call}(ValueError, match='a'):\n  f()\n"
    )
    findings, _ = check_structure.check_tree(tmp_path)
    assert [(finding.line, finding.text) for finding in findings] == [(1, "raises without match=")]


def test_percentile_is_a_value_of_the_sample() -> None:
    assert check_structure.percentile([], 50) == 0
    assert check_structure.percentile([3, 1, 2], 50) == 2
    assert check_structure.percentile(list(range(1, 101)), 99) == 99


def test_the_command_prints_measures_and_fails_on_findings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tidy = make_tree(tmp_path / "tidy", {"model/a.py": "def f():\n    '''Do.'''\n    return 1\n"})
    untidy = make_tree(tmp_path / "untidy", {"model/a.py": "import creepmeter.io\n", "io/b.py": ""})
    assert check_structure.main([str(tidy)]) == 0
    assert "body p50 1 p90 1 p99 1 max 1" in capsys.readouterr().out
    assert check_structure.main([str(untidy)]) == 1
    assert "model may not import from io" in capsys.readouterr().out
