"""Search for ARIA's GUNW products at the Alaska Satellite Facility."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asf_search
import numpy as np
import requests

from creepmeter.errors import ServiceError
from creepmeter.imagery.granules import SAFE_NAME, Granule, checksum_in
from creepmeter.imagery.options import AriaSearchOptions

_DAY = np.timedelta64(1, "D")


def search_aria(options: AriaSearchOptions) -> tuple[Granule, ...]:
    """Return the products of an area, in order of track, dates and name; no account is needed.

    Parameters
    ----------
    options : AriaSearchOptions
        Area, track, dates; both dates of a pair must lie within them.

    Raises
    ------
    ServiceError
        The archive does not answer, or refuses.
    """
    first, last = options.days
    wanted: dict[str, Any] = {"intersectsWith": outline(options.bbox), "maxResults": options.most}
    if options.track is not None:
        wanted["relativeOrbit"] = options.track
    if options.flight_direction is not None:
        wanted["flightDirection"] = options.flight_direction.upper()
    if first is not None:
        wanted["start"] = _moment(first)
    if last is not None:
        wanted["end"] = _moment(last) + timedelta(days=1)
    found = [granule for granule in map(_granule, _answers(wanted)) if granule is not None]
    kept = {one.name: one for one in found if _is_wanted(one, options)}
    return tuple(sorted(kept.values(), key=lambda one: (one.track or 0, str(one.pair or ""), one.name)))


def outline(bbox: tuple[float, float, float, float]) -> str:
    """Return a box as WKT, counterclockwise; longitudes beyond 180 where it crosses that meridian.

    Examples
    --------
    >>> outline((179.0, -1.0, -179.0, 1.0))
    'POLYGON((179 -1,181 -1,181 1,179 1,179 -1))'
    """
    west, south, east, north = bbox
    east = east + 360 if east < west else east
    corners = ((west, south), (east, south), (east, north), (west, north), (west, south))
    return f"POLYGON(({','.join(f'{x:.10g} {y:.10g}' for x, y in corners)}))"


def _moment(epoch: np.datetime64) -> datetime:
    return datetime.fromisoformat(str(epoch)[:10]).replace(tzinfo=UTC)


def _answers(wanted: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the products as GeoJSON features."""
    asf_search.REPORT_ERRORS = False  # what a user searches for is not sent to anybody on an error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of that library's way to use others
            results = asf_search.search(dataset=asf_search.DATASET.ARIA_S1_GUNW, **wanted)
        results.raise_if_incomplete()
    except (asf_search.ASFError, requests.RequestException, ValueError, KeyError) as problem:
        message = (
            f"the archive (cmr.earthdata.nasa.gov) cannot be searched: {_plain(problem)}; check the connection and run "
            "again, or go on with files that are here already: creepmeter load needs no account"
        )
        raise ServiceError(message) from problem
    return [product.geojson() for product in results]


def _plain(problem: Exception) -> str:
    """Return an error in few words, without what may be secret in an address."""
    if isinstance(problem, requests.ConnectionError):
        return "there is no connection to it"
    text = re.sub(r"\?\S*", "", str(problem)) or type(problem).__name__
    return f"{text:.300}"


def _granule(feature: Mapping[str, Any]) -> Granule | None:
    facts = feature.get("properties") or {}
    url = str(facts.get("url") or "")
    name = Path(urlsplit(url).path).name or str(facts.get("fileName") or "")
    if not url.startswith("https://") or not name.endswith(".nc") or not SAFE_NAME.fullmatch(name):
        return None
    size = facts.get("bytes")
    return Granule(
        name=name,
        url=url,
        nbytes=int(size) if isinstance(size, int | float) and size > 0 else None,
        md5=checksum_in(facts.get("md5sum")),
        footprint=feature.get("geometry"),
    )


def _is_wanted(one: Granule, options: AriaSearchOptions) -> bool:
    """Tell whether it is a whole product, with the track, direction and dates asked for; single layers are not."""
    if one.pair is None:
        return False
    first, last = options.days
    if first is not None and one.pair.ref < first:
        return False
    if last is not None and one.pair.sec >= last + _DAY:
        return False
    if options.track is not None and one.track != options.track:
        return False
    return options.flight_direction in (None, one.direction)
