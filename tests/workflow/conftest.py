"""A small valley with one slide, as files, that a run takes a few seconds for."""

from __future__ import annotations

from pathlib import Path

import pytest

from creepmeter.io.raster import write_geotiff
from creepmeter.simulate import MotionField, Slide, scene_stack, write_scenes

TIMES = ("2018-08-01", "2019-08-03", "2020-07-30", "2021-08-05")
SLIDE = Slide(centre=(640.0, -640.0), semi_axes=(450.0, 380.0), speed=4.0, direction_deg=90.0)
CONFIG = """\
images: {files: 'scenes/20*.tif', exclude: 'scenes/*_cloud.tif'}
track: {chip_px: 16, step_px: 8, search_px: 4}
stable: {moving: scenes/slides.geojson, min_stable: 20}
velocity: {terms: [rate]}
"""


@pytest.fixture(scope="session")
def valley(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with scenes and a run file; do not write into it."""
    folder = tmp_path_factory.mktemp("valley")
    scenes = scene_stack(
        TIMES, (128, 128), motion=MotionField((SLIDE,), origin=TIMES[0]), seed=5, jitter_px=0.3, cloud_fraction=0.05
    )
    write_scenes(scenes, folder / "scenes", write_geotiff)
    (folder / "creepmeter.yaml").write_text(CONFIG)
    return folder
