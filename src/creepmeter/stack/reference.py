"""The reference pixel: checked where it is given, else chosen among the most coherent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator

from creepmeter.errors import InputError
from creepmeter.model.options import Options

Mask = npt.NDArray[np.bool_]
Values = npt.NDArray[np.floating]
Pixel = tuple[int, int]
_MOST_TRIED = 10_000


class ReferenceOptions(Options):
    """The pixel that all displacement is relative to. Given: a pixel or a point; else one is chosen by coherence."""

    yx: tuple[int, int] | None = Field(None, description="Row and column of the reference pixel, counted from 0")
    lalo: tuple[float, float] | None = Field(None, description="Latitude and longitude of the reference pixel, degrees")
    mask_file: str | None = Field(
        "maskConnComp.h5", description="Where the reference pixel may be (nonzero); not there: everywhere"
    )
    coherence_file: str | None = Field("avgSpatialCoh.h5", description="Coherence by which it is chosen")
    min_coherence: float = Field(0.85, ge=0, le=1, description="Lowest coherence where it is chosen, 0 to 1")
    method: Literal["max_coherence", "random"] = Field(
        "max_coherence",
        description="max_coherence: the most coherent pixel, of several the one nearest to the middle of the coherent "
        "ground; random: one of the coherent pixels, the same one for the same seed; both on the largest piece of "
        "ground inside the mask where that is coherent anywhere, so that no island is taken",
    )
    seed: int = Field(0, ge=0, description="Seed of the random choice, number")
    force: bool = Field(
        default=False, description="Choose again, although the stack has a reference pixel from an earlier run"
    )

    @field_validator("yx")
    @classmethod
    def _not_negative(cls, value: tuple[int, int] | None) -> tuple[int, int] | None:
        if value is not None and min(value) < 0:
            message = f"row {value[0]}, column {value[1]}: both are counted from 0"
            raise ValueError(message)
        return value


def choose_reference(
    coherence: Values, allowed: Mask, options: ReferenceOptions, usable: Callable[[Pixel], bool] | None = None
) -> Pixel:
    """Choose a reference pixel by coherence.

    Parameters
    ----------
    coherence : array, (y, x)
        Average coherence, NaN = not known.
    allowed : array of bool, (y, x)
        Where the pixel may be.
    options : ReferenceOptions
        `min_coherence`, `method` and `seed` count.
    usable : callable, optional
        (row, column) -> whether all pairs have a value there; pixels that fail are passed over.

    Returns
    -------
    (int, int)
        Row and column.

    Raises
    ------
    InputError
        No pixel is coherent enough; the message names the most coherent one.

    Examples
    --------
    >>> choose_reference(np.array([[0.9, 0.95, 0.2]]), np.ones((1, 3), bool), ReferenceOptions())
    (0, 1)
    """
    level = np.where(allowed & np.isfinite(coherence), coherence, -np.inf).astype(np.float64)
    good = level >= options.min_coherence
    if not good.any():
        raise InputError(_none_good(level, allowed, options.min_coherence))
    on_main = good & largest_part(allowed)
    good = on_main if on_main.any() else good
    for pixel in _in_order(level, good, options)[:_MOST_TRIED]:
        place = int(pixel[0]), int(pixel[1])
        if usable is None or usable(place):
            return place
    message = (
        f"none of the {min(int(good.sum()), _MOST_TRIED)} pixels with average coherence from "
        f"{options.min_coherence:g} has a phase in every pair: give reference.yx, or leave out the pairs with gaps"
    )
    raise InputError(message)


def largest_part(mask: Mask) -> Mask:
    """Return the largest cluster of a mask, (y, x); pixels are joined by their sides.

    Examples
    --------
    >>> largest_part(np.array([[True, False, True, True]])).tolist()
    [[False, False, True, True]]
    """
    from scipy import ndimage  # noqa: PLC0415 - slow to load, and seldom needed

    labels, _ = ndimage.label(mask)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(mask & (labels == sizes.argmax()))


def check_reference(
    pixel: Pixel, allowed: Mask, usable: Callable[[Pixel], bool], propose: Callable[[], Pixel | None]
) -> None:
    """Raise an error that proposes another pixel, unless a reference pixel can be used.

    Parameters
    ----------
    pixel : (int, int)
        Row and column.
    allowed : array of bool, (y, x)
        Where it may be.
    usable : callable
        (row, column) -> whether all pairs have a value there.
    propose : callable
        Returns a pixel that can be used, or None.

    Raises
    ------
    InputError
        The pixel lies outside the map or the mask, or some pair has no value there.
    """
    rows, columns = allowed.shape
    row, column = pixel
    if not (0 <= row < rows and 0 <= column < columns):
        message = (
            f"reference pixel (row {row}, column {column}) lies outside the map of {rows} x {columns} pixels: "
            f"rows run from 0 to {rows - 1}, columns from 0 to {columns - 1}{_proposal(propose)}"
        )
        raise InputError(message)
    if not allowed[row, column]:
        message = f"reference pixel (row {row}, column {column}) is masked out: choose another{_proposal(propose)}"
        raise InputError(message)
    if not usable(pixel):
        message = (
            f"reference pixel (row {row}, column {column}) has no phase in some of the pairs that are used: "
            f"choose another{_proposal(propose)}"
        )
        raise InputError(message)


def nearest_pixel(latitude: Values, longitude: Values, lalo: tuple[float, float]) -> Pixel:
    """Return row and column of the pixel nearest to a point, from maps (y, x) of latitude and longitude in degrees.

    Raises
    ------
    InputError
        The point lies farther from every pixel than these are from one another.
    """
    lat, lon = lalo
    north = np.asarray(latitude, np.float64) - lat
    east = (np.asarray(longitude, np.float64) - lon + 180.0) % 360.0 - 180.0  # 237 degrees east is 123 degrees west
    east = east * np.cos(np.radians(lat))
    known = np.isfinite(north) & np.isfinite(east) & ((latitude != 0) | (longitude != 0))
    apart = np.where(known, north**2 + east**2, np.inf)
    row, column = np.unravel_index(int(apart.argmin()), apart.shape)
    step = max(np.nanmedian(np.hypot(np.diff(north, axis=k), np.diff(east, axis=k))) for k in (0, 1))
    if not np.sqrt(apart[row, column]) <= 2 * step:
        message = (
            f"reference point (latitude {lat:g}, longitude {lon:g}) lies outside the map: the nearest pixel is "
            f"row {row}, column {column} at latitude {latitude[row, column]:.5f}, "
            f"longitude {longitude[row, column]:.5f}"
        )
        raise InputError(message)
    return int(row), int(column)


def _in_order(level: npt.NDArray[np.float64], good: Mask, options: ReferenceOptions) -> npt.NDArray[np.intp]:
    """Return the coherent pixels (row, column), the best first."""
    pixels = np.argwhere(good)
    if options.method == "random":
        return np.random.default_rng(options.seed).permutation(pixels)
    distance = ((pixels - pixels.mean(axis=0)) ** 2).sum(axis=1)
    return pixels[np.lexsort((distance, -level[good]))]


def _proposal(propose: Callable[[], Pixel | None]) -> str:
    try:
        found = propose()
    except InputError:
        found = None
    return "" if found is None else f", such as row {found[0]}, column {found[1]}"


def _none_good(level: npt.NDArray[np.float64], allowed: Mask, least: float) -> str:
    row, column = np.unravel_index(int(level.argmax()), level.shape)
    if not np.isfinite(level[row, column]) and allowed.any():
        return (
            "no pixel can be chosen as the reference: there is no average coherence to choose by (the stack has no "
            "coherence, or none inside the mask); give reference.yx or reference.lalo"
        )
    if not np.isfinite(level[row, column]):
        return (
            "no pixel can be the reference: the mask is empty; check maskConnComp.h5, or set reference.maskFile to no"
        )
    return (
        f"no pixel has an average coherence of {least:g} for the reference: the highest is {level[row, column]:.3f} at "
        f"row {row}, column {column}; lower reference.minCoherence, or give reference.yx or reference.lalo"
    )
