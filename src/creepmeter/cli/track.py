"""creepmeter track."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import FILE, memory_flag, options_from, store_out
from creepmeter.cli.group import Verb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.session import announce_compilation, say
from creepmeter.tracking.options import TrackOptions


@click.command(
    cls=Verb, example="creepmeter track 20200801.tif 20210805.tif -o pair.zarr --chip 32 --step 8 --search 10"
)
@click.argument("ref", type=FILE)
@click.argument("sec", type=FILE)
@store_out
@click.option("--exclude", type=FILE, help="Polygons or raster: nonzero is missing (cloud, shadow, water).")
@click.option("--within", type=FILE, help="Polygons or raster: nonzero is where to measure.")
@click.option(
    "--pixel-size",
    type=click.FloatRange(min=0, min_open=True),
    help="Edge of a pixel, metres; needed for images without georeference.",
)
@click.option("--nodata", type=float, help="Value that means missing, where the files do not say it themselves.")
@click.option("--dates", nargs=2, metavar="REF SEC", help="Dates of the images, YYYYMMDD; default: from their names.")
@memory_flag
@options_from(
    TrackOptions,
    rename={"chip_px": "--chip", "step_px": "--step", "search_px": "--search", "chip_max_px": "--chip-max"},
)
def command(
    ref: Path,
    sec: Path,
    target: Path,
    exclude: Path | None,
    within: Path | None,
    pixel_size: float | None,
    nodata: float | None,
    dates: tuple[str, str] | None,
    memory_gb: float,
    options: TrackOptions,
) -> None:
    """Measure the offsets between two images.

    REF is the earlier and SEC the later image, on one grid. The result is a stack of one pair, in metres.
    """
    from creepmeter.workflow.verbs import ImagePair, displacement_summary, track_files

    announce_compilation()
    images = ImagePair(ref, sec, exclude, within, pixel_size, nodata, dates)
    with shown_progress() as progress:
        stack = track_files(images, target, options, memory_gb=memory_gb, progress=progress)
    say(f"{target}: {displacement_summary(stack)}")
