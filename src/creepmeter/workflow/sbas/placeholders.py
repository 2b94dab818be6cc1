"""Steps that do no work yet: what in the template asks for them."""

from __future__ import annotations

from creepmeter.io.mintpy.product import read_attributes
from creepmeter.workflow.sbas.folder import SbasSetting
from creepmeter.workflow.sbas.template_keys import PREFIX

_NOT_THERE = "is not part of creepmeter yet; {} goes on without it"


def _said(run: SbasSetting, name: str, without: str) -> str:
    given = run.template.is_given(name)
    value = f"{PREFIX}{name} = {run.template.text(name)}{'' if given else ' (auto)'}"
    return f"{value} {_NOT_THERE.format(without)}"


def _attributes(run: SbasSetting) -> dict[str, str]:
    return read_attributes(run.work.stack_path()) if run.work.is_loaded else {}


def oscillator(run: SbasSetting) -> str:
    """Return why the drift of the local oscillator would be corrected: Envisat needs it."""
    platform = _attributes(run).get("PLATFORM", "").lower()
    if not platform.startswith("env"):
        return ""
    return f"PLATFORM {platform} has a drifting oscillator; its correction {_NOT_THERE.format('the series')}"


def tides(run: SbasSetting) -> str:
    """Return what asks for solid Earth tides."""
    return _said(run, "solidEarthTides", "the series") if run.template["solidEarthTides"] else ""


def ionosphere(run: SbasSetting) -> str:
    """Return what asks for the ionosphere."""
    name = "ionosphericDelay.method"
    return _said(run, name, "the series") if run.template[name] else ""


def troposphere(run: SbasSetting) -> str:
    """Return what asks for the troposphere."""
    name = "troposphericDelay.method"
    return _said(run, name, "the series") if run.template[name] else ""


def deramp(run: SbasSetting) -> str:
    """Return what asks for ramps to be removed."""
    return _said(run, "deramp", "the series") if run.template["deramp"] else ""


def topography(run: SbasSetting) -> str:
    """Return what asks for errors of the heights to be corrected."""
    return _said(run, "topographicResidual", "the series") if run.template["topographicResidual"] else ""


def residuals(run: SbasSetting) -> str:
    """Return what asks for residuals per date, which the correction of heights leaves."""
    if not run.template["topographicResidual"]:
        return ""
    return f"needs the residuals of correct_topography, which {_NOT_THERE.format('the reference date')}"


def google_earth(run: SbasSetting) -> str:
    """Return what asks for files for Google Earth."""
    return _said(run, "save.kmz", "the run") if run.template["save.kmz"] else ""


def hdfeos5(run: SbasSetting) -> str:
    """Return what asks for HDF-EOS5."""
    return _said(run, "save.hdfEos5", "the run") if run.template["save.hdfEos5"] else ""
