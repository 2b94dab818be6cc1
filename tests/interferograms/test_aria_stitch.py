from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from creepmeter.interferograms.aria_products import Box
from creepmeter.interferograms.aria_stitch import CYCLE, Frame, Seams, Settled, Shared, Stitched, spanned
from creepmeter.interferograms.layers import read_all

Values = npt.NDArray[Any]
ROWS, COLUMNS = 60, 24
CUTS = ((0, 26), (18, 44), (36, 60))  # rows of three frames


@dataclass(frozen=True)
class Numbers:
    """A layer in memory."""

    values: Values
    name: str = "numbers"

    @property
    def shape(self) -> tuple[int, int]:
        return int(self.values.shape[0]), int(self.values.shape[1])

    def read(self, rows: slice, columns: slice) -> Values:
        return self.values[rows, columns]


def ground() -> tuple[Values, Values]:
    """Return a phase, and two components (west and east) with a stripe that belongs to none."""
    rows, columns = np.indices((ROWS, COLUMNS))
    phase = (1.0 + rows * 0.7 + np.sin(columns / 3)).astype(np.float32)
    component = np.where(columns < 10, 1, np.where(columns < 12, 0, 2)).astype(np.float32)
    return phase, component


def frame(number: int, phase: Values, component: Values | None, rows: tuple[int, int]) -> Frame:
    part = slice(*rows)
    return Frame(
        f"frame{number}",
        Box(rows[0], rows[1], 0, COLUMNS),
        Settled(Numbers(phase[part]), "phase", 0.0),
        None if component is None else Settled(Numbers(component[part]), "component", -1.0),
    )


def layers(seams: Seams) -> tuple[Values, Values]:
    box = Box(0, ROWS, 0, COLUMNS)
    phase = Stitched(tuple(one.phase for one in seams.frames), "phase", seams, box)
    component = tuple(one.component for one in seams.frames)
    if any(one is None for one in component):
        return read_all(phase), np.empty(0)
    kept = tuple(one for one in component if one is not None)
    return read_all(phase), read_all(Stitched(kept, "component", seams, box))


@given(cycles=st.lists(st.integers(-5, 5), min_size=3, max_size=3), swap=st.booleans())
def test_any_whole_cycles_between_frames_vanish(cycles: list[int], swap: bool) -> None:  # noqa: FBT001 - an example
    phase, component = ground()
    other = np.array([0, 2, 1], np.float32)[component.astype(int)] if swap else component
    frames = [
        frame(k, phase + np.float32(CYCLE * turn), other if k == 1 else component, rows)
        for k, (turn, rows) in enumerate(zip(cycles, CUTS, strict=True))
    ]
    stitched, numbers = layers(Seams("pair", frames))
    np.testing.assert_allclose(stitched, phase + CYCLE * cycles[0], atol=2e-5)
    assert [len(np.unique(numbers[component == k])) for k in range(3)] == [1, 1, 1]
    assert len(np.unique(numbers)) == 3


@given(west=st.integers(-3, 3), east=st.integers(-3, 3))
def test_components_of_a_frame_that_are_cycles_apart_are_fitted_each(west: int, east: int) -> None:
    phase, component = ground()
    wrong = phase + CYCLE * np.select([component == 1, component == 2], [west, east], 0).astype(np.float32)
    frames = [frame(0, phase, component, CUTS[0]), frame(1, wrong.astype(np.float32), component, (18, ROWS))]
    stitched, _ = layers(Seams("pair", frames))
    np.testing.assert_allclose(stitched[component > 0], phase[component > 0], atol=2e-5)


def test_a_component_that_touches_no_other_frame_moves_with_its_own() -> None:
    phase, component = ground()
    component[50:, :5] = 3  # an island in the south, with the phase of the rest
    frames = [frame(0, phase, component, (0, 30)), frame(1, phase - np.float32(2 * CYCLE), component, (20, ROWS))]
    stitched, numbers = layers(Seams("pair", frames))
    np.testing.assert_allclose(stitched, phase, atol=2e-5)
    assert len(np.unique(numbers[component == 3])) == 1
    assert set(np.unique(numbers[component == 3])).isdisjoint(np.unique(numbers[component != 3]))


def test_one_component_that_joins_two_of_the_next_frame_makes_them_one() -> None:
    phase, component = ground()
    north = np.ones_like(component)
    south = component.copy()
    frames = [frame(0, phase, north, (0, 30)), frame(1, phase, south, (20, ROWS))]
    _, numbers = layers(Seams("pair", frames))
    assert len(np.unique(numbers[40:][component[40:] > 0])) == 1


@given(seed=st.integers(0, 1000), strip=st.integers(1, 40))
def test_what_is_read_does_not_depend_on_the_strips(seed: int, strip: int) -> None:
    phase, component = ground()
    drawn = np.random.default_rng(seed)
    frames: list[Frame] = []
    coherence: list[Settled] = []
    for rows in CUTS:
        holed = np.where(drawn.random(phase.shape) < 0.3, np.float32(0), phase)  # a phase of 0 is one that is missing
        frames.append(frame(len(frames), holed, component, rows))
        coherence.append(Settled(Numbers(drawn.random(phase[slice(*rows)].shape).astype(np.float32)), "plain", None))
    seams = Seams("pair", frames)
    box = Box(0, ROWS, 0, COLUMNS)
    numbers = tuple(one.component for one in frames if one.component is not None)
    for whole in (
        Stitched(tuple(one.phase for one in frames), "phase", seams, box),
        Stitched(numbers, "component", seams, box),
        Stitched(tuple(coherence), "plain", seams, box),
    ):
        strips = [whole.read(slice(top, top + strip), slice(None)) for top in range(0, ROWS, strip)]
        np.testing.assert_array_equal(np.vstack(strips), read_all(whole))
    found = read_all(Stitched(tuple(coherence), "plain", seams, box))
    np.testing.assert_array_equal(
        found[:18], coherence[0].layer.read(slice(0, 18), slice(None))
    )  # one frame: all of it


def test_without_components_the_whole_overlap_counts() -> None:
    phase, _ = ground()
    frames = [frame(0, phase, None, CUTS[0]), frame(1, phase + np.float32(3 * CYCLE), None, (18, ROWS))]
    stitched, _ = layers(Seams("pair", frames))
    np.testing.assert_allclose(stitched, phase, atol=2e-5)


def test_pixels_outside_all_components_decide_where_there_are_no_others() -> None:
    phase, component = ground()
    frames = [
        frame(0, phase, component * 0, CUTS[0]),
        frame(1, phase + np.float32(CYCLE), component * 0, (18, ROWS)),
    ]
    stitched, numbers = layers(Seams("pair", frames))
    np.testing.assert_allclose(stitched, phase, atol=2e-5)
    assert not numbers.any()


def test_a_single_outlier_does_not_decide() -> None:
    phase, component = ground()
    second = phase + np.float32(CYCLE)
    second[18:26:2, ::4] += np.float32(5 * CYCLE)
    frames = [frame(0, phase, component, CUTS[0]), frame(1, second, component, (18, ROWS))]
    stitched, _ = layers(Seams("pair", frames))
    np.testing.assert_allclose(stitched[26:], phase[26:], atol=2e-5)


@pytest.mark.parametrize(("constant", "level"), [(0.3, "INFO"), (0.9, "WARNING")])
def test_what_is_no_whole_cycle_stays_and_is_told(
    constant: float, level: str, caplog: pytest.LogCaptureFixture
) -> None:
    phase, component = ground()
    second = phase + np.float32(CYCLE + constant)
    frames = [frame(0, phase, component, CUTS[0]), frame(1, second, component, (18, ROWS))]
    with caplog.at_level(logging.INFO):
        stitched, _ = layers(Seams("20180105_20180129", frames))
    np.testing.assert_allclose(stitched[30:], phase[30:] + constant, atol=2e-5)
    (told,) = caplog.records
    assert told.levelname == level
    assert f"frame1 fits frame0 after -1.00 cycles, -{constant:.3f} rad remain" in told.getMessage()


def test_all_that_parts_two_frames_can_be_removed() -> None:
    phase, component = ground()
    second = phase + np.float32(CYCLE + 0.9)
    frames = [frame(0, phase, component, CUTS[0]), frame(1, second, component, (18, ROWS))]
    stitched, _ = layers(Seams("pair", frames, whole_cycles=False))
    np.testing.assert_allclose(stitched, phase, atol=2e-5)


def test_frames_that_share_nothing_are_put_side_by_side_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    phase, component = ground()
    frames = [frame(0, phase, component, (0, 30)), frame(1, phase + np.float32(CYCLE), component, (30, ROWS))]
    with caplog.at_level(logging.WARNING):
        stitched, numbers = layers(Seams("pair", frames))
    np.testing.assert_allclose(stitched[30:], phase[30:] + CYCLE, atol=2e-5)
    assert "the whole cycles between them are not known: frame0, frame1" in caplog.text
    assert set(np.unique(numbers[:30])) & set(np.unique(numbers[30:])) == {0}


def test_where_the_first_frame_has_no_phase_the_second_counts() -> None:
    phase, component = ground()
    hole = phase.copy()
    hole[19:24, 3:9] = 0
    frames = [frame(0, hole, component, CUTS[0]), frame(1, phase, component, (18, ROWS))]
    stitched, _ = layers(Seams("pair", frames))
    np.testing.assert_array_equal(stitched, phase)


def test_seams_are_found_once_and_only_when_they_are_needed() -> None:
    phase, component = ground()
    asked = []

    class Counted(Numbers):
        def read(self, rows: slice, columns: slice) -> Values:
            asked.append(rows)
            return super().read(rows, columns)

    def counted(rows: tuple[int, int]) -> Frame:
        part = slice(*rows)
        settled = Settled(Counted(phase[part]), "phase", 0.0), Settled(Counted(component[part]), "component", -1.0)
        return Frame("counted", Box(rows[0], rows[1], 0, COLUMNS), *settled)

    seams = Seams("pair", [counted(CUTS[0]), counted((18, ROWS))])
    assert not asked
    first = seams.turns
    count = len(asked)
    assert count == 4
    assert seams.turns is first
    assert len(asked) == count


def test_a_phase_of_the_earlier_date_is_turned() -> None:
    layer = Settled(Numbers(np.array([[1.5, 0.0, np.nan]], np.float32)), "phase", 0.0, -1.0)
    np.testing.assert_array_equal(read_all(layer), [[-1.5, 0.0, 0.0]])
    assert not np.signbit(read_all(layer)[0, 1])
    components = Settled(Numbers(np.array([[-1.0, 0.0, 3.0, np.nan]], np.float32)), "component", -1.0)
    np.testing.assert_array_equal(read_all(components), [[0, 0, 3, 0]])


@given(st.lists(st.integers(-4, 4), min_size=5, max_size=5), st.permutations(range(6)))
def test_a_tree_of_overlaps_gives_back_the_offsets(levels: list[int], order: list[int]) -> None:
    edges = [(0, 1), (1, 2), (2, 3), (3, 4), (0, 2), (1, 4)]
    shared = [Shared(a, b, 100 - order[k], float(CYCLE * (levels[a] - levels[b]))) for k, (a, b) in enumerate(edges)]
    found = spanned(range(5), shared, lambda offset: offset)
    assert {root for root, _ in found.values()} == {0}
    for node in range(5):
        assert found[node][1] == pytest.approx(CYCLE * (levels[0] - levels[node]))
