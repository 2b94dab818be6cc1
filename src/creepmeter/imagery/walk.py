"""A static catalogue: files that refer to each other, without a server that searches."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import shapely
from shapely.errors import GEOSException

from creepmeter.errors import CreepmeterError
from creepmeter.imagery.access import RefusedError, resolved, without_secrets
from creepmeter.imagery.area import AreaOfInterest, near_longitude
from creepmeter.imagery.asking import CatalogueIO
from creepmeter.imagery.query import Query

_MAX_FILES = 100_000
_BOX = 4
Take = Callable[[Iterable[Any], str], None]


def walk(
    asking: CatalogueIO,
    query: Query,
    root: Mapping[str, Any],
    take: Take,
    leave_out: Callable[[str], None],
) -> None:
    """Go through a static catalogue, and hand over its items.

    Collections of another name than the user gave, and those whose extent lies elsewhere or at another time, are not
    opened. A part that cannot be read is left out and named; each file is read once, whoever refers to it.

    Parameters
    ----------
    asking : CatalogueIO
        Reads files and addresses.
    query : Query
        Address or file of the catalogue, and what is looked for.
    root : mapping
        Its content.
    take : callable
        Gets items and their address.
    leave_out : callable
        Gets what could not be read, and why.
    """
    source = query.source
    seen = {source}
    waiting = list(_opened(root, source, query, take, leave_out))
    while waiting:
        href = waiting.pop(0)
        if href in seen:
            continue
        seen.add(href)
        if len(seen) > _MAX_FILES or asking.patience.is_over():
            leave_out(
                f"{without_secrets(source)}: stopped after {len(seen)} files, {len(waiting)} or more are not read"
            )
            return
        try:
            content = asking.read_json(href)
        except CreepmeterError as problem:
            leave_out(str(problem))
        else:
            waiting += _opened(content, href, query, take, leave_out)


def _opened(
    content: Mapping[str, Any],
    place: str,
    query: Query,
    take: Take,
    leave_out: Callable[[str], None],
) -> Iterator[str]:
    """Hand over items, and yield where to go on from a catalogue or collection."""
    if content.get("type") == "Feature":
        take([content], place)
    elif content.get("type") == "FeatureCollection":
        take(content.get("features") or (), place)
    elif _may_hold(content, query):
        yield from _onward(content, place, leave_out)


def _onward(content: Mapping[str, Any], place: str, leave_out: Callable[[str], None]) -> Iterator[str]:
    links = content.get("links")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, Mapping) and link.get("rel") in {"child", "item"}:
            try:
                yield resolved(str(link.get("href") or ""), place)
            except (CreepmeterError, RefusedError) as problem:
                leave_out(f"{place}: {problem}")


def _may_hold(content: Mapping[str, Any], query: Query) -> bool:
    """Tell whether a catalogue or collection may hold what is looked for; in doubt it may."""
    if content.get("type") != "Collection":
        return True
    if query.collections and content.get("id") not in query.collections:
        return False
    try:
        extent = content["extent"]
        return _overlaps(extent["spatial"]["bbox"], query.area) and _in_time(extent["temporal"]["interval"], query)
    except (KeyError, TypeError, ValueError, IndexError, GEOSException):
        return True


def _overlaps(boxes: Iterable[Iterable[float]], area: AreaOfInterest) -> bool:
    """Tell whether any box touches an area; the first of several is the whole of them."""
    longitude = area.shape.centroid.x
    for box in boxes:
        edges = [float(edge) for edge in box]
        west, south, east, north = edges if len(edges) == _BOX else (edges[0], edges[1], edges[3], edges[4])
        if not all(map(math.isfinite, (west, south, east, north))) or east - west >= 180:  # noqa: PLR2004 - degrees
            return True
        whole = shapely.box(west, south, east + 360 if east < west else east, north)
        if near_longitude(whole, longitude).intersects(area.shape):
            return True
    return False


def _in_time(intervals: Iterable[Iterable[str | None]], query: Query) -> bool:
    windows = [window for window in query.windows if window is not None]
    if len(windows) < len(query.windows):
        return True
    first, last = str(windows[0].first), str(max(window.last for window in windows))
    for begin, end in intervals:
        if (begin is None or str(begin)[:10] <= last) and (end is None or str(end)[:10] >= first):
            return True
    return False
