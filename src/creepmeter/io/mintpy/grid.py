"""The grid of a file, from its attributes X_FIRST, Y_FIRST, X_STEP, Y_STEP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from creepmeter.errors import StoreError

if TYPE_CHECKING:  # slow to load
    from creepmeter.model.grid import Grid

_EDGES = ("X_FIRST", "Y_FIRST", "X_STEP", "Y_STEP")
_EARTH_RADIUS_M = 6_371_000.0
_ABSENT = ("", "none", "None", "N/A", "NONE")


def number_of(attributes: Mapping[str, str], name: str, where: object) -> float | None:
    """Return a number among the attributes, or None where it is not given.

    Raises
    ------
    StoreError
        The text is no number.
    """
    text = attributes.get(name, "").strip()
    if text in _ABSENT:
        return None
    try:
        return float(text)
    except ValueError as problem:
        message = f"{where}: attribute {name} is {text!r}, not a number; correct the file"
        raise StoreError(message) from problem


def grid_from(attributes: Mapping[str, str], shape: tuple[int, int], where: object) -> Grid | None:
    """Return the grid that attributes describe, or None in radar coordinates.

    Parameters
    ----------
    attributes : mapping
        X_FIRST and Y_FIRST are the outer corner of the first pixel.
    shape : (int, int)
        Rows and columns.
    where : object
        File, for messages.

    Raises
    ------
    StoreError
        Some of the four numbers are missing or wrong, or the reference system is not known.
    """
    if "Y_FIRST" not in attributes:
        return None
    west, north, width, height = (number_of(attributes, name, where) for name in _EDGES)
    if west is None or north is None or not width or not height:
        missing = [name for name in _EDGES if not number_of(attributes, name, where)]
        message = f"{where}: {', '.join(missing)} missing or zero, the grid is not known; load the data again"
        raise StoreError(message)
    from affine import Affine  # noqa: PLC0415 - slow to load; radar coordinates need it not
    from odc.geo.geobox import GeoBox  # noqa: PLC0415

    return GeoBox(shape, Affine(width, 0.0, west, 0.0, height, north), _system(attributes, where))


def _system(attributes: Mapping[str, str], where: object) -> str | None:
    code = attributes.get("EPSG", "").strip().upper().removeprefix("EPSG:")
    zone = attributes.get("UTM_ZONE", "").strip().upper()
    unit = attributes.get("X_UNIT", "degrees").strip().lower()
    if code not in {text.upper() for text in _ABSENT}:
        found = code
    elif zone not in {text.upper() for text in _ABSENT}:
        found = _zone_code(zone, where)
    elif unit.startswith("deg"):
        found = "4326"
    else:
        return None
    from pyproj import CRS  # noqa: PLC0415 - slow to load
    from pyproj.exceptions import CRSError  # noqa: PLC0415

    try:
        return CRS.from_epsg(int(float(found))).to_wkt()
    except (CRSError, ValueError) as problem:
        message = f"{where}: EPSG {found!r} is no reference system; correct the attribute EPSG or UTM_ZONE"
        raise StoreError(message) from problem


def _zone_code(zone: str, where: object) -> str:
    number, letter = zone[:-1], zone[-1]
    if not number.isdigit() or not letter.isalpha():
        message = f"{where}: UTM_ZONE is {zone!r}; write it like 13N or 33S"
        raise StoreError(message)
    # the letter is the hemisphere; where it is a latitude band instead, those before N lie south
    base = 32700 if letter == "S" or letter < "N" else 32600
    return str(base + int(number))


def ground_spacing(attributes: Mapping[str, str], shape: tuple[int, int], where: object) -> tuple[float, float]:
    """Return height and width of a pixel on the ground, metres; in radar coordinates at the middle of the swath.

    Parameters
    ----------
    attributes : mapping
        Of the file.
    shape : (int, int)
        Rows and columns.
    where : object
        File, for messages.

    Raises
    ------
    StoreError
        An attribute is missing.

    Notes
    -----
    On a sphere of radius R, a satellite at height H sees slant range r at incidence angle
    cos a = ((R + H)^2 - R^2 - r^2) / (2 r R). Pixels of azimuth are as long as the satellite flies: on the ground they
    are shorter by R / (R + H), except GAMMA's, which are those on the ground.
    """
    grid = grid_from(attributes, shape, where)
    if grid is not None:
        from creepmeter.model.grid import metres_per_cell  # noqa: PLC0415

        width, height = metres_per_cell(grid)
        return height, width
    names = ("AZIMUTH_PIXEL_SIZE", "RANGE_PIXEL_SIZE", "STARTING_RANGE", "HEIGHT")
    given = {name: number_of(attributes, name, where) or 0.0 for name in names}
    along, across, near, orbit = given.values()
    radius = number_of(attributes, "EARTH_RADIUS", where) or _EARTH_RADIUS_M
    missing = [name for name, value in given.items() if not value > 0]
    if missing:
        message = (
            f"{where}: {', '.join(missing)} missing, the size of a pixel on the ground is not known; load it again"
        )
        raise StoreError(message)
    middle = near + across * shape[1] / 2
    cosine = ((radius + orbit) ** 2 - radius**2 - middle**2) / (2 * middle * radius)
    on_ground = 1.0 if attributes.get("PROCESSOR") == "gamma" else radius / (radius + orbit)
    return along * on_ground, across / max(1.0 - cosine**2, 1e-6) ** 0.5
