"""Sub-pixel refinement: inverse-compositional Gauss-Newton on a B-spline image.

The chip t of the reference is compared with the secondary w at a shifted place, w(x + d), with gain and offset free::

    minimise  sum m [ w(x + d) - alpha t(x) - beta ]^2   over d, alpha, beta

The gradient g of the chip, freed of its mean and of its part along t, is computed once; each round solves
``(sum m g g^T) delta = sum m g (w - alpha t) / alpha`` and sets ``d <- d - delta`` (Baker and Matthews 2004,
doi 10.1023/B:VISI.0000011205.11775.fd). Rounds shrink the error by a nearly constant factor, which noise in the
template brings near one; the factor is seen in two moves, and the rest of the way is taken at once (secant). Pixels
missing in either image, or whose interpolation touches a missing pixel, have the weight m = 0.
"""

from __future__ import annotations

import numpy as np

from creepmeter.kernels._jit import jit, jit_fast
from creepmeter.kernels.chip import (
    DONE,
    FOUND,
    GX,
    GY,
    I_XX,
    I_YX,
    I_YY,
    LOST,
    S_T,
    S_TT,
    S_TX,
    S_TY,
    S_X,
    S_Y,
    WHOLE,
    Doubles,
    Floats,
    Images,
    Ints,
    M,
    N,
    Scratch,
    T,
    W,
    all_true,
    make_scratch,
    prepare_chip,
)
from creepmeter.kernels.judge import judge
from creepmeter.kernels.spline import SUPPORT, along_rows, spline_weights
from creepmeter.kernels.threads import in_threads

ROUNDS = 20
CONVERGED_PX = 1e-3
CONVERGED_LATER_PX = 2e-2  # once the slope of moves is known, the step errs by a twentieth of itself
CONVERGED_PX2 = 2e-3  # or by a tenth of its product with the step before, over which the slope was seen
ROUNDING_PX = 1e-5  # a first step shorter than this is rounding and is not taken
FIELDS = 8  # dy, dx, correlation, sigma dy, sigma dx, state, support, correlation of parts
FAR = -(2**30)  # no chip is prepared yet
FLATTEST, STEEPEST = 0.15, 1.5  # bounds of the slope of moves
LEAST_MOVE_PX = 2e-3  # the slope is not estimated from shorter steps
USUAL_CHIP = 32
GROUP_PX = 128  # chips whose corners lie in one square of this size are looked at together for missing pixels


@jit_fast
def _compared_sums(lines: Floats, weights: Floats, stride: int, values: Floats, found: Doubles) -> None:
    """Interpolate down the columns and write sums of w, w w, w t, w gy, w gx over a chip."""
    s = np.uint64(stride)
    w0, w1, w2, w3, w4, w5 = weights[0], weights[1], weights[2], weights[3], weights[4], weights[5]
    t, gy, gx, m, w = values[T], values[GY], values[GX], values[M], values[W]
    sw = sww = swt = swy = swx = np.float32(0.0)
    for q in range(np.uint64(len(m))):
        value = (
            w0 * lines[q] + w1 * lines[q + s] + w2 * lines[q + s + s]
            + w3 * lines[q + s + s + s] + w4 * lines[q + s + s + s + s] + w5 * lines[q + s + s + s + s + s]
        )  # fmt: skip
        w[q] = value
        kept = value * m[q]
        sw += kept
        sww += kept * value
        swt += value * t[q]
        swy += value * gy[q]
        swx += value * gx[q]
    found[0], found[1], found[2], found[3], found[4] = sw, sww, swt, swy, swx


@jit
def compare(fraction_y: float, fraction_x: float, chip: int, scratch: Scratch, found: Doubles) -> None:
    """Do one round: write gain, move (dy, dx), correlation, sum of w, and scale of t over that of w into `found`."""
    values, room, weights, sums = scratch[0], scratch[1], scratch[2], scratch[3]
    stride = chip + SUPPORT - 1
    spline_weights(fraction_y, weights[0])
    spline_weights(fraction_x, weights[1])
    along_rows(room[0], weights[1], stride * stride - SUPPORT + 1, room[1])
    _compared_sums(room[1], weights[0], stride, values, found)
    n, st, stt = sums[N], sums[S_T], sums[S_TT]
    sw, sww, swt, swy, swx = found[0], found[1], found[2], found[3], found[4]
    energy = stt - st * st / n
    common = swt - st * sw / n
    gain = common / energy
    found[0], found[4] = gain, sw
    power = max(sww - sw * sw / n, 1e-30)
    found[3], found[5] = common / np.sqrt(energy * power), np.sqrt(energy / power)
    if gain <= 0.0:
        return
    y = swy - sums[S_Y] * sw / n - (sums[S_TY] - st * sums[S_Y] / n) * gain
    x = swx - sums[S_X] * sw / n - (sums[S_TX] - st * sums[S_X] / n) * gain
    found[1] = (sums[I_YY] * y + sums[I_YX] * x) / gain
    found[2] = (sums[I_YX] * y + sums[I_XX] * x) / gain


@jit
def secant_slope(move: Doubles, before: Doubles, step: Doubles, slope: float) -> float:
    """Return by how much a move shrinks per pixel gone, from the last two moves and the step between them.

    1 without noise; noise in the template makes moves too short. Steps too short to tell leave `slope` as it is.
    """
    power = step[0] * step[0] + step[1] * step[1]
    if power < LEAST_MOVE_PX * LEAST_MOVE_PX:
        return slope
    seen = ((before[0] - move[0]) * step[0] + (before[1] - move[1]) * step[1]) / power
    return float(min(STEEPEST, max(FLATTEST, seen)))


@jit
def refine_chip(
    images: Images, start: Doubles, chip: int, limits: tuple[float, float], scratch: Scratch, out: Floats
) -> None:
    """Refine one chip into `out`, fields as in `refine_chips`.

    `start` = top, left, start dy, start dx; `limits` = fewest pixels, farthest from the start.
    """
    place, found = scratch[6], scratch[3][FOUND : FOUND + 6]
    move, before, step = scratch[5][:2], scratch[5][2:4], scratch[5][4:]
    place[0], place[1], place[2], place[3] = int(start[0]), int(start[1]), FAR, FAR
    dy, dx, slope, last = start[2], start[3], 1.0, 0.0
    out[5] = LOST
    for number in range(ROUNDS):
        base_y, base_x = int(np.floor(dy)), int(np.floor(dx))
        if base_y != place[2] or base_x != place[3]:
            place[2], place[3] = base_y, base_x
            state = prepare_chip(images, place, chip, limits[0], scratch)
            if state != DONE:
                out[5] = state
                return
        compare(dy - base_y, dx - base_x, chip, scratch, found)
        if found[0] <= 0.0:
            return
        move[0], move[1] = found[1], found[2]
        if number > 0:
            slope = secant_slope(move, before, step, slope)
        before[0], before[1] = move[0], move[1]
        step[0], step[1] = move[0] / slope, move[1] / slope
        if number == 0 and max(abs(step[0]), abs(step[1])) < ROUNDING_PX:
            step[0] = step[1] = 0.0
        dy -= step[0]
        dx -= step[1]
        if abs(dy - start[2]) > limits[1] or abs(dx - start[3]) > limits[1]:
            return
        length = max(abs(step[0]), abs(step[1]))
        near = length < CONVERGED_LATER_PX and length * last < CONVERGED_PX2
        if length < CONVERGED_PX or (number > 0 and near):
            out[5] = DONE
            break
        last = length
    out[0], out[1] = dy, dx
    if out[5] == DONE:
        judge(dy + step[0] - place[2], dx + step[1] - place[3], chip, scratch, out)


@jit
def _refine_range(
    start: int, stop: int, images: Images, places: Doubles, groups: Ints, chip: int, limits: tuple[float, float],
    out: Floats,
) -> None:  # fmt: skip
    """Refine groups `start` to `stop` of chips; for a group it is found out once whether pixels are missing near it."""
    scratch = make_scratch(chip)
    for group in range(start, stop):
        first, last = groups[group], groups[group + 1]
        top, left = int(places[first:last, 0].min()), int(places[first:last, 1].min())
        low, right = int(places[first:last, 0].max()) + chip, int(places[first:last, 1].max()) + chip
        y0 = top + int(np.floor(places[first:last, 2].min() - limits[1]))
        x0 = left + int(np.floor(places[first:last, 3].min() - limits[1]))
        y1 = low + int(np.ceil(places[first:last, 2].max() + limits[1]))
        x1 = right + int(np.ceil(places[first:last, 3].max() + limits[1]))
        whole = all_true(images[1], top, left, low - top, right - left)
        scratch[6][WHOLE] = 1 if whole and all_true(images[3], y0, x0, y1 - y0, x1 - x0) else 0
        if chip == USUAL_CHIP:  # compiled for that very size, a fifth faster
            for k in range(first, last):
                refine_chip(images, places[k], USUAL_CHIP, limits, scratch, out[k])
        else:
            for k in range(first, last):
                refine_chip(images, places[k], chip, limits, scratch, out[k])


def refine_chips(images: Images, places: Doubles, chip: int, least: float, reach: float) -> Floats:
    """Refine many chips; see `refine_chip`.

    Parameters
    ----------
    images : (ref, ref_solid, coefficients, sec_solid)
        Reference (float32, missing = 0); where a pixel and its two neighbours on every side are valid (bool); quintic
        B-spline coefficients of the secondary (float32); where an interpolation to the right of and below a pixel
        touches valid pixels only (bool). All (rows, columns).
    places : float64 (chips, 4)
        Top, left, start dy, start dx. Chips that follow each other should lie close together.
    chip : int
        Edge of a chip, pixels.
    least : float
        Fewest valid pixels.
    reach : float
        How far the result may lie from its start, pixels.

    Returns
    -------
    float32 (chips, 7)
        dy, dx, correlation, sigma dy, sigma dx, state (DONE, TOO_FEW, FLAT, LOST), support (share of the chip that
        correlates by itself).
    """
    out = np.full((len(places), FIELDS), np.nan, np.float32)
    groups = _group(places, chip)
    in_threads(
        lambda start, stop: _refine_range(start, stop, images, places, groups, chip, (least, reach), out),
        len(groups) - 1,
    )
    return out


def _group(places: Doubles, chip: int) -> Ints:
    """Return where groups of neighbouring chips start, and the end of the last one."""
    square = np.floor(places[:, :2] / max(GROUP_PX, chip)).astype(np.int64)
    changes = np.flatnonzero((square[1:] != square[:-1]).any(axis=1)) + 1
    return np.concatenate([[0], changes, [len(places)]]) if len(places) else np.zeros(1, np.int64)
