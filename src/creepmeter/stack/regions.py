"""Reliable regions of an interferogram: connected components that are large enough to be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.errors import GridError
from creepmeter.kernels.regions import Points, find_boundary, find_runs, paint_runs, renumber, run_areas

Labels = npt.NDArray[np.int16] | npt.NDArray[np.int32]
Numbers = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

_MOST_OF_MAP = 0.003  # share of the map that a region needs at most
_MOST_SHORT = 2**15  # regions that a map of 16 bits holds, which is the faster one


@dataclass(frozen=True)
class Regions:
    """Regions of one map.

    Parameters
    ----------
    labels : array of int, (y, x)
        1 to `count`, in raster order of the first pixels; 0 = in no region.
    count : int
        Number of regions.
    boundary : Points or None
        Boundary pixels of the regions after erosion by a window of 5 x 5 pixels; None where there are fewer than two.
    """

    labels: Labels
    count: int
    boundary: Points | None = None


def find_regions(components: npt.NDArray[Any], land: Mask | None = None, *, min_area: float = 2.5e3) -> Regions:
    """Find the regions of a map of connected components.

    Parameters
    ----------
    components : array, (y, x)
        Numbers of components; 0 and NaN = unreliable. Pixels of one number that touch by their sides are one region.
    land : array of bool, (y, x), optional
        False = water, unreliable.
    min_area : float
        Where there is more than one region, those of up to this size are left out, pixels; never those above 0.3 % of
        the map. So are, then, those that vanish under an erosion by 5 x 5 pixels.

    Raises
    ------
    GridError
        The mask has another shape.

    Examples
    --------
    >>> find_regions(np.repeat([[1, 1, 0, 2, 2]], 20, axis=0), min_area=1).count
    0
    >>> find_regions(np.repeat([[1, 1, 1, 1, 1]], 20, axis=0), min_area=1).count
    1
    """
    keep = np.ones(components.shape, bool) if land is None else np.ascontiguousarray(land, bool)
    if keep.shape != components.shape:
        message = f"the water mask has shape {keep.shape} and the components {components.shape}: give both on one grid"
        raise GridError(message)
    runs, count = find_runs(_whole_numbers(components), keep)
    number = np.arange(count + 1, dtype=np.int32)
    if count > 1:
        areas = run_areas(runs, count)
        number = _renumbered(areas > min(min_area, _MOST_OF_MAP * components.size))
    left = int(number.max())
    labels = np.zeros(components.shape, np.int16 if left < _MOST_SHORT else np.int32)
    paint_runs(runs, number, labels)
    return _without_thin(labels, left) if left > 1 else Regions(labels, left)


def _without_thin(labels: Labels, count: int) -> Regions:
    boundary = find_boundary(labels)
    # every core has a boundary: there is more than one region
    present = np.bincount(boundary.label, minlength=count + 1) > 0
    left = int(present.sum())
    if left < count:
        number = _renumbered(present)
        renumber(labels, number)
        boundary = boundary._replace(label=number[boundary.label])
    return Regions(labels, left, boundary if left > 1 else None)


def _renumbered(kept: Mask) -> Numbers:
    wanted = kept.copy()
    wanted[0] = False
    return np.asarray(np.where(wanted, np.cumsum(wanted), 0), np.int32)


def _whole_numbers(components: npt.NDArray[Any]) -> npt.NDArray[Any]:
    # two types are compiled, no more
    if components.dtype == np.int16:
        return np.ascontiguousarray(components)
    if components.dtype.kind == "f":
        components = np.nan_to_num(components, nan=0.0, posinf=0.0, neginf=0.0)
    return np.ascontiguousarray(components, np.int32)
