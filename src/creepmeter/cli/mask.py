"""creepmeter mask."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import FILE, memory_flag, require_other, writable
from creepmeter.cli.group import Verb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.session import say

_RANGE = click.Tuple((int, int))


@click.command(
    cls=Verb,
    example="creepmeter mask velocity.h5 -m maskTempCoh.h5",
    holds=("target", "file"),
)
@click.argument("file", type=FILE)
@click.option("-m", "--mask", "mask_file", type=FILE, required=True, help="Mask: values stay where it is nonzero.")
@click.option(
    "-o", "--output", "--outfile", "target", type=click.Path(dir_okay=False, path_type=Path),
    help="Default: NAME_msk.h5.",
)  # fmt: skip
@click.option("--vmin", "--mask-vmin", "-t", "minimum", type=float, help="Values stay where the mask is at least this.")
@click.option("--vmax", "--mask-vmax", "maximum", type=float, help="Values stay where the mask is at most this.")
@click.option("-x", "columns", type=_RANGE, metavar="X0 X1", help="Columns where values stay.")
@click.option("-y", "rows", type=_RANGE, metavar="Y0 Y1", help="Rows where values stay.")
@click.option("--fill", type=float, default=float("nan"), show_default=True, help="What stands elsewhere.")
@memory_flag
def command(
    file: Path,
    mask_file: Path,
    target: Path | None,
    minimum: float | None,
    maximum: float | None,
    columns: tuple[int, int] | None,
    rows: tuple[int, int] | None,
    fill: float,
    memory_gb: float,
) -> None:
    """Replace the values of a product outside a mask."""
    from creepmeter.io.mintpy.product import read_map
    from creepmeter.stack.mask import MaskOptions, inside, make_mask
    from creepmeter.workflow.sbas.rewrite import mask_product

    place = writable(target or file.with_name(f"{file.stem}_msk{file.suffix}"))
    require_other(file, place)
    keep = inside(read_map(mask_file), minimum=minimum, maximum=maximum)
    if rows is not None or columns is not None:
        keep &= make_mask(keep, MaskOptions(x=columns, y=rows))
    with shown_progress() as progress:
        mask_product(file, place, keep, fill=fill, memory_gb=memory_gb, progress=progress)
    say(f"{place}: values stay in {100 * keep.mean():.1f} % of the pixels")
