"""creepmeter load."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.group import Entry, LazyGroup

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)  # not from cli.flags, which loads pydantic
TABLE = {
    "interferograms": Entry(
        "creepmeter.cli.load_interferograms",
        "Load interferograms or offsets of a processor in MintPy's layout.",
    ),
    "offsets": Entry("creepmeter.cli.load_offsets", "Load offset maps, one file per pair of dates."),
    "series": Entry("creepmeter.cli.load_series", "Load displacement maps, one file per date."),
}


@click.group(cls=LazyGroup, table=TABLE, invoke_without_command=True)
@click.option("-t", "--template", type=_FILE, help="MintPy template: do its step load_data.")
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Work folder of the template; default: where the command is called.",
)
@click.pass_context
def command(ctx: click.Context, template: Path | None, folder: Path | None) -> None:
    """Load interferograms, offset or displacement maps of other programs."""
    if ctx.invoked_subcommand is not None:
        if template is not None or folder is not None:
            message = f"-t and -o before {ctx.invoked_subcommand} have no meaning: give them without it, or after it"
            raise click.UsageError(message)
        return
    if template is None:
        raise click.UsageError("give a template with -t, or one of " + ", ".join(TABLE))
    from creepmeter.cli.run import run_template

    run_template(template, folder, (None, None, "load_data"), {})
