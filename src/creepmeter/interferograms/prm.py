"""GMTSAR's text files: parameters of an image (PRM), table of baselines; its way to write dates."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from creepmeter.errors import EpochError, InputError
from creepmeter.interferograms.attributes import SPEED_OF_LIGHT, RadarFacts, text_of
from creepmeter.interferograms.header_text import number_in, read_header_text
from creepmeter.interferograms.names import DatePair, date_in
from creepmeter.model.epoch import Epoch, as_epoch
from creepmeter.model.pair import Pair

_FOLDER = re.compile(r"(?<!\d)((?:19|20)\d{2}[0-3]\d{2})_((?:19|20)\d{2}[0-3]\d{2})(?!\d)")
_STEP = np.timedelta64(1, "D")
_COLUMNS = 5  # name, clock, days, parallel and perpendicular baseline
_SENTINEL, _ALOS2 = 10, 5
_PLATFORMS = {1: "Ers", 2: "Ers", 4: "Env", 5: "Alos", 7: "Tsx", 8: "Csk", 9: "Rsat2", 10: "Sen", 11: "Gaofen3"}
_DAYS = 366
_SECONDS = 86_400.0


@dataclass(frozen=True)
class Prm:
    """Parameters of one image.

    Parameters
    ----------
    path : Path
        The file.
    values : dict
        Keyword -> text.
    """

    path: Path
    values: dict[str, str]

    def number(self, key: str) -> float:
        """Return a number.

        Raises
        ------
        InputError
            The keyword is missing or its value is no number.
        """
        return number_in(self.values.get(key), f"{self.path}: {key}")

    def optional(self, key: str) -> float | None:
        """Return a number, or None when the keyword is missing."""
        return self.number(key) if key in self.values else None

    @property
    def day(self) -> Epoch:
        """Day of the image, from SC_clock_start."""
        return day_from_zero(self.number("SC_clock_start"), f"{self.path}: SC_clock_start")


def read_prm(path: Path) -> Prm:
    """Return the parameters of an image.

    Raises
    ------
    InputError
        The file is missing, not a text, or holds no line of keyword = value.
    """
    values = {}
    for line in read_header_text(path).splitlines():
        key, sign, value = line.partition("=")
        if sign and value.strip():
            values[key.strip()] = value.strip()
    if not values:
        message = f"{path} holds no line of keyword = value: it is no PRM file"
        raise InputError(message)
    return Prm(path, values)


def day_from_zero(clock: float, label: str) -> Epoch:
    """Return the day of GMTSAR's YYYYDDD.fraction: days of the year count from 0.

    Raises
    ------
    EpochError
        It is no such date.

    Examples
    --------
    >>> str(day_from_zero(2018004.07, "clock"))[:10]
    '2018-01-05'
    """
    whole = int(clock)
    year, day = divmod(whole, 1000)
    if not 0 <= day <= _DAYS:
        message = f"{label} is {clock}, no date YYYYDDD"
        raise EpochError(message)
    found: Epoch = as_epoch(f"{year:04d}0101") + day * _STEP
    return found


def folder_dates(name: str) -> DatePair | None:
    """Return the dates of a folder ``YYYYDDD_YYYYDDD``, whose days count from 0, or None."""
    match = _FOLDER.search(name)
    if match is None:
        return None
    first, second = (day_from_zero(float(text), name) for text in match.groups())
    return DatePair(first, second) if first != second else None


@dataclass(frozen=True)
class BaselineTable:
    """Perpendicular baselines of images against one of them.

    Parameters
    ----------
    path : Path
        The file.
    bperp : dict
        Day -> metres.
    """

    path: Path
    bperp: dict[Epoch, float]

    def of(self, pair: Pair) -> float:
        """Return the baseline of a pair, later relative to earlier; NaN when a date is not in the table."""
        if pair.ref not in self.bperp or pair.sec not in self.bperp:
            return float("nan")
        return self.bperp[pair.sec] - self.bperp[pair.ref]


def read_baseline_table(path: Path) -> BaselineTable:
    """Return ``baseline_table.dat``: name, clock, days, parallel and perpendicular baseline a line.

    Raises
    ------
    InputError
        A line has too few values, or the clock says another day than the name of the image.
    """
    found = {}
    for line in read_header_text(path).splitlines():
        words = line.split()
        if not words:
            continue
        if len(words) < _COLUMNS:
            message = f"{path}: the line {line!r} has {len(words)} of {_COLUMNS} columns: make the table again"
            raise InputError(message)
        day = day_from_zero(number_in(words[1], f"{path}: clock"), f"{path}: {words[0]}")
        named = date_in(words[0])
        if named is not None and abs(named - day) > _STEP:
            message = f"{path}: {words[0]} has the clock {words[1]}, another day: make the table again"
            raise InputError(message)
        found[named if named is not None else day] = number_in(words[_COLUMNS - 1], f"{path}: {words[0]}")
    return BaselineTable(path, found)


def facts_of(prm: Prm, looks: tuple[int, int] | None, wavelength_m: float | None) -> RadarFacts:
    """Return what a PRM file tells.

    Parameters
    ----------
    prm : Prm
        Parameters of the master image.
    looks : (int, int), optional
        Looks in azimuth and range.
    wavelength_m : float, optional
        Wavelength that counts instead of that of the file.

    Raises
    ------
    InputError
        A value is missing.
    """
    azimuth, across = looks or (1, 1)
    height, earth = prm.optional("SC_height"), prm.optional("earth_radius")
    speed, prf, rate = prm.optional("SC_vel"), prm.optional("PRF"), prm.optional("rng_samp_rate")
    line = None
    if speed and prf:
        line = speed / prf * (earth / (earth + height) if earth and height else 1.0)
    clock, lines = prm.optional("SC_clock_start"), prm.optional("num_lines") or 0.0
    side = -1 if prm.values.get("lookdir", "R").upper().startswith("R") else 1
    direction = {"A": "ASCENDING", "D": "DESCENDING"}.get(prm.values.get("orbdir", "").upper()[:1])
    satellite = prm.optional("SC_identity")
    return RadarFacts(
        processor="gmtsar",
        wavelength_m=wavelength_m or prm.number("radar_wavelength"),
        azimuth_looks=azimuth,
        range_looks=across,
        azimuth_pixel_m=line * azimuth if line else None,
        range_pixel_m=SPEED_OF_LIGHT / (2 * rate) * across if rate else None,
        starting_range_m=prm.optional("near_range"),
        height_m=height,
        earth_radius_m=earth,
        orbit_direction=direction,
        heading_deg={"ASCENDING": -12.0, "DESCENDING": -168.0}.get(direction or ""),
        platform=_PLATFORMS.get(int(satellite)) if satellite is not None else None,
        antenna_side=side,
        centre_line_utc_s=None if clock is None else (clock % 1.0) * _SECONDS + (lines / 2 / prf if prf else 0.0),
        extra={"PRF": text_of(prf)} if prf else None,
    )
