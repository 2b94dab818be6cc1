"""Refit of refined chips: pixels that do not fit weigh less, and the chip may be strained and turned.

Parameters are the shift of the middle and, if the chip may deform, the four displacements that strain and turn give the
edge of the chip, all in pixels. With gradients g_w and g_t of both images, freed of their mean and of their part along
the template t, each round solves::

    J delta = alpha sum u g_t e,    J = alpha / 2 sum u (g_w g_t^T + g_t g_w^T),    e = w - alpha t - beta

with weights u of pixels. Products of gradients of one image would hold its noise as well: in J they would make steps
too short, on the right they would draw the result to where interpolation smooths most. Standard errors are those of
`creepmeter.kernels.judge`.

Weights are those of Huber, which find their way from any start, then of Tukey, which forget what does not fit at all
(Holland and Welsch 1977, doi 10.1080/03610927708827533).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from creepmeter.kernels._jit import jit
from creepmeter.kernels.chip import (
    CLUSTER,
    DONE,
    GX,
    GY,
    LOST,
    WHOLE,
    WX,
    WY,
    Doubles,
    E,
    Floats,
    Images,
    M,
    N,
    Scratch,
    T,
    W,
    make_scratch,
    prepare_chip,
)
from creepmeter.kernels.judge import support
from creepmeter.kernels.refine import FIELDS
from creepmeter.kernels.spline import BEFORE, SUPPORT, along_columns, along_rows, slope_weights, spline_weights
from creepmeter.kernels.threads import in_threads

Work: TypeAlias = tuple[Doubles, Doubles, Doubles, Doubles, Doubles]  # row, gram, slopes, inverse of J, step
Room: TypeAlias = tuple[Scratch, Floats, Floats, Doubles, Doubles, Work]  # with errors, mask, parameters, fit
Way: TypeAlias = tuple[int, int, bool]  # edge of a chip, parameters, whether pixels are weighted

SHIFT, AFFINE = 2, 6  # parameters
REFIT_FIELDS = FIELDS + 4  # and the gradient of displacement: dy down, dy along, dx down, dx along
ROUNDS = 40
CONVERGED_PX = 1e-3
LONGEST_PX = 0.5  # of one step
STEEPEST = 0.25  # gradient of displacement beyond which a chip is lost
STARTS = 8  # reweightings before the first step, so that gain and level are those of most pixels
HUBER_ROUNDS, SCALE_ROUNDS = 8, 16  # rounds with Huber's weights; rounds in which the scale of errors follows them
HUBER, TUKEY = 0.5, 4.685  # near the least sum of errors; 95 % efficient for normal errors
TO_SIGMA = 1.4826
LEAST_SCALE = 1e-6  # of the mean error
PLAIN, SLOPING = 0, 1  # weights of errors; their derivative


@jit
def _sample_shifted(fraction_y: float, fraction_x: float, chip: int, scratch: Scratch) -> None:
    """Interpolate the secondary and its gradient, all pixels at one fraction of a pixel."""
    values, room, weights = scratch[0], scratch[1], scratch[2]
    stride = chip + SUPPORT - 1
    count, size = stride * stride - SUPPORT + 1, chip * stride
    spline_weights(fraction_y, weights[0])
    spline_weights(fraction_x, weights[1])
    slope_weights(fraction_y, weights[2])
    slope_weights(fraction_x, weights[3])
    along_rows(room[0], weights[1], count, room[1])
    along_rows(room[0], weights[3], count, room[2])
    along_columns(room[1], weights[0], stride, size, values[W])
    along_columns(room[1], weights[2], stride, size, values[WY])
    along_columns(room[2], weights[0], stride, size, values[WX])
    values[E] = values[M]


@jit
def _sample_pixel(images: Images, y: float, x: float, weights: Floats, q: int, values: Floats) -> bool:
    """Interpolate the secondary and its gradient at one place; false where that touches missing pixels."""
    top, left = int(np.floor(y)), int(np.floor(x))
    rows, columns = images[2].shape
    if top < BEFORE or left < BEFORE or top + SUPPORT - BEFORE > rows or left + SUPPORT - BEFORE > columns:
        return False
    if images[3][top, left] == 0:
        return False
    spline_weights(y - top, weights[0])
    spline_weights(x - left, weights[1])
    slope_weights(y - top, weights[2])
    slope_weights(x - left, weights[3])
    value = down = along = np.float32(0.0)
    for i in range(SUPPORT):
        line = images[2][top - BEFORE + i]
        across = slope = np.float32(0.0)
        for j in range(SUPPORT):
            across += weights[1, j] * line[left - BEFORE + j]
            slope += weights[3, j] * line[left - BEFORE + j]
        value += weights[0, i] * across
        down += weights[2, i] * across
        along += weights[0, i] * slope
    values[W, q], values[WY, q], values[WX, q] = value, down, along
    return True


@jit
def _sample_deformed(images: Images, place: Doubles, chip: int, parameters: Doubles, scratch: Scratch) -> None:
    """Interpolate the secondary and its gradient where the parameters put each pixel; E is 1 where that is known."""
    values = scratch[0]
    stride, half = chip + SUPPORT - 1, 0.5 * chip
    values[E] = np.float32(0.0)
    for i in range(chip):
        for j in range(chip):
            q, v, u = i * stride + j, (i - half + 0.5) / half, (j - half + 0.5) / half
            if values[M, q] == 0.0:
                continue
            y = place[0] + i + parameters[0] + parameters[2] * v + parameters[3] * u
            x = place[1] + j + parameters[1] + parameters[4] * v + parameters[5] * u
            values[E, q] = 1.0 if _sample_pixel(images, y, x, scratch[2], q, values) else 0.0


@jit
def _row_of(values: Floats, q: int, v: float, u: float, count: int, out: Doubles) -> None:
    """Write what one pixel adds: gradients of w, gradients of t, w, t, 1."""
    out[0], out[1], out[count], out[count + 1] = values[WY, q], values[WX, q], values[GY, q], values[GX, q]
    if count == AFFINE:
        for first in (0, count):
            out[first + 2], out[first + 3] = out[first] * v, out[first] * u
            out[first + 4], out[first + 5] = out[first + 1] * v, out[first + 1] * u
    out[2 * count], out[2 * count + 1], out[2 * count + 2] = values[W, q], values[T, q], 1.0


@jit
def _gram(values: Floats, chip: int, count: int, row: Doubles, out: Doubles) -> None:
    """Write the weighted sums of products of all that a pixel adds."""
    stride, half = chip + SUPPORT - 1, 0.5 * chip
    out[:] = 0.0
    for i in range(chip):
        for j in range(chip):
            q = i * stride + j
            weight = float(values[E, q])
            if weight == 0.0:
                continue
            _row_of(values, q, (i - half + 0.5) / half, (j - half + 0.5) / half, count, row)
            for a in range(len(row)):
                part = weight * row[a]
                for b in range(a + 1):
                    out[a, b] += part * row[b]
    for a in range(len(row)):
        for b in range(a):
            out[b, a] = out[a, b]


@jit
def _sweep(gram: Doubles, number: int, slopes: Doubles) -> bool:
    """Free what comes before column `number` of its part along it; write these parts. False without such a column."""
    if gram[number, number] <= 0.0:
        return False
    slopes[: number + 1] = gram[: number + 1, number] / gram[number, number]
    for a in range(number):
        for b in range(number):
            gram[a, b] -= slopes[a] * gram[number, b]
    return True


@jit
def _reduce(gram: Doubles, count: int, slopes: Doubles) -> float:
    """Free all of mean and template, parts of which go to `slopes` (2, ..); return the correlation, -1 without one."""
    if not _sweep(gram, 2 * count + 2, slopes[0]):
        return -1.0
    power = gram[2 * count, 2 * count] * gram[2 * count + 1, 2 * count + 1]
    if power <= 0.0 or not _sweep(gram, 2 * count + 1, slopes[1]):
        return -1.0
    common = slopes[1, 2 * count] * gram[2 * count + 1, 2 * count + 1]
    return float(common / np.sqrt(power))


@jit
def _slope_matrix(gram: Doubles, count: int, gain: float, out: Doubles) -> bool:
    """Write the inverse of J, in place by Gauss and Jordan; false unless J is positive definite."""
    for a in range(count):
        for b in range(count):
            out[a, b] = 0.5 * gain * (gram[a, count + b] + gram[b, count + a])
    for k in range(count):
        pivot = out[k, k]
        if pivot <= 0.0:
            return False
        out[k, k] = 1.0
        for b in range(count):
            out[k, b] /= pivot
        for a in range(count):
            if a == k:
                continue
            factor = out[a, k]
            out[a, k] = 0.0
            for b in range(count):
                out[a, b] -= factor * out[k, b]
    return True


@jit
def _weight_of(u: float, tukey: bool, kind: int) -> float:
    """Return the weight of an error, in standard deviations, or the derivative of weight times error."""
    if not tukey:
        inside = abs(u) <= HUBER
        return 1.0 if inside else (HUBER / abs(u) if kind == PLAIN else 0.0)
    square = (u / TUKEY) ** 2
    if square >= 1.0:
        return 0.0
    return (1.0 - square) * (1.0 - square if kind == PLAIN else 1.0 - 5.0 * square)


@jit
def _gain_and_level(values: Floats, weight: Floats) -> tuple[float, float]:
    """Return gain and level of the secondary over the template, weighted."""
    w, t = values[W], values[T]
    n = sw = st = swt = stt = 0.0
    for q in range(len(weight)):
        n += weight[q]
        sw += weight[q] * w[q]
        st += weight[q] * t[q]
        swt += weight[q] * w[q] * t[q]
        stt += weight[q] * t[q] * t[q]
    gain = (swt - sw * st / n) / max(stt - st * st / n, 1e-30)
    return gain, (sw - gain * st) / n


@jit
def _weigh(values: Floats, mask: Floats, fit: Doubles, tukey: bool, kind: int, follow: bool, errors: Floats) -> None:
    """Write weights into E from errors about `fit` = gain, level, scale; the scale is renewed if it is to follow."""
    w, t = values[W], values[T]
    if follow:
        count = 0
        for q in range(len(mask)):
            if mask[q] > 0.0:
                errors[count] = abs(w[q] - fit[0] * t[q] - fit[1])
                count += 1
        fit[2] = max(TO_SIGMA * np.median(errors[:count]), LEAST_SCALE * errors[:count].mean() + 1e-30)
    for q in range(len(mask)):
        u = (w[q] - fit[0] * t[q] - fit[1]) / fit[2]
        values[E, q] = mask[q] * np.float32(_weight_of(u, tukey, kind)) if mask[q] > 0.0 else np.float32(0.0)


@jit
def _add_error(row: Doubles, weight: float, fit: Doubles, slopes: Doubles, total: Doubles) -> None:
    """Add u G e of one pixel; G is the mean of both gradients, freed of mean and of its part along the template."""
    count, gain = len(total), fit[0]
    t = row[2 * count + 1]
    error = weight * (row[2 * count] - gain * t - fit[1])
    for k in range(count):
        part = 0.5 * (slopes[1, k] + gain * slopes[1, count + k])
        level = 0.5 * (slopes[0, k] + gain * slopes[0, count + k]) - part * slopes[0, 2 * count + 1]
        total[k] += error * (0.5 * (row[k] + gain * row[count + k]) - part * t - level)


@jit
def _spread(values: Floats, way: Way, fit: Doubles, slopes: Doubles, row: Doubles, out: Doubles) -> int:
    """Write sums over cells of the products of sums of u G e; return the number of cells."""
    chip, count, _ = way
    stride, half, across = chip + SUPPORT - 1, 0.5 * chip, (chip + CLUSTER - 1) // CLUSTER
    totals = np.zeros((across * across, count))
    for i in range(chip):
        for j in range(chip):
            q = i * stride + j
            _row_of(values, q, (i - half + 0.5) / half, (j - half + 0.5) / half, count, row)
            _add_error(row, float(values[E, q]), fit, slopes, totals[i // CLUSTER * across + j // CLUSTER])
    for a in range(count):
        for b in range(count):
            out[a, b] = (totals[:, a] * totals[:, b]).sum()
    return across * across


@jit
def _sample(images: Images, place: Doubles, way: Way, least: float, parameters: Doubles, scratch: Scratch) -> bool:
    """Sample the secondary at the parameters; false where too little can be compared."""
    corner = scratch[6]
    base_y, base_x = int(np.floor(parameters[0])), int(np.floor(parameters[1]))
    corner[0], corner[1], corner[2], corner[3] = int(place[0]), int(place[1]), base_y, base_x
    if prepare_chip(images, corner, way[0], least, scratch) != DONE:
        return False
    if way[1] == SHIFT:
        _sample_shifted(parameters[0] - base_y, parameters[1] - base_x, way[0], scratch)
    else:
        _sample_deformed(images, place, way[0], parameters, scratch)
    return bool(scratch[0][E].sum() >= least)


@jit
def _step(values: Floats, mask: Floats, way: Way, number: int, fit: Doubles, errors: Floats, work: Work) -> float:
    """Weigh pixels, and write the step to take off and the inverse of J; return the correlation, negative if lost."""
    chip, count, robust = way
    row, gram, slopes, inverse, step = work
    if robust and number == 0:
        for _ in range(STARTS):
            fit[0], fit[1] = _gain_and_level(values, values[E])
            _weigh(values, mask, fit, False, PLAIN, True, errors)
    elif robust:
        _weigh(values, mask, fit, number >= HUBER_ROUNDS, PLAIN, number < SCALE_ROUNDS, errors)
    _gram(values, chip, count, row, gram)
    correlation = _reduce(gram, count, slopes)
    fit[0] = slopes[1, 2 * count]
    fit[1] = slopes[0, 2 * count] - fit[0] * slopes[0, 2 * count + 1]
    if correlation <= 0.0 or not _slope_matrix(gram, count, fit[0], inverse):
        return -1.0
    for a in range(count):
        step[a] = 0.0
        for b in range(count):
            step[a] += inverse[a, b] * fit[0] * gram[count + b, 2 * count]
    return correlation


@jit
def _leave_out(values: Floats, mask: Floats) -> float:
    """Hide pixels that have no weight, and return the share of pixels that stay."""
    stay = every = 0.0
    for q in range(len(mask)):
        every += mask[q]
        if values[E, q] > 0.0:
            stay += mask[q]
        else:
            values[T, q] = values[M, q] = np.float32(0.0)
    return stay / max(every, 1.0)


@jit
def _judge(
    values: Floats, mask: Floats, way: Way, fit: Doubles, errors: Floats, lines: Floats, work: Work, out: Floats
) -> None:
    """Write standard errors and support; pixels without weight are left out of the parts of a chip."""
    chip, count, robust = way
    row, gram, slopes, inverse, _ = work
    kept = _leave_out(values, mask)
    inner = np.empty((count, count))
    cells = _spread(values, way, fit, slopes, row, inner)
    if robust:
        _weigh(values, mask, fit, True, SLOPING, False, errors)
        _gram(values, chip, count, row, gram)
        if _reduce(gram, count, slopes) < 0.0 or not _slope_matrix(gram, count, fit[0], inverse):
            out[3] = out[4] = np.inf
            return
    for k in range(SHIFT):
        variance = 0.0
        for a in range(count):
            for b in range(count):
                variance += inverse[k, a] * inner[a, b] * inverse[k, b]
        out[3 + k] = np.sqrt(max(0.0, variance) * cells / max(1, cells - count + SHIFT))
    support(values, chip, lines, out)
    out[6] *= kept


@jit
def refit_chip(images: Images, place: Doubles, way: Way, limits: tuple[float, float], room: Room, out: Floats) -> None:
    """Refit one chip into `out`, fields as in `refit_chips`; `limits` = fewest pixels, farthest from the start."""
    scratch, errors, mask, parameters, fit, work = room
    chip, count, robust = way
    values, half = scratch[0], 0.5 * chip
    parameters[:] = 0.0
    parameters[0], parameters[1] = place[2], place[3]
    out[5] = LOST
    for number in range(ROUNDS):
        if not _sample(images, place, way, limits[0], parameters, scratch):
            return
        mask[:] = values[E]
        correlation = _step(values, mask, way, number, fit, errors, work)
        if correlation < 0.0:
            return
        longest = 0.0
        for k in range(count):
            step = min(LONGEST_PX, max(-LONGEST_PX, work[4][k]))
            parameters[k] -= step
            longest = max(longest, abs(step))
        if max(abs(parameters[0] - place[2]), abs(parameters[1] - place[3])) > limits[1]:
            return
        if np.abs(parameters[2:]).max() > STEEPEST * half:
            return
        if longest < CONVERGED_PX and (number > SCALE_ROUNDS or not robust):
            out[0], out[1], out[2], out[5] = parameters[0], parameters[1], correlation, DONE
            out[FIELDS:] = parameters[2:] / half
            _judge(values, mask, way, fit, errors, scratch[4], work, out)
            scratch[3][N] = 0.0  # the mask of the next chip is not this one's
            return


@jit
def _make_room(chip: int, count: int) -> Room:
    """Return memory for chips of one size."""
    scratch, columns = make_scratch(chip), 2 * count + 3
    scratch[6][WHOLE] = 0
    size = scratch[0].shape[1]
    work = (np.zeros(columns), np.zeros((columns, columns)), np.zeros((2, columns)), np.zeros((count, count)))
    step = np.zeros(count)
    lines = (np.zeros(size, np.float32), np.zeros(size, np.float32))
    return scratch, lines[0], lines[1], np.zeros(AFFINE), np.zeros(3), (work[0], work[1], work[2], work[3], step)


@jit
def _refit_range(
    start: int, stop: int, images: Images, places: Doubles, way: Way, limits: tuple[float, float], out: Floats
) -> None:
    """Refit chips `start` to `stop`."""
    room = _make_room(way[0], way[1])
    for k in range(start, stop):
        refit_chip(images, places[k], way, limits, room, out[k])


def refit_chips(images: Images, places: Doubles, way: Way, least: float, reach: float) -> Floats:
    """Refit many chips.

    Parameters
    ----------
    images : (ref, ref_solid, coefficients, sec_solid)
        As of `creepmeter.kernels.refine.refine_chips`.
    places : float64 (chips, 4)
        Top, left, start dy, start dx.
    way : (chip, parameters, robust)
        Edge of a chip, pixels; SHIFT or AFFINE; whether pixels that do not fit weigh less.
    least : float
        Fewest valid pixels.
    reach : float
        How far the result may lie from its start, pixels.

    Returns
    -------
    float32 (chips, 12)
        The fields of `refine_chips`, state DONE or LOST; then the gradient of displacement, pixels per pixel: dy
        downward, dy along, dx downward, dx along. NaN where lost.
    """
    out = np.full((len(places), REFIT_FIELDS), np.nan, np.float32)
    in_threads(lambda start, stop: _refit_range(start, stop, images, places, way, (least, reach), out), len(places))
    return out
