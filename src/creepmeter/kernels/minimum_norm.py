"""The minimum-norm solution of a network that is in several parts."""

from __future__ import annotations

import numpy as np

from creepmeter.kernels._jit import jit
from creepmeter.kernels.elimination import Floats, Layout

CUT_OFF = 1e-5  # of the largest singular value


@jit
def _velocity_design(layout: Layout, root: Floats, days: Floats) -> Floats:
    # row k holds the lengths of the intervals that pair k spans
    design = np.zeros((root.size, days.size - 1))
    for k in range(root.size):
        first, second = layout.order[layout.ref[k]], layout.order[layout.sec[k]]
        for j in range(first, second):
            design[k, j] = root[k] * (days[j + 1] - days[j])
    return design


@jit
def _displacement_design(layout: Layout, root: Floats, days: Floats) -> Floats:
    # the incidence matrix without its first column
    design = np.zeros((root.size, days.size - 1))
    for k in range(root.size):
        first, second = layout.order[layout.ref[k]], layout.order[layout.sec[k]]
        if first > 0:
            design[k, first - 1] = -root[k]
        if second > 0:
            design[k, second - 1] = root[k]
    return design


@jit
def minimum_norm_operator(layout: Layout, weight: Floats, days: Floats, by_velocity: bool) -> tuple[Floats, int]:
    """Return the matrix (n, m) that turns differences of pairs into displacement per date, and the rank.

    Parameters
    ----------
    layout : Layout
        The network.
    weight : array, (m,)
        Weights, 0 = absent.
    days : array, (n,)
        Time of each date.
    by_velocity : bool
        The norm of the mean velocities between adjacent dates is least; else the norm of the displacements.

    Notes
    -----
    Least ``|sqrt(w) (B v - obs)|``, and among those least ``|v|``, by singular values above 1e-5 of the largest.
    Rows are in order of time and count from the first date.
    """
    root = np.empty(weight.size)
    for k in range(root.size):
        root[k] = np.sqrt(weight[k])
    design = _velocity_design(layout, root, days) if by_velocity else _displacement_design(layout, root, days)
    left, singular, right = np.linalg.svd(design, False)
    rank = 0
    while rank < singular.size and singular[rank] > CUT_OFF * singular[0]:
        rank += 1
    operator = np.zeros((days.size, root.size))
    for j in range(1, days.size):
        if by_velocity:
            for k in range(root.size):
                operator[j, k] = operator[j - 1, k]
        length = days[j] - days[j - 1] if by_velocity else 1.0
        for r in range(rank):
            factor = length * right[r, j - 1] / singular[r]
            for k in range(root.size):
                operator[j, k] += factor * left[k, r] * root[k]
    return operator, rank
