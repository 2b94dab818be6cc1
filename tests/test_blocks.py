from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from creepmeter.blocks import Block, plan_blocks, run_blocks
from creepmeter.errors import ConfigError


class Counter:
    def __init__(self) -> None:
        self.told: list[object] = []

    def start(self, name: str, total: int) -> None:
        self.told.append((name, total))

    def advance(self, n: int) -> None:
        self.told.append(n)

    def finish(self) -> None:
        self.told.append("end")


@given(
    shape=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    per_pixel=st.floats(1, 1e7),
    memory=st.floats(1e-6, 10),
    multiple=st.integers(1, 64),
)
def test_a_plan_covers_every_pixel_once_within_memory_on_chunk_edges(
    shape: tuple[int, int], per_pixel: float, memory: float, multiple: int
) -> None:
    blocks = plan_blocks(shape, per_pixel, memory, multiple)
    count = np.zeros(shape, int)
    smallest = min(multiple, shape[0]) * min(multiple, shape[1])
    for index, block in enumerate(blocks):
        count[block.y, block.x] += 1
        assert block.index == index
        assert block.y.start % multiple == block.x.start % multiple == 0
        assert block.size <= max(memory * 1e9 / per_pixel, smallest)
    assert (count == 1).all()
    assert len({block.id for block in blocks}) == len(blocks)
    assert blocks == plan_blocks(shape, per_pixel, memory, multiple)


def test_one_block_where_all_fits_and_none_for_an_empty_map() -> None:
    assert plan_blocks((100, 200), 8, 1.0, multiple=64) == [Block(0, slice(0, 100), slice(0, 200))]
    assert plan_blocks((0, 200), 8, 1.0) == []


@pytest.mark.parametrize("memory", [0.0, -1.0, float("nan")])
def test_memory_must_be_positive(memory: float) -> None:
    with pytest.raises(ConfigError, match="memory_gb is"):
        plan_blocks((10, 10), 8, memory)


@given(memory=st.floats(1e-7, 1e-5), multiple=st.integers(1, 8))
def test_the_result_does_not_depend_on_the_blocks(memory: float, multiple: int) -> None:
    source = np.random.default_rng(0).random((37, 23))
    out = np.full_like(source, np.nan)

    def put(block: Block, result: np.ndarray) -> None:
        out[block.y, block.x] = result

    run_blocks(plan_blocks(source.shape, 8, memory, multiple), lambda block: np.sqrt(source[block.y, block.x]), put)
    np.testing.assert_array_equal(out, np.sqrt(source))


@given(shape=st.tuples(st.integers(1, 90), st.integers(1, 90)), halo=st.integers(0, 12), memory=st.floats(1e-7, 1e-4))
def test_blocks_with_a_halo_see_what_is_around_them(shape: tuple[int, int], halo: int, memory: float) -> None:
    source = np.random.default_rng(0).random(shape)
    out = np.full(shape, np.nan)
    blocks = plan_blocks(shape, 8, memory, halo=halo)
    for block in blocks:
        wide = block.grown(halo, shape)
        out[block.y, block.x] = source[wide.y, wide.x][block.within(wide)]
        assert wide.y.start == max(block.y.start - halo, 0)
        assert wide.x.stop == min(block.x.stop + halo, shape[1])
        least = min(3 * max(halo, 1), shape[0]) * min(3 * max(halo, 1), shape[1])
        assert wide.size <= max(memory * 1e9 / 8, least)
    np.testing.assert_array_equal(out, source)


def test_progress_counts_pixels_and_done_blocks_are_passed_over() -> None:
    blocks = plan_blocks((4, 2), 1e9, 2.0)
    progress = Counter()
    worked: list[int] = []

    def put(_: Block, result: int) -> None:
        worked.append(result)

    run_blocks(blocks, lambda b: b.index, put, done=lambda b: b.index == 1, progress=progress, name="invert")
    assert worked == [0, 2, 3]
    assert progress.told == [("invert", 8), 2, 2, 2, 2, "end"]


def test_each_result_is_put_before_the_next_block_starts_and_a_failure_ends_the_bar() -> None:
    told: list[str] = []
    progress = Counter()

    def work(block: Block) -> int:
        told.append(f"work {block.index}")
        if block.index == 2:
            message = "bad block"
            raise RuntimeError(message)
        return block.index

    with pytest.raises(RuntimeError, match="bad block"):
        run_blocks(plan_blocks((4, 1), 1e9, 1.0), work, lambda _, k: told.append(f"put {k}"), progress=progress)
    assert told == ["work 0", "put 0", "work 1", "put 1", "work 2"]
    assert progress.told[-1] == "end"


def test_results_may_be_put_while_the_next_block_is_worked_on_in_order() -> None:
    blocks = plan_blocks((4, 1), 1e9, 1.0)
    begun = [threading.Event() for _ in blocks]
    told: list[int] = []

    def work(block: Block) -> int:
        begun[block.index].set()
        return block.index

    def put(block: Block, result: int) -> None:
        if block.index + 1 < len(blocks):
            assert begun[block.index + 1].wait(timeout=60)  # never, if one were done after the other
        told.append(result)

    run_blocks(blocks, work, put, overlap=True)
    assert told == [0, 1, 2, 3]


@pytest.mark.parametrize("bad", [0, 3])
def test_a_result_that_cannot_be_put_ends_an_overlapping_run(bad: int) -> None:
    told: list[int] = []

    def put(_: Block, result: int) -> None:
        if result == bad:
            message = "disk full"
            raise OSError(message)
        told.append(result)

    with pytest.raises(OSError, match="disk full"):
        run_blocks(plan_blocks((4, 1), 1e9, 1.0), lambda block: block.index, put, overlap=True)
    assert told == list(range(bad))


@given(rows=st.integers(1, 40), memory=st.floats(1e-9, 1e-6), multiple=st.integers(1, 5))
def test_strips_cover_a_block_once_within_the_memory(rows: int, memory: float, multiple: int) -> None:
    block = Block(0, slice(10, 10 + rows), slice(3, 10))
    strips = block.strips(8, memory, multiple)
    assert [row for strip in strips for row in range(strip.y.start, strip.y.stop)] == list(range(10, 10 + rows))
    for strip in strips:
        assert strip.x == block.x
        assert (strip.y.start - 10) % multiple == 0
        assert strip.size * 8 <= memory * 1e9 or strip.shape[0] <= multiple
