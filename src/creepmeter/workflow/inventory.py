"""Polygons and their motion, from files to files."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import xarray as xr
from shapely import make_valid, union_all
from shapely.geometry.base import BaseGeometry

from creepmeter.errors import InputError
from creepmeter.geometry.terrain import downslope, terrain_on
from creepmeter.io.points import write_table
from creepmeter.io.store import open as open_product
from creepmeter.io.vector import read_frame, write_frame
from creepmeter.model.grid import grid_of
from creepmeter.model.schema import MOTION_MODEL, check
from creepmeter.products.report import ReportTable
from creepmeter.velocity.detect import detect_moving
from creepmeter.velocity.options import DetectOptions
from creepmeter.velocity.polygons import cells_of, polygon_statistics, statistics_columns

Columns = dict[str, list[Any]]

_OF_PACKAGES = ("fid", "geom")  # number and shape of a feature in a GeoPackage


def open_motion(path: Path) -> xr.Dataset:
    """Open a velocity product.

    Raises
    ------
    SchemaError
        It is none.
    """
    motion = open_product(path)
    check(motion, MOTION_MODEL)
    return motion


def statistics_of_file(
    velocity: Path, polygons: Path, target: Path, *, buffer_m: float = 0.0, dem: Path | None = None
) -> tuple[Columns, tuple[str, ...]]:
    """Write how fast the ground moves within each polygon of a file, as a vector file and a table beside it.

    Parameters
    ----------
    velocity : Path
        MotionModel.
    polygons : Path
        Vector file; its columns are kept.
    target : Path
        ``.gpkg`` or ``.geojson``; the table has the same name with ``.csv``.
    buffer_m : float
        Metres by which polygons are widened.
    dem : Path, optional
        Heights: adds slope, and motion down it.

    Returns
    -------
    columns : dict
        What was found.
    left_out : tuple of str
        Polygons without a measurement.

    Raises
    ------
    InputError
        The file has no polygon, or none of them lies on the map.
    """
    motion = open_motion(velocity)
    frame = _polygon_frame(polygons, motion, buffer_m)
    shapes = list(frame.geometry)
    found = polygon_statistics(motion, shapes)
    if not any(each.cells for each in found):
        message = f"none of the {len(shapes)} polygon(s) of {polygons} lies on the map: check the reference systems"
        raise InputError(message)
    columns: Columns = {**statistics_columns(found), **_slope_columns(motion, shapes, dem)}
    own = _own_columns(frame, columns)
    labels = _labels(own, len(shapes))
    left_out = tuple(
        f"{label}: no measured cell in it" for label, each in zip(labels, found, strict=True) if not each.measured
    )
    named = "polygon" in {name.lower() for name in own}
    _write(target, own if named else {"polygon": labels, **own}, columns, shapes, frame.crs)
    return {"polygon": labels, **columns}, left_out


def _polygon_frame(path: Path, motion: xr.Dataset, buffer_m: float) -> gpd.GeoDataFrame:
    """Return valid polygons and their columns in the reference system of the map."""
    frame = read_frame(path)
    grid = grid_of(motion)
    if grid.crs is not None:
        frame = frame.set_crs(grid.crs.to_wkt()) if frame.crs is None else frame.to_crs(grid.crs.to_wkt())
    frame = frame[[shape is not None and not shape.is_empty for shape in frame.geometry]]
    frame = frame.set_geometry([_areas_of(shape) for shape in frame.geometry], crs=frame.crs)
    frame = frame[frame.geometry.area > 0].reset_index(drop=True)
    if len(frame) == 0:
        message = f"{path} holds no polygon: draw one"
        raise InputError(message)
    if buffer_m == 0:
        return frame
    if grid.crs is not None and grid.crs.geographic:
        message = "a buffer in metres needs a map in metres, this one is in degrees: leave the buffer out"
        raise InputError(message)
    return frame.set_geometry(frame.geometry.buffer(buffer_m), crs=frame.crs)


def _areas_of(shape: BaseGeometry) -> BaseGeometry:
    """Return the polygons of a geometry, repaired."""
    valid = make_valid(shape)
    parts = [part for part in getattr(valid, "geoms", [valid]) if part.area > 0]
    return union_all(parts)


def _own_columns(frame: gpd.GeoDataFrame, columns: Columns) -> Columns:
    """Return the columns of a file that we do not have ourselves, under names that a GeoPackage tells apart.

    It does not tell small from capital letters, and has columns of its own.
    """
    taken, own = set(_OF_PACKAGES), {}
    for name in frame.columns:
        if name == frame.geometry.name or str(name).lower() in columns:
            continue
        shown = str(name)
        while shown.lower() in taken:
            shown += "_of_file"
        taken.add(shown.lower())
        own[shown] = list(frame[name])
    return own


def _labels(own: Columns, count: int) -> list[str]:
    column = next((own[name] for name in own if name.lower() in {"name", "id", "label"}), None)
    if column is None or len({str(value) for value in column}) < count:
        return [f"polygon {k + 1}" for k in range(count)]
    return [str(value) for value in column]


def _slope_columns(motion: xr.Dataset, shapes: Sequence[BaseGeometry], dem: Path | None) -> Columns:
    """Return the median slope, and the median motion down the slope with its sigma, of each polygon."""
    if dem is None:
        return {}
    maps = downslope(motion, terrain_on(dem, motion))
    names = {"slope": "slope_deg", "downslope": "downslope", "downslope_sigma": "downslope_sigma"}
    columns: Columns = {label: [] for label in names.values()}
    for shape in shapes:
        region, inside = cells_of(shape, grid_of(motion))
        for name, label in names.items():
            values = maps[name].values[region][inside] if name in maps else np.empty(0)
            known = values[np.isfinite(values)]
            columns[label].append(float(np.median(known)) if known.size else np.nan)
    return columns


def detect_to_file(velocity: Path, target: Path, options: DetectOptions, *, dem: Path | None = None) -> Columns:
    """Write areas that move faster than their errors allow, as a vector file and a table beside it; return the table.

    Parameters
    ----------
    velocity : Path
        MotionModel with sigma.
    target : Path
        ``.gpkg`` or ``.geojson``; the table has the same name with ``.csv``.
    options : DetectOptions
        What counts as moving.
    dem : Path, optional
        Heights: adds slope, and motion down it.
    """
    motion = open_motion(velocity)
    areas = detect_moving(motion, options)
    shapes = [each.outline for each in areas]
    columns: Columns = {
        **statistics_columns([each.statistics for each in areas]),
        **_slope_columns(motion, shapes, dem),
    }
    labels = [f"area {k + 1}" for k in range(len(areas))]
    grid = grid_of(motion)
    _write(target, {"area": labels}, columns, shapes, None if grid.crs is None else grid.crs.to_wkt())
    return {"area": labels, **columns}


def _write(
    target: Path,
    own: Mapping[str, Sequence[Any]],
    columns: Columns,
    shapes: list[BaseGeometry],
    crs: Any,  # noqa: ANN401 - whatever geopandas takes
) -> None:
    frame = gpd.GeoDataFrame({**own, **columns}, geometry=shapes, crs=crs)
    write_frame(frame, target, "polygons")
    write_table(target.with_suffix(".csv"), {**own, **columns})


def statistics_lines(columns: Columns, *, most: int = 12) -> list[str]:
    """Return one line for each polygon, the first `most` of them."""
    label = next(iter(columns))
    lines = []
    for k, name in enumerate(columns[label][:most]):
        row = {key: values[k] for key, values in columns.items()}
        text = f"{name}: {row['area_m2'] / 1e4:.3g} ha, {100 * row['measured']:.0f} % of {row['cells']} cells measured"
        if np.isfinite(row["speed_median"]):
            text += f", speed {row['speed_median']:.3g} (95 %: {row['speed_p95']:.3g})"
            text += f" ± {row['sigma']:.2g} m/yr" if np.isfinite(row["sigma"]) else " m/yr"
        if np.isfinite(row["direction_deg"]):
            text += f" towards {row['direction_deg']:.0f}°"
        if np.isfinite(row.get("downslope", np.nan)):
            text += f", down the slope of {row['slope_deg']:.0f}° {row['downslope']:.3g} m/yr"
        lines.append(text)
    if len(columns[label]) > most:
        lines.append(f"... and {len(columns[label]) - most} more in the table")
    return lines


_SHOWN = (  # column, heading, factor, digits
    ("area_m2", "Area (ha)", 1e-4, ".3g"),
    ("measured", "Measured (%)", 100.0, ".0f"),
    ("speed_median", "Median speed (m/yr)", 1.0, ".3g"),
    ("speed_p95", "95 % speed (m/yr)", 1.0, ".3g"),
    ("sigma", "Standard error (m/yr)", 1.0, ".2g"),
    ("direction_deg", "Direction (° from north)", 1.0, ".0f"),
    ("annual_m", "Annual amplitude (m)", 1.0, ".2g"),
    ("slope_deg", "Slope (°)", 1.0, ".0f"),
    ("downslope", "Down the slope (m/yr)", 1.0, ".3g"),
)


def motion_table(title: str, path: Path) -> ReportTable:
    """Return a table of polygons and their motion for people, from what `statistics_of_file` wrote."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    shown = [column for column in _SHOWN if any(row.get(column[0]) for row in rows)]
    label = next(iter(rows[0]), "") if rows else ""
    cells = [[row[label], *(_cell(row[name], factor, form) for name, _, factor, form in shown)] for row in rows]
    return ReportTable(title, ["Name", *(heading for _, heading, _, _ in shown)], cells)


def _cell(text: str, factor: float, form: str) -> str:
    value = float(text) if text else np.nan
    return f"{factor * value:{form}}" if np.isfinite(value) else "not known"
