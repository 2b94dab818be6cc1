"""Where a product comes from: version, options, digests of the inputs."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from creepmeter.errors import StoreError
from creepmeter.io import swap
from creepmeter.io.attributes import jsonable
from creepmeter.io.mintpy.digest import digest_mintpy
from creepmeter.io.mintpy.listing import is_mintpy_file

if TYPE_CHECKING:  # slow to load
    import xarray as xr

SAMPLES = 16
SAMPLE_BYTES = 64 * 1024


def digest_file(path: str | Path) -> str:
    """Return a digest of a file or of a store: size, first bytes and samples spread over it, never a full read.

    A file of less than 1 MiB is read whole. Of a file in MintPy's layout, the time of making does not count, see
    `creepmeter.io.mintpy.digest.digest_mintpy`. Of a Zarr store, the metadata, name and size of every chunk count,
    and the content of some chunks.

    Parameters
    ----------
    path : str or Path
        File or folder of a store.

    Returns
    -------
    str
        64 hexadecimal digits. Name and time of the file do not count.

    Raises
    ------
    StoreError
        The file is not there or cannot be read.
    """
    target = Path(path)
    digest = hashlib.sha256()
    with swap.file_errors(target, "read"):
        if is_mintpy_file(target):
            return digest_mintpy(target)
        if target.is_dir():
            _add_folder(digest, target)
        else:
            _add_file(digest, target)
    return digest.hexdigest()


def _add_file(digest: hashlib._Hash, path: Path) -> None:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        digest.update(f"{size};".encode())
        if size <= SAMPLES * SAMPLE_BYTES:
            digest.update(file.read())
            return
        for k in range(SAMPLES):
            file.seek(k * (size - SAMPLE_BYTES) // (SAMPLES - 1))
            digest.update(file.read(SAMPLE_BYTES))


def _add_folder(digest: hashlib._Hash, folder: Path) -> None:
    files = sorted((file for file in folder.rglob("*") if file.is_file()), key=lambda file: file.as_posix())
    every = max(len(files) // (4 * SAMPLES), 1)
    for k, file in enumerate(files):
        digest.update(f"{file.relative_to(folder).as_posix()}:".encode())
        if file.name == "zarr.json":
            digest.update(_metadata_that_counts(file))
        elif k % every == 0:
            _add_file(digest, file)
        else:
            digest.update(f"{file.stat().st_size};".encode())


def _metadata_that_counts(file: Path) -> bytes:
    """Return metadata of a store without its time of creation: a product made again has the same digest."""
    text = file.read_bytes()
    try:
        found = json.loads(text)
        made = json.loads(found["attributes"]["provenance"])
        made.pop("created", None)
        found["attributes"]["provenance"] = made
    except (ValueError, KeyError, TypeError, AttributeError):
        return text
    return json.dumps(found, sort_keys=True).encode()


def digest_arrays(*arrays: npt.ArrayLike | xr.Dataset) -> str:
    """Return a digest of arrays or Datasets in memory: types, shapes, every value, names and attributes."""
    digest = hashlib.sha256()
    for item in arrays:
        if isinstance(item, Mapping):
            _add_dataset(digest, item)
        else:
            _add_array(digest, np.asarray(item))
    return digest.hexdigest()


def _add_dataset(digest: hashlib._Hash, dataset: xr.Dataset) -> None:
    digest.update(json.dumps(jsonable(dict(dataset.attrs), "the dataset"), sort_keys=True).encode())
    for name in sorted(map(str, dataset.variables)):
        variable = dataset.variables[name]
        digest.update(json.dumps([name, list(map(str, variable.dims))]).encode())
        _add_array(digest, variable.values)


def _add_array(digest: hashlib._Hash, values: npt.NDArray[Any]) -> None:
    if values.dtype.kind in "OT":
        values = np.array([str(item) for item in values.ravel()], dtype=str).reshape(values.shape)
    digest.update(f"{values.dtype.str}{values.shape}".encode())
    digest.update(np.ascontiguousarray(values).tobytes())


def digest_text(*parts: object) -> str:
    """Return a digest of anything that JSON knows, for keys of stores."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def provenance(options: Mapping[str, Any], inputs: Mapping[str, str]) -> dict[str, Any]:
    """Return the provenance of a product.

    Parameters
    ----------
    options : mapping
        Options of the step (``model_dump()`` of an options model).
    inputs : mapping
        Name of each input and its digest. Names are cut to the last part of a path (two where
        they clash): products hold no folder names.

    Returns
    -------
    dict
        ``creepmeter_version``, ``options``, ``inputs``, and ``created`` (UTC), which alone differs from run to run.
    """
    named: dict[str, str] = {}
    for name, digest in inputs.items():
        short = Path(str(name)).name
        if short in named and named[short] != digest:
            short = "/".join(Path(str(name)).parts[-2:])
        named[short] = digest
    return {
        "creepmeter_version": version("creepmeter"),
        "options": jsonable(dict(options), "options"),
        "inputs": named,
        "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def provenance_of(dataset: xr.Dataset) -> dict[str, Any]:
    """Return the provenance that a product carries, empty when there is none.

    Raises
    ------
    StoreError
        The attribute is not JSON.
    """
    text = dataset.attrs.get("provenance")
    if text is None:
        return {}
    try:
        return dict(json.loads(text))
    except (ValueError, TypeError) as problem:
        message = f"attribute provenance is damaged ({problem}): make the product again"
        raise StoreError(message) from problem
