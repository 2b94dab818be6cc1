"""creepmeter unwrap-error-phase-closure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from creepmeter.cli.flags import FILE, memory_flag
from creepmeter.cli.group import Verb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.session import announce_compilation, say
from creepmeter.cli.unwrap_error_bridging import correct, options_of


@click.command(
    cls=Verb,
    example="creepmeter unwrap-error-phase-closure inputs/ifgramStack.h5 -i unwrapPhase_bridging",
    holds=("file",),
)
@click.argument("file", type=FILE)
@click.option("-c", "--cc-mask", help="Mask of common components.  [default: maskConnComp.h5, made if missing]")
@click.option(
    "-n", "--num-sample", type=click.IntRange(1), help="Pixels of each common region to solve.  [default: 100]"
)
@click.option(
    "-m",
    "--min-area",
    type=click.FloatRange(0, min_open=True),
    help="Largest region left out, pixels.  [default: 2500]",
)
@click.option(
    "-a",
    "--action",
    type=click.Choice(["correct", "calculate"]),
    default="correct",
    show_default=True,
    help="correct: add cycles; calculate: count triplets that do not close.",
)
@click.option("-i", "--in-dataset", "dataset", default="unwrapPhase", show_default=True, help="Layer to correct.")
@click.option("-o", "--out-dataset", "target", help="Layer to make.  [default: the other and _phaseClosure]")
@click.option("--water-mask", "--wm", "water_mask", help="Mask of land (nonzero), or no.  [default: waterMask.h5]")
@click.option("-t", "--template", type=FILE, help="MintPy template; flags win over its keys.")
@click.option("--update", is_flag=True, help="Do nothing if the layer is there.")
@click.option("--in-place", is_flag=True, help="Change a stack of another program itself, not a file beside it.")
@memory_flag
def command(file: Path, **flags: Any) -> None:  # noqa: ANN401 - flags are many, and read by name
    """Correct unwrapping errors by triplets of pairs, or count them.

    In each region that all pairs have in common, the fewest whole cycles are found that make all triplets close.
    """
    if flags["action"] == "correct":
        correct(file, "phase_closure", "_phaseClosure", flags)
    else:
        _count(file, flags)


def _count(file: Path, flags: dict[str, Any]) -> None:
    from creepmeter.io.mintpy.stack import StackFile
    from creepmeter.workflow.sbas.folder import TRIPLETS, work_folder
    from creepmeter.workflow.sbas.unwrap import count_ambiguities

    stack, folder = StackFile.open(file, in_place=flags["in_place"]), work_folder(file)
    name = flags["dataset"]
    # as MintPy names the counts of corrected layers
    target = folder / (TRIPLETS if name == "unwrapPhase" else TRIPLETS.replace(".h5", f"4{name}.h5"))
    water = options_of(flags, "phase_closure").water_mask_file
    announce_compilation()
    with shown_progress() as progress:
        made = count_ambiguities(
            stack,
            folder,
            dataset=name,
            target=target,
            water_mask_file=water,
            memory_gb=flags["memory_gb"],
            progress=progress,
        )
    say(f"{file}: no triplets, nothing counted" if made is None else str(made))
