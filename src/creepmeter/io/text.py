"""Small text files that users write."""

from __future__ import annotations

from pathlib import Path

from creepmeter.errors import ConfigError

PAGE_BYTES = 1_000_000


def read_page(path: Path, said: str, most: int = PAGE_BYTES) -> str:
    """Return the text of a small file.

    Parameters
    ----------
    path : Path
        A file that is there.
    said : str
        What it should be, for the message: ``a run file is a page of YAML``.
    most : int
        Bytes that it may have.

    Raises
    ------
    ConfigError
        It is no text, or too long.
    """
    size = path.stat().st_size
    if size > most:
        message = f"{path} has {size} bytes: {said}, at most {most} bytes"
        raise ConfigError(message)
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        message = f"{path} cannot be read as text ({problem})"
        raise ConfigError(message) from problem
