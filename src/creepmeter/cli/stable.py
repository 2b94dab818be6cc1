"""creepmeter stable."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import FILE, PRODUCT, options_from, require_other, store_out
from creepmeter.cli.group import Verb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.session import say
from creepmeter.stack.options import StableOptions


@click.command(cls=Verb, example="creepmeter stable stack.zarr --moving slides.gpkg --model shift -o corrected.zarr")
@click.argument("stack", type=PRODUCT)
@store_out
@click.option("--moving", type=FILE, help="Moving ground: polygons or raster (nonzero); all else is stable.")
@click.option("--stable", type=FILE, help="Stable ground: polygons or raster (nonzero), in place of --moving.")
@options_from(StableOptions, rename={"buffer_m": "--buffer"})
def command(stack: Path, target: Path, moving: Path | None, stable: Path | None, options: StableOptions) -> None:
    """Correct pairs by ground that does not move."""
    from creepmeter.workflow.verbs import correct_store

    if (moving is None) == (stable is None):
        message = "give one of --moving FILE (all else is stable) and --stable FILE"
        raise click.UsageError(message)
    require_other(stack, target)
    with shown_progress() as progress:
        ground = correct_store(stack, target, options, moving=moving, stable=stable, progress=progress)
    say(f"{target}: {options.model} from {ground.sum()} stable points ({100 * ground.mean():.1f} % of the map)")
