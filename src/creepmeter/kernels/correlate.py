"""Whole-pixel search: normalised cross-correlation of every chip with every shift, masks inside the sums.

For a shift (u, v) the two images are multiplied once; products are summed into cells, the common divisor of chip and
step, and a chip is a sum of cells. The cost per shift is one multiplication per pixel, however large the chips and
however much they overlap.

With weights m (1 valid, 0 missing) of both images and n = sum m_a m_b over the chip, the correlation is::

    rho(u, v) = [ S_ab - S_a S_b / n ] / sqrt( [S_aa - S_a^2 / n] [S_bb - S_b^2 / n] )

where S_ab = sum m_a m_b a b and so on: a missing pixel of either image is left out of every sum. Tiles that miss no
pixel need S_ab only; the other sums are those of windows (Lewis 1995).
"""

from __future__ import annotations

from math import gcd
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from creepmeter.kernels._jit import jit
from creepmeter.kernels.peaks import PEAK_FIELDS, UNDEFINED, describe_peak, highest, second_highest
from creepmeter.kernels.products import (
    LANES,
    ROW,
    cell_products,
    column_groups,
    first_lanes,
    fold_line,
    second_lanes,
    shift_groups,
)
from creepmeter.kernels.threads import in_threads
from creepmeter.kernels.windows import box, copy_tile, integrate, moments, row_moments

Floats: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]
Ints: TypeAlias = npt.NDArray[np.int64]
Images: TypeAlias = tuple[Floats, Bools, Floats, Bools]  # ref, ref_valid, sec, sec_valid
Sizes: TypeAlias = tuple[int, int, int]  # cell, shifts down, shifts along
State: TypeAlias = tuple[Floats, Floats, Floats]  # lanes of ref, rows of sec as lanes, sums of cells
Tables: TypeAlias = tuple[Doubles, Doubles]  # integral images of values and squares
Place: TypeAlias = tuple[int, int, int, int]  # first row, first and last lane, pixels from lane to lane
Windows: TypeAlias = tuple[Tables, Tables, Floats, Doubles, Floats]
Bounds: TypeAlias = tuple[int, int, int, int]  # first and last row, first and last column
Tile: TypeAlias = tuple[int, int, int, int]  # first and last row of chips, first and last column of chips

TILE_CELLS = 32  # cells down a tile; fixed, so that results do not depend on blocks or threads
PLANES = 3  # an image, its mask, its square
TABLES = 4  # integral images: of values and squares of both tiles
PRODUCTS = 6  # a b, m m, a m, a a m, m b, m b b
OF_FIRST = (0, 1, 0, 2, 1, 1)  # planes that are multiplied
OF_SECOND = (0, 1, 1, 1, 0, 2)
WORK_PER_LANE = 40  # operations per lane and shift besides multiplying; weighs small cells against large ones


def choose_cell(chip: int, step: int, columns: int) -> int:
    """Return the edge of a cell that costs least: a divisor of chip and step; 0 if a chip would have too many cells.

    Parameters
    ----------
    chip, step : int
        Edge of a chip and distance of chips, pixels.
    columns : int
        Chips along a row.
    """
    common = gcd(chip, step)
    costs = {cell: _cost(cell, chip, step, columns) for cell in range(1, common + 1) if common % cell == 0}
    usable = {cell: cost for cell, cost in costs.items() if cost > 0}
    return min(usable, key=usable.__getitem__) if usable else 0


def _cost(cell: int, chip: int, step: int, columns: int) -> float:
    """Return operations per row of chips and shift; 0 when a tile holds no whole chip."""
    across, apart = chip // cell, step // cell
    if across > LANES:
        return 0.0
    tiles = -(-columns // chips_across(across, apart))
    lanes = tiles * LANES * apart
    return float(lanes * (cell * column_groups(cell) + WORK_PER_LANE + 2 * across))


@jit
def chips_across(across: int, apart: int) -> int:
    """Return the chips along a tile; a chip is `across` cells wide, and the next lies `apart` cells on."""
    return (LANES - across) // apart + 1


@jit
def chips_down(apart: int) -> int:
    """Return the chips down a tile."""
    return max(1, TILE_CELLS // apart)


@jit
def _sum_boxes(cells: Floats, rows: int, scratch: Floats, out: Floats) -> None:
    """Sum `rows` rows of cells, and as many neighbouring lanes; `cells` (rows, shifts * LANES)."""
    _add_lines(cells.reshape(-1), cells.shape[1], rows, scratch[: len(out)])
    _add_lines(scratch, 1, rows, out)


@jit
def _add_lines(source: Floats, apart: int, count: int, out: Floats) -> None:
    """Write the sum of `count` stretches of `source`, each `apart` after the one before."""
    size = len(out)
    k = min(count, 4)
    if k == 4:  # noqa: PLR2004 - the usual case, in one pass
        zero, first = source[:size], source[apart : apart + size]
        second, third = source[2 * apart : 2 * apart + size], source[3 * apart : 3 * apart + size]
        for x in range(size):
            out[x] = zero[x] + first[x] + second[x] + third[x]
    else:
        out[:] = source[:size]
        k = 1
    while k + 2 < count:
        one = source[k * apart : k * apart + size]
        two = source[(k + 1) * apart : (k + 1) * apart + size]
        three = source[(k + 2) * apart : (k + 2) * apart + size]
        for x in range(size):
            out[x] += one[x] + two[x] + three[x]
        k += 3
    while k < count:
        one = source[k * apart : k * apart + size]
        for x in range(size):
            out[x] += one[x]
        k += 1


@jit
def _correlate_whole(
    products: Floats, moments: tuple[Floats, Floats], chips: Floats, cell: int, row: int, out: Floats
) -> None:
    """Write the correlations of one row of shifts; see `_make_windows` for the moments of windows and of chips."""
    mean, inverse = moments
    width = len(mean) // cell
    total, scale = chips[0], chips[1]
    for v in range(len(total) // LANES):
        window, first = np.uint64(v % cell * width + v // cell), np.uint64(v * LANES)
        here = np.uint64(row) + first
        for j in range(ROW):
            value = (products[here + j] - total[first + j] * mean[window + j]) * scale[first + j] * inverse[window + j]
            out[here + j] = value if value == value else UNDEFINED  # noqa: PLR0124 - false for NaN only


@jit
def _correlate_masked(sums: Floats, least: float, out: Floats) -> None:
    """Write the correlations from all six sums (PRODUCTS, shifts * LANES)."""
    flat = out.reshape(-1)
    fewest = np.float32(least - 0.5)  # n is a whole number
    for x in range(len(flat)):
        n = sums[1, x]
        one = np.float32(1.0) / max(n, np.float32(1.0))
        first, second = sums[2, x], sums[4, x]
        spread_a, spread_b = sums[3, x] - first * first * one, sums[5, x] - second * second * one
        seen = n > fewest and spread_a > np.float32(1e-6) * sums[3, x] and spread_b > np.float32(1e-6) * sums[5, x]
        # root by root: float32 does not hold the product of two large spreads
        root = np.sqrt(spread_a if seen else np.float32(1.0)) * np.sqrt(spread_b if seen else np.float32(1.0))
        flat[x] = (sums[0, x] - first * second * one) / root if seen else UNDEFINED


@jit
def _moments_of_chips(
    tables: Tables, place: Place, chip: int, inside: Bounds, least: float, total: Floats, scale: Floats
) -> None:
    """Write sum and reciprocal root of the squared deviations of chips over the part of them inside bounds.

    `place` = first row, first and last lane, pixels from lane to lane.
    """
    y0, first, last, cell = place
    top, low = max(y0, inside[0]), min(y0 + chip, inside[1])
    for j in range(first, last):
        left, right = max(j * cell, inside[2]), min(j * cell + chip, inside[3])
        total[j], scale[j] = 0.0, np.nan
        if top < low and left < right:
            sum_ = box(tables[0], top, low, left, right)
            power = box(tables[1], top, low, left, right)
            _, inverse = moments(sum_, power, float((low - top) * (right - left)), least)
            total[j], scale[j] = sum_, inverse


@jit
def _clip(
    tables: Tables, place: Place, chip: int, inside: Bounds, least: float, u: int, total: Floats, scale: Floats
) -> None:
    """Correct the moments of chips, all shifts of row u, where the second image ends; `inside` = its bounds."""
    y0, _, lanes, cell = place
    top, low, left, right = inside
    all_lanes = y0 < top - u or y0 + chip > low - u
    for v in range(len(total) // LANES):
        bounds = (top - u, low - u, left - v, right - v)
        part = slice(v * LANES, (v + 1) * LANES)
        first = lanes if all_lanes else min(lanes, max(0, (left - v + cell - 1) // cell))
        last = lanes if all_lanes else max(first, min(lanes, (right - v - chip) // cell + 1))
        _moments_of_chips(tables, (y0, 0, first, cell), chip, bounds, least, total[part], scale[part])
        _moments_of_chips(tables, (y0, last, lanes, cell), chip, bounds, least, total[part], scale[part])


@jit
def _square_planes(values: Floats, mask: Floats) -> Floats:
    """Return the image, its mask and its square as planes."""
    planes = np.empty((PLANES, *values.shape), np.float32)
    planes[0] = values
    planes[1] = mask
    planes[2] = values * values
    return planes


@jit
def _advance(first: Floats, second: Floats, row: int, sizes: Sizes, state: State) -> None:
    """Sum the products of one row of cells; `sizes` = cell, shifts down, shifts along."""
    cell, down, _ = sizes
    lanes, ring, cells = state
    columns = column_groups(cell)
    start = 0 if row == 0 else row * cell + down - 1
    for plane in range(len(first)):
        for y in range(start, (row + 1) * cell + down - 1):
            second_lanes(second[plane, y], cell, ring[plane, y % ring.shape[1]])
        for k in range(cell):
            first_lanes(
                first[plane, row * cell + k], cell, lanes[plane, k * columns * LANES : (k + 1) * columns * LANES]
            )
    for q in range(len(cells)):
        one, two = (OF_FIRST[q], OF_SECOND[q])
        cell_products(lanes[one], ring[two], row * cell, sizes, cells[q, row % cells.shape[1]])


@jit
def _make_state(planes: int, products: int, across: int, sizes: Sizes) -> State:
    """Return memory for lanes of the first image, rows of the second, and sums of cells."""
    cell, down, along = sizes
    columns = column_groups(cell)
    lanes = np.empty((planes, cell * columns * LANES), np.float32)
    ring = np.empty((planes, cell + down - 1, (columns + along - 1) * LANES), np.float32)
    cells = np.empty((products, across, down * along * LANES), np.float32)
    return lanes, ring, cells


@jit
def _finish_row(surfaces: Floats, wanted: Bools, apart: int, geometry: Ints, out: Floats, kept: Floats) -> None:
    """Find the peaks of a row of chips, `apart` lanes from one to the next; keep the surfaces if there is room."""
    down, along = 2 * geometry[3] + 1, 2 * geometry[4] + 1
    stride = len(surfaces) // down
    sizes = (down, along, stride)
    best, second = np.empty(LANES, np.float32), np.empty(LANES, np.float32)
    places = np.empty(LANES, np.int32)
    highest(surfaces, sizes, best, places)
    second_highest(surfaces, sizes, places, second)
    for k in range(len(wanted)):
        if not wanted[k]:
            continue
        lane, found = k * apart, out[k]
        place = int(places[lane])
        found[:] = 0.0
        found[2], found[3], found[4] = best[lane], second[lane], 1.0
        if place >= 0:
            found[0] = place // stride - geometry[3] + geometry[7]
            found[1] = place % stride - geometry[4] + geometry[8]
            describe_peak(surfaces, sizes, lane, place, found)
        if kept.shape[1] > 0:
            for u in range(down):
                kept[k, u, :] = surfaces[u * stride : u * stride + along, lane]


@jit
def _take(room: Doubles, number: int, shape: tuple[int, int]) -> Doubles:
    """Return one of four tables of a shape in memory that all tiles use."""
    size = len(room) // TABLES
    return room[number * size : number * size + shape[0] * shape[1]].reshape(shape)


@jit
def _make_windows(a: Floats, b: Floats, sizes: tuple[int, int, int, int], room: Doubles) -> Windows:
    """Return integral images of both tiles, and memory for moments of rows of windows and of chips.

    Moments of windows (2, ring, cell * width) are kept with every `cell`-th window side by side: the window of lane j
    for shift v lies at (v % cell) * width + v // cell + j. Those of chips (2, shifts * LANES) are kept for every shift,
    since the second image may end within a chip.
    """
    chip, cell, down, along = sizes
    shape_a, shape_b = (a.shape[0] + 1, a.shape[1] + 1), (b.shape[0] + 1, b.shape[1] + 1)
    tables_a = (_take(room, 0, shape_a), _take(room, 1, shape_a))
    tables_b = (_take(room, 2, shape_b), _take(room, 3, shape_b))
    integrate(a, tables_a[0], tables_a[1])
    integrate(b, tables_b[0], tables_b[1])
    rings = np.empty((2, down, cell * (LANES + (along - 1) // cell)), np.float32)
    lines = np.empty((2, b.shape[1] - chip + 1))
    return tables_a, tables_b, rings, lines, np.zeros((2, along * LANES), np.float32)


@jit
def _whole_row(
    sums: Floats, windows: Windows, inside: Bounds, place: Place, ready: int, geometry: Ints, least: float, out: Floats
) -> None:
    """Correlate a row of chips that miss no pixel; windows above row `ready` of the second image are known."""
    tables_a, tables_b, rings, lines, chips = windows
    chip, cell, down, width = geometry[0], geometry[2], rings.shape[1], rings.shape[2] // geometry[2]
    size = chips.shape[1]
    for y in range(max(ready, place[0]), place[0] + down):
        row_moments(tables_b[0], tables_b[1], y, chip, inside, least, lines[0], lines[1])
        for k in range(2):
            for p in range(cell):
                fold_line(lines[k], cell, p, rings[k, y % down, p * width : (p + 1) * width])
    full = (0, tables_a[0].shape[0] - 1, 0, tables_a[0].shape[1] - 1)
    ends = inside[2] > 0 or inside[3] < tables_b[0].shape[1] - 1
    each = place[0] < inside[0] or place[0] + chip + down - 1 > inside[1]  # what is clipped differs from row to row
    for u in range(down):
        if u == 0 or each:
            _moments_of_chips(tables_a, place, chip, full, least, chips[0], chips[1])
            for v in range(LANES, size, LANES):
                chips[0, v : v + LANES] = chips[0, :LANES]
                chips[1, v : v + LANES] = chips[1, :LANES]
            if each or ends:
                _clip(tables_a, place, chip, inside, least, u, chips[0], chips[1])
        y = (place[0] + u) % down
        _correlate_whole(sums, (rings[0, y], rings[1, y]), chips, cell, u * size, out)


@jit
def _correlate_rows(
    planes: tuple[Floats, Floats], inside: Bounds, wanted: Bools, geometry: Ints, least: float, room: Doubles,
    out: Floats, kept: Floats,
) -> None:  # fmt: skip
    """Search the chips of a tile, row by row; one plane each where no pixel is missing, else image, mask, square."""
    first, second = planes
    chip, step, cell = geometry[0], geometry[1], geometry[2]
    down, along = 2 * geometry[3] + 1, shift_groups(2 * geometry[4] + 1)
    across, apart = chip // cell, step // cell
    whole = len(first) == 1
    products = 1 if whole else PRODUCTS
    state = _make_state(len(first), products, across, (cell, down, along))
    windows = _make_windows(first[0], second[0], (chip, cell, down, along), room)
    sums = np.empty((products, down * along * LANES), np.float32)
    scratch = np.zeros(down * along * LANES + LANES, np.float32)
    surfaces = np.empty((down * along, LANES), np.float32)
    ready = 0
    for r in range(wanted.shape[0]):
        for row in range(ready, r * apart + across):
            _advance(first, second, row, (cell, down, along), state)
        for q in range(products):
            _sum_boxes(state[2][q], across, scratch, sums[q])
        if whole:
            place = (r * step, 0, (wanted.shape[1] - 1) * apart + 1, cell)
            known = 0 if r == 0 else (r - 1) * step + down
            _whole_row(sums[0], windows, inside, place, known, geometry, least, surfaces.reshape(-1))
        else:
            _correlate_masked(sums, least, surfaces)
        ready = max(ready, r * apart + across)
        _finish_row(surfaces, wanted[r], apart, geometry, out[r], kept[r])


@jit
def _search_tile(
    images: Images, wanted: Bools, tile: Tile, geometry: Ints, least: float, room: Doubles, out: Floats, kept: Floats
) -> None:
    """Search one tile of chips; `room` is memory that all tiles use."""
    y0, y1, x0, x1 = tile
    chosen = wanted[y0:y1, x0:x1]
    if not chosen.any():
        return
    chip, step, cell, radius_y, radius_x = geometry[:5]
    top, left = y0 * step + geometry[5], x0 * step + geometry[6]
    height, width = (y1 - y0 - 1) * step + chip, (x1 - x0 - 1) * step + chip
    a, mask_a = np.zeros((height, LANES * cell), np.float32), np.zeros((height, LANES * cell), np.float32)
    whole = copy_tile(images[0], images[1], top, left, a[:, :width], mask_a[:, :width])
    b = np.empty((height + 2 * radius_y, width + 2 * radius_x), np.float32)
    mask_b = np.empty_like(b)
    first_y, first_x = top - radius_y + geometry[7], left - radius_x + geometry[8]
    whole = copy_tile(images[2], images[3], first_y, first_x, b, mask_b) and whole
    rows, columns = images[2].shape
    inside = (
        min(b.shape[0], max(0, -first_y)),
        max(0, min(b.shape[0], rows - first_y)),
        min(b.shape[1], max(0, -first_x)),
        max(0, min(b.shape[1], columns - first_x)),
    )
    if whole:
        planes = (a.reshape((1, *a.shape)), b.reshape((1, *b.shape)))
    else:
        planes = (_square_planes(a, mask_a), _square_planes(b, mask_b))
    _correlate_rows(planes, inside, chosen, geometry, least, room, out[y0:y1, x0:x1], kept[y0:y1, x0:x1])


@jit
def _search_tiles(
    start: int, stop: int, images: Images, wanted: Bools, sizes: tuple[int, int, int], geometry: Ints, least: float,
    out: Floats, kept: Floats,
) -> None:  # fmt: skip
    """Search tiles `start` to `stop`; `sizes` = tiles along a row, chips down and along a tile."""
    ny, nx = wanted.shape
    across, down, along = sizes
    height = (down - 1) * geometry[1] + geometry[0] + 2 * geometry[3] + 1
    room = np.empty(TABLES * height * (LANES * geometry[2] + 2 * geometry[4] + 1))
    for number in range(start, stop):
        y0, x0 = (number // across) * down, (number % across) * along
        tile = (y0, min(ny, y0 + down), x0, min(nx, x0 + along))
        _search_tile(images, wanted, tile, geometry, least, room, out, kept)


def search_chips(
    images: Images,
    wanted: Bools,
    geometry: tuple[int, int, int, int],
    place: tuple[int, int, int, int],
    least: float,
    kept: Floats | None = None,
) -> Floats:
    """Find the whole-pixel shift of highest correlation for every wanted chip of a regular grid.

    Parameters
    ----------
    images : (ref, ref_valid, sec, sec_valid)
        float32 and bool, (rows, columns). Values under a false mask are never read into a sum.
    wanted : bool (ny, nx)
        Chips to measure; each of them lies wholly inside the reference image.
    geometry : (chip, step, radius_y, radius_x)
        Edge of a chip, distance of chips, and search radius, pixels.
    place : (top, left, shift_y, shift_x)
        Corner of the first chip in the reference image, and the shift about which is searched, pixels.
    least : float
        Fewest common valid pixels for a shift to count.
    kept : float32 (ny, nx, 2 radius_y + 1, 2 radius_x + 1), optional
        Filled with the correlation surfaces of wanted chips.

    Returns
    -------
    float32 (ny, nx, 7)
        dy, dx, peak, second peak, edge, and the sub-pixel start dy, dx. NaN where not wanted.

    Raises
    ------
    ValueError
        The chip has too many cells: see `choose_cell`.
    """
    chip, step, radius_y, radius_x = geometry
    ny, nx = wanted.shape
    out = np.full((ny, nx, PEAK_FIELDS), np.nan, np.float32)
    cell = choose_cell(chip, step, nx)
    if cell == 0:
        message = f"chips of {chip} pixels every {step} pixels have no common cell: search them one by one"
        raise ValueError(message)
    numbers = np.array([chip, step, cell, radius_y, radius_x, *place])
    room = np.empty((ny, nx, 0, 0), np.float32) if kept is None else kept
    down, along = chips_down(step // cell), chips_across(chip // cell, step // cell)
    sizes, fewest = (-(-nx // along), down, along), float(np.ceil(least))
    in_threads(
        lambda start, stop: _search_tiles(start, stop, images, wanted, sizes, numbers, fewest, out, room),
        sizes[0] * -(-ny // down),
    )
    return out
