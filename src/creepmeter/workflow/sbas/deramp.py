"""Ramps of products in MintPy's layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import Block, Progress
from creepmeter.corrections.protocol import subtract
from creepmeter.corrections.ramp import Ramp, Sampling, fit_ramp, moments
from creepmeter.corrections.series_options import RampOptions
from creepmeter.errors import InputError
from creepmeter.io.mintpy.array import StoredArray
from creepmeter.io.mintpy.dates import written
from creepmeter.io.mintpy.product import list_datasets, read_attributes
from creepmeter.io.swap import write_text
from creepmeter.workflow.sbas.corrected import mask_of, write_corrected
from creepmeter.workflow.sbas.facts import arrays_of
from creepmeter.workflow.sbas.maps import find
from creepmeter.workflow.sbas.rewrite import reference_pixel, rewrite
from creepmeter.workflow.sbas.series import Series

Values = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
_BLOCK_GB = 0.25


def fitted_ramp(
    array: StoredArray, inside: Mask, kind: str, reference: tuple[int, int] | None, memory_gb: float = 4.0
) -> Ramp:
    """Fit a ramp to every layer of a dataset.

    Parameters
    ----------
    array : StoredArray
        Values, (layer, y, x).
    inside : array of bool, (y, x)
        Pixels that count.
    kind : str
        Such as ``linear``.
    reference : (int, int) or None
        Pixel where it is 0.
    memory_gb : float
        Memory to keep within.
    """
    shape = array.shape[1], array.shape[2]
    sampling = Sampling(shape)
    whole = Block(0, slice(0, shape[0]), slice(0, shape[1]))
    strips = whole.strips(2.0 * array.dtype.itemsize * array.shape[0], min(memory_gb / 4, _BLOCK_GB))
    parts = [moments(array.read(part.y), inside[part.y], sampling, part.y.start) for part in strips]
    return fit_ramp(np.concatenate(parts, axis=1), kind, sampling, reference)


def remove_ramp_of_series(
    series: Path,
    target: Path,
    options: RampOptions | None = None,
    *,
    folder: Path | None = None,
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> Ramp:
    """Take a ramp off every date of a series.

    Parameters
    ----------
    series, target : Path
        Series to read, file to make.
    options : RampOptions, optional
        Which ramp, and where it is fitted.
    folder : Path, optional
        Where the mask is looked for; beside the series by default.
    memory_gb : float
        Memory to keep within; the result does not depend on it.
    progress : Progress, optional
        Counts pixels.

    Returns
    -------
    Ramp
        What was taken off.

    Raises
    ------
    InputError
        This is no series, or the mask does not fit it.
    """
    chosen = options or RampOptions()
    home = series.parent if folder is None else folder
    opened = Series.open(series)
    inside = mask_of(home, chosen.mask_file, opened.shape, "deramp.maskFile")
    ramp = fitted_ramp(opened.array, inside, chosen.ramp, reference_pixel(opened.attributes), memory_gb)
    mask = None if chosen.mask_file is None else find(home, chosen.mask_file)
    write_corrected(
        opened,
        target,
        ramp,
        _said(chosen),
        inputs=[] if mask is None else [mask],
        key="ramp",
        memory_gb=memory_gb,
        progress=progress,
    )
    return ramp


def _said(options: RampOptions) -> dict[str, object]:
    return {"deramp": options.ramp, "deramp.maskFile": options.mask_file or "no"}


def remove_ramp(
    source: Path,
    target: Path,
    options: RampOptions | None = None,
    *,
    dataset: str | None = None,
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> dict[str, Ramp]:
    """Take a ramp off every layer of the maps of a product: a series, a velocity, a stack of interferograms.

    Parameters
    ----------
    source, target : Path
        Product to read, file to make.
    options : RampOptions, optional
        Which ramp, and where it is fitted.
    dataset : str, optional
        The only one that is changed; by default the one that FILE_TYPE names, else all of real numbers.
    memory_gb : float
        Memory to keep within.
    progress : Progress, optional
        Counts pixels.

    Returns
    -------
    dict
        What was taken off, by dataset.

    Raises
    ------
    InputError
        There is no such dataset, or the mask does not fit.
    """
    chosen = options or RampOptions()
    if "timeseries" in list_datasets(source) and dataset in (None, "timeseries"):
        ramp = remove_ramp_of_series(source, target, chosen, memory_gb=memory_gb, progress=progress)
        return {"timeseries": ramp}
    attributes, arrays = read_attributes(source), arrays_of(source)
    names = _chosen(source, arrays, attributes.get("FILE_TYPE", ""), dataset)
    shape = arrays[names[0]].shape[1], arrays[names[0]].shape[2]
    inside = mask_of(source.parent, chosen.mask_file, shape, "--mask")
    pixel = reference_pixel(attributes)
    ramps = {name: fitted_ramp(arrays[name], inside, chosen.ramp, pixel, memory_gb) for name in names}

    def change(name: str, values: Values, block: Block) -> Values:
        return subtract(values, ramps[name].predict(block)) if name in ramps else values

    said = {f"mintpy.{name}": str(value) for name, value in _said(chosen).items()}
    key = [names, chosen.model_dump(mode="json"), np.packbits(inside).tobytes().hex()]
    rewrite(source, target, change, {**said, "FILE_PATH": target.name}, key=key, memory_gb=memory_gb, progress=progress)
    return ramps


def _chosen(source: Path, arrays: dict[str, StoredArray], kind: str, dataset: str | None) -> Sequence[str]:
    real = [name for name, array in arrays.items() if array.dtype.kind == "f"]
    if kind == "ifgramStack" and dataset is None:
        dataset = "unwrapPhase"
    if dataset is not None and dataset not in real:
        message = f"{source} has no dataset {dataset!r} to take a ramp off: choose from {', '.join(real) or 'none'}"
        raise InputError(message)
    if dataset is not None or not real:
        return [dataset] if dataset is not None else _none(source)
    return [kind] if kind in real else real


def _none(source: Path) -> Sequence[str]:
    message = f"{source} holds no maps of real numbers: give a series, a velocity or a stack"
    raise InputError(message)


def write_coefficients(ramps: dict[str, Ramp], source: Path, target: Path) -> Path:
    """Write the coefficients of rows and columns as MintPy's ``rampCoeff_NAME.txt``, beside the product made."""
    lines = [f"# input  file: {source.name}", f"# output file: {target.name}"]
    dates = _names_of_layers(source)
    for ramp in ramps.values():
        lines.append(f"# ramp type: {ramp.kind}")
        for k, row in enumerate(ramp.in_pixels):
            start = dates[k] if k < len(dates) else str(k)
            lines.append(start + "".join(f"    {value:16.6e}" for value in row))
    path = target.with_name(f"rampCoeff_{source.stem}.txt")
    write_text(path, "\n".join(lines) + "\n")
    return path


def _names_of_layers(source: Path) -> list[str]:
    try:
        return [written(date) for date in Series.open(source).dates]
    except InputError:
        return []
