"""Arrays without names in a file of NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.io import swap


def write_npz(path: Path, arrays: Sequence[npt.NDArray[Any]]) -> Path:
    """Write arrays as ``arr_0``, ``arr_1`` and so on, whole or not at all."""
    partial = swap.partial_of(path)
    with swap.file_errors(path, "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as file:
                np.savez(file, *arrays)
            swap.replace(partial, path)
        finally:
            swap.remove(partial)
    return path
