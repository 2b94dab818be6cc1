"""Errors by distance: what is known of white noise, slopes and rough fields, and how pairs are chosen."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from creepmeter.errors import ConfigError, InputError
from creepmeter.simulate.radar_ground import rough_field
from creepmeter.validation.structure import (
    StructureFunction,
    StructureModel,
    choose_pairs,
    class_edges,
    distance_map,
    fit_structure,
    mean_structure,
    sigma_of_pixels,
    stated_noise,
    structure_function,
)
from creepmeter.validation.structure_options import StructureOptions

SPACING = (92.0, 72.0)
OPTIONS = StructureOptions(max_km=20.0, pairs=5000)
SHAPE = (200, 260)


def noise(seed: int = 0, size: float = 3.0) -> npt.NDArray[np.float64]:
    """Return white noise."""
    return np.random.default_rng(seed).normal(0, size, SHAPE)


def test_white_noise_is_flat_at_the_root_of_two() -> None:
    found = structure_function(noise(), choose_pairs(np.ones(SHAPE, bool), SPACING, OPTIONS))
    assert len(found.distance) == OPTIONS.bins
    for values in (found.sigma, found.rms):
        assert_allclose(values, 3 * np.sqrt(2), rtol=0.05)  # 5000 pairs of a class: 1.2 % standard error
    apart = (found.sigma - 3 * np.sqrt(2)) / found.error
    assert 0.5 < np.sqrt((apart**2).mean()) < 1.6  # the stated error is that of sigma
    model = fit_structure(found)
    assert_allclose(model.sigma([200.0, 5000.0, 19_000.0]), 3 * np.sqrt(2), rtol=0.02)
    assert model.sigma(0.0) == 0.0


def test_a_slope_grows_with_distance() -> None:
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    plane = 0.5e-3 * SPACING[0] * rows + 0.2e-3 * SPACING[1] * columns
    found = structure_function(plane, choose_pairs(np.ones(SHAPE, bool), SPACING, OPTIONS))
    near = (found.distance > 500) & (found.distance < 3000)  # nearer, pixels allow few directions
    mean_square = 1e-6 * (0.5**2 + 0.2**2) * found.distance[near] ** 2 / 2  # over all directions
    assert_allclose(found.rms[near], np.sqrt(mean_square), rtol=0.03)
    part = StructureFunction._make(column[near] for column in found)
    assert_allclose(fit_structure(part, "power").shape, 2.0, atol=0.03)


@pytest.mark.parametrize("slope", [8 / 3, 3.0])
def test_a_rough_field_has_its_exponent(slope: float) -> None:
    # power ~ k^-slope in two dimensions gives D ~ r^(slope - 2) far from pixel and map
    options = StructureOptions(min_km=0.4, max_km=5.0, pairs=5000, bins=8)
    pairs = choose_pairs(np.ones(SHAPE, bool), SPACING, options)
    parts = []
    for seed in range(6):
        field = rough_field((1024, 1024), slope, np.random.default_rng(seed))[: SHAPE[0], : SHAPE[1]]
        parts.append(structure_function(field, pairs))
    whole = mean_structure(parts)
    assert_allclose(2 * np.polyfit(np.log(whole.distance), np.log(whole.rms), 1)[0], slope - 2, atol=0.1)


@pytest.mark.parametrize(
    "model", [StructureModel("power", 1.0, 2.0, 0.8), StructureModel("exponential", 0.5, 3.0, 4.0)]
)
def test_the_curve_that_made_the_points_is_found(model: StructureModel) -> None:
    distance = np.geomspace(100, 40_000, 15)
    sigma = model.sigma(distance)
    found = fit_structure(StructureFunction(distance, sigma, sigma, 0.01 * sigma, np.full(15, 100)))
    assert found.kind == model.kind
    assert_allclose(found[1:], model[1:], rtol=0.02)


def test_motion_of_a_small_area_hardly_changes_sigma() -> None:
    values = noise()
    values[:20, :20] += 100.0
    pairs = choose_pairs(np.ones(SHAPE, bool), SPACING, OPTIONS)
    found = structure_function(values, pairs)
    assert_allclose(found.sigma, 3 * np.sqrt(2), rtol=0.08)
    assert found.rms.max() > 8


def test_pairs_lie_on_stable_ground_in_their_class_and_are_the_same_each_time() -> None:
    usable = np.random.default_rng(1).random(SHAPE) < 0.3
    usable[:, 100:160] = False
    pairs = choose_pairs(usable, SPACING, OPTIONS)
    assert usable.ravel()[pairs.first].all()
    assert usable.ravel()[pairs.second].all()
    edges = class_edges(OPTIONS)
    down, across = (
        pairs.second // SHAPE[1] - pairs.first // SHAPE[1],
        pairs.second % SHAPE[1] - pairs.first % SHAPE[1],
    )
    assert_allclose(pairs.distance, np.hypot(down * SPACING[0], across * SPACING[1]))
    assert (pairs.distance >= edges[pairs.bin]).all()
    assert (pairs.distance < edges[pairs.bin + 1]).all()
    count = np.bincount(pairs.bin, minlength=OPTIONS.bins)
    assert (count[2:14] == OPTIONS.pairs).all()  # as far as half the map
    assert count[-1] > 1000
    for one, two in zip(pairs, choose_pairs(usable, SPACING, OPTIONS), strict=True):
        assert_array_equal(one, two)
    turn = np.arctan2(down * SPACING[0], across * SPACING[1])[pairs.bin == 8]
    assert abs(np.exp(2j * turn).mean()) < 0.1  # all directions alike
    used = np.zeros(SHAPE, bool)
    used.ravel()[pairs.first[pairs.bin == 8]] = True
    quarters = [
        used[half, side].sum() for half in (slice(0, 100), slice(100, 200)) for side in (slice(0, 100), slice(160, 260))
    ]
    assert min(quarters) > 0.7 * max(quarters)


def test_missing_values_leave_their_pairs_out() -> None:
    pairs = choose_pairs(np.ones(SHAPE, bool), SPACING, OPTIONS)
    values = noise()
    values[50:60] = np.nan
    found = structure_function(values, pairs)
    assert (found.pairs < OPTIONS.pairs).all()
    assert np.isfinite(found.sigma).all()


def test_noise_of_two_pixels_from_what_is_stated() -> None:
    stated = np.full(SHAPE, 2.0)  # half of it the reference pixel's
    assert_allclose(stated_noise(stated), 2.0, rtol=1e-6)
    assert stated_noise(np.full(SHAPE, np.nan)) == 0.0
    random = np.random.default_rng(0)
    own = np.where(random.random(SHAPE) < 0.2, 5.0, 1.0)
    values = random.normal(0, own)
    found = structure_function(values, choose_pairs(np.ones(SHAPE, bool), SPACING, OPTIONS))
    assert_allclose(stated_noise(np.hypot(own, 1.0)), found.sigma.mean(), rtol=0.02)


def test_sigma_of_pixels_adds_what_neighbours_share() -> None:
    distance = distance_map((30, 40), (3000.0, 4000.0), (0, 0))
    assert_allclose(distance[1, 1], 5000)
    stated = np.full((30, 40), 2.0)
    stated[2, 2] = 7.0
    model = StructureModel("power", 2.0, 1.0, 1.0)
    found = sigma_of_pixels(model, distance, stated)
    assert found[0, 0] == 0
    assert_allclose(found[1, 1], np.sqrt(2**2 + 5), rtol=0.01)  # N is 2, D(5 km) = 4 + 5
    assert found[2, 2] > 7.0


def test_what_is_not_possible_is_said() -> None:
    with pytest.raises(InputError, match=r"1 usable pixel\(s\): .* needs more stable ground"):
        choose_pairs(np.eye(1, dtype=bool), SPACING, OPTIONS)
    with pytest.raises(InputError, match=r"no two usable pixels are 5 to 20 km apart"):
        choose_pairs(np.ones((4, 4), bool), SPACING, StructureOptions(min_km=5, max_km=20))
    found = structure_function(noise(), choose_pairs(np.ones(SHAPE, bool), SPACING, StructureOptions(bins=2)))
    with pytest.raises(ConfigError, match=r"2 class\(es\) of distance have pairs"):
        fit_structure(found)
    with pytest.raises(ConfigError, match="curve 'cubic' is not known"):
        fit_structure(found, "cubic")
    with pytest.raises(ValueError, match=r"min_km \(9\) must be below max_km \(3\)"):
        StructureOptions(min_km=9, max_km=3)
    part = StructureFunction._make(column[:1] for column in found)
    with pytest.raises(InputError, match="pairs at different distances"):
        mean_structure([found, part])
