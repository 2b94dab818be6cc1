"""Maps, series and velocities in MintPy's layout: written whole or block by block, read by window, changed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from creepmeter.errors import InputError, StoreError
from creepmeter.io import swap
from creepmeter.io.mintpy import dates, edit, hdf, layout
from creepmeter.io.mintpy.array import StoredArray
from creepmeter.io.mintpy.layout import Dataset, Plan
from creepmeter.io.mintpy.partial import PartialFile, place_for, put_in_place

_NONE: Mapping[str, Any] = MappingProxyType({})
_LAYER = re.compile(r"(?P<name>.+)-(?P<date>\d{8}(T\d{4})?(_\d{8}(T\d{4})?)?)")
_CHUNK_BYTES = 2**18
_METHODS = (None, "gzip", "lzf")
_STACKS = ("ifgramStack",)
_MAPS = (2, 3)

__all__ = [
    "Dataset",
    "ProductWriter",
    "list_datasets",
    "read_attributes",
    "read_map",
    "read_tables",
    "update_product",
    "write_product",
]


class ProductWriter:
    """A file in MintPy's layout filled block by block, that a killed run can take up again.

    Make one with `create_or_resume`. The file does not depend on how often it was interrupted. One process writes at a
    time; `put` may be called from several threads, one after the other.
    """

    def __init__(self, partial: PartialFile) -> None:
        self._partial = partial

    @classmethod
    def create_or_resume(
        cls,
        path: str | Path,
        datasets: Mapping[str, Dataset],
        attributes: Mapping[str, str],
        key: str,
        tables: Mapping[str, npt.NDArray[Any]] = _NONE,
    ) -> ProductWriter:
        """Start a file, or go on with the one that an earlier run with the same key left.

        Parameters
        ----------
        path : str or Path
            Where it goes when it is whole.
        datasets : mapping of str to Dataset
            Shape, type and attributes of each; all of the same rows and columns.
        attributes : mapping of str to str
            Of the file: FILE_TYPE, UNIT and all that is carried along. LENGTH and WIDTH are set here.
        key : str
            Digest of options and inputs. A partial file of another key or layout is made anew.
        tables : mapping of str to array
            Small arrays, written at once: ``date`` (datetime64 or bytes), ``bperp``.

        Raises
        ------
        StoreError
            The place is not writable, or the disk too small.
        """
        return cls(PartialFile.create_or_resume(path, Plan(datasets, attributes, tables), key))

    def done(self, block_id: str) -> bool:
        """Tell whether a block is on disk."""
        return self._partial.done(block_id)

    def put(self, block_id: str, region: Mapping[str, slice], variables: Mapping[str, npt.ArrayLike]) -> None:
        """Write one block, flush it to disk, then mark it as done.

        Parameters
        ----------
        block_id : str
            Any text that names the block; the same text in a later run means the same block.
        region : mapping
            Slices ``layer``, ``y`` and ``x``; one that is not named is whole.
        variables : mapping
            Arrays of the shape of the region.

        Raises
        ------
        StoreError
            A shape or type does not fit, or the disk is full. What is done stays.
        """
        rows, columns = (
            range(*region.get(name, slice(None)).indices(size))
            for name, size in zip(("y", "x"), self._partial.plan.shape, strict=True)
        )
        cut = region.get("layer", slice(None))
        windows = {name: (range(*cut.indices(_layers(self._partial.entry(name)))), rows, columns) for name in variables}
        self._partial.put(block_id, windows, variables)

    def finish(self, provenance: Mapping[str, Any] | None = None) -> Path:
        """Put the file in its place, with its provenance, and drop the journal.

        Returns
        -------
        Path
            The file.
        """
        text = layout.provenance_text(provenance)
        return self._partial.finish({} if text is None else {layout.PROVENANCE: text})


def _layers(entry: Dataset) -> int:
    return int(np.prod(entry.shape[: -layout.MAP_RANK], dtype=np.int64))


def write_product(
    path: str | Path,
    variables: Mapping[str, npt.ArrayLike],
    attributes: Mapping[str, str],
    *,
    units: Mapping[str, str] = _NONE,
    tables: Mapping[str, npt.NDArray[Any]] = _NONE,
    compression: str | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Path:
    """Write maps or a series that are in memory, whole or not at all; a file already there is replaced.

    Parameters
    ----------
    path : str or Path
        Where it goes.
    variables : mapping of str to array
        (rows, columns) or (layers, rows, columns), stored in the type they have.
    attributes : mapping of str to str
        FILE_TYPE, UNIT and all that is carried along.
    units : mapping of str to str
        UNIT of single datasets.
    tables : mapping of str to array
        ``date`` (datetime64 or bytes), ``bperp``.
    compression : {"gzip", "lzf"}, optional
        None stores the values in one piece.
    provenance : mapping, optional
        See `creepmeter.io.provenance.provenance`.

    Raises
    ------
    StoreError
        The disk is full or not writable.
    """
    require_method(compression)
    given = {name: np.asarray(values) for name, values in variables.items()}
    entries = {
        name: Dataset(values.shape, values.dtype, {"UNIT": units[name]} if name in units else {})
        for name, values in given.items()
    }
    target = place_for(path)
    text = layout.provenance_text(provenance)
    fresh = target.with_name(f".{target.name}.new")
    with swap.file_errors(target, "write"):
        try:
            layout.lay_out(fresh, Plan(entries, attributes, tables))
            with h5py.File(fresh, "r+") as file:
                for name, values in given.items():
                    file[name][...] = values
                if text is not None:
                    file.attrs[layout.PROVENANCE] = text
            whole = fresh if compression is None else compressed(fresh, compression)
            put_in_place(whole, target)
        finally:
            swap.remove(fresh)
            swap.remove(_packed_of(fresh))
    return target


def require_method(compression: str | None) -> None:
    """Raise `InputError` unless a compression is known."""
    if compression not in _METHODS:
        message = f"compression {compression!r} is not known: use gzip, lzf or none"
        raise InputError(message)


def _packed_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.packed")


def compressed(source: Path, method: str) -> Path:
    """Copy a file beside itself with its maps compressed; return the copy."""
    target = _packed_of(source)
    with h5py.File(source, "r") as old, h5py.File(target, "w", libver=("earliest", "v110")) as new:
        for key in old.attrs:
            new.attrs[key] = old.attrs[key]
        for name in old:
            item = old[name]
            if (
                name in layout.COORDINATES
                or item.ndim < layout.MAP_RANK
                or item.shape[-1] == 0
                or _is_table(name, item)
            ):
                _copy_plain(item, new, name)
            else:
                _copy_packed(item, new, name, method)
        for name in old:
            _tie(old[name], new)
    return target


def _is_table(name: str, item: h5py.Dataset) -> bool:
    """Tell a table from a map; bperp of a geometry file may be maps, one for each date."""
    return name in ("date", "bperp", "dropIfgram") and item.ndim <= layout.MAP_RANK


def _copy_plain(item: h5py.Dataset, new: h5py.File, name: str) -> None:
    made = new.create_dataset(name, data=item[()], dtype=item.dtype)
    _copy_attributes(item, made)
    if item.is_scale:
        made.make_scale(name)


def _copy_packed(item: h5py.Dataset, new: h5py.File, name: str, method: str) -> None:
    chunks = chunk_shape(item.shape, item.dtype.itemsize)
    made = new.create_dataset(name, item.shape, item.dtype, chunks=chunks, compression=method, shuffle=True)
    _copy_attributes(item, made)
    for part in made.iter_chunks():
        made[part] = item[part]


def _copy_attributes(item: h5py.Dataset, made: h5py.Dataset) -> None:
    for key in item.attrs:
        if key not in ("DIMENSION_LIST", "REFERENCE_LIST", "CLASS", "NAME"):
            made.attrs[key] = item.attrs[key]


def _tie(item: h5py.Dataset, new: h5py.File) -> None:
    for axis, dim in enumerate(item.dims):
        for scale in dim.values():
            new[item.name].dims[axis].attach_scale(new[scale.name])


def chunk_shape(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Return chunks of whole rows, of few layers, of about 256 KiB."""
    wide = min(shape[-1], 1024)
    tall = max(min(shape[-2], 16, _CHUNK_BYTES // (itemsize * wide)), 1)
    deep = [max(min(size, _CHUNK_BYTES // (itemsize * wide * tall)), 1) for size in shape[-3:-2]]
    return (*(1 for _ in shape[:-3]), *deep, tall, wide)


def read_attributes(path: str | Path) -> dict[str, str]:
    """Return the attributes of a file.

    Raises
    ------
    StoreError
        The file is not there or damaged.
    """
    with hdf.reading(Path(path)) as file:
        return hdf.text_attributes(file)


def list_datasets(path: str | Path) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Return shape and type of the datasets of maps and tables; CF coordinates are left out."""
    with hdf.reading(Path(path)) as file:
        ours = layout.is_ours(file)
        return {
            name: (tuple(item.shape or ()), item.dtype)
            for name, item in hdf.datasets_of(file).items()
            if not (ours and name in layout.COORDINATES)
        }


def read_map(path: str | Path, name: str | None = None, region: Mapping[str, slice] | None = None) -> npt.NDArray[Any]:
    """Read one map, or a window of it.

    Parameters
    ----------
    path : str or Path
        File.
    name : str, optional
        Dataset; the one that FILE_TYPE names, else the first, by default. One layer of a stack is
        ``timeseries-20180105`` or ``unwrapPhase-20180105_20180129``.
    region : mapping, optional
        Slices ``y`` and ``x``.

    Returns
    -------
    array
        (rows, columns), as stored.

    Raises
    ------
    StoreError
        There is no such map.
    """
    target = Path(path)
    cut = region or {}
    with hdf.reading(target) as file:
        item, layer = _find(target, file, name)
        array = StoredArray.of(target, item)
    picked = None if layer is None else np.array([layer])
    return np.asarray(array.read(cut.get("y", slice(None)), cut.get("x", slice(None)), picked)[0])


def _find(path: Path, file: h5py.File, name: str | None) -> tuple[h5py.Dataset, int | None]:
    """Return a dataset and the layer that is meant."""
    items = hdf.datasets_of(file).items()
    found = {key: item for key, item in items if item.ndim in _MAPS and not _is_table(key, item)}
    if name is None:
        kind = hdf.text_attributes(file).get("FILE_TYPE", "")
        name = kind if kind in found else next(iter(found), None)
    if name in found:
        return _require_one_layer(path, name, found[name])
    match = _LAYER.fullmatch(name or "")
    if match is None or match["name"] not in found or "date" not in file:
        message = f"{path} has no map {name!r}: choose from {', '.join(found) or 'none'}"
        raise StoreError(message)
    listed = ["_".join(row) for row in _written_dates(path, file)]
    if match["date"] not in listed:
        message = f"{path} has no date {match['date']}: it has {len(listed)} from {listed[0]} to {listed[-1]}"
        raise StoreError(message)
    return found[match["name"]], listed.index(match["date"])


def _require_one_layer(path: Path, name: str, item: h5py.Dataset) -> tuple[h5py.Dataset, int | None]:
    if item.ndim > layout.MAP_RANK and item.shape[0] != 1:
        message = f"{path}: {name!r} has {item.shape[0]} layers; name one, such as {name}-YYYYMMDD"
        raise StoreError(message)
    return item, None


def _written_dates(path: Path, file: h5py.File) -> Iterator[list[str]]:
    for row in dates.read_dates(hdf.values_of(path, file["date"]), path):
        yield [dates.written(epoch) for epoch in np.atleast_1d(row)]


def read_tables(path: str | Path) -> dict[str, npt.NDArray[Any]]:
    """Return the small arrays of a file: ``date`` as datetime64[ns], (n,) or (pairs, 2), and ``bperp``."""
    target = Path(path)
    with hdf.reading(target) as file:
        found = {
            name: hdf.values_of(target, item) for name, item in hdf.datasets_of(file).items() if _is_table(name, item)
        }
    if "date" in found:
        found["date"] = dates.read_dates(found["date"], target)
    return found


def update_product(path: str | Path, *, attributes: Mapping[str, str | None]) -> None:
    """Set attributes of a file in place, whole or not at all; None removes one.

    Raises
    ------
    StoreError
        The file cannot be written, is damaged, or is open elsewhere.
    """
    target = Path(path)
    read_attributes(target)
    with edit.editing(target) as file:
        set_attributes(file, attributes)


def set_attributes(file: h5py.File, changes: Mapping[str, str | None]) -> None:
    """Set or remove attributes of an open file."""
    for name in sorted(changes):
        value = changes[name]
        if value is not None:
            file.attrs[name] = str(value)
        elif name in file.attrs:
            del file.attrs[name]
