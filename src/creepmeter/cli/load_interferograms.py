"""creepmeter load interferograms."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import memory_flag, options_from, writable
from creepmeter.cli.group import Verb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.run import end_with
from creepmeter.cli.session import say, session
from creepmeter.interferograms.load_options import LoadOptions


@click.command(
    cls=Verb,
    example="creepmeter load interferograms --processor hyp3 --unw-file 'hyp3/*/*_unw_phase.tif' "
    "--cor-file 'hyp3/*/*_corr.tif' --dem-file 'hyp3/*/*_dem.tif' -o work",
)
@click.option(
    "-o",
    "--output",
    "folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Work folder: the stack becomes inputs/ifgramStack.h5 in it.",
)
@memory_flag
@options_from(LoadOptions)
def command(folder: Path, memory_gb: float, options: LoadOptions) -> None:
    """Load interferograms or offsets of a processor in MintPy's layout.

    Patterns of files stand in quotes. Products that cannot be used are named, and the exit status is 3.
    """
    from creepmeter.workflow.sbas.load import load_alone

    writable(folder)
    with shown_progress() as progress:
        loaded = load_alone(options, folder, memory_gb=memory_gb, progress=progress)
    for note in loaded.notes:
        session().warn(note)
    state = "loaded" if loaded.made else "up to date"
    say(f"{loaded.stack}: {loaded.pairs} pairs of {loaded.shape[0]} x {loaded.shape[1]} px, {state}")
    for path in loaded.geometry:
        say(f"geometry: {path}")
    end_with(loaded.left_out)
