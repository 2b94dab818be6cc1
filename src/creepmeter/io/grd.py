"""GMT's grids: netCDF-4 (HDF5) and netCDF-3 files with one map."""

from __future__ import annotations

import copy
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from scipy.io import netcdf_file

from creepmeter.errors import ImageError
from creepmeter.io.layers import dataset_in, item_in, open_hdf
from creepmeter.io.rasterfile import MAX_PIXELS, require_local

Values = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
_HDF5, _CLASSIC = b"\x89HDF", (b"CDF\x01", b"CDF\x02")
_MAP_AXES = 2
_REGULAR = 1e-3  # of a step: coordinates further apart are not regular
_PACKING = ("_FillValue", "missing_value", "scale_factor", "add_offset")
_NAMES = ("z", "Band1", "band1")


@dataclass(frozen=True)
class GrdHeader:
    """What a grid says of itself.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns.
    axes : (str, str)
        Names of the coordinates of rows and columns, such as lat and lon, or y and x.
    x, y : (float, float)
        Centre of the first column or row of the file, and the step to the next.
    variable : str
        Name of the map.
    attributes : mapping of str to str
        Of coordinates and map: ``x.units``, ``z.long_name``, ...
    """

    shape: tuple[int, int]
    axes: tuple[str, str]
    x: tuple[float, float]
    y: tuple[float, float]
    variable: str
    attributes: Mapping[str, str]

    @property
    def geographic(self) -> bool:
        """The axes are longitude and latitude, by their names or units."""
        names = " ".join([*self.axes, self.attributes.get("x.long_name", ""), self.attributes.get("x.units", "")])
        return any(word in names.lower() for word in ("lon", "degrees_east"))


@dataclass(frozen=True)
class GrdLayer:
    """The map of a GMT grid, float32; missing values are NaN.

    Parameters
    ----------
    path : Path
        Local file.
    descending : bool
        The first row read is that of the largest y (a map, north up); else that of the smallest (azimuth lines).

    Raises
    ------
    ImageError
        The file is damaged, of another format, or holds no regular map.
    """

    path: Path
    descending: bool = True
    header: GrdHeader = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "header", read_grd_header(self.path))

    def lines_upward(self) -> GrdLayer:
        """Return the same map with the row of the smallest y first."""
        turned = copy.copy(self)
        object.__setattr__(turned, "descending", False)  # the header is not read again
        return turned

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.header.shape

    @property
    def name(self) -> str:
        """The file."""
        return str(self.path)

    def read(self, rows: slice, columns: slice) -> Values:
        """Return the values of a window, (rows, columns)."""
        tall, wide = self.shape
        top, bottom, _ = rows.indices(tall)
        left, right, _ = columns.indices(wide)
        flipped = (self.header.y[1] > 0) == self.descending
        first, last = (tall - bottom, tall - top) if flipped else (top, bottom)
        with _opened(self.path) as source:
            values = source.window(self.header, slice(first, last), slice(left, right))
        return np.ascontiguousarray(values[::-1] if flipped else values)


def read_grd_header(path: Path) -> GrdHeader:
    """Return size, axes and steps of a GMT grid.

    Raises
    ------
    ImageError
        The file is damaged, of another format, or holds no regular map.
    """
    with _opened(path) as source:
        header = source.header()
    if header.shape[0] * header.shape[1] > MAX_PIXELS:
        message = f"grid {path} claims {header.shape[0]} x {header.shape[1]} px, more than {MAX_PIXELS}: cut it first"
        raise ImageError(message)
    return header


def is_grd(path: Path) -> bool:
    """Tell whether a local file starts like a netCDF file."""
    with require_local(path).open("rb") as file:
        head = file.read(4)
    return head == _HDF5 or head in _CLASSIC


@contextmanager
def _opened(path: Path) -> Iterator[_Hdf | _Classic | _Legacy]:
    found = require_local(path)
    with found.open("rb") as file:
        head = file.read(4)
    if head == _HDF5:
        with open_hdf(path) as hdf:
            yield _Hdf(path, hdf)
        return
    if head not in _CLASSIC:
        message = f"grid {path} is no netCDF file (it starts with {head!r}): convert it with `gmt grdconvert`"
        raise ImageError(message)
    try:
        with netcdf_file(str(found), "r", mmap=True) as classic:
            kind = _Legacy if "x_range" in classic.variables else _Classic
            yield kind(path, classic)
    except (OSError, ValueError, TypeError, KeyError, IndexError, struct.error) as problem:
        if isinstance(problem, ImageError):
            raise
        message = f"grid {path} cannot be read ({problem}): it is damaged or cut; get it again or leave it out"
        raise ImageError(message) from problem


class _Hdf:
    """A netCDF-4 file."""

    def __init__(self, path: Path, file: h5py.File) -> None:
        self.path, self.file = path, file

    def header(self) -> GrdHeader:
        variable = "z" if "z" in self.file else _the_map(self._maps(), self.path)
        found = dataset_in(self.file, variable, self.path)
        if found.dtype.kind not in "uif":
            message = f"grid {self.path}: {variable} holds {found.dtype}, no numbers: get the file again"
            raise ImageError(message)
        if found.ndim != _MAP_AXES:
            _the_map([], self.path)
        axes = [self._axis(found, k, ("y", "x")[k]) for k in range(_MAP_AXES)]
        scales = [dataset_in(self.file, axis, self.path) for axis in axes]
        texts = {}
        for key, scale in zip("yx", scales, strict=True):
            for name in ("units", "long_name"):
                if name in scale.attrs:
                    texts[f"{key}.{name}"] = _text(scale.attrs[name])
        centres = [np.asarray(scale[()], np.float64) for scale in scales]
        return _header(self.path, found.shape, axes, centres, variable, texts)

    def _maps(self) -> list[str]:
        items = {name: item_in(self.file, name, self.path) for name in self.file}
        return [name for name, item in items.items() if isinstance(item, h5py.Dataset) and item.ndim == _MAP_AXES]

    def _axis(self, found: h5py.Dataset, number: int, usual: str) -> str:
        """Return the name of a coordinate: attached to the map, or usual, of the right length."""
        usuals = (usual, {"y": "lat", "x": "lon"}[usual])
        attached = [] if sum(name in self.file for name in usuals) == 1 else found.dims[number].values()
        for name in (*(str(scale.name).strip("/") for scale in attached), *usuals, f"{usual}coordinates"):
            item = item_in(self.file, name, self.path)
            if isinstance(item, h5py.Dataset) and item.shape == (found.shape[number],):
                return name
        message = f"grid {self.path} has no coordinates for axis {usual} of {found.name}: write it again with GMT"
        raise ImageError(message)

    def window(self, header: GrdHeader, rows: slice, columns: slice) -> Values:
        found = dataset_in(self.file, header.variable, self.path)
        return _settled(found[rows, columns], {key: found.attrs[key] for key in _PACKING if key in found.attrs})


class _Classic:
    """A netCDF-3 file."""

    def __init__(self, path: Path, file: Any) -> None:  # noqa: ANN401 - SciPy ships no types
        self.path, self.file = path, file

    def header(self) -> GrdHeader:
        variables = self.file.variables
        variable = _the_map([name for name, item in variables.items() if len(item.shape) == _MAP_AXES], self.path)
        found = variables[variable]
        axes = [str(name) for name in found.dimensions]
        centres = [np.array(variables[axis][:], np.float64) for axis in axes]
        texts = {f"{key}.{name}": _text(getattr(variables[axis], name)) for key, axis in zip("yx", axes, strict=True)
                 for name in ("units", "long_name") if hasattr(variables[axis], name)}  # fmt: skip
        return _header(self.path, found.shape, axes, centres, variable, texts)

    def window(self, header: GrdHeader, rows: slice, columns: slice) -> Values:
        found = self.file.variables[header.variable]
        return _settled(
            np.array(found[rows, columns]), {key: getattr(found, key) for key in _PACKING if hasattr(found, key)}
        )


class _Legacy(_Classic):
    """A grid of GMT 3: one row of numbers from the upper left corner, ranges beside it."""

    def header(self) -> GrdHeader:
        variables = self.file.variables
        (west, east), (south, north) = (np.array(variables[key][:], np.float64) for key in ("x_range", "y_range"))
        columns, rows = (int(size) for size in variables["dimension"][:])
        across, up = (float(step) for step in variables["spacing"][:])
        half = 0.5 if getattr(variables["z"], "node_offset", 0) == 1 else 0.0
        del east, south
        return GrdHeader(
            (rows, columns), ("y", "x"), (float(west) + half * across, across), (float(north) - half * up, -up), "z", {}
        )

    def window(self, header: GrdHeader, rows: slice, columns: slice) -> Values:
        found = self.file.variables["z"]
        values = np.array(found[:]).reshape(header.shape)[rows, columns]
        return _settled(
            values, {key: getattr(found, key) for key in ("scale_factor", "add_offset") if hasattr(found, key)}
        )


def _the_map(names: list[str], path: Path) -> str:
    usual = [name for name in _NAMES if name in names]
    if not names or (len(names) > 1 and not usual):
        found = f"{len(names)} maps ({', '.join(names[:5])})" if names else "no map"
        message = f"grid {path} holds {found}, one named z is needed: get it again, or write it with GMT"
        raise ImageError(message)
    return usual[0] if usual else names[0]


def _header(
    path: Path, shape: tuple[int, ...], axes: list[str], centres: list[Floats], variable: str, texts: dict[str, str]
) -> GrdHeader:
    steps = []
    for axis, values in zip(axes, centres, strict=True):
        step = float(values[-1] - values[0]) / max(len(values) - 1, 1) if len(values) > 1 else 1.0
        line = values[0] + step * np.arange(len(values)) if len(values) else values
        if not np.isfinite(step) or step == 0 or not len(values) or np.abs(values - line).max() > _REGULAR * abs(step):
            message = f"grid {path}: coordinate {axis} is not regular: resample it with `gmt grdsample`"
            raise ImageError(message)
        steps.append((float(values[0]), step))
    rows, columns = shape
    return GrdHeader((int(rows), int(columns)), (axes[0], axes[1]), steps[1], steps[0], variable, texts)


def _settled(values: Values, attributes: Mapping[str, Any]) -> Values:
    """Return values unpacked, float32, missing ones NaN."""
    raw = np.asarray(values)
    result = raw.astype(np.float32)
    for key in ("_FillValue", "missing_value"):
        if key in attributes and not np.isnan(fill := np.asarray(attributes[key]).ravel()[0]):
            result[raw == fill] = np.nan
    factor, add = (np.asarray(attributes.get(key, plain)).ravel()[0] for key, plain in
                   (("scale_factor", 1.0), ("add_offset", 0.0)))  # fmt: skip
    return result * np.float32(factor) + np.float32(add) if factor != 1.0 or add != 0.0 else result


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def write_grd(
    path: Path, values: Values, x: Values, y: Values, *, axes: tuple[str, str] = ("y", "x"), classic: bool = False
) -> None:
    """Write a grid of GMT, pixel registered.

    Parameters
    ----------
    path : Path
        File to make or replace.
    values : array, (y, x)
        Written as float32; NaN is missing.
    x, y : array
        Centres of columns and rows, in the order of the values (GMT: y ascending).
    axes : (str, str)
        Names of the coordinates of rows and columns: y and x, or lat and lon.
    classic : bool
        netCDF-3 instead of netCDF-4.
    """
    units = {"lat": ("latitude", "degrees_north"), "lon": ("longitude", "degrees_east")}
    data = np.asarray(values, np.float32)
    if classic:
        with netcdf_file(str(path), "w") as file:
            file.Conventions = "CF-1.7"
            for name, centres in zip(axes, (y, x), strict=True):
                file.createDimension(name, len(centres))
                variable = file.createVariable(name, "f8", (name,))
                variable[:] = centres
                variable.long_name, variable.units = units.get(name, (name, ""))
            variable = file.createVariable("z", "f4", axes)
            variable[:] = data
            variable._FillValue = np.float32(np.nan)  # noqa: SLF001 - the name of the attribute in the file
        return
    with h5py.File(path, "w") as file:
        file.attrs.update({"Conventions": "CF-1.7", "node_offset": np.int32(1)})
        for name, centres in zip(axes, (y, x), strict=True):
            scale = file.create_dataset(name, data=np.asarray(centres, np.float64))
            scale.make_scale(name)
            scale.attrs.update(dict(zip(("long_name", "units"), units.get(name, (name, "")), strict=True)))
        map_ = file.create_dataset("z", data=data, fillvalue=np.nan)
        map_.attrs["_FillValue"] = np.float32(np.nan)
        for number, name in enumerate(axes):
            map_.dims[number].attach_scale(file[name])
