"""Offset tracking of one pair, whole calls, against OpenCV and scikit-image on the same images and chips.

All figures of speed are points per CPU second and core. Other libraries measure a sample of the chips: they are slow,
and their cost per chip is the same everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from benchmarks.measuring import cpu_seconds, in_own_process, peak_mb, spent
from benchmarks.peers import PEERS, Sizes
from creepmeter.kernels.threads import limit_threads
from creepmeter.simulate.motion import MotionField, Slide
from creepmeter.simulate.terrain import Image
from creepmeter.simulate.tiles import TiledScene
from creepmeter.tracking.arrays import track_arrays
from creepmeter.tracking.match import OffsetField
from creepmeter.tracking.options import TrackOptions

Floats: TypeAlias = npt.NDArray[np.float64]
Figures: TypeAlias = dict[str, float | str]

SIZE = 2048
CHIP, STEP = 32, 8
SEARCHES = (10, 25)
SHIFT = (0.37, -0.21)
PIXEL_M = 10.0
START = np.datetime64("2020-08-01", "ns")  # of the motion; the second image is a year later
SLIDES = (  # centre x, y as shares of the edge; semi-axes, pixels; motion, pixels; where it moves, degrees from north
    (0.30, 0.35, 320.0, 160.0, 3.0, 127.0),
    (0.65, 0.60, 120.0, 120.0, 1.2, 222.0),
    (0.55, 0.20, 48.0, 32.0, 2.0, 37.0),
)
MARGIN_PX = 40  # chips nearer to the border are not compared
EVERY = 13  # other libraries measure every so many-th chip along each axis
HIGHPASS_PX = 5
ROUNDS = 5
GROSS_PX = 1.0  # a larger error is a wrong match and no part of the root mean square


@dataclass(frozen=True)
class Pair:
    """Two images and the ground behind them."""

    scene: TiledScene
    ref: Image
    sec: Image


def moving_pair(size: int) -> Pair:
    """Return two images shifted against each other by a fraction of a pixel, with slides and noise."""
    edge = size * PIXEL_M
    slides = tuple(
        Slide((x * edge, -y * edge), (long * PIXEL_M, wide * PIXEL_M), motion * PIXEL_M, direction)
        for x, y, long, wide, motion, direction in SLIDES
    )
    scene = TiledScene((size, size), seed=1, motion=MotionField(slides, origin=START), shift_px=SHIFT)
    return Pair(scene, *(scene.window(slice(size), slice(size), name) for name in ("ref", "sec")))


def run(size: int = SIZE, every: int = EVERY) -> Figures:
    """Return speed, error and memory of ours, and speed and error of the others, for a short and a long search."""
    pair = moving_pair(size)
    figures: Figures = {}
    for search in SEARCHES:
        options = TrackOptions(chip_px=CHIP, step_px=STEP, search_px=search)
        figures |= {f"search {search}: {name}": value for name, value in compare(pair, options, every).items()}
    return figures | memory(pair)


def compare(pair: Pair, options: TrackOptions, every: int) -> Figures:
    """Return speed, error and speed-up by a second thread, beside the other libraries on a sample of the chips."""
    figures, field = ours(pair, options)
    rate = float(figures["ours, points/s/core"])
    places = sample(field, options, every)
    row, col = field.row[places], field.col[places]
    truth = pair.scene.truth_offset_px(row, col, options.chip_px).T
    figures |= describe("ours", np.stack([field.dx[places], field.dy[places]], axis=1) - truth)
    corners = np.rint(np.stack([row, col], axis=1) - (options.chip_px - 1) / 2).astype(np.int64)
    filtered = highpass(pair.ref), highpass(pair.sec)
    for peer in PEERS:
        if not peer.installed:
            figures[peer.name] = f"skipped: {peer.library.split('.')[0]} is not installed (extra `bench`)"
            continue
        measure = partial(peer.offsets, corners=corners, sizes=Sizes(options.chip_px, options.search_px))
        theirs = len(corners) / cpu_seconds(partial(measure, pair.ref, pair.sec))
        figures |= {f"{peer.name}, points/s/core": theirs, f"ours / {peer.name}": rate / theirs}
        figures |= describe(peer.name, measure(pair.ref, pair.sec) - truth)
        figures |= describe(f"{peer.name} after a high-pass", measure(*filtered) - truth)
    return figures


def highpass(image: Image) -> Image:
    """Return an image less the mean around each pixel."""
    filtered: Image = image - ndimage.uniform_filter(image, HIGHPASS_PX)
    return filtered


def ours(pair: Pair, options: TrackOptions) -> tuple[Figures, OffsetField]:
    """Return speed of the whole call, filters and outliers with it, and the result."""

    def work() -> OffsetField:
        return track_arrays(pair.ref, pair.sec, options=options)

    field = work()
    costs = np.full((2, 2), np.inf)  # CPU and wall time of one thread and of two
    for _ in range(ROUNDS):  # in turns, so that other work on the machine slows both
        for threads in (1, 2):
            with limit_threads(threads):
                costs[threads - 1] = np.minimum(costs[threads - 1], spent(work))
    cpu, wall = costs.T
    figures: Figures = {
        "points": float(field.valid.size),
        "ours, points/s/core": field.valid.size / float(cpu[0]),
        "ours, CPU s": float(cpu[0]),
        "ours, wall time of one thread over that of two": float(wall[0] / wall[1]),
        "ours, CPU time of two threads over that of one": float(cpu[1] / cpu[0]),
        "ours, valid, share": float(field.valid.mean()),
    }
    return figures, field


def sample(field: OffsetField, options: TrackOptions, every: int) -> tuple[npt.NDArray[np.intp], ...]:
    """Return indices of every so many-th chip along both axes, those near the border left out."""
    edge = max(MARGIN_PX, options.search_px + 1) + options.chip_px / 2
    rows, columns = np.indices(field.row.shape)
    size = field.row[-1, -1] + options.chip_px / 2
    inside = (np.minimum(field.row, field.col) >= edge) & (np.maximum(field.row, field.col) <= size - edge)
    return np.nonzero(inside & (rows % every == 0) & (columns % every == 0))


def describe(name: str, errors: Floats) -> Figures:
    """Return the errors (n, 2) of one program: of matches within a pixel of the truth, and how many are not."""
    good = (np.abs(errors) <= GROSS_PX).all(axis=1)  # false for NaN
    spread, bias = np.sqrt(np.mean(errors[good] ** 2, axis=0)), errors[good].mean(axis=0)
    return {
        f"{name}, RMSE dx, dy, px": f"{spread[0]:.4f}, {spread[1]:.4f}",
        f"{name}, bias dx, dy, px": f"{bias[0]:+.4f}, {bias[1]:+.4f}",
        f"{name}, lost or more than {GROSS_PX:g} px off, share of {len(errors)}": float(1 - good.mean()),
    }


def memory(pair: Pair) -> Figures:
    """Return peak memory of processes that hold the images and track them, or do nothing more."""
    figures: Figures = {}
    with TemporaryDirectory() as folder:
        for name, image in (("ref", pair.ref), ("sec", pair.sec)):
            np.save(Path(folder) / f"{name}.npy", image)
        figures["peak memory with images read and nothing done, MB"] = in_own_process(peak_of_tracking, folder, None)
        for search in SEARCHES:
            peak = in_own_process(peak_of_tracking, folder, search)
            figures[f"search {search}: peak memory of ours, MB"] = peak
    return figures


def peak_of_tracking(folder: str, search: int | None) -> float:
    """Return the peak memory of this process after reading two images and, if a search is given, tracking them."""
    ref, sec = (np.load(Path(folder) / f"{name}.npy") for name in ("ref", "sec"))
    if search is not None:
        track_arrays(ref, sec, chip_px=CHIP, step_px=STEP, search_px=search)
    return peak_mb()
