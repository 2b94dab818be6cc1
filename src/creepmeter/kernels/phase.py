"""The network solver for interferograms: weights from coherence, least squares, one datum for all pixels.

The same elimination as in `creepmeter.kernels.solve`, without what large stacks do not ask for: no robust norm, no
datum of its own for each pixel, a standard error only on request. Weights are made while the data are loaded, and the
residuals become a temporal coherence at once.

Symbols: m pairs, n dates, P pixels. Phase is in radians, or in any unit if it is no phase.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

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
from creepmeter.kernels.minimum_norm import bridge_islands, minimum_norm_operator
from creepmeter.kernels.phase_weights import BIN, BINS, LEAST_COHERENCE, MOST_COHERENCE
from creepmeter.kernels.threads import in_threads

Singles = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

ALIKE, BY_COHERENCE, BY_INFORMATION, BY_VARIANCE, BY_SPREAD = 0, 1, 2, 3, 4
LEFT_OUT, MEASURED, BRIDGED = 0, 1, 2
LANES = 64  # pixels side by side: the loops over them are of known length
_CHUNK = 512  # pixels that a thread takes at a time
_CHUNK_BYTES = 800_000  # copied at a time, if possible: what stays in the second-level cache
MOST_SPREAD, LEAST_SPREAD = 100.0, 0.005  # of offsets: where none is stated, and the least that counts
_NONE, _ONE, _TWO = np.float32(0.0), np.float32(1.0), np.float32(2.0)
_LEAST = np.float32(LEAST_COHERENCE)
_ENDLESS = np.float32(np.inf)
_TURNS = 1.0 / (2.0 * np.pi)
_WHOLE = 6755399441055744.0  # 1.5 * 2^52: adding and subtracting it rounds to whole numbers
# sin(pi t) / t and cos(pi t) as polynomials in t^2 for |t| <= 1/2, to 5e-8
_S0, _S1, _S2 = np.float32(3.1415926401307073), np.float32(-5.167710083507897), np.float32(2.550077523214597)
_S3, _S4 = np.float32(-0.5982912856201582), np.float32(0.07765766030466505)
_C0, _C1, _C2 = np.float32(0.9999999532476085), np.float32(-4.934792830619644), np.float32(4.05841135286251)
_C3, _C4 = np.float32(-1.3318765680802547), np.float32(0.21968961109653679)


class PhaseRule(NamedTuple):
    """How a network of interferograms is solved.

    ``kind`` of weights: `ALIKE`, `BY_COHERENCE`, `BY_INFORMATION`, `BY_VARIANCE` (from ``table``, the weights of 200
    bins of coherence), `BY_SPREAD` (1/quality^2). ``looks``: of the information. ``reference`` (m,): values to
    subtract. ``is_phase``: 0 is missing, and residuals are turned around a circle. ``scale``: displacement per unit.
    ``least_pairs``: fewest pairs of each date after the first, else a pixel is left out. ``by_velocity``: islands are
    bridged with least velocity, else with least displacement. ``days`` (n,): time of the dates. ``with_sigma``: the
    standard error too, for weights that are inverse variances.
    """

    kind: int
    table: Floats
    looks: float
    reference: Singles
    is_phase: bool
    scale: float
    least_pairs: float
    by_velocity: bool
    days: Floats
    with_sigma: bool


class PhaseMask(NamedTuple):
    """What leaves single measurements out: ``values`` (m, P) below ``least``; ``whole`` numbers count where not 0."""

    values: npt.NDArray[Any]
    least: float
    whole: bool


class PhaseSolution(NamedTuple):
    """What the solver fills, float32: 0 where a pixel is left out.

    ``displacement`` (n, P) since the first date, ``sigma`` (n, P) or (0, P), ``quality`` (P,): temporal coherence of
    phases, else root of the sum of squared residuals. ``pairs`` (P,): how many were used. ``state`` (P,): `LEFT_OUT`,
    `MEASURED`, `BRIDGED`.
    """

    displacement: Singles
    sigma: Singles
    quality: Singles
    pairs: Singles
    state: Bytes


class _Lanes(NamedTuple):
    # memory of one thread; (m, LANES): obs to present; (n, width + 1, LANES): c, z; (n, LANES): reciprocal to touched
    obs: Floats
    weight: Floats
    pull: Floats
    turns: Singles
    present: Singles
    c: Floats
    z: Floats
    reciprocal: Floats
    x: Floats
    spread: Floats
    touched: Floats
    ground: Integers
    known: Singles
    real: Singles
    imaginary: Singles
    squares: Floats
    good: Flags
    broken: Flags


@jit
def _make_lanes(pairs: int, layout: Layout, with_sigma: bool) -> _Lanes:
    dates = layout.position.size
    p = np.zeros((3, pairs, LANES))
    s = np.zeros((2, pairs, LANES), np.float32)
    c = np.zeros((dates, layout.width + 1, LANES))
    z = np.zeros((dates if with_sigma else 0, layout.width + 1, LANES))
    d = np.zeros((4, dates, LANES))
    ground = np.full(LANES, layout.position[0])
    f = np.zeros((3, LANES), np.float32)
    b = np.zeros((2, LANES), np.bool_)
    parts = (p[0], p[1], p[2], s[0], s[1], c, z, d[0], d[1], d[2], d[3])
    return _Lanes(*parts, ground, f[0], f[1], f[2], np.zeros(LANES), b[0], b[1])


@jit
def _load(obs: Singles, start: int, rule: PhaseRule, lanes: _Lanes) -> None:
    # refer to the reference pixel; absent pairs are 0
    for q in range(LANES):
        lanes.known[q] = _NONE
    for k in range(obs.shape[0]):
        datum = rule.reference[k]
        for q in range(LANES):
            value = obs[k, start + q]
            change = value - datum
            known = abs(change) < _ENDLESS
            if rule.is_phase:
                known = known & (value != _NONE) & (change != _NONE)
            lanes.obs[k, q] = change if known else _NONE
            lanes.present[k, q] = _ONE if known else _NONE
            lanes.known[q] += _ONE if known else _NONE


@jit
def _raised(value: np.float32) -> np.float32:
    # NaN counts as none
    return value if value > _LEAST else _LEAST  # noqa: FURB136


@jit
def _weigh(quality: Singles, start: int, rule: PhaseRule, lanes: _Lanes) -> None:
    for k in range(lanes.weight.shape[0]):
        if rule.kind == BY_VARIANCE:
            for q in range(LANES):
                value = quality[k, start + q]
                raised = np.float64(min(_raised(value), _ONE))
                lanes.weight[k, q] = rule.table[np.int32((raised - 0.5 * BIN) / BIN)]
        elif rule.kind == ALIKE:
            lanes.weight[k, :] = 1.0
        else:
            _weigh_by_formula(quality, start, k, rule, lanes)
        for q in range(LANES):
            lanes.weight[k, q] *= lanes.present[k, q]


@jit
def _weigh_by_formula(quality: Singles, start: int, k: int, rule: PhaseRule, lanes: _Lanes) -> None:
    for q in range(LANES):
        value = quality[k, start + q]
        raised = np.float64(_raised(value))
        if rule.kind == BY_COHERENCE:
            lanes.weight[k, q] = raised
        elif rule.kind == BY_INFORMATION:
            square = min(raised, MOST_COHERENCE) ** 2
            lanes.weight[k, q] = 2.0 * rule.looks * square / (1.0 - square)
        else:
            spread = max(np.float64(value) if np.isfinite(value) else MOST_SPREAD, LEAST_SPREAD)
            lanes.weight[k, q] = 1.0 / (spread * spread)


@jit
def _judge(wanted: Flags, start: int, layout: Layout, rule: PhaseRule, lanes: _Lanes) -> bool:
    # which pixels have data, and at every date but the first as many pairs as asked for
    whole = rule.least_pairs <= 1.0
    for q in range(LANES):
        lanes.good[q] = wanted[start + q] and lanes.known[q] > _NONE
        whole &= lanes.known[q] == lanes.present.shape[0] or not wanted[start + q]
    if whole:
        return bool(lanes.good.any())
    lanes.touched[:] = 0.0
    for k in range(lanes.present.shape[0]):
        ref, sec = layout.ref[k], layout.sec[k]
        for q in range(LANES):
            lanes.touched[ref, q] += lanes.present[k, q]
            lanes.touched[sec, q] += lanes.present[k, q]
    for j in range(1, layout.position.size):
        place = layout.position[j]
        for q in range(LANES):
            lanes.good[q] &= lanes.touched[place, q] >= rule.least_pairs
    return bool(lanes.good.any())


@jit
def _solve(layout: Layout, lanes: _Lanes) -> None:
    assemble(lanes.c, lanes.weight, layout, lanes.ground)
    factor(lanes.c, lanes.reciprocal, layout.reach)
    for k in range(lanes.obs.shape[0]):
        for q in range(LANES):
            lanes.pull[k, q] = lanes.weight[k, q] * lanes.obs[k, q]
    right_hand_side(lanes.pull, layout, lanes.ground, lanes.x)
    substitute(lanes.c, lanes.reciprocal, layout.reach, lanes.x)


@jit
def _find_broken(layout: Layout, lanes: _Lanes) -> bool:
    # the last date of an island has no pivot
    for q in range(LANES):
        lanes.broken[q] = False
    for j in range(1, layout.position.size):
        place = layout.position[j]
        for q in range(LANES):
            lanes.broken[q] |= lanes.reciprocal[place, q] == 0.0
    found = False
    for q in range(LANES):
        lanes.broken[q] &= lanes.good[q]
        found |= lanes.broken[q]
    return found


@jit
def _find_spread(layout: Layout, lanes: _Lanes) -> None:
    invert_envelope(lanes.c, lanes.reciprocal, layout.reach, lanes.z)
    for j in range(lanes.spread.shape[0]):
        for q in range(LANES):
            lanes.spread[j, q] = np.sqrt(lanes.z[j, 0, q])


@jit
def _bridge(layout: Layout, rule: PhaseRule, lanes: _Lanes, q: int) -> None:
    weight, x = lanes.weight[:, q].copy(), lanes.x[:, q].copy()
    bridge_islands(layout, weight, rule.days, rule.by_velocity, x)
    lanes.x[:, q] = x
    if not rule.with_sigma:
        return
    operator, _ = minimum_norm_operator(layout, weight, rule.days, rule.by_velocity)
    for j in range(x.size):
        total = 0.0
        for k in range(weight.size):
            if weight[k] > 0.0:
                total += operator[layout.order[j], k] ** 2 / weight[k]
        lanes.spread[j, q] = np.sqrt(total)


@jit
def _find_turns(layout: Layout, lanes: _Lanes) -> None:
    # residuals as part of a turn, from -1/2 to 1/2
    for k in range(lanes.obs.shape[0]):
        ref, sec = layout.ref[k], layout.sec[k]
        for q in range(LANES):
            turn = (lanes.obs[k, q] - (lanes.x[sec, q] - lanes.x[ref, q])) * _TURNS
            lanes.turns[k, q] = turn - ((turn + _WHOLE) - _WHOLE)


@jit
def _find_coherence(lanes: _Lanes) -> None:
    for q in range(LANES):
        lanes.real[q], lanes.imaginary[q] = _NONE, _NONE
    for k in range(lanes.turns.shape[0]):
        for q in range(LANES):
            turn = lanes.turns[k, q]
            z = turn * turn
            sine = turn * (_S0 + z * (_S1 + z * (_S2 + z * (_S3 + z * _S4))))
            cosine = _C0 + z * (_C1 + z * (_C2 + z * (_C3 + z * _C4)))
            lanes.real[q] += lanes.present[k, q] * (_ONE - _TWO * sine * sine)
            lanes.imaginary[q] += lanes.present[k, q] * (_TWO * sine * cosine)
    for q in range(LANES):
        length = np.sqrt(lanes.real[q] * lanes.real[q] + lanes.imaginary[q] * lanes.imaginary[q])
        lanes.real[q] = length / max(lanes.known[q], _ONE)


@jit
def _find_misfit(layout: Layout, lanes: _Lanes) -> None:
    for q in range(LANES):
        lanes.squares[q] = 0.0
    for k in range(lanes.obs.shape[0]):
        ref, sec = layout.ref[k], layout.sec[k]
        for q in range(LANES):
            rest = lanes.obs[k, q] - (lanes.x[sec, q] - lanes.x[ref, q])
            lanes.squares[q] += lanes.present[k, q] * rest * rest
    for q in range(LANES):
        lanes.real[q] = np.float32(np.sqrt(lanes.squares[q]))


@jit
def _write(
    first: int, start: int, width: int, layout: Layout, rule: PhaseRule, lanes: _Lanes, out: PhaseSolution
) -> None:
    here = min(LANES, width - start)
    for j in range(layout.position.size):
        place = layout.position[j]
        for q in range(here):
            moved = np.float32(lanes.x[place, q] * rule.scale + 0.0)
            out.displacement[j, first + start + q] = moved if lanes.good[q] else _NONE
            if rule.with_sigma:
                spread = np.float32(lanes.spread[place, q] * abs(rule.scale))
                out.sigma[j, first + start + q] = spread if lanes.good[q] else _NONE
    for q in range(here):
        pixel = first + start + q
        if lanes.good[q]:
            out.quality[pixel], out.pairs[pixel] = lanes.real[q], lanes.known[q]
            out.state[pixel] = BRIDGED if lanes.broken[q] else MEASURED


@jit
def _solve_chunk(
    obs: Singles,
    quality: Singles,
    wanted: Flags,
    first: int,
    width: int,
    layout: Layout,
    rule: PhaseRule,
    lanes: _Lanes,
    out: PhaseSolution,
) -> None:
    for start in range(0, width, LANES):
        if not wanted[start : start + LANES].any():
            continue
        _load(obs, start, rule, lanes)
        _weigh(quality, start, rule, lanes)
        if not _judge(wanted, start, layout, rule, lanes):
            continue
        _solve(layout, lanes)
        broken = _find_broken(layout, lanes)
        if rule.with_sigma:
            _find_spread(layout, lanes)
        if broken:
            for q in range(LANES):
                if lanes.broken[q]:
                    _bridge(layout, rule, lanes, q)
        if rule.is_phase:
            _find_turns(layout, lanes)
            _find_coherence(lanes)
        else:
            _find_misfit(layout, lanes)
        _write(first, start, width, layout, rule, lanes, out)


def solve_phase(
    obs: npt.NDArray[Any],
    quality: npt.NDArray[Any] | None,
    wanted: Flags,
    layout: Layout,
    rule: PhaseRule,
    mask: PhaseMask | None = None,
) -> PhaseSolution:
    """Solve all pixels of a stack of interferograms or offsets.

    Parameters
    ----------
    obs : array, (m, P)
        Phase in radians, or offsets; NaN, and for phase 0, is missing.
    quality : array, (m, P), or None
        Coherence, or standard errors of offsets; not needed where all pairs weigh alike.
    wanted : array of bool, (P,)
        Pixels to solve.
    layout : Layout
        From `creepmeter.kernels.elimination.make_layout`.
    rule : PhaseRule
        What to do.
    mask : PhaseMask, optional
        Leaves single measurements out.

    Returns
    -------
    PhaseSolution
        Any blocking of the pixels and any number of threads gives the same bits.

    Notes
    -----
    Pixels whose network is in islands get the least-squares motion of each island, and the offsets between islands
    that make velocity (or displacement) least: the minimum-norm solution, whatever the weights.
    """
    pixels, dates = obs.shape[1], layout.position.size
    out = PhaseSolution(
        np.zeros((dates, pixels), np.float32),
        np.zeros((dates if rule.with_sigma else 0, pixels), np.float32),
        np.zeros(pixels, np.float32),
        np.zeros(pixels, np.float32),
        np.zeros(pixels, np.uint8),
    )
    data = _Data(obs, None if rule.kind == ALIKE else quality, np.ascontiguousarray(wanted), mask)
    in_threads(lambda start, stop: _solve_range(start, stop, data, layout, rule, out), pixels, _CHUNK)
    return out


class _Data(NamedTuple):
    obs: npt.NDArray[Any]
    quality: npt.NDArray[Any] | None
    wanted: Flags
    mask: PhaseMask | None


def lanes_bytes(layout: Layout, *, with_sigma: bool) -> int:
    """Return the memory that one thread works in, beside the pixels themselves."""
    pairs, dates = layout.ref.size, layout.position.size
    per_lane = 32 * pairs + 8 * dates * ((layout.width + 1) * (1 + with_sigma) + 4)
    return LANES * per_lane + 8 * pairs * _copied(pairs)


def _copied(pairs: int) -> int:
    # pixels copied at a time, whole groups
    return int(np.clip(_CHUNK_BYTES // (8 * pairs) // LANES * LANES, LANES, _CHUNK))


def _solve_range(start: int, stop: int, data: _Data, layout: Layout, rule: PhaseRule, out: PhaseSolution) -> None:
    pairs = layout.ref.size
    step = _copied(pairs)
    # one kind of array is compiled, whatever the type in the file; pixels beyond the last are missing
    obs = np.zeros((pairs, step), np.float32)
    quality = np.zeros((pairs, step), np.float32)
    wanted = np.zeros(step, np.bool_)
    lanes = _make_lanes(pairs, layout, rule.with_sigma)
    for first in range(start, stop, step):
        width = min(stop - first, step)
        here = slice(first, first + width)
        wanted[:width], wanted[width:] = data.wanted[here], False
        if not wanted.any():
            continue
        obs[:, :width] = data.obs[:, here]
        if data.quality is not None:
            quality[:, :width] = data.quality[:, here]
        if data.mask is not None:
            _leave_out(obs[:, :width], data.mask, here)
        _solve_chunk(obs, quality, wanted, first, width, layout, rule, lanes, out)


def _leave_out(obs: Singles, mask: PhaseMask, here: slice) -> None:
    values = mask.values[:, here]
    if mask.whole:
        obs[values == 0] = np.nan
    else:
        obs[~(values >= mask.least)] = np.nan


def weight_table(variance: Floats) -> Floats:
    """Return the weights of the bins of coherence, with one more for a coherence of 1, (201,)."""
    return 1.0 / np.append(variance, variance[BINS - 1])
