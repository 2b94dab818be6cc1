"""ARIA's Sentinel-1 GUNW products (netCDF-4): what a product says of itself, its maps, and its cubes of geometry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from affine import Affine
from odc.geo.geobox import GeoBox

from creepmeter.errors import ImageError
from creepmeter.io.hdf_chunks import PackedLayer
from creepmeter.io.layers import dataset_in, item_in, open_hdf
from creepmeter.io.rasterfile import MAX_PIXELS
from creepmeter.model.grid import Grid

Floats = npt.NDArray[np.float64]
DATA, GEOMETRY, RADAR = "science/grids/data", "science/grids/imagingGeometry", "science/radarMetaData"
_EVEN_PX = 0.02  # a coordinate may leave an even grid by this share of a pixel
_MAX_CUBE = 50_000_000
_CUBE_AXES = ("heightsMeta", "latitudeMeta", "longitudeMeta")
_FLAT, _CUBE = 2, 3


@dataclass(frozen=True)
class GunwHeader:
    """What a product says of itself before any pixel is read.

    Parameters
    ----------
    path : Path
        The file.
    grid : Grid
        Degrees, north up.
    flipped : bool
        The file counts rows from the south.
    fills : mapping of str to float or None
        Maps on the grid, such as ``unwrappedPhase``, and their fill values.
    cubes : frozenset of str
        Cubes of the imaging geometry, such as ``incidenceAngle``.
    wavelength_m : float or None
        Radar wavelength.
    orbit_direction : str or None
        As written.
    slant_range_m : float or None
        To the near edge.
    range_spacing_m : float or None
        Slant range of one pixel before looks.
    times : tuple of str
        First and last zero-Doppler time, where they are told.
    granules : tuple of str
        Names of the input images, of the reference before those of the secondary.
    """

    path: Path
    grid: Grid
    flipped: bool
    fills: Mapping[str, float | None]
    cubes: frozenset[str]
    wavelength_m: float | None
    orbit_direction: str | None
    slant_range_m: float | None
    range_spacing_m: float | None
    times: tuple[str, ...]
    granules: tuple[str, ...]

    def layer(self, name: str) -> PackedLayer:
        """Return a map, rows from the north."""
        return PackedLayer(self.path, f"{DATA}/{name}", self.flipped)


@dataclass(frozen=True)
class Cube:
    """Values on a coarse lattice of heights, latitudes and longitudes, all axes rising.

    Parameters
    ----------
    heights, latitude, longitude : array
        Metres and degrees.
    values : array, (height, latitude, longitude)
        NaN = not known.
    """

    heights: Floats
    latitude: Floats
    longitude: Floats
    values: Floats


def read_gunw(path: Path) -> GunwHeader:
    """Return what a product says of itself.

    Raises
    ------
    ImageError
        The file is damaged, or is no GUNW product.
    """
    with open_hdf(path) as file:
        latitude, longitude = (_axis(file, f"{DATA}/{name}", path) for name in ("latitude", "longitude"))
        shape = (latitude.size, longitude.size)
        if shape[0] * shape[1] > MAX_PIXELS:
            message = f"{path} claims {shape[0]} x {shape[1]} px, more than {MAX_PIXELS}"
            raise ImageError(message)
        south_up = bool(latitude[-1] > latitude[0])
        down = (float(latitude[0] - latitude[-1]) / (shape[0] - 1)) * (-1 if south_up else 1)
        across = float(longitude[-1] - longitude[0]) / (shape[1] - 1)
        corner = float(longitude[0]) - across / 2, float(latitude.max()) + down / 2
        return GunwHeader(
            path=path,
            grid=GeoBox(shape, Affine(across, 0.0, corner[0], 0.0, -down, corner[1]), "EPSG:4326"),
            flipped=south_up,
            fills={name: _fill(item) for name, item in _inside(file, DATA, _FLAT, path) if item.shape == shape},
            cubes=frozenset(name for name, _ in _inside(file, GEOMETRY, _CUBE, path)),
            wavelength_m=_number(file, "wavelength", path),
            orbit_direction=_text(file, f"{RADAR}/orbitDirection", path),
            slant_range_m=_number(file, "slantRangeStart", path),
            range_spacing_m=_number(file, "slantRangeSpacing", path),
            times=tuple(
                text
                for name in ("azimuthZeroDopplerStartTime", "azimuthZeroDopplerEndTime")
                if (text := _text(file, f"{RADAR}/{name}", path))
            ),
            granules=tuple(
                text
                for role in ("reference", "secondary")
                if (text := _text(file, f"{RADAR}/inputSLC/{role}/L1InputGranules", path))
            ),
        )


def read_cube(path: Path, name: str) -> Cube:
    """Return a cube of the imaging geometry.

    Raises
    ------
    ImageError
        There is none of this name, or it does not fit its axes.
    """
    with open_hdf(path) as file:
        axes = [np.asarray(dataset_in(file, f"{GEOMETRY}/{axis}", path)[()], np.float64) for axis in _CUBE_AXES]
        source = dataset_in(file, f"{GEOMETRY}/{name}", path)
        if source.shape != tuple(axis.size for axis in axes) or not 0 < int(np.prod(source.shape)) <= _MAX_CUBE:
            sizes = " x ".join(str(axis.size) for axis in axes)
            message = f"{path}: {GEOMETRY}/{name} has shape {source.shape}, its axes have {sizes}: get the file again"
            raise ImageError(message)
        values, fill = np.asarray(source[()], np.float64), _fill(source)
    if fill is not None:
        values[values == fill] = np.nan
    for number, axis in enumerate(axes):
        falling = axis.size > 1 and axis[0] > axis[-1]
        if falling:
            axes[number], values = axis[::-1], np.flip(values, number)
        if not np.isfinite(axis).all() or (np.diff(-axis if falling else axis) <= 0).any():
            message = f"{path}: {GEOMETRY}/{_CUBE_AXES[number]} is not in order: get the file again"
            raise ImageError(message)
    return Cube(axes[0], axes[1], axes[2], values)


def write_gunw(path: Path, values: Mapping[str, Any], fills: Mapping[str, float]) -> Path:
    """Write datasets as a netCDF-4 product keeps them: maps and cubes in packed chunks, single numbers, texts.

    Parameters
    ----------
    path : Path
        File to make; one that is there is replaced.
    values : mapping of str to array, number or str
        By name with its groups.
    fills : mapping of str to float
        Fill values by the last part of the name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, value in values.items():
            if isinstance(value, str):
                file.create_dataset(name, data=np.array([value], dtype=object), dtype=h5py.string_dtype())
                continue
            array = np.asarray(value)
            settings: dict[str, Any] = {}
            if array.ndim >= _FLAT:
                chunks = tuple(max((size + 1) // 2, 1) for size in array.shape)
                settings = {"chunks": chunks, "compression": "gzip", "compression_opts": 4, "shuffle": True}
            item = file.create_dataset(name, data=array, **settings)
            fill = fills.get(name.rsplit("/", 1)[-1])
            if fill is not None:
                item.attrs["_FillValue"] = array.dtype.type(fill)
    return path


def _axis(file: h5py.File, name: str, path: Path) -> Floats:
    """Return a coordinate that is even."""
    values = np.asarray(dataset_in(file, name, path)[()], np.float64)
    even = values.ndim == 1 and values.size > 1 and bool(np.isfinite(values).all())
    if even:
        step = (values[-1] - values[0]) / (values.size - 1)
        off = np.abs(values - (values[0] + step * np.arange(values.size))).max()
        even = step != 0 and off <= _EVEN_PX * abs(step)
    if not even:
        message = f"{path}: {name} is no even coordinate: get the product again"
        raise ImageError(message)
    return values


def _inside(file: h5py.File, group: str, axes: int, path: Path) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yield the numeric datasets of a group that have so many axes; one that lies in another file is refused."""
    found = item_in(file, group, path)
    if not isinstance(found, h5py.Group):
        return
    for name in found:
        item = item_in(file, f"{group}/{name}", path)
        if isinstance(item, h5py.Dataset) and item.ndim == axes and item.dtype.kind in "uif":
            yield str(name), item


def _fill(item: h5py.Dataset) -> float | None:
    value = item.attrs.get("_FillValue")
    return None if value is None else float(np.asarray(value).ravel()[0])


def _found(file: h5py.File, name: str, path: Path) -> Any:  # noqa: ANN401 - a value of any type
    item = item_in(file, name, path)
    try:
        return item[()] if isinstance(item, h5py.Dataset) and item.size is not None and item.size < _MAX_CUBE else None
    except (OSError, RuntimeError, KeyError):
        return None


def _number(file: h5py.File, name: str, path: Path) -> float | None:
    value = _found(file, f"{RADAR}/{name}", path)
    if value is None or np.asarray(value).dtype.kind not in "uif" or np.asarray(value).size == 0:
        return None
    number = float(np.asarray(value).ravel()[0])
    return number if np.isfinite(number) else None


def _text(file: h5py.File, name: str, path: Path) -> str | None:
    value = _found(file, name, path)
    if value is None:
        return None
    parts = [part.decode("utf-8", errors="replace") if isinstance(part, bytes) else str(part) for part in _flat(value)]
    return " ".join(parts).strip() or None


def _flat(value: Any) -> list[Any]:  # noqa: ANN401 - a value of any type
    found = np.asarray(value, dtype=object) if not isinstance(value, np.ndarray) else value
    if found.dtype.kind == "S" and found.dtype.itemsize == 1:
        return [b"".join(found.ravel().tolist())]
    return list(found.ravel())
