"""Layers of geometry that a processor's files imply: slant range, incidence angle, direction of the line of sight."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from creepmeter.interferograms.layers import Constant, Derived
from creepmeter.io.layers import Layer

Values = npt.NDArray[Any]
_ROWS = 256  # rows looked at in one go when the unit of an angle is found
_RADIANS = 2 * np.pi + 1e-3  # an angle beyond is in degrees
_PARTS: Mapping[str, Callable[[Values], Values]] = {"real": np.real, "imag": np.imag, "angle": np.angle, "abs": np.abs}
_PLATFORMS = (
    ("Alos2", ("alos2", "alos-2", "palsar2", "palsar-2")),
    ("Alos", ("alos", "palsar")),
    ("Sen", ("sentinel", "s1a", "s1b", "s1c", "s1d", "s1_", "sen")),
    ("Env", ("envisat", "asar", "env")),
    ("Ers", ("ers",)),
    ("Jers", ("jers",)),
    ("Tsx", ("tsx", "terrasar", "tandem", "tdx")),
    ("Csk", ("csk", "cosmo")),
    ("Rsat2", ("rsat2", "radarsat-2", "radarsat2", "rs2")),
    ("Rsat", ("rsat", "radarsat", "rs1")),
    ("Rcm", ("rcm",)),
    ("Kmps5", ("ksat5", "kompsat", "kmps5")),
    ("Gaofen3", ("gf3", "gaofen")),
    ("NISAR", ("nisar",)),
)


def platform_in(text: str) -> str | None:
    """Return MintPy's short name of the satellite that a text names, or None.

    Examples
    --------
    >>> platform_in("S1A IW IW1 VV"), platform_in("ENVISAT ASAR")
    ('Sen', 'Env')
    """
    low = text.lower()
    return next((name for name, signs in _PLATFORMS if any(low.startswith(sign) for sign in signs)), None)


@dataclass(frozen=True)
class Ramp:
    """Values that grow from column to column, float32.

    Parameters
    ----------
    start, step : float
        Value of the first column, and from one to the next.
    shape : (int, int)
        Rows and columns.
    name : str
        For messages.
    """

    start: float
    step: float
    shape: tuple[int, int]
    name: str = "slant range"

    def read(self, rows: slice, columns: slice) -> Values:
        """Return the values of a window, (rows, columns)."""
        left, right, _ = columns.indices(self.shape[1])
        line = (self.start + self.step * np.arange(left, right)).astype(np.float32)
        return np.broadcast_to(line, (len(range(*rows.indices(self.shape[0]))), len(line))).copy()


@dataclass(frozen=True)
class Turned:
    """Angles in degrees from angles in degrees or radians, whichever the file holds: factor * angle + add.

    Parameters
    ----------
    layer : Layer
        Angles; those of a file are all in one unit. 0 and NaN are missing and become NaN.
    factor, add : float
        Applied to degrees.
    unit : {"degrees", "radians"}, optional
        By default radians when no value of the file is beyond 2 pi.
    """

    layer: Layer
    factor: float = 1.0
    add: float = 0.0
    unit: Literal["degrees", "radians"] | None = None
    _found: list[float] = field(default_factory=list, init=False, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.layer.shape

    @property
    def name(self) -> str:
        """File and band."""
        return self.layer.name

    def read(self, rows: slice, columns: slice) -> Values:
        """Return the values of a window, (rows, columns)."""
        values = self.layer.read(rows, columns).astype(np.float64)
        missing = ~np.isfinite(values) | (values == 0)
        values = values * (self.factor * self._degrees()) + self.add
        return np.where(missing, np.nan, values).astype(np.float32)

    def _degrees(self) -> float:
        """Return degrees per unit of the file; the file is looked through once."""
        with self._lock:
            if not self._found:
                radians = self.unit == "radians" if self.unit else self._largest() <= _RADIANS
                self._found.append(float(np.degrees(1.0)) if radians else 1.0)
            return self._found[0]

    def _largest(self) -> float:
        largest = 0.0
        for top in range(0, self.shape[0], _ROWS):
            values = np.abs(self.layer.read(slice(top, top + _ROWS), slice(0, self.shape[1])))
            finite = values[np.isfinite(values)]
            largest = max(largest, float(finite.max()) if finite.size else 0.0)
        return largest


def range_of_column(column: Layer, starting_range_m: float, range_pixel_m: float) -> Layer:
    """Return the slant range of a layer of range columns (lookup table), metres; 0 is missing and becomes NaN."""

    def distance(values: Values) -> Values:
        found = starting_range_m + range_pixel_m * np.asarray(values, np.float64)
        return np.where(np.asarray(values) == 0, np.nan, found).astype(np.float32)

    return Derived((column,), distance, f"slant range {starting_range_m} {range_pixel_m}")


def part_of(layer: Layer, part: Literal["real", "imag", "angle", "abs"]) -> Layer:
    """Return one part of a complex layer, float32: real, imaginary, angle (radians) or magnitude."""
    function = _PARTS[part]

    def take(values: Values) -> Values:
        return np.asarray(function(values), np.float32)

    return Derived((layer,), take, part)


def constant_angle(value: float, shape: tuple[int, int], label: str) -> Constant:
    """Return one angle everywhere, degrees."""
    return Constant(value, shape, f"{label} {value:g} everywhere")
