"""Inversion of interferograms and radar offsets as MintPy has them: weights from coherence, one reference pixel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from creepmeter.errors import ConfigError, NetworkError
from creepmeter.inversion.options import NetworkInversionOptions
from creepmeter.inversion.weights import phase_spread, phase_weights
from creepmeter.kernels.elimination import Layout, make_layout
from creepmeter.kernels.irls import HUBER, L1, L2
from creepmeter.kernels.phase import (
    ALIKE,
    BRIDGED,
    BY_COHERENCE,
    BY_INFORMATION,
    BY_SPREAD,
    BY_VARIANCE,
    LEAST_SPREAD,
    LEFT_OUT,
    MOST_SPREAD,
    PhaseMask,
    PhaseRule,
    PhaseSolution,
    solve_phase,
    weight_table,
)
from creepmeter.kernels.phase_weights import looks_of, variance_table
from creepmeter.kernels.solve import BY_DISPLACEMENT, BY_VELOCITY, Rule, Solution, solve_network
from creepmeter.model.epoch import days_between
from creepmeter.model.network import Network

Values: TypeAlias = npt.NDArray[Any]
Floats: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]

_KINDS = {"no": ALIKE, "coh": BY_COHERENCE, "fim": BY_INFORMATION, "var": BY_VARIANCE}
_NORMS = {"L1": L1, "huber": HUBER}
_ROUNDS, _TOLERANCE = 50.0, 1e-4  # of robust norms
_UNCERTAIN, _FAR = 5.0, 10.0  # up to 5 thresholds an offset counts that lies 10 spreads from the median of its pair


@dataclass(frozen=True)
class Observations:
    """What one stack is inverted from, besides its pixels.

    Parameters
    ----------
    network : Network
        The pairs that are used, in order of the file.
    reference : array, (pair,)
        Values of the reference pixel; 0 where none is subtracted, NaN leaves a pair out.
    scale : float
        Displacement toward the satellite, metres, per unit.
    looks : int
        Independent looks of a pixel.
    is_phase : bool
        Radians, 0 = missing; else offsets.
    middle : array, (pair,), optional
        Median of the certain offsets of each pair, for masks by their standard errors.
    """

    network: Network
    reference: Values
    scale: float
    looks: int = 1
    is_phase: bool = True
    middle: Values | None = None

    @property
    def cycle_m(self) -> float:
        """Metres per turn of phase, 0 for offsets."""
        return abs(self.scale) * 2 * np.pi if self.is_phase else 0.0

    @cached_property
    def layout(self) -> Layout:
        """The network in its order of elimination."""
        network = self.network
        return make_layout(network.ref_index, network.sec_index, len(network.epochs))

    @cached_property
    def table(self) -> Floats:
        """Weights of the bins of coherence."""
        return weight_table(variance_table(self.looks))

    @cached_property
    def days(self) -> Floats:
        """Time of the dates since the first."""
        epochs = self.network.epochs
        return np.array([days_between(epochs[0], epoch) for epoch in epochs])


@dataclass(frozen=True)
class PhaseBlock:
    """Pixels of a block.

    Parameters
    ----------
    obs : array, (pair, y, x)
        As stored.
    quality : array, (pair, y, x), optional
        Coherence, or standard errors of offsets.
    mask : array, (pair, y, x), optional
        Layer that leaves single measurements out.
    wanted : array of bool, (y, x)
        Pixels to invert.
    """

    obs: Values
    wanted: Bools
    quality: Values | None = None
    mask: Values | None = None


def independent_looks(attributes: dict[str, str]) -> int:
    """Return the independent looks that MintPy's attributes state, else those of the looks taken."""
    stated = attributes.get("NCORRLOOKS")
    sizes = [float(attributes.get(name, 1.0)) for name in ("ALOOKS", "RLOOKS")]
    return looks_of(None if stated is None else float(stated), *sizes)


def require_solvable(options: NetworkInversionOptions, observations: Observations) -> None:
    """Raise unless the weights suit the observations.

    Raises
    ------
    ConfigError
        Weights from coherence for offsets.
    """
    if not observations.is_phase and options.weight_func not in ("no", "var"):
        message = f"weights {options.weight_func!r} need coherence: offsets take var (1/std^2) or no"
        raise ConfigError(message)


def baselines_of_dates(network: Network, bperp: npt.ArrayLike) -> Floats:
    """Return the baseline of each date relative to the first, (time,): least squares of those of the pairs.

    Raises
    ------
    NetworkError
        Not one baseline for each pair.

    Examples
    --------
    >>> from creepmeter.model.epoch import as_epoch
    >>> dates = [as_epoch(text) for text in ("20200101", "20200113", "20200125")]
    >>> network = Network.from_pairs([(dates[0], dates[1]), (dates[1], dates[2])])
    >>> baselines_of_dates(network, [10.0, -30.0]).round(6).tolist()
    [0.0, 10.0, -20.0]
    """
    given = np.asarray(bperp, np.float64)
    if given.shape != (len(network.pairs),):
        message = f"{given.size} baseline(s) for {len(network.pairs)} pairs: give one for each"
        raise NetworkError(message)
    found = np.zeros(len(network.epochs))
    found[1:] = np.linalg.lstsq(network.incidence()[:, 1:], np.nan_to_num(given), rcond=1e-10)[0]
    return found


def invert_pixels(block: PhaseBlock, observations: Observations, options: NetworkInversionOptions) -> dict[str, Values]:
    """Invert the pixels of a block.

    Parameters
    ----------
    block : PhaseBlock
        The pixels.
    observations : Observations
        What they are.
    options : NetworkInversionOptions
        How.

    Returns
    -------
    dict
        float32: ``displacement`` (time, y, x) metres since the first date; ``quality`` (y, x): temporal coherence of
        phases, root of the sum of squared residuals of offsets; ``pairs`` (y, x); ``sigma`` (time, y, x) if asked for.
        0 where nothing is inverted. ``bridged`` (y, x): where islands were bridged.
    """
    rows, columns = block.obs.shape[1:]
    flat = _flat(block)
    direct = options.weight_func == "var" and observations.is_phase  # the normal matrix is that of the errors
    found = _solve(flat, observations, options, with_sigma=options.sigma and direct)
    out = {"displacement": found.displacement, "quality": found.quality, "pairs": found.pairs}
    out["bridged"] = found.state == BRIDGED
    if options.sigma and direct:
        out["sigma"] = found.sigma
    if options.residual_norm in _NORMS or (options.sigma and not direct):
        sigma = _spread_of_pairs(flat, observations)
        weight = None if options.weight_func == "var" else _given_weight(flat, observations, options, sigma)
        exact = _solve_in_full(flat, observations, options, sigma, weight)
        out |= _taken_over(exact, found.state > LEFT_OUT, options)
    return {name: values.reshape(*values.shape[:-1], rows, columns) for name, values in out.items()}


def _flat(block: PhaseBlock) -> PhaseBlock:
    """Return the pixels of a block in one row."""
    pairs = len(block.obs)
    return PhaseBlock(
        block.obs.reshape(pairs, -1),
        block.wanted.ravel(),
        None if block.quality is None else block.quality.reshape(pairs, -1),
        None if block.mask is None else block.mask.reshape(pairs, -1),
    )


def combined_variance(
    block: PhaseBlock,
    observations: Observations,
    options: NetworkInversionOptions,
    combinations: Floats,
    reference_coherence: Values | None = None,
) -> Floats:
    r"""Return the variance of linear combinations of dates, (combination, y, x).

    Parameters
    ----------
    block : PhaseBlock
        The pixels.
    observations : Observations
        What they are.
    options : NetworkInversionOptions
        How they are inverted.
    combinations : array, (combination, time)
        Coefficients :math:`g`; each sums to zero, so that no date is special.
    reference_coherence : array, (pair,), optional
        That of the reference pixel, whose noise every other pixel has too.

    Returns
    -------
    array
        Square metres; NaN where nothing is inverted, or nothing tells the errors of the pairs.

    Notes
    -----
    :math:`g^T C g` with the covariance :math:`C = K V K^T` of the dates, where :math:`K = (A^T W A)^{-1} A^T W`, and V
    are the variances of the pairs: of the pixel and of the reference pixel. The first part for weights 1/V is
    :math:`(A^T W A)^{-1}`. C itself is not needed: one solution for each combination gives the same.
    """
    rows, columns = block.obs.shape[1:]
    flat = _flat(block)
    sigma = _spread_of_pairs(flat, observations)
    weight = _given_weight(flat, observations, options, sigma)
    if sigma is not None and reference_coherence is not None:
        common = phase_spread(reference_coherence, observations.looks, observations.cycle_m)
        sigma = np.hypot(sigma, common[:, None])
    found = _solve_in_full(flat, observations, options, sigma, weight, combinations)
    return found.variance.reshape(len(combinations), rows, columns)


def needs_full_solution(options: NetworkInversionOptions, *, is_phase: bool) -> bool:
    """Tell whether blocks need the solver of robust norms and errors, which takes more time and memory."""
    direct = options.weight_func == "var" and is_phase
    return options.residual_norm in _NORMS or (options.sigma and not direct)


def certain_median(obs: Values, spread: Values, threshold: float) -> float:
    """Return the median of the offsets of a pair whose standard error is not above a threshold; NaN without any."""
    certain = obs[np.isfinite(obs) & ~(spread > threshold)]
    return float(np.median(certain)) if certain.size else np.nan


def _mask_of(block: PhaseBlock, observations: Observations, options: NetworkInversionOptions) -> PhaseMask | None:
    if block.mask is None:
        return None
    if options.mask_dataset == "connectComponent":
        return PhaseMask(block.mask, 0.0, whole=True)
    if options.mask_dataset is not None and options.mask_dataset.endswith("Std"):
        return PhaseMask(_trusted(block.obs, block.mask, observations, options.mask_threshold), 0.0, whole=True)
    return PhaseMask(block.mask, options.mask_threshold, whole=False)


def _trusted(obs: Values, spread: Values, observations: Observations, threshold: float) -> Bools:
    """Tell which offsets count: certain ones, and uncertain ones that stand far out of their pair."""
    middle = 0.0 if observations.middle is None else np.nan_to_num(observations.middle)[:, None]
    far = np.abs(obs - middle) >= _FAR * spread
    return np.asarray(~(spread > threshold) | ((spread <= _UNCERTAIN * threshold) & far))


def _solve(
    block: PhaseBlock,
    observations: Observations,
    options: NetworkInversionOptions,
    *,
    with_sigma: bool,
) -> PhaseSolution:
    kind = _KINDS[options.weight_func]
    if not observations.is_phase and kind == BY_VARIANCE:
        kind = BY_SPREAD
    rule = PhaseRule(
        kind=kind,
        table=observations.table,
        looks=float(observations.looks),
        reference=np.asarray(observations.reference, np.float32),
        is_phase=observations.is_phase,
        scale=observations.scale,
        least_pairs=float(options.min_redundancy),
        by_velocity=options.min_norm_velocity,
        days=observations.days,
        with_sigma=with_sigma,
    )
    return solve_phase(
        block.obs, block.quality, block.wanted, observations.layout, rule, _mask_of(block, observations, options)
    )


def _given_weight(
    block: PhaseBlock, observations: Observations, options: NetworkInversionOptions, sigma: Floats | None
) -> Floats | None:
    """Return the weights of the pairs; None where all weigh alike."""
    if options.weight_func == "no" or block.quality is None or sigma is None:
        return None
    if options.weight_func == "var":
        return np.asarray(sigma**-2, np.float64)
    return phase_weights(block.quality, options.weight_func, observations.looks)


def _solve_in_full(
    block: PhaseBlock,
    observations: Observations,
    options: NetworkInversionOptions,
    sigma: Floats | None,
    weight: Floats | None,
    combinations: Floats | None = None,
) -> Solution:
    """Solve with robust norms, and errors for any weights."""
    obs = _referenced(block, observations, options) * observations.scale
    rule = Rule(
        norm=_NORMS.get(options.residual_norm, L2),
        broken=BY_VELOCITY if options.min_norm_velocity else BY_DISPLACEMENT,
        weigh_by_sigma=sigma is not None and weight is None and options.weight_func == "var",
        share=1.0,
        min_pairs=1,
        cycle=observations.cycle_m,
        limits=np.array([_ROUNDS, _TOLERANCE]),
        days=observations.days,
        every_date=True,
    )
    return solve_network(obs, observations.layout, rule, sigma=sigma, weight=weight, combination=combinations)


def _referenced(block: PhaseBlock, observations: Observations, options: NetworkInversionOptions) -> Floats:
    """Return observations relative to the reference pixel, float64; missing ones are NaN."""
    obs = np.asarray(block.obs, np.float32)
    change = obs - np.asarray(observations.reference, np.float32)[:, None]
    if observations.is_phase:
        change[(obs == 0) | (change == 0)] = np.nan
    mask = _mask_of(block, observations, options)
    if mask is not None:
        change[~(mask.values != 0 if mask.whole else mask.values >= mask.least)] = np.nan
    change[:, ~block.wanted] = np.nan
    return change.astype(np.float64)


def _spread_of_pairs(block: PhaseBlock, observations: Observations) -> Floats | None:
    """Return the standard errors of the pairs, metres; None where nothing tells them."""
    if block.quality is None:
        return None
    if not observations.is_phase:
        stated = np.where(np.isfinite(block.quality), block.quality, MOST_SPREAD)
        return np.asarray(np.maximum(stated, LEAST_SPREAD) * abs(observations.scale), np.float64)
    return phase_spread(block.quality, observations.looks, observations.cycle_m)


def _taken_over(exact: Solution, kept: Bools, options: NetworkInversionOptions) -> dict[str, Values]:
    """Return what replaces the plain solution, in single precision, 0 where nothing was inverted."""

    def single(values: Floats) -> Values:
        return np.where(kept & np.isfinite(values), values, 0.0).astype(np.float32)

    out = {"sigma": single(exact.sigma)} if options.sigma else {}
    if options.residual_norm in _NORMS:
        out["displacement"] = single(exact.displacement)
        count = np.maximum(exact.pairs_used, 0).astype(np.float64)
        missing = np.isnan(exact.coherence).all()
        out["quality"] = single(np.sqrt(count) * exact.residual_rms if missing else exact.coherence)
    return out
