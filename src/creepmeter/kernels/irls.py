"""Least squares and its robust kin for L pixels side by side: iteratively reweighted, deterministic.

Symbols: pair k with measured difference ``obs_k``, residual ``r_k``, prior weight ``w_k``, trust ``t_k`` in (0, 1]
given by the robust norm; the weights of the solution are ``w_k t_k``. ``root_k`` turns a residual into units of its expected
spread, ``u_k = root_k r_k``: 1 / sigma_k where sigma is known, else sqrt(w_k).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from creepmeter.kernels._jit import jit
from creepmeter.kernels.elimination import (
    Flags,
    Floats,
    Integers,
    Layout,
    assemble,
    factor,
    invert_envelope,
    right_hand_side,
    substitute,
)

L2, L1, HUBER = 0, 1, 2
HUBER_K = 1.345  # 95 % efficient for Gaussian errors
GAUSSIAN_LOSS = 0.8214  # mean of min(1, k/|u|) u^2 for Gaussian u: makes the weighted residual variance consistent
L1_INFLATION = np.pi / 2  # variance of the median relative to the mean, Gaussian errors
_NMAD = 1.482602218505602
_PRIOR_FREEDOM = 5.0  # the stated sigma counts as much as this many redundant pairs in the scale of residuals
_LEAST_SLACK = 0.05  # a pair that determines its own dates to 95 % says nothing about the scale
_L1_FLOOR = 1e-3  # of the scale: residuals below count as zero
_SCALE_ROUNDS = 5  # then the scale is kept, so that the iteration converges
_ROUNDING = 1e-10  # of the largest observation: residuals below are rounding, not noise


class Work(NamedTuple):
    """Memory of one thread for L pixels, m pairs and n dates (in the order of elimination).

    (m, L): ``obs`` to ``slack``, 0 where a pair is absent. (n, width + 1, L): ``c``, ``z``. (n, L): ``reciprocal`` to ``touched`` (pairs at each date).
    (L,): ``ground`` place of the datum, ``freedom`` redundant pairs, ``scale`` of the residuals, ``change`` of the last
    round, ``broken`` network, ``active`` still iterating. (m,): ``sizes``.
    """

    obs: Floats
    prior: Floats
    variance: Floats
    root: Floats
    trust: Floats
    weight: Floats
    residual: Floats
    slack: Floats
    c: Floats
    z: Floats
    reciprocal: Floats
    x: Floats
    step: Floats
    before: Floats
    common: Floats
    touched: Floats
    ground: Integers
    freedom: Integers
    scale: Floats
    change: Floats
    broken: Flags
    active: Flags
    sizes: Floats


@jit
def make_work(pairs: int, layout: Layout, lanes: int) -> Work:
    """Return memory for `lanes` pixels of a network of `pairs` pairs."""
    dates = layout.position.size
    p = np.zeros((8, pairs, lanes))
    e = np.zeros((2, dates, layout.width + 1, lanes))
    d = np.zeros((6, dates, lanes))
    i = np.zeros((2, lanes), np.int64)
    f = np.zeros((2, lanes))
    b = np.zeros((2, lanes), np.bool_)
    return Work(
        *(p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], e[0], e[1], d[0], d[1], d[2], d[3], d[4], d[5]),
        *(i[0], i[1], f[0], f[1], b[0], b[1], np.zeros(pairs)),
    )


@jit
def find_residuals(layout: Layout, work: Work) -> None:
    """Set the residuals of the present displacement."""
    for k in range(work.obs.shape[0]):
        ref, sec = layout.ref[k], layout.sec[k]
        for q in range(work.obs.shape[1]):
            work.residual[k, q] = work.obs[k, q] - (work.x[sec, q] - work.x[ref, q])


@jit
def _solve(layout: Layout, work: Work) -> None:
    right_hand_side(work.weight, work.obs, layout, work.ground, work.x)
    substitute(work.c, work.reciprocal, layout.reach, work.x)
    find_residuals(layout, work)
    # one step of refinement: the right-hand side cancels where weights differ by many orders, the residuals do not
    right_hand_side(work.weight, work.residual, layout, work.ground, work.step)
    substitute(work.c, work.reciprocal, layout.reach, work.step)
    for j in range(work.x.shape[0]):
        for q in range(work.x.shape[1]):
            work.x[j, q] += work.step[j, q]
    find_residuals(layout, work)


@jit
def _weigh(layout: Layout, work: Work) -> None:
    # set the weights ``w t`` and factor the normal matrix
    for k in range(work.weight.shape[0]):
        for q in range(work.weight.shape[1]):
            work.weight[k, q] = work.prior[k, q] * work.trust[k, q]
    assemble(work.c, work.weight, layout, work.ground)
    factor(work.c, work.reciprocal, layout.reach)


@jit
def _find_broken(work: Work) -> None:
    # a date that has pairs but no path to the datum
    work.broken[:] = False
    for j in range(work.touched.shape[0]):
        for q in range(work.broken.size):
            lost = work.touched[j, q] > 0.0 and work.reciprocal[j, q] == 0.0 and j != work.ground[q]
            work.broken[q] |= lost


@jit
def _find_slack(layout: Layout, work: Work) -> None:
    # 1 - leverage: the share of a pair's own error that stays in its residual
    invert_envelope(work.c, work.reciprocal, layout.reach, work.z)
    for k in range(work.weight.shape[0]):
        low = min(layout.ref[k], layout.sec[k])
        high = max(layout.ref[k], layout.sec[k])
        for q in range(work.weight.shape[1]):
            spread = work.z[low, 0, q] + work.z[high, 0, q] - 2.0 * work.z[low, high - low, q]
            work.slack[k, q] = 1.0 - work.weight[k, q] * spread


@jit
def median_of(values: Floats, count: int) -> float:
    """Return the median of the first `count` values (at least one), which are put in another order (Hoare 1961)."""
    rank, low, high = count // 2, 0, count - 1
    while low < high:
        middle, i, j = values[(low + high) // 2], low, high
        while i <= j:
            while values[i] < middle:
                i += 1
            while values[j] > middle:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i, j = i + 1, j - 1
        if rank <= j:
            high = j
        elif rank >= i:
            low = i
        else:
            break
    return values[rank] if count % 2 == 1 else 0.5 * (values[rank] + values[:rank].max())


@jit
def _residual_scale(work: Work, q: int, expected: float) -> float:
    # The spread of residuals in units of their expected spread, from the median of studentised residuals. Where sigma
    # is known (expected > 0) it is drawn toward `expected`, which counts as five redundant pairs: a sigma that is ten
    # times too small or too large is overruled in a network with redundancy, and a handful of residuals cannot
    # overrule a sigma.
    count = 0
    largest = 0.0
    for k in range(work.obs.shape[0]):
        largest = max(largest, abs(work.obs[k, q]) * work.root[k, q])
        if work.prior[k, q] > 0.0 and work.slack[k, q] > _LEAST_SLACK:
            work.sizes[count] = abs(work.residual[k, q]) * work.root[k, q] / np.sqrt(work.slack[k, q])
            count += 1
    if count == 0:
        return max(expected, _ROUNDING * largest)
    found = _NMAD * median_of(work.sizes, count)
    if expected > 0.0:
        mean = (_PRIOR_FREEDOM * expected**2 + work.freedom[q] * found**2) / (_PRIOR_FREEDOM + work.freedom[q])
        found = np.sqrt(mean)
    return max(found, _ROUNDING * largest)


@jit
def _trust_huber(work: Work) -> None:
    for k in range(work.trust.shape[0]):
        for q in range(work.trust.shape[1]):
            limit = HUBER_K * work.scale[q]
            size = abs(work.residual[k, q]) * work.root[k, q]
            trust = limit / size if size > limit else 1.0
            work.trust[k, q] = trust if work.active[q] else work.trust[k, q]


@jit
def _trust_l1(work: Work) -> None:
    for k in range(work.trust.shape[0]):
        for q in range(work.trust.shape[1]):
            floor = _L1_FLOOR * work.scale[q]
            size = abs(work.residual[k, q]) * work.root[k, q]
            trust = floor / size if size > floor else 1.0
            work.trust[k, q] = trust if work.active[q] else work.trust[k, q]


@jit
def _iterate(layout: Layout, work: Work, norm: int) -> None:
    # one reweighting; ``change`` becomes the largest change of a date's displacement, metres
    work.before[:] = work.x
    if norm == HUBER:
        _trust_huber(work)
    else:
        _trust_l1(work)
    _weigh(layout, work)
    _solve(layout, work)
    work.change[:] = 0.0
    for j in range(work.x.shape[0]):
        for q in range(work.x.shape[1]):
            work.change[q] = max(work.change[q], abs(work.x[j, q] - work.before[j, q]))


@jit
def _settle(work: Work, turn: int, norm: int, tolerance: float, expected: float) -> None:
    # stop the pixels whose displacement, and scale, have come to rest
    for q in range(work.active.size):
        if work.active[q]:
            settled = work.change[q] * work.root[:, q].max() <= tolerance * work.scale[q]
            if norm == HUBER and turn < _SCALE_ROUNDS:
                scale = _residual_scale(work, q, expected)
                settled = settled and abs(scale - work.scale[q]) <= tolerance * scale
                work.scale[q] = scale
            work.active[q] = not settled


@jit
def solve_norm(layout: Layout, work: Work, norm: int, expected: float, limits: Floats) -> None:
    """Solve L pixels into ``work.x`` and ``work.residual``; those of a broken network are marked in ``work.broken``.

    Parameters
    ----------
    layout, work
        Order of elimination; memory with ``obs``, ``prior``, ``root``, ``touched``, ``ground``, ``freedom`` filled.
    norm : int
        `L2`, `L1` (least sum of ``|u|``) or `HUBER`.
    expected : float
        Expected scale of ``u``: above 0 where sigma is known, else 0.
    limits : array, (2,)
        Most iterations; change at which to stop, in units of the smallest spread.

    Notes
    -----
    Afterwards ``work.weight`` and the factors in ``work.c`` are those from which the covariance follows. For L1 these
    are the Huber weights at the L1 solution: the L1 weights themselves tell where the solution passes through the
    data, not how well it is known. A pixel that has settled keeps its trusts, so that its neighbours cannot move it.
    """
    work.trust[:] = 1.0
    _weigh(layout, work)
    _find_broken(work)
    _solve(layout, work)
    if norm == L2:
        return
    _find_slack(layout, work)
    for q in range(work.active.size):
        work.active[q] = work.freedom[q] > 0 and not work.broken[q]
        if work.active[q]:
            work.scale[q] = _residual_scale(work, q, expected)
    for turn in range(int(limits[0])):
        if not work.active.any():
            break
        _iterate(layout, work, norm)
        _settle(work, turn, norm, limits[1], expected)
    if norm == L1:
        for q in range(work.active.size):
            work.active[q] = work.freedom[q] > 0 and not work.broken[q]
        _trust_huber(work)
        _weigh(layout, work)
