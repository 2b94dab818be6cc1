"""Least squares and its robust kin for L pixels side by side: iteratively reweighted, deterministic.

Symbols: pair k with measured difference ``obs_k``, residual ``r_k``, prior weight ``w_k``, trust ``t_k`` in (0, 1]
given by the robust norm; the weights of the solution are ``w_k t_k``. ``root_k`` turns a residual into units of its
expected spread, ``u_k = root_k r_k``: 1 / sigma_k where sigma is known, else sqrt(w_k).
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
_SCALE_ROUNDS = 8  # then the scale is kept, so that the iteration converges
_STEADY = 1e-3  # relative change below which the scale is kept earlier
_CURB = 0.1  # resistance of outliers to long steps
_TINY = 1e-300
_ROUNDING = 1e-10  # of the largest observation: residuals below are rounding, not noise


class Work(NamedTuple):
    """Memory of one thread for L pixels, m pairs and n dates (in the order of elimination).

    (m, L): ``obs`` to ``slack``, 0 where a pair is absent. (n, width + 1, L): ``c``, ``z``. (n, L): ``reciprocal`` to
    ``touched`` (pairs at each date); ``step`` ends as the error of the displacement. (L,): ``ground`` place of the
    datum, ``freedom`` redundant pairs, ``used`` and ``finite`` pairs, ``scale`` of the residuals, ``change`` of the
    last round and of the one before (``last``), ``finest`` largest root, ``curb`` of outliers, ``broken`` network,
    ``active`` still iterating, ``steady`` scale. (m,): ``sizes``.
    """

    obs: Floats
    prior: Floats
    variance: Floats
    root: Floats
    trust: Floats
    weight: Floats
    pull: Floats
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
    used: Integers
    finite: Integers
    scale: Floats
    change: Floats
    finest: Floats
    last: Floats
    curb: Floats
    broken: Flags
    active: Flags
    steady: Flags
    sizes: Floats


@jit
def make_work(pairs: int, layout: Layout, lanes: int) -> Work:
    """Return memory for `lanes` pixels of a network of `pairs` pairs."""
    dates = layout.position.size
    p = np.zeros((9, pairs, lanes))
    e = np.zeros((2, dates, layout.width + 1, lanes))
    d = np.zeros((6, dates, lanes))
    i = np.zeros((4, lanes), np.int64)
    f = np.zeros((5, lanes))
    b = np.zeros((3, lanes), np.bool_)
    return Work(
        *(p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8], e[0], e[1], d[0], d[1], d[2], d[3], d[4], d[5]),
        *(i[0], i[1], i[2], i[3], f[0], f[1], f[2], f[3], f[4], b[0], b[1], b[2], np.zeros(pairs)),
    )


@jit
def find_residuals(layout: Layout, work: Work) -> None:
    """Set the residuals of the present displacement."""
    for k in range(work.obs.shape[0]):
        ref, sec = layout.ref[k], layout.sec[k]
        for q in range(work.obs.shape[1]):
            work.residual[k, q] = work.obs[k, q] - (work.x[sec, q] - work.x[ref, q])


@jit
def _set_pull(weight: Floats, values: Floats, pull: Floats) -> None:
    for k in range(weight.shape[0]):
        for q in range(weight.shape[1]):
            pull[k, q] = weight[k, q] * values[k, q]


@jit
def _solve(layout: Layout, work: Work) -> None:
    _set_pull(work.weight, work.obs, work.pull)
    right_hand_side(work.pull, layout, work.ground, work.x)
    substitute(work.c, work.reciprocal, layout.reach, work.x)
    find_residuals(layout, work)
    # one step of refinement: the right-hand side cancels where weights differ by many orders, the residuals do not
    _set_pull(work.weight, work.residual, work.pull)
    right_hand_side(work.pull, layout, work.ground, work.step)
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
    # the last date of a part without a path to the datum has pairs but no pivot
    for q in range(work.broken.size):
        work.broken[q] = False
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
    middle = values[rank]
    if count % 2 == 1:
        return float(middle)
    below = values[0]
    for i in range(1, rank):
        below = max(below, values[i])
    return float(0.5 * (middle + below))


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
def _trust_within(work: Work, factor: float) -> None:
    # residuals beyond `factor` scales are trusted in inverse proportion to their size
    for k in range(work.trust.shape[0]):
        for q in range(work.trust.shape[1]):
            limit = max(factor * work.scale[q], _TINY)
            trust = limit / max(abs(work.residual[k, q]) * work.root[k, q], limit)
            work.trust[k, q] = trust if work.active[q] else work.trust[k, q]


@jit
def _weigh_steps(work: Work) -> None:
    # The gradient has the weights w t. Steps with them are short: an outlier resists a change of its residual by w t,
    # yet its pull is constant. So its resistance is curbed, as Newton would (0), but keeps the network together.
    for k in range(work.weight.shape[0]):
        for q in range(work.weight.shape[1]):
            weight = work.prior[k, q] * work.trust[k, q]
            work.pull[k, q] = weight * work.residual[k, q]
            work.weight[k, q] = weight * work.curb[q] if work.trust[k, q] < 1.0 else weight


@jit
def _iterate(layout: Layout, work: Work, norm: int) -> None:
    # one reweighting; ``change`` becomes the largest change of a date's displacement, metres
    if norm == HUBER:
        _trust_within(work, HUBER_K)
    else:
        _trust_within(work, _L1_FLOOR)
    _weigh_steps(work)
    assemble(work.c, work.weight, layout, work.ground)
    factor(work.c, work.reciprocal, layout.reach)
    right_hand_side(work.pull, layout, work.ground, work.step)
    substitute(work.c, work.reciprocal, layout.reach, work.step)
    for q in range(work.change.size):
        work.change[q] = 0.0
    for j in range(work.x.shape[0]):
        for q in range(work.x.shape[1]):
            step = work.step[j, q] if work.active[q] else 0.0
            work.x[j, q] += step
            work.change[q] = max(work.change[q], abs(step))
    find_residuals(layout, work)


@jit
def _activate(work: Work, curb: float) -> int:
    # pixels that can be reweighted; returns how many
    moving = 0
    for q in range(work.active.size):
        work.active[q] = work.freedom[q] > 0 and not work.broken[q]
        moving += work.active[q]
        work.steady[q] = False
        work.finest[q], work.last[q], work.curb[q] = 0.0, np.inf, curb
    for k in range(work.root.shape[0]):
        for q in range(work.active.size):
            work.finest[q] = max(work.finest[q], work.root[k, q])
    return moving


@jit
def _settle(work: Work, turn: int, norm: int, tolerance: float, expected: float) -> int:
    # stop the pixels whose displacement, and scale, have come to rest; returns how many go on
    moving = 0
    for q in range(work.active.size):
        if work.active[q]:
            if work.change[q] > work.last[q]:
                work.curb[q] = 1.0  # long steps do not converge here, plain ones always do
            work.last[q] = work.change[q]
            settled = work.change[q] * work.finest[q] <= tolerance * work.scale[q]
            if norm == HUBER and turn < _SCALE_ROUNDS and not work.steady[q]:
                scale = _residual_scale(work, q, expected)
                work.steady[q] = abs(scale - work.scale[q]) <= _STEADY * scale
                settled = settled and work.steady[q]
                work.scale[q] = scale
            work.active[q] = not settled
            moving += not settled
    return moving


@jit
def _find_trust(layout: Layout, work: Work, norm: int, expected: float, limits: Floats) -> None:
    # reweight from the plain solution on until every pixel has settled
    _find_slack(layout, work)
    moving = _activate(work, _CURB if norm == HUBER else 1.0)
    for q in range(work.active.size):
        if work.active[q]:
            work.scale[q] = _residual_scale(work, q, expected)
    turn = 0
    while moving > 0 and turn < limits[0]:
        _iterate(layout, work, norm)
        moving = _settle(work, turn, norm, limits[1], expected)
        turn += 1


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
    for stage in range(2):  # plain, then with the trusts found
        if stage > 0:
            _find_trust(layout, work, norm, expected, limits)
        _weigh(layout, work)
        if stage == 0:
            _find_broken(work)
        _solve(layout, work)
        if norm == L2:
            return
    if norm == L1:
        _activate(work, 1.0)
        _trust_within(work, HUBER_K)
        _weigh(layout, work)
