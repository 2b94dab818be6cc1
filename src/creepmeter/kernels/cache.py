"""Where numba keeps compiled kernels, told without loading numba."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path

KERNELS = Path(__file__).resolve().parent


def digest_sources(folder: Path) -> str:
    """Return a digest of all Python files of a folder."""
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(folder.glob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)} ".encode() + content)
    return digest.hexdigest()


def is_compiled(module: str = "*") -> bool:
    """Tell whether a compiled kernel that is newer than all source lies where numba keeps them.

    Parameters
    ----------
    module : str
        Module of the kernels, such as ``solve``; any by default.
    """
    if os.environ.get("NUMBA_DISABLE_JIT", "0") != "0":
        return True
    source = max(path.stat().st_mtime for path in KERNELS.glob("*.py"))
    return any(path.stat().st_mtime >= source for folder in cache_folders() for path in folder.glob(f"{module}.*.nbi"))


def cache_folders() -> Iterable[Path]:
    """Return the folders in which numba may keep the compiled kernels."""
    given = os.environ.get("NUMBA_CACHE_DIR")
    if given:
        return Path(given).glob("kernels_*")
    return [KERNELS / "__pycache__", *_user_cache().glob("kernels_*")]


def _user_cache() -> Path:
    home = Path("~").expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local")) / "numba" / "Cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "numba"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "numba"
