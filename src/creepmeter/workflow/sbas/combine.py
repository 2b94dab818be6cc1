"""Products in MintPy's layout added, subtracted and calculated with, block by block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import Block, Progress
from creepmeter.errors import InputError
from creepmeter.filters.arithmetic import add_maps, calculate, subtract_maps
from creepmeter.io.mintpy.array import StoredArray
from creepmeter.io.mintpy.dates import written
from creepmeter.io.mintpy.grid import grid_from
from creepmeter.io.mintpy.product import read_attributes, read_tables
from creepmeter.model.epoch import decimal_years
from creepmeter.model.grid import require_same_grid
from creepmeter.workflow.sbas.facts import arrays_of
from creepmeter.workflow.sbas.filters import not_measured
from creepmeter.workflow.sbas.rewrite import Pixel, Rewriting, reference_pixel
from creepmeter.workflow.sbas.series import Series

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Combine = Callable[[Array, Array], Array]

SERIES, VELOCITY, STACK = "timeseries", "velocity", "ifgramStack"
_PHASE = "unwrapPhase"


class Operand(Protocol):
    """What is added to a series or subtracted from it: values at the dates of that series."""

    def read(self, block: Block) -> Floats:
        """Return a block, (time, rows, columns)."""


@dataclass(frozen=True)
class AlignedSeries:
    """A series at the dates of another one, relative to its date and pixel.

    Parameters
    ----------
    array : StoredArray
        Its values.
    places : array of int, (time,)
        Where each date of the other series is; -1 where it is not.
    datum : array, (time in file,)
        What it has at the reference pixel of the other series; 0 where both are relative to the same.
    date : int or None
        Place of the other's reference date; None where both are relative to the same.
    """

    array: StoredArray
    places: npt.NDArray[np.intp]
    datum: Floats
    date: int | None

    def read(self, block: Block) -> Floats:
        """Return a block, (time, rows, columns); 0 at dates that are not there."""
        values = self.array.read(block.y, block.x).astype(np.float64) - self.datum[:, None, None]
        if self.date is not None:
            values -= values[self.date].copy()
        return np.where(self.places[:, None, None] < 0, 0.0, values[self.places])


@dataclass(frozen=True)
class SteadyMotion:
    """A velocity as a series: years since the reference date, (time,), times a map that is relative to a pixel."""

    array: StoredArray
    years: Floats
    datum: float

    def read(self, block: Block) -> Floats:
        """Return a block, (time, rows, columns)."""
        rate = self.array.read(block.y, block.x)[0].astype(np.float64) - self.datum
        return np.asarray(self.years[:, None, None] * rate, np.float64)


@dataclass(frozen=True)
class Opened:
    """A product that goes in: its file, maps and attributes."""

    path: Path
    arrays: dict[str, StoredArray] = field(repr=False)
    attributes: dict[str, str] = field(repr=False)

    @classmethod
    def of(cls, path: Path) -> Opened:
        """Open a product; no map is read.

        Raises
        ------
        InputError
            It holds no maps.
        """
        arrays = arrays_of(path)
        if not arrays:
            message = f"{path} holds no maps"
            raise InputError(message)
        return cls(path, arrays, read_attributes(path))

    @property
    def kind(self) -> str:
        """FILE_TYPE."""
        return self.attributes.get("FILE_TYPE", "")

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return next(iter(self.arrays.values())).shape[1:]

    @property
    def reference(self) -> Pixel | None:
        """Row and column of the reference pixel."""
        return reference_pixel(self.attributes)

    def require_grid_of(self, first: Opened) -> None:
        """Raise `InputError` unless both lie on one grid."""
        if self.shape != first.shape:
            sizes = [" x ".join(map(str, each.shape)) for each in (self, first)]
            message = f"{self.path} has {sizes[0]} pixels and {first.path} {sizes[1]}: give files of one grid"
            raise InputError(message)
        grids = [grid_from(each.attributes, each.shape, each.path) for each in (first, self)]
        if grids[0] is None or grids[1] is None:
            if ("Y_FIRST" in first.attributes) != ("Y_FIRST" in self.attributes):
                message = f"one of {first.path} and {self.path} is in radar coordinates, the other on a map: geocode it"
                raise InputError(message)
            return
        require_same_grid(grids[0], grids[1], expected_name=str(first.path), found_name=str(self.path))

    def at(self, name: str, pixel: Pixel) -> Floats:
        """Return the values of a dataset at a pixel, (layer,).

        Raises
        ------
        InputError
            A layer has none there.
        """
        row, column = pixel
        found = self.arrays[name].read(slice(row, row + 1), slice(column, column + 1))[:, 0, 0].astype(np.float64)
        if not np.isfinite(found).all():
            message = (
                f"{self.path}, dataset {name!r} has no value at the reference pixel (row {row}, column {column}) of "
                "the first file: choose another one for that file (creepmeter reference-point)"
            )
            raise InputError(message)
        return found

    def named(self, name: str) -> str:
        """Return the dataset that goes with one of the first file: that of its name, or the only one."""
        return name if name in self.arrays or len(self.arrays) > 1 else next(iter(self.arrays))


def subtract_files(
    first: Path,
    others: Sequence[Path],
    target: Path,
    *,
    force: bool = False,
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> Path:
    """Write the first product minus the others.

    Dates of series are matched by name, and the second is made relative to the date and pixel of the first. Of a series
    a velocity may be subtracted too: its motion at the dates of the series.

    Parameters
    ----------
    first : Path
        Product; attributes of the result are its.
    others : sequence of Path
        One file, or several of single maps.
    target : Path
        Where the difference goes.
    force : bool
        Take a second series that lacks dates of the first, which stay as they are.
    memory_gb : float
        Memory to keep within.
    progress : Progress, optional
        Shows how far it has come.

    Raises
    ------
    InputError
        The files do not fit together.
    """
    return _combined(_Job(first, tuple(others), target, "diff", force), subtract_maps, memory_gb, progress)


def add_files(
    files: Sequence[Path],
    target: Path,
    *,
    force: bool = False,
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> Path:
    """Write the sum of products; see `subtract_files` for how they are made to fit.

    Of maps, a pixel that only some have is the sum of those. A sum of masks counts them.

    Raises
    ------
    InputError
        The files do not fit together.
    """
    return _combined(_Job(files[0], tuple(files[1:]), target, "add", force), add_maps, memory_gb, progress)


@dataclass(frozen=True)
class _Job:
    """What is combined with what."""

    first: Path
    others: tuple[Path, ...]
    target: Path
    verb: str
    force: bool


def _combined(job: _Job, combine: Combine, memory_gb: float, progress: Progress | None) -> Path:
    if not job.others:
        message = f"{job.first} alone: give two files or more"
        raise InputError(message)
    first, others = Opened.of(job.first), [Opened.of(path) for path in job.others]
    for other in others:
        other.require_grid_of(first)
    if first.kind == SERIES:
        return _combine_series(job, others, memory_gb, progress)
    if first.kind == STACK and all(other.kind == STACK for other in others):
        return _combine_stacks(job, first, others, memory_gb, progress)
    return _combine_maps(job, first, others, combine, (memory_gb, progress))


# ------------------------------------------------------------------------------------------------------------- series


def _combine_series(job: _Job, others: Sequence[Opened], memory_gb: float, progress: Progress | None) -> Path:
    series = Series.open(job.first)
    operands = [_operand(series, other, force=job.force) for other in others]
    opened = Rewriting.open(job.first, job.target, {}, key=[job.verb, job.force], others=job.others)
    sign = -1.0 if job.verb == "diff" else 1.0

    def change(name: str, values: Array, block: Block) -> Array:
        if name != series.array.name:
            return values
        total = values.astype(np.float64)
        for operand in operands:
            total += sign * operand.read(block)
        return np.where(not_measured(values, series.attributes, block), values, total)

    return opened.run(change, numbers=5.0 * len(series.dates), memory_gb=memory_gb, progress=progress)


def _operand(series: Series, other: Opened, *, force: bool) -> Operand:
    pixel = reference_pixel(series.attributes)
    differs = pixel is not None and pixel != other.reference
    if other.kind == VELOCITY:
        years = decimal_years(series.dates)
        datum = series.attributes.get("REF_DATE")
        years = years - years[0 if datum is None else series.place_of(datum)]
        at = float(other.at(VELOCITY, pixel)[0]) if differs and pixel is not None else 0.0
        return SteadyMotion(other.arrays[VELOCITY], years, at)
    found = Series.open(other.path)
    places = _places(series, found, force=force)
    at_pixel = np.zeros(len(found.dates))
    if differs and pixel is not None:
        at_pixel = other.at(found.array.name, pixel)
    return AlignedSeries(found.array, places, at_pixel, _date_to_refer_to(series, found))


def _places(
    series: Series, other: Series, *, force: bool, way_out: str = "--force leaves them as they are"
) -> npt.NDArray[np.intp]:
    """Return where each date of a series is in another one, -1 where it is not."""
    place = {written(date): k for k, date in enumerate(other.dates)}
    names = [written(date) for date in series.dates]
    missing = [name for name in names if name not in place]
    if len(missing) == len(names):
        message = f"{other.path} has no date of {series.path}: give a series of the same acquisitions"
        raise InputError(message)
    if missing and not force:
        message = (
            f"{other.path} lacks {len(missing)} of {len(names)} dates of {series.path} ({', '.join(missing[:5])}"
            f"{' ...' if len(missing) > 5 else ''}): {way_out}"  # noqa: PLR2004 - enough to see
        )
        raise InputError(message)
    return np.array([place.get(name, -1) for name in names], np.intp)


def _date_to_refer_to(series: Series, other: Series) -> int | None:
    datum = series.attributes.get("REF_DATE")
    if datum is None or datum == other.attributes.get("REF_DATE"):
        return None
    return other.place_of(datum)


# --------------------------------------------------------------------------------------------------- stacks and maps


def _combine_stacks(
    job: _Job, first: Opened, others: Sequence[Opened], memory_gb: float, progress: Progress | None
) -> Path:
    """Combine the phases of stacks of the same pairs, each relative to its own reference pixel; 0 = no phase."""
    dates = read_tables(first.path)["date"]
    name = next((name for name in first.arrays if name.startswith(_PHASE)), None)
    for other in others:
        if name is None or name not in other.arrays or not np.array_equal(read_tables(other.path)["date"], dates):
            message = f"{other.path} has other pairs than {first.path}, or not its {name or _PHASE}: both must be there"
            raise InputError(message)
    if name is None:
        message = f"{first.path} has no {_PHASE}: give a stack of unwrapped interferograms"
        raise InputError(message)
    datum = [_at_reference(each, name) for each in (first, *others)]
    opened = Rewriting.open(first.path, job.target, {}, key=job.verb, others=job.others, names=(name,))
    sign = -1.0 if job.verb == "diff" else 1.0

    def change(_name: str, values: Array, block: Block) -> Array:
        total = values - datum[0][:, None, None]
        empty = values == 0
        for other, at in zip(others, datum[1:], strict=True):
            found = other.arrays[name].read(block.y, block.x)
            total = total + sign * (found - at[:, None, None])
            empty |= found == 0
        return np.where(empty, 0.0, total)

    widest = 4.0 * len(dates) * (len(others) + 1)
    return opened.run(change, numbers=widest, memory_gb=memory_gb, progress=progress)


def _at_reference(stack: Opened, name: str) -> Floats:
    if stack.reference is None:
        message = f"{stack.path} has no reference pixel (REF_Y, REF_X): choose one with `creepmeter reference-point`"
        raise InputError(message)
    return stack.at(name, stack.reference)


def _combine_maps(
    job: _Job, first: Opened, others: Sequence[Opened], combine: Combine, room: tuple[float, Progress | None]
) -> Path:
    names = [name for name in first.arrays if all(other.named(name) in other.arrays for other in others)]
    if not names:
        held = "; ".join(f"{each.path}: {', '.join(each.arrays)}" for each in (first, *others))
        message = f"the files have no dataset in common ({held})"
        raise InputError(message)
    for name in names:
        for other in others:
            _require_layers(first, other, name)
    datum = {other.path: _velocity_datum(first, other) for other in others}
    types = {name: np.float32 for name in names if job.verb == "add"}
    opened = Rewriting.open(first.path, job.target, {}, types=types, key=job.verb, others=job.others, names=names)

    def change(name: str, values: Array, block: Block) -> Array:
        total = values
        for other in others:
            found = other.arrays[other.named(name)].read(block.y, block.x)
            at = datum[other.path] if name == VELOCITY else 0.0
            total = combine(total, found - at if at else found)
        return total

    widest = 4.0 * sum(first.arrays[name].shape[0] for name in names)
    return opened.run(change, numbers=widest, memory_gb=room[0], progress=room[1])


def _require_layers(first: Opened, other: Opened, name: str) -> None:
    counts = first.arrays[name].shape[0], other.arrays[other.named(name)].shape[0]
    if counts[0] != counts[1]:
        message = (
            f"{name} has {counts[0]} layers in {first.path} and {counts[1]} in {other.path}: give files of one kind"
        )
        raise InputError(message)


def _velocity_datum(first: Opened, other: Opened) -> float:
    """Return what a velocity has at the reference pixel of the first one; 0 where both have the same."""
    pixel = first.reference
    if first.kind != VELOCITY or pixel is None or pixel == other.reference or VELOCITY not in other.arrays:
        return 0.0
    return float(other.at(VELOCITY, pixel)[0])


# --------------------------------------------------------------------------------------------------------- image math


def calculate_file(
    source: Path,
    operator: str,
    operand: float | Path,
    target: Path,
    *,
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> Path:
    """Write a product with an operation done on all its maps.

    Parameters
    ----------
    source : Path
        Product.
    operator : {"+", "-", "*", "/", "^"}
        What to do.
    operand : float or Path
        A number, or a product of the same grid: its dataset of the same name, else its first; a single map goes with
        every layer.
    target : Path
        Where the result goes, may be the source.
    memory_gb : float
        Memory to keep within.
    progress : Progress, optional
        Shows how far it has come.

    Raises
    ------
    InputError
        The files do not fit together.
    """
    first = Opened.of(source)
    other = Opened.of(operand) if isinstance(operand, Path) else None
    if other is not None:
        other.require_grid_of(first)
    calculate(1.0, operator, 1.0 if isinstance(operand, Path) else operand)  # refuses before a file is made
    types = dict.fromkeys(first.arrays, np.float32)
    others = () if other is None else (other.path,)
    opened = Rewriting.open(source, target, {}, types=types, key=[operator, str(operand)], others=others)
    with_of = {} if other is None else {name: _matched(first, other, name) for name in first.arrays}

    def change(name: str, values: Array, block: Block) -> Array:
        if isinstance(operand, Path):
            array, places = with_of[name]
            return calculate(values, operator, array.read(block.y, block.x, places))
        return calculate(values, operator, operand)

    widest = 3.0 * sum(array.shape[0] for array in first.arrays.values())
    return opened.run(change, numbers=widest, memory_gb=memory_gb, progress=progress)


def _matched(first: Opened, other: Opened, name: str) -> tuple[StoredArray, npt.NDArray[np.intp] | None]:
    """Return the dataset of the operand that goes with one of the first file, and its layers."""
    array = other.arrays.get(name) or next(iter(other.arrays.values()))
    layers = first.arrays[name].shape[0]
    if first.kind == SERIES and other.kind == SERIES and array.shape[0] > 1:
        way_out = "give a series that has them, or diff or add with --force"
        return array, _places(Series.open(first.path), Series.open(other.path), force=False, way_out=way_out)
    if array.shape[0] not in (1, layers):
        message = (
            f"{other.path} has {array.shape[0]} layers and {name} of {first.path} {layers}: give a map or a series"
        )
        raise InputError(message)
    return array, None
