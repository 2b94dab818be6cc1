"""Step correct_troposphere by delays: what it depends on, and the correction of the series of a run."""

from __future__ import annotations

import logging
from pathlib import Path
from time import time_ns

import numpy as np

from creepmeter.errors import CreepmeterError
from creepmeter.io.provenance import digest_file
from creepmeter.io.swap import remove
from creepmeter.workflow.sbas.chain import delay_name, input_of
from creepmeter.workflow.sbas.delay_series import day_of, subtract_delays
from creepmeter.workflow.sbas.delay_sources import DelaySource, Kind
from creepmeter.workflow.sbas.folder import SbasSetting, identity, is_ours
from creepmeter.workflow.sbas.make import Made
from creepmeter.workflow.sbas.series import Series
from creepmeter.workflow.sbas.weather import correct_file, told_of
from creepmeter.workflow.sbas.weather_fetch import could_fetch, folder_from

logger = logging.getLogger(__name__)

STEP = "correct_troposphere"
_DAY = np.timedelta64(1, "D")
_KEYS = {"pyaps": "weatherDir", "gacos": "gacosDir", "opera": "operaDir"}


def _source(run: SbasSetting, kind: Kind) -> DelaySource:
    """Return where the template has delays come from; the work folder where its folder is a variable without value."""
    folder = folder_from(run.template.text(f"troposphericDelay.{_KEYS[kind]}"), run.folder)
    return DelaySource(kind, run.folder / "weather" if folder is None else folder, run.template.weather)


def _content(path: Path) -> str:
    """Return what tells one content of a file from another; one that is cut must not stop the run."""
    try:
        return digest_file(path)
    except CreepmeterError:
        about = path.stat()
        return f"damaged, {about.st_size} bytes of {about.st_mtime_ns}"


def weather_depends(run: SbasSetting, kind: Kind) -> object:
    """Return options, geometry, the files of the folder, and delays that another program made."""
    source, series = _source(run, kind), run.work / input_of(run, STEP)
    times = Series.open(series).times if series.exists() else np.array([], "datetime64[ns]")
    around = {str(time + days)[:10] for time in times for days in (-_DAY, 0 * _DAY, _DAY)}
    files = {file.path.name: _content(file.path) for file in source.files() if str(file.time)[:10] in around}
    delays = run.work.inputs / delay_name(run)
    foreign = identity(delays) if delays.exists() and not is_ours(delays) else ""
    # a download that failed is tried again
    again = time_ns() if len(times) and could_fetch(source, times) else 0
    return [source.options.model_dump(mode="json"), str(source.folder), files, identity(run.geometry()), foreign, again]


def correct_by_delays(run: SbasSetting, kind: Kind, name: str, target: str) -> Made:
    """Correct a series of the work folder; what cannot be corrected is left out, and named.

    Where no date has a file, delays that another program left among the inputs are taken.
    """
    source, delays = _source(run, kind), run.work.inputs / delay_name(run)
    made = correct_file(
        source,
        run.work / name,
        run.geometry(),
        delays,
        run.work / target,
        memory_gb=run.memory_gb,
        progress=run.progress,
    )
    if made.delays is not None:
        return Made((target,), left_out=[f"{STEP}: {text}" for text in made.notes])
    if delays.exists() and not is_ours(delays):
        return _by_foreign(run, source, delays, run.work / name, run.work / target)
    remove(delays)
    return Made(left_out=[f"{STEP}: {text}" for text in made.notes])


def _by_foreign(run: SbasSetting, source: DelaySource, delays: Path, series: Path, target: Path) -> Made:
    """Correct a series by delays that another program made."""
    drop = source.options.missing == "drop"
    subtract_delays(series, delays, target, drop_missing=drop, memory_gb=run.memory_gb, progress=run.progress)
    logger.warning("%s was made by another program and is taken as it is", delays.name)
    wanted, held = ([day_of(date) for date in Series.open(path).dates] for path in (series, delays))
    missing = dict.fromkeys([day for day in wanted if day not in held], f"not in {delays.name}")
    return Made(
        (target.name,),
        left_out=[f"{STEP}: {text}" for text in told_of(source, missing, len(wanted), "make them again")],
    )
