"""Match two prepared images on the grid of chips."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from creepmeter.errors import ImageError
from creepmeter.kernels.chip import DONE, FLAT, TOO_FEW
from creepmeter.kernels.correlate import choose_cell, search_chips
from creepmeter.kernels.peaks import PEAK_FIELDS, UNDEFINED
from creepmeter.kernels.points import search_points
from creepmeter.kernels.refine import FIELDS, GROUP_PX, refine_chips
from creepmeter.tracking.options import TrackOptions
from creepmeter.tracking.outliers import reject_outliers
from creepmeter.tracking.prepare import PreparedImage
from creepmeter.tracking.subpixel import refine_by_phase, refit

Floats: TypeAlias = npt.NDArray[np.float32]
Bytes: TypeAlias = npt.NDArray[np.uint8]
Shorts: TypeAlias = npt.NDArray[np.int16]
Bools: TypeAlias = npt.NDArray[np.bool_]
Doubles: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Size = TypeVar("Size", int, Ints)
Window: TypeAlias = tuple[Ints | int, Ints | int, Ints | int, Ints | int]  # middle dy, dx and radius y, x of a search

REACH_PX = 1.5  # a refinement that ends farther from its integer peak found another feature
ROUNDING = 1e-5  # least residual energy that correlations of float32 images can tell apart
NEARLY_SAME = 0.999  # such a peak may be a shift of whole pixels: that is tried first, so that it comes out exact
FLOOR_PX = 0.1  # least deviation used to judge outliers


class Flag(IntEnum):
    """Why a point is not valid; 0 is valid."""

    VALID = 0
    NOT_WANTED = 1
    MASKED = 2
    LOW_TEXTURE = 3
    EDGE_PEAK = 4
    AMBIGUOUS = 5
    NOT_CONVERGED = 6
    LOW_CORRELATION = 7
    UNCERTAIN = 8
    OUTLIER = 9
    UNSUPPORTED = 10


RETRIED = (
    Flag.LOW_TEXTURE,
    Flag.AMBIGUOUS,
    Flag.NOT_CONVERGED,
    Flag.LOW_CORRELATION,
    Flag.UNCERTAIN,
)  # reasons that a larger chip may remove


@dataclass(frozen=True)
class OffsetField:
    """Offsets of chips; all arrays have one shape, (ny, nx) on a grid.

    Parameters
    ----------
    row, col : float64
        Centres of the chips in the reference image, pixels; 0 = centre of the first pixel.
    dx, dy : float32
        Offset, pixels: the feature moved to larger column, larger row. NaN where not valid.
    correlation : float32
        Normalised cross-correlation at the offset, -1 to 1; NaN where nothing could be correlated.
    sigma_dx, sigma_dy : float32
        Standard errors, pixels. NaN where not valid.
    valid : bool
        Whether the point is a measurement.
    flag : uint8
        Why not, see `Flag`.
    chip_px : int16, optional
        Edge of the chip measured, where chips may differ.
    """

    row: Doubles
    col: Doubles
    dx: Floats
    dy: Floats
    correlation: Floats
    sigma_dx: Floats
    sigma_dy: Floats
    valid: Bools
    flag: Bytes
    chip_px: Shorts | None = None


def chip_shape(shape: tuple[int, int], chip_px: int, step_px: int) -> tuple[int, int]:
    """Return rows and columns of the chips that fit an image."""
    return (shape[0] - chip_px) // step_px + 1, (shape[1] - chip_px) // step_px + 1


def chip_centres(shape: tuple[int, int], chip_px: int, step_px: int) -> tuple[Doubles, Doubles]:
    """Return row and column of every chip centre, pixels, each (ny, nx)."""
    ny, nx = chip_shape(shape, chip_px, step_px)
    middle = (chip_px - 1) / 2
    row, col = np.meshgrid(middle + step_px * np.arange(ny), middle + step_px * np.arange(nx), indexing="ij")
    return row, col


@dataclass(frozen=True)
class Measured:
    """What the two stages found for chips of one grid, before neighbours are asked.

    Parameters
    ----------
    fine : float32 (ny, nx, FIELDS)
        As from `refine_chips`.
    peak : float32 (ny, nx)
        Correlation of the whole-pixel peak, NaN where nothing could be correlated.
    flag : uint8 (ny, nx)
        Why a point is not valid, see `Flag`.
    chip_px : int16 (ny, nx)
        Edge of the chip that was measured, pixels.
    """

    fine: Floats
    peak: Floats
    flag: Bytes
    chip_px: Shorts


def match(ref: PreparedImage, sec: PreparedImage, options: TrackOptions, within: Bools | None = None) -> OffsetField:
    """Measure the offsets from one prepared image to another.

    Parameters
    ----------
    ref, sec : PreparedImage
        The two images, of one shape.
    options : TrackOptions
        Chip, step, search radius and the limits of validity.
    within : bool (rows, columns), optional
        Measure only chips whose centre is true.

    Raises
    ------
    ImageError
        The images differ in shape.
    """
    require_one_size(ref.values, sec.values)
    row, col = chip_centres(ref.shape, options.chip_px, options.step_px)
    wanted = np.ones(row.shape, bool) if within is None else all_at(np.asarray(within, bool), row, col)
    return finish(row, col, measure(ref, sec, options, wanted), options)


def measure(
    ref: PreparedImage, sec: PreparedImage, options: TrackOptions, wanted: Bools, corner: tuple[int, int] = (0, 0)
) -> Measured:
    """Search and refine the chips of a grid.

    Points that fail are tried again with chips twice as large about the same centre, up to the largest allowed.

    Parameters
    ----------
    ref, sec : PreparedImage
        The two images, of one shape.
    options : TrackOptions
        Chip, step, search radius and the limits of validity.
    wanted : bool (ny, nx)
        Chips to measure.
    corner : (y, x)
        Corner of the first chip in the images, pixels.
    """
    found = _measure_chips(ref, sec, options, wanted, corner)
    chip, largest = options.chip_px, options.chip_max_px or 0
    while (chip := larger_chip(chip)) <= largest:
        extra = (chip - options.chip_px) // 2
        place = corner[0] - extra, corner[1] - extra
        again = np.isin(found.flag, RETRIED) & _inside(ref.shape, chip, options.step_px, place, wanted.shape)
        if again.any():
            larger = options.override({"chip_px": chip, "chip_max_px": None}, step="tracking")
            found = _better(found, _measure_chips(ref, sec, larger, again, place))
    return found


def larger_chip(chip_px: Size) -> Size:
    """Return the next larger chip, about the same centre as the smaller one."""
    return 2 * chip_px - chip_px % 2


def _inside(shape: tuple[int, int], chip: int, step: int, corner: tuple[int, int], count: tuple[int, ...]) -> Bools:
    """Tell which chips of a grid lie wholly inside the image."""
    y, x = (first + step * np.arange(number) for first, number in zip(corner, count, strict=True))
    rows, columns = ((first >= 0) & (first + chip <= size) for first, size in zip((y, x), shape, strict=True))
    return np.asarray(rows[:, None] & columns[None, :])


def _better(first: Measured, second: Measured) -> Measured:
    """Take the second measurement where it is valid and the first is not."""
    take = (second.flag == Flag.VALID) & (first.flag != Flag.VALID)
    return Measured(
        np.where(take[..., None], second.fine, first.fine),
        np.where(take, second.peak, first.peak),
        np.where(take, second.flag, first.flag),
        np.where(take, second.chip_px, first.chip_px),
    )


def _measure_chips(
    ref: PreparedImage, sec: PreparedImage, options: TrackOptions, wanted: Bools, corner: tuple[int, int]
) -> Measured:
    """Search and refine chips of one size; the wanted ones lie inside the image."""
    chip, step = options.chip_px, options.step_px
    middle = (chip - 1) / 2
    down, along = (
        first + middle + step * np.arange(number) for first, number in zip(corner, wanted.shape, strict=True)
    )
    row, col = np.meshgrid(down, along, indexing="ij")
    flag = np.where(wanted, np.uint8(0), np.uint8(Flag.NOT_WANTED))
    set_flag(flag, Flag.MASKED, ~(all_at(ref.seen, row, col) & all_at(sec.seen, row, col)))
    set_flag(flag, Flag.MASKED, _seen_share(ref.valid, chip, step, corner, wanted) < options.min_valid)
    least = options.min_valid * chip * chip
    peaks = _search(ref, sec, flag == 0, options, corner, least)
    flag_peaks(flag, peaks, options)
    if options.method == "frequency":
        fine = refine_by_phase((ref, sec), peaks, flag == 0, options, corner)
    else:
        fine = _refine(ref, sec, peaks, flag, options, corner, least)
        if options.robust or options.model == "affine":
            refit(fine, (ref, sec), peaks, options, corner, least, REACH_PX)
    flag_fine(flag, fine, sec, (row, col), options, (0, 0, *options.search_yx))
    peak = np.where(peaks[..., 2] > UNDEFINED, peaks[..., 2], np.float32(np.nan))
    return Measured(fine, peak, flag, np.full(flag.shape, chip, np.int16))


def finish(row: Doubles, col: Doubles, found: Measured, options: TrackOptions) -> OffsetField:
    """Let neighbours judge the points and make the field."""
    if options.outliers:
        flag_outliers(found.flag, found.fine, options, island=(options.chip_px // options.step_px) ** 2)
    return make_field(row, col, found, grown=bool(options.chip_max_px))


class Shaped(Protocol):
    """What has rows and columns."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""


def require_one_size(ref: Shaped, sec: Shaped) -> None:
    """Check that two images have one shape.

    Raises
    ------
    ImageError
        They differ.
    """
    if ref.shape != sec.shape:
        message = f"the images differ in size: {ref.shape} and {sec.shape} pixels; crop both to one grid first"
        raise ImageError(message)


def set_flag(flag: Bytes, value: Flag, where: Bools) -> None:
    """Set a flag where none is set yet: the first reason counts."""
    flag[(flag == 0) & where] = value


def all_at(mask: Bools, row: Doubles, col: Doubles) -> Bools:
    """Tell where all pixels around a place (four, or one at a pixel centre) are true; outside the image is false."""
    rows, columns = mask.shape
    if mask.all():
        return np.asarray((row >= 0) & (row <= rows - 1) & (col >= 0) & (col <= columns - 1))
    result = np.ones(row.shape, bool)
    for y in (np.floor(row), np.ceil(row)):
        for x in (np.floor(col), np.ceil(col)):
            inside = (y >= 0) & (y < rows) & (x >= 0) & (x < columns)
            i, j = np.where(inside, y, 0).astype(np.intp), np.where(inside, x, 0).astype(np.intp)
            result &= inside & mask[i, j]
    return result


def _seen_share(valid: Bools, chip: int, step: int, corner: tuple[int, int], wanted: Bools) -> Doubles:
    """Return the share of valid pixels in each chip; outside the image none is."""
    shape, image = wanted.shape, valid.shape
    if valid.all() and _inside((image[0], image[1]), chip, step, corner, shape).all():
        return np.ones(shape)
    (before_y, after_y), (before_x, after_x) = (
        (max(0, -first), max(0, first + step * (number - 1) + chip - size))
        for first, number, size in zip(corner, shape, image, strict=True)
    )
    if before_y or after_y or before_x or after_x:
        valid = np.pad(valid, ((before_y, after_y), (before_x, after_x)))
    valid = valid[max(0, corner[0]) :, max(0, corner[1]) :]
    # sums between the corners of chips, then sums of these: far less to add up than single pixels
    y, x = (np.unique(np.add.outer(step * np.arange(count), np.array([0, chip]))) for count in shape)
    last_y, last_x = int(y[-1]), int(x[-1])
    bands = np.add.reduceat(valid[:last_y, :last_x].view(np.uint8), y[:-1], axis=0, dtype=np.uint16)
    cells = np.add.reduceat(bands, x[:-1], axis=1, dtype=np.int64)
    sums = np.zeros((len(y), len(x)), np.int64)
    sums[1:, 1:] = cells.cumsum(axis=0).cumsum(axis=1)
    top, low = (np.searchsorted(y, step * np.arange(shape[0]) + k)[:, None] for k in (0, chip))
    left, right = (np.searchsorted(x, step * np.arange(shape[1]) + k)[None, :] for k in (0, chip))
    counts = sums[low, right] - sums[top, right] - sums[low, left] + sums[top, left]
    return np.asarray(counts / chip**2, np.float64)


def _search(
    ref: PreparedImage,
    sec: PreparedImage,
    wanted: Bools,
    options: TrackOptions,
    corner: tuple[int, int],
    least: float,
) -> Floats:
    """Return the fields of `search_chips` per chip."""
    chip, step, radius = options.chip_px, options.step_px, options.search_yx
    images = (ref.values, ref.valid, sec.values, sec.valid)
    if choose_cell(chip, step, wanted.shape[1]):
        return search_chips(images, wanted, (chip, step, *radius), (*corner, 0, 0), least)
    peaks = np.full((*wanted.shape, PEAK_FIELDS), np.nan, np.float32)
    chosen = np.argwhere(wanted)
    places = np.zeros((len(chosen), 6), np.int64)
    places[:, :2] = chosen * step + corner
    places[:, 4:] = radius
    peaks[wanted] = search_points(images, places, chip, least)
    return peaks


def flag_peaks(flag: Bytes, peaks: Floats, options: TrackOptions) -> None:
    """Flag points without texture, with the peak at the border of the search, or with two peaks."""
    peak, second, edge = peaks[..., 2], peaks[..., 3], peaks[..., 4]
    set_flag(flag, Flag.LOW_TEXTURE, peak <= UNDEFINED)
    set_flag(flag, Flag.EDGE_PEAK, edge > 0)
    best = np.maximum(1 - np.square(peak), np.float32(ROUNDING))
    rest = 1 - np.square(np.maximum(second, 0))
    set_flag(flag, Flag.AMBIGUOUS, (second > 0) & (rest < options.min_distinct * best))


def _refine(
    ref: PreparedImage,
    sec: PreparedImage,
    peaks: Floats,
    flag: Bytes,
    options: TrackOptions,
    corner: tuple[int, int],
    least: float,
) -> Floats:
    """Return the fields of `refine_chips` per chip, NaN where a flag is set."""
    fine = np.full((*flag.shape, FIELDS), np.nan, np.float32)
    rows, columns = np.nonzero(flag == 0)
    side = max(1, GROUP_PX // options.step_px)
    square = (rows // side) * (flag.shape[1] // side + 1) + columns // side
    order = np.argsort(square.astype(np.int32), kind="stable")  # chips of one neighbourhood follow each other
    rows, columns = rows[order], columns[order]
    corners = np.stack([rows, columns], axis=1) * options.step_px + corner
    fine[rows, columns] = refine_at(ref, sec, corners, peaks[rows, columns], options.chip_px, least)
    return fine


def refine_at(ref: PreparedImage, sec: PreparedImage, corners: Ints, peaks: Floats, chip: int, least: float) -> Floats:
    """Return the fields of `refine_chips` for chips at `corners` (n, 2), each from its peak."""
    start = np.where((peaks[:, 2] >= NEARLY_SAME)[:, None], peaks[:, :2], peaks[:, 5:7])
    places = np.concatenate([corners, start], axis=1).astype(np.float64)
    images = (ref.values, ref.solid.view(np.uint8), sec.coefficients, sec.spline_solid.view(np.uint8))
    return refine_chips(images, places, chip, least, REACH_PX)


def flag_fine(
    flag: Bytes,
    fine: Floats,
    sec: PreparedImage,
    centres: tuple[Doubles, Doubles],
    options: TrackOptions,
    window: Window,
) -> None:
    """Flag points that the refinement lost, that moved out of sight or out of the window, or that cannot be trusted."""
    state = fine[..., 5]
    set_flag(flag, Flag.MASKED, state == TOO_FEW)
    set_flag(flag, Flag.LOW_TEXTURE, state == FLAT)
    set_flag(flag, Flag.NOT_CONVERGED, state != DONE)
    moved = [np.where(flag == 0, place + fine[..., k], place) for k, place in enumerate(centres)]
    set_flag(flag, Flag.MASKED, ~all_at(sec.seen, np.rint(moved[0]), np.rint(moved[1])))
    for k in (0, 1):
        set_flag(flag, Flag.EDGE_PEAK, np.abs(fine[..., k] - window[k]) > window[k + 2])
    set_flag(flag, Flag.LOW_CORRELATION, ~(fine[..., 2] >= options.min_correlation))
    carried = (fine[..., 6] > options.min_support) & (fine[..., 7] >= options.min_local * fine[..., 2])
    set_flag(flag, Flag.UNSUPPORTED, ~carried)
    set_flag(flag, Flag.UNCERTAIN, ~(fine[..., 3:5].max(axis=-1) <= options.max_sigma_px))


def flag_outliers(flag: Bytes, fine: Floats, options: TrackOptions, *, island: int) -> None:
    """Flag points that disagree with their neighbours, and patches of less than `island` that jump on all sides."""
    dy, dx, sigma_y, sigma_x = (np.where(flag == 0, fine[..., k], np.float32(np.nan)) for k in (0, 1, 3, 4))
    wrong = reject_outliers(
        dx,
        dy,
        sigma=(sigma_x, sigma_y),
        neighbourhood=options.neighbourhood,
        min_agree=options.min_agree,
        scale=options.mad_scale,
        floor=FLOOR_PX,
        min_island=max(1, island),
    )
    set_flag(flag, Flag.OUTLIER, wrong)


def make_field(row: Doubles, col: Doubles, found: Measured, *, grown: bool) -> OffsetField:
    """Return the field of flagged chips; their edges are told where they have `grown`."""
    fine, flag = found.fine, found.flag
    valid = flag == Flag.VALID
    dy, dx, sigma_dy, sigma_dx = (np.where(valid, fine[..., k], np.float32(np.nan)) for k in (0, 1, 3, 4))
    correlation = np.where(np.isfinite(fine[..., 2]), fine[..., 2], found.peak)
    chips = found.chip_px if grown else None
    return OffsetField(row, col, dx, dy, correlation, sigma_dx, sigma_dy, valid, flag, chips)
