"""creepmeter plot-coherence-matrix."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import FILE, build, file_out
from creepmeter.cli.group import Verb
from creepmeter.cli.session import say
from creepmeter.cli.view import FIGURES
from creepmeter.products.network_options import NetworkPlotOptions


@click.command(cls=Verb, example="creepmeter plot-coherence-matrix inputs/ifgramStack.h5 --yx 277 1069")
@click.argument("file", type=FILE)
@click.option("--yx", type=click.Tuple((int, int)), metavar="Y X", help="Row and column of the pixel.")
@click.option(
    "--lalo", type=click.Tuple((float, float)), metavar="LAT LON", help="Latitude and longitude of the pixel."
)
@click.option("--lookup", "--lut", type=FILE, help="Geometry of a stack in radar coordinates, for --lalo.")
@click.option("-v", "--vlim", type=click.Tuple((float, float)), default=(0.0, 1.0), show_default=True, help="Colours.")
@click.option("-c", "--cmap", default="batlow", show_default=True, help="Colours: a name of cmcrameri or matplotlib.")
@click.option("--img-file", type=FILE, help="Map beside the matrix.  [default: velocity.h5 or avgSpatialCoh.h5]")
@click.option("--show-kept", is_flag=True, help="Only pairs that are used.")
@file_out(FIGURES, "Figure to make (.png, .pdf, .svg); default: coherenceMatrix_yY_xX.png in the working folder.")
@click.option("--dpi", type=click.IntRange(30, 1200), default=300, show_default=True, help="Dots per inch.")
@click.option("--save", is_flag=True, hidden=True, help="The figure is saved in any case.")
@click.option("--nodisplay", is_flag=True, hidden=True, help="Nothing is displayed in any case.")
def command(
    file: Path,
    yx: tuple[int, int] | None,
    lalo: tuple[float, float] | None,
    lookup: Path | None,
    vlim: tuple[float, float],
    cmap: str,
    img_file: Path | None,
    show_kept: bool,
    target: Path | None,
    dpi: int,
    save: bool,
    nodisplay: bool,
) -> None:
    """Draw the coherence of one pixel in all pairs of a stack.

    The figure is a matrix of dates; above the diagonal are all pairs, below it those that are used. Without a pixel
    the reference pixel is taken. The figure is saved, nothing is displayed.
    """
    from creepmeter.io.mintpy.stack import StackFile
    from creepmeter.workflow.sbas.folder import work_folder
    from creepmeter.workflow.sbas.masks import find_geometry
    from creepmeter.workflow.sbas.network_figures import draw_pixel
    from creepmeter.workflow.sbas.places import pixel_at

    del save, nodisplay
    options = build(
        NetworkPlotOptions, {"vmin": vlim[0], "vmax": vlim[1], "cmap": cmap, "show_kept": show_kept, "dpi": dpi}
    )
    stack, folder = StackFile.open(file), work_folder(file)
    pixel = yx or stack.reference
    if lalo is not None:
        pixel = pixel_at(stack.attributes, stack.shape[1:], file, lookup or find_geometry(stack, folder), lalo)
    if pixel is None:
        message = f"{file} has no reference pixel: give --yx or --lalo"
        raise click.UsageError(message)
    place = target or Path(f"coherenceMatrix_y{pixel[0]}_x{pixel[1]}.png")
    say(f"figure: {draw_pixel(stack, folder, pixel, place, options, background=img_file)}")
