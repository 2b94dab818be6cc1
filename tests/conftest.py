"""What all tests share: the golden inputs, random examples that suit compiled code, and no window on the screen."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

os.environ.setdefault("MPLBACKEND", "Agg")
if os.environ.get("NUMBA_BOUNDSCHECK") == "1":
    # numba's cache does not know this switch: without a cache of its own, unchecked code would be taken from it.
    os.environ.setdefault("NUMBA_CACHE_DIR", str(ROOT / ".numba-checked"))

UNCOMPILED = os.environ.get("NUMBA_DISABLE_JIT") == "1"
# The first example compiles, so no deadline and no complaint about slow ones; in CI a red run must be red again.
settings.register_profile(
    "creepmeter",
    deadline=None,
    max_examples=10 if UNCOMPILED else 40,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("creepmeter")


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of golden inputs: beside the repository, or named by CREEPMETER_SHARED; skip without it."""
    folder = Path(os.environ.get("CREEPMETER_SHARED", ROOT.parent / "shared"))
    if not (folder / "golden").is_dir():
        pytest.skip(f"no golden inputs in {folder.name!r} beside the repository: set CREEPMETER_SHARED to their folder")
    return folder
