"""Maps of a product by name, read by windows: what every export starts from."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xarray as xr

from creepmeter.errors import ConfigError, GridError, InputError, SchemaError
from creepmeter.io import store
from creepmeter.io.mintpy.kinds import term_of
from creepmeter.io.mintpy.product import list_datasets
from creepmeter.model.conventions import MAP_DIMS
from creepmeter.model.grid import Grid, describe_grid, grid_of, same_grid
from creepmeter.model.horizontal import rate_term
from creepmeter.model.schema import MOTION_MODEL, TIME_SERIES, kind_of
from creepmeter.products.view import dimension_labels, main_variable

Array = npt.NDArray[np.generic]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Window = tuple[slice, slice]

_SERIES = ("timeseries", "displacement")
_SPREAD = "Std"
_PAIR_LENGTH = 2
_LISTED = 12
_MISSING = ("", "none", "no")
WHOLE = slice(None)
SPEED = "speed"
Combine = Callable[[Array, Array], Array]


@dataclass(frozen=True)
class MapLayer:
    """One map of a product.

    Parameters
    ----------
    name : str
        Variable, under MintPy's name where the product has one.
    label : str
        Date, or two of them (YYYYMMDD_YYYYMMDD); empty for a map without.
    unit : str
        Of the values, ``1`` where there is none.
    parts : tuple of DataArray
        The map, or the two that it is made from; (y, x).
    combine : callable
        Makes the map from two: by default the second minus the first.
    """

    name: str
    label: str
    unit: str
    parts: tuple[xr.DataArray, ...]
    combine: Combine = field(default=lambda first, second: np.subtract(second, first))

    @property
    def title(self) -> str:
        """Name and date."""
        return f"{self.name} {self.label}".strip()

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.parts[-1].shape
        return rows, columns

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the values."""
        return np.dtype(self.parts[-1].dtype)

    def read(self, rows: slice = WHOLE, columns: slice = WHOLE) -> Array:
        """Return a window, in the type that is stored; NaN = missing in floats."""
        found = [np.asarray(part[rows, columns].values) for part in self.parts]
        return found[0] if len(found) == 1 else np.asarray(self.combine(*found))

    def floats(self, rows: slice = WHOLE, columns: slice = WHOLE) -> Floats:
        """Return a window in double precision."""
        return np.asarray(self.read(rows, columns), np.float64)


@dataclass(frozen=True)
class MapFile:
    """The maps of a product.

    Parameters
    ----------
    path : Path
        File or store.
    dataset : Dataset
        What `creepmeter.open` made of it; nothing is read.
    arrays : mapping of str to DataArray
        Maps (y, x) and layers of maps (layer, y, x), by name.
    attributes : mapping of str to str
        Of the file, by MintPy's names; empty for other products.
    grid : Grid
        Where the pixels lie; without reference system in radar coordinates.
    """

    path: Path
    dataset: xr.Dataset
    arrays: Mapping[str, xr.DataArray]
    attributes: Mapping[str, str]
    grid: Grid

    @classmethod
    def open(cls, path: str | Path) -> MapFile:
        """Open a product; no map is read.

        Raises
        ------
        StoreError
            It is damaged, or no product.
        SchemaError
            It holds no maps.
        """
        found = Path(path)
        dataset = store.open(found)
        attributes = json.loads(str(dataset.attrs.get("mintpy", "{}")))
        arrays = _arrays(
            dataset, list(list_datasets(found)) if attributes and "HDFEOS" not in _kind(attributes) else []
        )
        if not arrays:
            message = f"{path} holds no maps: give a product with the dimensions y and x"
            raise SchemaError(message)
        return cls(found, dataset, arrays, attributes, grid_of(dataset))

    @property
    def is_geocoded(self) -> bool:
        """Whether the maps lie on a map, not in radar coordinates."""
        return self.grid.crs is not None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.grid.shape
        return rows, columns

    @property
    def main(self) -> str:
        """Name of the map that is meant when none is named."""
        kind = _kind(self.attributes)
        for name in (kind, *_SERIES, "velocity", "height" if kind == "geometry" else "", rate_name(self.dataset)):
            if name in self.arrays:
                return name
        name = main_variable(self.dataset)
        parts = (other for other in self.arrays if other.startswith(f"{name}_"))  # one map for each component
        return name if name in self.arrays else next(parts, next(iter(self.arrays)))

    def labels(self, name: str) -> list[str]:
        """Return the dates, or pairs of dates, of the layers of a map; none for a single one."""
        array = self.arrays[name]
        if array.ndim == len(MAP_DIMS):
            return []
        return dimension_labels(self.dataset, str(array.dims[0]))

    def reference(self) -> tuple[float, float] | None:
        """Return row and column of the centre of the reference pixel, in pixels from the outer corner."""
        texts = [self.attributes.get(name, "").strip() for name in ("REF_Y", "REF_X")]
        if not all(text.lstrip("-").isdecimal() for text in texts):
            return None
        row, column = (int(text) + 0.5 for text in texts)
        return (row, column) if 0 <= row < self.shape[0] and 0 <= column < self.shape[1] else None

    def layer(self, wanted: str | None = None) -> MapLayer:
        """Return one map.

        Parameters
        ----------
        wanted : str, optional
            Its name; a date or two (``20180105``, ``20180105_20180117``: the second minus the first); or both, as
            ``timeseries-20180105``. Default: the main map, of a series its last date.

        Raises
        ------
        ConfigError
            There is no such map or date.
        """
        horizontal = self._horizontal()
        if horizontal is not None and wanted in (None, "", SPEED):
            return MapLayer(SPEED, "", _unit(horizontal[0]), horizontal, np.hypot)
        name, label = self._parted(wanted)
        array, labels = self.arrays[name], self.labels(name)
        unit = _unit(array)
        if not labels:
            if label:
                message = f"{self.path}: {name} is one map, it has no date {label}"
                raise ConfigError(message)
            return MapLayer(name, "", unit, (array,))
        label = label or labels[-1]
        if label in labels:
            return MapLayer(name, label, unit, (array[labels.index(label)],))
        ends = label.split("_")
        if len(ends) != _PAIR_LENGTH or not all(end in labels for end in ends):
            message = f"{self.path}: {name} has no date {label}: it has {len(labels)} from {labels[0]} to {labels[-1]}"
            raise ConfigError(message)
        return MapLayer(name, label, unit, tuple(array[labels.index(end)] for end in ends))

    def layers(self, name: str) -> list[MapLayer]:
        """Return all maps of a name, one for each date."""
        labels = self.labels(name)
        array = self.arrays[name]
        if not labels:
            return [MapLayer(name, "", _unit(array), (array,))]
        return [MapLayer(name, label, _unit(array), (array[k],)) for k, label in enumerate(labels)]

    def _horizontal(self) -> tuple[xr.DataArray, xr.DataArray] | None:
        """Return the rates east and north of a motion model that has both."""
        if kind_of(self.dataset) != MOTION_MODEL:
            return None
        names = [f"{rate_term(self.dataset)}_{component}" for component in ("east", "north")]
        if not all(name in self.arrays for name in names):
            return None
        east, north = (self.arrays[name] for name in names)
        return east, north

    def _parted(self, wanted: str | None) -> tuple[str, str]:
        """Return name and date of what was asked for."""
        if not wanted:
            return self.main, ""
        if wanted in self.arrays:
            return wanted, ""
        if wanted[:1].isdigit():
            return self.main, wanted
        name, _, label = wanted.partition("-")
        if name in _SERIES and name not in self.arrays:
            name = next((other for other in _SERIES if other in self.arrays), name)
        if name not in self.arrays:
            listed = ", ".join(list(self.arrays)[:_LISTED])
            message = f"{self.path} has no map {wanted!r}: choose from {listed}"
            raise ConfigError(message)
        return name, label

    def require_map(self, what: str) -> None:
        """Raise `GridError` unless the maps are geocoded; `what` needs it, for the message."""
        if not self.is_geocoded:
            message = (
                f"{self.path} is in radar coordinates, {what} needs a map: geocode it first (creepmeter geocode, or "
                "the step geocode of creepmeter sbas), and give what that makes"
            )
            raise GridError(message)

    def beside(self, path: str | Path) -> MapFile:
        """Open another product that lies on the same pixels.

        Raises
        ------
        GridError
            It does not.
        """
        other = MapFile.open(path)
        fits = other.shape == self.shape and (
            not (other.is_geocoded and self.is_geocoded) or same_grid(self.grid, other.grid)
        )
        if not fits:
            message = (
                f"{path} ({describe_grid(other.grid)}) does not lie on the pixels of {self.path} "
                f"({describe_grid(self.grid)}): give one of the same grid"
            )
            raise GridError(message)
        return other

    def mask(self, path: str | Path | None) -> Mask:
        """Return which pixels count by a mask; all without one."""
        return Mask(None) if path is None else Mask(self.beside(path).layer())


@dataclass(frozen=True)
class Mask:
    """Which pixels of a map count.

    Parameters
    ----------
    layer : MapLayer or None
        Nonzero counts; None = all do.
    """

    layer: MapLayer | None

    def read(self, rows: slice, columns: slice) -> Bools | bool:
        """Return where values count, of a window."""
        if self.layer is None:
            return True
        values = self.layer.floats(rows, columns)
        return np.asarray(np.isfinite(values) & (values != 0))


def strips(shape: tuple[int, int], layers: int = 1, budget: int = 2**23) -> list[slice]:
    """Cut the rows of a map into pieces of at most `budget` bytes in double precision."""
    tall = max(budget // (8 * max(shape[1] * layers, 1)), 1)
    return [slice(top, min(top + tall, shape[0])) for top in range(0, shape[0], tall)]


def require_series(file: MapFile) -> str:
    """Return the name of the series of a product.

    Raises
    ------
    InputError
        It has none, or one for each of several components.
    """
    parts = [name for name in file.arrays if name.startswith("displacement_")]
    if len(parts) > 1:
        message = (
            f"{file.path} holds a series for each component ({', '.join(parts)}), and this format takes one along the "
            "line of sight: `creepmeter save csv -d NAME` and `creepmeter save netcdf` take them"
        )
        raise InputError(message)
    name = next((name for name in (*_SERIES, file.main) if name in file.arrays and file.labels(name)), None)
    if name is None or "time" not in file.arrays[name].dims:
        message = f"{file.path} is no displacement series (it holds {', '.join(file.arrays)}): give timeseries.h5"
        raise InputError(message)
    return name


def rate_name(dataset: xr.Dataset) -> str:
    """Return the name under which the rate of a motion model is exported, empty for other products."""
    if kind_of(dataset) != MOTION_MODEL:
        return ""
    return f"{rate_term(dataset)}_{dataset['component'].values[0]}"


def _kind(attributes: Mapping[str, str]) -> str:
    return attributes.get("FILE_TYPE", "")


def _unit(array: xr.DataArray) -> str:
    return str(array.attrs.get("units", "")) or "1"


def _arrays(dataset: xr.Dataset, stored: list[str]) -> dict[str, xr.DataArray]:
    """Return the maps of a product by name: of MintPy's files the names in the file, else variable and component."""
    kind = kind_of(dataset)
    if kind == MOTION_MODEL:
        return _of_terms(dataset, stored) | _others(dataset, ("value", "sigma"))
    if kind == TIME_SERIES and stored:
        series = dataset["displacement"].sel(component="los", drop=True)
        return {"timeseries": series} | _others(dataset, ("displacement",))
    return _others(dataset, ())


def _of_terms(dataset: xr.Dataset, stored: list[str]) -> dict[str, xr.DataArray]:
    """Return values and standard errors of a motion model, one map each."""
    names = {term_of(name)[0]: name for name in stored if term_of(name)}  # type: ignore[index]
    found = {}
    for term in [str(text) for text in dataset["term"].values]:
        unit = str(dataset["unit"].sel(term=term).item()) if "unit" in dataset.coords else "1"
        for component in [str(text) for text in dataset["component"].values]:
            name = names.get(term, f"{term}_{component}")
            for variable, ending in (("value", ""), ("sigma", _SPREAD if stored else "_sigma")):
                if variable in dataset:
                    array = dataset[variable].sel(term=term, component=component, drop=True)
                    found[f"{name}{ending}"] = array.assign_attrs(units=unit)
    return found


def _others(dataset: xr.Dataset, known: tuple[str, ...]) -> dict[str, xr.DataArray]:
    found: dict[str, xr.DataArray] = {}
    for name, array in dataset.data_vars.items():
        if str(name) in known or array.dims[-2:] != MAP_DIMS or array.dtype.kind not in "biuf":
            continue
        if "component" not in array.dims:
            found[str(name)] = array
            continue
        components = [str(text) for text in array["component"].values]
        for component in components:
            plain = str(name) if components == ["los"] else f"{name}_{component}"
            found[plain] = array.sel(component=component, drop=True)
    return {name: array for name, array in found.items() if array.ndim <= len(MAP_DIMS) + 1}
