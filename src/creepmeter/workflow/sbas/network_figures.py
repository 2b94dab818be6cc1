"""Figures of the network of a work folder, and of the coherence of one pixel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from creepmeter.blocks import Progress
from creepmeter.errors import InputError
from creepmeter.io.mintpy.product import read_attributes, read_map
from creepmeter.io.mintpy.stack import StackFile
from creepmeter.model.network import Network
from creepmeter.model.pair import Pair
from creepmeter.pairs.baselines import baselines_of_dates
from creepmeter.pairs.network_options import NetworkOptions
from creepmeter.products.canvas import save_figure
from creepmeter.products.network_options import NetworkPlotOptions
from creepmeter.products.network_plots import (
    NetworkView,
    baseline_history_figure,
    baseline_network_figure,
    level_history_figure,
    matrix_figure,
    pixel_matrix_figure,
)
from creepmeter.workflow.sbas.folder import COHERENCE, PAIR_TABLE, TEMPORAL_COHERENCE, VELOCITY
from creepmeter.workflow.sbas.maps import find
from creepmeter.workflow.sbas.pair_table import coherence_area, pair_means, read_pair_table, write_pair_table

Floats = npt.NDArray[np.float64]
FigureNames = Mapping[str, str]

NAMES: FigureNames = {
    "network": "network",
    "baselines": "pbaseHistory",
    "history": "coherenceHistory",
    "matrix": "coherenceMatrix",
}
NAMES_2019: FigureNames = {
    "network": "Network",
    "baselines": "BperpHistory",
    "history": "CoherenceHistory",
    "matrix": "CoherenceMatrix",
}
_QUALITY = ("coherence", "offsetSNR")
_LABELS = {
    "coherence": "Mean coherence",
    "offsetSNR": "Mean signal-to-noise ratio",
    "tbase": "Temporal baseline (days)",
    "pbase": "Perpendicular baseline (m, absolute)",
}


def view_of_stack(
    stack: StackFile,
    folder: Path,
    options: NetworkPlotOptions,
    area: NetworkOptions | None = None,
    *,
    memory_gb: float = 4.0,
    progress: Progress | None = None,
) -> NetworkView:
    """Return the network of a stack with one number for each pair; ``coherenceSpatialAvg.txt`` comes with coherence.

    Parameters
    ----------
    stack : StackFile
        The stack.
    folder : Path
        Work folder.
    options : NetworkPlotOptions
        Which number.
    area : NetworkOptions, optional
        Mask and area where the mean is taken.
    memory_gb : float
        Memory to keep within.
    progress : Progress, optional
        Shows how far it has come.
    """
    dataset: str = options.dataset or next((name for name in _QUALITY if name in stack.names), "tbase")
    if dataset in ("tbase", "pbase"):
        days = np.array([pair.days for pair in stack.pairs])
        level = days if dataset == "tbase" else np.abs(stack.bperp)
    elif dataset in stack.names:
        where = coherence_area(stack, folder, area or NetworkOptions())
        level, _ = pair_means(stack, dataset, where.inside, memory_gb=memory_gb, progress=progress)
        if dataset == "coherence":
            write_pair_table(folder / PAIR_TABLE, stack, level, where)
    else:
        message = f"{stack.path} has no dataset {dataset}: it holds {', '.join(stack.names)}; give -d tbase"
        raise InputError(message)
    return _view(stack.pairs, stack.keep, level, stack.bperp, _LABELS[dataset])


def view_of_table(table: Path) -> NetworkView:
    """Return the network of a table ``coherenceSpatialAvg.txt``, with all its pairs used."""
    pairs, level, bperp = read_pair_table(table)
    return _view(tuple(pairs), np.ones(len(pairs), bool), level, bperp, _LABELS["coherence"])


def _view(
    pairs: tuple[Pair, ...], keep: npt.NDArray[np.bool_], level: Floats, bperp: Floats, label: str
) -> NetworkView:
    first = np.array([pair not in pairs[:place] for place, pair in enumerate(pairs)])  # a pair may be there twice
    once = tuple(pair for pair, new in zip(pairs, first, strict=True) if new)
    return NetworkView(once, keep[first], level[first], label, baselines_of_dates(Network(once), bperp[first]))


def draw_network(
    view: NetworkView,
    where: Path,
    options: NetworkPlotOptions,
    *,
    names: FigureNames = NAMES,
    ending: str = ".pdf",
) -> tuple[Path, ...]:
    """Draw a network as four figures: in time and baseline, histories of baseline and coherence, matrix of pairs.

    Parameters
    ----------
    view : NetworkView
        What to draw.
    where : Path
        Folder of the figures.
    options : NetworkPlotOptions
        Colours, dots per inch.
    names : mapping
        Names of the figures without ending: `NAMES`, or `NAMES_2019` of the older tutorial.
    ending : str
        .pdf, .png or .svg.
    """
    figures = {
        "network": baseline_network_figure(view, options),
        "baselines": baseline_history_figure(view),
        "history": level_history_figure(view),
        "matrix": matrix_figure(view, options),
    }
    return tuple(
        save_figure(figure, where / f"{names[kind]}{ending}", dpi=options.dpi) for kind, figure in figures.items()
    )


def draw_pixel(
    stack: StackFile,
    folder: Path,
    pixel: tuple[int, int],
    target: Path,
    options: NetworkPlotOptions,
    *,
    background: Path | None = None,
) -> Path:
    """Draw the coherence of one pixel in all pairs, beside a map that shows where it lies.

    Parameters
    ----------
    stack : StackFile
        With coherence.
    folder : Path
        Work folder: velocity, else mean coherence, is the map where it is there.
    pixel : (int, int)
        Row and column.
    target : Path
        Figure to make.
    options : NetworkPlotOptions
        Colours, dots per inch.
    background : Path, optional
        Another map.
    """
    if "coherence" not in stack.names:
        message = f"{stack.path} has no coherence: it holds {', '.join(stack.names)}"
        raise InputError(message)
    level = stack.pixel("coherence", *pixel).astype(np.float64)
    view = _view(stack.pairs, stack.keep, level, stack.bperp, "Coherence")
    title = f"{view.title}{_temporal(folder, pixel)}"
    shown = background or find(folder, VELOCITY) or find(folder, COHERENCE)
    if shown is None:
        figure = matrix_figure(view, options, title=f"Row {pixel[0]}, column {pixel[1]}: {title}")
        return save_figure(figure, target, dpi=options.dpi)
    values = read_map(shown).astype(np.float64)
    if values.shape != stack.shape[1:]:
        message = f"{shown} has {values.shape} pixels and the stack {stack.shape[1:]}: give a map of the same stack"
        raise InputError(message)
    attributes = read_attributes(shown)
    unit = attributes.get("UNIT", "1")
    name = attributes.get("FILE_TYPE", shown.stem)
    label = f"{name[:1].upper()}{name[1:]}{'' if unit in ('1', '') else f' ({unit})'}"
    empty = np.where(values == 0, np.nan, values)
    figure = pixel_matrix_figure(view, empty, pixel, options, map_label=label, title=title)
    return save_figure(figure, target, dpi=options.dpi)


def _temporal(folder: Path, pixel: tuple[int, int]) -> str:
    path = find(folder, TEMPORAL_COHERENCE)
    if path is None:
        return ""
    row, column = pixel
    part = read_map(path, region={"y": slice(row, row + 1), "x": slice(column, column + 1)})
    return f", temporal coherence {float(part[0, 0]):.2f}"
