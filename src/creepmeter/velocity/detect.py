"""Areas that move: connected cells faster than their errors allow, as polygons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy import ndimage
from shapely.geometry.base import BaseGeometry

from creepmeter.errors import SchemaError
from creepmeter.io.vector import trace_polygons
from creepmeter.model.grid import part_of_grid
from creepmeter.velocity.options import DetectOptions
from creepmeter.velocity.polygons import Motion, PolygonStatistics, polygon_statistics

Labels = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]

_MOST_OF_NINE = 5
_EIGHT = np.ones((3, 3))


@dataclass(frozen=True)
class MovingArea:
    """Connected ground that moves.

    Parameters
    ----------
    outline : shapely geometry
        Along the edges of cells, in the reference system of the map.
    statistics : PolygonStatistics
        Its motion.
    """

    outline: BaseGeometry
    statistics: PolygonStatistics


def detect_moving(motion: xr.Dataset, options: DetectOptions | None = None) -> tuple[MovingArea, ...]:
    r"""Return connected areas that move faster than their errors allow, the largest first.

    Parameters
    ----------
    motion : Dataset
        MotionModel with sigma.
    options : DetectOptions, optional
        How many sigma, how fast, how large, how uniform.

    Raises
    ------
    SchemaError
        The map has no sigma.

    Notes
    -----
    A cell moves where its speed is above `sigmas` times its standard error (and above `min_speed`), and most of its 8
    neighbours do as well. Holes smaller than the moving ground around them are filled. On still ground with normal
    errors the speed of two components exceeds k sigma with probability :math:`\exp(-k^2 / 2)`: 1.1 % for k = 3. Chance
    alone makes no areas of `min_cells` unless neighbours have common errors, as those of overlapping chips have:
    `min_cells` should be several chips' worth.
    """
    options = options or DetectOptions()
    rate = Motion.of(motion)
    if not np.isfinite(rate.sigma).any():
        message = "the velocity has no sigma to detect motion by: fit it with sigma covariance, residual or bootstrap"
        raise SchemaError(message)
    labels, count = moving_regions(rate, options)
    outlines = [
        trace_polygons(labels[region] == k, part_of_grid(rate.grid, *region))
        for k, region in enumerate(ndimage.find_objects(labels, count), start=1)
    ]
    areas = [MovingArea(*each) for each in zip(outlines, polygon_statistics(rate, outlines), strict=True)]
    kept = [each for each in areas if _passes(each.statistics, options)]
    return tuple(sorted(kept, key=lambda each: -each.statistics.area_m2))


def moving_regions(rate: Motion, options: DetectOptions) -> tuple[Labels, int]:
    """Return the connected region of each cell, 1 and up, 0 = still or too small a region, and their number."""
    with np.errstate(invalid="ignore"):
        moving = (rate.speed > options.sigmas * rate.sigma) & (rate.speed >= options.min_speed)
    agreeing = ndimage.uniform_filter(moving.astype(np.float64), 3, mode="constant") * 9
    moving &= agreeing > _MOST_OF_NINE - 0.5
    labels, count = ndimage.label(_without_small_holes(moving), structure=_EIGHT)
    size = np.bincount(labels.ravel(), minlength=count + 1)
    large = size >= options.min_cells
    large[0] = False
    renamed = np.where(large, np.cumsum(large), 0).astype(np.int32)
    return renamed[labels], int(large.sum())


def _without_small_holes(moving: Bools) -> Bools:
    """Fill holes that have fewer cells than the moving ground around them: more still ground is not part of it."""
    filled = ndimage.binary_fill_holes(moving)
    regions, _ = ndimage.label(filled, structure=_EIGHT)
    holes, _ = ndimage.label(filled & ~moving)
    around = np.bincount(regions[moving], minlength=int(regions.max()) + 1)
    small = np.bincount(holes.ravel())[holes] < around[regions]
    return np.asarray(moving | ((holes > 0) & small))


def _passes(found: PolygonStatistics, options: DetectOptions) -> bool:
    uniform = np.isnan(found.coherence) or found.coherence >= options.min_coherence
    return bool(uniform and found.area_m2 >= options.min_area_m2)
