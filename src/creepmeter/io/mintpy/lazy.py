"""Stored maps as lazy arrays: units changed, missing values marked, when they are read."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from xarray.backends import BackendArray
from xarray.core import indexing

from creepmeter.io.mintpy.array import StoredArray, Values

Key = tuple[int | slice, ...]
_READ_BYTES = 2**28


class Missing(Protocol):
    """Tells which pixels hold a zero that stands for nothing."""

    def where(self, rows: slice, columns: slice) -> npt.NDArray[np.bool_]:
        """Return the mask of a window."""


@dataclass(frozen=True)
class Source:
    """A stored array, and how its values become those that are shown.

    Parameters
    ----------
    array : StoredArray
        What is stored.
    factor : float
        Values are multiplied by it.
    zero_is_missing : bool
        Zero becomes NaN, everywhere or where `missing` says so.
    missing : Missing, optional
        Where zero stands for nothing.
    """

    array: StoredArray
    factor: float = 1.0
    zero_is_missing: bool = False
    missing: Missing | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values shown."""
        kind = self.array.dtype
        plain = self.factor == 1.0 and not self.zero_is_missing
        return kind.newbyteorder("=") if plain or kind.kind in "fc" else np.dtype(np.float32)

    def read(self, layers: npt.NDArray[np.intp], rows: slice, columns: slice) -> Values:
        """Return the values of a window, (layers, rows, columns)."""
        values = self.array.read(rows, columns, layers)
        if not self.zero_is_missing and self.factor == 1.0:
            return values
        shown = (values * np.float64(self.factor)).astype(self.dtype) if self.factor != 1.0 else values
        shown = shown.astype(self.dtype, copy=False)
        if self.zero_is_missing:
            nothing = values == 0
            if self.missing is not None:
                nothing &= self.missing.where(rows, columns)
            shown = np.where(nothing, self.dtype.type(np.nan), shown)
        return shown


class LazyMaps(BackendArray):  # type: ignore[misc, no-untyped-call, unused-ignore]
    """Maps of one or several stored arrays as one array that is read when it is indexed.

    Parameters
    ----------
    sources : nested sequence of Source, or one
        One for each place along the leading axes (component, or component and term).
    layered : bool
        The layers of the stored arrays are an axis of their own.
    """

    def __init__(self, sources: Source | Sequence[Any], *, layered: bool) -> None:
        self._sources = np.empty(_lengths(sources), dtype=object)
        for place in np.ndindex(self._sources.shape):
            item: Any = sources
            for k in place:
                item = item[k]
            self._sources[place] = item
        self._layered = layered
        first: Source = self._sources.ravel()[0] if self._sources.ndim else self._sources.item()
        layers = first.array.shape[:1] if layered else ()
        self.shape = (*self._sources.shape, *layers, *first.array.shape[1:])
        self.dtype = first.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:  # noqa: ANN401 - as xarray has it
        """Read part of the array."""
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._read)

    def _read(self, key: Key) -> Values:
        picked = [
            np.arange(size)[item] if isinstance(item, slice) else np.array([range(size)[item]])
            for item, size in zip(key, self.shape, strict=True)
        ]
        values = np.empty(tuple(len(axis) for axis in picked), self.dtype)
        if values.size:
            self._fill(values, picked)
        squeeze = tuple(slice(None) if isinstance(item, slice) else 0 for item in key)
        return np.asarray(values[squeeze])

    def _fill(self, values: Values, picked: list[npt.NDArray[np.intp]]) -> None:
        leading = self._sources.ndim
        layers = picked[leading] if self._layered else np.zeros(1, np.intp)
        rows, columns = (slice(int(axis.min()), int(axis.max()) + 1) for axis in picked[-2:])
        tall, wide = (picked[-2] - rows.start)[:, None], picked[-1] - columns.start
        for place in itertools.product(*(range(n) for n in values.shape[:leading])):
            source: Source = self._sources[tuple(picked[axis][k] for axis, k in enumerate(place))]
            found = source.read(layers, rows, columns)[:, tall, wide]
            values[place] = found if self._layered else found[0]


def _lengths(sources: Any) -> tuple[int, ...]:  # noqa: ANN401 - nested to any depth
    if isinstance(sources, Source):
        return ()
    return (len(sources), *_lengths(sources[0]))


class NoCount:
    """Pixels that no pair has measured, from a map of how many did.

    Parameters
    ----------
    count : StoredArray
        Number of pairs; 0 or NaN is none.
    """

    def __init__(self, count: StoredArray) -> None:
        self._count = count

    def where(self, rows: slice, columns: slice) -> npt.NDArray[np.bool_]:
        """Return the mask of a window."""
        values = self._count.read(rows, columns)[0]
        return np.asarray(~(values > 0))


class AllZero:
    """Pixels whose values are zero in all of some arrays; they are read once, when the first value is asked for.

    Parameters
    ----------
    arrays : sequence of StoredArray
        All of the same rows and columns.
    reference : (int, int), optional
        Row and column of the reference pixel, which is zero by definition.
    """

    def __init__(self, arrays: Sequence[StoredArray], reference: tuple[int, int] | None) -> None:
        self._arrays = arrays
        self._reference = reference
        self._found: npt.NDArray[np.bool_] | None = None
        self._lock = threading.Lock()

    def where(self, rows: slice, columns: slice) -> npt.NDArray[np.bool_]:
        """Return the mask of a window."""
        with self._lock:
            if self._found is None:
                self._found = self._find()
        found: npt.NDArray[np.bool_] = self._found[rows, columns]
        return found

    def _find(self) -> npt.NDArray[np.bool_]:
        tall, wide = self._arrays[0].shape[1:]
        zero = np.ones((tall, wide), bool)
        for array in self._arrays:
            step = max(_READ_BYTES // (array.shape[0] * wide * array.dtype.itemsize), 1)
            for first in range(0, tall, step):
                rows = slice(first, min(first + step, tall))
                zero[rows] &= (array.read(rows) == 0).all(axis=0)
        if self._reference is not None and self._reference[0] < tall and self._reference[1] < wide:
            zero[self._reference] = False
        return zero
