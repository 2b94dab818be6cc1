"""Drift of the local oscillator of Envisat: an apparent rate that grows with range."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import Block
from creepmeter.corrections.protocol import Values
from creepmeter.model.epoch import Epoch, Epochs, decimal_years_since

DRIFT_PER_YEAR = 3.87e-7
PLATFORMS = ("env", "envisat")


@dataclass(frozen=True)
class OscillatorDrift:
    """Apparent displacement of a series of Envisat by the decay of its oscillator's frequency.

    Parameters
    ----------
    times : array of datetime64, (time,)
        Dates of the series.
    reference_time : datetime64
        Date that the series is relative to.
    slant_range_m : array, (y, x)
        Distance of every pixel, metres.
    reference_range_m : float
        That of the reference pixel.

    Notes
    -----
    ``3.87e-7 (r - r_ref) (t - t_ref)`` metres, with t in years.

    References
    ----------
    Marinkovic, P., and Larsen, Y. (2013): Consequences of long-term ASAR local oscillator frequency decay, an
    empirical study of 10 years of data. ESA Living Planet Symposium, Edinburgh.
    """

    times: Epochs
    reference_time: Epoch
    slant_range_m: npt.NDArray[np.floating]
    reference_range_m: float

    def predict(self, block: Block) -> Values:
        """Return the apparent displacement in a block, (time, y, x) metres."""
        years = decimal_years_since(self.times, self.reference_time)
        distance = self.slant_range_m[block.y, block.x].astype(np.float64) - self.reference_range_m
        return np.asarray(DRIFT_PER_YEAR * years[:, None, None] * distance)
