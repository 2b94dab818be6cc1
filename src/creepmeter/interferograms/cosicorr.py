"""Reader of COSI-Corr: offsets east-west and north-south in metres, and their signal-to-noise ratio, as GeoTIFF."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from creepmeter.interferograms.catalogue import Catalogue, Interferogram, Report
from creepmeter.interferograms.companions import turned_note
from creepmeter.interferograms.load_options import LoadOptions
from creepmeter.interferograms.names import DatePair
from creepmeter.interferograms.offset_pairs import assemble_offsets, files_by_dates, metres, read_date_table
from creepmeter.io.layers import Layer, RasterLayer
from creepmeter.io.raster import read_header

BANDS = {"rangeOffset": 1, "azimuthOffset": 2, "offsetSNR": 3}  # of a file that holds all: east, north, SNR
_SIGNED = ("rangeOffset", "azimuthOffset")


def find(options: LoadOptions, base: Path) -> Catalogue:
    """Return what is there of COSI-Corr; headers are read, no pixels.

    Parameters
    ----------
    options : LoadOptions
        ``rg_off_file`` are offsets to the east, ``az_off_file`` to the north, ``off_snr_file`` their ratio; all three
        may name the same files with bands east, north, SNR. ``meta_file`` names a table of file, first and second date
        (YYYYMMDD); without it dates are those in the names.
    base : Path
        Folder that patterns start from.

    Raises
    ------
    InputError
        No offsets can be used.
    """
    report = Report()
    table = read_date_table(options, base, report)
    found, backward = [], 0
    for files in files_by_dates(options, base, table, report).values():
        path, dates = next(iter(files.values()))
        one = report.attempt(path.name, partial(_pair, files))
        if one is not None:
            found.append(one)
            backward += dates.backward
    turned_note(backward, report)
    return assemble_offsets(found, options, base, report)


def _pair(files: dict[str, tuple[Path, DatePair]]) -> Interferogram:
    first, dates = next(iter(files.values()))
    count = read_header(first).count
    if count > 1:  # one file holds all
        files = {name: (first, dates) for name, band in BANDS.items() if band <= count} | files
    layers: dict[str, Layer] = {}
    grid = None
    for name, (path, own) in files.items():
        several = read_header(path).count > 1
        raster = RasterLayer(path, BANDS.get(name, 1) if several else 1)
        grid = grid or raster.grid
        factor = own.sign if name in _SIGNED else 1.0
        layers[name] = metres(raster, factor, raster.nodata)
    return Interferogram(dates.pair, layers, 0.0, first.name, grid)
