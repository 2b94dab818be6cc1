"""Covariance of dates, seen from one date or another."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]


def relative_to(covariance: Floats, datum: int) -> Floats:
    """Return the covariance of errors relative to date `datum`, (n, n); that of `covariance` is relative to any date.

    ``var(e_j - e_d, e_k - e_d) = C_jk - C_jd - C_kd + C_dd``.
    """
    towards = covariance[:, datum]
    return np.asarray(covariance - towards[:, None] - towards + covariance[datum, datum], np.float64)


def spread_of(covariance: Floats) -> Floats:
    """Return standard errors, (n,); rounding below zero is zero."""
    return np.asarray(np.sqrt(np.maximum(np.diagonal(covariance), 0.0)), np.float64)


def correlation_of(covariance: Floats) -> Floats:
    """Return the correlation, (n, n), with ones on the diagonal also where there is no error."""
    spread = spread_of(covariance)
    unit = np.where(spread > 0, spread, 1.0)
    correlation: Floats = covariance / np.outer(unit, unit)
    np.fill_diagonal(correlation, 1.0)
    return correlation
