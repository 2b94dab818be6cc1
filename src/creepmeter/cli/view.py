"""creepmeter view."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from creepmeter.cli.flags import FILE, PRODUCT, changed, file_out, options_from
from creepmeter.cli.gnss_flags import gnss_flags, gnss_options
from creepmeter.cli.group import Verb
from creepmeter.cli.run import end_with, few
from creepmeter.cli.session import say
from creepmeter.products.options import ViewOptions

if TYPE_CHECKING:
    from creepmeter.products.station_layer import StationLayer, StationStyle

FIGURES = (".png", ".pdf", ".svg")
F = TypeVar("F", bound=Callable[..., Any])
_RENAMED = {"unit": "-u", "cmap": ("-c", "--cmap", "--colormap"), "title": ("--title", "--fig-title", "--figtitle")}
_WINDOW = ("sub_y", "sub_x", "sub_lat", "sub_lon", "ref_yx", "wrap_range")


def window_flags(function: F) -> F:
    """Add the flags that take two numbers, as MintPy spells them."""
    flags = [
        click.option("-v", "--vlim", nargs=2, type=float, metavar="LOW HIGH", help="Ends of the colours."),
        click.option("--sub-y", nargs=2, type=int, metavar="FIRST LAST", help="Rows to draw."),
        click.option("--sub-x", nargs=2, type=int, metavar="FIRST LAST", help="Columns to draw."),
        click.option("--sub-lat", nargs=2, type=float, metavar="SOUTH NORTH", help="Latitudes (or y) to draw."),
        click.option("--sub-lon", nargs=2, type=float, metavar="WEST EAST", help="Longitudes (or x) to draw."),
        click.option("--ref-yx", nargs=2, type=int, metavar="ROW COLUMN", help="Pixel that the map counts from."),
        click.option("--wrap-range", nargs=2, type=float, metavar="LOW HIGH", help="Interval of wrapped values."),
        click.option("--noreference", is_flag=True, help="Draw no square around the reference pixel."),
        click.option("--nodisplay", is_flag=True, help="Taken for MintPy's sake: a figure is always a file."),
        click.option("--save", is_flag=True, help="Taken for MintPy's sake: a figure is always a file."),
    ]
    for flag in reversed(flags):
        function = flag(function)
    return function


def with_window(options: ViewOptions, given: dict[str, Any]) -> ViewOptions:
    """Return options with the flags of `window_flags` over them; these are taken out of `given`."""
    given.pop("nodisplay"), given.pop("save")
    pairs = {name: given.pop(name) for name in _WINDOW}
    limits = given.pop("vlim")
    values: dict[str, Any] = {name: tuple(pair) for name, pair in pairs.items() if pair is not None}
    if given.pop("noreference"):
        values["mark_reference"] = False
    if limits is not None:
        values |= {"vmin": limits[0], "vmax": limits[1]}
    return changed(options, **values) if values else options


@click.command(cls=Verb, example="creepmeter view velocity.h5 velocity -v -5 5 -u cm/year -d inputs/geometryGeo.h5")
@click.argument("file", type=PRODUCT)
@click.argument("names", nargs=-1)
@file_out(
    FIGURES,
    "Figure to make (.png, .pdf, .svg); default: name of the product, in the working folder.",
    also=("--outfile",),
)
@click.option("--background", type=FILE, help="Image behind the map.")
@click.option("-d", "--dem", "--relief", "relief", type=FILE, help="Heights, metres, drawn as hillshade behind it.")
@click.option("-m", "--mask", type=PRODUCT, help="Mask of the same map: pixels where it is 0 are left out.")
@click.option("--outlines", type=FILE, help="Polygons, or a raster, whose borders are drawn over the map.")
@click.option(
    "--pixel-size",
    type=click.FloatRange(min=0, min_open=True),
    help="Edge of a pixel of a background without georeference, metres.",
)
@click.option("--ref-lalo", nargs=2, type=float, metavar="LAT LON", help="The same as --ref-yx, by place.")
@click.option("--show-gnss", "--show-gps", is_flag=True, help="Draw the GNSS stations on the map; see the flags below.")
@click.option("--gnss-label", "--gps-label", is_flag=True, help="Write their names.")
@click.option("--gnss-ms", "--gps-ms", type=float, default=6.0, show_default=True, help="Their size, points.")
@click.option("--mask-gnss", "--mask-gps", is_flag=True, help="Only those where the map has a value.")
@gnss_flags
@window_flags
@options_from(ViewOptions, rename=_RENAMED, leave_out=(*_WINDOW, "mark_reference"))
def command(file: Path, names: tuple[str, ...], target: Path | None, options: ViewOptions, **given: Any) -> None:  # noqa: ANN401 - flags of the window
    """Draw a product as a map, or its dates and pairs as panels.

    NAMES are a variable (sigma), a date or pair, or both in one (unwrapPhase-20180105_20180129); by default the main
    variable is drawn. Files in MintPy's layout are drawn under the names and in the units that MintPy gives them.
    """
    from creepmeter.products.canvas import save_figure
    from creepmeter.products.view import split_names, view
    from creepmeter.products.window import window
    from creepmeter.workflow.pictures import background_of, cell_of, mask_of, open_to_draw, with_area

    if given["background"] is not None and given["relief"] is not None:
        message = "give one of --background and --dem"
        raise click.UsageError(message)
    reference = given.pop("ref_lalo")
    if reference is not None and given["ref_yx"] is not None:
        message = "give one of --ref-yx and --ref-lalo"
        raise click.UsageError(message)
    product = open_to_draw(file)
    if reference is not None:
        given["ref_yx"] = cell_of(file, product, reference)
    variable, index = split_names(product, names)
    stations, style = _stations(file, index, options, given)
    options = with_area(file, with_window(options, given))
    if index:
        options = changed(options, index=index)
    behind = background_of(product, given["background"], given["relief"], given["outlines"], given["pixel_size"])
    figure = view(product, variable, options=options, backdrop=behind, mask=mask_of(given["mask"]))
    if stations.dots:
        stations.draw(figure, window(product, options), variable, options, look=style)
    place = target or Path(f"{file.resolve().stem}{_ending(names)}.png")
    say(f"figure: {save_figure(figure, place, dpi=options.dpi)}")
    end_with(few(stations.left_out))


def _stations(
    file: Path, index: Sequence[str], options: ViewOptions, given: dict[str, Any]
) -> tuple[StationLayer, StationStyle]:
    """Return the stations that the flags ask for; with a reference station the map counts from its pixel."""
    from creepmeter.products.station_layer import StationLayer, StationStyle
    from creepmeter.workflow.gnss_view import station_layer

    wanted, coloured, geometry = given.pop("show_gnss"), given["gnss_comp"] is not None, given.pop("geometry")
    coloured = coloured or given["ref_gnss"] is not None
    style = StationStyle(given.pop("gnss_label"), given.pop("gnss_ms"), given.pop("mask_gnss"))
    chosen = gnss_options(given)
    if not wanted:
        return StationLayer(), style
    dates = [*index, *([] if options.ref_date is None else [options.ref_date])] if len(index) == 1 else []
    layer = station_layer(file, geometry, chosen, dates=dates, coloured=coloured)
    if layer.reference is not None and given["ref_yx"] is None:
        given["ref_yx"] = layer.reference
    return layer, style


def _ending(names: Sequence[str]) -> str:
    return "".join(f"-{name}" for name in names[:1])
