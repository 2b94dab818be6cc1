"""The part of a product that is drawn: a window of its map, under a mask, relative to a pixel or a date."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr

from creepmeter.errors import ConfigError
from creepmeter.products.options import ViewOptions

Bools = npt.NDArray[np.bool_]


def window(dataset: xr.Dataset, options: ViewOptions) -> xr.Dataset:
    """Return the rows and columns that the options choose; nothing is read.

    Raises
    ------
    ConfigError
        The window is empty or lies outside the map.
    """
    rows = _range(dataset, "y", options.sub_y, options.sub_lat)
    columns = _range(dataset, "x", options.sub_x, options.sub_lon)
    return dataset.isel(y=rows, x=columns)


def _range(
    dataset: xr.Dataset, dim: str, pixels: tuple[int, int] | None, map_range: tuple[float, float] | None
) -> slice:
    size = dataset.sizes[dim]
    if pixels is not None and map_range is not None:
        message = f"give the range of {dim} in pixels or on the map, not both"
        raise ConfigError(message)
    if pixels is not None:
        first, last = max(pixels[0], 0), min(pixels[1], size)
    elif map_range is not None:
        centres = np.asarray(dataset[dim].values, np.float64)
        inside = np.flatnonzero((centres >= min(map_range)) & (centres <= max(map_range)))
        first, last = (int(inside[0]), int(inside[-1]) + 1) if inside.size else (0, 0)
    else:
        return slice(None)
    if last <= first:
        wanted = pixels or map_range
        ends = [float(dataset[dim].values[k]) for k in (0, -1)]
        message = (
            f"the range {wanted} of {dim} holds no pixel: the map has {size} of them, from {ends[0]:g} to {ends[1]:g}"
        )
        raise ConfigError(message)
    return slice(first, last)


def masked(dataset: xr.Dataset, name: str, mask: Bools | None) -> xr.Dataset:
    """Return a dataset whose variable `name` is NaN where `mask` (y, x) is false."""
    if mask is None:
        return dataset
    shape = (dataset.sizes["y"], dataset.sizes["x"])
    if mask.shape != shape:
        message = f"the mask has {mask.shape} rows and columns, the map {shape}: give a mask of the same product"
        raise ConfigError(message)
    return dataset.assign({name: dataset[name].where(xr.DataArray(mask, dims=("y", "x")))})


def relative(dataset: xr.Dataset, name: str, options: ViewOptions) -> xr.Dataset:
    """Return a dataset whose variable `name` counts from another pixel or another date.

    Raises
    ------
    ConfigError
        The pixel lies outside or has no value; there is no such date.
    """
    if options.ref_date is None and options.ref_yx is None:
        return dataset
    array = dataset[name]
    attributes = array.attrs
    if options.ref_date is not None:
        array = array - _date(array, options.ref_date)
    if options.ref_yx is not None:
        array = array - _pixel(array, options.ref_yx)
    return dataset.assign({name: array.assign_attrs(attributes)})


def _date(array: xr.DataArray, date: str) -> xr.DataArray:
    if "time" not in array.dims:
        message = f"--ref-date {date}: {array.name} has no dates"
        raise ConfigError(message)
    days = [str(epoch)[:10].replace("-", "") for epoch in array["time"].values]
    if date.replace("-", "") not in days:
        message = f"--ref-date {date} is no date of this file: choose from {days[0]} ... {days[-1]}"
        raise ConfigError(message)
    return array.isel(time=days.index(date.replace("-", "")), drop=True)


def _pixel(array: xr.DataArray, where: tuple[int, int]) -> xr.DataArray:
    row, column = where
    if not (0 <= row < array.sizes["y"] and 0 <= column < array.sizes["x"]):
        message = f"--ref-yx {row} {column} lies outside the map of {array.sizes['y']} rows, {array.sizes['x']} columns"
        raise ConfigError(message)
    value = array.isel(y=row, x=column, drop=True)
    if not np.isfinite(value.values).any():
        message = f"--ref-yx {row} {column} has no value in {array.name}: choose a measured pixel"
        raise ConfigError(message)
    return value
