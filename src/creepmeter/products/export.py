"""Products for other programs: GeoTIFF maps and NetCDF files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from creepmeter.errors import SchemaError, StoreError
from creepmeter.io.netcdfwriter import write_netcdf
from creepmeter.io.raster import write_geotiff_bands
from creepmeter.model.conventions import CONVENTIONS, MAP_DIMS, SPATIAL_REF
from creepmeter.model.grid import grid_of
from creepmeter.model.horizontal import horizontal_motion
from creepmeter.model.schema import IMAGE_CUBE, MOTION_MODEL, PAIR_STACK, TIME_SERIES, kind_of
from creepmeter.products.view import dimension_labels
from creepmeter.products.whole import whole_file

_STEMS = {IMAGE_CUBE: "image", PAIR_STACK: "pair", TIME_SERIES: "displacement", MOTION_MODEL: "velocity"}
_TIFF = (".tif", ".tiff")
_NETCDF = (".nc", ".nc4", ".cdf")
_LAYERED = 3  # dimensions


@dataclass(frozen=True)
class _Sheet:
    """One file to be: its name after the stem, bands with their names, tags."""

    suffix: str
    bands: Iterable[npt.NDArray[Any]]
    names: tuple[str, ...]
    tags: Mapping[str, str] = field(default_factory=dict)
    dtype: str = "float32"


def save_geotiff(dataset: xr.Dataset, target: str | Path, *, cog: bool = False) -> list[Path]:
    """Write the maps of a product as GeoTIFF, NaN = not measured, each file whole or not at all.

    ============  ===============================================  =========================================
    product       files                                            bands
    ============  ===============================================  =========================================
    MotionModel   ``STEM_TERM_COMPONENT.tif``, ``..._sigma.tif``,  1
                  ``STEM_speed.tif``, ``STEM_speed_sigma.tif``
    TimeSeries    ``STEM_COMPONENT.tif``, ``..._sigma.tif``        one per date, described as YYYYMMDD
    PairStack     ``STEM_REF_SEC.tif``, one per pair               components, sigma_COMPONENT, quality
    ImageCube     ``STEM_DATE.tif``                                1
    other maps    ``STEM_VARIABLE.tif`` (``STEM.tif`` of one)      1, or one per date
    ============  ===============================================  =========================================

    Values are float32; masks are 8-bit (1 = true), whole numbers stay whole numbers. Bands have their unit. Of a
    velocity in MintPy's layout amplitudes, phases and the like are written as well.

    Parameters
    ----------
    dataset : Dataset
        One of the four types, or maps such as heights, masks, coherence.
    target : path
        A folder, in which STEM is ``velocity``, ``displacement``, ``pair``, ``image`` or ``map``; or
        ``FOLDER/STEM.tif``.
    cog : bool
        Cloud-optimised GeoTIFF with overviews.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    SchemaError
        The dataset has no maps.
    StoreError
        The disk is full or not writable.
    """
    kind = kind_of(dataset) or "maps"
    if kind == "maps":
        _require_maps(dataset)
    path = Path(target)
    folder, stem = (path.parent, path.stem) if path.suffix.lower() in _TIFF else (path, _STEMS.get(kind, "map"))
    grid = grid_of(dataset)
    _make_folder(folder)
    written = []
    for sheet in _SHEETS.get(kind, _other_sheets)(dataset):
        file = folder / (f"{stem}_{sheet.suffix}.tif" if sheet.suffix else f"{stem}.tif")
        tags = {"creepmeter_type": kind, "nodata_meaning": "not measured", **sheet.tags}
        dtype = np.dtype(sheet.dtype)
        if dtype.kind != "f":
            del tags["nodata_meaning"]
        write_geotiff_bands(file, sheet.bands, grid, dtype=dtype, names=sheet.names, tags=tags, cog=cog)
        written.append(file)
    return written


def _require_maps(dataset: xr.Dataset) -> None:
    if not any(True for _ in _plain_maps(dataset, ())):
        held = ", ".join(map(str, dataset.data_vars)) or "nothing"
        message = f"only maps (y, x) of numbers are saved as GeoTIFF; this has {held}"
        raise SchemaError(message)


def _other_sheets(dataset: xr.Dataset) -> Iterator[_Sheet]:
    """Yield maps that are of none of the four types."""
    found = list(_plain_maps(dataset, ()))
    for sheet in found:
        yield sheet if len(found) > 1 else replace(sheet, suffix="")


def _plain_maps(dataset: xr.Dataset, known: tuple[str, ...]) -> Iterator[_Sheet]:
    """Yield variables as they are: maps, and series of maps."""
    for key, array in dataset.data_vars.items():
        name = str(key)
        if name in known or array.dims[-2:] != MAP_DIMS or array.dtype.kind not in "biuf" or array.ndim > _LAYERED:
            continue
        dtype = {"f": "float32", "b": "uint8"}.get(array.dtype.kind, array.dtype.name)
        layered = array.ndim == _LAYERED
        names = tuple(dimension_labels(dataset, str(array.dims[0]))) if layered else (name,)
        tags = {"units": str(array.attrs.get("units", "1")), "variable": name}
        yield _Sheet(name, _layers_of(array, layered=layered), names, tags, dtype)


def _layers_of(array: xr.DataArray, *, layered: bool) -> Iterator[npt.NDArray[Any]]:
    """Yield one map after the other; only that one is in memory."""
    for index in range(array.shape[0] if layered else 1):
        yield np.asarray(array[index].values if layered else array.values)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        message = f"cannot make the folder {folder}: {problem.strerror or problem}; choose another place"
        raise StoreError(message) from problem


def _motion_sheets(motion: xr.Dataset) -> Iterator[_Sheet]:
    reference = str(motion.attrs.get("reference_time", ""))
    for term in [str(name) for name in motion["term"].values]:
        unit = str(motion["unit"].sel(term=term).item()) if "unit" in motion.coords else "m"
        for component in [str(name) for name in motion["component"].values]:
            tags = {"units": unit, "term": term, "component": component, "reference_time": reference}
            for name, ending in (("value", ""), ("sigma", "_sigma")):
                if name in motion:
                    band = motion[name].sel(term=term, component=component).values
                    yield _Sheet(f"{term}_{component}{ending}", [band], (f"{term} {component}{ending} [{unit}]",), tags)
    yield from _speed_sheets(motion)
    if "mintpy" in motion.attrs:
        yield from _plain_maps(motion, ("value", "sigma"))


def _speed_sheets(motion: xr.Dataset) -> Iterator[_Sheet]:
    movement = horizontal_motion(motion, "rate") if "rate" in motion["term"].values else None
    if movement is None:
        return
    tags = {"units": movement.unit, "term": "rate", "component": "speed"}
    yield _Sheet("speed", [movement.speed], (f"speed [{movement.unit}]",), tags)
    if movement.has_sigma:
        yield _Sheet("speed_sigma", [movement.sigma], (f"sigma of speed [{movement.unit}]",), tags)


def _series_sheets(series: xr.Dataset) -> Iterator[_Sheet]:
    dates = tuple(dimension_labels(series, "time"))
    reference = str(series.attrs.get("reference_time", ""))
    for component in [str(name) for name in series["component"].values]:
        tags = {"units": "m", "component": component, "reference_time": reference}
        for name, ending in (("displacement", ""), ("sigma", "_sigma")):
            if name in series:
                layers = _layers_of(series[name].sel(component=component), layered=True)
                yield _Sheet(f"{component}{ending}", layers, dates, tags)


def _pair_sheets(stack: xr.Dataset) -> Iterator[_Sheet]:
    components = [str(name) for name in stack["component"].values]
    for index, label in enumerate(dimension_labels(stack, "pair")):
        pair = stack.isel(pair=index)
        bands, names = [pair["displacement"].values], list(components)
        if "sigma" in stack:
            bands.append(pair["sigma"].values)
            names += [f"sigma_{component}" for component in components]
        if "quality" in stack:
            bands.append(pair["quality"].values[None])
            names.append("quality")
        tags = {
            "units": "m",
            "ref_time": str(pair["ref_time"].values)[:19],
            "sec_time": str(pair["sec_time"].values)[:19],
            "used": "yes" if bool(pair["used"].item()) else "no",
        }
        yield _Sheet(label, np.concatenate(bands), tuple(names), tags)


def _image_sheets(cube: xr.Dataset) -> Iterator[_Sheet]:
    for index, label in enumerate(dimension_labels(cube, "time")):
        yield _Sheet(
            label,
            [cube["image"].isel(time=index).values],
            ("image",),
            {"time": str(cube["time"].values[index])[:19]},
        )


_SHEETS = {
    MOTION_MODEL: _motion_sheets,
    TIME_SERIES: _series_sheets,
    PAIR_STACK: _pair_sheets,
    IMAGE_CUBE: _image_sheets,
}


def save_netcdf(dataset: xr.Dataset, path: str | Path) -> Path:
    """Write a product as one NetCDF-4 file under CF-1.8, whole or not at all.

    Parameters
    ----------
    dataset : Dataset
        A product with a grid.
    path : path
        Ends in ``.nc``; an existing file is replaced.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    StoreError
        The name has another ending, or the disk is full or not writable.
    """
    target = Path(path)
    if target.suffix.lower() not in _NETCDF:
        message = f"{target}: a NetCDF file ends in .nc, not {target.suffix or 'nothing'!r}"
        raise StoreError(message)
    clean = _cf_dataset(dataset)
    with whole_file(target) as partial:
        write_netcdf(partial, clean)
    return target


def _cf_dataset(dataset: xr.Dataset) -> xr.Dataset:
    """Return a dataset without traces of the file it came from, with attributes that NetCDF can hold."""
    clean = dataset.drop_encoding()
    clean.attrs = {**_file_attributes(dataset), **_plain(dataset.attrs), "Conventions": CONVENTIONS}
    if SPATIAL_REF in clean.coords:  # CF has no integers of 64 bits
        mapping = clean[SPATIAL_REF]
        about = {"long_name": "reference system of x and y", **mapping.attrs}
        clean = clean.assign_coords({SPATIAL_REF: ((), np.int32(0), about)})
    for name, variable in clean.variables.items():
        variable.attrs = _plain(variable.attrs)
        if variable.dims[-2:] == MAP_DIMS and SPATIAL_REF in clean.coords and name not in clean.coords:
            variable.attrs["grid_mapping"] = SPATIAL_REF
    if "time" in clean.coords and clean["time"].dtype.kind == "M":
        clean["time"].attrs = {"standard_name": "time", "long_name": "time", "axis": "T"} | clean["time"].attrs
    return clean


def _file_attributes(dataset: xr.Dataset) -> dict[str, str]:
    """Return title and history, as CF 2.6.2 recommends."""
    kind = kind_of(dataset) or str(dataset.attrs.get("creepmeter_type", "")) or "maps"
    return {"title": f"creepmeter {kind}", "history": f"creepmeter {version('creepmeter')} save netcdf"}


def _plain(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    """Return attributes as text, numbers and lists of numbers: NetCDF has no truth values, nothing and nesting."""
    plain: dict[str, Any] = {}
    for name, value in attributes.items():
        if value is None:
            continue
        simple = isinstance(value, str | int | float | np.number | np.ndarray) and not isinstance(value, bool)
        plain[str(name)] = value if simple else _as_text(value)
    return plain


def _as_text(value: Any) -> Any:  # noqa: ANN401 - attributes have any type
    if isinstance(value, bool | np.bool_):
        return int(value)
    if isinstance(value, list | tuple) and value and all(isinstance(item, int | float) for item in value):
        return list(value)
    return json.dumps(value, default=str)
