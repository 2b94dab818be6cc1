from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import numba
import pytest

from creepmeter.kernels import _jit
from creepmeter.kernels.cache import digest_sources

MODULE = """
from creepmeter.kernels import _jit

@_jit.jit
def square(x):
    return x * x

@_jit.jit_fast
def cube(x):
    return square(x) * x
"""


def hits_of_a_call(path: Path) -> tuple[int, int]:
    """Return how many functions come from disk when a module is loaded anew and called."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (module.square(3.0), module.cube(3.0)) == (9.0, 27.0)
    return sum(module.square.stats.cache_hits.values()), sum(module.cube.stats.cache_hits.values())


@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT", "0") != "0", reason="nothing is compiled")
def test_compiled_code_is_taken_from_disk_until_any_kernel_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    path = tmp_path / "powers.py"
    path.write_text(MODULE)
    assert hits_of_a_call(path) == (0, 0)
    assert hits_of_a_call(path) == (1, 1)
    monkeypatch.setattr(_jit, "SOURCES", "of another version")
    assert hits_of_a_call(path) == (0, 0)
    assert hits_of_a_call(path) == (1, 1)


def test_the_digest_knows_every_file(tmp_path: Path) -> None:
    found = set()
    for name, text in (("a.py", "x = 1"), ("b.py", "y = 1"), ("a.py", "x = 2"), ("b.py", "y = 2"), ("a.pyc", "z")):
        (tmp_path / name).write_text(text)
        found.add(digest_sources(tmp_path))
    assert len(found) == 4
