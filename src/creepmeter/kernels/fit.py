"""Least squares of one design matrix for many series with gaps.

The pseudo-inverse belongs to a pattern of gaps; it is computed when the pattern changes from one series to the next,
which on maps is seldom.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from creepmeter.kernels._jit import jit
from creepmeter.kernels.threads import in_threads

Doubles: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]

RCOND = 1e-10  # of scaled columns; below, a term cannot be told from the others
CHUNK = 256
LANES = 64  # pixels side by side where all have the same dates


class Fit(NamedTuple):
    """Coefficients and their variances (p, P), and sums of squared residuals and degrees of freedom (P,)."""

    value: Doubles
    variance: Doubles
    misfit: Doubles
    freedom: Doubles


@jit
def pseudo_inverse(design: Doubles, weight: Doubles, out: Doubles) -> bool:
    """Write the pseudo-inverse (p, n) of the rows with weight > 0; False if they do not determine every column.

    A row of weight w counts as w equal rows.
    """
    rows, columns = design.shape
    scaled = np.zeros((rows, columns))
    size = np.zeros(columns)
    for k in range(columns):
        for i in range(rows):
            if weight[i] > 0.0:
                scaled[i, k] = design[i, k] * np.sqrt(weight[i])
                size[k] += scaled[i, k] * scaled[i, k]
    for k in range(columns):
        size[k] = np.sqrt(size[k])
        if size[k] == 0.0:
            return False
        scaled[:, k] /= size[k]
    left, values, right = np.linalg.svd(scaled, False)
    if rows < columns or values[columns - 1] <= RCOND * values[0]:
        return False
    for k in range(columns):
        for i in range(rows):
            total = 0.0
            for q in range(columns):
                total += right[q, k] * left[i, q] / values[q]
            out[k, i] = total * np.sqrt(weight[i]) / size[k] if weight[i] > 0.0 else 0.0
    return True


@jit
def _fit_one(series: Doubles, design: Doubles, weight: Doubles, inverse: Doubles, value: Doubles) -> float:
    """Write the coefficients, and return the sum of squared residuals."""
    for k in range(value.size):
        total = 0.0
        for i in range(series.size):
            if weight[i] > 0.0:
                total += inverse[k, i] * series[i]
        value[k] = total
    misfit = 0.0
    for i in range(series.size):
        if weight[i] > 0.0:
            rest = series[i]
            for k in range(value.size):
                rest -= design[i, k] * value[k]
            misfit += weight[i] * rest * rest
    return misfit


@jit
def _propagate(inverse: Doubles, weight: Doubles, sigma: Doubles, correlation: Doubles, out: Doubles) -> None:
    """Write the diagonal of G+ C G+^T with C_ij = sigma_i sigma_j R_ij; empty sigma gives NaN."""
    if sigma.size == 0:
        out[:] = np.nan
        return
    gain = np.zeros(sigma.size)
    for k in range(out.size):
        for i in range(sigma.size):
            gain[i] = inverse[k, i] * sigma[i] if weight[i] > 0.0 else 0.0
        total = 0.0
        for i in range(sigma.size):
            total += gain[i] * gain[i] * correlation[i, i]
            for j in range(i):
                total += 2.0 * gain[i] * gain[j] * correlation[i, j]
        out[k] = total


@jit
def _fit_chunk(
    start: int,
    stop: int,
    values: Doubles,
    design: Doubles,
    weight: Doubles,
    sigma: Doubles,
    correlation: Doubles,
    out: Fit,
) -> None:
    rows, columns = design.shape
    inverse = np.zeros((columns, rows))
    pattern, here = np.full(rows, -1.0), np.zeros(rows)
    determined = False
    value, variance = np.empty(columns), np.empty(columns)
    none = np.empty(0)
    for p in range(start, stop):
        series = values[:, p].copy()
        for i in range(rows):
            here[i] = weight[i] if np.isfinite(series[i]) else 0.0
        if (here != pattern).any():
            pattern[:] = here
            determined = pseudo_inverse(design, here, inverse)
        if not determined:
            continue
        out.misfit[p] = _fit_one(series, design, here, inverse, value)
        out.freedom[p] = here.sum() - columns
        _propagate(inverse, here, sigma[:, p].copy() if sigma.shape[0] > 0 else none, correlation, variance)
        out.value[:, p] = value
        out.variance[:, p] = variance


def _plain(values: Doubles) -> Doubles:
    # one kind of array, writable too: each kind would be compiled anew
    return np.require(values, np.float64, ["C", "W"])


def fit_series(
    values: Doubles,
    design: Doubles,
    *,
    weight: Doubles | None = None,
    sigma: Doubles | None = None,
    correlation: Doubles | None = None,
) -> Fit:
    """Fit every series by least squares over its finite values.

    Parameters
    ----------
    values : array, (n, P)
        Series; NaN = not measured.
    design : array, (n, p)
        Functions of time.
    weight : array, (n,), optional
        How often each date counts (0 = not); 1 by default.
    sigma : array, (n, P), optional
        Standard errors of the values.
    correlation : array, (n, n), optional
        Between the errors of two dates; none by default.

    Returns
    -------
    Fit
        NaN where too few dates are left, or they cannot tell the functions apart. Variances follow from `sigma` and
        `correlation` and are NaN without sigma.
    """
    dates, columns = design.shape
    count = values.shape[1]
    out = Fit(
        np.full((columns, count), np.nan),
        np.full((columns, count), np.nan),
        np.full(count, np.nan),
        np.full(count, np.nan),
    )
    series = _plain(values)
    columns_of_time = _plain(design)
    counts = np.ones(dates) if weight is None else _plain(weight)
    spread = np.empty((0, count)) if sigma is None else _plain(sigma)
    common = np.eye(dates) if correlation is None else _plain(correlation)
    in_threads(
        lambda start, stop: _fit_chunk(start, stop, series, columns_of_time, counts, spread, common, out),
        count,
        multiple=CHUNK,
    )
    return out


class WholeFit(NamedTuple):
    """Coefficients (p, P), sums of squared residuals (P,), and the inverse normal matrix (p, p) that all share."""

    value: Doubles
    misfit: Doubles
    covariance: Doubles


@jit
def _fit_lanes(series: Doubles, design: Doubles, inverse: Doubles, value: Doubles, misfit: Doubles) -> None:
    # series (n, LANES), value (p, LANES), misfit (LANES,)
    value[:], misfit[:] = 0.0, 0.0
    rest = np.empty(LANES)
    for k in range(design.shape[1]):
        for i in range(design.shape[0]):
            for q in range(LANES):
                value[k, q] += inverse[k, i] * series[i, q]
    for i in range(design.shape[0]):
        for q in range(LANES):
            rest[q] = series[i, q]
        for k in range(design.shape[1]):
            for q in range(LANES):
                rest[q] -= design[i, k] * value[k, q]
        for q in range(LANES):
            misfit[q] += rest[q] * rest[q]


@jit
def _fit_block(series: Doubles, design: Doubles, inverse: Doubles, value: Doubles, misfit: Doubles) -> None:
    # whole numbers of lanes
    lanes, sums = np.empty((design.shape[1], LANES)), np.empty(LANES)
    for first in range(0, misfit.size, LANES):
        _fit_lanes(series[:, first : first + LANES], design, inverse, lanes, sums)
        value[:, first : first + LANES] = lanes
        misfit[first : first + LANES] = sums


def fit_whole(values: npt.NDArray[Any], design: Doubles) -> WholeFit | None:
    """Fit series without gaps, which all have the same pseudo-inverse; None if the design does not determine it.

    Parameters
    ----------
    values : array, (n, P)
        Series, float32 or float64. One with a gap (NaN) gets NaN.
    design : array, (n, p)
        Functions of time.
    """
    dates, columns = design.shape
    count = values.shape[1]
    inverse = np.zeros((columns, dates))
    if not pseudo_inverse(_plain(design), np.ones(dates), inverse):
        return None
    functions = _plain(design)
    value, misfit = np.empty((columns, count)), np.empty(count)

    def work(start: int, stop: int) -> None:
        series = np.zeros((dates, CHUNK))
        coefficients, sums = np.empty((columns, CHUNK)), np.empty(CHUNK)
        for first in range(start, stop, CHUNK):
            width = min(CHUNK, stop - first)
            series[:, :width] = values[:, first : first + width]
            _fit_block(series, functions, inverse, coefficients, sums)
            value[:, first : first + width] = coefficients[:, :width]
            misfit[first : first + width] = sums[:width]

    in_threads(work, count, multiple=CHUNK)
    return WholeFit(value, misfit, inverse @ inverse.T)
