"""creepmeter decompose."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import FILE, PRODUCT, changed, options_from, require_other, writable
from creepmeter.cli.group import Verb
from creepmeter.cli.session import say
from creepmeter.geometry.decompose_options import DecomposeOptions


@click.command(
    cls=Verb,
    example="creepmeter decompose asc/geo/geo_velocity.h5 desc/geo/geo_velocity.h5 offsets/velocity.zarr -o enu.zarr",
)
@click.argument("files", type=PRODUCT, nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    "target",
    required=True,
    type=click.Path(path_type=Path),
    metavar="OUT.zarr",
    help="Product to make: .zarr, or .h5 in MintPy's layout.",
)
@click.option(
    "-g",
    "--geometry",
    "geometries",
    type=FILE,
    multiple=True,
    help="Incidence and azimuth angles of each file along a line of sight, in their order.  "
    "[default: those beside the files, else constants from their attributes]",
)
@click.option("--like", type=PRODUCT, help="Product whose grid the result lies on.  [default: the first file]")
@click.option(
    "--ref-lalo", type=float, nargs=2, metavar="LAT LON", help="Point where the motion of every map is set to zero."
)
@options_from(DecomposeOptions, leave_out=("ref_lalo",))
def command(
    files: tuple[Path, ...],
    target: Path,
    geometries: tuple[Path, ...],
    like: Path | None,
    ref_lalo: tuple[float, float] | None,
    options: DecomposeOptions,
) -> None:
    """Turn velocities along several directions into east, north and up.

    The maps are lines of sight of any number of tracks, and east and north of image offsets.
    """
    from creepmeter.workflow.decompose import decompose_files

    if target.suffix not in (".zarr", ".h5"):
        message = f"-o {target} must end in .zarr or .h5"
        raise click.UsageError(message)
    for file in files:
        require_other(file, target)
    if ref_lalo is not None:
        options = changed(options, ref_lalo=ref_lalo)
    for line in decompose_files(files, writable(target), options, geometries=geometries, like=like):
        say(line)
