"""creepmeter scenes search."""

from __future__ import annotations

from pathlib import Path

import click

from creepmeter.cli.flags import access_flags, area_flags, file_out, options_from, require_other
from creepmeter.cli.group import BoxVerb
from creepmeter.cli.progress import shown_progress
from creepmeter.cli.run import end_with
from creepmeter.cli.session import say
from creepmeter.imagery.scene_options import SceneSearchOptions, SelectOptions

_FEW = 40  # scenes that are all named on screen; the table has every one


@click.command(
    cls=BoxVerb,
    example="creepmeter scenes search aoi.geojson --years 2016/2023 --around 11-22 --buffer-m 500 -o scenes.json",
)
@click.argument("aoi", metavar="AOI")
@file_out((".json", ".geojson"), "List of the scenes that are kept; a table (.csv) and a figure (.png) lie beside it.")
@area_flags
@options_from(SceneSearchOptions, rename={"collections": "--collection"}, given_as="search")
@options_from(SelectOptions, given_as="choice")
@access_flags
def command(
    aoi: str,
    target: Path | None,
    buffer_m: float,
    crs: str | None,
    search: SceneSearchOptions,
    choice: SelectOptions,
    hosts: tuple[str, ...],
    folders: tuple[Path, ...],
) -> None:
    """Find the optical scenes of an area, and choose among them.

    AOI is a vector file (GeoJSON, GeoPackage, KML, Shapefile, WKT), WKT itself, or a box W,S,E,N; in degrees, W greater
    than E crosses the 180th meridian. The catalogue needs the internet, but no account; of each scene that may be kept
    the mask inside the area is read. Scenes of one orbit and one tile are kept: those that show the area in most years
    (with --around), else on most dates.
    """
    from creepmeter.imagery.access import allowed, is_file_here
    from creepmeter.imagery.area import read_area
    from creepmeter.imagery.find import find_scenes
    from creepmeter.imagery.item_list import write_items
    from creepmeter.imagery.select import require_some
    from creepmeter.products.canvas import save_figure
    from creepmeter.products.scene_choice import dropped_in_words, save_scene_table, scene_figure

    if target is not None:
        for source in (aoi, search.catalogue):
            if is_file_here(source):
                require_other(Path(source), target)
    area = read_area(aoi, buffer_m=buffer_m, crs=crs)
    with shown_progress() as progress:
        found, selection = find_scenes(area, search, choice, policy=allowed(hosts, folders), progress=progress)
    shown = selection.verdicts if len(selection.verdicts) <= _FEW else [one for one in selection.verdicts if one.kept]
    for one in shown:
        mark = "kept   " if one.kept else "dropped"
        say(f"{str(one.scene.time)[:10]}  {mark}  {one.scene.source}: {one.reason}")
    if len(shown) < len(selection.verdicts):
        say(dropped_in_words(selection.verdicts))
    if target is not None and selection.verdicts:
        say(f"table: {save_scene_table(selection.verdicts, target.with_suffix('.csv'))}")
        figure = scene_figure(selection.verdicts, around=search.around)
        say(f"figure: {save_figure(figure, target.with_suffix('.png'))}")
    require_some(selection, found, choice)
    for window in selection.empty:
        say(f"no clear scene near {window.middle}")
    if target is not None:
        write_items(target, (one.item for one in selection.kept), area)
        say(f"{target}: {len(selection.kept)} of {len(found.scenes)} scenes")
    end_with((*found.left_out, *selection.left_out))
