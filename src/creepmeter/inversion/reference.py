"""Phase of pairs relative to the reference pixel of a stack."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from creepmeter.errors import InputError

logger = logging.getLogger(__name__)


def reference_of(stack: xr.Dataset) -> npt.NDArray[Any]:
    """Return what is subtracted from each pair, (component, pair, 1, 1), metres; reads one pixel.

    Each interferogram carries a constant of its own, so that only differences to a pixel have a meaning. A pair without
    a value there is left out (NaN). Stacks of offsets without a reference pixel, and those whose attribute
    `referenced` says that it has been subtracted, stay as they are.

    Raises
    ------
    InputError
        The reference pixel lies outside the map, or no used pair has a value there.
    """
    nothing = np.zeros((stack.sizes["component"], stack.sizes["pair"], 1, 1), np.float32)
    if stack.attrs.get("referenced"):
        return nothing
    if "reference_pixel" not in stack.attrs:
        if stack.attrs.get("cycle_m", 0.0) > 0:
            logger.warning(
                "the stack has no reference pixel: the constant of each interferogram enters the series; "
                "set one with reference-point"
            )
        return nothing
    row, column = (int(place) for place in stack.attrs["reference_pixel"])
    if not (0 <= row < stack.sizes["y"] and 0 <= column < stack.sizes["x"]):
        message = (
            f"the reference pixel (row {row}, column {column}) lies outside the map of {stack.sizes['y']} x "
            f"{stack.sizes['x']} pixels: a part of a stack is inverted from the whole, or set attrs['reference_pixel']"
        )
        raise InputError(message)
    values = np.asarray(stack["displacement"].isel(y=row, x=column).values)
    used = stack["used"].values
    missing = used & ~np.isfinite(values).all(axis=0)
    if missing[used].all():
        message = f"no used pair has a value at the reference pixel (row {row}, column {column}): choose another"
        raise InputError(message)
    if missing.any():
        logger.warning(
            "%d pairs have no value at the reference pixel (row %d, column %d): left out", missing.sum(), row, column
        )
    return values[:, :, None, None]
