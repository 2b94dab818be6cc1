"""MintPy's attributes from typed facts: what every reader must tell of the radar and of the grid."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from pyproj import CRS, Transformer

from creepmeter.errors import GridError
from creepmeter.model.grid import Grid, map_position
from creepmeter.model.line_of_sight import wrap_degrees

SPEED_OF_LIGHT = 299_792_458.0
EARTH_RADIUS_M = 6_371_000.0
SENTINEL1_WAVELENGTH_M = SPEED_OF_LIGHT / 5.405000454334350e9
SENTINEL1_RANGE_PX_M = 2.329562114715323  # slant range, metres per single look
SENTINEL1_AZIMUTH_PX_M = 14.1  # metres on the ground per single look of an interferometric wide swath
IW_RANGE_OVERSAMPLING = 3.1 / 2.3  # resolution over pixel, middle swath
IW_AZIMUTH_OVERSAMPLING = 22.7 / 14.1
WGS84 = 4326
_UTM_NORTH, _UTM_SOUTH = 32600, 32700
_ZONES = 60
_TEXT_DIGITS = 12


@dataclass(frozen=True)
class RadarFacts:
    """What is known of sensor, orbit and processing; None where the product does not tell.

    Parameters
    ----------
    processor : str
        MintPy's name: isce, aria, hyp3, gamma, roipac, snap, gmtsar, cosicorr.
    wavelength_m : float
        Radar wavelength.
    azimuth_looks, range_looks : int
        Looks taken.
    azimuth_pixel_m, range_pixel_m : float
        Pixel after looks: along the orbit, in slant range.
    starting_range_m : float
        Slant range of the first column.
    height_m, earth_radius_m : float
        Of the satellite above the Earth, and of the Earth.
    heading_deg : float
        Flight direction, from north, clockwise positive.
    orbit_direction : str
        ASCENDING or DESCENDING.
    platform : str
        MintPy's short name: Sen, Env, Alos2 ...
    antenna_side : int
        -1 right, 1 left.
    centre_line_utc_s : float
        Seconds of the day at the centre of the scene.
    centre_incidence_deg : float
        Incidence angle at the centre.
    independent_looks : float
        Looks that are independent; by default from the looks taken.
    extra : mapping of str to str
        Further attributes, as they are.
    """

    processor: str
    wavelength_m: float
    azimuth_looks: int = 1
    range_looks: int = 1
    azimuth_pixel_m: float | None = None
    range_pixel_m: float | None = None
    starting_range_m: float | None = None
    height_m: float | None = None
    earth_radius_m: float | None = None
    heading_deg: float | None = None
    orbit_direction: str | None = None
    platform: str | None = None
    antenna_side: int = -1
    centre_line_utc_s: float | None = None
    centre_incidence_deg: float | None = None
    independent_looks: float | None = None
    extra: Mapping[str, str] | None = None

    def attributes(self) -> dict[str, str]:
        """Return MintPy's attributes; those of unknown facts are absent."""
        heading = None if self.heading_deg is None else wrap_degrees(self.heading_deg)
        direction = self.orbit_direction.upper() if self.orbit_direction else direction_of(heading)
        facts: dict[str, object] = {
            "PROCESSOR": self.processor,
            "WAVELENGTH": self.wavelength_m,
            "ALOOKS": self.azimuth_looks,
            "RLOOKS": self.range_looks,
            "AZIMUTH_PIXEL_SIZE": self.azimuth_pixel_m,
            "RANGE_PIXEL_SIZE": self.range_pixel_m,
            "STARTING_RANGE": self.starting_range_m,
            "HEIGHT": self.height_m,
            "EARTH_RADIUS": self.earth_radius_m,
            "HEADING": heading,
            "ORBIT_DIRECTION": direction,
            "PLATFORM": self.platform,
            "ANTENNA_SIDE": self.antenna_side,
            "CENTER_LINE_UTC": self.centre_line_utc_s,
            "CENTER_INCIDENCE_ANGLE": self.centre_incidence_deg,
            "NCORRLOOKS": self.independent_looks,
        }
        known = {name: text_of(value) for name, value in facts.items() if value is not None}
        return {**known, **(self.extra or {})}


def text_of(value: object) -> str:
    """Return a value as MintPy writes it: text, numbers without needless digits."""
    if isinstance(value, float | np.floating):
        return repr(float(value)) if math.isfinite(value) else "nan"
    return str(value)


def direction_of(heading_deg: float | None) -> str | None:
    """Return ASCENDING or DESCENDING for a flight direction, degrees from north."""
    if heading_deg is None:
        return None
    return "ASCENDING" if abs(wrap_degrees(heading_deg)) < 90 else "DESCENDING"  # noqa: PLR2004 - a right angle


def seconds_of_day(moment: datetime) -> float:
    """Return seconds since midnight."""
    return moment.hour * 3600 + moment.minute * 60 + moment.second + moment.microsecond / 1e6


def middle_incidence(starting_range_m: float, range_pixel_m: float, columns: int, height_m: float) -> float:
    """Return the incidence angle at the middle column on a sphere, degrees."""
    distance = starting_range_m + range_pixel_m * columns / 2
    orbit = EARTH_RADIUS_M + height_m
    cosine = (orbit**2 - distance**2 - EARTH_RADIUS_M**2) / (2 * distance * EARTH_RADIUS_M)
    return math.degrees(math.acos(min(max(cosine, -1.0), 1.0)))


def grid_attributes(grid: Grid) -> dict[str, str]:
    """Return MintPy's attributes of a geocoded grid: first outer corner, steps, units, zone, corners of the scene.

    Raises
    ------
    GridError
        The grid is rotated, or has no reference system.
    """
    affine = grid.affine
    if grid.crs is None or abs(affine.b) > 0 or abs(affine.d) > 0:
        message = f"a geocoded stack needs a north-up grid with a reference system, got {grid!r}"
        raise GridError(message)
    crs = CRS.from_wkt(grid.crs.to_wkt())
    units = "degrees" if crs.is_geographic else "meters"
    found = {
        "X_FIRST": text_of(affine.c),
        "Y_FIRST": text_of(affine.f),
        "X_STEP": text_of(affine.a),
        "Y_STEP": text_of(affine.e),
        "X_UNIT": units,
        "Y_UNIT": units,
    }
    code = crs.to_epsg()
    if code and code != WGS84:  # degrees without a code are WGS 84 to MintPy
        found["EPSG"] = str(code)
    if code and not crs.is_geographic:
        found |= _zone(code)
    return found | corner_attributes(grid, crs)


def _zone(code: int) -> dict[str, str]:
    for base, side in ((_UTM_NORTH, "N"), (_UTM_SOUTH, "S")):
        if base < code <= base + _ZONES:
            return {"UTM_ZONE": f"{code - base}{side}"}
    return {}


def corner_attributes(grid: Grid, crs: CRS) -> dict[str, str]:
    """Return LAT_REF and LON_REF 1 to 4: lower left, lower right, upper left, upper right corner."""
    rows, columns = grid.shape
    x, y = map_position(grid, [0, columns, 0, columns], [rows, rows, 0, 0])
    if not crs.is_geographic:
        x, y = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
    found = {}
    for number, (longitude, latitude) in enumerate(zip(x, y, strict=True), start=1):
        found[f"LAT_REF{number}"] = text_of(round(float(latitude), _TEXT_DIGITS))
        found[f"LON_REF{number}"] = text_of(round(float(longitude), _TEXT_DIGITS))
    return found


def sentinel1_looks(range_looks: float, azimuth_looks: float) -> float:
    """Return the number of independent looks of a Sentinel-1 interferometric wide swath product."""
    return range_looks * azimuth_looks / (IW_RANGE_OVERSAMPLING * IW_AZIMUTH_OVERSAMPLING)
