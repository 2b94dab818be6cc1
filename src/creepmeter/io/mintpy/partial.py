"""A file in the making: laid out once, filled part by part, renamed when it is whole."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from creepmeter.errors import StoreError
from creepmeter.io import swap
from creepmeter.io.mintpy import edit, hdf, layout
from creepmeter.io.mintpy.array import StoredArray, write_window

_FILE = "file.h5"
Window = tuple[range, range, range]


class PartialFile:
    """A file laid out in ``.NAME.partial`` beside its place, and the list of its parts that are on disk.

    Make one with `create_or_resume`. One process writes at a time.
    """

    def __init__(self, path: Path, plan: layout.Plan) -> None:
        self.path = path
        self.plan = plan
        self.folder = swap.partial_of(path)
        self._journal = self.folder / "done"
        self._done = {marker.name for marker in self._journal.iterdir()}
        with hdf.reading(self.file) as file:
            self.offsets = {name: int(file[name].id.get_offset()) for name in plan.datasets}

    @property
    def file(self) -> Path:
        """The file while it is filled."""
        return self.folder / _FILE

    @classmethod
    def create_or_resume(cls, path: str | Path, plan: layout.Plan, key: str) -> PartialFile:
        """Lay out a file, or go on with the one that an earlier run with the same key and plan left.

        Raises
        ------
        StoreError
            The place is not writable, or the disk too small.
        """
        target = place_for(path)
        mark = _fingerprint(plan, key)
        partial = swap.partial_of(target)
        with swap.file_errors(target, "write"):
            if swap.read_marker(partial / "key") == mark and (partial / _FILE).is_file():
                return cls(target, plan)
            swap.remove(partial)
            (partial / "done").mkdir(parents=True)
            try:
                layout.lay_out(partial / _FILE, plan)
                take_room(partial / _FILE, 0, (partial / _FILE).stat().st_size)
                swap.sync_file(partial / _FILE)
                swap.write_marker(partial / "key", mark)
            except BaseException:
                swap.remove(partial)
                raise
            return cls(target, plan)

    def done(self, part: str) -> bool:
        """Tell whether a part is on disk."""
        return swap.marker_name(part) in self._done

    def put(self, part: str, windows: Mapping[str, Window], variables: Mapping[str, npt.ArrayLike]) -> None:
        """Write one part, flush it to disk, then mark it as done."""
        with swap.file_errors(self.path, "write"):
            handle = os.open(self.file, os.O_RDWR)
            try:
                for name, values in variables.items():
                    self._put(handle, name, windows[name], values)
                os.fsync(handle)
            finally:
                os.close(handle)
            swap.write_marker(self._journal / swap.marker_name(part), part)
        self._done.add(swap.marker_name(part))

    def entry(self, name: str) -> layout.Dataset:
        """Return the plan of a dataset.

        Raises
        ------
        StoreError
            There is none of that name.
        """
        if name not in self.plan.datasets:
            message = f"{self.path} has no dataset {name!r}: it was made with {sorted(self.plan.datasets)}"
            raise StoreError(message)
        return self.plan.datasets[name]

    def _put(self, handle: int, name: str, window: Window, values: npt.ArrayLike) -> None:
        entry = self.entry(name)
        given = layout.require_stored(name, values, entry, self.path)
        shape = tuple(len(cut) for cut in window)
        leading = entry.shape[: len(entry.shape) - layout.MAP_RANK]
        expected = (*leading, *shape[1:]) if len(window[0]) == _count(leading) else shape
        if given.shape not in (expected, shape) and given.shape != shape[1:]:
            message = (
                f"{name}: a block of shape {given.shape} does not fit its region of shape {expected} in {self.path}"
            )
            raise StoreError(message)
        array = StoredArray(self.file, name, (_count(leading), *self.plan.shape), entry.dtype, self.offsets[name])
        write_window(handle, array, window, given.reshape(shape))

    def finish(self, attributes: Mapping[str, str], last: Callable[[Path], Path] | None = None) -> Path:
        """Add the last attributes, put the file in its place, and drop the journal.

        Parameters
        ----------
        attributes : mapping of str to str
            Those known only now.
        last : callable, optional
            Takes the filled file and returns the one that goes into place (compression).
        """
        with swap.file_errors(self.path, "finish"):
            with edit.editing(self.file) as file:
                for name in sorted(attributes):
                    file.attrs[name] = attributes[name]
            put_in_place(self.file if last is None else last(self.file), self.path)
            swap.remove(self.folder)
        return self.path


def place_for(path: str | Path) -> Path:
    """Return where a file goes.

    Raises
    ------
    StoreError
        There is a folder, or the place is not writable.
    """
    target = Path(path).resolve()
    with swap.file_errors(target, "write"):
        if target.is_dir():
            message = f"{path} is a folder: give the name of a file"
            raise StoreError(message)
        target.parent.mkdir(parents=True, exist_ok=True)
    return target


def put_in_place(new: Path, target: Path) -> None:
    """Rename a file that is whole into its place; the one that is there goes, with its journal."""
    if edit.journal_of(target).exists():
        try:
            edit.recover(target)  # so that it is whole to the last
        except (StoreError, OSError):
            edit.journal_of(target).unlink(missing_ok=True)
    swap.replace(new, target)


def _count(leading: tuple[int, ...]) -> int:
    return int(np.prod(leading, dtype=np.int64))


def take_room(file: Path, start: int, size: int) -> None:
    """Ask for all the room at once: a disk that is too small says so now, not after hours."""
    if not hasattr(os, "posix_fallocate"):  # macOS
        return
    handle = os.open(file, os.O_RDWR)
    try:
        os.posix_fallocate(handle, start, max(size, 1))
    finally:
        os.close(handle)


def _fingerprint(plan: layout.Plan, key: str) -> str:
    digest = hashlib.sha256(key.encode())
    digest.update(json.dumps(sorted((str(k), str(v)) for k, v in plan.attributes.items())).encode())
    for name, entry in sorted(plan.datasets.items()):
        stable = {k: v for k, v in entry.attributes.items() if k != layout.MODIFIED}
        digest.update(json.dumps([name, entry.shape, entry.dtype.str, sorted(stable.items())]).encode())
    for name, table in sorted(plan.tables.items()):
        values = np.ascontiguousarray(table)
        digest.update(f"{name}{values.dtype.str}{values.shape}".encode() + values.tobytes())
    return digest.hexdigest()
