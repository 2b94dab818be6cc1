"""How a Dataset lies in a Zarr 3 group: types, chunks, CF and GeoZarr attributes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
import zarr
from pyproj import CRS
from zarr.codecs import BloscCodec
from zarr.storage import LocalStore

from creepmeter.errors import StoreError
from creepmeter.io.attributes import jsonable
from creepmeter.model.conventions import SPATIAL_REF

TILE_PX = 256  # a map chunk never exceeds this edge, so that a block of the map touches few chunks
CHUNK_BYTES = 4 * 2**20
COPY_BYTES = 64 * 2**20
MAP_DIMS = ("y", "x")
ONE_BY_ONE = ("component", "term")  # read one at a time, so stored one at a time
DERIVED = ("zarr_conventions", "proj:code", "proj:wkt2", "spatial:dimensions", "spatial:transform", "spatial:shape")
_EPOCH = "1970-01-01"
_TIME_UNITS = (("days", 86_400_000_000_000), ("seconds", 1_000_000_000), ("nanoseconds", 1))
_CONVENTIONS = [
    {
        "uuid": "f17cb550-5864-4468-aeb7-f3180cfb622f",
        "name": "proj:",
        "spec_url": "https://github.com/zarr-experimental/geo-proj/blob/v1/README.md",
    },
    {
        "uuid": "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4",
        "name": "spatial:",
        "spec_url": "https://github.com/zarr-conventions/spatial/blob/v1/README.md",
    },
]

Region = Mapping[str, slice]


def create(folder: Path, template: xr.Dataset, chunks: Mapping[str, int]) -> zarr.Group:
    """Make a Zarr 3 group with the arrays, attributes and coordinate values of `template`; data are not written.

    Raises
    ------
    StoreError
        A variable or attribute cannot be stored (objects, structures, time differences).
    """
    group = zarr.create_group(LocalStore(folder), zarr_format=3, attributes=group_attributes(template))
    for name in sorted(map(str, template.variables)):
        variable = template.variables[name]
        _require_storable(name, variable)
        array = _create_array(group, name, variable, template, chunks)
        if name in template.coords:
            array[...] = stored_values(name, variable, is_coord=True)
    return group


def _create_array(
    group: zarr.Group, name: str, variable: xr.Variable, template: xr.Dataset, chunks: Mapping[str, int]
) -> zarr.Array[Any]:
    dtype = stored_dtype(name, variable)
    text = dtype.kind in "UOT"
    attributes = jsonable(dict(variable.attrs), name)
    if dtype.kind == "M":
        unit = _time_unit(variable)[0] if name in template.coords else _TIME_UNITS[-1][0]
        attributes |= {"units": f"{unit} since {_EPOCH}", "calendar": "proleptic_gregorian"}
    beside = [] if name in template.coords else _coordinates_of(variable, template)
    if beside:
        attributes["coordinates"] = " ".join(beside)
    kind: Any = "string" if text else (np.dtype(np.int64) if dtype.kind == "M" else dtype)
    return group.create_array(
        name,
        shape=variable.shape,
        dtype=kind,
        chunks=chunk_shape(variable, dtype, chunks, whole=name in template.coords),
        dimension_names=[str(dim) for dim in variable.dims],
        attributes=attributes,
        compressors=None if text else [BloscCodec(cname="zstd", clevel=3, shuffle="shuffle")],
        fill_value=np.nan if dtype.kind in "fc" else ("" if text else 0),
    )


def _coordinates_of(variable: xr.Variable, dataset: xr.Dataset) -> list[str]:
    """Name the coordinates without a dimension of their own that describe `variable` (CF section 5)."""
    names = []
    for name, coord in dataset.coords.items():
        if name not in dataset.dims and name != SPATIAL_REF and set(coord.dims) <= set(variable.dims):
            names.append(str(name))
    return sorted(names)


def chunk_shape(
    variable: xr.Variable, dtype: np.dtype[Any], chunks: Mapping[str, int], *, whole: bool = False
) -> tuple[int, ...]:
    """Return the chunk of a variable: `chunks` where given, tiles of the map, as many dates as 4 MiB hold.

    Parameters
    ----------
    variable : xarray.Variable
        Read for its dimensions only.
    dtype : numpy.dtype
        Type as stored.
    chunks : mapping
        Chunk length per dimension; the other dimensions are chosen here.
    whole : bool
        One chunk for all (coordinates).
    """
    sizes = {str(dim): max(int(size), 1) for dim, size in variable.sizes.items()}
    if whole:
        return tuple(sizes.values())
    fixed = dict.fromkeys(MAP_DIMS, TILE_PX) | dict.fromkeys(ONE_BY_ONE, 1) | dict(chunks)
    shape = {dim: min(size, max(int(fixed[dim]), 1)) for dim, size in sizes.items() if dim in fixed}
    room = max(CHUNK_BYTES // (dtype.itemsize * int(np.prod(list(shape.values()), dtype=np.int64))), 1)
    for dim in reversed([dim for dim in sizes if dim not in fixed]):
        shape[dim] = min(sizes[dim], room)
        room = max(room // shape[dim], 1)
    return tuple(shape[dim] for dim in sizes)


def stored_dtype(name: str, variable: xr.Variable) -> np.dtype[Any]:
    """Return the type on disk: map variables float32, all else as it is."""
    is_map = name not in MAP_DIMS and tuple(variable.dims[-2:]) == MAP_DIMS
    if is_map and variable.dtype == np.float64:
        return np.dtype(np.float32)
    kept: np.dtype[Any] = np.dtype(variable.dtype)
    return kept


def stored_values(name: str, variable: xr.Variable, *, is_coord: bool = False) -> npt.NDArray[Any]:
    """Return values as they are written: dates as whole numbers, text as variable-length strings.

    Dates of coordinates count the coarsest of days, seconds, nanoseconds that is exact; other dates nanoseconds,
    because a block does not know the others.
    """
    values = np.asarray(variable.values)
    if values.dtype.kind == "M":
        return _nanoseconds(values) // (_time_unit(variable)[1] if is_coord else 1)
    if values.dtype.kind in "UO":
        return values.astype(np.dtypes.StringDType())
    return values.astype(stored_dtype(name, variable), copy=False)


def _nanoseconds(values: npt.NDArray[np.datetime64]) -> npt.NDArray[np.int64]:
    return values.astype("datetime64[ns]").astype(np.int64)


def _time_unit(variable: xr.Variable) -> tuple[str, int]:
    whole = _nanoseconds(variable.values)
    return next(unit for unit in _TIME_UNITS if not np.any(whole % unit[1]))


def _require_storable(name: str, variable: xr.Variable) -> None:
    problem = ""
    if not name or "/" in name or name.startswith((".", "__")):
        problem = "its name cannot be a name in a store"
    elif variable.dtype.kind == "M" and np.isnat(variable.values).any():
        problem = "a date is missing (NaT)"
    elif variable.dtype.kind == "O" and not all(isinstance(item, str) for item in np.ravel(variable.values)):
        problem = "it holds Python objects"
    elif variable.dtype.kind not in "biufcUOTM":
        problem = f"its type is {variable.dtype}"
    if problem:
        message = f"variable {name!r} cannot be stored: {problem}; use numbers, booleans, text or datetime64"
        raise StoreError(message)


def group_attributes(dataset: xr.Dataset) -> dict[str, Any]:
    """Return attributes of the group: those of the dataset, names of its coordinates, and where it lies (GeoZarr)."""
    attributes: dict[str, Any] = jsonable(dict(dataset.attrs), "the dataset")
    beside = sorted(str(name) for name in dataset.coords if name not in dataset.dims)
    if beside:
        attributes["coordinates"] = " ".join(beside)
    if SPATIAL_REF in dataset.coords and set(MAP_DIMS) <= set(dataset.sizes):
        attributes |= _geozarr(dataset)
    return attributes


def _geozarr(dataset: xr.Dataset) -> dict[str, Any]:
    mapping = dataset[SPATIAL_REF].attrs
    found: dict[str, Any] = {"zarr_conventions": _CONVENTIONS, "spatial:dimensions": list(MAP_DIMS)}
    found["spatial:shape"] = [int(dataset.sizes[dim]) for dim in MAP_DIMS]
    if "GeoTransform" in mapping:
        c, a, b, f, d, e = (float(text) for text in mapping["GeoTransform"].split())
        found["spatial:transform"] = [a, b, c, d, e, f]
    if "crs_wkt" in mapping:
        code = CRS.from_wkt(mapping["crs_wkt"]).to_authority()
        found |= {"proj:code": ":".join(code)} if code else {"proj:wkt2": mapping["crs_wkt"]}
    return found


def regions(shape: tuple[int, ...], chunk: tuple[int, ...], itemsize: int) -> Iterator[tuple[slice, ...]]:
    """Cut an array into chunk-aligned parts of at most about 64 MiB, in order."""
    step = list(chunk)
    for axis in reversed(range(len(shape))):
        room = COPY_BYTES // (itemsize * int(np.prod(step, dtype=np.int64)))
        whole = -(-shape[axis] // chunk[axis])
        step[axis] = chunk[axis] * min(max(room, 1), max(whole, 1))
    cuts = [[slice(k, min(k + s, n)) for k in range(0, n, s)] for n, s in zip(shape, step, strict=True)]
    yield from itertools.product(*cuts)
