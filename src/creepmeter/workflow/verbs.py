"""Single steps from files to files, for the commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import xarray as xr
from odc.geo.geobox import GeoBox

from creepmeter.blocks import Progress
from creepmeter.errors import GridError
from creepmeter.interferograms.offset_maps import load_series_maps, store_offset_maps
from creepmeter.interferograms.options import OffsetMapOptions, SeriesMapOptions
from creepmeter.io import store
from creepmeter.io.provenance import digest_file, provenance
from creepmeter.io.raster import read_header, read_image
from creepmeter.io.rasterfile import is_raster
from creepmeter.io.vector import burn_mask, polygons
from creepmeter.model.grid import Grid, chip_grid, describe_grid, grid_of, map_position, metres_per_pixel
from creepmeter.model.schema import PAIR_STACK, check
from creepmeter.products.frame import Backdrop, mask_outlines
from creepmeter.stack.options import StableOptions
from creepmeter.stack.stable import stable_mask
from creepmeter.tracking.match import chip_shape
from creepmeter.tracking.options import TrackOptions
from creepmeter.tracking.track import track
from creepmeter.workflow.offsets import stable_store

Bools: TypeAlias = npt.NDArray[np.bool_]


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
    """

    ref: Path
    sec: Path
    exclude: Path | None = None
    within: Path | None = None
    pixel_size_m: float | None = None
    nodata: float | None = None
    dates: tuple[str, str] | None = None

    @property
    def inputs(self) -> tuple[Path, ...]:
        """All files that the result depends on."""
        return tuple(path for path in (self.ref, self.sec, self.exclude, self.within) if path is not None)


def track_files(images: ImagePair, target: Path, options: TrackOptions) -> xr.Dataset:
    """Track two images and write the pair; return it as well.

    Parameters
    ----------
    images : ImagePair
        What to track.
    target : Path
        PairStack to make.
    options : TrackOptions
        How.
    """
    stack = track(
        images.ref,
        images.sec,
        options=options,
        exclude=images.exclude,
        within=images.within,
        pixel_size_m=images.pixel_size_m,
        nodata=images.nodata,
        dates=images.dates,
    )
    settings = {"pixel_size_m": images.pixel_size_m, "nodata": images.nodata, "dates": images.dates}
    inputs = {str(path): digest_file(path) for path in images.inputs}
    store.write(stack, target, provenance({**options.model_dump(mode="json"), **settings}, inputs))
    return stack


def load_offsets(pattern: str, target: Path, options: OffsetMapOptions, *, progress: Progress) -> tuple[str, ...]:
    """Load offset maps of another program into a PairStack on disk; return what was left out, and why."""
    return _skipped(store.open(store_offset_maps(pattern, target, options=options, progress=progress)))


def load_series(pattern: str, target: Path, options: SeriesMapOptions) -> tuple[str, ...]:
    """Load displacement maps of another program into a TimeSeries on disk; return what was left out, and why."""
    series = load_series_maps(pattern, options=options)
    store.write(series, target, provenance(options.model_dump(mode="json"), {}))
    return _skipped(series)


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
        f"product ({describe_grid(grid)}){of_images}: give it a georeference, or polygons instead"
    )
    raise GridError(message)


def _under_chips(grid: Grid, shape: tuple[int, int], chip_px: int, step_px: int) -> Grid:
    """Return the image grid of this shape whose chips lie on a grid."""
    a, b, west, d, e, north = grid.affine[:6]
    scale = grid.affine.scale(1 / step_px)
    bare = GeoBox(shape, type(grid.affine)(a / step_px, b / step_px, west, d / step_px, e / step_px, north), grid.crs)
    assert scale is not None
    corner = (chip_px - step_px) / 2
    x, y = map_position(bare, -corner, -corner)
    return GeoBox(
        shape, type(grid.affine)(a / step_px, b / step_px, float(x), d / step_px, e / step_px, float(y)), grid.crs
    )
