"""Robust statistics: spread by the median, and weights that bound or refuse outliers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

NMAD_FACTOR = 1.482602218505602  # 1 / quantile(3/4) of the normal distribution
HUBER_K = 1.345  # 95 % efficient for normal errors
TUKEY_C = 4.685  # 95 % efficient for normal errors

Floats = npt.NDArray[np.float64]


def nmad(values: npt.NDArray[Any], *, about: float | None = None) -> float:
    r"""Return the normalised median absolute deviation, NaN left out: the standard deviation of normal errors.

    Parameters
    ----------
    values : array
        Any shape.
    about : float, optional
        Where deviations count from; by default the median of the values.

    Returns
    -------
    float
        NaN when no value is finite.

    Notes
    -----
    .. math:: 1.4826 \, \mathrm{median} \, |v - \mathrm{median}(v)|

    Examples
    --------
    >>> round(nmad(np.array([1.0, 2.0, 3.0, 100.0, np.nan])), 4)
    1.4826
    """
    finite = np.asarray(values, np.float64).ravel()
    finite = finite[np.isfinite(finite)]
    if finite.size == 0:
        return float("nan")
    centre = float(np.median(finite)) if about is None else about
    return NMAD_FACTOR * float(np.median(np.abs(finite - centre)))


def huber_weight(scaled: Floats, k: float = HUBER_K) -> Floats:
    """Return the weight of residuals in units of sigma: 1 up to `k`, then k / abs(residual)."""
    return k / np.maximum(np.abs(scaled), k)


def tukey_weight(scaled: Floats, c: float = TUKEY_C) -> Floats:
    """Return the biweight of residuals in units of sigma: falls to 0 at `c`."""
    inside = np.clip(1.0 - (scaled / c) ** 2, 0.0, None)
    return inside**2


def robust_fit(design: Floats, values: Floats, *, rounds: int = 10) -> tuple[Floats, Floats]:
    """Fit ``values = design @ coefficients`` so that outliers do not pull.

    Parameters
    ----------
    design : array, (m, n)
        Of full column rank, columns of similar size.
    values : array, (m,)
        Finite.
    rounds : int
        Steps of reweighting, both for the first L1 fit and for the biweight that follows.

    Returns
    -------
    coefficients : array, (n,)
    weight : array, (m,)
        Of the last step, 0 to 1; 0 marks an outlier.

    Notes
    -----
    Iteratively reweighted least squares from the plain solution: first with the weights of L1, whose fit holds against
    many outliers, then with Tukey's biweight. The number of steps is fixed and every step moves with the values:
    a fit to ``values - design @ c`` is the fit to ``values`` less `c`, so what was removed is not found again.
    """
    weight = np.ones_like(values)
    coefficients = _weighted_solution(design, values, weight)
    for step in range(2 * rounds):
        residual = values - design @ coefficients
        spread = nmad(residual, about=0.0)
        if spread <= 1e-12 * (np.abs(values).max() + 1e-300):  # more than half of the points fit exactly
            break
        scaled = residual / spread
        weight = 1.0 / np.maximum(np.abs(scaled), 1e-3) if step < rounds else tukey_weight(scaled)
        coefficients = _weighted_solution(design, values, weight)
    return coefficients, np.minimum(weight, 1.0)


def _weighted_solution(design: Floats, values: Floats, weight: Floats) -> Floats:
    weighted = design * weight[:, None]
    return np.asarray(np.linalg.solve(design.T @ weighted, weighted.T @ values), np.float64)
