"""What matching needs of one image, made once and used for every pair the image is in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from creepmeter.errors import ImageError
from creepmeter.kernels.refine import BEFORE, GRADIENT_REACH, ORDER, SUPPORT
from creepmeter.tracking.options import TrackOptions
from creepmeter.tracking.prefilter import apply_prefilter

Floats: TypeAlias = npt.NDArray[np.float32]
Bools: TypeAlias = npt.NDArray[np.bool_]

IMAGE_DIMENSIONS = 2


@dataclass(frozen=True)
class PreparedImage:
    """One image ready for matching; all arrays (rows, columns).

    Parameters
    ----------
    values : float32
        Filtered brightness without its mean; 0 where missing.
    valid : bool
        Pixels that may enter a sum.
    solid : bool
        Valid pixels whose gradient rests on valid pixels.
    coefficients : float32
        Quintic B-spline coefficients of `values`.
    spline_solid : bool
        Interpolation right of and below the pixel rests on valid pixels.
    seen : bool
        Pixels seen before filtering; decides whether the middle of a chip was seen.
    """

    values: Floats
    valid: Bools
    solid: Bools
    coefficients: Floats
    spline_solid: Bools
    seen: Bools

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.values.shape
        return rows, columns

    @property
    def nbytes(self) -> int:
        """Memory held, bytes."""
        return sum(array.nbytes for array in vars(self).values())


def prepare_image(
    image: npt.ArrayLike, exclude: Bools | None = None, options: TrackOptions | None = None, *, name: str = "image"
) -> PreparedImage:
    """Filter an image and compute its spline.

    Parameters
    ----------
    image : (rows, columns)
        Brightness; NaN (or infinite) = missing.
    exclude : bool (rows, columns), optional
        True = treat as missing.
    options : TrackOptions, optional
        Prefilter and chip.
    name : str
        What to call the image in an error.

    Raises
    ------
    ImageError
        Not two-dimensional, all missing, constant, or smaller than a chip.
    """
    options = options or TrackOptions()
    values = np.ascontiguousarray(image, dtype=np.float32)  # one memory order: kernels are compiled for each
    _require_two_dimensions(values, name, options.chip_px)
    seen = np.isfinite(values)
    if exclude is not None:
        _require_mask(exclude, values.shape, name)
        seen &= ~np.asarray(exclude, bool)
    _require_texture(values, seen, name)
    filtered, valid = apply_prefilter(
        np.where(seen, values, np.float32(0)), seen, options.prefilter, options.prefilter_px
    )
    mean = np.float32(filtered[valid].mean(dtype=np.float64)) if valid.any() else np.float32(0)
    centred = np.where(valid, filtered - mean, np.float32(0)).astype(np.float32)
    coefficients = ndimage.spline_filter(_filled(centred, valid), ORDER, output=np.float32, mode="mirror")
    arms = _arms(GRADIENT_REACH)
    window = ndimage.minimum_filter(valid, size=SUPPORT, origin=BEFORE - SUPPORT // 2, mode="constant", cval=False)
    return PreparedImage(centred, valid, ndimage.binary_erosion(valid, arms), coefficients, window, seen)


def _arms(reach: int) -> Bools:
    """Return a plus sign: the pixels that the derivatives along y and x look at."""
    mask = np.zeros((2 * reach + 1, 2 * reach + 1), bool)
    mask[reach, :] = mask[:, reach] = True
    return mask


def _filled(values: Floats, valid: Bools) -> Floats:
    """Continue the image into missing pixels by the nearest valid one.

    These values are never matched; they only keep the spline from ringing at the border of a gap.
    """
    if valid.all() or not valid.any():
        return values
    nearest = ndimage.distance_transform_edt(~valid, return_distances=False, return_indices=True)
    return values[tuple(nearest)]  # type: ignore[no-any-return]


def _require_two_dimensions(values: Floats, name: str, chip_px: int) -> None:
    if values.ndim != IMAGE_DIMENSIONS:
        message = f"{name} must be a two-dimensional array (rows, columns), got shape {values.shape}: choose one band"
        raise ImageError(message)
    if min(values.shape) < chip_px:
        message = (
            f"{name} has {values.shape[0]} x {values.shape[1]} pixels, smaller than a chip of {chip_px}: "
            "lower chip_px or take a larger image"
        )
        raise ImageError(message)


def _require_mask(mask: Bools, shape: tuple[int, ...], name: str) -> None:
    if np.shape(mask) != shape:
        message = f"the mask of {name} has shape {np.shape(mask)}, the image {shape}: give a mask on the image's grid"
        raise ImageError(message)


def _require_texture(values: Floats, seen: Bools, name: str) -> None:
    if not seen.any():
        message = f"{name} has no valid pixel (all missing or excluded): check nodata, masks and the area of interest"
        raise ImageError(message)
    kept = values[seen]
    if kept.min() == kept.max():
        message = f"{name} is constant ({kept.min():g} everywhere): nothing can be matched; check the band"
        raise ImageError(message)
