"""Items of a catalogue as scenes: the facts that a choice needs, whatever the catalogue calls them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import shapely
from shapely.errors import ShapelyError
from shapely.geometry import shape as shape_of
from shapely.geometry.base import BaseGeometry

from creepmeter.errors import InputError
from creepmeter.imagery.access import is_text
from creepmeter.imagery.radiometry import baseline_of
from creepmeter.imagery.sensors import Sensor, sensor_of
from creepmeter.model.scene import Scene

_ORBIT = re.compile(r"_R(\d{3})_")
_TILE = re.compile(r"(?:^|_)T?(\d{1,2}[C-HJ-NP-X][A-HJ-NP-Z]{2})(?=_|$)")
_MGRS = re.compile(r"T?0?(\d{1,2}[C-HJ-NP-X][A-HJ-NP-Z]{2})")
_WRS = re.compile(r"^L[A-Z]\d\d_L\w{3}_(\d{3})(\d{3})_")
_SAME_PASS = timedelta(minutes=30)  # a satellite comes by again after 100 minutes
_SAME_COVER = 0.01
_LONGEST_ID = 1000
_PER_CENT = 100.0
_MOST_EAST, _MOST_NORTH = 540.0, 90.0


@dataclass(frozen=True)
class FoundScene:
    """One item, and what it says in one language.

    Parameters
    ----------
    item : mapping
        STAC item as JSON.
    name : str
        Its id.
    sensor : Sensor
        Entry of the table.
    moment : datetime
        When the image was taken, UTC.
    platform : str
        Satellite, small letters.
    orbit, tile : optional
        Relative orbit (Landsat: path) and tile (Landsat: path and row).
    baseline : tuple of int
        Version of the processing, such as (5, 9); empty when not known.
    processed : str
        When it was made, ISO; empty when not known.
    cloud : float or None
        Share of the whole scene, 0 to 1, that the catalogue calls cloud.
    footprint : shapely geometry
        Outline in longitude and latitude.
    """

    item: Mapping[str, Any] = field(repr=False, compare=False)
    name: str
    sensor: Sensor = field(repr=False)
    moment: datetime
    platform: str
    orbit: int | None
    tile: str | None
    baseline: tuple[int, ...]
    processed: str
    cloud: float | None
    footprint: BaseGeometry = field(repr=False, compare=False)

    @property
    def group(self) -> tuple[int, str]:
        """Orbit and tile: images of one group see relief from one side and lie on one grid; 0 and '' = not known."""
        return self.orbit or 0, self.tile or ""

    @property
    def scene(self) -> Scene:
        """The scene in the words of the model."""
        time = np.datetime64(self.moment.replace(tzinfo=None), "ns")
        return Scene(time, self.name, self.orbit, self.tile, self.cloud)


def scene_of(item: Mapping[str, Any]) -> FoundScene:
    """Return what an item says of its scene.

    Raises
    ------
    InputError
        It has no name, no date, no outline, or is of no known sensor; the message says which.
    """
    name, facts = name_of(item), item["properties"]
    return FoundScene(
        item=item,
        name=name,
        sensor=sensor_of(item),
        moment=_moment(name, facts),
        platform=str(facts.get("platform") or "").lower(),
        orbit=_orbit(name, facts),
        tile=None if (tile := _tile(name, facts)) is None else plain_tile(tile),
        baseline=baseline_of(item) or (),
        processed=_processed(facts),
        cloud=_cloud(facts),
        footprint=footprint_of(item),
    )


def name_of(item: Mapping[str, Any]) -> str:
    """Return the id of an item that has one, and properties.

    Raises
    ------
    InputError
        It lacks them.
    """
    name = item.get("id")
    named = isinstance(name, str) and 0 < len(name) <= _LONGEST_ID and is_text(name)
    if not isinstance(name, str) or not named or not isinstance(item.get("properties"), Mapping):
        message = f"item {name!r:.90} has no id or no properties: leave it out"
        raise InputError(message)
    return name


def _moment(name: str, facts: Mapping[str, Any]) -> datetime:
    text = facts.get("datetime") or facts.get("start_datetime")
    try:
        return _in_utc(str(text))
    except (ValueError, OverflowError):
        message = f"item {name!r:.90} has no date that can be read (datetime {text!r:.40}): leave it out"
        raise InputError(message) from None


def _in_utc(text: str) -> datetime:
    """Return a moment in UTC, also where it names no zone: what it is must not depend on the zone of the machine."""
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _whole(value: object) -> int | None:
    try:
        return int(str(value))
    except ValueError:
        return None


def _orbit(name: str, facts: Mapping[str, Any]) -> int | None:
    """Return the relative orbit: a field of its own, else a part of the product's name."""
    for key in ("sat:relative_orbit", "landsat:wrs_path"):
        found = _whole(facts.get(key))
        if found is not None:
            return found
    for text in (str(facts.get("s2:product_uri") or ""), f"{name}_"):
        match = _ORBIT.search(text)
        if match:
            return int(match[1])
    wrs = _WRS.match(name)
    return int(wrs[1]) if wrs else None


def _tile(name: str, facts: Mapping[str, Any]) -> str | None:
    code = str(facts.get("grid:code") or "")
    if code.startswith(("MGRS-", "WRS2-", "WRS1-")):
        return code[5:]
    if facts.get("s2:mgrs_tile"):
        return str(facts["s2:mgrs_tile"])
    parts = [facts.get(f"mgrs:{key}") for key in ("utm_zone", "latitude_band", "grid_square")]
    if all(parts):
        return "".join(map(str, parts))
    path, row = (_whole(facts.get(f"landsat:wrs_{key}")) for key in ("path", "row"))
    if path is not None and row is not None:
        return f"{path:03d}{row:03d}"
    found = _TILE.search(str(facts.get("s2:product_uri") or "")) or _TILE.search(name)
    if found:
        return found[1]
    wrs = _WRS.match(name)
    return wrs[1] + wrs[2] if wrs else None


def plain_tile(text: str) -> str:
    """Return a tile as this program names it: catalogues write one of zones 1 to 9 as 4QFJ, 04QFJ or T04QFJ.

    Examples
    --------
    >>> plain_tile("T04QFJ"), plain_tile("33tvm"), plain_tile("046027")
    ('4QFJ', '33TVM', '046027')
    """
    found = _MGRS.fullmatch(text.strip().upper())
    return found[1] if found else text


def _processed(facts: Mapping[str, Any]) -> str:
    for key in ("s2:generation_time", "processing:datetime", "landsat:product_generated", "created", "updated"):
        if facts.get(key):
            try:
                return _in_utc(str(facts[key])).isoformat()
            except (ValueError, OverflowError):
                continue
    return ""


def _cloud(facts: Mapping[str, Any]) -> float | None:
    """Return the cloud that the catalogue says, 0 to 1; what is no per cent is not known."""
    value = facts.get("eo:cloud_cover")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) / _PER_CENT if 0 <= value <= _PER_CENT else None


def footprint_of(item: Mapping[str, Any]) -> BaseGeometry:
    """Return the outline of an item, in longitude and latitude.

    Raises
    ------
    InputError
        It has none.
    """
    geometry = item.get("geometry")
    try:
        with np.errstate(invalid="ignore"):  # what is no number is met below
            found = shapely.force_2d(shape_of(geometry)) if isinstance(geometry, Mapping) else _box(item)
    except (ShapelyError, ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError):
        found = shapely.Polygon()
    within = np.abs(shapely.get_coordinates(found)) <= (_MOST_EAST, _MOST_NORTH)  # which what is no number is not
    if found.is_empty or not within.all():
        message = f"item {item.get('id')!r:.90} has no outline (geometry) that can be read: leave it out"
        raise InputError(message)
    return _in_one_piece(found)


def _box(item: Mapping[str, Any]) -> BaseGeometry:
    box = [float(edge) for edge in item["bbox"]]
    west, south, east, north = box if len(box) == len("WSEN") else (box[0], box[1], box[3], box[4])
    return shapely.box(west, south, east + 360 if east < west else east, north)


def _in_one_piece(footprint: BaseGeometry) -> BaseGeometry:
    """Return an outline whose longitudes run on over the 180th meridian; a scene is never half as wide as the earth."""
    west, _, east, _ = footprint.bounds
    if east - west <= 180:  # noqa: PLR2004 - degrees
        return footprint
    return shapely.transform(
        footprint,
        lambda points: np.column_stack([np.where(points[:, 0] < 0, points[:, 0] + 360, points[:, 0]), points[:, 1]]),
    )


# ---------------------------------------------------------------------------------------------------------- duplicates


def split_duplicates(
    scenes: Iterable[FoundScene], cover: Mapping[str, float]
) -> tuple[list[FoundScene], dict[str, FoundScene]]:
    """Return scenes that show each pass of a satellite over a tile once, and which one each of the others gave way to.

    The same image may be in a catalogue several times, processed again. Of products of one satellite, tile and pass the
    one is kept that covers more of the area; where they cover it alike, that of the newest processing baseline, then
    that made last, then the last name.

    Parameters
    ----------
    scenes : iterable of FoundScene
        Any order.
    cover : mapping
        Share of the area by name of the scene.
    """
    passes: list[list[FoundScene]] = []
    ordered = sorted(scenes, key=lambda one: (one.platform, one.tile or one.name, one.moment, one.name))
    for one in ordered:
        last = passes[-1][-1] if passes else None
        same = last is not None and (last.platform, last.tile) == (one.platform, one.tile) and one.tile is not None
        if same and last is not None and one.moment - last.moment <= _SAME_PASS:
            passes[-1].append(one)
        else:
            passes.append([one])
    kept: list[FoundScene] = []
    instead: dict[str, FoundScene] = {}
    for group in passes:
        most = max(cover.get(one.name, 0.0) for one in group)
        whole = [one for one in group if cover.get(one.name, 0.0) >= most - _SAME_COVER]
        best = max(whole, key=lambda one: (one.baseline, one.processed, one.name))
        kept.append(best)
        instead |= {one.name: best for one in group if one is not best}
    return sorted(kept, key=lambda one: (one.moment, one.name)), instead
