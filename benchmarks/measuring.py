"""What work costs: CPU time, wall time, memory."""

from __future__ import annotations

import os
import resource
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

KB = 1024
STATUS = Path("/proc/self/status")
THREAD_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class Cost:
    """What a process took: CPU and wall time in seconds, peak memory in megabytes, exit status."""

    cpu: float
    wall: float
    peak: float
    status: int


def measure(command: Sequence[str], folder: Path, log: Path, threads: int | None = None) -> Cost:
    """Run a command and return what it took; its output goes to a file.

    Keep the process that calls this small: what it holds counts toward the peak of its child.
    """
    environment = dict(os.environ)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # programs compiled, as users have them
    if threads is not None:
        environment |= dict.fromkeys(THREAD_SETTINGS, str(threads))
    begin = time.perf_counter()
    with log.open("ab") as out:
        # No input from outside: the commands are written in the benchmarks.
        process = subprocess.Popen(list(command), cwd=folder, env=environment, stdout=out, stderr=out)  # noqa: S603
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - begin
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / KB, process.returncode)


def spent(work: Callable[[], object]) -> tuple[float, float]:
    """Return CPU time, all threads together, and wall time of a call, seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def cpu_seconds(work: Callable[[], object], rounds: int = 3) -> float:
    """Return the least CPU time of a few runs; let `work` compile its kernels before."""
    return min(spent(work)[0] for _ in range(rounds))


def in_own_process(work: Callable[P, R], *arguments: P.args, **settings: P.kwargs) -> R:
    """Call a function of a module in a fresh process and return its result."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments, **settings).result()


def peak_mb() -> float:
    """Return the peak memory of this process so far, megabytes."""
    if STATUS.exists():  # of this program alone; the other figure starts from what the parent held when it was made
        line = next(text for text in STATUS.read_text(encoding="ascii").splitlines() if text.startswith("VmHWM"))
        return int(line.split()[1]) / KB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KB


def text_of(cost: Cost) -> str:
    """Return a cost as text."""
    return f"cpu {cost.cpu:8.2f} s   wall {cost.wall:8.2f} s   peak {cost.peak:6.0f} MB   status {cost.status}"


def tell(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)
