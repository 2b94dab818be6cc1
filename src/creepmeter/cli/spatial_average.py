"""creepmeter spatial-average."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import FILE, memory_flag, writable
from creepmeter.cli.group import Verb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.session import announce_compilation, say


@click.command(
    cls=Verb,
    example="creepmeter spatial-average timeseries.h5 -m maskTempCoh.h5",
    holds=("target",),
)
@click.argument("file", type=FILE)
@click.option("-d", "--dset", "--dataset", "name", default="coherence", show_default=True, help="Of a stack: what.")
@click.option("-m", "--mask", "mask_file", type=FILE, help="Pixels that count (nonzero); default: all.")
@click.option(
    "-o",
    "--output",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Text file; default: MintPy's name.",
)
@click.option("--nodisplay", is_flag=True, help="Nothing is displayed in any case.", hidden=True)
@memory_flag
def command(
    file: Path, name: str, mask_file: Path | None, target: Path | None, nodisplay: bool, memory_gb: float
) -> None:
    """Average each pair or date over its pixels, and write a table.

    FILE is a stack or a series. Of a stack, zero and NaN are left out; of a series, NaN.
    """
    from creepmeter.workflow.sbas.pair_table import average_in_space

    del nodisplay
    announce_compilation()
    with shown_progress() as progress:
        made = average_in_space(
            file,
            None if target is None else writable(target),
            name=name,
            mask_file=mask_file,
            memory_gb=memory_gb,
            progress=progress,
        )
    say(f"table: {made}")
