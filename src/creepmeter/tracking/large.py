"""Track images that are too large to be held at once, block by block.

Blocks are cut from the size of the images alone, so that a result does not depend on memory or threads. Around its
chips a block reads what search, filter and spline look at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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
    require_one_size,
)
from creepmeter.tracking.options import TrackOptions
from creepmeter.tracking.prepare import Role, filter_seen, require_room, see_part
from creepmeter.tracking.tuning import LONGEST_PX, ImageSource, tune

Floats: TypeAlias = npt.NDArray[np.float32]
Bools: TypeAlias = npt.NDArray[np.bool_]

BLOCK_ROWS_PX = 512
BLOCK_COLUMNS_PX = 12288  # a whole Sentinel-2 tile: files are read along their rows
BYTES_PER_PIXEL = 36  # of both images: values, filtered, spline, masks
BYTES_PER_POINT = 120  # what is found of a point, and copies of it
PROGRAM_GB = 0.3  # the program itself
LARGE_PX = 4096 * 4096  # images of more pixels are tracked by blocks


@dataclass(frozen=True)
class HiddenImage:
    """An image read part by part, of which some pixels count as missing.

    Parameters
    ----------
    image : ImageSource
        The image.
    hidden : bool (rows, columns), optional
        True = missing.
    """

    image: ImageSource
    hidden: Bools | None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.image.shape

    def read(self, rows: slice, columns: slice) -> Floats:
        """Return a part of the image, NaN = missing."""
        values = self.image.read(rows, columns)
        return values if self.hidden is None else np.where(self.hidden[rows, columns], np.float32(np.nan), values)


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
        The images differ in size, are smaller than a chip, or no block of one of them shows anything.
    """
    require_one_size(ref, sec)
    require_room(ref.shape, options.chip_px, "the reference image")
    progress = progress or NullProgress()
    sources = HiddenImage(ref, exclude), HiddenImage(sec, exclude)
    row, col = chip_centres(ref.shape, options.chip_px, options.step_px)
    wanted = np.ones(row.shape, bool) if within is None else all_at(np.asarray(within, bool), row, col)
    tuned = tune(*sources, options)
    found = _nothing(row.shape)
    plan = plan_chips(chip_shape(ref.shape, options.chip_px, options.step_px), options.step_px)
    blocks = [block for block in plan if wanted[block.y, block.x].any()]
    progress.start("track", len(blocks))
    shown = []
    for block in blocks:
        shown.append(_measure_block(sources, options, tuned, wanted, block, found))
        progress.advance(1)
    progress.finish()
    _require_shown(shown)
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
    sources: tuple[HiddenImage, HiddenImage],
    options: TrackOptions,
    tuned: Floats | None,
    wanted: Bools,
    block: Block,
    found: Measured,
) -> tuple[bool, bool]:
    """Measure the chips of one block into the whole; return whether each image shows anything there."""
    margin, step, chip = _margin(options), options.step_px, options.chip_px
    spans = []
    for part, size in zip((block.y, block.x), sources[0].shape, strict=True):
        first, last = part.start * step - margin, (part.stop - 1) * step + chip + margin
        spans.append(slice(max(0, first), min(size, last)))
    corner = block.y.start * step - spans[0].start, block.x.start * step - spans[1].start
    roles: tuple[Role, Role] = ("ref", "sec")
    ref, sec = (
        filter_seen(see_part(source.read(*spans)), options, tuned, role)
        for source, role in zip(sources, roles, strict=True)
    )
    here = measure(ref, sec, options, wanted[block.y, block.x], corner)
    found.fine[block.y, block.x] = here.fine
    found.peak[block.y, block.x] = here.peak
    found.flag[block.y, block.x] = here.flag
    found.chip_px[block.y, block.x] = here.chip_px
    return bool(ref.values.any()), bool(sec.values.any())


def _require_shown(shown: list[tuple[bool, bool]]) -> None:
    """Check that each image shows something in some block that was measured."""
    for name, blocks in zip(("reference", "secondary"), zip(*shown, strict=True), strict=False):
        if not any(blocks):
            message = (
                f"the {name} image shows nothing where offsets are measured (all missing, excluded or constant): "
                "check nodata, masks and the band"
            )
            raise ImageError(message)
