"""creepmeter resample."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import FILE, memory_flag, require_other, writable
from creepmeter.cli.group import Verb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.session import say


@click.command(cls=Verb, example="creepmeter resample velocity_a.h5 --like velocity_b.h5", holds=("output", "files"))
@click.argument("files", type=FILE, nargs=-1, required=True)
@click.option("--like", type=FILE, help="Geocoded file whose grid is taken.")
@click.option("--step", type=float, nargs=2, metavar="Y X", help="New steps in y and x, in the unit of the map.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Default: res_NAME.")
@click.option("--outdir", type=click.Path(file_okay=False, path_type=Path), help="Folder of the results.")
@memory_flag
def command(
    files: tuple[Path, ...],
    like: Path | None,
    step: tuple[float, float] | None,
    output: Path | None,
    outdir: Path | None,
    memory_gb: float,
) -> None:
    """Bring geocoded products to another grid.

    Values between cells are interpolated; a larger cell gets the mean of what it covers; masks and whole numbers are
    those of the nearest cell.
    """
    from creepmeter.workflow.sbas.layers import named_target
    from creepmeter.workflow.sbas.stitch import resample_product

    if (like is None) == (step is None):
        message = "give one of --like and --step"
        raise click.UsageError(message)
    with shown_progress() as progress:
        for file in files:
            target = writable(named_target(file, "res_", outdir=outdir, output=output, files=files))
            require_other(file, target)
            resample_product(file, target, like=like, steps=step, memory_gb=memory_gb, progress=progress)
            say(f"{target}")
