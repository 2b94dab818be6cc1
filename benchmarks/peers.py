"""Offsets of single chips by other libraries, as their manuals show it; a library that is absent is left out.

Install them with ``pip install --constraint constraints.txt --editable '.[bench]'``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]
Corners: TypeAlias = npt.NDArray[np.int64]
Offset: TypeAlias = tuple[float, float]

UPSAMPLING = 64


@dataclass(frozen=True)
class Sizes:
    """Edge of a chip and search radius, pixels."""

    chip: int
    search: int


@dataclass(frozen=True)
class Peer:
    """Another way to measure offsets: `measure` gives (dx, dy) of the chip at (top, left)."""

    name: str
    library: str
    prepare: Callable[[Any], Callable[[Floats, Floats, int, int, Sizes], Offset]]

    @property
    def installed(self) -> bool:
        """Whether the library is there."""
        return find_spec(self.library.partition(".")[0]) is not None

    def offsets(self, ref: Floats, sec: Floats, corners: Corners, sizes: Sizes) -> Doubles:
        """Return offsets (n, 2) of chips with the given corners (n, 2); their search windows lie inside the image."""
        measure = self.prepare(import_module(self.library))
        return np.array([measure(ref, sec, int(top), int(left), sizes) for top, left in corners])


def matching_templates(cv2: Any) -> Callable[[Floats, Floats, int, int, Sizes], Offset]:  # noqa: ANN401 - a module
    """Return normalised cross-correlation by OpenCV on one thread, with a parabola through the peak per axis."""

    def refine(surface: Floats, u: int, v: int) -> Offset:
        return v + parabola(surface[u, v - 1 : v + 2]), u + parabola(surface[u - 1 : u + 2, v])

    return _matching(cv2, refine)


def oversampling_peaks(cv2: Any) -> Callable[[Floats, Floats, int, int, Sizes], Offset]:  # noqa: ANN401 - a module
    """Return the same, the 5 x 5 values around the peak oversampled UPSAMPLING times, as feature trackers of ice do."""

    def refine(surface: Floats, u: int, v: int) -> Offset:
        top, left = (min(max(place - 2, 0), len(surface) - 5) for place in (u, v))
        fine = surface[top : top + 5, left : left + 5]
        for _ in range(UPSAMPLING.bit_length() - 1):
            fine = cv2.pyrUp(fine)
        _, _, _, (x, y) = cv2.minMaxLoc(fine)
        return left + x / UPSAMPLING, top + y / UPSAMPLING

    return _matching(cv2, refine)


def _matching(
    cv2: Any,  # noqa: ANN401 - a module
    refine: Callable[[Floats, int, int], Offset],
) -> Callable[[Floats, Floats, int, int, Sizes], Offset]:
    """Return template matching by OpenCV on one thread, the peak refined on the correlation surface."""
    cv2.setNumThreads(1)

    def measure(ref: Floats, sec: Floats, top: int, left: int, sizes: Sizes) -> Offset:
        chip, radius = sizes.chip, sizes.search
        template = ref[top : top + chip, left : left + chip]
        window = sec[top - radius : top + chip + radius, left - radius : left + chip + radius]
        surface = cv2.matchTemplate(window, template, cv2.TM_CCOEFF_NORMED)
        _, _, _, (v, u) = cv2.minMaxLoc(surface)
        if not (0 < u < 2 * radius and 0 < v < 2 * radius):
            return np.nan, np.nan
        x, y = refine(surface, u, v)
        return x - radius, y - radius

    return measure


def correlating_phases(registration: Any) -> Callable[[Floats, Floats, int, int, Sizes], Offset]:  # noqa: ANN401 - a module
    """Return the phase correlation of scikit-image between the chips at one place; it knows no search radius."""

    def measure(ref: Floats, sec: Floats, top: int, left: int, sizes: Sizes) -> Offset:
        part = np.s_[top : top + sizes.chip, left : left + sizes.chip]
        back, _, _ = registration.phase_cross_correlation(ref[part], sec[part], upsample_factor=UPSAMPLING)
        return -float(back[1]), -float(back[0])

    return measure


def parabola(three: Floats) -> float:
    """Return where the parabola through three values has its top, from the middle one."""
    before, top, after = (float(value) for value in three)
    return 0.5 * (before - after) / (before - 2 * top + after)


PEERS = (
    Peer("OpenCV matchTemplate and parabola", "cv2", matching_templates),
    Peer("OpenCV matchTemplate and 64-fold oversampling", "cv2", oversampling_peaks),
    Peer("scikit-image phase_cross_correlation", "skimage.registration", correlating_phases),
)
