"""creepmeter view."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import FILE, PRODUCT, file_out, options_from
from creepmeter.cli.group import Verb
from creepmeter.cli.session import say
from creepmeter.products.options import ViewOptions

FIGURES = (".png", ".pdf", ".svg")


@click.command(cls=Verb, example="creepmeter view run/velocity.zarr --background scenes/20230814.tif -o velocity.png")
@click.argument("file", type=PRODUCT)
@click.argument("name", required=False)
@file_out(FIGURES, "Figure to make (.png, .pdf, .svg); default: name of the product, in the working folder.")
@click.option("--background", type=FILE, help="Image behind the map.")
@click.option("--relief", type=FILE, help="Heights, metres, drawn as hillshade behind the map.")
@click.option("--outlines", type=FILE, help="Polygons, or a raster, whose borders are drawn over the map.")
@click.option(
    "--pixel-size",
    type=click.FloatRange(min=0, min_open=True),
    help="Edge of a pixel of a background without georeference, metres.",
)
@options_from(ViewOptions)
def command(
    file: Path,
    name: str | None,
    target: Path | None,
    background: Path | None,
    relief: Path | None,
    outlines: Path | None,
    pixel_size: float | None,
    options: ViewOptions,
) -> None:
    """Draw a product as a map.

    NAME is a variable such as sigma; by default the main one is drawn.
    """
    from creepmeter.io.store import open as open_product
    from creepmeter.products.canvas import save_figure
    from creepmeter.products.view import view
    from creepmeter.workflow.verbs import backdrop

    if background is not None and relief is not None:
        message = "give one of --background and --relief"
        raise click.UsageError(message)
    product = open_product(file)
    behind = backdrop(product, image=background, relief=relief, outlines=outlines, pixel_size_m=pixel_size)
    figure = view(product, name, options=options, backdrop=behind)
    place = target or Path(f"{file.resolve().stem}{'' if name is None else '-' + name}.png")
    say(f"figure: {save_figure(figure, place, dpi=options.dpi)}")
