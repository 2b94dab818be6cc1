"""Tables of stations as people make them: survey pegs, positions over time, or rates.

=====================  ==================================================================================
columns                what a line is
=====================  ==================================================================================
date, east, north      a survey of a peg: map coordinates in the reference system of the table
date, lon, lat         the same in degrees
date, lon, lat, east,  displacement of a station, metres (``_mm``, ``_cm`` in the name: those)
north
velocity_east,         a rate, m/yr (``_mm_yr``: that), with ``lon, lat`` or ``east, north`` for the place
velocity_north
=====================  ==================================================================================

``name`` tells stations apart; ``up`` (or ``height``), ``sigma_east`` and so on, and ``crs`` may be there. Names are
known in many spellings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from pyproj import CRS, Transformer

from creepmeter.errors import InputError
from creepmeter.io.points import Columns, read_columns, system_text
from creepmeter.model.epoch import Epochs
from creepmeter.model.station import GEOGRAPHIC, Station, StationRates
from creepmeter.validation.dates import DateOrder, read_dates

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

_UNITS = {"": 1.0, "_m": 1.0, "_cm": 0.01, "_mm": 0.001}
_RATE_UNITS = {f"{unit}{per}": factor for unit, factor in _UNITS.items() for per in ("", "_yr", "_a", "_year")}
_AXIS = {"east": ("east", "e", "x"), "north": ("north", "n", "y"), "up": ("up", "u", "z", "v")}
_PLAIN = {
    "name": ("name", "station", "site", "peg", "point", "id", "station_id", "marker"),
    "date": ("date", "time", "datetime", "epoch", "day", "decimal_year", "decyear"),
    "crs": ("crs", "epsg", "srid"),
    "lon": ("lon", "longitude", "long"),
    "lat": ("lat", "latitude"),
    "east": ("east", "easting", "e", "x"),
    "north": ("north", "northing", "n", "y"),
    "up": ("up", "height", "elevation", "z", "h", "u"),
}
_WITH_AXIS = {
    "moved": ("d", "delta", "displacement", "disp"),
    "rate": ("velocity", "vel", "v", "rate"),
    "sigma": ("sigma", "std", "sig", "s", "se", "error", "err", "uncertainty"),
}


class StationTable(NamedTuple):
    """What a table holds: stations over time, stations with rates, and stations left out, with the reason."""

    series: tuple[Station, ...]
    rates: tuple[StationRates, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class _Table:
    """Columns by role."""

    path: Path
    lines: list[int]
    roles: dict[str, list[str]]
    factors: dict[str, float]
    decimal: str  # besides the point: a comma between commas is no decimal one, it may part thousands

    def texts(self, role: str) -> list[str]:
        return self.roles[role]

    def numbers(self, role: str) -> Floats:
        """Return a column as numbers in metres, degrees or m/yr; NaN where it is empty or not there."""
        if role not in self.roles:
            return np.full(self.count, np.nan)
        values = [self._number(text, role, line) for line, text in zip(self.lines, self.roles[role], strict=True)]
        return np.array(values) * self.factors.get(role, 1.0)

    def _number(self, text: str, role: str, line: int) -> float:
        try:
            return float(text.replace(self.decimal, ".")) if text else np.nan
        except ValueError as problem:
            message = f"{self.path}, line {line}: {text!r} is no number ({role})"
            raise InputError(message) from problem

    def take(self, rows: Rows) -> _Table:
        """Return some of the lines."""
        roles = {role: [texts[k] for k in rows] for role, texts in self.roles.items()}
        return _Table(self.path, [self.lines[k] for k in rows], roles, self.factors, self.decimal)

    def axes(self, kind: str) -> Floats:
        """Return the columns east, north, up of one kind, (n, 3)."""
        return np.stack([self.numbers(f"{kind}{axis}") for axis in _AXIS], axis=1)

    @property
    def count(self) -> int:
        return len(self.lines)

    def has(self, *roles: str) -> bool:
        return all(role in self.roles for role in roles)


def read_station_table(path: str | Path, *, crs: str | None = None, date_order: DateOrder = "auto") -> StationTable:
    """Read a table of stations; see the module for its columns.

    Parameters
    ----------
    path : str or Path
        CSV with comma, semicolon or tab, also packed by gzip or xz.
    crs : str, optional
        Reference system of map coordinates, where no column says it.
    date_order : {"auto", "day-first", "month-first"}
        See `creepmeter.validation.dates.read_dates`.

    Raises
    ------
    InputError
        Wrong columns, text for a number, no reference system.
    EpochError
        A date cannot be read, or two readings are possible.
    """
    table = _with_roles(Path(path), read_columns(path))
    if table.has("rate_east", "rate_north"):
        return StationTable((), _rates(table, crs), ())
    if not table.has("date") or not (table.has("lon", "lat") or table.has("east", "north")):
        message = (
            f"{path} has the columns {', '.join(table.roles) or 'none that are known'}: needed are name, date, and "
            "east, north or lon, lat (of a survey), or velocity_east, velocity_north"
        )
        raise InputError(message)
    times = read_dates(table.texts("date"), date_order, name=str(path), lines=table.lines)
    series, left_out = [], []
    for name, rows in _by_station(table).items():
        try:
            series.append(_series(table.take(rows), name, times[rows], crs))
        except InputError as problem:
            left_out.append(f"{name}: {problem}")
    return StationTable(tuple(series), (), tuple(left_out))


def _with_roles(path: Path, columns: Columns) -> _Table:
    if not columns.lines:
        message = f"{path} has no line below its column names: get it again"
        raise InputError(message)
    roles: dict[str, list[str]] = {}
    factors: dict[str, float] = {}
    for name, values in columns.entries.items():
        found = _role(re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_"))
        if found is None:
            continue
        role, factor = found
        if role in roles:
            message = f"{path} has two columns for {role}, one of them {name!r}: leave one out"
            raise InputError(message)
        roles[role], factors[role] = values, factor
    return _Table(path, columns.lines, roles, factors, "." if columns.delimiter == "," else ",")


def _role(name: str) -> tuple[str, float] | None:
    """Return what a column is and the factor to metres; None if it is not known."""
    for role, words in _PLAIN.items():
        units = _UNITS if role in _AXIS else {"": 1.0}
        for unit, factor in units.items():
            if name.endswith(unit) and name.removesuffix(unit) in words:
                return role, factor
    for kind, words in _WITH_AXIS.items():
        units = _RATE_UNITS if kind != "moved" else _UNITS
        for unit, factor in units.items():
            axis = _axis_of(name.removesuffix(unit), words) if name.endswith(unit) else None
            if axis is not None:
                return f"{kind}_{axis}", factor
    return None


def _axis_of(name: str, words: Sequence[str]) -> str | None:
    """Return the axis of names such as sigma_east, east_sigma, se, de."""
    for axis, letters in _AXIS.items():
        for word in words:
            joined = {f"{word}{letter}" for letter in letters if len(letter) == 1 and len(word) == 1}
            if name in joined | {f"{word}_{letter}" for letter in letters} | {f"{letter}_{word}" for letter in letters}:
                return axis
    return None


def _by_station(table: _Table) -> dict[str, Rows]:
    """Return the lines of each station, in the order in which they come first."""
    if not table.has("name"):
        return {table.path.name.split(".")[0]: np.arange(table.count)}
    names = np.array(table.texts("name"))
    if (names == "").any():
        message = f"{table.path}, line {table.lines[int(np.argmax(names == ''))]}: a line without a station's name"
        raise InputError(message)
    return {str(name): np.flatnonzero(names == name) for name in dict.fromkeys(names)}


def _series(table: _Table, name: str, times: Epochs, crs: str | None) -> Station:
    """Return the station whose lines a table holds."""
    needed = ("lon", "lat") if table.has("lon", "lat") else ("east", "north")
    known = np.isfinite([table.numbers(role) for role in needed]).all(axis=0)
    if not known.any():
        message = f"no line has both {needed[0]} and {needed[1]}: fill them in or leave the station out"
        raise InputError(message)
    rows = np.flatnonzero(known)
    rows = rows[np.argsort(times[rows], kind="stable")]
    table, times = table.take(rows), times[rows]
    moving = "moved_" if table.has("moved_east", "moved_north") else ""
    position = table.axes(moving)
    x, y = (float(np.median(table.numbers(role))) for role in needed)
    if needed[0] == "lon":
        system: str = GEOGRAPHIC
        lon, lat = (table.numbers(role) for role in needed)
        _require_degrees(lon, lat)
        x = (x + 180.0) % 360.0 - 180.0
        if not moving and not table.has("east", "north"):
            position = _metres_around(lon, lat, table.numbers("up"))
    else:
        system = _system(table, np.arange(table.count), crs)
        position = position if moving else position * _metre(system)
    first = [column[np.isfinite(column)][0] if np.isfinite(column).any() else np.nan for column in position.T]
    return Station(name, x, y, system, times, position - np.array(first), table.axes("sigma_"))


def _require_degrees(lon: Floats, lat: Floats) -> None:
    if (np.abs(lat) > 90.0).any() or (np.abs(lon) > 360.0).any():  # noqa: PLR2004 - degrees
        message = "longitude and latitude are not in degrees: name columns of map coordinates east and north"
        raise InputError(message)


def _metres_around(lon: Floats, lat: Floats, up: Floats) -> Floats:
    """Return degrees as metres east and north of their middle."""
    lat_0, lon_0 = float(np.nanmedian(lat)), float(np.nanmedian(lon))
    middle = CRS.from_dict({"proj": "aeqd", "lat_0": lat_0, "lon_0": lon_0, "ellps": "WGS84"})
    east, north = Transformer.from_crs(GEOGRAPHIC, middle, always_xy=True).transform(lon, lat)
    return np.stack([east, north, up], axis=1)


def _system(table: _Table, rows: Rows, crs: str | None) -> str:
    said = {table.texts("crs")[k] for k in rows} if table.has("crs") else set()
    said.discard("")
    if len(said) > 1:
        message = f"its lines have {len(said)} reference systems ({', '.join(sorted(said))}): bring them to one"
        raise InputError(message)
    named = said.pop() if said else crs
    if named is None:
        message = "east and north have no reference system: give --crs EPSG:NUMBER, or a column crs"
        raise InputError(message)
    return system_text(f"EPSG:{named}" if named.isdecimal() else named)


def _metre(system: str) -> Floats:
    """Return metres per unit of east, north, up."""
    crs = CRS.from_user_input(system)
    if crs.is_geographic:
        message = f"{crs.name} is in degrees: name the columns lon and lat"
        raise InputError(message)
    factor = float(crs.axis_info[0].unit_conversion_factor)
    return np.array([factor, factor, 1.0])


def _rates(table: _Table, crs: str | None) -> tuple[StationRates, ...]:
    if table.has("lon", "lat"):
        x, y = (table.numbers("lon") + 180.0) % 360.0 - 180.0, table.numbers("lat")
        _require_degrees(x, y)
        systems = [GEOGRAPHIC] * table.count
    elif table.has("east", "north"):
        x, y = table.numbers("east"), table.numbers("north")
        systems = [_system(table, np.array([k]), crs) for k in range(table.count)]
    else:
        message = f"{table.path} has velocities but neither lon, lat nor east, north: say where the stations are"
        raise InputError(message)
    stem = table.path.name.split(".")[0]
    names = table.texts("name") if table.has("name") else [f"{stem} {k + 1}" for k in range(table.count)]
    rate, sigma = table.axes("rate_"), table.axes("sigma_")
    return tuple(
        StationRates(names[k], float(x[k]), float(y[k]), systems[k], rate[k], sigma[k], sigma[k], "given")
        for k in range(table.count)
    )
