"""Track images that are too large to be held at once, block by block.

Blocks are cut from the size of the images alone, so that a result does not depend on memory or threads. Around its
chips a block reads what search, filter and spline look at.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import Block, NullProgress, Progress
from creepmeter.errors import ConfigError, ImageError
from creepmeter.kernels.refine import FIELDS
from creepmeter.kernels.spline import HORIZON, SUPPORT
from creepmeter.tracking.match import (
    Flag,
    Measured,
    OffsetField,
    all_at,
    chip_centres,
    chip_shape,
    finish,
    measure,
)
from creepmeter.tracking.options import TrackOptions
from creepmeter.tracking.prepare import PreparedImage, Role, filter_seen, see_part
from creepmeter.tracking.tuning import LONGEST_PX, ImageSource, tune

Floats: TypeAlias = npt.NDArray[np.float32]
Bools: TypeAlias = npt.NDArray[np.bool_]

BLOCK_ROWS_PX = 512
BLOCK_COLUMNS_PX = 12288  # a whole Sentinel-2 tile: files are read along their rows
BYTES_PER_PIXEL = 36  # of both images: values, filtered, spline, masks
BYTES_PER_POINT = 120  # what is found of a point, and copies of it
PROGRAM_GB = 0.3  # the program itself
LARGE_PX = 4096 * 4096  # images of more pixels are tracked by blocks


def track_large(
    ref: ImageSource,
    sec: ImageSource,
    options: TrackOptions,
    *,
    exclude: Bools | None = None,
    within: Bools | None = None,
    progress: Progress | None = None,
) -> OffsetField:
    """Measure the offsets between two images that are read part by part.

    Parameters
    ----------
    ref, sec : ImageSource
        The earlier and the later image, of one shape.
    options : TrackOptions
        How to track.
    exclude : bool (rows, columns), optional
        True = treat as missing in both images.
    within : bool (rows, columns), optional
        Measure only chips whose centre is true.
    progress : Progress, optional
        Counts blocks.

    Returns
    -------
    OffsetField
        As from `track_arrays`.

    Raises
    ------
    ImageError
        The images differ in size, or no block of one of them shows anything.
    """
    if ref.shape != sec.shape:
        message = f"the images differ in size: {ref.shape} and {sec.shape} pixels; crop both to one grid first"
        raise ImageError(message)
    progress = progress or NullProgress()
    row, col = chip_centres(ref.shape, options.chip_px, options.step_px)
    wanted = np.ones(row.shape, bool) if within is None else all_at(np.asarray(within, bool), row, col)
    tuned = tune(ref, sec, options)
    found = _nothing(row.shape)
    blocks = list(plan_chips(chip_shape(ref.shape, options.chip_px, options.step_px), options.step_px))
    progress.start("track", len(blocks))
    for block in blocks:
        _measure_block((ref, sec), options, tuned, exclude, wanted, block, found)
        progress.advance(1)
    progress.finish()
    return finish(row, col, found, options)


def require_memory(shape: tuple[int, int], options: TrackOptions, memory_gb: float) -> None:
    """Refuse a limit of memory below what one block of large images, or small images as a whole, need.

    Raises
    ------
    ConfigError
        The limit is too low.
    """
    rows, columns = shape
    if rows * columns > LARGE_PX:
        rows = min(rows, BLOCK_ROWS_PX + options.chip_px + 2 * _margin(options))
        columns = min(columns, BLOCK_COLUMNS_PX + options.chip_px + 2 * _margin(options))
    points = len(range(0, shape[0], options.step_px)) * len(range(0, shape[1], options.step_px))
    needed = (rows * columns * BYTES_PER_PIXEL + points * BYTES_PER_POINT) / 1e9 + PROGRAM_GB
    if needed > memory_gb:
        message = (
            f"tracking {shape[0]} x {shape[1]} pixels every {options.step_px} needs about {needed:.1f} GB, more than "
            f"memory_gb = {memory_gb:g}: allow more, crop the images, or take a larger step"
        )
        raise ConfigError(message)


def plan_chips(shape: tuple[int, int], step_px: int) -> Iterator[Block]:
    """Cut a grid of chips into blocks; `shape` = rows and columns of chips."""
    down, along = max(1, BLOCK_ROWS_PX // step_px), max(1, BLOCK_COLUMNS_PX // step_px)
    index = 0
    for y in range(0, shape[0], down):
        for x in range(0, shape[1], along):
            yield Block(index, slice(y, min(shape[0], y + down)), slice(x, min(shape[1], x + along)))
            index += 1


def _nothing(shape: tuple[int, ...]) -> Measured:
    fine = np.full((*shape, FIELDS), np.nan, np.float32)
    flag = np.full(shape, Flag.NOT_WANTED, np.uint8)
    return Measured(fine, np.full(shape, np.nan, np.float32), flag, np.zeros(shape, np.int16))


def _margin(options: TrackOptions) -> int:
    """Return the pixels around the chips of a block that their measurement depends on."""
    filtered = LONGEST_PX if options.prefilter == "auto" else 2 * options.prefilter_px
    grown = max(0, (options.chip_max_px or 0) - options.chip_px) // 2
    return max(options.search_yx) + filtered + HORIZON + SUPPORT + grown


def _measure_block(
    sources: tuple[ImageSource, ImageSource],
    options: TrackOptions,
    tuned: Floats | None,
    exclude: Bools | None,
    wanted: Bools,
    block: Block,
    found: Measured,
) -> None:
    """Measure the chips of one block into the whole."""
    chosen = wanted[block.y, block.x]
    if not chosen.any():
        return
    margin, step, chip = _margin(options), options.step_px, options.chip_px
    spans = []
    for part, size in zip((block.y, block.x), sources[0].shape, strict=True):
        first, last = part.start * step - margin, (part.stop - 1) * step + chip + margin
        spans.append(slice(max(0, first), min(size, last)))
    corner = block.y.start * step - spans[0].start, block.x.start * step - spans[1].start
    hidden = None if exclude is None else exclude[spans[0], spans[1]]
    roles: tuple[Role, Role] = ("ref", "sec")
    ref, sec = (
        _prepare(source, spans, hidden, options, tuned, role) for source, role in zip(sources, roles, strict=True)
    )
    here = measure(ref, sec, options, chosen, corner)
    found.fine[block.y, block.x] = here.fine
    found.peak[block.y, block.x] = here.peak
    found.flag[block.y, block.x] = here.flag
    found.chip_px[block.y, block.x] = here.chip_px


def _prepare(
    source: ImageSource,
    spans: list[slice],
    hidden: Bools | None,
    options: TrackOptions,
    tuned: Floats | None,
    role: Role,
) -> PreparedImage:
    return filter_seen(see_part(source.read(spans[0], spans[1]), hidden), options, tuned, role)
