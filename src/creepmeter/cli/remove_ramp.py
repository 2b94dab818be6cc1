"""creepmeter remove-ramp."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import FILE, build, memory_flag, require_other, writable
from creepmeter.cli.group import Verb
from creepmeter.cli.listing import from_here
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.session import announce_compilation, say
from creepmeter.corrections.series_options import RampOptions

_FLAGS = {"ramp": ("-s",), "mask_file": ("-m",)}


@click.command(
    cls=Verb,
    example="creepmeter remove-ramp timeseries_ERA5.h5 -m maskTempCoh.h5 -s linear",
    holds=("target", "file"),
)
@click.argument("file", type=FILE)
@click.option(
    "-m", "--mask", "mask_file", default="maskTempCoh.h5", show_default=True, help="Where it is fitted; no: everywhere."
)
@click.option(
    "-s",
    "--ramp",
    default="linear",
    show_default=True,
    metavar="[linear|quadratic|linear_range|linear_azimuth|quadratic_range|quadratic_azimuth]",
    help="Surface; the range forms know columns only, the azimuth forms rows.",
)
@click.option("-d", "--dset", "dataset", help="Dataset of a stack, such as unwrapPhase_bridging.")
@click.option(
    "-o", "--outfile", "target", type=click.Path(dir_okay=False, path_type=Path), help="Default NAME_ramp.h5."
)
@click.option("--save-ramp-coeff", "coefficients", is_flag=True, help="Write what was taken off to rampCoeff_NAME.txt.")
@memory_flag
def command(
    file: Path,
    mask_file: str,
    ramp: str,
    dataset: str | None,
    target: Path | None,
    coefficients: bool,
    memory_gb: float,
) -> None:
    """Take a ramp off every date of a series, or off a map (MintPy)."""
    from creepmeter.workflow.sbas.deramp import remove_ramp, write_coefficients

    mask = None if mask_file in ("no", "none") else from_here(mask_file)
    options = build(RampOptions, {"ramp": ramp, "mask_file": mask}, _FLAGS)
    if options.ramp == "no":
        message = "-s no removes nothing: name a ramp"
        raise click.UsageError(message)
    place = writable(target or file.with_name(f"{file.stem}_ramp{file.suffix}"))
    require_other(file, place)
    announce_compilation()
    with shown_progress() as progress:
        ramps = remove_ramp(file, place, options, dataset=dataset, memory_gb=memory_gb, progress=progress)
    say(f"{place}: {options.ramp} ramp taken off {', '.join(ramps)}")
    if coefficients:
        say(f"{write_coefficients(ramps, file, place)}: its coefficients")
