"""creepmeter sbas."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import FILE, writable
from creepmeter.cli.group import Verb
from creepmeter.cli.run import run_template
from creepmeter.cli.session import say


@click.command(cls=Verb, example="creepmeter sbas SanFranSenDT42.txt --dir mintpy --end velocity")
@click.argument("template", type=FILE, required=False)
@click.option(
    "--dir",
    "--work-dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Work folder: inputs/ and products lie in it.  [default: where the command is called]",
)
@click.option(
    "-g", "generate", is_flag=True, help="Write smallbaselineApp.cfg with every key into the folder, and end."
)
@click.option("-H", "show", is_flag=True, help="Print a template with every key, and end.")
@click.option("--dostep", metavar="STEP", help="Do one step.")
@click.option("--start", metavar="STEP", help="First step.")
@click.option("--end", "--stop", "end", metavar="STEP", help="Last step.")
@click.option("--plot", is_flag=True, help="Draw the main products into pic/; alone, do nothing else.")
@click.option("--force", is_flag=True, help="Do the chosen steps again, even if they are up to date.")
@click.option(
    "--in-place", is_flag=True, help="Change a stack that another program wrote, not only a small file beside it."
)
@click.option(
    "--memory-gb",
    type=click.FloatRange(min=0, min_open=True),
    help="Memory to keep within, gigabytes; default: mintpy.compute.maxMemory.",
)
def command(
    template: Path | None,
    folder: Path,
    generate: bool,
    show: bool,
    dostep: str | None,
    start: str | None,
    end: str | None,
    plot: bool,
    force: bool,
    in_place: bool,
    memory_gb: float | None,
) -> None:
    """Run a MintPy template, from interferograms to velocity and report.

    Steps in order: load_data, modify_network, reference_point, quick_overview, correct_unwrap_error, invert_network,
    correct_LOD, correct_SET, correct_ionosphere, correct_troposphere, deramp, correct_topography, residual_RMS,
    reference_date, velocity, geocode, google_earth, hdfeos5. What is up to date is kept; a run that was stopped goes on
    where it was. What a step lacks (weather files, say) is named, the run goes on without, and the exit status is 3.
    """
    from creepmeter.workflow.sbas.template_file import template_text, write_config

    if show:
        say(template_text().rstrip())
        return
    writable(folder)
    if generate:
        there = (folder / "smallbaselineApp.cfg").exists()
        path = write_config(folder)
        say(f"{path} is there already: it is kept" if there else f"template: {path}")
        return
    run_template(
        template,
        folder,
        (start, end, dostep),
        {"memory_gb": memory_gb, "in_place": in_place, "plot": plot, "force": force},
    )
