from __future__ import annotations

import json
import logging
import os
import resource
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import Result
from tests.cli.conftest import Call

from creepmeter import __version__, cli
from creepmeter.cli.group import Entry, LazyGroup
from creepmeter.cli.session import printable
from creepmeter.errors import ConfigError
from creepmeter.kernels import cache

HEAVY = {
    "numpy",
    "pydantic",
    "numba",
    "matplotlib",
    "rasterio",
    "xarray",
    "pandas",
    "geopandas",
    "zarr",
    "scipy",
    "rich",
}
SECONDS = 0.4


def entries(group: LazyGroup, path: str = "creepmeter") -> Iterator[tuple[str, Entry, click.Command]]:
    """Yield every command below a group with its place in the table."""
    with click.Context(group) as context:
        for name, entry in group.table.items():
            command = group.get_command(context, name)
            assert command is not None
            yield f"{path} {name}", entry, command
            if isinstance(command, LazyGroup):
                yield from entries(command, f"{path} {name}")


ALL = {path: (entry, command) for path, entry, command in entries(cli.main)}
LEAVES = {path: command for path, (_, command) in ALL.items() if not isinstance(command, LazyGroup)}


def python(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **settings}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, env=environment)


# ------------------------------------------------------------------------------------------------------------ the help


def test_help_is_quick() -> None:
    times = []
    for _ in range(3):
        begin = seconds_of_children()
        assert python("-m", "creepmeter", "--help").returncode == 0
        times.append(seconds_of_children() - begin)
    assert min(times) < SECONDS


def seconds_of_children() -> float:
    """Return the time that ended child processes had a processor: other work on the machine does not count."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("arguments", [["--help"], ["load", "--help"], ["save", "-h"], ["--version"]])
def test_help_loads_no_heavy_library(arguments: list[str]) -> None:
    program = (
        f"import sys, json\nfrom creepmeter.cli import main\ntry: main({arguments!r})\nexcept SystemExit: pass\n"
        "print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    )
    assert not set(json.loads(python("-c", program).stdout.splitlines()[-1])) & HEAVY


def test_help_of_a_command_loads_no_numerical_library() -> None:
    program = (
        "import sys, json\nfrom creepmeter.cli import main\n"
        f"for path in {list(LEAVES)!r}:\n"
        "    try: main([*path.split()[1:], '--help'])\n"
        "    except SystemExit as end: assert end.code == 0, path\n"
        "print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    )
    loaded = set(json.loads(python("-c", program).stdout.splitlines()[-1]))
    assert not loaded & {"numba", "matplotlib", "rasterio", "zarr", "xarray", "geopandas"}


def test_the_commands_are_those_that_others_call() -> None:
    wanted = "demo run track load invert velocity stable info view plot-network save"
    assert set(wanted.split()) <= set(cli.COMMANDS)
    assert {"creepmeter load offsets", "creepmeter load series"} <= set(LEAVES)
    assert {f"creepmeter save {kind}" for kind in ("geotiff", "cog", "netcdf", "itslive")} <= set(LEAVES)


@pytest.mark.parametrize("path", ALL)
def test_the_table_says_what_the_command_says(path: str) -> None:
    entry, command = ALL[path]
    assert (command.help or "").splitlines()[0] == entry.help
    assert len(entry.help) <= 70


@pytest.mark.parametrize("path", LEAVES)
def test_every_command_has_an_example_that_fits_its_flags(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    example = (LEAVES[path].help or "").split("Example: ")[1]
    names = [name for name, one in LEAVES.items() if one is LEAVES[path]]  # some have MintPy's name as well
    path = next(name for name in names if example.startswith(f"{name} "))
    monkeypatch.setattr(click.Path, "convert", lambda _self, value, _parameter, _context: Path(value))
    command = LEAVES[path]
    context = command.make_context(path, shlex.split(example)[len(path.split()) :], parent=click.Context(cli.main))
    assert context.params


@pytest.mark.parametrize("path", LEAVES)
def test_every_flag_is_explained(path: str) -> None:
    flags = [flag for flag in LEAVES[path].params if isinstance(flag, click.Option)]
    assert [flag.opts[0] for flag in flags if not flag.help] == []


def test_python_dash_m_is_the_same_program() -> None:
    done = python("-m", "creepmeter", "--version")
    assert done.returncode == 0
    assert done.stdout.strip() == f"creepmeter, version {__version__}"


def test_an_unknown_command_is_wrong_usage_and_near_names_are_offered(call: Call) -> None:
    result = call("velocty")
    assert result.exit_code == 2
    assert "no command 'velocty': did you mean velocity" in result.stderr


def test_a_call_without_command_shows_the_help(call: Call) -> None:
    result = call()
    assert result.exit_code == 2
    assert "plot-network" in result.output


# ---------------------------------------------------------------------------------------------------------- the errors


@pytest.fixture
def failing(call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    """Return a call of `info` on a file, in which something goes wrong."""
    (tmp_path / "a.zarr").mkdir()

    def called(problem: BaseException, *flags: str, before: tuple[str, ...] = ()) -> Result:
        def broken(_path: Path) -> None:
            raise problem

        monkeypatch.setattr("creepmeter.workflow.description.describe", broken)
        return call(*before, "info", tmp_path / "a.zarr", *flags)

    return called


def test_an_error_of_the_package_is_one_message_and_status_1(failing: Call) -> None:
    result = failing(ConfigError("the file is odd: make it even"))
    assert result.exit_code == 1
    assert result.stderr == "error: the file is odd: make it even\n"
    assert result.stdout == ""


def test_an_unexpected_error_names_its_class_and_asks_for_the_traceback(failing: Call) -> None:
    result = failing(ZeroDivisionError("division by zero"))
    assert result.exit_code == 1
    assert "unexpected ZeroDivisionError: division by zero; run the command again with --debug" in result.stderr
    assert "Traceback" not in result.stderr


def test_too_little_memory_has_a_way_out(failing: Call) -> None:
    assert "--memory-gb" in failing(MemoryError()).stderr


def test_debug_before_or_after_the_command_shows_the_traceback(failing: Call) -> None:
    for result in (failing(ConfigError("odd"), "--debug"), failing(ConfigError("odd"), before=("--debug",))):
        assert result.exit_code == 1
        assert "Traceback (most recent call last)" in result.stderr
        assert result.stderr.endswith("error: odd\n")


def test_stopping_says_that_nothing_is_lost(failing: Call) -> None:
    result = failing(KeyboardInterrupt())
    assert result.exit_code == 130
    assert "Nothing that was done is lost" in result.stderr
    assert "the same command goes on" in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
def test_control_c_ends_the_process_with_130(tmp_path: Path) -> None:
    program = (
        "import signal, time\nimport creepmeter.workflow.description as d\nfrom creepmeter.cli import main\n"
        # a shell that runs the tests in the background makes its children deaf to the signal
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def wait(path):\n    print('ready', flush=True)\n    time.sleep(30)\nd.describe = wait\n"
        f"main(['info', {str(tmp_path)!r}])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Nothing that was done is lost" in said
    assert "Traceback" not in said


def test_control_characters_of_files_do_not_reach_the_terminal() -> None:
    assert printable("a\x1b[31mb\x07\tc\nd\x9b") == "a [31mb \tc\nd "


# -------------------------------------------------------------------------------------------------------- the messages


@pytest.fixture
def logging_info(call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    """Return a call of `info` that logs a warning twice, and a note."""
    (tmp_path / "a.zarr").mkdir()
    log = logging.getLogger("creepmeter.workflow.anything")

    def describe(_path: Path) -> None:
        for _ in range(2):
            log.warning("%d pairs are thin", 3)
        log.info("looking closer")
        message = "enough"
        raise ConfigError(message)

    monkeypatch.setattr("creepmeter.workflow.description.describe", describe)
    return lambda *flags: call("info", tmp_path / "a.zarr", *flags)


def test_warnings_are_shown_once(logging_info: Call) -> None:
    assert logging_info().stderr == "warning: 3 pairs are thin\nerror: enough\n"


def test_quiet_hides_warnings_and_verbose_shows_notes(logging_info: Call) -> None:
    assert logging_info("--quiet").stderr == "error: enough\n"
    assert logging_info("--verbose").stderr == "warning: 3 pairs are thin\nlooking closer\nerror: enough\n"


def test_the_handler_is_gone_after_the_command(logging_info: Call) -> None:
    before = list(logging.getLogger("creepmeter").handlers)
    logging_info()
    assert logging.getLogger("creepmeter").handlers == before


@pytest.mark.parametrize("age", ["none", "older", "newer"])
def test_the_first_compilation_is_announced(
    age: str, call: Call, scenes: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cache = tmp_path / "kernels_0123"
    cache.mkdir()
    if age != "none":
        (cache / "refine.refine_chip-1.py311.nbi").touch()
        stamp = time.time() + (10 if age == "newer" else -1e9)
        os.utime(cache / "refine.refine_chip-1.py311.nbi", (stamp, stamp))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "0")
    monkeypatch.setattr("creepmeter.workflow.verbs.track_files", lambda *_: None)
    monkeypatch.setattr("creepmeter.workflow.verbs.displacement_summary", lambda _: "")
    images = [scenes / "20190801.tif", scenes / "20200805.tif"]
    said = call("track", *images, "-o", tmp_path / "a.zarr").stderr
    assert ("first run: compiling, about a minute" in said) == (age != "newer")


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_the_cache_of_numba_is_looked_for_where_it_is(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    assert next(iter(cache.cache_folders())) == cache.KERNELS / "__pycache__"
