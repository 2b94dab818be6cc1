"""A chip laid out flat: template, gradient and mask of the reference, and the spline window of the secondary.

Chips are kept row behind row, each row followed by SUPPORT - 1 places of weight 0, so that every loop is long.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from creepmeter.kernels._jit import jit, jit_fast
from creepmeter.kernels.spline import BEFORE, SUPPORT

Floats: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]
Bytes: TypeAlias = npt.NDArray[np.uint8]
Ints: TypeAlias = npt.NDArray[np.int64]
Images: TypeAlias = tuple[Floats, Bytes, Floats, Bytes]  # ref, ref_solid, coefficients of sec, sec_solid
Chip: TypeAlias = Floats  # (CHIP_ROWS, flat chip)
# Memory of one chip: flat rows; spline window, lines, their slopes, template window; spline weights; sums; sums of
# cells; moves; place.
Scratch: TypeAlias = tuple[Floats, Floats, Floats, Doubles, Floats, Doubles, Ints]

GRADIENT_REACH = 2  # pixels on each side that the five-point derivative looks at
DONE, TOO_FEW, FLAT, LOST = 0, 1, 2, 3  # states of a chip
T, GY, GX, M, W, WY, WX, E, ONES = range(9)  # rows: template, gradient, mask, secondary, gradient, error, no mask
CHIP_ROWS = 9
N, S_T, S_TT, S_Y, S_X, S_TY, S_TX, S_YY, S_YX, S_XX, I_YY, I_YX, I_XX, FOUND = range(14)  # sums over a chip; inverse
SUMS = FOUND + 14
MOVES = 6  # this move, the one before, the step between them; (dy, dx) each
WHOLE = 4  # where a chip's place says that no pixel is missing anywhere near
STRIP = 32  # columns of a chip summed together; a fixed length, which compilers turn into vectors
CLUSTER = 4  # pixels over which errors are summed before squaring; longer cells leave too few to average
PART_PX = 8  # edge of the parts of a chip whose correlation is looked at one by one
PART_FIELDS = 6  # sums over a part
BLOCK = 8  # values that are copied in one go
SINGULAR = 1e-6  # determinant over product of the diagonal below which the gradient has one direction only
_one, _two, _3, _4, _5, _6, _7, _8 = (np.uint64(k) for k in range(1, 9))


@jit_fast
def load_template(window: Floats, stride: int, level: np.float32, values: Chip) -> None:
    """Write template, about a level, and five-point derivatives under the mask; `window` has a margin of two pixels."""
    t, gy, gx, m = values[T], values[GY], values[GX], values[M]
    corner = np.uint64(GRADIENT_REACH * stride + GRADIENT_REACH)
    far, near, s = np.float32(1.0 / 12.0), np.float32(8.0 / 12.0), np.uint64(stride)
    count = np.uint64(len(t) - STRIP)
    for q in range(count):
        p, kept = q + corner, m[q]
        t[q] = (window[p] - level) * kept
        gx[q] = (near * (window[p + _one] - window[p - _one]) - far * (window[p + _two] - window[p - _two])) * kept
        gy[q] = (near * (window[p + s] - window[p - s]) - far * (window[p + s + s] - window[p - s - s])) * kept


@jit_fast
def _copy_block(source: Floats | Bytes, start: np.uint64, target: np.uint64, out: Floats) -> None:
    """Copy BLOCK values; all are read before any is written, so that compilers need not ask whether arrays overlap."""
    a, b, c, d = source[start], source[start + _one], source[start + _two], source[start + _3]
    e, f, g, h = source[start + _4], source[start + _5], source[start + _6], source[start + _7]
    out[target], out[target + _one], out[target + _two], out[target + _3] = a, b, c, d
    out[target + _4], out[target + _5], out[target + _6], out[target + _7] = e, f, g, h


@jit
def copy_flat(source: Floats | Bytes, top: int, left: int, stride: int, out: Floats, height: int, width: int) -> None:
    """Copy a window that lies inside `source` into rows of a flat array, `stride` apart."""
    flat = source.reshape(-1)
    pitch = source.shape[1]
    if width < BLOCK:
        for i in range(height):
            for j in range(width):
                out[i * stride + j] = flat[(top + i) * pitch + left + j]
        return
    rest = np.uint64(width - BLOCK)  # the last block may overlap the one before
    for i in range(height):
        start, target = np.uint64((top + i) * pitch + left), np.uint64(i * stride)
        for j in range(np.uint64(0), rest, _8):
            _copy_block(flat, start + j, target + j, out)
        _copy_block(flat, start + rest, target + rest, out)


@jit
def copy_clipped(
    source: Floats | Bytes, top: int, left: int, stride: int, out: Floats, height: int, width: int
) -> None:
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
def total_of(a: Floats) -> float:
    """Return the sum of a flat chip."""
    total = np.float32(0.0)
    for q in range(len(a)):
        total += a[q]
    return float(total)


@jit_fast
def product_of(a: Floats, b: Floats) -> float:
    """Return the sum of the products of two flat chips."""
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
    """Write the inverse of sum g g^T, g freed of mean and part along t; false when it has one direction only."""
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
def all_true(mask: Bytes, top: int, left: int, height: int, width: int) -> bool:
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
    return bool(both != 0)


@jit
def _mask_chip(images: Images, place: Ints, chip: int, values: Chip) -> float:
    """Write the mask of a chip and return the number of pixels it leaves."""
    stride = chip + SUPPORT - 1
    m, w = values[M], values[W]
    copy_clipped(images[1], place[0], place[1], stride, m, chip, chip)
    copy_clipped(images[3], place[0] + place[2], place[1] + place[3], stride, w, chip, chip)
    for q in range(len(m)):
        m[q] *= w[q]
    return total_of(m)


@jit
def prepare_chip(images: Images, place: Ints, chip: int, least: float, scratch: Scratch) -> int:
    """Load template, gradient, mask and spline window of one chip for one whole-pixel offset.

    `place` = top, left, offset dy, dx, whether no pixel is missing anywhere near.
    """
    values, room, sums = scratch[0], scratch[1], scratch[3]
    stride = chip + SUPPORT - 1
    top, left, dy, dx = place[0], place[1], place[2], place[3]
    if place[WHOLE] != 0 or (
        all_true(images[1], top, left, chip, chip) and all_true(images[3], top + dy, left + dx, chip, chip)
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
    copy_clipped(images[2], top + dy - BEFORE, left + dx - BEFORE, stride, room[0], stride, stride)
    load_template(room[3], stride, images[0][top + chip // 2, left + chip // 2], values)
    template_sums(values[T], values[GY], values[GX], sums)
    return DONE if _invert_normal(sums) else FLAT


@jit
def make_scratch(chip: int) -> Scratch:
    """Return memory for chips of one size."""
    stride = chip + SUPPORT - 1
    values = np.zeros((CHIP_ROWS, chip * stride + STRIP), np.float32)  # a strip may begin in the last row
    for i in range(chip):
        values[ONES, i * stride : i * stride + chip] = 1.0
    room = np.zeros((4, stride * stride + STRIP), np.float32)
    across = (chip + STRIP - 1) // STRIP * STRIP
    parts = chip // PART_PX * across * PART_FIELDS
    columns = np.zeros(max(parts + parts // 2, 3 * (chip // CLUSTER + 1) * across), np.float32)
    weights, place = np.zeros((4, SUPPORT), np.float32), np.zeros(WHOLE + 1, np.int64)
    return values, room, weights, np.zeros(SUMS), columns, np.zeros(MOVES), place
