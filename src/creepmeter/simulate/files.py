"""Simulated scenes and offset maps as files.

This room knows no file driver: the caller hands in the writer, which is `creepmeter.io.raster.write_geotiff`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import xarray as xr
from affine import Affine
from pyproj import CRS

from creepmeter.model.epoch import Epoch
from creepmeter.model.grid import Grid, grid_of, metres_per_pixel
from creepmeter.simulate.motion import MotionField, cell_centres
from creepmeter.simulate.scenes import SimulatedScenes
from creepmeter.simulate.tiles import BLOCK_PX, TiledScene

CORNER = (500_000.0, 5_100_000.0)  # upper left, where a reference system is asked for and the scenes have none


class WriteRaster(Protocol):
    """Writes a map as a GeoTIFF; `creepmeter.io.raster.write_geotiff` does."""

    def __call__(
        self,
        path: str | Path,
        array: npt.NDArray[Any],
        grid: Grid,
        *,
        nodata: float | None = ...,
        names: Sequence[str] | None = ...,
    ) -> None:
        """Write `array`, (y, x) or (band, y, x), on `grid`."""
        ...


class WriteParts(Protocol):
    """Writes a map part by part as a GeoTIFF; `creepmeter.io.raster.write_geotiff_parts` does."""

    def __call__(
        self,
        path: str | Path,
        parts: Iterable[tuple[slice, slice, npt.NDArray[Any]]],
        grid: Grid,
        *,
        dtype: npt.DTypeLike,
        nodata: float | None = ...,
    ) -> None:
        """Write `parts`, each with its rows and columns, on `grid`."""
        ...


def write_scenes(
    scenes: SimulatedScenes,
    folder: str | Path,
    write: WriteRaster,
    *,
    crs: str | None = "EPSG:32633",
    corner: tuple[float, float] = CORNER,
    masks: bool = True,
) -> list[Path]:
    """Write one image per date, masks, moving ground and truth.

    Parameters
    ----------
    scenes : SimulatedScenes
        What to write.
    folder : str or Path
        Made if absent. ``YYYYMMDD.tif`` are images (uint16, 0 = missing); ``YYYYMMDD_cloud.tif`` cloud masks (uint8,
        1 = cloud); ``moving.tif`` moving ground (uint8) on the image grid; ``slides.geojson`` its outlines in the
        reference system of the images, where they have one; ``truth.npz`` dates, jitter, and velocity per pixel.
    write : callable
        `creepmeter.io.raster.write_geotiff`.
    crs : str or None
        Reference system for scenes that lie on a local grid, metres; None writes images without georeference.
    corner : (float, float)
        Map coordinates of the upper left corner that such scenes get.
    masks : bool
        Write cloud masks.

    Returns
    -------
    list of Path
        The images, in order of time.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    grid, offset = _placed(scenes.grid, crs, corner)
    paths = [target / f"{_day(time)}.tif" for time in scenes.times]
    for path, image, cloud in zip(paths, scenes.images, scenes.cloud, strict=True):
        write(path, _as_uint16(image), grid, nodata=0)
        if masks:
            write(path.with_name(f"{path.stem}_cloud.tif"), cloud.astype(np.uint8), grid, nodata=None)
    write(target / "moving.tif", _moving(scenes).astype(np.uint8), grid, nodata=None)
    if grid.crs is not None:
        _write_outlines(target / "slides.geojson", scenes.motion, grid, offset)
    _write_truth(target / "truth.npz", scenes)
    return paths


def write_tiled_pair(
    scene: TiledScene,
    folder: str | Path,
    write: WriteParts,
    *,
    crs: str | None = "EPSG:32633",
    corner: tuple[float, float] = CORNER,
) -> list[Path]:
    """Write the two images of a tiled scene strip by strip, so that memory does not grow with the scene.

    Parameters
    ----------
    scene : TiledScene
        What to write.
    folder : str or Path
        Made if absent. ``YYYYMMDD.tif`` are images (uint16, 0 = missing); ``slides.geojson`` the outlines of moving
        ground, where the images have a reference system.
    write : callable
        `creepmeter.io.raster.write_geotiff_parts`.
    crs, corner
        As in `write_scenes`.

    Returns
    -------
    list of Path
        Reference and secondary image.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    grid, offset = _placed(scene.place, crs, corner)
    paths = [target / f"{_day(time)}.tif" for time in scene.epochs]
    for path, which in zip(paths, ("ref", "sec"), strict=True):
        write(path, _strips(scene, which), grid, dtype=np.uint16, nodata=0)
    if grid.crs is not None:
        _write_outlines(target / "slides.geojson", scene.motion, grid, offset)
    return paths


def _strips(scene: TiledScene, which: str) -> Iterator[tuple[slice, slice, npt.NDArray[np.uint16]]]:
    columns = slice(0, scene.shape[1])
    for top in range(0, scene.shape[0], BLOCK_PX):
        rows = slice(top, min(top + BLOCK_PX, scene.shape[0]))
        yield rows, columns, _as_uint16(scene.window(rows, columns, which))


def _placed(grid: Grid, crs: str | None, corner: tuple[float, float]) -> tuple[Grid, tuple[float, float]]:
    """Return a local grid set down at a corner, and by how much it was moved; other grids as they are."""
    if grid.crs is not None or crs is None:
        return grid, (0.0, 0.0)
    turn = grid.affine
    moved = Grid(grid.shape, Affine(turn.a, turn.b, corner[0], turn.d, turn.e, corner[1]), crs)
    return moved, (corner[0] - turn.c, corner[1] - turn.f)


def write_offset_maps(
    stack: xr.Dataset,
    folder: str | Path,
    write: WriteRaster,
    *,
    pixel_size_m: float | None = None,
    name: str = "{ref}_{sec}-F.tif",
) -> list[Path]:
    """Write a stack of (east, north) displacement as offset maps in the layout of other trackers.

    Parameters
    ----------
    stack : xarray.Dataset
        PairStack with components east and north.
    folder : str or Path
        Made if absent.
    write : callable
        `creepmeter.io.raster.write_geotiff`.
    pixel_size_m : float, optional
        Metres of the image pixel that the offsets count in; default the step of the stack's grid.
    name : str
        File name; ``{ref}`` and ``{sec}`` become ``YYYYMMDDTHHMMSS``.

    Returns
    -------
    list of Path
        One GeoTIFF per pair with three float32 bands: offset to the east in pixels, offset along rows in pixels
        (positive to the SOUTH), mask (1 = use). Masked offsets are 0, as a reader that ignores the mask would see.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    grid = grid_of(stack)
    size = float(abs(metres_per_pixel(grid)[0, 0])) if pixel_size_m is None else pixel_size_m
    east = stack["displacement"].sel(component="east").values / size
    south = -stack["displacement"].sel(component="north").values / size
    paths = []
    for k, (ref, sec) in enumerate(zip(stack["ref_time"].values, stack["sec_time"].values, strict=True)):
        used = np.isfinite(east[k]) & np.isfinite(south[k])
        bands = np.stack([np.where(used, east[k], 0.0), np.where(used, south[k], 0.0), used]).astype(np.float32)
        path = target / name.format(ref=_second(ref), sec=_second(sec))
        write(path, bands, grid, nodata=None, names=["east_px", "south_px", "mask"])
        paths.append(path)
    return paths


def _as_uint16(image: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """Round to counts; 0 is kept for missing."""
    counts = np.clip(np.rint(np.nan_to_num(image, nan=0.0)), 1, np.iinfo(np.uint16).max)
    return np.where(np.isfinite(image), counts, 0).astype(np.uint16)


def _moving(scenes: SimulatedScenes) -> npt.NDArray[np.bool_]:
    return scenes.motion.moving(*cell_centres(scenes.grid))


def _write_outlines(path: Path, motion: MotionField, grid: Grid, offset: tuple[float, float]) -> None:
    """Write GeoJSON with a named reference system: not RFC 7946, but what GDAL reads and writes for projected maps."""
    authority, code = CRS.from_user_input(str(grid.crs)).to_authority() or ("EPSG", "4326")
    features = [
        {
            "type": "Feature",
            "properties": {"name": f"slide {k + 1}", "speed_m_per_year": slide.speed},
            "geometry": {"type": "Polygon", "coordinates": [np.round(slide.outline() + offset, 3).tolist()]},
        }
        for k, slide in enumerate(motion.slides)
    ]
    collection = {
        "type": "FeatureCollection",
        "crs": {"type": "name", "properties": {"name": f"urn:ogc:def:crs:{authority}::{code}"}},
        "features": features,
    }
    path.write_text(json.dumps(collection, indent=1) + "\n", encoding="utf-8")


def _write_truth(path: Path, scenes: SimulatedScenes) -> None:
    velocity = scenes.motion.velocity(*cell_centres(scenes.grid)).astype(np.float32)
    np.savez_compressed(path, times=scenes.times, jitter_px=scenes.jitter_px, velocity=velocity, moving=_moving(scenes))


def _day(time: Epoch) -> str:
    return str(time.astype("datetime64[D]")).replace("-", "")


def _second(time: Epoch) -> str:
    return str(time.astype("datetime64[s]")).replace("-", "").replace(":", "")
