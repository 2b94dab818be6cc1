"""What one call of the program says to its user while it works: warnings, progress, and the first compilation."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import click

from creepmeter.kernels.cache import is_compiled

_CONTROL = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160)), " ")


@dataclass
class Session:
    """What the flags of all commands say, and what was said so far.

    Parameters
    ----------
    debug, verbose, quiet : bool
        The flags.
    said : set of str
        Warnings shown.
    write : callable
        Where lines for people go; a progress bar puts itself in the place of stderr while it is shown.
    """

    debug: bool = False
    verbose: bool = False
    quiet: bool = False
    said: set[str] = field(default_factory=set)
    write: Callable[[str], None] | None = None

    def tell(self, text: str) -> None:
        """Write a line to stderr."""
        line = printable(text)
        if self.write is None:
            click.echo(line, err=True)
        else:
            self.write(line)

    def warn(self, text: str) -> None:
        """Write a warning to stderr, once."""
        if text not in self.said and not self.quiet:
            self.tell(f"warning: {text}")
        self.said.add(text)


def session() -> Session:
    """Return the session of the command that runs."""
    return click.get_current_context().find_root().ensure_object(Session)


def printable(text: str) -> str:
    """Return text without control characters: names in files may hold codes that change the terminal."""
    return text.translate(_CONTROL)


def say(text: str = "") -> None:
    """Write a result to stdout."""
    click.echo(printable(text))


class _Ear(logging.Handler):
    """Passes messages of the package to the user."""

    def __init__(self, of: Session) -> None:
        super().__init__(logging.INFO)
        self._session = of

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            self._session.warn(record.getMessage())
        elif self._session.verbose:
            self._session.tell(record.getMessage())


@contextmanager
def listening(to: Session) -> Iterator[None]:
    """Show what the package logs while a command runs."""
    logger = logging.getLogger("creepmeter")
    ear, level = _Ear(to), logger.level
    logger.addHandler(ear)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(ear)


def announce_compilation() -> None:
    """Say that the first run takes longer, when there are no compiled kernels, or none since the source has changed."""
    if not session().quiet and not is_compiled():
        session().tell("first run: compiling, about a minute")
