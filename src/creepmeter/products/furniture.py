"""Scale bar, north arrow and arrow key: one small legend in a quiet corner of a map."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.offsetbox import AnchoredOffsetbox, AuxTransformBox, DrawingArea, HPacker, OffsetBox, TextArea, VPacker
from matplotlib.patches import Polygon, Rectangle

from creepmeter.products.canvas import INK, SMALL_PT
from creepmeter.products.frame import Frame

_CORNERS = ("lower left", "lower right", "upper left", "upper right")
_SHARE = 0.24  # of the width of the map that the scale bar takes at most
_KM = 1000.0


@dataclass(frozen=True)
class ArrowKey:
    """What an arrow of round length means.

    Parameters
    ----------
    value : float
        What it stands for, unit of the text.
    length : float
        Its length, axis units.
    text : str
        ``1 m/yr``.
    """

    value: float
    length: float
    text: str


def round_below(value: float) -> float:
    """Return the largest of 1, 2, 5 times a power of ten that is not above `value`.

    Examples
    --------
    >>> round_below(730.0)
    500.0
    """
    if not (math.isfinite(value) and value > 0):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return float(max(step for step in (1, 2, 5) if step * power <= value * (1 + 1e-9)) * power)


def quiet_corner(busy: npt.NDArray[np.bool_]) -> str:
    """Return the corner of a map, (y, x) with the first row at the top, where least is going on."""
    rows, wide = max(1, busy.shape[0] // 4), max(1, int(busy.shape[1] * 0.4))
    parts = {
        "lower left": busy[-rows:, :wide],
        "lower right": busy[-rows:, -wide:],
        "upper left": busy[:rows, :wide],
        "upper right": busy[:rows, -wide:],
    }
    return min(_CORNERS, key=lambda name: float(parts[name].mean()))


def add_furniture(axes: Axes, frame: Frame, *, corner: str, key: ArrowKey | None = None, north: bool = True) -> None:
    """Put scale bar, arrow key and (where axes have no map units) a north arrow on a pale box in a corner.

    Parameters
    ----------
    axes : Axes
        Of the map.
    frame : Frame
        Axes in words; a grid in degrees gets no scale bar.
    corner : str
        ``lower left`` or another corner.
    key : ArrowKey, optional
        Arrow to explain.
    north : bool
        Draw the north arrow.
    """
    rows: list[Artist] = []
    if frame.metres is not None:
        rows.append(_scale_bar(axes, frame))
    if key is not None:
        rows.append(_key_row(axes, key))
    if not rows:
        return
    packed: OffsetBox = VPacker(children=rows, align="left", pad=0, sep=3)
    if frame.labels is None and north:
        packed = HPacker(children=[packed, _north()], align="center", pad=0, sep=5)
    _add_box(axes, packed, corner)


def _add_box(axes: Axes, packed: OffsetBox, corner: str) -> None:
    box = AnchoredOffsetbox(loc=corner, child=packed, pad=0.3, borderpad=0.35, frameon=True)
    box.patch.set(facecolor="white", edgecolor="none", alpha=0.82, boxstyle="round,pad=0,rounding_size=0.2")
    box.set_zorder(6)
    axes.add_artist(box)


def add_arrow_key(axes: Axes, key: ArrowKey, corner: str) -> None:
    """Put an arrow key alone on a pale box in a corner."""
    _add_box(axes, _key_row(axes, key), corner)


def free_corners(axes: Axes) -> list[str]:
    """Return the corners of a map that no box lies in."""
    boxes = [item for item in axes.get_children() if isinstance(item, AnchoredOffsetbox)]
    taken = {box.loc for box in boxes}
    return [corner for corner in _CORNERS if AnchoredOffsetbox.codes[corner] not in taken]


def _scale_bar(axes: Axes, frame: Frame) -> OffsetBox:
    left, right, bottom, top = frame.extent
    metres_per_unit = frame.metres or 1.0
    metres = round_below(_SHARE * abs(right - left) * metres_per_unit)
    text = f"{metres / _KM:g} km" if metres >= _KM else f"{metres:g} m"
    bar = AuxTransformBox(axes.transData)
    bar.add_artist(
        Rectangle(
            (0, 0), metres / metres_per_unit, 0.009 * abs(top - bottom), facecolor=INK, edgecolor=INK, linewidth=0.8
        )
    )
    return VPacker(children=[_text(text), bar], align="center", pad=0, sep=1.5)


def _key_row(axes: Axes, key: ArrowKey) -> OffsetBox:
    """Return an arrow drawn to the scale of the map beside its meaning."""
    arrow = AuxTransformBox(axes.transData)
    head, half = 0.34 * key.length, 0.16 * key.length
    shaft = 0.28 * half
    outline = [
        (0, -shaft), (key.length - head, -shaft), (key.length - head, -half), (key.length, 0),
        (key.length - head, half), (key.length - head, shaft), (0, shaft),
    ]  # fmt: skip
    arrow.add_artist(Polygon(outline, closed=True, facecolor="white", edgecolor="black", linewidth=0.6))
    return HPacker(children=[arrow, _text(key.text)], align="center", pad=0, sep=3)


def _north() -> OffsetBox:
    area = DrawingArea(8, 17, 0, 0)
    area.add_artist(Polygon([(4, 17), (0, 6), (4, 8.5)], closed=True, facecolor=INK, edgecolor=INK, linewidth=0.5))
    area.add_artist(Polygon([(4, 17), (8, 6), (4, 8.5)], closed=True, facecolor="white", edgecolor=INK, linewidth=0.5))
    return VPacker(children=[area, _text("N")], align="center", pad=0, sep=-5)


def _text(text: str) -> TextArea:
    return TextArea(text, textprops={"fontsize": SMALL_PT, "color": INK})
