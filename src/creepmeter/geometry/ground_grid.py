"""The grid of latitude and longitude that a radar image is geocoded to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from creepmeter.errors import GridError, InputError
from creepmeter.geometry.options import GeocodeOptions
from creepmeter.geometry.sphere import EARTH_RADIUS_M
from creepmeter.io.mintpy.grid import number_of

Values = npt.NDArray[np.floating]
Floats = npt.NDArray[np.float64]
_SPREADS = 3.0  # quartile distances from the median beyond which a coordinate is no part of the image
_MOST_CELLS = 2**31 - 1
_CIRCLE = 360.0
_NEEDED = ("AZIMUTH_PIXEL_SIZE", "RANGE_PIXEL_SIZE", "HEADING", "HEIGHT", "STARTING_RANGE", "WIDTH")


@dataclass(frozen=True)
class GroundGrid:
    """A grid of latitude and longitude, north up.

    Parameters
    ----------
    north, west : float
        Outer corner of the first cell, degrees.
    steps : (float, float)
        From row to row and from column to column, degrees; the first is negative.
    shape : (int, int)
        Rows and columns.
    """

    north: float
    west: float
    steps: tuple[float, float]
    shape: tuple[int, int]

    def latitudes(self, rows: slice = slice(None)) -> Floats:
        """Return the latitude of the centres of some rows."""
        return self.north + (np.arange(*rows.indices(self.shape[0]), dtype=np.float64) + 0.5) * self.steps[0]

    def longitudes(self, columns: slice = slice(None)) -> Floats:
        """Return the longitude of the centres of some columns."""
        return self.west + (np.arange(*columns.indices(self.shape[1]), dtype=np.float64) + 0.5) * self.steps[1]

    def attributes(self) -> dict[str, str]:
        """Return the attributes of a file on this grid."""
        numbers = {"Y_FIRST": self.north, "X_FIRST": self.west, "Y_STEP": self.steps[0], "X_STEP": self.steps[1]}
        return {
            **{name: str(float(value)) for name, value in numbers.items()},
            "Y_UNIT": "degrees",
            "X_UNIT": "degrees",
            "LENGTH": str(self.shape[0]),
            "WIDTH": str(self.shape[1]),
        }


def known_places(latitude: Values, longitude: Values) -> tuple[npt.NDArray[np.bool_], Values]:
    """Return which pixels of a lookup table have a place, and longitudes without a jump at 180 degrees.

    Parameters
    ----------
    latitude, longitude : array, (y, x)
        Degrees. NaN, 0, and what lies more than three quartile distances from the median are no places of the image.

    Raises
    ------
    InputError
        No pixel has a place.
    """
    known = np.isfinite(latitude) & np.isfinite(longitude) & (latitude != 0) & (longitude != 0)
    if not known.any():
        message = "latitude and longitude have no value anywhere: load the lookup table again"
        raise InputError(message)
    first = float(longitude[known][0])
    turned = longitude
    if np.abs(longitude[known] - first).max() > _CIRCLE / 2:
        turned = longitude - (_CIRCLE * np.round((longitude - first) / _CIRCLE)).astype(longitude.dtype)
    for values in (latitude, turned):
        low, middle, high = (float(part) for part in np.percentile(values[known], (25, 50, 75)))
        if high > low:
            known &= np.abs(values - middle) <= _SPREADS * (high - low)
    return known, turned


def ground_grid(
    latitude: Values,
    longitude: Values,
    known: npt.NDArray[np.bool_],
    attributes: Mapping[str, str],
    options: GeocodeOptions,
) -> GroundGrid:
    """Return the grid to geocode to.

    Parameters
    ----------
    latitude, longitude : array, (y, x)
        Of the pixels, degrees.
    known : array of bool, (y, x)
        Pixels with a place.
    attributes : mapping of str to str
        Of the radar image.
    options : GeocodeOptions
        Area and steps, where they are given.

    Notes
    -----
    By default a cell has the area of a radar pixel on the ground: see `default_steps`. The grid ends half a cell beyond
    the outermost pixels.

    Raises
    ------
    GridError
        The grid would be empty or larger than 2**31 cells, or its steps are not known.
    """
    # in single precision, as MintPy has it: grids are the same to the last digit
    ends = [np.float32(extreme(values[known])) for values in (latitude, longitude) for extreme in (np.min, np.max)]
    if options.lalo_step is None:
        tall, wide = default_steps(attributes, ends, (latitude.shape[0], latitude.shape[1]))
        if not (tall > 0 and wide > 0):
            message = (
                "all pixels lie on one parallel or meridian, and the attributes do not tell their size: give steps "
                "(--lalo, mintpy.geocode.laloStep)"
            )
            raise GridError(message)
    else:
        tall, wide = (abs(step) for step in options.lalo_step)
    if options.snwe is None:
        half = (-tall / 2, tall / 2, -wide / 2, wide / 2)
        edges = [float(end) + more for end, more in zip(ends, half, strict=True)]
        # steps that are given leave the edges in single precision as well
        south, north, west, east = edges if options.lalo_step is None else (float(str(np.float32(e))) for e in edges)
    else:
        south, north, west, east = options.snwe
    rows, columns = round((north - south) / tall), round((east - west) / wide)
    if not 0 < rows * columns <= _MOST_CELLS or rows < 1:
        message = (
            f"an area of {north - south:g} x {east - west:g} degrees in steps of {tall:g} and {wide:g} has {rows} x "
            f"{columns} cells: correct area or steps (--bbox, --lalo; mintpy.geocode.SNWE, mintpy.geocode.laloStep)"
        )
        raise GridError(message)
    return GroundGrid(north, west, (-tall, wide), (rows, columns))


def default_steps(
    attributes: Mapping[str, str], area: Sequence[float | np.floating], shape: tuple[int, int]
) -> tuple[float, float]:
    """Return steps in latitude and longitude, degrees, of cells with the area of a radar pixel.

    Parameters
    ----------
    attributes : mapping of str to str
        Of the radar image: sizes of its pixels, heading, orbit.
    area : sequence of float
        South, north, west, east, degrees. The length of a parallel is found in their precision.
    shape : (int, int)
        Rows and columns of the radar image, of which the grid gets as many where its attributes do not suffice.

    Notes
    -----
    A pixel is a rectangle on the ground: its range size divided by the sine of the incidence angle at mid-swath, and
    its azimuth size brought down from the orbit. The sides of the box around it, turned by the azimuth of the line of
    sight, give the ratio of the steps, as in MintPy.
    """
    south, north, west, east = area
    number = {name: number_of(attributes, name, "the attributes") for name in _NEEDED}
    if any(value is None for value in number.values()):
        return float((north - south) / max(shape[0] - 1, 1)), float((east - west) / max(shape[1] - 1, 1))
    turn = np.radians((number["HEADING"] or 0.0) - 90.0)
    azimuth, across = _pixel_on_ground(attributes, {name: float(value or 0.0) for name, value in number.items()})
    wide = across * abs(np.cos(turn)) + azimuth * abs(np.sin(turn))
    tall = across * abs(np.sin(turn)) + azimuth * abs(np.cos(turn))
    scale = np.sqrt(across * azimuth / (wide * tall))
    parallel = EARTH_RADIUS_M * np.cos(np.deg2rad((south + north) / 2))
    return float(np.degrees(tall * scale / EARTH_RADIUS_M)), float(np.degrees(wide * scale / parallel))


def _pixel_on_ground(attributes: Mapping[str, str], number: Mapping[str, float]) -> tuple[float, float]:
    """Return the size of a pixel in azimuth and range on the ground, metres."""
    radius = number_of(attributes, "EARTH_RADIUS", "the attributes") or EARTH_RADIUS_M
    lowered = 1.0 if attributes.get("PROCESSOR") == "gamma" else radius / (radius + number["HEIGHT"])
    level = float(np.sin(np.radians(centre_incidence(attributes))))
    return number["AZIMUTH_PIXEL_SIZE"] * lowered, number["RANGE_PIXEL_SIZE"] / level


def centre_incidence(attributes: Mapping[str, str]) -> float:
    """Return the incidence angle at mid-swath, degrees: as stated, else the mean of those at near and far range.

    Raises
    ------
    InputError
        Neither follows from the attributes.
    """
    stated = number_of(attributes, "CENTER_INCIDENCE_ANGLE", "the attributes")
    if stated is not None:
        return stated
    names = ("STARTING_RANGE", "RANGE_PIXEL_SIZE", "WIDTH", "HEIGHT")
    near, size, width, height = (number_of(attributes, name, "the attributes") for name in names)
    if near is None or size is None or width is None or height is None:
        message = f"the attributes lack CENTER_INCIDENCE_ANGLE, and one of {', '.join(names)}: give the geometry file"
        raise InputError(message)
    radius = number_of(attributes, "EARTH_RADIUS", "the attributes") or EARTH_RADIUS_M
    ranges = np.array([near, near + size * width])
    cosine = ((radius + height) ** 2 - radius**2 - ranges**2) / (2 * radius * ranges)
    if not (np.abs(cosine) < 1).all():
        message = (
            f"STARTING_RANGE {near:g} m with HEIGHT {height:g} m does not meet the ground: correct the attributes, or "
            "state CENTER_INCIDENCE_ANGLE"
        )
        raise InputError(message)
    return float(np.degrees(np.arccos(cosine)).mean())
