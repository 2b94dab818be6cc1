"""One offset from many pairs of images: peaks of given surfaces, and what a pair says of chips at given places.

A pair alone may be too noisy to be refined by itself, so no chip is: each round asks all pairs at one common place, and
who asks adds up the answers.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from creepmeter.kernels._jit import jit
from creepmeter.kernels.cells import part_correlations, part_count
from creepmeter.kernels.chip import (
    DONE,
    FOUND,
    I_XX,
    I_YX,
    I_YY,
    LOST,
    S_T,
    S_TT,
    Doubles,
    Floats,
    Images,
    N,
    Scratch,
    make_scratch,
    prepare_chip,
)
from creepmeter.kernels.judge import judge
from creepmeter.kernels.peaks import PEAK_FIELDS, UNDEFINED, describe_peak, highest, second_highest
from creepmeter.kernels.refine import FIELDS, compare
from creepmeter.kernels.threads import in_threads

Ints: TypeAlias = npt.NDArray[np.int64]

BATCH = 16  # surfaces whose peaks are found together
STATE, CORRELATION, PIXELS, ENERGY, MOVE_Y, MOVE_X, H_YY, H_YX, H_XX = range(9)
LOOK_FIELDS = 9
M_YY, M_YX, M_XX, J_YY, J_YX, J_XY, J_XX = range(LOOK_FIELDS, LOOK_FIELDS + 7)
JUDGE_FIELDS = LOOK_FIELDS + 7


@jit
def _peaks_of_batch(surfaces: Floats, out: Floats) -> None:
    """Find the peaks of at most BATCH surfaces (n, down, along)."""
    count, down, along = surfaces.shape
    lanes = np.full((down * along, BATCH), UNDEFINED, np.float32)
    for k in range(count):
        lanes[:, k] = surfaces[k].copy().reshape(-1)
    sizes = (down, along, along)
    best, second = np.empty(BATCH, np.float32), np.empty(BATCH, np.float32)
    places = np.empty(BATCH, np.int32)
    highest(lanes, sizes, best, places)
    second_highest(lanes, sizes, places, second)
    for k in range(count):
        found, place = out[k], int(places[k])
        found[:] = 0.0
        found[2], found[3], found[4] = best[k], second[k], 1.0
        if place >= 0:
            found[0], found[1] = place // along - down // 2, place % along - along // 2
            describe_peak(lanes, sizes, k, place, found)


@jit
def _peaks_of_range(start: int, stop: int, surfaces: Floats, out: Floats) -> None:
    """Find the peaks of batches `start` to `stop` of surfaces."""
    for batch in range(start, stop):
        _peaks_of_batch(surfaces[batch * BATCH : (batch + 1) * BATCH], out[batch * BATCH : (batch + 1) * BATCH])


def find_peaks(surfaces: Floats) -> Floats:
    """Find the peaks of given correlation surfaces.

    Parameters
    ----------
    surfaces : float32 (n, 2 radius_y + 1, 2 radius_x + 1)
        UNDEFINED where a shift has no correlation.

    Returns
    -------
    float32 (n, 7)
        As `creepmeter.kernels.correlate.search_chips`.
    """
    out = np.empty((len(surfaces), PEAK_FIELDS), np.float32)
    in_threads(lambda start, stop: _peaks_of_range(start, stop, surfaces, out), -(-len(surfaces) // BATCH))
    return out


@jit
def _compare_at(images: Images, place: Doubles, chip: int, least: float, scratch: Scratch, out: Doubles) -> bool:
    """Compare a chip at a place and write what is asked of a move; false if it cannot be moved."""
    corner, sums = scratch[6], scratch[3]
    base_y, base_x = int(np.floor(place[2])), int(np.floor(place[3]))
    corner[0], corner[1], corner[2], corner[3] = int(place[0]), int(place[1]), base_y, base_x
    out[STATE] = prepare_chip(images, corner, chip, least, scratch)
    if out[STATE] != DONE:
        return False
    found = sums[FOUND : FOUND + 6]
    compare(place[2] - base_y, place[3] - base_x, chip, scratch, found)
    if found[0] <= 0.0:
        out[STATE] = LOST
        return False
    determinant = sums[I_YY] * sums[I_XX] - sums[I_YX] * sums[I_YX]
    out[CORRELATION], out[PIXELS] = found[3], sums[N]
    out[ENERGY] = sums[S_TT] - sums[S_T] * sums[S_T] / sums[N]
    out[MOVE_Y], out[MOVE_X] = found[1], found[2]
    out[H_YY], out[H_YX], out[H_XX] = sums[I_XX] / determinant, -sums[I_YX] / determinant, sums[I_YY] / determinant
    return True


@jit
def _look_range(start: int, stop: int, images: Images, places: Doubles, chip: int, least: float, out: Doubles) -> None:
    """Compare chips `start` to `stop`."""
    scratch = make_scratch(chip)
    for k in range(start, stop):
        _compare_at(images, places[k], chip, least, scratch, out[k])


def compare_chips(images: Images, places: Doubles, chip: int, least: float) -> Doubles:
    """Compare chips of one pair at given places.

    Parameters
    ----------
    images : (ref, ref_solid, coefficients, sec_solid)
        As of `creepmeter.kernels.refine.refine_chips`.
    places : float64 (chips, 4)
        Top, left, dy, dx.
    chip : int
        Edge of a chip, pixels.
    least : float
        Fewest valid pixels.

    Returns
    -------
    float64 (chips, 9)
        State (DONE, TOO_FEW, FLAT, LOST), correlation, common pixels, energy of the template, move (dy, dx) to take
        off the place, and the gradient's normal matrix yy, yx, xx. Only the state is known where it is not DONE.
    """
    out = np.full((len(places), LOOK_FIELDS), np.nan)
    in_threads(lambda start, stop: _look_range(start, stop, images, places, chip, least, out), len(places))
    return out


@jit
def _write_parts(chip: int, scratch: Scratch, parts: Doubles) -> None:
    """Write pixels, and pixels times correlation, of each square part of a chip."""
    pixels, found = part_correlations(scratch[0], chip, scratch[4])
    across = len(found)
    for i in range(across):
        for j in range(across):
            parts[i * across + j, 0], parts[i * across + j, 1] = pixels[i, j], pixels[i, j] * found[i, j]


@jit
def _judge_range(
    start: int, stop: int, images: Images, places: Doubles, chip: int, least: float, out: Doubles, parts: Doubles
) -> None:
    """Judge chips `start` to `stop`."""
    scratch = make_scratch(chip)
    spare = np.empty(FIELDS, np.float32)
    for k in range(start, stop):
        if _compare_at(images, places[k], chip, least, scratch, out[k]):
            judge(places[k, 2] - scratch[6][2], places[k, 3] - scratch[6][3], chip, scratch, spare)
            out[k, M_YY:] = scratch[3][FOUND + 6 : FOUND + 13]
            _write_parts(chip, scratch, parts[k])


def judge_chips(images: Images, places: Doubles, chip: int, least: float) -> tuple[Doubles, Doubles]:
    """Compare chips of one pair at given places, and tell what their standard errors and support rest on.

    Parameters
    ----------
    images, places, chip, least
        As of `compare_chips`.

    Returns
    -------
    (float64 (chips, 16), float64 (chips, parts, 2))
        The fields of `compare_chips`, then M (yy, yx, xx): sums over cells of gradient times error, squared; and
        J (yy, yx, xy, xx): gradient of the one times gradient of the other image. Of each part of a chip the common
        pixels, and these times its correlation; 0 where the state is not DONE.
    """
    out = np.full((len(places), JUDGE_FIELDS), np.nan)
    parts = np.zeros((len(places), part_count(chip), 2))
    in_threads(lambda start, stop: _judge_range(start, stop, images, places, chip, least, out, parts), len(places))
    return out, parts
