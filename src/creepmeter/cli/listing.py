"""Commands whose flags take several values after one another, as users of MintPy write them."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.group import Verb


class ListVerb(Verb):
    """A command with flags that take a list: ``--exclude-date 20180101 20180113``.

    A list ends at the next flag, or at a file that is there.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give each value of a list its flag, then parse."""
        flags = {flag for option in self.params if _takes_list(option) for flag in option.opts}
        return super().parse_args(ctx, list(_repeated(args, flags)))


def _takes_list(option: click.Parameter) -> bool:
    return isinstance(option, click.Option) and option.multiple and option.nargs == 1


def _repeated(args: list[str], flags: set[str]) -> list[str]:
    found: list[str] = []
    flag = None
    for item in args:
        if item.startswith("-") and not item[1:2].isdigit():
            flag = item if item in flags else None
            found += [] if flag else [item]
            fresh = True
        elif flag is None or (not fresh and Path(item).is_file()):
            flag = None
            found.append(item)
        else:
            found += [flag, item]
            fresh = False
    return found if flag is None or found[-2:-1] == [flag] else [*found, flag]


def given(name: str) -> bool:
    """Tell whether the user gave a flag, rather than its default being taken."""
    source = click.get_current_context().get_parameter_source(name)
    return source in (click.core.ParameterSource.COMMANDLINE, click.core.ParameterSource.ENVIRONMENT)


def from_here(name: str) -> str:
    """Return a file named on the command line as an absolute path; a name that is no file here stays as it is."""
    return str(Path(name).resolve()) if Path(name).is_file() else name
