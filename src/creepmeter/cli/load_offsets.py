"""creepmeter load offsets."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import changed, options_from, store_out
from creepmeter.cli.group import Verb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.run import end_with
from creepmeter.cli.session import say
from creepmeter.interferograms.options import OffsetMapOptions


@click.command(
    cls=Verb,
    example="creepmeter load offsets 'maps/*.tif' --bands east,south,mask --unit px --pixel-size 10 -o stack.zarr",
)
@click.argument("pattern", nargs=-1, required=True)
@store_out
@click.option("--skip-bad", is_flag=True, help="Leave out files that cannot be used, and name them.")
@options_from(OffsetMapOptions, rename={"pixel_size_m": "--pixel-size"}, leave_out=("strict",))
def command(pattern: tuple[str, ...], target: Path, skip_bad: bool, options: OffsetMapOptions) -> None:
    """Load offset maps, one file per pair of dates.

    PATTERN names the files: a pattern in quotes, a folder, or one name after the other.
    The first two dates in a name are those of its pair.
    """
    from creepmeter.workflow.description import describe
    from creepmeter.workflow.verbs import load_offsets, step_metres

    with shown_progress() as progress:
        left_out = load_offsets(pattern, target, changed(options, strict=not skip_bad), progress=progress)
    found = describe(target, most_bytes=0)
    say(f"{target}: {found.network}; {', '.join(found.components)} on {found.grid}")
    if options.unit == "px":
        given = options.pixel_size_m
        source = "--pixel-size" if given is not None else "grid step of the maps"
        size = f"{given:g}" if given is not None else step_metres(target)
        say(f"1 px of displacement is {size} m ({source})")
    end_with(left_out)
