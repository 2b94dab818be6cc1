"""creepmeter demo."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import writable
from creepmeter.cli.group import Verb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.run import report_run
from creepmeter.cli.session import announce_compilation
from creepmeter.errors import StoreError


@click.command(cls=Verb, example="creepmeter demo -o demo")
@click.option(
    "-o",
    "--output",
    "folder",
    default="demo",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for scenes and results.",
)
def command(folder: Path) -> None:
    """Make sample scenes and run everything on them.

    Eight summers of a valley with two slides are simulated; the results are a velocity map and a report.
    """
    from creepmeter.workflow.demo import CONFIG, demo

    writable(folder)
    config = folder / "creepmeter.yaml"
    if config.is_file() and not config.read_bytes().startswith(CONFIG.splitlines()[0].encode()):
        message = f"{config} is not that of the demo and would be replaced: choose another folder with -o"
        raise StoreError(message)
    announce_compilation()
    with shown_progress() as progress:
        result = demo(folder, progress=progress)
    report_run(result)
