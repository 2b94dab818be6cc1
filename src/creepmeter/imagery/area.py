"""The area of interest: polygons in longitude and latitude, from a file, WKT or a box, in any reference system."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError
from shapely.errors import GEOSException
from shapely.geometry import GeometryCollection, MultiPolygon, mapping
from shapely.geometry.base import BaseGeometry

from creepmeter.errors import InputError
from creepmeter.io import swap
from creepmeter.io.vector import read_frame

_LOG = logging.getLogger(__name__)
LONLAT = CRS.from_epsg(4326)
MAX_LATITUDE = 85.0  # no satellite of the table looks further; beyond, a box in degrees says little
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_BOX = re.compile(rf"\s*{_NUMBER}(?:\s*,\s*{_NUMBER})*\s*")
_WKT = re.compile(r"\s*(?:SRID=\d+;)?\s*(?:MULTI)?(?:POLYGON|POINT|LINESTRING|GEOMETRYCOLLECTION)\b", re.IGNORECASE)
_SRID = re.compile(r"^\s*SRID=(\d+);", re.IGNORECASE)
_CORNERS = 4
_POLE, _HALF, _TURN = 90.0, 180.0, 360.0
_PIECES = 40  # a straight edge of one reference system is a curve in another: it is bent in so many places
_LONGEST_NAME = 255  # bytes that a file system takes for a name
_MAX_TEXT = 10_000_000
_MOST_CORNERS = 200
Points = npt.NDArray[np.float64]


@dataclass(frozen=True)
class AreaOfInterest:
    """Where to look.

    Parameters
    ----------
    shape : shapely geometry
        Polygons in longitude and latitude (WGS 84), in one piece: longitudes run beyond 180 where the area crosses
        that meridian.
    name : str
        Where it came from, for messages.
    """

    shape: BaseGeometry
    name: str = "area"

    @property
    def outline(self) -> dict[str, Any]:
        """GeoJSON geometry with longitudes within 180, cut at that meridian where it is crossed (RFC 7946)."""
        found: dict[str, Any] = mapping(shapely.orient_polygons(_within_half_turn(self.shape)))
        return found

    @property
    def coarse_outline(self) -> dict[str, Any]:
        """GeoJSON geometry of few corners that holds the area, for servers that take no long ones."""
        shape = self.shape
        if shapely.get_num_coordinates(shape) > _MOST_CORNERS:
            shape = shape.convex_hull
        if shapely.get_num_coordinates(shape) > _MOST_CORNERS:
            shape = shape.envelope
        return AreaOfInterest(shape, self.name).outline

    @property
    def bbox(self) -> tuple[float, float, float, float]:
        """West, south, east, north within 180 degrees; west is greater than east over that meridian."""
        west, south, east, north = map(float, self.shape.bounds)
        return _wrapped(west), south, _wrapped(east), north

    @property
    def crosses_antimeridian(self) -> bool:
        """Whether it lies on both sides of the 180th meridian."""
        west, _, east, _ = self.shape.bounds
        return bool(west < _HALF < east or west < -_HALF < east)

    def outline_in(self, crs: Any) -> BaseGeometry:  # noqa: ANN401 - whatever pyproj takes
        """Return the polygons in a reference system.

        Raises
        ------
        InputError
            The system is not known, or the area cannot be shown in it.
        """
        return _transformed(self.shape, LONLAT, _system(crs, "reference system"), self.name)

    def bounds_in(self, crs: Any) -> tuple[float, float, float, float]:  # noqa: ANN401 - whatever pyproj takes
        """Return left, bottom, right, top of the polygons in a reference system."""
        left, bottom, right, top = map(float, self.outline_in(crs).bounds)
        return left, bottom, right, top

    def box_around(self, metres: float) -> AreaOfInterest:
        """Return the box, along meridians and parallels, around the area and the ground about it."""
        return AreaOfInterest(_grown(self.shape, metres).envelope, self.name)

    def covered_by(self, footprint: BaseGeometry) -> float:
        """Return the share of the area that a footprint in longitude and latitude covers, 0 to 1."""
        near = near_longitude(footprint, self.shape.centroid.x)
        seen = _whole(near).intersection(self.shape)
        return float(min(1.0, _equal_area(seen).area / _equal_area(self.shape).area))


def read_area(source: str | Path, *, buffer_m: float = 0.0, crs: Any = None) -> AreaOfInterest:  # noqa: ANN401
    """Return an area of interest.

    Parameters
    ----------
    source : str or Path
        Vector file (GeoJSON, GeoPackage, KML, Shapefile, FlatGeobuf), file of WKT (``.wkt``), WKT itself, or a box
        ``W,S,E,N``. In degrees, a box whose west is greater than its east crosses the 180th meridian.
    buffer_m : float
        Ground to take in around it, metres. Points and lines are areas only with one.
    crs : optional
        Reference system of WKT and boxes, and of files that have none; default longitude and latitude (WGS 84).

    Raises
    ------
    InputError
        It cannot be read, is no area, lies where no satellite looks, or its corners are in the wrong order.

    Examples
    --------
    >>> read_area("179.9,-17,-179.9,-16.8").crosses_antimeridian
    True
    >>> left, _, right, _ = read_area("POINT (15 46)", buffer_m=1000).bounds_in("EPSG:32633")
    >>> round(left), round(right)
    (499000, 501000)
    """
    if not math.isfinite(buffer_m) or buffer_m < 0:
        message = f"buffer of {buffer_m} m: give metres, zero or more"
        raise InputError(message)
    shape, system, name = _read(str(source), None if crs is None else _system(crs, "--crs"))
    if not system.is_geographic:
        shape = _transformed(shape, system, LONLAT, name)
    elif system != LONLAT:
        _require_degrees(shape, name)
        shape = _transformed(shape, system, LONLAT, name)
    _require_degrees(shape, name)
    shape = _polygons(_grown(_in_one_piece(shape, name), buffer_m), name)
    _require_degrees(shape, name)
    return AreaOfInterest(shape, name)


def near_longitude(shape: BaseGeometry, longitude: float) -> BaseGeometry:
    """Return a shape in degrees, each part moved by whole turns so that it lies nearest to a longitude."""
    parts = [_whole(part) for part in getattr(shape, "geoms", [shape])]
    moved = [_moved(part, _TURN * round((longitude - part.centroid.x) / _TURN)) for part in parts if not part.is_empty]
    return shapely.union_all(moved) if moved else shape


# ------------------------------------------------------------------------------------------------------------ reading


def _read(text: str, crs: CRS | None) -> tuple[BaseGeometry, CRS, str]:
    """Return the shape, its reference system, and what to call it."""
    if _BOX.fullmatch(text):
        system = crs or LONLAT
        return _box(text, system), system, f"box {text.strip()}"
    if _WKT.match(text):
        return *_from_wkt(text, "area", crs), "area"
    path = Path(text)
    if path.suffix.lower() == ".wkt":
        with swap.file_errors(path, "read"), path.open(encoding="utf-8-sig", errors="replace") as file:
            return *_from_wkt(file.read(_MAX_TEXT), text, crs), text
    if len(path.name.encode(errors="replace")) > _LONGEST_NAME:
        message = f"{text!r:.80}... is neither a box W,S,E,N nor WKT such as POLYGON ((14 45, 15 45, 15 46, 14 45))"
        raise InputError(message)
    frame = read_frame(text, "an area")
    shapes = [shapely.force_2d(shape) for shape in frame.geometry if shape is not None and not shape.is_empty]
    if not shapes:
        message = f"{text} holds no shape: draw a polygon, or give a box W,S,E,N"
        raise InputError(message)
    found = shapes[0] if len(shapes) == 1 else GeometryCollection(shapes)
    own = None if frame.crs is None else CRS.from_user_input(frame.crs)
    return found, own or crs or LONLAT, text


def _box(text: str, system: CRS) -> BaseGeometry:
    edges = [float(part) for part in text.split(",")]
    if len(edges) != _CORNERS or not all(map(math.isfinite, edges)):
        message = f"{text!r} is not a box W,S,E,N such as 14.9,45.9,15.1,46.1"
        raise InputError(message)
    west, south, east, north = edges
    if south >= north:
        message = f"box {text}: south ({south:g}) must be less than north ({north:g}); the order is W,S,E,N"
        raise InputError(message)
    if west > east and system.is_geographic and east + _TURN - west < _HALF:
        east += _TURN
    if west >= east:
        order = f"{east:g},{south:g},{west:g},{north:g}"
        message = (
            f"box {text}: west ({west:g}) must be less than east ({east:g}); the order is W,S,E,N: perhaps {order}"
        )
        raise InputError(message)
    if system.is_geographic and east - west >= _HALF:
        raise InputError(_too_wide(f"box {text}", east - west))
    return shapely.box(west, south, east, north)


def _too_wide(name: str, degrees: float) -> str:
    return f"{name} is {degrees:.0f} degrees wide: give the ground to be measured, not half the earth"


def _from_wkt(text: str, name: str, crs: CRS | None) -> tuple[BaseGeometry, CRS]:
    """Return a shape and its reference system: the one that it names (``SRID=32633;``), else the one that is given."""
    named = _SRID.match(text)
    own = None if named is None else _system(f"EPSG:{named[1]}", "SRID")
    try:
        return shapely.force_2d(shapely.from_wkt(_SRID.sub("", text))), own or crs or LONLAT
    except GEOSException as problem:
        message = f"{name} cannot be read as WKT ({problem}): give such as POLYGON ((14 45, 15 45, 15 46, 14 45))"
        raise InputError(message) from problem


def _system(crs: Any, what: str) -> CRS:  # noqa: ANN401 - whatever pyproj takes
    try:
        return CRS.from_user_input(crs)
    except CRSError as problem:
        message = f"{what} {crs!r:.80} is not known: give such as EPSG:32633"
        raise InputError(message) from problem


# -------------------------------------------------------------------------------------------------------------- shapes


def _require_degrees(shape: BaseGeometry, name: str) -> None:
    """Refuse coordinates that are no longitude and latitude, or lie where nothing is seen."""
    west, south, east, north = shape.bounds if not shape.is_empty else (math.nan,) * 4
    if not all(map(math.isfinite, (west, south, east, north))):
        message = f"{name} is empty or has coordinates that are no numbers: draw it again"
        raise InputError(message)
    if max(abs(west), abs(east)) > _TURN or max(abs(south), abs(north)) > _POLE:
        message = (
            f"{name} reaches from {west:g} to {east:g} and from {south:g} to {north:g}: that is no longitude and "
            "latitude in degrees; say in which reference system it is (--crs EPSG:...), or put longitude first"
        )
        raise InputError(message)
    if max(abs(south), abs(north)) > MAX_LATITUDE:
        message = f"{name} reaches latitude {max(south, north, key=abs):g}: beyond {MAX_LATITUDE:g} there is no image"
        raise InputError(message)


def _in_one_piece(shape: BaseGeometry, name: str) -> BaseGeometry:
    """Return a shape whose longitudes run on over the 180th meridian instead of jumping to the other side."""
    west, _, east, _ = shape.bounds
    if east - west <= _HALF:
        return shape
    turned = shapely.transform(shape, _eastward)
    if turned.bounds[2] - turned.bounds[0] >= _HALF:
        raise InputError(_too_wide(name, east - west))
    return turned


def _eastward(points: Points) -> Points:
    return np.column_stack([np.where(points[:, 0] < 0, points[:, 0] + _TURN, points[:, 0]), points[:, 1]])


def _grown(shape: BaseGeometry, buffer_m: float) -> BaseGeometry:
    """Return a shape with a buffer, which is drawn on a plane that keeps distances near it."""
    if not buffer_m:
        return shape
    lon, lat = shape.centroid.coords[0]
    plane = CRS.from_proj4(f"+proj=aeqd +lat_0={lat:.9f} +lon_0={lon:.9f} +datum=WGS84 +units=m")
    grown = _transformed(_whole(shape), LONLAT, plane, "area").buffer(buffer_m, quad_segs=16)
    back = _transformed(grown, plane, LONLAT, "area")
    return near_longitude(shapely.transform(back, lambda points: _around(points, lon)), lon)


def _around(points: Points, longitude: float) -> Points:
    near = (points[:, 0] - longitude + _HALF) % _TURN - _HALF + longitude
    return np.column_stack([near, points[:, 1]])


def _equal_area(shape: BaseGeometry) -> BaseGeometry:
    """Return a shape in degrees on the cylinder of equal areas, of any unit."""
    return shapely.transform(shape, lambda points: np.column_stack([points[:, 0], np.sin(np.radians(points[:, 1]))]))


def _whole(shape: BaseGeometry) -> BaseGeometry:
    return shape if shape.is_valid else shapely.make_valid(shape)


def _polygons(shape: BaseGeometry, name: str) -> BaseGeometry:
    """Return the polygons of a shape, repaired where they cross themselves."""
    if not shape.is_valid:
        _LOG.warning("%s crosses itself: every part that it encloses is taken", name)
    parts = [part for part in _flat(_whole(shape)) if part.area > 0]
    if not parts:
        message = f"{name} encloses no ground: draw a polygon, or give points and lines a buffer (--buffer-m)"
        raise InputError(message)
    found = shapely.union_all(parts)
    if found.geom_type not in {"Polygon", "MultiPolygon"}:
        found = MultiPolygon([part for part in _flat(found) if part.geom_type == "Polygon"])
    return found


def _flat(shape: BaseGeometry) -> list[BaseGeometry]:
    inner = getattr(shape, "geoms", None)
    return [shape] if inner is None else [leaf for part in inner for leaf in _flat(part)]


def _transformed(shape: BaseGeometry, source: CRS, target: CRS, name: str) -> BaseGeometry:
    """Return a shape in another reference system, its long edges bent as they are there."""
    if source == target:
        return shape
    try:
        change = Transformer.from_crs(source, target, always_xy=True)
        left, bottom, right, top = shape.bounds
        bent = shapely.segmentize(shape, max(right - left, top - bottom) / _PIECES) if right > left else shape
        found = shapely.transform(bent, _through(change))
    except (ProjError, CRSError, GEOSException) as problem:
        message = (
            f"{name} cannot be brought from {source.name} to {target.name} ({problem}): check its reference system"
        )
        raise InputError(message) from problem
    if not np.isfinite(np.asarray(found.bounds)).all():
        message = f"{name} lies outside the ground that {target.name} can show: check its reference system"
        raise InputError(message)
    return found


def _through(change: Transformer) -> Callable[[Points], Points]:
    def moved(points: Points) -> Points:
        return np.column_stack(change.transform(points[:, 0], points[:, 1]))

    return moved


def _within_half_turn(shape: BaseGeometry) -> BaseGeometry:
    """Return a shape with longitudes within 180, cut at that meridian."""
    pieces: list[BaseGeometry] = []
    for turn in (-1, 0, 1):
        frame = shapely.box(-_HALF + turn * _TURN, -_POLE, _HALF + turn * _TURN, _POLE)
        piece = [part for part in _flat(shape.intersection(frame)) if part.area > 0]
        pieces += [_moved(part, -turn * _TURN) for part in piece]
    return pieces[0] if len(pieces) == 1 else MultiPolygon(pieces)


def _moved(shape: BaseGeometry, degrees: float) -> BaseGeometry:
    return shapely.transform(shape, lambda points: points + np.array([degrees, 0.0])) if degrees else shape


def _wrapped(longitude: float) -> float:
    return longitude if -_HALF <= longitude <= _HALF else (longitude + _HALF) % _TURN - _HALF
