"""Images brought to another grid, on demand only."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from rasterio.enums import Resampling
from rasterio.warp import reproject

from creepmeter.model.grid import Grid

Floats32 = npt.NDArray[np.float32]


def resample(values: Floats32, source: Grid, target: Grid, method: Literal["bilinear", "cubic"]) -> Floats32:
    """Return an image on another grid, places computed exactly.

    Parameters
    ----------
    values : array, (y, x) float32
        On `source`; NaN = missing.
    source, target : Grid
        With reference systems, which may differ.
    method : {"bilinear", "cubic"}
        How values between pixels are taken.

    Returns
    -------
    array, (y, x) float32
        On `target`; NaN beyond `source`, and where the pixel of `source` that a centre lies in is missing.
    """
    found = np.full(tuple(target.shape), np.nan, np.float32)
    systems = [None if grid.crs is None else grid.crs.to_wkt() for grid in (source, target)]
    reproject(
        values,
        found,
        src_transform=source.affine,
        src_crs=systems[0],
        src_nodata=np.nan,
        dst_transform=target.affine,
        dst_crs=systems[1],
        dst_nodata=np.nan,
        resampling=Resampling[method],
        tolerance=0.0,
    )
    return found
