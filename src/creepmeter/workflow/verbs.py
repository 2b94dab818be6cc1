"""Single steps from files to files, for the commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox

from creepmeter.blocks import Progress
from creepmeter.errors import GridError
from creepmeter.geometry.terrain import heights_on
from creepmeter.interferograms.mapfiles import find_files
from creepmeter.interferograms.offset_maps import load_series_maps, store_offset_maps
from creepmeter.interferograms.options import OffsetMapOptions, SeriesMapOptions
from creepmeter.io import store
from creepmeter.io.points import read_points, write_table
from creepmeter.io.provenance import digest_file, provenance
from creepmeter.io.raster import read_header, read_image
from creepmeter.io.rasterfile import is_raster
from creepmeter.io.vector import burn_mask, polygons
from creepmeter.model.grid import Grid, describe_grid, grid_of, map_position, metres_per_pixel
from creepmeter.model.schema import PAIR_STACK, check
from creepmeter.products.frame import Backdrop, mask_outlines
from creepmeter.stack.options import StableOptions
from creepmeter.stack.stable import stable_mask
from creepmeter.tracking.listed import track_listed
from creepmeter.tracking.match import Flag, chip_shape
from creepmeter.tracking.nodes import Guide
from creepmeter.tracking.options import TrackOptions
from creepmeter.tracking.track import ImageSettings, track
from creepmeter.workflow.offsets import stable_store

Bools: TypeAlias = npt.NDArray[np.bool_]
_RELIEF_PX, _MOST_FINER = 800, 8  # of shaded heights behind a map


@dataclass(frozen=True)
class ImagePair:
    """Two images to be tracked, and what is known of them.

    Parameters
    ----------
    ref, sec : Path
        The earlier and the later image.
    exclude, within : Path, optional
        Polygons or rasters: what is missing, and where to measure.
    pixel_size_m : float, optional
        For images without georeference, metres.
    nodata : float, optional
        Value that means missing.
    dates : (str, str), optional
        Default: from the names.
    grid : Path or float, optional
        Raster whose pixel centres are the nodes, or a spacing in metres.
    guide : Guide
        Maps of expected motion and of search radii.
    """

    ref: Path
    sec: Path
    exclude: Path | None = None
    within: Path | None = None
    pixel_size_m: float | None = None
    nodata: float | None = None
    dates: tuple[str, str] | None = None
    grid: Path | float | None = None
    guide: Guide | None = None

    @property
    def inputs(self) -> tuple[Path, ...]:
        """All files that the result depends on."""
        guides = () if self.guide is None else (self.guide.prior, self.guide.search_map)
        named = (self.ref, self.sec, self.exclude, self.within, self.grid, *guides)
        return tuple(Path(path) for path in named if isinstance(path, str | Path))

    @property
    def settings(self) -> ImageSettings:
        """What is known of the images, as the tracker takes it."""
        return {
            "exclude": self.exclude,
            "within": self.within,
            "pixel_size_m": self.pixel_size_m,
            "nodata": self.nodata,
            "dates": self.dates,
        }


def track_files(
    images: ImagePair,
    target: Path,
    options: TrackOptions,
    *,
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Track two images and write the pair; return it as well.

    Parameters
    ----------
    images : ImagePair
        What to track.
    target : Path
        PairStack to make.
    options : TrackOptions
        How.
    memory_gb : float
        Limit of memory.
    progress : Progress, optional
        Shows how far a large image is.
    """
    stack = track(
        images.ref,
        images.sec,
        options=options,
        grid=images.grid,
        guide=images.guide,
        memory_gb=memory_gb,
        progress=progress,
        **images.settings,
    )
    nodata = str(images.nodata) if images.nodata is not None and np.isnan(images.nodata) else images.nodata
    settings: dict[str, Any] = {"pixel_size_m": images.pixel_size_m, "nodata": nodata, "dates": images.dates}
    if isinstance(images.grid, float):
        settings["grid"] = images.grid
    if images.guide is not None:
        settings["prior_unit"] = images.guide.prior_unit
    inputs = {str(path): digest_file(path) for path in images.inputs}
    store.write(stack, target, provenance({**options.model_dump(mode="json"), **settings}, inputs))
    return stack


def track_listed_points(
    images: ImagePair,
    points: Path,
    target: Path,
    options: TrackOptions,
    *,
    crs: str | None = None,
    memory_gb: float = 4.0,
) -> str:
    """Track two images at the points of a file and write a table; return in words how much is measured.

    Parameters
    ----------
    images : ImagePair
        What to track.
    points : Path
        Table or vector file.
    target : Path
        CSV to make: the columns of the file, then what was measured.
    options : TrackOptions
        How.
    crs : str, optional
        Reference system of the points, where the file does not say.
    memory_gb : float
        Limit of memory.
    """
    table = read_points(points, crs)
    found = track_listed(
        images.ref, images.sec, table, options=options, guide=images.guide, memory_gb=memory_gb, **images.settings
    )
    count = found.sizes["point"]
    columns: dict[str, Sequence[Any]] = {**table.columns}
    for name in ("ref_time", "sec_time"):
        columns[name.replace("time", "date")] = [str(found[name].values)[:19]] * count
    for name in ("displacement", "sigma"):
        for component in ("east", "north"):
            key = f"{component}_m" if name == "displacement" else f"sigma_{component}_m"
            columns[key] = list(found[name].sel(component=component).values)
    columns |= {name: list(found[name].values) for name in ("quality", "chip_px", "row", "col", "dx", "dy")}
    columns["flag"] = [Flag(int(value)).name.lower() for value in found["flag"].values]
    write_table(target, columns)
    valid = int((found["flag"].values == Flag.VALID).sum())
    return f"{count} points, {valid} valid"


def displacement_summary(stack: xr.Dataset) -> str:
    """Return in words how much of a pair stack is measured, and its median displacement."""
    values = stack["displacement"].values
    rows, columns = stack.sizes["y"], stack.sizes["x"]
    measured = np.isfinite(values)
    words = f"{rows} x {columns} points, {100 * measured.mean():.1f} % valid"
    if not measured.any():
        return f"{words}: nothing could be measured"
    medians = [
        f"{name} {np.median(part[seen]):+.3g} m"
        for name, part, seen in zip(stack["component"].values, values, measured, strict=True)
        if seen.any()
    ]
    return f"{words}; median displacement {', '.join(medians)}"


def load_offsets(
    patterns: Sequence[str], target: Path, options: OffsetMapOptions, *, progress: Progress
) -> tuple[str, ...]:
    """Load offset maps of another program into a PairStack on disk; return what was left out, and why."""
    return _skipped(store.open(store_offset_maps(_files(patterns), target, options=options, progress=progress)))


def step_metres(path: Path) -> str:
    """Return the step of a product's grid in metres, in words: one number, or width and height where they differ."""
    across, down = np.hypot(*metres_per_pixel(grid_of(store.open(path))))
    return f"{across:g}" if np.isclose(across, down) else f"{across:g} x {down:g}"


def load_series(patterns: Sequence[str], target: Path, options: SeriesMapOptions) -> tuple[str, ...]:
    """Load displacement maps of another program into a TimeSeries on disk; return what was left out, and why."""
    files = _files(patterns)
    series = load_series_maps(files, options=options)
    inputs = {str(path): digest_file(path) for path in files}
    store.write(series, target, provenance(options.model_dump(mode="json"), inputs))
    return _skipped(series)


def _files(patterns: Sequence[str]) -> list[Path]:
    """Return the files of patterns, folders or names, none twice."""
    return list(dict.fromkeys(path for pattern in patterns for path in find_files(pattern)))


def _skipped(dataset: xr.Dataset) -> tuple[str, ...]:
    found = dataset.attrs.get("skipped", ())
    return (found,) if isinstance(found, str) else tuple(map(str, found))


def stable_ground(stack: xr.Dataset, *, moving: Path | None, stable: Path | None, buffer_m: float) -> Bools:
    """Return where a stack is stable, (y, x), from a file of moving or of stable ground.

    Parameters
    ----------
    stack : Dataset
        Anything with a grid.
    moving, stable : Path
        Polygons or raster, one of the two.
    buffer_m : float
        Metres by which moving ground is widened.

    Raises
    ------
    InputError
        The file cannot be read, or does not touch the stack.
    GridError
        A raster without georeference that has neither the shape of the stack nor that of its images.
    """
    grid = grid_of(stack)
    if stable is not None:
        return burn_mask(stable, grid, name="stable", image=image_grid(stack, stable))
    if moving is None:
        return np.zeros((grid.shape[0], grid.shape[1]), bool)
    ground = burn_mask(moving, grid, name="moving", image=image_grid(stack, moving))
    across, down = np.hypot(*metres_per_pixel(grid))
    return stable_mask(ground, buffer_m=buffer_m, cell_m=(float(down), float(across)))


def correct_store(
    source: Path,
    target: Path,
    options: StableOptions,
    *,
    moving: Path | None,
    stable: Path | None,
    progress: Progress,
) -> Bools:
    """Correct a stack on disk by its stable ground into another; return where it is stable, (y, x)."""
    stack = store.open(source)
    check(stack, PAIR_STACK)
    ground = stable_ground(stack, moving=moving, stable=stable, buffer_m=options.buffer_m)
    stable_store(source, target, ground, options, progress=progress)
    return ground


def image_grid(product: xr.Dataset, raster: Path) -> Grid:
    """Return the grid on which a raster without georeference lies: that of the product, or that of its images.

    Parameters
    ----------
    product : Dataset
        With the attributes ``chip_px`` and ``step_px`` when it comes from images.
    raster : Path
        Any file; only a raster without georeference is looked at.

    Raises
    ------
    GridError
        The raster has another shape than either.
    """
    grid = grid_of(product)
    header = read_header(raster) if is_raster(raster) else None
    if header is None or header.grid is not None or header.shape == tuple(grid.shape):
        return grid
    chip, step = (int(product.attrs.get(name, 0)) for name in ("chip_px", "step_px"))
    if chip and step and chip_shape(header.shape, chip, step) == tuple(grid.shape):
        return _under_chips(grid, header.shape, chip, step)
    of_images = f", nor that of its images (chips of {chip} px every {step} px)" if chip and step else ""
    message = (
        f"{raster} has {header.shape[0]} x {header.shape[1]} px and no georeference; this is not the shape of the "
        f"product ({describe_grid(grid)}){of_images}: give it a georeference"
    )
    raise GridError(message)


def _under_chips(grid: Grid, shape: tuple[int, int], chip_px: int, step_px: int) -> Grid:
    """Return the image grid of this shape whose chips lie on a grid."""
    a, b, _, d, e, _ = (value / step_px for value in grid.affine[:6])
    corner = (chip_px - step_px) / 2 / step_px  # of the image, in cells before the first chip's cell
    west, north = map_position(grid, -corner, -corner)
    return GeoBox(shape, Affine(a, b, float(west), d, e, float(north)), grid.crs)


def backdrop(
    product: xr.Dataset,
    *,
    image: Path | None = None,
    relief: Path | None = None,
    outlines: Path | None = None,
    pixel_size_m: float | None = None,
) -> Backdrop:
    """Read what is drawn behind and over a map.

    Parameters
    ----------
    product : Dataset
        The product to be drawn.
    image, relief : Path, optional
        Raster of brightness, or of heights in metres (in any reference system); one of the two.
    outlines : Path, optional
        Polygons, or a raster whose border is drawn.
    pixel_size_m : float, optional
        Edge of a pixel of an image without georeference, metres; by default from the product.

    Raises
    ------
    GridError
        The raster lies in another reference system than the product.
    """
    behind = image or relief
    lines = () if outlines is None else _outlines(product, outlines)
    if behind is None:
        return Backdrop(outlines=lines)
    if relief is not None and _is_elsewhere(product, relief):
        return relief_behind(grid_of(product), relief, outlines=lines)
    values, grid = read_image(behind, pixel_size_m=pixel_size_m or 1.0)
    if read_header(behind).grid is None and pixel_size_m is None:
        grid = image_grid(product, behind)
    ours = grid_of(product)
    if grid.crs != ours.crs:
        message = (
            f"{behind} lies on {describe_grid(grid)}, the map on {describe_grid(ours)}: warp the image to the "
            "system of the map first (`rio warp --dst-crs`)"
        )
        raise GridError(message)
    return Backdrop(values, grid, lines, "height" if relief is not None else "image")


def _is_elsewhere(product: xr.Dataset, path: Path) -> bool:
    """Tell whether a raster has another reference system than a product."""
    theirs, ours = read_header(path).grid, grid_of(product)
    return theirs is not None and theirs.crs is not None and ours.crs is not None and theirs.crs != ours.crs


def relief_behind(grid: Grid, dem: Path, *, outlines: Sequence[object] = ()) -> Backdrop:
    """Return the heights of a DEM in any reference system, to be drawn behind a map on `grid`.

    Raises
    ------
    GridError
        The DEM does not touch the map.
    """
    finer = max(1, min(round(_RELIEF_PX / max(grid.shape)), _MOST_FINER))
    a, b, west, d, e, north = grid.affine[:6]
    shape = (grid.shape[0] * finer, grid.shape[1] * finer)
    fine = GeoBox(shape, Affine(a / finer, b / finer, west, d / finer, e / finer, north), grid.crs)
    return Backdrop(heights_on(dem, fine), fine, outlines, "height")


def _outlines(product: xr.Dataset, path: Path) -> Sequence[object]:
    grid = grid_of(product)
    if not is_raster(path):
        return polygons(path, None if grid.crs is None else grid.crs.to_wkt())
    own = read_header(path).grid or image_grid(product, path)
    if own.crs == grid.crs:  # a finer raster keeps its border
        grid = own
    return mask_outlines(burn_mask(path, grid, name="outlines", image=own), grid)
