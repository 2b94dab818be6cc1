"""Track two image files at listed points."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

import numpy as np
import xarray as xr

from creepmeter.io.points import PointTable, read_points
from creepmeter.model.grid import metres_per_pixel, turn_between
from creepmeter.tracking.large import require_memory
from creepmeter.tracking.nodes import Guide, places_of_points
from creepmeter.tracking.options import TrackOptions
from creepmeter.tracking.track import FLAG_ATTRIBUTES, ImageSettings, OpenPair, field_to_pair


def track_listed(
    ref_raster: str | Path,
    sec_raster: str | Path,
    points: PointTable | str | Path,
    *,
    options: TrackOptions | None = None,
    guide: Guide | None = None,
    memory_gb: float = 4.0,
    **images: Unpack[ImageSettings],
) -> xr.Dataset:
    """Track two image files at listed points.

    Parameters
    ----------
    ref_raster, sec_raster : path
        Images whose pixels coincide.
    points : PointTable or path
        Points in any reference system: a table with columns ``x`` and ``y`` or ``lon`` and ``lat``, or a vector file.
        Columns ``chip_px``, ``search_px``, ``search_y_px`` (pixels), ``prior_east``, ``prior_north`` (metres) hold for
        single points.
    options : TrackOptions, optional
        How to track.
    guide : Guide, optional
        Maps of expected motion and of search radii.
    memory_gb : float
        Limit of memory.
    **images
        As of `creepmeter.track`.

    Returns
    -------
    xarray.Dataset
        Along ``point``: ``displacement`` and ``sigma`` (component, point) in metres along the axes of the points,
        ``quality``, ``flag``, ``chip_px``, ``dx``, ``dy`` (pixels); coordinates ``x``, ``y``, and ``row``, ``col``, the
        centre of the chip in the reference image.

    Raises
    ------
    InputError
        The file cannot be read, or no point lies on the images.
    """
    options = options or TrackOptions()
    table = points if isinstance(points, PointTable) else read_points(points)
    opened = OpenPair.of(ref_raster, sec_raster, **images)
    require_memory(opened.ref.shape, options, memory_gb)
    metres_per_pixel(opened.grid)  # degrees are refused before anything is measured
    places = places_of_points(table, opened.grid, guide or Guide(), options, opened.pair)
    field = opened.measure(places, options)
    arrays = field_to_pair(field, opened.grid, -turn_between(table.crs, opened.grid.crs, table.x, table.y))
    maps = ("component", "point")
    chip = np.full(field.flag.shape, options.chip_px) if field.chip_px is None else field.chip_px
    return xr.Dataset(
        {
            "displacement": (maps, arrays["displacement"], {"units": "m"}),
            "sigma": (maps, arrays["sigma"], {"units": "m", "long_name": "standard error of displacement"}),
            "quality": ("point", arrays["quality"], {"units": "1"}),
            "flag": ("point", arrays["flag"], dict(FLAG_ATTRIBUTES)),
            "chip_px": ("point", chip, {"long_name": "edge of the chip", "units": "px"}),
            "dx": ("point", field.dx, {"units": "px"}),
            "dy": ("point", field.dy, {"units": "px"}),
        },
        coords={
            "component": ["east", "north"],
            "x": ("point", table.x),
            "y": ("point", table.y),
            "row": ("point", field.row),
            "col": ("point", field.col),
            "ref_time": opened.pair.ref,
            "sec_time": opened.pair.sec,
        },
    )
