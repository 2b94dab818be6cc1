"""creepmeter run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from creepmeter.cli.flags import FILE, build, writable
from creepmeter.cli.group import LEFT_OUT, Verb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.session import announce_compilation, say, session

if TYPE_CHECKING:
    from creepmeter.workflow.outcome import RunResult

TEMPLATES = (".txt", ".cfg", ".template")  # endings of MintPy's templates


@click.command(cls=Verb, example="creepmeter run creepmeter.yaml --set track.chip_px=64 -o run")
@click.argument("config", type=FILE)
@click.option(
    "--dostep",
    metavar="STEP",
    help="Do one step: search, fetch (both with scenes), track, stable, invert, velocity, export or report.",
)
@click.option("--start", metavar="STEP", help="First step.")
@click.option("--end", metavar="STEP", help="Last step.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="SECTION.OPTION=VALUE",
    help="Replace an option of the configuration; the flag may come several times.",
)
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the results; default: output.folder of the configuration, in the working folder.",
)
@click.option("--force", is_flag=True, help="Do the chosen steps again, even if they are up to date.")
@click.option(
    "--memory-gb",
    type=click.FloatRange(min=0, min_open=True),
    help="Memory to keep within, gigabytes (compute.memory_gb).",
)
def command(
    config: Path,
    dostep: str | None,
    start: str | None,
    end: str | None,
    overrides: tuple[str, ...],
    folder: Path | None,
    force: bool,
    memory_gb: float | None,
) -> None:
    """Run a configuration, from images to velocity and report.

    What is up to date is kept; a run that was stopped goes on where it was. A MintPy template (.txt, .cfg, .template)
    is run as by `creepmeter sbas`, in the folder of the results or the working folder.
    """
    from creepmeter.workflow.run import run

    if folder is not None:
        writable(folder)
    if config.suffix.lower() in TEMPLATES:
        if overrides:
            message = "--set changes a run file in YAML: write the keys of a template into it"
            raise click.UsageError(message)
        run_template(config, folder, (start, end, dostep), {"memory_gb": memory_gb, "force": force})
        return
    if memory_gb is not None:
        overrides = (*overrides, f"compute.memory_gb={memory_gb}")
    announce_compilation()
    with shown_progress() as progress:
        result = run(
            config,
            folder=folder,
            overrides=overrides,
            start=start,
            end=end,
            dostep=dostep,
            force=force,
            progress=progress,
        )
    report_run(result)


def run_template(
    template: Path | None,
    folder: Path | None,
    steps: tuple[str | None, str | None, str | None],
    settings: Mapping[str, object],
) -> None:
    """Run a template and say what was done.

    Parameters
    ----------
    template : Path or None
        None = that of the folder.
    folder : Path or None
        Work folder; None = the working folder.
    steps : (str or None, str or None, str or None)
        First, last, only one.
    settings : mapping
        Fields of `SbasRunOptions`.
    """
    from creepmeter.workflow.sbas.run import SbasRunOptions, run_sbas

    announce_compilation()
    start, end, dostep = steps
    with shown_progress() as progress:
        result = run_sbas(
            template,
            folder=folder or Path(),
            start=start,
            end=end,
            dostep=dostep,
            options=build(SbasRunOptions, settings),
            progress=progress,
        )
    report_run(result)


def report_run(result: RunResult) -> None:
    """Say what a run made, and where it is; exit with 3 when it left something out."""
    for note in result.notes:
        if not any(text in note or note in text for text in result.left_out):
            session().warn(note)
    if result.made:
        say(f"made: {', '.join(result.made)}")
    if result.fresh:
        say(f"up to date: {', '.join(result.fresh)}")
    say(f"results: {result.folder}")
    report = result.folder / "report.html"
    if report.exists():
        say(f"report: {report}")
    end_with(result.left_out)


def few(texts: tuple[str, ...], most: int = 20) -> tuple[str, ...]:
    """Return the first of many texts, and how many more there are."""
    more = len(texts) - most
    return texts if more <= 1 else (*texts[:most], f"{more} more")


def end_with(left_out: tuple[str, ...]) -> None:
    """Name what was left out and exit with 3; nothing happens when there is nothing."""
    for text in left_out:
        session().tell(f"left out: {text}")
    if left_out:
        click.get_current_context().exit(LEFT_OUT)
