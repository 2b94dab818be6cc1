"""What a netCDF-4 file with maps says of itself: grid, variables, attributes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from affine import Affine
from odc.geo.geobox import GeoBox

from creepmeter.errors import ImageError
from creepmeter.io.layers import dataset_in, item_in, open_hdf
from creepmeter.model.grid import Grid

_MAP_AXES = 2
_REGULAR = 1e-3  # of a step
_SYSTEMS = ("crs_wkt", "spatial_ref")
_TEXT_SIZE = 1_000_000


@dataclass(frozen=True)
class MapVariable:
    """One map of a file.

    Parameters
    ----------
    name : str
        In the file.
    shape : (int, int)
        Rows and columns.
    attributes : mapping
        Attribute -> text or number; arrays of one value are that value.
    """

    name: str
    shape: tuple[int, int]
    attributes: Mapping[str, Any]

    def number(self, name: str) -> float | None:
        """Return a finite number among the attributes, or None."""
        value = self.attributes.get(name)
        return float(value) if isinstance(value, int | float) and np.isfinite(value) else None


@dataclass(frozen=True)
class NetcdfMaps:
    """Maps of a netCDF file.

    Parameters
    ----------
    path : Path
        The file.
    grid : Grid or None
        From the coordinates x and y and the grid mapping; north up.
    south_up : bool
        The first row in the file is the southernmost.
    variables : mapping of str to MapVariable
        Maps by name.
    attributes : mapping
        Of the file, and of variables and groups without values: ``img_pair_info.date_dt``.
    """

    path: Path
    grid: Grid | None
    south_up: bool
    variables: Mapping[str, MapVariable]
    attributes: Mapping[str, Any]


def read_netcdf_maps(path: Path) -> NetcdfMaps:
    """Return grid, maps and attributes of a netCDF-4 file; no pixel is read.

    Raises
    ------
    ImageError
        The file is damaged, or no netCDF-4.
    """
    with open_hdf(path) as file:
        variables, attributes = {}, _attributes(file)
        for name in file:
            item = item_in(file, name, path)
            if isinstance(item, h5py.Dataset) and item.ndim == _MAP_AXES and item.dtype.kind in "uif":
                shape = (int(item.shape[0]), int(item.shape[1]))
                variables[name] = MapVariable(name, shape, _attributes(item))
            elif isinstance(item, h5py.Group) or (isinstance(item, h5py.Dataset) and item.size <= 1):
                attributes |= {f"{name}.{key}": value for key, value in _attributes(item).items()}
        grid, south_up = _grid(path, file, attributes)
    return NetcdfMaps(path, grid, south_up, variables, attributes)


def _attributes(item: Any) -> dict[str, Any]:  # noqa: ANN401 - h5py ships no types
    found = {}
    for key in item.attrs:
        try:
            value = item.attrs[key]
        except (OSError, TypeError, RuntimeError):
            continue
        if isinstance(value, np.ndarray) and value.size == 1:
            value = value.ravel()[0]
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, bytes):
            value = value[:_TEXT_SIZE].decode("utf-8", "replace")
        if isinstance(value, str | int | float):
            found[key] = value
    return found


def _grid(path: Path, file: h5py.File, attributes: Mapping[str, Any]) -> tuple[Grid | None, bool]:
    if "x" not in file or "y" not in file:
        return None, False
    lines = [np.asarray(dataset_in(file, name, path)[()], np.float64).ravel() for name in ("y", "x")]
    steps = []
    for name, values in zip(("y", "x"), lines, strict=True):
        step = float(values[-1] - values[0]) / (len(values) - 1) if len(values) > 1 else 0.0
        even = values[0] + step * np.arange(len(values)) if len(values) else values
        if not step or not np.isfinite(step) or np.abs(values - even).max() > _REGULAR * abs(step):
            message = f"{path}: the coordinate {name} is not regular: resample the maps first"
            raise ImageError(message)
        steps.append(step)
    up, across = steps
    north = max(lines[0][0], lines[0][-1]) + abs(up) / 2
    affine = Affine(across, 0.0, float(lines[1][0]) - across / 2, 0.0, -abs(up), float(north))
    shape = (len(lines[0]), len(lines[1]))
    return GeoBox(shape, affine, _system(attributes)), up > 0


def _system(attributes: Mapping[str, Any]) -> str | None:
    codes = [value for key, value in attributes.items() if key.endswith(".spatial_epsg")]
    if codes:
        return f"EPSG:{int(float(codes[0]))}"
    texts = [value for key, value in attributes.items() if key.rsplit(".", 1)[-1] in _SYSTEMS]
    return str(texts[0]) if texts else None


def write_netcdf_maps(
    path: Path,
    maps: Mapping[str, npt.NDArray[Any]],
    grid: Grid,
    *,
    attributes: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Write maps of one grid as netCDF-4 with coordinates x and y and a grid mapping.

    Parameters
    ----------
    path : Path
        File to make or replace.
    maps : mapping of str to array, (y, x)
        North up.
    grid : Grid
        The grid.
    attributes : mapping, optional
        Attributes of variables by name; a name without a map becomes a variable without values.
    """
    affine = grid.affine
    rows, columns = grid.shape
    with h5py.File(path, "w") as file:
        for name, centres in (
            ("y", affine.f + affine.e * (np.arange(rows) + 0.5)),
            ("x", affine.c + affine.a * (np.arange(columns) + 0.5)),
        ):
            file.create_dataset(name, data=centres).make_scale(name)
        mapping = file.create_dataset("mapping", data=np.bytes_(b""))
        if grid.crs is not None:
            mapping.attrs["crs_wkt"] = grid.crs.to_wkt()
        for name, values in maps.items():
            found = file.create_dataset(name, data=np.asarray(values), compression="gzip")
            for number, axis in enumerate(("y", "x")):
                found.dims[number].attach_scale(file[axis])
        for name, given in (attributes or {}).items():
            item = file[name] if name in file else file.create_dataset(name, data=np.bytes_(b""))
            item.attrs.update(dict(given))
