"""The network of pairs: epochs joined by measurements."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from creepmeter.errors import DisconnectedNetworkError, NetworkError
from creepmeter.model.epoch import Epoch, Epochs
from creepmeter.model.pair import Pair

if TYPE_CHECKING:  # slow to load
    import xarray as xr

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Network:
    """Pairs in a fixed order, and what follows from them.

    Parameters
    ----------
    pairs : tuple of Pair
        At least one pair; none twice.
    extra_epochs : tuple of datetime64
        Epochs that no pair touches, if any (an isolated image).

    Raises
    ------
    NetworkError
        No pair, or the same pair twice.
    """

    pairs: tuple[Pair, ...]
    extra_epochs: tuple[Epoch, ...] = ()

    def __post_init__(self) -> None:
        if not self.pairs:
            message = "the network has no pair: give at least two dates, or widen the limits on pairs"
            raise NetworkError(message)
        if len(set(self.pairs)) < len(self.pairs):
            twice = next(pair for pair in self.pairs if self.pairs.count(pair) > 1)
            message = f"pair {twice} is in the network twice: keep one of the two"
            raise NetworkError(message)

    @classmethod
    def of(cls, stack: xr.Dataset, *, only_used: bool = True) -> Network:
        """Return the network of a pair stack; pairs with `used` false are left out by default."""
        used = stack["used"].values if only_used else np.ones(stack.sizes["pair"], bool)
        both = zip(stack["ref_time"].values[used], stack["sec_time"].values[used], strict=True)
        return cls.from_pairs(both)

    @classmethod
    def from_pairs(cls, pairs: Iterable[tuple[Epoch, Epoch]]) -> Network:
        """Return the network of pairs given as tuples of dates."""
        return cls(tuple(Pair.of(ref, sec) for ref, sec in pairs))

    @cached_property
    def epochs(self) -> Epochs:
        """All epochs in order of time, ``datetime64[ns]``, shape (n,)."""
        ends = [epoch for pair in self.pairs for epoch in (pair.ref, pair.sec)]
        return np.unique(np.array([*ends, *self.extra_epochs], dtype="datetime64[ns]"))

    @cached_property
    def ref_index(self) -> Indices:
        """Index into `epochs` of each pair's `ref`, shape (m,)."""
        return np.searchsorted(self.epochs, np.array([pair.ref for pair in self.pairs]))

    @cached_property
    def sec_index(self) -> Indices:
        """Index into `epochs` of each pair's `sec`, shape (m,)."""
        return np.searchsorted(self.epochs, np.array([pair.sec for pair in self.pairs]))

    def incidence(self) -> npt.NDArray[np.float64]:
        """Return the matrix from displacement per epoch to displacement per pair, (m, n): -1 at ref, +1 at sec."""
        matrix = np.zeros((len(self.pairs), len(self.epochs)))
        rows = np.arange(len(self.pairs))
        matrix[rows, self.ref_index] = -1.0
        matrix[rows, self.sec_index] = 1.0
        return matrix

    def islands(self) -> list[Indices]:
        """Return epochs (indices) of each connected part, in order of their first epoch."""
        label = np.arange(len(self.epochs))
        for ref, sec in zip(self.ref_index, self.sec_index, strict=True):
            if label[ref] != label[sec]:
                low, high = sorted((label[ref], label[sec]))
                label[label == high] = low
        return [np.flatnonzero(label == first) for first in np.unique(label)]

    def is_connected(self) -> bool:
        """Tell whether every epoch can be reached from every other."""
        return len(self.islands()) == 1

    def require_connected(self) -> None:
        """Raise `DisconnectedNetworkError` unless the network is in one part."""
        islands = self.islands()
        if len(islands) > 1:
            raise DisconnectedNetworkError([[str(epoch)[:10] for epoch in self.epochs[island]] for island in islands])

    def loops(self) -> npt.NDArray[np.int64]:
        """Return the triangles of the network as pair indices (ij, jk, ik), shape (loops, 3)."""
        index = {(int(i), int(j)): k for k, (i, j) in enumerate(zip(self.ref_index, self.sec_index, strict=True))}
        later: dict[int, list[int]] = {}
        for i, j in sorted(index):
            later.setdefault(i, []).append(j)
        found = [
            (index[i, j], index[j, k], index[i, k])
            for i, j in sorted(index)
            for k in later.get(j, [])
            if (i, k) in index
        ]
        return np.array(found, dtype=np.int64).reshape(-1, 3)
