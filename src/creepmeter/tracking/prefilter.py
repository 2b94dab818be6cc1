"""Filters applied to an image before matching; a missing pixel is left out of every mean, never filled."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from creepmeter.tracking.options import Prefilter

Floats: TypeAlias = npt.NDArray[np.float32]
Bools: TypeAlias = npt.NDArray[np.bool_]
Filter: TypeAlias = Callable[[Floats, Bools, int], tuple[Floats, Bools]]

SEEN = 0.5  # share of a filter window that must be valid for the filtered pixel to be valid
FLAT = 1e-3  # local deviation, in units of the global one, below which Wallis does not amplify further


def apply_prefilter(image: Floats, valid: Bools, name: Prefilter, width: int) -> tuple[Floats, Bools]:
    """Return the filtered image and where it is valid.

    Parameters
    ----------
    image : float32 (rows, columns)
        Values where `valid` is false are ignored.
    valid : bool (rows, columns)
        False = missing.
    name : str
        ``none``; ``highpass``, image minus local mean; ``wallis``, the same over the local deviation; ``log``,
        Laplacian of Gaussian; ``orientation``, direction of the gradient without its strength.
    width : int
        Width of the local window, pixels. For ``log`` and ``orientation`` the Gaussian has a standard deviation of
        width / 5.
    """
    return FILTERS[name](image, valid, width)


def _none(image: Floats, valid: Bools, width: int) -> tuple[Floats, Bools]:  # noqa: ARG001 - one signature for all
    return image, valid


def _local_mean(image: Floats, valid: Bools, width: int) -> tuple[Floats, Floats]:
    """Return the mean over valid pixels of each window, and the share of them."""
    share = ndimage.uniform_filter(valid.astype(np.float32), width, mode="constant")
    total = ndimage.uniform_filter(np.where(valid, image, np.float32(0)), width, mode="constant")
    return total / np.maximum(share, np.float32(1e-6)), share


def _highpass(image: Floats, valid: Bools, width: int) -> tuple[Floats, Bools]:
    mean, share = _local_mean(_centred(image, valid), valid, width)
    return _centred(image, valid) - mean, valid & (share > SEEN * share.max())


def _wallis(image: Floats, valid: Bools, width: int) -> tuple[Floats, Bools]:
    detail, seen = _highpass(image, valid, width)
    power, _ = _local_mean(detail * detail, seen, width)
    floor = FLAT * float(np.sqrt(power[seen].mean())) if seen.any() else 1.0
    deviation = np.sqrt(np.maximum(power, np.float32(0)))
    return (detail / np.maximum(deviation, np.float32(max(floor, 1e-12)))).astype(np.float32), seen


def _smooth(image: Floats, valid: Bools, sigma: float) -> tuple[Floats, Floats]:
    """Return the Gaussian mean over valid pixels, and the share of the weight on them."""
    share = ndimage.gaussian_filter(valid.astype(np.float32), sigma, mode="constant")
    total = ndimage.gaussian_filter(np.where(valid, image, np.float32(0)), sigma, mode="constant")
    return total / np.maximum(share, np.float32(1e-6)), share


def _log(image: Floats, valid: Bools, width: int) -> tuple[Floats, Bools]:
    smooth, share = _smooth(_centred(image, valid), valid, width / 5)
    return ndimage.laplace(smooth), _interior(valid & (share > SEEN))


def _orientation(image: Floats, valid: Bools, width: int) -> tuple[Floats, Bools]:
    smooth, share = _smooth(_centred(image, valid), valid, width / 5)
    gy, gx = ndimage.sobel(smooth, axis=0), ndimage.sobel(smooth, axis=1)
    strength = np.hypot(gy, gx)
    direction = np.divide(gy + gx, strength, out=np.zeros_like(strength), where=strength > 0)
    return direction.astype(np.float32), _interior(valid & (share > SEEN))


def _interior(valid: Bools) -> Bools:
    """Drop pixels whose direct neighbours are missing: a difference across the gap would be an invented edge."""
    return np.asarray(ndimage.binary_erosion(valid, np.ones((3, 3), bool)), bool)


def _centred(image: Floats, valid: Bools) -> Floats:
    """Subtract the mean, so that float32 sums keep their digits; missing = 0."""
    mean = np.float32(image[valid].mean(dtype=np.float64)) if valid.any() else np.float32(0)
    return np.where(valid, image - mean, np.float32(0))


FILTERS: dict[Prefilter, Filter] = {
    "none": _none,
    "highpass": _highpass,
    "wallis": _wallis,
    "log": _log,
    "orientation": _orientation,
}
