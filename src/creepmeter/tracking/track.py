"""Track two georeferenced rasters."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypedDict, Unpack

import numpy as np
import numpy.typing as npt
import xarray as xr

from creepmeter.blocks import Progress
from creepmeter.errors import EpochError
from creepmeter.io.raster import RasterImage, open_image
from creepmeter.io.vector import burn_mask
from creepmeter.kernels.threads import together
from creepmeter.model.epoch import EpochLike, as_epoch, epochs_in_name
from creepmeter.model.grid import (
    Grid,
    centre_positions,
    chip_grid,
    common_part,
    metres_per_pixel,
    part_of_grid,
    require_same_grid,
    same_grid,
    turn_between,
)
from creepmeter.model.pair import Pair
from creepmeter.model.schema import make_pair_stack
from creepmeter.tracking.arrays import track_arrays
from creepmeter.tracking.large import LARGE_PX, require_memory, track_large
from creepmeter.tracking.match import Flag, OffsetField, chip_shape
from creepmeter.tracking.nodes import GridLike, Guide, node_grid, places_on_nodes
from creepmeter.tracking.options import TrackOptions
from creepmeter.tracking.points import Places, node_spacing, track_places
from creepmeter.tracking.prepare import see_image
from creepmeter.tracking.spread import track_spread

Bools: TypeAlias = npt.NDArray[np.bool_]
MOST_STEP_PX = 512
logger = logging.getLogger(__name__)
FLAG_ATTRIBUTES: Mapping[str, Any] = {
    "long_name": "why a point is not valid",
    "flag_values": [int(flag) for flag in Flag],
    "flag_meanings": " ".join(flag.name.lower() for flag in Flag),
}
CHIP_ATTRIBUTES: Mapping[str, Any] = {"long_name": "edge of the chip", "units": "px"}


def field_to_pair(
    field: OffsetField, image: Grid, turn: float | npt.NDArray[np.float64] = 0.0
) -> dict[str, npt.NDArray[Any]]:
    """Return displacement and sigma in metres (east, north), quality and flag of one pair.

    Parameters
    ----------
    field : OffsetField
        Offsets in pixels.
    image : Grid
        Grid of the images.
    turn : float64
        Angle, radians clockwise, by which arrows turn from the axes of the images to those asked for.

    Returns
    -------
    dict
        ``displacement`` and ``sigma`` (2, ny, nx) float32, ``quality`` (ny, nx) float32 0..1, ``flag`` uint8.
    """
    cosine, sine = np.cos(turn), np.sin(turn)
    matrix = np.einsum("ij...,jk->ik...", np.array([[cosine, sine], [-sine, cosine]]), metres_per_pixel(image))
    offsets = np.stack([field.dx, field.dy]).astype(np.float64)
    spread = np.stack([field.sigma_dx, field.sigma_dy]).astype(np.float64)
    displacement = np.einsum("ij...,j...->i...", matrix, offsets)
    sigma = np.sqrt(np.einsum("ij...,j...->i...", matrix**2, spread**2))
    quality = np.where(field.valid, np.clip(field.correlation, 0, 1), np.float32(np.nan))
    return {
        "displacement": displacement.astype(np.float32),
        "sigma": sigma.astype(np.float32),
        "quality": quality.astype(np.float32),
        "flag": field.flag,
    }


class ImageSettings(TypedDict, total=False):
    """What is known of two image files, and of where to look in them.

    Parameters
    ----------
    exclude : path, optional
        Polygons or raster; nonzero is missing in both images.
    within : path, optional
        Polygons or raster; nonzero is where to measure.
    pixel_size_m : float, optional
        Needed for images without georeference, metres.
    nodata : float, optional
        Value that means missing, where the file does not say.
    dates : (ref, sec), optional
        Default: the first date in each file's name.
    """

    exclude: str | Path | None
    within: str | Path | None
    pixel_size_m: float | None
    nodata: float | None
    dates: tuple[EpochLike, EpochLike] | None


@dataclass(frozen=True)
class OpenPair:
    """Two image files where they overlap, not read yet.

    Parameters
    ----------
    ref, sec : RasterImage
        Of one shape.
    grid : Grid
        On which both lie.
    pair : Pair
        Their dates.
    exclude, within : bool (rows, columns), optional
        What is missing in both, and where to measure.
    """

    ref: RasterImage
    sec: RasterImage
    grid: Grid
    pair: Pair
    exclude: Bools | None
    within: Bools | None

    @classmethod
    def of(cls, ref_raster: str | Path, sec_raster: str | Path, **settings: Unpack[ImageSettings]) -> OpenPair:
        """Open two image files; see `ImageSettings`."""
        ref, sec, grid = _open_pair(ref_raster, sec_raster, settings.get("nodata"), settings.get("pixel_size_m"))
        pair = Pair.of(*(settings.get("dates") or (_date_in(ref_raster), _date_in(sec_raster))))
        exclude, within = settings.get("exclude"), settings.get("within")
        masked = None if exclude is None else burn_mask(exclude, grid, name="exclude")
        wanted = None if within is None else burn_mask(within, grid, name="within")
        return cls(ref, sec, grid, pair, masked, wanted)

    def read(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return both images."""
        whole = slice(None), slice(None)
        return self.ref.read(*whole), self.sec.read(*whole)

    def measure(self, places: Places, options: TrackOptions, progress: Progress | None = None) -> OffsetField:
        """Measure offsets at some places."""
        if self.ref.shape[0] * self.ref.shape[1] > LARGE_PX:
            masks = {"exclude": self.exclude, "within": self.within}
            return track_spread(self.ref, self.sec, places, options, **masks, progress=progress)
        first, second = self.read()
        ref, sec = together(
            lambda: see_image(first, self.exclude, options, name="the reference image"),
            lambda: see_image(second, self.exclude, options, name="the secondary image"),
        )
        return track_places(ref, sec, places, options, self.within)


def track(
    ref_raster: str | Path,
    sec_raster: str | Path,
    *,
    options: TrackOptions | None = None,
    grid: GridLike | None = None,
    guide: Guide | None = None,
    progress: Progress | None = None,
    memory_gb: float = 4.0,
    **images: Unpack[ImageSettings],
) -> xr.Dataset:
    """Track two image files and return one pair as a PairStack.

    Parameters
    ----------
    ref_raster, sec_raster : path
        Images whose pixels coincide, tracked where they overlap; in any raster format that is allowed for images
        (GeoTIFF, JPEG, PNG, JPEG 2000).
    options : TrackOptions, optional
        How to track.
    grid : path, float or GeoBox, optional
        Where to measure: at the pixel centres of a raster (a DEM, say) in any reference system; every so many metres;
        or on a grid. Chips lie as near to the nodes as whole pixels allow. Default: chips every `step_px` pixels.
    guide : Guide, optional
        Maps of expected motion and of search radii.
    progress : Progress, optional
        Shows how far a large image is.
    memory_gb : float
        Limit of memory. Large images are tracked block by block, the same blocks whatever the limit; one that does not
        suffice for a block is refused.
    **images
        ``exclude``, ``within``: polygons or raster; nonzero is missing in both images, or where to measure.
        ``pixel_size_m``: needed for images without georeference, metres. ``nodata``: value that means missing, where
        the file does not say. ``dates``: (ref, sec); default: the first date in each file's name.

    Returns
    -------
    xarray.Dataset
        A PairStack with components east and north, metres, along the axes of its grid.
    """
    options = options or TrackOptions()
    opened = OpenPair.of(ref_raster, sec_raster, **images)
    metres_per_pixel(opened.grid)  # degrees are refused before anything is measured
    require_memory(opened.ref.shape, options, memory_gb)
    chips = _chip_nodes(opened.grid, options)
    if grid is not None or guide is not None:
        nodes = chips if grid is None else node_grid(grid, opened.grid)
        return _track_nodes(opened, nodes, guide or Guide(), options, progress)
    if opened.ref.shape[0] * opened.ref.shape[1] > LARGE_PX:
        masks = {"exclude": opened.exclude, "within": opened.within}
        field = track_large(opened.ref, opened.sec, options, **masks, progress=progress)
    else:
        field = track_arrays(*opened.read(), options=options, exclude=opened.exclude, within=opened.within)
    return _one_pair(field, field_to_pair(field, opened.grid), opened.pair, chips, options)


def _chip_nodes(image: Grid, options: TrackOptions) -> Grid:
    shape = chip_shape((image.shape[0], image.shape[1]), options.chip_px, options.step_px)
    return chip_grid(image, shape, options.chip_px, options.step_px)


def _track_nodes(
    opened: OpenPair, nodes: Grid, guide: Guide, options: TrackOptions, progress: Progress | None
) -> xr.Dataset:
    places = places_on_nodes(nodes, opened.grid, guide, options, opened.pair)
    field = opened.measure(places, options, progress)
    turn = -turn_between(nodes.crs, opened.grid.crs, *centre_positions(nodes))
    spacing = node_spacing(places.row, places.col)
    step = max(1, round(spacing)) if np.isfinite(spacing) else options.step_px
    own = options.override({"step_px": min(step, MOST_STEP_PX)}, step="tracking")
    return _one_pair(field, field_to_pair(field, opened.grid, turn), opened.pair, nodes, own)


def _open_pair(
    ref_raster: str | Path, sec_raster: str | Path, nodata: float | None, pixel_size_m: float | None
) -> tuple[RasterImage, RasterImage, Grid]:
    """Open two images where they overlap; their pixels must coincide."""
    ref, grid = open_image(ref_raster, nodata=nodata, pixel_size_m=pixel_size_m)
    sec, other = open_image(sec_raster, nodata=nodata, pixel_size_m=pixel_size_m)
    if same_grid(grid, other):
        return ref, sec, grid
    shared = common_part(grid, other)
    if shared is None:
        require_same_grid(grid, other, expected_name=str(ref_raster), found_name=str(sec_raster))
        return ref, sec, grid
    logger.info("%s and %s are tracked where they overlap", ref_raster, sec_raster)
    return ref.crop(*shared[0]), sec.crop(*shared[1]), part_of_grid(grid, *shared[0])


def _date_in(path: str | Path) -> np.datetime64:
    found = epochs_in_name(Path(path).name)
    if not found:
        message = f"{path}: no date (YYYYMMDD) in the file name: rename it or give both dates"
        raise EpochError(message)
    return as_epoch(found[0])


def _one_pair(
    field: OffsetField, arrays: dict[str, npt.NDArray[Any]], pair: Pair, grid: Grid, options: TrackOptions
) -> xr.Dataset:
    stack = make_pair_stack(
        arrays["displacement"][:, None],
        [pair],
        ["east", "north"],
        sigma=arrays["sigma"][:, None],
        quality=arrays["quality"][None],
        grid=grid,
    )
    stack["flag"] = (("pair", "y", "x"), arrays["flag"][None], {**FLAG_ATTRIBUTES, "grid_mapping": "spatial_ref"})
    if options.chip_max_px is not None and field.chip_px is not None:
        attributes = {**CHIP_ATTRIBUTES, "grid_mapping": "spatial_ref"}
        stack["chip"] = (("pair", "y", "x"), field.chip_px[None], attributes)
    stack.attrs |= {"chip_px": options.chip_px, "step_px": options.step_px}
    return stack
