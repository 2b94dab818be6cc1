"""Coefficients of a fit over resampled dates: their mean and spread, without a fit for each sample and pixel.

A sample of the dates is a set of weights, and its coefficients are a matrix times the series. Mean and spread over the
samples are then those of the matrices: the mean matrix, and the triangle that has the covariance of their rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from creepmeter.kernels.fit import pseudo_inverse
from creepmeter.kernels.lanes import times_series

Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class Resampled(NamedTuple):
    """Mean and standard deviation of the coefficients (p, P), and from how many samples (P,); NaN where from none."""

    mean: Doubles
    spread: Doubles
    samples: Doubles


def draw_counts(used: Bools, samples: int, seed: int) -> Doubles:
    """Return how often each date is in each sample, (samples, n); the same seed draws alike.

    Parameters
    ----------
    used : array of bool, (n,)
        Dates to draw from, with replacement; as many as there are.
    samples : int
        Number of samples.
    seed : int
        Start of the random numbers.
    """
    random = np.random.default_rng(seed)
    dates = np.flatnonzero(used)
    counts = [np.bincount(random.choice(dates, len(dates)), minlength=len(used)) for _ in range(samples)]
    return np.array(counts, np.float64)


def fit_resampled(values: npt.NDArray[Any], design: Doubles, counts: Doubles) -> Resampled:
    """Fit each sample of the dates, and return mean and spread of the coefficients.

    Parameters
    ----------
    values : array, (n, P)
        Series; NaN = not measured.
    design : array, (n, p)
        Functions of time.
    counts : array, (samples, n)
        From `draw_counts`.

    Returns
    -------
    Resampled
        Of the samples that determine all coefficients.
    """
    pixels = values.shape[1]
    shape = design.shape[1], pixels
    out = Resampled(np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(pixels))
    present = np.isfinite(values)
    patterns, which = np.unique(np.packbits(present, axis=0), axis=1, return_inverse=True)
    for k in range(patterns.shape[1]):
        here = np.flatnonzero(which.ravel() == k)
        measured = present[:, here[0]]
        gains = _gains(design, counts * measured)
        out.samples[here] = len(gains)
        if len(gains):
            series = np.where(measured[:, None], values[:, here], 0.0)
            out.mean[:, here] = times_series(gains.mean(axis=0), series)
            for term in range(design.shape[1]):
                out.spread[term, here] = _spread(gains[:, term], series)
    return out


def _gains(design: Doubles, counts: Doubles) -> Doubles:
    """Return the pseudo-inverse (p, n) of each sample that determines all coefficients."""
    functions = np.require(design, np.float64, ["C", "W"])
    found = []
    for weight in counts:
        inverse = np.zeros(design.shape[::-1])
        if pseudo_inverse(functions, weight, inverse):
            found.append(inverse)
    return np.array(found).reshape(len(found), *design.shape[::-1])


def _spread(gains: Doubles, series: Doubles) -> Doubles:
    """Return the standard deviation over samples of gains (samples, n) times series (n, P)."""
    apart = (gains - gains.mean(axis=0)) / np.sqrt(len(gains))
    triangle = np.asarray(np.linalg.qr(apart, mode="r"), np.float64)
    return np.asarray(np.sqrt((times_series(triangle, series) ** 2).sum(axis=0)), np.float64)
