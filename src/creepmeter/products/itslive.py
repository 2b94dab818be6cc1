"""Image pairs as netCDF files in the layout of ITS_LIVE: velocities in metres per year on a map."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from pyproj import CRS, Transformer

from creepmeter.errors import GridError, InputError, SchemaError
from creepmeter.io.provenance import provenance_of
from creepmeter.model.conventions import CONVENTIONS, MAP_DIMS, SPATIAL_REF
from creepmeter.model.epoch import Epoch, epochs_in_name
from creepmeter.model.grid import Grid, grid_coords, grid_of, map_position, metres_per_pixel
from creepmeter.model.horizontal import error_along
from creepmeter.model.pair import Pair
from creepmeter.model.schema import PAIR_STACK, check
from creepmeter.products.view import dimension_labels
from creepmeter.products.whole import whole_file

DAYS_PER_YEAR = 365.0  # in which ITS_LIVE counts velocities
FILL = -32767
_COMPONENTS = (("vx", "east"), ("vy", "north"))
_MAPPING, _INFO = "mapping", "img_pair_info"
_DEFLATE = 2
_SENTINEL = re.compile(r"(?P<mission>S)(?P<satellite>[12][A-D])_")
_LANDSAT = re.compile(r"(?P<mission>L)(?P<sensor>[A-Z])0(?P<satellite>\d)_")
_SHIFT_FLAGS = "flag for applying velocity bias correction: 0 = no correction; 1 = correction from stable surface"
Maps = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class _PairMaps:
    """One pair in metres per year, and what is known of it."""

    pair: Pair
    velocity: Maps  # vx, vy, v, v_error
    attributes: Mapping[str, Mapping[str, Any]]  # of vx and vy


def save_itslive(
    stack: xr.Dataset, folder: str | Path, *, integer: bool = False, scenes: Iterable[str | Path] = ()
) -> list[Path]:
    """Write each pair of a stack of image offsets as a netCDF file in the layout of ITS_LIVE, each whole or not at all.

    Parameters
    ----------
    stack : Dataset
        PairStack with the components east and north on a metric map grid.
    folder : path
        Made if absent.
    integer : bool
        Velocities as whole metres per year in int16, as ITS_LIVE has them, instead of float32.
    scenes : iterable of str or Path
        Names of the images. Default: those that the stack was tracked from, where it knows them.

    Returns
    -------
    list of Path
        ``ID1_X_ID2_G####V02_P###.nc`` (scenes, metres of the grid, percentage of pixels with a value) where the names
        of both scenes are those of Sentinel or Landsat, else ``REF_SEC.nc``.

    Raises
    ------
    SchemaError
        This is no PairStack of east and north.
    GridError
        The grid has no reference system, or one in degrees.
    InputError
        A velocity does not fit int16.
    StoreError
        The disk is full or not writable.

    Notes
    -----
    Variables are ``vx``, ``vy``, ``v`` (m per year of 365 days along the axes of the map), ``v_error`` (along the
    motion) where the stack has sigma, ``interp_mask`` (all measured), ``chip_size_width`` and ``chip_size_height`` (m)
    where the chip is known, ``mapping`` and ``img_pair_info``. The attribute ``error`` of vx and vy is the root mean
    square of sigma; ``stable_shift`` is what `stable` subtracted, at the centre of the grid.
    """
    check(stack, PAIR_STACK)
    grid = _map_grid(stack)
    target = Path(folder)
    names = [Path(name).name for name in scenes] or _tracked_images(stack)
    written = []
    for index, label in enumerate(dimension_labels(stack, "pair")):
        one = _velocity(stack.isel(pair=index))
        identities = tuple(_scene(epoch, names) for epoch in (one.pair.ref, one.pair.sec))
        valid = 100.0 * float(np.isfinite(one.velocity["v"]).mean())
        dataset = _dataset(one, stack, grid, integer=integer, label=label)
        dataset[_INFO].attrs.update(_pair_info(one.pair, identities, grid, valid))
        dataset[_INFO].attrs["used"] = "yes" if bool(stack["used"].values[index]) else "no"
        path = target / _file_name(identities, label, grid, valid)
        with whole_file(path) as partial:
            dataset.to_netcdf(partial, engine="h5netcdf", encoding=_encoding(dataset))
        written.append(path)
    return written


def _tracked_images(stack: xr.Dataset) -> list[str]:
    """Return the names of the images; a stack of loaded maps knows the names of the maps only."""
    return list(provenance_of(stack).get("inputs", {})) if "chip_px" in stack.attrs else []


def _map_grid(stack: xr.Dataset) -> Grid:
    components = [str(name) for name in stack["component"].values]
    if not {"east", "north"} <= set(components):
        message = (
            f"ITS_LIVE holds velocities east and north, this stack has {', '.join(components)}: give image offsets"
        )
        raise SchemaError(message)
    grid = grid_of(stack)
    if grid.crs is None:
        message = "the stack has no reference system, which ITS_LIVE needs: track images that lie on a map"
        raise GridError(message)
    metres_per_pixel(grid)  # refuses degrees
    return grid


def _velocity(pair: xr.Dataset) -> _PairMaps:
    ends = Pair.of(*(pair[name].values.ravel()[0] for name in ("ref_time", "sec_time")))
    per_year = DAYS_PER_YEAR / ends.days

    def yearly(name: str) -> list[npt.NDArray[np.float64]]:
        maps = (pair[name].sel(component=component).values for _, component in _COMPONENTS)
        return [np.asarray(values, np.float64) * per_year for values in maps]

    east, north = yearly("displacement")
    maps = {"vx": east, "vy": north, "v": np.hypot(east, north)}
    sigmas = yearly("sigma") if "sigma" in pair else []
    if sigmas:
        maps["v_error"] = error_along(east, north, *sigmas)
    attributes = {}
    for number, (name, component) in enumerate(_COMPONENTS):
        attributes[name] = _stable_attributes(pair, component, per_year)
        if sigmas and np.isfinite(sigmas[number]).any():
            attributes[name]["error"] = float(np.sqrt(np.nanmean(sigmas[number] ** 2)))
            attributes[name]["error_description"] = "root mean square of the standard errors of all values"
    return _PairMaps(ends, maps, attributes)


def _stable_attributes(pair: xr.Dataset, component: str, per_year: float) -> dict[str, Any]:
    """Return what is known of the correction by stable ground, in metres per year."""
    if "shift" not in pair:
        return {"stable_shift": 0.0, "stable_shift_flag": 0, "stable_shift_flag_description": _SHIFT_FLAGS}
    count = int(pair["stable_count"].item()) if "stable_count" in pair else 0
    shift = float(pair["shift"].sel(component=component).item()) * per_year
    found: dict[str, Any] = {
        "stable_shift": shift,
        "stable_shift_flag": int(shift != 0.0),
        "stable_shift_flag_description": _SHIFT_FLAGS,
        "stable_shift_stationary": shift,
        "stable_count_stationary": count,
    }
    if "pair_sigma" in pair:
        found["error_stationary"] = float(pair["pair_sigma"].sel(component=component).item()) * per_year
        found["error_stationary_description"] = "robust spread (NMAD) over stable surfaces after the correction"
    return found


def _dataset(one: _PairMaps, stack: xr.Dataset, grid: Grid, *, integer: bool, label: str) -> xr.Dataset:
    coords = grid_coords(grid)
    variables: dict[str, xr.Variable] = {
        _MAPPING: xr.Variable((), "", _mapping(grid, coords.pop(SPATIAL_REF).attrs)),
        _INFO: xr.Variable((), "", {"standard_name": "image_pair_information"}),
    }
    for name, values in one.velocity.items():
        stored = _whole_numbers(values, f"{name} of pair {label}") if integer else values.astype(np.float32)
        attributes = {**_VELOCITIES[name], "units": "meter/year", **one.attributes.get(name, {})}
        variables[name] = xr.Variable(MAP_DIMS, stored, attributes)
    variables |= _chip_sizes(stack, grid, np.isfinite(one.velocity["v"]))
    measured = np.zeros(one.velocity["v"].shape, np.uint8)
    variables["interp_mask"] = xr.Variable(MAP_DIMS, measured, dict(_INTERPOLATED))
    for variable in variables.values():
        if variable.dims == MAP_DIMS:
            variable.attrs["grid_mapping"] = _MAPPING
    return xr.Dataset(variables, coords, _FILE | {"date_created": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"})


_VELOCITIES = {
    "vx": {
        "standard_name": "land_ice_surface_x_velocity",
        "description": "velocity component in x direction",
    },
    "vy": {
        "standard_name": "land_ice_surface_y_velocity",
        "description": "velocity component in y direction",
    },
    "v": {"standard_name": "land_ice_surface_velocity", "description": "velocity magnitude"},
    "v_error": {"standard_name": "velocity_error", "description": "velocity magnitude error"},
}
_INTERPOLATED = {
    "standard_name": "interpolated_value_mask",
    "description": "true where values have been interpolated",
    "flag_values": np.array([0, 1], np.uint8),
    "flag_meanings": "measured interpolated",
}
_FILE = {
    "Conventions": CONVENTIONS,
    "title": "creepmeter surface velocities",
    "source": f"creepmeter {version('creepmeter')}",
    "scene_pair_type": "optical",
    "motion_detection_method": "feature",
    "motion_coordinates": "map",
}


def _whole_numbers(values: npt.NDArray[np.float64], name: str) -> npt.NDArray[np.int16]:
    largest = float(np.nanmax(np.abs(values), initial=0.0))
    if np.rint(largest) >= -FILL:
        message = (
            f"{name} reaches {largest:.6g} m per year, more than 16 bits hold: leave out --integer, or mask what is "
            "wrong in the stack"
        )
        raise InputError(message)
    return np.where(np.isfinite(values), np.rint(np.nan_to_num(values)), FILL).astype(np.int16)


def _chip_sizes(stack: xr.Dataset, grid: Grid, valid: npt.NDArray[np.bool_]) -> dict[str, xr.Variable]:
    """Return width and height of the chips, metres, where the stack tells its chip and its step in pixels."""
    chip, step = stack.attrs.get("chip_px"), stack.attrs.get("step_px")
    if not chip or not step:
        return {}
    found = {}
    for name, axis, number in (("width", "x", 0), ("height", "y", 1)):
        pixel = float(np.hypot(*metres_per_pixel(grid)[:, number])) / float(step)
        size = round(pixel * float(chip))
        if not 0 < size <= np.iinfo(np.uint16).max:
            message = f"a chip of {size} m does not fit the variable chip_size_{name} (1 to 65535 m)"
            raise InputError(message)
        attributes = {
            "standard_name": f"chip_size_{name}",
            "description": f"{name} of search template (chip)",
            "units": "m",
            f"{axis}_pixel_size": pixel,
            "chip_size_coordinates": "image projection geometry: width = x, height = y",
        }
        found[f"chip_size_{name}"] = xr.Variable(MAP_DIMS, np.where(valid, size, 0).astype(np.uint16), attributes)
    return found


def _mapping(grid: Grid, attributes: Mapping[str, Any]) -> dict[str, Any]:
    system = CRS.from_user_input(str(grid.crs))
    found = {**attributes, "spatial_ref": attributes["crs_wkt"]}
    code = system.to_epsg()
    return found if code is None else found | {"spatial_epsg": code}


def _pair_info(pair: Pair, identities: Sequence[_Identity], grid: Grid, valid: float) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, (epoch, identity) in enumerate(zip((pair.ref, pair.sec), identities, strict=True), start=1):
        found[f"id_img{number}"] = identity.name or _moment(epoch)
        found[f"acquisition_date_img{number}"] = _moment(epoch)
        found[f"time_standard_img{number}"] = "UTC"
        found |= {f"{key}_img{number}": value for key, value in identity.parts.items()}
    x, y = map_position(grid, grid.shape[1] / 2, grid.shape[0] / 2)
    longitude, latitude = Transformer.from_crs(str(grid.crs), "EPSG:4326", always_xy=True).transform(float(x), float(y))
    return found | {
        "date_center": _moment(pair.ref + (pair.sec - pair.ref) // 2),
        "date_dt": pair.days,
        "latitude": round(latitude, 2),
        "longitude": round(longitude, 2),
        "roi_valid_percentage": round(valid, 1),
    }


@dataclass(frozen=True)
class _Identity:
    """Name of a scene, without ending, and what it says; empty where it is none of a known satellite."""

    name: str
    parts: Mapping[str, str]


def _scene(epoch: Epoch, names: Iterable[str]) -> _Identity:
    """Return the scene of a date, unless there is none, or more than one."""
    day = epoch.astype("datetime64[D]")
    found = {}
    for stem in (name.split(".")[0] for name in names):
        kind, dates = _SENTINEL.match(stem) or _LANDSAT.match(stem), epochs_in_name(stem)
        if kind and dates and dates[0].astype("datetime64[D]") == day:
            found[stem] = _Identity(stem, kind.groupdict())
    return found.popitem()[1] if len(found) == 1 else _Identity("", {})


def _file_name(identities: Sequence[_Identity], label: str, grid: Grid, valid: float) -> str:
    if not all(identity.name for identity in identities):
        return f"{label}.nc"
    step = round(float(np.hypot(*metres_per_pixel(grid)[:, 0])))
    first, second = (identity.name for identity in identities)
    return f"{first}_X_{second}_G{step:04d}V02_P{int(valid):03d}.nc"


def _encoding(dataset: xr.Dataset) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, variable in dataset.data_vars.items():
        if variable.dims == MAP_DIMS:
            found[str(name)] = {"zlib": True, "complevel": _DEFLATE, "shuffle": True, "_FillValue": None}
            if name in _VELOCITIES:
                found[str(name)]["_FillValue"] = variable.dtype.type(FILL)
            elif str(name).startswith("chip_size"):
                found[str(name)]["_FillValue"] = np.uint16(0)
    return found


def _moment(epoch: Epoch) -> str:
    text = np.datetime_as_string(epoch, unit="us").replace("-", "")
    return text.removesuffix(".000000")
