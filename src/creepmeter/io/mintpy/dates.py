"""Dates and pairs as MintPy writes them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.errors import EpochError, StoreError
from creepmeter.model.epoch import Epoch, Epochs, as_epoch
from creepmeter.model.pair import Pair

_WITH_MINUTES = re.compile(r"\d{8}T\d{4}")
_WRITTEN = re.compile(r"\d{8}(T\d{4}(\d{2})?)?")
_ENDS = 2


def read_date(text: str, where: str) -> Epoch:
    """Return a date written ``YYYYMMDD`` or ``YYYYMMDDTHHMM``.

    Parameters
    ----------
    text : str
        The date.
    where : str
        File and dataset, for messages.

    Raises
    ------
    StoreError
        It is none.
    """
    if not _WRITTEN.fullmatch(text):
        message = f"{where}: {text!r} is not a date; correct the file to YYYYMMDD or YYYYMMDDTHHMM"
        raise StoreError(message)
    try:
        return as_epoch(f"{text}00" if _WITH_MINUTES.fullmatch(text) else text)
    except EpochError as problem:
        message = f"{where}: {text!r} is not a date ({problem}); correct the file"
        raise StoreError(message) from problem


def read_dates(values: npt.NDArray[Any], path: Path) -> Epochs:
    """Return the dataset ``date`` of a file, (n,) or (m, 2), as datetime64[ns].

    Raises
    ------
    StoreError
        It does not hold dates, or one of them is wrong.
    """
    where = f"{path}, dataset 'date'"
    if values.ndim not in (1, _ENDS) or (values.ndim == _ENDS and values.shape[1] != _ENDS):
        message = f"{where} has shape {values.shape}: (dates,) or (pairs, 2) is needed"
        raise StoreError(message)
    if values.dtype.kind == "M":
        return values.astype("datetime64[ns]")
    texts = [item.decode("ascii", "replace") if isinstance(item, bytes) else str(item) for item in values.ravel()]
    found = np.array([read_date(text.strip(), where) for text in texts], dtype="datetime64[ns]")
    return found.reshape(values.shape)


def read_series_dates(values: npt.NDArray[Any], path: Path) -> Epochs:
    """Return the dates of a series.

    Raises
    ------
    StoreError
        A date is wrong, comes twice, or comes before the one ahead of it.
    """
    found = read_dates(values, path)
    if found.ndim != 1:
        message = f"{path}, dataset 'date' has shape {found.shape}: a series has one date for each map"
        raise StoreError(message)
    require_rising(found, path)
    return found


def require_rising(times: Epochs, path: Path) -> None:
    """Raise `StoreError` unless dates rise."""
    later = np.flatnonzero(np.diff(times) <= np.timedelta64(0, "ns"))
    if len(later):
        first, second = (written(times[k]) for k in (later[0], later[0] + 1))
        message = f"{path}, dataset 'date': {first} is followed by {second}; dates must rise, make the series again"
        raise StoreError(message)


def read_pairs(values: npt.NDArray[Any], path: Path) -> tuple[Pair, ...]:
    """Return the pairs of a stack, in the order of the file.

    Raises
    ------
    StoreError
        A date is wrong, or a pair does not run forward in time.
    """
    found = read_dates(values, path)
    if found.ndim != _ENDS:
        message = f"{path}, dataset 'date' has shape {found.shape}: a stack has two dates for each pair"
        raise StoreError(message)
    for k, (ref, sec) in enumerate(found):
        if not sec > ref:
            message = (
                f"{path}, dataset 'date': pair {k} runs from {written(ref)} to {written(sec)}, not forward in time; "
                "load the interferograms again"
            )
            raise StoreError(message)
    return tuple(Pair(ref, sec) for ref, sec in found)


def repeated(pairs: Sequence[Pair]) -> npt.NDArray[np.bool_]:
    """Return which pairs have come before in the list."""
    seen: set[Pair] = set()
    marks = np.zeros(len(pairs), bool)
    for k, pair in enumerate(pairs):
        marks[k] = pair in seen
        seen.add(pair)
    return marks


def written(epoch: Epoch) -> str:
    """Return a date as MintPy writes it: ``YYYYMMDD``, with ``THHMM`` where it has a time of day."""
    text = str(epoch.astype("datetime64[m]")).replace("-", "").replace(":", "")
    return text.removesuffix("T0000")


def write_dates(epochs: npt.ArrayLike) -> npt.NDArray[np.bytes_]:
    """Return dates as the bytes of the dataset ``date``, shape kept."""
    given = np.asarray(epochs, dtype="datetime64[ns]")
    return np.array([written(epoch) for epoch in given.ravel()], dtype="S").reshape(given.shape)


def write_pairs(pairs: Sequence[Pair]) -> npt.NDArray[np.bytes_]:
    """Return pairs as the bytes of the dataset ``date``, (pairs, 2)."""
    return write_dates(np.array([[pair.ref, pair.sec] for pair in pairs], dtype="datetime64[ns]").reshape(-1, _ENDS))
