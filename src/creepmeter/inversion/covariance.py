"""How the errors of dates hang together."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.optimize import nnls

from creepmeter.kernels.datum import correlation_of, spread_of
from creepmeter.model.epoch import years_since
from creepmeter.model.network import Network

Floats: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int16]


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
    for own in variance:
        own[~np.isfinite(own)] = np.median(own[np.isfinite(own)]) if np.isfinite(own).any() else 1.0
    return variance


class DateErrors(NamedTuple):
    """How the errors of dates hang together on average.

    ``correlation`` (component, time, time): between the errors of two dates, relative to the first. ``sigma``
    (component, time): their standard errors, metres. ``scale`` (component, datum, time): factor that brings the
    solver's sigma of a pixel that counts from date `datum`, which takes the errors of images as independent, to what
    the pair variances say.
    """

    correlation: Floats
    sigma: Floats
    scale: Floats

    def apply(self, sigma: Floats, datum: Integers) -> Floats:
        """Return the sigma (component, time, y, x) of pixels that count from `datum` (component, y, x)."""
        if (self.scale == 1.0).all():
            return sigma
        each = zip(self.scale, datum, strict=True)
        factor: Floats = np.stack([np.moveaxis(scale[np.maximum(first, 0)], -1, 0) for scale, first in each])
        return sigma * factor


def date_errors(network: Network, variance: Floats, share: Floats) -> DateErrors:
    r"""Return the correlation between the errors of dates, and the factor on the sigma of each date.

    Parameters
    ----------
    network : Network
        The pairs, m of them.
    variance : array, (component, m)
        Typical variance of each pair, square metres.
    share : array, (component,)
        Share of it that is the pair's own; the rest comes with its two images.

    Notes
    -----
    Errors that come with the images are differences :math:`e_j - e_i`, whose variances :math:`\gamma_{ij}` the pairs
    show: a variogram over dates. It gives the covariance relative to the first date without further assumption,

    .. math:: C_{jk} = (\gamma_{0j} + \gamma_{0k} - \gamma_{jk}) / 2

    (Cressie 1993, doi 10.1002/9781119115151, section 2.3), including errors that grow with time as the ground
    changes. Pairs that were not measured take :math:`a (h_i + h_j) + q |t_j - t_i|`, fitted to the others, with
    :math:`h_i` half the mean variance of the pairs at date i.
    """
    found = [_errors(network, *each) for each in zip(variance, share, strict=True)]
    return DateErrors(*(np.stack(each) for each in zip(*found, strict=True)))


def _errors(network: Network, variance: Floats, share: float) -> DateErrors:
    incidence = network.incidence()
    own = np.zeros((len(network.epochs), len(network.epochs)))
    own[1:, 1:] = np.linalg.pinv(incidence[:, 1:].T @ (incidence[:, 1:] / variance[:, None]), hermitian=True)
    half = _half_variance(network, variance, 0)
    covariance = share * own + (1 - share) * _from_variogram(_variogram(network, variance, half))
    scale = np.ones_like(covariance)
    for datum in range(len(half)) if share < 1 else ():
        half = _half_variance(network, variance, datum)
        true, alone = _variance_from(covariance, datum), _variance_from(own, datum)
        solver = share * alone + (1 - share) * (half + half[datum])
        np.sqrt(true / np.where(solver > 0, solver, 1.0), out=scale[datum], where=(solver > 0) & (true > 0))
    return DateErrors(correlation_of(covariance), spread_of(covariance), scale)


def _half_variance(network: Network, variance: Floats, datum: int) -> Floats:
    """Return half the mean variance of the pairs at each date, (n,), of a pixel without pairs before date `datum`."""
    later = network.ref_index >= datum
    ends = np.concatenate([network.ref_index[later], network.sec_index[later]])
    count = np.bincount(ends, minlength=len(network.epochs))
    total = np.bincount(ends, np.tile(variance[later], 2), minlength=len(network.epochs))
    return np.asarray(0.5 * total / np.maximum(count, 1), np.float64)


def _variance_from(covariance: Floats, datum: int) -> Floats:
    """Return the variance of the errors of all dates relative to date `datum`, (n,)."""
    diagonal = np.diagonal(covariance)
    return np.asarray(np.maximum(diagonal - 2 * covariance[:, datum] + covariance[datum, datum], 0.0), np.float64)


def _variogram(network: Network, variance: Floats, half: Floats) -> Floats:
    """Return the variance of the difference of any two dates, (time, time): measured, or from the model."""
    years = years_since(network.epochs, network.epochs[0])
    ref, sec = network.ref_index, network.sec_index
    design = np.stack([half[ref] + half[sec], years[sec] - years[ref]], axis=1)
    size = np.abs(design).max(axis=0)
    level, growth = nnls(design / size, variance)[0] / size
    full: Floats = level * (half[:, None] + half) + growth * np.abs(years[:, None] - years)
    full[ref, sec] = full[sec, ref] = variance
    np.fill_diagonal(full, 0.0)
    return full


def _from_variogram(gamma: Floats) -> Floats:
    """Return the covariance relative to the first date, made positive semi-definite where noise broke that."""
    covariance = 0.5 * (gamma[0][:, None] + gamma[0] - gamma)
    values, vectors = np.linalg.eigh(covariance)
    repaired: Floats = (vectors * np.maximum(values, 0.0)) @ vectors.T
    repaired[0] = repaired[:, 0] = 0.0  # exact: the first date has no error relative to itself
    return repaired
