"""A predicted series taken from a measured one: at the same dates, relative to the same date and pixel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import Block, Progress
from creepmeter.errors import InputError
from creepmeter.io.mintpy.dates import written
from creepmeter.io.mintpy.grid import number_of
from creepmeter.io.provenance import digest_file
from creepmeter.workflow.sbas.rewrite import rewrite
from creepmeter.workflow.sbas.velocity import Series

Values = npt.NDArray[Any]
OWN = ("CREEPMETER_", "MODIFICATION_", "Conventions")


@dataclass(frozen=True)
class Subtracted:
    """What a correction made.

    Parameters
    ----------
    path : Path
        The corrected series.
    without : tuple of str
        Dates that have no prediction and stay as they were.
    """

    path: Path
    without: tuple[str, ...]


def subtract_predicted(
    source: Path,
    predicted: Path,
    target: Path,
    *,
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> Subtracted:
    """Write a series without what was predicted, relative to the date and pixel of the series.

    Parameters
    ----------
    source, predicted : Path
        Series in MintPy's layout, metres, of the same grid.
    target : Path
        Where the corrected series goes.
    memory_gb : float
        Memory to keep within.
    progress : Progress, optional
        Counts pixels.

    Raises
    ------
    InputError
        The grids differ, the prediction lacks the reference date, or has no value at the reference pixel.

    Notes
    -----
    Values that are exactly 0 were not measured and stay 0, as MintPy has it.
    """
    series, other = Series.open(source), Series.open(predicted)
    if series.shape != other.shape:
        sizes = [" x ".join(map(str, each.shape)) for each in (other, series)]
        message = f"{predicted} has {sizes[0]} pixels and {source} {sizes[1]}: make it again from this series"
        raise InputError(message)
    places, without = _places(series, other)
    reference = series.place_of(series.attributes.get("REF_DATE") or written(series.dates[0]))
    if places[reference] < 0:
        message = f"{predicted} lacks the reference date {written(series.dates[reference])} of {source}"
        raise InputError(message)
    datum = _datum(series, other)
    digest = digest_file(predicted)

    def change(_name: str, values: Values, block: Block) -> Values:
        moved = other.read(block).astype(np.float64) - datum[:, None, None]
        moved = np.where(places[:, None, None] < 0, 0.0, moved[places] - moved[places[reference]])
        return np.where(values == 0, values, values - moved)

    gone = {key: None for key in series.attributes if key.startswith(OWN)}
    attributes: dict[str, str | None] = {**gone, "FILE_PATH": target.name}
    rewrite(source, target, change, attributes, key=[predicted.name, digest], memory_gb=memory_gb, progress=progress)
    return Subtracted(target, without)


def _places(series: Series, other: Series) -> tuple[npt.NDArray[np.intp], tuple[str, ...]]:
    days = {written(date)[:8]: k for k, date in enumerate(other.dates)}
    exact = {written(date): k for k, date in enumerate(other.dates)}
    names = [written(date) for date in series.dates]
    places = np.array([exact.get(name, days.get(name[:8], -1)) for name in names], np.intp)
    return places, tuple(name for name, place in zip(names, places, strict=True) if place < 0)


def _datum(series: Series, other: Series) -> npt.NDArray[np.float64]:
    """Return what is predicted at the reference pixel of the series, (time,); 0 where it has none."""
    row, column = (number_of(series.attributes, name, series.path) for name in ("REF_Y", "REF_X"))
    if row is None or column is None:
        return np.zeros(len(other.dates))
    y, x = int(row), int(column)
    found = other.array.read(slice(y, y + 1), slice(x, x + 1))[:, 0, 0].astype(np.float64)
    if not np.isfinite(found).all():
        message = f"{other.path} has no value at the reference pixel (row {y}, column {x}) of {series.path}"
        raise InputError(message)
    return found
