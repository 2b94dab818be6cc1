"""creepmeter track."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from creepmeter.cli.flags import FILE, memory_flag, options_from, store_name, writable
from creepmeter.cli.group import Verb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.session import announce_compilation, say
from creepmeter.tracking.options import TrackOptions

_TABLE = ".csv"


def _target(context: click.Context, parameter: click.Parameter, value: Path) -> Path:
    return writable(value) if value.suffix == _TABLE else store_name(context, parameter, value)


def _grid(_context: click.Context, _parameter: click.Parameter, value: str | None) -> Path | float | None:
    if value is None or Path(value).is_file():
        return None if value is None else Path(value)
    try:
        return float(value)
    except ValueError as problem:
        message = f"{value!r} is neither a raster nor a number of metres"
        raise click.BadParameter(message) from problem


@click.command(
    cls=Verb, example="creepmeter track 20200801.tif 20210805.tif -o pair.zarr --chip 32 --step 8 --search 10"
)
@click.argument("ref", type=FILE)
@click.argument("sec", type=FILE)
@click.option(
    "-o",
    "--output",
    "target",
    required=True,
    type=click.Path(path_type=Path),
    callback=_target,
    metavar="OUT.zarr",
    help="Product to make, or OUT.csv with --points; one that is there is replaced when the new one is whole.",
)
@click.option(
    "--grid",
    callback=_grid,
    metavar="FILE|METRES",
    help="Measure at the pixel centres of this raster (a DEM, say), or every so many metres; else every --step pixels.",
)
@click.option("--points", type=FILE, help="Measure at these points only: CSV with x,y or lon,lat, or a vector file.")
@click.option("--crs", help="Reference system of --points, such as EPSG:32633; default: the file's, or the images'.")
@click.option("--prior", type=FILE, help="Raster of expected motion, bands east and north, about which is searched.")
@click.option(
    "--prior-unit",
    type=click.Choice(["m", "m/yr"]),
    default="m",
    show_default=True,
    help="Unit of --prior: displacement between the two dates, or velocity.",
)
@click.option(
    "--search-map",
    type=FILE,
    help="Raster of search radii, pixels (one band, or x and y), in place of --search; 0: do not measure.",
)
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
    rename={
        "chip_px": "--chip",
        "chip_max_px": "--chip-max",
        "step_px": "--step",
        "search_px": "--search",
        "search_y_px": "--search-y",
    },
)
def command(ref: Path, sec: Path, target: Path, points: Path | None, options: TrackOptions, **given: Any) -> None:  # noqa: ANN401 - flags
    """Measure the offsets between two images.

    REF is the earlier and SEC the later image, on one grid. The result is a stack of one pair, in metres, or with
    --points a table.
    """
    from creepmeter.tracking.nodes import Guide
    from creepmeter.workflow.verbs import ImagePair, displacement_summary, track_files, track_listed_points

    _require_fitting(points, target, given)
    announce_compilation()
    guide = Guide(given["prior"], given["prior_unit"], given["search_map"])
    known = {name: given[name] for name in ("exclude", "within", "nodata", "dates", "grid")}
    guided = guide.prior is not None or guide.search_map is not None
    images = ImagePair(ref, sec, pixel_size_m=given["pixel_size"], guide=guide if guided else None, **known)
    limits = {"memory_gb": given["memory_gb"]}
    if points is not None:
        say(f"{target}: {track_listed_points(images, points, target, options, crs=given['crs'], **limits)}")
        return
    with shown_progress() as progress:
        stack = track_files(images, target, options, progress=progress, **limits)
    say(f"{target}: {displacement_summary(stack)}")


def _require_fitting(points: Path | None, target: Path, given: dict[str, Any]) -> None:
    """Check that the flags of points and of grids are not mixed."""
    if (points is not None) != (target.suffix == _TABLE):
        message = f"-o {target}: --points makes a table, OUT.csv, and everything else a product, OUT.zarr"
        raise click.UsageError(message)
    if points is not None and given["grid"] is not None:
        message = "--points and --grid both say where to measure: give one of them"
        raise click.UsageError(message)
    if points is None and given["crs"] is not None:
        message = "--crs is the reference system of --points, which is not given"
        raise click.UsageError(message)
