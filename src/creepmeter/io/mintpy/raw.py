"""Files of MintPy as they are: datasets under MintPy's names and in MintPy's units, for those who look at them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import xarray as xr

from creepmeter.io.mintpy import hdf
from creepmeter.io.mintpy.array import StoredArray
from creepmeter.io.mintpy.contents import lazy
from creepmeter.io.mintpy.dates import read_pairs, read_series_dates
from creepmeter.io.mintpy.grid import grid_from
from creepmeter.io.mintpy.lazy import LazyMaps, Source
from creepmeter.io.mintpy.sidecar import sidecar_of
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.model.grid import grid_coords, pixel_grid
from creepmeter.model.schema import pair_coords

_MAP, _STACK = 2, 3
_UNITS = {
    "height": "m",
    "incidenceAngle": "degree",
    "azimuthAngle": "degree",
    "slantRangeDistance": "m",
    "latitude": "degree",
    "longitude": "degree",
    "coherence": "1",
    "connectComponent": "1",
    "magnitude": "1",
}
_ZERO_IS_EMPTY = ("unwrapPhase", "wrapPhase", "velocity", "temporalCoherence", "coherence", "dem")


def open_raw(path: Path) -> xr.Dataset:
    """Open a file of MintPy lazily, its maps as variables along ``pair`` or ``time``, y and x.

    Zero in phase, velocity and coherence, which MintPy writes where nothing was measured, becomes NaN.

    Raises
    ------
    StoreError
        The file is damaged, or has no maps.
    """
    with hdf.reading(path) as file:
        attributes = hdf.text_attributes(file)
        items = hdf.datasets_of(file)
        dates = hdf.values_of(path, items["date"]) if "date" in items else None
        maps = [(name, item) for name, item in items.items() if item.ndim in (_MAP, _STACK) and name != "date"]
        found = {name: _variable(path, name, item, attributes, dates) for name, item in maps if _is_map(item)}
        keep = hdf.values_of(path, items["dropIfgram"]) if "dropIfgram" in items else None
    if sidecar_of(path).exists():  # edits of a stack that another program wrote lie beside it
        edited = StackFile.open(path)
        attributes, keep = dict(edited.attributes), edited.keep
        for name in edited.names:
            found[name] = _lazy(edited.stored(name), name, ("pair",), _known_unit(name) or attributes.get("UNIT", "1"))
    shape = next((tuple(variable.shape[-2:]) for variable in found.values()), (1, 1))
    grid = grid_from(attributes, (shape[0], shape[1]), path) or pixel_grid((shape[0], shape[1]))
    coords: dict[str, Any] = {**grid_coords(grid), **_along(path, dates, keep)}
    extra = {"cycle_m": float(attributes["WAVELENGTH"]) / 2} if "WAVELENGTH" in attributes else {}
    return xr.Dataset(found, coords=coords, attrs={**attributes, **extra})


def _is_map(item: h5py.Dataset) -> bool:
    return bool(item.dtype.kind in "biuf" and min(item.shape[-2:]) > 1)


def _along(path: Path, dates: npt.NDArray[Any] | None, keep: npt.NDArray[Any] | None) -> dict[str, Any]:
    if dates is None:
        return {}
    if dates.ndim == 1:
        return {"time": read_series_dates(dates, path)}
    pairs = read_pairs(dates, path)
    return pair_coords(pairs, np.ones(len(pairs), bool) if keep is None else keep.astype(bool))


def _variable(
    path: Path, name: str, item: h5py.Dataset, attributes: dict[str, str], dates: npt.NDArray[Any] | None
) -> xr.Variable:
    along: tuple[str, ...]
    along = () if item.ndim == _MAP else ("layer" if dates is None else ("time" if dates.ndim == 1 else "pair"),)
    unit = (
        "1"
        if item.dtype.kind == "b"
        else _known_unit(name) or hdf.text_attributes(item).get("UNIT") or attributes.get("UNIT", "1")
    )
    return _lazy(StoredArray.of(path, item), name, along, unit)


def _known_unit(name: str) -> str:
    return "radian" if name.startswith(("unwrapPhase", "wrapPhase")) else _UNITS.get(name, "")


def _lazy(stored: StoredArray, name: str, along: tuple[str, ...], unit: str) -> xr.Variable:
    empty = name.startswith(_ZERO_IS_EMPTY) and stored.dtype.kind == "f"
    array = LazyMaps(Source(stored, zero_is_missing=empty), layered=bool(along))
    return xr.Variable(*lazy((*along, "y", "x"), array, unit, name))
