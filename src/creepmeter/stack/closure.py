"""What the triangles of a network say about the errors of its pairs.

In a triangle of dates i, j, k the displacement i to j plus j to k less i to k is zero. What is left is error, but
only the part that differs from pair to pair: the error of an image enters every pair of that image and closes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from creepmeter.errors import InputError
from creepmeter.kernels.robust import NMAD_FACTOR, nmad
from creepmeter.model.network import Indices, Network

if TYPE_CHECKING:  # slow to load
    import xarray as xr

Floats = npt.NDArray[np.float64]
Values = npt.NDArray[Any]

SHARE_FLOOR = 0.01  # closures of exactly zero would tell the inversion that pairs add nothing of their own
_MAX_LOOPS = 1000
_MAX_CLOSURES = 2_000_000  # closures looked at per component: 16 MB, and far more than a median needs
_MAX_SAMPLES = 20_000_000  # values drawn from a stack: 80 MB
_MIN_CLOSURES = 30


@dataclass(frozen=True)
class ClosureStatistics:
    """Closures of each triangle, metres.

    Parameters
    ----------
    loops : array, (loop, 3)
        Pairs (ij, jk, ik) of each triangle.
    median, nmad : array, (component, loop)
        Over the pixels; NaN where no pixel has all three pairs.
    count : array, (component, loop)
        Pixels with all three pairs.
    """

    loops: Indices
    median: Floats
    nmad: Floats
    count: npt.NDArray[np.int64]


@dataclass(frozen=True)
class IndependentShare:
    """How much of the variance of a pair's error is its own.

    Parameters
    ----------
    share : array, (component,)
        0.01 to 1; 1 = nothing in common with other pairs, or nothing known.
    factor : array, (component,)
        At least 1: by how much sigma must grow for the closures to be possible at all.
    count : array, (component,)
        Closures looked at.
    """

    share: Floats
    factor: Floats
    count: npt.NDArray[np.int64]


def closures(values: Values, loops: Indices) -> Values:
    """Return ij + jk - ik of each triangle: (component, pair, ...) -> (component, loop, ...), unit of the values."""
    result: Values = values[:, loops[:, 0]] + values[:, loops[:, 1]] - values[:, loops[:, 2]]
    return result


def closure_statistics(
    stack: xr.Dataset | Values, network: Network | None = None, *, max_pixels: int = 20_000
) -> ClosureStatistics:
    """Return median and NMAD of the closure of every triangle of a network.

    Parameters
    ----------
    stack : PairStack, or array (component, pair, ...)
        Displacement, metres. Of a PairStack the used pairs are looked at, in up to `max_pixels` pixels.
    network : Network, optional
        Network of the pairs of an array; a PairStack brings its own.
    max_pixels : int
        Pixels drawn from a PairStack (always the same ones).

    Raises
    ------
    InputError
        An array without a network, or with another number of pairs.
    """
    if isinstance(stack, Mapping):
        loops = used_loops(stack)
        values = sample_stack(stack, max_pixels=max_pixels)[0]
    else:
        values, loops = stack, _loops_of(stack, network)
    shape = (values.shape[0], len(loops))
    median, spread = np.full(shape, np.nan), np.full(shape, np.nan)
    count = np.zeros(shape, np.int64)
    for index, triangle in enumerate(loops):  # one at a time: all closures together are loops / pairs times the stack
        closure = closures(values, triangle[None])[:, 0].reshape(shape[0], -1)
        for component, row in enumerate(closure):
            finite = row[np.isfinite(row)].astype(np.float64)
            count[component, index] = finite.size
            if finite.size:
                median[component, index] = np.median(finite)
                spread[component, index] = nmad(finite)
    return ClosureStatistics(loops, median, spread, count)


def independent_share(displacement: Values, sigma: Values, loops: Indices) -> IndependentShare:
    r"""Return the share of the pairs' error variance that is independent from pair to pair.

    Parameters
    ----------
    displacement, sigma : array, (component, pair, ...)
        Metres; NaN is not measured. A sample of pixels is enough, see `sample_stack`.
    loops : array, (loop, 3)
        Triangles as in `Network.loops`; up to 1000 of them are looked at, spread over the list.

    Returns
    -------
    IndependentShare
        Share 1 and factor 1 without triangles: nothing is known, and pairs count as independent.

    Notes
    -----
    If a share :math:`\rho` of each variance is the pair's own and the rest comes with its two images, then

    .. math:: \mathrm{var}(d_{ij} + d_{jk} - d_{ik}) = \rho \, (\sigma_{ij}^2 + \sigma_{jk}^2 + \sigma_{ik}^2)

    so that the normalised closures have the variance :math:`\rho`, here the squared NMAD about zero. A value above
    one is impossible: then sigma is too small by its root, at least.
    """
    components = displacement.shape[0]
    share, factor = np.ones(components), np.ones(components)
    count = np.zeros(components, np.int64)
    loops = _spread(loops, _MAX_LOOPS)
    if len(loops) == 0:
        return IndependentShare(share, factor, count)
    flat = displacement.reshape(*displacement.shape[:2], -1)
    spread = np.broadcast_to(sigma, displacement.shape).reshape(flat.shape)
    pixels = _spread(np.arange(flat.shape[2]), max(1, _MAX_CLOSURES // len(loops)))
    for component in range(components):
        closure = closures(flat[component, :, pixels].T[None].astype(np.float64), loops)
        variance = spread[component, :, pixels].T.astype(np.float64) ** 2
        total = variance[loops].sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            scaled = closure[0] / np.sqrt(total)
        scaled = scaled[np.isfinite(scaled)]
        count[component] = scaled.size
        if scaled.size >= _MIN_CLOSURES:
            ratio = (NMAD_FACTOR * float(np.median(np.abs(scaled)))) ** 2
            share[component] = np.clip(ratio, SHARE_FLOOR, 1.0)
            factor[component] = max(1.0, np.sqrt(ratio))
    return IndependentShare(share, factor, count)


def sample_stack(
    stack: xr.Dataset, candidates: npt.NDArray[np.bool_] | None = None, *, max_pixels: int = 20_000
) -> tuple[Values, Values | None]:
    """Draw the same pixels from every pair, reading one pair at a time.

    Parameters
    ----------
    stack : PairStack
    candidates : array of bool, (y, x), optional
        Pixels to draw from; by default those measured in any pair.
    max_pixels : int
        Pixels to draw; fewer when the stack has very many pairs.

    Returns
    -------
    displacement : array, (component, pair, pixel)
    sigma : array, (component, pair, pixel), or None
    """
    variables = [name for name in ("displacement", "sigma") if name in stack]
    components, pairs = stack["displacement"].shape[:2]
    if candidates is None:
        candidates = measured_pixels(stack)
    pixels = draw_pixels(candidates, sample_size(stack, max_pixels))
    drawn = [np.empty((components, pairs, len(pixels)), np.float32) for _ in variables]
    for pair in range(pairs):
        for name, values in zip(variables, drawn, strict=True):
            values[:, pair] = stack[name].isel(pair=pair).values.reshape(components, -1)[:, pixels]
    return drawn[0], drawn[1] if "sigma" in variables else None


def sample_size(stack: xr.Dataset, max_pixels: int) -> int:
    """Return how many pixels to draw, so that the sample of all pairs stays small."""
    components, pairs = stack["displacement"].shape[:2]
    return int(min(max_pixels, max(1, _MAX_SAMPLES // (components * pairs))))


def measured_pixels(stack: xr.Dataset) -> npt.NDArray[np.bool_]:
    """Tell which pixels are measured in any component of any pair, (y, x); reads one pair at a time."""
    measured = np.zeros(stack["displacement"].shape[2:], bool)
    for pair in range(stack.sizes["pair"]):
        measured |= np.isfinite(stack["displacement"].isel(pair=pair).values).any(axis=0)
    return measured


def draw_pixels(candidates: npt.NDArray[np.bool_], number: int) -> Indices:
    """Return flat indices, in order, of up to `number` of the candidate pixels: always the same ones."""
    found = np.flatnonzero(candidates)
    if len(found) <= number:
        return found
    # not every k-th: that would pick one column of the grid when k divides its width
    return np.sort(np.random.default_rng(0).choice(found, number, replace=False))


def used_loops(stack: xr.Dataset) -> Indices:
    """Return the triangles of the used pairs of a stack, as indices into all its pairs, (loop, 3)."""
    used = np.flatnonzero(stack["used"].values)
    if len(used) == 0:
        return np.zeros((0, 3), np.int64)
    return used[Network.of(stack).loops()]


def _loops_of(values: Values, network: Network | None) -> Indices:
    if network is None or values.shape[1:2] != (len(network.pairs),):
        found = "none" if network is None else f"one of {len(network.pairs)} pairs"
        message = f"an array (component, pair, ...) of shape {values.shape} needs the network of its pairs, got {found}"
        raise InputError(message)
    return network.loops()


def _spread(items: Indices, number: int) -> Indices:
    """Return up to `number` items, spread evenly over the list."""
    if len(items) <= number:
        return items
    return items[np.linspace(0, len(items) - 1, number).round().astype(np.int64)]
