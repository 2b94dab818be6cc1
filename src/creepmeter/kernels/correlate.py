"""Integer search: normalised cross-correlation of every chip with every shift, masks inside the sums.

For a shift (u, v) the two images are multiplied once; products are summed into bands of rows, and a chip is a sum over
bands. The cost per shift is one multiplication per pixel, however large the chips and however much they overlap.

With weights m (1 valid, 0 missing) of both images and n = sum m_a m_b over the chip, the correlation is::

    rho(u, v) = [ S_ab - S_a S_b / n ] / sqrt( [S_aa - S_a^2 / n] [S_bb - S_b^2 / n] )

where S_ab = sum m_a m_b a b and so on: a missing pixel of either image is left out of every sum.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from creepmeter.kernels._jit import jit, jit_fast
from creepmeter.kernels.threads import in_threads

Floats: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]
Ints: TypeAlias = npt.NDArray[np.int64]
Sizes: TypeAlias = tuple[int, int, int]  # chip, step, band

TILE = 16  # most chips along the edge of a tile; fixed, so that results do not depend on blocks or threads
TILE_PX = 1024  # chips far apart share no product: their tiles are kept small
UNDEFINED = np.float32(-2.0)  # correlation of a shift with too few common pixels or no texture
MOMENTS = 6  # a b, n, a, a a, b, b b
OF_A, OF_B = (1, 2, 3), (1, 4, 5)  # the moments that are sums of one image over the pixels of the other
TEXTURE_EPS = 1e-6  # variance below this share of the mean square is rounding, not texture


@jit
def copy_tile(image: Floats, valid: Bools, top: int, left: int, out: Floats, mask: Floats) -> bool:
    """Copy a window into `out` (mean removed, missing = 0) and `mask` (1 or 0); outside the image is missing.

    Returns whether every pixel is valid.
    """
    rows, columns = image.shape
    height, width = out.shape
    total = 0.0
    count = 0
    for i in range(height):
        y = top + i
        for j in range(width):
            x = left + j
            inside = 0 <= y < rows and 0 <= x < columns and valid[y, x]
            mask[i, j] = 1.0 if inside else 0.0
            out[i, j] = image[y, x] if inside else 0.0
            if inside:
                total += image[y, x]
                count += 1
    mean = np.float32(total / max(count, 1))
    for i in range(height):
        for j in range(width):
            out[i, j] = (out[i, j] - mean) * mask[i, j]
    return bool(count == height * width)


@jit
def box_sums(values: Floats, size: int, squared: bool) -> Doubles:
    """Return sums over every `size` x `size` window by running sums in float64, shape reduced by size - 1."""
    height, width = values.shape
    out = np.empty((height - size + 1, width - size + 1))
    column = np.zeros(width)
    for i in range(height):
        for j in range(width):
            value = np.float64(values[i, j])
            column[j] += value * value if squared else value
            if i >= size:
                old = np.float64(values[i - size, j])
                column[j] -= old * old if squared else old
        if i >= size - 1:
            run = 0.0
            for j in range(width):
                run += column[j]
                if j >= size:
                    run -= column[j - size]
                if j >= size - 1:
                    out[i - size + 1, j - size + 1] = run
    return out


@jit_fast
def band_products(a: Floats, b: Floats, top: int, left: int, band: int, out: Floats) -> None:
    """Sum a(y, x) b(y + top, x + left) down every `band` rows into one row of `out`."""
    bands, width = out.shape
    for i in range(bands):
        line = out[i]
        line[:] = 0.0
        for y in range(i * band, (i + 1) * band):
            first, second = a[y], b[y + top, left : left + width]
            for x in range(width):
                line[x] += first[x] * second[x]


@jit_fast
def chip_sums(bands: Floats, band: int, chip: int, step: int, columns: Doubles, out: Doubles) -> None:
    """Sum the products of every chip from bands of rows: first down the columns, then along the row."""
    rows, chips = out.shape
    for i in range(rows):
        columns[:] = 0.0
        for k in range(i * step // band, (i * step + chip) // band):
            line = bands[k]
            for x in range(len(columns)):
                columns[x] += line[x]
        for j in range(chips):
            total = 0.0
            under = columns[j * step : j * step + chip]
            for x in range(chip):
                total += under[x]
            out[i, j] = total


@jit
def correlation(ab: float, n: float, a: float, aa: float, b: float, bb: float) -> np.float32:
    """Return the correlation from the six sums; UNDEFINED without texture."""
    spread_a = aa - a * a / n
    spread_b = bb - b * b / n
    if spread_a <= TEXTURE_EPS * aa or spread_b <= TEXTURE_EPS * bb or spread_a <= 0.0 or spread_b <= 0.0:
        return UNDEFINED
    return np.float32((ab - a * b / n) / np.sqrt(spread_a * spread_b))


@jit
def whole_windows(mask: Floats, height: int, width: int) -> Bools:
    """Tell for every place of a window of this size whether no pixel under it is missing."""
    rows, columns = mask.shape
    missing = np.zeros((rows + 1, columns + 1), np.int64)
    for y in range(rows):
        run = 0
        for x in range(columns):
            run += 0 if mask[y, x] > 0.0 else 1
            missing[y + 1, x + 1] = missing[y, x + 1] + run
    out = np.empty((rows - height + 1, columns - width + 1), np.bool_)
    for u in range(out.shape[0]):
        for v in range(out.shape[1]):
            low, right = u + height, v + width
            out[u, v] = missing[low, right] - missing[u, right] - missing[low, v] + missing[u, v] == 0
    return out


@jit
def _take(box: Doubles, top: int, left: int, step: int, out: Doubles) -> None:
    """Read a window sum for every chip."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = box[top + i * step, left + j * step]


@jit
def _correlate_tile(
    a: Floats, mask_a: Floats, whole_a: bool, b: Floats, mask_b: Floats, sizes: Sizes, least: float, out: Floats
) -> None:
    """Correlate the chips of a tile with every shift; `sizes` = chip, step, band.

    Where one image misses no pixel, the sums of the other over the common pixels are plain window sums, known for all
    shifts at once. So a shift costs one product per pixel without missing pixels, three or six with them.
    """
    chip, step, band = sizes
    boxes_a = (box_sums(mask_a, chip, False), box_sums(a, chip, False), box_sums(a, chip, True))
    boxes_b = (box_sums(mask_b, chip, False), box_sums(b, chip, False), box_sums(b, chip, True))
    whole_b = whole_windows(mask_b, a.shape[0], a.shape[1])
    square_a, square_b = a * a, b * b
    bands, columns = np.empty((a.shape[0] // band, a.shape[1]), np.float32), np.empty(a.shape[1])
    sums = np.empty((MOMENTS, out.shape[0], out.shape[1]))
    for u in range(out.shape[2]):
        for v in range(out.shape[3]):
            place = (u, v)
            _sum_products(a, b, place, sizes, bands, columns, sums[0])
            if whole_a:
                for k in range(3):
                    _take(boxes_b[k], u, v, step, sums[OF_B[k]])
            else:
                _sum_products(mask_a, mask_b, place, sizes, bands, columns, sums[1])
                _sum_products(mask_a, b, place, sizes, bands, columns, sums[4])
                _sum_products(mask_a, square_b, place, sizes, bands, columns, sums[5])
            if whole_b[u, v]:
                for k in range(3):
                    _take(boxes_a[k], 0, 0, step, sums[OF_A[k]])
            else:
                _sum_products(a, mask_b, place, sizes, bands, columns, sums[2])
                _sum_products(square_a, mask_b, place, sizes, bands, columns, sums[3])
            _correlations(sums, least, out[:, :, u, v])


@jit
def _sum_products(
    a: Floats, b: Floats, place: tuple[int, int], sizes: Sizes, bands: Floats, columns: Doubles, out: Doubles
) -> None:
    """Sum a(y, x) b(y + u, x + v) over every chip."""
    chip, step, band = sizes
    band_products(a, b, place[0], place[1], band, bands)
    chip_sums(bands, band, chip, step, columns, out)


@jit
def _correlations(sums: Doubles, least: float, out: Floats) -> None:
    """Turn the six sums of every chip into its correlation; UNDEFINED with fewer than `least` common pixels."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            n = sums[1, i, j]
            if n < least:
                out[i, j] = UNDEFINED
            else:
                out[i, j] = correlation(sums[0, i, j], n, sums[2, i, j], sums[3, i, j], sums[4, i, j], sums[5, i, j])


@jit
def find_peak(surface: Floats, found: Doubles) -> None:
    """Write (row shift index, column shift index, peak, second peak) of one correlation surface into `found`.

    The second peak is the highest other local maximum, UNDEFINED if there is none. Without any defined value the
    peak is UNDEFINED.
    """
    shifts = surface.shape[0]
    best = UNDEFINED
    top = left = 0
    for u in range(shifts):
        for v in range(shifts):
            if surface[u, v] > best:
                best = surface[u, v]
                top, left = u, v
    second = UNDEFINED
    for u in range(1, shifts - 1):
        for v in range(1, shifts - 1):
            value = surface[u, v]
            if value > second and (abs(u - top) > 1 or abs(v - left) > 1) and _is_local_peak(surface, u, v):
                second = value
    found[0], found[1], found[2], found[3] = top, left, best, second


@jit
def _is_local_peak(surface: Floats, u: int, v: int) -> bool:
    value = surface[u, v]
    for i in range(u - 1, u + 2):
        for j in range(v - 1, v + 2):
            if surface[i, j] > value:
                return False
    return True


@jit
def parabola(before: float, here: float, after: float) -> float:
    """Return the place of the peak between three samples, -0.5 to 0.5."""
    bend = before - 2.0 * here + after
    if bend >= 0.0:
        return 0.0
    return min(0.5, max(-0.5, 0.5 * (before - after) / bend))


@jit
def _store_peak(surface: Floats, search: int, found: Doubles, out: Floats) -> None:
    """Turn the peak of one surface into (dy, dx, peak, second, edge, start dy, start dx)."""
    find_peak(surface, found)
    u, v = int(found[0]), int(found[1])
    last = surface.shape[0] - 1
    edge = u in (0, last) or v in (0, last)
    if not edge:
        edge = min(surface[u - 1, v], surface[u + 1, v], surface[u, v - 1], surface[u, v + 1]) <= UNDEFINED
    out[0], out[1], out[2], out[3], out[4] = u - search, v - search, found[2], found[3], 1.0 if edge else 0.0
    out[5], out[6] = out[0], out[1]
    if not edge:
        out[5] += np.float32(parabola(surface[u - 1, v], surface[u, v], surface[u + 1, v]))
        out[6] += np.float32(parabola(surface[u, v - 1], surface[u, v], surface[u, v + 1]))


PEAK_FIELDS = 7  # dy, dx, peak, second peak, edge (1 or 0), sub-pixel start dy, dx


@jit
def _search_tile(
    ref: Floats, ref_valid: Bools, sec: Floats, sec_valid: Bools, wanted: Bools, window: Ints, geometry: Ints,
    least: float, out: Floats,
) -> None:  # fmt: skip
    """Search one tile: `window` = first and last chip (y0, y1, x0, x1), `geometry` = chip, step, band, search."""
    y0, y1, x0, x1 = window
    chip, step, band, search = geometry
    if not wanted[y0:y1, x0:x1].any():
        return
    height, width = (y1 - y0 - 1) * step + chip, (x1 - x0 - 1) * step + chip
    a, mask_a = np.empty((height, width), np.float32), np.empty((height, width), np.float32)
    b = np.empty((height + 2 * search, width + 2 * search), np.float32)
    mask_b = np.empty_like(b)
    whole_a = copy_tile(ref, ref_valid, y0 * step, x0 * step, a, mask_a)
    copy_tile(sec, sec_valid, y0 * step - search, x0 * step - search, b, mask_b)
    surfaces = np.empty((y1 - y0, x1 - x0, 2 * search + 1, 2 * search + 1), np.float32)
    _correlate_tile(a, mask_a, whole_a, b, mask_b, (chip, step, band), least, surfaces)
    found = np.empty(4)
    for i in range(y1 - y0):
        for j in range(x1 - x0):
            _store_peak(surfaces[i, j], search, found, out[y0 + i, x0 + j])


@jit
def tile_edge(step: int) -> int:
    """Return the chips along the edge of a tile."""
    return max(1, min(TILE, TILE_PX // step))


@jit
def _search_tiles(
    start: int, stop: int, ref: Floats, ref_valid: Bools, sec: Floats, sec_valid: Bools, wanted: Bools, geometry: Ints,
    least: float, tiles_x: int, out: Floats,
) -> None:  # fmt: skip
    """Search tiles `start` to `stop`, counted along the rows of `tiles_x` tiles."""
    ny, nx = wanted.shape
    edge = tile_edge(geometry[1])
    for tile in range(start, stop):
        y0, x0 = (tile // tiles_x) * edge, (tile % tiles_x) * edge
        window = np.array([y0, min(ny, y0 + edge), x0, min(nx, x0 + edge)])
        _search_tile(ref, ref_valid, sec, sec_valid, wanted, window, geometry, least, out)


def search_chips(
    ref: Floats, ref_valid: Bools, sec: Floats, sec_valid: Bools, wanted: Bools, geometry: Ints, least: float
) -> Floats:
    """Find the integer shift of highest correlation for every wanted chip.

    Parameters
    ----------
    ref, sec : float32 (rows, columns)
        The two images; values under a false mask are never read into a sum.
    ref_valid, sec_valid : bool (rows, columns)
        False = missing.
    wanted : bool (ny, nx)
        Chips to measure.
    geometry : int64 (4,)
        Chip, step, band (a common divisor of chip and step) and search radius, pixels.
    least : float
        Fewest common valid pixels for a shift to count.

    Returns
    -------
    float32 (ny, nx, 7)
        dy, dx, peak, second peak, edge, and the sub-pixel start dy, dx. NaN where not wanted.
    """
    ny, nx = wanted.shape
    out = np.full((ny, nx, PEAK_FIELDS), np.nan, np.float32)
    edge = tile_edge(int(geometry[1]))
    tiles_y, tiles_x = (ny + edge - 1) // edge, (nx + edge - 1) // edge
    in_threads(
        lambda start, stop: _search_tiles(
            start, stop, ref, ref_valid, sec, sec_valid, wanted, geometry, least, tiles_x, out
        ),
        tiles_y * tiles_x,
    )
    return out
