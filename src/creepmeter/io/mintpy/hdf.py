"""HDF5 files opened with care: what is damaged is named, what lies in another file is refused."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from creepmeter.errors import StoreError
from creepmeter.io.mintpy import edit

_MOST_RATIO = 2000  # bytes of values per byte of file; gzip does not reach more
_SMALL_BYTES = 2**28
_OPEN: dict[Path, h5py.File] = {}  # by the thread that holds the lock
_MOST_KNOWN = 512
_PLAIN: OrderedDict[tuple[int, ...], None] = OrderedDict()  # states of files that were looked through


@contextmanager
def reading(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading; a change that a killed run left unfinished is finished first.

    Within a block that has the same file open, that one is used.

    Raises
    ------
    StoreError
        There is no such file, it is damaged or cut, or parts of it lie in other files.
    """
    with edit.LOCK:
        if path in _OPEN:
            yield _OPEN[path]
            return
        if not path.is_file():
            message = f"{path} does not exist: check the name, or make it first"
            raise StoreError(message)
        edit.recover(path)
        with _open(path) as file:
            try:
                _require_plain_once(path, file)
                _OPEN[path] = file
                yield file
            except (OSError, RuntimeError, KeyError) as problem:
                message = f"{path} is damaged or cut ({problem}): get the file again, or delete it and make it anew"
                raise StoreError(message) from problem
            finally:
                _OPEN.pop(path, None)


def _open(path: Path) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except BlockingIOError as problem:
        message = f"{path} is being written by another program: wait for it, then run again"
        raise StoreError(message) from problem
    except PermissionError as problem:
        message = f"cannot read {path}: {problem.strerror or problem}; check its permission"
        raise StoreError(message) from problem
    except (OSError, RuntimeError, KeyError) as problem:
        message = f"{path} is damaged or cut ({problem}): get the file again, or delete it and make it anew"
        raise StoreError(message) from problem


def _require_plain_once(path: Path, file: h5py.File) -> None:
    """Look through a file that has not been looked through as it is now."""
    about = path.stat()
    state = (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)
    if state in _PLAIN:
        return
    _require_plain(path, file)
    _PLAIN[state] = None
    if len(_PLAIN) > _MOST_KNOWN:
        _PLAIN.popitem(last=False)


def _require_plain(path: Path, group: h5py.Group) -> None:
    """Refuse links to other files, values in other files, references to objects, and sizes that cannot be."""
    for name in group:
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.SoftLink):
            continue  # followed nowhere
        if not isinstance(link, h5py.HardLink):
            _refuse(path, f"{group.name.rstrip('/')}/{name}", "lies in another file, which is not followed")
        item = group[name]
        if isinstance(item, h5py.Group):
            _require_plain(path, item)
        elif isinstance(item, h5py.Dataset):
            _require_plain_dataset(path, item)


def _require_plain_dataset(path: Path, item: h5py.Dataset) -> None:
    if item.external or item.is_virtual:
        _refuse(path, item.name, "lies in another file, which is not followed")
    if item.dtype.hasobject and h5py.check_string_dtype(item.dtype) is None:
        _refuse(path, item.name, "holds references to objects, which are not followed")
    claimed = int(np.prod(item.shape or (), dtype=object)) * item.dtype.itemsize
    held = path.stat().st_size
    if claimed > _SMALL_BYTES and claimed > held * _MOST_RATIO:
        _refuse(path, item.name, f"claims {claimed / 1e9:.1f} GB in a file of {held / 1e6:.1f} MB")


def _refuse(path: Path, name: str, why: str) -> None:
    message = f"{path}: {name.lstrip('/')!r} {why}; refused, get a file that holds its values itself"
    raise StoreError(message)


def text_attributes(item: h5py.HLObject) -> dict[str, str]:
    """Return the attributes of a file, group or dataset as text; those that are references are left out."""
    found = {}
    for name in item.attrs:
        text = _text(item.attrs[name])
        if text is not None:
            found[str(name)] = text
    return found


def _text(value: Any) -> str | None:  # noqa: ANN401 - an attribute is anything
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if isinstance(value, h5py.Empty):
        return ""
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject and not all(isinstance(item, str) for item in value.ravel()):
            return None
        return _text(value.item()) if value.size == 1 else str(value.tolist())
    return None if isinstance(value, h5py.Reference) else str(value)


def datasets_of(file: h5py.File) -> dict[str, h5py.Dataset]:
    """Return the datasets of numbers at the root of a file, by name."""
    found = {}
    for name in file:
        if isinstance(file.get(name, getlink=True), h5py.HardLink):
            item = file[name]
            if isinstance(item, h5py.Dataset):
                found[str(name)] = item
    return found


def values_of(path: Path, item: h5py.Dataset) -> npt.NDArray[Any]:
    """Return all values of a small dataset.

    Raises
    ------
    StoreError
        The dataset is not a small table.
    """
    if item.size is None or item.size * item.dtype.itemsize > _SMALL_BYTES:
        _refuse(path, item.name, "is too large for a table")
    return np.asarray(item[()])
