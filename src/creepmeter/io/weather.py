"""Fields of weather models from files, and zenith delays on heights: netCDF here, GRIB beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from creepmeter.errors import CreepmeterError, ImageError
from creepmeter.io.grib import GRIB, read_grib
from creepmeter.io.layers import item_in, open_hdf
from creepmeter.io.rasterfile import require_local
from creepmeter.model.epoch import Epoch
from creepmeter.model.gravity import G0
from creepmeter.model.weather import Area, Axes, WeatherFields, window_of

Floats = npt.NDArray[np.float64]

_ENGINES = {b"\x89HDF": "h5netcdf", b"CDF\x01": "scipy", b"CDF\x02": "scipy"}
_AXES: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "time": ("valid_time", "time"),
        "level": ("pressure_level", "level", "lev", "plev", "isobaricInhPa", "isobaric"),
        "y": ("latitude", "lat", "y"),
        "x": ("longitude", "lon", "x"),
    }
)
_FIELDS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "geopotential": ("z", "Z"),
        "gpm": ("H", "gh", "hgt", "HGT"),
        "temperature": ("t", "T", "air", "TMP"),
        "specific": ("q", "QV", "shum", "SPFH"),
        "relative": ("r", "RH", "rhum"),
    }
)
_ZERO_C, _HECTO, _PERCENT = 273.15, 100.0, 100.0
_MOST_HOURS = 6.0
_CELSIUS = ("degc", "c", "celsius", "degrees_celsius")
_SHARES = ("1", "fraction")  # of a relative humidity
_NOT_THERE = 1e14  # MERRA-2 writes 1e15 below the ground


def read_weather(path: str | Path, area: Area, when: Epoch) -> WeatherFields:
    """Read the part of a weather model on pressure levels that an area needs, at the time that is nearest.

    Parameters
    ----------
    path : path
        GRIB or netCDF: geopotential or height, temperature, specific or relative humidity. Layouts of the CDS (old and
        new), of MERRA-2 and of NARR are known.
    area : Area
        Of the pixels.
    when : datetime64
        Time wanted, UTC.

    Raises
    ------
    ImageError
        The file is damaged, of another kind, or lies more than six hours from the time.
    GridError
        It does not cover the area.
    """
    found = require_local(path)
    if _head(found) == GRIB:
        fields = read_grib(found, area, when)
    else:
        with _opened(found) as held:
            fields = _fields_of(held, found, area, when)
    hours = abs(fields.time - when) / np.timedelta64(3600, "s")
    if hours > _MOST_HOURS:
        message = (
            f"{path} holds {str(fields.time)[:16]} UTC, {hours:.0f} hours from {str(when)[:16]}: give the file of the "
            "day, and the date in its name"
        )
        raise ImageError(message)
    return fields


def read_zenith_cube(path: str | Path, area: Area, names: Sequence[str]) -> tuple[Floats, Axes, Floats]:
    """Read delays in the zenith on heights, as OPERA's TROPO-ZENITH files hold them.

    Parameters
    ----------
    path : path
        NetCDF with a dimension of heights in metres.
    area : Area
        Of the pixels.
    names : sequence of str
        Variables that are added up: ``hydrostatic_delay``, ``wet_delay``.

    Returns
    -------
    heights : array, (z,)
        They rise, metres.
    axes : Axes
        Nodes.
    delay : array, (z, y, x)
        Metres.

    Raises
    ------
    ImageError
        The file is damaged, or lacks a variable.
    GridError
        It does not cover the area.
    """
    found = require_local(path)
    with _opened(found) as held:
        heights = next((name for name in ("height", "z") if name in held.coords), None)
        lacking = [*(name for name in names if name not in held), *([] if heights else ["height"])]
        if lacking or heights is None:
            message = f"{path} has no {', '.join(lacking)}: give a file OPERA_L4_TROPO-ZENITH_*.nc"
            raise ImageError(message)
        y, x = (_axis(held, role, found) for role in ("y", "x"))
        axes = Axes(held[y].to_numpy().astype(np.float64), held[x].to_numpy().astype(np.float64))
        axes, rows, columns = window_of(axes, area, str(path))
        parts = [_window(held[name], y, x, rows, columns) for name in names]
        delay = np.sum([_merged(part, (heights, y, x)) for part in parts], axis=0)
        levels = held[heights].to_numpy().astype(np.float64)
    order = np.argsort(levels)
    return levels[order], axes, delay[order]


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4)


@contextmanager
def _opened(path: Path) -> Iterator[xr.Dataset]:
    engine: Any = _ENGINES.get(_head(path))
    if engine is None:
        message = f"{path} is neither GRIB nor netCDF (it starts with {_head(path)!r}): get it again"
        raise ImageError(message)
    if engine == "h5netcdf":
        with open_hdf(path) as file:
            for name in file:
                item_in(file, name, path)  # nothing that lies in another file
    try:
        with xr.open_dataset(path, engine=engine, decode_timedelta=False) as held:
            yield held
    except CreepmeterError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError, IndexError, TypeError) as problem:
        message = f"{path} cannot be read as netCDF ({problem}): it is damaged or cut; get it again"
        raise ImageError(message) from problem


def _axis(held: xr.Dataset, role: str, path: Path) -> str:
    found = next((name for name in _AXES[role] if name in held.dims or name in held.coords), None)
    if found is None:
        message = (
            f"{path} has no {role} ({' or '.join(_AXES[role])}): it is no file of a weather model on pressure levels"
        )
        raise ImageError(message)
    return found


def _fields_of(held: xr.Dataset, path: Path, area: Area, when: Epoch) -> WeatherFields:
    names = {role: _axis(held, role, path) for role in _AXES}
    chosen = _chosen(held, path)
    times = np.atleast_1d(held[names["time"]].to_numpy()).astype("datetime64[ns]")
    place = int(np.argmin(np.abs(times - when)))
    y, x = (np.atleast_1d(held[names[role]].to_numpy()).astype(np.float64) for role in ("y", "x"))
    axes, rows, columns = window_of(Axes(y, x), area, str(path))

    def values(role: str) -> Floats:
        part = held[chosen[role]]
        part = part.isel({names["time"]: place}) if names["time"] in part.dims else part
        part = _window(part, names["y"], names["x"], rows, columns)
        return _in_units(role, _merged(part, (names["level"], names["y"], names["x"])), _unit(part, ""))

    heights, _, humidity = chosen
    return WeatherFields(
        str(path),
        times[place],
        axes,
        _pressures(held[names["level"]]),
        values(heights),
        values("temperature"),
        values(humidity),
        "specific" if humidity == "specific" else "relative",
    )


def _chosen(held: xr.Dataset, path: Path) -> dict[str, str]:
    """Return the variables of heights, temperature and humidity, by role, in this order."""
    found = {role: name for role, names in _FIELDS.items() for name in names[::-1] if name in held}
    chosen = [
        next((role for role in roles if role in found), None)
        for roles in (("geopotential", "gpm"), ("temperature",), ("specific", "relative"))
    ]
    if None in chosen:
        names = ", ".join(map(str, held.data_vars)) or "nothing"
        message = (
            f"{path} holds {names}: geopotential (z) or height (H), temperature and humidity on pressure levels are "
            "needed; get it again"
        )
        raise ImageError(message)
    return {role: found[role] for role in chosen if role is not None}


def _unit(part: xr.DataArray, usual: str) -> str:
    return str(part.attrs.get("units", usual)).strip().lower()


def _in_units(role: str, values: Floats, unit: str) -> Floats:
    """Return values in m2/s2, kelvin, kg/kg, percent."""
    if role == "gpm":
        return values * G0
    if role == "temperature" and unit in _CELSIUS:
        return values + _ZERO_C
    if role == "relative" and unit in _SHARES:
        return values * _PERCENT
    return values


def _pressures(level: xr.DataArray) -> Floats:
    values = np.atleast_1d(level.to_numpy()).astype(np.float64)
    return values if _unit(level, "hPa") in ("pa", "pascal", "pascals") else values * _HECTO


def _window(
    part: xr.DataArray, y: str, x: str, rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]
) -> xr.DataArray:
    """Return the nodes of a window; what lies in one piece in the file is read in one piece."""
    return part.isel({y: slice(int(rows.min()), int(rows.max()) + 1)}).isel({y: rows - rows.min(), x: columns})


def _merged(part: xr.DataArray, dims: tuple[str, str, str]) -> Floats:
    """Return values without further dimensions: of several versions (expver), the first that is there."""
    rest = [dim for dim in part.dims if dim not in dims]
    held = part.transpose(*rest, *dims).to_numpy().astype(np.float64)
    held = held.reshape(-1, *held.shape[len(rest) :])
    held = np.where(np.abs(held) > _NOT_THERE, np.nan, held)
    found: Floats = held[0]
    for other in held[1:]:
        found = np.where(np.isfinite(found), found, other)
    return found
