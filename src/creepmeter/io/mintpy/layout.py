"""How a file in MintPy's layout is laid out: its datasets in one piece each, with CF coordinates beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from creepmeter.errors import InputError, StoreError
from creepmeter.io.attributes import jsonable
from creepmeter.io.mintpy import dates
from creepmeter.io.mintpy.grid import grid_from, number_of
from creepmeter.model.conventions import CONVENTIONS, MAP_DIMS, SPATIAL_REF

VERSION = "CREEPMETER_VERSION"
PROVENANCE = "CREEPMETER_PROVENANCE"
GEOMETRY = "geometry"
_LATE = "yx_mapping"  # a name that comes after those of all maps
_MAPPINGS = (SPATIAL_REF, GEOMETRY, _LATE)
COORDINATES = ("x", "y", "time", "ref_time", "sec_time", "pair", "ends", *_MAPPINGS)
_NONE: Mapping[str, str] = MappingProxyType({})
MODIFIED = "MODIFICATION_TIME"
MAP_RANK = len(MAP_DIMS)
_DAY_S = 86400


@dataclass(frozen=True)
class Dataset:
    """One dataset to be.

    Parameters
    ----------
    shape : tuple of int
        The last two are rows and columns.
    dtype : numpy.dtype
        As stored.
    attributes : mapping of str to str
        Attributes of its own, such as UNIT.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    attributes: Mapping[str, str] = field(default_factory=lambda: _NONE)

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", np.dtype(self.dtype))
        if len(self.shape) < MAP_RANK or min(self.shape) < 1:
            message = f"a dataset of shape {self.shape} holds no maps: the last two axes are rows and columns"
            raise InputError(message)


@dataclass(frozen=True)
class Plan:
    """A file to be.

    Parameters
    ----------
    datasets : mapping of str to Dataset
        Maps and stacks of maps, all of the same rows and columns.
    attributes : mapping of str to str
        Of the file.
    tables : mapping of str to array
        Small arrays, among them ``date``.
    """

    datasets: Mapping[str, Dataset]
    attributes: Mapping[str, str]
    tables: Mapping[str, npt.NDArray[Any]] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns.

        Raises
        ------
        InputError
            The datasets do not agree.
        """
        shapes = {name: entry.shape[-2:] for name, entry in self.datasets.items()}
        if len(set(shapes.values())) != 1:
            message = f"datasets of one file need the same rows and columns, got {shapes or 'none'}"
            raise InputError(message)
        rows, columns = next(iter(shapes.values()))
        return rows, columns


def lay_out(path: Path, plan: Plan) -> None:
    """Make a file with all its tables and room for its maps, whose values are not written."""
    with h5py.File(path, "w", libver=("earliest", "v110")) as file:
        _put_attributes(file, plan)
        scales = _put_coordinates(file, plan)
        for name in sorted(plan.tables):
            _put_table(file, name, plan, scales)
        for name in sorted(plan.datasets):
            add_room(file, name, plan.datasets[name])
            describe(file, name)


def _put_attributes(file: h5py.File, plan: Plan) -> None:
    rows, columns = plan.shape
    given = {str(key): str(value) for key, value in plan.attributes.items()}
    given |= {"LENGTH": str(rows), "WIDTH": str(columns)}
    if "FILE_TYPE" not in given:
        message = "the attributes lack FILE_TYPE: say what the file is, such as timeseries"
        raise InputError(message)
    given.setdefault("UNIT", "1")
    for name in sorted(given):
        file.attrs[name] = given[name]
    file.attrs["Conventions"] = CONVENTIONS
    file.attrs[VERSION] = version("creepmeter")


def provenance_text(provenance: Mapping[str, Any] | None) -> str | None:
    """Return provenance as text, None for none."""
    if provenance is None:
        return None
    return json.dumps(jsonable(dict(provenance), "provenance"), sort_keys=True, ensure_ascii=False)


def _put_coordinates(file: h5py.File, plan: Plan) -> dict[str, int]:
    """Write coordinates as dimension scales; return their lengths."""
    rows, columns = plan.shape
    grid = grid_from(plan.attributes, (rows, columns), "the attributes")
    mapping = _mapping_of(plan)
    if grid is None:
        _scale(file, mapping, np.zeros(1, np.int64), {"long_name": "radar coordinates"})
        for name, size in zip(MAP_DIMS, (rows, columns), strict=True):
            meaning = {"y": "row (azimuth), from 0", "x": "column (range), from 0"}[name]
            _scale(file, name, np.arange(size, dtype=np.float64), {"long_name": meaning, "units": "1"})
    else:
        from creepmeter.model.grid import grid_coords  # noqa: PLC0415 - slow to load; radar coordinates need it not

        coords = grid_coords(grid)
        for name in MAP_DIMS:
            _scale(file, name, coords[name].values, {str(k): v for k, v in coords[name].attrs.items()})
        _scale(file, mapping, np.zeros(1, np.int64), {str(k): v for k, v in coords[SPATIAL_REF].attrs.items()})
    return {"y": rows, "x": columns, **_put_times(file, plan)}


def _mapping_of(plan: Plan) -> str:
    """Return a name for the reference system that leads MintPy to the maps.

    It takes every dataset of a geometry file for a map, unless one has the name of the file type, and then finds no
    layer of baselines by date; of other files some of its programs read the first dataset by name.
    """
    dated = any(len(entry.shape) > MAP_RANK for entry in plan.datasets.values())  # baselines of pixels, by date
    if plan.attributes.get("FILE_TYPE") == GEOMETRY and not dated:
        return GEOMETRY
    return SPATIAL_REF if min([*plan.datasets, *plan.tables]) < SPATIAL_REF else _LATE


def _put_times(file: h5py.File, plan: Plan) -> dict[str, int]:
    if "date" not in plan.tables:
        return {}
    found = dates.read_dates(np.asarray(plan.tables["date"]), Path("the table"))
    clock = number_of(plan.attributes, "CENTER_LINE_UTC", "the attributes") or 0.0
    seconds = (found - np.datetime64(0, "s")) // np.timedelta64(1, "s")
    whole = seconds % _DAY_S == 0
    seconds = np.where(whole, seconds + round(clock), seconds).astype(np.int64)
    since = {"units": "seconds since 1970-01-01", "calendar": "proleptic_gregorian"}
    if found.ndim == 1:
        _scale(file, "time", seconds, {"standard_name": "time", "axis": "T", **since})
        return {"time": len(found)}
    _scale(file, "pair", np.arange(len(found), dtype=np.int32), {"long_name": "number of the pair, from 0"})
    _scale(file, "ends", np.arange(found.shape[1], dtype=np.int32), {"long_name": "0 earlier, 1 later date"})
    for name, column, meaning in (("ref_time", 0, "earlier"), ("sec_time", 1, "later")):
        item = file.create_dataset(name, data=seconds[:, column])
        _tag(item, {"long_name": f"{meaning} acquisition", **since})
        item.dims[0].attach_scale(file["pair"])
    return {"pair": len(found), "ends": found.shape[1]}


def _scale(file: h5py.File, name: str, values: npt.NDArray[Any], attributes: Mapping[str, Any]) -> None:
    item = file.create_dataset(name, data=values)
    _tag(item, attributes)
    item.make_scale(name)


def _tag(item: h5py.Dataset, attributes: Mapping[str, Any]) -> None:
    for key in sorted(attributes):
        item.attrs[key] = attributes[key]


def _put_table(file: h5py.File, name: str, plan: Plan, scales: Mapping[str, int]) -> None:
    values = np.asarray(plan.tables[name])
    if values.dtype.kind == "M":
        values = dates.write_dates(values)
    elif name == "bperp":
        values = values.astype(np.float32)
    if name in file or name in plan.datasets:
        message = f"{name!r} is given twice, or is the name of a coordinate: choose another"
        raise InputError(message)
    item = file.create_dataset(name, data=values)
    for axis, size in enumerate(values.shape):
        wanted = ("time", "pair") if axis == 0 else ("ends",)
        for scale in wanted:
            if scales.get(scale) == size:
                item.dims[axis].attach_scale(file[scale])
                break


def add_room(file: h5py.File, name: str, entry: Dataset) -> None:
    """Make a dataset in one piece, whose values are not written."""
    if name in file:
        message = f"{name!r} is there already, or is the name of a coordinate: choose another"
        raise InputError(message)
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_layout(h5py.h5d.CONTIGUOUS)
    made.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    made.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    made.set_obj_track_times(False)
    space = h5py.h5s.create_simple(tuple(entry.shape))
    kind = h5py.h5t.py_create(entry.dtype, logical=True)
    h5py.h5d.create(file.id, name.encode(), kind, space, made)
    _tag(file[name], {key: str(value) for key, value in entry.attributes.items()})


def describe(file: h5py.File, name: str) -> None:
    """Tie a dataset to the coordinates of its file, where they fit."""
    item = file[name]
    leading = item.ndim - MAP_RANK
    for axis, scale in enumerate(MAP_DIMS, start=leading):
        if scale in file and file[scale].shape == (item.shape[axis],):
            item.dims[axis].attach_scale(file[scale])
    for axis in range(leading):
        for scale in ("time", "pair"):
            if scale in file and file[scale].shape == (item.shape[axis],):
                item.dims[axis].attach_scale(file[scale])
                break
    for mapping in _MAPPINGS:
        if mapping in file:
            item.attrs["grid_mapping"] = mapping
    if leading and "ref_time" in file:
        item.attrs["coordinates"] = "ref_time sec_time"


def is_ours(file: h5py.File) -> bool:
    """Tell whether creepmeter wrote a file: its mark, and scales, which no other program takes along in a copy."""
    return VERSION in file.attrs and all(name in file and bool(file[name].is_scale) for name in MAP_DIMS)


def require_stored(name: str, values: npt.ArrayLike, entry: Dataset, where: object) -> npt.NDArray[Any]:
    """Return values in the type of a dataset.

    Raises
    ------
    StoreError
        They do not fit into that type (fault: a number that would wrap around).
    """
    given = np.asarray(values)
    if given.dtype == entry.dtype:
        return given
    fits = entry.dtype.kind in "fc" or given.dtype.kind == "b"
    if not fits and entry.dtype.kind in "iu" and given.size:
        limits = np.iinfo(entry.dtype)
        fits = bool(np.isfinite(given).all() and given.min() >= limits.min and given.max() <= limits.max)
    if not fits and given.size:
        message = f"{where}: {name!r} is stored as {entry.dtype}, the values {given.dtype} do not fit into it"
        raise StoreError(message)
    return given.astype(entry.dtype)
