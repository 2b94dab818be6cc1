from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from rasterio.features import rasterize
from scipy import ndimage

from creepmeter.errors import ConfigError, ImageError
from creepmeter.kernels.robust import nmad
from creepmeter.kernels.threads import limit_threads
from creepmeter.tracking.outliers import OutlierOptions, fill_holes, reject_outliers

Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
SHAPE = (50, 60)
seeds = st.integers(0, 2**32 - 1)


def slide(height: float, spread: tuple[float, float], shape: tuple[int, int] = SHAPE) -> Doubles:
    i, j = np.indices(shape)
    return height * np.exp(-0.5 * (((i - 22) / spread[1]) ** 2 + ((j - 31) / spread[0]) ** 2))


def spoil(rng: np.random.Generator, dx: Doubles, dy: Doubles, share: float) -> Bools:
    """Replace a share of the points by false matches, in place; return where."""
    wrong = rng.random(dx.shape) < share
    dx[wrong], dy[wrong] = rng.uniform(-10, 10, (2, int(wrong.sum())))
    return wrong


def noisy(rng: np.random.Generator, motion: Doubles, noise: float) -> tuple[Doubles, Doubles]:
    error = noise * rng.normal(size=(2, *motion.shape))
    return motion + error[0], -0.5 * motion + error[1]


@given(seed=seeds, noise=st.floats(0.02, 0.1))
def test_a_small_slide_stays(seed: int, noise: float) -> None:
    motion = slide(2.0, (3, 2))
    dx, dy = noisy(np.random.default_rng(seed), motion, noise)
    assert reject_outliers(dx, dy)[motion > 0.5].mean() < 0.05


@pytest.mark.parametrize("noise", [0.02, 0.1])
def test_a_small_slide_stays_among_false_matches(noise: float) -> None:
    motion = slide(2.0, (3, 2))
    lost = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        dx, dy = noisy(rng, motion, noise)
        false = spoil(rng, dx, dy, 0.2)
        lost.append(reject_outliers(dx, dy)[(motion > 0.5) & ~false].mean())
    assert np.mean(lost) < 0.02
    assert max(lost) < 0.1


@pytest.mark.parametrize("height", [1.0, 5.0, 20.0])
@pytest.mark.parametrize("spread", [(2, 2), (3, 2), (8, 3)])
def test_a_steep_slide_is_no_island(height: float, spread: tuple[float, float]) -> None:
    motion = slide(height, spread)
    dx, dy = noisy(np.random.default_rng(1), motion, 0.05)
    assert reject_outliers(dx, dy)[motion > 0.3].mean() < 0.05


@given(seed=seeds, noise=st.floats(0, 0.1))
def test_false_matches_are_found_and_right_ones_are_kept(seed: int, noise: float) -> None:
    rng = np.random.default_rng(seed)
    motion = slide(2.0, (9, 6))
    dx, dy = noisy(rng, motion, noise)
    false = spoil(rng, dx, dy, 0.2)
    outlier = reject_outliers(dx, dy)
    error = np.hypot(dx - motion, dy + 0.5 * motion)
    assert (error[~outlier] > 0.5).mean() < 0.003
    assert outlier[~false].mean() < 0.01


@given(seed=seeds)
def test_noise_over_water_leaves_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    dx, dy = noisy(rng, np.zeros(SHAPE), 0.05)
    water = np.zeros(SHAPE, bool)
    water[15:35, 20:45] = True
    dx[water], dy[water] = rng.uniform(-10, 10, (2, int(water.sum())))
    outlier = reject_outliers(dx, dy)
    assert outlier[water].mean() > 0.98
    assert outlier[~water].mean() < 0.01


@given(seed=seeds, noise=st.sampled_from([0, 0.02, 0.1]), wrong=st.sampled_from([0, 0.2]))
def test_the_edge_of_a_moving_block_stays(seed: int, noise: float, wrong: float) -> None:
    rng = np.random.default_rng(seed)
    motion = np.zeros(SHAPE)
    motion[15:31, 20:40] = 3.0
    dx, dy = noisy(rng, motion, noise)
    dy = noise * rng.normal(size=SHAPE)
    false = spoil(rng, dx, dy, wrong)
    moving = motion > 0
    edge = (ndimage.binary_dilation(moving) & ~moving) | (moving & ndimage.binary_dilation(~moving))
    assert reject_outliers(dx, dy)[edge & ~false].mean() < 0.1


@given(seed=seeds)
def test_borders_and_the_sides_of_gaps_lose_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    i, j = np.indices(SHAPE)
    dx, dy = (slope + 0.03 * rng.normal(size=SHAPE) for slope in (0.05 * i, -0.03 * j))
    gap = (np.hypot(i - 20, j - 25) < 7) | ((i > 35) & (j > 45)) | (rng.random(SHAPE) < 0.05)
    dx[gap] = np.nan
    outlier = reject_outliers(dx, dy)
    assert not outlier[gap].any()
    assert outlier[~gap].mean() < 0.002


@pytest.mark.parametrize("unit", [1.0, 1e3, 1e-4])
@pytest.mark.parametrize("name", ["constant", "plane", "curved", "slide", "rounded"])
def test_a_field_without_noise_keeps_every_point(name: str, unit: float) -> None:
    i, j = np.indices(SHAPE, float)
    fields = {
        "constant": np.full(SHAPE, 1 / 3),
        "plane": 0.37 * i - 0.2 * j,
        "curved": 0.01 * i**2 + np.sin(j / 9),
        "slide": slide(0.7, (3, 2)),
        "rounded": np.round(64 * slide(2.0, (3, 2))) / 64,
    }
    field = unit * fields[name]
    assert not reject_outliers(field, 0.3 * field + unit).any()


@given(seed=seeds, unit=st.sampled_from([0.25, 4.0, 1024.0]))
def test_the_unit_does_not_matter(seed: int, unit: float) -> None:
    rng = np.random.default_rng(seed)
    dx, dy = noisy(rng, slide(2.0, (3, 2)), 0.05)
    spoil(rng, dx, dy, 0.1)
    assert_array_equal(reject_outliers(unit * dx, unit * dy), reject_outliers(dx, dy))


@given(seed=seeds)
def test_turning_the_map_turns_the_answer(seed: int) -> None:
    rng = np.random.default_rng(seed)
    dx, dy = noisy(rng, slide(2.0, (3, 2)), 0.05)
    spoil(rng, dx, dy, 0.1)
    outlier = reject_outliers(dx, dy)
    assert_array_equal(reject_outliers(-dx, dy), outlier)
    assert_array_equal(reject_outliers(dx[::-1, ::-1], dy[::-1, ::-1]), outlier[::-1, ::-1])
    assert_array_equal(reject_outliers(dy.T, dx.T), outlier.T)
    with limit_threads(3):
        assert_array_equal(reject_outliers(dx, dy), outlier)


def test_an_uncertain_point_may_lie_farther_out() -> None:
    dx, dy = noisy(np.random.default_rng(3), np.zeros(SHAPE), 0.02)
    dx[20, 20] = dx[30, 30] = 1.0
    sigma = np.full(SHAPE, 0.02)
    sigma[20, 20] = 0.4
    outlier = reject_outliers(dx, dy, sigma=(sigma, sigma))
    assert not outlier[20, 20]
    assert outlier[30, 30]


def test_smallest_patch() -> None:
    dx, dy = noisy(np.random.default_rng(4), np.zeros(SHAPE), 0.02)
    dx[10:18, 10:18] += 3
    assert reject_outliers(dx, dy)[10:18, 10:18].all()
    assert reject_outliers(dx, dy, min_island=50)[10:18, 10:18].mean() < 0.1


def test_a_map_without_a_value_has_no_outlier() -> None:
    missing = np.full((4, 5), np.nan)
    assert not reject_outliers(missing, missing).any()


@pytest.mark.parametrize("count", [1, 2, 3, 12])
def test_one_row_is_a_map_that_loses_nothing_at_its_ends(count: int) -> None:
    row = np.full((1, count), 2.0)
    assert not reject_outliers(row, -row).any()
    assert not reject_outliers(row.T, -row.T).any()


def test_a_false_match_at_the_end_of_a_row_is_found() -> None:
    row = np.zeros((1, 12))
    row[0, 0] = 5.0
    assert_array_equal(np.argwhere(reject_outliers(row, row)), [[0, 0]])


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ImageError, match=r"one shape, got \(4, 5\) and \(5, 4\)"):
        reject_outliers(np.zeros((4, 5)), np.zeros((5, 4)))
    with pytest.raises(ImageError, match=r"sigma must have the shape of the maps, \(4, 5\), got \(2, 2\)"):
        reject_outliers(np.zeros((4, 5)), np.zeros((4, 5)), sigma=(np.ones((2, 2)), np.ones((2, 2))))
    with pytest.raises(ConfigError, match="outliers option neighbourhood"):
        reject_outliers(np.zeros((4, 5)), np.zeros((4, 5)), neighbourhood=4)


def test_small_holes_are_filled_and_marked_and_wide_ones_stay() -> None:
    i, j = np.indices((20, 24), float)
    dx, dy = 0.1 * i, 0.2 * j
    hole = np.zeros(dx.shape, bool)
    hole[3, 4] = hole[8, 9:11] = True
    wide = np.hypot(i - 14, j - 15) < 4
    dx[hole | wide] = np.nan
    result = fill_holes(dx, dy)
    assert result.filled[hole].all()
    assert np.abs(result.dx - 0.1 * i)[hole].max() <= 0.1  # the median of a plane: within half a point of it
    assert np.isnan(result.dx[14, 15])
    assert_array_equal(result.filled, np.isfinite(result.dx) & (hole | wide))
    assert_array_equal(np.isnan(result.dy), np.isnan(result.dx))
    known = ~(hole | wide)
    assert_array_equal(result.dx[known], dx[known].astype(np.float32))


def test_nothing_is_filled_outside_the_wanted_ground() -> None:
    dx, dy = np.ones((2, 7, 7))
    dx[3, 2] = dx[3, 5] = np.nan
    result = fill_holes(dx, dy, within=np.arange(7)[None, :].repeat(7, 0) < 4)
    assert np.argwhere(result.filled).tolist() == [[3, 2]]


def masked(folder: Path, name: str, like: Any) -> Bools:  # noqa: ANN401
    shapes = gpd.read_file(folder / name).to_crs(like.crs).geometry
    return np.asarray(rasterize([(shape, 1) for shape in shapes], like.shape, transform=like.transform), bool)


@pytest.mark.golden
def test_kaskawulsh(shared: Path) -> None:
    """Landsat 8 velocities, metres per day, unfiltered: bedrock outliers 2.2 and 2.8 % before."""
    folder = shared / "data" / "velocity_kaskawulsh_landsat8"
    if not folder.is_dir():
        pytest.skip("velocity_kaskawulsh_landsat8 is not in the shared data")
    velocity = []
    for name in ("vx", "vy"):
        with rasterio.open(folder / f"20180304-20180405_velo-raw_{name}.tif") as source:
            velocity.append(source.read(1, masked=True).filled(np.nan))
            bedrock = masked(folder, "bedrock_V2.shp", source)
            ice = masked(folder, "glacier_V1_Kaskawulsh_s_inwardBuffer600m.shp", source)
    measured = np.isfinite(velocity[0])
    kept = measured & ~reject_outliers(velocity[0], velocity[1])
    assert (kept & ice).sum() >= 0.9 * (measured & ice).sum()
    assert (kept & bedrock).sum() >= 0.9 * (measured & bedrock).sum()
    for component in velocity:
        assert nmad(component[kept & bedrock]) <= 0.05
        assert (np.abs(component[kept & bedrock]) > 0.5).mean() <= 0.01


def test_defaults_follow_the_published_filter() -> None:
    options = OutlierOptions()
    assert (options.neighbourhood, options.rounds, options.scale, options.min_agree) == (5, 3, 4.0, 0.32)
