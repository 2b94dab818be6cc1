"""The first run compiles the kernels: the solver's in a second process, while this one compiles the tracker's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from creepmeter.inversion.invert import invert_block
from creepmeter.inversion.options import InvertOptions
from creepmeter.kernels.cache import is_compiled
from creepmeter.kernels.threads import thread_count
from creepmeter.model.network import Network
from creepmeter.velocity.fit import Errors, fit_block
from creepmeter.velocity.options import VelocityOptions

_PATIENCE_S = 300.0  # longer than any compilation; after it this process compiles by itself
_COMMAND = "from creepmeter.workflow.ahead import compile_solver; compile_solver()"


def compile_solver() -> None:
    """Compile the kernels of inversion and velocity as a run calls them, and leave them in numba's cache."""
    days = np.array(["2020-01-01", "2020-02-01", "2020-03-01"], "datetime64[ns]")
    network = Network.from_pairs([(days[0], days[1]), (days[1], days[2]), (days[0], days[2])])
    displacement = np.ones((1, 3, 2, 2), np.float32)
    found = invert_block(displacement, network, InvertOptions(), sigma=displacement)
    series, spread = (found[name].astype(np.float32) for name in ("displacement", "sigma"))
    fit_block(series, days, VelocityOptions(), Errors(spread, np.eye(3)[None]))


@contextmanager
def compiling_ahead() -> Iterator[Callable[[], None]]:
    """Compile the solver beside the work in the block, if it is not compiled yet.

    Yields
    ------
    callable
        Waits until the solver is compiled; if the second process failed, nothing is lost but time.
    """
    if is_compiled("solve") or thread_count() < 2:  # noqa: PLR2004 - one core for each
        yield lambda: None
        return
    quiet = subprocess.DEVNULL
    command = [sys.executable, "-c", _COMMAND]
    with subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet) as child:  # noqa: S603 - our own text
        try:
            yield lambda: _wait(child)
        finally:
            child.terminate()


def _wait(child: subprocess.Popen[bytes]) -> None:
    try:
        child.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        child.terminate()
