"""The weighted graph Laplacian of a network: elimination, solution and inverse within its envelope.

The normal matrix of a network of differences is that of a mesh of conductors: pair k joins two nodes (dates) with
conductance ``w_k``, and the datum is the ground. Eliminating a node replaces the star of its conductors by a mesh,

    pivot_k = ground_k + sum_j c_kj,    c_ij += c_ki c_kj / pivot_k,    ground_i += c_ki ground_k / pivot_k,

in which nothing is ever subtracted. So the factors are accurate for any range of weights, and a pivot is zero only if
the node cannot be reached from the datum: the test for a broken network needs no threshold.

Notes
-----
``c[k, s]`` holds the conductance between the nodes at positions k and k + s of the elimination order, ``c[k, 0]`` that
to the ground. After `factor`, ``c[k, s]`` holds ``c_ks / pivot_k`` (minus the factor L of L D L^T).

The last axis of every array is L pixels, solved side by side: one pixel alone waits for each pivot before the next,
several keep the vector units busy. No pixel enters the arithmetic of another.

References
----------
Alfa, Xue, Ye (2002), Math. Comp. 71, 217-236, doi:10.1090/S0025-5718-01-01325-4 (accurate factors of M-matrices).
Takahashi, Fagan, Chen (1973), 8th PICA Conference (entries of the inverse within the envelope).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from creepmeter.kernels._jit import jit

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class Layout(NamedTuple):
    """A network in the order in which its dates are eliminated.

    ``order`` (n,): the date at each place. ``position`` (n,): the place of each date. ``ref``, ``sec`` (m,): places of
    the ends of each pair.
    ``reach`` (n,): last place that the date at each place is coupled with, fill included; never decreasing.
    ``width``: largest ``reach[k] - k``.
    """

    order: Integers
    position: Integers
    ref: Integers
    sec: Integers
    low: Integers
    high: Integers
    reach: Integers
    width: int


def make_layout(ref: npt.ArrayLike, sec: npt.ArrayLike, dates: int) -> Layout:
    """Return the cheaper of two orders of elimination: time, or reverse Cuthill-McKee.

    Parameters
    ----------
    ref, sec : array of int, (m,)
        Dates (0 to ``dates`` - 1) that each pair joins.
    dates : int
        Number of dates n.

    Returns
    -------
    Layout
        In time order the envelope of a network of n nearest dates is n wide; pairs that span years widen it, and then
        the other order is taken if it costs less. In the worst case the envelope is the whole matrix.
    """
    first, second = np.asarray(ref, np.int64), np.asarray(sec, np.int64)
    in_time = np.arange(dates, dtype=np.int64)
    layouts = [_layout(order, first, second) for order in (in_time, _cuthill_mckee(first, second, dates))]
    cost = [int(((layout.reach - np.arange(dates)) ** 2).sum()) for layout in layouts]
    return layouts[0] if cost[0] <= cost[1] else layouts[1]


def _layout(order: Integers, ref: Integers, sec: Integers) -> Layout:
    position = np.empty_like(order)
    position[order] = np.arange(order.size)
    ends = position[ref], position[sec]
    low, high = np.minimum(*ends), np.maximum(*ends)
    reach = np.arange(order.size)
    np.maximum.at(reach, low, high)
    reach = np.maximum.accumulate(reach)
    width = int((reach - np.arange(order.size)).max()) if order.size else 0
    return Layout(order, position, ends[0], ends[1], low, high, reach, width)


def _cuthill_mckee(ref: Integers, sec: Integers, dates: int) -> Integers:
    neighbours: list[set[int]] = [set() for _ in range(dates)]
    for i, j in zip(ref.tolist(), sec.tolist(), strict=True):
        neighbours[i].add(j)
        neighbours[j].add(i)
    degree = [len(near) for near in neighbours]
    order: list[int] = []
    seen: set[int] = set()
    for root in sorted(range(dates), key=lambda k: (degree[k], k)):
        if root in seen:
            continue
        seen.add(root)
        part = [root]
        for node in part:  # grows while it is read: breadth first
            fresh = sorted(neighbours[node] - seen, key=lambda k: (degree[k], k))
            seen.update(fresh)
            part.extend(fresh)
        order.extend(part)
    return np.array(order[::-1], dtype=np.int64)


@jit
def assemble(c: Floats, weight: Floats, layout: Layout, ground: Integers) -> None:
    """Write the conductances of pairs with ``weight`` (m, L) into ``c`` (n, width + 1, L).

    ``ground`` (L,) is the place of each pixel's datum.
    """
    lanes = ground.size
    c[:] = 0.0
    for k in range(weight.shape[0]):
        low = min(layout.ref[k], layout.sec[k])
        span = abs(layout.ref[k] - layout.sec[k])
        for q in range(lanes):
            c[low, span, q] += weight[k, q]
    for q in range(lanes):
        _earth(c, layout.reach, ground[q], q)


@jit
def _earth(c: Floats, reach: Integers, ground: int, q: int) -> None:
    # turn the conductors that end at the datum into conductors to the ground
    for s in range(1, reach[ground] - ground + 1):
        c[ground + s, 0, q] += c[ground, s, q]
        c[ground, s, q] = 0.0
    for k in range(max(0, ground - c.shape[1] + 1), ground):
        c[k, 0, q] += c[k, ground - k, q]
        c[k, ground - k, q] = 0.0


@jit
def factor(c: Floats, reciprocal: Floats, reach: Integers) -> None:
    """Eliminate all nodes of ``c`` in place.

    ``reciprocal`` (n, L) receives 1 / pivot; 0 at the datum, at nodes without a conductor, and at the last node of
    each part of the network that no conductor links with the datum.
    """
    for k in range(reciprocal.shape[0]):
        top = reach[k] - k + 1
        _find_pivot(c, reciprocal, k, top)
        for s in range(1, top):
            _close_star(c, reciprocal, k, s, top)
        for s in range(1, top):
            for q in range(reciprocal.shape[1]):
                c[k, s, q] *= reciprocal[k, q]


@jit
def _find_pivot(c: Floats, reciprocal: Floats, k: int, top: int) -> None:
    for q in range(reciprocal.shape[1]):
        reciprocal[k, q] = c[k, 0, q]
    for s in range(1, top):
        for q in range(reciprocal.shape[1]):
            reciprocal[k, q] += c[k, s, q]
    for q in range(reciprocal.shape[1]):
        pivot = reciprocal[k, q]
        reciprocal[k, q] = 1.0 / pivot if pivot > 0.0 else 0.0


@jit
def _close_star(c: Floats, reciprocal: Floats, k: int, s: int, top: int) -> None:
    # node k + s takes over its share of the conductors of node k
    for q in range(reciprocal.shape[1]):
        c[k + s, 0, q] += c[k, s, q] * reciprocal[k, q] * c[k, 0, q]
    for t in range(s + 1, top):
        for q in range(reciprocal.shape[1]):
            c[k + s, t - s, q] += c[k, s, q] * reciprocal[k, q] * c[k, t, q]


@jit
def substitute(c: Floats, reciprocal: Floats, reach: Integers, x: Floats) -> None:
    """Turn the right-hand side ``x`` (n, L) into the solution in place; 0 where there is no pivot."""
    dates, lanes = reciprocal.shape
    for k in range(dates):
        for s in range(1, reach[k] - k + 1):
            for q in range(lanes):
                x[k + s, q] += c[k, s, q] * x[k, q]
    for k in range(dates - 1, -1, -1):
        for q in range(lanes):
            x[k, q] *= reciprocal[k, q]
        for s in range(1, reach[k] - k + 1):
            for q in range(lanes):
                x[k, q] += c[k, s, q] * x[k + s, q]


@jit
def invert_envelope(c: Floats, reciprocal: Floats, reach: Integers, z: Floats) -> None:
    """Write the entries of the inverse within the envelope into ``z``: ``z[k, s]`` belongs to places k and k + s."""
    z[:] = 0.0
    for k in range(reciprocal.shape[0] - 1, -1, -1):
        top = reach[k] - k + 1
        for q in range(reciprocal.shape[1]):
            z[k, 0, q] = reciprocal[k, q]
        for s in range(1, top):
            _invert_entry(c, z, k, s, top)
            for q in range(reciprocal.shape[1]):
                z[k, 0, q] += c[k, s, q] * z[k, s, q]


@jit
def _invert_entry(c: Floats, z: Floats, k: int, s: int, top: int) -> None:
    for t in range(1, s + 1):
        for q in range(z.shape[2]):
            z[k, s, q] += c[k, t, q] * z[k + t, s - t, q]
    for t in range(s + 1, top):
        for q in range(z.shape[2]):
            z[k, s, q] += c[k, t, q] * z[k + s, t - s, q]


@jit
def right_hand_side(pull: Floats, layout: Layout, ground: Integers, x: Floats) -> None:
    """Write ``A^T pull`` into ``x`` (n, L), with 0 at the datum; ``pull`` (m, L) is weight times difference."""
    x[:] = 0.0
    for k in range(pull.shape[0]):
        ref, sec = layout.ref[k], layout.sec[k]
        for q in range(ground.size):
            x[ref, q] -= pull[k, q]
            x[sec, q] += pull[k, q]
    for q in range(ground.size):
        x[ground[q], q] = 0.0
