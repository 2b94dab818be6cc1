"""Step correct_SET: what it depends on, what it leaves, and how it is called."""

from __future__ import annotations

from collections.abc import Mapping

from creepmeter.workflow.sbas.chain import input_of, output_of, require_series, series_state
from creepmeter.workflow.sbas.folder import SbasSetting, identity
from creepmeter.workflow.sbas.make import Made

STEP, TIDES = "correct_SET", "inputs/SET.h5"


def wanted(run: SbasSetting) -> bool:
    """Tell whether the template asks for the correction."""
    return bool(run.template["solidEarthTides"])


def depends(run: SbasSetting) -> object:
    """Return series and geometry."""
    name = input_of(run, STEP)
    return [name, series_state(run.work / name), identity(run.geometry())]


def leaves(run: SbasSetting) -> Mapping[str, str]:
    """Return tide and corrected series."""
    return {name: identity(run.work / name) for name in (TIDES, output_of(run, STEP))}


def make(run: SbasSetting) -> Made:
    """Take the tide of the solid Earth from the series; where that does not tell its hour, the step is left out."""
    from creepmeter.workflow.sbas.series import Series
    from creepmeter.workflow.sbas.solid_earth_tides import correct_tides, hour_that_is_missing

    source, target = require_series(run, input_of(run, STEP)), output_of(run, STEP)
    missing = hour_that_is_missing(Series.open(source))
    if missing:
        return Made(left_out=[f"{STEP}: {missing}"])
    correct_tides(
        source,
        run.geometry(),
        run.work / target,
        tides=run.work / TIDES,
        memory_gb=run.memory_gb,
        progress=run.progress,
    )
    return Made((TIDES, target))
