"""Steps velocity and reference_date: functions of time fitted to a series, and series referred to another date."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import Block, NullProgress, Progress, run_blocks
from creepmeter.errors import InputError
from creepmeter.io.mintpy.dates import written
from creepmeter.io.mintpy.product import Dataset, ProductWriter, read_tables
from creepmeter.io.provenance import digest_file, digest_text, provenance
from creepmeter.velocity.options import TimeFunctionOptions
from creepmeter.velocity.timefunctions import TimeFunctions, VarianceOf, fit_time_functions, make_time_functions
from creepmeter.workflow.sbas.chain import BEFORE
from creepmeter.workflow.sbas.folder import identity
from creepmeter.workflow.sbas.series import Series, date_from, excluded_dates
from creepmeter.workflow.sbas.series_errors import SeriesErrors, errors_of_series

__all__ = ["Series", "date_from", "excluded_dates", "fit_velocity_file", "reference_date"]
logger = logging.getLogger(__name__)
Values = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

SIGMA_OF = "STANDARD_ERROR_OF"
_PREFIX = "mintpy.timeFunc."
_OWN = ("CREEPMETER_", "MODIFICATION_", "Conventions")
_COPIES = 4  # double-precision numbers per value of a series


def fit_velocity_file(
    series: Path,
    target: Path,
    options: TimeFunctionOptions | None = None,
    *,
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> Path:
    """Fit functions of time to a series in MintPy's layout, and write them as MintPy's ``velocity.h5``.

    Parameters
    ----------
    series, target : Path
        Series to read, file to make.
    options : TimeFunctionOptions, optional
        Which functions, dates and errors.
    memory_gb : float
        Memory to keep within; the result does not depend on it.
    progress : Progress, optional
        Counts pixels.

    Raises
    ------
    InputError
        This is no series; a date, a file of dates or a pixel is not there.
    ConfigError
        Too few dates, or terms that cannot be told apart.
    """
    options = options or TimeFunctionOptions()
    opened = Series.open(series)
    excluded = excluded_dates(options.exclude_date, series.parent)
    functions = make_time_functions(opened.times, options, excluded)
    errors = _errors(opened, options)
    source = digest_file(series)
    key = digest_text(
        "velocity",
        options.model_dump(mode="json"),
        list(map(str, excluded)),
        source,
        "" if errors is None else errors.digest(),
    )
    attributes = _attributes(opened, functions, options) | {"CREEPMETER_KEY": key}
    layout = {
        name: Dataset(opened.shape, np.dtype(np.float32), {"UNIT": unit}) for name, unit in functions.datasets.items()
    }
    writer = ProductWriter.create_or_resume(target, layout, attributes, key)
    datum = _datum(opened, options)

    def variance_of(block: Block) -> VarianceOf | None:
        if errors is None:
            return None
        place = opened.place_of(options.ref_date or opened.attributes.get("REF_DATE") or written(opened.dates[0]))
        return lambda wanted, pixels: errors.variance(block, _since(wanted, place), pixels)

    def work(block: Block) -> dict[str, Values]:
        values = _relative(opened.read(block), datum, opened, options)
        return fit_time_functions(values, functions, options, variance_of(block))

    run_blocks(
        opened.blocks(memory_gb, _COPIES * len(opened.dates) + (0 if errors is None else errors.numbers) + len(layout)),
        work,
        lambda block, found: writer.put(block.id, block.region, found),
        done=lambda block: writer.done(block.id),
        progress=progress if progress is not None else NullProgress(),
        name="velocity",
    )
    return writer.finish(provenance(options.model_dump(mode="json"), {series.name: source}))


def _errors(series: Series, options: TimeFunctionOptions) -> SeriesErrors | None:
    if options.uncertainty_quantification != "covariance":
        return None
    return errors_of_series(series.path, series.attributes, series.dates, series.shape, options.time_series_cov_file)


def _since(combinations: Floats, place: int) -> Floats:
    """Return combinations that count from the date at a place: what they add up to is its."""
    moved = combinations.copy()
    moved[:, place] -= combinations.sum(axis=1)
    return moved


def _datum(series: Series, options: TimeFunctionOptions) -> Values | None:
    """Return the series of the pixel that all is relative to, (time,), or None."""
    if options.ref_yx is None:
        return None
    row, column = options.ref_yx
    if not (0 <= row < series.shape[0] and 0 <= column < series.shape[1]):
        message = f"{series.path} has {series.shape[0]} x {series.shape[1]} pixels: ref_yx {row},{column} lies outside"
        raise InputError(message)
    values = series.array.read(slice(row, row + 1), slice(column, column + 1))[:, 0, 0].astype(np.float64)
    if not np.isfinite(values).all() or not values.any():
        message = f"{series.path}: nothing is measured at ref_yx {row},{column}: choose another pixel"
        raise InputError(message)
    return values


def _relative(values: Values, datum: Values | None, series: Series, options: TimeFunctionOptions) -> Values:
    """Return values relative to another date or pixel; pixels of zeros, which were not inverted, stay so."""
    if datum is None and options.ref_date is None:
        return values
    empty = (values == 0).all(axis=0)
    moved = values.astype(np.float64)
    if datum is not None:
        moved -= datum[:, None, None]
    if options.ref_date is not None:
        moved -= moved[series.place_of(options.ref_date)].copy()
    return np.where(empty, 0.0, moved)


def _attributes(series: Series, functions: TimeFunctions, options: TimeFunctionOptions) -> dict[str, str]:
    kept = {key: value for key, value in series.attributes.items() if not key.startswith(_OWN)}
    ends = [written(date) for date in series.dates[functions.used][[0, -1]]]
    said: dict[str, object] = {
        "startDate": options.start_date,
        "endDate": options.end_date,
        "excludeDate": list(options.exclude_date),
        "polynomial": options.polynomial,
        "periodic": list(options.periodic),
        "stepDate": list(options.step_date),
        "exp": [text.split(":") for text in options.exp],
        "log": [text.split(":") for text in options.log],
        "uncertaintyQuantification": options.uncertainty_quantification,
        "timeSeriesCovFile": options.time_series_cov_file,
        "bootstrapCount": options.bootstrap_count,
    }
    found = {
        "FILE_TYPE": "velocity",
        "UNIT": "m/year",
        "FILE_PATH": series.path.name,
        "NO_DATA_VALUE": "none",
        "START_DATE": ends[0],
        "END_DATE": ends[1],
        "DATE12": "_".join(ends),
    }
    if options.ref_date is not None:
        found["REF_DATE"] = options.ref_date
    if options.ref_yx is not None:
        found |= {"REF_Y": str(options.ref_yx[0]), "REF_X": str(options.ref_yx[1])}
    return {**kept, **{f"{_PREFIX}{name}": str(value) for name, value in said.items()}, **found}


def reference_date(
    files: Iterable[Path], date: str, *, memory_gb: float = 4.0, progress: Progress | None = None
) -> list[Path]:
    """Refer series to a date: each is made again, whole or not at all, with that date's map subtracted.

    Parameters
    ----------
    files : iterable of Path
        Series in MintPy's layout; those that lie after this date already, and standard errors, are passed over.
    date : str
        YYYYMMDD.
    memory_gb : float
        Memory to keep within.
    progress : Progress, optional
        Counts pixels.

    Returns
    -------
    list of Path
        Files that were changed.

    Raises
    ------
    InputError
        A file is no series, or lacks the date; nothing is changed then.
    """
    opened = [Series.open(path) for path in files]
    places = [series.place_of(date) for series in opened]
    changed = []
    for series, place in zip(opened, places, strict=True):
        name = written(series.dates[place])
        if series.attributes.get("REF_DATE") == name or SIGMA_OF in series.attributes:
            continue
        _refer(series, place, name, memory_gb, progress)
        changed.append(series.path)
    return changed


def _refer(series: Series, place: int, date: str, memory_gb: float, progress: Progress | None) -> None:
    own = ("CREEPMETER_VERSION", "CREEPMETER_PROVENANCE", "Conventions")
    attributes = {key: value for key, value in series.attributes.items() if key not in own}
    attributes |= {"REF_DATE": date, "FILE_PATH": series.path.name}
    attributes.setdefault(BEFORE, identity(series.path))
    source = digest_file(series.path)
    writer = ProductWriter.create_or_resume(
        series.path,
        {series.array.name: Dataset(series.array.shape, series.array.dtype)},
        attributes,
        digest_text("reference_date", date, source),
        read_tables(series.path),
    )

    def work(block: Block) -> Values:
        values = series.read(block)
        return np.asarray(values - values[place])

    run_blocks(
        series.blocks(memory_gb, 2.0 * len(series.dates)),
        work,
        lambda block, values: writer.put(block.id, block.region, {series.array.name: values}),
        done=lambda block: writer.done(block.id),
        progress=progress if progress is not None else NullProgress(),
        name=f"reference_date {series.path.name}",
    )
    writer.finish(provenance({"ref_date": date}, {series.path.name: source}))
