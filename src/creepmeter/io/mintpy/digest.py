"""Digests of files in MintPy's layout: what they hold, not when they were made."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import h5py
import numpy as np

from creepmeter.io.mintpy import hdf, layout
from creepmeter.io.mintpy.array import StoredArray
from creepmeter.io.mintpy.stack import StackFile

_MAP, _STACK = 2, 3


def digest_mintpy(path: str | Path) -> str:
    """Return a digest of a file: attributes, tables, and samples of the maps, never a full read.

    Times of making do not count: a file made again from the same inputs has the same digest. Of a stack, edits that
    lie in a file beside it count.

    Raises
    ------
    StoreError
        The file is not there or damaged.
    """
    target = Path(path)
    digest = hashlib.sha256()
    arrays: list[StoredArray] = []
    with hdf.reading(target) as file:
        attributes = hdf.text_attributes(file)
        digest.update(json.dumps(sorted(_lasting(attributes).items())).encode())

        def visit(name: str, item: h5py.HLObject) -> None:
            if not isinstance(item, h5py.Dataset):
                return
            digest.update(f"{name}:{item.dtype.str}{item.shape};".encode())
            if item.ndim < _MAP or item.dtype.kind not in "biufc":
                digest.update(np.ascontiguousarray(hdf.values_of(target, item)).tobytes())
            elif item.ndim <= _STACK or item.chunks is None:
                arrays.append(StoredArray.of(target, item))

        file.visititems(visit)
    if attributes.get("FILE_TYPE") == "ifgramStack":
        return StackFile.open(target).digest()
    for array in arrays:
        array.add_to(digest)
    return digest.hexdigest()


def _lasting(attributes: dict[str, str]) -> dict[str, str]:
    """Return attributes without times of making."""
    own = (layout.PROVENANCE, layout.MODIFIED)
    kept = {name: text for name, text in attributes.items() if name not in own}
    if layout.PROVENANCE in attributes:
        try:
            made = json.loads(attributes[layout.PROVENANCE])
            made.pop("created", None)
        except (ValueError, AttributeError):
            made = attributes[layout.PROVENANCE]
        kept[layout.PROVENANCE] = json.dumps(made, sort_keys=True)
    return kept
