"""ROI_PAC's text headers: one keyword and its value a line."""

from __future__ import annotations

from pathlib import Path

from creepmeter.errors import InputError
from creepmeter.interferograms.header_text import number_in, read_header_text

_FIELDS = 2


def read_rsc(path: Path) -> dict[str, str]:
    """Return keywords and values of a ``.rsc`` file, as they are written; of a repeated one the last counts.

    Parameters
    ----------
    path : Path
        Header; upper and lower case of keywords are kept apart.

    Raises
    ------
    InputError
        The file is missing, not a text, or holds no keyword with a value.
    """
    found = {}
    for line in read_header_text(path).splitlines():
        parts = line.split("#")[0].split(maxsplit=1)
        if len(parts) == _FIELDS:
            found[parts[0]] = parts[1].strip()
    if not found:
        message = f"{path} holds no line of keyword and value: it is no .rsc header, get it again"
        raise InputError(message)
    return found


def rsc_number(header: dict[str, str], key: str, path: Path) -> float:
    """Return one number of a header.

    Raises
    ------
    InputError
        The keyword is missing or its value is no finite number.
    """
    return number_in(header.get(key), f"{path}: {key}")


def rsc_shape(header: dict[str, str], path: Path) -> tuple[int, int]:
    """Return rows and columns (FILE_LENGTH or LENGTH, WIDTH).

    Raises
    ------
    InputError
        One of them is missing or not a positive whole number.
    """
    rows = "FILE_LENGTH" if "FILE_LENGTH" in header else "LENGTH"
    sizes = [rsc_number(header, key, path) for key in (rows, "WIDTH")]
    if min(sizes) < 1 or any(size != int(size) for size in sizes):
        message = (
            f"{path}: {rows} {header[rows]} and WIDTH {header['WIDTH']} are no size of an image: correct the header"
        )
        raise InputError(message)
    return int(sizes[0]), int(sizes[1])
