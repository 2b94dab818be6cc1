"""Tables of measurements as text, also packed."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path
from typing import BinaryIO, cast

from creepmeter.errors import InputError
from creepmeter.io import swap
from creepmeter.io.rasterfile import require_local

TABLE_BYTES = 400_000_000  # decades of daily positions take a megabyte
_WEB_PAGE = ("<!doctype", "<html", "<?xml", "<head", "<body")


def _unpacked(path: Path, head: bytes) -> BinaryIO:
    if head.startswith(b"\x1f\x8b"):
        return cast("BinaryIO", gzip.open(path, "rb"))
    return cast("BinaryIO", lzma.open(path, "rb") if head.startswith(b"\xfd7zXZ") else path.open("rb"))


def read_table_text(path: str | Path, most: int = TABLE_BYTES) -> str:
    """Return the text of a table of measurements, also one packed by gzip or xz.

    Parameters
    ----------
    path : str or Path
        Local file.
    most : int
        Bytes that it may have, unpacked.

    Raises
    ------
    InputError
        It is not there, empty, too long, no text, or a web page that was saved in place of the data.
    """
    found = require_local(path)
    try:
        with swap.file_errors(found, "read"), found.open("rb") as file:
            head = file.read(6)
        with _unpacked(found, head) as file:
            content = file.read(most + 1)
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        message = f"{path} is not text in UTF-8: save the table as CSV"
        raise InputError(message) from problem
    except (lzma.LZMAError, EOFError, OSError) as problem:
        message = f"{path} cannot be unpacked ({problem}): get it again"
        raise InputError(message) from problem
    if len(content) > most:
        message = f"{path} has more than {most} bytes of text: this is no table of measurements"
        raise InputError(message)
    start = text[:1000].strip()
    if not start:
        message = f"{path} is empty: get it again"
        raise InputError(message)
    if start.lower().startswith(_WEB_PAGE):
        message = f"{path} is a web page, not data ({' '.join(start.split())[:60]} ...): get it again"
        raise InputError(message)
    return text
