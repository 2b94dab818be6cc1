"""How the errors of dates hang together."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import xarray as xr

from creepmeter.model.network import Network

Floats: TypeAlias = npt.NDArray[np.float64]


def mean_pair_variance(stack: xr.Dataset, weights: str) -> Floats:
    """Return the median variance of each used pair, square metres, (component, pair); 1 where it is not known.

    Reads one pair at a time. With `weights` other than ``sigma`` all pairs count alike.
    """
    used = np.flatnonzero(stack["used"].values)
    variance = np.ones((stack.sizes["component"], len(used)))
    if "sigma" not in stack or weights != "sigma":
        return variance
    for place, pair in enumerate(used):
        sigma = stack["sigma"].isel(pair=pair).values.reshape(len(variance), -1)
        for component, values in enumerate(sigma):
            known = values[np.isfinite(values) & (values > 0)]
            variance[component, place] = np.median(known).astype(np.float64) ** 2 if known.size else np.nan
    typical = np.nanmedian(variance, axis=1, keepdims=True) if np.isfinite(variance).any() else np.ones((1, 1))
    return np.where(np.isfinite(variance), variance, typical)


def date_correlation(network: Network, variance: Floats, share: Floats) -> Floats:
    """Return the correlation between the errors of dates, (component, time, time).

    Errors are relative to the first date, which itself has none: its row and column are 0 but for the diagonal.

    Parameters
    ----------
    network : Network
        The pairs, m of them.
    variance : array, (component, m)
        Variance of each pair, square metres.
    share : array, (component,)
        Share of it that is the pair's own; the rest comes with its two images.
    """
    return np.stack([_correlation(network, *each) for each in zip(variance, share, strict=True)])


def _correlation(network: Network, variance: Floats, share: float) -> Floats:
    incidence = network.incidence()
    normal = incidence[:, 1:].T @ (incidence[:, 1:] / variance[:, None])
    covariance = np.zeros((len(network.epochs), len(network.epochs)))
    covariance[1:, 1:] = share * np.linalg.pinv(normal, hermitian=True)
    touches = np.abs(incidence)
    image = 0.5 * (touches.T @ variance) / touches.sum(axis=0)
    covariance[1:, 1:] += (1 - share) * (np.diag(image[1:]) + image[0])
    spread = np.sqrt(np.diagonal(covariance))
    scale = np.where(spread > 0, spread, 1.0)
    correlation = covariance / np.outer(scale, scale)
    np.fill_diagonal(correlation, 1.0)
    return correlation
