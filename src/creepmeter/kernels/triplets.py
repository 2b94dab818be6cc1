"""Whole cycles by which the phase of triplets of interferograms does not close."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from creepmeter.kernels._jit import jit
from creepmeter.kernels.threads import in_threads

Singles = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]

_PI = np.float32(np.pi)


def count_nonzero(phase: Singles, datum: Singles, triplets: Indices) -> Singles:
    """Count at each pixel the triplets whose closure is a whole cycle or more, once wrapping is taken out.

    Parameters
    ----------
    phase : array of float32, (pair, y, x)
        Unwrapped phase, radians. 0 is no data and is not referred to the reference pixel.
    datum : array of float32, (pair,)
        Phase at the reference pixel.
    triplets : array of int, (triplet, 3)
        Pairs ij, jk, ik.

    Returns
    -------
    array of float32, (y, x)
        Number of triplets for which round((c - wrap(c)) / 2 pi) is not zero, c = p_ij + p_jk - p_ik; NaN where any
        pair is NaN.
    """
    _, rows, columns = phase.shape
    out = np.zeros((rows, columns), np.float32)
    in_threads(lambda start, stop: _count_rows(start, stop, phase, datum, triplets, out), rows)
    return out


@jit
def _count_rows(start: int, stop: int, phase: Singles, datum: Singles, triplets: Indices, out: Singles) -> None:
    pairs, _, columns = phase.shape
    line = np.empty((pairs, columns), np.float32)
    total = np.empty(columns, np.int32)
    known = np.empty(columns, np.bool_)
    zero = np.float32(0.0)
    for i in range(start, stop):
        total[:] = 0
        known[:] = True
        for k in range(pairs):
            for j in range(columns):
                value = phase[k, i, j]
                line[k, j] = value - datum[k] if value != zero else zero
                known[j] &= value == value  # noqa: PLR0124 - not NaN
        for t in range(triplets.shape[0]):
            a, b, c = line[triplets[t, 0]], line[triplets[t, 1]], line[triplets[t, 2]]
            for j in range(columns):
                closure = (a[j] + b[j]) - c[j]
                total[j] += (closure < -_PI) | (closure >= _PI)
        for j in range(columns):
            out[i, j] = total[j] if known[j] else np.nan
