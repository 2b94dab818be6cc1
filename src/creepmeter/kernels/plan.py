"""What all pixels share when one function of time is told apart from others: matrices, no compiled code."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

LEAST = 1e-12  # share of the squares of a function that others must leave, to tell it from them


class Plan(NamedTuple):
    """Matrices that all pixels share.

    Parameters
    ----------
    projection : array, (n, n)
        Q: what the other functions leave, of the dates used.
    others : array, (n, k)
        M: the other functions at all dates.
    inverse : array, (k, n)
        Gives their coefficients from a series.
    datum : int
        Date where the corrected series stays as it is.
    """

    projection: npt.NDArray[np.float64]
    others: npt.NDArray[np.float64]
    inverse: npt.NDArray[np.float64]
    datum: int
