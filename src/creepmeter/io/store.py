"""Products on disk: open any, write whole or nothing, fill block by block and resume."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
import zarr
from zarr.storage import LocalStore

from creepmeter.errors import InputError, StoreError
from creepmeter.io import layout, recognise, swap
from creepmeter.io.attributes import jsonable

_LOG = logging.getLogger(__name__)
PathLike = str | Path


def open(path: PathLike) -> xr.Dataset:  # noqa: A001 - creepmeter.open is the public name
    """Open a product or a raster lazily, by what the file is and not by its name.

    Parameters
    ----------
    path : str or Path
        A Zarr 3 store, a GeoTIFF (its bands become variables on its grid), a file in MintPy's layout (see
        `creepmeter.io.mintpy.dataset.open_mintpy`), or a NetCDF-4/HDF5 or NetCDF-3 file.

    Returns
    -------
    xarray.Dataset
        Values are read when they are asked for. Missing is NaN.

    Raises
    ------
    StoreError
        Nothing there, a store that was not finished, or a file of another kind.
    """
    return recognise.open_any(Path(path))


def write(dataset: xr.Dataset, path: PathLike, provenance: Mapping[str, Any] | None = None) -> None:
    """Write a Dataset as a Zarr 3 product, whole or not at all; a product already there is replaced.

    Map variables are stored as float32, coordinates and small tables as they are.

    Parameters
    ----------
    dataset : xarray.Dataset
        May be lazy: it is read part by part.
    path : str or Path
        Name ending in ``.zarr``.
    provenance : mapping, optional
        See `creepmeter.io.provenance.provenance`; kept as JSON text in the attribute ``provenance``.

    Raises
    ------
    StoreError
        The disk is full or not writable, a variable cannot be stored, or something else is in the place.
    """
    target = _target(path)
    partial = swap.partial_of(target)
    with swap.file_errors(target, "write"):
        try:
            swap.recover(target)
            swap.remove(partial)
            partial.mkdir(parents=True)
            group = layout.create(partial / "store", _with_provenance(dataset, provenance), {})
            for name in dataset.data_vars:
                _copy(str(name), dataset.variables[name], group)
            swap.replace(partial / "store", target)
        finally:
            swap.remove(partial)


def _copy(name: str, variable: xr.Variable, group: zarr.Group) -> None:
    array = group[name]
    assert isinstance(array, zarr.Array)  # noqa: S101 - made as an array by layout.create
    for region in layout.regions(array.shape, array.chunks, array.dtype.itemsize or 8):
        array[region] = layout.stored_values(name, variable[region])


def _with_provenance(dataset: xr.Dataset, provenance: Mapping[str, Any] | None) -> xr.Dataset:
    if provenance is None:
        return dataset
    text = json.dumps(jsonable(dict(provenance), "provenance"), sort_keys=True, ensure_ascii=False)
    return dataset.assign_attrs(provenance=text)


def _target(path: PathLike) -> Path:
    target = Path(path).resolve()
    if target.suffix != ".zarr":
        message = f"{path}: a product is a Zarr store, give a name ending in .zarr"
        raise InputError(message)
    with swap.file_errors(target, "write"):
        is_other = target.is_dir() and not (target / "zarr.json").exists() and any(target.iterdir())
        is_other = is_other or target.is_file()
    if is_other:
        message = f"{path} is there and is no Zarr store: it is not replaced, choose another name"
        raise StoreError(message)
    return target


class StoreWriter:
    """A product filled block by block, that a killed run can take up again.

    Blocks are written into ``.NAME.partial`` beside the product; a marker file says that a block is on disk. `finish`
    renames the whole into place. The product does not depend on how often it was interrupted.

    Make one with `create_or_resume`. One process writes at a time.
    """

    def __init__(self, path: Path, template: xr.Dataset, group: zarr.Group) -> None:
        self._path = path
        self._template = template
        self._group = group
        self._journal = swap.partial_of(path) / "done"
        self._done = {marker.name for marker in self._journal.iterdir()}

    @classmethod
    def create_or_resume(cls, path: PathLike, template: xr.Dataset, chunks: Mapping[str, int], key: str) -> StoreWriter:
        """Start a store, or go on with the one that an earlier run with the same key left.

        Parameters
        ----------
        path : str or Path
            Name ending in ``.zarr``.
        template : xarray.Dataset
            Dimensions, coordinates, attributes and types; data of its variables are never read.
        chunks : mapping
            Chunk length per dimension; see `creepmeter.io.layout.chunk_shape` for those not given.
        key : str
            Digest of options and inputs. A partial store of another key, or of another template, is made anew.

        Raises
        ------
        StoreError
            The place is not writable, or a variable cannot be stored.
        """
        target = _target(path)
        partial = swap.partial_of(target)
        mark = _fingerprint(template, chunks, key)
        with swap.file_errors(target, "write"):
            swap.recover(target)
            if swap.read_marker(partial / "key") == mark and (partial / "store" / "zarr.json").exists():
                swap.remove_stray(partial / "store")
                group = zarr.open_group(LocalStore(partial / "store"), mode="r+", zarr_format=3)
                return cls(target, template, group)
            swap.remove(partial)
            (partial / "done").mkdir(parents=True)
            group = layout.create(partial / "store", template, chunks)
            swap.sync_tree(partial / "store")
            swap.write_marker(partial / "key", mark)
            return cls(target, template, group)

    def done(self, block_id: str) -> bool:
        """Tell whether a block is on disk."""
        return swap.marker_name(block_id) in self._done

    def put(self, block_id: str, region: Mapping[str, slice], variables: Mapping[str, npt.ArrayLike]) -> None:
        """Write one block, flush it to disk, then mark it as done.

        Parameters
        ----------
        block_id : str
            Any text that names the block; the same text in a later run means the same block.
        region : mapping
            Slice per dimension; dimensions not named are written whole.
        variables : mapping
            Arrays of the shape of the region, per variable.

        Raises
        ------
        StoreError
            The disk is full. What is done stays; a later run goes on from there.
        """
        with swap.file_errors(self._path, "write"):
            swap.sync_files([file for name, values in variables.items() for file in self._put(name, region, values)])
            swap.write_marker(self._journal / swap.marker_name(block_id), block_id)
        self._done.add(swap.marker_name(block_id))

    def _put(self, name: str, region: Mapping[str, slice], values: npt.ArrayLike) -> list[Path]:
        """Write one variable of a block; return the files that hold it."""
        if name not in self._template.data_vars:
            message = (
                f"{self._path} has no variable {name!r}: it was made with {sorted(map(str, self._template.data_vars))}"
            )
            raise StoreError(message)
        array = self._group[name]
        assert isinstance(array, zarr.Array)  # noqa: S101 - made as an array by layout.create
        dims = self._template[name].dims
        where = tuple(
            slice(*region.get(str(dim), slice(None)).indices(n)) for dim, n in zip(dims, array.shape, strict=True)
        )
        given = np.asarray(values)
        expected = tuple(len(range(*cut.indices(n))) for cut, n in zip(where, array.shape, strict=True))
        if given.shape != expected:
            message = (
                f"{name}: a block of shape {given.shape} does not fit its region of shape {expected} in {self._path}"
            )
            raise StoreError(message)
        array[where] = layout.stored_values(name, xr.Variable(dims, given))
        return _chunk_files(swap.partial_of(self._path) / "store" / name, array.chunks, where)

    def finish(self, provenance: Mapping[str, Any] | None = None) -> Path:
        """Put the store in its place, with its provenance, and drop the journal.

        Returns
        -------
        Path
            The product.
        """
        partial = swap.partial_of(self._path)
        with swap.file_errors(self._path, "finish"):
            attributes = layout.group_attributes(_with_provenance(self._template, provenance))
            self._group.attrs.put(attributes)
            swap.remove_stray(partial / "store")
            swap.replace(partial / "store", self._path)
            swap.remove(partial)
        return self._path


def _chunk_files(folder: Path, chunk: tuple[int, ...], where: tuple[slice, ...]) -> list[Path]:
    ranges = [range(cut.start // size, -(-cut.stop // size)) for cut, size in zip(where, chunk, strict=True)]
    names = [folder.joinpath("c", *map(str, index)) for index in itertools.product(*ranges)]
    return [name for name in names if name.exists()]  # a chunk of nothing but NaN has no file


def _fingerprint(template: xr.Dataset, chunks: Mapping[str, int], key: str) -> str:
    digest = hashlib.sha256(key.encode())
    digest.update(
        json.dumps([dict(sorted(chunks.items())), layout.group_attributes(template)], sort_keys=True).encode()
    )
    for name in sorted(map(str, template.variables)):
        variable = template.variables[name]
        attributes = jsonable(dict(variable.attrs), name)
        text = json.dumps([name, variable.dims, variable.shape, str(variable.dtype), attributes], sort_keys=True)
        digest.update(text.encode())
        if name in template.coords:
            digest.update(np.ascontiguousarray(variable.values).tobytes())
    return digest.hexdigest()
