"""What the commands that draw need: products, masks and backgrounds opened from files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from creepmeter.errors import ConfigError
from creepmeter.io.mintpy.listing import is_mintpy_file
from creepmeter.io.mintpy.product import read_attributes
from creepmeter.io.mintpy.raw import open_raw
from creepmeter.io.store import open as open_product
from creepmeter.io.swap import write_text
from creepmeter.model.grid import Grid, describe_grid, grid_of, same_grid
from creepmeter.model.schema import TIME_SERIES, check
from creepmeter.products.frame import Backdrop
from creepmeter.products.options import MapStyle, ViewOptions
from creepmeter.products.scale import factor_between
from creepmeter.products.transect import transect, transect_figure
from creepmeter.products.tsview import cell_at
from creepmeter.products.view import main_variable, map_layers, split_names, stored_unit
from creepmeter.workflow.sbas.places import box_of_product, pixel_of_product
from creepmeter.workflow.verbs import backdrop


def open_to_draw(path: Path) -> xr.Dataset:
    """Open a product to be drawn: files of MintPy under MintPy's names and units, others as `creepmeter.open` does."""
    if not is_mintpy_file(path):
        return open_product(path)
    raw = open_raw(path)
    return open_product(path) if raw.attrs["FILE_TYPE"] == "timeseries" else raw


def mask_of(path: Path | None) -> npt.NDArray[np.bool_] | None:
    """Return a mask (y, x) from a file: true where its first map is neither 0 nor missing."""
    if path is None:
        return None
    product = open_to_draw(path)
    maps = [name for name in product.data_vars if product[name].dims == ("y", "x")]
    if not maps:
        message = f"{path} holds no map that could be a mask: give a file such as maskTempCoh.h5"
        raise ConfigError(message)
    values = product[maps[0]].values
    return np.asarray(np.isfinite(values) & (values != 0))


def background_of(
    product: xr.Dataset, image: Path | None, relief: Path | None, outlines: Path | None, pixel_size_m: float | None
) -> Backdrop:
    """Read what is drawn behind and over a map; heights may come from MintPy's geometry file.

    Raises
    ------
    ConfigError
        Image and relief are both given, or the geometry file has no heights.
    """
    if image is not None and relief is not None:
        message = "give one of --background and --dem"
        raise ConfigError(message)
    if relief is None or not is_mintpy_file(relief):
        return backdrop(product, image=image, relief=relief, outlines=outlines, pixel_size_m=pixel_size_m)
    geometry = open_raw(relief)
    if "height" not in geometry:
        message = f"{relief} has no dataset 'height': give a geometry file, such as inputs/geometryGeo.h5"
        raise ConfigError(message)
    heights = np.asarray(geometry["height"].values, np.float64)
    return Backdrop(heights, grid_of(geometry), backdrop(product, outlines=outlines).outlines, "height")


def open_series(path: Path) -> xr.Dataset:
    """Open a time series.

    Raises
    ------
    SchemaError
        It is none.
    """
    series = open_product(path)
    check(series, TIME_SERIES)
    return series


@dataclass(frozen=True)
class Profiles:
    """Maps to draw profiles of.

    Parameters
    ----------
    maps : mapping of str to array, (y, x)
        Values by name, in `unit`.
    grid : Grid
        Grid of all.
    unit, label : str
        Of the values.
    """

    maps: Mapping[str, npt.NDArray[np.float64]]
    grid: Grid
    unit: str
    label: str


Ends = tuple[tuple[float, float], tuple[float, float]]


def profiles(paths: Sequence[Path], name: str | None, *, unit: str | None, mask: Path | None) -> Profiles:
    """Read the maps of some products.

    Raises
    ------
    ConfigError
        A product lies on another grid, or has not exactly one such map.
    """
    where = mask_of(mask)
    maps: dict[str, npt.NDArray[np.float64]] = {}
    first: tuple[Grid, str, str] | None = None
    for path in paths:
        product = open_to_draw(path)
        variable, index = split_names(product, [] if name is None else [name])
        variable = variable or main_variable(product)
        layers = map_layers(product, variable, ViewOptions(index=index))
        if len(layers) != 1:
            message = (
                f"{path} has {len(layers)} maps of {variable}: choose one with --dset, such as {variable}-20200131"
            )
            raise ConfigError(message)
        stored = stored_unit(product, variable, ViewOptions())
        factor = 1.0 if unit is None else factor_between(stored, unit, cycle_m=float(product.attrs.get("cycle_m", 0)))
        first = first or (grid_of(product), unit or stored, variable)
        if not same_grid(first[0], grid_of(product)):
            message = f"{path} lies on another grid than {paths[0]}: {describe_grid(grid_of(product))}"
            raise ConfigError(message)
        values = layers[0].values * factor
        maps[path.stem if path.stem not in maps else str(path)] = (
            values if where is None else np.where(where, values, np.nan)
        )
    assert first is not None  # noqa: S101 - the command asks for one file at least
    return Profiles(maps, first[0], first[1], first[2].replace("_", " ").capitalize())


def cell_of(path: Path, product: xr.Dataset, lalo: tuple[float, float]) -> tuple[int, int]:
    """Return row and column of a product at a latitude and longitude, also in radar coordinates.

    Raises
    ------
    ConfigError, InputError
        They lie outside the map.
    """
    return pixel_of_product(path, lalo) if is_mintpy_file(path) else cell_at(product, *lalo)


def with_area(path: Path, options: ViewOptions) -> ViewOptions:
    """Return options that choose rows and columns where they chose latitudes and longitudes that are no coordinates.

    Raises
    ------
    InputError
        No pixel lies there.
    """
    chosen = options.sub_lat is not None or options.sub_lon is not None
    if not chosen or not is_mintpy_file(path) or "Y_FIRST" in read_attributes(path):
        return options
    south, north = sorted(options.sub_lat or (-90.0, 90.0))
    west, east = sorted(options.sub_lon or (-360.0, 360.0))
    top, bottom, left, right = box_of_product(path, (south, north, west, east))
    pixels = {"sub_y": options.sub_y or (top, bottom), "sub_x": options.sub_x or (left, right)}
    return options.model_copy(update={**pixels, "sub_lat": None, "sub_lon": None})


def profile_ends(
    path: Path,
    start_yx: tuple[float, float] | None,
    end_yx: tuple[float, float] | None,
    start_lalo: tuple[float, float] | None,
    end_lalo: tuple[float, float] | None,
) -> Ends:
    """Return start and end of a profile as (row, column), given in pixels or on the map.

    Raises
    ------
    ConfigError
        An end is missing or given twice, or lies outside the map.
    """
    product = None if start_lalo is None and end_lalo is None else open_to_draw(path)
    ends = []
    for name, pixel, place in (("start", start_yx, start_lalo), ("end", end_yx, end_lalo)):
        if (pixel is None) == (place is None):
            message = f"give the {name} of the profile as --{name}-yx ROW COLUMN or as --{name}-lalo LAT LON"
            raise ConfigError(message)
        if pixel is not None:
            ends.append((float(pixel[0]), float(pixel[1])))
        elif product is not None and place is not None:
            row, column = cell_of(path, product, place)
            ends.append((float(row), float(column)))
    return ends[0], ends[1]


def profile_figure(
    found: Profiles, ends: Ends, *, limits: tuple[float, float] | None = None, method: str = "nearest"
) -> Any:  # noqa: ANN401 - a figure of matplotlib, which only products knows
    """Draw profiles; see `creepmeter.products.transect.transect_figure`."""
    low, high = limits or (None, None)
    first = next(iter(found.maps.values()))
    signed = bool(np.nanmin(first) < 0 < np.nanmax(first)) if np.isfinite(first).any() else False
    style = MapStyle(label=found.label, unit=found.unit, vmin=low, vmax=high, signed=signed)
    return transect_figure(found.maps, found.grid, *ends, style=style, method=method)


def write_profiles(found: Profiles, ends: Ends, target: Path, *, method: str = "nearest") -> Path:
    """Write profiles as CSV: distance in metres, row, column, and a column for each map."""
    lines = {name: transect(values, found.grid, *ends, method=method) for name, values in found.maps.items()}
    one = next(iter(lines.values()))
    head = ["distance_m", "row", "column", *(f"{name} ({found.unit})".replace(",", " ") for name in lines)]
    rows = [",".join(head)]
    for k, distance in enumerate(one.distance):
        values = [line.values[k] for line in lines.values()]
        cells = [f"{distance:.3f}", f"{one.row[k]:.2f}", f"{one.column[k]:.2f}"]
        rows.append(",".join([*cells, *("" if np.isnan(value) else f"{value:.9g}" for value in values)]))
    write_text(target, "\n".join(rows) + "\n")
    return target
