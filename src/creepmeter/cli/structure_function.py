"""creepmeter structure-function."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import FILE, options_from, require_other, writable
from creepmeter.cli.group import Verb
from creepmeter.cli.session import say
from creepmeter.validation.structure_options import StructureOptions

_OUT = click.Path(dir_okay=False, path_type=Path)


@click.command(
    cls=Verb,
    example="creepmeter structure-function velocity.h5 -m maskTempCoh.h5 --exclude slides.gpkg --plot sigma.png",
    holds=("target", "file"),
)
@click.argument("file", type=FILE)
@click.option("-d", "--dset", "--dataset", "name", help="What is looked at; default the velocity or the series.")
@click.option("-m", "--mask", "mask_file", type=FILE, help="Pixels that count (nonzero).")
@click.option("--exclude", type=FILE, help="Ground that moves: polygons, or a raster (nonzero).")
@click.option("-o", "--output", "target", type=_OUT, help="Table (.csv).  [default: FILE_structure.csv]")
@click.option("--plot", type=_OUT, help="Figure (.png, .pdf, .svg).")
@click.option("--requirement", type=click.FloatRange(min=0, min_open=True), help="Limit to draw, mm/yr or mm.")
@click.option("--std-map", type=_OUT, help="Map to make: sigma relative to the reference pixel, by distance.")
@click.option("--stated", is_flag=True, help="In that map, each pixel has its own noise: velocityStd of FILE.")
@options_from(StructureOptions)
def command(
    file: Path,
    name: str | None,
    mask_file: Path | None,
    exclude: Path | None,
    target: Path | None,
    plot: Path | None,
    requirement: float | None,
    std_map: Path | None,
    stated: bool,
    options: StructureOptions,
) -> None:
    """Say how large errors are by the distance between two points.

    FILE is a velocity or a series in MintPy's layout. All pixels that are not excluded count as stable. Sigma is what
    68.27 % of the differences stay within: one standard error where errors are normal.
    """
    from creepmeter.workflow.sbas.structure import (
        curve_text,
        draw_structure,
        structure_of_file,
        write_sigma_map,
        write_structure_table,
    )

    place = writable(target or file.with_name(f"{file.stem}_structure.csv"))
    for other in (place, plot, std_map):
        if other is not None:
            require_other(file, other)
    result = structure_of_file(file, options, name=name, mask_file=mask_file, exclude=exclude)
    write_structure_table(place, result)
    unit = result.unit.replace("_", "/")
    for distance, sigma, error in zip(result.whole.distance, result.whole.sigma, result.whole.error, strict=True):
        say(f"{distance / 1000:8.2f} km  {sigma * result.factor:7.2f} +- {error * result.factor:.2f} {unit}")
    say(f"{place}: {100 * result.stable:.1f} % of the pixels; {curve_text(result)}")
    if plot is not None:
        say(f"figure: {draw_structure(writable(plot), result, file.name, requirement)}")
    if std_map is not None:
        say(f"map: {write_sigma_map(file, writable(std_map), result, stated=stated, options=options)}")
