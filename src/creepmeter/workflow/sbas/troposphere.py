"""Step correct_troposphere: one function for each method of the template."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from creepmeter.workflow.sbas import folder as at
from creepmeter.workflow.sbas.chain import input_of, output_of, require_series, series_state
from creepmeter.workflow.sbas.folder import SbasSetting, identity
from creepmeter.workflow.sbas.make import Made, State

STEP = "correct_troposphere"


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


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "height_correlation": Method(_height_depends, _height),
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
    method = METHODS.get(_name(run))
    source = run.work / input_of(run, STEP)
    return [_name(run), series_state(source), None if method is None else method.depends(run)]


def leaves(run: SbasSetting) -> State:
    """Return the corrected series."""
    name = output_of(run, STEP)
    return {name: identity(run.work / name)}


def make(run: SbasSetting) -> Made:
    """Correct by the method of the template."""
    method = METHODS.get(_name(run))
    if method is None:
        key = "mintpy.troposphericDelay.method"
        auto = "" if run.template.is_given("troposphericDelay.method") else " (auto)"
        reason = f"{key} = {_name(run)}{auto} is not part of creepmeter yet; the series goes on without it"
        return Made(left_out=[f"{STEP}: {reason}"])
    source = input_of(run, STEP)
    require_series(run, source)
    return method.make(run, source, output_of(run, STEP))
