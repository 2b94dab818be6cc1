"""The files that lie beside a product, by MintPy's names: ``geo_velocity.h5`` beside ``geo_timeseries.h5``."""

from __future__ import annotations

from pathlib import Path

from creepmeter.errors import InputError

MASK, VELOCITY = "maskTempCoh.h5", "velocity.h5"
TEMPORAL_COHERENCE, SPATIAL_COHERENCE = "temporalCoherence.h5", "avgSpatialCoh.h5"
GEOMETRY = ("geometryGeo.h5", "geometryRadar.h5")
_PREFIX = "geo_"
_MASKED = ("timeseries", "velocity")


def beside(product: str | Path, name: str) -> Path:
    """Return where a file lies beside a product; beside geocoded ones, the geocoded one."""
    path = Path(product)
    return path.with_name(f"{_PREFIX if path.name.startswith(_PREFIX) else ''}{name}")


def mask_beside(product: str | Path) -> Path | None:
    """Return the mask of reliable pixels beside a series or velocity, None where there is none."""
    path = Path(product)
    found = beside(path, MASK)
    is_masked = path.name.removeprefix(_PREFIX).startswith(_MASKED)
    return found if is_masked and found.is_file() else None


def geometry_beside(product: str | Path, given: str | Path | None = None) -> Path:
    """Return the geometry of a product: the one given, else beside it or in ``inputs``.

    Raises
    ------
    InputError
        There is none.
    """
    if given is not None:
        return Path(given)
    path = Path(product)
    names = [beside(path, name) for name in GEOMETRY] + [path.parent / "inputs" / name for name in GEOMETRY]
    found = next((name for name in names if name.is_file()), None)
    if found is None:
        message = f"no geometry lies beside {path} ({', '.join(name.name for name in names[:2])}): give it with -g"
        raise InputError(message)
    return found
