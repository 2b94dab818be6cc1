"""One pair's stable ground: what it shows of the pair's shift and of its errors."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from creepmeter.errors import GridError
from creepmeter.kernels.robust import nmad, robust_fit
from creepmeter.model.network import Network
from creepmeter.model.pair import Pair
from creepmeter.stack.dates import shifts_per_date
from creepmeter.stack.options import StableOptions

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Values = npt.NDArray[Any]

_MEDIAN_VARIANCE = np.pi / 2  # of the median of many normal values, against that of their mean
_BIWEIGHT_VARIANCE = 1 / 0.95  # of a biweight fit, against least squares
_NAMED = 3  # pairs named in a message
_FLAT = 1e-6  # stable ground on a line gives no plane


@dataclass(frozen=True)
class PairCorrection:
    """What stable ground says of one pair.

    Parameters
    ----------
    coefficients : array, (component, 3)
        Apparent displacement of stable ground: at the centre of the grid, metres, and its slope per row and per
        column, metres per grid cell. Zero where the pair is not corrected.
    covariance : array, (component, 3, 3)
        Of the coefficients.
    pair_sigma : array, (component,)
        NMAD of the corrected stable pixels, metres; NaN with too few of them.
    sigma_scale : array, (component,)
        Factor that gives the errors on stable ground, in units of sigma, a robust spread of one.
    stable_count : int
        Valid stable pixels, of the component that has fewest.
    valid_count : int
        Measured pixels, stable or not.
    assumed_sigma : array, (component,)
        Sigma of pixels for which neither the tracker nor `pair_sigma` gives one, metres; NaN = unknown.
    """

    coefficients: Floats
    covariance: Floats
    pair_sigma: Floats
    sigma_scale: Floats
    stable_count: int
    valid_count: int
    assumed_sigma: Floats

    @property
    def measured(self) -> bool:
        """Whether this pair's own stable ground was enough."""
        return bool(np.isfinite(self.pair_sigma).all())

    def surface(self, shape: tuple[int, int]) -> Floats:
        """Return the apparent displacement of stable ground, metres, (component, y, x)."""
        surface: Floats = np.einsum("ck,kyx->cyx", self.coefficients, _terms(shape))
        return surface

    def variance(self, shape: tuple[int, int]) -> Floats:
        """Return the variance of `surface`, square metres, (component, y, x)."""
        return surface_variance(self.covariance, shape)

    def apply(self, displacement: Values, sigma: Values | None, *, floor_m: float = 0.0) -> tuple[Values, Values]:
        r"""Return corrected displacement and its sigma, in the type they came in.

        Parameters
        ----------
        displacement : array, (component, y, x)
            Metres.
        sigma : array, (component, y, x), or None
            Of the tracker, metres.
        floor_m : float
            Smallest sigma, metres.

        Notes
        -----
        .. math:: \sigma'^2 = (k \sigma)^2 + \sigma_\mathrm{shift}^2

        with the scale `k` of the pair; the pair's own sigma stands in where the tracker gives none.
        """
        shape = displacement.shape[1:]
        corrected = displacement - self.surface(shape)
        own = np.where(np.isfinite(self.pair_sigma), self.pair_sigma, self.assumed_sigma)[:, None, None]
        stated = np.full(displacement.shape, np.nan) if sigma is None else sigma.astype(np.float64)
        known = np.isfinite(stated) & (stated > 0)
        spread = np.where(known, stated * self.sigma_scale[:, None, None], own)
        spread = np.maximum(np.sqrt(spread**2 + self.variance(shape)), floor_m)
        spread[~np.isfinite(corrected)] = np.nan
        return corrected.astype(displacement.dtype), spread.astype(displacement.dtype)


def stable_correction(
    displacement: Values,
    sigma: Values | None,
    stable: Mask,
    *,
    options: StableOptions | None = None,
    overlap: float = 1.0,
) -> PairCorrection:
    """Estimate shift (or plane) and errors of one pair from its stable ground.

    Parameters
    ----------
    displacement : array, (component, y, x)
        Metres; NaN = not measured.
    sigma : array, (component, y, x), or None
        Of the tracker, metres.
    stable : array of bool, (y, x)
    options : StableOptions, optional
    overlap : float
        Neighbouring chips that share an image pixel, (chip / step) squared: that many pixels count as one.

    Returns
    -------
    PairCorrection
        With all coefficients zero and `pair_sigma` NaN when fewer than `min_stable` stable pixels are valid.

    Raises
    ------
    GridError
        The mask has another shape than the pair.
    """
    options = options or StableOptions()
    if stable.shape != displacement.shape[1:]:
        message = (
            f"the stable mask has {stable.shape} cells, the pair {displacement.shape[1:]}: put it on the pair's grid"
        )
        raise GridError(message)
    finite = np.isfinite(displacement)
    count = int((finite & stable).sum(axis=(1, 2)).min())
    found = _nothing_found(displacement.shape[0], count, int(finite.any(axis=0).sum()))
    if count < options.min_stable:
        return found
    for component, values in enumerate(displacement):
        here = finite[component] & stable
        terms = _terms(values.shape)[:, here].T
        target = values[here].astype(np.float64)
        fit = _plane(terms, target, overlap) if options.model == "plane" else _shift(target, overlap)
        residual = target - terms @ fit[0]
        found.coefficients[component], found.covariance[component] = fit
        found.pair_sigma[component] = nmad(residual)
        if sigma is not None:
            found.sigma_scale[component] = _scale(
                residual, sigma[component][here].astype(np.float64), options.min_stable
            )
    return found


def complete_corrections(
    corrections: Sequence[PairCorrection],
    pairs: Sequence[Pair],
    *,
    options: StableOptions | None = None,
    before: Floats | None = None,
) -> list[PairCorrection]:
    """Fill in from all pairs what single pairs could not tell, and say in the log which those are.

    Parameters
    ----------
    corrections : sequence of PairCorrection
        One per pair.
    pairs : sequence of Pair
        In the same order.
    options : StableOptions, optional
        With `per_date`, pairs without enough stable ground get the difference of their dates' shifts, where the other
        pairs join these dates.
    before : array, (component, pair, 3), optional
        Coefficients that an earlier correction has already removed.

    Returns
    -------
    list of PairCorrection
    """
    options = options or StableOptions()
    short = [str(pair) for pair, one in zip(pairs, corrections, strict=True) if not one.measured and one.valid_count]
    if short:
        named = ", ".join(short[:_NAMED]) + (", ..." if len(short) > _NAMED else "")
        logger.warning(
            "%d of %d pairs have fewer than %d valid stable pixels and are not corrected by their own (%s); "
            "a shift common to a whole image stays in them, and sigma does not count it (per_date: true takes "
            "it from the other pairs)",
            *(len(short), len(pairs), options.min_stable, named),
        )
    completed = list(corrections)
    if options.per_date and short and len(short) < len(pairs):
        completed = _from_dates(completed, pairs, np.zeros(1) if before is None else before, model=options.model)
    spreads = np.array([one.pair_sigma for one in corrections if one.measured]).reshape(
        -1, len(corrections[0].pair_sigma)
    )
    if len(spreads):
        typical = np.median(spreads, axis=0)
        completed = [replace(one, assumed_sigma=typical) for one in completed]
    return completed


def correction_variables(corrections: Sequence[PairCorrection]) -> dict[str, xr.Variable]:
    """Return what was found as variables of a PairStack.

    ``shift (component, pair)``, ``plane_slope (component, axis, pair)``, ``pair_sigma (component, pair)``,
    ``stable_count (pair)`` and ``correction_covariance (component, pair, coefficient, coefficient2)``.
    """
    coefficients = np.stack([one.coefficients for one in corrections], axis=1)
    covariance = np.stack([one.covariance for one in corrections], axis=1)
    pair_sigma = np.stack([one.pair_sigma for one in corrections], axis=1)
    count = np.array([one.stable_count for one in corrections], np.int64)
    cell = "m per grid cell"
    return {
        "shift": xr.Variable(
            ("component", "pair"),
            coefficients[..., 0],
            {"units": "m", "long_name": "apparent displacement of stable ground that was subtracted, grid centre"},
        ),
        "plane_slope": xr.Variable(
            ("component", "axis", "pair"),
            np.moveaxis(coefficients[..., 1:], 1, 2),
            {"units": cell, "long_name": "slope of the subtracted plane along rows (axis 0) and columns (axis 1)"},
        ),
        "pair_sigma": xr.Variable(
            ("component", "pair"), pair_sigma, {"units": "m", "long_name": "NMAD of corrected stable ground"}
        ),
        "stable_count": xr.Variable(("pair",), count, {"units": "1", "long_name": "valid stable pixels"}),
        "correction_covariance": xr.Variable(
            ("component", "pair", "coefficient", "coefficient2"),
            covariance,
            {"units": "m2", "long_name": "covariance of shift, slope per row, slope per column (grid cells)"},
        ),
    }


def _nothing_found(components: int, stable_count: int, valid_count: int) -> PairCorrection:
    return PairCorrection(
        coefficients=np.zeros((components, 3)),
        covariance=np.zeros((components, 3, 3)),
        pair_sigma=np.full(components, np.nan),
        sigma_scale=np.ones(components),
        stable_count=stable_count,
        valid_count=valid_count,
        assumed_sigma=np.full(components, np.nan),
    )


def _terms(shape: tuple[int, ...]) -> Floats:
    """Return 1, row and column counted from the centre of the grid, (3, y, x)."""
    row, column = np.indices(shape, dtype=np.float64)
    return np.stack([np.ones(shape), row - (shape[0] - 1) / 2, column - (shape[1] - 1) / 2])


def surface_variance(covariance: Floats, shape: tuple[int, ...]) -> Floats:
    """Return the variance of the surface of coefficients with a `covariance` (component, 3, 3), (component, y, x)."""
    if not covariance[:, 1:].any():  # a shift: the same everywhere
        return np.broadcast_to(covariance[:, :1, :1], (len(covariance), *shape))
    terms = _terms(shape)
    variance: Floats = np.einsum("kyx,ckl,lyx->cyx", terms, covariance, terms, optimize=True)
    return np.maximum(variance, 0.0)


def _shift(target: Floats, overlap: float) -> tuple[Floats, Floats]:
    shift = float(np.median(target))
    covariance = np.zeros((3, 3))
    covariance[0, 0] = nmad(target) ** 2 * _MEDIAN_VARIANCE / max(1.0, len(target) / overlap)
    return np.array([shift, 0.0, 0.0]), covariance


def _plane(terms: Floats, target: Floats, overlap: float) -> tuple[Floats, Floats]:
    size = np.abs(terms).max(axis=0)
    design = terms / np.where(size > 0, size, 1.0)
    spread = np.linalg.svd(design - design.mean(axis=0) * [0.0, 1.0, 1.0], compute_uv=False)
    if spread[-1] < _FLAT * spread[0]:
        logger.warning("stable ground lies on one line: a shift is subtracted in place of a plane")
        return _shift(target, overlap)
    coefficients, weight = robust_fit(design, target)
    normal = design.T @ (design * weight[:, None])
    variance = nmad(target - design @ coefficients) ** 2 * _BIWEIGHT_VARIANCE * max(1.0, overlap)
    return coefficients / size, np.linalg.inv(normal) * variance / np.outer(size, size)


def _scale(residual: Floats, sigma: Floats, min_stable: int) -> float:
    known = np.isfinite(sigma) & (sigma > 0)
    if known.sum() < min_stable:
        return 1.0
    scale = nmad(residual[known] / sigma[known])
    return scale if scale > 0 else 1.0  # zero: most stable values are equal, which says nothing of the errors


def _from_dates(
    corrections: list[PairCorrection], pairs: Sequence[Pair], before: Floats, *, model: str
) -> list[PairCorrection]:
    """Give pairs without enough stable ground the difference of their dates' coefficients."""
    network = Network(tuple(pairs))
    measured = np.array([one.measured for one in corrections])
    total = np.stack([one.coefficients for one in corrections], axis=1) + before
    spread = np.sqrt(np.stack([np.diagonal(one.covariance, axis1=1, axis2=2) for one in corrections], axis=1))
    total = np.where(measured[:, None], total, np.nan)
    scale = np.median([one.sigma_scale for one in corrections if one.measured], axis=0)
    before = np.broadcast_to(before, total.shape)
    completed = [
        replace(
            one,
            coefficients=one.coefficients.copy(),
            covariance=one.covariance.copy(),
            sigma_scale=one.sigma_scale.copy(),
        )
        for one in corrections
    ]
    for term in range(3 if model == "plane" else 1):
        known = spread[..., term] > 0
        dates = shifts_per_date(total[..., term], network, spread[..., term] if known[:, measured].all() else None)
        for index in np.flatnonzero(~measured):
            ref, sec = int(network.ref_index[index]), int(network.sec_index[index])
            shift, error = dates.between(ref, sec)
            found = np.isfinite(shift)
            completed[index].sigma_scale[found] = scale[found]
            completed[index].coefficients[found, term] = (shift - before[:, index, term])[found]
            completed[index].covariance[found, term, term] = np.nan_to_num(error[found]) ** 2
    return completed
