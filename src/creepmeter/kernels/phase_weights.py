"""How well the phase of an interferogram is known, from its coherence: variances and weights.

The variance of the phase of distributed scatterers follows from its probability density for a coherence and a number
of independent looks. Inversions of large stacks take it from a table, as MintPy does, so that results agree.

References
----------
Tough, Blacknell, Quegan (1995), Proc. R. Soc. A 449, 567-589 (density of the multilook phase).
Hanssen (2001), Radar Interferometry, section 4.2.
"""

from __future__ import annotations

from math import lgamma
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

BINS = 200
BIN = 0.005  # of coherence
LEAST_COHERENCE = 0.05
MOST_COHERENCE = 0.999  # for the Fisher information, which is infinite at 1
LOOKS_RATIO = 1.94  # looks that count for one where samples are correlated
MOST_LOOKS = 80  # beyond, the variance hardly changes and powers overflow
_SAMPLES = 200  # of the phase from -pi to pi


def phase_variance(coherence: npt.ArrayLike, looks: int) -> Floats:
    r"""Return the variance of the interferometric phase, rad^2, of the shape of `coherence`.

    Parameters
    ----------
    coherence : array
        From 0 to below 1.
    looks : int
        Independent looks L, at least 1; more than 80 count as 80.

    Notes
    -----
    With :math:`\beta = \gamma \cos\varphi` the density of the phase is

    .. math:: p(\varphi) = \frac{(1-\gamma^2)^L}{2\pi} \Big\{ \frac{\Gamma(2L-1)}{\Gamma(L)^2 2^{2(L-1)}} \Big[
       \frac{(2L-1)\beta (\pi/2 + \arcsin\beta)}{(1-\beta^2)^{L+1/2}} + \frac{1}{(1-\beta^2)^L} \Big] +
       \frac{1}{2(L-1)} \sum_{r=0}^{L-2} \frac{\Gamma(L-\frac12)\, \Gamma(L-1-r)}{\Gamma(L-\frac12-r)\, \Gamma(L-1)}
       \frac{1 + (2r+1)\beta^2}{(1-\beta^2)^{r+2}} \Big\}

    and the variance is the sum of :math:`\varphi^2 p\, 2\pi/200` over 200 phases from :math:`-\pi` to :math:`\pi`.
    The step is that of 200 intervals although there are 199: so MintPy has it, and tables are compared to the digit.

    Examples
    --------
    >>> float(phase_variance(0.0, 1).round(1))  # that of a uniform phase is pi^2 / 3
    3.3
    """
    looks = min(max(looks, 1), MOST_LOOKS)
    gamma = np.asarray(coherence, np.float64)[..., None]
    phase = np.linspace(-np.pi, np.pi, _SAMPLES)
    beta = gamma * np.cos(phase)
    rest = 1.0 - beta**2
    scale = np.exp(lgamma(2 * looks - 1) - 2 * lgamma(looks) - 2 * (looks - 1) * np.log(2.0))
    bent = (2 * looks - 1) * beta * (np.pi / 2 + np.arcsin(beta)) / rest ** (looks + 0.5)
    density = scale * (bent + rest**-looks)
    for r in range(looks - 1):
        above = lgamma(looks - 0.5) + lgamma(looks - 1 - r)
        factor = np.exp(above - lgamma(looks - 0.5 - r) - lgamma(looks - 1)) / (2 * (looks - 1))
        density = density + factor * (1 + (2 * r + 1) * beta**2) / rest ** (r + 2)
    density = density * (1.0 - gamma**2) ** looks / (2 * np.pi)
    return np.asarray((phase**2 * density).sum(axis=-1) * 2 * np.pi / _SAMPLES, np.float64)


def variance_table(looks: int) -> Floats:
    """Return the variance of the phase at the centres of 200 bins of coherence, (200,), rad^2."""
    table = phase_variance(BIN * (np.arange(BINS) + 0.5), looks)
    table[table <= 0] = table[table > 0].min()  # rounding at high coherence
    return table


def table_index(coherence: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return the bin of each coherence; NaN counts as none.

    The bin below is taken, not the nearest centre: a coherence of 0.999 stands in the last bin but one.
    """
    place = ((clipped_coherence(coherence) - 0.5 * BIN) / BIN).astype(np.int64)
    return np.minimum(place, BINS - 1)


def fisher_information(coherence: npt.NDArray[Any], looks: int) -> Floats:
    """Return ``2 L g^2 / (1 - g^2)``, the Fisher information of the phase; coherence counts as 0.05 to 0.999."""
    raised = np.where(coherence > LEAST_COHERENCE, coherence, LEAST_COHERENCE)
    square = np.minimum(raised.astype(np.float64), MOST_COHERENCE) ** 2
    return np.asarray(2.0 * looks * square / (1.0 - square), np.float64)


def clipped_coherence(coherence: npt.NDArray[Any]) -> Floats:
    """Return coherence of at least 0.05; NaN counts as none."""
    return np.where(coherence > LEAST_COHERENCE, coherence, LEAST_COHERENCE).astype(np.float64)


def looks_of(stated: float | None, azimuth: float, range_: float) -> int:
    """Return independent looks: as stated, else those of correlated samples, ``azimuth * range / 1.94``.

    Parameters
    ----------
    stated : float, optional
        What the processor says (NCORRLOOKS).
    azimuth, range_ : float
        Looks taken in each direction.

    Examples
    --------
    >>> looks_of(None, 5, 20)
    52
    """
    looks = stated if stated is not None else azimuth * range_ / LOOKS_RATIO
    return max(round(looks), 1)
