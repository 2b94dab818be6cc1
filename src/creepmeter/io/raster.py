"""Images and maps as raster files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rasterio.enums import ColorInterp
from rasterio.io import DatasetReader
from rasterio.windows import Window
from scipy import ndimage

from creepmeter.errors import ImageError
from creepmeter.io.geotiff import write_geotiff, write_geotiff_bands, write_geotiff_parts
from creepmeter.io.rasterfile import MAX_PIXELS, Header, header_of, is_south_up, local_grid, open_raster
from creepmeter.model.grid import Grid

__all__ = [
    "Header",
    "RasterImage",
    "open_image",
    "read_bands",
    "read_header",
    "read_image",
    "read_maps",
    "require_usable",
    "write_geotiff",
    "write_geotiff_bands",
    "write_geotiff_parts",
]

Floats32 = npt.NDArray[np.float32]
JPEG_TOLERANCE = 3  # grey levels by which compression moves a uniform frame
JPEG_BLOCK_PX = 8  # it rings within its blocks


def read_header(path: str | Path) -> Header:
    """Return grid, shape, bands, type and no-data value of a raster; no pixel is read.

    Raises
    ------
    ImageError
        Not a local raster of an allowed format.
    """
    with open_raster(path) as source:
        return header_of(source)


def read_image(
    path: str | Path,
    *,
    band: int | None = None,
    nodata: float | None = None,
    pixel_size_m: float | None = 1.0,
    missing_below: float | None = None,
    grow_px: int | None = None,
    window: tuple[slice, slice] | None = None,
    max_pixels: int = MAX_PIXELS,
) -> tuple[Floats32, Grid]:
    """Read one image, or a part of it, as brightness.

    Parameters
    ----------
    path : str or Path
        GeoTIFF/COG, JPEG, PNG or JPEG 2000 on this machine.
    band : int, optional
        Band to read, counted from 1. Default: the mean of all bands (without alpha).
    nodata : float, optional
        Value that means missing where every band read has it; the file's own value, mask and alpha hold as well. In a
        JPEG, whose compression blurs the edge of a frame, values within 3 of it count.
    pixel_size_m : float or None
        Edge of a pixel in metres, for files without georeference. None: such files are refused.
    missing_below : float, optional
        Pixels where no band is above this value are missing. For black frames in JPEG, whose black is not exactly 0.
    grow_px : int, optional
        Widen what `missing_below` or `nodata` found by this many pixels. Default: 8 for a JPEG, which rings within its
        blocks of 8 pixels beside a frame; 0 otherwise.
    window : (rows, columns), optional
        Part of the image to read, slices of the image north up.
    max_pixels : int
        Refuse larger images before memory is asked for.

    Returns
    -------
    image : array, (y, x) float32
        North up; NaN = missing.
    grid : Grid
        Of the whole file, or a pixel grid.

    Raises
    ------
    ImageError
        The file is damaged, cut, too large, of another format, or lacks the band.
    InputError
        No georeference and `pixel_size_m` is None.
    """
    with open_raster(path, max_pixels=max_pixels) as source:
        header = header_of(source)
        lossy = header.driver == "JPEG"
        wanted = _bands_wanted(path, source, band)
        reach = (JPEG_BLOCK_PX if lossy else 0) if grow_px is None else grow_px
        part, inner = _part_to_read(window, header.shape, reach)
        place = _window_in_file(part, header.shape[0], south_up=is_south_up(source))
        values = source.read(wanted, window=place)
        missing = ~_valid(source, wanted, place)
        if is_south_up(source):
            values, missing = values[:, ::-1], missing[::-1]
    framed = _all_missing(values, nodata, missing_below, tolerance=JPEG_TOLERANCE if lossy else 0)
    if reach > 0:
        framed = _grow(framed, reach)
    values, missing, framed = values[:, *inner], missing[inner], framed[inner]
    image = values.mean(axis=0, dtype=np.float32) if len(wanted) > 1 else values[0].astype(np.float32)
    image[missing | framed | ~np.isfinite(image)] = np.nan
    return image, local_grid(path, header, pixel_size_m)


def _bands_wanted(path: str | Path, source: DatasetReader, band: int | None) -> list[int]:
    if np.dtype(source.dtypes[0]).kind not in "uif":
        message = (
            f"image {path} holds {source.dtypes[0]} values: give an image of real numbers (amplitude, not complex)"
        )
        raise ImageError(message)
    if ColorInterp.palette in source.colorinterp:
        message = f"image {path} holds numbers of a colour table, not brightness: convert it to grey or RGB first"
        raise ImageError(message)
    if band is None:
        return [k for k in source.indexes if source.colorinterp[k - 1] != ColorInterp.alpha] or [1]
    if not 1 <= band <= source.count:
        message = f"image {path} has {source.count} band(s), band {band} was asked for: count from 1"
        raise ImageError(message)
    return [band]


def _part_to_read(
    window: tuple[slice, slice] | None, shape: tuple[int, int], reach: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return the part of an image to read, wider than asked for by `reach`, and the part asked for within it."""
    asked = window or (slice(0, shape[0]), slice(0, shape[1]))
    spans = [part.indices(size)[:2] for part, size in zip(asked, shape, strict=True)]
    wide = [(max(0, first - reach), min(size, last + reach)) for (first, last), size in zip(spans, shape, strict=True)]
    inner = [slice(span[0] - part[0], span[1] - part[0]) for span, part in zip(spans, wide, strict=True)]
    return (slice(*wide[0]), slice(*wide[1])), (inner[0], inner[1])


def _window_in_file(part: tuple[slice, slice], rows: int, *, south_up: bool) -> Window:
    """Return where a part of an image north up lies in its file."""
    down, along = part
    first = rows - down.stop if south_up else down.start
    return Window(along.start, first, along.stop - along.start, down.stop - down.start)


def _valid(source: DatasetReader, wanted: Sequence[int], window: Window) -> npt.NDArray[np.bool_]:
    """Tell where every wanted band counts by the file: its no-data value, mask, alpha."""
    return np.asarray((source.read_masks(list(wanted), window=window) > 0).all(axis=0))


@dataclass(frozen=True)
class RasterImage:
    """An image file that is read part by part; see `read_image` for the options.

    Parameters
    ----------
    path : Path
        The file.
    shape : (rows, columns)
        Its size, pixels.
    nodata : float, optional
        Value that means missing.
    corner : (row, column)
        First pixel of the image in the file, north up.
    band : int, optional
        Band to read, counted from 1; by default the mean of all.
    """

    path: Path
    shape: tuple[int, int]
    nodata: float | None = None
    corner: tuple[int, int] = (0, 0)
    band: int | None = None

    def read(self, rows: slice, columns: slice) -> Floats32:
        """Return a part of the image, NaN = missing."""
        spans = [part.indices(size) for part, size in zip((rows, columns), self.shape, strict=True)]
        down, along = (
            slice(first + start, first + stop) for first, (start, stop, _) in zip(self.corner, spans, strict=True)
        )
        return read_image(self.path, band=self.band, nodata=self.nodata, window=(down, along))[0]

    def crop(self, rows: slice, columns: slice) -> RasterImage:
        """Return a part of the image as an image."""
        corner = self.corner[0] + rows.start, self.corner[1] + columns.start
        return replace(self, shape=(rows.stop - rows.start, columns.stop - columns.start), corner=corner)


def open_image(
    path: str | Path, *, nodata: float | None = None, pixel_size_m: float | None = 1.0
) -> tuple[RasterImage, Grid]:
    """Open an image to be read part by part; return it and the grid of the file.

    Raises
    ------
    ImageError
        The file is damaged, too large, or of another format.
    """
    header = read_header(path)
    return RasterImage(Path(path), header.shape, nodata), local_grid(path, header, pixel_size_m)


def _all_missing(
    values: npt.NDArray[np.generic], nodata: float | None, missing_below: float | None, *, tolerance: int
) -> npt.NDArray[np.bool_]:
    framed = np.zeros(values.shape[1:], bool)
    if nodata is not None:
        framed |= _equal(values, nodata, tolerance).all(axis=0)
    if missing_below is not None:
        framed |= np.less_equal(values, missing_below).all(axis=0)
    return framed


def _equal(values: npt.NDArray[np.generic], nodata: float, tolerance: int) -> npt.NDArray[np.bool_]:
    if np.isnan(nodata):
        return np.asarray(np.isnan(values))
    if tolerance == 0:
        return np.asarray(values == nodata)
    return np.asarray(np.greater_equal(values, nodata - tolerance) & np.less_equal(values, nodata + tolerance))


def _grow(mask: npt.NDArray[np.bool_], pixels: int) -> npt.NDArray[np.bool_]:
    """Widen a mask by a square of `pixels` on each side."""
    grown = ndimage.maximum_filter(mask.astype(np.uint8), size=2 * pixels + 1, mode="constant", cval=0)
    return np.asarray(grown > 0)


def require_usable(image: npt.NDArray[np.floating], name: str) -> None:
    """Raise `ImageError`, naming the image, when it has no pixel to match: all missing, or one value throughout."""
    finite = image[np.isfinite(image)]
    if finite.size == 0:
        message = f"image {name} has no valid pixel: check nodata and masks, or leave this image out"
        raise ImageError(message)
    if finite.min() == finite.max():
        message = f"image {name} is constant ({finite.flat[0]:g} everywhere): nothing can be matched, leave it out"
        raise ImageError(message)


def read_bands(
    path: str | Path, *, pixel_size_m: float | None = 1.0, bands: Sequence[int] | None = None
) -> tuple[npt.NDArray[np.generic], Grid, float | None]:
    """Read bands as they are stored.

    Parameters
    ----------
    path : str or Path
        Raster of an allowed format.
    pixel_size_m : float or None
        As in `read_image`.
    bands : sequence of int, optional
        Bands counted from 1; all by default.

    Returns
    -------
    values : array, (band, y, x)
        Type of the file, north up.
    grid : Grid
        Of the file, or a pixel grid.
    nodata : float or None
        Declared no-data value.

    Raises
    ------
    ImageError
        The file is damaged, cut, too large, of another format, or lacks a band.
    """
    with open_raster(path) as source:
        header = header_of(source)
        wanted = list(bands) if bands is not None else list(source.indexes)
        for band in wanted:
            _bands_wanted(path, source, band)
        values = source.read(wanted)
        if is_south_up(source):
            values = values[:, ::-1]
    return values, local_grid(path, header, pixel_size_m), header.nodata


def read_maps(path: str | Path, bands: Sequence[int], *, pixel_size_m: float | None = None) -> tuple[Floats32, Grid]:
    """Read bands of measurements: float32, NaN where the file says missing (no-data value, mask, NaN, infinite).

    Parameters
    ----------
    path : str or Path
        Raster of an allowed format.
    bands : sequence of int
        Counted from 1.
    pixel_size_m : float or None
        Grid step for files without georeference; None refuses them.

    Returns
    -------
    values : array, (band, y, x) float32
        North up.
    grid : Grid
        Of the file, or a pixel grid.

    Raises
    ------
    ImageError
        The file is damaged, cut, too large, of another format, or lacks a band.
    InputError
        No georeference and `pixel_size_m` is None.
    """
    with open_raster(path) as source:
        header = header_of(source)
        for band in bands:
            _bands_wanted(path, source, band)
        values = source.read(list(bands)).astype(np.float32)
        values[source.read_masks(list(bands)) == 0] = np.nan
        if is_south_up(source):
            values = values[:, ::-1]
    values[~np.isfinite(values)] = np.nan
    return values, local_grid(path, header, pixel_size_m)
