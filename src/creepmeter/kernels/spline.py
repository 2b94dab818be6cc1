"""Quintic B-splines: coefficients of an image, weights, and a chip interpolated at one fraction of a pixel.

References
----------
Unser, M. (1999), Splines: a perfect fit for signal and image processing, doi 10.1109/79.799930.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from creepmeter.kernels._jit import jit, jit_fast
from creepmeter.kernels.threads import in_threads

Floats: TypeAlias = npt.NDArray[np.float32]

SUPPORT = 6  # coefficients under one interpolated value, per axis
BEFORE = 2  # of them, how many lie before the sample to the left
POLES = (
    float(np.sqrt(135.0 / 2.0 - np.sqrt(17745.0 / 4.0)) + np.sqrt(105.0 / 4.0) - 13.0 / 2.0),
    float(np.sqrt(135.0 / 2.0 + np.sqrt(17745.0 / 4.0)) - np.sqrt(105.0 / 4.0) - 13.0 / 2.0),
)
HORIZON = 24  # samples after which a start value has decayed below the precision of float32: |pole|^24 = 1.6e-9
BAND = 64  # rows or columns filtered together; fixed, so that threads change no bit


@jit
def spline_weights(fraction: float, out: Floats) -> None:
    """Write the six weights for a place `fraction` (0 to 1) right of a sample."""
    t = fraction
    s = 1.0 - t
    out[0], out[5] = s**5 / 120.0, t**5 / 120.0
    out[1], out[4] = _outer(s), _outer(t)
    out[2], out[3] = _inner(t), _inner(s)


@jit
def slope_weights(fraction: float, out: Floats) -> None:
    """Write the derivatives of `spline_weights`."""
    t = fraction
    s = 1.0 - t
    out[0], out[5] = -(s**4) / 24.0, t**4 / 24.0
    out[1], out[4] = -_outer_slope(s), _outer_slope(t)
    out[2], out[3] = _inner_slope(t), -_inner_slope(s)


@jit
def _outer(t: float) -> float:
    """Return the basis at distance 2 - t, 1 <= distance <= 2."""
    x = 2.0 - t
    return 17.0 / 40.0 + x * (5.0 / 8.0 + x * (-7.0 / 4.0 + x * (5.0 / 4.0 + x * (-3.0 / 8.0 + x / 24.0))))


@jit
def _outer_slope(t: float) -> float:
    """Return the derivative of `_outer`."""
    x = 2.0 - t
    return -(5.0 / 8.0 + x * (-7.0 / 2.0 + x * (15.0 / 4.0 + x * (-3.0 / 2.0 + x * 5.0 / 24.0))))


@jit
def _inner(t: float) -> float:
    """Return the basis at distance t, 0 <= distance <= 1."""
    square = t * t
    return 11.0 / 20.0 + square * (-0.5 + square * (0.25 - t / 12.0))


@jit
def _inner_slope(t: float) -> float:
    """Return the derivative of `_inner`."""
    return t * (-1.0 + t * t * (1.0 - 5.0 * t / 12.0))


@jit
def _first_value(lines: Floats, pole: float, out: Floats) -> None:
    """Write the first value of the causal recursion for an image mirrored at its edge; `lines` (samples, lanes)."""
    last = len(lines) - 1
    power = 1.0
    out[:] = lines[0]
    for k in range(1, HORIZON + 1):
        power *= pole
        place = k % (2 * last) if last > 0 else 0
        line = lines[place if place <= last else 2 * last - place]
        factor = np.float32(power)
        for j in range(len(out)):
            out[j] += factor * line[j]


@jit
def _filter_lines(lines: Floats) -> None:
    """Turn samples into coefficients along the first axis, in place; all lanes at once."""
    count = len(lines)
    if count == 1:
        return
    start = np.empty(lines.shape[1], np.float32)
    for pole in POLES:
        z, gain = np.float32(pole), np.float32((1.0 - pole) * (1.0 - 1.0 / pole))
        _first_value(lines, pole, start)
        lines[0] = start
        for k in range(1, count):
            before, here = lines[k - 1], lines[k]
            for j in range(len(here)):
                here[j] += z * before[j]
        before, here = lines[count - 2], lines[count - 1]
        end = np.float32(pole / (pole * pole - 1.0))
        for j in range(len(here)):
            here[j] = end * (here[j] + z * before[j])
        for k in range(count - 2, -1, -1):
            after, here = lines[k + 1], lines[k]
            for j in range(len(here)):
                here[j] = z * (after[j] - here[j])
        for k in range(count):
            here = lines[k]
            for j in range(len(here)):
                here[j] *= gain


@jit
def _filter_columns(start: int, stop: int, values: Floats) -> None:
    """Filter bands `start` to `stop` of BAND columns down the image."""
    for band in range(start, stop):
        left, right = band * BAND, min(values.shape[1], (band + 1) * BAND)
        lines = values[:, left:right].copy()
        _filter_lines(lines)
        values[:, left:right] = lines


@jit
def _filter_rows(start: int, stop: int, values: Floats) -> None:
    """Filter bands `start` to `stop` of BAND rows along the image."""
    for band in range(start, stop):
        top, low = band * BAND, min(values.shape[0], (band + 1) * BAND)
        lines = np.empty((values.shape[1], low - top), np.float32)
        for i in range(low - top):
            for j in range(values.shape[1]):
                lines[j, i] = values[top + i, j]
        _filter_lines(lines)
        for i in range(low - top):
            for j in range(values.shape[1]):
                values[top + i, j] = lines[j, i]


def spline_coefficients(image: Floats) -> Floats:
    """Return the quintic B-spline coefficients of an image, mirrored at its edges.

    Parameters
    ----------
    image : float32 (rows, columns)
        Samples without missing values.

    Returns
    -------
    float32 (rows, columns)
        Coefficients; the spline passes through the samples.
    """
    out = image.copy()
    for work, size in ((_filter_columns, out.shape[1]), (_filter_rows, out.shape[0])):
        in_threads(lambda start, stop, work=work: work(start, stop, out), -(-size // BAND))  # type: ignore[misc]
    return out


@jit_fast
def along_rows(window: Floats, weights: Floats, count: int, out: Floats) -> None:
    """Interpolate along the rows of a flat window: out[q] = sum of weights[k] window[q + k]."""
    w0, w1, w2, w3, w4, w5 = weights[0], weights[1], weights[2], weights[3], weights[4], weights[5]
    for q in range(np.uint64(count)):
        out[q] = (
            w0 * window[q] + w1 * window[q + np.uint64(1)] + w2 * window[q + np.uint64(2)]
            + w3 * window[q + np.uint64(3)] + w4 * window[q + np.uint64(4)] + w5 * window[q + np.uint64(5)]
        )  # fmt: skip


@jit_fast
def along_columns(lines: Floats, weights: Floats, stride: int, count: int, out: Floats) -> None:
    """Interpolate down the columns of flat lines: out[q] = sum of weights[k] lines[q + k stride]."""
    w0, w1, w2, w3, w4, w5 = weights[0], weights[1], weights[2], weights[3], weights[4], weights[5]
    s = np.uint64(stride)
    for q in range(np.uint64(count)):
        out[q] = (
            w0 * lines[q] + w1 * lines[q + s] + w2 * lines[q + s + s]
            + w3 * lines[q + s + s + s] + w4 * lines[q + s + s + s + s] + w5 * lines[q + s + s + s + s + s]
        )  # fmt: skip
