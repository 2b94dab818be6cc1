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


def geocode(run: SbasSetting) -> str:
    """Return what asks for geocoding: products in radar coordinates."""
    if not run.template["geocode"] or "Y_FIRST" in _attributes(run):
        return ""
    return _said(run, "geocode", "the run")
