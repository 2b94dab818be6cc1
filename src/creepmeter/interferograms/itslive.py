"""Reader of ITS_LIVE image pairs: velocities in metres per year on a map, as netCDF."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np

from creepmeter.errors import EpochError, InputError
from creepmeter.interferograms.catalogue import Catalogue, Interferogram, Report, matching
from creepmeter.interferograms.layers import Constant, Derived, Scaled
from creepmeter.interferograms.load_options import LoadOptions
from creepmeter.interferograms.names import day
from creepmeter.interferograms.offset_pairs import Values, assemble_offsets
from creepmeter.io.layers import HdfLayer, Layer
from creepmeter.io.netcdf import MapVariable, NetcdfMaps, read_netcdf_maps
from creepmeter.model.epoch import Epoch, as_epoch, days_between
from creepmeter.model.pair import Pair

DAYS_PER_YEAR = 365.0  # in which autoRIFT and ITS_LIVE count velocities
_OF = {"vx": "rangeOffset", "vy": "azimuthOffset"}
_DATES = ("acquisition_date_img", "acquisition_img")
_COMPACT = re.compile(r"(\d{8})T(\d{2}):?(\d{2}):?(\d{2})")


def find(options: LoadOptions, base: Path) -> Catalogue:
    """Return image pairs of ITS_LIVE; headers are read, no pixels.

    Parameters
    ----------
    options : LoadOptions
        ``rg_off_file`` (or ``az_off_file``) names the netCDF files.
    base : Path
        Folder that patterns start from.

    Raises
    ------
    InputError
        No pair can be used.

    Notes
    -----
    Displacement is velocity times the days between the images over 365, the year that ITS_LIVE counts in.
    Interpolated values are missing.
    """
    report = Report()
    pattern = options.rg_off_file or options.az_off_file
    files = matching(pattern, base)
    if not files:
        message = f"rg_off_file: no file matches {pattern}; give a pattern of netCDF files"
        raise InputError(message)
    found = [one for path in files if (one := report.attempt(path.name, partial(pair_of_netcdf, path)))]
    return assemble_offsets(found, options, base, report)


def pair_of_netcdf(path: Path) -> Interferogram:
    """Return one image pair.

    Parameters
    ----------
    path : Path
        netCDF file of ITS_LIVE or autoRIFT.

    Raises
    ------
    InputError
        It has no vx and vy, no dates, or no grid.
    """
    maps = read_netcdf_maps(path)
    lacking = [name for name in _OF if name not in maps.variables]
    if lacking:
        names = ", ".join(maps.variables) or "none"
        message = f"{path} has no {' and '.join(lacking)} (maps: {names}): get the product with both components"
        raise InputError(message)
    if maps.grid is None or maps.grid.crs is None:
        message = f"{path} has no map grid (x, y and a grid mapping): get it again"
        raise InputError(message)
    first, second = (_moment(maps, number) for number in (1, 2))
    if second <= first:
        message = f"{path}: the second image ({second}) is not after the first ({first})"
        raise InputError(message)
    years = days_between(first, second) / DAYS_PER_YEAR
    layers: dict[str, Layer] = {}
    for name, layer in _OF.items():
        variable = maps.variables[name]
        layers[layer] = Scaled(_map(maps, variable), years)
        sigma = variable.number("error")
        if sigma is None:
            sigma = variable.number(f"{name}_error")
        if sigma is not None and sigma > 0:
            layers[f"{layer}Std"] = Constant(sigma * years, variable.shape, f"{path.name}: error of {name}")
    if "interp_mask" in maps.variables:
        mask = HdfLayer(path, "interp_mask")
        for layer in _OF.values():
            layers[layer] = Derived((layers[layer], _turned(mask, maps)), _measured, "measured")
    pair = Pair(day(first), day(second))
    return Interferogram(pair, layers, 0.0, path.name, maps.grid)


def _map(maps: NetcdfMaps, variable: MapVariable) -> Layer:
    """Return a map unpacked, missing values NaN, north up."""
    fill = variable.number("_FillValue")
    fill = variable.number("missing_value") if fill is None else fill
    factor, add = variable.number("scale_factor"), variable.number("add_offset")
    layer = Scaled(
        HdfLayer(maps.path, variable.name), 1.0 if factor is None else factor, add or 0.0, nodata=fill, fill=np.nan
    )
    return _turned(layer, maps)


def _turned(layer: Layer, maps: NetcdfMaps) -> Layer:
    if maps.south_up:
        message = f"{maps.path}: the maps lie south up: turn them first (`gdalwarp`)"
        raise InputError(message)
    return layer


def _measured(values: Values, filled: Values) -> Values:
    return np.where(filled == 1, np.float32(np.nan), values)


def _moment(maps: NetcdfMaps, number: int) -> Epoch:
    """Return the time of an image from the attributes ``acquisition_date_img1`` and ``...2``."""
    for key, value in maps.attributes.items():
        if any(key.endswith(f".{name}{number}") or key == f"{name}{number}" for name in _DATES):
            match = _COMPACT.match(str(value))
            try:
                return as_epoch(f"{match[1]}T{match[2]}{match[3]}{match[4]}" if match else str(value))
            except EpochError as problem:
                message = f"{maps.path}: {key} is {value!r}, no time ({problem})"
                raise InputError(message) from problem
    message = f"{maps.path} tells no acquisition date of image {number} (img_pair_info): get the full product"
    raise InputError(message)
