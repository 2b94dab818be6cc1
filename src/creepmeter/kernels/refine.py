"""Sub-pixel refinement: inverse-compositional Gauss-Newton on a B-spline image.

The chip t of the reference is compared with the secondary w at a shifted place, w(x + d), with gain and offset free::

    minimise  sum m [ w(x + d) - alpha t(x) - beta ]^2   over d, alpha, beta

The gradient g of the chip, freed of its mean and of its part along t, is computed once; each round solves
``(sum m g g^T) delta = sum m g (w - alpha t) / alpha`` and sets ``d <- d - delta`` (Baker and Matthews 2004,
doi 10.1023/B:VISI.0000011205.11775.fd). Rounds shrink the error by a nearly constant factor, which noise in the
template brings near one; the factor is seen in two moves, and the rest of the way is taken at once (Aitken). Pixels
missing in either image, or whose interpolation touches a missing pixel, have the weight m = 0.

Chips are kept flat, row behind row, each row followed by SUPPORT - 1 places of weight 0, so that every loop is long.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from creepmeter.kernels._jit import jit, jit_fast
from creepmeter.kernels.spline import BEFORE, SUPPORT, along_columns, along_rows, slope_weights, spline_weights
from creepmeter.kernels.threads import in_threads

Floats: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]
Bytes: TypeAlias = npt.NDArray[np.uint8]
Bools: TypeAlias = npt.NDArray[np.bool_]
Ints: TypeAlias = npt.NDArray[np.int64]
Images: TypeAlias = tuple[Floats, Bytes, Floats, Bytes]  # ref, ref_solid, coefficients of sec, sec_solid
Chip: TypeAlias = Floats  # (CHIP_ROWS, flat chip)
Scratch: TypeAlias = tuple[Floats, Floats, Floats, Doubles, Floats, Doubles, Ints]
# of one chip: flat rows; spline window, lines, their slopes, template window; spline weights; sums; sums of columns; moves; place

GRADIENT_REACH = 2  # pixels on each side that the five-point derivative looks at
ROUNDS = 20
CONVERGED_PX = 1e-3
CONVERGED_LATER_PX = 5e-3  # once the slope of moves is known, the step errs by a small part of itself
FIELDS = 8  # dy, dx, correlation, sigma dy, sigma dx, state, support, correlation of parts
DONE, TOO_FEW, FLAT, LOST = 0, 1, 2, 3
T, GY, GX, M, W, WY, WX, E, ONES = range(9)  # of a chip: template, gradient, mask, secondary, gradient, error, no mask
CHIP_ROWS = 9
N, S_T, S_TT, S_Y, S_X, S_TY, S_TX, S_YY, S_YX, S_XX, I_YY, I_YX, I_XX, FOUND = range(14)  # sums over a chip; inverse
SUMS = FOUND + 14
PART_SUMS = 6
MOVES = 6  # this move, the one before, the step between them; (dy, dx) each
WHOLE = 4  # place in a chip's place that says that no pixel is missing anywhere near
PAD = np.uint64(SUPPORT - 1)
FAR = -(2**30)  # no chip is prepared yet
CLUSTER = 4  # pixels over which errors are summed before squaring; longer cells leave too few to average
FLATTEST, STEEPEST = 0.15, 1.5  # bounds of the slope of moves
LEAST_MOVE_PX = 2e-3  # the slope is not estimated from shorter steps
PART_PX = 8  # edge of the parts of a chip whose correlation is looked at one by one
STRIP = 32  # columns of a chip summed together; a fixed length, which compilers turn into vectors
_STRIP, _2, _3, _4, _5 = (np.uint64(k * STRIP) for k in range(1, 6))
_8, _one, _two = np.uint64(8), np.uint64(1), np.uint64(2)
LEAST_IN_PART = 16  # fewer common pixels say nothing
NOISE_LIMIT = 2.0  # correlation of a part in standard errors, 1 / sqrt(pixels), of that of unrelated white noise
GROUP_PX = 128  # chips whose corners lie in one square of this size share template and gradient
SINGULAR = 1e-6  # determinant over product of the diagonal below which the gradient has one direction only


@jit_fast
def load_template(window: Floats, stride: int, level: np.float32, values: Chip) -> None:
    """Write template, about a level, and five-point derivatives under the mask; `window` has a margin of two pixels."""
    t, gy, gx, m = values[T], values[GY], values[GX], values[M]
    corner = np.uint64(GRADIENT_REACH * stride + GRADIENT_REACH)
    far, near, s = np.float32(1.0 / 12.0), np.float32(8.0 / 12.0), np.uint64(stride)
    count = np.uint64(len(t) - STRIP)
    for q in range(count):
        t[q] = (window[q + corner] - level) * m[q]
    for q in range(count):
        p = q + corner
        gx[q] = (near * (window[p + _one] - window[p - _one]) - far * (window[p + _two] - window[p - _two])) * m[q]
    for q in range(count):
        p = q + corner
        gy[q] = (near * (window[p + s] - window[p - s]) - far * (window[p + s + s] - window[p - s - s])) * m[q]


@jit
def copy_flat(source: Floats | Bools, top: int, left: int, stride: int, out: Floats, height: int, width: int) -> None:
    """Copy a window that lies inside `source` into rows of a flat array, `stride` apart."""
    flat = source.reshape(-1)
    pitch = source.shape[1]
    for i in range(height):
        start, target = np.uint64((top + i) * pitch + left), np.uint64(i * stride)
        for j in range(np.uint64(width)):
            out[target + j] = flat[start + j]


@jit
def copy_clipped(source: Floats | Bools, top: int, left: int, stride: int, out: Floats, height: int, width: int) -> None:
    """Copy a window into rows of a flat array; outside `source` it is 0."""
    rows, columns = source.shape
    if top >= 0 and left >= 0 and top + height <= rows and left + width <= columns:
        copy_flat(source, top, left, stride, out, height, width)
        return
    for i in range(height):
        for j in range(width):
            y, x = top + i, left + j
            out[i * stride + j] = source[y, x] if 0 <= y < rows and 0 <= x < columns else 0.0


@jit_fast
def _total(a: Floats) -> float:
    total = np.float32(0.0)
    for q in range(len(a)):
        total += a[q]
    return float(total)


@jit_fast
def _product(a: Floats, b: Floats) -> float:
    total = np.float32(0.0)
    for q in range(len(a)):
        total += a[q] * b[q]
    return float(total)


@jit_fast
def template_sums(t: Floats, gy: Floats, gx: Floats, sums: Doubles) -> None:
    """Write the sums over a chip of template and gradient, which are 0 where the weight is."""
    st = sy = sx = stt = sty = stx = syy = syx = sxx = np.float32(0.0)
    for q in range(len(t)):
        a, b, c = t[q], gy[q], gx[q]
        st += a
        sy += b
        sx += c
        stt += a * a
        sty += a * b
        stx += a * c
        syy += b * b
        syx += b * c
        sxx += c * c
    sums[S_T], sums[S_Y], sums[S_X], sums[S_TT], sums[S_TY], sums[S_TX] = st, sy, sx, stt, sty, stx
    sums[S_YY], sums[S_YX], sums[S_XX] = syy, syx, sxx


@jit
def _invert_normal(sums: Doubles) -> bool:
    """Write the inverse of sum g g^T, g freed of its mean and its part along t; false when it has one direction only."""
    n, st = sums[N], sums[S_T]
    energy = sums[S_TT] - st * st / n
    if energy <= 0.0:
        return False
    ty, tx = sums[S_TY] - st * sums[S_Y] / n, sums[S_TX] - st * sums[S_X] / n
    a = sums[S_YY] - sums[S_Y] * sums[S_Y] / n - ty * ty / energy
    b = sums[S_YX] - sums[S_Y] * sums[S_X] / n - ty * tx / energy
    c = sums[S_XX] - sums[S_X] * sums[S_X] / n - tx * tx / energy
    determinant = a * c - b * b
    if determinant <= SINGULAR * a * c or a <= 0.0 or c <= 0.0:
        return False
    sums[I_YY], sums[I_YX], sums[I_XX] = c / determinant, -b / determinant, a / determinant
    return True


@jit
def _all_true(mask: Bytes, top: int, left: int, height: int, width: int) -> bool:
    """Tell whether a window of a mask lies inside it and is 1 everywhere."""
    rows, columns = mask.shape
    if top < 0 or left < 0 or top + height > rows or left + width > columns:
        return False
    flat = mask.reshape(-1)
    both = np.uint8(1)
    for i in range(height):
        start = np.uint64((top + i) * columns + left)
        for j in range(np.uint64(width)):
            both &= flat[start + j]
    return both != 0


@jit
def _mask_chip(images: Images, place: Ints, chip: int, values: Chip) -> float:
    """Write the mask of a chip and return the number of pixels it leaves."""
    stride = chip + SUPPORT - 1
    m, w = values[M], values[W]
    copy_clipped(images[1], place[0], place[1], stride, m, chip, chip)
    copy_clipped(images[3], place[0] + place[2], place[1] + place[3], stride, w, chip, chip)
    for q in range(len(m)):
        m[q] *= w[q]
    return _total(m)


@jit
def prepare_chip(images: Images, place: Ints, chip: int, least: float, scratch: Scratch) -> int:
    """Load template, gradient, mask and spline window of one chip for one whole-pixel offset.

    `place` = top, left, offset dy, dx, whether no pixel is missing anywhere near.
    """
    values, room, sums = scratch[0], scratch[1], scratch[3]
    stride = chip + SUPPORT - 1
    top, left, dy, dx = place[0], place[1], place[2], place[3]
    if place[WHOLE] != 0 or (
        _all_true(images[1], top, left, chip, chip) and _all_true(images[3], top + dy, left + dx, chip, chip)
    ):
        if sums[N] != chip * chip:
            sums[N] = chip * chip
            values[M] = values[ONES]
    else:
        sums[N] = _mask_chip(images, place, chip, values)
        if sums[N] < least:
            return TOO_FEW
    wide = chip + 2 * GRADIENT_REACH
    copy_clipped(images[0], top - GRADIENT_REACH, left - GRADIENT_REACH, stride, room[3], wide, wide)
    load_template(room[3], stride, images[0][top + chip // 2, left + chip // 2], values)
    copy_clipped(images[2], top + dy - BEFORE, left + dx - BEFORE, stride, room[0], stride, stride)
    template_sums(values[T], values[GY], values[GX], sums)
    return DONE if _invert_normal(sums) else FLAT


@jit_fast
def _compared_sums(
    lines: Floats, weights: Floats, stride: int, values: Floats, found: Doubles
) -> None:
    """Interpolate down the columns and write sums of w, w w, w t, w gy, w gx over a chip."""
    s = np.uint64(stride)
    w0, w1, w2, w3, w4, w5 = weights[0], weights[1], weights[2], weights[3], weights[4], weights[5]
    t, gy, gx, m = values[T], values[GY], values[GX], values[M]
    sw = sww = swt = swy = swx = np.float32(0.0)
    for q in range(np.uint64(len(m))):
        value = (
            w0 * lines[q] + w1 * lines[q + s] + w2 * lines[q + s + s]
            + w3 * lines[q + s + s + s] + w4 * lines[q + s + s + s + s] + w5 * lines[q + s + s + s + s + s]
        )  # fmt: skip
        kept = value * m[q]
        sw += kept
        sww += kept * value
        swt += value * t[q]
        swy += value * gy[q]
        swx += value * gx[q]
    found[0], found[1], found[2], found[3], found[4] = sw, sww, swt, swy, swx


@jit
def compare(fraction_y: float, fraction_x: float, chip: int, scratch: Scratch, found: Doubles) -> None:
    """Do one round: write gain, move dy, move dx, and the correlation before the move, sum of w and the scale
    of t over that of w into `found`."""
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
    return min(STEEPEST, max(FLATTEST, seen))


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
    dy, dx, slope = start[2], start[3], 1.0
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
        dy -= step[0]
        dx -= step[1]
        if abs(dy - start[2]) > limits[1] or abs(dx - start[3]) > limits[1]:
            return
        if max(abs(step[0]), abs(step[1])) < (CONVERGED_PX if number == 0 else CONVERGED_LATER_PX):
            out[5] = DONE
            break
    out[0], out[1] = dy, dx
    if out[5] == DONE:
        judge(dy + step[0] - place[2], dx + step[1] - place[3], chip, scratch, out)


@jit
def judge(fraction_y: float, fraction_x: float, chip: int, scratch: Scratch, out: Floats) -> None:
    """Write correlation, standard errors and support of a chip into `out`, at the place of the last comparison."""
    values, room, weights, sums = scratch[0], scratch[1], scratch[2], scratch[3]
    stride = chip + SUPPORT - 1
    size = chip * stride
    out[2] = sums[FOUND + 3]
    slope_weights(fraction_y, weights[2])
    slope_weights(fraction_x, weights[3])
    along_rows(room[0], weights[3], stride * stride - SUPPORT + 1, room[2])
    along_columns(room[1], weights[0], stride, size, values[W])
    along_columns(room[1], weights[2], stride, size, values[WY])
    along_columns(room[2], weights[0], stride, size, values[WX])
    _spread(values, sums, chip, scratch[4], out)
    support(values, chip, scratch[4], out)


@jit_fast
def _slope_sums(values: Chip, out: Doubles) -> None:
    """Write sums of w_y, w_x, their products with t, and of gradient times gradient."""
    t, gy, gx, m, wy, wx = values[T], values[GY], values[GX], values[M], values[WY], values[WX]
    sy = sx = ty = tx = yy = yx = xy = xx = np.float32(0.0)
    for q in range(len(t)):
        a, b = wy[q], wx[q]
        sy += a * m[q]
        sx += b * m[q]
        ty += a * t[q]
        tx += b * t[q]
        yy += gy[q] * a
        yx += gy[q] * b
        xy += gx[q] * a
        xx += gx[q] * b
    out[0], out[1], out[2], out[3], out[4], out[5], out[6], out[7] = sy, sx, ty, tx, yy, yx, xy, xx


@jit_fast
def _errors(values: Chip, mean_t: np.float32, mean_w: np.float32, one: np.float32) -> None:
    """Write the difference of secondary and template, each about its mean."""
    t, m, w, error = values[T], values[M], values[W], values[E]
    for q in range(len(t)):
        error[q] = ((w[q] - mean_w) * one - (t[q] - mean_t)) * m[q]


@jit_fast
def _weigh_error(
    values: Chip, first: int, second: int, one: np.float32, level: np.float32, part: np.float32
) -> None:
    """Replace a gradient of the secondary by g e, g the mean of both gradients less `level` and `part` of t."""
    t, error, g, out = values[T], values[E], values[first], values[second]
    half = np.float32(0.5)
    other = half * one
    for q in range(len(t)):
        out[q] = (half * g[q] + other * out[q] - level - part * t[q]) * error[q]


@jit
def _spread(values: Chip, sums: Doubles, chip: int, lines: Floats, out: Floats) -> None:
    """Write the standard errors of dy, dx: J^-1 M J^-T, J = sum g_t g_w^T, M from sums of g e over cells.

    g is the mean of both gradients, which leaves out that the noise of an image agrees with its own gradient. Summing
    over cells before squaring keeps the correlation of neighbouring errors, which a count of independent pixels would
    lose (cluster-robust covariance, Liang and Zeger 1986, doi 10.1093/biomet/73.1.13).
    """
    n, st = sums[N], sums[S_T]
    energy = sums[S_TT] - st * st / n
    one = sums[FOUND + 5]
    found = sums[FOUND + 6 :]
    _slope_sums(values, found)
    sy, sx = found[0], found[1]
    along_w = ((found[2] - st * sy / n) / energy, (found[3] - st * sx / n) / energy)
    along_t = ((sums[S_TY] - st * sums[S_Y] / n) / energy, (sums[S_TX] - st * sums[S_X] / n) / energy)
    a = (found[4] - sums[S_Y] * sy / n - energy * along_t[0] * along_w[0]) * one
    b = (found[5] - sums[S_Y] * sx / n - energy * along_t[0] * along_w[1]) * one
    c = (found[6] - sums[S_X] * sy / n - energy * along_t[1] * along_w[0]) * one
    d = (found[7] - sums[S_X] * sx / n - energy * along_t[1] * along_w[1]) * one
    mean_t, scale = st / n, np.float32(one)
    _errors(values, np.float32(mean_t), np.float32(sums[FOUND + 4] / n), scale)
    part_y, part_x = 0.5 * (along_t[0] + along_w[0] * one), 0.5 * (along_t[1] + along_w[1] * one)
    level_y = 0.5 * (sums[S_Y] + sy * one) / n - part_y * mean_t
    level_x = 0.5 * (sums[S_X] + sx * one) / n - part_x * mean_t
    _weigh_error(values, GY, WY, scale, np.float32(level_y), np.float32(part_y))
    _weigh_error(values, GX, WX, scale, np.float32(level_x), np.float32(part_x))
    clustered(values, chip, lines, found)
    yy, yx, xx = found[0], found[1], found[2]
    determinant = a * d - b * c
    if determinant <= 0.0:
        out[3] = out[4] = np.inf
        return
    out[3] = np.sqrt(max(0.0, d * d * yy - 2.0 * d * b * yx + b * b * xx)) / determinant
    out[4] = np.sqrt(max(0.0, c * c * yy - 2.0 * c * a * yx + a * a * xx)) / determinant


@jit_fast
def _add_rows(source: Floats, start: int, stride: int, rows: int, out: Floats) -> None:
    """Write the sum of `rows` (at most CLUSTER = 4) rows of a flat chip."""
    a, s = np.uint64(start), np.uint64(stride)
    b, c, d = a + s, a + s + s, a + s + s + s
    if rows == CLUSTER and len(out) % 8 == 0:
        for k in range(np.uint64(len(out) // 8)):
            for j in range(_8 * k, _8 * k + _8):
                out[j] = (source[a + j] + source[b + j]) + (source[c + j] + source[d + j])
        return
    for j in range(len(out)):
        out[j] = source[start + j]
        for i in range(1, rows):
            out[j] += source[start + i * stride + j]


@jit_fast
def clustered(values: Chip, chip: int, lines: Floats, out: Doubles) -> None:
    """Write sums over cells of the squared sums of g e: yy, yx, xx; `lines` (2 chip,) is room to work in."""
    stride = chip + SUPPORT - 1
    line_y, line_x = lines[:chip], lines[chip : 2 * chip]
    yy = yx = xx = np.float32(0.0)
    for top in range(0, chip, CLUSTER):
        rows = min(chip - top, CLUSTER)
        _add_rows(values[WY], top * stride, stride, rows, line_y)
        _add_rows(values[WX], top * stride, stride, rows, line_x)
        for left in range(0, chip, CLUSTER):
            y = x = np.float32(0.0)
            for j in range(left, min(chip, left + CLUSTER)):
                y += line_y[j]
                x += line_x[j]
            yy += y * y
            yx += y * x
            xx += x * x
    out[0], out[1], out[2] = yy, yx, xx


@jit_fast
def _column_sums(values: Chip, start: int, stride: int, rows: int, out: Floats) -> None:
    """Write, for each of STRIP columns over some rows, n, sum t, sum w, sum t t, sum w w, sum t w behind each other."""
    t, w, m = values[T], values[W], values[M]
    out[: PART_SUMS * STRIP] = np.float32(0.0)
    for i in range(rows):
        q = np.uint64(start + i * stride)
        for j in range(_STRIP):
            a, c = t[q + j], m[q + j]
            b = w[q + j] * c
            out[j] += c
            out[_STRIP + j] += a
            out[_2 + j] += b
            out[_3 + j] += a * a
            out[_4 + j] += b * b
            out[_5 + j] += a * b


@jit
def part_correlation(columns: Floats, left: int, right: int) -> tuple[float, float]:
    """Return pixels and correlation of some columns of `_column_sums`; the latter 0 with too few or without texture."""
    n = first = second = first_square = second_square = product = np.float32(0.0)
    for x in range(left, right):
        n += columns[x]
        first += columns[STRIP + x]
        second += columns[2 * STRIP + x]
        first_square += columns[3 * STRIP + x]
        second_square += columns[4 * STRIP + x]
        product += columns[5 * STRIP + x]
    if n < LEAST_IN_PART:
        return float(n), 0.0
    power = float(first_square - first * first / n) * float(second_square - second * second / n)
    return float(n), (float(product - first * second / n) / np.sqrt(power) if power > 0.0 else 0.0)


@jit
def support(values: Chip, chip: int, columns: Floats, out: Floats) -> None:
    """Write the share of the common pixels in parts of the chip that correlate by themselves, and their correlation.

    Parts are squares of PART_PX pixels; what is left over at the end of a chip is not looked at. One strong edge, such
    as a shore, gives a whole chip a high correlation though the rest of it holds only noise. In the mean over parts
    each counts by its pixels, not by its contrast.
    """
    stride = chip + SUPPORT - 1
    agree = total = mean = 0.0
    for top in range(0, chip - PART_PX + 1, PART_PX):
        for left in range(0, chip - PART_PX + 1, STRIP):
            _column_sums(values, top * stride + left, stride, PART_PX, columns)
            for x in range(0, min(STRIP, chip - left) - PART_PX + 1, PART_PX):
                n, found = part_correlation(columns, x, x + PART_PX)
                total += n
                mean += n * found
                agree += n if found * found * n > NOISE_LIMIT * NOISE_LIMIT and found > 0.0 else 0.0
    out[6], out[7] = agree / max(total, 1.0), mean / max(total, 1.0)


@jit
def _make_scratch(chip: int) -> Scratch:
    stride = chip + SUPPORT - 1
    values = np.zeros((CHIP_ROWS, chip * stride + STRIP), np.float32)  # a strip may begin in the last row
    for i in range(chip):
        values[ONES, i * stride : i * stride + chip] = 1.0
    room = np.zeros((4, stride * stride + STRIP), np.float32)
    columns = np.zeros(max(PART_SUMS * STRIP, 2 * chip), np.float32)
    return values, room, np.zeros((4, SUPPORT), np.float32), np.zeros(SUMS), columns, np.zeros(MOVES), np.zeros(5, np.int64)


@jit
def _refine_range(
    start: int, stop: int, images: Images, places: Doubles, groups: Ints, chip: int, limits: tuple[float, float],
    out: Floats,
) -> None:  # fmt: skip
    """Refine groups `start` to `stop` of chips; for a group it is found out once whether pixels are missing near it."""
    scratch = _make_scratch(chip)
    for group in range(start, stop):
        first, last = groups[group], groups[group + 1]
        top, left = int(places[first:last, 0].min()), int(places[first:last, 1].min())
        low, right = int(places[first:last, 0].max()) + chip, int(places[first:last, 1].max()) + chip
        y0 = top + int(np.floor(places[first:last, 2].min() - limits[1]))
        x0 = left + int(np.floor(places[first:last, 3].min() - limits[1]))
        y1 = low + int(np.ceil(places[first:last, 2].max() + limits[1]))
        x1 = right + int(np.ceil(places[first:last, 3].max() + limits[1]))
        whole = _all_true(images[1], top, left, low - top, right - left)
        scratch[6][WHOLE] = 1 if whole and _all_true(images[3], y0, x0, y1 - y0, x1 - x0) else 0
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
