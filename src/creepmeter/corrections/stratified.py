"""The stratified troposphere by the correlation of displacement with height."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import Block
from creepmeter.corrections.protocol import Values
from creepmeter.corrections.series_options import HeightCorrelationOptions

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
_LEAST = 2  # values that a correlation needs


def slant_height(height_m: Values, incidence_deg: Values | float, reference: tuple[int, int]) -> Floats:
    """Return heights along the line of sight relative to the reference pixel, ``h / cos(incidence)``, (y, x)."""
    slant = height_m.astype(np.float64) / np.cos(np.deg2rad(np.asarray(incidence_deg, np.float64)))
    return np.asarray(slant - slant[reference])


def averaged(values: Values, inside: Mask, looks: int) -> Floats:
    """Average over squares of ``looks`` x ``looks`` pixels inside a mask; what is left over at the edges is cut off.

    Parameters
    ----------
    values : array, (layer, y, x)
        Values; NaN is left out.
    inside : array of bool, (y, x)
        Pixels that count.
    looks : int
        Edge of a square, pixels.

    Returns
    -------
    array, (layer, y // looks, x // looks)
        NaN where a square holds no value.
    """
    layers, rows, columns = values.shape
    shape = (layers, rows // looks, looks, columns // looks, looks)
    cut = (slice(None), slice(rows // looks * looks), slice(columns // looks * looks))
    counts = np.isfinite(values) & inside
    total = np.where(counts, values, 0.0)[cut].reshape(shape).sum(axis=(2, 4), dtype=np.float64)
    number = counts[cut].reshape(shape).sum(axis=(2, 4))
    return np.asarray(np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0))


def fit_height(displacement: Floats, height: Floats, options: HeightCorrelationOptions) -> Floats:
    """Fit a polynomial in height to every date.

    Parameters
    ----------
    displacement : array, (time, y, x)
        Averaged series; NaN = nothing there.
    height : array, (y, x)
        Averaged heights along the line of sight.
    options : HeightCorrelationOptions
        Degree, and least correlation.

    Returns
    -------
    array, (time, degree + 1)
        Coefficients of the powers of height from 0 on; zeros for a date that correlates too little, or has too few
        values.
    """
    x = height.ravel()
    powers = np.arange(options.poly_order + 1)
    scale = float(np.nanmax(np.abs(x), initial=0.0)) or 1.0
    found = np.zeros((len(displacement), len(powers)))
    for row, layer in zip(found, displacement.reshape(len(displacement), -1), strict=True):
        known = np.isfinite(layer) & np.isfinite(x)
        if known.sum() < max(len(powers), _LEAST) or not _correlates(layer[known], x[known], options.min_correlation):
            continue
        design = (x[known, None] / scale) ** powers
        row[:] = np.linalg.lstsq(design, layer[known], rcond=None)[0] / scale**powers
    return found


def _correlates(values: Floats, heights: Floats, least: float) -> bool:
    one, other = values - values.mean(), heights - heights.mean()
    size = float(np.sqrt((one @ one) * (other @ other)))
    return size > 0 and abs(float(one @ other)) / size >= least


@dataclass(frozen=True)
class StratifiedDelay:
    """Delay that is a polynomial in height.

    Parameters
    ----------
    coefficients : array, (time, degree + 1)
        From `fit_height`.
    height : array, (y, x)
        From `slant_height`; NaN = not known, and the delay neither.

    Notes
    -----
    ``c_1 x + c_2 x^2 + ...`` with ``x = h / cos(incidence) - (h / cos(incidence))_ref``: zero at the reference pixel.

    References
    ----------
    Doin, M.-P. et al. (2009): Corrections of stratified tropospheric delays in SAR interferometry. Journal of Applied
    Geophysics 69, 35-50. https://doi.org/10.1016/j.jappgeo.2009.03.010
    """

    coefficients: Floats
    height: Floats

    def predict(self, block: Block) -> Values:
        """Return the delay in a block, (time, y, x) metres."""
        x = self.height[block.y, block.x]
        return _polynomial(self.coefficients[:, 1:].T, x)


def _polynomial(coefficients: Sequence[Floats] | Floats, x: Floats) -> Floats:
    """Return ``c_1 x + c_2 x^2 + ...`` for every date, by Horner's rule."""
    delay = np.zeros((len(coefficients[0]), *x.shape))
    for power in reversed(range(len(coefficients))):
        delay += coefficients[power][:, None, None]
        delay *= x
    return delay
