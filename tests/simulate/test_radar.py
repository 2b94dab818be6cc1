"""Simulated interferograms hold what was put in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from creepmeter.errors import ConfigError
from creepmeter.simulate.radar import RadarScene, phase_noise, simulate_radar
from creepmeter.simulate.radar_options import RadarOptions

SMALL: dict[str, Any] = {"rows": 40, "columns": 60, "dates": 6, "connections": 2}
TURN = 2 * np.pi


def test_phase_is_the_difference_of_dates_where_nothing_disturbs() -> None:
    stack = simulate_radar(**SMALL, noise=False, constants=False, step_m=0.05)
    metres = -stack.phase * 0.05546576 / (2 * TURN)
    dates = {epoch: k for k, epoch in enumerate(stack.truth.epochs)}
    for k, pair in enumerate(stack.pairs):
        moved = stack.truth.displacement[dates[pair.sec]] - stack.truth.displacement[dates[pair.ref]]
        np.testing.assert_allclose(metres[k], moved, atol=1e-6)


def test_loops_close_but_for_the_cycles_that_were_put_in() -> None:
    stack = simulate_radar(**SMALL, noise=False, constants=False, cycle_chance=0.5, turbulence_m=0.01, dem_error_m=8)
    index = {(pair.ref, pair.sec): k for k, pair in enumerate(stack.pairs)}
    first, second, third = stack.truth.epochs[:3]
    ij, jk, ik = index[first, second], index[second, third], index[first, third]
    closure = (stack.phase[ij] + stack.phase[jk] - stack.phase[ik]) / TURN
    cycles = stack.truth.cycles.astype(int)
    np.testing.assert_allclose(closure, cycles[ij] + cycles[jk] - cycles[ik], atol=1e-4)
    assert np.any(stack.truth.cycles)
    assert np.all(stack.truth.cycles[:, stack.component[0] == 0] == 0)


@pytest.mark.parametrize("coherence", [0.3, 0.6, 0.9])
def test_noise_spreads_as_the_cramer_rao_bound_says_for_many_looks(coherence: float) -> None:
    looks = 200
    noise = phase_noise(np.full((200, 200), coherence, np.float32), looks, np.random.default_rng(1))
    bound = np.sqrt((1 - coherence**2) / (2 * looks * coherence**2))
    assert noise.std() == pytest.approx(bound, rel=0.05)  # the bound is reached for many looks (Rodriguez 1992)
    assert abs(noise.mean()) < 5 * bound / 200


def test_one_pair_is_the_same_alone_and_in_the_stack() -> None:
    options = RadarOptions(**SMALL, cycle_chance=0.3, turbulence_m=0.01)
    alone = RadarScene(options, seed=3).pair(5)
    whole = RadarScene(options, seed=3).stack()
    np.testing.assert_array_equal(alone.phase, whole.phase[5])
    np.testing.assert_array_equal(alone.coherence, whole.coherence[5])


def test_no_data_is_zero_everywhere_and_in_all_layers() -> None:
    stack = simulate_radar(**SMALL, nodata_corner=0.3, missing_stripes=1.0)
    for values in (stack.phase, stack.coherence, stack.component):
        assert not values[:, 0].any()
        assert not values[:, 2, 0].any()
    assert np.all(stack.phase[:, 30, 5] != 0)


def test_radar_coordinates_have_latitude_and_longitude_but_no_grid() -> None:
    stack = simulate_radar(**SMALL, geocoded=False)
    assert stack.grid is None
    assert "Y_FIRST" not in stack.attributes
    assert stack.latitude[0, 0] < stack.latitude[-1, 0]  # an ascending orbit sees the south first
    assert stack.longitude[0, 0] < stack.longitude[0, -1]


def test_satellite_stands_where_the_heading_and_the_side_put_it() -> None:
    scene = RadarScene(RadarOptions(**SMALL))
    toward = np.radians(scene.azimuth_deg[0, 0])
    along = np.radians(-float(scene.attributes()["HEADING"]))  # anticlockwise, as the azimuth
    assert np.cos(toward - along) == pytest.approx(0, abs=1e-6)
    assert np.sin(toward - along) == pytest.approx(1)  # 90 degrees to the left of the flight, seen from the ground


def test_an_unknown_setting_is_named() -> None:
    with pytest.raises(ConfigError, match="turbulance_m"):
        simulate_radar(turbulance_m=1)
