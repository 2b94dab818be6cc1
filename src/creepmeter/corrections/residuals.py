"""Noisy dates and the quietest one, by the size of their residuals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from creepmeter.model.epoch import Epochs

Floats = npt.NDArray[np.float64]
NORMAL_MAD = 0.67449  # half of normal errors lie within this many standard deviations


@dataclass(frozen=True)
class DatesByResidual:
    """What residuals say of the dates.

    Parameters
    ----------
    dates : array of datetime64, (time,)
        All dates.
    rms_m : array, (time,)
        Root of the mean squared residual, metres; NaN = no pixel.
    quietest : int
        Place of the least.
    noisy : array of bool, (time,)
        Dates above the threshold.
    threshold_m : float
        Limit, metres.
    """

    dates: Epochs
    rms_m: Floats
    quietest: int
    noisy: npt.NDArray[np.bool_]
    threshold_m: float


def judge_dates(dates: Epochs, rms_m: Floats, cutoff: float) -> DatesByResidual:
    """Find the quietest date, and those whose residuals are too large.

    Parameters
    ----------
    dates : array of datetime64, (time,)
        Dates.
    rms_m : array, (time,)
        RMS of the residuals of each, metres.
    cutoff : float
        A date is noisy above ``cutoff`` times the median RMS / 0.67449: 4.45 times the median for 3.

    Notes
    -----
    The deviation is counted from 0, not from the median: residuals of a quiet date are no outliers.
    """
    known = rms_m[np.isfinite(rms_m)]
    threshold = float(cutoff * np.median(known) / NORMAL_MAD) if known.size else float("nan")
    with np.errstate(invalid="ignore"):
        noisy = np.asarray(rms_m > threshold)
    quietest = int(np.nanargmin(rms_m)) if known.size else 0
    return DatesByResidual(dates, rms_m, quietest, noisy, threshold)
