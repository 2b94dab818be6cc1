"""A map in the colours of a colour bar: values to numbers of a palette, and the bar itself."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

import numpy as np
import numpy.typing as npt
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from PIL import Image

from creepmeter.products.canvas import FONT_PT, SMALL_PT, colour_limits, colour_map, new_figure, png_bytes
from creepmeter.products.kmz_options import KmzOptions
from creepmeter.products.mapfile import MapLayer, Mask, strips
from creepmeter.products.scale import factor_between, wrapped

Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]

COLOURS = 255
CLEAR = 255  # number of the transparent colour
_SAMPLES = 500_000
_DPI = 150
_LENGTHS = ("m", "cm", "mm", "m/yr", "m/year", "cm/yr", "mm/yr")
_PLACES = ("height", "dem", "slantRangeDistance", "bperp")  # lengths that are no displacement


@dataclass(frozen=True)
class Paint:
    """How the values of a map become colours.

    Parameters
    ----------
    unit, label : str
        Of the colour bar.
    factor : float
        Values are multiplied by it to be in that unit.
    low, high : float
        Ends of the colours, in that unit.
    colours : Colormap
        From the lower end to the upper.
    options : KmzOptions
        What was asked for.
    """

    unit: str
    label: str
    factor: float
    low: float
    high: float
    colours: Colormap
    options: KmzOptions

    def values(self, stored: Floats) -> Floats:
        """Return values in the unit of the colours, within a fringe where wrapped, NaN where nothing is drawn."""
        shown = np.where(stored == 0, np.nan, stored) if self.options.zero_mask else stored
        shown = shown * self.factor
        return wrapped(shown, self.options.wrap_range) if self.options.wrap else shown

    def numbers(self, stored: Floats) -> Bytes:
        """Return the number in the palette of each value, `CLEAR` where it is missing."""
        values = self.values(stored)
        with np.errstate(invalid="ignore"):
            place = np.clip((values - self.low) * (COLOURS / (self.high - self.low)), 0, COLOURS - 1)
            return np.where(np.isfinite(values), place, CLEAR).astype(np.uint8)

    def rgba(self, stored: float) -> tuple[float, float, float, float]:
        """Return the colour of one value."""
        number = int(self.numbers(np.array([stored]))[0])
        red, green, blue, alpha = (float(part) for part in self.colours((number + 0.5) / COLOURS))
        return red, green, blue, alpha

    def palette(self) -> bytes:
        """Return red, green and blue of all numbers."""
        table = self.colours((np.arange(COLOURS) + 0.5) / COLOURS)[:, :3]
        return bytes(np.rint(255 * table).astype(np.uint8).tobytes()) + bytes(3)

    def png(self, numbers: Bytes) -> bytes:
        """Return a picture of numbers of the palette."""
        picture = Image.frombytes("P", numbers.shape[::-1], np.ascontiguousarray(numbers).tobytes())
        picture.putpalette(self.palette())
        opacity = bytes([round(255 * self.options.opacity)]) * COLOURS + b"\0"
        buffer = BytesIO()
        picture.save(buffer, "PNG", transparency=opacity, optimize=False)
        return buffer.getvalue()

    def bar(self) -> bytes:
        """Return a picture of the colour bar."""
        figure = new_figure(1.0, 2.6)
        axes = figure.add_axes((0.12, 0.05, 0.18, 0.86))
        scale = ScalarMappable(Normalize(self.low, self.high), self.colours)
        figure.colorbar(scale, cax=axes)
        axes.tick_params(labelsize=SMALL_PT)
        axes.set_ylabel(self.label if self.unit == "1" else f"{self.label} [{self.unit}]", fontsize=FONT_PT)
        figure.set_layout_engine("none")
        return png_bytes(figure, dpi=_DPI)


def make_paint(layer: MapLayer, mask: Mask, options: KmzOptions, cycle_m: float = 0.0) -> Paint:
    """Choose unit and colours of a map from what was asked for and from its values, read in strips.

    Raises
    ------
    ConfigError
        An unknown colour map, or a unit that measures something else.
    """
    unit = options.unit or _usual(layer)
    if options.unit and layer.unit.endswith(("/yr", "/year")) and "/" not in unit:
        unit = f"{unit}/year"  # as MintPy's -u cm
    factor = 1.0 if unit == layer.unit else factor_between(layer.unit, unit, cycle_m=cycle_m)
    values = _sample(layer, mask) * factor
    label = options.label or layer.title
    if options.wrap:
        low, high = options.wrap_range
        colours = colour_map(options.cmap or "romaO")
        return Paint(unit, label, factor, low, high, colours, options)
    finite = values[np.isfinite(values)]
    signed = bool(finite.size and finite.min() < 0 < finite.max())
    low, high = colour_limits(values, signed=signed, vmin=options.vmin, vmax=options.vmax)
    colours = colour_map(options.cmap or ("vik" if signed else "batlow"))
    return Paint(unit, label, factor, low, high, colours, options)


def _usual(layer: MapLayer) -> str:
    if layer.unit not in _LENGTHS or layer.name in _PLACES:
        return layer.unit
    return "cm/year" if "/" in layer.unit else "cm"


def _sample(layer: MapLayer, mask: Mask) -> Floats:
    """Return values of a map, thinned out evenly, outside the mask NaN."""
    rows, columns = layer.shape
    step = max(int(np.ceil(np.sqrt(rows * columns / _SAMPLES))), 1)
    found = []
    for strip in strips(layer.shape):
        first = -strip.start % step
        values = np.where(mask.read(strip, slice(None)), layer.floats(strip), np.nan)
        found.append(values[first::step, step // 2 :: step].ravel())
    return np.concatenate(found)
