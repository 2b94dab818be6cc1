"""HDF-EOS5 for archives such as those of EarthScope: the attributes that they ask for, and the name of the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pyproj import Transformer

from creepmeter.errors import GridError, InputError
from creepmeter.io.hdfeos import GEOMETRY, OBSERVATION, QUALITY, EosMap, write_eos
from creepmeter.io.mintpy.contents import Contents, read_contents
from creepmeter.io.mintpy.dates import written
from creepmeter.io.mintpy.grid import number_of
from creepmeter.io.mintpy.product import read_map, read_tables
from creepmeter.model.grid import Grid, centre_positions, require_same_grid
from creepmeter.products.hdfeos5_options import EosOptions

_SATELLITES = {  # PLATFORM -> mission
    "alos": "ALOS", "alos2": "ALOS2", "alos4": "ALOS4", "csk": "CSK", "csg": "CSG", "env": "ENV", "envisat": "ENV",
    "ers": "ERS", "ers1": "ERS", "ers2": "ERS", "gf3": "GF3", "jers": "JERS", "ksat5": "KSAT5", "lt1": "LT1",
    "ni": "NISAR", "nisar": "NISAR", "rcm": "RCM", "rsat": "RS1", "rsat1": "RS1", "rsat2": "RS2", "sao": "SAO",
    "sen": "S1", "sentinel1": "S1", "s1": "S1", "s1a": "S1", "s1b": "S1", "tsx": "TSX", "tdx": "TSX", "uav": "UAV",
}  # fmt: skip
_REQUIRED = ("mission", "beam_mode", "relative_orbit", "WAVELENGTH")
_WITHOUT = ("CREEPMETER_PROVENANCE", "CREEPMETER_KEY", "Conventions")
_PREFIXES = ("unavco.", "hdfeos5.")
_CORNERS = (1, 3, 4, 2, 1)


@dataclass(frozen=True)
class EosInputs:
    """The files that are put together; all lie on one grid.

    Parameters
    ----------
    series, temporal_coherence, spatial_coherence, mask, geometry : Path
        In MintPy's layout.
    """

    series: Path
    temporal_coherence: Path
    spatial_coherence: Path
    mask: Path
    geometry: Path


def save_hdfeos5(
    inputs: EosInputs,
    folder: str | Path,
    options: EosOptions | None = None,
    *,
    more: Mapping[str, str] | None = None,
) -> Path:
    """Write a series with its quality and geometry as one HDF-EOS5 file, whole or not at all.

    Its name tells satellite, swath, relative orbit, frames and dates: ``S1_IW2_128_0593_0597_20141213_20180619.he5``.

    Parameters
    ----------
    inputs : EosInputs
        Files to put together.
    folder : path
        Where the file goes.
    options : EosOptions, optional
        What else the name tells.
    more : mapping of str to str, optional
        Attributes that the series lacks, or that differ: ``{"beam_mode": "IW"}``.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        Attributes are missing, or this is no series.
    GridError
        The files do not lie on one grid.
    """
    options = options or EosOptions()
    series = read_contents(inputs.series)
    maps = _maps(inputs, series)
    tables = read_tables(inputs.series)
    dates = [written(epoch) for epoch in tables["date"]]
    given = {**series.attributes, **(more or {})}
    told = archive_attributes(given, dates, inputs.series)
    corners = _area(series, inputs)
    if corners is not None:
        told["data_footprint"] = _polygon(
            [(corners[k], corners[j]) for k, j in ((0, 3), (1, 3), (1, 2), (0, 2), (0, 3))]
        )
    attributes = {key: text for key, text in given.items() if not key.startswith(_WITHOUT)}
    attributes |= told | {"FILE_TYPE": "HDFEOS"}
    path = Path(folder) / file_name(told, options, corners)
    held = {"date": np.array(dates, "S"), "bperp": _baselines(tables, dates, given.get("REF_DATE", ""))}
    return write_eos(path, maps, held, attributes, _positions(series, maps))


def _baselines(tables: Mapping[str, npt.NDArray[Any]], dates: list[str], reference: str) -> npt.NDArray[np.float32]:
    """Return perpendicular baselines relative to the reference date, as the displacement is."""
    found = np.asarray(tables.get("bperp", np.zeros(len(dates))), np.float32)
    return found - found[dates.index(reference)] if reference in dates else found


def archive_attributes(given: Mapping[str, str], dates: list[str], where: Path) -> dict[str, Any]:
    """Return the attributes that archives ask for, from those of a series.

    Raises
    ------
    InputError
        Some that cannot be derived are missing.
    """
    known = dict(given) | {
        key.lower().removeprefix(prefix): text for key, text in given.items() for prefix in _PREFIXES
        if key.lower().startswith(prefix)
    }  # fmt: skip
    platform = known.get("PLATFORM", "").lower().replace("-", "").replace("_", "")
    known.setdefault("mission", _SATELLITES.get(platform, ""))
    known.setdefault("relative_orbit", known.get("trackNumber", ""))
    missing = [name for name in _REQUIRED if known.get(name, "").lower() in ("", "none")]
    if missing:
        message = (
            f"{where} lacks the attributes {', '.join(missing)}, which HDF-EOS5 needs: write them into the template "
            "(such as `beam_mode = IW`, `relative_orbit = 128`), or give --attribute NAME=VALUE for each"
        )
        raise InputError(message)
    first = _whole(known, "first_frame", where)
    found: dict[str, Any] = {
        "mission": known["mission"],
        "beam_mode": known["beam_mode"],
        "beam_swath": _whole(known, "beam_swath", where),
        "relative_orbit": _whole(known, "relative_orbit", where),
        "first_frame": first,
        "last_frame": _whole(known, "last_frame", where, first),
        "first_date": _day(dates[0]),
        "last_date": _day(dates[-1]),
        "wavelength": number_of(known, "WAVELENGTH", where) or 0.0,
        "prf": number_of(known, "PRF", where) or 0.0,
        "processing_type": "LOS_TIMESERIES",
        "processing_software": known.get("PROCESSOR", "isce"),
        "post_processing_method": "creepmeter" if "CREEPMETER_VERSION" in known else "MintPy",
        "history": datetime.now(UTC).date().isoformat(),
        "flight_direction": known.get("ORBIT_DIRECTION", "Unknown")[:1].upper(),
        "look_direction": "L" if (number_of(known, "ANTENNA_SIDE", where) or -1.0) > 0 else "R",
        "polarization": known.get("POLARIZATION", "Unknown"),
        "atmos_correct_method": known.get("atmos_correct_method", "None"),
        "processing_dem": known.get("processing_dem", "Unknown"),
        "unwrap_method": known.get("unwrap_method", "Unknown"),
    }
    return found | _scene(known)


def _whole(known: Mapping[str, str], name: str, where: Path, default: object = 0) -> np.int64:
    text = str(known.get(name, "")).strip() or str(default)
    try:
        return np.int64(text)
    except ValueError as problem:
        message = f"{where}: attribute {name} is {text!r}, a whole number is needed: give --attribute {name}=NUMBER"
        raise InputError(message) from problem


def _day(date: str) -> str:
    return f"{date[:4]}-{date[4:6]}-{date[6:8]}"


def _scene(known: Mapping[str, str]) -> dict[str, str]:
    """Return the outline of the scene, of its four corners."""
    pairs = [(known.get(f"LON_REF{k}"), known.get(f"LAT_REF{k}")) for k in _CORNERS]
    if any(None in pair for pair in pairs):
        return {}
    return {"scene_footprint": _polygon([(float(x or 0), float(y or 0)) for x, y in pairs])}


def _polygon(corners: list[tuple[float, float]]) -> str:
    return "POLYGON((" + ",".join(f"{float(x)} {float(y)}" for x, y in corners) + "))"


def file_name(told: Mapping[str, Any], options: EosOptions, area: tuple[float, float, float, float] | None) -> str:
    """Return the name of the file.

    Parameters
    ----------
    told : mapping
        From `archive_attributes`.
    options : EosOptions
        What else it tells.
    area : (west, east, south, north) or None
        Degrees.

    Raises
    ------
    InputError
        The area is asked for and not known.
    """
    swath = str(told["beam_swath"]) if told["beam_swath"] else ""
    frames = [f"{told[name]:04d}" for name in ("first_frame", "last_frame")]
    last = "XXXXXXXX" if options.update else told["last_date"].replace("-", "")
    parts = [told["mission"], f"{told['beam_mode']}{swath}", f"{told['relative_orbit']:03d}", *dict.fromkeys(frames)]
    parts += [told["first_date"].replace("-", ""), last]
    if options.suffix:
        parts.append(options.suffix)
    if options.subset:
        if area is None:
            message = "the area is not known, so it cannot be put into the name: leave out --subset, or geocode first"
            raise InputError(message)
        west, east, south, north = area
        parts += [_packed(value, "NS", 5) for value in (south, north)]
        parts += [_packed(value, "EW", 6) for value in (west, east)]
    return "_".join(parts).replace("/", "-") + ".he5"


def _packed(degrees: float, letters: str, digits: int) -> str:
    return f"{letters[int(degrees < 0)]}{round(abs(degrees) * 1e3):0{digits}d}"


def _maps(inputs: EosInputs, series: Contents) -> list[EosMap]:
    """Return what goes where."""
    name = next((name for name in ("timeseries", "displacement") if name in series.maps), None)
    if name is None or series.when is None or len(series.when) != series.maps[name].shape[0]:
        message = f"{inputs.series} is no displacement series: give timeseries.h5"
        raise InputError(message)
    found = [EosMap(OBSERVATION, "displacement", series.maps[name], layered=True)]
    for path, target, group, names in (
        (inputs.temporal_coherence, "temporalCoherence", QUALITY, ("temporalCoherence", "coherence")),
        (inputs.spatial_coherence, "avgSpatialCoherence", QUALITY, ("coherence", "avgSpatialCoherence")),
        (inputs.mask, "mask", QUALITY, ("mask", "waterMask")),
    ):
        other = _fitting(path, series, inputs.series)
        source = next((other.maps[key] for key in names if key in other.maps), next(iter(other.maps.values())))
        found.append(EosMap(group, target, source))
    geometry = _fitting(inputs.geometry, series, inputs.series)
    found += [EosMap(GEOMETRY, key, item, geometry.layered[key]) for key, item in geometry.maps.items()]
    return found


def _fitting(path: Path, series: Contents, name: Path) -> Contents:
    """Return what a file holds; it must lie on the pixels of the series."""
    other = read_contents(path)
    if other.shape != series.shape or (other.grid.crs is None) != (series.grid.crs is None):
        message = (
            f"{path} has {other.shape[0]} x {other.shape[1]} pixels and {name} {series.shape[0]} x {series.shape[1]}, "
            "or only one of them is geocoded: give files of one grid"
        )
        raise GridError(message)
    if series.grid.crs is not None:
        require_same_grid(series.grid, other.grid, expected_name=str(name), found_name=str(path))
    return other


def _positions(series: Contents, maps: list[EosMap]) -> dict[str, npt.NDArray[np.float32]]:
    """Return latitude and longitude of the pixels, where the geometry lacks them."""
    if series.grid.crs is None or {"latitude", "longitude"} <= {item.name for item in maps}:
        return {}
    longitude, latitude = _degrees(series.grid, *centre_positions(series.grid))
    return {"latitude": latitude.astype(np.float32), "longitude": longitude.astype(np.float32)}


def _degrees(grid: Grid, x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    if grid.crs is None or grid.crs.geographic:
        return np.asarray(x, np.float64), np.asarray(y, np.float64)
    bring = Transformer.from_crs(grid.crs.to_wkt(), "EPSG:4326", always_xy=True)
    longitude, latitude = bring.transform(np.asarray(x, np.float64), np.asarray(y, np.float64))
    return np.asarray(longitude), np.asarray(latitude)


def _area(series: Contents, inputs: EosInputs) -> tuple[float, float, float, float] | None:
    """Return west, east, south and north of the data, degrees; None where not known."""
    grid = series.grid
    if grid.crs is not None:
        west, north = grid.affine.c, grid.affine.f
        east, south = west + grid.shape[1] * grid.affine.a, north + grid.shape[0] * grid.affine.e
        x, y = _degrees(grid, [west, east, west, east], [north, north, south, south])
        return (west, east, south, north) if grid.crs.geographic else (x.min(), x.max(), y.min(), y.max())
    if not {"latitude", "longitude"} <= set(read_contents(inputs.geometry).maps):
        return None
    spans = []
    for name in ("longitude", "latitude"):
        values = read_map(inputs.geometry, name).astype(np.float64)
        values = values[np.isfinite(values) & (values != 0)]
        spans += [float(values.min()), float(values.max())]
    return spans[0], spans[1], spans[2], spans[3]
