"""The chain of series: which file each correction reads and makes, by MintPy's names.

A name carries the history: ``timeseries_ERA5_ramp_demErr.h5`` had its troposphere, its ramps and the errors of its
heights removed, in this order. A correction that the template asks for, but whose file is not there, is passed over:
what it needs was missing, and the run said so. So is a file that lies there although the step was left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from creepmeter.errors import StoreError
from creepmeter.workflow.journal import Journal
from creepmeter.workflow.sbas import folder as at
from creepmeter.workflow.sbas.folder import SbasSetting, attributes_of, identity, is_damaged

BEFORE = "CREEPMETER_BEFORE_REFERENCE_DATE"  # what a series was before it was referred to another date
_METHODS = {"height_correlation": "_tropHgt", "gacos": "_GACOS", "opera": "_OPERA"}


def _oscillator(run: SbasSetting) -> str:
    attributes = attributes_of(run.work.stack_path()) if run.work.is_loaded else {}
    return "_LOD" if attributes.get("PLATFORM", "").lower().startswith("env") else ""


def _tides(run: SbasSetting) -> str:
    return "_SET" if run.template["solidEarthTides"] else ""


def _ionosphere(run: SbasSetting) -> str:
    return "_ion" if run.template["ionosphericDelay.method"] else ""


def _troposphere(run: SbasSetting) -> str:
    method = run.template["troposphericDelay.method"]
    if not method:
        return ""
    return _METHODS.get(str(method)) or f"_{run.template['troposphericDelay.weatherModel']}"


def _ramp(run: SbasSetting) -> str:
    return "_ramp" if run.template["deramp"] else ""


def _topography(run: SbasSetting) -> str:
    return "_demErr" if run.template["topographicResidual"] else ""


SUFFIXES: Mapping[str, Callable[[SbasSetting], str]] = MappingProxyType(
    {
        "correct_LOD": _oscillator,
        "correct_SET": _tides,
        "correct_ionosphere": _ionosphere,
        "correct_troposphere": _troposphere,
        "deramp": _ramp,
        "correct_topography": _topography,
    }
)


def input_of(run: SbasSetting, step: str) -> str:
    """Return the name of the series that a correction reads.

    Parameters
    ----------
    run : SbasSetting
        The run.
    step : str
        Step of the correction.

    Returns
    -------
    str
        File in the work folder: of the last correction before it that the template asks for and whose file is there,
        else the series as it was inverted.
    """
    name = at.SERIES
    for other in SUFFIXES:
        if other == step:
            break
        name = _next(run, name, other)
    return name


def output_of(run: SbasSetting, step: str) -> str:
    """Return the name of the series that a correction makes; that of its input when it is not asked for."""
    return _with(input_of(run, step), SUFFIXES[step](run))


def final_series(run: SbasSetting) -> str:
    """Return the name of the series after every correction that is asked for and was made."""
    name = at.SERIES
    for step in SUFFIXES:
        name = _next(run, name, step)
    return name


def delay_name(run: SbasSetting) -> str:
    """Return the name of the series of delays of the troposphere, among the inputs; empty where there is none."""
    by_delays = run.template["troposphericDelay.method"] in ("pyaps", "gacos", "opera")
    return f"{_troposphere(run).removeprefix('_')}.h5" if by_delays else ""


def series_state(path: Path) -> str:
    """Return what tells one series from another, whatever date it refers to; empty where there is none.

    A step that corrects a series depends on this: the step reference_date changes all series in their place, and what
    was made from them before is not stale.
    """
    if not path.exists() or is_damaged(path):
        return identity(path)
    return attributes_of(path).get(BEFORE) or identity(path)


def require_series(run: SbasSetting, name: str) -> Path:
    """Return a series of the work folder.

    Raises
    ------
    StoreError
        It is not there.
    """
    path = run.work / name
    if not path.exists():
        message = f"{path} is missing: run invert_network first"
        raise StoreError(message)
    return path


def _next(run: SbasSetting, name: str, step: str) -> str:
    corrected = _with(name, SUFFIXES[step](run))
    return corrected if (run.work / corrected).exists() and not _left_out(run, step, corrected) else name


def _left_out(run: SbasSetting, step: str, corrected: str) -> bool:
    """Tell whether a step could not make its series: one that lies there is of another program, or of another time."""
    entry = Journal(run.folder).entry(step)
    return bool(entry.left_out) and corrected not in entry.files


def _with(name: str, suffix: str) -> str:
    return f"{Path(name).stem}{suffix}.h5"
