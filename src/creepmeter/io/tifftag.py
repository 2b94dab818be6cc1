"""Text that a program hides in a private tag of a TIFF, which raster drivers do not show."""

from __future__ import annotations

import struct
from pathlib import Path

from creepmeter.errors import ImageError
from creepmeter.io.rasterfile import require_local

_ORDERS = {b"II": "<", b"MM": ">"}
_CLASSIC, _BIG = 42, 43
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 7: 1, 16: 8}
_MOST_BYTES = 50_000_000
_MOST_ENTRIES = 4096


def read_tiff_text(path: Path, tag: int) -> bytes | None:
    """Return the bytes of a text tag of the first image of a TIFF, or None when it has no such tag.

    Parameters
    ----------
    path : Path
        TIFF or BigTIFF.
    tag : int
        Number of the tag.

    Raises
    ------
    ImageError
        The file is no TIFF, or its directory is damaged.
    """
    found = require_local(path)
    try:
        with found.open("rb") as file:
            content = file.read(16)
            order = _ORDERS.get(content[:2])
            version = struct.unpack(f"{order}H", content[2:4])[0] if order else 0
            if version == _CLASSIC:
                where, number, entry, inline = struct.unpack(f"{order}I", content[4:8])[0], "H", "HHII", 4
            elif version == _BIG:
                where, number, entry, inline = struct.unpack(f"{order}Q", content[8:16])[0], "Q", "HHQQ", 8
            else:
                message = f"{path} is no TIFF: give a GeoTIFF"
                raise ImageError(message)
            file.seek(where)
            length = struct.calcsize(f"{order}{entry}")
            count = struct.unpack(f"{order}{number}", file.read(struct.calcsize(f"{order}{number}")))[0]
            for _ in range(min(count, _MOST_ENTRIES)):
                position = file.tell()
                key, kind, values, offset = struct.unpack(f"{order}{entry}", file.read(length))
                if key == tag:
                    size = values * _SIZES.get(kind, 1)
                    file.seek(offset if size > inline else position + length - inline)
                    return file.read(min(size, _MOST_BYTES))
    except (OSError, struct.error) as problem:
        message = f"{path} cannot be read ({problem}): it is damaged or cut; get it again or leave it out"
        raise ImageError(message) from problem
    return None
