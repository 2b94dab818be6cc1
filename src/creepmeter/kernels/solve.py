"""Displacement per date from displacement per pair, pixel by pixel.

For each pixel: weighted least squares ``min sum_k w_k rho(obs_k - (x_sec - x_ref))`` over the pairs that are present,
with the first measured date as the datum (x = 0), and the standard error of each date.

Symbols: m pairs, n dates, P pixels.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from creepmeter.kernels._jit import jit, jit_parallel, prange
from creepmeter.kernels.elimination import Floats, Layout, invert_envelope, substitute
from creepmeter.kernels.irls import (
    GAUSSIAN_LOSS,
    HUBER,
    L1,
    L1_INFLATION,
    L2,
    Work,
    _make_work,
    solve_norm,
)
from creepmeter.kernels.minimum_norm import minimum_norm_operator

MEASURED, NO_DATA, BROKEN, TOO_FEW, BRIDGED = 0, 1, 2, 3, 4
NOT_A_NUMBER, BY_VELOCITY, BY_DISPLACEMENT = 0, 1, 2
_CHUNK = 64  # pixels that are turned to pixel-major order together: fits the second-level cache


class Rule(NamedTuple):
    """How a network is solved.

    ``norm``: `L2`, `L1`, `HUBER`. ``broken``: `NOT_A_NUMBER`, `BY_VELOCITY`, `BY_DISPLACEMENT` (minimum norm).
    ``weigh_by_sigma``: weights are 1/sigma^2. ``share``: share of the pair variance that is independent from pair to
    pair, in (0, 1]; the rest belongs to the images. ``min_pairs``: fewer present pairs leave the pixel out.
    ``cycle``: metres per turn of phase, 0 = no phase. ``limits`` (2,): most iterations, change at which to stop (in
    units of the smallest spread). ``days`` (n,): time of the dates.
    """

    norm: int
    broken: int
    weigh_by_sigma: bool
    share: float
    min_pairs: int
    cycle: float
    limits: Floats
    days: Floats


class Solution(NamedTuple):
    """What the solver fills: ``displacement``, ``sigma`` (n, P) metres; the others (P,). NaN = not measured."""

    displacement: Floats
    sigma: Floats
    residual_rms: Floats
    coherence: Floats
    pairs_used: npt.NDArray[np.int16]
    pairs_rejected: npt.NDArray[np.int16]
    reason: npt.NDArray[np.uint8]
    datum: npt.NDArray[np.int16]


@jit
def _load(obs: Floats, sigma: Floats, given: Floats, layout: Layout, rule: Rule, work: Work) -> tuple[int, int]:
    # fill prior, variance, root and measured; absent pairs get obs = 0 and prior = 0; returns present and rejected
    used, rejected = 0, 0
    work.measured[:] = False
    for k in range(obs.size):
        variance = sigma[k] * sigma[k] if sigma.size > 0 else np.nan
        weight = 1.0 / variance if rule.weigh_by_sigma else (given[k] if given.size > 0 else 1.0)
        usable = np.isfinite(weight) and weight > 0.0 and (sigma.size == 0 or (variance > 0.0 and variance < np.inf))
        if usable and np.isfinite(obs[k]):
            used += 1
            work.prior[k], work.variance[k] = weight, variance
            work.root[k] = np.sqrt(1.0 / variance) if sigma.size > 0 else np.sqrt(weight)
            work.measured[layout.ref[k]] = True
            work.measured[layout.sec[k]] = True
            continue
        if np.isfinite(obs[k]):
            rejected += 1
        obs[k], work.prior[k], work.variance[k], work.root[k] = 0.0, 0.0, 0.0, 0.0
    return used, rejected


@jit
def _common_variance(layout: Layout, work: Work) -> None:
    # half the mean pair variance at each date: the variance of an image where pair errors belong to images
    count = np.zeros(work.common.size)
    work.common[:] = 0.0
    for k in range(work.prior.size):
        if work.prior[k] > 0.0:
            for end in (layout.ref[k], layout.sec[k]):
                work.common[end] += 0.5 * work.variance[k]
                count[end] += 1.0
    for j in range(count.size):
        if count[j] > 0.0:
            work.common[j] /= count[j]


@jit
def _sandwich(layout: Layout, work: Work, ground: int, independent: Floats) -> None:
    # diagonal of H A^T W V W A H, where V = variance / trust is that of the pairs and H the inverse normal matrix
    column = work.step
    for j in range(column.size):
        column[:] = 0.0
        if j != ground and work.measured[j]:
            column[j] = 1.0
            substitute(work.c, work.pivot, layout.reach, column)
        total = 0.0
        for k in range(work.weight.size):
            if work.weight[k] > 0.0:
                gain = work.weight[k] * (column[layout.sec[k]] - column[layout.ref[k]])
                total += gain * gain * work.variance[k] / work.trust[k]
        independent[j] = total


@jit
def _posterior_variance(rule: Rule, work: Work, freedom: int) -> float:
    # of a pair of prior weight 1, from the residuals
    if freedom <= 0:
        return np.nan
    total = 0.0
    for k in range(work.weight.size):
        total += work.weight[k] * work.residual[k] * work.residual[k]
    return total / (freedom * (1.0 if rule.norm == L2 else GAUSSIAN_LOSS))


@jit
def _spread(layout: Layout, rule: Rule, work: Work, ground: int, freedom: int, sigma_known: bool) -> Floats:
    # standard error of each place relative to the datum
    independent = np.empty(work.x.size)
    if sigma_known and not rule.weigh_by_sigma:
        _sandwich(layout, work, ground, independent)
    else:
        invert_envelope(work.c, work.pivot, layout.reach, work.z)
        independent[:] = work.z[:, 0]
    if not sigma_known:
        unit = _posterior_variance(rule, work, freedom) / rule.share
        independent *= unit
        for k in range(work.prior.size):
            work.variance[k] = unit / work.prior[k] if work.prior[k] > 0.0 else 0.0
    if rule.norm == L1:
        independent *= L1_INFLATION
    return _add_common(layout, rule, work, ground, independent)


@jit
def _add_common(layout: Layout, rule: Rule, work: Work, ground: int, independent: Floats) -> Floats:
    _common_variance(layout, work)
    for j in range(independent.size):
        common = work.common[j] + work.common[ground]
        independent[j] = np.sqrt(rule.share * independent[j] + (1.0 - rule.share) * common)
    independent[ground] = 0.0
    return independent


@jit
def _solve_bridged(obs: Floats, layout: Layout, rule: Rule, work: Work, ground: int, used: int) -> Floats:
    # minimum norm: fills x and residual, returns the spread
    operator, rank = minimum_norm_operator(layout, work.prior, rule.days, rule.broken == BY_VELOCITY)
    operator -= operator[layout.order[ground]].copy()
    for j in range(work.x.size):
        work.x[j] = np.sum(operator[layout.order[j]] * obs)
    for k in range(obs.size):
        work.residual[k] = obs[k] - (work.x[layout.sec[k]] - work.x[layout.ref[k]])
        work.weight[k] = work.prior[k]
    if not np.isfinite(work.variance).all():
        unit = _posterior_variance(rule, work, used - rank) / rule.share
        for k in range(obs.size):
            work.variance[k] = unit / work.prior[k] if work.prior[k] > 0.0 else 0.0
    independent = np.empty(work.x.size)
    for j in range(work.x.size):
        independent[j] = np.sum(operator[layout.order[j]] ** 2 * work.variance)
    return _add_common(layout, rule, work, ground, independent)


@jit
def _fit_statistics(rule: Rule, work: Work, used: int) -> tuple[float, float]:
    # root mean square of the residuals, and their coherence as phase
    total, real, imaginary = 0.0, 0.0, 0.0
    turn = 2.0 * np.pi / rule.cycle if rule.cycle > 0.0 else 0.0
    for k in range(work.prior.size):
        if work.prior[k] > 0.0:
            total += work.residual[k] * work.residual[k]
            if turn > 0.0:
                real += np.cos(turn * work.residual[k])
                imaginary += np.sin(turn * work.residual[k])
    coherence = np.hypot(real, imaginary) / used if turn > 0.0 else np.nan
    return np.sqrt(total / used), coherence


@jit
def solve_pixel(
    obs: Floats, sigma: Floats, given: Floats, layout: Layout, rule: Rule, work: Work, out: Floats
) -> tuple[int, int, int, int, float, float]:
    """Solve one pixel.

    Parameters
    ----------
    obs : array, (m,)
        Differences, metres; overwritten with 0 where absent.
    sigma, given : array, (m,) or (0,)
        Standard errors, metres, and weights; empty = unknown, and all 1.
    layout, rule, work
        Order of elimination, what to do, memory.
    out : array, (2, n)
        Receives displacement and standard error per date, in order of time.

    Returns
    -------
    tuple
        reason, datum, pairs used, pairs rejected for their weight, root mean square of residuals, coherence.
    """
    out[:] = np.nan
    used, rejected = _load(obs, sigma, given, layout, rule, work)
    if used == 0:
        return NO_DATA, -1, used, rejected, np.nan, np.nan
    if used < rule.min_pairs:
        return TOO_FEW, -1, used, rejected, np.nan, np.nan
    datum = 0
    while not work.measured[layout.position[datum]]:
        datum += 1
    ground = layout.position[datum]
    freedom = used - int(np.sum(work.measured)) + 1
    expected = np.sqrt(rule.share) if sigma.size > 0 else 0.0
    reason = MEASURED
    if solve_norm(obs, layout, work, ground, rule.norm, freedom, expected, rule.limits):
        spread = _spread(layout, rule, work, ground, freedom, sigma.size > 0)
    elif rule.broken == NOT_A_NUMBER:
        return BROKEN, -1, used, rejected, np.nan, np.nan
    else:
        reason = BRIDGED
        spread = _solve_bridged(obs, layout, rule, work, ground, used)
    for j in range(layout.position.size):
        place = layout.position[j]
        if work.measured[place]:
            out[0, j] = work.x[place]
            out[1, j] = spread[place]
    rms, coherence = _fit_statistics(rule, work, used)
    return reason, datum, used, rejected, rms, coherence


@jit
def _turn(source: Any, start: int, count: int) -> Floats:  # noqa: ANN401 - float32 or float64
    # (m, P) -> (count, m) in float64; (0, 0) stays empty
    rows = source.shape[0]
    turned = np.empty((count, rows))
    for k in range(rows):
        for q in range(count):
            turned[q, k] = source[k, start + q]
    return turned


@jit
def _solve_chunk(start: int, obs: Any, sigma: Any, weight: Any, layout: Layout, rule: Rule, out: Solution) -> None:  # noqa: ANN401
    count = min(_CHUNK, obs.shape[1] - start)
    dates = layout.position.size
    values, errors, given = _turn(obs, start, count), _turn(sigma, start, count), _turn(weight, start, count)
    work = _make_work(obs.shape[0], dates, layout.width)
    result = np.empty((count, 2, dates))
    for q in range(count):
        found = solve_pixel(values[q], errors[q], given[q], layout, rule, work, result[q])
        p = start + q
        out.reason[p], out.datum[p], out.pairs_used[p], out.pairs_rejected[p] = found[0], found[1], found[2], found[3]
        out.residual_rms[p], out.coherence[p] = found[4], found[5]
    for j in range(dates):
        for q in range(count):
            out.displacement[j, start + q] = result[q, 0, j]
            out.sigma[j, start + q] = result[q, 1, j]


@jit_parallel
def _solve_all(obs: Any, sigma: Any, weight: Any, layout: Layout, rule: Rule, out: Solution) -> None:  # noqa: ANN401
    for c in prange((obs.shape[1] + _CHUNK - 1) // _CHUNK):
        _solve_chunk(c * _CHUNK, obs, sigma, weight, layout, rule, out)


def solve_network(
    obs: npt.NDArray[Any],
    layout: Layout,
    rule: Rule,
    sigma: npt.NDArray[Any] | None = None,
    weight: npt.NDArray[Any] | None = None,
) -> Solution:
    """Solve all pixels of a stack.

    Parameters
    ----------
    obs : array, (m, P)
        Differences of pairs, metres, float32 or float64; NaN = not measured.
    layout : Layout
        From `creepmeter.kernels.elimination.make_layout`.
    rule : Rule
        What to do.
    sigma : array, (m, P), optional
        Standard errors of the pairs, metres. A pair without a positive, finite one is absent.
    weight : array, (m, P), optional
        Weights where ``rule.weigh_by_sigma`` is false; all 1 by default. Only positive, finite weights count.

    Returns
    -------
    Solution
        Float64. Any blocking of the pixels and any number of threads gives the same bits.

    Notes
    -----
    Covariance of the dates, with f the independent share, W the final weights and s_j^2 half the mean variance of the
    pairs at date j: ``C = f (A^T W A)^-1 + (1 - f) (diag(s_j^2) + s_datum^2)``. The first part shrinks with
    redundancy, the second does not: the error of an image enters all its pairs alike. Weights other than 1/sigma^2
    make the first part ``H A^T W V W A H`` with V the variance of the pairs; without sigma V follows from the
    residuals, and is NaN where there is no redundancy.
    """
    pixels, dates = obs.shape[1], layout.position.size
    out = Solution(
        np.empty((dates, pixels)),
        np.empty((dates, pixels)),
        np.empty(pixels),
        np.empty(pixels),
        np.empty(pixels, np.int16),
        np.empty(pixels, np.int16),
        np.empty(pixels, np.uint8),
        np.empty(pixels, np.int16),
    )
    kind = np.float64 if obs.dtype == np.float64 else np.float32
    none = np.empty((0, 0), kind)
    arrays = [none if array is None else np.ascontiguousarray(array, kind) for array in (obs, sigma, weight)]
    _solve_all(arrays[0], arrays[1], arrays[2], layout, rule, out)
    return out


NORMS = {"l2": L2, "l1": L1, "huber": HUBER}
