"""Outliers of displacement maps: points that their neighbours contradict, and filling of the holes they leave."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import ndimage

from creepmeter.errors import ImageError
from creepmeter.kernels.medians import Middle, local_middle
from creepmeter.kernels.neighbours import FEWEST, agreement, beyond, incoherent, islands
from creepmeter.kernels.robust import NMAD_FACTOR
from creepmeter.kernels.threads import together
from creepmeter.model.options import Options
from creepmeter.tracking.options import Odd

Floats: TypeAlias = npt.NDArray[np.float32]
Bools: TypeAlias = npt.NDArray[np.bool_]
Reals: TypeAlias = npt.NDArray[Any]

QUIET = 0.25  # quantile of the local deviations that is noise alone: moving or wrong ground may fill the rest
TOP = 0.99  # quantile, of what moves at all, that counts as the range of the map
STEPS = (1e-3, 1e-2)  # of the range: least noise, and the most that a step of rounded values can be
ROUNDING = 1e-6  # of the largest values: what float32 cannot tell apart
STEEP = 1.25  # allowance for the slope of the motion: neighbours one point apart agree
FILL_NEIGHBOURS = 6  # valid points, of the nine around and at a hole, that fill it
EIGHT = np.ones((3, 3), bool)  # points touch by corners too
SMALL_HOLE = 5  # points; a smaller hole is filled from as few neighbours as can be judged


class OutlierOptions(Options):
    """How the neighbours of a point judge it."""

    neighbourhood: Odd = Field(5, ge=3, le=51, description="Edge of the neighbourhood that judges a point (odd)")
    min_agree: float = Field(
        0.32, ge=0, le=1, description="Share of the valid neighbours that must agree with a point (coherence)"
    )
    agree: float = Field(
        0.3, ge=0, le=1, description="Largest difference to an agreeing neighbour, share of the motion around"
    )
    scale: float = Field(4.0, gt=0, description="Farthest from the median of the neighbours, in robust deviations")
    rounds: int = Field(3, ge=1, le=20, description="Rounds; each judges by what the last one left")
    floor: float = Field(
        0.0, ge=0, description="Least deviation, in the unit of the maps; 0: the noise of the quietest quarter"
    )
    jump: float = Field(
        0.5, ge=0, le=1, description="Jump that cuts a point off from its neighbour, share of the larger motion"
    )
    min_island: int = Field(
        100, ge=1, description="Patches of fewer points, cut off from all that they touch, are wrong; 1: keep all"
    )


class Filled(NamedTuple):
    """Maps without small holes, and where a value was filled in rather than measured."""

    dx: Floats
    dy: Floats
    filled: Bools


def reject_outliers(
    dx: Reals,
    dy: Reals,
    *,
    sigma: tuple[Reals, Reals] | None = None,
    options: OutlierOptions | None = None,
    **changes: Any,  # noqa: ANN401
) -> Bools:
    """Mark the points of a displacement or velocity map that their neighbours contradict.

    In each round, a point must agree with a share of its neighbours that exist (normalised displacement coherence), and
    lie near their median unless enough of them share its value to within the noise. At last, patches go that jumps on
    all sides cut off from what they touch: false matches of overlapping chips agree among themselves.

    Parameters
    ----------
    dx, dy : float (ny, nx)
        The two components, in any unit. Not finite = missing; a point that misses one is missing.
    sigma : tuple of float (ny, nx), optional
        Standard errors of `dx` and `dy`, in their unit.
    options : OutlierOptions, optional
        By default ``OutlierOptions()``.
    **changes
        Single options by name, in place of those of `options`.

    Returns
    -------
    bool (ny, nx)
        True = outlier. Missing points are not.

    Raises
    ------
    ImageError
        The maps differ in shape.

    Notes
    -----
    The differences that matter are measured in the noise of the map itself, not in the limit of a search, so that slow
    motion is judged as strictly as fast motion.

    Examples
    --------
    >>> dx, dy = np.zeros((2, 9, 9))
    >>> dx[4, 5] = 3.0
    >>> np.argwhere(reject_outliers(dx, dy)).tolist()
    [[4, 5]]
    """
    chosen = (options or OutlierOptions()).override(changes, step="outliers")
    y, x = _relative(dy, dx)
    errors = [_errors(values, y.shape) for values in reversed(sigma or (np.zeros(()), np.zeros(())))]
    ground, half = np.isfinite(y), chosen.neighbourhood // 2
    if not ground.any():
        return np.zeros(y.shape, bool)
    near = _middles(y, x, half)
    levels = together(lambda: noise_level(y, near[0]), lambda: noise_level(x, near[1]))
    least = [np.fmax(error, np.float32(max(level, chosen.floor))) for error, level in zip(errors, levels, strict=True)]
    for _ in range(chosen.rounds):
        before = np.isnan(y)
        near = _judge(y, x, near, least, chosen)
        if np.array_equal(before, np.isnan(y)):
            break
    bridged = np.float32(np.sqrt(2) * chosen.scale) * np.maximum(*least)
    land, _ = ndimage.label(ground, structure=EIGHT)
    y[islands(y, x, land, bridged, chosen.jump, half, chosen.min_island)] = np.nan
    return ground & np.isnan(y)


def _relative(dy: Reals, dx: Reals) -> tuple[Floats, Floats]:
    """Return both maps relative to their medians, NaN where one is missing."""
    if np.shape(dy) != np.shape(dx) or np.ndim(dy) != 2:  # noqa: PLR2004
        message = f"dx and dy must be two maps of one shape, got {np.shape(dx)} and {np.shape(dy)}"
        raise ImageError(message)
    missing = ~(np.isfinite(dy) & np.isfinite(dx))
    maps = [np.where(missing, np.nan, values) for values in (dy, dx)]
    if missing.all():
        return np.full(missing.shape, np.nan, np.float32), np.full(missing.shape, np.nan, np.float32)
    return (maps[0] - np.nanmedian(maps[0])).astype(np.float32), (maps[1] - np.nanmedian(maps[1])).astype(np.float32)


def _errors(sigma: Reals, shape: tuple[int, ...]) -> Floats:
    """Return standard errors as a map; 0 where none is known."""
    known = np.where(np.isfinite(sigma), sigma, 0).astype(np.float32)
    if known.shape not in {(), shape}:
        message = f"sigma must have the shape of the maps, {shape}, got {known.shape}"
        raise ImageError(message)
    return np.broadcast_to(known, shape)


def noise_level(values: Floats, near: Middle) -> float:
    """Return the noise of a map: the local deviation in its quietest quarter.

    Rounded values and fields without noise have none that can be seen, so it is not less than the step of rounding, and
    a thousandth of the range of the map.
    """
    valid = np.isfinite(values)
    size = np.abs(values[valid])
    resolution = ROUNDING * float(size.max())
    span = float(np.quantile(size[size >= resolution], TOP))
    quiet = NMAD_FACTOR * float(np.quantile(near.deviation[valid], QUIET))
    if quiet <= resolution:
        steps = np.diff(np.unique(values[valid]))
        quiet = min(float(steps[steps > resolution].min(initial=np.inf)), STEPS[1] * span)
    return max(quiet, STEPS[0] * span)


def _middles(y: Floats, x: Floats, half: int) -> tuple[Middle, Middle]:
    return local_middle(y, half), local_middle(x, half)


def _judge(
    y: Floats, x: Floats, near: tuple[Middle, Middle], least: list[Floats], options: OutlierOptions
) -> tuple[Middle, Middle]:
    """Do one round: set what fails to NaN, in place. Takes and returns the medians that coherence left."""
    half, share = options.neighbourhood // 2, options.min_agree
    close = np.float32(options.scale) * np.maximum(*least)
    motion = np.maximum(*(np.abs(middle.median) + 2 * np.float32(NMAD_FACTOR) * middle.deviation for middle in near))
    slope = np.fmax(*(_slope(middle.median) for middle in near))
    loose = np.fmax(close, np.fmax(np.float32(options.agree) * motion, np.float32(STEEP) * slope))
    alone = incoherent(y, x, half, loose, share)
    if half > 1:  # the middle of a slide not wider than the neighbourhood resembles only the points beside it
        alone &= incoherent(y, x, 1, loose, share)
    if alone.any():
        _drop(y, x, alone)
        near = _middles(y, x, half)
    far = beyond(y, near[0], options.scale, least[0]) | beyond(x, near[1], options.scale, least[1])
    agree, total = agreement(y, x, half, close)
    _drop(y, x, far & ((agree < FEWEST) | (agree < share * total)))
    return near


def _slope(median: Floats) -> Floats:
    """Return the largest difference between points one apart that the medians let expect; NaN where not known."""
    slopes = [np.gradient(median, axis=k) for k in (0, 1) if median.shape[k] > 1]
    return np.asarray(sum((np.abs(slope) for slope in slopes), np.zeros_like(median)))


def _drop(y: Floats, x: Floats, wrong: Bools) -> None:
    y[wrong] = x[wrong] = np.nan


def fill_holes(dx: Reals, dy: Reals, *, within: Bools | None = None, passes: int = 3) -> Filled:
    """Fill small holes of a displacement map by the median of what lies around them.

    A missing point is filled when six of its eight neighbours are known, filled ones included, or when its hole has
    fewer than five points and three neighbours are known.

    Parameters
    ----------
    dx, dy : float (ny, nx)
        The two components, in any unit. Not finite = missing; a point that misses one is missing.
    within : bool (ny, nx), optional
        Fill only here, for example not on water.
    passes : int
        How often; each pass goes on from what the last one filled.

    Returns
    -------
    Filled
        The maps, and where they are filled: these values are interpolated, not measured.

    Raises
    ------
    ImageError
        The maps differ in shape.

    Examples
    --------
    >>> dx, dy = np.ones((2, 5, 5))
    >>> dx[2, 3] = np.nan
    >>> result = fill_holes(dx, dy)
    >>> float(result.dx[2, 3]), int(result.filled.sum())
    (1.0, 1)
    """
    _relative(dy, dx)
    missing = ~(np.isfinite(dy) & np.isfinite(dx))
    y, x = (np.where(missing, np.nan, values).astype(np.float32) for values in (dy, dx))
    open_ground = missing if within is None else missing & np.asarray(within, bool)
    label, _ = ndimage.label(missing, structure=EIGHT)
    enough = np.where(np.bincount(label.ravel())[label] < SMALL_HOLE, FEWEST, FILL_NEIGHBOURS)
    for _ in range(passes):
        near_y, near_x = (local_middle(values, 1) for values in (y, x))
        now = open_ground & np.isnan(y) & (near_y.points >= enough)
        y[now], x[now] = near_y.median[now], near_x.median[now]
    return Filled(x, y, missing & np.isfinite(y))
