"""creepmeter asc-desc2horz-vert."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import FILE, require_other, writable
from creepmeter.cli.group import Verb
from creepmeter.cli.session import say


@click.command(
    cls=Verb,
    example="creepmeter asc-desc2horz-vert asc/geo/geo_velocity.h5 desc/geo/geo_velocity.h5 -o hz.h5 up.h5",
)
@click.argument("files", type=FILE, nargs=2)
@click.option("-d", "--dset", "dataset", help="Map to use.  [default: the one that FILE_TYPE names]")
@click.option(
    "-g",
    "--geom-file",
    "geometries",
    type=click.Tuple((FILE, FILE)),
    help="Geometry of each file: angles of every pixel.  [default: constants from HEADING and the orbit]",
)
@click.option(
    "--az",
    "--azimuth",
    "--horz-az-angle",
    "azimuth_deg",
    type=float,
    default=-90.0,
    show_default=True,
    help="Direction of the horizontal part, degrees from north, anticlockwise positive; -90 is east.",
)
@click.option(
    "--max-ref-yx-diff",
    "max_reference_px",
    type=click.IntRange(0),
    default=3,
    show_default=True,
    help="How far the reference points may lie apart, pixels.",
)
@click.option(
    "-o",
    "--output",
    "targets",
    nargs=2,
    type=click.Path(dir_okay=False, path_type=Path),
    default=(Path("hz.h5"), Path("up.h5")),
    metavar="HZ UP",
    help="Default hz.h5 up.h5.",
)
def command(
    files: tuple[Path, Path],
    dataset: str | None,
    geometries: tuple[Path, Path] | None,
    azimuth_deg: float,
    max_reference_px: int,
    targets: tuple[Path, Path],
) -> None:
    """Turn two tracks into horizontal and vertical motion (MintPy)."""
    from creepmeter.workflow.sbas.asc_desc import horizontal_and_vertical

    for file in files:
        for target in targets:
            require_other(file, target)
    share = horizontal_and_vertical(
        files,
        (writable(targets[0]), writable(targets[1])),
        dataset=dataset,
        azimuth_deg=azimuth_deg,
        geometries=geometries or (),
        max_reference_px=max_reference_px,
    )
    say(f"{targets[0]}, {targets[1]}: {100 * share:.1f} % of the pixels that both maps cover")
