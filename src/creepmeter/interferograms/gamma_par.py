"""GAMMA's text headers: images (SLC, MLI), maps (DEM), offsets, baselines."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from affine import Affine
from odc.geo.geobox import GeoBox

from creepmeter.errors import GridError, InputError
from creepmeter.interferograms.attributes import SPEED_OF_LIGHT
from creepmeter.interferograms.header_text import number_in, numbers_in, read_header_text
from creepmeter.model.epoch import Epoch, as_epoch
from creepmeter.model.grid import Grid

Kind = Literal["image", "map", "offset", "diff", "baseline", "table", "other"]
_LINE = re.compile(r"^([^\s:][^:]*?):\s*(.*)$")
_VECTORS = ("precision_baseline(TCN)", "initial_baseline(TCN)")  # the first that is not all zero counts
_TABLE_COLUMNS = 9
_TABLE = re.compile(r"^\s*\d+\s+\d+(?:\s+[-+.\deE]+){7}\s*$")
_NUMBER = re.compile(r"[-+]?\d+\.?\d*(?:[eE][-+]?\d+)?")
_CORNERS, _LATLON = 4, 2
_DATE_PARTS = 3
_LINE_COLUMN, _RANGE_COLUMN, _BPERP_COLUMN = 0, 1, 7
_GEOGRAPHIC = ("EQA", "LL")
_WGS84 = "EPSG:4326"


@dataclass(frozen=True)
class GammaPar:
    """One header.

    Parameters
    ----------
    path : Path
        The file.
    values : dict
        Keyword -> text, units included.
    text : str
        The whole file.
    """

    path: Path
    values: dict[str, str]
    text: str

    def number(self, key: str) -> float:
        """Return the first number of a value.

        Raises
        ------
        InputError
            The keyword is missing or its value is no number.
        """
        return number_in(self.values.get(key), f"{self.path}: {key}")

    def optional(self, key: str) -> float | None:
        """Return the first number of a value, or None when the keyword is missing."""
        return self.number(key) if key in self.values else None

    @cached_property
    def kind(self) -> Kind:
        """What the header is of, by what it holds."""
        if "DEM_projection" in self.values:
            return "map"
        if "radar_frequency" in self.values:
            return "image"
        if any(key in self.values for key in _VECTORS):
            return "baseline"
        if "interferogram_width" in self.values:
            return "offset"
        if "range_samp_1" in self.values:
            return "diff"
        return "table" if _table(self.text).size else "other"

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the image, map or interferogram.

        Raises
        ------
        InputError
            They are missing, or not positive whole numbers.
        """
        keys = {
            "map": ("nlines", "width"),
            "offset": ("interferogram_azimuth_lines", "interferogram_width"),
            "diff": ("az_samp_1", "range_samp_1"),
        }
        sizes = [self.number(key) for key in keys.get(self.kind, ("azimuth_lines", "range_samples"))]
        if min(sizes) < 1 or any(size != int(size) for size in sizes):
            message = f"{self.path}: {sizes[0]:g} x {sizes[1]:g} is no size of an image: correct the header"
            raise InputError(message)
        return int(sizes[0]), int(sizes[1])

    @property
    def looks(self) -> int:
        """Looks in range times looks in azimuth of an image."""
        return int(self.number("range_looks") * self.number("azimuth_looks"))

    @property
    def wavelength_m(self) -> float:
        """Wavelength, metres."""
        return SPEED_OF_LIGHT / self.number("radar_frequency")

    @property
    def day(self) -> Epoch:
        """Day of an image.

        Raises
        ------
        InputError
            The header has no date.
        """
        year, month, day = numbers_in(self.values.get("date"), _DATE_PARTS, f"{self.path}: date")
        return as_epoch(f"{int(year):04d}{int(month):02d}{int(day):02d}")

    @property
    def second_of_day(self) -> float | None:
        """Time of the centre of an image, seconds of the day: ``center_time``, else the clock of ``date``."""
        if "center_time" in self.values:
            return self.number("center_time")
        words = self.values.get("date", "").split()
        if len(words) < 2 * _DATE_PARTS:
            return None
        hour, minute, second = (number_in(word, f"{self.path}: date") for word in words[_DATE_PARTS : 2 * _DATE_PARTS])
        return 3600 * hour + 60 * minute + second

    @property
    def satellite_height_m(self) -> float:
        """Height of the satellite above the sphere below it, metres."""
        return self.number("sar_to_earth_center") - self.number("earth_radius_below_sensor")

    @property
    def centre_range_m(self) -> float:
        """Slant range at the centre of an image, metres."""
        given = self.optional("center_range_slc")
        if given:
            return given
        samples = self.number("range_samples")
        return self.number("near_range_slc") + (samples - 1) / 2 * self.number("range_pixel_spacing")


def read_par(path: Path) -> GammaPar:
    """Return a header of GAMMA.

    Raises
    ------
    InputError
        The file is missing or not a text.
    """
    text = read_header_text(path)
    values = {}
    for line in text.splitlines():
        match = _LINE.match(line.strip())
        if match and match.group(2):
            values[match.group(1)] = match.group(2).strip()
    return GammaPar(path, values, text)


def map_grid(header: GammaPar) -> Grid:
    """Return the grid of a map header.

    Raises
    ------
    GridError
        The projection is none of EQA and UTM.

    Notes
    -----
    The corner is taken for the outer corner of the first pixel, as MintPy and PyRate take it, so that a flat file and
    its GeoTIFF lie on one grid.
    """
    projection = header.values["DEM_projection"].split()[0].upper()
    if projection in _GEOGRAPHIC:
        y, x = (header.number(f"corner_{axis}") for axis in ("lat", "lon"))
        step_y, step_x = (header.number(f"post_{axis}") for axis in ("lat", "lon"))
        system = _WGS84
    elif projection == "UTM":
        y, x = (header.number(f"corner_{axis}") for axis in ("north", "east"))
        step_y, step_x = (header.number(f"post_{axis}") for axis in ("north", "east"))
        zone = int(header.number("projection_zone"))
        south = (header.optional("false_northing") or 0.0) > 0
        system = f"EPSG:{(32700 if south else 32600) + zone}"
    else:
        message = f"{header.path}: projection {projection} is not known: geocode to EQA or UTM"
        raise GridError(message)
    return GeoBox(header.shape, Affine(step_x, 0.0, x, 0.0, step_y, y), system)


def table_bperp(header: GammaPar) -> float:
    """Return the perpendicular baseline at the middle line and range of a table of baselines (``base_perp``), metres.

    Raises
    ------
    InputError
        The file holds no table.
    """
    table = _table(header.text)
    if not table.size:
        message = f"{header.path} holds no table of baselines: get it again"
        raise InputError(message)
    lines = np.unique(table[:, _LINE_COLUMN])
    middle = lines[np.argmin(np.abs(lines - lines.mean()))]
    rows = table[table[:, _LINE_COLUMN] == middle]
    ranges = rows[:, _RANGE_COLUMN]
    return float(np.interp((ranges.min() + ranges.max()) / 2, ranges, rows[:, _BPERP_COLUMN]))


def corner_refs(image: GammaPar) -> dict[str, str]:
    """Return LAT_REF and LON_REF 1 to 4 from the file of corners (.corner, .corner_full) beside an image header.

    Parameters
    ----------
    image : GammaPar
        Header of an image; empty without such a file, or when it does not hold four corners.
    """
    for suffix in (".corner", ".corner_full"):
        path = image.path.with_suffix(suffix)
        if not path.is_file():
            continue
        lines = (line.split() for line in read_header_text(path).splitlines())
        numbers = [[word for word in words if _NUMBER.fullmatch(word)] for words in lines]
        corners = [words for words in numbers if len(words) == _LATLON][:_CORNERS]
        if len(corners) == _CORNERS:
            named = [(f"LAT_REF{k}", f"LON_REF{k}") for k in range(1, _CORNERS + 1)]
            return {
                key: text
                for keys, texts in zip(named, corners, strict=True)
                for key, text in zip(keys, texts, strict=True)
            }
    return {}


def _table(text: str) -> npt.NDArray[np.float64]:
    """Return the numbers of a table of baselines, nine a line; no line where the text holds no such table."""
    lines = [line.split() for line in text.splitlines() if _TABLE.match(line)]
    try:
        return np.array(lines, np.float64).reshape(len(lines), _TABLE_COLUMNS)
    except ValueError:  # words of digits, signs and dots that are no numbers
        return np.empty((0, _TABLE_COLUMNS))


def vector_bperp(header: GammaPar, image: GammaPar) -> float:
    r"""Return the perpendicular baseline at the centre of a scene from a baseline header, metres.

    Parameters
    ----------
    header : GammaPar
        Baseline vector at the centre in the frame along track, across track, down (TCN).
    image : GammaPar
        Header of the first image, which tells the look angle.

    Raises
    ------
    InputError
        A value is missing.

    Notes
    -----
    :math:`B_\perp = B_c \cos\eta - B_n \sin\eta` with the look angle :math:`\eta` at the centre.
    """
    for key in _VECTORS:
        if key in header.values:
            _, across, down = numbers_in(header.values[key], 3, f"{header.path}: {key}")
            if across or down:
                break
    else:
        return 0.0
    orbit, earth = image.number("sar_to_earth_center"), image.number("earth_radius_below_sensor")
    slant = image.centre_range_m
    look = np.arccos((orbit**2 + slant**2 - earth**2) / (2 * orbit * slant))
    return float(across * np.cos(look) - down * np.sin(look))
