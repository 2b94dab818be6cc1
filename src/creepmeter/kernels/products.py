"""Sums of products of two images over cells, for many shifts at once.

An image tile is rearranged so that pixels at the same place in neighbouring cells lie side by side: lane j holds the
pixel of cell j. The sum of products over a cell is then an addition of whole lanes, without any sum across a vector.
For the second image the same is kept for every shift along the row, so that four shifts share what they load. On a
common core this runs near the limit of its multipliers.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from creepmeter.kernels._jit import jit, jit_fast

Floats: TypeAlias = npt.NDArray[np.float32]

LANES = 48  # cells side by side; the loops over them have a fixed length, which compilers turn into vectors
GROUP = 8  # columns of a cell that are multiplied in one go
SHIFTS = 4  # shifts along the row that are summed in one go
# Offsets of lanes as unsigned numbers: a signed index would be tested for being negative in every step.
ZERO = np.uint64(0)
ROW = np.uint64(LANES)
_1, _2, _3, _4, _5, _6, _7, _8, _9, _10 = (np.uint64(k * LANES) for k in range(1, 11))


@jit
def column_groups(cell: int) -> int:
    """Return the columns kept of a cell: a multiple of GROUP, the surplus being zero in the first image."""
    return (cell + GROUP - 1) // GROUP * GROUP


@jit
def shift_groups(shifts: int) -> int:
    """Return the shifts along the row that are computed: a multiple of SHIFTS."""
    return (shifts + SHIFTS - 1) // SHIFTS * SHIFTS


@jit
def first_lanes(line: Floats, cell: int, out: Floats) -> None:
    """Rearrange a row of the first image: out[p * LANES + j] = line[j * cell + p]."""
    for p in range(cell):
        lane = out[p * LANES : (p + 1) * LANES]
        for j in range(LANES):
            lane[j] = line[j * cell + p]
    out[cell * LANES : column_groups(cell) * LANES] = 0.0


@jit
def second_lanes(line: Floats, cell: int, out: Floats) -> None:
    """Rearrange a row of the second image for every shift: out[e * LANES + j] = line[j * cell + e]; 0 past its end."""
    shifts = len(out) // LANES
    for e in range(min(cell, shifts)):
        fold_line(line, cell, e, out[e * LANES : (e + 1) * LANES])
    last = (LANES - 1) * cell
    for e in range(cell, shifts):  # a shift by a whole cell is that of its neighbour, one lane on
        lane, before = out[e * LANES : (e + 1) * LANES], out[(e - cell) * LANES : (e - cell + 1) * LANES]
        lane[:-1] = before[1:]
        lane[-1] = line[last + e] if last + e < len(line) else 0.0


@jit
def fold_line(line: Floats, cell: int, first: int, out: Floats) -> None:
    """Take every `cell`-th value of a line, from `first` on; 0 past its end."""
    inside = min(len(out), max(0, (len(line) - first + cell - 1) // cell))
    for j in range(inside):
        out[j] = line[j * cell + first]
    out[inside:] = 0.0


@jit_fast
def multiply_group(
    first: Floats, second: Floats, place_first: np.uint64, place_second: np.uint64, place: np.uint64, out: Floats
) -> None:
    """Add the products of GROUP columns of one row, for SHIFTS shifts, to `out` from `place` on."""
    a, b, c = place_first, place_second, place
    for j in range(ROW):
        a0, a1, a2, a3 = first[a + j], first[a + _1 + j], first[a + _2 + j], first[a + _3 + j]
        a4, a5, a6, a7 = first[a + _4 + j], first[a + _5 + j], first[a + _6 + j], first[a + _7 + j]
        b0, b1, b2, b3 = second[b + j], second[b + _1 + j], second[b + _2 + j], second[b + _3 + j]
        b4, b5, b6, b7 = second[b + _4 + j], second[b + _5 + j], second[b + _6 + j], second[b + _7 + j]
        b8, b9, b10 = second[b + _8 + j], second[b + _9 + j], second[b + _10 + j]
        out[c + j] += a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3 + a4 * b4 + a5 * b5 + a6 * b6 + a7 * b7
        out[c + _1 + j] += a0 * b1 + a1 * b2 + a2 * b3 + a3 * b4 + a4 * b5 + a5 * b6 + a6 * b7 + a7 * b8
        out[c + _2 + j] += a0 * b2 + a1 * b3 + a2 * b4 + a3 * b5 + a4 * b6 + a5 * b7 + a6 * b8 + a7 * b9
        out[c + _3 + j] += a0 * b3 + a1 * b4 + a2 * b5 + a3 * b6 + a4 * b7 + a5 * b8 + a6 * b9 + a7 * b10


@jit
def cell_products(first: Floats, second: Floats, top: int, sizes: tuple[int, int, int], out: Floats) -> None:
    """Sum the products of one row of cells with the second image for every shift.

    Parameters
    ----------
    first : float32 (cell * columns * LANES,)
        One row of cells of the first image, see `first_lanes`; `columns` as from `column_groups`.
    second : float32 (ring, lanes of one row)
        Rows of the second image, see `second_lanes`: its row y lies at y modulo the length of the ring.
    top : int
        Row of the second image under the first row of the cells, for the first shift.
    sizes : (cell, shifts down, shifts along)
        Edge of a cell; numbers of shifts, the latter from `shift_groups`.
    out : float32 (shifts down * shifts along * LANES,)
        The sums.
    """
    cell, down, along = sizes
    columns = column_groups(cell)
    ring, width = second.shape
    flat = second.reshape(-1)
    out[:] = 0.0
    for v in range(0, along, SHIFTS):
        for u in range(down):
            place = np.uint64((u * along + v) * LANES)
            for k in range(cell):
                row = ((top + u + k) % ring) * width + v * LANES
                for p in range(0, columns, GROUP):
                    multiply_group(
                        first, flat, np.uint64((k * columns + p) * LANES), np.uint64(row + p * LANES), place, out
                    )
