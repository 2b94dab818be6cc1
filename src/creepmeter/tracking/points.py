"""Match two images at single places, each with a chip, a search and an expected offset of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from creepmeter.errors import ConfigError
from creepmeter.kernels.peaks import PEAK_FIELDS, UNDEFINED
from creepmeter.kernels.points import search_points
from creepmeter.kernels.refine import FIELDS, GROUP_PX
from creepmeter.kernels.threads import together
from creepmeter.tracking.match import (
    FLOOR_PX,
    Flag,
    Measured,
    OffsetField,
    Window,
    all_at,
    flag_fine,
    flag_outliers,
    flag_peaks,
    larger_chip,
    make_field,
    refine_at,
    require_one_size,
    set_flag,
)
from creepmeter.tracking.options import TrackOptions
from creepmeter.tracking.outliers import OutlierOptions
from creepmeter.tracking.prepare import PreparedImage, SeenImage, filter_seen, see_image
from creepmeter.tracking.scattered import reject_scattered
from creepmeter.tracking.tuning import ImageSource, tune

Floats: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]

SMALLEST_CHIP_PX, LARGEST_CHIP_PX = 8, 512
FARTHEST_PX = 512  # of a search
FARTHEST_PRIOR_PX = 2**20
TUNED_SEARCH_PX = 64  # the images are aligned within this radius when the filter is tuned
FEWEST_ROWS = 3  # of a map; fewer are points in a line
DEFINITE = (Flag.VALID, Flag.NOT_WANTED, Flag.MASKED)  # a larger chip changes nothing of this


@dataclass(frozen=True)
class Places:
    """Where and how to measure; all arrays have one shape. Two dimensions are the nodes of a map.

    Parameters
    ----------
    row, col : float64
        Places in the reference image, pixels; 0 = centre of the first pixel. NaN = nowhere.
    chip_px : int64
        Edge of the chip, pixels.
    search_y, search_x : int64
        Search radius, pixels; 0 = do not measure.
    prior_dy, prior_dx : int64
        Offset about which is searched, pixels.
    """

    row: Doubles
    col: Doubles
    chip_px: Ints
    search_y: Ints
    search_x: Ints
    prior_dy: Ints
    prior_dx: Ints

    @classmethod
    def of(
        cls,
        rows: npt.ArrayLike,
        cols: npt.ArrayLike,
        *,
        chip_px: npt.ArrayLike,
        search_px: npt.ArrayLike | tuple[npt.ArrayLike, npt.ArrayLike],
        prior: tuple[npt.ArrayLike, npt.ArrayLike] = (0, 0),
    ) -> Places:
        """Return places from numbers or arrays that broadcast to them.

        Parameters
        ----------
        rows, cols : float
            Places, pixels.
        chip_px : int
            Edge of the chips, pixels.
        search_px : int or (y, x)
            Search radius, pixels; 0 or NaN = do not measure.
        prior : (dy, dx)
            Expected offset, pixels, rounded; NaN = none.

        Raises
        ------
        ConfigError
            Out of bounds, or of another shape than the places.
        """
        try:
            row, col = np.broadcast_arrays(np.asarray(rows, np.float64), np.asarray(cols, np.float64))
        except ValueError as problem:
            message = f"rows and cols must have one shape, got {np.shape(rows)} and {np.shape(cols)}"
            raise ConfigError(message) from problem
        down, along = search_px if isinstance(search_px, tuple) else (search_px, search_px)
        return cls(
            row.copy(),
            col.copy(),
            _whole("chip_px", chip_px, row.shape, (SMALLEST_CHIP_PX, LARGEST_CHIP_PX)),
            *(_whole("search_px", radius, row.shape, (0, FARTHEST_PX)) for radius in (down, along)),
            *(
                _whole(name, shift, row.shape, (-FARTHEST_PRIOR_PX, FARTHEST_PRIOR_PX))
                for name, shift in zip(("prior_dy", "prior_dx"), prior, strict=True)
            ),
        )

    def ravel(self) -> Places:
        """Return the same places in one row."""
        return Places(*(getattr(self, field.name).reshape(-1) for field in fields(self)))

    def part(self, where: npt.NDArray[np.intp]) -> Places:
        """Return some places of those in one row."""
        return Places(*(getattr(self, field.name)[where] for field in fields(self)))

    @property
    def about(self) -> tuple[int, int]:
        """The median expected offset (dy, dx) of the places to be measured, whole pixels."""
        wanted = (self.search_y > 0) & (self.search_x > 0)
        if not wanted.any():
            return 0, 0
        return round(float(np.median(self.prior_dy[wanted]))), round(float(np.median(self.prior_dx[wanted])))

    @property
    def farthest(self) -> tuple[int, int]:
        """How far (down, along) offsets may lie from `about`, whole pixels."""
        reaches = [
            np.abs(prior - middle) + radius
            for prior, middle, radius in zip(
                (self.prior_dy, self.prior_dx), self.about, (self.search_y, self.search_x), strict=True
            )
        ]
        return int(reaches[0].max(initial=1)), int(reaches[1].max(initial=1))


def _whole(name: str, values: npt.ArrayLike, shape: tuple[int, ...], bounds: tuple[int, int]) -> Ints:
    """Return whole numbers in the shape of the places; NaN is 0."""
    numbers = np.asarray(values, np.float64)
    numbers = np.rint(np.where(np.isnan(numbers), 0.0, numbers))
    low, high = bounds
    if numbers.size and not (numbers.min() >= low and numbers.max() <= high):
        message = f"{name} must be {low} to {high} pixels, found {numbers.min():g} to {numbers.max():g}"
        raise ConfigError(message)
    try:
        return np.broadcast_to(numbers.astype(np.int64), shape).copy()
    except ValueError as problem:
        message = f"{name} has shape {numbers.shape}, the places {shape}: give one number, or one for each place"
        raise ConfigError(message) from problem


def track_points(
    ref: npt.ArrayLike,
    sec: npt.ArrayLike,
    rows: npt.ArrayLike,
    cols: npt.ArrayLike,
    *,
    exclude: Bools | tuple[Bools | None, Bools | None] | None = None,
    options: TrackOptions | None = None,
    **settings: Any,  # noqa: ANN401 - numbers, arrays, and the fields of TrackOptions, checked there
) -> OffsetField:
    """Measure how far features moved from one image to another, at any places.

    A chip lies as near to its place as whole pixels allow: a chip of odd edge is centred on a pixel, one of even edge
    on a corner of pixels, at x.5, and of two corners equally near the lower right one is taken. `row` and `col` of the
    result are the true centres.

    Parameters
    ----------
    ref, sec : array (rows, columns)
        The earlier and the later image on one grid. NaN = missing.
    rows, cols : float
        Places in the reference image, pixels, 0 = centre of the first pixel; any shape. With two dimensions they are
        the nodes of a map, whose outliers are judged by the nodes around; else by the nearest points.
    exclude : bool (rows, columns), or one per image, optional
        True = treat as missing (cloud, shadow).
    options : TrackOptions, optional
        Chip, search radius, prefilter and limits of validity; `step_px` is not used.
    **settings
        ``chip_px`` and ``search_px`` as numbers or one for each place; ``search_px`` may be (y, x), 0 = do not measure.
        ``prior_dy``, ``prior_dx``: expected offset, pixels, about which is searched, rounded; NaN = none. Besides,
        single options by name.

    Returns
    -------
    OffsetField
        Arrays in the shape of the places. A place off the image has the flag MASKED, one whose search is 0
        NOT_WANTED. `chip_px` is the edge of the chip used, which is larger where ``chip_max_px`` let it grow.

    Raises
    ------
    ImageError
        An image is constant, all missing, smaller than a chip, or of another size than the other.
    ConfigError
        An unknown option, a value out of bounds, or a shape that does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.random.default_rng(0).normal(size=(64, 80))
    >>> field = track_points(
    ...     image[:, 12:], image[:, :-12], [30.5, 20.0], [25.5, 40.0], chip_px=16, search_px=2, prior_dx=11
    ... )
    >>> np.round(field.dx, 3).tolist(), field.row.tolist()
    ([12.0, 12.0], [30.5, 20.5])
    """
    places, options = _plan(rows, cols, options or TrackOptions(), settings)
    masks = exclude if isinstance(exclude, tuple) else (exclude, exclude)
    first = see_image(ref, masks[0], options, name="the reference image")
    second = see_image(sec, masks[1], options, name="the secondary image")
    return track_places(first, second, places, options)


class Crop(ImageSource, Protocol):
    """An image of which parts are images."""

    def crop(self, rows: slice, columns: slice) -> ImageSource:
        """Return a part of the image as an image."""


def track_places(
    ref: SeenImage, sec: SeenImage, places: Places, options: TrackOptions, within: Bools | None = None
) -> OffsetField:
    """Filter two images and measure offsets at some places.

    Where a point fails, ``options.chip_max_px`` lets a chip twice as large try again. What a larger chip finds is taken
    if it is valid; otherwise the first reason stays.

    Parameters
    ----------
    ref, sec : SeenImage
        The two images.
    places : Places
        Where, with chips, searches and expected offsets.
    options : TrackOptions
        Filter and limits of validity.
    within : bool (rows, columns), optional
        Measure only chips whose centre is true.

    Raises
    ------
    ImageError
        The images differ in size.
    """
    require_one_size(ref.values, sec.values)
    tuned = tune_about(ref, sec, places, options)
    prepared = together(
        lambda: filter_seen(ref, options, tuned, "ref"), lambda: filter_seen(sec, options, tuned, "sec")
    )
    return judge_places(measure_places(*prepared, places.ravel(), options, within), places.row.shape, options)


def tune_about(ref: Crop, sec: Crop, places: Places, options: TrackOptions) -> Floats | None:
    """Return the filter tuned by two images whose offsets are those expected at places, see `tune`."""
    about = places.about
    down, along = (min(radius, TUNED_SEARCH_PX) for radius in places.farthest)
    return tune(_overlapping(ref, about, 1), _overlapping(sec, about, -1), options, (down, along))


def _overlapping(image: Crop, about: tuple[int, int], sign: int) -> ImageSource:
    """Return the part of an image that the other one shows when shifted by `about`; `sign` 1 of the reference."""
    rows, columns = (
        slice(min(size, max(0, -sign * shift)), max(0, size - max(0, sign * shift)))
        for shift, size in zip(about, image.shape, strict=True)
    )
    return image.crop(rows, columns)


def _plan(
    rows: npt.ArrayLike, cols: npt.ArrayLike, options: TrackOptions, settings: Mapping[str, Any]
) -> tuple[Places, TrackOptions]:
    """Return places and options: what differs from place to place is taken out of the settings."""
    own = {name: settings[name] for name in ("chip_px", "search_px", "prior_dy", "prior_dx") if name in settings}
    rest = {name: value for name, value in settings.items() if name not in own}
    chip = own.get("chip_px", options.chip_px)
    if "chip_px" in own and np.size(chip):
        rest["chip_px"] = int(np.min(chip))
    chosen = options.override(rest, step="tracking")
    search = own.get("search_px", chosen.search_yx)
    prior = (own.get("prior_dy", 0), own.get("prior_dx", 0))
    return Places.of(rows, cols, chip_px=chip, search_px=search, prior=prior), chosen


@dataclass(frozen=True)
class Found:
    """What was found at places in one row, before neighbours are asked.

    Parameters
    ----------
    row, col : float64 (points,)
        Centres of the chips, pixels.
    chips : Measured
        Arrays (points, ...).
    """

    row: Doubles
    col: Doubles
    chips: Measured

    @classmethod
    def nothing(cls, places: Places, *, flag: Flag = Flag.VALID) -> Found:
        """Return places at which nothing is measured yet; centres of chips as asked for."""
        half = (places.chip_px - 1) / 2
        row, col = (np.floor(asked - half + 0.5) + half for asked in (places.row, places.col))
        count = places.row.size
        fine = np.full((count, FIELDS), np.nan, np.float32)
        reason = np.where((places.search_y == 0) | (places.search_x == 0), Flag.NOT_WANTED, flag).astype(np.uint8)
        chips = places.chip_px.astype(np.int16)
        return cls(row, col, Measured(fine, np.full(count, np.nan, np.float32), reason, chips))

    def take(self, other: Found, where: npt.NDArray[np.intp]) -> None:
        """Take over what was found at some places, in place."""
        self.row[where], self.col[where] = other.row, other.col
        for field in fields(Measured):
            getattr(self.chips, field.name)[where] = getattr(other.chips, field.name)

    def part(self, kept: Bools) -> Found:
        """Return some places."""
        chips = Measured(*(getattr(self.chips, field.name)[kept] for field in fields(Measured)))
        return Found(self.row[kept], self.col[kept], chips)


def measure_places(
    ref: PreparedImage, sec: PreparedImage, places: Places, options: TrackOptions, within: Bools | None = None
) -> Found:
    """Search and refine the chips of places in one row in two prepared images; see `track_places`."""
    options.require_plain(
        ("method", "model", "robust"), "leave it out for points and other grids, or measure every step_px pixels"
    )
    counts = _counts(ref.valid)
    found = Found.nothing(places)
    chips, again, first = places.chip_px.copy(), np.arange(places.row.size), True
    while again.size:
        for chip in np.unique(chips[again]):
            where = again[chips[again] == chip]
            at_hand = replace(places.part(where), chip_px=np.full(where.size, chip))
            tried = _try(ref, sec, at_hand, counts, options, within)
            kept = (tried.chips.flag == Flag.VALID) | first
            found.take(tried.part(kept), where[kept])
        again = again[~np.isin(found.chips.flag[again], DEFINITE)]
        chips[again] = larger_chip(chips[again])
        again = again[chips[again] <= (options.chip_max_px or 0)]
        first = False
    return found


def judge_places(found: Found, shape: tuple[int, ...], options: TrackOptions) -> OffsetField:
    """Let neighbours judge the points and make the field, whose arrays have a shape."""
    row, col = found.row.reshape(shape), found.col.reshape(shape)
    if options.outliers and found.row.size:
        _flag_outliers(row, col, found.chips, options)
    values = (getattr(found.chips, field.name) for field in fields(Measured))
    chips = Measured(*(array.reshape((*shape, *array.shape[1:])) for array in values))
    return make_field(row, col, chips, grown=True)


def _try(
    ref: PreparedImage,
    sec: PreparedImage,
    places: Places,
    counts: Ints | None,
    options: TrackOptions,
    within: Bools | None,
) -> Found:
    """Measure places that all have chips of one size."""
    found = Found.nothing(places)
    row, col, flag, chip = found.row, found.col, found.chips.flag, int(places.chip_px[0])
    if within is not None:
        set_flag(flag, Flag.NOT_WANTED, ~all_at(np.asarray(within, bool), row, col))
    expected = (row + places.prior_dy, col + places.prior_dx)
    set_flag(flag, Flag.MASKED, ~(all_at(ref.seen, row, col) & all_at(sec.seen, *expected)))
    corners = np.where((flag == 0)[:, None], np.stack([row, col], axis=1) - (chip - 1) / 2, 0).astype(np.int64)
    set_flag(flag, Flag.MASKED, _seen_share(ref.shape, counts, corners, chip) < options.min_valid)
    peaks = np.full((len(row), PEAK_FIELDS), np.nan, np.float32)
    least, wanted = options.min_valid * chip * chip, np.flatnonzero(flag == 0)
    peaks[wanted] = _search(ref, sec, corners[wanted], places.part(wanted), chip, least)
    flag_peaks(flag, peaks, options)
    found.chips.peak[:] = np.where(peaks[:, 2] > UNDEFINED, peaks[:, 2], np.float32(np.nan))
    wanted = np.flatnonzero(flag == 0)
    wanted = wanted[_by_neighbourhood(corners[wanted])]
    found.chips.fine[wanted] = refine_at(ref, sec, corners[wanted], peaks[wanted], chip, least)
    window: Window = (places.prior_dy, places.prior_dx, places.search_y, places.search_x)
    flag_fine(flag, found.chips.fine, sec, (row, col), options, window)
    return found


def _by_neighbourhood(corners: Ints, *keys: Ints) -> npt.NDArray[np.intp]:
    """Return the order in which chips of one neighbourhood follow each other, after the `keys`."""
    square = corners // GROUP_PX
    return np.lexsort((square[:, 1], square[:, 0], *keys))


def _search(ref: PreparedImage, sec: PreparedImage, corners: Ints, places: Places, chip: int, least: float) -> Floats:
    order = _by_neighbourhood(corners, places.search_x, places.search_y)  # radii alike are searched together
    rest = (places.prior_dy, places.prior_dx, places.search_y, places.search_x)
    table = np.concatenate([corners, np.stack(rest, axis=1)], axis=1)[order]
    peaks = np.empty((len(order), PEAK_FIELDS), np.float32)
    peaks[order] = search_points((ref.values, ref.valid, sec.values, sec.valid), table, chip, least)
    return peaks


def _counts(valid: Bools) -> Ints | None:
    """Return the number of valid pixels above and left of every corner; None where all are valid."""
    if valid.all():
        return None
    counts = np.zeros((valid.shape[0] + 1, valid.shape[1] + 1), np.int64)
    np.cumsum(valid, axis=0, out=counts[1:, 1:], dtype=np.int64)
    np.cumsum(counts[1:, 1:], axis=1, out=counts[1:, 1:])
    return counts


def _seen_share(shape: tuple[int, int], counts: Ints | None, corners: Ints, chip: int) -> Doubles:
    """Return the share of valid pixels in chips; what lies outside the image is missing."""
    top, left = (corners[:, k].clip(0, shape[k]) for k in (0, 1))
    low, right = ((corners[:, k] + chip).clip(0, shape[k]) for k in (0, 1))
    if counts is None:
        return np.asarray((low - top) * (right - left) / chip**2, np.float64)
    seen = counts[low, right] - counts[top, right] - counts[low, left] + counts[top, left]
    return np.asarray(seen / chip**2, np.float64)


def _flag_outliers(row: Doubles, col: Doubles, found: Measured, options: TrackOptions) -> None:
    """Flag points that disagree with their neighbours: the nodes around on a map, else the nearest points."""
    chip, shape = float(np.median(found.chip_px)), row.shape
    if len(shape) == len(("y", "x")) and min(shape) >= FEWEST_ROWS:
        island = int((chip / max(node_spacing(row, col), 1.0)) ** 2)
        flag_outliers(found.flag.reshape(shape), found.fine.reshape(*shape, FIELDS), options, island=island)
        return
    dy, dx, sigma_y, sigma_x = (np.where(found.flag == 0, found.fine[:, k], np.nan) for k in (0, 1, 3, 4))
    judge = OutlierOptions(
        neighbourhood=options.neighbourhood, min_agree=options.min_agree, scale=options.mad_scale, floor=FLOOR_PX
    )
    reach = options.neighbourhood // 2 * chip
    places = (row.reshape(-1), col.reshape(-1))
    wrong = reject_scattered(places, dx, dy, sigma=(sigma_x, sigma_y), reach=reach, options=judge)
    set_flag(found.flag, Flag.OUTLIER, wrong)


def node_spacing(row: Doubles, col: Doubles) -> float:
    """Return the median distance between neighbouring nodes of a map, pixels; infinite without neighbours."""
    steps = [np.hypot(np.diff(row, axis=axis), np.diff(col, axis=axis)).ravel() for axis in (0, 1)]
    known = np.concatenate(steps)
    known = known[np.isfinite(known)]
    return float(np.median(known)) if known.size else float("inf")
