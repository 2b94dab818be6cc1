"""Arrows over a map: where they stand and how long they are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from creepmeter.products.frame import Frame
from creepmeter.products.furniture import ArrowKey, round_below

Floats = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

ARROWS_ACROSS = 22  # along the longer edge of a map: more cannot be told apart in one column
_REACH = 1.2  # length of a fast arrow, in distances between arrows: it must not run into the next one
_FAINT = 0.15  # an arrow shorter than this share of a fast one would be a dot
_HALF = 0.5
_FAST = 95  # percentile of speed that counts as fast


@dataclass(frozen=True)
class Arrows:
    """Arrows over a map.

    Parameters
    ----------
    east, north : array, (y, x)
        Components, positive east and north.
    significant : array of bool, (y, x)
        Where an arrow may stand.
    unit : str
        Unit of the components.
    """

    east: Floats
    north: Floats
    significant: Bools
    unit: str = "m/yr"


def thin_arrows(significant: Bools, across: int = ARROWS_ACROSS) -> tuple[Indices, Indices]:
    """Return rows and columns of arrows, at most one for each block of cells.

    A block gets an arrow where more than half of its cells are significant, so that chance (a cell of still ground
    passes 2 sigma in one case of eight) does not scatter arrows over the map. It stands at the significant cell nearest
    to the middle of the block: every arrow is a measurement, none is a mean.

    Parameters
    ----------
    significant : array of bool, (y, x)
        Cells that may carry an arrow.
    across : int
        Most arrows along the longer edge.
    """
    step = math.ceil(max(significant.shape) / across)
    rows, columns = [], []
    middle = (step - 1) / 2
    for top in range(0, significant.shape[0], step):
        for left in range(0, significant.shape[1], step):
            block = significant[top : top + step, left : left + step]
            if block.mean() <= _HALF:
                continue
            row, column = np.nonzero(block)
            nearest = int(np.argmin((row - middle) ** 2 + (column - middle) ** 2))
            rows.append(top + int(row[nearest]))
            columns.append(left + int(column[nearest]))
    return np.array(rows, dtype=np.int64), np.array(columns, dtype=np.int64)


def draw_arrows(axes: Axes, arrows: Arrows, frame: Frame) -> ArrowKey | None:
    """Draw arrows as white with a black edge, seen on every colour; return their key, or None where there is none."""
    rows, columns = thin_arrows(arrows.significant)
    speed = np.hypot(arrows.east[rows, columns], arrows.north[rows, columns])
    if rows.size == 0:
        return None
    fast = float(np.percentile(speed, _FAST))
    long_enough = speed >= _FAINT * fast
    rows, columns = rows[long_enough], columns[long_enough]
    x, y = frame.centres(arrows.significant.shape)
    left, right = frame.extent[:2]
    cell = abs(right - left) / arrows.significant.shape[1]
    spacing = cell * math.ceil(max(arrows.significant.shape) / ARROWS_ACROSS)
    scale = fast / (_REACH * spacing)
    axes.quiver(
        x[columns], y[rows], arrows.east[rows, columns], arrows.north[rows, columns],
        angles="xy", scale_units="xy", scale=scale, units="xy", width=0.13 * spacing,
        headwidth=3.8, headlength=3.9, headaxislength=3.5, minlength=0.5,
        color="white", edgecolor="black", linewidth=0.45, zorder=5,
    )  # fmt: skip
    value = round_below(fast)
    return ArrowKey(value, value / scale, f"{value:g} {arrows.unit}")
