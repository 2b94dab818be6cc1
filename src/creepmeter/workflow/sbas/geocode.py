"""Step geocode: the main products of a radar image on a map."""

from __future__ import annotations

from collections.abc import Mapping

from creepmeter.io.mintpy.product import read_attributes
from creepmeter.workflow.sbas import folder as at
from creepmeter.workflow.sbas.chain import final_series
from creepmeter.workflow.sbas.folder import SbasSetting, identity
from creepmeter.workflow.sbas.make import Made

_TABLES = ("geometryRadar.h5", "geometryGeo.h5")
_NO_TABLE = (
    "geocode: the geometry has neither latitude and longitude nor a lookup table; name the lookup files in the "
    "template (mintpy.load.lookupYFile, mintpy.load.lookupXFile) and start from load_data"
)


def wanted(run: SbasSetting) -> bool:
    """Tell whether there is anything to do: products in radar coordinates, which are to be geocoded."""
    return run.template.save.geocode and run.work.is_loaded and "Y_FIRST" not in _attributes(run)


def _attributes(run: SbasSetting) -> Mapping[str, str]:
    return read_attributes(run.work.stack_path())


def _sources(run: SbasSetting) -> list[str]:
    """Return the products that are there, as names in the work folder."""
    names = [f"inputs/{_TABLES[0]}", at.TEMPORAL_COHERENCE, at.COHERENCE, at.RELIABLE, final_series(run)]
    names += dict.fromkeys(at.VELOCITIES.values())
    return [name for name in names if (run.work / name).is_file()]


def _target(source: str) -> str:
    return at.geocoded(source.rpartition("/")[2])


def depends(run: SbasSetting) -> object:
    """Return options, products and lookup tables."""
    tables = [identity(run.work.inputs / name) for name in _TABLES]
    products = {name: identity(run.work / name) for name in _sources(run)}
    return [run.template.geocoding.model_dump(mode="json"), products, tables]


def leaves(run: SbasSetting) -> Mapping[str, str]:
    """Return the geocoded products."""
    return {name: identity(run.work / name) for name in map(_target, _sources(run))}


def make(run: SbasSetting) -> Made:
    """Geocode the products, all by one search."""
    from creepmeter.workflow.sbas.geocoder import Geocoder
    from creepmeter.workflow.sbas.places import has_lookup

    if not has_lookup(run.work.stack_path()):
        return Made(left_out=[_NO_TABLE])
    geocoder = Geocoder(run.template.geocoding, memory_gb=run.memory_gb, progress=run.progress)
    made = []
    for name in _sources(run):
        geocoder.to_map(run.work / name, run.work / _target(name))
        made.append(_target(name))
    return Made(tuple(made))
