"""GeoTIFF files as layers: no-data settled, the file that fits the grid chosen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from creepmeter.errors import CreepmeterError
from creepmeter.interferograms.catalogue import Report, matching
from creepmeter.interferograms.layers import Scaled, cut_to
from creepmeter.io.layers import RasterLayer
from creepmeter.model.grid import Grid, same_grid

NAN = float("nan")


def band_of(path: Path, *, factor: float = 1.0, add: float = 0.0, missing: float = 0.0) -> Scaled:
    """Return the first band of a raster, times `factor` plus `add`; its no-data value becomes `missing`."""
    layer = RasterLayer(path)
    return Scaled(layer, factor, add, layer.nodata, missing)


def grid_of_band(layer: Scaled) -> Grid | None:
    """Return the grid of a band of a raster; None without reference system: such a raster is in radar coordinates."""
    inner = layer.layer
    grid = inner.grid if isinstance(inner, RasterLayer) else None
    return None if grid is None or grid.crs is None else grid


def raster_for(pattern: str | None, base: Path, grid: Grid | None, report: Report, option: str) -> Path | None:
    """Return the raster of a pattern that lies on a grid, else one that can be cut to it, else the first.

    Parameters
    ----------
    pattern : str or None
        Files.
    base : Path
        Folder that a relative pattern starts from.
    grid : Grid or None
        Grid of the interferograms.
    report : Report
        Takes notes.
    option : str
        Name of the option, for notes.
    """
    files = matching(pattern, base)
    if pattern and not files:
        report.note(f"{option}: no file matches {pattern}, it is loaded without")
    found = list(_readable(files, report, option)) if len(files) > 1 else files
    if grid is None or len(found) < 2:  # noqa: PLR2004 - nothing to choose
        return found[0] if found else None
    return _best(found, grid)


def _readable(files: Sequence[Path], report: Report, option: str) -> list[Path]:
    found = []
    for path in files:
        try:
            RasterLayer(path)
        except CreepmeterError as problem:
            report.note(f"{option}: {problem}")
        else:
            found.append(path)
    return found


def _best(files: Sequence[Path], grid: Grid) -> Path:
    fallback = None
    for path in files:
        layer = RasterLayer(path)
        if layer.grid is None:
            continue
        if same_grid(layer.grid, grid):
            return path
        if fallback is None and cut_to(layer, layer.grid, grid) is not None:
            fallback = path
    return fallback if fallback is not None else files[0]
