"""creepmeter scenes fetch."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import FILE, access_flags, area_flags, options_from, writable
from creepmeter.cli.group import Verb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.run import end_with
from creepmeter.cli.session import say
from creepmeter.imagery.options import SceneFetchOptions


@click.command(cls=Verb, example="creepmeter scenes fetch scenes.json -o scenes")
@click.argument("listed", metavar="LIST", type=FILE)
@click.option(
    "-o",
    "--output",
    "folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder of the images.",
)
@click.option("--aoi", metavar="AOI", help="Area to cut out.  [default: the one that was searched]")
@area_flags
@options_from(SceneFetchOptions)
@access_flags
def command(
    listed: Path,
    folder: Path,
    aoi: str | None,
    buffer_m: float,
    crs: str | None,
    options: SceneFetchOptions,
    hosts: tuple[str, ...],
    folders: tuple[Path, ...],
) -> None:
    """Make a folder of images of one area from the scenes of a LIST.

    Of each scene the window of the area is read, and nothing else. It becomes an image of reflectance (NaN where there
    is none), a mask of clouds and shadows beside it, and a JSON file that says where both came from. Scenes that are
    there are not read again; one that cannot be read is named, and the others go on. A run reads the folder as
    `images: {files: "DIR/*.tif", exclude: "DIR/*_mask.tif"}`.
    """
    from creepmeter.imagery.access import allowed
    from creepmeter.imagery.area import AreaOfInterest, read_area
    from creepmeter.imagery.item_list import read_items
    from creepmeter.imagery.remote import Access
    from creepmeter.imagery.scenes_fetch import fetch_scenes
    from creepmeter.model.grid import describe_grid

    found = read_items(listed)
    if aoi is None and (buffer_m or crs):
        message = "--buffer-m and --crs go with --aoi: the area of a LIST has its buffer already"
        raise click.UsageError(message)
    area: AreaOfInterest | None = found.area if aoi is None else read_area(aoi, buffer_m=buffer_m, crs=crs)
    if area is None:
        message = f"{listed} does not tell an area: give --aoi FILE or W,S,E,N"
        raise click.UsageError(message)
    policy = allowed(hosts, (*folders, listed.absolute().parent))
    with shown_progress() as progress, Access(policy, options) as access:
        done = fetch_scenes(
            found.items, area, writable(folder), access, options=options, base=listed.absolute(), progress=progress
        )
    for text in done.doubles:
        say(f"not taken: {text}")
    if done.others:
        say(f"{len(done.others)} image(s) of scenes that are not in the list stay in the folder")
    say(f"{folder}: {len(done.new)} image(s) made, {len(done.present)} there already; {describe_grid(done.grid)}")
    end_with(done.failed)
