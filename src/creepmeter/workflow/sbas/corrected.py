"""Series with a correction taken off: read, corrected and written block by block."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import Block, NullProgress, Progress, run_blocks
from creepmeter.corrections.protocol import Correction, subtract
from creepmeter.errors import InputError
from creepmeter.io.mintpy.product import Dataset, ProductWriter, read_tables
from creepmeter.io.provenance import digest_file, digest_text, provenance
from creepmeter.workflow.sbas.maps import find, read_mask
from creepmeter.workflow.sbas.rewrite import reference_pixel
from creepmeter.workflow.sbas.series import Series

Values = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
_OWN = ("CREEPMETER_", "MODIFICATION_", "Conventions")
_NUMBERS = 4  # of eight bytes per value of a series that is corrected


def corrected_attributes(series: Series, target: Path, said: Mapping[str, object]) -> dict[str, str]:
    """Return the attributes of a corrected series: those of the series, with the options of the correction."""
    kept = {key: value for key, value in series.attributes.items() if not key.startswith(_OWN)}
    return {**kept, "FILE_PATH": target.name, **{f"mintpy.{name}": str(value) for name, value in said.items()}}


def require_metres_per_year(attributes: Mapping[str, str], path: Path) -> None:
    """Raise `InputError` when a velocity says that it is in another unit than m/year, as MintPy has it."""
    unit = attributes.get("UNIT", "")
    if unit.partition("/")[0] in ("mm", "cm", "km", "ft"):
        message = f"{path} is in {unit}, needed is m/year: multiply it (creepmeter image-math) and set UNIT to m/year"
        raise InputError(message)


def require_pixel(series: Series) -> tuple[int, int]:
    """Return the reference pixel of a series.

    Raises
    ------
    InputError
        It has none.
    """
    found = reference_pixel(series.attributes)
    if found is None:
        message = f"{series.path} has no reference pixel (REF_Y, REF_X): give it one with `creepmeter reference-point`"
        raise InputError(message)
    return found


def reference_place(series: Series) -> int:
    """Return the place of the date that a series refers to; 0 where it does not say."""
    text = series.attributes.get("REF_DATE")
    return 0 if text is None else series.place_of(text)


def mask_of(folder: Path, name: str | None, shape: tuple[int, int], option: str) -> Mask:
    """Return a mask of the work folder or named by its path; True everywhere where none is named.

    Raises
    ------
    InputError
        It is not there, or lies on another grid.
    """
    if name is None:
        return np.ones(shape, bool)
    path = find(folder, name)
    if path is None:
        message = (
            f"{option}: mask {name} is not in {folder}; invert_network makes maskTempCoh.h5, or name another (or no)"
        )
        raise InputError(message)
    return read_mask(path, shape)


def write_corrected(
    series: Series,
    target: Path,
    correction: Correction,
    said: Mapping[str, object],
    *,
    inputs: Sequence[Path] = (),
    key: object = "",
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> Path:
    """Write a series without the noise that a correction predicts, whole or not at all.

    Parameters
    ----------
    series : Series
        What is corrected.
    target : Path
        File to make.
    correction : Correction
        Predicts the noise of a block.
    said : mapping
        Options of the correction by MintPy's keys without ``mintpy.``; they become attributes.
    inputs : sequence of Path
        What the correction was made from, besides the series.
    key : object
        What else the result depends on, for taking up a run that was stopped.
    memory_gb : float
        Memory to keep within; the result does not depend on it.
    progress : Progress, optional
        Counts pixels.
    """

    def change(block: Block, values: Values) -> Values:
        return subtract(values, correction.predict(block))

    return write_changed(series, target, change, said, inputs=inputs, key=key, memory_gb=memory_gb, progress=progress)


def write_changed(
    series: Series,
    target: Path,
    change: Callable[[Block, Values], Values],
    said: Mapping[str, object],
    *,
    inputs: Sequence[Path] = (),
    key: object = "",
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> Path:
    """Write a series with its values changed, whole or not at all; see `write_corrected`."""
    digests = {path.name: digest_file(path) for path in (series.path, *inputs)}
    attributes = corrected_attributes(series, target, said)
    writer = ProductWriter.create_or_resume(
        target,
        {series.array.name: Dataset(series.array.shape, np.dtype(np.float32))},
        attributes,
        digest_text("corrected", digests, {name: str(value) for name, value in said.items()}, key),
        read_tables(series.path),
    )
    run_blocks(
        series.blocks(memory_gb, _NUMBERS * len(series.dates)),
        lambda block: change(block, series.read(block)),
        lambda block, values: writer.put(block.id, block.region, {series.array.name: values}),
        done=lambda block: writer.done(block.id),
        progress=progress if progress is not None else NullProgress(),
        name=target.name,
    )
    return writer.finish(provenance({name: str(value) for name, value in said.items()}, digests))
