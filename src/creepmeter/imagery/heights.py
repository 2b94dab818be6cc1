"""Heights of an area from a STAC collection: tiles are searched for, read in part, and joined without resampling."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from affine import Affine

from creepmeter.blocks import NullProgress, Progress
from creepmeter.errors import CreepmeterError, InputError, ServiceError
from creepmeter.imagery.access import is_address, without_secrets
from creepmeter.imagery.area import AreaOfInterest, near_longitude
from creepmeter.imagery.attempts import no_addresses_logged
from creepmeter.imagery.catalogue import gather
from creepmeter.imagery.found import footprint_of, name_of
from creepmeter.imagery.options import HeightOptions
from creepmeter.imagery.query import Gathered, Query, plain_item
from creepmeter.imagery.remote import Access
from creepmeter.imagery.scene_options import AskOptions
from creepmeter.imagery.scenes_fetch import most_pixels
from creepmeter.imagery.windows import TooLargeError, covering_grid, grid_of_raster, href_of
from creepmeter.io.provenance import provenance
from creepmeter.io.raster import write_geotiff
from creepmeter.io.rasterfile import Raster, read_part
from creepmeter.io.vector import burn_mask
from creepmeter.io.warp import resample
from creepmeter.model.grid import Grid, common_part, part_of_grid

Heights = npt.NDArray[np.float32]
MOST_TILES = 400
_ASSETS = ("data", "elevation", "dem", "DEM", "height")  # keys under which catalogues keep heights
_METRES = {"", "m", "metre", "metres", "meter", "meters"}
_LOWEST_M, _HIGHEST_M = -1000.0, 9500.0  # of the ground; what lies beyond is a number that means missing
_MARGIN_M, _MARGIN = (
    300.0,
    0.05,
)  # ground about the area; images are boxes in a system turned against north by 3 degrees
_AROUND_PX = 2  # what resampling needs
_DEGREE_M = 111_320.0
_TURN = 360.0
_BUCKET = re.compile(r"s3://([a-z0-9][a-z0-9-]{1,61}[a-z0-9])/(.+)", re.DOTALL)


@dataclass(frozen=True)
class HeightTile:
    """A raster of heights in a catalogue.

    Parameters
    ----------
    name : str
        Id of its item.
    href : str
        Address or path.
    """

    name: str
    href: str = field(repr=False)


@dataclass(frozen=True)
class FetchedHeights:
    """What was done.

    Parameters
    ----------
    grid : Grid
        Of the file.
    tiles : tuple of str
        Names of the tiles that it was made from.
    unknown : float
        Share of the area without height, 0 to 1.
    left_out : tuple of str
        Tiles that could not be read, and why.
    """

    grid: Grid
    tiles: tuple[str, ...]
    unknown: float
    left_out: tuple[str, ...]


def fetch_heights(
    area: AreaOfInterest,
    target: Path,
    access: Access,
    *,
    options: HeightOptions | None = None,
    progress: Progress | None = None,
) -> FetchedHeights:
    """Write the heights of an area and of some ground about it as one GeoTIFF, whole or not at all.

    Parameters
    ----------
    area : AreaOfInterest
        Where.
    target : Path
        GeoTIFF to make, float32 metres, NaN = not known. It has the pixels of the tiles; of the finest, where they
        differ, and only the others are then resampled.
    access : Access
        How catalogue and tiles are reached; its policy allows the catalogue.
    options : HeightOptions, optional
        Catalogue, collection, memory.
    progress : Progress, optional
        Counts tiles.

    Raises
    ------
    InputError
        The collection has no height of the area, or the area is too large.
    ServiceError
        The catalogue, or no tile, can be read.
    StoreError
        The file cannot be written.
    """
    chosen, shown_to = options or HeightOptions(), progress or NullProgress()
    box = _with_margin(area)
    tiles, left_out, source = search_heights(box, chosen, access, progress=shown_to)
    parts: dict[str, _Part] = {}
    failed = list(left_out)
    shown_to.start("read heights", len(tiles))
    try:
        with no_addresses_logged():
            for tile in tiles:
                part, why = _part_or_reason(tile, box, access, most_pixels(chosen.memory_gb))
                parts |= {} if part is None else {tile.name: part}
                failed += [] if why is None else [f"{tile.name}: {why}"]
                shown_to.advance(1)
    finally:
        shown_to.finish()
    if not parts:
        _refuse(area, chosen, failed)
    values, grid = _joined(list(parts.values()))
    unknown = _unknown_share(values, grid, area)
    if unknown >= 1:
        message = f"{chosen.collection} has no height of {area.name}: is it sea, or beyond what the collection covers?"
        raise InputError(message)
    shown = {tile.name: _shown(tile.href) for tile in tiles if tile.name in parts}
    write_geotiff(target, values, grid, names=["height"], tags=_tags(chosen, source, shown, failed), cog=True)
    return FetchedHeights(grid, tuple(parts), unknown, tuple(failed))


def _with_margin(area: AreaOfInterest) -> AreaOfInterest:
    west, south, east, north = area.shape.bounds
    wide = (east - west) * math.cos(math.radians((south + north) / 2))
    return area.box_around(max(_MARGIN_M, _MARGIN * _DEGREE_M * max(wide, north - south)))


def _refuse(area: AreaOfInterest, options: HeightOptions, failed: Sequence[str]) -> None:
    if failed:
        message = f"no tile of {options.collection} can be read; the first: {failed[0]}"
        raise ServiceError(message)
    message = (
        f"{options.catalogue} has no tile of {options.collection} at {area.name}: correct --collection or the area "
        "(there are no tiles of the sea)"
    )
    raise InputError(message)


def _tags(options: HeightOptions, source: str, tiles: Mapping[str, str], failed: Sequence[str]) -> dict[str, str]:
    """Return where heights come from; without the time, so that the same heights are the same file."""
    made = provenance({"catalogue": source, "collection": options.collection}, {})
    kept = {name: value for name, value in made.items() if name not in ("inputs", "created")}
    return {"UNIT": "m", "PROVENANCE": json.dumps({**kept, "tiles": dict(tiles), "left_out": list(failed)})}


def _shown(href: str) -> str:
    return without_secrets(href) if is_address(href) else Path(href).name


# -------------------------------------------------------------------------------------------------------------- search


def search_heights(
    area: AreaOfInterest, options: HeightOptions, access: Access, *, progress: Progress | None = None
) -> tuple[tuple[HeightTile, ...], tuple[str, ...], str]:
    """Return the tiles of heights that touch an area, in order of their names; what is left out; the catalogue.

    Parameters
    ----------
    area : AreaOfInterest
        Where.
    options : HeightOptions
        Catalogue and collection.
    access : Access
        Its policy, clock and limits hold for the catalogue too.
    progress : Progress, optional
        Counts the search.

    Raises
    ------
    ServiceError
        The catalogue does not answer, refuses, or is none.
    """
    reading = access.options
    asking = AskOptions(tries=reading.tries, wait_s=reading.wait_s, timeout_s=reading.timeout_s)
    query = Query(options.catalogue, area, (None,), "heights", (options.collection,))
    gathered = _GatheredTiles(area, options.collection)
    source = gather(query, gathered, asking, policy=access.policy, clock=access.clock, progress=progress)
    return tuple(sorted(gathered.tiles, key=lambda tile: tile.name)), gathered.left_out, source


class _GatheredTiles(Gathered):
    """Tiles as they come in."""

    def __init__(self, area: AreaOfInterest, collection: str) -> None:
        super().__init__(MOST_TILES)
        self._area, self._collection = area, collection
        self.tiles: list[HeightTile] = []

    @property
    def count(self) -> int:
        return len(self.tiles)

    def consider(self, item: Mapping[str, Any], base: str) -> None:
        if item.get("collection") != self._collection:
            return
        name, outline = name_of(item), footprint_of(item)
        if not near_longitude(outline, self._area.shape.centroid.x).intersects(self._area.shape):
            return
        if self.is_full:
            self.leave_out(f"more than {self.most} tiles: the others are not read; give a smaller area")
            return
        plain = plain_item(item, base)
        self.tiles.append(HeightTile(name, _public(href_of(plain, _asset_key(plain)))))


def _asset_key(item: Mapping[str, Any]) -> str:
    """Return the key of the heights: a customary one, else that of the only GeoTIFF."""
    assets = item["assets"]
    rasters = [key for key, asset in assets.items() if str(asset.get("type")).startswith("image/tiff")]
    customary = [key for key in _ASSETS if key in assets]
    if not customary and len(rasters) != 1:
        message = (
            f"item {item.get('id')!r:.90} does not tell which of {', '.join(assets) or 'no asset'} holds heights: take "
            "another collection"
        )
        raise InputError(message)
    return (customary or rasters)[0]


def _public(href: str) -> str:
    """Return the https address of a file in a bucket that is open to all, as Earth Search names those of heights."""
    found = _BUCKET.fullmatch(href)
    return f"https://{found[1]}.s3.amazonaws.com/{found[2]}" if found else href


# ------------------------------------------------------------------------------------------------------------- reading


@dataclass(frozen=True)
class _Part:
    """What a tile shows of the box.

    Parameters
    ----------
    values : array, (y, x)
        Metres.
    grid : Grid
        Of the values.
    whole : Grid
        Of all the box, in pixels of the tile.
    """

    values: Heights
    grid: Grid
    whole: Grid


def _part_or_reason(
    tile: HeightTile, box: AreaOfInterest, access: Access, most: int
) -> tuple[_Part | None, str | None]:
    """Return what a tile shows, nothing where it does not touch the box, or why it cannot be read."""
    try:
        with access.open(tile.href) as raster:
            return _part(raster, tile.name, box, most), None
    except TooLargeError:
        raise
    except CreepmeterError as problem:
        return None, str(problem)
    except OSError as problem:  # of files on this machine
        return None, f"it cannot be read ({problem.strerror or type(problem).__name__})"


def _part(raster: Raster, name: str, box: AreaOfInterest, most: int) -> _Part | None:
    unit = str(raster.units[0] or "").strip()
    if unit.lower() not in _METRES:
        message = f"its heights are in {unit!r:.40}, not in metres: take another collection"
        raise InputError(message)
    own = _near(grid_of_raster(raster, name), box)
    whole = covering_grid(box, own, max_pixels=most)
    around = part_of_grid(whole, *(slice(-_AROUND_PX, size + _AROUND_PX) for size in whole.shape))
    shared = common_part(own, around)
    if shared is None:
        return None
    theirs, ours = shared
    stored, valid = read_part(raster, *theirs)
    heights = stored * raster.scales[0] + raster.offsets[0]
    valid = valid & (heights >= _LOWEST_M) & (heights <= _HIGHEST_M)
    return _Part(np.where(valid, heights, np.nan).astype(np.float32), part_of_grid(around, *ours), whole)


def _near(grid: Grid, box: AreaOfInterest) -> Grid:
    """Return a grid in degrees moved by whole turns to the side of the 180th meridian where the box is."""
    if grid.crs is None or not grid.crs.geographic:
        return grid
    a, b, west, d, e, north = grid.affine[:6]
    turns = round((box.shape.centroid.x - (west + a * grid.shape[1] / 2)) / _TURN)
    return Grid(grid.shape, Affine(a, b, west + turns * _TURN, d, e, north), grid.crs)


# ------------------------------------------------------------------------------------------------------------- joining


def _joined(parts: Sequence[_Part]) -> tuple[Heights, Grid]:
    """Return all parts on the pixels of the finest; a pixel in two tiles has the height of the first that knows it."""
    grid = min(parts, key=lambda part: _cell(part.grid)).whole
    joined = np.full(tuple(grid.shape), np.nan, np.float32)
    others = []
    for part in parts:
        shared = common_part(part.grid, grid)
        if shared is None:
            others.append(part)
        else:
            theirs, ours = shared
            _fill(joined[ours], part.values[theirs])
    for part in others:
        _fill(joined, resample(part.values, part.grid, grid, "bilinear"))
    return joined, grid


def _cell(grid: Grid) -> float:
    """Return the size of a cell in square metres, near enough to compare."""
    unit = 1.0 if grid.crs is None or not grid.crs.geographic else _DEGREE_M
    return abs(grid.affine.a * grid.affine.e) * unit**2


def _fill(heights: Heights, more: Heights) -> None:
    """Put heights where there are none yet."""
    np.copyto(heights, more, where=np.isnan(heights))


def _unknown_share(heights: Heights, grid: Grid, area: AreaOfInterest) -> float:
    inside = burn_mask(area.outline_in(str(grid.crs)), grid, name=area.name)
    if not inside.any():  # an area smaller than a pixel
        inside[:] = True
    return float(np.isnan(heights[inside]).mean())
