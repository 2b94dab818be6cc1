"""creepmeter plot-transection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from creepmeter.cli.flags import PRODUCT, file_out
from creepmeter.cli.group import Verb
from creepmeter.cli.session import say
from creepmeter.cli.view import FIGURES


@click.command(cls=Verb, example="creepmeter plot-transection velocity.h5 --start-yx 10 20 --end-yx 90 150")
@click.argument("files", nargs=-1, required=True, type=PRODUCT)
@click.option("--dset", help="Dataset to draw; default: the main one.")
@click.option("--start-yx", "--yx0", nargs=2, type=float, metavar="ROW COLUMN", help="Start of the profile, pixels.")
@click.option("--end-yx", "--yx1", nargs=2, type=float, metavar="ROW COLUMN", help="End of the profile, pixels.")
@click.option(
    "--start-lalo",
    "--lalo0",
    nargs=2,
    type=float,
    metavar="LAT LON",
    help="The same by place, degrees (or y and x).",
)
@click.option(
    "--end-lalo",
    "--lalo1",
    nargs=2,
    type=float,
    metavar="LAT LON",
    help="The same by place, degrees (or y and x).",
)
@click.option(
    "--interpolation", type=click.Choice(["nearest", "bilinear"]), default="nearest", show_default=True, help="Method."
)
@click.option("-v", "--vlim", nargs=2, type=float, metavar="LOW HIGH", help="Ends of the colours.")
@click.option("-u", "--unit", help="Unit to draw in.")
@click.option("-m", "--mask", type=PRODUCT, help="Mask of the same map: pixels where it is 0 are left out.")
@click.option("--nodisplay", is_flag=True, help="Taken for MintPy's sake: a figure is always a file.")
@file_out(FIGURES, "Figure to make; default: NAME-transection.png in the working folder.", also=("--outfile",))
@click.option("--csv", type=click.Path(dir_okay=False, path_type=Path), help="Also write the profiles as a table.")
def command(files: tuple[Path, ...], target: Path | None, **given: Any) -> None:  # noqa: ANN401 - flags
    """Draw profiles of one or several maps along a line."""
    from creepmeter.workflow.pictures import profile_ends, profile_figure, profiles, write_profiles

    ends = profile_ends(files[0], given["start_yx"], given["end_yx"], given["start_lalo"], given["end_lalo"])
    maps = profiles(files, given["dset"], unit=given["unit"], mask=given["mask"])
    from creepmeter.products.canvas import save_figure

    figure = profile_figure(maps, ends, limits=given["vlim"], method=given["interpolation"])
    place = target or Path(f"{files[0].resolve().stem}-transection.png")
    say(f"figure: {save_figure(figure, place, dpi=200)}")
    if given["csv"] is not None:
        say(f"table: {write_profiles(maps, ends, given['csv'], method=given['interpolation'])}")
