from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.errors import GridError
from creepmeter.stack.bridging import Bridge, bridge, find_bridges, outward
from creepmeter.stack.regions import find_regions
from creepmeter.stack.unwrap_options import UnwrapOptions

pytestmark = pytest.mark.kernel
TURN = 2 * np.pi
REFERENCE = (10, 5)
ANY_AREA = UnwrapOptions(conn_comp_min_area=1)
Phase = npt.NDArray[np.float32]


def islands(count: int = 4, gap: int = 3) -> npt.NDArray[np.int16]:
    """Return strips of ten columns with water between them."""
    components = np.zeros((24, count * (10 + gap)), np.int16)
    for k in range(count):
        components[:, k * (10 + gap) : k * (10 + gap) + 10] = k + 1
    return components


def smooth(shape: tuple[int, ...]) -> Phase:
    y, x = np.indices(shape)
    return np.asarray(4 + 0.02 * y + 0.03 * x, np.float32)


@given(cycles=st.lists(st.integers(-4, 4), min_size=4, max_size=4), datum=st.floats(-30, 30))
def test_whole_cycles_of_regions_are_found_again(cycles: list[int], datum: float) -> None:
    components = islands()
    true = smooth(components.shape)
    given_ = (true + datum + TURN * np.array([0, *cycles])[components]).astype(np.float32)
    found = bridge(given_, components, REFERENCE, options=ANY_AREA)
    assert not found.problem
    expected = true - true[REFERENCE]
    inside = components > 0
    first = cycles[0]  # the reference region is right by definition
    assert_allclose(found.phase[inside], expected[inside], atol=1e-4)
    assert_array_equal(found.cycles, np.array([0, *(first - c for c in cycles)]))


def test_what_lies_in_no_region_is_referred_and_no_more() -> None:
    components = islands(2)
    phase = smooth(components.shape) + np.float32(TURN) * (components == 2)
    phase[0, 11], phase[3, 15], phase[4, 15] = 7, 0, np.nan
    found = bridge(phase, components, REFERENCE, options=ANY_AREA).phase
    assert found[0, 11] == np.float32(7) - phase[REFERENCE]
    assert found[3, 15] == 0
    assert np.isnan(found[4, 15])
    assert found[REFERENCE] == 0


def test_a_region_follows_its_corrected_neighbour() -> None:
    # each island is 2 radians above the last: far apart in sum, near from one to the next
    components = islands(5)
    true = np.where(components > 0, 5 + 2.0 * components, 4).astype(np.float32)
    wrong = true + np.float32(TURN) * np.array([0, 0, 3, -1, 2, 1])[components].astype(np.float32)
    found = bridge(wrong, components, REFERENCE, options=ANY_AREA)
    assert_allclose(found.phase[components > 0], (true - true[REFERENCE])[components > 0], atol=1e-5)


@pytest.mark.parametrize("ramp", ["linear", "linear_range", "quadratic", "quadratic_range"])
def test_a_ramp_steeper_than_half_a_cycle_needs_to_be_taken_out(ramp: str) -> None:
    components = islands(2, gap=12)
    x = np.indices(components.shape)[1]
    true = (100 + 0.6 * x).astype(np.float32)
    plain = bridge(true, components, REFERENCE, options=ANY_AREA)
    assert plain.cycles.any()
    options = ANY_AREA.override({"ramp": ramp}, step="unwrap")
    found = bridge(true, components, REFERENCE, options=options)
    assert not found.cycles.any()
    assert_allclose(found.phase, true - true[REFERENCE], atol=1e-4)


def test_ground_that_moves_less_than_half_a_cycle_is_left_alone() -> None:
    components = islands()
    phase = smooth(components.shape) + np.float32(2.5) * (components == 3)
    assert not bridge(phase, components, REFERENCE, options=ANY_AREA).cycles.any()


def test_a_doubtful_bridge_leaves_regions_as_unwrapping_had_them() -> None:
    # the second island stands 4 radians above the first: bridging would take it one cycle down
    components = islands(3)
    true = (5 + np.array([0, 0, 4, 4])[components]).astype(np.float32)
    assert_array_equal(bridge(true, components, REFERENCE, options=ANY_AREA).cycles, [0, 0, -1, -1])
    sure = ANY_AREA.override({"bridge_max_rad": 2.0}, step="unwrap")
    assert_array_equal(bridge(true, components, REFERENCE, options=sure).cycles, [0, 0, 0, 0])
    wrong = true + np.float32(TURN) * (components == 3)
    assert_array_equal(bridge(wrong, components, REFERENCE, options=sure).cycles, [0, 0, 0, -1])


def test_water_parts_a_component() -> None:
    components = np.ones((24, 40), np.int16)
    land = np.ones(components.shape, bool)
    land[:, 18:22] = False
    phase = smooth(components.shape)
    phase[:, 20:] += np.float32(TURN)
    assert not bridge(phase, components, REFERENCE, options=ANY_AREA).cycles.any()
    assert_array_equal(bridge(phase, components, REFERENCE, land=land, options=ANY_AREA).cycles, [0, 0, -1])


@pytest.mark.parametrize(
    ("place", "reason"), [((10, 11), "the reference pixel lies in no region"), ((3, 3), "no phase at the reference")]
)
def test_a_reference_that_cannot_be_used_leaves_the_pair(place: tuple[int, int], reason: str) -> None:
    components = islands(2)
    phase = smooth(components.shape) + np.float32(TURN) * (components == 2)
    phase[3, 3] = np.nan
    found = bridge(phase, components, place, options=ANY_AREA)
    assert reason in found.problem
    datum = phase[place] if np.isfinite(phase[place]) else 0
    assert_array_equal(found.phase, phase - datum)


def test_more_than_255_regions_do_not_collide() -> None:
    wide = np.tile(np.pad(np.ones((10, 10), np.int16), ((0, 1), (0, 1))), (15, 18))
    regions = find_regions(wide, min_area=1)
    assert regions.count == 270
    cycles = np.append(0, np.random.default_rng(0).integers(-3, 4, 270))
    cycles[1] = 0
    phase = (4 + 0.001 * np.arange(wide.size).reshape(wide.shape) / wide.shape[1]).astype(np.float32)
    found = bridge(phase + (TURN * cycles)[regions.labels], wide, (2, 2), options=ANY_AREA)
    assert_array_equal(found.cycles, -cycles)


def test_bridges_are_the_minimum_spanning_tree() -> None:
    components = np.zeros((40, 60), np.int16)
    components[2:12, 2:12], components[2:12, 15:25], components[20:30, 2:12], components[20:38, 40:58] = 1, 1, 1, 1
    regions = find_regions(components, min_area=1)
    assert regions.count == 4
    tree = find_bridges(regions)
    # cores are two pixels smaller on each side
    assert [(edge.a, edge.b, edge.length2) for edge in tree] == [(1, 2, 8**2), (1, 3, 13**2), (2, 4, 20**2 + 13**2)]
    assert tree[0].end_a == (4, 9)
    assert tree[0].end_b == (4, 17)
    order = [(near, far) for near, far, _ in outward(tree, 4)]
    assert order == [(4, 2), (2, 1), (1, 3)]


def test_outward_leaves_out_what_is_not_joined() -> None:
    edge = Bridge(1, 2, 3, (0, 0), (0, 1))
    assert outward([edge], 1) == []


@pytest.mark.parametrize(("change", "text"), [((3, 3), "both need one grid"), ((24, 26), "lies outside the map")])
def test_what_does_not_fit_is_refused(change: tuple[int, int], text: str) -> None:
    phase = smooth((24, 26))
    components: npt.NDArray[Any] = islands(2) if change == (24, 26) else np.ones(change, np.int16)
    with pytest.raises(GridError, match=text):
        bridge(phase, components, (24, 0))


@pytest.mark.golden
def test_simulated_errors_of_the_mintpy_authors(shared: Path) -> None:
    folder = shared / "data" / "insar_isce2_unwrap_error_sim"
    phase = np.fromfile(folder / "snf.unw", "<f4").reshape(300, 2, 300)[:, 1]
    components = np.fromfile(folder / "snf.unw.conncomp", "u1").reshape(300, 300)
    options = UnwrapOptions(ramp="linear")
    found = bridge(phase, components, (89, 89), options=options)
    regions = find_regions(components)
    cycles = found.cycles[regions.labels]
    assert components[89, 89] == 1
    for component, expected in ((1, 0), (2, 1), (9, 0), (5, 1)):  # as MintPy 1.6.4 has it
        assert (cycles[components == component] == expected).all()
