"""A new stack of interferograms, filled pair by pair."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.errors import InputError
from creepmeter.io.mintpy import dates, layout, product
from creepmeter.io.mintpy.layout import Dataset, Plan
from creepmeter.io.mintpy.partial import PartialFile
from creepmeter.model.pair import Pair


class StackWriter:
    """A stack in the making, that a killed run can take up again.

    Make one with `create_stack`. One process writes at a time.
    """

    def __init__(self, partial_file: PartialFile, compression: str | None) -> None:
        self._partial = partial_file
        self._compression = compression

    def done(self, index: int) -> bool:
        """Tell whether a pair is on disk."""
        return self._partial.done(str(index))

    def put(self, index: int, variables: Mapping[str, npt.ArrayLike]) -> None:
        """Write the maps of one pair, flush them to disk, then mark the pair as done.

        Parameters
        ----------
        index : int
            Number of the pair, from 0.
        variables : mapping of str to array
            (rows, columns) per dataset.

        Raises
        ------
        StoreError
            A shape or type does not fit, or the disk is full. What is done stays.
        """
        rows, columns = self._partial.plan.shape
        window = (range(index, index + 1), range(rows), range(columns))
        self._partial.put(str(index), dict.fromkeys(variables, window), variables)

    def finish(self, provenance: Mapping[str, Any] | None = None) -> Path:
        """Put the stack in its place.

        Returns
        -------
        Path
            The file.
        """
        text = layout.provenance_text(provenance)
        pack = None if self._compression is None else partial(product.compressed, method=self._compression)
        return self._partial.finish({} if text is None else {layout.PROVENANCE: text}, pack)


def create_stack(
    path: str | Path,
    *,
    pairs: Sequence[Pair],
    bperp: npt.ArrayLike,
    shape: tuple[int, int],
    datasets: Mapping[str, npt.DTypeLike],
    attributes: Mapping[str, str],
    compression: str | None = None,
    key: str,
) -> StackWriter:
    """Start a stack, or go on with the one that an earlier run with the same key left.

    Parameters
    ----------
    path : str or Path
        Such as ``inputs/ifgramStack.h5``.
    pairs : sequence of Pair
        In the order of the layers.
    bperp : array
        Perpendicular baseline of each pair, metres.
    shape : (int, int)
        Rows and columns.
    datasets : mapping of str to dtype
        Such as unwrapPhase: float32, coherence: float32, connectComponent: int16.
    attributes : mapping of str to str
        Of the file; FILE_TYPE is ``ifgramStack`` unless given.
    compression : {"gzip", "lzf"}, optional
        None stores the values in one piece, which reads fastest.
    key : str
        Digest of options and inputs.

    Raises
    ------
    InputError
        Lengths do not agree, or a pair comes twice.
    StoreError
        The place is not writable, or the disk too small.
    """
    product.require_method(compression)
    count = len(pairs)
    baselines = np.asarray(bperp, np.float32)
    if not count or baselines.shape != (count,):
        message = f"{count} pair(s) with {baselines.size} baseline(s): give one for each pair"
        raise InputError(message)
    twice = dates.repeated(pairs)
    if twice.any():
        message = f"pair {pairs[int(np.flatnonzero(twice)[0])]} comes twice: keep one of the two"
        raise InputError(message)
    stamp = {layout.MODIFIED: f"{time.time():.6f}"}
    entries = {name: Dataset((count, *shape), np.dtype(kind), stamp) for name, kind in datasets.items()}
    tables = {"date": dates.write_pairs(pairs), "bperp": baselines, "dropIfgram": np.ones(count, bool)}
    given = {"FILE_TYPE": "ifgramStack", "UNIT": "radian", **attributes}
    return StackWriter(PartialFile.create_or_resume(path, Plan(entries, given, tables), key), compression)
