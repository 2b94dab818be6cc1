"""What matching needs of one image, made once and used for every pair the image is in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from creepmeter.errors import ImageError
from creepmeter.kernels.chip import GRADIENT_REACH
from creepmeter.kernels.convolve import filter_image
from creepmeter.kernels.masks import fill_border, shrink, take_level_off
from creepmeter.kernels.spline import BEFORE, SUPPORT, spline_coefficients
from creepmeter.tracking.options import TrackOptions
from creepmeter.tracking.prefilter import apply_prefilter

Floats: TypeAlias = npt.NDArray[np.float32]
Bools: TypeAlias = npt.NDArray[np.bool_]
Role: TypeAlias = Literal["ref", "sec", "both"]

IMAGE_DIMENSIONS = 2
FILLED_PX = 6  # into a gap; the spline forgets a jump by a factor of 0.43 a pixel


@dataclass(frozen=True)
class SeenImage:
    """An image before filtering; arrays (rows, columns).

    Parameters
    ----------
    values : float32
        Brightness without its mean; 0 where missing.
    seen : bool
        Pixels that were seen.
    """

    values: Floats
    seen: Bools

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.values.shape
        return rows, columns

    def read(self, rows: slice, columns: slice) -> Floats:
        """Return a part of the image, NaN = missing."""
        return np.where(self.seen[rows, columns], self.values[rows, columns], np.float32(np.nan))

    def crop(self, rows: slice, columns: slice) -> SeenImage:
        """Return a part of the image as an image."""
        return SeenImage(self.values[rows, columns], self.seen[rows, columns])


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
        Valid pixels whose gradient rests on valid pixels; needed of a reference.
    coefficients : float32
        Quintic B-spline coefficients of `values`; needed of a secondary.
    spline_solid : bool
        Interpolation right of and below the pixel rests on valid pixels; needed of a secondary.
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
        return sum(array.nbytes for array in {id(array): array for array in vars(self).values()}.values())


def see_image(
    image: npt.ArrayLike, exclude: Bools | None = None, options: TrackOptions | None = None, *, name: str = "image"
) -> SeenImage:
    """Check an image, tell seen from missing pixels, and take the mean off.

    Parameters
    ----------
    image : (rows, columns)
        Brightness, any real type; NaN (or infinite) = missing. Of complex numbers the magnitude counts.
    exclude : bool (rows, columns), optional
        True = treat as missing.
    options : TrackOptions, optional
        Chip.
    name : str
        What to call the image in an error.

    Raises
    ------
    ImageError
        Not two-dimensional, all missing, constant, or smaller than a chip.
    """
    options = options or TrackOptions()
    values = _as_floats(image, name)
    _require_two_dimensions(values, name, options.chip_px)
    if exclude is not None:
        _require_mask(exclude, values.shape, name)
    found = see_part(values, exclude)
    _require_texture(found, values, name)
    return found


def see_part(values: Floats, exclude: Bools | None = None) -> SeenImage:
    """Tell seen from missing pixels of float32 values, and take the mean off; nothing is checked."""
    return SeenImage(*take_level_off(np.ascontiguousarray(values), exclude))


def filter_seen(image: SeenImage, options: TrackOptions, tuned: Floats | None, role: Role = "both") -> PreparedImage:
    """Filter an image and make what its role in pairs asks for.

    Parameters
    ----------
    image : SeenImage
        As from `see_image`.
    options : TrackOptions
        Prefilter; ``auto`` takes `tuned`.
    tuned : float32 (n, n), optional
        Weights of the filter tuned by the images; None leaves them as they are.
    role : str
        ``ref``, ``sec`` or ``both``; what the other role needs is left empty.
    """
    values, valid, seen = image.values, image.seen, image.seen
    del image  # of a caller who has given it up, the unfiltered values are free once they are filtered
    if options.prefilter == "auto":
        if tuned is not None:
            values, valid = filter_image(values, valid, tuned)
    else:
        values, valid = apply_prefilter(values, valid, options.prefilter, options.prefilter_px)
        mean = np.float32(values[valid].mean(dtype=np.float64)) if valid.any() else np.float32(0)
        values = np.where(valid, values - mean, np.float32(0))
    nothing = np.empty((0, 0), np.float32)
    none = np.empty((0, 0), np.bool_)
    solid = none if role == "sec" else shrink(valid, GRADIENT_REACH, GRADIENT_REACH, arms_only=True)
    if role == "ref":
        return PreparedImage(values, valid, solid, nothing, none, seen)
    coefficients = spline_coefficients(fill_border(values, valid, FILLED_PX))
    spline_solid = shrink(valid, BEFORE, SUPPORT - BEFORE - 1)
    return PreparedImage(values, valid, solid, coefficients, spline_solid, seen)


def prepare_image(
    image: npt.ArrayLike,
    exclude: Bools | None = None,
    options: TrackOptions | None = None,
    *,
    tuned: Floats | None = None,
    name: str = "image",
) -> PreparedImage:
    """Filter an image and compute its spline: `see_image`, then `filter_seen`."""
    options = options or TrackOptions()
    return filter_seen(see_image(image, exclude, options, name=name), options, tuned)


def _as_floats(image: npt.ArrayLike, name: str) -> Floats:
    """Return values as float32 in one memory order: kernels are compiled for each."""
    values = np.asarray(image)
    if values.dtype.kind not in "buifc":
        message = f"{name} holds values of type {values.dtype}: give numbers"
        raise ImageError(message)
    if values.dtype.kind == "c":
        values = np.abs(values)
    with np.errstate(over="ignore"):  # too large for float32 is infinite, so missing
        return np.ascontiguousarray(values, dtype=np.float32)


def _require_two_dimensions(values: Floats, name: str, chip_px: int) -> None:
    if values.ndim != IMAGE_DIMENSIONS:
        message = f"{name} must be a two-dimensional array (rows, columns), got shape {values.shape}: choose one band"
        raise ImageError(message)
    require_room(values.shape, chip_px, name)


def require_room(shape: tuple[int, ...], chip_px: int, name: str) -> None:
    """Check that a chip fits into an image.

    Raises
    ------
    ImageError
        It does not.
    """
    if min(shape) < chip_px:
        message = (
            f"{name} has {shape[0]} x {shape[1]} pixels, smaller than a chip of {chip_px}: "
            "lower chip_px or take a larger image"
        )
        raise ImageError(message)


def _require_mask(mask: Bools, shape: tuple[int, ...], name: str) -> None:
    if np.shape(mask) != shape:
        message = f"the mask of {name} has shape {np.shape(mask)}, the image {shape}: give a mask on the image's grid"
        raise ImageError(message)


def _require_texture(found: SeenImage, values: Floats, name: str) -> None:
    if not found.seen.any():
        message = f"{name} has no valid pixel (all missing or excluded): check nodata, masks and the area of interest"
        raise ImageError(message)
    kept = values if found.seen.all() else values[found.seen]
    if kept.min() == kept.max():
        message = f"{name} is constant ({kept.flat[0]:g} everywhere): nothing can be matched; check the band"
        raise ImageError(message)
