"""Step hdfeos5: the corrected series, its quality and geometry as one HDF-EOS5 file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from creepmeter.workflow.sbas import folder as at
from creepmeter.workflow.sbas.chain import final_series
from creepmeter.workflow.sbas.folder import SbasSetting, geocoded, identity
from creepmeter.workflow.sbas.google_earth import OUTDATED, is_geocoded, is_outdated
from creepmeter.workflow.sbas.make import Made, State

if TYPE_CHECKING:
    from creepmeter.products.hdfeos5 import EosInputs
    from creepmeter.products.hdfeos5_options import EosOptions


def wanted(run: SbasSetting) -> bool:
    """Tell whether the template asks for HDF-EOS5."""
    return bool(run.template["save.hdfEos5"])


def _names(run: SbasSetting) -> list[str]:
    """Return series, coherences, mask and geometry: the geocoded ones where they are there."""
    names = [final_series(run), at.TEMPORAL_COHERENCE, at.COHERENCE, at.RELIABLE]
    geometry = run.geometry()
    if not is_geocoded(run) and (run.work / geocoded(names[0])).exists():
        return [geocoded(name) for name in (*names, geometry.name)]
    return [*names, str(geometry.relative_to(run.folder))]


def _options(run: SbasSetting) -> EosOptions:
    from creepmeter.products.hdfeos5_options import EosOptions

    template = run.template
    return EosOptions(update=bool(template["save.hdfEos5.update"]), subset=bool(template["save.hdfEos5.subset"]))


def depends(run: SbasSetting) -> object:
    """Return the files that are put together, and what is said of them."""
    files = {name: [identity(run.work / name), is_outdated(run, name)] for name in _names(run)}
    return [files, _options(run).model_dump(mode="json"), dict(run.template.attributes)]


def leaves(run: SbasSetting) -> State:
    """Return the files in HDF-EOS5."""
    return {path.name: identity(path) for path in sorted(run.folder.glob("*.he5"))}


def make(run: SbasSetting) -> Made:
    """Write the file."""
    from creepmeter.products.hdfeos5 import save_hdfeos5

    missing = [name for name in _names(run) if not (run.work / name).exists()]
    if missing:
        return Made(left_out=[f"hdfeos5: {', '.join(missing)} missing; run the steps before it first"])
    outdated = [name for name in _names(run) if is_outdated(run, name)]
    if outdated:
        return Made(left_out=[f"hdfeos5: {', '.join(outdated)} {OUTDATED}"])
    path = save_hdfeos5(_inputs(run), run.folder, _options(run), more=run.template.attributes)
    return Made((path.name,))


def _inputs(run: SbasSetting) -> EosInputs:
    from creepmeter.products.hdfeos5 import EosInputs

    paths: list[Path] = [run.work / name for name in _names(run)]
    return EosInputs(*paths)
