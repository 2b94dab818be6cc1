"""The demo against its truth: what a user is told the program can do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from creepmeter.io.store import open as open_product
from creepmeter.simulate import SimulatedScenes, demo_scenes
from creepmeter.workflow.demo import demo

Floats = npt.NDArray[np.float64]
CHIP, STEP = 32, 8


@pytest.fixture(scope="module")
def scenes() -> SimulatedScenes:
    return demo_scenes()


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return demo(tmp_path_factory.mktemp("demo")).folder


@pytest.fixture(scope="module")
def centres(results: Path) -> tuple[Floats, Floats]:
    motion = open_product(results / "velocity.zarr")
    axes = [(CHIP - 1) / 2 + STEP * np.arange(motion.sizes[name]) for name in ("y", "x")]
    rows, columns = np.meshgrid(*axes, indexing="ij")
    return rows, columns


@pytest.fixture(scope="module")
def rate(results: Path) -> tuple[Floats, Floats]:
    motion = open_product(results / "velocity.zarr").sel(term="rate")
    return motion["value"].values, motion["sigma"].values


def test_velocity_inside_the_slides(
    rate: tuple[Floats, Floats], scenes: SimulatedScenes, centres: tuple[Floats, Floats]
) -> None:
    error = rate[0] - scenes.truth_velocity(*centres, CHIP)
    inside = scenes.inside(*centres, CHIP)
    assert inside.sum() > 400
    assert np.isfinite(error[:, inside]).mean() > 0.95
    assert np.sqrt(np.nanmean((error[:, inside] ** 2).sum(axis=0))) <= 0.25  # m/yr, both components together


def test_stable_ground_stands_still(
    rate: tuple[Floats, Floats], scenes: SimulatedScenes, centres: tuple[Floats, Floats]
) -> None:
    still = rate[0][:, scenes.stable(*centres, CHIP)]
    spread = 1.4826 * np.nanmedian(np.abs(still - np.nanmedian(still, axis=1, keepdims=True)), axis=1)
    assert (spread <= 0.10).all()  # m/yr


def test_one_sigma_covers_two_thirds_of_the_errors(
    rate: tuple[Floats, Floats], scenes: SimulatedScenes, centres: tuple[Floats, Floats]
) -> None:
    error = np.abs(rate[0] - scenes.truth_velocity(*centres, CHIP))
    known = np.isfinite(error)
    assert 0.60 <= (error <= rate[1])[known].mean() <= 0.75


def test_no_point_is_valid_in_cloud(results: Path, scenes: SimulatedScenes, centres: tuple[Floats, Floats]) -> None:
    offsets = open_product(results / "offsets.zarr")
    hidden = 0
    for pair in range(offsets.sizes["pair"]):
        valid = np.isfinite(offsets["displacement"].isel(pair=pair).values).any(axis=0)
        for name in ("ref_time", "sec_time"):
            cloud = scenes.cloud[int(np.argmin(np.abs(scenes.times - offsets[name].values[pair])))]
            for towards in (np.floor, np.ceil):
                under = cloud[tuple(towards(centre).astype(int) for centre in centres)]
                hidden += int(under.sum())
                assert not (valid & under).any()
    assert hidden > 1000


def test_every_pair_of_eight_scenes_is_there(results: Path) -> None:
    assert open_product(results / "stack.zarr").sizes["pair"] == 28
