"""Reader of autoRIFT: ``offset.tif`` or ``offset.mat`` with offsets in pixels, mask and chip size; its netCDF."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from creepmeter.errors import InputError
from creepmeter.interferograms.attributes import RadarFacts
from creepmeter.interferograms.catalogue import Catalogue, Interferogram, Report, matching
from creepmeter.interferograms.companions import turned_note
from creepmeter.interferograms.itslive import pair_of_netcdf
from creepmeter.interferograms.layers import Derived
from creepmeter.interferograms.load_options import LoadOptions
from creepmeter.interferograms.names import DatePair
from creepmeter.interferograms.offset_pairs import DateTable, assemble_offsets, metres, read_date_table
from creepmeter.io.layers import Layer, RasterLayer
from creepmeter.io.matfile import MatLayer
from creepmeter.model.grid import Grid, metres_per_pixel

_ACROSS, _UP, _FILLED, _CHIP = 1, 2, 3, 4  # bands
_NAMES = ("Dx", "Dy", "InterpMask", "ChipSizeX")  # the same in offset.mat
_NETCDF = (".nc", ".nc4")
_SIZES = ("RANGE_PIXEL_SIZE", "AZIMUTH_PIXEL_SIZE")


def find(options: LoadOptions, base: Path) -> Catalogue:
    """Return what is there of autoRIFT; headers are read, no pixels.

    Parameters
    ----------
    options : LoadOptions
        ``rg_off_file`` (or ``az_off_file``) names the files: GeoTIFF with bands across, up, interpolation mask, chip
        size in image pixels, ``offset.mat`` with the same, or netCDF. ``meta_file`` names a text with lines of file,
        first and second date, and of ``RANGE_PIXEL_SIZE = 10`` and ``AZIMUTH_PIXEL_SIZE = 10``: metres of an image
        pixel, by default the step of the grid of the offsets. A line ``WAVELENGTH = 0.0555`` (or ``wavelength_m``)
        says that the images are of a radar; all lines become attributes then.
    base : Path
        Folder that patterns start from.

    Raises
    ------
    InputError
        No offsets can be used.

    Notes
    -----
    autoRIFT counts offsets positive to the right and up: east and north on a map. In images of a radar they are range
    and minus azimuth, on a grid of the image (``offset.mat``, no georeference) or on a map; they are kept in image
    pixels, as MintPy has them of radars. Interpolated values are no measurements and are missing here.
    """
    report = Report()
    files = matching(options.rg_off_file or options.az_off_file, base)
    if not files:
        message = f"rg_off_file: no file matches {options.rg_off_file or options.az_off_file}; give a pattern"
        raise InputError(message)
    table = read_date_table(options, base, report)
    extra = _radar_facts(table, options)
    found, backward = [], 0
    for path in files:
        one = report.attempt(path.name, partial(_pair, path, table, options, report, radar=bool(extra)))
        if one is not None:
            found.append(one)
            backward += path.suffix.lower() not in _NETCDF and table.of(path, options).backward
    turned_note(backward, report)
    report.note("values that autoRIFT interpolated are missing: they are no measurements")
    return assemble_offsets(found, options, base, report, extra=extra)


def _radar_facts(table: DateTable, options: LoadOptions) -> dict[str, str]:
    """Return MintPy's attributes where the images are of a radar; nothing where they are not.

    Raises
    ------
    InputError
        The size of an image pixel is not known.
    """
    wavelength = options.wavelength_m or table.number("WAVELENGTH")
    if wavelength is None:
        return {}
    missing = [key for key in _SIZES if not table.number(key)]
    if missing:
        message = f"meta_file: offsets of a radar need {' and '.join(missing)}: metres of an image pixel"
        raise InputError(message)
    facts = RadarFacts("autorift", wavelength).attributes()
    return {**facts, **table.settings, "UNIT": "pixel", "PROCESSOR": "autorift", "WAVELENGTH": str(wavelength)}


def _pair(path: Path, table: DateTable, options: LoadOptions, report: Report, *, radar: bool) -> Interferogram:
    if path.suffix.lower() in _NETCDF:
        return pair_of_netcdf(path)
    dates = table.of(path, options)
    if path.suffix.lower() == ".mat":
        return _of_matlab(path, dates, radar=radar)
    across, up = RasterLayer(path, _ACROSS), RasterLayer(path, _UP)
    size = (1.0, -1.0) if radar else _pixel_size(across.grid, table, path, report)
    valid = _measured(path, across.header.count)
    layers: dict[str, Layer] = {
        "rangeOffset": metres(across, dates.sign * size[0], across.nodata, valid),
        "azimuthOffset": metres(up, dates.sign * size[1], up.nodata, valid),
    }
    return Interferogram(dates.pair, layers, 0.0, f"{path.parent.name}/{path.name}", across.grid)


def _of_matlab(path: Path, dates: DatePair, *, radar: bool) -> Interferogram:
    """Return offsets on the grid of the image, which autoRIFT writes where it was given no map grid."""
    if not radar:
        message = (
            f"{path} has no georeference, so that it can only be of a radar: write WAVELENGTH, RANGE_PIXEL_SIZE and "
            "AZIMUTH_PIXEL_SIZE into meta_file, or give offset.tif"
        )
        raise InputError(message)
    across, up, filled, chip = (MatLayer(path, name) for name in _NAMES)
    valid = Derived((filled, chip), _not_filled, "measured")
    layers = {
        "rangeOffset": metres(across, dates.sign, None, valid),
        "azimuthOffset": metres(up, -dates.sign, None, valid),
    }
    return Interferogram(dates.pair, layers, 0.0, f"{path.parent.name}/{path.name}")


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
