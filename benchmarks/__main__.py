"""Run the benchmarks and print one table: ``python -m benchmarks [NAME ...]``.

Every module ``benchmarks/bench_*.py`` has a function ``run() -> dict`` from the name of a figure, with its unit, to a
number or a text. Each module runs in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
WIDTH = 64
BYTES_PER_KB = 1024
RUN_ONE = """
import json, resource, sys
from importlib import import_module
figures = import_module("benchmarks." + sys.argv[1]).run()
figures["peak memory, MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / {kb}
print("\\n" + json.dumps(figures, default=str))
"""


def names_of_benchmarks(wanted: Sequence[str]) -> list[str]:
    """Return the benchmark modules whose name contains one of the words in `wanted`, or all of them."""
    names = sorted(path.stem for path in HERE.glob("bench_*.py"))
    return [name for name in names if not wanted or any(word in name for word in wanted)]


def run_benchmark(name: str) -> dict[str, float | str]:
    """Run one module in a process of its own, and return its figures with wall time and peak memory."""
    begin = time.perf_counter()
    program = RUN_ONE.format(kb=BYTES_PER_KB)
    # No input from outside: the name is that of a file in this folder.
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program, name], cwd=HERE.parent, capture_output=True, text=True, check=False
    )
    wall = time.perf_counter() - begin
    if done.returncode != 0:
        return {"failed": done.stderr.strip().splitlines()[-1]}
    figures: dict[str, float | str] = json.loads(done.stdout.strip().splitlines()[-1])
    return {**figures, "whole process with compilation, s": wall}


def table(name: str, figures: dict[str, float | str]) -> str:
    """Return the figures of one benchmark as lines of text."""
    rows = [f"{key:<{WIDTH}} {value if isinstance(value, str) else f'{value:.4g}'}" for key, value in figures.items()]
    return "\n".join([f"== {name.removeprefix('bench_')}", *rows, ""])


def main(wanted: Sequence[str]) -> int:
    """Run the benchmarks asked for, print their tables, return the exit status."""
    names = names_of_benchmarks(wanted)
    if not names:
        print(f"no benchmark named like {', '.join(wanted) or 'bench_*.py'}")
        return 1
    failed = False
    for name in names:
        figures = run_benchmark(name)
        failed = failed or "failed" in figures
        print(table(name, figures), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
