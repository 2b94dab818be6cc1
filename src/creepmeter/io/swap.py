"""Whole or nothing: make a product beside its place, then rename it into place."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from creepmeter.errors import StoreError

_FLUSHERS = 16
_STRAY = re.compile(r"\.[0-9a-f]{32}\.partial$")  # what zarr leaves when it is killed between write and rename


def partial_of(path: Path) -> Path:
    """Return where a product is made: ``.NAME.partial`` beside it."""
    return path.with_name(f".{path.name}.partial")


def old_of(path: Path) -> Path:
    """Return where a product is kept while its successor takes its place: ``.NAME.old`` beside it."""
    return path.with_name(f".{path.name}.old")


@contextmanager
def file_errors(path: Path, action: str) -> Iterator[None]:
    """Turn errors of the system (disk full, no permission, name too long) into a `StoreError` that names `path`."""
    try:
        yield
    except OSError as problem:
        reason = problem.strerror or str(problem)
        message = (
            f"cannot {action} {path}: {reason}; check free space, permission and length of the name, then run again"
        )
        raise StoreError(message) from problem


def recover(path: Path) -> None:
    """Clear up after a crash between the two renames: the old product comes back, or goes if the new one is there."""
    old = old_of(path)
    if not old.exists():
        return
    if path.exists():
        remove(old)
    else:
        old.rename(path)


def replace(new: Path, path: Path) -> None:
    """Put `new` in the place of `path`; at every moment one of the two is whole on disk.

    Raises
    ------
    StoreError
        `new` is a file, and `path` a folder.
    """
    if not new.is_dir():
        refuse_folder(path)
    recover(path)
    sync_tree(new)
    if path.is_dir():
        path.rename(old_of(path))
        new.rename(path)
    else:
        new.replace(path)
    sync_folder(path.parent)
    remove(old_of(path))


def refuse_folder(path: Path) -> None:
    """Raise `StoreError` where a folder has the name of a file that is to be made."""
    if path.is_dir():
        message = f"{path} is a folder: give the name of a file"
        raise StoreError(message)


def remove(path: Path) -> None:
    """Delete a file or a tree, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        with suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()


def remove_stray(folder: Path) -> None:
    """Delete the temporary chunk files that a killed process left in a store."""
    for found in folder.rglob("*.partial"):
        if _STRAY.search(found.name):
            found.unlink(missing_ok=True)


def sync_tree(path: Path) -> None:
    """Flush a file or every file of a tree to disk."""
    if path.is_file():
        sync_file(path)
        return
    folders = [(Path(folder), names) for folder, _, names in os.walk(path)]
    sync_files([folder / name for folder, names in folders for name in names])
    for folder, _ in folders:
        sync_folder(folder)


def sync_files(files: Sequence[Path]) -> None:
    """Flush files to disk, many at a time: the disk then writes in one go what else costs a turn for every file."""
    if len(files) == 1:
        sync_file(files[0])
    elif files:
        with ThreadPoolExecutor(_FLUSHERS) as pool:
            list(pool.map(sync_file, files))


def sync_file(path: Path) -> None:
    """Flush one file to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(path: Path) -> None:
    """Flush names of a folder to disk, where the system can do that."""
    with suppress(OSError):
        sync_file(path)


def write_text(path: Path, text: str) -> None:
    """Write a small text file so that it is either whole or as it was."""
    fresh = path.with_name(f".{path.name}.new")
    with file_errors(path, "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(text, encoding="utf-8")
        sync_file(fresh)
        fresh.replace(path)


def marker_name(part: str) -> str:
    """Return the name of the file that says that a part of a product is on disk."""
    return hashlib.sha256(part.encode()).hexdigest()[:32]


def write_marker(path: Path, text: str) -> None:
    """Write a small file so that it is either whole or not there."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    sync_file(fresh)
    fresh.replace(path)
    sync_folder(path.parent)


def read_marker(path: Path) -> str | None:
    """Return what such a file says, None where there is none."""
    return path.read_text(encoding="utf-8") if path.is_file() else None
