"""Reader of autoRIFT: ``offset.tif`` with offsets in pixels, interpolation mask and chip size; its netCDF products."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from creepmeter.errors import InputError
from creepmeter.interferograms.catalogue import Catalogue, Interferogram, Report, matching
from creepmeter.interferograms.companions import turned_note
from creepmeter.interferograms.itslive import pair_of_netcdf
from creepmeter.interferograms.layers import Derived
from creepmeter.interferograms.load_options import LoadOptions
from creepmeter.interferograms.offset_pairs import DateTable, assemble_offsets, metres, read_date_table
from creepmeter.io.layers import Layer, RasterLayer
from creepmeter.model.grid import Grid, metres_per_pixel

_ACROSS, _UP, _FILLED, _CHIP = 1, 2, 3, 4  # bands
_NETCDF = (".nc", ".nc4")
_SIZES = ("RANGE_PIXEL_SIZE", "AZIMUTH_PIXEL_SIZE")


def find(options: LoadOptions, base: Path) -> Catalogue:
    """Return what is there of autoRIFT; headers are read, no pixels.

    Parameters
    ----------
    options : LoadOptions
        ``rg_off_file`` (or ``az_off_file``) names the files: GeoTIFF with bands across, up, interpolation mask, chip
        size in image pixels, or netCDF. ``meta_file`` names a text with lines of file, first and second date, and of
        ``RANGE_PIXEL_SIZE = 10`` and ``AZIMUTH_PIXEL_SIZE = 10``: metres of an image pixel, by default the step of the
        grid of the offsets.
    base : Path
        Folder that patterns start from.

    Raises
    ------
    InputError
        No offsets can be used.

    Notes
    -----
    autoRIFT counts offsets of optical images positive to the right and up, so that they are east and north on a map.
    Interpolated values are no measurements and are missing here.
    """
    report = Report()
    files = matching(options.rg_off_file or options.az_off_file, base)
    if not files:
        message = f"rg_off_file: no file matches {options.rg_off_file or options.az_off_file}; give a pattern"
        raise InputError(message)
    table = read_date_table(options, base, report)
    found, backward = [], 0
    for path in files:
        one = report.attempt(path.name, partial(_pair, path, table, options, report))
        if one is not None:
            found.append(one)
            backward += path.suffix.lower() not in _NETCDF and table.of(path, options).backward
    turned_note(backward, report)
    report.note("values that autoRIFT interpolated are missing: they are no measurements")
    return assemble_offsets(found, options, base, report)


def _pair(path: Path, table: DateTable, options: LoadOptions, report: Report) -> Interferogram:
    if path.suffix.lower() in _NETCDF:
        return pair_of_netcdf(path)
    dates = table.of(path, options)
    across, up = RasterLayer(path, _ACROSS), RasterLayer(path, _UP)
    size = _pixel_size(across.grid, table, path, report)
    valid = _measured(path, across.header.count)
    layers: dict[str, Layer] = {
        "rangeOffset": metres(across, dates.sign * size[0], across.nodata, valid),
        "azimuthOffset": metres(up, dates.sign * size[1], up.nodata, valid),
    }
    return Interferogram(dates.pair, layers, 0.0, f"{path.parent.name}/{path.name}", across.grid)


def _measured(path: Path, count: int) -> Layer | None:
    if count < _CHIP:
        return None
    return Derived((RasterLayer(path, _FILLED), RasterLayer(path, _CHIP)), _not_filled, "measured")


def _not_filled(filled: npt.NDArray[np.generic], chip: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
    return np.asarray((np.nan_to_num(filled) == 0) & (np.nan_to_num(chip) > 0))


def _pixel_size(grid: Grid | None, table: DateTable, path: Path, report: Report) -> tuple[float, float]:
    """Return metres of an image pixel across and up: those of the table, else the step of the grid."""
    given = [table.number(key) for key in _SIZES]
    if given[0] is not None or given[1] is not None:
        across, up = given
        return abs(across or up or 0.0), abs(up or across or 0.0)
    if grid is None:
        message = f"{path} has no georeference: write RANGE_PIXEL_SIZE = metres of an image pixel into meta_file"
        raise InputError(message)
    matrix = metres_per_pixel(grid)
    size = float(np.hypot(*matrix[:, 0])), float(np.hypot(*matrix[:, 1]))
    report.note(
        f"one image pixel is taken as {size[0]:g} x {size[1]:g} m, the step of the grid; RANGE_PIXEL_SIZE and "
        "AZIMUTH_PIXEL_SIZE in meta_file say otherwise"
    )
    return size
