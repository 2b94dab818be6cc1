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
    """Take the tide of the solid Earth from the series."""
    from creepmeter.workflow.sbas.solid_earth_tides import correct_tides

    target = output_of(run, STEP)
    correct_tides(
        require_series(run, input_of(run, STEP)),
        run.geometry(),
        run.work / target,
        tides=run.work / TIDES,
        memory_gb=run.memory_gb,
        progress=run.progress,
    )
    return Made((TIDES, target))
