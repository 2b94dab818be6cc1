"""Step google_earth: velocities as KMZ."""

from __future__ import annotations

import json

from creepmeter.io.mintpy.layout import PROVENANCE
from creepmeter.io.mintpy.product import read_attributes
from creepmeter.io.provenance import digest_file
from creepmeter.workflow.sbas import folder as at
from creepmeter.workflow.sbas.folder import GEOCODED, SbasSetting, attributes_of, geocoded, identity
from creepmeter.workflow.sbas.make import Made, State

OUTDATED = "was made from another product than the one that is there now; geocode it again (mintpy.geocode = yes)"


def is_geocoded(run: SbasSetting) -> bool:
    """Tell whether the stack itself lies on a map."""
    return "Y_FIRST" in read_attributes(run.work.stack_path())


def on_map(run: SbasSetting, name: str) -> str:
    """Return the name of a product on a map: itself where the stack is geocoded, else the geocoded one."""
    return name if is_geocoded(run) else geocoded(name)


def is_outdated(run: SbasSetting, name: str) -> bool:
    """Tell whether a geocoded product, which the step geocode is not to make again, was made from another one."""
    path = run.work / name
    source = run.work / name.removeprefix(geocoded(""))
    if run.template.save.geocode or not name.startswith(f"{GEOCODED}/") or not (path.is_file() and source.is_file()):
        return False
    told = json.loads(attributes_of(path).get(PROVENANCE, "{}")).get("inputs", {}).get(source.name)
    return told is not None and told != digest_file(source)


def wanted(run: SbasSetting) -> bool:
    """Tell whether the template asks for KMZ."""
    return bool(run.template["save.kmz"])


def _velocities(run: SbasSetting) -> list[str]:
    """Return the velocities of the run, on a map."""
    made = [name for name in at.VELOCITIES.values() if (run.work / name).exists()]
    return [on_map(run, name) for name in made or [at.VELOCITY]]


def _kmz(name: str) -> str:
    return name.removesuffix(".h5") + ".kmz"


def depends(run: SbasSetting) -> object:
    """Return velocities and mask."""
    names = [*_velocities(run), on_map(run, at.RELIABLE)]
    return {name: [identity(run.work / name), is_outdated(run, name)] for name in names}


def leaves(run: SbasSetting) -> State:
    """Return the files for Google Earth."""
    return {_kmz(name): identity(run.work / _kmz(name)) for name in _velocities(run)}


def make(run: SbasSetting) -> Made:
    """Write each velocity that lies on a map as KMZ, reliable pixels only."""
    from creepmeter.products.kmz import save_kmz

    made, left_out = [], []
    mask = run.work / on_map(run, at.RELIABLE)
    for name in _velocities(run):
        path = run.work / name
        if not path.exists() or is_outdated(run, name):
            left_out.append(f"google_earth: {_why_not(run, name)}")
            continue
        save_kmz(path, run.work / _kmz(name), mask=mask if mask.exists() else None)
        made.append(_kmz(name))
    return Made(tuple(made), left_out=left_out)


def _why_not(run: SbasSetting, name: str) -> str:
    if is_outdated(run, name):
        return f"{name} {OUTDATED}"
    if is_geocoded(run):
        return f"{name} is missing; run the step velocity first"
    return f"{name} is missing, KMZ needs a map; run the step geocode first (mintpy.geocode = yes), or geocode it"
