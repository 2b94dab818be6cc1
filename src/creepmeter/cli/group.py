"""Groups whose commands are data, and what is the same for every command: flags, messages, exit status."""

from __future__ import annotations

import atexit
import difflib
import gc
import inspect
import os
import re
import traceback
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from creepmeter.cli.session import Session, listening, printable, session
from creepmeter.errors import CreepmeterError

if TYPE_CHECKING:
    from creepmeter.io.lock import RunLock

_GUIDE = "docs, how-to/coming-from-mintpy"
FAILED, LEFT_OUT, STOPPED = 1, 3, 130
_BOX = re.compile(r"-[\d.][^,]*(?:,[^,]+){3}")
_OBJECTS = 50_000  # made since garbage was last looked for
_FORMER = {"smallbaselineapp": "sbas", "load-data": "load"}  # scripts of MintPy with another name here
_NOT_THERE = (  # scripts of MintPy without a counterpart
    "add asc-desc2horz-vert closure-phase-bias dem-error dem-gsi diff geocode image-math image-stitch "
    "iono-split-spectrum iono-tec load-gbis local-oscilator-drift lookup-geo2radar multi-transect plate-motion "
    "prep-fringe prep-nisar remove-hdf5-dset remove-ramp s1ab-range-bias "
    "solid-earth-tides spatial-filter "
    "temporal-derivative temporal-filter timeseries-rms tropo-gacos tropo-opera tropo-phase-elevation tropo-pyaps3"
)
_ELSEWHERE = {  # scripts of MintPy whose work another command does
    "multilook": "give --multilook-y and --multilook-x to `creepmeter load interferograms`",
    "save-gdal": "use `creepmeter save geotiff`",
    "subset": "give --subset-yx or --subset-lalo to `creepmeter load interferograms`",
}
_STOPPED = (
    "stopped. Nothing that was done is lost: products that were finished are whole, and the same command goes on "
    "where it was stopped"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One command in the table of a group.

    Parameters
    ----------
    module : str
        Module that holds it.
    help : str
        What it does, one line.
    section : str
        Heading that it stands under.
    name : str
        Name of the command in the module.
    """

    module: str
    help: str
    section: str = "Commands"
    name: str = "command"


class Failure(click.ClickException):
    """An error as the user sees it."""

    exit_code = FAILED

    def show(self, file: Any = None) -> None:  # noqa: ANN401 - as click has it
        """Write the message to stderr."""
        click.echo(f"error: {printable(self.message)}", err=True, file=file)


class Stopped(Failure):
    """The user stopped the command."""

    exit_code = STOPPED


class Verb(click.Command):
    """A command that knows the flags of all commands.

    Parameters
    ----------
    example : str
        A call, for its help.
    holds : sequence of str, optional
        Of a command that writes into a work folder: parameters that name what it writes. The first that is given tells
        the folder, else it is the working folder; no other command writes into it meanwhile.
    """

    def __init__(
        self,
        *args: Any,  # noqa: ANN401 - as click has it
        example: str,
        holds: Sequence[str] | None = None,
        **settings: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(*args, **settings)
        self.holds = holds
        self.help = f"{inspect.cleandoc(self.help or '')}\n\n\b\nExample: {example}"
        self.params += general_flags()

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - as click has it
        """Call the command, alone in the folders that it writes into."""
        with ExitStack() as held:
            for path in () if self.holds is None else _written(self.holds, ctx.params):
                held.enter_context(_lock_of(path))
            return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own flags, and after them those of all commands."""
        super().format_options(ctx, formatter)
        names = ", ".join(flag.opts[-1] for flag in general_flags())
        formatter.write_paragraph()
        formatter.write_text(f"Also {names}: see `creepmeter --help`.")


def _written(names: Sequence[str], given: Mapping[str, Any]) -> Sequence[Path]:
    """Return one path in each folder that a command writes into."""
    chosen = next((given[name] for name in names if given.get(name)), Path("here"))
    paths = chosen if isinstance(chosen, tuple) else (chosen,)
    return list({path.absolute().parent: path for path in paths}.values())


def _lock_of(path: Path) -> RunLock:
    from creepmeter.cli.flags import writable
    from creepmeter.io.lock import RunLock
    from creepmeter.workflow.sbas.folder import work_folder

    return RunLock(work_folder(writable(path)))


class BoxVerb(Verb):
    """A command that takes ``-118.5,33.5,-117.5,34.5`` for what it is: a box, not a flag."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words of a call, boxes last."""
        boxes = [text for text in args if _BOX.fullmatch(text)]
        if boxes and "--" not in args:
            args = [*(text for text in args if text not in boxes), "--", *boxes]
        return super().parse_args(ctx, args)


class LazyGroup(click.Group):
    """A group that knows its commands from a table, and imports one when it is called.

    Parameters
    ----------
    table : mapping of str to Entry
        Names in the order in which they are listed.
    """

    command_class = Verb

    def __init__(self, *args: Any, table: Mapping[str, Entry], **settings: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **settings)
        self.table = dict(table)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click has it
        """Return the names, without loading any command."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Load a command; names with underscores or ``.py``, as scripts of MintPy have them, are found too."""
        entry = self.table.get(cmd_name) or self.table.get(plain_name(cmd_name))
        if entry is None:
            return None
        command: click.Command = getattr(import_module(entry.module), entry.name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; an unknown one fails with the names that are like it."""
        name = args[0]
        if name not in self.table and plain_name(name) not in self.table and not name.startswith("-"):
            near = difflib.get_close_matches(name, self.table, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"choose from {', '.join(self.table)}"
            known = _of_mintpy(name) if ctx.parent is None else None
            ctx.fail(known or f"no command {name!r}: {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the table, section by section."""
        for section in dict.fromkeys(entry.section for entry in self.table.values()):
            with formatter.section(section):
                formatter.write_dl(
                    [(name, entry.help) for name, entry in self.table.items() if entry.section == section]
                )


def plain_name(name: str) -> str:
    """Return the name of our command for that of a script.

    Examples
    --------
    >>> plain_name("plot_network.py"), plain_name("smallbaselineApp.py")
    ('plot-network', 'sbas')
    """
    plain = name.removesuffix(".py").replace("_", "-").lower()
    return _FORMER.get(plain, plain)


def _of_mintpy(name: str) -> str | None:
    """Return what to say of a script of MintPy that is no command here; None for other names."""
    plain = plain_name(name)
    if plain in _NOT_THERE.split():
        return f"no command {name!r}: it is not there yet; see {_GUIDE}"
    if plain.startswith("prep-"):
        return (
            f"no command {name!r}: products are prepared while they are loaded, by `creepmeter load interferograms "
            f"--processor {plain.removeprefix('prep-')}`; see {_GUIDE}"
        )
    return f"no command {name!r}: {_ELSEWHERE[plain]}; see {_GUIDE}" if plain in _ELSEWHERE else None


class Program(LazyGroup):
    """The outermost group: turns whatever goes wrong into a message and an exit status."""

    def __init__(self, *args: Any, **settings: Any) -> None:  # noqa: ANN401 - as click has it
        super().__init__(*args, **settings)
        self.params += general_flags(hidden=False)

    def main(self, *args: Any, **settings: Any) -> Any:  # noqa: ANN401 - as click has it
        """Run the program; garbage is looked for seldom, and not at the end: libraries make many objects that stay."""
        gc.set_threshold(_OBJECTS)
        atexit.unregister(gc.freeze)
        atexit.register(gc.freeze)
        return super().main(*args, **settings)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - as click has it
        """Call the command."""
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy loads: the kernels have threads of their own
        with listening(ctx.ensure_object(Session)):
            try:
                return super().invoke(ctx)
            except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
                raise
            except KeyboardInterrupt as problem:
                _trace(problem)
                raise Stopped(_STOPPED) from problem
            except Exception as problem:
                _trace(problem)
                raise Failure(_message(problem)) from problem


def _message(problem: Exception) -> str:
    if isinstance(problem, CreepmeterError):
        return str(problem)
    if isinstance(problem, MemoryError):
        return "the memory of this machine is used up: give a smaller --memory-gb, or smaller images"
    what = f"{type(problem).__name__}: {problem}".rstrip(": ")
    return f"unexpected {what}; run the command again with --debug and report what it prints"


def _trace(problem: BaseException) -> None:
    if session().debug:
        click.echo("".join(traceback.format_exception(problem)), err=True, nl=False)


def general_flags(*, hidden: bool = True) -> list[click.Option]:
    """Return the flags that every command takes, before or after its name."""
    told = {
        "--debug": "Show where in the program an error comes from.",
        "--verbose": "Say more about what is done.",
        "--quiet": "Show no progress and no warnings.",
    }
    return [
        click.Option([flag], is_flag=True, is_eager=True, expose_value=False, callback=_note, hidden=hidden, help=text)
        for flag, text in told.items()
    ]


def _note(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        setattr(ctx.find_root().ensure_object(Session), str(parameter.name), True)
