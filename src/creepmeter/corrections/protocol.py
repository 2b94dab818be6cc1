"""What every correction that is known before the series is read has in common: it predicts noise block by block."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import Block

Values: TypeAlias = npt.NDArray[Any]


class Correction(Protocol):
    """Noise of a series that can be predicted."""

    def predict(self, block: Block) -> Values:
        """Return the noise in a block, (time, y, x) metres, relative to reference date and pixel of the series."""


def subtract(values: Values, noise: Values) -> Values:
    """Return a series without noise, float32; exact zeros, which were not measured or are the reference, stay.

    Parameters
    ----------
    values : array, (time, y, x)
        Series, metres; NaN = not measured.
    noise : array, (time, y, x)
        From `Correction.predict`.
    """
    # float64 minus anything: what is left is often small beside both
    return np.where(values == 0, 0.0, values.astype(np.float64) - noise).astype(np.float32)
