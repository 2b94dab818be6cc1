"""Edits of a stack that another program wrote: a small file of our own beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from creepmeter.errors import StoreError
from creepmeter.io import swap
from creepmeter.io.mintpy import edit, hdf
from creepmeter.io.mintpy.array import StoredArray

_BASE = "CREEPMETER_BASE"
_OVERLAY = "CREEPMETER_OVERLAY_OF"
_CHANGES = "CREEPMETER_ATTRIBUTES"
_KEEP = "dropIfgram"


def sidecar_of(path: Path) -> Path:
    """Return where edits of a foreign stack are kept: ``NAME.creepmeter.h5`` beside it."""
    return path.with_name(f"{path.stem}.creepmeter.h5")


@dataclass(frozen=True)
class Edits:
    """What a sidecar holds.

    Parameters
    ----------
    attributes : mapping of str to str or None
        Changed attributes; None is removed.
    keep : array of bool, optional
        MintPy's dropIfgram.
    arrays : mapping of str to StoredArray
        Added datasets.
    """

    attributes: Mapping[str, str | None] = field(default_factory=dict)
    keep: npt.NDArray[np.bool_] | None = None
    arrays: Mapping[str, StoredArray] = field(default_factory=dict)


def read_edits(base: Path, digest: str) -> Edits:
    """Return the edits of a stack, none where it has no sidecar.

    Parameters
    ----------
    base : Path
        The stack.
    digest : str
        Of the stack as it is now.

    Raises
    ------
    StoreError
        The sidecar belongs to another stack, or the stack has changed since.
    """
    path = sidecar_of(base)
    if not path.exists():
        return Edits()
    with hdf.reading(path) as file:
        attributes = hdf.text_attributes(file)
        if attributes.get(_BASE) != digest:
            message = (
                f"{path} holds edits of another {base.name}, or {base.name} has changed since: delete {path.name} "
                "and run again from modify_network"
            )
            raise StoreError(message)
        found = hdf.datasets_of(file)
        keep = np.asarray(found[_KEEP][()], bool) if _KEEP in found else None
        arrays = {
            name: StoredArray.of(path, item)
            for name, item in found.items()
            if name != _KEEP and not name.endswith(".partial")
        }
    return Edits(json.loads(attributes.get(_CHANGES, "{}")), keep, arrays)


def make(base: Path, digest: str) -> Path:
    """Make an empty sidecar, unless there is one."""
    path = sidecar_of(base)
    if not path.exists():
        fresh = path.with_name(f".{path.name}.new")
        with swap.file_errors(path, "write"):
            with h5py.File(fresh, "w", libver=("earliest", "v110")) as file:
                file.attrs[_OVERLAY] = base.name
                file.attrs[_BASE] = digest
                file.attrs[_CHANGES] = "{}"
            swap.sync_file(fresh)
            fresh.replace(path)
            swap.sync_folder(path.parent)
    return path


def overlay_of(attributes: Mapping[str, str]) -> str | None:
    """Return the name of the stack that a file holds edits of, None for any other file."""
    return attributes.get(_OVERLAY)


def set_changes(path: Path, changes: Mapping[str, str | None]) -> None:
    """Add changes of attributes to a sidecar."""
    with edit.editing(path) as file:
        known = json.loads(str(file.attrs[_CHANGES]))
        file.attrs[_CHANGES] = json.dumps({**known, **changes}, sort_keys=True)


def set_keep(path: Path, keep: npt.NDArray[np.bool_]) -> None:
    """Put flags into a sidecar."""
    with edit.editing(path) as file:
        if _KEEP in file:
            del file[_KEEP]
        file.create_dataset(_KEEP, data=keep)
