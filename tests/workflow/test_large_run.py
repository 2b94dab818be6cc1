"""Runs of images larger than what is held at once, and of chips that grow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from creepmeter.errors import ConfigError
from creepmeter.io.raster import write_geotiff_parts
from creepmeter.io.store import open as open_product
from creepmeter.simulate.files import write_tiled_pair
from creepmeter.simulate.tiles import TiledScene
from creepmeter.tracking.large import LARGE_PX
from creepmeter.workflow.run import run

EDGE = 4112
SHIFT_PX = (0.37, -0.21)  # columns, rows
PIXEL_M = 10.0
CONFIG = """\
images: {files: 'scenes/*.tif'}
track: {chip_px: 32, step_px: 256, search_px: 2}
stable: {min_stable: 20}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a pair of images that are tracked by blocks, and a run file."""
    assert EDGE * EDGE > LARGE_PX
    folder = tmp_path_factory.mktemp("tile")
    (folder / "scenes").mkdir()
    write_tiled_pair(TiledScene((EDGE, EDGE), seed=3, shift_px=SHIFT_PX), folder / "scenes", write_geotiff_parts)
    (folder / "creepmeter.yaml").write_text(CONFIG, encoding="utf-8")
    return folder


def test_large_images_are_tracked_by_blocks(home: Path, tmp_path: Path) -> None:
    run(home / "creepmeter.yaml", folder=tmp_path / "run", end="track")

    offsets = open_product(tmp_path / "run" / "offsets.zarr")
    displacement, sigma = offsets["displacement"].values[:, 0], offsets["sigma"].values[:, 0]
    assert np.isfinite(displacement).mean() > 0.99
    expected = np.array([PIXEL_M * SHIFT_PX[0], -PIXEL_M * SHIFT_PX[1]])  # east, north
    error = displacement - expected[:, None, None]
    np.testing.assert_allclose(np.nanmean(error, axis=(1, 2)), 0.0, atol=0.03)
    assert 0.6 < np.nanmean(np.abs(error) <= sigma) < 0.8


def test_memory_that_does_not_suffice_is_refused_before_the_work(home: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"tracking 4112 x 4112 pixels .* needs about"):
        run(home / "creepmeter.yaml", folder=tmp_path / "run", end="track", overrides=["compute.memory_gb=0.3"])


def test_grown_chips_say_their_size(valley: Path, tmp_path: Path) -> None:
    run(valley / "creepmeter.yaml", folder=tmp_path / "run", end="stable", overrides=["track.chip_max_px=32"])

    for name in ("offsets.zarr", "stack.zarr"):
        stack = open_product(tmp_path / "run" / name)
        valid = np.isfinite(stack["displacement"].values).any(axis=0)
        assert set(np.unique(stack["chip"].values[valid])) <= {16, 32}
        assert valid.any()
