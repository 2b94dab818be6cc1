"""Daily positions of GNSS stations: ``.tenv3`` and ``.tenv`` of the Nevada Geodetic Laboratory, ``.pos`` of PBO.

Formats are told apart by their content. A day counts as its noon: a daily position is the mean of the day.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pyproj import Geod

from creepmeter.errors import EpochError, InputError
from creepmeter.model.epoch import Epochs, as_epochs
from creepmeter.model.station import GEOGRAPHIC, Station

Floats = npt.NDArray[np.float64]

_TENV, _TENV3, _TENV3_PLACED = 16, 20, 23  # columns
_DAY = re.compile(r"\d{2}[A-Z]{3}\d{2}")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_MJD_ORIGIN = np.datetime64("1858-11-17", "D")
_NOON = np.timedelta64(12, "h")
_NO_SIGMA = 9.99  # what NGL writes for a very large one
_POS = ("YYYYMMDD", "HHMMSS", "dE", "dN", "dU", "Se", "Sn", "Su", "NLat", "Elong")
_AGAIN = "the file is cut or of another format, get it again"


def is_gnss(text: str) -> bool:
    """Tell whether a text looks like one of the three formats."""
    return is_pos(text) or _is_ngl(text)


def is_pos(text: str) -> bool:
    """Tell whether a text looks like a ``.pos`` file."""
    return text.startswith("PBO Station Position") or "\n*YYYYMMDD HHMMSS" in text[:20_000]


def _is_ngl(text: str) -> bool:
    rows = [line.split() for line in text[:2000].splitlines()[:2]]
    return any(len(row) > 2 and (row[1] == "YYMMMDD" or _DAY.fullmatch(row[1]) is not None) for row in rows)  # noqa: PLR2004


def read_gnss(text: str, path: str | Path) -> Station:
    """Return the station of a GNSS file.

    Parameters
    ----------
    text : str
        What the file holds; see `is_gnss`.
    path : str or Path
        The file, for messages.

    Returns
    -------
    Station
        Longitude from -180 to 180 degrees; a ``.tenv`` file does not say where the station is.

    Raises
    ------
    InputError
        Wrong columns, a cut file, no position.
    """
    return _read_pos(text, path) if is_pos(text) else _read_ngl(text, path)


def _table(rows: Sequence[tuple[int, list[str]]], path: str | Path, width: int) -> list[list[str]]:
    """Return rows that all have the same number of columns."""
    if not rows:
        message = f"{path} holds no position: {_AGAIN}"
        raise InputError(message)
    for line, row in rows:
        if len(row) != width:
            message = f"{path}, line {line}: {len(row)} columns in place of {width}: {_AGAIN}"
            raise InputError(message)
    return [row for _, row in rows]


def _numbers(table: Sequence[Sequence[str]], columns: Sequence[int], path: str | Path) -> Floats:
    try:
        return np.array([[float(row[k]) for k in columns] for row in table])
    except ValueError as problem:
        message = f"{path}: {problem}; the columns are not those of the format: {_AGAIN}"
        raise InputError(message) from problem


def _read_ngl(text: str, path: str | Path) -> Station:
    rows = [(line, row) for line, row in enumerate(map(str.split, text.splitlines()), 1) if row]
    rows = [(line, row) for line, row in rows if not (len(row) > 1 and row[1] == "YYMMMDD")]
    width = len(rows[0][1]) if rows else 0
    if rows and width not in (_TENV, _TENV3, _TENV3_PLACED):
        message = f"{path}, line {rows[0][0]}: {width} columns, but .tenv has {_TENV} and .tenv3 {_TENV3_PLACED}"
        raise InputError(message)
    table = _table(rows, path, width)
    times = _ngl_days(table, path)
    if width == _TENV:
        position, sigma = _numbers(table, (6, 7, 8), path), _numbers(table, (10, 11, 12), path)
        lon, lat = np.nan, np.nan
    else:
        whole, rest = _numbers(table, (7, 9, 11), path), _numbers(table, (8, 10, 12), path)
        position, sigma = whole + rest, _numbers(table, (14, 15, 16), path)
        lon, lat = _ngl_place(table, position, path)
    return _station(_only_name(table, path), (lon, lat), times, position, sigma)


def _only_name(table: Sequence[Sequence[str]], path: str | Path) -> str:
    names = {row[0] for row in table}
    if len(names) > 1:
        message = f"{path} holds {len(names)} stations ({', '.join(sorted(names)[:3])}, ...): give one file for each"
        raise InputError(message)
    return names.pop()


def _ngl_days(table: Sequence[Sequence[str]], path: str | Path) -> Epochs:
    """Return the days by their Julian number, which must agree with the written dates."""
    days = _numbers(table, (3,), path)[:, 0]
    if not (np.abs(days) < 1e6).all():  # noqa: PLR2004 - thousands of years
        message = f"{path}: column 4 is no modified Julian day: {_AGAIN}"
        raise InputError(message)
    stamps = _MJD_ORIGIN + np.floor(days).astype(np.int64).astype("timedelta64[D]")
    for day, row in zip(stamps, table, strict=True):
        year, month, number = str(day).split("-")
        if row[1] != f"{year[2:]}{_MONTHS[int(month) - 1]}{number}":
            message = f"{path}: {row[1]} is not the day {row[3]} (modified Julian day) in column 4: {_AGAIN}"
            raise InputError(message)
    return (stamps + _NOON).astype("datetime64[ns]")


def _ngl_place(table: Sequence[Sequence[str]], position: Floats, path: str | Path) -> tuple[float, float]:
    if len(table[0]) == _TENV3_PLACED:
        lat, lon = np.median(_numbers(table, (20, 21), path), axis=0)
        return float(lon), float(lat)
    meridian = float(_numbers(table[:1], (6,), path)[0, 0])
    east, north = np.median(position[:, :2], axis=0)
    ellipsoid = Geod(ellps="WGS84")
    _, lat, _ = ellipsoid.fwd(meridian, 0.0, 0.0, north)
    lon, lat, _ = ellipsoid.fwd(meridian, lat, 90.0, east)
    return float(lon), float(lat)


def _read_pos(text: str, path: str | Path) -> Station:
    lines = text.splitlines()
    start = next((k for k, line in enumerate(lines) if line.startswith("*YYYYMMDD")), None)
    if start is None:
        message = f"{path} has no line of column names (*YYYYMMDD ...): {_AGAIN}"
        raise InputError(message)
    names = lines[start].lstrip("*").split()
    missing = [name for name in _POS if name not in names]
    if missing:
        message = f"{path} lacks the column {missing[0]}: found {', '.join(names)}"
        raise InputError(message)
    rows = [(k + 1, lines[k].split()) for k in range(start + 1, len(lines)) if lines[k].strip()]
    table = _table(rows, path, len(names))
    at = {name: names.index(name) for name in _POS}
    try:
        times = as_epochs([f"{row[at['YYYYMMDD']]}T{row[at['HHMMSS']]}" for row in table])
    except EpochError as problem:
        message = f"{path}: {problem}"
        raise InputError(message) from problem
    position = _numbers(table, [at[name] for name in ("dE", "dN", "dU")], path)
    sigma = _numbers(table, [at[name] for name in ("Se", "Sn", "Su")], path)
    lon, lat = np.median(_numbers(table, [at["Elong"], at["NLat"]], path), axis=0)
    head = dict(re.findall(r"^([^:\n]+?)\s*:\s*(.*)$", "\n".join(lines[:start]), flags=re.MULTILINE))
    frame = re.search(r"Reference Frame : *(\S+)", "\n".join(lines[:start]))
    name = head.get("4-character ID", "").strip() or Path(path).name.split(".")[0]
    return _station(name, (lon, lat), times, position, sigma, frame="" if frame is None else frame[1])


def _station(
    name: str, lonlat: tuple[float, float], times: Epochs, position: Floats, sigma: Floats, *, frame: str = ""
) -> Station:
    good = np.isfinite(position).all(axis=1) & (sigma < _NO_SIGMA).all(axis=1) & (sigma > 0).all(axis=1)
    order = np.flatnonzero(good)[np.argsort(times[good], kind="stable")]
    if len(order) == 0:
        message = f"station {name} has no position with a standard error: get the file again or leave it out"
        raise InputError(message)
    moved = position[order] - position[order[0]]
    lon = (lonlat[0] + 180.0) % 360.0 - 180.0
    return Station(name, lon, lonlat[1], GEOGRAPHIC, times[order], moved, sigma[order], frame)
