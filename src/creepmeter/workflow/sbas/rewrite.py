"""Products in MintPy's layout written anew, block by block: masked, or referred to another pixel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import Block, Progress, plan_blocks, run_blocks
from creepmeter.errors import InputError
from creepmeter.io.mintpy import hdf
from creepmeter.io.mintpy.array import StoredArray
from creepmeter.io.mintpy.layout import COORDINATES
from creepmeter.io.mintpy.product import Dataset, ProductWriter, list_datasets, read_attributes, read_tables
from creepmeter.io.mintpy.sidecar import sidecar_of
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.io.provenance import digest_file, digest_text
from creepmeter.stack.mask import apply_mask

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Pixel = tuple[int, int]
Change = Callable[[str, Array, Block], Array]

_SHARE = 4
_MOST_GB = 0.25
_TABLES = ("date", "bperp", "dropIfgram")  # bperp of a geometry file may be maps, one for each date
_MAP_RANK = 2
_NOT_REFERRED = ("mask", "waterMask", "coherence", "temporalCoherence", "geometry", "ifgramStack", "residual")
_NOT_LINEAR = ("Std", "Amplitude", "Phase", "residue")


def arrays_of(path: Path) -> dict[str, StoredArray]:
    """Return the maps and stacks of maps of a file, by name."""
    stack = edited_stack(path)
    if stack is not None:
        return {name: stack.stored(name) for name in stack.names}
    with hdf.reading(path) as file:
        return {
            name: StoredArray.of(path, item)
            for name, item in hdf.datasets_of(file).items()
            if name not in COORDINATES and item.ndim > (_MAP_RANK if name in _TABLES else 1)
        }


def edited_stack(path: Path) -> StackFile | None:
    """Return a stack whose edits lie in a file beside it; None for any other file."""
    return StackFile.open(path) if sidecar_of(path).exists() else None


@dataclass(frozen=True)
class Facts:
    """What is needed of a file to write it anew.

    Parameters
    ----------
    arrays : mapping of str to StoredArray
        Its maps and stacks of maps.
    shapes, types : mapping
        Of the datasets, as they are stored.
    attributes : mapping of str to str
        Of the file; of a stack with its edits.
    tables : mapping of str to array
        Dates and the like.
    content : str
        Digest of the file.
    """

    arrays: Mapping[str, StoredArray]
    shapes: Mapping[str, tuple[int, ...]]
    types: Mapping[str, np.dtype[Any]]
    attributes: Mapping[str, str]
    tables: Mapping[str, Array]
    content: str

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = next(iter(self.arrays.values())).shape[1:]
        return rows, columns


def facts_of(source: Path) -> Facts:
    """Look at a file; no map is read.

    Raises
    ------
    InputError
        It holds no maps, or maps of several sizes.
    """
    arrays = arrays_of(source)
    if not arrays:
        message = f"{source} holds no maps"
        raise InputError(message)
    shapes = {array.shape[1:] for array in arrays.values()}
    if len(shapes) > 1:
        message = f"{source}: its maps differ in size ({shapes}); only files of one grid can be written anew"
        raise InputError(message)
    stack, held, tables = edited_stack(source), list_datasets(source), read_tables(source)
    if stack is not None:
        tables = {**tables, "dropIfgram": stack.keep}
    return Facts(
        arrays,
        {name: held[name][0] if name in held else array.shape for name, array in arrays.items()},
        {name: held[name][1] if name in held else array.dtype for name, array in arrays.items()},
        read_attributes(source) if stack is None else stack.attributes,
        tables,
        digest_file(source) if stack is None else stack.digest(),
    )


def rewrite(
    source: Path,
    target: Path,
    change: Change,
    attributes: Mapping[str, str | None],
    *,
    types: Mapping[str, npt.DTypeLike] | None = None,
    key: object = "",
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> Path:
    """Write a product anew with its values changed, whole or not at all.

    Parameters
    ----------
    source, target : Path
        May be the same file.
    change : callable
        (dataset, values (layer, rows, columns), block) -> values of the same shape.
    attributes : mapping of str to str or None
        Attributes that differ; None leaves one out.
    types : mapping of str to dtype, optional
        Types of datasets that differ.
    key : object
        What else the result depends on, for taking up a run that was stopped.
    memory_gb : float
        Memory to keep within.
    progress : Progress, optional
        Shows how far it has come.
    """
    facts = facts_of(source)
    arrays, shape_of = facts.arrays, facts.shapes
    kinds = {name: np.dtype((types or {}).get(name, kind)) for name, kind in facts.types.items()}
    entries = {name: Dataset(shape_of[name], kinds[name], own_attributes(array)) for name, array in arrays.items()}
    kept = {name: text for name, text in {**facts.attributes, **attributes}.items() if text is not None}
    tables, content = facts.tables, facts.content
    digest = digest_text(content, sorted(kept.items()), str(key))
    writer = ProductWriter.create_or_resume(target, entries, kept, digest, tables)
    widest = sum(array.shape[0] * array.dtype.itemsize for array in arrays.values())
    blocks = plan_blocks(facts.shape, widest * 2, min(memory_gb / _SHARE, _MOST_GB))

    def compute(block: Block) -> dict[str, Array]:
        return {
            name: change(name, array.read(block.y, block.x), block).reshape(*shape_of[name][:-2], *block.shape)
            for name, array in arrays.items()
        }

    def put(block: Block, values: dict[str, Array]) -> None:
        writer.put(block.id, block.region, {name: part.astype(kinds[name]) for name, part in values.items()})

    run_blocks(blocks, compute, put, done=lambda block: writer.done(block.id), progress=progress, name=target.name)
    return writer.finish({"inputs": {source.name: content}})


def own_attributes(array: StoredArray) -> dict[str, str]:
    """Return the attributes of a dataset that go along with its values."""
    with hdf.reading(array.path) as file:
        found = hdf.text_attributes(file[array.name])
    return {key: text for key, text in found.items() if key in ("UNIT", "MODIFICATION_TIME")}


def mask_product(
    source: Path,
    target: Path,
    keep: Mask,
    *,
    fill: float = np.nan,
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> Path:
    """Write a product with all its maps replaced by `fill` outside a mask.

    Parameters
    ----------
    source, target : Path
        Product; where the masked one goes.
    keep : array of bool, (y, x)
        Where values stay.
    fill : float
        What stands elsewhere; whole numbers become float32 where it is NaN.
    memory_gb : float
        Memory to keep within.
    progress : Progress, optional
        Shows how far it has come.

    Raises
    ------
    InputError
        The mask lies on another grid.
    """
    arrays = arrays_of(source)
    types = {}
    for name, array in arrays.items():
        if array.shape[1:] != keep.shape:
            sizes = [" x ".join(map(str, shape)) for shape in (array.shape[1:], keep.shape)]
            message = f"{source}, dataset {name!r} has {sizes[0]} pixels and the mask {sizes[1]}: give one of its grid"
            raise InputError(message)
        types[name] = apply_mask(np.zeros((1, 1, 1), array.dtype), np.zeros((1, 1), bool), fill).dtype

    def change(_name: str, values: Array, block: Block) -> Array:
        return apply_mask(values, keep[block.y, block.x], fill)

    return rewrite(
        source,
        target,
        change,
        {},
        types=types,
        key=[fill, digest_text(np.packbits(keep).tobytes().hex())],
        memory_gb=memory_gb,
        progress=progress,
    )


def refer_product(
    source: Path,
    target: Path,
    pixel: Pixel,
    attributes: Mapping[str, str | None],
    *,
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> Path:
    """Write a series or velocity relative to another pixel.

    Standard errors, amplitudes and residuals stay as they are: they do not follow by subtraction. Pixels that are zero
    in all layers were not measured and stay zero, the former reference pixel excepted.

    Parameters
    ----------
    source, target : Path
        Product; where the new one goes, may be the same.
    pixel : (int, int)
        Row and column.
    attributes : mapping of str to str or None
        REF_Y, REF_X and the like.
    memory_gb : float
        Memory to keep within.
    progress : Progress, optional
        Shows how far it has come.

    Raises
    ------
    InputError
        This is no displacement or velocity, or the pixel has no value in some layer.
    """
    held = read_attributes(source)
    kind = held.get("FILE_TYPE", "none")
    if not is_referred(held):
        message = f"{source} ({kind}) is not relative to a pixel: give a series or a velocity"
        raise InputError(message)
    arrays = {name: array for name, array in arrays_of(source).items() if is_linear(name, array)}
    row, column = pixel
    datum = {
        name: array.read(slice(row, row + 1), slice(column, column + 1))[:, 0, 0] for name, array in arrays.items()
    }
    missing = [name for name, values in datum.items() if not np.isfinite(values).all()]
    if missing:
        message = (
            f"{source}: pixel (row {row}, column {column}) has no value in {', '.join(missing)}; choose another one"
        )
        raise InputError(message)
    former = _former(held)
    if datum and pixel != former and not any((values != 0).any() for values in datum.values()):
        message = f"{source}: pixel (row {row}, column {column}) was not measured (all is 0); choose another one"
        raise InputError(message)

    def change(name: str, values: Array, block: Block) -> Array:
        if name not in datum:
            return values
        measured = (values != 0).any(axis=0)
        if former is not None:
            y, x = former[0] - block.y.start, former[1] - block.x.start
            if 0 <= y < block.shape[0] and 0 <= x < block.shape[1]:
                measured[y, x] = True
        return np.where(measured, values - datum[name][:, None, None], values)

    return rewrite(source, target, change, attributes, key=list(pixel), memory_gb=memory_gb, progress=progress)


def is_referred(attributes: Mapping[str, str]) -> bool:
    """Tell whether a file of this kind holds displacement or velocity, which is relative to a pixel."""
    return attributes.get("FILE_TYPE", "none") not in _NOT_REFERRED


def is_linear(name: str, array: StoredArray) -> bool:
    """Tell whether a dataset follows by subtraction, other than standard errors, amplitudes and residuals."""
    return array.dtype.kind == "f" and not any(part in name for part in _NOT_LINEAR)


def _former(attributes: Mapping[str, str]) -> Pixel | None:
    try:
        return int(attributes["REF_Y"]), int(attributes["REF_X"])
    except (KeyError, ValueError):
        return None


def layer_means(path: Path, name: str, mask: Mask | None) -> npt.NDArray[np.float64]:
    """Return the mean of each layer of a dataset inside a mask, (layer,); NaN is left out, zero counts."""
    array = arrays_of(path)[name]
    found = np.full(array.shape[0], np.nan)
    for layer in range(len(found)):
        values = array.read(layers=np.array([layer]))[0].astype(np.float64)
        measured = np.isfinite(values)
        if mask is not None:
            measured &= mask
        if measured.any():
            found[layer] = float(values[measured].mean())
    return found
