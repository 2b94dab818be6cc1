"""Weights and standard errors of interferograms from their coherence."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from creepmeter.kernels.phase_weights import clipped_coherence, fisher_information, table_index, variance_table

Floats: TypeAlias = npt.NDArray[np.float64]


def phase_weights(coherence: npt.NDArray[Any], kind: str, looks: int) -> Floats:
    """Return weights of the shape of `coherence`.

    Parameters
    ----------
    coherence : array
        From 0 to 1; NaN counts as 0, and what is below 0.05 as 0.05.
    kind : {"var", "fim", "coh"}
        Inverse variance of the phase (rad^-2), its Fisher information, or coherence itself.
    looks : int
        Independent looks.

    Examples
    --------
    >>> phase_weights(np.array([0.8, np.nan]), "coh", 20).tolist()
    [0.8, 0.05]
    """
    if kind == "coh":
        return clipped_coherence(coherence)
    if kind == "fim":
        return fisher_information(coherence, looks)
    return np.asarray(1.0 / variance_table(looks)[table_index(coherence)], np.float64)


def phase_spread(coherence: npt.NDArray[Any], looks: int, cycle_m: float) -> Floats:
    """Return standard errors of phases, metres, of the shape of `coherence`.

    Parameters
    ----------
    coherence : array
        From 0 to 1.
    looks : int
        Independent looks.
    cycle_m : float
        Metres per turn of phase.
    """
    table = np.sqrt(variance_table(looks)) * cycle_m / (2 * np.pi)
    return np.asarray(table[table_index(coherence)], np.float64)
