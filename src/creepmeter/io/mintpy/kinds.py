"""Which Dataset each kind of file becomes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from creepmeter.errors import NetworkError, StoreError
from creepmeter.io.mintpy import dates
from creepmeter.io.mintpy.array import StoredArray
from creepmeter.io.mintpy.contents import (
    Contents,
    Opener,
    Variable,
    common_attributes,
    lazy,
    read_contents,
    time_of,
)
from creepmeter.io.mintpy.grid import number_of
from creepmeter.io.mintpy.lazy import AllZero, LazyMaps, Missing, NoCount, Source
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.model.conventions import MAP_DIMS
from creepmeter.model.schema import MOTION_MODEL, PAIR_STACK, TIME_SERIES, map_dataset, pair_coords

PHASES = ("unwrapPhase_bridging_phaseClosure", "unwrapPhase_phaseClosure", "unwrapPhase_bridging", "unwrapPhase")
_OFFSETS = ("rangeOffset", "azimuthOffset")
_PAIR = ("component", "pair", *MAP_DIMS)
_SERIES = ("component", "time", *MAP_DIMS)
_TERMS = ("component", "term", *MAP_DIMS)
_METRES = ("m", "meter", "meters")
_STEP = re.compile(r"step(\d{8}(T\d{4})?)")
_RELAXATION = re.compile(r"(exp|log)(\d{8}(?:T\d{4})?)(?:tau|Tau)([0-9.]+)D")
_PLAIN = {"intercept": ("offset", "m"), "velocity": ("rate", "m/yr"), "acceleration": ("quadratic", "m/yr2")}
_ZERO_IS_NOTHING = ("coherence", "temporalCoherence", "avgSpatialCoherence")
_SI = {"m/year": "m/yr", "m/year^2": "m/yr2", "degrees": "degree", "radian": "rad"}
_OWN_UNITS = {
    "height": "m",
    "slantRangeDistance": "m",
    "incidenceAngle": "degree",
    "azimuthAngle": "degree",
    "latitude": "degrees_north",
    "longitude": "degrees_east",
    "bperp": "m",
    **dict.fromkeys(("coherence", "temporalCoherence", "avgSpatialCoherence", "avgSpatialCoh"), "1"),
}


def open_as(contents: Contents) -> xr.Dataset:
    """Return the Dataset of a file."""
    kind = contents.attributes.get("FILE_TYPE", "")
    opener: Opener = _open_maps
    if kind == "ifgramStack":
        opener = _open_stack
    elif (kind == "timeseries" and "timeseries" in contents.maps) or kind == "HDFEOS":
        opener = _open_series
    elif kind == "velocity" and "velocity" in contents.maps:
        opener = _open_motion
    return opener(contents)


def _open_stack(contents: Contents) -> xr.Dataset:
    stack = StackFile.open(contents.path)
    arrays = {name: stack.stored(name) for name in stack.names}
    contents = Contents(
        contents.path, stack.attributes, arrays, contents.units, dict.fromkeys(arrays, True), contents.when
    )
    components, sources, cycle = _measured(contents)
    variables: dict[str, Variable] = {
        "displacement": lazy(_PAIR, LazyMaps(sources, layered=True), "m", "displacement from ref to sec")
    }
    spread = [f"{source.array.name}Std" for source in sources]
    if all(name in arrays for name in spread):
        stds = [
            Source(arrays[name], abs(source.factor), zero_is_missing=True)
            for name, source in zip(spread, sources, strict=True)
        ]
        variables["sigma"] = lazy(_PAIR, LazyMaps(stds, layered=True), "m", "standard error of displacement")
    variables |= _beside(arrays)
    when = contents.when
    if when is None or when.shape != (len(stack.pairs), 2):
        message = f"{contents.path}: a stack needs two dates for each pair; load the interferograms again"
        raise StoreError(message)
    coords: dict[str, Any] = {"component": components, **pair_coords([tuple(row) for row in when], stack.keep)}
    coords["bperp"] = ("pair", stack.bperp, {"units": "m", "long_name": "perpendicular baseline"})
    attributes = common_attributes(contents) | {"dataset": " ".join(source.array.name for source in sources)}
    if cycle is not None:
        attributes["cycle_m"] = cycle
        if all(source.array.name.startswith("unwrapPhase_") for source in sources):
            attributes["referenced"] = 1  # corrected phase is relative to the reference pixel
    return map_dataset(variables, coords, contents.grid, kind=PAIR_STACK, attributes=attributes)


def _beside(arrays: dict[str, StoredArray]) -> dict[str, Variable]:
    """Return the maps that come with the measurement."""
    found: dict[str, Variable] = {}
    dims = ("pair", *MAP_DIMS)
    if "coherence" in arrays:
        found["quality"] = lazy(dims, LazyMaps(Source(arrays["coherence"]), layered=True), "1", "coherence")
    if "offsetSNR" in arrays:
        found["snr"] = lazy(dims, LazyMaps(Source(arrays["offsetSNR"]), layered=True), "1", "signal to noise ratio")
    if "connectComponent" in arrays:
        meaning = "connected component of the unwrapped phase, 0 none"
        found["region"] = lazy(dims, LazyMaps(Source(arrays["connectComponent"]), layered=True), "1", meaning)
    return found


def _measured(contents: Contents) -> tuple[list[str], list[Source], float | None]:
    """Return components, their sources, and metres per cycle of phase."""
    phase = next((name for name in PHASES if name in contents.maps), None)
    if phase is not None:
        factor = contents.metres_per("radian")
        return ["los"], [Source(contents.maps[phase], factor, zero_is_missing=True)], 2 * np.pi * abs(factor)
    found = [name for name in _OFFSETS if name in contents.maps]
    if not found:
        message = (
            f"{contents.path} has neither unwrapPhase nor offsets (found {', '.join(contents.maps)}): load them first"
        )
        raise StoreError(message)
    planar = contents.attributes.get("PROCESSOR", "").lower() == "cosicorr"
    names = dict(zip(_OFFSETS, ("east", "north") if planar else ("los", "azimuth"), strict=True))
    sources = [Source(contents.maps[name], _offset_factor(contents, name), zero_is_missing=True) for name in found]
    return [names[name] for name in found], sources, None


_SIZES = {
    "rangeOffset": ("RANGE_PIXEL_SIZE", "RLOOKS", -1.0),
    "azimuthOffset": ("AZIMUTH_PIXEL_SIZE", "ALOOKS", 1.0),
}
_EARTH_RADIUS_M = 6_371_000.0


def _offset_factor(contents: Contents, name: str) -> float:
    """Return metres per stored unit: pixels times pixel size, range counted away from the satellite."""
    planar = contents.attributes.get("PROCESSOR", "").lower() == "cosicorr"
    if planar or contents.units.get(name) in _METRES:
        return 1.0
    attribute, looks, sign = _SIZES[name]
    size = number_of(contents.attributes, attribute, contents.path)
    if size is None or not size > 0:
        message = f"{contents.path}: {attribute} is missing, so {name} in pixels has no metres; load it again"
        raise StoreError(message)
    size /= number_of(contents.attributes, looks, contents.path) or 1.0  # offsets count pixels before looks
    if name == "azimuthOffset":  # from the orbit to the ground
        radius = number_of(contents.attributes, "EARTH_RADIUS", contents.path) or _EARTH_RADIUS_M
        size *= radius / (radius + (number_of(contents.attributes, "HEIGHT", contents.path) or 0.0))
    return sign * size


def _open_series(contents: Contents) -> xr.Dataset:
    eos = "displacement" in contents.maps
    name = "displacement" if eos else "timeseries"
    array = contents.maps[name]
    times = contents.when
    if times is None or times.ndim != 1 or len(times) != array.shape[0] or not contents.layered[name]:
        count = "no" if times is None else len(times)
        message = f"{contents.path}: {name} has {array.shape[0]} maps and {count} dates; make the series again"
        raise StoreError(message)
    dates.require_rising(times, contents.path)
    missing, beside = (AllZero([array], contents.reference), {}) if eos else _missing(contents, array)
    source = Source(array, contents.metres_per(contents.units[name]), zero_is_missing=True, missing=missing)
    variables: dict[str, Variable] = {
        "displacement": lazy(_SERIES, LazyMaps([source], layered=True), "m", "displacement since the reference date")
    }
    for shown, found in beside.items():
        variables[shown] = lazy(
            ("component", *MAP_DIMS), LazyMaps([Source(found)], layered=False), "1", shown.replace("_", " ")
        )
    variables |= {key: value for key, value in _plain_maps(contents).items() if key != name}
    reference = time_of(contents, "REF_DATE")
    attributes = common_attributes(contents)
    attributes["reference_time"] = str(times[0] if reference is None else reference)[:19]
    coords = {"component": ["los"], "time": times}
    return map_dataset(variables, coords, contents.grid, kind=TIME_SERIES, attributes=attributes)


def _missing(contents: Contents, array: StoredArray) -> tuple[Missing, dict[str, StoredArray]]:
    """Return what tells a series of zeros from a measured one, and the maps of the inversion beside the series."""
    prefix = contents.path.name.partition("timeseries")[0]
    count = _companion(contents, f"{prefix}numInvIfgram.h5", "mask")
    coherence = _companion(contents, f"{prefix}temporalCoherence.h5", "temporalCoherence")
    beside = {"temporal_coherence": coherence, "pairs_used": count}
    missing: Missing = AllZero([array], contents.reference) if count is None else NoCount(count)
    return missing, {name: found for name, found in beside.items() if found is not None}


def _companion(contents: Contents, name: str, dataset: str) -> StoredArray | None:
    """Return a map of the file beside a series that lies on the same grid, None where there is none."""
    path: Path = contents.path.with_name(name)
    if not path.is_file():
        return None
    other = read_contents(path)
    array = other.maps.get(dataset)
    fits = array is not None and other.shape == contents.shape and other.grid == contents.grid
    return array if fits else None


def _open_motion(contents: Contents) -> xr.Dataset:
    terms = [(name, *known) for name in contents.maps if (known := term_of(name)) is not None]
    order = ("offset", "rate", "quadratic")
    terms.sort(key=lambda item: (order.index(item[1]) if item[1] in order else len(order), item[1]))
    names = [name for name, _, _ in terms]
    missing = AllZero([contents.maps[name] for name in names], contents.reference)
    values = [Source(contents.maps[name], zero_is_missing=True, missing=missing) for name in names]
    variables: dict[str, Variable] = {
        "value": lazy(
            _TERMS, LazyMaps([values], layered=False), "", "coefficient of each term, unit as in coordinate unit"
        )
    }
    spread = [f"{name}Std" for name in names]
    if all(name in contents.maps for name in spread):
        sigmas = [Source(contents.maps[name], zero_is_missing=True, missing=missing) for name in spread]
        variables["sigma"] = lazy(_TERMS, LazyMaps([sigmas], layered=False), "", "standard error")
    for variable in variables.values():
        del variable[2]["units"]
    extra = {key: item for key, item in _plain_maps(contents).items() if key not in (*names, *spread)}
    coords = {
        "component": ["los"],
        "term": [term for _, term, _ in terms],
        "unit": ("term", [unit for _, _, unit in terms]),
    }
    start = time_of(contents, "START_DATE")
    attributes = common_attributes(contents)
    if start is not None:
        attributes["reference_time"] = str(start)[:19]
    return map_dataset({**variables, **extra}, coords, contents.grid, kind=MOTION_MODEL, attributes=attributes)


def term_of(name: str) -> tuple[str, str] | None:
    """Return name and unit of the term that a dataset of a velocity file holds, None for anything else."""
    if name in _PLAIN:
        return _PLAIN[name]
    step = _STEP.fullmatch(name)
    if step is not None:
        return f"step_{step[1]}", "m"
    relaxation = _RELAXATION.fullmatch(name)
    if relaxation is not None:
        return f"{relaxation[1]}_{relaxation[2]}_{float(relaxation[3]):g}", "m"
    return None


def _open_maps(contents: Contents) -> xr.Dataset:
    coords: dict[str, Any] = {}
    if contents.when is not None:
        coords = {"time": contents.when} if contents.when.ndim == 1 else _pairs_of(contents)
    grid = contents.grid
    kind = contents.attributes.get("FILE_TYPE", "")
    found = map_dataset(_plain_maps(contents), coords, grid, kind=kind, attributes=common_attributes(contents))
    return found.assign_attrs(creepmeter_type=kind)


def _pairs_of(contents: Contents) -> dict[str, Any]:
    assert contents.when is not None  # noqa: S101 - the caller has looked
    try:
        pairs = [tuple(row) for row in contents.when]
        return pair_coords(pairs, np.ones(len(pairs), bool))
    except NetworkError as problem:
        message = f"{contents.path}, dataset 'date': {problem}"
        raise StoreError(message) from problem


def _plain_maps(contents: Contents) -> dict[str, Variable]:
    """Return all maps of a file under their names, lazily."""
    found = {}
    for name, array in contents.maps.items():
        leading: tuple[str, ...] = ()
        if contents.layered[name]:
            leading = (_axis(contents, array.shape[0]),)
        unit = "1" if array.dtype.kind == "b" else _OWN_UNITS.get(name, contents.units[name])
        source = Source(array, zero_is_missing=name in _ZERO_IS_NOTHING and array.dtype.kind == "f")
        maps = LazyMaps(source, layered=contents.layered[name])
        found[name] = lazy((*leading, *MAP_DIMS), maps, _SI.get(unit, unit), name)
    return found


def _axis(contents: Contents, size: int) -> str:
    if contents.when is None or len(contents.when) != size:
        return f"layer_{size}"
    return "time" if contents.when.ndim == 1 else "pair"
