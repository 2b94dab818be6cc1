"""Peaks of correlation surfaces, of many chips at once: `surfaces[shift, lane]`, one lane a chip."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from creepmeter.kernels._jit import jit

Floats: TypeAlias = npt.NDArray[np.float32]
Ints: TypeAlias = npt.NDArray[np.int32]
Sizes: TypeAlias = tuple[int, int, int]  # shifts down, shifts along a row, places kept for a row

UNDEFINED = np.float32(-2.0)  # correlation of a shift with too few common pixels or no texture
PEAK_FIELDS = 7  # dy, dx, peak, second peak, edge (1 or 0), sub-pixel start dy, dx


@jit
def highest(surfaces: Floats, sizes: Sizes, best: Floats, place: Ints) -> None:
    """Find the highest value of every lane and the shift where it is; `place` is -1 where nothing is defined."""
    down, along, stride = sizes
    best[:] = UNDEFINED
    place[:] = -1
    for u in range(down):
        for shift in range(u * stride, u * stride + along):
            layer = surfaces[shift]
            for j in range(len(best)):
                higher = layer[j] > best[j]
                best[j] = layer[j] if higher else best[j]
                place[j] = shift if higher else place[j]


@jit
def second_highest(surfaces: Floats, sizes: Sizes, place: Ints, second: Floats) -> None:
    """Find the highest local maximum of every lane that is no neighbour of the highest value."""
    down, along, stride = sizes
    second[:] = UNDEFINED
    for u in range(1, down - 1):
        for v in range(1, along - 1):
            k = u * stride + v
            n0, n1, n2 = surfaces[k - stride - 1], surfaces[k - stride], surfaces[k - stride + 1]
            n3, here, n4 = surfaces[k - 1], surfaces[k], surfaces[k + 1]
            n5, n6, n7 = surfaces[k + stride - 1], surfaces[k + stride], surfaces[k + stride + 1]
            for j in range(len(second)):
                value = here[j]
                around = max(n0[j], n1[j], n2[j], n3[j], n4[j], n5[j], n6[j], n7[j])
                apart = place[j] - k
                near = abs(apart) <= 1 or abs(abs(apart) - stride) <= 1
                counts = value >= around and value > second[j] and not near
                second[j] = value if counts else second[j]


@jit
def between_samples(before: float, here: float, after: float) -> float:
    """Return the place of the peak of three samples, -0.5 to 0.5: of a Gaussian if all are positive, or a parabola."""
    if min(before, after) > 0.0:
        before, here, after = np.log(before), np.log(here), np.log(after)
    bend = before - 2.0 * here + after
    if bend >= 0.0:
        return 0.0
    return min(0.5, max(-0.5, 0.5 * (before - after) / bend))


@jit
def describe_peak(surfaces: Floats, sizes: Sizes, lane: int, place: int, out: Floats) -> None:
    """Write edge and sub-pixel start of a lane's peak into `out`, whose first two fields are its whole shift."""
    down, along, stride = sizes
    u, v = place // stride, place % stride
    out[4], out[5], out[6] = 1.0, out[0], out[1]
    if u in (0, down - 1) or v in (0, along - 1):
        return
    here = surfaces[place, lane]
    up, low = surfaces[place - stride, lane], surfaces[place + stride, lane]
    left, right = surfaces[place - 1, lane], surfaces[place + 1, lane]
    if min(up, low, left, right) <= UNDEFINED:
        return
    out[4] = 0.0
    out[5] += np.float32(between_samples(up, here, low))
    out[6] += np.float32(between_samples(left, here, right))
