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
from creepmeter.stack.closure import (
    IndependentShare,
    draw_pixels,
    independent_share,
    measured_pixels,
    sample_size,
    used_loops,
)
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
    plan = plan_correction(stack, stable, options=options, overlap=overlap)
    main = stack["displacement"]
    displacement, sigma = np.empty(main.shape, main.dtype), np.empty(main.shape, main.dtype)
    for pair in range(stack.sizes["pair"]):
        displacement[:, pair], sigma[:, pair] = plan.apply(stack, pair)
    result = plan.template(stack)
    values = {"displacement": displacement, "sigma": sigma}
    return result.assign({name: result[name].copy(data=values[name]) for name in values if name in result})


def plan_correction(
    stack: xr.Dataset,
    stable: npt.ArrayLike,
    *,
    options: StableOptions | None = None,
    overlap: float | None = None,
) -> StablePlan:
    """Look at the stable ground of every pair, one pair in memory at a time; see `correct_stable_ground`."""
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
    plan = StablePlan(tuple(corrections), earlier, options, _nothing_known(stack), _used(stack, corrections))
    return replace(plan, share=_share(stack, mask, plan))


def _used(stack: xr.Dataset, corrections: Sequence[PairCorrection]) -> Mask:
    used = stack["used"].values & np.array([one.valid_count > 0 for one in corrections])
    lost = int(stack["used"].values.sum() - used.sum())
    if lost:
        logger.warning("%d of %d pairs have no measured pixel and are not used", lost, len(corrections))
    return np.asarray(used, bool)


def _nothing_known(stack: xr.Dataset) -> IndependentShare:
    components = stack.sizes["component"]
    return IndependentShare(np.ones(components), np.ones(components), np.zeros(components, np.int64))


def _share(stack: xr.Dataset, stable: Mask, plan: StablePlan) -> IndependentShare:
    """Return from triangles the share of the pairs' variance that is their own, and the factor that sigma needs.

    Triangles are looked at on stable ground where there is enough, else everywhere. Without sigma, or without
    triangles, share and factor are 1; the factor is 1 as well when `closure_inflation` is off.
    """
    loops = used_loops(stack.assign_coords(used=("pair", plan.used)))
    if len(loops) == 0 or not plan.has_sigma(stack):
        return _nothing_known(stack)
    candidates = measured_pixels(stack)
    if int((candidates & stable).sum()) >= plan.options.min_stable:
        candidates &= stable
    pixels = draw_pixels(candidates, sample_size(stack, plan.options.closure_pixels))
    drawn = np.empty((2, stack.sizes["component"], stack.sizes["pair"], len(pixels)), np.float32)
    for pair in range(stack.sizes["pair"]):
        for kind, values in enumerate(plan.apply(stack, pair)):
            drawn[kind, :, pair] = values.reshape(len(values), -1)[:, pixels]
    found = independent_share(drawn[0], drawn[1], loops)
    if not plan.options.closure_inflation:
        return replace(found, factor=np.ones(len(found.factor)))
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


@dataclass(frozen=True)
class StablePlan:
    """What is to be done to every pair of a stack; made by `plan_correction`.

    Parameters
    ----------
    corrections : tuple of PairCorrection
        One per pair.
    earlier : object
        What an earlier correction did.
    options : StableOptions
        How it was estimated.
    share : IndependentShare
        What triangles say of the errors.
    used : array of bool, (pair,)
        Pairs to use from here on.
    """

    corrections: tuple[PairCorrection, ...]
    earlier: _Earlier
    options: StableOptions
    share: IndependentShare
    used: Mask

    def has_sigma(self, stack: xr.Dataset) -> bool:
        """Tell whether the corrected stack has a sigma: from the tracker, or from stable ground."""
        known = [np.isfinite(one.pair_sigma) | np.isfinite(one.assumed_sigma) for one in self.corrections]
        return "sigma" in stack or bool(np.any(known))

    def apply(self, stack: xr.Dataset, pair: int) -> tuple[Values, Values]:
        """Return corrected displacement and sigma of one pair, metres, each (component, y, x)."""
        values = self.earlier.values(stack, pair)
        displacement, sigma = self.corrections[pair].apply(*values, floor_m=self.options.floor_m)
        return displacement, sigma * self.share.factor[:, None, None].astype(sigma.dtype)

    def template(self, stack: xr.Dataset) -> xr.Dataset:
        """Return the corrected stack but for the values of `displacement` and `sigma`, which are those of `stack`."""
        variables = correction_variables(self.corrections)
        variables["shift"].values += self.earlier.coefficients[..., 0]
        variables["plane_slope"].values += np.moveaxis(self.earlier.coefficients[..., 1:], 1, 2)
        own = {"units": "1", "long_name": "share of pair variance that is its own"}
        variables["independent_share"] = xr.Variable(("component",), self.share.share, own)
        factor = {"units": "1", "long_name": "factor on sigma from closures of triangles"}
        variables["sigma_inflation"] = xr.Variable(("component",), self.share.factor, factor)
        main = stack["displacement"]
        if self.has_sigma(stack) and "sigma" not in stack:
            attributes = {**main.attrs, "units": "m", "long_name": "standard error of displacement"}
            variables["sigma"] = xr.Variable(main.dims, np.full(main.shape, np.nan, main.dtype), attributes)
        fresh = stack.drop_vars([name for name in variables if name in stack]).assign(variables)
        return fresh.assign_coords(used=("pair", self.used)).assign_attrs(stable_model=self.options.model)


def _overlap(stack: xr.Dataset) -> float:
    chip, step = stack.attrs.get("chip_px"), stack.attrs.get("step_px")
    return max(1.0, (float(chip) / float(step)) ** 2) if chip and step else 1.0
