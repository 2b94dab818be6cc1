"""creepmeter image-stitch."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import FILE, options_from, require_other, writable
from creepmeter.cli.group import Verb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.session import say
from creepmeter.geometry.mosaic_options import MosaicOptions


@click.command(
    cls=Verb,
    example="creepmeter image-stitch geo_velocity_T64.h5 geo_velocity_T65.h5 -o velocity.h5",
    holds=("target",),
)
@click.argument("files", type=FILE, nargs=-1, required=True)
@click.option(
    "-o", "--output", "target", required=True, type=click.Path(dir_okay=False, path_type=Path), help="Mosaic."
)
@click.option("--no-off", "keep", is_flag=True, help="The same as --no-offset.")
@click.option("--nodisplay", is_flag=True, help="No effect: no figure is shown.")
@options_from(MosaicOptions)
def command(
    files: tuple[Path, ...],
    target: Path,
    keep: bool,
    nodisplay: bool,  # noqa: ARG001 - of MintPy
    options: MosaicOptions,
) -> None:
    """Join overlapping geocoded products to one (MintPy)."""
    from creepmeter.workflow.sbas.stitch import stitch_products

    if len(files) == 1:
        message = "give two files or more"
        raise click.UsageError(message)
    for file in files:
        require_other(file, target)
    chosen = options.model_copy(update={"offset": False}) if keep else options
    with shown_progress() as progress:
        levels = stitch_products(files, writable(target), chosen, progress=progress)
    told = {name: values for name, values in levels.items() if any(values)}
    for name, values in told.items():
        say(f"{name}: {', '.join(f'{value:+.4g}' for value in values[1:])} taken off the maps after the first")
    say(f"{target}")
