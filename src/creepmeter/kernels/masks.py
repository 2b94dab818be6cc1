"""Masks of valid pixels shrunk by what a kernel looks at, and gaps filled at their border."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from creepmeter.kernels._jit import jit, jit_fast
from creepmeter.kernels.threads import in_threads

Floats: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]

ROWS_PER_TASK = 64
LARGEST = np.finfo(np.float32).max


@jit
def _shrink_rows(
    start: int, stop: int, valid: Bools, whole: Bools, before: int, after: int, arms_only: bool, out: Bools
) -> None:
    rows, columns = valid.shape
    for y in range(start, stop):
        line = out[y]
        if y - before < 0 or y + after >= rows or columns <= before + after:
            line[:] = False
            continue
        if whole[y - before : y + after + 1].all():
            line[:before] = False
            line[before : columns - after] = True
            line[columns - after :] = False
            continue
        down = valid[y - before].copy()
        for k in range(y - before + 1, y + after + 1):
            source = valid[k]
            for x in range(columns):
                down[x] &= source[x]
        along = valid[y] if arms_only else down
        line[:] = down
        for shift in range(-before, after + 1):
            for x in range(before, columns - after):
                line[x] &= along[x + shift]
        line[:before] = False
        line[columns - after :] = False


def shrink(valid: Bools, before: int, after: int, *, arms_only: bool = False) -> Bools:
    """Keep pixels around which all pixels are valid; outside the image none is.

    Parameters
    ----------
    valid : bool (rows, columns)
        True = valid.
    before, after : int
        Pixels looked at above and to the left, below and to the right.
    arms_only : bool
        Look along the row and the column of a pixel only, not at the whole square.

    Returns
    -------
    bool (rows, columns)
    """
    out, whole = np.empty(valid.shape, np.bool_), np.asarray(valid.all(axis=1))
    in_threads(
        lambda start, stop: _shrink_rows(start, stop, valid, whole, before, after, arms_only, out),
        len(valid),
        multiple=ROWS_PER_TASK,
    )
    return out


@jit
def _grow_once(values: Floats, known: Bools) -> bool:
    """Fill unknown pixels beside known ones with the mean of these; returns whether any was filled."""
    before = known.copy()
    found = False
    for y in range(len(values)):
        for x in range(values.shape[1]):
            if not before[y, x]:
                known[y, x] = _fill_pixel(values, before, y, x)
                found |= known[y, x]
    return bool(found)


@jit
def _fill_pixel(values: Floats, known: Bools, y: int, x: int) -> bool:
    """Write the mean of the known pixels around; returns whether there is one."""
    total = np.float32(0.0)
    count = 0
    for i in range(max(0, y - 1), min(values.shape[0], y + 2)):
        for j in range(max(0, x - 1), min(values.shape[1], x + 2)):
            if known[i, j]:
                total += values[i, j]
                count += 1
    if count > 0:
        values[y, x] = total / np.float32(count)
    return count > 0


def fill_border(values: Floats, valid: Bools, width: int) -> Floats:
    """Return an image continued into its gaps by `width` pixels, so that a spline does not ring at their border.

    Parameters
    ----------
    values : float32 (rows, columns)
        Image, 0 where not valid.
    valid : bool (rows, columns)
        True = valid.
    width : int
        Pixels filled from the border of a gap inwards; farther in stays 0.
    """
    if valid.all() or not valid.any():
        return values
    out, known = values.copy(), valid.copy()
    for _ in range(width):
        if not _grow_once(out, known):
            break
    return out


@jit_fast
def _sum_seen(line: Floats, seen: Bools) -> float:
    total = 0.0
    for x in range(len(line)):
        total += float(line[x]) if seen[x] else 0.0
    return total


@jit
def _look_rows(start: int, stop: int, values: Floats, hidden: Bools, seen: Bools, totals: Doubles) -> None:
    for y in range(start, stop):
        line, flags = values[y], seen[y]
        for x in range(len(line)):
            flags[x] = abs(line[x]) <= LARGEST  # false for NaN
        if hidden.size > 0:
            for x in range(len(line)):
                flags[x] &= not hidden[y, x]
        totals[y] = _sum_seen(line, flags)


@jit
def _level_rows(start: int, stop: int, values: Floats, seen: Bools, level: np.float32, out: Floats) -> None:
    for y in range(start, stop):
        line, flags, to = values[y], seen[y], out[y]
        for x in range(len(line)):
            to[x] = line[x] - level if flags[x] else np.float32(0.0)


def take_level_off(values: Floats, hidden: Bools | None = None) -> tuple[Floats, Bools]:
    """Tell seen from missing pixels and take the mean of the seen ones off.

    Parameters
    ----------
    values : float32 (rows, columns)
        Image; what is not finite is missing.
    hidden : bool (rows, columns), optional
        True = missing as well.

    Returns
    -------
    float32 (rows, columns), bool (rows, columns)
        Image without its mean, 0 where missing; and where it was seen.
    """
    rows = len(values)
    seen, totals = np.empty(values.shape, np.bool_), np.zeros(rows)
    mask = np.empty((0, 0), np.bool_) if hidden is None else np.ascontiguousarray(hidden, np.bool_)
    in_threads(lambda start, stop: _look_rows(start, stop, values, mask, seen, totals), rows, multiple=ROWS_PER_TASK)
    level = np.float32(totals.sum() / max(int(np.count_nonzero(seen)), 1))
    out = np.empty_like(values)
    in_threads(lambda start, stop: _level_rows(start, stop, values, seen, level, out), rows, multiple=ROWS_PER_TASK)
    return out, seen
