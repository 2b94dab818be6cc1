"""Figures without a display: how they are made, saved and coloured."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from cmcrameri import cm
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap
from matplotlib.figure import Figure

from creepmeter.errors import ConfigError
from creepmeter.products.whole import whole_file

Floats = npt.NDArray[np.floating]

COLUMN_IN = 3.54  # one column of a journal, 90 mm
PAGE_IN = 7.2  # two columns
FONT_PT = 7.5
SMALL_PT = 6.5
INK = "#1a1a1a"
EAST_COLOUR, NORTH_COLOUR, OTHER_COLOUR = "#0b5fa5", "#d1600a", "#3b7d4f"  # told apart with every kind of colour vision
COMPONENT_COLOURS = {"east": EAST_COLOUR, "north": NORTH_COLOUR}
DEFAULT_DPI = 200
FORMATS = (".png", ".pdf", ".svg")
_TAIL = 2.0  # percent of the values beyond each end of the colours


def new_figure(width_in: float, height_in: float) -> Figure:
    """Return an empty figure on the Agg canvas, which needs no display and keeps no global state."""
    figure = Figure(figsize=(width_in, height_in), layout="compressed", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def png_bytes(figure: Figure, *, dpi: int = DEFAULT_DPI) -> bytes:
    """Return a figure as PNG, the same bytes each time."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def save_figure(figure: Figure, path: str | Path, *, dpi: int = 300) -> Path:
    """Write a figure as PNG, PDF or SVG, whole or not at all.

    Parameters
    ----------
    figure : Figure
        From any function of this room.
    path : path
        Ends in ``.png``, ``.pdf`` or ``.svg``.
    dpi : int
        Dots per inch.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ConfigError
        The name ends in something else.
    """
    target = Path(path)
    if target.suffix.lower() not in FORMATS:
        message = (
            f"{target}: a figure is saved as {', '.join(FORMATS)}, not {target.suffix or 'a name without ending'!r}"
        )
        raise ConfigError(message)
    with whole_file(target) as partial:
        figure.savefig(partial, format=target.suffix.lower()[1:], dpi=dpi)
    return target


def colour_map(name: str) -> Colormap:
    """Return a colour map of cmcrameri or matplotlib that leaves missing values transparent.

    Raises
    ------
    ConfigError
        No colour map has that name.
    """
    if name in cm.cmaps:
        found: Colormap = cm.cmaps[name]
    elif name in mpl.colormaps:
        found = mpl.colormaps[name]
    else:
        message = f"unknown colour map {name!r}: use a name of cmcrameri (batlow, vik, roma, ...) or of matplotlib"
        raise ConfigError(message)
    return found.with_extremes(bad=(0, 0, 0, 0))


def colour_limits(
    values: Floats,
    *,
    signed: bool = False,
    vmin: float | None = None,
    vmax: float | None = None,
    tail: float = _TAIL,
) -> tuple[float, float]:
    """Return the ends of the colours: 2nd to 98th percentile, symmetric about zero where `signed`.

    Parameters
    ----------
    values : array, any shape
        NaN is left out.
    signed : bool
        Make the limits symmetric about zero.
    vmin, vmax : float, optional
        Limits that win over the data's.
    tail : float
        Percent of the values that may lie beyond each end.

    Raises
    ------
    ConfigError
        `vmin` is not below `vmax`.
    """
    finite = values[np.isfinite(values)]
    low, high = (0.0, 1.0) if finite.size == 0 else (float(p) for p in np.percentile(finite, [tail, 100 - tail]))
    if signed:
        high = max(abs(low), abs(high), abs(vmin or 0.0) if vmax is None else abs(vmax))
        low = -high
    if vmin is not None and vmax is not None and vmin >= vmax:
        message = f"vmin {vmin:g} is not below vmax {vmax:g}: swap the limits of the colours"
        raise ConfigError(message)
    low, high = low if vmin is None else vmin, high if vmax is None else vmax
    return _parted(low, high, keep_high=vmax is not None)


def _parted(low: float, high: float, *, keep_high: bool) -> tuple[float, float]:
    """Keep the ends of the colours apart where the data are all alike."""
    if high > low:
        return low, high
    gap = max(abs(low), abs(high), 1e-6) * 0.1
    return (high - gap, high) if keep_high else (low, low + gap)


def extend_of(values: Floats, low: float, high: float) -> str:
    """Return which ends of the colour bar need a triangle, as data go beyond: neither, min, max or both."""
    finite = values[np.isfinite(values)]
    below = finite.size > 0 and bool(finite.min() < low)
    above = finite.size > 0 and bool(finite.max() > high)
    return {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[below, above]


def tidy(axes: Axes, *, grid: bool = False) -> None:
    """Give axes the fonts, lines and ticks of this package."""
    axes.tick_params(labelsize=SMALL_PT, length=2.5, width=0.6, color=INK, labelcolor=INK)
    for spine in axes.spines.values():
        spine.set_linewidth(0.6)
        spine.set_color(INK)
    if grid:
        axes.grid(visible=True, color="#dddddd", linewidth=0.5)
        axes.set_axisbelow(True)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
