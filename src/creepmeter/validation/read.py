"""Files of stations, whatever their format; one that cannot be used does not stop the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pyproj import Transformer

from creepmeter.errors import CreepmeterError, InputError
from creepmeter.io.points import read_points
from creepmeter.io.tabletext import read_table_text
from creepmeter.model.station import GEOGRAPHIC, Place, Station, StationRates
from creepmeter.validation.dates import DateOrder
from creepmeter.validation.gnss import is_gnss, read_gnss
from creepmeter.validation.tables import read_station_table


@dataclass(frozen=True)
class Stations:
    """What some files hold.

    Parameters
    ----------
    series : tuple of Station
        Stations with positions over time.
    rates : tuple of StationRates
        Stations whose rates the file states.
    left_out : tuple of str
        Files and stations that cannot be used, and why.
    """

    series: tuple[Station, ...]
    rates: tuple[StationRates, ...]
    left_out: tuple[str, ...]


def read_stations(
    paths: Sequence[str | Path],
    *,
    crs: str | None = None,
    date_order: DateOrder = "auto",
    positions: str | Path | None = None,
) -> Stations:
    """Read files of stations.

    Parameters
    ----------
    paths : sequence of path
        ``.tenv3``, ``.tenv``, ``.pos``, or CSV; the content tells which.
    crs : str, optional
        Reference system of map coordinates in tables that do not say it.
    date_order : {"auto", "day-first", "month-first"}
        Of dates such as 03/04/2018 in tables.
    positions : path, optional
        Table of name, lon, lat for stations whose files do not say where they are (``.tenv``).

    Returns
    -------
    Stations
        A file that is missing, empty, a web page, cut or of other columns is in `left_out`, with the reason.

    Raises
    ------
    InputError
        None of the files can be used, or that of the positions cannot.
    """
    known = {} if positions is None else _positions(positions, crs)
    series: list[Station] = []
    rates: list[StationRates] = []
    left_out: list[str] = []
    for path in paths:
        try:
            text = read_table_text(path)
            if is_gnss(text):
                series.append(_at(read_gnss(text, path), known))
                continue
            found = read_station_table(path, crs=crs, date_order=date_order)
        except CreepmeterError as problem:
            left_out.append(str(problem) if str(path) in str(problem) else f"{path}: {problem}")
            continue
        series += [_at(station, known) for station in found.series]
        rates += found.rates
        left_out += [f"{path}, {reason}" for reason in found.left_out]
    series, again = _once(series, rates)
    left_out += again
    if not series and not rates:
        message = f"none of {len(paths)} file(s) of stations can be used: {'; '.join(left_out)}"
        raise InputError(message)
    return Stations(tuple(series), tuple(rates), tuple(left_out))


def _positions(path: str | Path, crs: str | None) -> dict[str, Place]:
    """Return places by name, in degrees: GNSS displacement runs along true east and north."""
    table = read_points(path)
    system = table.crs or crs
    if system is None:
        message = f"{path} has x, y in no known reference system: give --crs, or lon and lat"
        raise InputError(message)
    to_degrees = Transformer.from_crs(system, GEOGRAPHIC, always_xy=True)
    lon, lat = to_degrees.transform(table.x, table.y)
    lower = {name.lower(): name for name in table.columns}
    column = next((lower[name] for name in ("name", "station", "site", "id") if name in lower), None)
    if column is None:
        message = f"{path} has no column name: positions need name, lon, lat"
        raise InputError(message)
    names = table.columns[column]
    return {name: Place(name, float(x), float(y), GEOGRAPHIC) for name, x, y in zip(names, lon, lat, strict=True)}


def _at(station: Station, known: dict[str, Place]) -> Station:
    place = known.get(station.name)
    if place is None or station.is_placed:
        return station
    return replace(station, x=place.x, y=place.y)


def _once(series: Sequence[Station], rates: Sequence[StationRates]) -> tuple[list[Station], list[str]]:
    """Return the first of stations of one name, and what to say of the others."""
    first: dict[str, Station] = {}
    again = []
    stated = {station.name for station in rates}
    for station in series:
        if station.name in first or station.name in stated:
            again.append(f"{station.name}: comes twice, the first is used: leave one of the files out")
        else:
            first[station.name] = station
    return list(first.values()), again
