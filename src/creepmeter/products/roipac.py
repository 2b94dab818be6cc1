"""Files of ROI_PAC: unwrapped phase, coherence, heights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pyproj import CRS

from creepmeter.errors import InputError
from creepmeter.io.roipac import write_roipac
from creepmeter.model.grid import map_position, system_of
from creepmeter.products.displacement import Displacement, displacement_of
from creepmeter.products.kmz import require_ending
from creepmeter.products.mapfile import MapFile, MapLayer, Mask, strips

UNW, COR, DEM, HGT = ".unw", ".cor", ".dem", ".hgt"
_WITHOUT = ("SUBSET_XMIN", "SUBSET_XMAX", "SUBSET_YMIN", "SUBSET_YMAX", "FILE_PATH", "NO_DATA_VALUE")
_COHERENCES = ("temporalCoherence", "coherence", "avgSpatialCoherence", "temporal_coherence", "quality")
_PAIR = 2
Values = npt.NDArray[Any]


def save_roipac(
    source: str | Path,
    target: str | Path | None = None,
    name: str | None = None,
    *,
    mask: str | Path | None = None,
    reference_yx: tuple[int, int] | None = None,
) -> list[Path]:
    """Write a map in the format of ROI_PAC, with its ``.rsc``: phase as .unw, coherence as .cor, heights as .dem, .hgt.

    Parameters
    ----------
    source : path
        Velocity (as the phase over all its dates), series, coherence or geometry; on a map or in radar coordinates.
    target : path, optional
        Ends in ``.unw``, ``.cor``, ``.dem`` (16-bit metres) or ``.hgt``. Default: the two dates, or the name of the
        product, beside it.
    name : str, optional
        Map and dates, such as ``20180105_20190816``; default: the main map.
    mask : path, optional
        Only pixels where it is nonzero are kept; others are 0.
    reference_yx : (int, int), optional
        Row and column where phase is 0.

    Returns
    -------
    list of Path
        The file and its ``.rsc``.

    Raises
    ------
    InputError
        The map is none of these, or the reference pixel has no value.
    """
    file = MapFile.open(source)
    layer, keep = file.layer(name), file.mask(mask)
    kind = _kind(layer, target)
    moved = displacement_of(file, name) if kind == UNW else None
    path = require_ending(Path(target) if target is not None else _default(file, layer, moved, kind), kind)
    if moved is not None:
        rows = _phases(moved, keep, _offset(moved, reference_yx, file))
    else:
        rows = _heights(layer, keep) if kind == DEM else _pairs_of_bands(layer, keep)
    return write_roipac(path, rows, _attributes(file, kind, moved, reference_yx))


def _kind(layer: MapLayer, target: str | Path | None) -> str:
    """Return the ending that a map has."""
    if layer.name in _COHERENCES:
        return COR
    if layer.name == "height":
        return HGT if target is not None and Path(target).suffix == HGT else DEM
    return UNW


def _default(file: MapFile, layer: MapLayer, moved: Displacement | None, kind: str) -> Path:
    prefix = "geo_" if file.path.name.startswith("geo_") else ""
    if moved is None:
        stem = file.path.stem if layer.name == file.main else f"{file.path.stem}_{layer.name}"
        return file.path.with_name(f"{stem}{kind}")
    plain = layer.label or layer.name == file.main
    return file.path.with_name(f"{prefix}{moved.dates if plain else layer.name}{kind}")


def _offset(moved: Displacement, pixel: tuple[int, int] | None, file: MapFile) -> float:
    if pixel is None:
        return 0.0
    row, column = pixel
    rows, columns = moved.layer.shape
    inside = 0 <= row < rows and 0 <= column < columns
    value = moved.phase(slice(row, row + 1), slice(column, column + 1)).item() if inside else np.nan
    if not np.isfinite(value):
        message = f"{file.path}: reference pixel (row {row}, column {column}) has no value: choose another one"
        raise InputError(message)
    return float(value)


def _phases(moved: Displacement, mask: Mask, offset: float) -> Iterator[Values]:
    """Yield lines of amplitude (1 where there is a value) and phase."""
    for strip in strips(moved.layer.shape):
        phase = np.where(mask.read(strip, slice(None)), moved.phase(strip) - offset, np.nan)
        yield _interleaved(phase)


def _pairs_of_bands(layer: MapLayer, mask: Mask) -> Iterator[Values]:
    for strip in strips(layer.shape):
        yield _interleaved(np.where(mask.read(strip, slice(None)), layer.floats(strip), np.nan))


def _interleaved(values: npt.NDArray[np.float64]) -> Values:
    known = np.isfinite(values)
    return np.stack([known, np.where(known, values, 0)], axis=1).astype("<f4")


def _heights(layer: MapLayer, mask: Mask) -> Iterator[Values]:
    limits = np.iinfo(np.int16)
    for strip in strips(layer.shape):
        values = np.where(mask.read(strip, slice(None)), layer.floats(strip), np.nan)
        yield np.clip(np.rint(np.nan_to_num(values)), limits.min, limits.max).astype("<i2")


def _attributes(
    file: MapFile, kind: str, moved: Displacement | None, reference_yx: tuple[int, int] | None
) -> dict[str, str]:
    """Return the attributes of a ``.rsc`` file: those of the product whose names are in capitals."""
    rows, columns = file.shape
    found = {key: text for key, text in file.attributes.items() if key.isupper() and key not in _WITHOUT}
    found |= {"WIDTH": str(columns), "FILE_LENGTH": str(rows), "LENGTH": str(rows), "FILE_TYPE": kind}
    found |= {"XMIN": "0", "XMAX": str(columns - 1), "YMIN": "0", "YMAX": str(rows - 1), "PROCESSOR": "roipac"}
    floats = kind != DEM
    found |= {"DATA_TYPE": "float32" if floats else "int16", "BANDS": str(_PAIR if floats else 1), "INTERLEAVE": "BIL"}
    found["UNIT"] = {UNW: "radian", COR: "1"}.get(kind, "m")
    found = {key: text for key, text in found.items() if not key.startswith("CREEPMETER")}
    if moved is not None and moved.first and moved.last:
        found |= {"DATE": moved.first[2:8], "DATE12": f"{moved.first[2:8]}-{moved.last[2:8]}"}
    if reference_yx is not None:
        found |= {"REF_Y": str(reference_yx[0]), "REF_X": str(reference_yx[1])}
        found = {key: text for key, text in found.items() if key not in ("REF_LAT", "REF_LON")}
    return found | (_place(file) if file.is_geocoded else {})


def _place(file: MapFile) -> dict[str, str]:
    """Return where a map lies, as ROI_PAC writes it; X_FIRST and Y_FIRST are the outer corner."""
    west, north = (float(value) for value in map_position(file.grid, 0, 0))
    system = CRS.from_wkt(system_of(file.grid).to_wkt())
    unit = "degrees" if system.is_geographic else "meters"
    projection = "LL" if system.is_geographic else f"UTM{system.utm_zone or ''}"
    return {
        "X_FIRST": repr(west), "Y_FIRST": repr(north), "X_STEP": repr(file.grid.affine.a),
        "Y_STEP": repr(file.grid.affine.e), "X_UNIT": unit, "Y_UNIT": unit, "PROJECTION": projection, "DATUM": "WGS84",
    }  # fmt: skip
