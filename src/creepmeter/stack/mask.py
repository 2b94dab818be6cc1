"""Masks from maps: thresholds, areas, small clusters; and maps inside masks."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from creepmeter.errors import InputError
from creepmeter.model.options import Options

Mask = npt.NDArray[np.bool_]
Circle = tuple[float, float, float]
Range = tuple[int, int]


class MaskOptions(Options):
    """Which pixels of a map a mask keeps. Rules are applied in the order in which they stand here."""

    keep_nan: bool = Field(default=False, description="Keep pixels without a value (NaN)")
    minimum: float | None = Field(None, description="Smallest value kept, unit of the map")
    maximum: float | None = Field(None, description="Largest value kept, unit of the map")
    threshold_x: Range | None = Field(
        None, description="Columns where minimum and maximum count: first, end (excluded); elsewhere all is kept"
    )
    threshold_y: Range | None = Field(
        None, description="Rows where minimum and maximum count: first, end (excluded); elsewhere all is kept"
    )
    min_pixels: int | None = Field(None, ge=1, description="Smallest cluster kept (sides joined), pixels")
    x: Range | None = Field(None, description="Columns kept: first, end (excluded)")
    y: Range | None = Field(None, description="Rows kept: first, end (excluded)")
    exclude_circles: tuple[Circle, ...] = Field((), description="Circles left out: column, row, radius in pixels")
    include_circles: tuple[Circle, ...] = Field((), description="Circles kept, all else left out: column, row, radius")
    base_value: float = Field(0.0, description="Pixels where the base map has this value are left out")
    revert: bool = Field(default=False, description="Swap what is kept and what is left out, at the end")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            message = f"minimum {self.minimum:g} is above maximum {self.maximum:g}: no pixel could be kept, swap them"
            raise ValueError(message)
        for name in ("threshold_x", "threshold_y", "x", "y"):
            ends = getattr(self, name)
            if ends is not None and not 0 <= ends[0] < ends[1]:
                message = f"{name} {ends[0]} {ends[1]} is no range: give the first and, larger, the end"
                raise ValueError(message)
        if any(not radius > 0 for *_, radius in (*self.exclude_circles, *self.include_circles)):
            message = "a circle needs a radius above 0"
            raise ValueError(message)
        return self


def make_mask(values: npt.NDArray[np.generic], options: MaskOptions, base: npt.ArrayLike | None = None) -> Mask:
    """Return where the values of a map are kept, (y, x).

    Parameters
    ----------
    values : array, (y, x)
        Numbers or bool; of complex numbers the absolute value counts.
    options : MaskOptions
        The rules.
    base : array, (y, x), optional
        Another map: pixels where it has `base_value` are left out.

    Raises
    ------
    InputError
        `base` has another shape.

    Examples
    --------
    >>> make_mask(np.array([[0.2, 0.8], [np.nan, 0.9]]), MaskOptions(minimum=0.7)).tolist()
    [[False, True], [False, True]]
    """
    data = np.abs(values) if values.dtype.kind == "c" else np.asarray(values)
    mask = np.ones(data.shape, bool)
    if data.dtype.kind == "f" and not options.keep_nan:
        mask &= ~np.isnan(data)
    mask &= _within(data, options)
    if options.min_pixels is not None:
        mask = drop_small(mask, options.min_pixels)
    for name, axis in (("y", 0), ("x", 1)):
        mask &= _between(data.shape, axis, getattr(options, name))
    for circle in options.exclude_circles:
        mask &= ~disc(data.shape, circle)
    if options.include_circles:
        mask &= np.logical_or.reduce([disc(data.shape, circle) for circle in options.include_circles])
    if base is not None:
        other = np.asarray(base)
        _require_shape(other, mask, "the base map")
        mask &= other != options.base_value
    return ~mask if options.revert else mask


def _within(data: npt.NDArray[Any], options: MaskOptions) -> Mask:
    inside = np.ones(data.shape, bool)
    # what is NaN was judged before: it is not below a minimum
    if options.minimum is not None:
        inside &= ~(data < options.minimum)
    if options.maximum is not None:
        inside &= ~(data > options.maximum)
    judged = _between(data.shape, 0, options.threshold_y) & _between(data.shape, 1, options.threshold_x)
    return np.asarray(inside | ~judged)


def _between(shape: tuple[int, ...], axis: int, ends: Range | None) -> Mask:
    size = shape[axis]
    index = np.arange(size)
    found = np.ones(size, bool) if ends is None else (index >= ends[0]) & (index < ends[1])
    return found[:, None] if axis == 0 else found[None, :]


def disc(shape: tuple[int, ...], circle: Circle) -> Mask:
    """Return a filled circle, (y, x), from its column, row and radius in pixels."""
    x, y, radius = circle
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return np.asarray((columns - x) ** 2 + (rows - y) ** 2 <= radius**2)


def drop_small(mask: Mask, min_pixels: int) -> Mask:
    """Return a mask without its clusters of fewer pixels; pixels are joined by their sides.

    Examples
    --------
    >>> drop_small(np.array([[True, True, False, True]]), 2).tolist()
    [[True, True, False, False]]
    """
    from scipy import ndimage  # noqa: PLC0415 - slow to load, and seldom needed

    labels, _ = ndimage.label(mask)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(sizes[labels] >= min_pixels)


def inside(mask: npt.NDArray[np.generic], *, minimum: float | None = None, maximum: float | None = None) -> Mask:
    """Return where a mask is on: nonzero and a number, and within limits where they are given."""
    data = np.asarray(mask)
    found = data != 0 if minimum is None and maximum is None else np.ones(data.shape, bool)
    if data.dtype.kind == "f":
        found = found & ~np.isnan(data)
    if minimum is not None:
        found = found & (data >= minimum)
    if maximum is not None:
        found = found & (data <= maximum)
    return np.asarray(found)


def apply_mask(values: npt.NDArray[np.generic], keep: Mask, fill: float = np.nan) -> npt.NDArray[np.generic]:
    """Return values with others than `keep` replaced by `fill`.

    Parameters
    ----------
    values : array, (..., y, x)
        Numbers; whole numbers and bool become float32 where `fill` is NaN.
    keep : array of bool, (y, x)
        Where values stay.
    fill : float
        What stands elsewhere.

    Raises
    ------
    InputError
        The shapes do not fit, or whole numbers cannot hold `fill`.
    """
    _require_shape(values[..., :, :], keep, "the map")
    data = values
    if data.dtype.kind not in "fc" and np.isnan(fill):
        data = data.astype(np.float32)
    kind = data.dtype
    if kind.kind in "iub" and kind.type(fill) != fill:
        message = f"fill {fill:g} cannot be stored as {kind}: give a value that it can hold, or nan"
        raise InputError(message)
    return np.where(keep, data, kind.type(fill))


def _require_shape(values: npt.NDArray[np.generic], mask: Mask, name: str) -> None:
    if values.shape[-2:] != mask.shape:
        found, wanted = (" x ".join(map(str, shape)) for shape in (values.shape[-2:], mask.shape))
        message = f"{name} has {found} pixels and the mask {wanted}: both must be on one grid"
        raise InputError(message)
