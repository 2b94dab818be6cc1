"""Troposphere from weather models, GACOS and OPERA: delays by date, and the series without them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from creepmeter.blocks import Progress
from creepmeter.errors import CreepmeterError
from creepmeter.io.mintpy.grid import number_of
from creepmeter.io.mintpy.product import read_attributes
from creepmeter.model.epoch import Epochs
from creepmeter.workflow.sbas import delay_files
from creepmeter.workflow.sbas.chain import delay_name, final_series
from creepmeter.workflow.sbas.delay_series import subtract_delays, write_delays
from creepmeter.workflow.sbas.delay_sources import DelaySource, Extent
from creepmeter.workflow.sbas.folder import SbasSetting
from creepmeter.workflow.sbas.pixel_geometry import PixelGeometry
from creepmeter.workflow.sbas.series import Series, excluded_dates
from creepmeter.workflow.sbas.velocity import fit_velocity_file
from creepmeter.workflow.sbas.weather_fetch import advice, fetch_missing


@dataclass(frozen=True)
class Delayed:
    """What was made.

    Parameters
    ----------
    delays : Path or None
        Series of delays; None when no date has one.
    dates : array of datetime64
        Dates in it.
    notes : tuple of str
        Dates without a delay, why, and the way out.
    """

    delays: Path | None
    dates: Epochs
    notes: tuple[str, ...]


def make_delays(
    source: DelaySource,
    geometry: Path,
    target: Path,
    dates: Epochs,
    times: Epochs,
    *,
    attributes: Mapping[str, str] | None = None,
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> Delayed:
    """Write the delay along the line of sight of every date that files are there for, as MintPy's ``ERA5.h5``.

    Files of ERA5 that are missing are downloaded first, where there is an account.

    Parameters
    ----------
    source : DelaySource
        Weather model, or maps of zenith delay.
    geometry : Path
        ``geometryRadar.h5`` or ``geometryGeo.h5``.
    target : Path
        Series to make.
    dates, times : array of datetime64
        Dates, and the same with the time of day of the acquisition, UTC.
    attributes : mapping of str to str, optional
        Of the displacement series; those of the geometry by default.
    memory_gb : float
        Memory to keep within.
    progress : Progress, optional
        Counts pixels.

    Raises
    ------
    InputError
        The geometry tells no heights, incidence or places.
    """
    pixels = PixelGeometry.open(geometry)
    extent = Extent(*pixels.extent())
    failed = fetch_missing(source, times, extent.area)
    delays = source.delays(dates, times, extent)
    way_out = advice(source, delays.missing, geometry, times)
    notes = (*failed, *told_of(source, delays.missing, len(dates), way_out))
    if len(delays.dates) == 0:
        return Delayed(None, delays.dates, notes)
    told = read_attributes(geometry) if attributes is None else attributes
    write_delays(delays, pixels, target, told, memory_gb=memory_gb, progress=progress)
    return Delayed(target, delays.dates, notes)


def told_of(source: DelaySource, missing: Mapping[str, str], count: int, way_out: str) -> list[str]:
    """Return a sentence on the dates without a delay, what becomes of them and the way out, if there are any.

    Parameters
    ----------
    source : DelaySource
        Where delays come from.
    missing : mapping of str to str
        Date YYYYMMDD -> why there is none.
    count : int
        Number of all dates.
    way_out : str
        What to do.
    """
    if not missing:
        return []
    fate = "are left out" if source.options.missing == "drop" and len(missing) < count else "are not corrected"
    listed = delay_files.list_missing(missing)
    return [f"{len(missing)} of {count} dates {fate}: {listed}; {way_out}"]


def correct_file(
    source: DelaySource,
    series: Path,
    geometry: Path,
    delays: Path,
    target: Path,
    *,
    hour: int | None = None,
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> Delayed:
    """Write delays, and a displacement series without them.

    Parameters
    ----------
    source : DelaySource
        Weather model, or maps of zenith delay.
    series, geometry : Path
        Displacement series, and its geometry.
    delays, target : Path
        Series of delays and corrected series to make; neither is when no date has a delay.
    hour : int, optional
        Of the acquisitions, UTC; by default that of the series (CENTER_LINE_UTC).
    memory_gb : float
        Memory to keep within.
    progress : Progress, optional
        Counts pixels.
    """
    opened = Series.open(series)
    times = opened.times
    if hour is not None:
        times = opened.dates.astype("datetime64[D]").astype("datetime64[ns]") + np.timedelta64(hour, "h")
    elif source.kind != "gacos" and number_of(opened.attributes, "CENTER_LINE_UTC", series) is None:
        note = f"{series} does not tell the hour of its acquisitions (CENTER_LINE_UTC): give tropo-pyaps3 --hour"
        return Delayed(None, opened.dates[:0], (note,))
    made = make_delays(
        source,
        geometry,
        delays,
        opened.dates,
        times,
        attributes=opened.attributes,
        memory_gb=memory_gb,
        progress=progress,
    )
    if made.delays is not None:
        drop = source.options.missing == "drop"
        subtract_delays(series, delays, target, drop_missing=drop, memory_gb=memory_gb, progress=progress)
    return made


def fit_delays(run: SbasSetting, target: str) -> None:
    """Fit the velocity of the delays, relative to reference date and pixel of the corrected series."""
    delays = run.work.inputs / delay_name(run)
    series, held = Series.open(delays), read_attributes(run.work / final_series(run))
    changes: dict[str, object] = {"uncertainty_quantification": "residue", "time_series_cov_file": None}
    if "REF_Y" in held and "REF_X" in held:
        changes["ref_yx"] = (int(held["REF_Y"]), int(held["REF_X"]))
    try:
        series.place_of(held.get("REF_DATE", ""))
        changes["ref_date"] = held["REF_DATE"]
    except CreepmeterError:  # it has no delay
        pass
    options = run.template.velocity
    excluded = [str(date)[:10].replace("-", "") for date in excluded_dates(options.exclude_date, run.folder)]
    changes["exclude_date"] = tuple(excluded)
    chosen = options.override(changes, step="velocity")
    fit_velocity_file(delays, run.work / target, chosen, memory_gb=run.memory_gb, progress=run.progress)
