"""Steps that correct a series, judge its dates and refer it to one: what each depends on, what it leaves, its call."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from creepmeter.errors import ConfigError, CreepmeterError
from creepmeter.io.mintpy.product import list_datasets
from creepmeter.model.epoch import as_epoch
from creepmeter.workflow.journal import Journal
from creepmeter.workflow.sbas import folder as at
from creepmeter.workflow.sbas.chain import SUFFIXES, input_of, output_of, require_series, series_state
from creepmeter.workflow.sbas.folder import SbasSetting, attributes_of, identity
from creepmeter.workflow.sbas.make import Made, State
from creepmeter.workflow.sbas.maps import find
from creepmeter.workflow.sbas.series import Series

logger = logging.getLogger(__name__)


def _file(run: SbasSetting, name: str | None) -> str:
    """Return the content of a file that an option names."""
    path = None if name is None else find(run.folder, name)
    return "" if path is None else identity(path)


def _output(run: SbasSetting, step: str) -> State:
    name = output_of(run, step)
    return {name: identity(run.work / name)}


# ---------------------------------------------------------------------------------------------------------- correct_LOD

_LOD = "correct_LOD"


def oscillator_wanted(run: SbasSetting) -> bool:
    """Tell whether the series is of Envisat."""
    return input_of(run, _LOD) != output_of(run, _LOD)


def oscillator_depends(run: SbasSetting) -> object:
    """Return the series and the geometry."""
    return [series_state(run.work / input_of(run, _LOD)), identity(run.geometry())]


def oscillator_leaves(run: SbasSetting) -> State:
    """Return the corrected series."""
    return _output(run, _LOD)


def oscillator(run: SbasSetting) -> Made:
    """Take the drift of the oscillator off."""
    from creepmeter.workflow.sbas.oscillator import RANGE, correct_oscillator

    if RANGE not in list_datasets(run.geometry()):
        return Made(left_out=[f"{_LOD}: {run.geometry()} holds no {RANGE}: load the geometry with it"])
    source, name = require_series(run, input_of(run, _LOD)), output_of(run, _LOD)
    correct_oscillator(source, run.work / name, run.geometry(), memory_gb=run.memory_gb, progress=run.progress)
    return Made((name,))


# --------------------------------------------------------------------------------------------------------------- deramp


def ramp_wanted(run: SbasSetting) -> bool:
    """Tell whether the template asks for a ramp."""
    return bool(run.template["deramp"])


def ramp_depends(run: SbasSetting) -> object:
    """Return options, series and mask."""
    options = run.template.ramp
    source = run.work / input_of(run, "deramp")
    return [options.model_dump(mode="json"), series_state(source), _file(run, options.mask_file)]


def ramp_leaves(run: SbasSetting) -> State:
    """Return the corrected series."""
    return _output(run, "deramp")


def ramp(run: SbasSetting) -> Made:
    """Take a ramp off every date."""
    from creepmeter.workflow.sbas.deramp import remove_ramp_of_series

    source, name = require_series(run, input_of(run, "deramp")), output_of(run, "deramp")
    options = run.template.ramp
    remove_ramp_of_series(source, run.work / name, options, memory_gb=run.memory_gb, progress=run.progress)
    return Made((name,))


# --------------------------------------------------------------------------------------------------- correct_topography

_TOPOGRAPHY = "correct_topography"


def topography_wanted(run: SbasSetting) -> bool:
    """Tell whether the template asks for it."""
    return bool(run.template["topographicResidual"])


def _topography_files(run: SbasSetting) -> tuple[str, str, str]:
    return output_of(run, _TOPOGRAPHY), at.HEIGHT_ERROR, at.RESIDUAL


def _excluded(run: SbasSetting) -> list[str]:
    """Return dates, and files of dates, that the fit leaves out.

    A list that the step residual_RMS of this folder made does not count: it follows from this very fit, and a second
    run would have another result than the first.
    """
    return [
        name for name in run.template.topography.exclude_date if name != at.EXCLUDED or name in written_by_hand(run)
    ]


def topography_depends(run: SbasSetting) -> object:
    """Return options, dates left out, series, geometry, and where nothing is measured."""
    options, names = run.template.topography, _excluded(run)
    return [
        options.model_dump(mode="json"),
        [_file(run, name) or name for name in names if name != at.EXCLUDED or _file(run, name)],
        series_state(run.work / input_of(run, _TOPOGRAPHY)),
        identity(run.geometry()),
        identity(run.work / at.TEMPORAL_COHERENCE),
    ]


def topography_leaves(run: SbasSetting) -> State:
    """Return corrected series, error of the heights, residuals."""
    return {name: identity(run.work / name) for name in _topography_files(run)}


def topography(run: SbasSetting) -> Made:
    """Estimate the error of the heights and take it off."""
    from creepmeter.workflow.sbas.topography import Targets, correct_topography

    source, names = require_series(run, input_of(run, _TOPOGRAPHY)), _topography_files(run)
    options = run.template.topography.override({"exclude_date": tuple(_excluded(run))}, step=_TOPOGRAPHY)
    targets = Targets(*(run.work / name for name in names))
    correct_topography(source, targets, run.geometry(), options, memory_gb=run.memory_gb, progress=run.progress)
    return Made(names)


# --------------------------------------------------------------------------------------------------------- residual_RMS


_RESIDUAL, _BY_HAND = "residual_RMS", "by hand"


def written_by_hand(run: SbasSetting) -> tuple[str, ...]:
    """Return which lists of dates somebody else than the step residual_RMS wrote last.

    In a folder of another program that has a table of residuals the lists are taken as made from it.
    """
    entry = Journal(run.folder).entry(_RESIDUAL)
    if _BY_HAND in entry.state:  # the step was stopped: what lies there may be its own
        return tuple(entry.state[_BY_HAND].split())
    if not entry.key and any(run.folder.glob(f"rms_{Path(at.RESIDUAL).stem}*.txt")):
        return ()
    lists = [name for name in (at.REFERENCE_DATE, at.EXCLUDED) if (run.work / name).exists()]
    return tuple(
        name for name in lists if name not in entry.files or entry.state.get(name) != identity(run.work / name)
    )


def _residual_files(run: SbasSetting) -> tuple[str, ...]:
    stem = Path(at.RESIDUAL).stem
    ramped = run.template.residual.deramp != "no"
    found = (f"rms_{stem}_ramp.txt", f"{stem}_ramp.h5") if ramped else (f"rms_{stem}.txt",)
    return (*found, at.REFERENCE_DATE, at.EXCLUDED)


def residual_wanted(run: SbasSetting) -> bool:
    """Tell whether there are residuals, or lists of dates that this step made from residuals of former options."""
    return topography_wanted(run) or bool(_own_lists(run))


def _own_lists(run: SbasSetting) -> list[str]:
    made, by_hand = Journal(run.folder).entry(_RESIDUAL).files, written_by_hand(run)
    lists = [name for name in (at.REFERENCE_DATE, at.EXCLUDED) if name in made and name not in by_hand]
    return [name for name in lists if (run.work / name).exists()]


def residual_depends(run: SbasSetting) -> object:
    """Return options, residuals and mask."""
    if not topography_wanted(run):
        return "no residuals"
    options = run.template.residual
    return [options.model_dump(mode="json"), identity(run.work / at.RESIDUAL), _file(run, options.mask_file)]


def residual_leaves(run: SbasSetting) -> State:
    """Return residuals without ramps, table and dates."""
    return {name: identity(run.work / name) for name in _residual_files(run)}


def residual(run: SbasSetting) -> Made:
    """Judge the dates by their residuals."""
    from creepmeter.workflow.sbas.residuals import judge_residuals

    if not topography_wanted(run):
        stale = ", ".join(_own_lists(run))
        logger.warning("%s: made from errors of the heights, which are no longer estimated, and removed", stale)
        return Made(kept=written_by_hand(run))
    source, kept = require_series(run, at.RESIDUAL), written_by_hand(run)
    journal = Journal(run.folder)
    journal.note(_RESIDUAL, replace(journal.entry(_RESIDUAL), key="", state={_BY_HAND: " ".join(kept)}))
    found = judge_residuals(source, run.template.residual, keep=kept, memory_gb=run.memory_gb, progress=run.progress)
    for name in kept:
        logger.warning("%s was changed by hand and is kept: delete it, and the run makes its own", name)
    return Made(tuple(path.name for path in found.files), kept=kept)


# ------------------------------------------------------------------------------------------------------- reference_date


def _target_date(run: SbasSetting) -> str | None:
    """Return the reference date that the template asks for, YYYYMMDD."""
    value = run.template["reference.date"]
    if value is None:
        return None
    text = str(value)
    if text[:8].isdigit():
        return text
    path = run.folder / text
    if not path.is_file():
        if run.template.is_given("reference.date"):
            message = f"mintpy.reference.date names {path}, which is not there: give a date YYYYMMDD, or no"
            raise ConfigError(message)
        return None
    words = path.read_text(encoding="utf-8").split()
    if not words:
        message = f"{path} holds no date: write YYYYMMDD into it, or set mintpy.reference.date = no"
        raise ConfigError(message)
    return str(as_epoch(words[0]))[:10].replace("-", "")


def date_wanted(run: SbasSetting) -> bool:
    """Tell whether a date is asked for."""
    return _target_date(run) is not None


def _series_files(run: SbasSetting) -> list[Path]:
    found = sorted(run.folder.glob("timeseries*.h5"))
    return [path for path in found if "Residual" not in path.name and "Cov" not in path.name]


def date_depends(run: SbasSetting) -> object:
    """Return the date."""
    return _target_date(run)


def date_leaves(run: SbasSetting) -> State:
    """Return the date that every series refers to."""
    return {path.name: attributes_of(path).get("REF_DATE", "") for path in _series_files(run)}


def date(run: SbasSetting) -> Made:
    """Refer every series to one date."""
    from creepmeter.workflow.sbas.velocity import reference_date

    target = _target_date(run)
    if target is not None:
        reference_date(_with_date(run, target), target)
    return Made()


def _with_date(run: SbasSetting, date: str) -> list[Path]:
    """Return the series to refer: those of this run, which must have the date, and others where they have it."""
    own = {at.SERIES, *at.VELOCITIES, *(output_of(run, step) for step in SUFFIXES)}
    found = []
    for path in _series_files(run):
        if path.name not in own and not _has_date(path, date):
            logger.warning("%s is no series of this run, has no date %s, and stays as it is", path.name, date)
            continue
        found.append(path)
    return found


def _has_date(path: Path, date: str) -> bool:
    try:
        Series.open(path).place_of(date)
    except CreepmeterError:
        return False
    return True
