"""What a file is, told from its content, and how it is opened as a Dataset."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from creepmeter.errors import StoreError
from creepmeter.io import swap
from creepmeter.io.layout import DERIVED
from creepmeter.io.mintpy import hdf
from creepmeter.io.mintpy.dataset import is_mintpy, open_mintpy

_CODECS = {"bytes", "blosc", "zstd", "gzip", "crc32c", "transpose", "sharding_indexed", "vlen-utf8"}
_TYPES = {"bool", "string", *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64))}
_TYPES |= {"float16", "float32", "float64", "complex64", "complex128"}
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/|[/\\]vsi")  # Path has made one slash of two
_FORMAT = 3
_HDF5 = b"\x89HDF\r\n\x1a\n"
_NETCDF3 = b"CDF"
_TIFF = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


def open_any(path: Path) -> xr.Dataset:
    """Open a store, GeoTIFF or NetCDF/HDF5 file lazily; see `creepmeter.io.store.open`."""
    if path.is_dir():
        return _open_zarr(path)
    if not path.exists():
        return _open_leftover(path)
    with swap.file_errors(path, "read"), path.open("rb") as file:
        head = file.read(8)
    if head.startswith(_TIFF):
        from creepmeter.io.lazy_raster import open_geotiff  # noqa: PLC0415 - GDAL is loaded only for rasters

        return open_geotiff(path)
    if head.startswith((_HDF5, _NETCDF3)):
        return _open_netcdf(path, classic=head.startswith(_NETCDF3))
    message = f"{path} is no product: neither a Zarr store, nor GeoTIFF, nor NetCDF/HDF5 (it starts with {head!r})"
    raise StoreError(message)


def _open_leftover(path: Path) -> xr.Dataset:
    if (swap.old_of(path) / "zarr.json").exists():  # a run was killed between the two renames
        return _open_zarr(swap.old_of(path))
    if swap.partial_of(path).exists():
        message = f"{path} was not finished: run the same command again, it goes on where it stopped"
    elif _ADDRESS.match(str(path)):
        message = f"{path} is an address: only local files are opened, download it first"
    else:
        message = f"{path} does not exist: check the name, or make it first (see creepmeter --help)"
    raise StoreError(message)


def _open_zarr(path: Path) -> xr.Dataset:
    if path.name.startswith(".") and path.name.endswith(".partial"):
        message = f"{path} is a store in the making: run its command again to finish it"
        raise StoreError(message)
    _require_plain_store(path)
    try:
        found = xr.open_zarr(path, chunks=None, consolidated=False, zarr_format=3)
    except (ValueError, KeyError, TypeError, OSError) as problem:
        message = f"{path} cannot be read as a Zarr store ({problem}): make it again"
        raise StoreError(message) from problem
    coords = set(found.coords)
    ordered = xr.Dataset({name: found.variables[name] for name in sorted(map(str, found.variables))})
    attributes = {key: value for key, value in found.attrs.items() if key not in DERIVED}
    return _plain_text(ordered.set_coords(coords & set(ordered.variables))).assign_attrs(attributes)


def _plain_text(dataset: xr.Dataset) -> xr.Dataset:
    """Turn variable-length text into numpy text, as it was before it was stored."""
    for name in [name for name, variable in dataset.variables.items() if variable.dtype.kind in "OT"]:
        variable = dataset.variables[name]
        values = np.array([str(item) for item in variable.values.ravel()], dtype=str).reshape(variable.shape)
        dataset = (
            dataset.assign_coords({name: (variable.dims, values, variable.attrs)})
            if (name in dataset.coords)
            else dataset.assign({name: (variable.dims, values, variable.attrs)})
        )
    return dataset


def _require_plain_store(path: Path) -> None:
    """Refuse anything but a Zarr 3 group of numbers and text behind well-known codecs."""
    if not (path / "zarr.json").is_file():
        old = any((path / name).exists() for name in (".zgroup", ".zarray", ".zmetadata"))
        found = (
            "a Zarr 2 store: only format 3 is read, convert it first" if old else "no Zarr store (zarr.json is missing)"
        )
        message = f"{path} is {found}; give a product of creepmeter"
        raise StoreError(message)
    _metadata(path / "zarr.json", "group")
    for file in sorted(path.glob("*/zarr.json")):
        array = _metadata(file, "array")
        codecs = {str(codec.get("name")) for codec in _codecs(array.get("codecs", []))}
        strange = sorted(codecs - _CODECS)
        if strange or array.get("storage_transformers"):
            message = (
                f"{file}: codec {', '.join(strange) or 'transformer'} is not among those that are read safely; refused"
            )
            raise StoreError(message)
        if not isinstance(array.get("data_type"), str) or array["data_type"] not in _TYPES:
            message = f"{file}: data type {array.get('data_type')!r} is not numbers or text; refused"
            raise StoreError(message)


def _codecs(listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    inner = [
        codec
        for outer in listed
        for key in ("codecs", "index_codecs")
        for codec in _codecs(outer.get("configuration", {}).get(key, []))
    ]
    return [*listed, *inner]


def _metadata(file: Path, kind: str) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        fits = found["zarr_format"] == _FORMAT and found["node_type"] == kind
    except (OSError, ValueError, KeyError, TypeError) as problem:
        message = f"{file} is damaged ({problem}): make the product again"
        raise StoreError(message) from problem
    if not fits:
        message = f"{file} is no Zarr 3 {kind}: give the folder of a product of creepmeter"
        raise StoreError(message)
    return dict(found)


def _open_netcdf(path: Path, *, classic: bool) -> xr.Dataset:
    if not classic and _is_mintpy(path):
        return open_mintpy(path)
    try:
        return xr.open_dataset(path, engine="scipy" if classic else "h5netcdf", chunks=None)
    except (ValueError, OSError, KeyError, TypeError, RuntimeError) as problem:
        message = f"{path} cannot be read as NetCDF ({problem}): get the file again or convert it to GeoTIFF"
        raise StoreError(message) from problem


def _is_mintpy(path: Path) -> bool:
    """Tell whether an HDF5 file is in MintPy's layout; refuse one that is damaged or points to other files."""
    with hdf.reading(path) as file:
        return is_mintpy(file)
