"""creepmeter multilook."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import FILE, memory_flag, require_other, writable
from creepmeter.cli.group import Verb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.session import say


@click.command(cls=Verb, example="creepmeter multilook velocity.h5 -y 4 -x 4", holds=("output", "files"))
@click.argument("files", type=FILE, nargs=-1, required=True)
@click.option("-y", "-a", "--azimuth", "down", type=click.IntRange(1), default=1, help="Rows that become one.")
@click.option("-x", "-r", "--range", "across", type=click.IntRange(1), default=1, help="Columns that become one.")
@click.option(
    "-m",
    "--method",
    type=click.Choice(("mean", "median", "nearest")),
    default="mean",
    show_default=True,
    help="How; masks and components are always taken from the middle pixel.",
)
@click.option(
    "-o", "--outfile", "output", type=click.Path(dir_okay=False, path_type=Path), help="Default NAME_yAxX.h5."
)
@memory_flag
def command(
    files: tuple[Path, ...], down: int, across: int, method: str, output: Path | None, memory_gb: float
) -> None:
    """Join several pixels of products to one (MintPy)."""
    from creepmeter.workflow.sbas.layers import named_target
    from creepmeter.workflow.sbas.windows import multilook_product

    ending = f"_{down}a{across}r"
    with shown_progress() as progress:
        for file in files:
            place = named_target(file.with_name(f"{file.stem}{ending}{file.suffix}"), "", output=output, files=files)
            target = writable(place)
            require_other(file, target)
            multilook_product(file, target, (down, across), method=method, memory_gb=memory_gb, progress=progress)
            say(f"{target}: {method} of {down} x {across} pixels")
