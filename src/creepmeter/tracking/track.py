"""Track two images, as arrays or as georeferenced rasters."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import xarray as xr

from creepmeter.blocks import Progress
from creepmeter.errors import EpochError, ImageError
from creepmeter.io.raster import RasterImage, open_image
from creepmeter.io.vector import burn_mask
from creepmeter.kernels.threads import together
from creepmeter.model.epoch import EpochLike, as_epoch, epochs_in_name
from creepmeter.model.grid import Grid, chip_grid, common_part, metres_per_pixel, require_same_grid, same_grid
from creepmeter.model.pair import Pair
from creepmeter.model.schema import make_pair_stack
from creepmeter.tracking.large import LARGE_PX, require_memory, track_large
from creepmeter.tracking.match import Flag, OffsetField, match, require_one_size
from creepmeter.tracking.options import TrackOptions
from creepmeter.tracking.prepare import filter_seen, see_image
from creepmeter.tracking.tuning import tune

Bools: TypeAlias = npt.NDArray[np.bool_]
logger = logging.getLogger(__name__)
FLAG_ATTRIBUTES: Mapping[str, Any] = {
    "long_name": "why a point is not valid",
    "flag_values": [int(flag) for flag in Flag],
    "flag_meanings": " ".join(flag.name.lower() for flag in Flag),
}


def track_arrays(
    ref: npt.ArrayLike,
    sec: npt.ArrayLike,
    *,
    exclude: Bools | tuple[Bools | None, Bools | None] | None = None,
    within: Bools | None = None,
    options: TrackOptions | None = None,
    **overrides: Any,  # noqa: ANN401 - the fields of TrackOptions, checked by it
) -> OffsetField:
    """Measure how far features moved from one image to another.

    Integer offsets come from the normalised cross-correlation of every chip over the search window; each is refined
    by Gauss-Newton on a quintic B-spline of the secondary image. Pixels that are missing in either image are left out
    of all sums.

    Parameters
    ----------
    ref, sec : array (rows, columns)
        The earlier and the later image on one grid. NaN = missing.
    exclude : bool (rows, columns), or one per image, optional
        True = treat as missing (cloud, shadow).
    within : bool (rows, columns), optional
        Measure only chips whose centre is true.
    options : TrackOptions, optional
        Chip, step, search radius (pixels), prefilter and limits of validity.
    **overrides
        Single options by name, such as ``chip_px=32, step_px=8, search_px=10``.

    Returns
    -------
    OffsetField
        ``row, col, dx, dy, correlation, sigma_dx, sigma_dy, valid, flag``, each (ny, nx). `dx` is positive toward
        larger column, `dy` toward larger row. The first chip covers pixels 0 to chip - 1.

    Raises
    ------
    ImageError
        An image is constant, all missing, smaller than a chip, or of another size than the other.
    ConfigError
        An unknown option or a value out of bounds.

    References
    ----------
    Lewis, J. P. (1995), Fast normalized cross-correlation. Baker, S. and Matthews, I. (2004), Lucas-Kanade 20 years on,
    doi 10.1023/B:VISI.0000011205.11775.fd.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.random.default_rng(0).normal(size=(64, 64))
    >>> field = track_arrays(image[:, 2:], image[:, :-2], chip_px=16, step_px=16, search_px=4)
    >>> float(np.round(field.dx[1, 1], 3)), float(np.round(field.dy[1, 1], 3))
    (2.0, 0.0)
    """
    options = (options or TrackOptions()).override(overrides, step="tracking")
    masks = exclude if isinstance(exclude, tuple) else (exclude, exclude)
    first, second = together(
        lambda: see_image(ref, masks[0], options, name="the reference image"),
        lambda: see_image(sec, masks[1], options, name="the secondary image"),
    )
    require_one_size(first.values, second.values)
    if within is not None and np.shape(within) != first.values.shape:
        message = f"`within` has shape {np.shape(within)}, the images {first.values.shape}: give it on the image's grid"
        raise ImageError(message)
    tuned = tune(first, second, options)
    prepared = together(
        lambda: filter_seen(first, options, tuned, "ref"), lambda: filter_seen(second, options, tuned, "sec")
    )
    return match(*prepared, options, within)


def field_to_pair(field: OffsetField, image: Grid) -> dict[str, npt.NDArray[Any]]:
    """Return displacement and sigma in metres (east, north), quality and flag of one pair.

    Parameters
    ----------
    field : OffsetField
        Offsets in pixels.
    image : Grid
        Grid of the images.

    Returns
    -------
    dict
        ``displacement`` and ``sigma`` (2, ny, nx) float32, ``quality`` (ny, nx) float32 0..1, ``flag`` uint8.
    """
    matrix = metres_per_pixel(image)
    offsets = np.stack([field.dx, field.dy]).astype(np.float64)
    spread = np.stack([field.sigma_dx, field.sigma_dy]).astype(np.float64)
    displacement = np.einsum("ij,jyx->iyx", matrix, offsets)
    sigma = np.sqrt(np.einsum("ij,jyx->iyx", matrix**2, spread**2))
    quality = np.where(field.valid, np.clip(field.correlation, 0, 1), np.float32(np.nan))
    return {
        "displacement": displacement.astype(np.float32),
        "sigma": sigma.astype(np.float32),
        "quality": quality.astype(np.float32),
        "flag": field.flag,
    }


def track(
    ref_raster: str | Path,
    sec_raster: str | Path,
    *,
    options: TrackOptions | None = None,
    exclude: str | Path | None = None,
    within: str | Path | None = None,
    pixel_size_m: float | None = None,
    nodata: float | None = None,
    dates: tuple[EpochLike, EpochLike] | None = None,
    progress: Progress | None = None,
    memory_gb: float = 4.0,
) -> xr.Dataset:
    """Track two image files and return one pair as a PairStack.

    Parameters
    ----------
    ref_raster, sec_raster : path
        Images whose pixels coincide, tracked where they overlap; in any raster format that is allowed for images
        (GeoTIFF, JPEG, PNG, JPEG 2000).
    options : TrackOptions, optional
        How to track.
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
    progress : Progress, optional
        Shows how far a large image is.
    memory_gb : float
        Limit of memory. Large images are tracked block by block, the same blocks whatever the limit; one that does not
        suffice for a block is refused.

    Returns
    -------
    xarray.Dataset
        A PairStack with components east and north, metres.
    """
    options = options or TrackOptions()
    ref, sec, grid = _open_pair(ref_raster, sec_raster, nodata, pixel_size_m)
    require_memory(ref.shape, options, memory_gb)
    pair = Pair.of(*(dates or (_date_in(ref_raster), _date_in(sec_raster))))
    masked = None if exclude is None else burn_mask(exclude, grid, name="exclude")
    wanted = None if within is None else burn_mask(within, grid, name="within")
    if ref.shape[0] * ref.shape[1] > LARGE_PX:
        field = track_large(ref, sec, options, exclude=masked, within=wanted, progress=progress)
    else:
        whole = (slice(None), slice(None))
        field = track_arrays(ref.read(*whole), sec.read(*whole), options=options, exclude=masked, within=wanted)
    return _one_pair(field_to_pair(field, grid), pair, grid, options)


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
    return ref.crop(*shared[0]), sec.crop(*shared[1]), grid[shared[0]]


def _date_in(path: str | Path) -> np.datetime64:
    found = epochs_in_name(Path(path).name)
    if not found:
        message = f"{path}: no date (YYYYMMDD) in the file name: rename it or give both dates"
        raise EpochError(message)
    return as_epoch(found[0])


def _one_pair(arrays: dict[str, npt.NDArray[Any]], pair: Pair, image: Grid, options: TrackOptions) -> xr.Dataset:
    flag = arrays["flag"]
    chips = chip_grid(image, (flag.shape[0], flag.shape[1]), options.chip_px, options.step_px)
    stack = make_pair_stack(
        arrays["displacement"][:, None],
        [pair],
        ["east", "north"],
        sigma=arrays["sigma"][:, None],
        quality=arrays["quality"][None],
        grid=chips,
    )
    stack["flag"] = (("pair", "y", "x"), flag[None], {**FLAG_ATTRIBUTES, "grid_mapping": "spatial_ref"})
    stack.attrs |= {"chip_px": options.chip_px, "step_px": options.step_px}
    return stack
