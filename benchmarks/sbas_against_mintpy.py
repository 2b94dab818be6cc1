"""A small-baseline run against MintPy, on one simulated stack, in one sitting: CPU time, wall time, peak memory.

    python -m benchmarks.sbas_against_mintpy --mintpy ENV/bin [--rows 1000 --columns 1000 --dates 60] [--folder DIR]

MintPy (1.6.4, GPL) lives in an environment of its own and is only called. Both programs read the same files in the
layout of ISCE2's topsStack, with the same template. Every step is a process of its own; its CPU time is user plus
system time of that process and its children. This takes more than ten minutes at full size, most of it MintPy's.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import h5py
import numpy as np

from benchmarks.measuring import Cost, in_own_process, measure, tell, text_of
from creepmeter.simulate.layouts.isce2 import write_isce2
from creepmeter.simulate.radar import RadarScene
from creepmeter.simulate.radar_options import RadarOptions

STEPS = (
    "load_data",
    "modify_network",
    "reference_point",
    "quick_overview",
    "correct_unwrap_error",
    "invert_network",
    "correct_troposphere",
    "deramp",
    "correct_topography",
    "residual_RMS",
    "reference_date",
    "velocity",
)
CORRECTIONS = STEPS[6:11]
TEMPLATE = """\
mintpy.load.processor        = isce
mintpy.load.metaFile         = {data}/reference/IW2.xml
mintpy.load.baselineDir      = {data}/baselines
mintpy.load.unwFile          = {data}/merged/interferograms/*/filt_fine.unw
mintpy.load.corFile          = {data}/merged/interferograms/*/filt_fine.cor
mintpy.load.connCompFile     = {data}/merged/interferograms/*/filt_fine.unw.conncomp
mintpy.load.demFile          = {data}/merged/geom_reference/hgt.rdr
mintpy.load.lookupYFile      = {data}/merged/geom_reference/lat.rdr
mintpy.load.lookupXFile      = {data}/merged/geom_reference/lon.rdr
mintpy.load.incAngleFile     = {data}/merged/geom_reference/los.rdr
mintpy.load.azAngleFile      = {data}/merged/geom_reference/los.rdr
mintpy.load.shadowMaskFile   = {data}/merged/geom_reference/shadowMask.rdr
mintpy.load.waterMaskFile    = {data}/merged/geom_reference/waterMask.rdr
mintpy.reference.yx          = {reference}
mintpy.unwrapError.method    = {method}
mintpy.networkInversion.weightFunc = var
mintpy.troposphericDelay.method = {height}
mintpy.deramp                = {ramp}
mintpy.topographicResidual   = {heights}
mintpy.plot                  = no
mintpy.geocode               = {exports}
mintpy.save.kmz              = {exports}
mintpy.save.hdfEos5          = {exports}
"""
HDFEOS = {
    "mission": "S1", "beam_mode": "IW", "beam_swath": "2", "relative_orbit": "1", "first_frame": "1", "last_frame": "2",
}  # fmt: skip
ROWS_AT_ONCE = 100
WITHOUT = {"height": "no", "ramp": "no", "heights": "no"}
WITH = {"height": "height_correlation", "ramp": "linear", "heights": "yes"}


def make_inputs(options: RadarOptions, data: Path, seed: int) -> str:
    """Write the stack unless it is there, and return its reference pixel.

    A process of its own does it: the peak memory of a process counts what its parent held when it was made.
    """
    done = data / "reference.txt"
    if not done.exists():
        in_own_process(write_inputs, options, data, seed)
    return done.read_text(encoding="utf-8")


def write_inputs(options: RadarOptions, data: Path, seed: int) -> None:
    """Write the stack, and its metadata as MintPy keeps them (it reads the .xml only where ISCE is installed)."""
    scene = RadarScene(options, seed)
    write_isce2(scene.stack(), data)
    facts = {name: value for name, value in scene.attributes().items() if name not in ("LENGTH", "WIDTH")} | HDFEOS
    text = "".join(f"{name:<30} {value}\n" for name, value in facts.items())
    (data / "reference" / "data.rsc").write_text(text, encoding="utf-8")
    (data / "reference.txt").write_text("{}, {}".format(*scene.reference), encoding="utf-8")


def write_template(path: Path, data: Path, reference: str, given: argparse.Namespace) -> Path:
    """Write the template that both programs read."""
    corrections = WITH if given.corrections else WITHOUT
    exports = "yes" if given.exports else "no"
    text = TEMPLATE.format(data=data, reference=reference, method=given.unwrap, exports=exports, **corrections)
    path.write_text(text, encoding="utf-8")
    return path


def run_steps(program: Sequence[str], folder: Path, template: Path, name: str) -> dict[str, Cost]:
    """Run all steps with one program; those that the template does not ask for are left out."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    costs = {}
    bare = "mintpy.deramp                = no" in template.read_text(encoding="utf-8")
    for step in [step for step in STEPS if not (bare and step in CORRECTIONS)]:
        costs[step] = measure([*program, str(template), "--dostep", step], folder, folder.parent / f"{name}.log")
        tell(f"{name:<11} {step:<22} {text_of(costs[step])}")
    return costs


def read_warm(stack: Path) -> tuple[float, float]:
    """Return wall times of a second read of phase and coherence with h5py: whole arrays, and by blocks of rows."""
    for _ in range(2):
        begin = time.perf_counter()
        with h5py.File(stack) as file:
            for name in ("unwrapPhase", "coherence"):
                file[name][()]
        whole = time.perf_counter() - begin
    begin = time.perf_counter()
    with h5py.File(stack) as file:
        for first in range(0, file["unwrapPhase"].shape[1], ROWS_AT_ONCE):
            for name in ("unwrapPhase", "coherence"):
                file[name][:, first : first + ROWS_AT_ONCE]
    return whole, time.perf_counter() - begin


def digest_of(folder: Path) -> str:
    """Return a digest of the arrays that invert_network makes."""
    digest = hashlib.sha256()
    for name in ("timeseries", "temporalCoherence", "numInvIfgram", "maskTempCoh"):
        with h5py.File(folder / f"{name}.h5") as file:
            for key in sorted(file):
                if file[key].ndim > 1:
                    digest.update(np.ascontiguousarray(file[key][()]).tobytes())
    return digest.hexdigest()[:16]


def memory_runs(program: Sequence[str], folder: Path, template: Path) -> list[dict[str, object]]:
    """Invert under several limits of memory and numbers of threads; the same bits must come out."""
    found: list[dict[str, object]] = []
    for limit, threads in ((1, 2), (2, 1), (4, 2)):
        (folder / "timeseries.h5").unlink()
        command = [*program, str(template), "--dostep", "invert_network", "--memory-gb", str(limit)]
        cost = measure(command, folder, folder.parent / "memory.log", threads)
        found.append({"limit, GB": limit, "threads": threads, **asdict(cost), "bits": digest_of(folder)})
        tell(f"invert_network in {limit} GB, {threads} threads: {text_of(cost)}   bits {found[-1]['bits']}")
    return found


def main(arguments: Sequence[str]) -> int:
    """Run the comparison, print its table and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mintpy", type=Path, help="folder with smallbaselineApp.py; left out: only creepmeter runs")
    parser.add_argument("--folder", type=Path, default=Path("build/sbas-benchmark"))
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--columns", type=int, default=1000)
    parser.add_argument("--dates", type=int, default=60)
    parser.add_argument("--connections", type=int, default=3)
    parser.add_argument("--reference", help="reference pixel ROW,COLUMN in place of that of the simulation")
    parser.add_argument("--corrections", action="store_true", help="troposphere by height, ramps, error of the heights")
    parser.add_argument(
        "--exports", action="store_true", help="in the runs of one process also geocoding, KMZ and HDF-EOS5: all steps"
    )
    parser.add_argument("--unwrap", default="bridging", help="bridging, phase_closure or bridging+phase_closure")
    given = parser.parse_args(arguments)
    options = RadarOptions(
        rows=given.rows, columns=given.columns, dates=given.dates, connections=given.connections, geocoded=False,
        days=12, cycle_chance=0.18, turbulence_m=0.004, stratified=0.004, dem_error_m=5, missing_stripes=0.05,
        nodata_corner=0.1, islands=3,
    )  # fmt: skip
    folder = given.folder.resolve()
    reference = make_inputs(options, folder / "data", seed=7)
    template = write_template(folder / "Benchmark.txt", folder / "data", given.reference or reference, given)
    ours_program = [str(Path(sys.executable).with_name("creepmeter")), "sbas"]
    warm_up(ours_program, folder, options, given)
    figures: dict[str, object] = {"pixels": given.rows * given.columns}
    ours = run_steps(ours_program, folder / "ours", template, "creepmeter")
    whole = run_whole(ours_program, folder / "ours-whole", template, "creepmeter")
    figures["creepmeter, one process"] = asdict(whole)
    read = in_own_process(read_warm, folder / "ours" / "inputs" / "ifgramStack.h5")
    figures["h5py read, s"] = read
    figures["memory"] = memory_runs(ours_program, folder / "ours", template)
    figures["creepmeter"] = {step: asdict(cost) for step, cost in ours.items()}
    if given.mintpy is not None:
        program = [str(given.mintpy / "python"), str(given.mintpy / "smallbaselineApp.py")]
        theirs = run_steps(program, folder / "mintpy", template, "mintpy")
        figures["mintpy"] = {step: asdict(cost) for step, cost in theirs.items()}
        other = run_whole(program, folder / "mintpy-whole", template, "mintpy")
        figures["mintpy, one process"] = asdict(other)
        tell_ratios(ours, theirs, whole, other)
    tell(
        f"warm h5py read {read[0]:.2f} s whole, {read[1]:.2f} s by {ROWS_AT_ONCE} rows; "
        f"invert_network {ours['invert_network'].wall:.2f} s wall, start of the program included"
    )
    (folder / "figures.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return 0


def warm_up(program: Sequence[str], folder: Path, like: RadarOptions, given: argparse.Namespace) -> None:
    """Compile the kernels on a tiny stack, so that no measured step does."""
    small = folder / "tiny"
    reference = make_inputs(like.model_copy(update={"rows": 150, "columns": 150, "dates": 8}), small / "data", seed=1)
    template = write_template(small / "Tiny.txt", small / "data", reference, given)
    run_steps(program, small / "run", template, "warm-up")
    if given.exports:
        run_whole(program, small / "whole", template, "warm-up")


def run_whole(program: Sequence[str], folder: Path, template: Path, name: str) -> Cost:
    """Run in one process, as users do: from load to velocity, or to the end where the template asks for exports."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    end = [] if "mintpy.save.kmz              = yes" in template.read_text(encoding="utf-8") else ["--end", "velocity"]
    cost = measure([*program, str(template), *end], folder, folder.parent / f"{name}-whole.log")
    tell(f"{name:<11} {'one process':<22} {text_of(cost)}")
    return cost


def tell_ratios(ours: dict[str, Cost], theirs: dict[str, Cost], whole: Cost, other: Cost) -> None:
    """Print CPU times side by side."""
    for step, cost in ours.items():
        tell(f"{step:<22} {theirs[step].cpu:9.2f} {cost.cpu:8.2f}  ratio {theirs[step].cpu / cost.cpu:7.1f}")
    tell(f"{'one process':<22} {other.cpu:9.2f} {whole.cpu:8.2f}  ratio {other.cpu / whole.cpu:7.1f}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
