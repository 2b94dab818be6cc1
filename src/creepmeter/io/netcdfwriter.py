"""Datasets written as netCDF-4, large variables part by part."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5netcdf
import numpy as np
import xarray as xr

from creepmeter.model.conventions import SPATIAL_REF

_LARGE_BYTES = 2**25
_STRIP_BYTES = 2**25
_TILE = 256
_DEFLATE = 4


def write_netcdf(path: Path, dataset: xr.Dataset) -> None:
    """Write a dataset as netCDF-4, compressed; of large variables only a part is in memory.

    Parameters
    ----------
    path : Path
        File to make.
    dataset : Dataset
        With attributes that netCDF can hold; variables on a map name their ``grid_mapping``.
    """
    large = [name for name, variable in dataset.data_vars.items() if _is_large(variable)]
    small = dataset.drop_vars(large)
    small.to_netcdf(path, engine="h5netcdf", encoding={str(name): _encoding(small[name]) for name in small.variables})
    if large:
        with h5netcdf.File(path, "a") as file:
            for name in large:
                _write(file, str(name), dataset)


def _is_large(variable: xr.DataArray) -> bool:
    return variable.nbytes > _LARGE_BYTES and variable.dtype.kind in "fiu"


def _encoding(variable: xr.DataArray) -> Mapping[str, Any]:
    """Return how a variable is packed; coordinates have no missing values (CF 2.5.1)."""
    is_map = variable.ndim > 1 and variable.dtype.kind in "fiu"
    found: dict[str, Any] = {"zlib": True, "complevel": _DEFLATE, "shuffle": True} if is_map else {}
    if str(variable.name) in variable.coords and variable.dtype.kind in "fM":
        found["_FillValue"] = None
    if variable.dtype.kind == "M":  # CF has no integers of 64 bits; whole seconds are exact
        found |= {"dtype": "float64", "units": "seconds since 1970-01-01"}
    return found


def _write(file: h5netcdf.File, name: str, dataset: xr.Dataset) -> None:
    array = dataset[name]
    for dim, size in zip(array.dims, array.shape, strict=True):
        if dim not in file.dimensions:
            file.dimensions[str(dim)] = size
    chunks = (*(1 for _ in array.shape[:-2]), *(min(size, _TILE) for size in array.shape[-2:]))
    made = file.create_variable(
        name, array.dims, array.dtype, fillvalue=np.nan if array.dtype.kind == "f" else None, chunks=chunks,
        compression="gzip", compression_opts=_DEFLATE, shuffle=True,
    )  # fmt: skip
    made.attrs.update(array.attrs)
    beside = [str(key) for key, coord in dataset.coords.items() if set(coord.dims) < set(array.dims)]
    described = sorted(key for key in beside if key not in dataset.dims and key != SPATIAL_REF)
    if described:
        made.attrs["coordinates"] = " ".join(described)
    tall = max(_STRIP_BYTES // (array.shape[-1] * array.dtype.itemsize) // _TILE * _TILE, _TILE)
    for place in np.ndindex(array.shape[:-2]):
        for top in range(0, array.shape[-2], tall):
            part = (*place, slice(top, min(top + tall, array.shape[-2])))
            made[part] = array[part].values
