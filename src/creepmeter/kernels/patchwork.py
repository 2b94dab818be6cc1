"""A field without end, patched together from places of one periodic field: quintic B-splines, sampled anywhere."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from creepmeter.kernels._jit import jit_fast

Floats = npt.NDArray[np.float64]
Layer = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]

_TAPS = 6
_BEFORE = 2  # taps before the cell that a position lies in


def sample_patchwork(
    coefficients: Layer, places: Places, rows: Floats, columns: Floats, edge: float, blend: float
) -> Layer:
    """Return a patchwork of a periodic spline at positions.

    Parameters
    ----------
    coefficients : array of float32, (rows, columns)
        Quintic B-spline coefficients of a periodic field of mean zero, from `pad_periodic`.
    places : array of int64, (n, n, 2)
        Row and column that each patch takes from the field; patches repeat after `n`.
    rows, columns : array of float64, (y, x)
        Positions, cells of the field; 0 is the centre of the first.
    edge : float
        Distance of the patches, cells.
    blend : float
        Share of it, above 0 and at most 1, over which a patch turns into the next.

    Returns
    -------
    array of float32, (y, x)
        Weights of patches that overlap have squares that sum to 1, so that the variance of the field is kept.
    """
    out = np.empty(rows.shape, np.float32)
    _sample_rows(coefficients, places, rows, columns, edge, blend, out)
    return out


def pad_periodic(coefficients: Layer) -> Layer:
    """Return the coefficients of a periodic spline with what follows their last row and column beside them."""
    return np.pad(coefficients, ((0, _TAPS - 1), (0, _TAPS - 1)), mode="wrap")


@jit_fast
def _sample_rows(
    coefficients: Layer, places: Places, rows: Floats, columns: Floats, edge: float, blend: float, out: Layer
) -> None:
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = _patched_at(coefficients, places, rows[i, j], columns[i, j], edge, blend)


@jit_fast
def _patched_at(coefficients: Layer, places: Places, y: float, x: float, edge: float, blend: float) -> float:
    count = places.shape[0]
    row, column = int(np.floor(y / edge)), int(np.floor(x / edge))
    south, east = _share_of_next(y / edge - row, blend), _share_of_next(x / edge - column, blend)
    total = 0.0
    for down in range(2):
        tall = south if down else np.sqrt(1.0 - south * south)
        for right in range(2):
            weight = tall * (east if right else np.sqrt(1.0 - east * east))
            if weight > 0.0:
                place = places[(row + down) % count, (column + right) % count]
                total += weight * _spline_at(coefficients, y + place[0], x + place[1])
    return total


@jit_fast
def _share_of_next(part: float, blend: float) -> float:
    """Return the weight of the next patch, 0 before the blend, rising smoothly to 1 at its end."""
    rise = (part - (1.0 - blend)) / blend
    if rise <= 0.0:
        return 0.0
    return float(np.sin(0.5 * np.pi * rise * rise * (3.0 - 2.0 * rise)))


@jit_fast
def _spline_at(coefficients: Layer, y: float, x: float) -> float:
    above, left = np.floor(y), np.floor(x)
    first_row = (int(above) - _BEFORE) % (coefficients.shape[0] - _TAPS + 1)
    first_column = (int(left) - _BEFORE) % (coefficients.shape[1] - _TAPS + 1)
    tall, wide = _weights(np.float32(y - above)), _weights(np.float32(x - left))
    total = np.float32(0)
    for i in range(_TAPS):
        line = np.float32(0)
        for j in range(_TAPS):
            line += wide[j] * coefficients[first_row + i, first_column + j]
        total += tall[i] * line
    return float(total)


@jit_fast
def _weights(part: np.float32) -> tuple[np.float32, np.float32, np.float32, np.float32, np.float32, np.float32]:
    """Return the quintic B-spline at ``part + 2, .., part - 3``, for a part from 0 to 1."""
    rest = np.float32(1) - part
    first, last = _outer(rest), _outer(part)
    second, fifth = _middle(np.float32(1) + part), _middle(np.float32(1) + rest)
    third = _inner(part)
    return first, second, third, np.float32(1) - (first + second + third + fifth + last), fifth, last


@jit_fast
def _outer(rest: np.float32) -> np.float32:
    """Return the spline where ``3 - rest`` lies from 2 to 3."""
    return np.float32(rest**5 * np.float32(1 / 120))


@jit_fast
def _middle(far: np.float32) -> np.float32:
    """Return the spline at `far` from 1 to 2: the outer piece, less six times that which begins at 2."""
    return np.float32(((np.float32(3) - far) ** 5 - np.float32(6) * (np.float32(2) - far) ** 5) * np.float32(1 / 120))


@jit_fast
def _inner(far: np.float32) -> np.float32:
    """Return the spline at `far` from 0 to 1."""
    square = far * far
    return np.float32(0.55) - square * (np.float32(0.5) - square * (np.float32(0.25) - far * np.float32(1 / 12)))
