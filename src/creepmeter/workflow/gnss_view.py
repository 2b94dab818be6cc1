"""GNSS stations for the figures of radar products: dots for a map, series beside those of pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xarray as xr

from creepmeter.errors import ConfigError, InputError
from creepmeter.io.mintpy.listing import is_mintpy_file
from creepmeter.io.mintpy.product import read_tables
from creepmeter.model.epoch import Epoch, Epochs, as_epoch
from creepmeter.model.station import Overlay, Station
from creepmeter.products.station_dots import Dot
from creepmeter.products.station_layer import StationLayer
from creepmeter.validation.gnss_options import GnssOptions
from creepmeter.validation.los import Sight, overlay_los, projected
from creepmeter.validation.options import RateOptions
from creepmeter.workflow.gnss import FoundStations, RadarMap, find_stations
from creepmeter.workflow.gnss_report import series_at

Cell = tuple[int, int]
_DIGITS = 8  # of a date, YYYYMMDD
_NEAR = np.timedelta64(3, "D")  # positions around an acquisition that are averaged, on each side
_AS_THEY_ARE = RateOptions(undeclared_steps="keep")


@dataclass(frozen=True)
class StationSeries:
    """Series of stations beside those of a map.

    Parameters
    ----------
    cells : tuple of (int, int)
        Row and column of each.
    overlays : tuple of Overlay
        Series of each.
    reference : (int, int) or None
        Row and column of the reference station.
    left_out : tuple of str
        Stations that are not among them, and why.
    """

    cells: tuple[Cell, ...] = ()
    overlays: tuple[Overlay, ...] = ()
    reference: Cell | None = None
    left_out: tuple[str, ...] = ()


def station_layer(
    path: Path, geometry: Path | None, options: GnssOptions, *, dates: Sequence[str] = (), coloured: bool = True
) -> StationLayer:
    """Return the stations to be drawn over a map of a product.

    Parameters
    ----------
    path : Path
        Product in MintPy's layout.
    geometry : Path or None
        Angles of the map.
    options : GnssOptions
        Which stations, and what of them.
    dates : sequence of str
        Of a series: date of the map, and the one it counts from where that is not REF_DATE.
    coloured : bool
        Give the dots values: the rate, or of a series the displacement at the date.

    Raises
    ------
    ConfigError
        The product is none of MintPy's layout, or the reference is none of its stations.
    InputError
        No station can be used.
    """
    if not is_mintpy_file(path):
        message = f"{path} is no file in MintPy's layout: GNSS stations are drawn on those; take `creepmeter validate`"
        raise ConfigError(message)
    radar = RadarMap.open(path, geometry, options if coloured else options.model_copy(update={"component": "E"}))
    if coloured:
        _require_comparable(radar, dates)
    found = find_stations(radar, _AS_THEY_ARE, correlated=False)
    values = _values(radar, found, dates) if coloured else {}
    dots, left_out, sights = [], list(found.left_out), {}
    for station in {**found.series, **{rates.name: rates for rates in found.rates}}.values():
        try:
            sights[station.name] = radar.sight(station)
        except InputError as problem:
            left_out.append(f"{station.name}: {problem}")
            continue
        if coloured and not np.isfinite(values.get(station.name, (np.nan,))[0]):
            left_out.append(f"{station.name}: no position near the dates of the map, or a component is missing")
            continue
        direction = sights[station.name].direction
        value = float(projected(values[station.name], direction)) if coloured else np.nan
        dots.append(Dot(station.name, sights[station.name].x, sights[station.name].y, value))
    reference = _reference(dots, sights, options.reference)
    if reference is not None:
        base = next(dot.value for dot in dots if dot.name == options.reference)
        dots = [replace(dot, value=dot.value - base) for dot in dots]
    return StationLayer(tuple(dots), ("m" if dates else "m/year") if coloured else "", reference, tuple(left_out))


def _reference(dots: Sequence[Dot], sights: dict[str, Sight], name: str | None) -> Cell | None:
    if name is None:
        return None
    names = [dot.name for dot in dots]
    if name not in names:
        message = f"reference station {name!r} is not among the stations on the map: {', '.join(names) or 'none'}"
        raise ConfigError(message)
    return _cell(sights[name])


def _values(radar: RadarMap, found: FoundStations, dates: Sequence[str]) -> dict[str, npt.NDArray[np.float64]]:
    """Return rates, or with dates displacements, east, north, up by station."""
    if not dates:
        return {rates.name: rates.rate for rates in found.rates}
    start = dates[1] if len(dates) > 1 else radar.attributes.get("REF_DATE")
    held = read_tables(radar.path)["date"]
    first = held[0] if start is None else as_epoch(start)
    last = _date_of(dates[0], held)
    return {name: _near(station, last) - _near(station, first) for name, station in found.series.items()}


def _date_of(text: str, held: Epochs) -> Epoch:
    """Return a date given as such, or by its number in the series."""
    number = text.lstrip("-").isdecimal() and len(text) < _DIGITS and -len(held) <= int(text) < len(held)
    return held[int(text)] if number else as_epoch(text)


def _require_comparable(radar: RadarMap, dates: Sequence[str]) -> None:
    """Raise `ConfigError` unless the map is a velocity, or one date of a series."""
    kind = radar.attributes.get("FILE_TYPE", "")
    if kind == "velocity" or (kind == "timeseries" and dates):
        return
    what = "all dates of a series: name one of them" if kind == "timeseries" else f"{kind or 'this'}, no velocity"
    message = f"{radar.path} shows {what}; or draw the places of the stations alone, without --gnss-comp and --ref-gnss"
    raise ConfigError(message)


def _near(station: Station, day: Epoch) -> npt.NDArray[np.float64]:
    """Return the mean position around a day, (3,); NaN where there is none."""
    near = np.abs(station.times - day - np.timedelta64(12, "h")) <= _NEAR
    return station.displacement[near].mean(axis=0) if near.any() else np.full(3, np.nan)


def station_overlays(
    path: Path, series: xr.Dataset, geometry: Path | None, options: GnssOptions, names: Sequence[str]
) -> StationSeries:
    """Return pixels and series of some stations, beside the series of a product.

    Parameters
    ----------
    path : Path
        The product.
    series : Dataset
        The same, opened.
    geometry : Path or None
        Angles of the map.
    options : GnssOptions
        Where stations come from, what of them, reference station.
    names : sequence of str
        Stations.

    Raises
    ------
    ConfigError
        None of the stations can be had, or the reference station cannot.
    """
    radar = RadarMap.open(path, geometry, options)
    found = find_stations(radar, _AS_THEY_ARE, correlated=False)
    base = None if options.reference is None else _base(radar, series, found, options.reference)
    overlays, cells, left_out = [], [], []
    for name in names:
        try:
            station = _station(found, name)
            sight = radar.sight(station)
            on_map = series_at(series, sight) - (0.0 if base is None else base.on_map)
            seen = overlay_los(
                name, series["time"].values, on_map, station, sight.direction, None if base is None else base.station
            )
        except InputError as problem:
            left_out.append(f"{name}: {problem}")
            continue
        overlays.append(seen)
        cells.append(_cell(sight))
    if not overlays:
        message = f"none of the stations can be drawn: {'; '.join(left_out)}"
        raise ConfigError(message)
    return StationSeries(tuple(cells), tuple(overlays), None if base is None else base.cell, tuple(left_out))


@dataclass(frozen=True)
class _Base:
    """The reference station: its positions, its pixel and the series of that."""

    station: Station
    cell: Cell
    on_map: npt.NDArray[np.float64]


def _base(radar: RadarMap, series: xr.Dataset, found: FoundStations, name: str) -> _Base:
    try:
        station = _station(found, name)
        sight = radar.sight(station)
        return _Base(station, _cell(sight), series_at(series, sight))
    except InputError as problem:
        message = f"reference station {name}: {problem}"
        raise ConfigError(message) from problem


def _station(found: FoundStations, name: str) -> Station:
    """Return a station with positions; raise `InputError` with the reason where there is none."""
    if name in found.series:
        return found.series[name]
    reasons = [text for text in found.left_out if name in text]
    message = f"no positions of {name}: {'; '.join(reasons) or 'found are ' + ', '.join(found.series)}"
    raise InputError(message)


def _cell(sight: Sight) -> Cell:
    return int(sight.row), int(sight.column)
