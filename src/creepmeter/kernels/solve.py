"""Displacement per date from displacement per pair, pixel by pixel.

For each pixel: weighted least squares ``min sum_k w_k rho(obs_k - (x_sec - x_ref))`` over the pairs that are present,
with the first measured date as the datum (x = 0), and the standard error of each date.

Symbols: m pairs, n dates, P pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from creepmeter.kernels._jit import jit
from creepmeter.kernels.elimination import Floats, Layout, invert_envelope, substitute
from creepmeter.kernels.irls import (
    GAUSSIAN_LOSS,
    HUBER,
    L1,
    L1_INFLATION,
    L2,
    Work,
    find_residuals,
    make_work,
    solve_norm,
)
from creepmeter.kernels.minimum_norm import bridge_islands, minimum_norm_operator
from creepmeter.kernels.threads import in_threads

MEASURED, NO_DATA, BROKEN, TOO_FEW, BRIDGED = 0, 1, 2, 3, 4
NOT_A_NUMBER, BY_VELOCITY, BY_DISPLACEMENT = 0, 1, 2
_CHUNK = 512  # pixels that one thread takes at a time
_FEWEST_LANES, _MOST_LANES = 8, 32  # pixels solved side by side
_LANES_BYTES = 640_000  # their memory, if possible: about the second-level cache
_LEAST_VARIANCE = 1e-300  # square metres; below, the inverse overflows


class Rule(NamedTuple):
    """How a network is solved.

    ``norm``: `L2`, `L1`, `HUBER`. ``broken``: `NOT_A_NUMBER`, `BY_VELOCITY`, `BY_DISPLACEMENT` (minimum norm).
    ``weigh_by_sigma``: weights are 1/sigma^2. ``share``: share of the pair variance that is independent from pair to
    pair, in (0, 1]; the rest belongs to the images. ``min_pairs``: fewer present pairs leave the pixel out.
    ``cycle``: metres per turn of phase, 0 = no phase. ``limits`` (2,): most iterations, change at which to stop (in
    units of the smallest spread). ``days`` (n,): time of the dates. ``first``: the pixel of the output that the first
    of the input belongs to. ``every_date``: a date without pairs is an island to be bridged, and displacement counts
    from the first date; else it is not measured, and displacement counts from the first date measured.
    """

    norm: int
    broken: int
    weigh_by_sigma: bool
    share: float
    min_pairs: int
    cycle: float
    limits: Floats
    days: Floats
    first: int = 0
    every_date: bool = False


class Solution(NamedTuple):
    """What the solver fills: ``displacement``, ``sigma`` (n, P) metres; the others (P,). NaN = not measured.

    ``variance`` (f, P): of the combinations of dates that were asked for.
    """

    displacement: Floats
    sigma: Floats
    residual_rms: Floats
    coherence: Floats
    pairs_used: npt.NDArray[np.int16]
    pairs_rejected: npt.NDArray[np.int16]
    reason: npt.NDArray[np.uint8]
    datum: npt.NDArray[np.int16]
    variance: Floats


@jit
def _load(obs: Floats, sigma: Floats, given: Floats, start: int, layout: Layout, rule: Rule, work: Work) -> None:
    # fill obs, prior, variance, root, touched with the pixels from `start` on; absent pairs are 0 everywhere
    work.touched[:] = 0.0
    for q in range(work.used.size):
        work.used[q], work.finite[q] = 0, 0
    for k in range(work.obs.shape[0]):
        ref, sec = layout.ref[k], layout.sec[k]
        for q in range(work.obs.shape[1]):
            spread = sigma[k, start + q] if sigma.size > 0 else 1.0
            variance = spread * spread
            sound = (spread > 0.0) & (variance > _LEAST_VARIANCE) & (variance < np.inf)
            precision = 1.0 / (variance if sound else 1.0)
            weight = precision if rule.weigh_by_sigma else (given[k, start + q] if given.size > 0 else 1.0)
            finite = np.isfinite(obs[k, start + q])
            present = finite & sound & (weight > 0.0) & (weight < np.inf)
            work.obs[k, q] = obs[k, start + q] if present else 0.0
            work.prior[k, q] = weight if present else 0.0
            work.variance[k, q] = variance if present else 0.0
            work.root[k, q] = np.sqrt(precision if sigma.size > 0 else weight) if present else 0.0
            work.touched[ref, q] += 1.0 if present else 0.0
            work.touched[sec, q] += 1.0 if present else 0.0
            work.used[q] += present
            work.finite[q] += finite


@jit
def _find_datum(layout: Layout, work: Work) -> None:
    # the first measured date of each pixel (the first of all where there is none), and its redundancy
    for q in range(work.ground.size):
        work.ground[q] = layout.position[0]
        dates = 0
        for j in range(layout.position.size - 1, -1, -1):
            place = layout.position[j]
            if work.touched[place, q] > 0.0:
                work.ground[q] = place
                dates += 1
        work.freedom[q] = work.used[q] - dates + 1


@jit
def _judge(start: int, layout: Layout, rule: Rule, work: Work, out: Solution) -> None:
    # write why a pixel has no displacement, its datum and how many pairs it used
    for q in range(work.ground.size):
        if work.used[q] == 0:
            reason = NO_DATA
        elif work.used[q] < rule.min_pairs:
            reason = TOO_FEW
        elif work.broken[q]:
            reason = BROKEN if rule.broken == NOT_A_NUMBER else BRIDGED
        else:
            reason = MEASURED
        place = rule.first + start + q
        out.reason[place] = reason
        out.pairs_used[place], out.pairs_rejected[place] = work.used[q], work.finite[q] - work.used[q]
        out.datum[place] = layout.order[work.ground[q]] if reason in (MEASURED, BRIDGED) else -1


@jit
def _posterior_variance(rule: Rule, work: Work, q: int, freedom: int, squares: bool) -> float:
    # of a pair of prior weight 1, from the residuals
    if freedom <= 0:
        return np.nan
    total = 0.0
    for k in range(work.weight.shape[0]):
        total += work.weight[k, q] * work.residual[k, q] * work.residual[k, q]
    return total / (freedom * (1.0 if squares else GAUSSIAN_LOSS)) / rule.share


@jit
def _spread_posterior(rule: Rule, work: Work, q: int, freedom: int, squares: bool) -> float:
    # the variances of the pairs, from the residuals
    unit = _posterior_variance(rule, work, q, freedom, squares)
    for k in range(work.prior.shape[0]):
        work.variance[k, q] = unit / work.prior[k, q] if work.prior[k, q] > 0.0 else 0.0
    return unit


@jit
def _sandwich(layout: Layout, work: Work) -> None:
    # step = diagonal of H A^T W V W A H, with V = variance / trust that of the pairs and H the inverse normal matrix
    column = work.before
    for j in range(column.shape[0]):
        column[:] = 0.0
        for q in range(column.shape[1]):
            column[j, q] = 0.0 if j == work.ground[q] else 1.0
            work.step[j, q] = 0.0
        substitute(work.c, work.reciprocal, layout.reach, column)
        for k in range(work.weight.shape[0]):
            ref, sec = layout.ref[k], layout.sec[k]
            for q in range(column.shape[1]):
                gain = work.weight[k, q] * (column[sec, q] - column[ref, q])
                work.step[j, q] += gain * gain * work.variance[k, q] / work.trust[k, q]


@jit
def _find_variance(layout: Layout, rule: Rule, work: Work, sigma_known: bool) -> None:
    # step = variance of each place relative to the datum, from errors that are independent from pair to pair
    if sigma_known and not rule.weigh_by_sigma:
        _sandwich(layout, work)
    else:
        invert_envelope(work.c, work.reciprocal, layout.reach, work.z)
        for j in range(work.step.shape[0]):
            for q in range(work.step.shape[1]):
                work.step[j, q] = work.z[j, 0, q]
    for q in range(work.ground.size):
        unit = 1.0 if sigma_known else _spread_posterior(rule, work, q, work.freedom[q], rule.norm == L2)
        unit *= L1_INFLATION if rule.norm == L1 else 1.0
        for j in range(work.step.shape[0]):
            work.step[j, q] *= unit


@jit
def _find_gaps(rule: Rule, work: Work) -> None:
    # pixels with a date that has no pairs, and the first date as datum
    for q in range(work.ground.size):
        if rule.every_date and work.used[q] > 0:
            for j in range(work.touched.shape[0]):
                work.broken[q] |= work.touched[j, q] == 0.0


@jit
def _bridge(
    layout: Layout, rule: Rule, work: Work, q: int, sigma_known: bool, combination: Floats, variance: Floats
) -> None:
    # minimum norm of one pixel from the motion of its islands: fills x, residual, step and variance (f,)
    weight, x = np.empty(work.prior.shape[0]), work.x[:, q].copy()
    for k in range(weight.size):
        weight[k] = work.prior[k, q] * work.trust[k, q]
        work.weight[k, q] = weight[k]
    bridge_islands(layout, weight, rule.days, rule.broken == BY_VELOCITY, x)
    if rule.every_date:
        work.ground[q] = layout.position[0]
    for j in range(x.size):
        work.x[j, q] = x[j] - x[work.ground[q]]
    find_residuals(layout, work)
    operator, rank = minimum_norm_operator(layout, weight, rule.days, rule.broken == BY_VELOCITY)
    if not sigma_known:
        _spread_posterior(rule, work, q, work.used[q] - rank, rule.norm == L2)
    inflation = L1_INFLATION if rule.norm == L1 and work.active[q] else 1.0
    ground = layout.order[work.ground[q]]
    error = np.zeros(weight.size)  # of each pair, passed on
    for j in range(x.size):
        for k in range(weight.size):
            error[k] = operator[layout.order[j], k] - operator[ground, k]
        work.step[j, q] = _passed_on(error, work, q, inflation)
    for f in range(combination.shape[0]):
        error[:] = 0.0
        for j in range(x.size):
            for k in range(weight.size):
                error[k] += combination[f, j] * (operator[j, k] - operator[ground, k])
        variance[f] = _passed_on(error, work, q, inflation)


@jit
def _passed_on(gain: Floats, work: Work, q: int, inflation: float) -> float:
    # the variance that pairs with such gains leave; ``inflation`` of L1, where it could be used
    total = 0.0
    for k in range(gain.size):
        if work.weight[k, q] > 0.0:
            total += gain[k] * gain[k] * work.variance[k, q] / work.trust[k, q]
    return total * inflation


@jit
def _combine(layout: Layout, rule: Rule, work: Work, combination: Floats, start: int, variance: Floats) -> None:
    # variance (f, P) of combinations g: with N y = g that of g x is the sum of (w (y_sec - y_ref))^2 V
    column = work.before
    for f in range(combination.shape[0]):
        for j in range(column.shape[0]):
            for q in range(column.shape[1]):
                column[j, q] = 0.0 if j == work.ground[q] else combination[f, layout.order[j]]
        substitute(work.c, work.reciprocal, layout.reach, column)
        for q in range(column.shape[1]):
            total = 0.0
            for k in range(work.weight.shape[0]):
                if work.weight[k, q] > 0.0:
                    gain = work.weight[k, q] * (column[layout.sec[k], q] - column[layout.ref[k], q])
                    total += gain * gain * work.variance[k, q] / work.trust[k, q]
            variance[f, start + q] = total * (L1_INFLATION if rule.norm == L1 else 1.0)


@jit
def _add_common(layout: Layout, rule: Rule, work: Work) -> None:
    # step becomes the standard error: with half the mean pair variance at each date, where errors belong to images
    work.common[:] = 0.0
    for k in range(work.variance.shape[0]):
        ref, sec = layout.ref[k], layout.sec[k]
        for q in range(work.variance.shape[1]):
            work.common[ref, q] += 0.5 * work.variance[k, q]
            work.common[sec, q] += 0.5 * work.variance[k, q]
    for j in range(work.common.shape[0]):
        for q in range(work.common.shape[1]):
            work.common[j, q] /= max(work.touched[j, q], 1.0)
    for j in range(work.common.shape[0]):
        for q in range(work.common.shape[1]):
            common = work.common[j, q] + work.common[work.ground[q], q]
            work.step[j, q] = np.sqrt(rule.share * work.step[j, q] + (1.0 - rule.share) * common)


@jit
def _write_statistics(start: int, rule: Rule, work: Work, out: Solution) -> None:
    # root mean square of the residuals, and their coherence as phase
    turn = 2.0 * np.pi / rule.cycle if rule.cycle > 0.0 else 0.0
    for q in range(work.ground.size):
        place = rule.first + start + q
        out.residual_rms[place], out.coherence[place] = np.nan, np.nan
        if out.datum[place] < 0:
            continue
        total, real, imaginary = 0.0, 0.0, 0.0
        for k in range(work.prior.shape[0]):
            if work.prior[k, q] > 0.0:
                total += work.residual[k, q] * work.residual[k, q]
                if turn > 0.0:
                    real += np.cos(turn * work.residual[k, q])
                    imaginary += np.sin(turn * work.residual[k, q])
        used = out.pairs_used[place]
        out.residual_rms[place] = np.sqrt(total / used)
        if turn > 0.0:
            out.coherence[place] = np.hypot(real, imaginary) / used


@jit
def _write_dates(start: int, layout: Layout, rule: Rule, work: Work, out: Solution) -> None:
    for j in range(layout.position.size):
        place = layout.position[j]
        for q in range(work.ground.size):
            pixel = rule.first + start + q
            known = out.datum[pixel] >= 0 and (work.touched[place, q] > 0.0 or rule.every_date)
            out.displacement[j, pixel] = work.x[place, q] if known else np.nan
            out.sigma[j, pixel] = (work.step[place, q] if place != work.ground[q] else 0.0) if known else np.nan


@jit
def _solve_lanes(
    obs: Floats,
    sigma: Floats,
    given: Floats,
    combination: Floats,
    start: int,
    layout: Layout,
    rule: Rule,
    work: Work,
    out: Solution,
) -> None:
    # solve the pixels from `start` on, as many as `work` holds
    sigma_known = sigma.size > 0
    _load(obs, sigma, given, start, layout, rule, work)
    _find_datum(layout, work)
    solve_norm(layout, work, rule.norm, np.sqrt(rule.share) if sigma_known else 0.0, rule.limits)
    _find_gaps(rule, work)
    _judge(start, layout, rule, work, out)
    _find_variance(layout, rule, work, sigma_known)
    _combine(layout, rule, work, combination, rule.first + start, out.variance)
    for q in range(work.ground.size):
        pixel = rule.first + start + q
        if out.reason[pixel] == BRIDGED:
            _bridge(layout, rule, work, q, sigma_known, combination, out.variance[:, pixel])
            out.datum[pixel] = layout.order[work.ground[q]]
        elif out.datum[pixel] < 0:
            out.variance[:, pixel] = np.nan
    _add_common(layout, rule, work)
    _write_statistics(start, rule, work, out)
    _write_dates(start, layout, rule, work, out)


def _lanes_of(pairs: int, layout: Layout) -> int:
    # the number changes the time, not the result
    dates = layout.position.size
    one = 8 * (9 * pairs + 2 * dates * (layout.width + 1) + 6 * dates)
    return int(np.clip(_LANES_BYTES // one // 8 * 8, _FEWEST_LANES, _MOST_LANES))


def solve_network(
    obs: npt.NDArray[Any],
    layout: Layout,
    rule: Rule,
    sigma: npt.NDArray[Any] | None = None,
    weight: npt.NDArray[Any] | None = None,
    combination: Floats | None = None,
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
    combination : array, (f, n), optional
        Combinations of dates whose variance is wanted, from errors that are independent from pair to pair.

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
    wanted = np.zeros((0, dates)) if combination is None else np.array(combination, np.float64, order="C")
    out = Solution(
        np.empty((dates, pixels)),
        np.empty((dates, pixels)),
        np.empty(pixels),
        np.empty(pixels),
        np.empty(pixels, np.int16),
        np.empty(pixels, np.int16),
        np.empty(pixels, np.uint8),
        np.empty(pixels, np.int16),
        np.empty((len(wanted), pixels)),
    )
    arrays = (obs, sigma, weight)
    in_threads(lambda start, stop: _solve_range(start, stop, arrays, wanted, layout, rule, out), pixels, _CHUNK)
    return out


def _solve_range(
    start: int,
    stop: int,
    arrays: Sequence[npt.NDArray[Any] | None],
    combination: Floats,
    layout: Layout,
    rule: Rule,
    out: Solution,
) -> None:
    pairs, none = layout.ref.size, np.empty((0, 0))
    lanes = _lanes_of(pairs, layout)
    for first in range(start, stop, _CHUNK):
        last = min(stop, first + _CHUNK)
        # double precision from here on, so that one kind of array is compiled
        chunk = [none if array is None else np.array(array[:, first:last], np.float64, order="C") for array in arrays]
        memory = make_work(pairs, layout, min(lanes, last - first))
        for place in range(0, last - first, lanes):
            if last - first - place < lanes:
                memory = make_work(pairs, layout, last - first - place)
            here = rule._replace(first=first)
            _solve_lanes(chunk[0], chunk[1], chunk[2], combination, place, layout, here, memory, out)


NORMS = {"l2": L2, "l1": L1, "huber": HUBER}
