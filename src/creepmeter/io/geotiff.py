"""Maps written as GeoTIFF: compressed, tiled, whole or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.errors import RasterioError
from rasterio.io import DatasetWriter
from rasterio.shutil import copy
from rasterio.windows import Window

from creepmeter.errors import GridError, StoreError
from creepmeter.io import swap
from creepmeter.io.lock import is_running
from creepmeter.model.conventions import MAP_DIMS
from creepmeter.model.grid import Grid

Part = tuple[slice, slice, npt.NDArray[np.generic]]
_TILE = 256
_TILED = {"tiled": True, "blockxsize": _TILE, "blockysize": _TILE}
_CACHE_MB = 64  # of blocks not yet written; GDAL else takes a twentieth of the machine


def write_geotiff(
    path: str | Path,
    array: npt.NDArray[np.generic],
    grid: Grid,
    *,
    nodata: float | None = np.nan,
    names: Sequence[str] | None = None,
    tags: Mapping[str, str] | None = None,
    cog: bool = False,
) -> None:
    """Write a map as a compressed, tiled GeoTIFF, whole or not at all.

    Parameters
    ----------
    path : str or Path
        File to make or replace.
    array : array, (band, y, x) or (y, x)
        float64 is written as float32, bool as uint8.
    grid : Grid
        Shape of the last two axes; without reference system the file has a transform only.
    nodata : float or None
        Value that means missing; NaN holds for floats only.
    names, tags : optional
        Descriptions of the bands, metadata of the file.
    cog : bool
        Cloud-optimised GeoTIFF with overviews.

    Raises
    ------
    GridError
        The array has another shape than the grid.
    StoreError
        The disk is full or not writable.
    """
    values = _bands_to_write(array, grid)
    told = list(names) if names is not None else [""] * len(values)
    if len(told) != len(values):
        message = f"{path}: {len(told)} band names for {len(values)} band(s): give one for each"
        raise GridError(message)
    write_geotiff_bands(path, values, grid, dtype=values.dtype, names=told, nodata=nodata, tags=tags, cog=cog)


def write_geotiff_bands(
    path: str | Path,
    bands: Iterable[npt.NDArray[np.generic]],
    grid: Grid,
    *,
    dtype: npt.DTypeLike,
    names: Sequence[str],
    nodata: float | None = np.nan,
    tags: Mapping[str, str] | None = None,
    cog: bool = False,
) -> None:
    """Write maps band by band as a compressed, tiled GeoTIFF, whole or not at all, holding one at a time.

    Parameters
    ----------
    path : str or Path
        File to make or replace.
    bands : iterable of array, (y, x)
        As many as names.
    grid : Grid
        Of all bands.
    dtype : dtype
        Of the file.
    names : sequence of str
        Descriptions of the bands; may be empty texts.
    nodata : float or None
        Value that means missing; NaN holds for floats only.
    tags : optional
        Metadata of the file; ``units`` becomes the unit of each band as well.
    cog : bool
        Cloud-optimised GeoTIFF with overviews.

    Raises
    ------
    StoreError
        The disk is full or not writable.
    """
    profile = _profile(grid, len(names), np.dtype(dtype), nodata)
    if len(names) > 1:
        profile["INTERLEAVE"] = "BAND"
    told = dict(tags or {})
    with _whole_raster(Path(path), profile, cog=cog) as target:
        for band, values in enumerate(bands, start=1):
            target.write(values.astype(dtype, copy=False), band)
        for band, name in enumerate(names, start=1):
            if name:
                target.set_band_description(band, name)
            if told.get("units"):
                target.set_band_unit(band, told["units"])
        target.update_tags(**told)


def write_geotiff_parts(
    path: str | Path,
    parts: Iterable[Part],
    grid: Grid,
    *,
    dtype: npt.DTypeLike,
    nodata: float | None = None,
) -> None:
    """Write a map part by part as a compressed, tiled GeoTIFF, whole or not at all, without holding all of it.

    Parameters
    ----------
    path : str or Path
        File to make or replace.
    parts : iterable of (slice, slice, array)
        Rows, columns and what stands there, (y, x); quickest in rows of whole tiles of 256 pixels, from the top.
    grid : Grid
        Of the whole map.
    dtype : dtype
        Of the file.
    nodata : float or None
        Value that means missing, also where no part lies.

    Raises
    ------
    GridError
        A part has another shape than its place, or reaches beyond the grid.
    StoreError
        The disk is full or not writable.
    """
    with _whole_raster(Path(path), _profile(grid, 1, np.dtype(dtype), nodata)) as target:
        for rows, columns, values in parts:
            _require_place(path, rows, columns, values, grid)
            place = Window.from_slices(rows, columns)
            target.write(values.astype(dtype, copy=False), 1, window=place)


def _require_place(path: str | Path, rows: slice, columns: slice, values: npt.NDArray[np.generic], grid: Grid) -> None:
    ends = [(part.start, part.stop) for part in (rows, columns)]
    fits = values.shape == tuple(stop - start for start, stop in ends)
    if not fits or any(start < 0 or stop > size for (start, stop), size in zip(ends, grid.shape, strict=True)):
        message = (
            f"{path}: a part of shape {values.shape} does not fit rows {ends[0]}, columns {ends[1]} of a grid of "
            f"{grid.shape[0]} x {grid.shape[1]} px: cut it to its place"
        )
        raise GridError(message)


def _profile(grid: Grid, count: int, dtype: np.dtype[np.generic], nodata: float | None) -> dict[str, object]:
    floating = dtype.kind == "f"
    keep = None if nodata is not None and np.isnan(nodata) and not floating else nodata
    profile: dict[str, object] = {"count": count, "dtype": dtype.name, "nodata": keep, "compress": "deflate"}
    profile |= {"height": grid.shape[0], "width": grid.shape[1], "transform": grid.affine, "BIGTIFF": "IF_SAFER"}
    profile |= {"crs": None if grid.crs is None else grid.crs.to_wkt(), "PREDICTOR": 3 if floating else 2}
    return profile | _TILED | {"driver": "GTiff"}


def _bands_to_write(array: npt.NDArray[np.generic], grid: Grid) -> npt.NDArray[np.generic]:
    values = np.asarray(array)
    values = values[None] if values.ndim == len(MAP_DIMS) else values
    if values.ndim != len(MAP_DIMS) + 1 or values.shape[1:] != tuple(grid.shape):
        message = f"an array of shape {np.shape(array)} does not fit a grid of {grid.shape[0]} x {grid.shape[1]} px"
        raise GridError(message)
    if values.dtype == np.float64:
        return values.astype(np.float32)
    return values.astype(np.uint8) if values.dtype == np.bool_ else values


@contextmanager
def _whole_raster(path: Path, profile: dict[str, object], *, cog: bool = False) -> Iterator[DatasetWriter]:
    """Yield a raster to write to; it takes its name when the block ends without error."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial.tif")
    packed = path.with_name(f".{path.name}.{os.getpid()}.packed.tif")
    with swap.file_errors(path, "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_stray(path)
        try:
            with rasterio.Env(GDAL_CACHEMAX=_CACHE_MB):
                with rasterio.open(partial, "w", **profile) as target:
                    yield target
                if cog:
                    _pack(partial, packed, floating=np.dtype(str(profile["dtype"])).kind == "f")
            swap.replace(packed if cog else partial, path)
        except RasterioError as problem:
            message = f"cannot write {path} ({problem}): check free space and permission, then run again"
            raise StoreError(message) from problem
        finally:
            for file in (partial, packed):
                file.unlink(missing_ok=True)
                file.with_name(f"{file.name}.aux.xml").unlink(missing_ok=True)


def _remove_stray(path: Path) -> None:
    """Delete what processes that were killed left of an earlier try to write this raster."""
    pattern = re.compile(rf"\.{re.escape(path.name)}\.(\d+)\.(partial|packed)\.tif(\.aux\.xml)?")
    for file in path.parent.iterdir():
        found = pattern.fullmatch(file.name)
        if found is not None and not is_running(int(found[1])):
            file.unlink(missing_ok=True)


def _pack(source: Path, target: Path, *, floating: bool) -> None:
    """Copy a GeoTIFF as cloud-optimised GeoTIFF."""
    copy(
        source, target, driver="COG", COMPRESS="DEFLATE", BLOCKSIZE=_TILE, PREDICTOR="YES", BIGTIFF="IF_SAFER",
        OVERVIEW_RESAMPLING="AVERAGE" if floating else "NEAREST", NUM_THREADS=1,
    )  # fmt: skip
