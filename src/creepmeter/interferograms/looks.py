"""Subset and multilook while loading: which pixels of a layer become which of the stack, and what that changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.errors import ConfigError
from creepmeter.interferograms.attributes import grid_attributes, text_of
from creepmeter.interferograms.catalogue import Catalogue
from creepmeter.interferograms.layers import part_of_grid
from creepmeter.interferograms.load_options import LoadOptions
from creepmeter.io.layers import Layer
from creepmeter.kernels.phase_weights import LOOKS_RATIO
from creepmeter.model.grid import Grid
from creepmeter.model.table import area_position, box_of_pixels, cells_around, pixels_of_table

Values = npt.NDArray[Any]
NEAREST_ONLY = frozenset({"connectComponent", "wrapPhase", "shadowMask", "waterMask"})
LOOKUP = frozenset({"latitude", "longitude", "azimuthCoord", "rangeCoord"})
ZERO_IS_MISSING = frozenset({"unwrapPhase", "coherence", "magnitude"}) | LOOKUP
_LOOK_KEYS = ("ALOOKS", "RLOOKS", "AZIMUTH_PIXEL_SIZE", "RANGE_PIXEL_SIZE")
_SUBSET_KEYS = ("SUBSET_YMIN", "SUBSET_YMAX", "SUBSET_XMIN", "SUBSET_XMAX")
_STRIP_ROWS = 512  # rows read at a time when a layer is read in parts


@dataclass(frozen=True)
class Looks:
    """Which part of a layer is loaded, and how many of its pixels become one.

    Parameters
    ----------
    rows, columns : slice
        The part, in pixels of the layer.
    tall, wide : int
        Rows and columns that become one; what is left over at the end is not used.
    method : {"nearest", "mean", "median"}
        The middle pixel, or mean or median of those that have a value.
    rule : {"samples", "mintpy"}
        How the number of independent looks changes; see `LoadOptions`.
    """

    rows: slice
    columns: slice
    tall: int = 1
    wide: int = 1
    method: str = "nearest"
    rule: str = "samples"

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the result."""
        rows, columns = self.rows.stop - self.rows.start, self.columns.stop - self.columns.start
        return rows // self.tall, columns // self.wide

    @property
    def plain(self) -> bool:
        """Tell whether pixels stay as they are."""
        return self.tall == 1 and self.wide == 1

    def read(self, layer: Layer, name: str, *, strip_rows: int = _STRIP_ROWS) -> Values:
        """Return the loaded part of a layer, read in strips of rows.

        Parameters
        ----------
        layer : Layer
            Source.
        name : str
            MintPy's name of the dataset: it tells what means missing.
        strip_rows : int
            About how many source rows are read at a time.
        """
        tall, wide = self.shape
        step = max(strip_rows // self.tall, 1)
        columns = slice(self.columns.start, self.columns.start + wide * self.wide)
        result: Values | None = None
        for first in range(0, tall, step):
            last = min(first + step, tall)
            rows = slice(self.rows.start + first * self.tall, self.rows.start + last * self.tall)
            part = self.join(layer.read(rows, columns), name)
            if result is None:
                result = part if last == tall else np.empty((tall, wide), part.dtype)
            result[first:last] = part
        return np.empty((tall, wide), np.float32) if result is None else result

    def join(self, values: Values, name: str) -> Values:
        """Return pixels joined, (rows // tall, columns // wide)."""
        if self.plain:
            return values
        if self.method == "nearest" or name in NEAREST_ONLY or values.dtype.kind == "b":
            return values[self.tall // 2 :: self.tall, self.wide // 2 :: self.wide]
        rows, columns = values.shape[0] // self.tall, values.shape[1] // self.wide
        values = values.astype(np.float32) if values.dtype.kind in ("u", "i") else values
        parts = values.reshape(rows, self.tall, columns, self.wide).swapaxes(1, 2).reshape(rows, columns, -1)
        valid = ~np.isnan(parts)
        measured = valid & (parts != 0) if name in ZERO_IS_MISSING else valid
        joined = (_medians if self.method == "median" else _means)(parts, measured)
        if name in ZERO_IS_MISSING:
            joined[~measured.any(axis=2) & valid.any(axis=2)] = 0
        return joined


def _means(parts: Values, measured: npt.NDArray[np.bool_]) -> Values:
    """Return the mean of what is measured along the last axis; NaN where nothing is."""
    total = np.where(measured, parts, 0).sum(axis=2, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray(total / measured.sum(axis=2), np.float32)


def _medians(parts: Values, measured: npt.NDArray[np.bool_]) -> Values:
    """Return the median of what is measured along the last axis; NaN where nothing is."""
    ordered = np.sort(np.where(measured, parts, np.float32(np.nan)), axis=2)  # NaN comes last
    count = measured.sum(axis=2, keepdims=True)
    low, high = (
        np.take_along_axis(ordered, np.maximum(place, 0), axis=2)[..., 0]
        for place in ((count - 1) // 2, np.minimum(count // 2, parts.shape[2] - 1))
    )
    return np.asarray((low + high) / 2, np.float32)


def plan_looks(catalogue: Catalogue, options: LoadOptions) -> Looks:
    """Return which pixels of the layers of a catalogue are loaded.

    Raises
    ------
    ConfigError
        The subset lies outside, or less than one pixel is left.
    """
    rows, columns = slice(0, catalogue.shape[0]), slice(0, catalogue.shape[1])
    if options.subset_yx is not None:
        rows, columns = _clip(options.subset_yx, catalogue.shape, f"subset_yx {options.subset_yx}")
    elif options.subset_lalo is not None:
        rows, columns = _of_degrees(catalogue, options.subset_lalo)
    factors, how = (options.multilook_y, options.multilook_x), (options.multilook_method, options.looks_rule)
    looks = Looks(rows, columns, *factors, *how)
    if min(looks.shape) < 1:
        message = (
            f"multilook of {looks.tall} x {looks.wide} leaves no pixel of {rows.stop - rows.start} x "
            f"{columns.stop - columns.start}: take fewer looks or a larger subset"
        )
        raise ConfigError(message)
    return looks


def _clip(box: tuple[int, int, int, int], shape: tuple[int, int], what: str) -> tuple[slice, slice]:
    rows, columns = slice(max(box[0], 0), min(box[1], shape[0])), slice(max(box[2], 0), min(box[3], shape[1]))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        message = f"{what} does not touch the interferograms, which have {shape[0]} x {shape[1]} px: correct the subset"
        raise ConfigError(message)
    return rows, columns


def _of_degrees(catalogue: Catalogue, box: tuple[float, float, float, float]) -> tuple[slice, slice]:
    south, north, west, east = box
    what = f"subset_lalo {south:g}:{north:g},{west:g}:{east:g}"
    if catalogue.grid is None:
        return _of_degrees_in_radar(catalogue, box, what)
    ends = [round(end) for end in area_position(catalogue.grid, box)]
    return _clip((ends[0], ends[1], ends[2], ends[3]), catalogue.shape, what)


def _of_degrees_in_radar(
    catalogue: Catalogue, box: tuple[float, float, float, float], what: str
) -> tuple[slice, slice]:
    """Return the rows and columns that hold every pixel of a box of latitudes and longitudes."""
    if not {"latitude", "longitude"} <= set(catalogue.geometry):
        return _of_degrees_by_table(catalogue, box, what)
    tall, wide = catalogue.shape
    rows, columns = np.zeros(tall, bool), np.zeros(wide, bool)
    for first in range(0, tall, _STRIP_ROWS):
        part, whole = slice(first, min(first + _STRIP_ROWS, tall)), slice(0, wide)
        latitude, longitude = (catalogue.geometry[name].read(part, whole) for name in ("latitude", "longitude"))
        inside = (latitude >= box[0]) & (latitude <= box[1]) & (longitude >= box[2]) & (longitude <= box[3])
        rows[part] = inside.any(axis=1)
        columns |= inside.any(axis=0)
    if not rows.any():
        message = f"{what} holds no pixel of the interferograms: correct the subset"
        raise ConfigError(message)
    found = [np.flatnonzero(flags) for flags in (rows, columns)]
    return slice(int(found[0][0]), int(found[0][-1]) + 1), slice(int(found[1][0]), int(found[1][-1]) + 1)


def _of_degrees_by_table(
    catalogue: Catalogue, box: tuple[float, float, float, float], what: str
) -> tuple[slice, slice]:
    """Return the rows and columns that hold a box of latitudes and longitudes by a lookup table on a map grid."""
    table = catalogue.lookup
    if table is None or table.grid is None or not {"azimuthCoord", "rangeCoord"} <= set(table.geometry):
        message = f"{what}: the geometry has no latitude and longitude of the pixels; give subset_yx instead"
        raise ConfigError(message)
    window = cells_around(table.grid, box)
    down, across = (table.geometry[name].read(*window) for name in ("azimuthCoord", "rangeCoord"))
    found = box_of_pixels(*pixels_of_table(down, across), catalogue.shape)
    if found is None:
        message = f"{what} holds no pixel of the interferograms: correct the subset"
        raise ConfigError(message)
    return slice(found[0], found[1]), slice(found[2], found[3])


def attributes_after(attributes: Mapping[str, str], looks: Looks, grid: Grid | None) -> dict[str, str]:
    """Return MintPy's attributes of the loaded part.

    Parameters
    ----------
    attributes : mapping of str to str
        Of the whole.
    looks : Looks
        The part.
    grid : Grid or None
        Grid of the whole.
    """
    found = dict(attributes)
    rows, columns = looks.rows, looks.columns
    tall, wide = int(found.get("LENGTH", rows.stop)), int(found.get("WIDTH", columns.stop))
    if (rows.start, rows.stop, columns.start, columns.stop) != (0, tall, 0, wide):
        found |= _after_subset(found, looks, radar=grid is None)
    _move_reference(found, looks)
    if not looks.plain:
        _join_looks(found, looks)
    if grid is not None and looks.shape != (tall, wide):
        found |= grid_attributes(part_of_grid(grid, looks.rows, looks.columns, (looks.tall, looks.wide)))
    found |= {"LENGTH": str(looks.shape[0]), "WIDTH": str(looks.shape[1])}
    return found


def _join_looks(found: dict[str, str], looks: Looks) -> None:
    """Change what several pixels joined to one change."""
    if looks.rule == "samples":
        stated = found.get("NCORRLOOKS")
        if looks.method != "nearest" and stated is not None:
            found["NCORRLOOKS"] = _scaled(stated, looks.tall * looks.wide)
        elif looks.method == "nearest" and stated is None and {"ALOOKS", "RLOOKS"} <= set(found):
            # one pixel of several has no more looks than before, although ALOOKS and RLOOKS grow
            before = float(found["ALOOKS"]) * float(found["RLOOKS"]) / LOOKS_RATIO
            found["NCORRLOOKS"] = text_of(before)
    for key, factor in zip(_LOOK_KEYS, (looks.tall, looks.wide) * 2, strict=True):
        if key in found:
            found[key] = _scaled(found[key], factor)
    for key, factor in zip(_SUBSET_KEYS, (looks.tall, looks.tall, looks.wide, looks.wide), strict=True):
        if key in found:  # as MintPy has them: pixels of the size that is loaded
            found[key] = str(int(found[key]) // factor)


def _after_subset(found: Mapping[str, str], looks: Looks, *, radar: bool) -> dict[str, str]:
    """Return what a subset changes; a subset of a subset counts from the first whole."""
    down, across = int(found.get("SUBSET_YMIN", 0)), int(found.get("SUBSET_XMIN", 0))
    changed = {
        "SUBSET_YMIN": down + looks.rows.start,
        "SUBSET_YMAX": down + looks.rows.stop,
        "SUBSET_XMIN": across + looks.columns.start,
        "SUBSET_XMAX": across + looks.columns.stop,
    }
    texts = {name: str(value) for name, value in changed.items()}
    if radar and "STARTING_RANGE" in found and "RANGE_PIXEL_SIZE" in found:
        near = float(found["STARTING_RANGE"]) + looks.columns.start * float(found["RANGE_PIXEL_SIZE"])
        texts["STARTING_RANGE"] = text_of(near)
    return texts


def _move_reference(found: dict[str, str], looks: Looks) -> None:
    """Let the reference pixel be the same place in the loaded part; drop it when it lies outside."""
    if not {"REF_Y", "REF_X"} <= set(found):
        return
    row = (int(found["REF_Y"]) - looks.rows.start) // looks.tall
    column = (int(found["REF_X"]) - looks.columns.start) // looks.wide
    if 0 <= row < looks.shape[0] and 0 <= column < looks.shape[1]:
        found |= {"REF_Y": str(row), "REF_X": str(column)}
    else:
        for name in ("REF_Y", "REF_X", "REF_LAT", "REF_LON"):
            found.pop(name, None)


def _scaled(text: str, factor: int) -> str:
    value = float(text)
    return str(int(value) * factor) if value.is_integer() and "." not in text else text_of(value * factor)
