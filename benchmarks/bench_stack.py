"""Offsets of all pairs of a stack of images: the cost of a pair against that of a lone pair, and memory.

A stack prepares each image once for all its pairs. One thread, so that CPU time is that of the work alone.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measuring import cpu_seconds, in_own_process, peak_mb, spent
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
from creepmeter.workflow.config import ImagesSection, read_config
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
EVERY = 10  # pairs of the stack after which one is measured alone as well: on a busy machine both then suffer alike


def run(images: int = IMAGES, size: int = SIZE) -> dict[str, float | str]:
    """Return CPU time and peak memory of a lone pair, of all pairs in memory, and of the step of a run."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        in_own_process(write_inputs, folder, images, size)
        points, lone_peak = in_own_process(lone_pair, folder)
        matched, lone, pairs, peak = in_own_process(all_pairs_in_memory, folder)
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


def lone_pair(folder: Path) -> tuple[int, float]:
    """Return the points of one pair, and the peak memory of this process."""
    images = [read_image(path)[0] for path in sorted((folder / "images").glob("*.tif"))[:2]]
    with limit_threads(1):
        return track_arrays(*images, options=OPTIONS).valid.size, peak_mb()


def all_pairs_in_memory(folder: Path) -> tuple[float, float, int, float]:
    """Return CPU time of preparing all images and matching all pairs, that of a lone pair, pairs, and peak memory."""
    config = read_config(folder / "images" / "run.yaml")
    setting = prepare(config, ImagesSection(files=("*.tif",)), folder / "images", folder / "memory", NullProgress(), [])
    images = setting.images
    pairs = [(images.index_of(pair.ref), images.index_of(pair.sec)) for pair in setting.network.pairs]
    matched, lone = 0.0, []

    def in_stack(library: ImageLibrary, ref: int, sec: int) -> None:
        match(library.get(ref), library.get(sec), config.track)

    with limit_threads(1):
        in_stack(ImageLibrary(images, config.track, config.compute.memory_gb, pairs), *pairs[0])  # compiles
        begin = time.process_time()
        library = ImageLibrary(images, config.track, config.compute.memory_gb, pairs)
        matched += time.process_time() - begin
        for k, (ref, sec) in enumerate(pairs):
            matched += spent(partial(in_stack, library, ref, sec))[0]
            if k % EVERY == 0:
                values = [images.read(index)[0] for index in (ref, sec)]
                lone.append(spent(partial(track_arrays, *values, options=OPTIONS))[0])
    return matched, sum(lone) / len(lone), len(pairs), peak_mb()


def all_pairs_of_a_run(folder: Path) -> tuple[float, float]:
    """Return CPU time of the step as users run it, with files read and written, and peak memory."""
    seconds = cpu_seconds(lambda: run_steps(folder / "images" / "run.yaml", folder=folder / "run", dostep="track"), 1)
    return seconds, peak_mb()
