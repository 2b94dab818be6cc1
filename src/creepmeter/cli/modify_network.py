"""creepmeter modify-network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from creepmeter.cli.flags import FILE, changed, memory_flag, options_from
from creepmeter.cli.listing import ListVerb, from_here, given
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.session import announce_compilation, say
from creepmeter.pairs.network_options import NetworkOptions

if TYPE_CHECKING:
    from creepmeter.workflow.sbas.network import ModifiedNetwork

_FLAGS = {
    "temp_base_max": "--max-tbase",
    "perp_base_max": "--max-pbase",
    "conn_num_max": "--max-conn-num",
    "start_date": ("--start-date", "--min-date"),
    "end_date": ("--end-date", "--max-date"),
    "exclude_date": ("--exclude-date", "--ex-date"),
    "exclude_pairs": ("--exclude-ifg", "--ex-ifg", "--ex-date12"),
    "exclude_index": "--exclude-ifg-index",
    "reference_file": ("-r", "--reference"),
    "mask_file": "--mask",
}
_SHOWN = 6


@click.command(
    cls=ListVerb,
    example="creepmeter modify-network inputs/ifgramStack.h5 --exclude-ifg-index 3:5 12",
    holds=("file",),
)
@click.argument("file", type=FILE)
@click.option("-t", "--template", type=FILE, help="MintPy template; flags win over its keys.")
@click.option("--reset", is_flag=True, help="Use all pairs again.")
@click.option("--noaux", is_flag=True, help="Do not make maskConnComp.h5 and avgSpatialCoh.h5 anew.")
@click.option("--no-mst", is_flag=True, help="Do not keep the most coherent pairs that join all dates.")
@click.option("--aoi-yx", type=int, nargs=4, metavar="X0 Y0 X1 Y1", help="Area where coherence is taken, pixels.")
@click.option("--aoi-lalo", type=float, nargs=4, metavar="W S E N", help="Area where coherence is taken, degrees.")
@click.option("--in-place", is_flag=True, help="Change a stack of another program itself, not a file beside it.")
@options_from(NetworkOptions, rename=_FLAGS, leave_out=("aoi_yx", "aoi_lalo", "keep_min_span_tree"))
@memory_flag
def command(
    file: Path,
    template: Path | None,
    reset: bool,
    noaux: bool,
    no_mst: bool,
    aoi_yx: tuple[int, int, int, int] | None,
    aoi_lalo: tuple[float, float, float, float] | None,
    in_place: bool,
    options: NetworkOptions,
    memory_gb: float,
) -> None:
    """Choose which pairs of a stack are used.

    Pairs are marked, none is deleted. Each call starts from all pairs, so that a call without any rule uses all of
    them again. FILE is an ifgramStack.h5; one that another program wrote is left as it is, and a small file beside it
    holds the marks, unless --in-place is given.
    """
    from creepmeter.io.mintpy.stack import StackFile
    from creepmeter.workflow.sbas.folder import work_folder
    from creepmeter.workflow.sbas.network import modify_network
    from creepmeter.workflow.sbas.reference import make_maps

    areas: dict[str, object] = {}
    if aoi_yx is not None:
        areas["aoi_yx"] = (aoi_yx[1], aoi_yx[3], aoi_yx[0], aoi_yx[2])
    if aoi_lalo is not None:
        areas["aoi_lalo"] = (aoi_lalo[1], aoi_lalo[3], aoi_lalo[0], aoi_lalo[2])
    if no_mst:
        areas["keep_min_span_tree"] = False
    wanted = NetworkOptions() if reset else _merged(template, options, areas)
    announce_compilation()
    stack, folder = StackFile.open(file, in_place=in_place), work_folder(file)
    with shown_progress() as progress:
        found = modify_network(stack, folder, wanted, memory_gb=memory_gb, progress=progress)
        if not noaux:
            make_maps(stack, folder, memory_gb=memory_gb, progress=progress)
    _report(found)


def _merged(template: Path | None, options: NetworkOptions, areas: dict[str, object]) -> NetworkOptions:
    """Return the options of a template with the flags that were given on top."""
    from creepmeter.workflow.sbas.template import read_template

    base = NetworkOptions() if template is None else read_template(template).network
    flags = {name: value for name, value in options.model_dump().items() if given(name)}
    for name in ("mask_file", "reference_file"):
        if isinstance(flags.get(name), str):
            flags[name] = from_here(flags[name])
    if "exclude_date" in flags:
        flags["exclude_date"] = tuple(map(from_here, flags["exclude_date"]))
    return changed(base, **{**flags, **areas})


def _report(found: ModifiedNetwork) -> None:
    selection = found.selection
    for name, out in selection.dropped.items():
        names = [str(pair) for pair, gone in zip(selection.pairs, out, strict=True) if gone]
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        say(f"{name}: leaves out {len(names)}: {', '.join(names[:_SHOWN])}{more}")
    if selection.lost_dates:
        say(f"dates without a pair: {', '.join(selection.lost_dates)}")
    as_before = "" if found.changed else ", as before"
    say(f"{int(selection.keep.sum())} of {len(selection.pairs)} pairs are used{as_before}")
