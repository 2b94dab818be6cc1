"""creepmeter ifgram-inversion."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import FILE, changed, memory_flag, options_from
from creepmeter.cli.group import Verb
from creepmeter.cli.listing import from_here, given
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.session import announce_compilation, say
from creepmeter.inversion.options import NetworkInversionOptions

_RENAMED = {
    "weight_func": "-w",
    "obs_dataset": ("-i", "-d", "--dset"),
    "water_mask_file": ("-m", "--water-mask"),
    "mask_dataset": ("--mask-dset", "--md"),
    "mask_threshold": ("--mask-thres", "--mt"),
    "min_redundancy": ("--min-redun", "--mr"),
    "sigma": "--calc-cov",
}


@click.command(
    cls=Verb,
    example="creepmeter ifgram-inversion inputs/ifgramStack.h5 -w var",
    holds=("names", "stack"),
)
@click.argument("stack", type=FILE)
@click.option("-t", "--template", type=FILE, help="Take options from a MintPy template; flags count more.")
@click.option(
    "-o",
    "--output",
    "names",
    nargs=3,
    type=click.Path(path_type=Path),
    metavar="SERIES QUALITY COUNT",
    help="Files to make: series, temporal coherence (offsets: residual), number of pairs; default as in MintPy. The "
    "mask of reliable pixels goes beside the series: timeseries_L1.h5 gives maskTempCoh_L1.h5.",
)
@click.option("--min-norm-phase", is_flag=True, help="Bridge islands with least displacement, not least velocity.")
@options_from(NetworkInversionOptions, rename=_RENAMED)
@memory_flag
def command(
    stack: Path,
    template: Path | None,
    names: tuple[Path, Path, Path] | None,
    min_norm_phase: bool,
    memory_gb: float,
    options: NetworkInversionOptions,
) -> None:
    """Turn phase or offset per pair into displacement per date (MintPy).

    Products go to the work folder: that above `inputs`, or that of the stack.
    """
    from creepmeter.io.mintpy.stack import StackFile
    from creepmeter.workflow.sbas.folder import work_folder
    from creepmeter.workflow.sbas.invert import invert_network
    from creepmeter.workflow.sbas.masks import find_geometry

    options = _merged(template, options)
    if min_norm_phase:
        options = changed(options, min_norm_velocity=False)
    announce_compilation()
    opened, folder = StackFile.open(stack), work_folder(stack)
    targets = [name.absolute() for name in names] if names else None
    with shown_progress() as progress:
        found = invert_network(
            opened,
            folder,
            find_geometry(opened, folder),
            options,
            memory_gb=memory_gb,
            progress=progress,
            names=targets,
        )
    total = opened.shape[1] * opened.shape[2]
    say(f"{found.files[0]}: {found.dataset}, {found.pixels} of {total} pixels, {found.bridged} of them bridged")
    if found.reliable is not None:
        say(f"{found.files[3]}: {found.reliable} pixels with a temporal coherence of {options.min_temp_coh:g} or more")


def _merged(template: Path | None, options: NetworkInversionOptions) -> NetworkInversionOptions:
    """Return the options of a template with the flags that were given on top."""
    from creepmeter.workflow.sbas.template import read_template

    base = NetworkInversionOptions() if template is None else read_template(template).invert
    flags = {name: value for name, value in options.model_dump().items() if given(name)}
    if isinstance(flags.get("water_mask_file"), str):
        flags["water_mask_file"] = from_here(flags["water_mask_file"])
    return changed(base, **flags)
