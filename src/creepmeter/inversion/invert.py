"""Network inversion of a pair stack."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import xarray as xr

from creepmeter.errors import ConfigError, NetworkError
from creepmeter.inversion.covariance import DateErrors, date_errors, mean_pair_variance
from creepmeter.inversion.options import COHERENCE_WEIGHTS, InvertOptions, needs_coherence
from creepmeter.inversion.reference import reference_of
from creepmeter.inversion.weights import phase_spread, phase_weights
from creepmeter.kernels.elimination import make_layout
from creepmeter.kernels.solve import (
    BRIDGED,
    BROKEN,
    BY_DISPLACEMENT,
    BY_VELOCITY,
    MEASURED,
    NO_DATA,
    NORMS,
    NOT_A_NUMBER,
    TOO_FEW,
    Rule,
    solve_network,
)
from creepmeter.model.epoch import days_between
from creepmeter.model.grid import grid_of
from creepmeter.model.network import Network
from creepmeter.model.schema import PAIR_STACK, TIME_SERIES, check, map_dataset

logger = logging.getLogger(__name__)
Values: TypeAlias = npt.NDArray[Any]
Floats: TypeAlias = npt.NDArray[np.float64]

_SERIES_DIMS = ("component", "time", "y", "x")
_MAP_DIMS = ("component", "y", "x")
_CARRIED = ("chip_px", "step_px", "cycle_m", "reference_pixel")
_REASONS = {
    MEASURED: "measured",
    NO_DATA: "no_data",
    BROKEN: "broken_network",
    TOO_FEW: "too_few_pairs",
    BRIDGED: "bridged_by_minimum_norm",
}
_ATTRIBUTES: Mapping[str, tuple[type, tuple[str, ...], dict[str, Any]]] = {
    "displacement": (np.float64, _SERIES_DIMS, {"units": "m", "long_name": "displacement since the reference date"}),
    "sigma": (np.float64, _SERIES_DIMS, {"units": "m", "long_name": "standard error relative to the datum"}),
    "residual_rms": (np.float64, _MAP_DIMS, {"units": "m", "long_name": "root mean square residual of the pairs"}),
    "pairs_used": (np.int16, _MAP_DIMS, {"units": "1", "long_name": "pairs that entered the solution"}),
    "reason": (
        np.uint8,
        _MAP_DIMS,
        {
            "long_name": "why a pixel has no displacement",
            "flag_values": list(_REASONS),
            "flag_meanings": " ".join(_REASONS.values()),
        },
    ),
    "datum": (
        np.int16,
        _MAP_DIMS,
        {"units": "1", "long_name": "index of the date from which the pixel counts; 0 = reference_time, -1 = none"},
    ),
    "temporal_coherence": (np.float64, _MAP_DIMS, {"units": "1", "long_name": "temporal coherence of the residuals"}),
}


def invert(
    stack: xr.Dataset,
    *,
    options: InvertOptions | None = None,
    **overrides: Any,  # noqa: ANN401 - the fields of InvertOptions, checked by it
) -> xr.Dataset:
    r"""Invert displacement per pair into displacement per date.

    Parameters
    ----------
    stack : PairStack
        Metres; NaN = not measured. Pairs with `used` false are left out. Where it names a reference pixel, the series
        are relative to that.
    options : InvertOptions, optional
        How.
    **overrides
        Single options by name, such as ``weights="sigma", norm="huber"``.

    Returns
    -------
    TimeSeries
        Float64. Displacement in metres since the first date; a date that no pair of a pixel touches is NaN there; a
        pixel whose dates fall into islands is NaN with a reason, or bridged by minimum norm on request.

    Raises
    ------
    DisconnectedNetworkError
        The network as a whole is in islands and `island_policy` is ``nan``.
    ConfigError
        An unknown option, or weights the stack cannot give.
    SchemaError
        This is no PairStack.

    Notes
    -----
    With the incidence matrix :math:`A` of the network and weights :math:`W`, each pixel solves

    .. math:: \min_x \sum_k w_k \, \rho(d_k - (A x)_k), \qquad x_\mathrm{datum} = 0

    by elimination on the weighted graph Laplacian :math:`A^T W A`. Norms other than l2 re-weight (IRLS; Huber 1964,
    doi 10.1214/aoms/1177703732). Sigma follows :math:`f (A^T W A)^{-1} + (1 - f) (s_j^2 + s_\mathrm{datum}^2)`,
    f being the `independent_share` of the stack: errors that enter with an image do not average out over its pairs.

    Examples
    --------
    >>> from creepmeter.model.schema import make_pair_stack
    >>> stack = make_pair_stack([[[1.0]], [[2.0]]], [("20200101", "20200201"), ("20200201", "20200301")])
    >>> invert(stack).displacement.values.ravel().tolist()
    [0.0, 1.0, 3.0]
    """
    check(stack, PAIR_STACK)
    options = (options or InvertOptions()).override(overrides, step="inversion")
    network = used_network(stack, options)
    errors = errors_of_dates(stack, network, options)
    series = template_series(stack, network, options, errors)
    used = stack["used"].values
    found = invert_block(
        used_values(stack["displacement"].values - reference_of(stack), used),
        network,
        options,
        sigma=used_values(stack["sigma"].values, used) if "sigma" in stack else None,
        quality=used_values(stack["quality"].values, used) if "quality" in stack else None,
        share=independent_share_of(stack),
        cycle_m=cycle_of(stack),
        looks=looks_of(stack, options),
    )
    found["sigma"] = errors.apply(found["sigma"], found["datum"])
    return series.assign({name: (series[name].dims, found[name], series[name].attrs) for name in found})


def used_values(values: Values, used: npt.NDArray[np.bool_]) -> Values:
    """Return the used pairs of an array (..., pair, y, x)."""
    return values if used.all() else np.compress(used, values, axis=values.ndim - 3)


def used_network(stack: xr.Dataset, options: InvertOptions) -> Network:
    """Return the network of the used pairs, checked for islands.

    Raises
    ------
    DisconnectedNetworkError
        In islands, and `island_policy` is ``nan``.
    NetworkError
        No pair is used.
    """
    if not stack["used"].values.any():
        message = "no pair of the stack is used: nothing can be inverted; check masks and the limits on pairs"
        raise NetworkError(message)
    network = Network.of(stack)
    if options.island_policy == "nan":
        network.require_connected()
    return network


def independent_share_of(stack: xr.Dataset) -> Floats:
    """Return the share of the pairs' variance that is their own, per component; 1 where the stack does not say."""
    if "independent_share" in stack:
        return np.clip(np.asarray(stack["independent_share"].values, np.float64), 1e-6, 1.0)
    return np.ones(stack.sizes["component"])


def cycle_of(stack: xr.Dataset) -> float:
    """Return metres per turn of phase, 0 for offsets."""
    return float(stack.attrs.get("cycle_m", 0.0))


def looks_of(stack: xr.Dataset, options: InvertOptions) -> int:
    """Return the independent looks of interferograms, 1 where no weights need them.

    Raises
    ------
    ConfigError
        Weights that need coherence, and the stack holds no interferograms or does not say its looks.
    """
    if options.weights not in COHERENCE_WEIGHTS:
        return 1
    if cycle_of(stack) <= 0 or "quality" not in stack:
        raise ConfigError(needs_coherence(options.weights))
    if "looks" not in stack.attrs:
        message = f"weights {options.weights!r} need the independent looks of a pixel: set the attribute looks"
        raise ConfigError(message)
    return max(round(float(stack.attrs["looks"])), 1)


def errors_of_dates(stack: xr.Dataset, network: Network, options: InvertOptions) -> DateErrors:
    """Return how the errors of dates hang together in a stack; reads one pair at a time."""
    return date_errors(network, mean_pair_variance(stack, options.weights), independent_share_of(stack))


def template_series(stack: xr.Dataset, network: Network, options: InvertOptions, errors: DateErrors) -> xr.Dataset:
    """Return the TimeSeries of a stack without its values: dimensions, coordinates, attributes, date correlation."""
    shape = {"component": stack.sizes["component"], "time": len(network.epochs), "y": stack.sizes["y"]}
    shape["x"] = stack.sizes["x"]
    names = [name for name in _ATTRIBUTES if name != "temporal_coherence" or cycle_of(stack) > 0]
    variables: dict[str, tuple[tuple[str, ...], Any, dict[str, Any]]] = {}
    for name in names:
        dtype, dims, attributes = _ATTRIBUTES[name]
        size = tuple(shape[dim] for dim in dims)
        variables[name] = (dims, np.broadcast_to(np.zeros((), dtype), size), dict(attributes))
    variables["date_correlation"] = (
        ("component", "time", "time2"),
        errors.correlation,
        {"units": "1", "long_name": "correlation of the errors of two dates, for average weights"},
    )
    typical = {"units": "m", "long_name": "typical standard error of a date relative to the first, at coordinate time2"}
    variables["date_sigma"] = (("component", "time2"), errors.sigma, typical)
    coords = {"component": stack["component"].values, "time": network.epochs, "time2": network.epochs}
    attributes = {"reference_time": str(network.epochs[0])[:19], "norm": options.norm, "weights": options.weights}
    attributes |= {name: stack.attrs[name] for name in _CARRIED if name in stack.attrs}
    return map_dataset(variables, coords, grid_of(stack), kind=TIME_SERIES, attributes=attributes)


def invert_block(
    displacement: Values,
    network: Network,
    options: InvertOptions,
    *,
    sigma: Values | None = None,
    quality: Values | None = None,
    share: Floats | None = None,
    cycle_m: float = 0.0,
    looks: int = 1,
) -> dict[str, Values]:
    """Invert arrays; the same for a whole stack and for a block of it.

    Parameters
    ----------
    displacement : array, (component, pair, y, x)
        Metres, pairs as in `network`.
    network : Network
        The pairs.
    options : InvertOptions
        How.
    sigma : array, (component, pair, y, x), optional
        Metres.
    quality : array, (pair, y, x), optional
        Weights for ``weights="quality"``; coherence, where weights are made from it.
    share : array, (component,), optional
        Independent share of the pairs' variance; 1 by default.
    cycle_m : float
        Metres per turn of phase; 0 for offsets.
    looks : int
        Independent looks of a pixel, for weights from coherence.

    Returns
    -------
    dict
        The variables of a TimeSeries, those along time of shape (component, time, y, x).
    """
    if options.weights == "quality" and quality is None:
        message = "weights 'quality' need a stack with quality: use weights 'sigma' or 'no'"
        raise ConfigError(message)
    weight = None
    if quality is not None and options.weights not in ("sigma", "no"):
        weight = _weights(quality, options, looks)
        if sigma is None and options.weights in COHERENCE_WEIGHTS:
            sigma = np.broadcast_to(phase_spread(quality, looks, cycle_m), displacement.shape)
    if options.weights == "sigma" and sigma is None:
        logger.warning("the stack has no sigma: all pairs weigh the same")
    components, pairs, rows, columns = displacement.shape
    layout = make_layout(network.ref_index, network.sec_index, len(network.epochs))
    shares = np.ones(components) if share is None else share
    parts: dict[str, list[Values]] = {}
    rejected = 0
    for component in range(components):
        solution = solve_network(
            displacement[component].reshape(pairs, -1),
            layout,
            _rule(network, options, float(shares[component]), cycle_m, sigma_known=sigma is not None),
            sigma=None if sigma is None else sigma[component].reshape(pairs, -1),
            weight=None if weight is None else weight.reshape(pairs, -1),
        )
        rejected += int(solution.pairs_rejected.sum())
        for name, values in solution._asdict().items():
            parts.setdefault(name, []).append(values.reshape(*values.shape[:-1], rows, columns))
    if rejected:
        logger.warning("%d measurements have no positive, finite weight and are left out", rejected)
    found = {name: np.stack(values) for name, values in parts.items() if name not in ("pairs_rejected", "variance")}
    coherence = found.pop("coherence")
    return {**found, "temporal_coherence": coherence} if cycle_m > 0 else found


def _weights(quality: Values, options: InvertOptions, looks: int) -> Values:
    return quality if options.weights == "quality" else phase_weights(quality, options.weights, looks)


def _rule(network: Network, options: InvertOptions, share: float, cycle_m: float, *, sigma_known: bool) -> Rule:
    bridge = BY_VELOCITY if options.min_norm == "velocity" else BY_DISPLACEMENT
    first = network.epochs[0]
    return Rule(
        norm=NORMS[options.norm],
        broken=bridge if options.island_policy == "min_norm" else NOT_A_NUMBER,
        weigh_by_sigma=options.weights == "sigma" and sigma_known,
        share=share,
        min_pairs=options.min_pairs,
        cycle=cycle_m,
        limits=np.array([float(options.max_iterations), options.tolerance]),
        days=np.array([days_between(first, epoch) for epoch in network.epochs]),
    )
