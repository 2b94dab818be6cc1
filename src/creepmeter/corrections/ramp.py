"""Ramps: a surface of first or second degree in row and column, fitted to every layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import Block
from creepmeter.corrections.protocol import Values
from creepmeter.kernels.moments import PLACES, row_moments

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Powers = tuple[tuple[int, int], ...]
RCOND = 1e-12  # of the normal matrix; below, the pixels do not tell two terms apart
MOST_PIXELS = 1_000_000  # of larger maps every s-th row and column is enough

POWERS: Mapping[str, Powers] = MappingProxyType(
    {
        "linear": ((1, 0), (0, 1), (0, 0)),
        "linear_range": ((0, 1), (0, 0)),
        "linear_azimuth": ((1, 0), (0, 0)),
        "quadratic": ((2, 0), (0, 2), (1, 1), (1, 0), (0, 1), (0, 0)),
        "quadratic_range": ((0, 2), (0, 1), (0, 0)),
        "quadratic_azimuth": ((2, 0), (1, 0), (0, 0)),
    }
)
"""Powers of row and column of the terms of every kind of ramp."""


@dataclass(frozen=True)
class Sampling:
    """Which pixels of a map a ramp is fitted to: of more than a million, every s-th row and column.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the map.
    """

    shape: tuple[int, int]

    @property
    def step(self) -> int:
        """Rows and columns from one to the next."""
        return max(int(np.ceil(np.sqrt(self.shape[0] * self.shape[1] / MOST_PIXELS))), 1)

    @property
    def rows(self) -> npt.NDArray[np.intp]:
        """Rows that are taken."""
        return np.arange(self.step // 2, self.shape[0], self.step)

    @property
    def columns(self) -> npt.NDArray[np.intp]:
        """Columns that are taken."""
        return np.arange(self.step // 2, self.shape[1], self.step)


def moments(values: Values, inside: Mask, sampling: Sampling, first_row: int = 0) -> Floats:
    """Return what `fit_ramp` needs of some whole rows of a map.

    Parameters
    ----------
    values : array, (layer, y, x)
        Rows of a series; NaN and 0 do not count.
    inside : array of bool, (y, x)
        Pixels that count.
    sampling : Sampling
        Of the whole map.
    first_row : int
        Where the rows lie in the map.

    Returns
    -------
    array, (layer, row, 8)
        Of the rows among them that are taken.
    """
    rows = sampling.rows
    rows = rows[(rows >= first_row) & (rows < first_row + values.shape[1])] - first_row
    if sampling.step > 1:
        values, inside = values[:, rows][:, :, sampling.columns], inside[rows][:, sampling.columns]
    return row_moments(values, inside, sampling.columns / sampling.shape[1])


@dataclass(frozen=True)
class Ramp:
    """A surface per layer.

    Parameters
    ----------
    kind : str
        One of `POWERS`.
    coefficients : array, (layer, term)
        Of row and column in units of the size of the map.
    shape : (int, int)
        Rows and columns of the map.
    reference : (int, int) or None
        Pixel where the surface is 0.

    Notes
    -----
    Least squares of ``1, y, x`` or ``1, y, x, xy, y^2, x^2`` over pixels inside the mask whose value is neither 0 nor
    NaN; what is removed is the surface minus its value at the reference pixel.
    """

    kind: str
    coefficients: Floats
    shape: tuple[int, int]
    reference: tuple[int, int] | None = None

    def predict(self, block: Block) -> Values:
        """Return the surfaces in a block, (layer, y, x)."""
        y = np.arange(block.y.start, block.y.stop) / self.shape[0]
        x = np.arange(block.x.start, block.x.stop) / self.shape[1]
        by_power = self._by_power(y)
        surface = by_power[2][:, :, None] * x
        surface += by_power[1][:, :, None]
        surface *= x
        surface += by_power[0][:, :, None]
        return np.asarray(surface)

    def _by_power(self, y: Floats) -> Floats:
        """Return the coefficients of the powers of x in each row, (power, layer, row)."""
        found = np.zeros((3, len(self.coefficients), len(y)))
        for values, (i, j) in zip(self.coefficients.T, POWERS[self.kind], strict=True):
            found[j] += values[:, None] * y**i
        if self.reference is not None:
            row, column = (place / size for place, size in zip(self.reference, self.shape, strict=True))
            at = [row**i * column**j for i, j in POWERS[self.kind]]
            found[0] -= (self.coefficients * at).sum(axis=1)[:, None]
        return found

    @property
    def in_pixels(self) -> Floats:
        """Coefficients of row and column counted from 0, (layer, term)."""
        sizes = [float(self.shape[0]) ** i * float(self.shape[1]) ** j for i, j in POWERS[self.kind]]
        return np.asarray(self.coefficients / sizes)


def fit_ramp(sums: Floats, kind: str, sampling: Sampling, reference: tuple[int, int] | None = None) -> Ramp:
    """Fit a surface to every layer.

    Parameters
    ----------
    sums : array, (layer, row, 8)
        From `moments`, of all rows that are taken.
    kind : str
        One of `POWERS`.
    sampling : Sampling
        Of the map.
    reference : (int, int), optional
        Pixel where the surface is to be 0.

    Returns
    -------
    Ramp
        Zero for a layer without values; the smallest surface where the pixels do not tell its terms apart.
    """
    y = sampling.rows / sampling.shape[0]
    powers = POWERS[kind]
    normal = np.zeros((len(sums), len(powers), len(powers)))
    right = np.zeros((len(sums), len(powers)))
    for p, (i, j) in enumerate(powers):
        right[:, p] = (sums[:, :, PLACES + j] * y**i).sum(axis=1)
        for q, (k, m) in enumerate(powers):
            normal[:, p, q] = (sums[:, :, j + m] * y ** (i + k)).sum(axis=1)
    inverse: Any = np.linalg.pinv(normal, rcond=RCOND, hermitian=True)
    return Ramp(kind, (inverse @ right[:, :, None])[:, :, 0], sampling.shape, reference)
