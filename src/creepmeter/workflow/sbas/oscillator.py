"""Step correct_LOD: the drift of the local oscillator of Envisat."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from creepmeter.blocks import Progress
from creepmeter.corrections.oscillator import PLATFORMS, OscillatorDrift
from creepmeter.errors import InputError
from creepmeter.io.mintpy.product import list_datasets, read_map
from creepmeter.workflow.sbas.corrected import reference_place, require_pixel, write_corrected
from creepmeter.workflow.sbas.series import Series

RANGE = "slantRangeDistance"


def correct_oscillator(
    series: Path, target: Path, geometry: Path, *, memory_gb: float = 4.0, progress: Progress | None = None
) -> Path:
    """Take the drift of the oscillator of Envisat off a series.

    Parameters
    ----------
    series, target : Path
        Series to read, file to make.
    geometry : Path
        File with the slant range of every pixel.
    memory_gb : float
        Memory to keep within; the result does not depend on it.
    progress : Progress, optional
        Counts pixels.

    Raises
    ------
    InputError
        The series is not of Envisat, or the file holds no slant range.
    """
    opened = Series.open(series)
    platform = opened.attributes.get("PLATFORM", "")
    if not platform.lower().startswith(PLATFORMS):
        message = f"{series} is of {platform or 'no known platform'}: only the oscillator of Envisat drifts (PLATFORM)"
        raise InputError(message)
    if RANGE not in list_datasets(geometry):
        message = f"{geometry} holds no {RANGE}: load the geometry with it"
        raise InputError(message)
    distance, pixel = read_map(geometry, RANGE), require_pixel(opened)
    if not np.isfinite(distance[pixel]):
        message = f"{geometry} has no {RANGE} at the reference pixel {pixel}: choose another with `reference-point`"
        raise InputError(message)
    drift = OscillatorDrift(opened.times, opened.times[reference_place(opened)], distance, float(distance[pixel]))
    return write_corrected(
        opened, target, drift, {}, inputs=(geometry,), key="oscillator", memory_gb=memory_gb, progress=progress
    )
