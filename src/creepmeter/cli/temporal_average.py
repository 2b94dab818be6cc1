"""creepmeter temporal-average."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import FILE, memory_flag, writable
from creepmeter.cli.group import Verb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.session import announce_compilation, say

_NAMES = {"coherence": "avgSpatialCoh.h5", "offsetSNR": "avgSpatialSNR.h5"}


@click.command(
    cls=Verb,
    example="creepmeter temporal-average inputs/ifgramStack.h5 -d coherence -o avgSpatialCoh.h5",
    holds=("target",),
)
@click.argument("file", type=FILE)
@click.option("-d", "--ds", "--dataset", "name", default="coherence", show_default=True, help="What is averaged.")
@click.option(
    "-o", "--output", "--outfile", "target", type=click.Path(dir_okay=False, path_type=Path),
    help="Default: MintPy's name for it.",
)  # fmt: skip
@click.option("--update", is_flag=True, help="It is made anew in any case.", hidden=True)
@memory_flag
def command(file: Path, name: str, target: Path | None, update: bool, memory_gb: float) -> None:
    """Average the used pairs of a stack at each pixel.

    Of unwrapped phase this is the average velocity, metres per year toward the satellite; the stack needs a reference
    pixel then.
    """
    from creepmeter.io.mintpy.stack import StackFile
    from creepmeter.workflow.sbas.masks import make_average
    from creepmeter.workflow.sbas.overview import make_stack_velocity

    del update
    announce_compilation()
    is_phase = name.startswith("unwrapPhase")
    default = "avgPhaseVelocity.h5" if is_phase else _NAMES.get(name, f"avg{name[:1].upper()}{name[1:]}.h5")
    place = writable(target or Path(default))
    make = make_stack_velocity if is_phase else make_average
    with shown_progress() as progress:
        make(StackFile.open(file), place, name=name, memory_gb=memory_gb, progress=progress)
    say(f"average: {place}")
