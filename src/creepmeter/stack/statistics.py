"""What all pairs of a stack say together: mean coherence, common ground, average velocity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from creepmeter.kernels.stacking import mean_over_pairs, sums_in_pairs

Floats = npt.NDArray[np.float64]
Image = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


def average_layers(values: Image) -> Image:
    """Return the mean over pairs, NaN left out and zeros counted.

    Parameters
    ----------
    values : array of float32, (pair, y, x)

    Returns
    -------
    array of float32, (y, x)
        NaN where every pair is NaN.

    Examples
    --------
    >>> average_layers(np.array([[[0.5, 0.0]], [[np.nan, 1.0]]], np.float32)).tolist()
    [[0.5, 0.5]]
    """
    pairs = len(values)
    return mean_over_pairs(values, np.zeros(pairs, np.float32), np.ones(pairs))


def average_rate(phase: Image, reference: npt.ArrayLike, years: npt.ArrayLike, wavelength_m: float) -> Image:
    r"""Return the average velocity of a stack, metres per year toward the satellite.

    Parameters
    ----------
    phase : array of float32, (pair, y, x)
        Unwrapped phase, radians; NaN = not measured.
    reference : array, (pair,)
        Phase of the reference pixel in each pair; a pair where it is NaN is left out.
    years : array, (pair,)
        Time that each pair spans.
    wavelength_m : float
        Of the radar, metres.

    Returns
    -------
    array of float32, (y, x)

    Notes
    -----
    .. math:: v = \mathrm{mean}_k \; -\frac{\lambda}{4 \pi} \frac{\varphi_k - \varphi_k(\mathrm{ref})}{\Delta t_k}
    """
    factor = -wavelength_m / (4 * np.pi) / np.asarray(years, np.float64)
    return mean_over_pairs(phase, np.asarray(reference, np.float32), factor)


def nonzero_in_all(values: npt.NDArray[np.generic]) -> Mask:
    """Tell where every pair has a value that is neither zero nor NaN, (y, x).

    Parameters
    ----------
    values : array, (pair, y, x)
        Connected components (0 = none), or phase (0 = no data).
    """
    found = np.ones(values.shape[1:], bool)
    for layer in values:
        found &= layer != 0
        if layer.dtype.kind == "f":
            found &= ~np.isnan(layer)
    return found


@dataclass(frozen=True)
class PairSums:
    """Sums over the pixels of each pair, row by row.

    Parameters
    ----------
    total : array, (pair, y)
        Sum of what is measured.
    count, above : array of int, (pair, y)
        Pixels that are measured; those above a level.
    """

    total: Floats
    count: npt.NDArray[np.int64]
    above: npt.NDArray[np.int64]

    @classmethod
    def empty(cls, pairs: int, rows: int) -> Self:
        """Return sums of nothing, to be filled block by block."""
        shape = (pairs, rows)
        return cls(np.zeros(shape), np.zeros(shape, np.int64), np.zeros(shape, np.int64))

    def add(self, rows: slice, values: Image, mask: Mask, level: float = np.inf) -> None:
        """Fill in rows: `values` (pair, rows, x), 0 and NaN = not measured, inside a mask (rows, x)."""
        part = sums_in_pairs(values, mask, level)
        self.total[:, rows] += part[0]
        self.count[:, rows] += part[1]
        self.above[:, rows] += part[2]

    @property
    def mean(self) -> Floats:
        """Mean of each pair, (pair,); NaN where nothing is measured."""
        return self._per_pixel(self.total)

    @property
    def share_above(self) -> Floats:
        """Part of the measured pixels that lie above the level, (pair,); NaN where nothing is measured."""
        return self._per_pixel(self.above)

    def _per_pixel(self, values: npt.NDArray[np.float64 | np.int64]) -> Floats:
        count = self.count.sum(axis=1)
        sums = values.sum(axis=1).astype(np.float64)
        found = np.full(len(count), np.nan)
        np.divide(sums, count, out=found, where=count > 0)
        return found
