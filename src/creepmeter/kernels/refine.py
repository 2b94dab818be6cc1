"""Sub-pixel refinement: inverse-compositional Gauss-Newton on a B-spline image.

The chip t of the reference is compared with the secondary w at a shifted place, w(x + d), with gain and offset free::

    minimise  sum [ w(x + d) - alpha t(x) - beta ]^2   over d, alpha, beta

The gradient g of the chip, freed of its mean and of its part along t, is computed once; each round solves
``(sum g g^T) delta = sum g (w - alpha t) / alpha`` and sets ``d <- d - delta`` (Baker and Matthews 2004,
doi 10.1023/B:VISI.0000011205.11775.fd). Pixels missing in either image, or whose interpolation touches a missing
pixel, are left out of all sums.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from creepmeter.kernels._jit import jit, jit_fast
from creepmeter.kernels.correlate import Bools, Doubles, Floats, Ints
from creepmeter.kernels.threads import in_threads

Images: TypeAlias = tuple[Floats, Bools, Floats, Bools]  # ref, ref_solid, coefficients, sec_solid
Chips: TypeAlias = tuple[Floats, Floats, Floats, Floats, Floats, Floats]  # t, gy, gx, w, mask, error
Scratch: TypeAlias = tuple[Chips, Floats, Floats, Floats]  # chips, spline window, lines, spline weights

ORDER = 5  # degree of the spline
SUPPORT = 6  # coefficients under one interpolated value, per axis
GRADIENT_REACH = 2  # pixels on each side that the five-point derivative looks at
BEFORE = 2  # of them, how many lie before the pixel to the left
ROUNDS = 20
CONVERGED_PX = 1e-4
FIELDS = 7  # dy, dx, correlation, sigma dy, sigma dx, state, support
DONE, TOO_FEW, FLAT, LOST = 0, 1, 2, 3
PARTS = 4  # parts along the edge of a chip whose correlation is looked at one by one
LEAST_PART_PX = 8  # smallest edge of a part
LEAST_IN_PART = 16  # fewer common pixels say nothing
NOISE_LIMIT = 2.0  # correlation of a part in standard errors, 1 / sqrt(pixels), of that of unrelated white noise
NODES_PER_TASK = 64
ZERO = np.float32(0)
CHIP_ARRAYS = 6
FAR = -(2**30)  # no chip is prepared yet
CLUSTER = 4  # pixels over which errors are summed before squaring; longer cells leave too few to average


@jit
def spline_weights(fraction: float, out: Floats) -> None:
    """Write the six quintic B-spline weights for a place `fraction` (0 to 1) right of a sample.

    Horner forms of the quintic basis (Unser 1999, doi 10.1109/79.799930).
    """
    t = fraction
    s = 1.0 - t
    out[0] = s**5 / 120.0
    out[5] = t**5 / 120.0
    out[1] = _quintic_outer(s)
    out[4] = _quintic_outer(t)
    out[2] = _quintic_inner(t)
    out[3] = _quintic_inner(s)


@jit
def _quintic_outer(t: float) -> float:
    """Return the basis at distance 2 - t, 1 <= distance <= 2."""
    x = 2.0 - t
    return 17.0 / 40.0 + x * (5.0 / 8.0 + x * (-7.0 / 4.0 + x * (5.0 / 4.0 + x * (-3.0 / 8.0 + x / 24.0))))


@jit
def _quintic_inner(t: float) -> float:
    """Return the basis at distance t, 0 <= distance <= 1."""
    square = t * t
    return 11.0 / 20.0 + square * (-0.5 + square * (0.25 - t / 12.0))


@jit
def interpolate(window: Floats, weights_y: Floats, weights_x: Floats, lines: Floats, out: Floats) -> None:
    """Evaluate a chip of the spline image at one fraction of a pixel: along rows, then along columns.

    `window` holds the coefficients from BEFORE pixels before the chip to SUPPORT - BEFORE - 1 after it.
    """
    height, width = out.shape
    for i in range(height + SUPPORT - 1):
        source, line = window[i], lines[i]
        for j in range(width):
            line[j] = (
                weights_x[0] * source[j] + weights_x[1] * source[j + 1] + weights_x[2] * source[j + 2]
                + weights_x[3] * source[j + 3] + weights_x[4] * source[j + 4] + weights_x[5] * source[j + 5]
            )  # fmt: skip
    for i in range(height):
        target = out[i]
        l0, l1, l2, l3, l4, l5 = lines[i], lines[i + 1], lines[i + 2], lines[i + 3], lines[i + 4], lines[i + 5]
        for j in range(width):
            target[j] = (
                weights_y[0] * l0[j] + weights_y[1] * l1[j] + weights_y[2] * l2[j]
                + weights_y[3] * l3[j] + weights_y[4] * l4[j] + weights_y[5] * l5[j]
            )  # fmt: skip


@jit
def copy_window(image: Floats | Bools, top: int, left: int, out: Floats) -> None:
    """Copy a window; outside the image it is 0."""
    rows, columns = image.shape
    height, width = out.shape
    if top >= 0 and left >= 0 and top + height <= rows and left + width <= columns:
        for i in range(height):
            out[i, :] = image[top + i, left : left + width]
        return
    for i in range(height):
        for j in range(width):
            y, x = top + i, left + j
            out[i, j] = image[y, x] if 0 <= y < rows and 0 <= x < columns else 0.0


@jit
def gradient(image: Floats, top: int, left: int, gy: Floats, gx: Floats) -> None:
    """Write the five-point derivatives of a chip that lies at least GRADIENT_REACH pixels inside the image.

    Nearer the edge the derivative is 0; the caller masks those pixels.
    """
    rows, columns = image.shape
    height, width = gy.shape
    for i in range(height):
        y = top + i
        row = image[y]
        inside_y = GRADIENT_REACH <= y < rows - GRADIENT_REACH
        for j in range(width):
            x = left + j
            gx[i, j] = 0.0
            gy[i, j] = 0.0
            if GRADIENT_REACH <= x < columns - GRADIENT_REACH:
                gx[i, j] = (8.0 * (row[x + 1] - row[x - 1]) - (row[x + 2] - row[x - 2])) / np.float32(12.0)
            if inside_y:
                near = image[y + 1, x] - image[y - 1, x]
                gy[i, j] = (8.0 * near - (image[y + 2, x] - image[y - 2, x])) / np.float32(12.0)


@jit_fast
def weighted_sum(a: Floats, m: Floats) -> float:
    """Sum a m over a chip in float64 by rows."""
    total = 0.0
    for i in range(a.shape[0]):
        line = ZERO
        for j in range(a.shape[1]):
            line += a[i, j] * m[i, j]
        total += float(line)
    return total


@jit_fast
def weighted_product(a: Floats, b: Floats, m: Floats) -> float:
    """Sum a b m over a chip, rows in float32, their sum in float64."""
    total = 0.0
    for i in range(a.shape[0]):
        line = ZERO
        for j in range(a.shape[1]):
            line += a[i, j] * b[i, j] * m[i, j]
        total += float(line)
    return total


@jit
def centre(values: Floats, m: Floats, n: float) -> None:
    """Subtract the weighted mean in place."""
    mean = np.float32(weighted_sum(values, m) / n)
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            values[i, j] -= mean


@jit
def remove_part(values: Floats, along: Floats, m: Floats, energy: float) -> None:
    """Subtract from `values` its part along `along`, in place."""
    share = np.float32(weighted_product(values, along, m) / energy)
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            values[i, j] -= share * along[i, j]


@jit
def spread(gy: Floats, gx: Floats, error: Floats, m: Floats, cell: int, inverse: Doubles, out: Doubles) -> None:
    """Write the variances of (dy, dx): H^-1 M H^-1 with M from sums of g e over cells of the chip.

    Summing over cells before squaring keeps the correlation of neighbouring errors, which a count of independent
    pixels would lose (cluster-robust covariance, Liang and Zeger 1986, doi 10.1093/biomet/73.1.13).
    """
    yy = yx = xx = 0.0
    height, width = error.shape
    for top in range(0, height, cell):
        for left in range(0, width, cell):
            y = x = 0.0
            for i in range(top, min(height, top + cell)):
                for j in range(left, min(width, left + cell)):
                    value = error[i, j] * m[i, j]
                    y += gy[i, j] * value
                    x += gx[i, j] * value
            yy += y * y
            yx += y * x
            xx += x * x
    a, b, c = inverse
    out[0] = a * a * yy + 2.0 * a * b * yx + b * b * xx
    out[1] = b * b * yy + 2.0 * b * c * yx + c * c * xx


@jit
def prepare_chip(
    images: Images, place: Ints, least: float, scratch: Scratch, inverse: Doubles
) -> tuple[int, float, float]:
    """Load template, freed gradients, mask and spline window of one chip for one whole-pixel offset.

    `place` = top, left, offset dy, dx. Returns (state, common pixels, energy of the template).
    """
    ref, ref_solid, coefficients, sec_solid = images
    t, gy, gx, w, m, _ = scratch[0]
    top, left, dy, dx = place
    copy_window(ref_solid, top, left, m)
    copy_window(sec_solid, top + dy, left + dx, w)
    m *= w
    n = float(m.sum())
    if n < least:
        return TOO_FEW, n, 0.0
    copy_window(coefficients, top + dy - BEFORE, left + dx - BEFORE, scratch[1])
    copy_window(ref, top, left, t)
    gradient(ref, top, left, gy, gx)
    centre(t, m, n)
    energy = weighted_product(t, t, m)
    if energy <= 0.0:
        return FLAT, n, energy
    for g in (gy, gx):
        centre(g, m, n)
        remove_part(g, t, m, energy)
    state = DONE if invert_normal(gy, gx, m, inverse) else FLAT
    return state, n, energy


@jit
def invert_normal(gy: Floats, gx: Floats, m: Floats, inverse: Doubles) -> bool:
    """Write the inverse of sum g g^T as (yy, yx, xx); false when the gradient has one direction only."""
    a, b, c = weighted_product(gy, gy, m), weighted_product(gy, gx, m), weighted_product(gx, gx, m)
    determinant = a * c - b * b
    if determinant <= 1e-6 * a * c:
        return False
    inverse[0], inverse[1], inverse[2] = c / determinant, -b / determinant, a / determinant
    return True


@jit
def compare(
    fraction_y: float, fraction_x: float, n: float, energy: float, inverse: Doubles, scratch: Scratch
) -> tuple[float, float, float]:
    """Interpolate the secondary and return (gain, move dy, move dx) of one Gauss-Newton round."""
    t, gy, gx, w, m, _ = scratch[0]
    weights = scratch[3]
    spline_weights(fraction_y, weights[0])
    spline_weights(fraction_x, weights[1])
    interpolate(scratch[1], weights[0], weights[1], scratch[2], w)
    centre(w, m, n)
    gain = weighted_product(w, t, m) / energy
    if gain <= 0.0:
        return gain, 0.0, 0.0
    sy, sx = weighted_product(gy, w, m) / gain, weighted_product(gx, w, m) / gain
    return gain, inverse[0] * sy + inverse[1] * sx, inverse[1] * sy + inverse[2] * sx


@jit_fast
def part_sums(t: Floats, w: Floats, m: Floats, sums: Doubles) -> None:
    """Write n, sum t, sum w, sum t t, sum w w, sum t w over the common pixels of a part."""
    n = first = second = first_square = second_square = product = ZERO  # float32: this decides, it does not measure
    for i in range(t.shape[0]):
        for j in range(t.shape[1]):
            a, b = t[i, j] * m[i, j], w[i, j] * m[i, j]
            n += m[i, j]
            first += a
            second += b
            first_square += a * a
            second_square += b * b
            product += a * b
    sums[0], sums[1], sums[2], sums[3], sums[4], sums[5] = n, first, second, first_square, second_square, product


@jit
def correlates(sums: Doubles) -> bool:
    """Tell whether a part correlates more than unrelated white noise would."""
    n, first, second, first_square, second_square, product = sums
    if n < LEAST_IN_PART:
        return False
    common = product - first * second / n
    power = (first_square - first * first / n) * (second_square - second * second / n)
    return bool(common > 0.0 and common * common * n > NOISE_LIMIT * NOISE_LIMIT * power)


@jit
def support(t: Floats, w: Floats, m: Floats) -> float:
    """Return the share of the common pixels in those parts of the chip that correlate by themselves.

    One strong edge, such as a shore, gives a whole chip a high correlation though the rest of it holds only noise.
    """
    chip = t.shape[0]
    parts = max(1, min(PARTS, chip // LEAST_PART_PX))
    sums = np.empty(6)
    agree = total = 0.0
    for i in range(parts):
        y0, y1 = i * chip // parts, (i + 1) * chip // parts
        for j in range(parts):
            x0, x1 = j * chip // parts, (j + 1) * chip // parts
            part_sums(t[y0:y1, x0:x1], w[y0:y1, x0:x1], m[y0:y1, x0:x1], sums)
            total += sums[0]
            agree += sums[0] if correlates(sums) else 0.0
    return agree / total


@jit
def judge(gain: float, energy: float, inverse: Doubles, scratch: Scratch, out: Floats) -> None:
    """Write correlation, standard errors and support of a chip into `out`."""
    t, gy, gx, w, m, error = scratch[0]
    for i in range(t.shape[0]):
        for j in range(t.shape[1]):
            error[i, j] = w[i, j] / np.float32(gain) - t[i, j]
    power = weighted_product(w, w, m)
    variance = np.empty(2)
    spread(gy, gx, error, m, CLUSTER, inverse, variance)
    out[2] = gain * np.sqrt(energy / power) if power > 0.0 else 0.0
    out[3], out[4] = np.sqrt(variance[0]), np.sqrt(variance[1])
    out[6] = support(t, w, m)


@jit
def refine_chip(
    images: Images, start: Doubles, least: float, reach: float, scratch: Scratch, inverse: Doubles, out: Floats
) -> None:
    """Refine one chip into `out`, fields as in `refine_chips`. `start` = top, left, start dy, start dx."""
    place = np.array([int(start[0]), int(start[1]), FAR, FAR])
    dy, dx = start[2], start[3]
    n = energy = gain = 0.0
    out[5] = LOST
    for _ in range(ROUNDS):
        base_y, base_x = int(np.floor(dy)), int(np.floor(dx))
        if base_y != place[2] or base_x != place[3]:
            place[2], place[3] = base_y, base_x
            state, n, energy = prepare_chip(images, place, least, scratch, inverse)
            if state != DONE:
                out[5] = state
                return
        gain, move_y, move_x = compare(dy - base_y, dx - base_x, n, energy, inverse, scratch)
        dy -= move_y
        dx -= move_x
        if gain <= 0.0 or abs(dy - start[2]) > reach or abs(dx - start[3]) > reach:
            return
        if abs(move_y) < CONVERGED_PX and abs(move_x) < CONVERGED_PX:
            out[5] = DONE
            break
    out[0], out[1] = dy, dx
    judge(gain, energy, inverse, scratch, out)


@jit
def _refine_range(
    start: int, stop: int, images: Images, places: Doubles, chip: int, least: float, reach: float, out: Floats
) -> None:
    """Refine chips `start` to `stop`, with memory of their own."""
    wide = chip + SUPPORT - 1
    work, inverse = np.empty((CHIP_ARRAYS, chip, chip), np.float32), np.empty(3)
    chips = (work[0], work[1], work[2], work[3], work[4], work[5])
    window, lines = np.empty((wide, wide), np.float32), np.empty((wide, chip), np.float32)
    scratch = (chips, window, lines, np.empty((2, SUPPORT), np.float32))
    for k in range(start, stop):
        refine_chip(images, places[k], least, reach, scratch, inverse, out[k])


def refine_chips(
    ref: Floats, ref_solid: Bools, coefficients: Floats, sec_solid: Bools, places: Doubles, chip: int, least: float,
    reach: float,
) -> Floats:  # fmt: skip
    """Refine many chips; see `refine_chip`.

    Parameters
    ----------
    ref : float32 (rows, columns)
        Reference image, mean removed, missing = 0.
    ref_solid : bool (rows, columns)
        True where the pixel and its two neighbours on every side are valid.
    coefficients : float32 (rows, columns)
        Quintic B-spline coefficients of the secondary.
    sec_solid : bool (rows, columns)
        True where an interpolation to the right of and below this pixel touches valid pixels only.
    places : float64 (chips, 4)
        Top, left, start dy, start dx.
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
    count = len(places)
    out = np.full((count, FIELDS), np.nan, np.float32)
    images = (ref, ref_solid, coefficients, sec_solid)
    in_threads(
        lambda start, stop: _refine_range(start, stop, images, places, chip, least, reach, out),
        count,
        multiple=NODES_PER_TASK,
    )
    return out
