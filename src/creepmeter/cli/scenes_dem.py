"""creepmeter scenes dem."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import access_flags, area_flags, file_out, options_from
from creepmeter.cli.group import BoxVerb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.run import end_with
from creepmeter.cli.session import say
from creepmeter.imagery.options import HeightOptions, ReadOptions


@click.command(cls=BoxVerb, example="creepmeter scenes dem aoi.geojson --buffer-m 500 -o dem.tif")
@click.argument("aoi", metavar="AOI")
@file_out((".tif", ".tiff"), "GeoTIFF of heights to make.  [default: dem.tif]")
@area_flags
@options_from(HeightOptions)
@options_from(ReadOptions, leave_out=("jobs",), given_as="reading")
@access_flags
def command(
    aoi: str,
    target: Path | None,
    buffer_m: float,
    crs: str | None,
    options: HeightOptions,
    reading: ReadOptions,
    hosts: tuple[str, ...],
    folders: tuple[Path, ...],
) -> None:
    """Make a file of heights (DEM) of an area from a catalogue.

    AOI is what `scenes search` takes. The tiles that touch the area are read in part, with some ground about it, and
    joined; pixels stay those of the tiles. A tile that cannot be read is named, and the others go on. The default, the
    Copernicus DEM of 30 m, needs no account. A run takes the file as `output: {dem: dem.tif}`, or makes it itself with
    `scenes: {dem: true}`.
    """
    from creepmeter.imagery.access import allowed
    from creepmeter.imagery.area import read_area
    from creepmeter.imagery.asking import with_source
    from creepmeter.imagery.heights import fetch_heights
    from creepmeter.imagery.remote import Access
    from creepmeter.model.grid import describe_grid

    made = target or Path("dem.tif")
    area = read_area(aoi, buffer_m=buffer_m, crs=crs)
    policy = with_source(allowed(hosts, folders), options.catalogue)
    with shown_progress() as progress, Access(policy, reading) as access:
        done = fetch_heights(area, made, access, options=options, progress=progress)
    say(f"{made}: {len(done.tiles)} tile(s); {describe_grid(done.grid)}")
    if done.unknown:
        say(f"{100 * done.unknown:.1f} % of the area has no height: sea, holes, or tiles that are not there")
    end_with(done.left_out)
