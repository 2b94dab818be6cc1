"""Grids for GMT, and folders of them for the plugin InSAR Explorer of QGIS."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from creepmeter.errors import GridError
from creepmeter.io.grdwriter import GridWriter
from creepmeter.model.grid import system_of
from creepmeter.products.kmz import require_ending
from creepmeter.products.mapfile import MapFile, MapLayer, Mask, require_series, strips
from creepmeter.products.scale import factor_between

GRD = ".grd"


def save_gmt(
    source: str | Path,
    target: str | Path,
    name: str | None = None,
    *,
    mask: str | Path | None = None,
    unit: str | None = None,
) -> Path:
    """Write a map as grid of GMT (netCDF-4, COARDS, pixel registered), whole or not at all.

    Parameters
    ----------
    source : path
        Product on a map.
    target : path
        Ends in ``.grd`` or ``.nc``.
    name : str, optional
        Map and date; default: the main one.
    mask : path, optional
        Only pixels where it is nonzero are kept; others are NaN.
    unit : str, optional
        Such as ``mm``; default: that of the product.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    GridError
        The product is in radar coordinates, or its rows and columns do not run along x and y.
    ConfigError
        There is no such map or unit.
    """
    file = MapFile.open(source)
    file.require_map("a grid of GMT")
    return _write(file, file.layer(name), file.mask(mask), require_ending(Path(target), GRD, ".nc"), unit)


def _write(file: MapFile, layer: MapLayer, mask: Mask, path: Path, unit: str | None) -> Path:
    a, b, west, d, e, north = file.grid.affine[:6]
    if b or d or not a > 0 > e:
        message = f"{file.path}: its rows and columns do not run along x and y, north up, which a grid of GMT needs"
        raise GridError(message)
    rows, columns = file.shape
    x = west + a * (np.arange(columns) + 0.5)
    y = north + e * (np.arange(rows)[::-1] + 0.5)
    factor = 1.0 if unit is None else factor_between(layer.unit, unit)
    with GridWriter(
        path, x, y, crs=system_of(file.grid).to_wkt(), geographic=system_of(file.grid).geographic,
        title=f"{file.path.stem} {layer.title}", name=layer.name, unit=unit or layer.unit,
    ) as writer:  # fmt: skip
        for strip in strips(file.shape):
            values = np.where(mask.read(strip, slice(None)), layer.floats(strip) * factor, np.nan)
            writer.put(slice(rows - strip.stop, rows - strip.start), values[::-1])
    return path


def save_explorer(
    series: str | Path,
    folder: str | Path,
    *,
    velocity: str | Path | None = None,
    mask: str | Path | None = None,
) -> list[Path]:
    """Write a series and its velocity as grids in millimetres, under the names that InSAR Explorer looks for.

    Parameters
    ----------
    series : path
        Series on a map.
    folder : path
        Made if absent.
    velocity : path, optional
        Velocity on the same grid.
    mask : path, optional
        Only pixels where it is nonzero are kept.

    Returns
    -------
    list of Path
        ``velocity_mm.grd`` (the name of the velocity) and ``timeseries-YYYYMMDD_mm.grd`` for each date.
    """
    file = MapFile.open(series)
    file.require_map("InSAR Explorer")
    name, keep, place = require_series(file), file.mask(mask), Path(folder)
    written = []
    if velocity is not None:
        other = file.beside(velocity)
        stem = other.path.stem.removeprefix("geo_")
        stem = stem if stem.startswith("vel") else f"velocity_{stem}"
        written.append(_write(other, other.layer(), keep, place / f"{stem}_mm.grd", "mm/year"))
    for layer in file.layers(name):
        written.append(_write(file, layer, keep, place / f"timeseries-{layer.label}_mm.grd", "mm"))  # noqa: PERF401
    return written
