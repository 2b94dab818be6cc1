"""Places spread over images that are too large to be held at once, band by band."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import NullProgress, Progress
from creepmeter.io.raster import RasterImage
from creepmeter.kernels.spline import HORIZON, SUPPORT
from creepmeter.kernels.threads import together
from creepmeter.tracking.large import BLOCK_ROWS_PX, HiddenImage
from creepmeter.tracking.match import Flag, OffsetField
from creepmeter.tracking.options import TrackOptions
from creepmeter.tracking.points import Found, Places, judge_places, measure_places, tune_about
from creepmeter.tracking.prepare import PreparedImage, Role, filter_seen, see_part
from creepmeter.tracking.tuning import LONGEST_PX

Floats: TypeAlias = npt.NDArray[np.float32]
Bools: TypeAlias = npt.NDArray[np.bool_]
Spans: TypeAlias = tuple[slice, slice]


@dataclass(frozen=True)
class _Hidden(HiddenImage):
    """An image file read part by part, of which some pixels count as missing."""

    image: RasterImage

    def crop(self, rows: slice, columns: slice) -> _Hidden:
        return _Hidden(self.image.crop(rows, columns), None if self.hidden is None else self.hidden[rows, columns])


def track_spread(
    ref: RasterImage,
    sec: RasterImage,
    places: Places,
    options: TrackOptions,
    *,
    exclude: Bools | None = None,
    within: Bools | None = None,
    progress: Progress | None = None,
) -> OffsetField:
    """Measure offsets at some places between two images that are read part by part.

    Parameters
    ----------
    ref, sec : RasterImage
        The earlier and the later image, of one shape.
    places : Places
        Where, with chips, searches and expected offsets.
    options : TrackOptions
        Filter and limits of validity.
    exclude, within : bool (rows, columns), optional
        What is missing in both images, and where to measure.
    progress : Progress, optional
        Counts bands.

    Returns
    -------
    OffsetField
        As from `creepmeter.tracking.points.track_places`.
    """
    progress = progress or NullProgress()
    flat, shape = places.ravel(), ref.shape
    found = Found.nothing(flat, flag=Flag.MASKED if within is None else Flag.NOT_WANTED)
    wanted = (flat.search_y > 0) & (flat.search_x > 0)
    for asked, size in zip((flat.row, flat.col), shape, strict=True):
        wanted &= (asked > -1) & (asked < size)
    # a place half a pixel above the image belongs to the first band, -1 is for those not wanted
    band = np.where(wanted, np.maximum(np.nan_to_num(flat.row), 0) // BLOCK_ROWS_PX, -1)
    bands = np.unique(band[wanted])
    sources = _Hidden(ref, exclude), _Hidden(sec, exclude)
    tuned = tune_about(*sources, flat, options)
    progress.start("track", len(bands))
    for number in bands:
        where = np.flatnonzero(band == number)
        found.take(_measure_band(sources, flat.part(where), options, tuned, within), where)
        progress.advance(1)
    progress.finish()
    return judge_places(found, places.row.shape, options)


def _measure_band(
    sources: tuple[_Hidden, _Hidden],
    places: Places,
    options: TrackOptions,
    tuned: Floats | None,
    within: Bools | None,
) -> Found:
    spans = _around(places, sources[0].shape, options)
    top, left = spans[0].start, spans[1].start
    chosen = None if within is None else within[spans]

    def prepare(source: _Hidden, role: Role) -> PreparedImage:
        return filter_seen(see_part(source.read(*spans)), options, tuned, role)

    ref, sec = together(lambda: prepare(sources[0], "ref"), lambda: prepare(sources[1], "sec"))
    here = replace(places, row=places.row - top, col=places.col - left)
    found = measure_places(ref, sec, here, options, chosen)
    return replace(found, row=found.row + top, col=found.col + left)


def _around(places: Places, shape: tuple[int, int], options: TrackOptions) -> Spans:
    """Return the part of both images that the measurement of places depends on."""
    filtered = LONGEST_PX if options.prefilter == "auto" else 2 * options.prefilter_px
    chip = max(int(places.chip_px.max()), options.chip_max_px or 0)
    spans = []
    for asked, prior, radius, size in zip(
        (places.row, places.col),
        (places.prior_dy, places.prior_dx),
        (places.search_y, places.search_x),
        shape,
        strict=True,
    ):
        margin = int(radius.max()) + chip + filtered + HORIZON + SUPPORT
        first = int(np.floor((asked + np.minimum(prior, 0)).min())) - margin
        last = int(np.ceil((asked + np.maximum(prior, 0)).max())) + margin + 1
        spans.append(slice(max(0, first), min(size, last)))
    return spans[0], spans[1]
