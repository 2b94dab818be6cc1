"""Small changes to an HDF5 file in place, whole or not at all.

HDF5 writes its tables wherever they lie, and a file that loses its writer half way cannot be opened again. So the
library works on pages in memory; what it changed goes to a journal beside the file, and from there into the file. A
journal that is whole is applied at the next opening, as often as needed.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import itertools
import json
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import h5py

from creepmeter.errors import StoreError
from creepmeter.io import swap

LOCK = threading.RLock()  # the library works for one thread at a time
_PAGE = 4096
_MAGIC = b"creepmeter journal 1\n"
_DIGEST_BYTES = 32
_SAMPLES = 16
_changes = itertools.count()
_last = next(_changes)


def generation() -> int:
    """Return a number that differs before and after each change of a file by this process.

    Times of files do not tell two changes apart that follow each other at once.
    """
    return _last


def journal_of(path: Path) -> Path:
    """Return where changes wait until they are in the file: ``.NAME.journal`` beside it."""
    return path.with_name(f".{path.name}.journal")


class _Pages(io.RawIOBase):
    """A file whose changes stay in memory, page by page."""

    def __init__(self, handle: int) -> None:
        super().__init__()
        self._handle = handle
        self._place = 0
        self.size = os.fstat(handle).st_size
        self.changed: dict[int, bytearray] = {}

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self.size}[whence]
        self._place = start + offset
        return self._place

    def tell(self) -> int:
        return self._place

    def truncate(self, size: int | None = None) -> int:
        self.size = self._place if size is None else size
        return self.size

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - whatever has a buffer
        view = memoryview(buffer).cast("B")
        wanted = max(min(len(view), self.size - self._place), 0)
        found = os.pread(self._handle, wanted, self._place)
        view[:wanted] = found.ljust(wanted, b"\0")
        first, last = self._place // _PAGE, (self._place + wanted + _PAGE - 1) // _PAGE
        for index in range(first, last):
            if index in self.changed:
                start = max(index * _PAGE, self._place)
                stop = min((index + 1) * _PAGE, self._place + wanted)
                within = slice(start - index * _PAGE, stop - index * _PAGE)
                view[start - self._place : stop - self._place] = self.changed[index][within]
        self._place += wanted
        return wanted

    def write(self, data: Any) -> int:  # noqa: ANN401 - whatever has a buffer
        view = memoryview(data).cast("B")
        done = 0
        while done < len(view):
            index, within = divmod(self._place + done, _PAGE)
            count = min(_PAGE - within, len(view) - done)
            self._page(index)[within : within + count] = view[done : done + count]
            done += count
        self._place += done
        self.size = max(self.size, self._place)
        return done

    def _page(self, index: int) -> bytearray:
        if index not in self.changed:
            self.changed[index] = bytearray(os.pread(self._handle, _PAGE, index * _PAGE).ljust(_PAGE, b"\0"))
        return self.changed[index]


@contextmanager
def editing(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file to change attributes, flags and names; all changes are made when the block ends, or none.

    Parameters
    ----------
    path : Path
        File in place.

    Raises
    ------
    StoreError
        The file cannot be written, is damaged, or another program has it open.
    """
    recover(path)
    with LOCK, swap.file_errors(path, "change"):
        handle = os.open(path, os.O_RDWR)
        try:
            _lock(handle, path)
            pages = _Pages(handle)
            before = pages.size
            with h5py.File(pages, "r+") as file:
                yield file
            if pages.changed or pages.size != before:
                _write_journal(path, handle, pages, before)
                _apply(path, handle)
        finally:
            os.close(handle)


def recover(path: Path) -> None:
    """Bring changes into a file that a killed run has left in its journal.

    Raises
    ------
    StoreError
        The journal belongs to another file, or the file cannot be written.
    """
    if not journal_of(path).exists():
        return
    with LOCK, swap.file_errors(path, "finish the last change of"):
        handle = os.open(path, os.O_RDWR)
        try:
            _lock(handle, path)
            if journal_of(path).exists():  # else another process has just done it
                _apply(path, handle)
        finally:
            os.close(handle)


def _lock(handle: int, path: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as problem:
        message = f"{path} is open in another program: close it there, then run again"
        raise StoreError(message) from problem
    except OSError:
        pass  # a file system without locks


def _write_journal(path: Path, handle: int, pages: _Pages, before: int) -> None:
    indices = sorted(index for index in pages.changed if index * _PAGE < pages.size)
    head = {
        "before": before,
        "after": pages.size,
        "pages": indices,
        "rest": _digest_of_rest(handle, set(indices), min(before, pages.size)),
    }
    text = json.dumps(head).encode()
    body = _MAGIC + struct.pack("<Q", len(text)) + text + b"".join(bytes(pages.changed[index]) for index in indices)
    fresh = journal_of(path).with_name(f"{journal_of(path).name}.new")
    try:
        fresh.write_bytes(body + hashlib.sha256(body).digest())
        swap.sync_file(fresh)
    except OSError:
        with suppress(OSError):
            fresh.unlink()
        raise
    fresh.replace(journal_of(path))
    swap.sync_folder(path.parent)


def _digest_of_rest(handle: int, changed: set[int], size: int) -> str:
    """Return a digest of some pages that do not change: what tells this file from another in its place."""
    whole = size // _PAGE
    digest = hashlib.sha256()
    for k in range(_SAMPLES):
        index = k * max(whole - 1, 0) // (_SAMPLES - 1)
        if index not in changed and index < whole:
            digest.update(os.pread(handle, _PAGE, index * _PAGE))
    return digest.hexdigest()


def _apply(path: Path, handle: int) -> None:
    body = journal_of(path).read_bytes()
    start = len(_MAGIC) + struct.calcsize("<Q")
    if hashlib.sha256(body[:-_DIGEST_BYTES]).digest() != body[-_DIGEST_BYTES:] or not body.startswith(_MAGIC):
        message = f"{journal_of(path)} is damaged: delete it, and make {path.name} again"
        raise StoreError(message)
    (length,) = struct.unpack_from("<Q", body, len(_MAGIC))
    head = json.loads(body[start : start + length])
    size = os.fstat(handle).st_size
    same = size in (head["before"], head["after"])
    if not same or _digest_of_rest(handle, set(head["pages"]), min(head["before"], head["after"])) != head["rest"]:
        message = f"{journal_of(path)} belongs to another {path.name}: delete it if this file is as it should be"
        raise StoreError(message)
    global _last  # noqa: PLW0603 - files are the same for the whole process
    _last = next(_changes)
    os.ftruncate(handle, head["after"])
    start += length
    for k, index in enumerate(head["pages"]):
        page = body[start + k * _PAGE : start + (k + 1) * _PAGE]
        os.pwrite(handle, page[: head["after"] - index * _PAGE], index * _PAGE)
    os.fsync(handle)
    journal_of(path).unlink()
    swap.sync_folder(path.parent)
