"""Commands whose flags take several values in a row, as MintPy's do: ``--periodic 1 0.5 --exp 20181026 60 120``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from creepmeter.cli.group import Verb


class ListVerb(Verb):
    """A command with flags that take all values up to the next flag.

    Parameters
    ----------
    lists : sequence of str
        Those flags; the command gets the values of one as one text, separated by commas.
    """

    def __init__(self, *args: Any, lists: Sequence[str], **settings: Any) -> None:  # noqa: ANN401 - as click has it
        super().__init__(*args, **settings)
        self._lists = frozenset(lists)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Join the values of such flags, then read the flags."""
        return super().parse_args(ctx, joined(args, self._lists))


def joined(args: Sequence[str], flags: frozenset[str]) -> list[str]:
    """Return arguments in which the values after each of `flags` are one, separated by commas.

    Examples
    --------
    >>> joined(["ts.h5", "--periodic", "1", "0.5", "-o", "v.h5"], frozenset({"--periodic"}))
    ['ts.h5', '--periodic', '1,0.5', '-o', 'v.h5']
    """
    found: list[str] = []
    in_list = False
    for word in args:
        if in_list and not word.startswith("-"):
            first = found[-1] in flags
            found = [*found, word] if first else [*found[:-1], f"{found[-1]},{word}"]
        else:
            found.append(word)
            in_list = word in flags
    return found
