"""Offsets of images, pair by pair: dates from a table of files, layers in metres east and north."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.errors import EpochError, InputError
from creepmeter.interferograms.attributes import grid_attributes
from creepmeter.interferograms.catalogue import Catalogue, Interferogram, Report, assemble, matching, one_file
from creepmeter.interferograms.companions import on_grid
from creepmeter.interferograms.header_text import number_in, read_header_text
from creepmeter.interferograms.layers import Derived, Scaled
from creepmeter.interferograms.line_of_sight import Turned
from creepmeter.interferograms.load_options import LoadOptions
from creepmeter.interferograms.names import DatePair, dates_of, day
from creepmeter.io.layers import Layer, RasterLayer
from creepmeter.model.epoch import as_epoch
from creepmeter.model.grid import Grid

Values = npt.NDArray[Any]
OFFSET_OPTIONS = {
    "rangeOffset": "rg_off_file",
    "azimuthOffset": "az_off_file",
    "rangeOffsetStd": "rg_off_std_file",
    "azimuthOffsetStd": "az_off_std_file",
    "offsetSNR": "off_snr_file",
}
_FILE_AND_DATES = 3


@dataclass(frozen=True)
class DateTable:
    """Dates of files, and settings, from the text file that ``meta_file`` names.

    Parameters
    ----------
    dates : mapping of str to DatePair
        Name of a file, without folder -> its two dates.
    settings : mapping of str to str
        Lines of keyword = value.
    """

    dates: Mapping[str, DatePair]
    settings: Mapping[str, str]

    def of(self, path: Path, options: LoadOptions) -> DatePair:
        """Return the dates of a file: by the table, else by its name.

        Raises
        ------
        InputError
            Neither tells them.
        """
        found = self.dates.get(path.name) or dates_of(path, options.dates_pattern)
        if found is None:
            message = (
                f"{path.name} is not in the table of dates (meta_file, lines of file, first and second date) and holds "
                "no two dates in its name: add it, or give dates_pattern"
            )
            raise InputError(message)
        return found

    def number(self, key: str) -> float | None:
        """Return a number among the settings, or None."""
        return number_in(self.settings[key], f"meta_file: {key}") if key in self.settings else None


def read_date_table(options: LoadOptions, base: Path, report: Report) -> DateTable:
    """Return the table of dates that ``meta_file`` names: lines of file, first and second date (YYYYMMDD).

    Raises
    ------
    InputError
        A line is neither that nor keyword = value.
    """
    dates: dict[str, DatePair] = {}
    settings: dict[str, str] = {}
    path = one_file(options.meta_file, base, report, "meta_file")
    for line in [] if path is None else read_header_text(path).splitlines():
        text = line.split("#")[0].strip()
        key, sign, value = text.partition("=")
        words = text.split()
        if sign and key.strip():
            settings[key.strip()] = value.strip()
        elif len(words) >= _FILE_AND_DATES:
            dates[Path(" ".join(words[:-2])).name] = _two_dates(words[-2:], f"{path}: the line {text!r}")
        elif words:
            message = (
                f"{path}: the line {text!r} is neither file, first and second date nor keyword = value: correct it"
            )
            raise InputError(message)
    return DateTable(dates, settings)


def _two_dates(words: list[str], label: str) -> DatePair:
    try:
        first, second = (day(as_epoch(word)) for word in words)
    except EpochError as problem:
        message = f"{label} has no dates YYYYMMDD at its end ({problem})"
        raise InputError(message) from problem
    if first == second:
        message = f"{label} gives one date twice: correct it"
        raise InputError(message)
    return DatePair(first, second)


def metres(layer: Layer, factor: float, nodata: float | None, valid: Layer | None = None) -> Layer:
    """Return a layer times a factor; NaN where the file says missing, and where `valid` is 0.

    Parameters
    ----------
    layer : Layer
        Source.
    factor : float
        Metres per unit, with the sign that turns it to east or north.
    nodata : float or None
        Declared no-data value.
    valid : Layer, optional
        0 = not to be used.
    """
    scaled = Scaled(Scaled(layer, nodata=nodata, fill=np.nan), factor)
    return scaled if valid is None else Derived((scaled, valid), _where_valid, "measured")


def _where_valid(values: Values, valid: Values) -> Values:
    return np.where(np.nan_to_num(valid) > 0, values, np.float32(np.nan))


def files_by_dates(
    options: LoadOptions, base: Path, table: DateTable, report: Report
) -> dict[tuple[str, str], dict[str, tuple[Path, DatePair]]]:
    """Return offset files by pair of dates and layer; files without dates are left out by name.

    Returns
    -------
    dict
        (first, second) as text -> layer -> file and dates.

    Raises
    ------
    InputError
        No pattern of offsets matches a file.
    """
    found: dict[tuple[str, str], dict[str, tuple[Path, DatePair]]] = {}
    for layer, option in OFFSET_OPTIONS.items():
        files = matching(getattr(options, option), base)
        if getattr(options, option) and not files:
            report.note(f"{option}: no file matches {getattr(options, option)}")
        for path in files:
            dates = report.attempt(path.name, partial(table.of, path, options))
            if dates is not None:
                found.setdefault((str(dates.pair.ref), str(dates.pair.sec)), {})[layer] = (path, dates)
    if not found and not report.left_out:
        message = "rg_off_file, az_off_file: no file is found; give patterns such as ../offsets/*.tif"
        raise InputError(message)
    return found


def assemble_offsets(
    found: list[Interferogram],
    options: LoadOptions,
    base: Path,
    report: Report,
    *,
    extra: Mapping[str, str] | None = None,
) -> Catalogue:
    """Make a catalogue of offsets in metres east and north.

    Parameters
    ----------
    found : list of Interferogram
        With their grids.
    options : LoadOptions
        Files of geometry (GeoTIFF).
    base : Path
        Folder that patterns start from.
    report : Report
        What was left out so far.
    extra : mapping, optional
        Further attributes.

    Raises
    ------
    InputError
        Nothing is left.

    Notes
    -----
    As MintPy does it for COSI-Corr, ``rangeOffset`` is east and ``azimuthOffset`` is north, metres, and PROCESSOR is
    cosicorr: that tells the inversion that offsets are in metres already.
    """
    first = min(found, key=lambda one: one.pair, default=None)
    attributes = {"PROCESSOR": "cosicorr", "UNIT": "m", **(extra or {})}
    geometry: dict[str, Layer] = {}
    if first is not None and first.grid is not None:
        attributes |= grid_attributes(first.grid)
        geometry = _geometry(first.grid, options, base, report)
    return assemble(found, geometry, attributes, report)


def _geometry(grid: Grid, options: LoadOptions, base: Path, report: Report) -> dict[str, Layer]:
    names: dict[str, tuple[str, Callable[[Layer], Layer]]] = {
        "height": ("dem_file", lambda layer: layer),
        "incidenceAngle": ("inc_angle_file", Turned),
        "azimuthAngle": ("az_angle_file", Turned),
        "waterMask": ("water_mask_file", lambda layer: layer),
        "shadowMask": ("shadow_mask_file", lambda layer: layer),
    }
    layers = {}
    for name, (option, turn) in names.items():
        path = one_file(getattr(options, option), base, report, option)
        raster = None if path is None else report.attempt(f"{name} {path.name}", partial(RasterLayer, path))
        if raster is not None:
            layers[name] = turn(on_grid(raster, grid, report, name))
    return layers
