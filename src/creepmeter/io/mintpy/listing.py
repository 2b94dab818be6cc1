"""What lies in a file of MintPy's layout: names, shapes, types, attributes, dates, slices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import numpy.typing as npt

from creepmeter.errors import StoreError
from creepmeter.io.mintpy import dates, hdf, layout
from creepmeter.io.mintpy.array import StoredArray
from creepmeter.io.mintpy.stack import StackFile

Show = Literal["all", "kept", "dropped"]
_HDF5 = b"\x89HDF\r\n\x1a\n"
_MAP, _STACK = 2, 3
_TABLES = ("date", "bperp", "dropIfgram")
_MOST_BYTES = 64_000_000
_HIDDEN = ("DIMENSION_LIST", "REFERENCE_LIST", "CLASS", "NAME", "_Netcdf4Dimid", "_Netcdf4Coordinates")


@dataclass(frozen=True)
class DatasetListing:
    """One dataset.

    Parameters
    ----------
    name : str
        With the groups that it lies in.
    shape : tuple of int
        Lengths of the axes.
    dtype : str
        Type of the values.
    compression : str
        How they are packed, ``none`` if not.
    attributes : mapping of str to str
        Of its own.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    compression: str
    attributes: Mapping[str, str]


@dataclass(frozen=True)
class FileListing:
    """A file.

    Parameters
    ----------
    file_type : str
        FILE_TYPE.
    coordinates : str
        ``GEO`` or ``RADAR``.
    attributes : mapping of str to str
        Of the file.
    datasets : tuple of DatasetListing
        All of them, also the coordinates that other programs read.
    """

    file_type: str
    coordinates: str
    attributes: Mapping[str, str]
    datasets: tuple[DatasetListing, ...]


def is_mintpy_file(path: str | Path) -> bool:
    """Tell whether a path is an HDF5 file with the attribute FILE_TYPE.

    Raises
    ------
    StoreError
        It is an HDF5 file, and damaged.
    """
    target = Path(path)
    if not target.is_file():
        return False
    with target.open("rb") as file:
        if file.read(len(_HDF5)) != _HDF5:
            return False
    with hdf.reading(target) as opened:
        return "FILE_TYPE" in opened.attrs


def list_file(path: str | Path) -> FileListing:
    """Return what lies in a file; no map is read.

    Raises
    ------
    StoreError
        The file is not there or damaged.
    """
    with hdf.reading(Path(path)) as file:
        attributes = hdf.text_attributes(file)
        found: list[DatasetListing] = []

        def visit(name: str, item: h5py.HLObject) -> None:
            if isinstance(item, h5py.Dataset):
                own = {key: text for key, text in hdf.text_attributes(item).items() if key not in _HIDDEN}
                shape = tuple(map(int, item.shape or ()))
                found.append(DatasetListing(name, shape, str(item.dtype), item.compression or "none", own))

        file.visititems(visit)
    if attributes.get("FILE_TYPE") == "ifgramStack":
        attributes = StackFile.open(path).attributes
    where = "GEO" if "Y_FIRST" in attributes else "RADAR"
    return FileListing(attributes.get("FILE_TYPE", ""), where, attributes, tuple(found))


def list_dates(path: str | Path, show: Show = "all") -> list[str]:
    """Return the dates of a series, or the pairs of a stack as DATE_DATE.

    Parameters
    ----------
    path : str or Path
        File.
    show : {"all", "kept", "dropped"}
        Which pairs of a stack.

    Raises
    ------
    StoreError
        The file has no dates.
    """
    target = Path(path)
    with hdf.reading(target) as file:
        attributes = hdf.text_attributes(file)
        item = _dataset(file, "date")
        values = None if item is None else dates.read_dates(hdf.values_of(target, item), target)
    if values is None:
        date = attributes.get("DATE12", "")
        if not date:
            message = f"{path} has no dates: give a stack or a series"
            raise StoreError(message)
        return [date]
    texts = ["_".join(dates.written(epoch) for epoch in np.atleast_1d(row)) for row in values]
    if values.ndim == 1 or show == "all" or attributes.get("FILE_TYPE") != "ifgramStack":
        return texts
    keep = StackFile.open(target).keep
    return [text for text, kept in zip(texts, keep, strict=True) if kept == (show == "kept")]


def list_slices(path: str | Path) -> list[str]:
    """Return the names of all maps: ``velocity``, ``timeseries-20180105``, ``unwrapPhase-20180105_20180129``."""
    target = Path(path)
    with hdf.reading(target) as file:
        ours = layout.is_ours(file)
        item = _dataset(file, "date")
        maps: dict[str, tuple[int, ...]] = {}

        def visit(name: str, found: h5py.HLObject) -> None:
            short = name.rpartition("/")[2]
            plain = (
                (short in _TABLES and found.ndim < _STACK)
                or short.endswith(".partial")
                or (ours and short in layout.COORDINATES)
            )
            if isinstance(found, h5py.Dataset) and found.ndim in (_MAP, _STACK) and not plain:
                maps[name] = tuple(found.shape)

        file.visititems(visit)
    days = [] if item is None else list_dates(target)
    return [text for name, shape in maps.items() for text in _slices(name, shape, days)]


def _slices(name: str, shape: tuple[int, ...], days: list[str]) -> list[str]:
    if len(shape) == _MAP:
        return [name]
    labels = days if len(days) == shape[0] else [str(k + 1) for k in range(shape[0])]
    return [f"{name}-{label}" for label in labels]


def read_values(path: str | Path, name: str) -> npt.NDArray[Any]:
    """Return the values of a dataset; of a large stack only the first layer.

    Raises
    ------
    StoreError
        There is no such dataset.
    """
    target = Path(path)
    with hdf.reading(target) as file:
        item = _dataset(file, name)
        if item is None:
            found = ", ".join(entry.name for entry in list_file(target).datasets)
            message = f"{path} has no dataset {name!r}: it has {found or 'none'}"
            raise StoreError(message)
        if item.ndim < _MAP or item.dtype.kind not in "biufc":
            return hdf.values_of(target, item)
        large = item.ndim == _STACK and item.size * item.dtype.itemsize > _MOST_BYTES
        array, flat = StoredArray.of(target, item), item.ndim == _MAP
    values = array.read(layers=np.array([0])) if large else array.read()
    return np.asarray(values[0] if flat else values)


def _dataset(file: h5py.File, name: str) -> h5py.Dataset | None:
    """Return the dataset of a name, in whatever group it lies."""
    found: list[h5py.Dataset] = []

    def visit(path: str, item: h5py.HLObject) -> None:
        if isinstance(item, h5py.Dataset) and (path == name.strip("/") or path.rpartition("/")[2] == name):
            found.append(item)

    file.visititems(visit)
    return found[0] if found else None
