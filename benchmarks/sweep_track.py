"""Speed and memory of the offset tracker over chip, step, search and size of the image: a table and plots.

    python -m benchmarks.sweep_track [--folder DIR] [--size 1024] [--full]

Every chip, step and search on one size of image, and every size with the default options; with ``--full`` every
combination, which takes more than an hour. One thread; every combination runs in a
process of its own, warm.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from scipy.optimize import nnls

from benchmarks.measuring import cpu_seconds, in_own_process, peak_mb, spent, tell
from creepmeter.kernels.threads import limit_threads
from creepmeter.simulate.tiles import TiledScene
from creepmeter.tracking.arrays import track_arrays
from creepmeter.tracking.match import chip_shape
from creepmeter.tracking.options import TrackOptions

Floats: TypeAlias = npt.NDArray[np.float64]

CHIPS, STEPS, SEARCHES, SIZES = (16, 32, 64), (4, 8, 16, 32), (2, 5, 10, 25, 50), (512, 1024, 2048, 4096)
USUAL = TrackOptions(chip_px=32, step_px=8, search_px=10)
SIZE = 1024
WARM_PX = 256  # edge of the part that is tracked first, so that kernels are compiled
SHIFT = (0.37, -0.21)
SECONDS = 0.5  # shorter runs are repeated
MARKS = "ovsD"
DPI = 80
WHOLE = ("size_px", "chip_px", "step_px", "search_px", "points")
TERMS = (
    "search, per pixel and shift",
    "search, per point and shift",
    "refinement, per pixel of a chip",
    "filters, per pixel of the image",
    "the rest, per point",
    "tuning of the filter, per pair",
)


@dataclass(frozen=True)
class Row:
    """One combination: options, points, CPU time of one core, and peak memory with what it is without tracking."""

    size_px: int
    chip_px: int
    step_px: int
    search_px: int
    points: int
    cpu_s: float
    peak_mb: float
    idle_mb: float

    @property
    def rate(self) -> float:
        """Points per second and core."""
        return self.points / self.cpu_s

    @property
    def usual(self) -> bool:
        """Whether all but the size is as usual."""
        return (self.chip_px, self.step_px, self.search_px) == (USUAL.chip_px, USUAL.step_px, USUAL.search_px)


def combinations(size: int, *, full: bool) -> Iterator[tuple[int, TrackOptions]]:
    """Yield sizes and options to measure."""
    for edge in SIZES if full else (size,):
        for chip, step, search in product(CHIPS, STEPS, SEARCHES):
            yield edge, TrackOptions(chip_px=chip, step_px=step, search_px=search)
    if not full:
        yield from ((edge, USUAL) for edge in SIZES if edge != size)


def write_pair(folder: Path, size: int) -> None:
    """Write two images of one size."""
    scene = TiledScene((size, size), seed=2, shift_px=SHIFT)
    for name in ("ref", "sec"):
        np.save(folder / f"{name}{size}.npy", scene.window(slice(size), slice(size), name))


def measure_all(folder: Path, size: int, wanted: Sequence[TrackOptions]) -> list[Row]:
    """Load kernels, then measure every combination in a copy of this process."""
    names = [folder / f"{name}{size}.npy" for name in ("ref", "sec")]
    track_arrays(*(np.load(name, mmap_mode="r")[:WARM_PX, :WARM_PX] for name in names), options=USUAL)
    rows = []
    for options in wanted:
        with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:  # quick, and memory is its own
            row = pool.submit(measure_one, names, options).result()
        rows.append(row)
        tell(
            f"{size:5} px  chip {row.chip_px:3}  step {row.step_px:3}  search {row.search_px:3}"
            f"  {row.rate:9.0f} points/s/core  {row.peak_mb:6.0f} MB"
        )
    return rows


def measure_one(names: Sequence[Path], options: TrackOptions) -> Row:
    """Track one pair with one thread and return what it took."""
    ref, sec = map(np.load, names)
    idle = peak_mb()
    with limit_threads(1):
        seconds, _ = spent(lambda: track_arrays(ref, sec, options=options))
        peak = peak_mb()
        if seconds < SECONDS:
            seconds = min(seconds, cpu_seconds(lambda: track_arrays(ref, sec, options=options)))
    chip, step, radius = options.chip_px, options.step_px, options.search_px
    points = int(np.prod(chip_shape(ref.shape, chip, step)))
    return Row(len(ref), chip, step, radius, points, round(seconds, 4), round(peak, 1), round(idle, 1))


def sweep(folder: Path, wanted: Sequence[tuple[int, TrackOptions]]) -> list[Row]:
    """Measure combinations one after the other."""
    rows: list[Row] = []
    with TemporaryDirectory() as name:
        for size in sorted({size for size, _ in wanted}):
            in_own_process(write_pair, Path(name), size)
            chosen = [options for edge, options in wanted if edge == size]
            rows += in_own_process(measure_all, Path(name), size, chosen)
            write_table(folder / "sweep.csv", rows)
    return rows


def write_table(path: Path, rows: Sequence[Row]) -> None:
    """Write the table; the last column is points per second and core."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow([*(field.name for field in fields(Row)), "points_per_s"])
        table.writerows([*asdict(row).values(), round(row.rate)] for row in rows)


def read_table(path: Path) -> list[Row]:
    """Read a table that was written before."""
    rows = []
    with path.open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            whole = {name: int(line[name]) for name in WHOLE}
            rows.append(
                Row(**whole, cpu_s=float(line["cpu_s"]), peak_mb=float(line["peak_mb"]), idle_mb=float(line["idle_mb"]))
            )
    return rows


def work_of(rows: Sequence[Row]) -> Floats:
    """Return units of work per point, (rows, terms): see `TERMS`."""
    size, chip, step, radius, points = (np.array([getattr(row, name) for row in rows], float) for name in WHOLE)
    shifts, pixels = (2 * radius + 1) ** 2, size**2 / points
    return np.stack([step**2 * shifts, shifts, chip**2, pixels, np.ones_like(chip), 1 / points], axis=1)


def fit_costs(rows: Sequence[Row]) -> Floats:
    """Return nanoseconds per unit of work that explain the rows, every row with the same relative weight."""
    work, taken = work_of(rows), np.array([1e9 / row.rate for row in rows])
    return np.asarray(nnls(work / taken[:, None], np.ones(len(rows)))[0])


def plot_speed(path: Path, rows: Sequence[Row], costs: Floats) -> None:
    """Plot speed over the search for every chip and step, and as lines what the fitted costs give."""
    figure = Figure(figsize=(8.5, 6.5), layout="constrained")
    axes = figure.subplots(2, 2, sharex=True, sharey=True).flat
    for axis, step in zip(axes, STEPS, strict=True):
        for chip, mark in zip(CHIPS, MARKS, strict=False):
            chosen = sorted(
                (row for row in rows if (row.chip_px, row.step_px) == (chip, step)), key=lambda row: row.search_px
            )
            radius = [row.search_px for row in chosen]
            (line,) = axis.loglog(radius, [row.rate for row in chosen], mark, label=f"chip {chip}")
            axis.loglog(radius, 1e9 / (work_of(chosen) @ costs), "-", color=line.get_color(), linewidth=0.8)
        axis.set_title(f"step {step} px", fontsize=10)
        axis.set_xticks(SEARCHES, [str(radius) for radius in SEARCHES], minor=False)
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    figure.axes[0].legend(fontsize=8)
    figure.supxlabel("search radius, pixels")
    figure.supylabel("points per second and core")
    figure.savefig(path, dpi=DPI)


def plot_sizes(path: Path, rows: Sequence[Row]) -> None:
    """Plot speed and memory over the size of the image with the usual options."""
    chosen = sorted((row for row in rows if row.usual), key=lambda row: row.size_px)
    sizes = [row.size_px for row in chosen]
    figure = Figure(figsize=(8.5, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.semilogx(sizes, [row.rate / 1000 for row in chosen], "o-")
    left.set_ylim(bottom=0)
    left.set_ylabel("1000 points per second and core")
    right.semilogx(sizes, [row.peak_mb for row in chosen], "o-", label="tracking")
    right.semilogx(sizes, [row.idle_mb for row in chosen], "v--", label="images read, nothing done")
    right.set_ylim(bottom=0)
    right.set_ylabel("peak memory, MB")
    right.legend(fontsize=8)
    for axis in (left, right):
        axis.set_xticks(sizes, [str(size) for size in sizes], minor=False)
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    figure.supxlabel("edge of the images, pixels")
    figure.savefig(path, dpi=DPI)


def main(arguments: Sequence[str]) -> int:
    """Sweep, write the table and the plots, print the costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("build/sweep-benchmark"))
    parser.add_argument("--size", type=int, default=SIZE, help="edge of the images, pixels")
    parser.add_argument("--full", action="store_true", help="every combination on every size")
    parser.add_argument("--plot", action="store_true", help="only plot the table that is in the folder")
    given = parser.parse_args(arguments)
    given.folder.mkdir(parents=True, exist_ok=True)
    if given.plot:
        rows = read_table(given.folder / "sweep.csv")
    else:
        rows = sweep(given.folder, list(combinations(given.size, full=given.full)))
    costs = fit_costs(rows)
    plot_speed(given.folder / "speed.png", [row for row in rows if row.size_px == given.size], costs)
    plot_sizes(given.folder / "sizes.png", rows)
    for name, cost in zip(TERMS, costs, strict=True):
        tell(f"{name:<44} {cost:9.4g} ns")
    misfit = np.abs(np.log(work_of(rows) @ costs * [row.rate for row in rows] / 1e9))
    tell(f"{'misfit, median and largest, factor':<44} {np.exp(np.median(misfit)):.2f} {np.exp(misfit.max()):.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
