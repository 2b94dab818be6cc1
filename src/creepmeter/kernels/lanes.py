"""Products of a matrix and many series, the same to the last bit however the series are cut into blocks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]

LANES = 2048  # series at a time: a product of another shape may add up in another order


def times_series(matrix: Doubles, series: npt.ArrayLike) -> Doubles:
    """Return ``matrix @ series``, (m, n) by (n, P), in pieces of one shape that are filled up with zeros."""
    given = np.asarray(series, np.float64)
    out = np.empty((len(matrix), given.shape[1]))
    room = np.zeros((given.shape[0], LANES))
    for start in range(0, given.shape[1], LANES):
        piece = given[:, start : start + LANES]
        room[:, : piece.shape[1]] = piece
        room[:, piece.shape[1] :] = 0.0
        out[:, start : start + LANES] = (matrix @ room)[:, : piece.shape[1]]
    return out
