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

    ``order`` (n,): the date at each place. ``position`` (n,): the place of each date. ``ref``, ``sec`` (m,): places of the ends of each pair.
    ``reach`` (n,): last place that the date at each place is coupled with, fill included; never decreasing.
    ``width``: largest ``reach[k] - k``.
    """

    order: Integers
    position: Integers
    ref: Integers
    sec: Integers
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
    reach = np.arange(order.size)
    np.maximum.at(reach, np.minimum(*ends), np.maximum(*ends))
    reach = np.maximum.accumulate(reach)
    width = int((reach - np.arange(order.size)).max()) if order.size else 0
    return Layout(order, position, ends[0], ends[1], reach, width)


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
def assemble(c: Floats, weight: Floats, layout: Layout, ground: int) -> None:
    """Write the conductances of pairs with ``weight`` (m,) into ``c`` (n, width + 1); `ground` is the datum's place."""
    c[:] = 0.0
    for k in range(weight.size):
        low = min(layout.ref[k], layout.sec[k])
        high = max(layout.ref[k], layout.sec[k])
        if low == ground:
            c[high, 0] += weight[k]
        elif high == ground:
            c[low, 0] += weight[k]
        else:
            c[low, high - low] += weight[k]


@jit
def factor(c: Floats, pivot: Floats, measured: Flags, reach: Integers, ground: int) -> bool:
    """Eliminate all nodes of ``c`` in place; False if a measured node has no path to the datum.

    ``pivot`` (n,) receives the pivots; it is 0 at the datum and at nodes that are not measured.
    """
    for k in range(pivot.size):
        top = reach[k] - k + 1
        total = c[k, 0]
        for s in range(1, top):
            total += c[k, s]
        pivot[k] = total
        if total <= 0.0:
            if measured[k] and k != ground:
                return False
            continue
        inverse = 1.0 / total
        for s in range(1, top):
            share = c[k, s] * inverse
            if share > 0.0:
                c[k + s, 0] += share * c[k, 0]
                for t in range(s + 1, top):
                    c[k + s, t - s] += share * c[k, t]
        for s in range(1, top):
            c[k, s] *= inverse
    return True


@jit
def substitute(c: Floats, pivot: Floats, reach: Integers, x: Floats) -> None:
    """Turn the right-hand side ``x`` (n,) into the solution in place; 0 where the pivot is 0."""
    last = pivot.size - 1
    for k in range(last + 1):
        value = x[k]
        for s in range(1, reach[k] - k + 1):
            x[k + s] += c[k, s] * value
    for k in range(last, -1, -1):
        total = 0.0
        if pivot[k] > 0.0:
            total = x[k] / pivot[k]
            for s in range(1, reach[k] - k + 1):
                total += c[k, s] * x[k + s]
        x[k] = total


@jit
def invert_envelope(c: Floats, pivot: Floats, reach: Integers, z: Floats) -> None:
    """Write the entries of the inverse that lie in the envelope into ``z``: ``z[k, s]`` belongs to places k and k + s."""
    z[:] = 0.0
    for k in range(pivot.size - 1, -1, -1):
        if pivot[k] <= 0.0:
            continue
        top = reach[k] - k + 1
        diagonal = 1.0 / pivot[k]
        for s in range(1, top):
            if c[k, s] > 0.0:
                total = 0.0
                for t in range(1, s + 1):
                    total += c[k, t] * z[k + t, s - t]
                for t in range(s + 1, top):
                    total += c[k, t] * z[k + s, t - s]
                z[k, s] = total
                diagonal += c[k, s] * total
        z[k, 0] = diagonal


@jit
def right_hand_side(weight: Floats, obs: Floats, layout: Layout, ground: int, x: Floats) -> None:
    """Write ``A^T W obs`` into ``x`` (n,), with 0 at the datum."""
    x[:] = 0.0
    for k in range(weight.size):
        pull = weight[k] * obs[k]
        x[layout.ref[k]] -= pull
        x[layout.sec[k]] += pull
    x[ground] = 0.0
