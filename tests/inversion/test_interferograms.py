from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.errors import ConfigError, NetworkError
from creepmeter.inversion.interferograms import (
    Observations,
    PhaseBlock,
    baselines_of_dates,
    certain_median,
    independent_looks,
    invert_pixels,
    require_solvable,
)
from creepmeter.inversion.invert import invert
from creepmeter.inversion.options import NetworkInversionOptions
from creepmeter.model.network import Network
from creepmeter.model.schema import make_pair_stack
from creepmeter.simulate.networks import nearest_pairs, regular_times
from creepmeter.simulate.radar import phase_noise, simulate_radar

Values: TypeAlias = npt.NDArray[Any]
WAVELENGTH = 0.0554
SCALE = -WAVELENGTH / (4 * np.pi)


def options(**changes: Any) -> NetworkInversionOptions:  # noqa: ANN401 - fields of the options
    return NetworkInversionOptions.model_validate(changes)


def scene(looks: int = 20, shape: tuple[int, int] = (4, 6), seed: int = 0) -> tuple[PhaseBlock, Observations, Values]:
    """Phases with the noise of their coherence, what they are, and the motion in metres."""
    random = np.random.default_rng(seed)
    network = nearest_pairs(regular_times(12, days=24.0), 3)
    truth = np.concatenate([np.zeros((1, *shape)), random.normal(0, 0.002, (11, *shape)).cumsum(axis=0)])
    coherence = random.uniform(0.3, 0.95, (len(network.pairs), *shape)).astype(np.float32)
    phase = (truth[network.sec_index] - truth[network.ref_index]) / SCALE + phase_noise(coherence, looks, random)
    block = PhaseBlock(phase.astype(np.float32), np.ones(shape, bool), coherence)
    return block, Observations(network, np.zeros(len(network.pairs), np.float32), SCALE, looks), truth


@pytest.mark.parametrize("weights", ["var", "fim", "coh", "no"])
def test_the_motion_comes_back_within_its_stated_errors(weights: str) -> None:
    block, observations, truth = scene(shape=(20, 30))
    found = invert_pixels(block, observations, options(weight_func=weights, sigma=True))
    assert found["displacement"].dtype == np.float32
    assert not found["displacement"][0].any()
    assert not found["sigma"][0].any()
    scaled = (found["displacement"] - truth)[1:] / found["sigma"][1:]
    assert 0.85 < np.mean(scaled**2) < 1.15
    assert (found["quality"] > 0.8).mean() > 0.9
    assert (found["pairs"] == len(observations.network.pairs)).all()


def test_variance_weights_are_the_best() -> None:
    block, observations, truth = scene(shape=(20, 30))
    error = {}
    for weights in ("var", "coh", "no"):
        found = invert_pixels(block, observations, options(weight_func=weights))
        error[weights] = float(np.sqrt(np.mean((found["displacement"] - truth) ** 2)))
    assert error["var"] < error["coh"] < error["no"]


@pytest.mark.parametrize("norm", ["L1", "huber"])
def test_robust_norms_resist_a_turn_too_many(norm: str) -> None:
    block, observations, truth = scene()
    phase = block.obs.copy()
    phase[13] += 2 * np.pi
    spoilt = replace(block, obs=phase)
    plain = invert_pixels(spoilt, observations, options())
    robust = invert_pixels(spoilt, observations, options(residual_norm=norm))
    error = {name: np.abs(found["displacement"] - truth).max() for name, found in (("L2", plain), ("R", robust))}
    assert error["R"] < 0.5 * error["L2"]
    assert (robust["quality"] > plain["quality"]).all()


@pytest.mark.parametrize("norm", ["L1", "huber"])
@pytest.mark.parametrize("least", ["velocity", "displacement"])
@pytest.mark.parametrize("missing", [0, 4])
def test_robust_norms_bridge_a_missing_date_as_the_plain_one_does(norm: str, least: str, missing: int) -> None:
    block, observations, truth = scene()
    ends = np.stack([observations.network.ref_index, observations.network.sec_index])
    phase = ((truth[ends[1]] - truth[ends[0]]) / SCALE).astype(np.float32)
    phase[(ends == missing).any(axis=0)] = np.nan
    chosen = {"min_norm_velocity": least == "velocity", "min_redundancy": 0.0, "sigma": True}
    quiet = replace(block, obs=phase, quality=np.full_like(phase, 0.8))
    plain = invert_pixels(quiet, observations, options(**chosen))
    robust = invert_pixels(quiet, observations, options(residual_norm=norm, **chosen))
    assert robust["bridged"].all()
    assert_allclose(robust["displacement"], plain["displacement"], atol=1e-6)
    inflation = np.pi / 2 if norm == "L1" else 1.0
    assert_allclose(robust["sigma"] ** 2, inflation * plain["sigma"] ** 2, rtol=1e-3, atol=1e-12)
    phase[-8] += 2 * np.pi  # far from the missing date, where the network has all its pairs
    resisted = invert_pixels(quiet, observations, options(residual_norm=norm, **chosen))
    spoilt = invert_pixels(quiet, observations, options(**chosen))
    away = [np.abs(found["displacement"] - plain["displacement"]).max() for found in (resisted, spoilt)]
    assert away[0] < 0.5 * away[1]


def test_robust_norms_agree_with_the_pair_stack_in_metres() -> None:
    block, observations, _ = scene()
    assert block.quality is not None
    stack = make_pair_stack(block.obs[None] * SCALE, observations.network.pairs, quality=block.quality)
    stack.attrs |= {"cycle_m": WAVELENGTH / 2, "looks": 20}
    for weights in ("var", "fim", "coh"):
        for norm, ours in (("l2", "L2"), ("huber", "huber")):
            series = invert(stack, weights=weights, norm=norm)
            found = invert_pixels(block, observations, options(weight_func=weights, residual_norm=ours, sigma=True))
            assert_allclose(series.displacement.values[0], found["displacement"], atol=2e-8)
            if norm == "l2":
                assert_allclose(series.sigma.values[0], found["sigma"], rtol=1e-5, atol=1e-12)
                assert_allclose(series.temporal_coherence.values[0], found["quality"], atol=1e-6)


def test_weights_from_coherence_need_it_and_its_looks() -> None:
    block, observations, _ = scene()
    stack = make_pair_stack(block.obs[None] * SCALE, observations.network.pairs, quality=block.quality)
    with pytest.raises(ConfigError, match="weights 'var' need the coherence of interferograms"):
        invert(stack, weights="var")
    stack.attrs["cycle_m"] = WAVELENGTH / 2
    with pytest.raises(ConfigError, match="weights 'fim' need the independent looks of a pixel"):
        invert(stack, weights="fim")
    with pytest.raises(ConfigError, match="weights 'coh' need coherence: offsets take var"):
        require_solvable(options(weight_func="coh"), replace(observations, is_phase=False))


def test_blocks_and_masks_give_the_same_pixels() -> None:
    block, observations, _ = scene(shape=(6, 5))
    assert block.quality is not None
    chosen = options(mask_dataset="coherence", mask_threshold=0.5, min_redundancy=2, sigma=True)
    whole = invert_pixels(replace(block, mask=block.quality), observations, chosen)
    rows = np.s_[:, 2:5]
    part = PhaseBlock(block.obs[rows], block.wanted[2:5], block.quality[rows], block.quality[rows])
    for name, values in invert_pixels(part, observations, chosen).items():
        assert_array_equal(values, whole[name][..., 2:5, :])
    assert (whole["pairs"] == np.where(whole["pairs"] > 0, (block.quality >= 0.5).sum(axis=0), 0)).all()


def test_uncertain_offsets_count_where_they_stand_out() -> None:
    block, observations, _ = scene()
    offsets = np.zeros_like(block.obs) + 0.1
    spread = np.full_like(offsets, 0.05)
    spread[3], offsets[3, 0, 0] = 0.4, 5.0  # uncertain; one of them far out
    spread[4], offsets[4] = 0.6, 9.0  # too uncertain for anything
    spread[5] = np.nan  # nothing is known against it
    middle = np.array([certain_median(o, s, 0.1) for o, s in zip(offsets, spread, strict=True)])
    assert np.isnan(middle[[3, 4]]).all()
    assert_allclose(middle[[0, 5]], 0.1)
    seen = replace(observations, is_phase=False, scale=1.0, middle=middle)
    masked = PhaseBlock(offsets, block.wanted, None, spread)
    chosen = options(weight_func="no", mask_dataset="rangeOffsetStd", mask_threshold=0.1)
    pairs = invert_pixels(masked, seen, chosen)["pairs"]
    total = len(observations.network.pairs)
    assert pairs[0, 0] == total - 1
    assert (pairs.ravel()[1:] == total - 2).all()


def test_baselines_of_dates_are_those_of_the_pairs() -> None:
    simulated = simulate_radar(rows=16, columns=16, dates=6, connections=2)
    network = Network(simulated.pairs)
    found = baselines_of_dates(network, simulated.bperp)
    assert found[0] == 0
    assert_allclose(found[network.sec_index] - found[network.ref_index], simulated.bperp, atol=1e-9)
    with pytest.raises(NetworkError, match="2 baseline\\(s\\) for 9 pairs"):
        baselines_of_dates(network, [1.0, 2.0])


@pytest.mark.parametrize(
    ("attributes", "looks"),
    [({"NCORRLOOKS": "24.6", "ALOOKS": "5"}, 25), ({"ALOOKS": "5", "RLOOKS": "20"}, 52), ({}, 1)],
)
def test_looks_follow_from_the_attributes(attributes: dict[str, str], looks: int) -> None:
    assert independent_looks(attributes) == looks
