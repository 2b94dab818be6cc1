"""Geometry of a stack into MintPy's file: heights, angles, ranges, masks; what can be computed is not asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.errors import StoreError
from creepmeter.interferograms.attributes import EARTH_RADIUS_M, text_of
from creepmeter.interferograms.catalogue import Catalogue
from creepmeter.interferograms.layers import Derived
from creepmeter.interferograms.line_of_sight import Ramp
from creepmeter.interferograms.load_options import KEY, LoadOptions
from creepmeter.interferograms.looks import Looks, attributes_after
from creepmeter.interferograms.sources import digest_layers, key_in, loaded_from, settings_of
from creepmeter.io.layers import Layer
from creepmeter.io.mintpy.product import Dataset, ProductWriter, write_product
from creepmeter.io.provenance import digest_text, provenance

Values = npt.NDArray[Any]
GEO, RADAR = "geometryGeo.h5", "geometryRadar.h5"
MASKS = ("shadowMask", "waterMask")
UNITS = {
    "height": "m",
    "incidenceAngle": "degree",
    "azimuthAngle": "degree",
    "slantRangeDistance": "m",
    "latitude": "degree",
    "longitude": "degree",
    "azimuthCoord": "pixel",
    "rangeCoord": "pixel",
    "shadowMask": "1",
    "waterMask": "1",
    "bperp": "m",
}
_ORDER = tuple(UNITS)
BPERP = "bperp"
_FLOAT_BYTES = 4


def write_geometry(
    catalogue: Catalogue, looks: Looks, options: LoadOptions, inputs: Path, *, memory_gb: float
) -> list[tuple[Path, bool]]:
    """Write the geometry of a catalogue, and its lookup table; what is up to date stays.

    Parameters
    ----------
    catalogue : Catalogue
        What a reader found.
    looks : Looks
        Part and looks of the stack; a lookup table on another grid is loaded whole, its values count pixels of the
        size that is loaded.
    options : LoadOptions
        Compression and update.
    inputs : Path
        Folder of the files.
    memory_gb : float
        Memory to keep within, gigabytes.

    Returns
    -------
    list of (Path, bool)
        Every file, and whether it was made anew.
    """
    found = []
    whole = completed(catalogue)
    if whole.geometry or whole.bperp:
        found.append(_write(whole, looks, options, inputs, memory_gb))
    if catalogue.lookup is not None and catalogue.lookup.geometry:
        table = _table_after(catalogue, catalogue.lookup, looks)
        full = Looks(slice(0, table.shape[0]), slice(0, table.shape[1]))
        found.append(_write(table, full, options, inputs, memory_gb))
    return found


def _table_after(catalogue: Catalogue, table: Catalogue, looks: Looks) -> Catalogue:
    """Return a lookup table in pixels as they are loaded; a subset alone is told by SUBSET_YMIN and SUBSET_XMIN."""
    if catalogue.grid is not None or looks.plain:
        return table
    before, after = catalogue.attributes, attributes_after(catalogue.attributes, looks, None)
    layers = dict(table.geometry)
    for name, key, start, factor in (
        ("azimuthCoord", "SUBSET_YMIN", looks.rows.start, looks.tall),
        ("rangeCoord", "SUBSET_XMIN", looks.columns.start, looks.wide),
    ):
        if name in layers:
            first, shift = int(before.get(key, 0)) + start, int(after.get(key, 0))
            label = f"{name} / {factor} from {first}, {shift} before"
            layers[name] = Derived((layers[name],), _joined(first, factor, shift), label)
    return replace(table, geometry=layers)


def _joined(first: int, factor: int, shift: int) -> Callable[[Values], Values]:
    """Return pixel of the whole -> pixel of several joined, centres are whole numbers; 0 and NaN are missing."""

    def compute(values: Values) -> Values:
        joined = (values.astype(np.float64) - first - (factor - 1) / 2) / factor + shift
        return np.where(values == 0, 0, joined).astype(np.float32)

    return compute


def _write(
    catalogue: Catalogue, looks: Looks, options: LoadOptions, inputs: Path, memory_gb: float
) -> tuple[Path, bool]:
    target = inputs / (RADAR if catalogue.grid is None else GEO)
    layers: dict[str, tuple[Layer, ...]] = {
        name: (catalogue.geometry[name],) for name in _ORDER if name in catalogue.geometry
    }
    if catalogue.bperp:
        layers[BPERP] = tuple(catalogue.bperp.values())
    chosen = [looks.rows.start, looks.rows.stop, looks.columns.start, looks.columns.stop]
    chosen += [looks.tall, looks.wide]
    dates = [str(date) for date in catalogue.bperp]
    flat = {f"{name} {k}": layer for name, several in layers.items() for k, layer in enumerate(several)}
    key = digest_text(
        "geometry", chosen, looks.method, options.compression, dict(catalogue.attributes), dates, digest_layers(flat)
    )
    if options.update and key_in(target) == key:
        return target, False
    if target.exists() and key_in(target) is None:
        message = f"{target} was not loaded by creepmeter and is not replaced: move it away, or choose another folder"
        raise StoreError(message)
    attributes = attributes_after(catalogue.attributes, looks, catalogue.grid)
    attributes |= {"FILE_TYPE": "geometry", "UNIT": "1", "DATA_TYPE": "float32", KEY: key}
    about = provenance(settings_of(options), loaded_from(layers))
    tables = {"date": np.array(list(catalogue.bperp), "datetime64[ns]")} if catalogue.bperp else {}
    row_gb = looks.shape[1] * _FLOAT_BYTES * (len(flat) + 2) / 1e9
    if row_gb * looks.shape[0] > memory_gb:
        rows = max(int(memory_gb / row_gb), 1)
        _write_in_strips(target, layers, looks, attributes, tables, rows).finish(about)
        return target, True
    values = {name: _read(looks, several, name) for name, several in layers.items()}
    compression = {"default": "lzf", "none": None}.get(options.compression, options.compression)
    units = {name: UNITS[name] for name in layers}
    write_product(target, values, attributes, units=units, tables=tables, compression=compression, provenance=about)
    return target, True


def _write_in_strips(
    target: Path,
    layers: Mapping[str, Sequence[Layer]],
    looks: Looks,
    attributes: Mapping[str, str],
    tables: Mapping[str, Values],
    rows: int,
) -> ProductWriter:
    """Write maps that do not fit in memory, some rows at a time and not compressed; a killed run resumes."""
    entries = {
        name: Dataset(
            (len(several), *looks.shape) if name == BPERP else looks.shape,
            np.dtype(bool if name in MASKS else np.float32),
            {"UNIT": UNITS[name]},
        )
        for name, several in layers.items()
    }
    writer = ProductWriter.create_or_resume(target, entries, attributes, digest_text(attributes[KEY], rows), tables)
    for first in range(0, looks.shape[0], rows):
        last = min(first + rows, looks.shape[0])
        if writer.done(str(first)):
            continue
        start = looks.rows.start
        part = replace(looks, rows=slice(start + first * looks.tall, start + last * looks.tall))
        values = {name: _read(part, several, name) for name, several in layers.items()}
        writer.put(str(first), {"y": slice(first, last)}, values)
    return writer


def _read(looks: Looks, layers: Sequence[Layer], name: str) -> Values:
    """Return a geometry dataset: a map, or of baselines one map for each date."""
    if name == BPERP:
        return np.stack([_values(looks.read(layer, name), name) for layer in layers])
    return _values(looks.read(layers[0], name), name)


def _values(values: Values, name: str) -> Values:
    """Return a geometry layer as MintPy stores it: masks bool, all else float32."""
    if name in MASKS:
        known = np.where(np.isfinite(values), values, 0) if values.dtype.kind == "f" else values
        return np.asarray(known != 0)
    return np.asarray(values, np.float32)


# ------------------------------------------------------------------------------------------ what can be computed


def completed(catalogue: Catalogue) -> Catalogue:
    """Return a catalogue with slant range and incidence angle, computed on a sphere where no file gives them."""
    geometry = dict(catalogue.geometry)
    facts = catalogue.attributes
    if "slantRangeDistance" not in geometry:
        distance = _range_layer(catalogue)
        if distance is not None:
            geometry["slantRangeDistance"] = distance
    if "incidenceAngle" not in geometry and "slantRangeDistance" in geometry and "HEIGHT" in facts:
        radius, height = _radius(facts), float(facts["HEIGHT"])
        layers = tuple(geometry[name] for name in ("slantRangeDistance", "height") if name in geometry)
        geometry["incidenceAngle"] = Derived(layers, _incidence_from(radius, height), f"incidence {radius} {height}")
    return replace(catalogue, geometry=geometry)


def corners_of(catalogue: Catalogue) -> dict[str, str]:
    """Return LAT_REF and LON_REF 1 to 4 of a scene in radar coordinates: first row left and right, last row.

    They come from latitude and longitude of the corner pixels; nothing is returned where these are not known.
    """
    if catalogue.grid is not None or "LAT_REF1" in catalogue.attributes:
        return {}
    found = {}
    for name, text in (("latitude", "LAT"), ("longitude", "LON")):
        if name not in catalogue.geometry:
            return {}
        layer = catalogue.geometry[name]
        rows, columns = layer.shape
        places = [(row, column) for row in (0, rows - 1) for column in (0, columns - 1)]
        for number, (row, column) in enumerate(places, start=1):
            value = float(layer.read(slice(row, row + 1), slice(column, column + 1))[0, 0])
            found[f"{text}_REF{number}"] = text_of(value)
    return found


def _radius(facts: Mapping[str, str]) -> float:
    return float(facts.get("EARTH_RADIUS", EARTH_RADIUS_M))


def _range_layer(catalogue: Catalogue) -> Layer | None:
    facts = catalogue.attributes
    if catalogue.grid is None:
        if not {"STARTING_RANGE", "RANGE_PIXEL_SIZE"} <= set(facts):
            return None
        return Ramp(float(facts["STARTING_RANGE"]), float(facts["RANGE_PIXEL_SIZE"]), catalogue.shape)
    if "incidenceAngle" in catalogue.geometry and "HEIGHT" in facts:
        radius, height = _radius(facts), float(facts["HEIGHT"])
        angle = catalogue.geometry["incidenceAngle"]
        return Derived((angle,), _range_from(radius, height), f"slant range {radius} {height}")
    return None


def _range_from(radius_m: float, height_m: float) -> Callable[[Values], Values]:
    """Return incidence angle (degrees) -> slant range (metres) on a sphere."""

    def compute(incidence: Values) -> Values:
        angle = np.radians(incidence.astype(np.float64))
        root = np.sqrt((radius_m + height_m) ** 2 - (radius_m * np.sin(angle)) ** 2)
        return np.asarray(root - radius_m * np.cos(angle), np.float32)

    return compute


def _incidence_from(radius_m: float, height_m: float) -> Callable[..., Values]:
    """Return slant range and height of the ground (metres) -> incidence angle (degrees) on a sphere."""

    def compute(distance: Values, ground: Values | None = None) -> Values:
        far = distance.astype(np.float64)
        here = radius_m + (0.0 if ground is None else np.nan_to_num(ground.astype(np.float64)))
        cosine = ((radius_m + height_m) ** 2 - far**2 - here**2) / (2 * far * here)
        return np.degrees(np.arccos(np.clip(cosine, -1, 1))).astype(np.float32)

    return compute
