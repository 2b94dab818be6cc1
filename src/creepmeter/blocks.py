"""The way to run a function over a big map: blocks that fit in memory, progress, resume.

A result must not depend on the blocks. Blocks are cut from the shape and the memory alone, in a fixed order, and every
block is worked on by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from creepmeter.errors import ConfigError

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Block:
    """A rectangle of a map.

    Parameters
    ----------
    index : int
        Place in the plan, from 0.
    y, x : slice
        Rows and columns.
    """

    index: int
    y: slice
    x: slice

    @property
    def id(self) -> str:
        """Name of the block, the same in every run with the same plan."""
        return f"y{self.y.start}-{self.y.stop}_x{self.x.start}-{self.x.stop}"

    @property
    def region(self) -> dict[str, slice]:
        """The block as slices per dimension, for `isel` and stores."""
        return {"y": self.y, "x": self.x}

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.y.stop - self.y.start, self.x.stop - self.x.start

    @property
    def size(self) -> int:
        """Number of pixels."""
        return self.shape[0] * self.shape[1]

    def grown(self, halo: int, shape: tuple[int, int]) -> Block:
        """Return the block with `halo` pixels around it, as far as a map of this shape goes."""
        y, x = (
            slice(max(cut.start - halo, 0), min(cut.stop + halo, size))
            for cut, size in zip((self.y, self.x), shape, strict=True)
        )
        return Block(self.index, y, x)

    def within(self, outer: Block) -> tuple[slice, slice]:
        """Return rows and columns of this block inside a larger one."""
        y, x = (
            slice(cut.start - wide.start, cut.stop - wide.start) for cut, wide in ((self.y, outer.y), (self.x, outer.x))
        )
        return y, x

    def strips(self, bytes_per_pixel: float, memory_gb: float, multiple: int = 1) -> list[Block]:
        """Cut the block into strips of rows that need at most `memory_gb` each, a `multiple` of rows at least."""
        tall = max(int(memory_gb * 1e9 / (bytes_per_pixel * self.shape[1])) // multiple * multiple, multiple)
        starts = range(self.y.start, self.y.stop, tall)
        return [Block(k, slice(y, min(y + tall, self.y.stop)), self.x) for k, y in enumerate(starts)]


class Progress(Protocol):
    """What shows how far a step has come."""

    def start(self, name: str, total: int) -> None:
        """Begin a task of `total` units."""

    def advance(self, n: int) -> None:
        """Count `n` units as done."""

    def finish(self) -> None:
        """End the task."""


class NullProgress:
    """Shows nothing."""

    def start(self, name: str, total: int) -> None:
        """Do nothing."""

    def advance(self, n: int) -> None:
        """Do nothing."""

    def finish(self) -> None:
        """Do nothing."""


def plan_blocks(
    shape: tuple[int, int], bytes_per_pixel: float, memory_gb: float, multiple: int = 1, *, halo: int = 0
) -> list[Block]:
    """Cut a map into blocks that need at most `memory_gb` each.

    Blocks are full rows where that fits, else tiles as square as possible. Edges lie on multiples of `multiple`, so
    that two blocks never share a chunk of a store.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the map.
    bytes_per_pixel : float
        Working memory per pixel of the map, with all dates or pairs.
    memory_gb : float
        Memory for one block, 1e9 bytes.
    multiple : int
        Chunk edge of the store, pixels. One chunk is the smallest block even when it needs more memory.
    halo : int
        Pixels around each block that are read with it; they count for the memory. A block is as tall and wide as its
        halo at least, else most would be read for the halo alone.

    Returns
    -------
    list of Block
        In order of rows, then columns; every pixel is in one.

    Raises
    ------
    ConfigError
        The memory is not positive.

    Examples
    --------
    >>> [block.shape for block in plan_blocks((5, 4), bytes_per_pixel=1e6, memory_gb=0.009, multiple=2)]
    [(2, 4), (2, 4), (1, 4)]
    """
    rows, columns = shape
    if not memory_gb > 0 or not bytes_per_pixel > 0 or multiple < 1:
        message = f"memory_gb is {memory_gb}: give a positive number of gigabytes"
        raise ConfigError(message)
    if rows < 1 or columns < 1:
        return []
    pixels = max(int(memory_gb * 1e9 / bytes_per_pixel), 1)
    tall, wide = _block_shape(shape, pixels, multiple, halo)
    cuts = ((y, x) for y in _cuts(rows, tall) for x in _cuts(columns, wide))
    return [Block(index, y, x) for index, (y, x) in enumerate(cuts)]


def _block_shape(shape: tuple[int, int], pixels: int, multiple: int, halo: int = 0) -> tuple[int, int]:
    rows, columns = shape
    if rows * columns <= pixels:
        return rows, columns
    least = max(-(-halo // multiple), 1) * multiple
    full = (pixels // columns - 2 * halo) // multiple * multiple
    if full >= least:
        return full, columns
    edge = max((int(pixels**0.5) - 2 * halo) // multiple * multiple, least)
    tall = min(edge, rows)
    wide = max((pixels // (tall + 2 * halo) - 2 * halo) // multiple * multiple, least)
    return tall, min(wide, columns)


def _cuts(size: int, step: int) -> Iterator[slice]:
    return (slice(start, min(start + step, size)) for start in range(0, size, step))


def run_blocks(
    blocks: Sequence[Block],
    work: Callable[[Block], R],
    put: Callable[[Block, R], None],
    *,
    done: Callable[[Block], bool] | None = None,
    progress: Progress | None = None,
    name: str = "blocks",
    overlap: bool = False,
) -> None:
    """Work on blocks in order, and hand each result over before the next block starts.

    Parameters
    ----------
    blocks : sequence of Block
        From `plan_blocks`.
    work : callable
        Block -> result. Kernels inside may use threads.
    put : callable
        (block, result) -> None; stores the result.
    done : callable, optional
        Block -> bool; such blocks are passed over (an earlier run did them).
    progress : Progress, optional
        Counts pixels.
    name : str
        What the progress bar says.
    overlap : bool
        Hand a result over while the next block is worked on: two results are in memory at a time. They are handed over
        in order, one by one, by a thread of its own.
    """
    shown: Progress = progress if progress is not None else NullProgress()
    shown.start(name, sum(block.size for block in blocks))
    try:
        with _handing_over(put, overlap=overlap) as hand_over:
            for block in blocks:
                if done is None or not done(block):
                    hand_over(block, work(block))
                shown.advance(block.size)
    finally:
        shown.finish()


@contextmanager
def _handing_over(put: Callable[[Block, R], None], *, overlap: bool) -> Iterator[Callable[[Block, R], None]]:
    if not overlap:
        yield put
        return
    waiting: list[Future[None]] = []

    def settle() -> None:
        while waiting:
            waiting.pop().result()

    with ThreadPoolExecutor(1) as pool:

        def hand_over(block: Block, result: R) -> None:
            settle()
            waiting.append(pool.submit(put, block, result))

        yield hand_over
        settle()
