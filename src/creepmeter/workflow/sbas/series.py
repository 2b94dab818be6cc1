"""Series in MintPy's layout: what a file holds, read by blocks; and lists of dates."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import Block, plan_blocks
from creepmeter.errors import EpochError, InputError
from creepmeter.io.mintpy import hdf
from creepmeter.io.mintpy.array import StoredArray
from creepmeter.io.mintpy.dates import written
from creepmeter.io.mintpy.grid import number_of
from creepmeter.io.mintpy.product import list_datasets, read_attributes, read_tables
from creepmeter.model.epoch import Epochs, as_epoch, as_epochs

Values = npt.NDArray[Any]
SERIES = "timeseries"
_EXCLUDED = "exclude_date.txt"
_PROCESS_GB, _LEAST_GB, _MOST_GB = 0.45, 0.05, 0.25  # as in invert_network


@dataclass(frozen=True)
class Series:
    """A series in MintPy's layout.

    Parameters
    ----------
    path : Path
        File.
    array : StoredArray
        Its values, (time, y, x).
    dates : array of datetime64
        As written.
    attributes : dict
        Of the file.
    """

    path: Path
    array: StoredArray
    dates: Epochs
    attributes: dict[str, str]

    @classmethod
    def open(cls, path: Path) -> Series:
        """Open a series; no map is read.

        Raises
        ------
        InputError
            This is no series.
        """
        attributes = read_attributes(path)
        found = list_datasets(path)
        name = SERIES if SERIES in found else next((key for key, (shape, _) in found.items() if len(shape) == 3), None)  # noqa: PLR2004
        tables = read_tables(path)
        if name is None or "date" not in tables or tables["date"].ndim != 1:
            kind = attributes.get("FILE_TYPE", "none")
            message = f"{path} is no displacement series (FILE_TYPE {kind}): give timeseries.h5"
            raise InputError(message)
        with hdf.reading(path) as file:
            array = StoredArray.of(path, file[name])
        if array.shape[0] != len(tables["date"]):
            message = f"{path} has {array.shape[0]} maps for {len(tables['date'])} dates: make it again"
            raise InputError(message)
        return cls(path, array, tables["date"], attributes)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.array.shape[1], self.array.shape[2]

    @property
    def times(self) -> Epochs:
        """Dates with the time of day of the acquisition."""
        seconds = number_of(self.attributes, "CENTER_LINE_UTC", self.path) or 0.0
        whole = self.dates == self.dates.astype("datetime64[D]")
        added = np.where(whole, round(seconds * 1e9), 0).astype("timedelta64[ns]")
        return np.asarray(self.dates + added)

    def place_of(self, date: str) -> int:
        """Return the place of a date.

        Raises
        ------
        InputError
            The series does not have it.
        """
        days, wanted = self.dates.astype("datetime64[D]"), as_epoch(date)
        found = np.flatnonzero(self.dates == wanted)
        if len(found) == 0:  # a day says which acquisition, unless there are two
            found = np.flatnonzero(days == wanted.astype("datetime64[D]"))
        if len(found) == 0:
            message = f"{self.path} has no date {date}: it has {len(days)} from {days[0]} to {days[-1]}"
            raise InputError(message)
        return int(found[0])

    def blocks(self, memory_gb: float, numbers: float) -> list[Block]:
        """Cut the map into blocks that need `numbers` of eight bytes per pixel."""
        budget = min(max(memory_gb - _PROCESS_GB, _LEAST_GB), _MOST_GB)
        multiple = 1 if self.array.chunks is None else self.array.chunks[1]
        return plan_blocks(self.shape, 8 * numbers, budget, multiple)

    def strips(self, bytes_per_pixel: float, memory_gb: float, multiple: int = 1) -> list[Block]:
        """Cut the map into whole rows, a multiple of some rows each: sums of a row do not depend on the memory."""
        whole = Block(0, slice(0, self.shape[0]), slice(0, self.shape[1]))
        return whole.strips(bytes_per_pixel, min(max(memory_gb - _PROCESS_GB, _LEAST_GB), _MOST_GB), multiple)

    def read(self, block: Block) -> Values:
        """Return a block, (time, rows, columns)."""
        return self.array.read(block.y, block.x)


def excluded_dates(given: Iterable[str], folder: Path) -> Epochs:
    """Return dates to leave out: as given, and those in text files of one date a line.

    Parameters
    ----------
    given : iterable of str
        ``YYYYMMDD``, or names of files in `folder` or the working folder.
    folder : Path
        Where the series lies.

    Raises
    ------
    InputError
        A file is not there (``exclude_date.txt`` may be missing).
    EpochError
        A line is no date.
    """
    texts: list[str] = []
    for item in given:
        if re.fullmatch(r"\d{8}(T\d+)?|\d{4}-\d{2}-\d{2}", item):
            texts.append(item)
            continue
        path = next((place for place in (folder / item, Path(item)) if place.is_file()), None)
        if path is not None:
            texts += _dates_in(path)
        elif item != _EXCLUDED:
            message = f"{item} is neither a date YYYYMMDD nor a file in {folder}: correct exclude_date"
            raise InputError(message)
    return as_epochs(texts)


def _dates_in(path: Path) -> list[str]:
    lines = [line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
    found = [word for line in lines for word in re.split(r"[\s,]+", line) if word]
    for text in found:
        try:
            as_epoch(text)
        except EpochError as problem:
            message = f"{path}: {problem}"
            raise EpochError(message) from problem
    return found


def date_from(text: str) -> str:
    """Return a date ``YYYYMMDD``: as given, the first in a text file, or REF_DATE of a series.

    Raises
    ------
    InputError
        There is no such file, or no date in it.
    """
    path = Path(text)
    if not path.is_file():
        try:
            return written(as_epoch(text))
        except EpochError as problem:
            message = f"{text} is neither a date YYYYMMDD nor a file"
            raise InputError(message) from problem
    if path.suffix in (".h5", ".he5"):
        found = read_attributes(path).get("REF_DATE")
    else:
        found = next(iter(_dates_in(path)), None)
    if found is None:
        message = f"{path} holds no reference date: give a date YYYYMMDD"
        raise InputError(message)
    return written(as_epoch(found))
