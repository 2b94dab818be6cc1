"""Files of MATLAB (version 5): maps as autoRIFT writes them, and tables for other programs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.io import loadmat, savemat, whosmat

from creepmeter.errors import ImageError
from creepmeter.io import swap
from creepmeter.io.rasterfile import MAX_PIXELS, require_local

_NUMBERS = frozenset(
    {"double", "single", "logical", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32))}
)
_MAP_AXES = 2
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")


@dataclass(frozen=True)
class MatLayer:
    """A map in a file of MATLAB; it is read whole at each window.

    Parameters
    ----------
    path : Path
        Local file.
    variable : str
        Name of the map.

    Raises
    ------
    ImageError
        The file is damaged, or has no such map of numbers.
    """

    path: Path
    variable: str
    shape: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        held = {name: (shape, kind) for name, shape, kind in _attempt(self.path, whosmat)}
        if self.variable not in held:
            message = f"{self.path} has no {self.variable}, it holds {', '.join(held) or 'nothing'}: get the file again"
            raise ImageError(message)
        shape, kind = held[self.variable]
        if len(shape) != _MAP_AXES or kind not in _NUMBERS or not 0 < shape[0] * shape[1] <= MAX_PIXELS:
            message = f"{self.path}: {self.variable} has shape {shape} and type {kind}, it is no map of numbers"
            raise ImageError(message)
        object.__setattr__(self, "shape", (int(shape[0]), int(shape[1])))

    @property
    def name(self) -> str:
        """File and variable."""
        return f"{self.path}: {self.variable}"

    def read(self, rows: slice, columns: slice) -> npt.NDArray[Any]:
        """Return the values of a window, (rows, columns)."""
        found = _attempt(self.path, lambda text: loadmat(text, variable_names=[self.variable]))
        return np.asarray(found[self.variable])[rows, columns]


def _attempt(path: Path, read: Any) -> Any:  # noqa: ANN401 - scipy ships no types
    found = require_local(path)
    try:
        return read(str(found))
    except Exception as problem:
        message = f"{path} cannot be read as a file of MATLAB ({problem}): it is damaged or cut, get it again"
        raise ImageError(message) from problem


def write_mat(path: Path, variables: dict[str, Any]) -> Path:
    """Write arrays and tables of text as a file of MATLAB (version 5), whole or not at all.

    Parameters
    ----------
    path : Path
        File to make or replace.
    variables : dict
        Arrays, and dictionaries of text, which become structures; keys that MATLAB has no name for are left out.
    """
    plain = {
        name: {key: text for key, text in value.items() if _NAME.fullmatch(key)} if isinstance(value, dict) else value
        for name, value in variables.items()
    }
    partial = swap.partial_of(path)
    with swap.file_errors(path, "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as file:
                savemat(file, plain, long_field_names=True)
            swap.replace(partial, path)
        finally:
            swap.remove(partial)
    return path
