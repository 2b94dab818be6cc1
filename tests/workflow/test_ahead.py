"""Compiling ahead: it compiles what a run needs, and it never stands in the way."""

from __future__ import annotations

import numpy as np
import pytest

from creepmeter.inversion.invert import invert_block
from creepmeter.inversion.options import InvertOptions
from creepmeter.kernels import cache, fit, solve
from creepmeter.simulate.networks import all_pairs, regular_times
from creepmeter.velocity.fit import Errors, fit_block
from creepmeter.velocity.options import VelocityOptions
from creepmeter.workflow import ahead


def _compiled() -> dict[str, int]:
    functions = {**vars(solve), **vars(fit)}
    return {name: len(value.signatures) for name, value in functions.items() if hasattr(value, "signatures")}


def test_nothing_is_left_to_compile_for_a_run() -> None:
    ahead.compile_solver()
    before = _compiled()
    assert before
    network = all_pairs(regular_times(5))
    values = np.random.default_rng(0).normal(size=(2, 10, 4, 3)).astype(np.float32)
    found = invert_block(values, network, InvertOptions(), sigma=np.ones_like(values))
    series = found["displacement"].astype(np.float32)
    fit_block(series, network.epochs, VelocityOptions(), Errors(series, np.stack([np.eye(5)] * 2)))
    assert _compiled() == before


def test_no_second_process_where_all_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "is_compiled", lambda _module: True)
    monkeypatch.setattr("creepmeter.workflow.ahead.subprocess.Popen", lambda *_a, **_k: pytest.fail("started"))
    with ahead.compiling_ahead() as ready:
        ready()


def test_a_second_process_that_fails_costs_nothing_but_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "is_compiled", lambda _module: False)
    monkeypatch.setattr(ahead, "thread_count", lambda: 2)
    monkeypatch.setattr(ahead, "_COMMAND", "raise SystemExit(1)")
    with ahead.compiling_ahead() as ready:
        ready()


def test_the_second_process_does_not_outlive_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "is_compiled", lambda _module: False)
    monkeypatch.setattr(ahead, "thread_count", lambda: 2)
    monkeypatch.setattr(ahead, "_COMMAND", "import time; time.sleep(600)")
    with ahead.compiling_ahead():
        pass  # leaving waits for the process, which was told to end


def test_compiled_kernels_are_told_by_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("cache") / "kernels_0"
    folder.mkdir()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(folder.parent))
    monkeypatch.delenv("NUMBA_DISABLE_JIT", raising=False)
    assert not cache.is_compiled()
    (folder / "refine.refine_chip-1.py311.nbi").touch()
    assert cache.is_compiled()
    assert cache.is_compiled("refine")
    assert not cache.is_compiled("solve")
