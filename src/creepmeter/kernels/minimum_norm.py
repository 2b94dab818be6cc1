"""The minimum-norm solution of a network that is in several parts."""

from __future__ import annotations

import numpy as np

from creepmeter.kernels._jit import jit
from creepmeter.kernels.elimination import Floats, Integers, Layout

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


@jit
def _root_of(parent: Integers, node: int) -> int:
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@jit
def _islands(layout: Layout, weight: Floats) -> tuple[Integers, int]:
    # number of the island of each date, in order of time; that of the first date is 0
    parent = np.arange(layout.position.size)
    for k in range(weight.size):
        if weight[k] > 0.0:
            low, high = _root_of(parent, layout.ref[k]), _root_of(parent, layout.sec[k])
            parent[max(low, high)] = min(low, high)
    number = np.full(parent.size, -1)
    island = np.empty(parent.size, np.int64)
    count = 0
    for j in range(parent.size):
        root = _root_of(parent, layout.position[j])
        if number[root] < 0:
            number[root] = count
            count += 1
        island[j] = number[root]
    return island, count


@jit
def _least_velocity(island: Integers, count: int, days: Floats, motion: Floats) -> Floats:
    # offsets of islands that make the squared velocities between adjacent dates least: again a mesh of conductors
    normal, right = np.zeros((count, count)), np.zeros(count)
    for j in range(1, days.size):
        first, second = island[j - 1], island[j]
        if first != second:
            conductance = 1.0 / (days[j] - days[j - 1]) ** 2
            step = conductance * (motion[j] - motion[j - 1])
            for node, sign in ((first, 1.0), (second, -1.0)):
                normal[node, node] += conductance
                right[node] += sign * step
            normal[first, second] -= conductance
            normal[second, first] -= conductance
    offset = np.zeros(count)
    for i in range(1, count):  # island 0 is the ground; no pivoting: the matrix is symmetric and positive definite
        for j in range(i + 1, count):
            factor = normal[j, i] / normal[i, i]
            for k in range(i, count):
                normal[j, k] -= factor * normal[i, k]
            right[j] -= factor * right[i]
    for i in range(count - 1, 0, -1):
        total = right[i]
        for j in range(i + 1, count):
            total -= normal[i, j] * offset[j]
        offset[i] = total / normal[i, i]
    return offset


@jit
def bridge_islands(layout: Layout, weight: Floats, days: Floats, by_velocity: bool, x: Floats) -> None:
    """Turn the motion of islands, each relative to a date of its own, into the minimum-norm solution, in place.

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
    x : array, (n,)
        Least-squares motion by place of elimination; becomes relative to the first date.

    Notes
    -----
    All least-squares solutions differ by one offset per island, so the least norm is a small problem in the offsets,
    and does not depend on the weights. Equal to `minimum_norm_operator` where no singular value is near its cut-off.
    """
    island, count = _islands(layout, weight)
    motion = np.empty(x.size)
    for j in range(x.size):
        motion[j] = x[layout.position[j]]
    first = motion[0]
    for j in range(x.size):
        motion[j] -= first if island[j] == 0 else 0.0
    if by_velocity:
        offset = _least_velocity(island, count, days, motion)
    else:
        offset, dates = np.zeros(count), np.zeros(count)
        for j in range(x.size):
            offset[island[j]] -= motion[j]
            dates[island[j]] += 1.0
        offset /= dates
        offset[0] = 0.0
    for j in range(x.size):
        x[layout.position[j]] = motion[j] + offset[island[j]]
