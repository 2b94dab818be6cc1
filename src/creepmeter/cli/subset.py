"""creepmeter subset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from creepmeter.cli.flags import FILE, memory_flag, require_other, writable
from creepmeter.cli.group import Verb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.session import say

_PIXELS, _DEGREES = click.Tuple((int, int)), click.Tuple((float, float))


@click.command(
    cls=Verb,
    example="creepmeter subset geo_velocity.h5 -l 30.5 30.8 -L 130.3 130.9",
    holds=("output", "outdir", "files"),
)
@click.argument("files", type=FILE, nargs=-1, required=True)
@click.option("-y", "--sub-y", "--subset-y", "rows", type=_PIXELS, metavar="Y0 Y1", help="Rows, the end left out.")
@click.option("-x", "--sub-x", "--subset-x", "columns", type=_PIXELS, metavar="X0 X1", help="Columns likewise.")
@click.option("-l", "--lat", "--sub-lat", "--subset-lat", "latitude", type=_DEGREES, metavar="S N", help="Degrees.")
@click.option("-L", "--lon", "--sub-lon", "--subset-lon", "longitude", type=_DEGREES, metavar="W E", help="Degrees.")
@click.option("-t", "--template", type=FILE, help="Take the area from mintpy.subset.yx or .lalo of a template.")
@click.option("-r", "--reference", type=FILE, help="Geocoded file whose area is taken.")
@click.option("--lookup", type=FILE, help="Geometry that tells places of radar pixels.  [default: the one beside]")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Default: sub_NAME.")
@click.option("--outdir", type=click.Path(file_okay=False, path_type=Path), help="Folder of the results.")
@memory_flag
def command(
    files: tuple[Path, ...],
    lookup: Path | None,
    output: Path | None,
    outdir: Path | None,
    memory_gb: float,
    **given: Any,  # noqa: ANN401 - the ways to say which part
) -> None:
    """Cut a part out of products (MintPy)."""
    from creepmeter.workflow.sbas.layers import named_target
    from creepmeter.workflow.sbas.windows import subset_product

    targets = [writable(named_target(file, "sub_", outdir=outdir, output=output, files=files)) for file in files]
    for file, target in zip(files, targets, strict=True):
        require_other(file, target)
    boxes = [_box(file, lookup, **given) for file in files]
    with shown_progress() as progress:
        for file, target, box in zip(files, targets, boxes, strict=True):
            subset_product(file, target, box, memory_gb=memory_gb, progress=progress)
            say(f"{target}: rows {box[0]} to {box[1]}, columns {box[2]} to {box[3]}")


def _box(
    file: Path,
    lookup: Path | None,
    *,
    rows: tuple[int, int] | None,
    columns: tuple[int, int] | None,
    latitude: tuple[float, float] | None,
    longitude: tuple[float, float] | None,
    template: Path | None,
    reference: Path | None,
) -> tuple[int, int, int, int]:
    from creepmeter.workflow.sbas.places import product_shape
    from creepmeter.workflow.sbas.windows import box_of_area, box_of_reference

    if template is not None:
        from creepmeter.workflow.sbas.template import read_template

        load = read_template(template).load
        if load.subset_yx is not None:
            return load.subset_yx
        if load.subset_lalo is not None:
            return box_of_area(file, load.subset_lalo, lookup)
    if reference is not None:
        return box_of_reference(file, reference, lookup)
    if latitude is not None and longitude is not None:
        area = min(latitude), max(latitude), min(longitude), max(longitude)
        return box_of_area(file, area, lookup)
    if latitude is not None or longitude is not None or (rows is None and columns is None):
        message = "say which part: -y and -x, or -l together with -L, or -r, or -t"
        raise click.UsageError(message)
    tall, wide = product_shape(file)
    return (*(rows or (0, tall)), *(columns or (0, wide)))
