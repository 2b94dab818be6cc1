"""Offsets of all pairs of a stack of images: the cost of a pair against that of a lone pair, and memory.

A stack prepares each image once for all its pairs. One thread, so that CPU time is that of the work alone.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measuring import cpu_seconds, in_own_process, peak_mb
from creepmeter.blocks import NullProgress
from creepmeter.io.raster import read_image, write_geotiff
from creepmeter.kernels.threads import limit_threads
from creepmeter.simulate.files import write_scenes
from creepmeter.simulate.motion import Slide
from creepmeter.simulate.networks import regular_times
from creepmeter.simulate.scenes import scene_stack
from creepmeter.tracking.arrays import track_arrays
from creepmeter.tracking.match import match
from creepmeter.tracking.options import TrackOptions
from creepmeter.workflow.config import read_config
from creepmeter.workflow.library import ImageLibrary
from creepmeter.workflow.run import prepare
from creepmeter.workflow.run import run as run_steps

IMAGES, SIZE = 20, 1024
OPTIONS = TrackOptions(chip_px=32, step_px=8, search_px=10)
CONFIG = """\
images: {{files: "*.tif"}}
pairs: {{min_days: 1, max_days: 100000}}
track: {{chip_px: {chip}, step_px: {step}, search_px: {search}}}
compute: {{threads: 1, memory_gb: 1}}
"""
DAYS = 24.0
LONE_PAIRS = 3  # of which the cheapest counts


def run(images: int = IMAGES, size: int = SIZE) -> dict[str, float | str]:
    """Return CPU time and peak memory of a lone pair, of all pairs in memory, and of the step of a run."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        in_own_process(write_inputs, folder, images, size)
        lone, points, lone_peak = in_own_process(lone_pair, folder)
        matched, pairs, peak = in_own_process(all_pairs_in_memory, folder)
        stepped, step_peak = in_own_process(all_pairs_of_a_run, folder)
    return {
        "images": float(images),
        "pairs": float(pairs),
        "points of a pair": float(points),
        "lone pair with track_arrays, CPU s": lone,
        "all pairs by ImageLibrary and match, CPU s a pair": matched / pairs,
        "all pairs, step of a run with files read and written, CPU s a pair": stepped / pairs,
        "pair of the stack over lone pair": matched / pairs / lone,
        "pair of the step over lone pair": stepped / pairs / lone,
        "points/s/core in the stack": points * pairs / matched,
        "peak memory of a lone pair, MB": lone_peak,
        "peak memory of all pairs by ImageLibrary and match, MB": peak,
        "peak memory of the step, MB": step_peak,
    }


def write_inputs(folder: Path, images: int, size: int) -> None:
    """Write the images and the run file."""
    middle = size * 5.0
    slide = Slide(centre=(middle, -middle), semi_axes=(middle / 2, middle / 3), speed=12.0, direction_deg=100)
    scenes = scene_stack(regular_times(images, days=DAYS), (size, size), motion=[slide], seed=3)
    write_scenes(scenes, folder / "images", write_geotiff, masks=False)
    (folder / "images" / "moving.tif").unlink()  # no image
    text = CONFIG.format(chip=OPTIONS.chip_px, step=OPTIONS.step_px, search=OPTIONS.search_px)
    (folder / "images" / "run.yaml").write_text(text, encoding="utf-8")


def lone_pair(folder: Path) -> tuple[float, int, float]:
    """Return CPU time of one pair by itself, its points, and the peak memory of this process."""
    paths = sorted((folder / "images").glob("*.tif"))[: LONE_PAIRS + 1]
    images = [read_image(path)[0] for path in paths]
    with limit_threads(1):
        field = track_arrays(images[0], images[1], options=OPTIONS)  # compiles
        costs = [cpu_seconds(partial(track_arrays, *pair, options=OPTIONS), 1) for pair in pairwise(images)]
    return min(costs), field.valid.size, peak_mb()


def all_pairs_in_memory(folder: Path) -> tuple[float, int, float]:
    """Return CPU time of preparing all images and matching all pairs, the number of pairs, and peak memory."""
    config = read_config(folder / "images" / "run.yaml")
    setting = prepare(config, folder / "images", folder / "memory", NullProgress(), [])
    images = setting.images
    pairs = [(images.index_of(pair.ref), images.index_of(pair.sec)) for pair in setting.network.pairs]

    def work(count: int) -> None:
        library = ImageLibrary(images, config.track, config.compute.memory_gb, pairs)
        for ref, sec in pairs[:count]:
            match(library.get(ref), library.get(sec), config.track)

    with limit_threads(1):
        work(1)  # compiles
        return cpu_seconds(lambda: work(len(pairs)), 1), len(pairs), peak_mb()


def all_pairs_of_a_run(folder: Path) -> tuple[float, float]:
    """Return CPU time of the step as users run it, with files read and written, and peak memory."""
    seconds = cpu_seconds(lambda: run_steps(folder / "images" / "run.yaml", folder=folder / "run", dostep="track"), 1)
    return seconds, peak_mb()
