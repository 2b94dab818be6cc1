"""The demo: scenes made on the spot, and the whole of path A on them."""

from __future__ import annotations

from pathlib import Path

from creepmeter.blocks import Progress
from creepmeter.io.raster import write_geotiff
from creepmeter.io.swap import write_text
from creepmeter.simulate import demo_scenes, write_scenes
from creepmeter.workflow.outcome import RunResult
from creepmeter.workflow.run import run

CONFIG = """\
# Eight summers of a simulated valley with two slides. Run again with: creepmeter run creepmeter.yaml -o run
images:
  files: scenes/20*.tif
  exclude: scenes/*_cloud.tif   # one mask per image: nonzero is cloud
track: {chip_px: 32, step_px: 8, search_px: 5}
stable: {moving: scenes/slides.geojson, model: shift}
invert: {weights: sigma, norm: huber}
velocity: {terms: [rate]}
output: {title: "Demo: two slides in eight summers"}
"""


def demo(folder: str | Path, *, progress: Progress | None = None) -> RunResult:
    """Make the scenes of the demo and run path A on them.

    Parameters
    ----------
    folder : path
        Made when it does not exist; scenes go to ``scenes``, results to ``run``.
    progress : Progress, optional
        Shows how far the run has come.

    Returns
    -------
    RunResult
        What was done.
    """
    home = Path(folder)
    write_scenes(demo_scenes(), home / "scenes", write_geotiff)
    config = home / "creepmeter.yaml"
    write_text(config, CONFIG)
    return run(config, folder=home / "run", progress=progress)
