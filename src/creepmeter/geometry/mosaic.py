"""Overlapping maps joined to one, with what they differ by in their overlaps taken out."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from creepmeter.errors import GridError, InputError
from creepmeter.geometry.mosaic_options import MosaicOptions
from creepmeter.model.grid import Grid, describe_grid, map_position, pixel_position

Values = npt.NDArray[np.floating]
Floats = npt.NDArray[np.float64]
_LEVEL, _RAMP = 1, 3  # coefficients: an offset; an offset and slopes along rows and columns


def union_grid(grids: Sequence[Grid]) -> Grid:
    """Return the grid that covers all others, on the cells of the first.

    Raises
    ------
    GridError
        Reference systems differ.
    """
    first = grids[0]
    ends = []
    for grid in grids:
        if grid.crs != first.crs:
            message = (
                f"the maps have other reference systems ({describe_grid(first)}; {describe_grid(grid)}): bring all to "
                "one first"
            )
            raise GridError(message)
        column, row = pixel_position(first, *map_position(grid, [0, grid.shape[1]], [0, grid.shape[0]]), None)
        corners = row.min(), row.max(), column.min(), column.max()
        ends.append([np.floor(place + 0.5) for place in corners])  # a sliver of a cell is no cell
    top, left = (int(min(end[k] for end in ends)) for k in (0, 2))
    bottom, right = (int(max(end[k] for end in ends)) for k in (1, 3))
    west, north = (float(part) for part in map_position(first, left, top))
    affine = first.affine
    return Grid((bottom - top, right - left), type(affine)(affine.a, 0.0, west, 0.0, affine.e, north), first.crs)


def match(maps: Sequence[Values], options: MosaicOptions) -> Floats:
    """Return what to take off each map so that all agree where they overlap, as coefficients.

    Parameters
    ----------
    maps : sequence of array, (y, x)
        On one grid; NaN = not measured.
    options : MosaicOptions
        Offset, ramp, one by one or all together.

    Returns
    -------
    array, (map, coefficient)
        See `surface`; those of the first map are zero.

    Raises
    ------
    InputError
        A map overlaps no other.
    """
    count = _RAMP if options.ramp else _LEVEL
    found = np.zeros((len(maps), count))
    if not options.offset or len(maps) == 1:
        return found
    if options.joint:
        return _together(maps, count, options)
    joined = np.array(maps[0], np.float64)
    for k, values in enumerate(maps[1:], start=1):
        found[k] = _difference(values - joined, count, options, k)
        corrected = values - surface(found[k], joined.shape)
        joined = np.where(np.isfinite(corrected), corrected, joined)
    return found


def surface(coefficients: Floats, shape: tuple[int, int]) -> Floats | float:
    """Return an offset, or with three coefficients a plane: level at the middle, rise over all rows and columns."""
    if len(coefficients) == _LEVEL:
        return float(coefficients[0])
    down, across = _axes(shape)
    return np.asarray(coefficients[0] + coefficients[1] * down + coefficients[2] * across)


def _axes(shape: tuple[int, int]) -> tuple[Floats, Floats]:
    rows, columns = ((np.arange(size) + 0.5) / size - 0.5 for size in shape)
    return rows[:, None], columns[None]


def _design(mask: npt.NDArray[np.bool_], count: int) -> Floats:
    """Return the columns of the surfaces at the cells of a mask, (cell, coefficient)."""
    if count == _LEVEL:
        return np.ones((int(mask.sum()), 1))
    down, across = (np.broadcast_to(axis, mask.shape)[mask] for axis in _axes((mask.shape[0], mask.shape[1])))
    return np.stack([np.ones(len(down)), down, across], axis=1)


def _difference(apart: Floats, count: int, options: MosaicOptions, place: int) -> Floats:
    """Return the surface of a difference of two maps."""
    mask = np.isfinite(apart)
    if mask.sum() < count:
        raise InputError(_alone(place))
    if count == _LEVEL:
        return np.array([_level(apart[mask], options)])
    return np.asarray(np.linalg.lstsq(_design(mask, count), apart[mask], rcond=None)[0])


def _level(differences: Floats, options: MosaicOptions) -> float:
    return float(np.median(differences) if options.method == "median" else differences.mean())


def _alone(place: int) -> str:
    return (
        f"map {place + 1} overlaps none of the maps before it: give the maps in an order in which each overlaps one "
        "before it, or leave the offsets as they are (--no-offset)"
    )


def _together(maps: Sequence[Values], count: int, options: MosaicOptions) -> Floats:
    """Return the surfaces of least squares over all overlaps; the first map keeps its values."""
    size = len(maps) * count
    normal, right, linked = np.zeros((size, size)), np.zeros(size), np.eye(len(maps), dtype=bool)
    for i, j in itertools.combinations(range(len(maps)), 2):
        apart = np.asarray(maps[j], np.float64) - maps[i]
        mask = np.isfinite(apart)
        if not mask.any():
            continue
        linked[i, j] = linked[j, i] = True
        design, values = _design(mask, count), apart[mask]
        if count == _LEVEL:
            values = np.full(len(values), _level(values, options))
        power, along = design.T @ design, design.T @ values
        one, other = slice(i * count, (i + 1) * count), slice(j * count, (j + 1) * count)
        normal[one, one] += power
        normal[other, other] += power
        normal[one, other] -= power
        normal[other, one] -= power
        right[other] += along
        right[one] -= along
    _require_linked(linked)
    solved = np.linalg.lstsq(normal[count:, count:], right[count:], rcond=None)[0]
    return np.concatenate([np.zeros(count), solved]).reshape(len(maps), count)


def _require_linked(linked: npt.NDArray[np.bool_]) -> None:
    """Raise `InputError` unless overlaps lead from the first map to every other."""
    reached = linked[0]
    for _ in range(len(linked)):
        reached = linked[reached].any(axis=0)
    if not reached.all():
        raise InputError(_alone(int(np.argmin(reached))))


def join(maps: Sequence[Values], coefficients: Floats, options: MosaicOptions) -> Floats:
    """Return the mosaic of maps on one grid.

    Parameters
    ----------
    maps : sequence of array, (y, x)
        NaN = not measured.
    coefficients : array, (map, coefficient)
        What is taken off each; see `match`.
    options : MosaicOptions
        Which map counts where several are measured.
    """
    corrected = [
        np.asarray(values - surface(own, values.shape), np.float64)
        for values, own in zip(maps, coefficients, strict=True)
    ]
    if options.overlap == "mean":
        stack = np.stack(corrected)
        known = np.isfinite(stack)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.where(known, stack, 0.0).sum(axis=0) / known.sum(axis=0))
    joined = corrected[0]
    for values in corrected[1:]:
        replaced = np.isfinite(values) & (np.isnan(joined) if options.overlap == "first" else True)
        joined = np.where(replaced, values, joined)
    return joined
