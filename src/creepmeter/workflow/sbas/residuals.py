"""Noisy dates and the quietest one of a series of residuals in MintPy's layout."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import Progress
from creepmeter.corrections.residuals import DatesByResidual, judge_dates
from creepmeter.corrections.series_options import RampOptions, ResidualOptions
from creepmeter.io.mintpy.dates import written
from creepmeter.io.swap import remove, write_text
from creepmeter.model.epoch import Epochs
from creepmeter.workflow.sbas.corrected import mask_of
from creepmeter.workflow.sbas.deramp import remove_ramp_of_series
from creepmeter.workflow.sbas.folder import EXCLUDED, REFERENCE_DATE
from creepmeter.workflow.sbas.series import Series

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Residuals:
    """What was made, and what it says of the dates."""

    files: tuple[Path, ...]
    dates: DatesByResidual


def rms_of_dates(series: Path, mask_file: str | None, folder: Path) -> Floats:
    """Return the root of the mean squared value of each date inside a mask, (time,); NaN where there is no value."""
    opened = Series.open(series)
    inside = mask_of(folder, mask_file, opened.shape, "residualRMS.maskFile")
    found = np.full(len(opened.dates), np.nan)
    for layer in range(len(found)):
        values = opened.array.read(layers=np.array([layer]))[0][inside].astype(np.float64)
        values = values[np.isfinite(values)]
        if values.size:
            found[layer] = np.sqrt(np.mean(values**2))
    return found


def judge_residuals(
    series: Path,
    options: ResidualOptions | None = None,
    *,
    keep: Container[str] = (),
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> Residuals:
    """Find the quietest date and the noisy ones by their residuals, and write them beside the series.

    Parameters
    ----------
    series : Path
        Residuals, such as ``timeseriesResidual.h5``.
    options : ResidualOptions, optional
        Mask, ramp, cutoff.
    keep : container of str
        Names of lists of dates that are not written.
    memory_gb : float
        Memory to keep within; the result does not depend on it.
    progress : Progress, optional
        Counts pixels.

    Returns
    -------
    Residuals
        Files made: residuals without ramps, table of RMS, ``reference_date.txt``, and ``exclude_date.txt`` where some
        dates are noisy (else one of an earlier call is removed).

    Raises
    ------
    InputError
        This is no series, or the mask does not fit it.
    """
    chosen = options or ResidualOptions()
    folder, files, path = series.parent, [], series
    if chosen.deramp != "no":
        path = series.with_name(f"{series.stem}_ramp.h5")
        ramp = RampOptions(ramp=chosen.deramp, mask_file=chosen.mask_file)
        remove_ramp_of_series(series, path, ramp, memory_gb=memory_gb, progress=progress)
        files.append(path)
    found = judge_dates(Series.open(path).dates, rms_of_dates(path, chosen.mask_file, folder), chosen.cutoff)
    table = folder / f"rms_{path.stem}.txt"
    write_text(table, _table(found, path.name, chosen.mask_file))
    reference, excluded = folder / REFERENCE_DATE, folder / EXCLUDED
    files.append(table)
    for place, dates in ((reference, found.dates[[found.quietest]]), (excluded, found.dates[found.noisy])):
        if place.name not in keep:
            files += _write_dates(place, dates)
    return Residuals(tuple(files), found)


def _write_dates(path: Path, dates: Epochs) -> list[Path]:
    """Write dates, one a line; without any there is no file."""
    if len(dates) == 0:
        remove(path)
        return []
    write_text(path, "".join(f"{written(date)}\n" for date in dates))
    return [path]


def _table(found: DatesByResidual, name: str, mask: str | None) -> str:
    """Return the table as MintPy writes it."""
    lines = [
        "# Root Mean Square in space for each acquisition of time-series",
        f"# Timeseries file: {name}",
        f"# Mask file: {mask}",
        "# Date\t\tRMS (m)",
        *(f"{written(date)}\t{float(rms)}" for date, rms in zip(found.dates, found.rms_m, strict=True)),
    ]
    return "\n".join(lines) + "\n"
