"""Stable-ground correction of a whole stack.

Two steps, so that a stack of any size is read one pair at a time: `correction.stable_correction` looks at one pair,
`correction.complete_corrections` at what all of them found; `PairCorrection.apply` then corrects a pair.
`correct_stable_ground` does it all for a stack whose result fits in memory.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.ndimage import distance_transform_edt

from creepmeter.model.pair import Pair
from creepmeter.model.schema import PAIR_STACK, check
from creepmeter.stack.closure import IndependentShare, independent_share, measured_pixels, sample_stack, used_loops
from creepmeter.stack.correction import (
    PairCorrection,
    complete_corrections,
    correction_variables,
    stable_correction,
    surface_variance,
)
from creepmeter.stack.options import StableOptions

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Values = npt.NDArray[Any]

_WORTH_A_WORD = 1.05  # a factor on sigma that is more than the noise of the closures


def stable_mask(moving: Mask, *, buffer_m: float = 0.0, cell_m: tuple[float, float] = (1.0, 1.0)) -> Mask:
    """Return the ground that does not move: everything farther than `buffer_m` from moving ground.

    Parameters
    ----------
    moving : array of bool, (y, x)
    buffer_m : float
        Metres by which moving ground is widened, from centre to centre of cells.
    cell_m : (float, float)
        Height and width of a cell, metres.
    """
    if buffer_m <= 0 or not moving.any():
        return ~moving
    stable: Mask = distance_transform_edt(~moving, sampling=cell_m) > buffer_m
    return stable


def correct_stable_ground(
    stack: xr.Dataset,
    stable: npt.ArrayLike,
    *,
    options: StableOptions | None = None,
    overlap: float | None = None,
) -> xr.Dataset:
    """Subtract from each pair what its stable ground shows, and make sigma agree with stable ground.

    Parameters
    ----------
    stack : PairStack
        Displacement in metres; read one pair at a time.
    stable : array of bool, (y, x)
        True where the ground does not move, see `stable_mask`.
    options : StableOptions, optional
        By default the median shift.
    overlap : float, optional
        Neighbouring chips that share an image pixel; by default from the attributes `chip_px` and `step_px`, else 1.

    Returns
    -------
    PairStack
        With corrected `displacement` and `sigma`, the variables of `correction_variables`, `independent_share
        (component)` and `sigma_inflation (component)`. Pairs without any measured pixel have `used` false. A second
        correction of the result over the same ground changes nothing.

    Raises
    ------
    GridError
        The mask has another shape than the stack.
    SchemaError
        This is no PairStack.

    Notes
    -----
    Sigma of the tracker is scaled per pair and component so that the errors on stable ground have a robust spread of
    one, the uncertainty of the shift (or plane) is added, and all is widened where triangles do not close as well as
    sigma says. Without sigma of the tracker the NMAD on stable ground stands for every pixel of the pair.

    Examples
    --------
    >>> from creepmeter.model.schema import make_pair_stack
    >>> stack = make_pair_stack(np.full((1, 10, 10), 0.3), [("20200101", "20200201")])
    >>> corrected = correct_stable_ground(stack, np.ones((10, 10), bool))
    >>> float(corrected["shift"][0, 0]), float(corrected["displacement"].max())
    (0.3, 0.0)
    """
    check(stack, PAIR_STACK)
    options = options or StableOptions()
    mask = np.asarray(stable, bool)
    overlap = _overlap(stack) if overlap is None else overlap
    earlier = _Earlier.of(stack)
    corrections = [
        stable_correction(*earlier.values(stack, pair), mask, options=options, overlap=overlap)
        for pair in range(stack.sizes["pair"])
    ]
    ends = zip(stack["ref_time"].values, stack["sec_time"].values, strict=True)
    pairs = [Pair.of(ref, sec) for ref, sec in ends]
    corrections = complete_corrections(corrections, pairs, options=options, before=earlier.coefficients)
    result = _applied(stack, corrections, earlier, options)
    share = stable_share(result, mask, options=options)
    result["independent_share"] = ("component", share.share, {"long_name": "share of pair variance that is its own"})
    result["sigma_inflation"] = ("component", share.factor, {"long_name": "factor on sigma from closures of triangles"})
    if "sigma" in result:
        result["sigma"].values *= share.factor[:, None, None, None].astype(result["sigma"].dtype)
    return result.assign_attrs(stable_model=options.model)


def stable_share(stack: xr.Dataset, stable: Mask, *, options: StableOptions | None = None) -> IndependentShare:
    """Return from triangles the share of the pairs' variance that is their own, and the factor that sigma needs.

    Triangles are looked at on stable ground where there is any, else everywhere. Without sigma, or without triangles,
    share and factor are 1; the factor is 1 as well when `closure_inflation` is off.

    Parameters
    ----------
    stack : PairStack
        Corrected.
    stable : array of bool, (y, x)
    options : StableOptions, optional
    """
    options = options or StableOptions()
    loops = used_loops(stack)
    components = stack.sizes["component"]
    if len(loops) == 0 or "sigma" not in stack:
        return IndependentShare(np.ones(components), np.ones(components), np.zeros(components, np.int64))
    candidates = measured_pixels(stack)
    if int((candidates & stable).sum()) >= options.min_stable:
        candidates &= stable
    displacement, sigma = sample_stack(stack, candidates, max_pixels=options.closure_pixels)
    found = independent_share(displacement, sigma if sigma is not None else np.ones(1), loops)
    if not options.closure_inflation:
        return replace(found, factor=np.ones(components))
    for name, factor in zip(stack["component"].values, found.factor, strict=True):
        if factor > _WORTH_A_WORD:
            logger.warning("%s: triangles close worse than sigma says, sigma is widened %.3g times", name, factor)
    return found


@dataclass(frozen=True)
class _Earlier:
    """What an earlier correction did to a stack, so that a second one neither adds to sigma nor forgets the shift."""

    coefficients: Floats  # (component, pair, 3)
    covariance: Floats  # (component, pair, 3, 3)
    inflation: Floats  # (component,)

    @classmethod
    def of(cls, stack: xr.Dataset) -> _Earlier:
        components, pairs = stack.sizes["component"], stack.sizes["pair"]
        coefficients = np.zeros((components, pairs, 3))
        covariance = np.zeros((components, pairs, 3, 3))
        inflation = np.ones(components)
        if {"shift", "plane_slope", "correction_covariance", "sigma_inflation"} <= set(stack.data_vars):
            coefficients[..., 0] = stack["shift"].transpose("component", "pair").values
            coefficients[..., 1:] = stack["plane_slope"].transpose("component", "pair", "axis").values
            covariance[:] = stack["correction_covariance"].transpose("component", "pair", ...).values
            inflation[:] = stack["sigma_inflation"].values
        return cls(coefficients, covariance, inflation)

    def values(self, stack: xr.Dataset, pair: int) -> tuple[Values, Values | None]:
        """Return displacement of a pair, and its sigma as the tracker gave it."""
        displacement = stack["displacement"].isel(pair=pair).values
        if "sigma" not in stack:
            return displacement, None
        variance = (stack["sigma"].isel(pair=pair).values / self.inflation[:, None, None]) ** 2.0
        variance = variance - surface_variance(self.covariance[:, pair], displacement.shape[1:])
        return displacement, np.sqrt(np.maximum(variance, 0.0))


def _applied(
    stack: xr.Dataset, corrections: Sequence[PairCorrection], earlier: _Earlier, options: StableOptions
) -> xr.Dataset:
    main = stack["displacement"]
    displacement, sigma = np.empty(main.shape, main.dtype), np.empty(main.shape, main.dtype)
    for pair, correction in enumerate(corrections):
        found = correction.apply(*earlier.values(stack, pair), floor_m=options.floor_m)
        displacement[:, pair], sigma[:, pair] = found
    variables = correction_variables(corrections)
    variables["shift"].values += earlier.coefficients[..., 0]
    variables["plane_slope"].values += np.moveaxis(earlier.coefficients[..., 1:], 1, 2)
    variables["displacement"] = xr.Variable(main.dims, displacement, main.attrs)
    if np.isfinite(sigma).any():
        attributes = {"units": "m", "long_name": "standard error of displacement"}
        grid = {"grid_mapping": main.attrs["grid_mapping"]} if "grid_mapping" in main.attrs else {}
        attributes |= grid
        variables["sigma"] = xr.Variable(main.dims, sigma, stack["sigma"].attrs if "sigma" in stack else attributes)
    used = stack["used"].values & np.array([one.valid_count > 0 for one in corrections])
    lost = int(stack["used"].values.sum() - used.sum())
    if lost:
        logger.warning("%d of %d pairs have no measured pixel and are not used", lost, len(corrections))
    return (
        stack.drop_vars([name for name in variables if name in stack])
        .assign(variables)
        .assign_coords(used=("pair", used))
    )


def _overlap(stack: xr.Dataset) -> float:
    chip, step = stack.attrs.get("chip_px"), stack.attrs.get("step_px")
    return max(1.0, (float(chip) / float(step)) ** 2) if chip and step else 1.0
