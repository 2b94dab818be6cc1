"""The stratified troposphere of a series in MintPy's layout, by its correlation with height."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import Progress
from creepmeter.corrections.series_options import HeightCorrelationOptions
from creepmeter.corrections.stratified import StratifiedDelay, averaged, fit_height, slant_height
from creepmeter.errors import InputError
from creepmeter.io.mintpy.product import list_datasets, read_map
from creepmeter.workflow.sbas.centre import centre_of
from creepmeter.workflow.sbas.corrected import mask_of, require_pixel, write_corrected
from creepmeter.workflow.sbas.series import Series

Values = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
_OPTION = "--mask"


def correct_by_height(
    series: Path,
    target: Path,
    geometry: Path,
    mask: Path | None,
    options: HeightCorrelationOptions | None = None,
    *,
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> Path:
    """Take off what correlates with height, date by date.

    Parameters
    ----------
    series, target : Path
        Series to read, file to make.
    geometry : Path
        File with the height of every pixel, and its incidence angle.
    mask : Path or None
        Pixels that the polynomial is fitted to; None = all.
    options : HeightCorrelationOptions, optional
        Degree, looks, least correlation.
    memory_gb : float
        Memory to keep within; the result does not depend on it.
    progress : Progress, optional
        Counts pixels.

    Raises
    ------
    InputError
        No reference pixel, no height there, or a mask of another grid.
    """
    chosen = options or HeightCorrelationOptions()
    opened = Series.open(series)
    height = _height(opened, geometry)
    inside = mask_of(mask.parent if mask else series.parent, mask.name if mask else None, opened.shape, _OPTION)
    looked = averaged(height[None], inside & np.isfinite(height), chosen.looks)[0]
    coefficients = fit_height(_averages(opened, inside, chosen.looks, memory_gb), looked, chosen)
    said = {
        "troposphericDelay.polyOrder": chosen.poly_order,
        "troposphericDelay.looks": chosen.looks,
        "troposphericDelay.minCorrelation": chosen.min_correlation,
    }
    return write_corrected(
        opened,
        target,
        StratifiedDelay(coefficients, height),
        said,
        inputs=[path for path in (geometry, mask) if path is not None],
        key="height",
        memory_gb=memory_gb,
        progress=progress,
    )


def _height(series: Series, geometry: Path) -> Floats:
    """Return heights along the line of sight relative to the reference pixel."""
    held = list_datasets(geometry)
    if "height" not in held or held["height"][0] != series.shape:
        found = held["height"][0] if "height" in held else "no height"
        message = f"{geometry} has {found}, {series.path} {series.shape}: give the geometry of the series"
        raise InputError(message)
    pixel = require_pixel(series)
    incidence: Values | float
    incidence = (
        read_map(geometry, "incidenceAngle")
        if "incidenceAngle" in held
        else centre_of(series.attributes, series.path).incidence_deg
    )
    height = slant_height(read_map(geometry, "height"), incidence, pixel)
    if not np.isfinite(height[pixel]):
        message = f"{geometry} has no height at the reference pixel {pixel}: choose another with `reference-point`"
        raise InputError(message)
    return height


def _averages(series: Series, inside: npt.NDArray[np.bool_], looks: int, memory_gb: float) -> Floats:
    """Return the averaged series; squares are never cut by a block."""
    bytes_per_row = 24.0 * len(series.dates)
    parts = [
        averaged(series.read(block), inside[block.y], looks) for block in series.strips(bytes_per_row, memory_gb, looks)
    ]
    return np.concatenate(parts, axis=1)
