"""Least squares and its robust kin for one pixel: iteratively reweighted, deterministic.

Symbols: pair k with measured difference ``obs_k``, residual ``r_k``, prior weight ``w_k``, trust ``t_k`` in (0, 1] given
by the robust norm; the weights of the solution are ``w_k t_k``. ``root_k`` turns a residual into units of its expected
spread, ``u_k = root_k r_k``: 1 / sigma_k where sigma is known, else sqrt(w_k).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from creepmeter.kernels._jit import jit
from creepmeter.kernels.elimination import (
    Flags,
    Floats,
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
    """Memory of one thread for one pixel: m pairs, n dates (in the order of elimination)."""

    prior: Floats
    variance: Floats
    root: Floats
    trust: Floats
    weight: Floats
    residual: Floats
    slack: Floats
    c: Floats
    z: Floats
    pivot: Floats
    x: Floats
    step: Floats
    common: Floats
    measured: Flags


def make_work(pairs: int, layout: Layout) -> Work:
    """Return memory for a network of `pairs` pairs."""
    return _make_work(pairs, layout.position.size, layout.width)


@jit
def _make_work(pairs: int, dates: int, width: int) -> Work:
    return Work(
        np.empty(pairs),
        np.empty(pairs),
        np.empty(pairs),
        np.empty(pairs),
        np.empty(pairs),
        np.empty(pairs),
        np.empty(pairs),
        np.empty((dates, width + 1)),
        np.empty((dates, width + 1)),
        np.empty(dates),
        np.empty(dates),
        np.empty(dates),
        np.empty(dates),
        np.empty(dates, np.bool_),
    )


@jit
def _residuals(obs: Floats, layout: Layout, x: Floats, residual: Floats) -> None:
    for k in range(obs.size):
        residual[k] = obs[k] - (x[layout.sec[k]] - x[layout.ref[k]])


@jit
def _solve(obs: Floats, layout: Layout, work: Work, ground: int) -> None:
    right_hand_side(work.weight, obs, layout, ground, work.x)
    substitute(work.c, work.pivot, layout.reach, work.x)
    _residuals(obs, layout, work.x, work.residual)
    # one step of refinement: the right-hand side cancels where weights differ by many orders, the residuals do not
    right_hand_side(work.weight, work.residual, layout, ground, work.step)
    substitute(work.c, work.pivot, layout.reach, work.step)
    for j in range(work.x.size):
        work.x[j] += work.step[j]
    _residuals(obs, layout, work.x, work.residual)


@jit
def weigh(layout: Layout, work: Work, ground: int) -> bool:
    """Set the weights ``w t`` and factor the normal matrix; False if a measured date has no path to the datum."""
    for k in range(work.weight.size):
        work.weight[k] = work.prior[k] * work.trust[k]
    assemble(work.c, work.weight, layout, ground)
    return factor(work.c, work.pivot, work.measured, layout.reach, ground)


@jit
def _find_slack(layout: Layout, work: Work) -> None:
    # 1 - leverage: the share of a pair's own error that stays in its residual
    invert_envelope(work.c, work.pivot, layout.reach, work.z)
    for k in range(work.weight.size):
        low = min(layout.ref[k], layout.sec[k])
        high = max(layout.ref[k], layout.sec[k])
        spread = work.z[low, 0] + work.z[high, 0] - 2.0 * work.z[low, high - low]
        work.slack[k] = 1.0 - work.weight[k] * spread


@jit
def residual_scale(obs: Floats, work: Work, freedom: int, expected: float) -> float:
    """Return the spread of residuals in units of their expected spread, from the median of studentised residuals.

    Where sigma is known (``expected`` > 0) the scale is drawn toward ``expected``, which counts as five redundant
    pairs: a sigma that is ten times too small or too large is overruled in a network with redundancy, and a handful
    of residuals cannot overrule a sigma.
    """
    size = np.empty(obs.size)
    count = 0
    largest = 0.0
    for k in range(obs.size):
        largest = max(largest, abs(obs[k]) * work.root[k])
        if work.prior[k] > 0.0 and work.slack[k] > _LEAST_SLACK:
            size[count] = abs(work.residual[k]) * work.root[k] / np.sqrt(work.slack[k])
            count += 1
    if count == 0:
        return max(expected, _ROUNDING * largest)
    found = _NMAD * np.median(size[:count])
    if expected > 0.0:
        mean = (_PRIOR_FREEDOM * expected**2 + freedom * found**2) / (_PRIOR_FREEDOM + freedom)
        found = np.sqrt(mean)
    return max(found, _ROUNDING * largest)


@jit
def _trust_huber(work: Work, scale: float) -> None:
    limit = HUBER_K * scale
    for k in range(work.trust.size):
        size = abs(work.residual[k]) * work.root[k]
        work.trust[k] = limit / size if size > limit else 1.0


@jit
def _trust_l1(work: Work, scale: float) -> None:
    floor = _L1_FLOOR * scale
    for k in range(work.trust.size):
        size = max(abs(work.residual[k]) * work.root[k], floor)
        work.trust[k] = floor / size if size > 0.0 else 1.0


@jit
def _iterate(obs: Floats, layout: Layout, work: Work, ground: int, norm: int, start: float) -> float:
    # one reweighting; returns the largest change of a date's displacement, metres
    before = work.x.copy()
    if norm == HUBER:
        _trust_huber(work, start)
    else:
        _trust_l1(work, start)
    weigh(layout, work, ground)
    _solve(obs, layout, work, ground)
    change = 0.0
    for j in range(before.size):
        change = max(change, abs(work.x[j] - before[j]))
    return change


@jit
def solve_norm(
    obs: Floats, layout: Layout, work: Work, ground: int, norm: int, freedom: int, expected: float, limits: Floats
) -> bool:
    """Solve one pixel into ``work.x`` and ``work.residual``; False if its network is broken.

    Parameters
    ----------
    obs : array, (m,)
        Measured differences, metres; 0 where absent.
    layout, work, ground
        Order of elimination; memory with ``prior``, ``root`` and ``measured`` filled; place of the datum.
    norm : int
        `L2`, `L1` (least sum of ``|u|``) or `HUBER`.
    freedom : int
        Redundant pairs: m - n + 1.
    expected : float
        Expected scale of ``u``: above 0 where sigma is known, else 0.
    limits : array, (2,)
        Most iterations; change at which to stop, in units of the smallest spread.

    Notes
    -----
    Afterwards ``work.weight`` and the factors in ``work.c`` are those from which the covariance follows. For L1 these
    are the Huber weights at the L1 solution: the L1 weights themselves tell where the solution passes through the
    data, not how well it is known.
    """
    work.trust[:] = 1.0
    if not weigh(layout, work, ground):
        return False
    _solve(obs, layout, work, ground)
    if norm == L2 or freedom <= 0:
        return True
    _find_slack(layout, work)
    scale = residual_scale(obs, work, freedom, expected)
    finest = scale / work.root.max()
    for turn in range(int(limits[0])):
        change = _iterate(obs, layout, work, ground, norm, scale)
        settled = change <= limits[1] * finest
        if norm == HUBER and turn < _SCALE_ROUNDS:
            scale = residual_scale(obs, work, freedom, expected)
        elif settled:
            break
    if norm == L1:
        _trust_huber(work, scale)
        weigh(layout, work, ground)
    return True
