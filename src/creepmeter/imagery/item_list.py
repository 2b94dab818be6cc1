"""Lists of scenes as files: a STAC ItemCollection that also says for which area it was made."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import shapely
from shapely.errors import ShapelyError
from shapely.geometry import shape as shape_of

from creepmeter.errors import InputError
from creepmeter.imagery.area import AreaOfInterest, read_area
from creepmeter.io import swap

AREA = "creepmeter:area"
_MAX_BYTES = 500_000_000


@dataclass(frozen=True)
class ItemList:
    """Scenes to read.

    Parameters
    ----------
    items : tuple of dict
        STAC items as JSON.
    area : AreaOfInterest or None
        What they were searched for.
    """

    items: tuple[dict[str, Any], ...]
    area: AreaOfInterest | None = None


def write_items(path: Path, items: Iterable[Mapping[str, Any]], area: AreaOfInterest | None = None) -> None:
    """Write a list of scenes, whole or not at all.

    Parameters
    ----------
    path : Path
        File ending in ``.json`` or ``.geojson``.
    items : iterable of mapping
        STAC items as JSON, with absolute addresses.
    area : AreaOfInterest, optional
        What they were searched for.

    Raises
    ------
    StoreError
        The file cannot be written.
    """
    content: dict[str, Any] = {"type": "FeatureCollection", "features": [dict(item) for item in items]}
    if area is not None:
        content[AREA] = {"name": area.name, "geometry": area.outline}
    swap.write_text(path, json.dumps(content, indent=1) + "\n")


def read_items(path: Path) -> ItemList:
    """Read a list of scenes: an ItemCollection, one item, or a list of items.

    Raises
    ------
    InputError
        It is none, or holds no item.
    """
    with swap.file_errors(path, "read"):
        if path.stat().st_size > _MAX_BYTES:
            message = f"{path} has more than {_MAX_BYTES} bytes: that is no list of scenes"
            raise InputError(message)
        text = path.read_bytes()
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as problem:
        message = f"{path} is no JSON ({problem}): make it with `creepmeter scenes search -o`"
        raise InputError(message) from problem
    found = content if isinstance(content, list) else [content]
    if isinstance(content, dict) and isinstance(content.get("features"), list):
        found = content["features"]
    items = tuple(one for one in found if isinstance(one, dict) and isinstance(one.get("assets"), dict))
    if not items or len(items) < len(found):
        message = (
            f"{path} holds {len(found) - len(items)} entries that are no STAC items, and {len(items)} that are: make "
            "it with `creepmeter scenes search -o`"
        )
        raise InputError(message)
    return ItemList(items, _area(path, content) if isinstance(content, dict) else None)


def _area(path: Path, content: Mapping[str, Any]) -> AreaOfInterest | None:
    said = content.get(AREA)
    if said is None:
        return None
    try:
        found = shape_of(said["geometry"])
        name = str(said.get("name") or "area")
    except (ShapelyError, KeyError, TypeError, ValueError, AttributeError) as problem:
        message = f"{path}: the area in it cannot be read ({problem}): search again, or give --aoi"
        raise InputError(message) from problem
    return AreaOfInterest(read_area(shapely.to_wkt(found, rounding_precision=-1)).shape, name)
