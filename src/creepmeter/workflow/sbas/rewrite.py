"""Products in MintPy's layout written anew, block by block: masked, or referred to another pixel."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import Block, Progress, plan_blocks, run_blocks
from creepmeter.errors import InputError
from creepmeter.io.mintpy.array import StoredArray
from creepmeter.io.mintpy.product import Dataset, ProductWriter, read_attributes
from creepmeter.io.provenance import digest_file, digest_text
from creepmeter.stack.mask import apply_mask
from creepmeter.workflow.sbas.chain import BEFORE
from creepmeter.workflow.sbas.facts import arrays_of, facts_of, own_attributes

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Pixel = tuple[int, int]
Change = Callable[[str, Array, Block], Array]

_SHARE = 4
_MOST_GB = 0.25
_NOT_REFERRED = ("mask", "waterMask", "coherence", "temporalCoherence", "geometry", "ifgramStack", "residual")
_NOT_LINEAR = ("Std", "Amplitude", "Phase", "residue")


@dataclass(frozen=True)
class Rewriting:
    """A product that is being written anew.

    Parameters
    ----------
    source, target : Path
        May be the same file.
    arrays : dict of str to StoredArray
        Its maps and stacks of maps.
    shapes, types : dict
        Shape and type of each dataset to write.
    attributes : dict of str to str
        Of the new file.
    writer : ProductWriter
        Where it goes.
    inputs : dict of str to str
        Digests of the files that went in, by name.
    """

    source: Path
    target: Path
    arrays: dict[str, StoredArray]
    shapes: dict[str, tuple[int, ...]]
    types: dict[str, np.dtype[Any]]
    attributes: dict[str, str]
    writer: ProductWriter
    inputs: dict[str, str]

    @classmethod
    def open(
        cls,
        source: Path,
        target: Path,
        attributes: Mapping[str, str | None],
        *,
        types: Mapping[str, npt.DTypeLike] | None = None,
        key: object = "",
        others: Iterable[Path] = (),
        names: Container[str] | None = None,
    ) -> Rewriting:
        """Lay the new file out, or take up what a stopped run left.

        Parameters
        ----------
        source, target, attributes, types, key
            See `rewrite`.
        others : iterable of Path
            Other files that go in.
        names : container of str, optional
            Datasets that the new file has; default all.

        Raises
        ------
        InputError
            The file holds no maps, or maps of several sizes.
        """
        facts = facts_of(source, names)
        kinds = {name: np.dtype((types or {}).get(name, kind)) for name, kind in facts.types.items()}
        entries = {
            name: Dataset(facts.shapes[name], kinds[name], own_attributes(array))
            for name, array in facts.arrays.items()
        }
        kept = {name: text for name, text in {**facts.attributes, **attributes}.items() if text is not None}
        kept.pop(BEFORE, None)  # what is changed is no longer what it was
        inputs = {source.name: facts.content} | {path.as_posix(): digest_file(path) for path in others}
        digest = digest_text(*inputs.values(), sorted(kept.items()), str(key))
        writer = ProductWriter.create_or_resume(target, entries, kept, digest, facts.tables)
        return cls(source, target, dict(facts.arrays), dict(facts.shapes), kinds, kept, writer, inputs)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return next(iter(self.arrays.values())).shape[1:]

    def run(
        self,
        change: Change,
        *,
        halo: int = 0,
        numbers: float = 0.0,
        memory_gb: float = 4.0,
        progress: Progress | None = None,
    ) -> Path:
        """Write all blocks, and put the file in its place.

        Parameters
        ----------
        change : callable
            (dataset, values (layer, rows, columns), block) -> values of the same shape; block and values have the halo.
        halo : int
            Pixels around a block that its values depend on.
        numbers : float
            Numbers of eight bytes per pixel that `change` needs.
        memory_gb : float
            Memory to keep within.
        progress : Progress, optional
            Shows how far it has come.
        """
        widest = 2.0 * sum(array.shape[0] * array.dtype.itemsize for array in self.arrays.values()) + 8 * numbers
        blocks = plan_blocks(self.shape, widest, min(memory_gb / _SHARE, _MOST_GB), halo=halo)

        def compute(block: Block) -> dict[str, Array]:
            wide = block.grown(halo, self.shape)
            inner = (slice(None), *block.within(wide))
            found = {name: change(name, array.read(wide.y, wide.x), wide)[inner] for name, array in self.arrays.items()}
            return {name: values.reshape(*self.shapes[name][:-2], *block.shape) for name, values in found.items()}

        def put(block: Block, values: dict[str, Array]) -> None:
            cast = {name: part.astype(self.types[name]) for name, part in values.items()}
            self.writer.put(block.id, block.region, cast)

        done, name = self.writer.done, self.target.name
        run_blocks(blocks, compute, put, done=lambda block: done(block.id), progress=progress, name=name)
        return self.writer.finish({"inputs": self.inputs})


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
    opened = Rewriting.open(source, target, attributes, types=types, key=key)
    return opened.run(change, memory_gb=memory_gb, progress=progress)


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
    if not is_referred(held):
        message = f"{source} ({held.get('FILE_TYPE')}) is not relative to a pixel: give a series or a velocity"
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
    former = reference_pixel(held)
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


def reference_pixel(attributes: Mapping[str, str]) -> Pixel | None:
    """Return row and column of the pixel that a product is relative to; None where it has none."""
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
