"""Points judged by their neighbours: coherence of displacement, and distance from the local median."""

from __future__ import annotations

import functools

import numpy as np

from creepmeter.kernels._jit import jit
from creepmeter.kernels.correlate import Bools, Floats
from creepmeter.kernels.threads import in_threads

FEWEST = 3  # neighbours below which a point cannot be judged, and an isolated point is not trusted


@jit
def agreeing(dy: Floats, dx: Floats, i: int, j: int, half: int, tolerance: float) -> tuple[int, int]:
    """Count valid neighbours of a point, and those within `tolerance` of it in y and x."""
    ny, nx = dy.shape
    agree = total = 0
    for p in range(max(0, i - half), min(ny, i + half + 1)):
        for q in range(max(0, j - half), min(nx, j + half + 1)):
            if (p == i and q == j) or np.isnan(dy[p, q]):
                continue
            total += 1
            if abs(dy[p, q] - dy[i, j]) <= tolerance and abs(dx[p, q] - dx[i, j]) <= tolerance:
                agree += 1
    return agree, total


def incoherent(dy: Floats, dx: Floats, half: int, tolerance: float, share: float) -> Bools:
    """Mark points that too few of their valid neighbours agree with.

    Parameters
    ----------
    dy, dx : float32 (ny, nx)
        Offsets, NaN = not valid.
    half : int
        Half width of the neighbourhood, points.
    tolerance : float
        Largest difference of an agreeing neighbour, pixels.
    share : float
        Share of the valid neighbours that must agree. Only neighbours that exist count, so that borders lose nothing.

    Returns
    -------
    bool (ny, nx)
        True = fails, or has fewer than three valid neighbours.
    """
    out = np.zeros(dy.shape, np.bool_)
    in_threads(lambda start, stop: _incoherent_rows(start, stop, dy, dx, half, tolerance, share, out), len(dy))
    return out


@jit
def _incoherent_rows(
    start: int, stop: int, dy: Floats, dx: Floats, half: int, tolerance: float, share: float, out: Bools
) -> None:
    for i in range(start, stop):
        for j in range(dy.shape[1]):
            if not np.isnan(dy[i, j]):
                agree, total = agreeing(dy, dx, i, j, half, tolerance)
                out[i, j] = total < FEWEST or agree < FEWEST or agree < share * total


@jit
def _far_from_median(values: Floats, sigma: float, i: int, j: int, half: int, scale: float, window: Floats) -> bool:
    ny, nx = values.shape
    count = 0
    for p in range(max(0, i - half), min(ny, i + half + 1)):
        for q in range(max(0, j - half), min(nx, j + half + 1)):
            if not np.isnan(values[p, q]):
                window[count] = values[p, q]
                count += 1
    if count <= FEWEST:
        return False
    middle = np.median(window[:count])
    deviation = 1.4826 * np.median(np.abs(window[:count] - middle))
    return bool(abs(values[i, j] - middle) > scale * max(deviation, sigma))


def far_from_median(
    dy: Floats, dx: Floats, sigma_y: Floats, sigma_x: Floats, half: int, scale: float, floor: float
) -> Bools:
    """Mark points farther from the median of their neighbourhood than `scale` robust deviations.

    The deviation is 1.4826 times the median absolute deviation, but never less than the point's own standard error
    or `floor` (pixels), so that quiet surroundings do not delete a small slide.
    """
    out = np.zeros(dy.shape, np.bool_)
    for values, sigma in ((dy, sigma_y), (dx, sigma_x)):
        least = np.maximum(sigma, np.float32(floor))
        in_threads(functools.partial(_far_rows, values=values, least=least, half=half, scale=scale, out=out), len(dy))
    return out


@jit
def _far_rows(start: int, stop: int, values: Floats, least: Floats, half: int, scale: float, out: Bools) -> None:
    window = np.empty((2 * half + 1) ** 2, np.float32)
    for i in range(start, stop):
        for j in range(values.shape[1]):
            if not np.isnan(values[i, j]) and _far_from_median(values, least[i, j], i, j, half, scale, window):
                out[i, j] = True
