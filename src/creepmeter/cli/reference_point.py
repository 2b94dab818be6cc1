"""creepmeter reference-point."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from creepmeter.cli.flags import FILE, changed, memory_flag, writable
from creepmeter.cli.group import Verb
from creepmeter.cli.listing import from_here
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.session import announce_compilation, say
from creepmeter.stack.reference import ReferenceOptions

_METHODS = {"maxCoherence": "max_coherence", "random": "random"}
_NAMES = ("REF_Y", "REF_X", "REF_LAT", "REF_LON")


@click.command(
    cls=Verb,
    example="creepmeter reference-point inputs/ifgramStack.h5 -y 257 -x 151",
    holds=("output", "file"),
)
@click.argument("file", type=FILE)
@click.option("-t", "--template", type=FILE, help="MintPy template; flags win over its keys.")
@click.option("-y", "--row", type=click.IntRange(0), help="Row of the reference pixel, from 0.")
@click.option("-x", "--col", "column", type=click.IntRange(0), help="Column of the reference pixel, from 0.")
@click.option("-l", "--lat", type=click.FloatRange(-90, 90), help="Latitude of the reference pixel, degrees.")
@click.option("-L", "--lon", type=click.FloatRange(-360, 360), help="Longitude of the reference pixel, degrees.")
@click.option("-r", "--reference", "like", type=FILE, help="File whose reference pixel is taken.")
@click.option("-m", "--mask", type=FILE, help="Where the pixel may be (nonzero).  [default: maskConnComp.h5]")
@click.option("-c", "--coherence", type=FILE, help="Coherence by which it is chosen.  [default: avgSpatialCoh.h5]")
@click.option("--min-coherence", type=click.FloatRange(0, 1), help="Lowest coherence where it is chosen.")
@click.option("--method", type=click.Choice(list(_METHODS)), help="How it is chosen when none is given.")
@click.option("--seed", type=click.IntRange(0), help="Seed of the random choice.")
@click.option("--lookup", type=FILE, help="Geometry of a stack in radar coordinates, for --lat and --lon.")
@click.option("--force", is_flag=True, help="Choose again, although there is a reference pixel from before.")
@click.option("--reset", is_flag=True, help="Forget the reference pixel.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="New file; not for a stack.")
@click.option("--in-place", is_flag=True, help="Change a stack of another program itself, not a file beside it.")
@memory_flag
def command(file: Path, **flags: Any) -> None:  # noqa: ANN401 - flags are many, and read by name
    """Set the pixel that all displacement is relative to.

    Of a stack of interferograms only the attributes change, and waterMask.h5, maskConnComp.h5 and avgSpatialCoh.h5
    are made where they are missing or old. Of a series or a velocity the values change. Without a pixel, the most
    coherent one is taken.
    """
    from creepmeter.io.mintpy.product import read_attributes, update_product

    announce_compilation()
    attributes = read_attributes(file)
    is_stack = attributes.get("FILE_TYPE") == "ifgramStack"
    if is_stack and flags["output"] is not None:
        message = "-o: the reference pixel of a stack is set in its attributes, there is no new file"
        raise click.UsageError(message)
    if flags["reset"] and not is_stack:
        update_product(file, attributes=dict.fromkeys(_NAMES))
        say(f"{file}: no reference pixel any more; values are as they were")
    elif is_stack:
        _of_stack(file, flags)
    else:
        _of_product(file, flags)


def _of_stack(file: Path, flags: dict[str, Any]) -> None:
    from creepmeter.io.mintpy.stack import StackFile
    from creepmeter.workflow.sbas.folder import work_folder
    from creepmeter.workflow.sbas.masks import find_geometry
    from creepmeter.workflow.sbas.reference import reference_point

    stack, folder = StackFile.open(file, in_place=flags["in_place"]), work_folder(file)
    if flags["reset"]:
        stack.set_attributes(dict.fromkeys(_NAMES))
        say(f"{file}: no reference pixel any more")
        return
    options = _options(flags)
    geometry = flags["lookup"] or find_geometry(stack, folder)
    with shown_progress() as progress:
        point = reference_point(stack, folder, geometry, options, memory_gb=flags["memory_gb"], progress=progress)
    if point is None:
        say(f"{file}: offsets need no reference pixel")
    else:
        say(f"{file}: row {point.row}, column {point.column} ({point.how}), coherence {point.coherence:.3f}")


def _options(flags: dict[str, Any]) -> ReferenceOptions:
    from creepmeter.workflow.sbas.template import read_template

    base = ReferenceOptions() if flags["template"] is None else read_template(flags["template"]).reference
    changes: dict[str, Any] = {}
    pixel, point = _both(flags, "row", "column"), _both(flags, "lat", "lon")
    if flags["like"] is not None:
        pixel = _pixel_of(flags["like"])
    if pixel is not None or point is not None:
        changes = {"yx": pixel, "lalo": point}
    for flag, name in (("mask", "mask_file"), ("coherence", "coherence_file")):
        if flags[flag] is not None:
            changes[name] = from_here(str(flags[flag]))
    for name in ("min_coherence", "seed"):
        if flags[name] is not None:
            changes[name] = flags[name]
    if flags["method"] is not None:
        changes["method"] = _METHODS[flags["method"]]
    if flags["force"]:
        changes["force"] = True
    return changed(base, **changes)


def _both(flags: dict[str, Any], first: str, second: str) -> tuple[Any, Any] | None:
    ends = flags[first], flags[second]
    if (ends[0] is None) != (ends[1] is None):
        message = f"--{first} and --{second.replace('column', 'col')} go together: give both"
        raise click.UsageError(message)
    return None if ends[0] is None else ends


def _pixel_of(path: Path) -> tuple[int, int]:
    from creepmeter.io.mintpy.product import read_attributes

    attributes = read_attributes(path)
    if "REF_Y" not in attributes or "REF_X" not in attributes:
        message = f"-r {path} has no reference pixel (REF_Y, REF_X)"
        raise click.UsageError(message)
    return int(float(attributes["REF_Y"])), int(float(attributes["REF_X"]))


def _of_product(file: Path, flags: dict[str, Any]) -> None:
    from creepmeter.workflow.sbas.reference import refer_file

    target = file if flags["output"] is None else writable(flags["output"])
    options = _options(flags)
    if flags["mask"] is None and flags["template"] is None:
        options = changed(options, mask_file=None)
    with shown_progress() as progress:
        point = refer_file(
            file,
            target,
            options,
            geometry=flags["lookup"],
            memory_gb=flags["memory_gb"],
            progress=progress,
        )
    say(f"{target}: relative to row {point[0]}, column {point[1]}")
