"""Products in MintPy's layout filtered in space or time, block by block."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import Block, Progress
from creepmeter.errors import InputError
from creepmeter.filters.options import SpatialFilterOptions, TemporalFilterOptions
from creepmeter.filters.spatial import filter_map
from creepmeter.filters.temporal import (
    DAYS_PER_MONTH,
    derivative_in_time,
    median_in_time,
    smooth_in_time,
    steps_in_time,
)
from creepmeter.model.epoch import years_since
from creepmeter.workflow.sbas.facts import arrays_of
from creepmeter.workflow.sbas.rewrite import Rewriting, reference_pixel
from creepmeter.workflow.sbas.series import Series

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
_ZERO_IS_MISSING = ("timeseries", "velocity", "ifgramStack", "coherence", "temporalCoherence")
_SPATIAL_NUMBERS, _COPIES = 12.0, 4.0  # of eight bytes: per pixel, and per value of a series


def not_measured(values: Array, attributes: Mapping[str, str], block: Block) -> Mask:
    """Return where a product in MintPy's layout holds nothing: NaN, or the zeros of what was not inverted.

    Of a stack of pairs each layer counts by itself; of a series a pixel is missing where all its dates are zero. The
    reference pixel is zero because it was measured so. Masks and heights have zeros that mean zero.

    Parameters
    ----------
    values : array, (layer, y, x)
        A block.
    attributes : mapping of str to str
        Of the file.
    block : Block
        Where it lies.
    """
    if values.dtype.kind != "f":
        return np.zeros(values.shape, bool)
    missing = np.isnan(values)
    kind = attributes.get("FILE_TYPE", "")
    if kind not in _ZERO_IS_MISSING:
        return missing
    zero = values == 0
    if kind != "ifgramStack":
        zero = np.broadcast_to(zero.all(axis=0), zero.shape).copy()
    pixel = reference_pixel(attributes)
    if pixel is not None:
        y, x = pixel[0] - block.y.start, pixel[1] - block.x.start
        if 0 <= y < block.shape[0] and 0 <= x < block.shape[1]:
            zero[:, y, x] = False
    return np.asarray(missing | zero)


def filter_file(
    source: Path,
    target: Path,
    options: SpatialFilterOptions | None = None,
    *,
    names: Sequence[str] = (),
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> Path:
    """Filter the maps of a product in space.

    Parameters
    ----------
    source, target : Path
        Product; where the filtered one goes, may be the same.
    options : SpatialFilterOptions, optional
        Which filter, and how wide.
    names : sequence of str
        Datasets to filter, default all; the others are carried along.
    memory_gb : float
        Memory to keep within; the result does not depend on it.
    progress : Progress, optional
        Shows how far it has come.

    Raises
    ------
    InputError
        A dataset is not there.
    """
    options = options or SpatialFilterOptions()
    held = arrays_of(source)
    unknown = [name for name in names if name not in held]
    if unknown:
        message = f"{source} has no dataset {', '.join(unknown)}: it holds {', '.join(held)}"
        raise InputError(message)
    chosen = tuple(names) or tuple(held)
    types = {name: np.float32 for name in chosen if held[name].dtype.kind != "f"}
    key = ["spatial_filter", options.filter_type, options.parameters, chosen]
    opened = Rewriting.open(source, target, {}, types=types, key=key)

    def change(name: str, values: Array, block: Block) -> Array:
        if name not in chosen:
            return values
        missing = not_measured(values, opened.attributes, block)
        found = filter_map(np.where(missing, np.nan, values), options)
        return np.where(missing, values, found)

    return opened.run(change, halo=options.reach, numbers=_SPATIAL_NUMBERS, memory_gb=memory_gb, progress=progress)


def smooth_file(
    source: Path,
    target: Path,
    options: TemporalFilterOptions | None = None,
    *,
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> Path:
    """Filter a series in time; it stays relative to its reference date.

    Parameters
    ----------
    source, target : Path
        Series; where the filtered one goes.
    options : TemporalFilterOptions, optional
        How.
    memory_gb : float
        Memory to keep within.
    progress : Progress, optional
        Shows how far it has come.

    Raises
    ------
    InputError
        This is no series.
    """
    options = options or TemporalFilterOptions()
    series = Series.open(source)
    days = (series.times - series.times[0]) / np.timedelta64(1, "D")
    datum = series.attributes.get("REF_DATE")
    place = None if datum is None else series.place_of(datum)

    def change(values: Array) -> Array:
        if options.filter_type == "median":
            found = median_in_time(values, int(options.time_win))
        else:
            found = smooth_in_time(values, days, options.time_win * DAYS_PER_MONTH)
        return found if place is None else found - found[place]

    return _along_time(series, target, change, ["temporal_filter", options.model_dump()], memory_gb, progress)


def differentiate_file(
    source: Path,
    target: Path,
    *,
    per_year: bool = False,
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> Path:
    """Write the change of a series since the date before, which is zero at the first date; or the rate.

    Parameters
    ----------
    source, target : Path
        Series; where its derivative goes.
    per_year : bool
        Divide by the time between the dates: metres per year, the first date as the second.
    memory_gb : float
        Memory to keep within.
    progress : Progress, optional
        Shows how far it has come.

    Raises
    ------
    InputError
        This is no series.
    """
    series = Series.open(source)
    years = years_since(series.times, series.times[0])

    def change(values: Array) -> Array:
        return derivative_in_time(values, years) if per_year else steps_in_time(values)

    unit = {"UNIT": "m/year"} if per_year else {}
    return _along_time(series, target, change, ["temporal_derivative", per_year], memory_gb, progress, unit)


def _along_time(
    series: Series,
    target: Path,
    change: Callable[[Array], Array],
    key: object,
    memory_gb: float,
    progress: Progress | None,
    attributes: Mapping[str, str] | None = None,
) -> Path:
    name = series.array.name
    opened = Rewriting.open(series.path, target, attributes or {}, key=key)
    return opened.run(
        lambda found, values, _block: change(values) if found == name else values,
        numbers=_COPIES * len(series.dates),
        memory_gb=memory_gb,
        progress=progress,
    )
