"""Files of a weather model that are missing: what to ask for, and the download where there is an account."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from creepmeter.corrections.era5 import Bounds, Client, Era5Request, fetch_era5, make_client, why_no_download
from creepmeter.model.epoch import Epoch, Epochs
from creepmeter.model.weather import Area
from creepmeter.workflow.sbas import delay_files as at
from creepmeter.workflow.sbas.delay_series import day_of
from creepmeter.workflow.sbas.delay_sources import DelaySource

_FETCHED = ("ERA5", "ERA5T")
_HOUR = np.timedelta64(3600, "s")


def missing_requests(source: DelaySource, times: Epochs, area: Area) -> list[Era5Request]:
    """Return what to ask the Climate Data Store for, so that every time has its hours.

    Parameters
    ----------
    source : DelaySource
        Weather model and folder.
    times : array of datetime64
        Dates with the time of day of the acquisition, UTC.
    area : Area
        Of the pixels.
    """
    if source.kind != "pyaps" or source.options.model not in _FETCHED:
        return []
    bounds = Bounds.around(area)
    return [Era5Request(day_of(hour), _hour_of(hour), bounds) for hour in _lacking(source, times)]


def _hour_of(time: Epoch) -> int:
    return int((time - time.astype("datetime64[D]")) / _HOUR)


def _lacking(source: DelaySource, times: Epochs) -> list[Epoch]:
    """Return the hours that there is no file of; one of another hour of the day will do for the nearest."""
    files, found = source.files(), []
    for time in times:
        hours = _hours(source, time)
        if len(hours) > 1 or not at.files_of_day(files, time):
            found += [hour for hour in hours if not at.files_at(files, hour)]
    return list(dict.fromkeys(found))


def could_fetch(source: DelaySource, times: Epochs) -> bool:
    """Tell whether files are missing that could be downloaded."""
    fetched = source.kind == "pyaps" and source.options.model in _FETCHED
    return fetched and not why_no_download() and bool(_lacking(source, times))


def _hours(source: DelaySource, time: Epoch) -> list[Epoch]:
    if source.options.time == "linear":
        return list(at.hours_around(time, source.options.model))
    day = time.astype("datetime64[D]").astype("datetime64[ns]")
    return [day + at.nearest_hour(time, source.options.model) * _HOUR]


def fetch_missing(source: DelaySource, times: Epochs, area: Area, client: Client | None = None) -> list[str]:
    """Download the files of ERA5 that are missing, if there is an account; return what failed.

    Parameters
    ----------
    source : DelaySource
        Weather model and folder.
    times : array of datetime64
        Dates with the time of day of the acquisition, UTC.
    area : Area
        Of the pixels.
    client : Client, optional
        Who fetches; by default cdsapi, where it is installed and has an account.
    """
    wanted = missing_requests(source, times, area)
    if not wanted or (client is None and why_no_download()):
        return []
    _, failed = fetch_era5(wanted, source.folder / source.options.model, client or make_client())
    return failed


def advice(source: DelaySource, missing: Mapping[str, str], geometry: Path, times: Epochs) -> str:
    """Return what to do about dates without a delay.

    Parameters
    ----------
    source : DelaySource
        Where delays come from.
    missing : mapping of str to str
        Date YYYYMMDD -> why there is none.
    geometry : Path
        Geometry of the pixels.
    times : array of datetime64
        Times of the acquisitions, UTC.
    """
    folder, model = source.folder, source.options.model
    if source.kind == "gacos":
        return f"order them at www.gacos.net and put YYYYMMDD.ztd with YYYYMMDD.ztd.rsc into {folder}"
    if source.kind == "opera":
        return f"get OPERA_L4_TROPO-ZENITH files of these days from NASA Earthdata and put them into {folder}"
    if model not in _FETCHED:
        return f"put the files of {model} into {folder / model}"
    hour = at.nearest_hour(times[0], model)
    call = f"creepmeter tropo-pyaps3 -d {' '.join(missing)} --hour {hour} -g {geometry} -w {folder}"
    reason = why_no_download()
    if reason:
        return f"{reason}: put the files of {model} into {folder / model}, or set the account up and run `{call}`"
    return f"run `{call}`"


def folder_from(text: str | None, base: Path) -> Path | None:
    """Return a folder from a text with variables; None where one of them is not set."""
    plain = os.path.expandvars(str(text or ""))
    if not plain or "$" in plain:
        return None
    return base / Path(plain).expanduser()
