"""A small STAC catalogue of Sentinel-2 L2A over a slide that moves: items as catalogues write them, pixels, truth.

The items have the names and fields of Earth Search (both of its collections) and of the Planetary Computer. The
rasters are much smaller than tiles of 110 km are, else alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from affine import Affine
from pyproj import Transformer

from creepmeter.model.grid import Grid, map_position, part_of_grid
from creepmeter.simulate.catalogue_options import Pass, default_passes
from creepmeter.simulate.files import CORNER, WriteRaster
from creepmeter.simulate.motion import Bools, MotionField, Slide
from creepmeter.simulate.options import SceneOptions
from creepmeter.simulate.scenes import SimulatedScenes, scene_stack
from creepmeter.simulate.sky import clouds
from creepmeter.simulate.terrain import Image

EPSG = 32633
PIXEL_M = 10.0
SNOW_DN = 9000.0
_EAST_FROM = 0.6  # of the columns: where the tile 33TWM begins
_SHADOW_PX = 12
_MARGIN_PX = 30
_MISSING, _SHADOW, _BARE, _CLOUD, _SNOW = 0, 3, 5, 9, 11  # classes of the scene classification
_FILES = {"B08": "B08.tif", "SCL": "SCL.tif"}
_TITLES = {
    "sentinel-2-l2a": "Sentinel-2 Level-2A",
    "sentinel-2-c1-l2a": "Sentinel-2 Collection 1 Level-2A",
    "cop-dem-glo-30": "Copernicus DEM, 30 m",
}
Classes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class SimulatedCatalogue:
    """A catalogue on disk, and the truth.

    Parameters
    ----------
    folder : Path
        ``catalog.json``, its collections, items and rasters; ``slides.geojson`` moving ground; ``aoi.geojson``.
    passes : tuple of Pass
        Scene of each item.
    items : tuple of dict
        STAC items as JSON, in the same order, with absolute addresses.
    scenes : SimulatedScenes
        Ground of each date without clouds and borders (DN, 10000 = reflectance 1), and its motion.
    bbox : (float, float, float, float)
        West, south, east, north of an area of interest within the ground, degrees.
    """

    folder: Path
    passes: tuple[Pass, ...]
    items: tuple[dict[str, Any], ...]
    scenes: SimulatedScenes
    bbox: tuple[float, float, float, float]

    def reflectance(self, number: int) -> Image:
        """Return the true reflectance of the ground that item `number` shows, (y, x), without what is in the way."""
        image = self.scenes.images[_index(self.scenes, self.passes[number])]
        return np.asarray(image[:, _columns(self.passes[number], image.shape[1])] / 10_000)


def write_catalogue(
    folder: str | Path,
    write: WriteRaster,
    *,
    passes: Sequence[Pass] | None = None,
    shape: tuple[int, int] = (300, 300),
    slide: Slide | None = None,
    base: str | None = None,
    seed: int = 0,
) -> SimulatedCatalogue:
    """Write a static STAC catalogue with its rasters, deterministic by `seed`.

    Parameters
    ----------
    folder : str or Path
        Made if absent.
    write : callable
        `creepmeter.io.raster.write_geotiff` with ``cog=True``.
    passes : sequence of Pass, optional
        Scenes; default `default_passes`.
    shape : (int, int)
        Rows and columns of the ground, even.
    slide : Slide, optional
        In metres from the upper left corner, y negative downward; default 3 m/yr to the south-east in the middle.
    base : str, optional
        Address under which `folder` is served, for the items that are returned; default paths on this machine. The
        files themselves refer to each other by relative links.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    SimulatedCatalogue
        Items and truth.
    """
    target = Path(folder)
    chosen = tuple(default_passes() if passes is None else passes)
    scenes = _ground(chosen, shape, slide, seed)
    items = [_write_scene(target, write, scenes, one, seed) for one in chosen]
    write_links(target, items)
    _write_outlines(target, scenes)
    prefix = str(target.resolve()) if base is None else base.rstrip("/")
    absolute = tuple(with_addresses(item, prefix) for item in items)
    return SimulatedCatalogue(target, chosen, absolute, scenes, _bbox(scenes.grid))


def _ground(passes: Sequence[Pass], shape: tuple[int, int], slide: Slide | None, seed: int) -> SimulatedScenes:
    times = sorted({np.datetime64(one.time.rstrip("Z"), "ns") for one in passes})
    rows, columns = shape
    grid = Grid(shape, Affine(PIXEL_M, 0.0, CORNER[0], 0.0, -PIXEL_M, CORNER[1]), f"EPSG:{EPSG}")
    moving = slide or Slide((columns * 5.0, -rows * 5.0), (columns * 2.2, rows * 1.8), 3.0, direction_deg=135.0)
    centre = (CORNER[0] + moving.centre[0], CORNER[1] + moving.centre[1])
    placed = Slide(**{**{name: getattr(moving, name) for name in Slide.__dataclass_fields__}, "centre": centre})
    motion = MotionField((placed,), origin=times[0])
    options = SceneOptions(jitter_px=0.2, noise_dn=15.0)
    return scene_stack(times, shape, pixel_size_m=PIXEL_M, motion=motion, seed=seed, options=options, grid=grid)


def _index(scenes: SimulatedScenes, one: Pass) -> int:
    return int(np.flatnonzero(scenes.times == np.datetime64(one.time.rstrip("Z"), "ns"))[0])


def _columns(one: Pass, columns: int) -> slice:
    return slice(2 * int(_EAST_FROM * columns / 2), columns) if one.tile == "33TWM" else slice(0, columns)


# ------------------------------------------------------------------------------------------------------------- pixels


def _write_scene(folder: Path, write: WriteRaster, scenes: SimulatedScenes, one: Pass, seed: int) -> dict[str, Any]:
    """Write the rasters of a scene and return its item with relative links."""
    numbers, classes = _seen(scenes, one, seed)
    part = _columns(one, numbers.shape[1])
    grid = part_of_grid(scenes.grid, slice(0, numbers.shape[0]), part)
    item = _item(one, grid, classes[:, part])
    place = folder / _place(item)
    place.mkdir(parents=True, exist_ok=True)
    write(place / _FILES["B08"], numbers[:, part], grid, nodata=0)
    write(place / _FILES["SCL"], classes[::2, part][:, ::2], _coarser(grid, 2), nodata=0)
    return item


def _coarser(grid: Grid, factor: int) -> Grid:
    """Return the grid of pixels `factor` times as large."""
    turn = grid.affine
    scaled = Affine(turn.a * factor, turn.b * factor, turn.c, turn.d * factor, turn.e * factor, turn.f)
    return Grid((grid.shape[0] // factor, grid.shape[1] // factor), scaled, grid.crs)


def _seen(scenes: SimulatedScenes, one: Pass, seed: int) -> tuple[npt.NDArray[np.uint16], Classes]:
    """Return digital numbers as stored, and classes that are the same over each 20 m."""
    image = scenes.images[_index(scenes, one)].copy()
    rows, columns = image.shape
    rng = np.random.default_rng([seed, 5, int(np.datetime64(one.time.rstrip("Z"), "s").astype(np.int64))])
    opacity, brightness = clouds((rows, columns), one.cloud, rng)
    classes = np.full(image.shape, _BARE, np.uint8)
    snow = np.arange(rows)[:, None] < one.snow * rows
    image += snow * (SNOW_DN - image) * 0.9
    classes[np.broadcast_to(snow, image.shape)] = _SNOW
    image += opacity * (brightness - image)
    cloud = _blocks(opacity > 0)
    classes[np.roll(cloud, (_SHADOW_PX, -_SHADOW_PX), (0, 1))] = _SHADOW
    classes[cloud] = _CLOUD
    missing = np.broadcast_to(np.arange(columns)[None, :] // 2 * 2 < one.missing * columns, image.shape)
    classes[missing] = _MISSING
    stored = np.clip(np.rint(image) + one.stored_offset, 1, np.iinfo(np.uint16).max)
    return np.where(missing, 0, stored).astype(np.uint16), classes


def _blocks(mask: Bools) -> Bools:
    """Return where any pixel of each 2 x 2 is set."""
    rows, columns = mask.shape
    any_of = mask.reshape(rows // 2, 2, columns // 2, 2).any(axis=(1, 3))
    return np.asarray(any_of.repeat(2, axis=0).repeat(2, axis=1))


# -------------------------------------------------------------------------------------------------------------- items


def _item(one: Pass, grid: Grid, classes: Classes) -> dict[str, Any]:
    taken = datetime.fromisoformat(one.time)
    processed = taken + timedelta(hours=2) if one.processed is None else datetime.fromisoformat(one.processed)
    ring = _lonlat(_corners(grid))
    collection = "sentinel-2-l2a" if one.layout == "planetary-computer" else one.layout
    west, south = np.min(ring, axis=0)
    east, north = np.max(ring, axis=0)
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [],
        "id": _identifier(one, taken, processed),
        "collection": collection,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [west, south, east, north],
        "properties": _without(one, _properties(one, taken, processed, classes)),
        "links": [],
        "assets": _without(one, _assets(one, grid)),
    }


def _without(one: Pass, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key not in one.without}


def _product(one: Pass, taken: datetime, processed: datetime) -> str:
    numbered = f"N{one.baseline.replace('.', '')}_R{one.orbit:03d}_T{one.tile}"
    return f"S2A_MSIL2A_{taken:%Y%m%dT%H%M%S}_{numbered}_{processed:%Y%m%dT%H%M%S}"


def _identifier(one: Pass, taken: datetime, processed: datetime) -> str:
    if one.layout == "planetary-computer":
        return _product(one, taken, processed).replace(f"N{one.baseline.replace('.', '')}_", "")
    if one.layout == "sentinel-2-c1-l2a":
        return f"S2A_T{one.tile}_{taken:%Y%m%dT%H%M%S}_L2A"
    sequence = 0 if one.processed is None else 1
    return f"S2A_{one.tile}_{taken:%Y%m%d}_{sequence}_L2A"


def _properties(one: Pass, taken: datetime, processed: datetime, classes: Classes) -> dict[str, Any]:
    seen = max(int((classes != _MISSING).sum()), 1)
    cloud = 100.0 * int((classes == _CLOUD).sum()) / seen
    found: dict[str, Any] = {
        "datetime": _stamp(taken),
        "created": _stamp(processed + timedelta(days=1)),
        "eo:cloud_cover": round(cloud, 4) if one.said_cloud is None else one.said_cloud,
        "s2:processing_baseline": one.baseline,
        "s2:generation_time": _stamp(processed),
        "s2:product_uri": f"{_product(one, taken, processed)}.SAFE",
        "s2:nodata_pixel_percentage": round(100.0 * float((classes == _MISSING).mean()), 4),
        "instruments": ["msi"],
    }
    if one.layout == "planetary-computer":
        return found | {
            "platform": "Sentinel-2A",
            "constellation": "Sentinel 2",
            "proj:code": f"EPSG:{EPSG}",
            "s2:mgrs_tile": one.tile,
            "sat:relative_orbit": one.orbit,
            "sat:orbit_state": "descending",
        }
    found |= {
        "platform": "sentinel-2a",
        "constellation": "sentinel-2",
        "mgrs:utm_zone": int(one.tile[:2]),
        "mgrs:latitude_band": one.tile[2],
        "mgrs:grid_square": one.tile[3:],
        "grid:code": f"MGRS-{one.tile}",
    }
    if one.layout == "sentinel-2-c1-l2a":
        return found | {"proj:code": f"EPSG:{EPSG}"}
    found["proj:epsg"] = EPSG
    applied = one.boa_offset_applied
    return found if applied is None else found | {"earthsearch:boa_offset_applied": applied}


def _assets(one: Pass, grid: Grid) -> dict[str, Any]:
    plain = one.layout == "planetary-computer"
    bands: dict[str, Any] = {}
    for name, key, factor in (("B08", "nir", 1), ("SCL", "scl", 2)):
        turn = _coarser(grid, factor).affine
        asset: dict[str, Any] = {
            "href": f"./{_FILES[name]}",
            "type": "image/tiff; application=geotiff; profile=cloud-optimized",
            "roles": ["data"],
            "proj:shape": [grid.shape[0] // factor, grid.shape[1] // factor],
            "proj:transform": [turn.a, turn.b, turn.c, turn.d, turn.e, turn.f],
        }
        if not plain:
            asset["raster:bands"] = [_raster_band(one, name)]
        bands[name if plain else key] = asset
    return bands


def _raster_band(one: Pass, name: str) -> dict[str, Any]:
    """Return what the catalogue says of the numbers; Earth Search says -0.1 even where it has taken the 1000 out."""
    if name == "SCL":
        return {"nodata": 0, "data_type": "uint8", "spatial_resolution": 20}
    late = one.stored_offset or one.boa_offset_applied
    return {
        "nodata": 0,
        "data_type": "uint16",
        "spatial_resolution": 10,
        "scale": 0.0001,
        "offset": -0.1 if late else 0,
    }


def _stamp(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _corners(grid: Grid) -> npt.NDArray[np.float64]:
    rows, columns = grid.shape
    return np.column_stack(map_position(grid, [0, columns, columns, 0, 0], [rows, rows, 0, 0, rows]))


def _lonlat(points: npt.NDArray[np.float64]) -> list[list[float]]:
    change = Transformer.from_crs(EPSG, 4326, always_xy=True)
    lon, lat = change.transform(points[:, 0], points[:, 1])
    found: list[list[float]] = np.column_stack([lon, lat]).round(8).tolist()
    return found


# ----------------------------------------------------------------------------------------------------------- catalogue


def _place(item: Mapping[str, Any]) -> str:
    return f"{item['collection']}/{item['id']}"


def with_addresses(item: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return an item whose assets have absolute addresses, those of a catalogue that lies at `prefix`."""
    assets = {
        key: {**asset, "href": f"{prefix}/{_place(item)}/{asset['href'].removeprefix('./')}"}
        for key, asset in item["assets"].items()
    }
    return {**item, "assets": assets}


def write_links(folder: Path, items: Sequence[Mapping[str, Any]]) -> None:
    """Write items, their collections, and a catalogue that links to all collections that are there."""
    for item in items:
        up = [{"rel": "collection", "href": "../collection.json"}, {"rel": "parent", "href": "../collection.json"}]
        links = [{"rel": "root", "href": "../../catalog.json"}, *up]
        name = f"{item['id']}.json"
        _write(folder / _place(item) / name, {**item, "links": links})
    for collection in sorted({str(item["collection"]) for item in items}):
        inside = [item for item in items if item["collection"] == collection]
        _write(folder / collection / "collection.json", collection_of(collection, inside))
    there = sorted(path.parent.name for path in folder.glob("*/collection.json"))
    children = [{"rel": "child", "href": f"./{name}/collection.json"} for name in there]
    catalogue = {"type": "Catalog", "stac_version": "1.0.0", "id": "simulated", "description": "Simulated scenes"}
    _write(folder / "catalog.json", {**catalogue, "links": [{"rel": "root", "href": "./catalog.json"}, *children]})


def collection_of(name: str, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a STAC collection that holds items of a simulated catalogue."""
    boxes = np.array([item["bbox"] for item in items])
    times = sorted(str(item["properties"]["datetime"]) for item in items)
    box = [*boxes[:, :2].min(axis=0).tolist(), *boxes[:, 2:].max(axis=0).tolist()]
    return {
        "type": "Collection",
        "stac_version": "1.0.0",
        "id": name,
        "title": _TITLES[name],
        "description": "Simulated scenes",
        "license": "Apache-2.0",
        "extent": {"spatial": {"bbox": [box]}, "temporal": {"interval": [[times[0], times[-1]]]}},
        "links": [
            {"rel": "root", "href": "../catalog.json"},
            {"rel": "parent", "href": "../catalog.json"},
            *({"rel": "item", "href": f"./{item['id']}/{item['id']}.json"} for item in items),
        ],
    }


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _bbox(grid: Grid) -> tuple[float, float, float, float]:
    """Return a box in degrees well within the ground."""
    rows, columns = grid.shape
    inner = part_of_grid(grid, slice(_MARGIN_PX, rows - _MARGIN_PX), slice(_MARGIN_PX, columns - _MARGIN_PX))
    ring = np.array(_lonlat(_corners(inner)))
    (west, south), (east, north) = ring.min(axis=0), ring.max(axis=0)
    return float(west), float(south), float(east), float(north)


def _write_outlines(folder: Path, scenes: SimulatedScenes) -> None:
    west, south, east, north = _bbox(scenes.grid)
    area = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    slides = [_lonlat(slide.outline()) for slide in scenes.motion.slides]
    for name, rings in (("aoi.geojson", [area]), ("slides.geojson", slides)):
        shapes = [
            {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
            for ring in rings
        ]
        _write(folder / name, {"type": "FeatureCollection", "features": shapes})
