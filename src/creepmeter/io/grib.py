"""Fields on pressure levels in GRIB files, by GDAL's driver."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader

from creepmeter.errors import ImageError
from creepmeter.io.quiet import georeference_may_lack
from creepmeter.io.rasterfile import ENVIRONMENT, MAX_PIXELS, require_local, require_size
from creepmeter.model.epoch import Epoch
from creepmeter.model.gravity import G0
from creepmeter.model.weather import Area, Axes, WeatherFields, window_of

Floats = npt.NDArray[np.float64]

GRIB, _TAIL, _HEAD = b"GRIB", b"7777", 16
_ROLES = {
    "Z": "geopotential",
    "HGT": "gpm",
    "GH": "gpm",
    "T": "temperature",
    "TMP": "temperature",
    "Q": "specific",
    "SPFH": "specific",
    "R": "relative",
    "RH": "relative",
}
_LEVEL = re.compile(r"\s*([\d.]+)\s*\[(hPa|Pa)\]\s*ISBL")
_ZERO_C, _HECTO = 273.15, 100.0
_DRY_PA = 30_000.0  # above, some models have no humidity
_SETTINGS = {**ENVIRONMENT, "GRIB_NORMALIZE_UNITS": "YES", "GDAL_PAM_ENABLED": "NO"}


@dataclass(frozen=True)
class _Message:
    """One field of a file: what it is, where, and when."""

    band: int
    role: str
    pressure: float
    time: Epoch


@contextmanager
def open_grib(path: Path) -> Iterator[DatasetReader]:
    """Open a GRIB file for reading; any error while it is open names the file.

    Raises
    ------
    ImageError
        Not a local file, not GRIB, damaged or cut.
    """
    found = require_local(path).resolve()
    with found.open("rb") as file:
        head = file.read(4)
    if head != GRIB:
        message = f"{path} is no GRIB file (it starts with {head!r}): get it again"
        raise ImageError(message)
    _require_whole(path, found)
    try:
        with (
            georeference_may_lack(),
            rasterio.Env(**_SETTINGS),
            rasterio.open(found, driver="GRIB", USE_IDX="NO") as source,
        ):
            require_size(path, source, MAX_PIXELS)
            yield source
    except RasterioError as problem:
        message = f"{path} cannot be read as GRIB ({problem.__cause__ or problem}): it is damaged or cut; get it again"
        raise ImageError(message) from problem


def _require_whole(path: Path, found: Path) -> None:
    """Walk the messages, which zeros may follow, to the end of the file: GDAL takes one that is cut for the end."""
    content = found.read_bytes()
    place, end = 0, len(content.rstrip(b"\0"))
    while place < end:
        start = content.find(GRIB, place)
        head = content[start : start + _HEAD] if start >= 0 else b""
        after = start + _length(head)
        if not head or content[place:start].strip(b"\0") or content[after - len(_TAIL) : after] != _TAIL:
            message = f"{path} is damaged or cut (message at byte {place} of {len(content)}): get it again"
            raise ImageError(message)
        place = after


def _length(head: bytes) -> int:
    """Return the length of a message from its first 16 bytes, of edition 1 or 2."""
    return int.from_bytes(head[4:7], "big") if head[7:8] == b"\x01" else int.from_bytes(head[8:16], "big")


def read_grib(path: Path, area: Area, when: Epoch) -> WeatherFields:
    """Read the fields of a GRIB file that an area needs, at the time that is nearest.

    Parameters
    ----------
    path : Path
        Geopotential (or height), temperature and humidity on pressure levels.
    area : Area
        Of the pixels.
    when : datetime64
        Time wanted.

    Raises
    ------
    ImageError
        The file is damaged, or holds no such fields.
    GridError
        It does not cover the area.
    """
    with open_grib(path) as source:
        messages = list(_messages(source))
        chosen = _complete(messages, when, path)
        axes, rows, columns = window_of(_axes(source), area, str(path))
        fields = {
            role: np.stack([_field(source, one, rows, columns) for one in listed]) for role, listed in chosen.items()
        }
        listed = next(iter(chosen.values()))
        return WeatherFields(
            str(path),
            listed[0].time,
            axes,
            np.array([one.pressure for one in listed]),
            fields["geopotential"] if "geopotential" in fields else fields["gpm"] * G0,
            fields["temperature"],
            fields["specific"] if "specific" in fields else fields["relative"],
            "specific" if "specific" in fields else "relative",
        )


def _messages(source: DatasetReader) -> Iterator[_Message]:
    for band in source.indexes:
        tags = source.tags(band)
        role = _ROLES.get(tags.get("GRIB_ELEMENT", ""))
        level = _LEVEL.match(source.descriptions[band - 1] or "")
        seconds = re.search(r"-?\d+", tags.get("GRIB_VALID_TIME", ""))
        if role is not None and level is not None and seconds is not None:
            scale = _HECTO if level[2] == "hPa" else 1.0
            time = np.datetime64(int(seconds[0]), "s").astype("datetime64[ns]")
            yield _Message(band, role, float(level[1]) * scale, time)


def _complete(messages: list[_Message], when: Epoch, path: Path) -> Mapping[str, list[_Message]]:
    """Return the fields of the nearest time, by role; all of the same levels."""
    times = sorted({one.time for one in messages}, key=lambda time: abs(time - when))
    found: dict[str, dict[float, _Message]] = {}
    for one in messages:
        if one.time == times[0]:
            found.setdefault(one.role, {})[one.pressure] = one
    heights = next((role for role in ("geopotential", "gpm") if role in found), None)
    humidity = next((role for role in ("specific", "relative") if role in found), None)
    if heights is None or humidity is None or "temperature" not in found:
        held = ", ".join(sorted(found)) or "no fields on pressure levels"
        message = (
            f"{path} holds {held}: geopotential, temperature and specific or relative humidity on pressure levels are "
            "needed; get it again"
        )
        raise ImageError(message)
    roles = (heights, "temperature", humidity)
    levels = [set(found[role]) for role in roles]
    shared = sorted(set.intersection(*levels))
    lacking = sorted(level for level in set.union(*levels).difference(shared) if level > _DRY_PA)
    if lacking:
        shown = ", ".join(f"{level / _HECTO:g}" for level in lacking)
        message = f"{path} is damaged or cut (not all fields at {shown} hPa): get it again"
        raise ImageError(message)
    return {role: [found[role][level] for level in shared] for role in roles}


def _axes(source: DatasetReader) -> Axes:
    affine = source.transform
    y = affine.f + affine.e * (np.arange(source.height) + 0.5)
    x = affine.c + affine.a * (np.arange(source.width) + 0.5)
    projected = source.crs is not None and source.crs.is_projected
    return Axes(y, x, str(source.crs.to_wkt()) if projected else None)


def _field(
    source: DatasetReader, message: _Message, rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]
) -> Floats:
    values = source.read(message.band).astype(np.float64)[np.ix_(rows, columns)]
    valid = source.read_masks(message.band)[np.ix_(rows, columns)] > 0
    celsius = message.role == "temperature" and source.tags(message.band).get("GRIB_UNIT", "") == "[C]"
    return np.where(valid, values + _ZERO_C if celsius else values, np.nan)
