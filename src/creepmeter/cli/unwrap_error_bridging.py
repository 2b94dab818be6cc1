"""creepmeter unwrap-error-bridging."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, get_args

import click

from creepmeter.cli.flags import FILE, changed, memory_flag
from creepmeter.cli.group import Verb
from creepmeter.cli.listing import from_here
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.session import announce_compilation, say
from creepmeter.stack.unwrap_options import Ramp, UnwrapOptions

FLAGS = {
    "radius": "bridge_points_radius",
    "ramp": "ramp",
    "max_difference": "bridge_max_rad",
    "water_mask": "water_mask_file",
    "min_area": "conn_comp_min_area",
    "num_sample": "num_sample",
    "cc_mask": "common_mask_file",
}
_FILES = ("water_mask", "cc_mask")


@click.command(
    cls=Verb,
    example="creepmeter unwrap-error-bridging inputs/ifgramStack.h5 --ramp linear",
    holds=("file",),
)
@click.argument("file", type=FILE)
@click.option(
    "-r",
    "--radius",
    type=click.IntRange(1),
    help="Half width of the windows at both ends of a bridge, pixels.  [default: 50]",
)
@click.option("--ramp", type=click.Choice(get_args(Ramp)), help="Surface of the reference region to take out.")
@click.option(
    "--max-difference",
    type=click.FloatRange(0, math.pi, min_open=True),
    help="Largest difference left across a bridge that is trusted, radians.  [default: pi]",
)
@click.option("--water-mask", "--wm", "water_mask", help="Mask of land (nonzero), or no.  [default: waterMask.h5]")
@click.option(
    "-m",
    "--min-area",
    type=click.FloatRange(0, min_open=True),
    help="Largest region left out, pixels.  [default: 2500]",
)
@click.option("-t", "--template", type=FILE, help="MintPy template; flags win over its keys.")
@click.option("-i", "--in-dataset", "dataset", default="unwrapPhase", show_default=True, help="Layer to correct.")
@click.option("-o", "--out-dataset", "target", help="Layer to make.  [default: the other and _bridging]")
@click.option("--update", is_flag=True, help="Do nothing if the layer is there.")
@click.option("--in-place", is_flag=True, help="Change a stack of another program itself, not a file beside it.")
@memory_flag
def command(file: Path, **flags: Any) -> None:  # noqa: ANN401 - flags are many, and read by name
    """Correct unwrapping errors between regions by bridges.

    Reliable regions (connected components) are joined by the shortest bridges. From the reference region outward each
    gets the whole cycles that make its phase differ by less than half a cycle from that at the other end.
    """
    correct(file, "bridging", "_bridging", flags)


def correct(file: Path, method: str, ending: str, flags: dict[str, Any]) -> None:
    """Correct a stack by one method and say what was done."""
    from creepmeter.io.mintpy.stack import StackFile
    from creepmeter.workflow.sbas.folder import work_folder
    from creepmeter.workflow.sbas.unwrap import correct_unwrap_error

    stack, dataset = StackFile.open(file, in_place=flags["in_place"]), flags["dataset"]
    target = flags["target"] or dataset + ending
    if flags["update"] and target in stack.names:
        say(f"{file}: {target} is there, nothing to do")
        return
    options = options_of(flags, method)
    announce_compilation()
    with shown_progress() as progress:
        found = correct_unwrap_error(
            stack,
            work_folder(file),
            options,
            dataset=dataset,
            target=target,
            memory_gb=flags["memory_gb"],
            progress=progress,
        )
    for name in found.made:
        left = len(found.problems)
        more = f", {left} could not be corrected" if left else ""
        say(f"{file}: {name}: {found.changed[name]} of {len(stack.pairs)} pairs got other cycles{more}")


def options_of(flags: dict[str, Any], method: str) -> UnwrapOptions:
    """Return the options of a template with the flags that were given on top."""
    from creepmeter.workflow.sbas.template import read_template

    base = UnwrapOptions() if flags["template"] is None else read_template(flags["template"]).unwrap
    changes = {name: flags[flag] for flag, name in FLAGS.items() if flags.get(flag) is not None}
    for flag in _FILES:
        if flags.get(flag) is not None:
            changes[FLAGS[flag]] = None if flags[flag] == "no" else from_here(flags[flag])
    return changed(base, method=method, **changes)
