"""A GeoTIFF read through a source of bytes of our own: GDAL never opens a connection or another file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import rasterio
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader

from creepmeter.errors import CreepmeterError, ImageError
from creepmeter.io.quiet import georeference_may_lack
from creepmeter.io.rasterfile import ENVIRONMENT, MAX_PIXELS, driver_by, require_size

_NAME = "image.tif"  # as GDAL sees it
_HEAD = 12
_ALONE = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_CACHEMAX": 64}


class ByteSource(Protocol):
    """Bytes of a file that may lie elsewhere."""

    def size(self) -> int:
        """Return the length of the file."""

    def read_at(self, start: int, count: int) -> bytes:
        """Return bytes from a place on; fewer only at the end of the file. Failures are errors of the package."""


class _Cursor(io.RawIOBase):
    """A place in a source, as GDAL's plugin for Python files wants it.

    An error raised here would be lost in the plugin: it is kept, the read ends short, and GDAL reports a damaged file.
    """

    def __init__(self, source: ByteSource, problems: list[CreepmeterError]) -> None:
        super().__init__()
        self._source, self._problems, self._place = source, problems, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place}.get(whence)
        try:
            self._place = max(0, offset + (self._source.size() if start is None else start))
        except CreepmeterError as problem:
            self._problems.append(problem)
        return self._place

    def read(self, size: int = -1) -> bytes:
        if self._problems:  # nothing more is read of a file that has failed
            return b""
        try:
            count = size if size >= 0 else max(0, self._source.size() - self._place)
            found = self._source.read_at(self._place, count)
        except CreepmeterError as problem:
            self._problems.append(problem)
            return b""
        self._place += len(found)
        return found


@contextmanager
def open_stream(source: ByteSource, name: str, *, max_pixels: int = MAX_PIXELS) -> Iterator[DatasetReader]:
    """Open a GeoTIFF (COG) from a source of bytes; an error of the source is raised as it is.

    Parameters
    ----------
    source : ByteSource
        The file.
    name : str
        For messages.
    max_pixels : int
        Refuse larger images before memory is asked for.

    Raises
    ------
    ImageError
        Another format, larger than `max_pixels`, damaged or cut.
    CreepmeterError
        What the source has raised; also when GDAL went on after it.
    """
    _require_tiff(source.read_at(0, _HEAD), name)
    problems: list[CreepmeterError] = []

    def opener(path: str, mode: str = "rb", **_: object) -> _Cursor:
        if path.rpartition("/")[2] != _NAME or mode not in ("r", "rb"):
            raise FileNotFoundError(path)
        return _Cursor(source, problems)

    try:
        with (
            georeference_may_lack(),
            rasterio.Env(**{**ENVIRONMENT, **_ALONE}),
            rasterio.open(_NAME, driver="GTiff", opener=opener) as raster,
        ):
            require_size(name, raster, max_pixels)
            yield raster
    except RasterioError as problem:
        if problems:
            raise problems[0] from None
        cause = problem.__cause__ or problem
        message = f"image {name} cannot be read ({cause}): it is damaged or cut where it comes from"
        raise ImageError(message) from problem
    if problems:
        raise problems[0]


def _require_tiff(head: bytes, name: str) -> None:
    if driver_by(head) != "GTiff":
        message = f"image {name} is no GeoTIFF (it starts with {head!r}): only those are read from elsewhere"
        raise ImageError(message)
