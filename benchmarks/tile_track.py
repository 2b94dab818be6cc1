"""A pair of whole satellite tiles through the command line: CPU time, peak memory, error.

    python -m benchmarks.tile_track [--size 10980] [--folder DIR] [--threads N] [-- more options of creepmeter track]

The default options are those of a published run of autoRIFT on such a tile (spacing 12, chips of 24 to 96 pixels).
The images are simulated, written once, and kept in the folder. Takes some minutes at full size.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks.measuring import in_own_process, measure, tell, text_of
from creepmeter.io.raster import write_geotiff_parts
from creepmeter.io.store import open as open_product
from creepmeter.simulate.files import write_tiled_pair
from creepmeter.simulate.motion import MotionField, Slide
from creepmeter.simulate.tiles import TiledScene

SIZE = 10980
CHIP = 24
OPTIONS = {"--step": "12", "--chip": str(CHIP), "--chip-max": "48", "--search": "10", "--memory-gb": "2"}
PIXEL_M = 10.0
SHIFT = (0.37, -0.21)
SPEED = 20.0  # metres a year; the images lie a year apart
CROWD = 6  # slides along each axis
WARM_UP = 512  # edge of a pair that is tracked before, so that kernels are compiled
GROSS_PX = 1.0


def tile(size: int) -> TiledScene:
    """Return the two images: shifted by a fraction of a pixel, with slides spread over them."""
    apart = size * PIXEL_M / CROWD
    slides = tuple(
        Slide(((i + 0.5) * apart, -(j + 0.5) * apart), (0.2 * apart, 0.12 * apart), SPEED, 37.0 * (i + CROWD * j))
        for i in range(CROWD)
        for j in range(CROWD)
    )
    motion = MotionField(slides, origin=np.datetime64("2020-08-01", "ns"))
    return TiledScene((size, size), seed=5, motion=motion, shift_px=SHIFT)


def write_tile(folder: Path, size: int) -> list[Path]:
    """Write the two images unless they are there."""
    done = folder / "written"
    if not done.exists():
        write_tiled_pair(tile(size), folder, write_geotiff_parts)
        done.touch()
    return sorted(folder.glob("*.tif"))


def known_options(program: Sequence[str], wanted: dict[str, str]) -> dict[str, str]:
    """Return those options that this version of the command has; say which it lacks."""
    # No input from outside: the command is this package's own.
    shown = subprocess.run([*program, "--help"], capture_output=True, text=True, check=True).stdout  # noqa: S603
    words = set(shown.replace(",", " ").split())
    for name in wanted.keys() - words:
        tell(f"{' '.join(program[1:])} has no option {name}: left out, so the figures are those of another task")
    return {name: value for name, value in wanted.items() if name in words}


def errors_of(product: Path, size: int) -> dict[str, float]:
    """Return root mean square error and bias, pixels, of the points of a product, and the share that is valid."""
    stack = open_product(product)
    scene = tile(size)
    east, north = stack["displacement"].isel(pair=0).values / PIXEL_M
    chip, step = (int(stack.attrs[name]) for name in ("chip_px", "step_px"))
    rows, columns = ((chip - 1) / 2 + step * np.arange(count) for count in east.shape)
    some = max(1, len(rows) // 100)  # the truth of every point would take longer than tracking
    chosen = np.s_[::some, ::some]
    truth = scene.truth_offset_px(rows[::some, None], columns[None, ::some], chip)
    error = np.stack([east[chosen], -north[chosen]]) - truth
    good = (np.abs(error) <= GROSS_PX).all(axis=0)
    valid = np.isfinite(error[0])
    spread, bias = np.sqrt(np.mean(error[:, good] ** 2, axis=1)), error[:, good].mean(axis=1)
    return {
        "points": float(east.size),
        "valid, share": float(np.isfinite(east).mean()),
        "RMSE dx, px": float(spread[0]),
        "RMSE dy, px": float(spread[1]),
        "bias dx, px": float(bias[0]),
        "bias dy, px": float(bias[1]),
        f"valid and more than {GROSS_PX:g} px off, share": float((valid & ~good).mean()),
    }


def main(arguments: Sequence[str]) -> int:
    """Make the pair, track it, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=SIZE, help="edge of the images, pixels")
    parser.add_argument("--folder", type=Path, default=Path("build/tile-benchmark"))
    parser.add_argument("--threads", type=int, help="default: all cores")
    parser.add_argument("more", nargs="*", help="options of creepmeter track, after --, over the default ones")
    given = parser.parse_args(arguments)
    folder = given.folder.resolve()
    program = [str(Path(sys.executable).with_name("creepmeter")), "track"]
    options = known_options(program, OPTIONS)
    command = [word for pair in options.items() for word in pair] + given.more
    for size in (min(WARM_UP, given.size), given.size):
        images = in_own_process(write_tile, folder / str(size), size)
        product = folder / f"{size}.zarr"
        shutil.rmtree(product, ignore_errors=True)
        call = [*program, *map(str, images), "-o", str(product), *command]
        cost = measure(call, folder, folder / "log.txt", given.threads)
        if cost.status != 0:
            tell(f"creepmeter track ended with status {cost.status}: see {folder / 'log.txt'}")
            return 1
    figures = in_own_process(errors_of, product, given.size)
    tell(" ".join(["creepmeter track", *command, f"on {given.size} x {given.size} pixels"]))
    tell(text_of(cost))
    tell("\n".join(f"{name:<44} {value:.5g}" for name, value in figures.items()))
    tell(f"{'points per CPU second':<44} {figures['points'] / cost.cpu:.5g}")
    report = {"options": command, "size": given.size, **asdict(cost), **figures}
    (folder / "figures.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
