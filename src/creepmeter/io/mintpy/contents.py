"""What lies in a file of MintPy's layout, and what the data model makes of its attributes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr
from xarray.core import indexing

from creepmeter.errors import StoreError
from creepmeter.io.mintpy import dates, hdf, layout, sidecar
from creepmeter.io.mintpy.array import StoredArray
from creepmeter.io.mintpy.grid import grid_from, number_of
from creepmeter.io.mintpy.lazy import LazyMaps
from creepmeter.kernels.phase_weights import LOOKS_RATIO
from creepmeter.model.epoch import Epochs
from creepmeter.model.grid import Grid, pixel_grid

MAP_RANK, STACK_RANK = 2, 3
_DAY_S = 86_400
_TABLES = ("date", "bperp", "dropIfgram")
Variable = tuple[tuple[str, ...], Any, dict[str, Any]]


@dataclass(frozen=True)
class Contents:
    """What a file holds.

    Parameters
    ----------
    path : Path
        The file.
    attributes : mapping of str to str
        Of the file.
    maps : mapping of str to StoredArray
        Datasets of maps, by name.
    units : mapping of str to str
        UNIT of each map.
    layered : mapping of str to bool
        The map has several layers (three dimensions).
    when : array or None
        The dataset ``date``, as times.
    """

    path: Path
    attributes: Mapping[str, str]
    maps: Mapping[str, StoredArray]
    units: Mapping[str, str]
    layered: Mapping[str, bool]
    when: Epochs | None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = next(iter(self.maps.values())).shape[1:]
        return rows, columns

    @property
    def grid(self) -> Grid:
        """Grid of the file; that of its pixels in radar coordinates."""
        return grid_from(self.attributes, self.shape, self.path) or pixel_grid(self.shape)

    @property
    def reference(self) -> tuple[int, int] | None:
        """Row and column of the reference pixel."""
        row, column = (number_of(self.attributes, name, self.path) for name in ("REF_Y", "REF_X"))
        return None if row is None or column is None else (int(row), int(column))

    def metres_per(self, unit: str) -> float:
        """Return metres per unit of displacement; phase by the wavelength.

        Raises
        ------
        StoreError
            The unit is not one of length or phase, or the wavelength is not known.
        """
        known = {"m": 1.0, "cm": 1e-2, "mm": 1e-3, "meter": 1.0, "meters": 1.0}
        if unit in known:
            return known[unit]
        wavelength = number_of(self.attributes, "WAVELENGTH", self.path)
        if unit not in ("radian", "rad", "radians") or wavelength is None or not wavelength > 0:
            message = (
                f"{self.path}: displacement in {unit!r} with WAVELENGTH {wavelength} cannot be turned into metres; "
                "correct UNIT or WAVELENGTH"
            )
            raise StoreError(message)
        return -wavelength / (4 * np.pi)


def read_contents(path: Path) -> Contents:
    """Look at a file; no map is read.

    Raises
    ------
    StoreError
        It is damaged, holds no maps, or its parts do not fit together.
    """
    with hdf.reading(path) as file:
        attributes = hdf.text_attributes(file)
        base = sidecar.overlay_of(attributes)
        if base is not None:
            message = f"{path} holds edits of {base}: open {base}, which takes them up by itself"
            raise StoreError(message)
        items = _maps_of(file, attributes)
        maps = {name: StoredArray.of(path, item) for name, item in items.items()}
        units = {name: hdf.text_attributes(item).get("UNIT", "") for name, item in items.items()}
        layered = {name: item.ndim == STACK_RANK for name, item in items.items()}
        root = _root(file, attributes)
        when = dates.read_dates(hdf.values_of(path, root["date"]), path) if "date" in root else None
    _require_one_shape(path, maps)
    whole = {name: unit or attributes.get("UNIT", "1") for name, unit in units.items()}
    return Contents(path, attributes, maps, whole, layered, None if when is None else _at(when, attributes, path))


def _root(file: h5py.File, attributes: Mapping[str, str]) -> dict[str, h5py.Dataset]:
    """Return the datasets of a file, wherever they lie, by the last part of their names."""
    if attributes.get("FILE_TYPE") != "HDFEOS":
        return hdf.datasets_of(file)
    found: dict[str, h5py.Dataset] = {}

    def visit(name: str, item: h5py.HLObject) -> None:
        if isinstance(item, h5py.Dataset):
            found[name.rpartition("/")[2]] = item

    file.visititems(visit)
    return found


def _maps_of(file: h5py.File, attributes: Mapping[str, str]) -> dict[str, h5py.Dataset]:
    ours = layout.is_ours(file)
    return {
        name: item
        for name, item in _root(file, attributes).items()
        if item.ndim in (MAP_RANK, STACK_RANK)
        and item.dtype.kind in "biufc"
        and (name not in _TABLES or item.ndim == STACK_RANK)
        and not name.endswith(".partial")
        and not (ours and name in layout.COORDINATES)
    }


def _require_one_shape(path: Path, maps: Mapping[str, StoredArray]) -> None:
    if not maps:
        message = f"{path} holds no maps: make it again"
        raise StoreError(message)
    shapes = {name: array.shape[1:] for name, array in maps.items()}
    if len(set(shapes.values())) > 1:
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        message = f"{path}: its datasets differ in rows and columns ({listed}); make it again"
        raise StoreError(message)


def _at(days: Epochs, attributes: Mapping[str, str], where: object) -> Epochs:
    """Return times of acquisition: dates, with the time of day of the centre of the scene where they have none."""
    clock = number_of(attributes, "CENTER_LINE_UTC", where)
    if clock is None or not 0 <= clock < _DAY_S:
        return days
    whole = days == days.astype("datetime64[D]")
    later: Epochs = np.where(whole, days + np.timedelta64(round(clock * 1e9), "ns"), days)
    return later


def time_of(contents: Contents, name: str) -> np.datetime64 | None:
    """Return the time of acquisition that an attribute such as REF_DATE names, None where it is not given."""
    text = contents.attributes.get(name, "").strip()
    if not text or text.lower() == "none":
        return None
    day = np.array([dates.read_date(text, f"{contents.path}, attribute {name}")], dtype="datetime64[ns]")
    moment: np.datetime64 = _at(day, contents.attributes, contents.path)[0]
    return moment


def common_attributes(contents: Contents) -> dict[str, Any]:
    """Return attributes of the data model that follow from those of the file."""
    found: dict[str, Any] = {}
    wavelength = number_of(contents.attributes, "WAVELENGTH", contents.path)
    if wavelength is not None and wavelength > 0:
        found["wavelength_m"] = wavelength
    looks = looks_of(contents)
    if looks is not None:
        found["looks"] = looks
    if contents.reference is not None:
        found["reference_pixel"] = list(contents.reference)
    own = (layout.PROVENANCE, layout.VERSION)
    carried = {key: value for key, value in contents.attributes.items() if key not in own}
    found["mintpy"] = json.dumps(carried, sort_keys=True, ensure_ascii=False)
    if layout.PROVENANCE in contents.attributes:
        found["provenance"] = contents.attributes[layout.PROVENANCE]
    return found


def looks_of(contents: Contents) -> float | None:
    """Return the number of independent looks: NCORRLOOKS, else azimuth by range looks over 1.94."""
    given = number_of(contents.attributes, "NCORRLOOKS", contents.path)
    if given is not None:
        return given
    azimuth, range_ = (number_of(contents.attributes, name, contents.path) for name in ("ALOOKS", "RLOOKS"))
    return None if azimuth is None or range_ is None else azimuth * range_ / LOOKS_RATIO


def lazy(dims: tuple[str, ...], array: LazyMaps, unit: str, meaning: str, **more: Any) -> Variable:  # noqa: ANN401
    """Return a variable that is read when it is asked for."""
    return dims, indexing.LazilyIndexedArray(array), {"units": unit, "long_name": meaning, **more}


Opener = Callable[[Contents], xr.Dataset]
