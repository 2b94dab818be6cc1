"""The only place that opens a raster driver: which files, how large, and no silent damage."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from creepmeter.errors import ImageError, InputError
from creepmeter.io import swap
from creepmeter.io.quiet import georeference_may_lack
from creepmeter.model.grid import Grid, pixel_grid

Raster: TypeAlias = DatasetReader
DRIVERS = ("GTiff", "COG", "JPEG", "PNG", "JP2OpenJPEG")
LOSSY = ("JPEG",)
MAX_PIXELS = 400_000_000
_STARTS = {
    "GTiff": (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"),  # a COG is a GTiff to read
    "JPEG": (b"\xff\xd8\xff",),
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "JP2OpenJPEG": (b"\x00\x00\x00\x0cjP  ", b"\xff\x4f\xff\x51"),
}
_PREFIX = re.compile(
    r"^[A-Za-z][A-Za-z0-9_]+:(?![\\/])"
)  # NETCDF:file, HDF5:file, GTIFF_DIR:1:file; C:\ has one letter
ENVIRONMENT = {
    "GDAL_ERROR_ON_LIBJPEG_WARNING": "TRUE",  # a cut JPEG is an error, not grey pixels
    "GDAL_DISABLE_READDIR_ON_OPEN": "TRUE",
    "GTIFF_IGNORE_READ_ERRORS": "NO",
    "CPL_DEBUG": "OFF",
}


@dataclass(frozen=True)
class Header:
    """What a raster says of itself before any pixel is read.

    Parameters
    ----------
    grid : Grid or None
        None when the file has no georeference.
    shape : (int, int)
        Rows and columns.
    count : int
        Bands.
    dtype : str
        Type of the first band.
    nodata : float or None
        Declared no-data value.
    names : tuple of str
        Descriptions of the bands, empty text where there is none.
    driver : str
        Format, as GDAL calls it.
    tags : tuple of (str, str)
        Metadata of the file.
    """

    grid: Grid | None
    shape: tuple[int, int]
    count: int
    dtype: str
    nodata: float | None
    names: tuple[str, ...]
    driver: str
    tags: tuple[tuple[str, str], ...]


def require_local(path: str | Path) -> Path:
    """Return `path`, refusing addresses, archives and driver prefixes.

    Raises
    ------
    ImageError
        The name is not that of a local file, or there is no such file.
    """
    text = str(path)
    if "://" in text or text.startswith(("/vsi", "\\vsi")) or (_PREFIX.match(text) and not Path(text).exists()):
        message = f"{text!r} is not the name of a local file: addresses, archives and driver prefixes are refused"
        raise ImageError(message)
    found = Path(path)
    if not found.is_file():
        what = "is a folder" if found.is_dir() else "does not exist"
        message = f"{text} {what}: give the name of a file"
        raise ImageError(message)
    return found


@contextmanager
def open_raster(path: str | Path, *, max_pixels: int = MAX_PIXELS) -> Iterator[DatasetReader]:
    """Open a raster of an allowed format for reading; any error while it is open names the file.

    Raises
    ------
    ImageError
        Not a local file, another format, larger than `max_pixels`, damaged or cut.
    """
    found = require_local(path).resolve()
    driver = _driver_of(path, found)
    if driver == "PNG":
        _require_whole_png(path, found)
    try:
        with (
            georeference_may_lack(),
            rasterio.Env(**ENVIRONMENT),
            rasterio.open(found, driver=driver) as source,
        ):
            require_size(path, source, max_pixels)
            yield source
    except RasterioError as problem:
        cause = problem.__cause__ or problem
        message = f"image {path} cannot be read ({cause}): it is damaged or cut; get it again or leave it out"
        raise ImageError(message) from problem


def is_raster(path: str | Path) -> bool:
    """Tell whether a local file starts like a raster of an allowed format, whatever its name.

    Raises
    ------
    ImageError
        Not the name of a local file.
    """
    return driver_by(_head(require_local(path))) is not None


def _head(found: Path) -> bytes:
    with swap.file_errors(found, "read"), found.open("rb") as file:
        return file.read(12)


def driver_by(head: bytes) -> str | None:
    """Return the driver that belongs to the first bytes of a file, if it is an allowed one."""
    return next((driver for driver, starts in _STARTS.items() if head.startswith(starts)), None)


def _driver_of(path: str | Path, found: Path) -> str:
    """Choose the driver from the first bytes, so that no other one (VRT, network, archives) ever sees the file."""
    head = _head(found)
    driver = driver_by(head)
    if driver is not None:
        return driver
    message = f"image {path} is not one of {', '.join(DRIVERS)} (it starts with {head!r}): convert it to GeoTIFF"
    raise ImageError(message)


def _require_whole_png(path: str | Path, found: Path) -> None:
    """Walk the chunks of a PNG to its end mark: GDAL reads a cut PNG without a word and leaves the rest to chance."""
    with swap.file_errors(found, "read"), found.open("rb") as file:
        size, place, kind = found.stat().st_size, 8, b""
        while place + 12 <= size and kind != b"IEND":
            file.seek(place)
            head = file.read(8)
            kind = head[4:]
            place += 12 + int.from_bytes(head[:4], "big")
    if kind != b"IEND" or place > size:
        message = (
            f"image {path} cannot be read (the PNG has no end): it is damaged or cut; get it again or leave it out"
        )
        raise ImageError(message)


def require_size(path: str | Path, source: DatasetReader, max_pixels: int) -> None:
    """Raise `ImageError` when an open raster claims more pixels, or larger blocks, than fit; none is read."""
    pixels = source.width * source.height
    if pixels > max_pixels or pixels * source.count > 8 * max_pixels:
        message = (
            f"image {path} claims {source.height} x {source.width} px in {source.count} band(s), more than the limit "
            f"of {max_pixels} px: cut it to the area of interest first"
        )
        raise ImageError(message)
    tall, wide = source.block_shapes[0]
    if tall * wide > 4 * max_pixels:
        message = f"image {path} has blocks of {tall} x {wide} px, which do not fit in memory: rewrite it with tiles"
        raise ImageError(message)


def header_of(source: DatasetReader) -> Header:
    """Return what an open raster says of itself; the grid is turned north-up."""
    shape = (int(source.height), int(source.width))
    return Header(
        grid=native_grid(source),
        shape=shape,
        count=int(source.count),
        dtype=str(source.dtypes[0]),
        nodata=None if source.nodata is None else float(source.nodata),
        names=tuple(name or "" for name in source.descriptions),
        driver=str(source.driver),
        tags=tuple(sorted((str(key), str(value)) for key, value in source.tags().items())),
    )


def native_grid(source: DatasetReader) -> Grid | None:
    """Return the north-up grid of an open raster, or None when it has no georeference."""
    affine = source.transform
    if affine == Affine.identity() and source.crs is None:
        return None
    if is_south_up(source):
        a, b, c, d, e, f = affine[:6]
        affine = Affine(a, -b, c + b * source.height, d, -e, f + e * source.height)
    return GeoBox((source.height, source.width), affine, _reference_system(source))


def _reference_system(source: DatasetReader) -> str | None:
    """Return the code of the reference system where it has one, for it reads better in messages, else its text."""
    if source.crs is None:
        return None
    code = source.crs.to_epsg(confidence_threshold=100)
    return f"EPSG:{code}" if code else str(source.crs.to_wkt())


def is_south_up(source: DatasetReader) -> bool:
    """Tell whether the first row of an open raster is the southernmost one."""
    georeferenced = source.crs is not None or source.transform != Affine.identity()
    return bool(georeferenced and source.transform.e > 0 and source.transform.b == 0)


def read_part(
    source: DatasetReader, rows: slice, columns: slice, band: int = 1
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """Return a part of one band of an open raster as it is stored, and where it counts by the file's own word.

    Parameters
    ----------
    source : DatasetReader
        The raster.
    rows, columns : slice
        Of the raster north up, with both ends, within it.
    band : int
        Counted from 1.

    Returns
    -------
    values : array, (y, x)
        North up, type of the file.
    valid : array of bool, (y, x)
        False where the no-data value, a mask or alpha says so.
    """
    flipped = is_south_up(source)
    first = source.height - rows.stop if flipped else rows.start
    window = Window(columns.start, first, columns.stop - columns.start, rows.stop - rows.start)
    values, valid = source.read(band, window=window), source.read_masks(band, window=window) > 0
    return (values[::-1], valid[::-1]) if flipped else (values, valid)


def local_grid(path: str | Path, header: Header, pixel_size_m: float | None) -> Grid:
    """Return the grid of the file, or a pixel grid when the file has none.

    Raises
    ------
    InputError
        The file has no georeference and `pixel_size_m` is None or not positive.
    """
    if header.grid is not None:
        return header.grid
    if pixel_size_m is None or not 0 < pixel_size_m < float("inf"):
        message = (
            f"image {path} has no georeference and pixel_size_m is {pixel_size_m}: give the edge of a pixel in metres "
            "(pixel_size_m, --pixel-size)"
        )
        raise InputError(message)
    return pixel_grid(header.shape, pixel_size_m)
