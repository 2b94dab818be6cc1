"""One number per pair: means over the pixels of an area, and the tables that hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import NullProgress, Progress
from creepmeter.errors import ConfigError, InputError
from creepmeter.io.mintpy.product import read_attributes, read_tables
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.io.swap import write_text
from creepmeter.model.pair import Pair
from creepmeter.pairs.network_options import NetworkOptions
from creepmeter.workflow.sbas.folder import WATER
from creepmeter.workflow.sbas.maps import blocks_of, existing, find, read_mask, read_text
from creepmeter.workflow.sbas.masks import find_geometry, make_water_mask

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Area:
    """Where the mean coherence of a pair is taken.

    Parameters
    ----------
    inside : array of bool, (y, x)
        Pixels that count.
    outside : array of bool, (y, x)
        Pixels of the same box outside the mask.
    box : (int, int, int, int)
        First row, end, first column, end.
    mask_name : str or None
        File of the mask.
    """

    inside: Mask
    outside: Mask
    box: Box
    mask_name: str | None


def coherence_area(stack: StackFile, folder: Path, options: NetworkOptions) -> Area:
    """Return where the mean coherence of a pair is taken: inside the mask and the area of the options."""
    _, rows, columns = stack.shape
    path = _mask_path(stack, folder, options)
    mask = np.ones((rows, columns), bool) if path is None else read_mask(path, (rows, columns))
    box = (0, rows, 0, columns)
    if options.aoi_yx is not None:
        first, end, left, right = options.aoi_yx
        box = (first, min(end, rows), left, min(right, columns))
    elif options.aoi_lalo is not None:
        from creepmeter.workflow.sbas.places import pixel_box

        box = pixel_box(stack.attributes, (rows, columns), stack.path, find_geometry(stack, folder), options.aoi_lalo)
    if box[0] >= box[1] or box[2] >= box[3]:
        message = f"the area of interest lies outside the map of {rows} x {columns} pixels: correct aoi_yx or aoi_lalo"
        raise ConfigError(message)
    within = np.zeros((rows, columns), bool)
    within[box[0] : box[1], box[2] : box[3]] = True
    return Area(mask & within, ~mask & within, box, None if path is None else path.name)


def _mask_path(stack: StackFile, folder: Path, options: NetworkOptions) -> Path | None:
    if options.mask_file is None:
        return None
    path = find(folder, options.mask_file)
    geometry = find_geometry(stack, folder)
    if path is None and options.mask_file == WATER and geometry is not None:
        return make_water_mask(geometry, folder / WATER)
    if path is None and options.mask_file != WATER:
        return existing(folder, options.mask_file, "mask_file")
    return path


def pair_means(
    stack: StackFile,
    name: str,
    mask: Mask,
    *,
    level: float = np.inf,
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> tuple[Floats, Floats]:
    """Return the mean of each pair inside a mask, zeros and NaN left out; and the share of it above a level, (pair,).

    Parameters
    ----------
    stack : StackFile
        All its pairs are read, the ones that are not used as well.
    name : str
        Dataset, such as ``coherence``.
    mask : array of bool, (y, x)
        Pixels that count.
    level : float
        Level of the share.
    memory_gb : float
        Memory to keep within.
    progress : Progress, optional
        Shows how far it has come.
    """
    from creepmeter.stack.statistics import PairSums

    pairs, rows, _ = stack.shape
    sums = PairSums.empty(pairs, rows)
    shown: Progress = progress if progress is not None else NullProgress()
    blocks = blocks_of(stack, name, pairs, memory_gb)
    shown.start(f"{name} of the pairs", sum(block.size for block in blocks))
    for block in blocks:
        some = mask[block.y, block.x]
        if some.any():
            sums.add(block.y, stack.read(name, block.y, columns=block.x), some, level)
        shown.advance(block.size)
    shown.finish()
    return sums.mean, sums.share_above


def write_pair_table(
    path: Path, stack: StackFile, values: npt.ArrayLike, area: Area, *, level: float | None = None
) -> Path:
    """Write one number per pair as MintPy's ``coherenceSpatialAvg.txt`` has it: pair, mean, days, metres, place."""
    first, end, left, right = area.box
    lines = [
        f"# Data file: {stack.path.name}",
        f"# Mask file: {area.mask_name}",
        f"# AOI box: ({left}, {first}, {right}, {end})",
        f"# Threshold: {level}",
        "#\tDATE12\t\tMean\tBtemp/days\tBperp/m\t\tNum",
    ]
    table = zip(stack.pairs, np.asarray(values, np.float64), stack.bperp, strict=True)
    for place, (pair, mean, metres) in enumerate(table):
        lines.append(f"{pair}\t{mean:.4f}\t{pair.days:8.0f}\t{metres:8.1f}\t{place}")
    write_text(path, "\n".join(lines) + "\n")
    return path


def read_pair_table(path: Path) -> tuple[Sequence[Pair], Floats, Floats]:
    """Return pairs, numbers and baselines in metres of a table that `write_pair_table` or MintPy wrote.

    Raises
    ------
    ConfigError
        The file is no such table.
    """
    rows = [line.split() for line in read_text(path).splitlines() if line.strip() and not line.startswith("#")]
    try:
        pairs = [Pair.of(*row[0].split("_")) for row in rows]
        numbers = np.array([[float(row[1]), float(row[3])] for row in rows]).reshape(-1, 2)
    except (ValueError, IndexError, TypeError) as problem:
        message = f"{path} is no table of pairs (pair, mean, days, metres, place): {problem}"
        raise ConfigError(message) from problem
    return pairs, numbers[:, 0], numbers[:, 1]


def average_in_space(
    source: Path,
    target: Path | None = None,
    *,
    name: str = "coherence",
    mask_file: Path | None = None,
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> Path:
    """Write the mean of each pair of a stack, or of each date of a series, as a table.

    Parameters
    ----------
    source : Path
        ``ifgramStack.h5`` or ``timeseries.h5``.
    target : Path, optional
        Default: ``coherenceSpatialAvg.txt``, ``timeseriesSpatialAvg.txt`` in the working folder.
    name : str
        Dataset of a stack.
    mask_file : Path, optional
        Pixels that count.
    memory_gb : float
        Memory to keep within.
    progress : Progress, optional
        Shows how far it has come.

    Raises
    ------
    InputError
        The file is neither, or the mask lies on another grid.
    """
    from creepmeter.workflow.sbas.facts import arrays_of
    from creepmeter.workflow.sbas.rewrite import layer_means

    kind = read_attributes(source).get("FILE_TYPE", "none")
    if kind == "ifgramStack":
        stack = StackFile.open(source)
        shape = (stack.shape[1], stack.shape[2])
        mask = np.ones(shape, bool) if mask_file is None else read_mask(mask_file, shape)
        box = (0, shape[0], 0, shape[1])
        area = Area(mask, ~mask, box, None if mask_file is None else mask_file.name)
        means, _ = pair_means(stack, name, mask, memory_gb=memory_gb, progress=progress)
        return write_pair_table(target or Path(f"{name}SpatialAvg.txt"), stack, means, area)
    tables = read_tables(source)
    if kind not in arrays_of(source) or tables.get("date", np.zeros(0)).ndim != 1:
        message = f"{source} ({kind}) is neither a stack nor a series: give ifgramStack.h5 or timeseries.h5"
        raise InputError(message)
    _, rows, columns = arrays_of(source)[kind].shape
    inside = None if mask_file is None else read_mask(mask_file, (rows, columns))
    means = layer_means(source, kind, inside)
    mask_name = None if mask_file is None else mask_file.name
    lines = [
        f"# Data file: {source.name}",
        f"# Mask file: {mask_name}",
        f"# AOI box: (0, 0, {columns}, {rows})",
        "# Threshold: None",
        "#\tDATE12\t\tMean",
    ]
    days = [str(epoch)[:10].replace("-", "") for epoch in tables["date"]]
    lines += [f"{day}\t{mean:.4f}" for day, mean in zip(days, means, strict=True)]
    path = target or Path("timeseriesSpatialAvg.txt")
    write_text(path, "\n".join(lines) + "\n")
    return path
