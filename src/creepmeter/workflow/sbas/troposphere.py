"""Step correct_troposphere: one function for each method of the template."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from creepmeter.workflow.sbas import folder as at
from creepmeter.workflow.sbas.chain import delay_name, input_of, output_of, require_series, series_state
from creepmeter.workflow.sbas.folder import SbasSetting, identity
from creepmeter.workflow.sbas.make import Made, State

STEP = "correct_troposphere"
Kind = Literal["pyaps", "gacos", "opera"]


@dataclass(frozen=True)
class Method:
    """A way to correct the troposphere.

    Parameters
    ----------
    depends : callable
        Setting -> what its result depends on besides the series: options, digests of files.
    make : callable
        (setting, input, output) -> what was done; makes the output, or says why it is left out.
    """

    depends: Callable[[SbasSetting], object]
    make: Callable[[SbasSetting, str, str], Made]


def _height_depends(run: SbasSetting) -> object:
    options = run.template.height_correlation.model_dump(mode="json")
    return [options, identity(run.geometry()), identity(run.work / at.RELIABLE)]


def _height(run: SbasSetting, source: str, target: str) -> Made:
    from creepmeter.workflow.sbas.stratified import correct_by_height

    correct_by_height(
        run.work / source,
        run.work / target,
        run.geometry(),
        run.work / at.RELIABLE,
        run.template.height_correlation,
        memory_gb=run.memory_gb,
        progress=run.progress,
    )
    return Made((target,))


def _delays(kind: Kind) -> Method:
    """Return how delays of a weather model, or maps of them, are taken off."""

    def depends(run: SbasSetting) -> object:
        from creepmeter.workflow.sbas.weather_step import weather_depends

        return weather_depends(run, kind)

    def make(run: SbasSetting, source: str, target: str) -> Made:
        from creepmeter.workflow.sbas.weather_step import correct_by_delays

        return correct_by_delays(run, kind, source, target)

    return Method(depends, make)


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "height_correlation": Method(_height_depends, _height),
        "pyaps": _delays("pyaps"),
        "gacos": _delays("gacos"),
        "opera": _delays("opera"),
    }
)
"""Methods by the value of ``troposphericDelay.method``."""


def _name(run: SbasSetting) -> str:
    return str(run.template["troposphericDelay.method"] or "")


def wanted(run: SbasSetting) -> bool:
    """Tell whether the template asks for a method."""
    return bool(_name(run))


def depends(run: SbasSetting) -> object:
    """Return the method, the series, and what the method depends on."""
    source = run.work / input_of(run, STEP)
    return [_name(run), series_state(source), METHODS[_name(run)].depends(run)]


def leaves(run: SbasSetting) -> State:
    """Return the corrected series, and the delays that were taken off where they are a series of their own."""
    name, delays = output_of(run, STEP), delay_name(run)
    found = {name: identity(run.work / name)}
    return found | ({f"inputs/{delays}": identity(run.work.inputs / delays)} if delays else {})


def make(run: SbasSetting) -> Made:
    """Correct by the method of the template."""
    source = input_of(run, STEP)
    require_series(run, source)
    return METHODS[_name(run)].make(run, source, output_of(run, STEP))
