"""The error of the heights with the geometry of every pixel against MintPy's dem_error.py: CPU time of both programs.

    python -m benchmarks.dem_error_against_mintpy --mintpy ENV/bin [--rows 1000 --columns 1000 --dates 40]

Both correct the same simulated series, each as a program of its own, start and files included. The least of a few
rounds counts. MintPy (1.6.4, GPL) lives in an environment of its own and is only called.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import h5py
import numpy as np

from benchmarks.measuring import Cost, in_own_process, measure, tell, text_of
from creepmeter.io.mintpy.product import write_product

SERIES, GEOMETRY = "timeseries.h5", "geometryRadar.h5"
ATTRIBUTES = {
    "FILE_TYPE": "timeseries", "UNIT": "m", "REF_DATE": "20180105", "REF_Y": "3", "REF_X": "4", "PLATFORM": "Sen",
    "CENTER_LINE_UTC": "7200.0", "WAVELENGTH": "0.05546576", "PROCESSOR": "isce", "STARTING_RANGE": "850000.0",
    "RANGE_PIXEL_SIZE": "20.0", "AZIMUTH_PIXEL_SIZE": "70.0", "HEIGHT": "700000.0", "EARTH_RADIUS": "6371000.0",
    "ALOOKS": "5", "RLOOKS": "10", "ANTENNA_SIDE": "-1", "ORBIT_DIRECTION": "ASCENDING", "HEADING": "-12.0",
}  # fmt: skip
OUR_FLAGS = ("-o", "ours.h5", "--dem-err-file", "ours_demErr.h5")
THEIR_FLAGS = ("-o", "theirs.h5", "--dem-err-file", "theirs_demErr.h5")


def write_inputs(folder: Path, rows: int, columns: int, dates: int) -> None:
    """Write a series with motion, an error of the heights and noise, and the geometry of every pixel."""
    random = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    times = np.datetime64("2018-01-05", "ns") + np.arange(dates) * np.timedelta64(12, "D")
    years = np.arange(dates) * 12 / 365.25
    bperp = (60 * random.normal(size=dates)).astype(np.float32)
    bperp[0] = 0
    slant = np.broadcast_to(8.5e5 + 20.0 * np.arange(columns), (rows, columns)).astype(np.float32)
    incidence = np.broadcast_to(np.linspace(32, 44, columns), (rows, columns)).astype(np.float32)
    rate = 0.02 * random.standard_normal((rows, columns), np.float32)
    height = 10 * random.standard_normal((rows, columns), np.float32)
    shape = height / (slant * np.sin(np.deg2rad(incidence)))
    values = np.empty((dates, rows, columns), np.float32)
    for k in range(dates):
        values[k] = rate * years[k] + bperp[k] * shape + 0.003 * random.standard_normal((rows, columns), np.float32)
    values -= values[0].copy()
    values[:, 3, 4] = 0
    write_product(folder / SERIES, {"timeseries": values}, ATTRIBUTES, tables={"date": times, "bperp": bperp})
    maps = {"incidenceAngle": incidence, "slantRangeDistance": slant, "height": height}
    write_product(folder / GEOMETRY, maps, {**ATTRIBUTES, "FILE_TYPE": "geometry"})


def largest_difference(folder: Path) -> tuple[float, float]:
    """Return the largest difference of both error maps, metres, and of both series, metres."""
    with h5py.File(folder / "ours_demErr.h5") as ours, h5py.File(folder / "theirs_demErr.h5") as theirs:
        height = float(np.abs(ours["dem"][()] - theirs["dem"][()]).max())
    with h5py.File(folder / "ours.h5") as ours, h5py.File(folder / "theirs.h5") as theirs:
        one, other = ours["timeseries"], theirs["timeseries"]
        return height, max(float(np.abs(one[k] - other[k]).max()) for k in range(len(one)))


def least(command: Sequence[str], folder: Path, rounds: int, name: str) -> Cost:
    """Run a program a few times; return the cost of the round that took the least CPU time."""
    costs = [measure(command, folder, folder / f"{name}.log") for _ in range(rounds)]
    found = min(costs, key=lambda cost: cost.cpu)
    tell(f"{name:<11} {text_of(found)}")
    return found


def main(arguments: Sequence[str]) -> int:
    """Run the comparison, print it and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mintpy", type=Path, help="folder with dem_error.py; left out: only creepmeter runs")
    parser.add_argument("--folder", type=Path, default=Path("build/dem-error-benchmark"))
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--columns", type=int, default=1000)
    parser.add_argument("--dates", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args(arguments)
    folder = given.folder.resolve()
    in_own_process(write_inputs, folder, given.rows, given.columns, given.dates)
    program = str(Path(sys.executable).with_name("creepmeter"))
    ours_command = [program, "dem-error", SERIES, "-g", GEOMETRY, *OUR_FLAGS]
    measure(ours_command, folder, folder / "warm-up.log")  # compiles the kernels
    ours = least(ours_command, folder, given.rounds, "creepmeter")
    figures: dict[str, object] = {"pixels": given.rows * given.columns, "creepmeter": asdict(ours)}
    if given.mintpy is not None:
        python, script = (str(given.mintpy / name) for name in ("python", "dem_error.py"))
        theirs_command = [python, script, SERIES, "-g", GEOMETRY, *THEIR_FLAGS]
        theirs = least(theirs_command, folder, max(given.rounds // 2, 1), "mintpy")
        height, series = in_own_process(largest_difference, folder)
        tell(f"CPU ratio {theirs.cpu / ours.cpu:.1f}   differences {height:.1e} m in height, {series:.1e} m in series")
        figures |= {"mintpy": asdict(theirs), "differences, m": [height, series]}
    (folder / "figures.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
