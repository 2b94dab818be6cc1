"""creepmeter tsview."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from creepmeter.cli.flags import PRODUCT, changed, file_out
from creepmeter.cli.gnss_flags import gnss_flags, gnss_options
from creepmeter.cli.group import Verb
from creepmeter.cli.run import end_with
from creepmeter.cli.session import say
from creepmeter.cli.view import FIGURES
from creepmeter.products.options import ViewOptions

if TYPE_CHECKING:
    from creepmeter.model.station import Overlay


@click.command(cls=Verb, example="creepmeter tsview timeseries.h5 --yx 120 200 -o point.png")
@click.argument("file", type=PRODUCT)
@click.option("--yx", nargs=2, type=int, multiple=True, metavar="ROW COLUMN", help="Pixel to show; may come 5 times.")
@click.option(
    "--lalo",
    nargs=2,
    type=float,
    multiple=True,
    metavar="LAT LON",
    help="The same by place, degrees (or y and x).",
)
@click.option("-n", "--num", type=int, default=-1, show_default=True, help="Number of the date of the map, from 0.")
@click.option("--component", help="Component to show, such as north of an optical series.  [default: the first]")
@click.option("-u", "--unit", help="Unit to draw in: m, cm, mm.")
@click.option("-v", "--vlim", nargs=2, type=float, metavar="LOW HIGH", help="Ends of the colours.")
@click.option("-c", "--cmap", "--colormap", "cmap", help="Colour map.")
@click.option("-m", "--mask", type=PRODUCT, help="Mask of the same map: pixels where it is 0 are left out.")
@click.option("--ref-yx", nargs=2, type=int, metavar="ROW COLUMN", help="Pixel that all others count from.")
@click.option("--ref-lalo", nargs=2, type=float, metavar="LAT LON", help="The same by place, degrees (or y and x).")
@click.option("--ref-date", help="Date that all others count from, YYYYMMDD.")
@click.option(
    "--gnss", "--gps", "stations", multiple=True, metavar="STATION", help="Its series is drawn over that of its pixel."
)
@gnss_flags
@click.option("--save", is_flag=True, help="Write the figure and open no window.")
@click.option("--nodisplay", is_flag=True, help="The same.")
@file_out(
    FIGURES,
    "Figure to make; also where there is no display. Default: NAME-ts.png in the working folder.",
    also=("--outfile",),
)
def command(file: Path, target: Path | None, **given: Any) -> None:  # noqa: ANN401 - flags
    """Show the displacement of points over time beside a map.

    Opens a window: a click shows a point, the right button adds one, the arrow keys change the date of the map. With
    -o, --save, or where there is no display, the figure is written to a file.
    """
    from creepmeter.products.canvas import save_figure
    from creepmeter.products.tsview import series_view, show_series
    from creepmeter.products.window import masked, relative
    from creepmeter.workflow.pictures import cell_of, mask_of, open_series

    limits = given["vlim"] or (None, None)
    chosen = gnss_options(given)
    series = masked(open_series(file), "displacement", mask_of(given["mask"]))
    reference = given["ref_yx"]
    if given["ref_lalo"] is not None:
        if reference is not None:
            message = "give one of --ref-yx and --ref-lalo"
            raise click.UsageError(message)
        reference = cell_of(file, series, given["ref_lalo"])
    options = changed(
        ViewOptions(),
        component=given["component"],
        unit=given["unit"],
        cmap=given["cmap"],
        vmin=limits[0],
        vmax=limits[1],
        ref_date=given["ref_date"],
        ref_yx=None if reference is None else tuple(reference),
    )
    series = relative(series, "displacement", options)
    overlays: tuple[Overlay, ...] = ()
    places: tuple[tuple[int, int], ...] = ()
    left_out: tuple[str, ...] = ()
    if given["stations"]:
        from creepmeter.workflow.gnss_view import station_overlays

        names = [name for text in given["stations"] for name in text.split(",") if name]
        beside = station_overlays(file, series, given["geometry"], chosen, names)
        overlays, places, left_out = beside.overlays, beside.cells, beside.left_out
        if reference is None and beside.reference is not None:
            options = changed(options, ref_yx=beside.reference)
            series = relative(series, "displacement", options)
    cells = [tuple(cell) for cell in given["yx"]] + [cell_of(file, series, place) for place in given["lalo"]]
    cells += places
    windowed = target is None and not given["save"] and not given["nodisplay"]
    if windowed and show_series(series, cells, options=options, overlays=overlays):
        end_with(left_out)
        return
    place = target or Path(f"{file.resolve().stem}-ts.png")
    figure = series_view(series, cells, options=options, date=given["num"], overlays=overlays)
    say(f"figure: {save_figure(figure, place, dpi=200)}")
    end_with(left_out)
