"""Perpendicular baseline of each date, from those of the pairs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from creepmeter.model.network import Network


def baselines_of_dates(network: Network, bperp: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return perpendicular baselines of the epochs of a network, (n,), metres, relative to the first.

    Parameters
    ----------
    network : Network
        Pairs and dates.
    bperp : array, (pair,)
        Baselines of the pairs, later relative to earlier, metres.

    Notes
    -----
    Least squares; the dates of every island are relative to its first.

    Examples
    --------
    >>> network = Network.from_pairs([("20200101", "20200113"), ("20200113", "20200125")])
    >>> baselines_of_dates(network, [10.0, -4.0]).round(6).tolist()
    [0.0, 10.0, 6.0]
    """
    design = network.incidence()
    found = np.zeros(len(network.epochs))
    for island in network.islands():
        free = island[1:]
        if len(free):
            inside = np.isin(network.ref_index, island)
            found[free] = np.linalg.lstsq(design[np.ix_(inside, free)], np.asarray(bperp, float)[inside], rcond=None)[0]
    return found
