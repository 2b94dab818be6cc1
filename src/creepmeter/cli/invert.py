"""creepmeter invert."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import PRODUCT, memory_flag, options_from, require_other, store_out
from creepmeter.cli.group import Verb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.session import announce_compilation, say, session
from creepmeter.inversion.options import InvertOptions


@click.command(cls=Verb, example="creepmeter invert stack.zarr --weights sigma --norm huber -o timeseries.zarr")
@click.argument("stack", type=PRODUCT)
@store_out
@options_from(InvertOptions)
@memory_flag
def command(stack: Path, target: Path, memory_gb: float, options: InvertOptions) -> None:
    """Turn displacement per pair into displacement per date."""
    from creepmeter.workflow.description import describe
    from creepmeter.workflow.series import invert_store

    require_other(stack, target)
    announce_compilation()
    with shown_progress() as progress:
        invert_store(stack, target, options, memory_gb=memory_gb, progress=progress)
    found = describe(target)
    share = found.variables["displacement"].valid_share or 0.0
    if share == 0:
        session().warn("nothing is measured: see the valid share of the pairs with `creepmeter info`")
    say(f"{target}: {len(found.dates)} dates, {found.dates[0]} to {found.dates[-1]}; {100 * share:.1f} % measured")
