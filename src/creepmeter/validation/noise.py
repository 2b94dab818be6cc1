"""How noisy a station is over time: white noise and flicker noise, found in the residuals of a fit.

Positions of GNSS stations and of pegs err alike on days that follow one another. Taken as white, such noise makes the
standard error of a rate too small by a factor of 5 to 11 (Mao, Harrison and Dixon 1999, doi 10.1029/1999JB900033).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import linalg
from scipy.optimize import minimize_scalar

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

MOST_BINS = 400  # of time; the covariance is a full matrix
FEWEST_BINS = 40  # fewer do not tell flicker noise from white noise
_TRIED = np.linspace(0.0, 1.0, 11)  # shares of flicker noise


class Bins(NamedTuple):
    """Dates gathered into bins of equal length: which bin each falls in (n,), and when those used are (m,)."""

    of_date: Indices
    position: Indices


def time_bins(years: Floats, most: int = MOST_BINS) -> Bins:
    """Return bins as long as the median interval of the dates, or longer where there would be more than `most`.

    Parameters
    ----------
    years : array, (n,)
        Dates, in order.
    most : int
        Bins from the first to the last date, gaps included.
    """
    span = float(years[-1] - years[0])
    steps = np.diff(years)
    width = max(float(np.median(steps[steps > 0])) if (steps > 0).any() else 1.0, span / (most - 1))
    position, of_date = np.unique(np.floor((years - years[0]) / width + 0.5).astype(np.int64), return_inverse=True)
    return Bins(of_date, position)


def bin_means(values: Floats, weight: Floats, bins: Bins) -> tuple[Floats, Floats]:
    """Return weighted means (m, ...) of values (n, ...) in each bin, and the sum of the weights (m,)."""
    count = len(bins.position)
    total = np.bincount(bins.of_date, weight, count)
    flat = values.reshape(len(values), -1)
    sums = np.stack([np.bincount(bins.of_date, weight * column, count) for column in flat.T], axis=-1)
    means = np.asarray(sums / total[:, None], np.float64)
    return means.reshape(count, *values.shape[1:]), np.asarray(total, np.float64)


def flicker_covariance(position: Indices) -> Floats:
    r"""Return the covariance (m, m) of flicker noise at some steps of a regular clock that starts with the first.

    The noise is white noise of variance 1 per step, integrated by half an order: weights
    :math:`h_k = h_{k-1} (k - 1/2) / k` (Hosking 1981, doi 10.1093/biomet/68.1.165; for positions Bos et al. 2008,
    doi 10.1007/s00190-007-0165-x).
    """
    count = int(position[-1] - position[0]) + 1
    steps = np.arange(1, count)
    weights = np.concatenate([[1.0], np.cumprod((steps - 0.5) / steps)])
    lags = position[:, None] - position[0] - np.arange(count)
    rows = np.where(lags >= 0, weights[np.maximum(lags, 0)], 0.0)
    return np.asarray(rows @ rows.T, np.float64)


def fitted_covariance(values: Floats, design: Floats, weight: Floats, position: Indices) -> Floats | None:
    """Return the covariance (m, m) of a series by restricted maximum likelihood; None where it cannot be told.

    Parameters
    ----------
    values : array, (m,)
        The series, gathered into bins.
    design : array, (m, p)
        Functions of time fitted to it.
    weight : array, (m,)
        Weight of each bin; the variance of its white noise is the inverse.
    position : array of int, (m,)
        Time of each bin, in bins.

    Notes
    -----
    The covariance is s^2 ((1 - f) W + f J): W white noise, J flicker noise, both of mean variance 1. The share f and
    the size s are those that make the residuals most likely (Williams 2003, doi 10.1007/s00190-002-0283-4), whatever
    the coefficients of the design are.
    """
    freedom = len(values) - design.shape[1]
    if len(values) < FEWEST_BINS or freedom < FEWEST_BINS // 2:
        return None
    white = np.diag(weight.mean() / weight)
    white *= len(values) / np.trace(white)
    flicker = flicker_covariance(position)
    flicker *= len(values) / np.trace(flicker)
    table = np.column_stack([design, values])

    def cost(share: float) -> tuple[float, float]:
        """Return minus twice the restricted log-likelihood, and the variance s^2."""
        root = linalg.cholesky((1 - share) * white + share * flicker, lower=True, check_finite=False)
        whitened = linalg.solve_triangular(root, table, lower=True, check_finite=False)
        triangle = np.asarray(np.linalg.qr(whitened, mode="r"), np.float64)
        spread = float(triangle[-1, -1]) ** 2 / freedom
        if spread <= 0.0:
            return np.inf, 0.0
        volume = np.log(np.abs(np.diag(triangle)[:-1])).sum() + np.log(np.diag(root)).sum()
        return float(freedom * np.log(spread) + 2 * volume), spread

    costs = [cost(share)[0] for share in _TRIED]
    if not np.isfinite(costs).any():
        return None
    best = int(np.argmin(costs))
    limits = float(_TRIED[max(best - 1, 0)]), float(_TRIED[min(best + 1, len(_TRIED) - 1)])
    found = minimize_scalar(lambda share: cost(share)[0], bounds=limits, method="bounded", options={"xatol": 1e-3})
    share = float(found.x) if found.fun < costs[best] else float(_TRIED[best])
    return np.asarray(cost(share)[1] * ((1 - share) * white + share * flicker), np.float64)
